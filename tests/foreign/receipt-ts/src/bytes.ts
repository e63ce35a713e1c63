/** Bytes, and their spellings: UTF-8, hex, base64. */

/** What is read is not as docs/formats.md says. */
export class Bad extends Error {}

export function need(condition: boolean, text: string): asserts condition {
  if (!condition) throw new Bad(text);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** The text of UTF-8 bytes; a byte order mark is a character like others. */
export function fromUtf8(data: Uint8Array, what: string): string {
  try {
    return decoder.decode(data);
  } catch {
    throw new Bad(`${what} is not UTF-8`);
  }
}

/** Whether the text has a half of a surrogate pair, which no UTF-8 spells. */
export const hasLoneSurrogate = (text: string): boolean => /\p{Surrogate}/u.test(text);

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

export function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

/** Order by bytes: negative, 0, positive. */
export function compare(one: Uint8Array, other: Uint8Array): number {
  const shorter = Math.min(one.length, other.length);
  for (let at = 0; at < shorter; at++) {
    const difference = (one[at] ?? 0) - (other[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return one.length - other.length;
}

export function ascend<T>(
  values: readonly T[],
  order: (one: T, other: T) => number,
  what: string,
): void {
  values.forEach((value, at) => {
    const before = values[at - 1];
    const good = at === 0 || (before !== undefined && order(before, value) < 0);
    need(good, `${what} are not in strictly ascending order`);
  });
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function hex(data: Uint8Array): string {
  let text = "";
  for (const byte of data) text += HEX[byte];
  return text;
}

/** 32 bytes from 64 lower-case hex digits. */
export function fromHex(text: string): Uint8Array {
  const data = new Uint8Array(text.length / 2);
  return data.map((_, at) => parseInt(text.slice(2 * at, 2 * at + 2), 16));
}

export function u32(value: number): Uint8Array {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, value);
  return data;
}

export function u64(value: bigint): Uint8Array {
  const data = new Uint8Array(8);
  new DataView(data.buffer).setBigUint64(0, value);
  return data;
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const VALUES = new Int8Array(128).fill(-1);
[...DIGITS].forEach((digit, value) => (VALUES[digit.charCodeAt(0)] = value));

/** Standard base64 with padding, and only the one spelling of the bytes. */
export function fromBase64(text: string, what: string): Uint8Array {
  const wrong = `${what} is not base64 in its one form`;
  need(text.length % 4 === 0, wrong);
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const digits = text.length - padding;
  const data = new Uint8Array((text.length / 4) * 3 - padding);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let index = 0; index < digits; index++) {
    const code = text.charCodeAt(index);
    const value = code < 128 ? (VALUES[code] ?? -1) : -1;
    need(value >= 0, wrong);
    bits = ((bits << 6) | value) & 0xfff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      data[at++] = (bits >> held) & 0xff;
    }
  }
  need((bits & ((1 << held) - 1)) === 0, wrong);
  return data;
}

export function base64(data: Uint8Array): string {
  let text = "";
  for (let at = 0; at < data.length; at += 3) {
    const [a = 0, b = 0, c = 0] = data.subarray(at, at + 3);
    const bits = (a << 16) | (b << 8) | c;
    for (let digit = 0; digit < 4; digit++) {
      const there = at + digit <= data.length;
      text += there ? DIGITS[(bits >> (18 - 6 * digit)) & 63] : "=";
    }
  }
  return text;
}
