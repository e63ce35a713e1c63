/** The form of a receipt: docs/formats.md, "Receipt". */

import { ascend, hasLoneSurrogate, need, utf8, equal } from "./bytes.js";
import {
  array, canonical, dataOf, hashOf, hexOf, integer, objectOf, parseLoosely, textOf,
} from "./json.js";
import { readCheckpoint } from "./log.js";
import type { Checkpoint } from "./log.js";

const RECEIPT_BYTES_MAX = 16 * 1_048_576;
const CREDENTIALS_MAX = 1_024;
const CHANGES_MAX = 10_000;
const PATH_MAX = 63;
const CHUNK_MAX = 1_023;

export type Path = readonly Uint8Array[];

export interface Credential {
  /** In hex. */
  readonly digest: string;
  readonly issuer: number;
  readonly issue: number;
  readonly issueSeal: number;
  readonly status: { readonly record: number; readonly seal: number } | undefined;
}

/** A change of the member set; the three parts are not decoded yet. */
export interface MemberChange {
  readonly size: number;
  readonly root: Uint8Array;
  readonly seal: Uint8Array;
  readonly path: Path;
  readonly certificate: Uint8Array;
  readonly members: Uint8Array;
}

export interface Consistency {
  readonly path: Path;
  readonly root: Uint8Array;
  readonly size: bigint;
}

/** Something in a tree, with its place there. */
export interface Proven<Place> {
  readonly place: Place;
  readonly data: Uint8Array;
  readonly path: Path;
}

export interface EntryPlace {
  readonly seal: number;
  readonly issuer: number;
}

export interface ChunkPlace {
  readonly list: number;
  readonly chunk: number;
}

export interface Receipt {
  readonly ledger: string;
  readonly at: bigint | undefined;
  readonly checkpoint: Checkpoint;
  readonly consistency: Consistency | undefined;
  readonly seal: number;
  readonly next: number | undefined;
  readonly leaves: ReadonlyMap<number, Proven<number>>;
  readonly entries: ReadonlyMap<string, Proven<EntryPlace>>;
  readonly chunks: ReadonlyMap<string, Proven<ChunkPlace>>;
  readonly credentials: readonly Credential[];
  readonly since: number;
  readonly members: readonly MemberChange[];
}

/** The name of an entry or a chunk in its map. */
export const at = (one: number | bigint, other: number | bigint): string => `${one}/${other}`;

const NAMES = [
  "type", "ledger", "checkpoint", "seal", "leaves", "entries", "chunks", "credentials", "members",
] as const;
const OR_ABSENT = ["at", "consistency", "next", "since"] as const;

/** Step 1: everything is of the form. */
export function readReceipt(data: Uint8Array): Receipt {
  const file = parseLoosely(data, "the receipt", RECEIPT_BYTES_MAX);
  const value = objectOf(file, "the receipt", NAMES, OR_ABSENT);
  need(value.type === "credlog/receipt/v1", "the type is not credlog/receipt/v1");
  const given = <T>(one: unknown, read: (one: unknown) => T): T | undefined =>
    one === undefined ? undefined : read(one);
  const receipt: Receipt = {
    ledger: hexOf(value.ledger, "ledger"),
    at: given(value.at, (one) => BigInt(integer(one, "at"))),
    checkpoint: readCheckpoint(textOf(value.checkpoint, "checkpoint")),
    consistency: given(value.consistency, readConsistency),
    seal: integer(value.seal, "seal"),
    next: given(value.next, (one) => integer(one, "next")),
    leaves: readLeaves(value.leaves),
    entries: readEntries(value.entries),
    chunks: readChunks(value.chunks),
    credentials: array(value.credentials, "credentials", CREDENTIALS_MAX, 1).map(readCredential),
    since: given(value.since, (one) => integer(one, "since")) ?? 0,
    members: array(value.members, "members", CHANGES_MAX).map(readChange),
  };
  need(value.since !== 0, "since is 0, which is said by its absence");
  ascend(receipt.credentials, byDigest, "credentials");
  checkPlaces(receipt);
  const text = canonical(file);
  const good = !hasLoneSurrogate(text) && equal(utf8(text), data);
  need(good, "the bytes are not the canonical form (RFC 8785)");
  return receipt;
}

function byDigest(one: Credential, other: Credential): number {
  if (one.digest !== other.digest) return one.digest < other.digest ? -1 : 1;
  return one.issuer - other.issuer;
}

