#!/usr/bin/env node
// Checks receipts, offline, as docs/formats.md describes in "Receipt".
//
//     check-receipt FILE… (--genesis FILE | --trust FILE) [--at MS] [--at-most-age SECONDS]
//         [--now MS]
//     check-receipt --lines [--genesis FILE | --trust FILE] [--at MS] [--at-most-age SECONDS]
//         [--now MS]
//
// Exit code 0: all are accepted. 1: one is refused. 2: one is unknown or unreadable, none refused.

import { readFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

import { Bad, anchorOfGenesis, anchorOfTrust, verifyReceipt } from "../dist/index.js";

const ANCHORS_KEPT = 64;

class Unreadable extends Error {}

function fromFile(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Unreadable(`${path}: ${error.message}`);
  }
}

/** JSON with integers of any size. */
function json(value) {
  if (typeof value === "bigint") return `${value}`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(json).join(",")}]`;
  const rows = Object.entries(value).filter(([, one]) => one !== undefined);
  return `{${rows.map(([name, one]) => `${JSON.stringify(name)}:${json(one)}`).join(",")}}`;
}

// --- Lines -------------------------------------------------------------------------------------

const anchors = new Map();

/** The anchor of a trust file; the last few are kept. */
function trusted(file) {
  const name = JSON.stringify(file);
  if (!anchors.has(name)) {
    if (anchors.size >= ANCHORS_KEPT) anchors.clear();
    anchors.set(name, anchorOfTrust(new TextEncoder().encode(name)));
  }
  return anchors.get(name);
}

function unbase64(text) {
  const data = Buffer.from(String(text), "base64");
  if (data.toString("base64") !== text) throw new Unreadable("receipt is not base64");
  return data;
}

/** An integer of the request; undefined if it has none. */
function integerOf(request, name) {
  const value = request[name] ?? undefined;
  const good = value === undefined || (Number.isSafeInteger(value) && value >= 0);
  if (!good) throw new Unreadable(`${name} is no integer from 0 to 2^53 - 1`);
  return value;
}

function answer(line, anchor, options) {
  let request;
  let data;
  let asked;
  let from = anchor;
  try {
    request = JSON.parse(line);
    data = unbase64(request.receipt);
    if (request.trust !== undefined) from = trusted(request.trust);
    if (!from) throw new Unreadable("neither --genesis nor --trust, nor a trust file in the line");
    asked = {
      at: integerOf(request, "at") ?? options.at,
      now: integerOf(request, "now") ?? options.now,
      maxAgeSeconds: integerOf(request, "maxAgeSeconds") ?? options.maxAgeSeconds,
    };
  } catch (error) {
    const known = [Bad, Unreadable, SyntaxError, TypeError].some((kind) => error instanceof kind);
    if (!known) throw error;
    const id = request?.id ?? null;
    return { id, outcome: "unknown", code: "unreadable", reason: error.message };
  }
  return { id: request.id ?? null, ...verifyReceipt(data, from, asked) };
}

async function checkLines(anchor, options) {
  const outcomes = new Set();
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const verdict = answer(line, anchor, options);
    outcomes.add(verdict.outcome);
    write(`${json(verdict)}\n`);
  }
  return exitCode(outcomes);
}

/** Writes all of it before the next line is read; a full pipe is waited for. */
function write(text) {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

// --- Files -------------------------------------------------------------------------------------

function date(ms) {
  const last = 253_402_300_799_000n;
  return new Date(Number(ms < last ? ms : last)).toISOString();
}

function* human(name, result) {
  const code = result.code ? ` (${result.code}: ${result.reason})` : "";
  yield `${name}: ${result.outcome}${code}`;
  if (result.outcome === "refused") return;
  yield `  attested as of ${date(result.asOf)}`;
  if (result.memberSetCurrency === "unknown") {
    yield "  whether these members still answer for the ledger is not known from this file";
  }
  for (const one of result.credentials) {
    const since = one.statusSince === undefined ? "" : ` since ${date(one.statusSince)}`;
    yield `  ${one.digest}: ${one.status}${since}`;
    const what = one.achievement === null ? "" : `, ${one.achievement}`;
    yield `    issued by ${one.issuerId} at ${date(one.issuedAt)}${what}`;
  }
}

function checkFiles(paths, anchor, options) {
  const outcomes = new Set();
  for (const path of paths) {
    try {
      const result = verifyReceipt(fromFile(path), anchor, options);
      for (const line of human(path, result)) console.log(line);
      outcomes.add(result.outcome);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      console.error(`error: ${error.message}`);
      outcomes.add("unknown");
    }
  }
  return exitCode(outcomes);
}

function exitCode(outcomes) {
  return outcomes.has("refused") ? 1 : outcomes.has("unknown") ? 2 : 0;
}

// --- The command line --------------------------------------------------------------------------

function number(text, name) {
  if (text === undefined) return undefined;
  if (!/^[0-9]{1,15}$/.test(text)) throw new Unreadable(`${name} takes a number`);
  return Number(text);
}

function argumentsOf() {
  const one = { type: "string" };
  const options = {
    genesis: one, trust: one, at: one, "at-most-age": one, now: one, lines: { type: "boolean" },
  };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const given = values.genesis !== undefined || values.trust !== undefined;
  const both = values.genesis !== undefined && values.trust !== undefined;
  const lines = values.lines ?? false;
  if (both || lines === positionals.length > 0 || !(given || lines)) {
    throw new Unreadable("usage: FILE… with --genesis FILE or --trust FILE, or --lines");
  }
  return { values, positionals, lines };
}

async function main() {
  const { values, positionals, lines } = argumentsOf();
  let anchor;
  if (values.genesis !== undefined) anchor = anchorOfGenesis(fromFile(values.genesis));
  if (values.trust !== undefined) anchor = anchorOfTrust(fromFile(values.trust));
  const options = {
    at: number(values.at, "--at"),
    now: number(values.now, "--now"),
    maxAgeSeconds: number(values["at-most-age"], "--at-most-age"),
  };
  return lines ? checkLines(anchor, options) : checkFiles(positionals, anchor, options);
}

try {
  process.exitCode = await main();
} catch (error) {
  const known = error instanceof Bad || error instanceof Unreadable;
  if (!known && !String(error.code).startsWith("ERR_PARSE_ARGS")) throw error;
  console.error(`error: ${error.message}`);
  process.exitCode = 2;
}
