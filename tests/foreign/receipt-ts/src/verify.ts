/** Checks a receipt: docs/formats.md, "Checking a receipt", step by step and in its order. */

import { blake3 } from "@noble/hashes/blake3.js";

import { Bad, concat, equal, hex, u32, u64 } from "./bytes.js";
import { at, readReceipt } from "./form.js";
import type { Credential, MemberChange, Receipt } from "./form.js";
import {
  checkCertificate, checkpointBody, cosignedAt, cosignerKeyId, cosignerName, readCertificate,
  readSeal,
} from "./log.js";
import type { Seal } from "./log.js";
import { quorum, readMemberSet } from "./members.js";
import type { MemberSet } from "./members.js";
import { readEntry, readRecord } from "./records.js";
import type { Issue } from "./records.js";
import { consistent, included } from "./trees.js";
import { trustFile } from "./trust.js";
import type { Anchor, Newest, TrustFile } from "./trust.js";

const CHUNKS = 1_024n;
const CHUNK_POSITIONS = 128;
const TIME_MAX = 2n ** 64n - 1n;

/** Why a receipt is refused; the codes of "Checking a receipt". */
export type RefusalCode =
  | "malformed"
  | "other_ledger"
  | "path"
  | "not_a_seal"
  | "wrong_seal"
  | "consistency"
  | "members"
  | "unknown_signer"
  | "quorum"
  | "cosignature"
  | "entry"
  | "issue"
  | "status"
  | "status_record"
  | "fork";

/** Why nothing can be said, although everything is proven. */
export type UnknownCode = "at_not_reached" | "older_than_trust" | "too_old";

export type Status = "valid" | "suspended" | "revoked" | "superseded";

/** What is proven of a credential. Times are milliseconds since the Unix epoch. */
export interface Statement {
  /** 64 hex digits. */
  readonly digest: string;
  readonly issuerId: string;
  readonly status: Status;
  readonly issuedAt: bigint;
  /** Absent for a valid credential. */
  readonly statusSince?: bigint;
  readonly achievement: string | null;
}

export interface Proof {
  /** Up to when the members attest that nothing is missing; milliseconds. */
  readonly asOf: bigint;
  /** "known": the members follow from those that the trust file holds. */
  readonly memberSetCurrency: "unknown" | "known";
  readonly credentials: readonly Statement[];
  /** The trust file to keep from now on; absent if it stays as it is. */
  readonly trust?: TrustFile;
}

export interface Accepted extends Proof {
  readonly outcome: "accepted";
}

export interface Unknown extends Proof {
  readonly outcome: "unknown";
  readonly code: UnknownCode;
  readonly reason: string;
}

export interface Refused {
  readonly outcome: "refused";
  readonly code: RefusalCode;
  readonly reason: string;
}

export type Result = Accepted | Unknown | Refused;

export interface Options {
  /** Longer ago than this, the as-of time makes the outcome unknown. Without it, any age will do. */
  readonly maxAgeSeconds?: number;
  /** The time that was asked about, in milliseconds. Without it, now. */
  readonly at?: number;
  /** What counts as now, in milliseconds. By default the clock. */
  readonly now?: number;
}

class Refusal extends Error {
  constructor(
    readonly code: RefusalCode,
    reason: string,
  ) {
    super(reason);
  }
}

function need(condition: boolean, code: RefusalCode, reason: string): asserts condition {
  if (!condition) throw new Refusal(code, reason);
}

/** What `make` reads; what is bad is refused with this code. */
function read<T>(code: RefusalCode, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof Bad) throw new Refusal(code, error.message);
    throw error;
  }
}

/** The verdict about the bytes of a receipt. No bytes make it throw. */
export function verifyReceipt(bytes: Uint8Array, anchor: Anchor, options: Options = {}): Result {
  try {
    const receipt = read("malformed", () => readReceipt(bytes));
    return new Check(receipt, anchor).verdict(options);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { outcome: "refused", code: error.code, reason: error.message };
  }
}

class Check {
  private readonly seals = new Map<number, Seal>();
  private readonly issuers = new Map<string, string>();
  private readonly chunksUsed = new Set<string>();
  private readonly last: number;
  private set: MemberSet;
  /** The set after the trust file's height, when it is followed from genesis. */
  private setAtTrust: MemberSet;
  private asOf = 0n;

  constructor(
    private readonly receipt: Receipt,
    private readonly anchor: Anchor,
  ) {
    this.last = Number(receipt.checkpoint.size - 1n);
    this.set = this.setAtTrust = anchor.genesis.members;
  }