/** The indexes of leaves and entries are those that are named. */
function checkPlaces(receipt: Receipt): void {
  // Only a size of at most 2^53 has a last leaf that `leaves` can name.
  const last = receipt.checkpoint.size - 1n;
  need(last <= Number.MAX_SAFE_INTEGER, "the last leaf of the checkpoint is not there");
  const leaves = new Set([receipt.seal, Number(last)]);
  if (receipt.next !== undefined) leaves.add(receipt.next);
  const entries = new Set<string>();
  for (const one of receipt.credentials) {
    leaves.add(one.issue).add(one.issueSeal);
    if (one.status) leaves.add(one.status.record).add(one.status.seal);
    entries.add(at(one.issueSeal, one.issuer)).add(at(receipt.seal, one.issuer));
  }
  need(same(leaves, receipt.leaves), "the leaves are not those that are named");
  need(same(entries, receipt.entries), "the entries are not those that are named");
}

function same<T>(wanted: ReadonlySet<T>, have: ReadonlyMap<T, unknown>): boolean {
  return wanted.size === have.size && [...wanted].every((one) => have.has(one));
}

function pathOf(value: unknown, what: string): Path {
  return array(value, `the path of ${what}`, PATH_MAX).map((one) => hashOf(one, `a path of ${what}`));
}

function readConsistency(one: unknown): Consistency {
  const what = "consistency";
  const { path, root, size } = objectOf(one, what, ["path", "root", "size"] as const);
  const log = { root: hashOf(root, "its root"), size: BigInt(integer(size, "its size")) };
  return { path: pathOf(path, what), ...log };
}

function readLeaves(value: unknown): Map<number, Proven<number>> {
  const rows = array(value, "leaves").map((one) => {
    const { index, leaf, path } = objectOf(one, "a leaf", ["index", "leaf", "path"] as const);
    const proof = { data: dataOf(leaf, "a leaf"), path: pathOf(path, "a leaf") };
    return { place: integer(index, "the index of a leaf"), ...proof };
  });
  ascend(rows, (one, other) => one.place - other.place, "leaves");
  return new Map(rows.map((one) => [one.place, one]));
}

function readEntries(value: unknown): Map<string, Proven<EntryPlace>> {
  const names = ["seal", "issuer", "entry", "path"] as const;
  const rows = array(value, "entries").map((one) => {
    const fields = objectOf(one, "an entry", names);
    const place = {
      seal: integer(fields.seal, "the seal of an entry"),
      issuer: integer(fields.issuer, "the issuer of an entry"),
    };
    return { place, data: dataOf(fields.entry, "an entry"), path: pathOf(fields.path, "an entry") };
  });
  const order = (one: EntryPlace, other: EntryPlace) =>
    one.seal - other.seal || one.issuer - other.issuer;
  ascend(rows, (one, other) => order(one.place, other.place), "entries");
  return new Map(rows.map((one) => [at(one.place.seal, one.place.issuer), one]));
}

function readChunks(value: unknown): Map<string, Proven<ChunkPlace>> {
  const names = ["list", "chunk", "bits", "path"] as const;
  const rows = array(value, "chunks").map((one) => {
    const fields = objectOf(one, "a chunk", names);
    const place = {
      list: integer(fields.list, "the list of a chunk"),
      chunk: integer(fields.chunk, "a chunk", CHUNK_MAX),
    };
    return { place, data: hashOf(fields.bits, "bits"), path: pathOf(fields.path, "a chunk") };
  });
  const order = (one: ChunkPlace, other: ChunkPlace) =>
    one.list - other.list || one.chunk - other.chunk;
  ascend(rows, (one, other) => order(one.place, other.place), "chunks");
  return new Map(rows.map((one) => [at(one.place.list, one.place.chunk), one]));
}

function readCredential(value: unknown): Credential {
  const names = ["digest", "issuer", "issue", "issueSeal"] as const;
  const one = objectOf(value, "a credential", names, ["status", "statusSeal"] as const);
  const both = (one.status === undefined) === (one.statusSeal === undefined);
  need(both, "status and statusSeal go together");
  return {
    digest: hexOf(one.digest, "a digest"),
    issuer: integer(one.issuer, "issuer"),
    issue: integer(one.issue, "issue"),
    issueSeal: integer(one.issueSeal, "issueSeal"),
    status:
      one.status === undefined
        ? undefined
        : { record: integer(one.status, "status"), seal: integer(one.statusSeal, "statusSeal") },
  };
}

function readChange(value: unknown): MemberChange {
  const what = "a change of the members";
  const names = ["size", "root", "seal", "path", "certificate", "members"] as const;
  const one = objectOf(value, what, names);
  return {
    size: integer(one.size, `the size of ${what}`),
    root: hashOf(one.root, `the root of ${what}`),
    seal: dataOf(one.seal, `the seal of ${what}`),
    path: pathOf(one.path, what),
    certificate: dataOf(one.certificate, `the certificate of ${what}`),
    members: dataOf(one.members, `the members of ${what}`),
  };
}
