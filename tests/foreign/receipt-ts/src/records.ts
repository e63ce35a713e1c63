/** docs/formats.md, "Records", "Bodies" and "Registry entry", as far as receipts show them. */

import { ascend, compare, hex, need, utf8 } from "./bytes.js";
import { ed25519Of, publicKey } from "./keys.js";
import { achievementId, issuerId, memberId, peopleName, webAddress } from "./names.js";
import { Reader } from "./reader.js";

const RECORD_BYTES_MAX = 65_534;
const POSITIONS = 131_072;
const ITEMS_MAX = 1_024;
const REASONS = 8;

interface Envelope {
  readonly ledger: Uint8Array;
  /** The author, when it is an issuer. */
  readonly issuer: string | undefined;
}

export interface Issue extends Envelope {
  readonly kind: "issue";
  readonly achievement: string | undefined;
  readonly list: bigint;
  /** Index by digest in hex. */
  readonly items: ReadonlyMap<string, number>;
}

/** Of Supersede the old digest alone. */
export interface Change extends Envelope {
  readonly kind: "revoke" | "suspend" | "supersede";
  readonly about: string;
  /** In hex. */
  readonly digests: readonly string[];
}

/** A record of one of the four kinds; any other is refused like what is no record. */
export function readRecord(leaf: Uint8Array): Issue | Change {
  need(leaf[0] === 1, "a leaf is no record");
  const reader = new Reader(leaf.subarray(1), "a record", RECORD_BYTES_MAX);
  need(reader.u8() === 1, "a record is not of version 1");
  const ledger = reader.take(32);
  const byIssuer = reader.variant(2) === 1;
  const name = reader.text();
  const issuer = byIssuer ? issuerId(name) : undefined;
  if (!byIssuer) memberId(name);
  reader.take(16 + 16 + 8); // key id, nonce, expiry
  const body = readBody(reader);
  reader.take(64);
  reader.end();
  return { ledger, issuer, ...body };
}

function readBody(reader: Reader): Omit<Issue, keyof Envelope> | Omit<Change, keyof Envelope> {
  const kind = reader.u32();
  switch (kind) {
    case 10:
      return readIssue(reader);
    case 11:
      return { kind: "revoke", ...readChange(reader) };
    case 12:
      return { kind: "suspend", ...readChange(reader) };
    case 14:
      return { kind: "supersede", ...readSupersede(reader) };
    default:
      need(false, `a record is of kind ${kind}`);
  }
}

function readIssue(reader: Reader): Omit<Issue, keyof Envelope> {
  const achievement = reader.option(() => achievementId(reader.text()));
  const list = reader.u64();
  const [begins, ends] = [reader.option(reader.u64), reader.option(reader.u64)];
  const ordered = begins === undefined || ends === undefined || begins < ends;
  need(ordered, "an Issue ends before it begins");
  const rows = reader.list(ITEMS_MAX, () => [reader.u32(), hex(reader.take(32))] as const);
  need(rows.length > 0, "an Issue has no items");
  ascend(rows, ([one], [other]) => one - other, "the items of an Issue");
  need(rows.every(([index]) => index < POSITIONS), "an Issue has an item outside its list");
  const items = new Map(rows.map(([index, digest]) => [digest, index]));
  need(items.size === rows.length, "an Issue has a digest twice");
  return { kind: "issue", achievement, list, items };
}

function readChange(reader: Reader): { about: string; digests: string[] } {
  const about = issuerId(reader.text());
  const digests = reader.list(ITEMS_MAX, () => reader.take(32));
  need(digests.length > 0, "a record has no digests");
  ascend(digests, compare, "digests");
  reader.variant(REASONS);
  return { about, digests: digests.map(hex) };
}

function readSupersede(reader: Reader): { about: string; digests: string[] } {
  const about = issuerId(reader.text());
  const [old, replacement] = [reader.take(32), reader.take(32)];
  need(compare(old, replacement) !== 0, "a credential supersedes itself");
  reader.variant(REASONS);
  return { about, digests: [hex(old)] };
}

// --- Registry entry ----------------------------------------------------------------------------

/** The issuer's id; the rest of an entry with an accreditation is read for its form. */
export function readEntry(data: Uint8Array): string {
  const most = data.length;
  const reader = new Reader(data, "a registry entry", most);
  const id = issuerId(reader.text());
  peopleName(reader.text());
  reader.option(() => webAddress(reader.text()));
  reader.list(most, () => {
    keyWithPurposes(reader);
    reader.u64();
    reader.option(reader.u64);
    reader.option(reader.u64);
  });
  ed25519Of(reader.bytes());
  const accreditations = reader.list(most, () => accreditation(reader));
  need(accreditations.length > 0, "a registry entry has no accreditation");
  reader.option(() => pending(reader));
  reader.end();
  return id;
}

function keyWithPurposes(reader: Reader): void {
  const isEd25519 = publicKey(reader.bytes());
  const [record, assertion] = [reader.bool(), reader.bool()];
  need(record || assertion, "a key of an issuer has no purpose");
  need(isEd25519 || !record, "a key for records is not Ed25519");
}

function accreditation(reader: Reader): void {
  memberId(reader.text());
  if (reader.variant(2) === 1) {
    const scope = reader.list(256, () => utf8(achievementId(reader.text())));
    need(scope.length > 0, "a scope is empty");
    ascend(scope, compare, "the achievements of a scope");
  }
  reader.u64();
  reader.option(reader.u64);
  reader.option(() => [reader.u64(), reader.variant(REASONS)]);
  reader.take(32);
}

function pending(reader: Reader): void {
  reader.take(32);
  memberId(reader.text());
  reader.u64();
  const added = reader.list(16, () => keyWithPurposes(reader));
  const retired = reader.list(16, () => reader.take(16));
  ascend(retired, compare, "the keys to retire");
  need(added.length + retired.length > 0, "a pending replacement changes no key");
  const since = reader.option(reader.u64);
  need(since === undefined || retired.length > 0, "a pending replacement compromises no key");
}