  verdict(options: Options): Result {
    this.ledger();
    this.paths();
    this.notASeal();
    this.wrongSeal(options.at);
    this.consistency();
    this.members();
    this.cosigned();
    this.entries();
    const statements = this.receipt.credentials.map((one) => this.credential(one));
    const surplus = this.chunksUsed.size < this.receipt.chunks.size;
    need(!surplus, "malformed", "a chunk is of no credential");
    const oneLog = this.fork();
    return this.known(statements, oneLog, options);
  }

  // --- The log ---------------------------------------------------------------------------------

  private ledger(): void {
    const { receipt, anchor } = this;
    const same = receipt.ledger === hex(anchor.genesis.ledger);
    need(same, "other_ledger", `it is of the ledger ${receipt.ledger}`);
    const { origin } = receipt.checkpoint;
    need(origin === anchor.genesis.origin, "other_ledger", `the checkpoint is of ${origin}`);
  }

  private paths(): void {
    const { size, root } = this.receipt.checkpoint;
    for (const { place, data, path } of this.receipt.leaves.values()) {
      const there = included(data, BigInt(place), size, path, root);
      need(there, "path", `leaf ${place} is not proven to be in the checkpoint's tree`);
    }
  }

  private leaf(index: number): Uint8Array {
    const leaf = this.receipt.leaves.get(index);
    need(leaf !== undefined, "malformed", `leaf ${index} is not there`);
    return leaf.data;
  }

  private notASeal(): void {
    const { receipt } = this;
    const places = [this.last, receipt.seal];
    if (receipt.next !== undefined) places.push(receipt.next);
    for (const { issueSeal, status } of receipt.credentials) {
      places.push(issueSeal);
      if (status) places.push(status.seal);
    }
    for (const index of places) {
      if (this.seals.has(index)) continue;
      this.seals.set(index, read("not_a_seal", () => readSeal(this.leaf(index))));
    }
  }

  private seal(index: number): Seal {
    const seal = this.seals.get(index);
    need(seal !== undefined, "not_a_seal", `the leaf ${index} is no seal`);
    return seal;
  }

  private wrongSeal(wanted: number | undefined): void {
    const { at: asked, next } = this.receipt;
    const same = asked === (wanted === undefined ? undefined : BigInt(wanted));
    need(same, "wrong_seal", "it is about another time than was asked about");
    const newest = this.receipt.seal === this.last;
    if (asked === undefined) {
      need(newest && next === undefined, "wrong_seal", "the seal is not the newest");
      return;
    }
    const asOf = this.seal(this.receipt.seal);
    need(asOf.time <= asked, "wrong_seal", "the seal is later than asked for");
    if (next === undefined) {
      need(newest, "wrong_seal", "the seal after it is not shown");
      return;
    }
    const after = this.seal(next);
    const follows = after.height === asOf.height + 1n;
    need(follows, "wrong_seal", "the next seal is of another height");
    need(after.time > asked, "wrong_seal", "the next seal is not later than asked for");
  }

  private consistency(): void {
    const { consistency, checkpoint } = this.receipt;
    if (!consistency) return;
    const trusted = this.anchor.newest?.size;
    const known = consistency.size === trusted && trusted !== checkpoint.size;
    need(known, "consistency", `no checkpoint of ${consistency.size} leaves is trusted`);
    const older = consistency.size < checkpoint.size;
    const [smaller, larger] = older ? [consistency, checkpoint] : [checkpoint, consistency];
    const good = consistent(smaller, larger, consistency.path);
    need(good, "consistency", "it is not proven to be one log with the other");
  }

  // --- The members -----------------------------------------------------------------------------

  private members(): void {
    const { receipt, anchor } = this;
    const { newest, genesis } = anchor;
    let [height, time, size] = [0n, genesis.time, 0n];
    if (receipt.since > 0) {
      const known = newest !== undefined && newest.height === BigInt(receipt.since);
      need(known, "members", `the members of height ${receipt.since} are not known here`);
      ({ height, time, size } = newest);
      this.set = this.setAtTrust = newest.members;
    }
    for (const change of receipt.members) {
      const seal = read("members", () => this.follow(change));
      const larger = BigInt(change.size);
      const grows = seal.height > height && seal.time > time && larger > size;
      need(grows, "members", "height, time and size of the changes do not grow");
      const within = larger <= receipt.checkpoint.size;
      need(within, "members", "the members changed behind the checkpoint");
      [height, time, size] = [seal.height, seal.time, larger];
      if (newest && height <= newest.height) this.setAtTrust = this.set;
    }
    const last = this.seal(this.last);
    const same = this.set.hash === last.membersHash;
    need(same, "members", "the set that is followed is not that of the newest seal");
    need(height <= last.height, "members", "the members changed behind the newest seal");
    if (newest && receipt.checkpoint.size > newest.size) {
      const believed = this.setAtTrust.hash === newest.members.hash;
      need(believed, "members", `other members than were believed after height ${newest.height}`);
    }
  }

