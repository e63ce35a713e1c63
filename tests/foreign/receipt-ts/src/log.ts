/** docs/formats.md, "Blocks and seals", "Checkpoint", "Votes" and "Commit certificate". */

import { blake3 } from "@noble/hashes/blake3.js";
import { sha256 } from "@noble/hashes/sha2.js";

import {
  ascend, base64, compare, concat, equal, fromBase64, hasLoneSurrogate, hex, need, u32, u64, utf8,
} from "./bytes.js";
import { verifies } from "./keys.js";
import { quorum } from "./members.js";
import type { Genesis, MemberSet, Seat } from "./members.js";
import { memberId, originName } from "./names.js";
import { Reader } from "./reader.js";

const SEAL_BYTES_MAX = 1_024;
const NOTE_BYTES_MAX = 524_288;
const NOTE_SIGNATURES_MAX = 256;
const CERTIFICATE_BYTES_MAX = 11_252;
const SIGNERS_MAX = 100;
const PRECOMMIT = 2;
const COSIGNATURE = 4;
/** C2SP signed-note: a name has no Unicode White_Space and no "+"; a note no control character. */
const NOT_IN_NAMES =
  /[\x00-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000+]/;

// --- Seals -------------------------------------------------------------------------------------

export interface Seal {
  readonly height: bigint;
  readonly time: bigint;
  readonly round: number;
  readonly recordCount: number;
  readonly statusRoot: Uint8Array;
  readonly statusLists: bigint;
  readonly registryRoot: Uint8Array;
  readonly registrySize: bigint;
  /** In hex. */
  readonly membersHash: string;
}

export function readSeal(leaf: Uint8Array): Seal {
  need(leaf[0] === 2, "a leaf is no seal");
  const reader = new Reader(leaf.subarray(1), "a seal", SEAL_BYTES_MAX);
  need(reader.u8() === 1, "a seal is not of version 1");
  const [height, time, round] = [reader.u64(), reader.u64(), reader.u32()];
  memberId(reader.text());
  const recordCount = reader.u32();
  const [statusRoot, statusLists] = [reader.take(32), reader.u64()];
  const [registryRoot, registrySize] = [reader.take(32), reader.u64()];
  const membersHash = hex(reader.take(32));
  reader.end();
  return {
    height, time, round, recordCount, statusRoot, statusLists, registryRoot, registrySize,
    membersHash,
  };
}

// --- Checkpoints -------------------------------------------------------------------------------

/** A signature line of a note. */
export interface Line {
  readonly name: string;
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

export interface Checkpoint {
  readonly body: Uint8Array;
  readonly origin: string;
  readonly size: bigint;
  readonly root: Uint8Array;
  readonly lines: readonly Line[];
}

export function checkpointBody(origin: string, size: bigint, root: Uint8Array): Uint8Array {
  return utf8(`${origin}\n${size}\n${base64(root)}\n`);
}

/** A signed note that encodes to itself, over a checkpoint without extension lines. */
export function readCheckpoint(note: string): Checkpoint {
  need(!hasLoneSurrogate(note), "the checkpoint has a lone surrogate");
  const data = utf8(note);
  need(data.length <= NOTE_BYTES_MAX, "the checkpoint is too long");
  const [origin = "", digits = "", spelled = "", gap, ...rest] = note.split("\n");
  need(gap === "" && rest.pop() === "", "the checkpoint is no signed note of three lines");
  originName(origin);
  need(/^(?:0|[1-9][0-9]{0,19})$/.test(digits), "the size of the checkpoint is no number");
  const size = BigInt(digits);
  need(size > 0n && size < 2n ** 64n, "the checkpoint is of no log");
  const root = fromBase64(spelled, "the root of the checkpoint");
  need(root.length === 32, "the root of the checkpoint is no hash");
  const few = rest.length >= 1 && rest.length <= NOTE_SIGNATURES_MAX;
  need(few, "the checkpoint has not 1 to 256 signatures");
  const lines = rest.map(readLine);
  ascend(lines, (one, other) => compare(utf8(one.name), utf8(other.name)), "signature lines");
  const body = checkpointBody(origin, size, root);
  const again = concat(body, utf8("\n"), ...lines.map(lineBytes));
  need(equal(again, data), "the checkpoint does not encode to itself");
  return { body, origin, size, root, lines };
}

function readLine(line: string): Line {
  const [dash, name, spelled, ...more] = line.split(" ");
  const good = dash === "\u2014" && name && spelled !== undefined && more.length === 0;
  need(!!good && !NOT_IN_NAMES.test(name), "the checkpoint has a line that is no signature line");
  const data = fromBase64(spelled, "a signature line");
  need(data.length > 4, "a signature line has no signature");
  return { name, keyId: data.subarray(0, 4), signature: data.subarray(4) };
}

function lineBytes(line: Line): Uint8Array {
  return utf8(`\u2014 ${line.name} ${base64(concat(line.keyId, line.signature))}\n`);
}

export const cosignerName = (origin: string, seat: Seat): string =>
  `${origin}/${seat.id}/${seat.cosignerNumber}`;

export function cosignerKeyId(name: string, key: Uint8Array): Uint8Array {
  return sha256(concat(utf8(`${name}\n`), Uint8Array.of(COSIGNATURE), key)).subarray(0, 4);
}

/** The time of a cosignature in seconds; undefined if it does not verify. */
export function cosignedAt(line: Line, key: Uint8Array, body: Uint8Array): bigint | undefined {
  if (line.signature.length !== 72) return undefined;
  const seconds = new DataView(line.signature.slice(0, 8).buffer).getBigUint64(0);
  const message = concat(utf8(`cosignature/v1\ntime ${seconds}\n`), body);
  return verifies(key, message, line.signature.subarray(8)) ? seconds : undefined;
}

// --- Commit certificates -----------------------------------------------------------------------

export interface Certificate {
  readonly height: bigint;
  readonly round: number;
  readonly value: Uint8Array;
  readonly signatures: readonly (readonly [string, Uint8Array])[];
}

export function readCertificate(bytes: Uint8Array): Certificate {
  const reader = new Reader(bytes, "a certificate", CERTIFICATE_BYTES_MAX);
  const [height, round, value] = [reader.u64(), reader.u32(), reader.take(32)];
  const signatures = reader.list(
    SIGNERS_MAX,
    () => [memberId(reader.text()), reader.take(64)] as const,
  );
  reader.end();
  need(signatures.length > 0, "a certificate has no signatures");
  ascend(signatures, ([one], [other]) => compare(utf8(one), utf8(other)), "signers");
  return { height, round, value, signatures };
}

/** That the certificate decides the checkpoint of that seal, by the set in force for its height. */
export function checkCertificate(
  certificate: Certificate,
  genesis: Genesis,
  members: MemberSet,
  seal: Seal,
  body: Uint8Array,
): void {
  const { height, round, value, signatures } = certificate;
  need(height === seal.height, "a certificate is of another height than its seal");
  need(equal(value, blake3(body)), "a certificate is for another checkpoint");
  need(round >= seal.round, "a certificate is older than its seal");
  const head = concat(utf8("credlog/vote/v1\n"), genesis.ledger, Uint8Array.of(PRECOMMIT));
  const message = concat(head, u64(height), u32(round), Uint8Array.of(1), value);
  for (const [id, signature] of signatures) {
    const seat = members.seats.find((one) => one.id === id);
    need(seat !== undefined, `${id} signed a certificate, but is no member`);
    const good = verifies(seat.consensus, message, signature);
    need(good, `the precommit of ${id} for height ${height} does not verify`);
  }
  need(signatures.length >= quorum(members), "a certificate has no quorum");
}
