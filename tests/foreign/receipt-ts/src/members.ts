/** docs/formats.md, "Members" and "Genesis and ledger id". */

import { blake3 } from "@noble/hashes/blake3.js";

import { ascend, compare, concat, hex, need, u32, u64, utf8 } from "./bytes.js";
import { array, canonical, dataOf, integer, objectOf, parseStrictly, textOf } from "./json.js";
import type { Json } from "./json.js";
import { ed25519Of, fromMultikey, verifies } from "./keys.js";
import { memberId, nodeAddress, originName, peopleName, webAddress } from "./names.js";
import { Reader } from "./reader.js";

const MEMBERS_MAX = 100;
const ADDRESSES_MAX = 8;
const MEMBER_SET_BYTES_MAX = 1_048_576;
export const GENESIS_BYTES_MAX = 1_048_576;
const ROLES = ["governance", "consensus", "cosigner", "node"] as const;
const PARAMETERS = [
  "issuersPerMember",
  "achievementsPerIssuer",
  "activeKeysPerIssuer",
  "openProposalsPerMember",
  "registryEntryBytes",
  "recordsPerBlock",
  "minBlockIntervalMs",
] as const;

/** A seated member, as far as its precommits and cosignatures need it. */
export interface Seat {
  readonly id: string;
  readonly consensus: Uint8Array;
  readonly cosigner: Uint8Array;
  readonly cosignerNumber: number;
}

export interface MemberSet {
  readonly seats: readonly Seat[];
  /** In hex. */
  readonly hash: string;
  readonly bytes: Uint8Array;
}

export const quorum = (members: MemberSet): number =>
  Math.floor((2 * members.seats.length) / 3) + 1;

export function readMemberSet(bytes: Uint8Array): MemberSet {
  const reader = new Reader(bytes, "a member set", MEMBER_SET_BYTES_MAX);
  const seats = reader.list(MEMBERS_MAX, () => readSeat(reader));
  reader.end();
  need(seats.length > 0, "a member set is empty");
  ascend(seats, (one, other) => compare(utf8(one.id), utf8(other.id)), "members");
  return { seats, hash: hex(blake3(bytes)), bytes };
}

function readSeat(reader: Reader): Seat {
  const id = memberId(reader.text());
  peopleName(reader.text());
  const proven = ROLES.map(() => {
    const key = reader.bytes();
    reader.bytes();
    return ed25519Of(key);
  });
  need(new Set(proven.map(hex)).size === ROLES.length, `a key of ${id} has two roles`);
  reader.list(ADDRESSES_MAX, () => nodeAddress(reader.text()));
  reader.option(() => webAddress(reader.text()));
  const [, consensus, cosigner] = proven;
  need(consensus !== undefined && cosigner !== undefined, `${id} has no keys`);
  return { id, consensus, cosigner, cosignerNumber: reader.u32() };
}

// --- Genesis -----------------------------------------------------------------------------------

export interface Genesis {
  readonly origin: string;
  readonly time: bigint;
  readonly ledger: Uint8Array;
  readonly members: MemberSet;
  readonly file: Json;
}

export function readGenesis(data: Uint8Array): Genesis {
  return genesisOf(parseStrictly(data, "the genesis file", GENESIS_BYTES_MAX));
}

/** The genesis file, already parsed (strictly). */
export function genesisOf(file: Json): Genesis {
  const what = "the genesis file";
  const names = ["version", "origin", "time", "members", "parameters"] as const;
  const { version, origin, time, members, parameters } = objectOf(file, what, names);
  need(version === 1, "the genesis file is not of version 1");
  const name = originName(textOf(origin, "the origin"));
  const values = Object.values(objectOf(parameters, "parameters", PARAMETERS));
  for (const value of values) integer(value, "a parameter", 2 ** 32 - 1);
  const founders = array(members, "the members", MEMBERS_MAX, 1).map((one) => founder(name, one));
  founders.sort((one, other) => (one.id < other.id ? -1 : 1));
  const keys = founders.flatMap((one) => one.keys);
  need(new Set(keys).size === keys.length, "a key stands twice in the genesis file");
  const seated = founders.map((one) => concat(one.bytes, u32(0)));
  return {
    origin: name,
    time: BigInt(integer(time, "the time of genesis")),
    ledger: blake3(utf8(canonical(file))),
    members: readMemberSet(sequence(seated)),
    file,
  };
}

const blob = (data: Uint8Array): Uint8Array => concat(u64(BigInt(data.length)), data);
const sequence = (items: readonly Uint8Array[]): Uint8Array =>
  concat(u64(BigInt(items.length)), ...items);
const text = (value: string): Uint8Array => blob(utf8(value));

/** Id and canonical bytes of a member of the genesis file. */
function founder(origin: string, value: unknown) {
  // A url may be null here, which objectOf refuses otherwise.
  const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
  const withUrl = isObject && "url" in value && value.url === null ? { ...value, url: "" } : value;
  const names = ["id", "name", "keys", "addresses", "url"] as const;
  const member = objectOf(withUrl, "a member", names);
  const id = memberId(textOf(member.id, "a member's id"));
  const name = peopleName(textOf(member.name, "a member's name"));
  const none = isObject && "url" in value && value.url === null;
  const url = none ? undefined : webAddress(textOf(member.url, "a member's url"));
  const addresses = array(member.addresses, "a member's addresses", ADDRESSES_MAX);
  const spelled = addresses.map((one) => text(nodeAddress(textOf(one, "an address"))));
  const keys = objectOf(member.keys, `the keys of ${id}`, ROLES);
  const proven = ROLES.map((role) => provenKey(origin, role, id, keys[role]));
  const last = url === undefined ? Uint8Array.of(0) : concat(Uint8Array.of(1), text(url));
  const pairs = proven.flatMap(({ key, possession }) => [blob(key), blob(possession)]);
  const bytes = concat(text(id), text(name), ...pairs, sequence(spelled), last);
  return { id, bytes, keys: proven.map(({ key }) => hex(key)) };
}

function provenKey(origin: string, role: string, owner: string, value: unknown) {
  const what = `the ${role} key of ${owner}`;
  const fields = objectOf(value, what, ["key", "possession"] as const);
  const key = fromMultikey(textOf(fields.key, what));
  const possession = dataOf(fields.possession, `the possession of ${what}`);
  const lines = utf8(`credlog/possession/v1\n${origin}\n${role}\n${owner}\n`);
  const proof = verifies(ed25519Of(key), concat(lines, key), possession);
  need(proof, `the possession of ${what} does not verify`);
  return { key, possession };
}
