/** JSON as this verifier takes it: integers only, each name once; and its canonical form. */

import { Bad, fromBase64, fromUtf8, hasLoneSurrogate, need } from "./bytes.js";

/** A value of I-JSON without fractions. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const DEPTH_MAX = 64;
const NUMBER = /-?(?:0|[1-9][0-9]*)/y;
const FRACTION = /[.eE]/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SPACE = /[ \t\n\r]*/y;

/**
 * Reads JSON strictly: a name that stands twice, a number with a fraction or an exponent, an integer
 * that is not exact and half a surrogate pair are errors, which JSON.parse would pass over.
 */
export function parseStrictly(data: Uint8Array, what: string, limit: number): Json {
  need(data.length <= limit, `${what} has more than ${limit} bytes`);
  return new Parser(fromUtf8(data, what), what).whole();
}

class Parser {
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly what: string,
  ) {}

  whole(): Json {
    const value = this.value(0);
    this.take(SPACE);
    need(this.at === this.text.length, `bytes follow ${this.what}`);
    return value;
  }

  private take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    this.at += found?.length ?? 0;
    return found;
  }

  private takes(literal: string): boolean {
    const there = this.text.startsWith(literal, this.at);
    if (there) this.at += literal.length;
    return there;
  }

  private value(depth: number): Json {
    need(depth < DEPTH_MAX, `${this.what} is nested too deeply`);
    this.take(SPACE);
    if (this.takes("{")) return this.object(depth);
    if (this.takes("[")) return this.array(depth);
    if (this.text[this.at] === '"') return this.string();
    if (this.takes("null")) return null;
    if (this.takes("true")) return true;
    if (this.takes("false")) return false;
    const digits = this.take(NUMBER);
    const whole = digits !== undefined && this.take(FRACTION) === undefined;
    need(whole && Number.isSafeInteger(Number(digits)), `${this.what} is not JSON of integers`);
    return Number(digits);
  }

  private string(): string {
    const literal = this.take(STRING);
    need(literal !== undefined, `${this.what} has a text that is not JSON`);
    const text = JSON.parse(literal) as string;
    need(!hasLoneSurrogate(text), `${this.what} has a lone surrogate`);
    return text;
  }

  private array(depth: number): Json[] {
    const values: Json[] = [];
    this.take(SPACE);
    if (this.takes("]")) return values;
    for (;;) {
      values.push(this.value(depth + 1));
      this.take(SPACE);
      if (this.takes("]")) return values;
      need(this.takes(","), `${this.what} has an array that does not end`);
    }
  }

  private object(depth: number): Json {
    const pairs = new Map<string, Json>();
    this.take(SPACE);
    if (this.takes("}")) return {};
    for (;;) {
      this.take(SPACE);
      const name = this.string();
      need(!pairs.has(name), `a name stands twice in ${this.what}`);
      this.take(SPACE);
      need(this.takes(":"), `${this.what} has a name without a value`);
      pairs.set(name, this.value(depth + 1));
      this.take(SPACE);
      if (this.takes("}")) return Object.fromEntries(pairs);
      need(this.takes(","), `${this.what} has an object that does not end`);
    }
  }
}

/** RFC 8785, for values of integers; a name is compared as UTF-16. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const rows = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${rows.map(([name, one]) => `${JSON.stringify(name)}:${canonical(one)}`).join(",")}}`;
}

// --- The shapes of values ----------------------------------------------------------------------

type Fields<Names extends string, OrAbsent extends string> = Record<Names, unknown> &
  Partial<Record<OrAbsent, unknown>>;

/** An object with exactly these names; some may be absent, none is null. */
export function objectOf<Names extends string, OrAbsent extends string = never>(
  value: unknown,
  what: string,
  names: readonly Names[],
  orAbsent: readonly OrAbsent[] = [],
): Fields<Names, OrAbsent> {
  const good = value !== null && typeof value === "object" && !Array.isArray(value);
  need(good, `${what} is no object`);
  const have = Object.keys(value);
  for (const name of names) need(have.includes(name), `${what} is without ${name}`);
  const known: readonly string[] = [...names, ...orAbsent];
  for (const name of have) need(known.includes(name), `${what} has the surplus ${name}`);
  for (const one of Object.values(value)) need(one !== null, `${what} has a null`);
  return value as Fields<Names, OrAbsent>;
}

export function array(value: unknown, what: string, most = Infinity, least = 0): unknown[] {
  need(Array.isArray(value) && value.length >= least, `${what} is no array, or too short`);
  need(value.length <= most, `${what} has more than ${most} elements`);
  return value;
}

export function integer(value: unknown, what: string, most = Number.MAX_SAFE_INTEGER): number {
  const good = typeof value === "number" && Number.isSafeInteger(value);
  need(good && value >= 0 && value <= most, `${what} is no integer from 0 to ${most}`);
  return value;
}

export function textOf(value: unknown, what: string): string {
  need(typeof value === "string", `${what} is no text`);
  return value;
}

export function dataOf(value: unknown, what: string): Uint8Array {
  return fromBase64(textOf(value, what), what);
}

export function hashOf(value: unknown, what: string): Uint8Array {
  const data = dataOf(value, what);
  need(data.length === 32, `${what} is not a hash of 32 bytes`);
  return data;
}

export function hexOf(value: unknown, what: string): string {
  const text = textOf(value, what);
  need(/^[0-9a-f]{64}$/.test(text), `${what} is not 64 hex digits`);
  return text;
}

/** JSON.parse, for bytes whose form is compared afterwards. */
export function parseLoosely(data: Uint8Array, what: string, limit: number): unknown {
  need(data.length <= limit, `${what} has more than ${limit} bytes`);
  try {
    return JSON.parse(fromUtf8(data, what)) as unknown;
  } catch (error) {
    if (error instanceof Bad) throw error;
    throw new Bad(`${what} is not JSON`);
  }
}
