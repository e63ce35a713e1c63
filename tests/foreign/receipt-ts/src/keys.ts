/** docs/formats.md, "Keys". */

import { ed25519 } from "@noble/curves/ed25519.js";
import { p256 } from "@noble/curves/nist.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";

import { Bad, concat, equal, hex, need } from "./bytes.js";

const { Point } = ed25519;
type Point = InstanceType<typeof Point>;
const ORDER = Point.Fn.ORDER;
const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const KEYS_KEPT = 4_096;
const SIGNATURES_KEPT = 4_096;

const points = new Map<string, Point>();
const signatures = new Map<string, boolean>();

/** What was worked out before, for a bounded number of inputs. */
function kept<T>(store: Map<string, T>, most: number, name: string, make: () => T): T {
  const before = store.get(name);
  if (before !== undefined) return before;
  const value = make();
  if (store.size >= most) store.clear();
  store.set(name, value);
  return value;
}

function littleEndian(data: Uint8Array): bigint {
  return BigInt(`0x${hex(data.slice().reverse())}`);
}

/** The point of a registered key: canonical, torsion-free, not of small order. */
function pointOf(key: Uint8Array): Point {
  return kept(points, KEYS_KEPT, hex(key), () => {
    let point: Point | undefined;
    try {
      point = Point.fromBytes(key);
    } catch {
      throw new Bad("a key is no point of the curve");
    }
    const good = equal(point.toBytes(), key) && !point.isSmallOrder() && point.isTorsionFree();
    need(good, "a key is not canonical, not torsion-free or of small order");
    return point;
  });
}

/** The 32 bytes of a registered Ed25519 key. */
export function ed25519Of(multicodec: Uint8Array): Uint8Array {
  const good = multicodec.length === 34 && multicodec[0] === 0xed && multicodec[1] === 0x01;
  need(good, "a key is not Ed25519");
  const key = multicodec.subarray(2);
  pointOf(key);
  return key;
}

/** Any key that can be registered; whether it is Ed25519. */
export function publicKey(multicodec: Uint8Array): boolean {
  const [first, second] = multicodec;
  if (first === 0x80 && second === 0x24) {
    const compressed = multicodec[2] === 2 || multicodec[2] === 3;
    need(multicodec.length === 35 && compressed, "a P-256 key is not compressed");
    p256Point(multicodec.subarray(2));
    return false;
  }
  if (first === 0x85 && second === 0x24) {
    rsaKey(multicodec.subarray(2));
    return false;
  }
  ed25519Of(multicodec);
  return true;
}

function p256Point(compressed: Uint8Array): void {
  try {
    p256.Point.fromBytes(compressed);
  } catch {
    throw new Bad("a P-256 key is no point of the curve");
  }
}

/** RSAPublicKey in its one DER form, 2,048 to 8,192 bits, exponent 65,537. */
function rsaKey(der: Uint8Array): void {
  const wrong = "an RSA key is not the RSAPublicKey that it must be";
  need(der.length > 13 && der.length <= 1_098, wrong);
  // SEQUENCE and INTEGER with lengths of two bytes each; at the end the exponent.
  const long = (length: number): number[] => [0x82, length >> 8, length & 255];
  const modulus = der.subarray(8, -5);
  const exponent = [2, 3, 1, 0, 1];
  const head = [0x30, ...long(der.length - 4), 2, ...long(modulus.length)];
  const again = concat(Uint8Array.from(head), modulus, Uint8Array.from(exponent));
  need(modulus.length > 255 && equal(again, der), wrong);
  const [first = 0, next = 0] = modulus;
  need(first === 0 ? next >= 0x80 : first < 0x80, wrong);
  const bits = BigInt(`0x${hex(modulus)}`).toString(2).length;
  need(bits >= 2_048 && bits <= 8_192, wrong);
}

/** The multicodec bytes of a Multikey. */
export function fromMultikey(multikey: string): Uint8Array {
  const good = /^z[1-9A-HJ-NP-Za-km-z]{1,2199}$/.test(multikey);
  need(good, `${JSON.stringify(multikey)} is no Multikey`);
  let number = 0n;
  for (const digit of multikey.slice(1)) {
    number = number * 58n + BigInt(ALPHABET.indexOf(digit));
  }
  const zeros = /^z(1*)/.exec(multikey)?.[1]?.length ?? 0;
  const bytes: number[] = [];
  for (; number > 0n; number >>= 8n) bytes.unshift(Number(number & 255n));
  return Uint8Array.from([...new Array<number>(zeros).fill(0), ...bytes]);
}

/**
 * The strict rule: S below the order of the group, neither key nor R of small order, and the
 * encoding of S·B − k·A is R byte for byte, without the cofactor.
 */
export function verifies(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  const name = hex(sha256(concat(key, signature, message)));
  return kept(signatures, SIGNATURES_KEPT, name, () => {
    const r = signature.subarray(0, 32);
    const s = littleEndian(signature.subarray(32));
    if (s >= ORDER) return false;
    const k = littleEndian(sha512(concat(r, key, message))) % ORDER;
    const point = pointOf(key).negate().multiplyUnsafe(k);
    const again = Point.BASE.multiplyUnsafe(s).add(point);
    return equal(again.toBytes(), r) && !again.isSmallOrder();
  });
}