  private follow(change: MemberChange): Seal {
    const { genesis } = this.anchor;
    const seal = readSeal(change.seal);
    const size = BigInt(change.size);
    const there = included(change.seal, size - 1n, size, change.path, change.root);
    need(there, "members", "the seal of a change is not proven to be in its log");
    const body = checkpointBody(genesis.origin, size, change.root);
    checkCertificate(readCertificate(change.certificate), genesis, this.set, seal, body);
    // The hash first: what is not attested is not worth reading.
    const same = hex(blake3(change.members)) === seal.membersHash;
    need(same, "members", "a set is not the one that its seal names");
    const set = readMemberSet(change.members);
    need(set.hash !== this.set.hash, "members", "a change of the members changes nothing");
    this.set = set;
    return seal;
  }

  private cosigned(): void {
    const { body, lines } = this.receipt.checkpoint;
    const { origin } = this.anchor.genesis;
    const keys = new Map(
      this.set.seats.map((seat) => [cosignerName(origin, seat), seat.cosigner]),
    );
    const signers = lines.map((line) => {
      const key = keys.get(line.name);
      const known = key !== undefined && equal(cosignerKeyId(line.name, key), line.keyId);
      need(known, "unknown_signer", `${line.name} is no cosigner of the members`);
      return { line, key };
    });
    const wanted = quorum(this.set);
    const reason = `${lines.length} cosignatures where a quorum is ${wanted}`;
    need(lines.length === wanted, "quorum", reason);
    const times = signers.map(({ line, key }) => {
      const seconds = cosignedAt(line, key, body);
      need(seconds !== undefined, "cosignature", `that of ${line.name} does not verify`);
      return seconds;
    });
    const oldest = times.reduce((one, other) => (other < one ? other : one)) * 1_000n;
    this.asOf = oldest < TIME_MAX ? oldest : TIME_MAX;
  }

  // --- The credentials -------------------------------------------------------------------------

  private entries(): void {
    for (const [name, { place, data, path }] of this.receipt.entries) {
      const { registrySize, registryRoot } = this.seal(place.seal);
      const there = included(data, BigInt(place.issuer), registrySize, path, registryRoot);
      need(there, "entry", `the entry of issuer ${place.issuer} is not proven to be there`);
      this.issuers.set(name, read("entry", () => readEntry(data)));
    }
  }

  private credential(one: Credential): Statement {
    const { receipt } = this;
    const issue = read("issue", () => readRecord(this.leaf(one.issue)));
    const here = equal(issue.ledger, this.anchor.genesis.ledger) && issue.kind === "issue";
    need(here, "issue", `${one.digest}: no Issue record of this ledger`);
    const position = issue.items.get(one.digest);
    need(position !== undefined, "issue", `${one.digest} is not in its Issue record`);
    const issuerId = this.issuers.get(at(one.issueSeal, one.issuer));
    need(
      issuerId !== undefined && issue.issuer === issuerId,
      "issue",
      `${one.digest} is not by the issuer of its entry`,
    );
    const same = this.issuers.get(at(receipt.seal, one.issuer)) === issuerId;
    need(same, "issue", `${one.digest}: the issuer's entries are of two issuers`);
    this.inBlock(one.issue, one.issueSeal);
    if (one.status) {
      this.inBlock(one.status.record, one.status.seal);
      const behind = one.status.record > one.issue;
      need(behind, "wrong_seal", `${one.digest}: its status came before it`);
    }
    const bits = this.bits(issue, position);
    const status = this.status(one, issuerId, bits);
    return {
      digest: one.digest,
      issuerId,
      status,
      issuedAt: this.seal(one.issueSeal).time,
      ...(one.status && { statusSince: this.seal(one.status.seal).time }),
      achievement: issue.achievement ?? null,
    };
  }

  private inBlock(index: number, sealIndex: number): void {
    const first = sealIndex - this.seal(sealIndex).recordCount;
    const held = first <= index && index < sealIndex;
    need(held, "wrong_seal", `the record ${index} is not in the block of the seal ${sealIndex}`);
    const behind = sealIndex > this.receipt.seal;
    need(!behind, "wrong_seal", `the seal ${sealIndex} is behind the as-of seal`);
  }

