/** docs/formats.md, "Trees": those of RFC 6962 section 2.1, with SHA-256. */

import { sha256 } from "@noble/hashes/sha2.js";

import { concat, equal } from "./bytes.js";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

const node = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  sha256(concat(NODE, left, right));

/** Whether the leaf is in that tree at that index (RFC 9162 section 2.1.3.2). */
export function included(
  leaf: Uint8Array,
  index: bigint,
  size: bigint,
  path: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (index < 0n || index >= size) return false;
  let hash: Uint8Array = sha256(concat(LEAF, leaf));
  let at = index;
  let last = size - 1n;
  for (const other of path) {
    if (last === 0n) return false;
    if ((at & 1n) === 1n || at === last) {
      hash = node(other, hash);
      while ((at & 1n) === 0n && at !== 0n) {
        at >>= 1n;
        last >>= 1n;
      }
    } else {
      hash = node(hash, other);
    }
    at >>= 1n;
    last >>= 1n;
  }
  return last === 0n && equal(hash, root);
}

export interface Log {
  readonly size: bigint;
  readonly root: Uint8Array;
}

/** Whether the smaller log is the beginning of the larger (RFC 9162 section 2.1.4.2). */
export function consistent(smaller: Log, larger: Log, path: readonly Uint8Array[]): boolean {
  if (smaller.size <= 0n || smaller.size >= larger.size || path.length === 0) return false;
  const complete = (smaller.size & (smaller.size - 1n)) === 0n;
  const [first, ...rest] = complete ? [smaller.root, ...path] : path;
  if (first === undefined) return false;
  let at = smaller.size - 1n;
  let last = larger.size - 1n;
  while ((at & 1n) === 1n) {
    at >>= 1n;
    last >>= 1n;
  }
  let small = first;
  let large = first;
  for (const other of rest) {
    if (last === 0n) return false;
    if ((at & 1n) === 1n || at === last) {
      small = node(other, small);
      large = node(other, large);
      while ((at & 1n) === 0n && at !== 0n) {
        at >>= 1n;
        last >>= 1n;
      }
    } else {
      large = node(large, other);
    }
    at >>= 1n;
    last >>= 1n;
  }
  return last === 0n && equal(small, smaller.root) && equal(large, larger.root);
}
