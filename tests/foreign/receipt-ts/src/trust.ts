/** docs/formats.md, "Trust file". */

import { base64, need } from "./bytes.js";
import { dataOf, hashOf, integer, objectOf, parseStrictly } from "./json.js";
import type { Json } from "./json.js";
import { GENESIS_BYTES_MAX, genesisOf, readGenesis, readMemberSet } from "./members.js";
import type { Genesis, MemberSet } from "./members.js";

const TRUST_BYTES_MAX = 4 * GENESIS_BYTES_MAX;

/** The newest checkpoint that was believed. */
export interface Newest {
  readonly height: bigint;
  readonly time: bigint;
  readonly size: bigint;
  readonly root: Uint8Array;
  readonly asOf: bigint;
  readonly members: MemberSet;
}

/** What a verifier starts from: the genesis, and what it has believed since. */
export interface Anchor {
  readonly genesis: Genesis;
  readonly newest: Newest | undefined;
}

/** A trust file as JSON: store `JSON.stringify` of it. */
export interface TrustFile {
  readonly type: "credlog/trust/v1";
  readonly genesis: Json;
  readonly newest?: {
    readonly height: number;
    readonly time: number;
    readonly size: number;
    readonly root: string;
    readonly asOf: number;
    readonly members: string;
  };
}

/** The anchor of a genesis file. Throws when it is not what it must be. */
export function anchorOfGenesis(file: Uint8Array): Anchor {
  return { genesis: readGenesis(file), newest: undefined };
}

/** The anchor of a trust file. Throws when it is not what it must be. */
export function anchorOfTrust(file: Uint8Array): Anchor {
  const what = "the trust file";
  const json = parseStrictly(file, what, TRUST_BYTES_MAX);
  const value = objectOf(json, what, ["type", "genesis"] as const, ["newest"] as const);
  need(value.type === "credlog/trust/v1", "the type is not credlog/trust/v1");
  const newest = value.newest === undefined ? undefined : readNewest(value.newest);
  return { genesis: genesisOf(value.genesis as Json), newest };
}

function readNewest(value: unknown): Newest {
  const names = ["height", "time", "size", "root", "asOf", "members"] as const;
  const one = objectOf(value, "newest", names);
  const number = (name: "height" | "time" | "size" | "asOf") => BigInt(integer(one[name], name));
  const [height, size] = [number("height"), number("size")];
  need(height > 0n && size > 0n, "newest is of an empty log");
  return {
    height,
    time: number("time"),
    size,
    root: hashOf(one.root, "the root of newest"),
    asOf: number("asOf"),
    members: readMemberSet(dataOf(one.members, "the members of newest")),
  };
}

/** The trust file with this newest; undefined if a number of it is too large for JSON. */
export function trustFile(genesis: Genesis, newest: Newest): TrustFile | undefined {
  const { height, time, size, asOf } = newest;
  if ([height, time, size, asOf].some((one) => one > Number.MAX_SAFE_INTEGER)) return undefined;
  return {
    type: "credlog/trust/v1",
    genesis: genesis.file,
    newest: {
      height: Number(height),
      time: Number(time),
      size: Number(size),
      root: base64(newest.root),
      asOf: Number(asOf),
      members: base64(newest.members.bytes),
    },
  };
}