  /** The two bits of the credential. */
  private bits(issue: Issue, position: number): number {
    const number = Math.floor(position / CHUNK_POSITIONS);
    const name = at(issue.list, number);
    const chunk = this.receipt.chunks.get(name);
    need(chunk !== undefined, "status", `chunk ${name} is missing`);
    const { statusLists, statusRoot } = this.seal(this.receipt.seal);
    const leaf = concat(u64(issue.list), u32(number), chunk.data);
    const index = CHUNKS * issue.list + BigInt(number);
    const there = included(leaf, index, CHUNKS * statusLists, chunk.path, statusRoot);
    need(there, "status", `chunk ${name} is not proven`);
    this.chunksUsed.add(name);
    const within = position % CHUNK_POSITIONS;
    return ((chunk.data[within >> 2] ?? 0) >> (2 * (within & 3))) & 3;
  }

  private status(one: Credential, issuerId: string, bits: number): Status {
    if (bits === 0) {
      need(one.status === undefined, "status_record", "it is valid, yet a record says otherwise");
      return "valid";
    }
    const place = one.status;
    need(place !== undefined, "status_record", "it is not valid, and no record made it so");
    const record = read("status_record", () => readRecord(this.leaf(place.record)));
    const revoked = (bits & 1) === 1;
    need(record.kind !== "issue", "status_record", "the record changes no status");
    const fits = revoked === (record.kind !== "suspend");
    need(fits, "status_record", "the record is not of the kind for its status");
    const here = equal(record.ledger, this.anchor.genesis.ledger) && record.about === issuerId;
    const about = here && record.digests.includes(one.digest);
    need(about, "status_record", "the record is not about this credential");
    if (!revoked) return "suspended";
    return record.kind === "supersede" ? "superseded" : "revoked";
  }

  // --- The trust file --------------------------------------------------------------------------

  /** Whether the checkpoint is proven to be one log with that of the trust file. */
  private fork(): boolean {
    const { newest } = this.anchor;
    const { checkpoint, consistency } = this.receipt;
    if (!newest) return false;
    const { size, root } = newest;
    if (checkpoint.size === size) {
      const same = equal(checkpoint.root, root);
      need(same, "fork", `another log of ${size} leaves was believed before`);
      return true;
    }
    // Its size is the trusted one: step 6.
    const same = consistency === undefined || equal(consistency.root, root);
    need(same, "fork", `it continues another log of ${size} leaves than was believed`);
    return consistency !== undefined;
  }

  private known(credentials: Statement[], oneLog: boolean, options: Options): Result {
    const { receipt, anchor } = this;
    const { newest } = anchor;
    const older = newest !== undefined && receipt.checkpoint.size < newest.size;
    const asOf = older ? this.asOfOlder(newest) : this.asOf;
    const trust = this.advanced(oneLog);
    const memberSetCurrency = newest && (oneLog || !older) ? "known" : "unknown";
    const proof: Proof = { asOf, memberSetCurrency, credentials, ...(trust && { trust }) };
    const unknown = (code: UnknownCode, reason: string): Unknown => ({
      outcome: "unknown", code, reason, ...proof,
    });
    if (older && !oneLog) return unknown("older_than_trust", "a larger log was believed before");
    if (receipt.at !== undefined && receipt.next === undefined && asOf < receipt.at) {
      return unknown("at_not_reached", `the members attest ${asOf}, before the time asked for`);
    }
    const age = BigInt(Math.floor(options.now ?? Date.now())) - asOf;
    const { maxAgeSeconds } = options;
    if (maxAgeSeconds !== undefined && age > BigInt(Math.floor(1_000 * maxAgeSeconds))) {
      return unknown("too_old", `the members attest ${asOf}, longer than ${maxAgeSeconds} s ago`);
    }
    return { outcome: "accepted", ...proof };
  }

  /** The as-of time at most, of a log that is smaller than the one believed. */
  private asOfOlder(newest: Newest): bigint {
    // Members that were left behind may sign anything today.
    const same = this.set.hash === newest.members.hash;
    const most = same ? newest.time - 1n : this.seal(this.last).time;
    return most < this.asOf ? most : this.asOf;
  }

  /** The trust file with this checkpoint, if it continues what was believed. */
  private advanced(oneLog: boolean): TrustFile | undefined {
    const { genesis, newest } = this.anchor;
    const { size, root } = this.receipt.checkpoint;
    if (newest && (!oneLog || size <= newest.size)) return undefined;
    const { height, time } = this.seal(this.last);
    return trustFile(genesis, { height, time, size, root, asOf: this.asOf, members: this.set });
  }
}
