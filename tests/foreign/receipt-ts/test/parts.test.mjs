// Parts of the verifier by themselves: base64, JSON, names, keys, trees, the command line.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

import { ed25519 } from "@noble/curves/ed25519.js";

import { Bad, base64, fromBase64 } from "../dist/bytes.js";
import { canonical, parseStrictly } from "../dist/json.js";
import { ed25519Of, verifies } from "../dist/keys.js";
import * as names from "../dist/names.js";
import { Reader } from "../dist/reader.js";
import { anchorOfGenesis, anchorOfTrust } from "../dist/index.js";

const utf8 = (text) => new TextEncoder().encode(text);
const refuses = (run, what) => assert.throws(run, Bad, what);

test("base64 is that of Node, and has one form", () => {
  for (let length = 0; length < 100; length++) {
    const data = Uint8Array.from({ length }, (_, at) => (at * 89 + length * 7) & 255);
    const text = Buffer.from(data).toString("base64");
    assert.equal(base64(data), text);
    assert.deepEqual(fromBase64(text, "it"), data);
  }
  for (const text of ["A", "AA", "AAA", "AB==", "AAB=", "====", "A===", "AA=A", "AA==AAAA", "AA-_", "AA\nAA", "Ａ==="]) {
    refuses(() => fromBase64(text, "it"), text);
  }
});

test("JSON is read strictly", () => {
  const read = (text) => parseStrictly(utf8(text), "it", 1_000);
  assert.deepEqual(read(' {"a" : [1, -2, null, true, false, "\\u00e9\\n"], "b":{}} '), {
    a: [1, -2, null, true, false, "é\n"],
    b: {},
  });
  const wrong = [
    "", "{", "[", "[1,]", "{,}", '{"a":1,}', "01", "1.0", "1e3", "9007199254740992", "nul", "[1 2]",
    '"a', '"\\x"', '"\\ud800"', '"\u0001"', '{"a":1,"a":2}', '{"a":1,"\\u0061":2}', "{} {}", "\ufeff{}",
    "{a:1}", "'a'", "NaN", "--1", "+1", "[".repeat(100),
  ];
  for (const text of wrong) refuses(() => read(text), text);
  refuses(() => parseStrictly(Uint8Array.of(0x22, 0xff, 0x22), "it", 10));
  refuses(() => parseStrictly(utf8(" ".repeat(11)), "it", 10));
});

test("the canonical form is that of RFC 8785", () => {
  const value = { b: [1, "\u0000\u001f\"\\/\u007f\u20ac"], a: { "\ud83d\ude00": 1, "\ufb33": 2 } };
  const text = '{"a":{"\ud83d\ude00":1,"\ufb33":2},"b":[1,"\\u0000\\u001f\\"\\\\/\u007f\u20ac"]}';
  assert.equal(canonical(value), text);
});

test("names are those of the formats", () => {
  for (const id of ["did:web:a", "did:a1:b:c%20", "https://a/b?c#d"]) names.issuerId(id);
  const issuers = ["", "did:", "did:web:", "did:Web:a", "did:web:a/b", "did:web:a?b", "did:web:a#b"];
  for (const id of [...issuers, "https://", "http://a", "https://a b", `did:web:${"a".repeat(249)}`]) {
    refuses(() => names.issuerId(id), id);
  }
  for (const name of ["Zoë", "a\u0644\u200db", "x".repeat(200)]) names.peopleName(name);
  const people = ["", "x".repeat(201), "\u200da", "a\u200db", "\u00e9\u200d\u200d", "a\u202eb", "a\x7f", "\u3164"];
  for (const name of [...people, "\ufeffa", "a\u{e0041}"]) refuses(() => names.peopleName(name), name);
  for (const id of ["", "-a", "A", "a".repeat(41), "a\n"]) refuses(() => names.memberId(id), id);
  for (const origin of ["", "a+b", "a b", "a".repeat(101), "é", "a\n"]) {
    refuses(() => names.originName(origin), origin);
  }
});

test("canonical bytes have one form", () => {
  const read = (bytes) => new Reader(Uint8Array.from(bytes), "it", 20);
  assert.equal(read([0, 0, 0, 0, 0, 0, 1, 0]).u64(), 256n);
  refuses(() => read([2]).bool());
  refuses(() => read([2]).option(() => 1));
  refuses(() => read([0, 0, 0, 3]).variant(3));
  refuses(() => read([0, 0, 0, 0, 0, 0, 0, 1, 0xff]).text());
  refuses(() => read([255, 255, 255, 255, 255, 255, 255, 255, 0]).bytes());
  refuses(() => read([0, 0, 0, 0, 0, 0, 0, 3]).list(2, () => 0));
  refuses(() => read([0]).end());
  refuses(() => read(new Array(21).fill(0)));
});

test("keys are torsion-free and not of small order", () => {
  const { Point } = ed25519;
  const multicodec = (point) => Uint8Array.of(0xed, 1, ...point.toBytes());
  ed25519Of(multicodec(Point.BASE));
  // A point of order 8 (RFC 7748's torsion, in its encoding of Ed25519).
  const eighth = Point.fromHex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
  for (let times = 1n, point = eighth; times <= 8n; times++, point = point.add(eighth)) {
    refuses(() => ed25519Of(multicodec(point)), `${times}`);
    if (times < 8n) refuses(() => ed25519Of(multicodec(Point.BASE.add(point))), `${times}`);
  }
  const large = new Uint8Array(32).fill(0xff);
  large[31] = 0x7f;
  refuses(() => ed25519Of(Uint8Array.of(0xed, 1, ...large)));
});

test("signatures of the library verify", () => {
  const secret = new Uint8Array(32).fill(7);
  const key = ed25519.getPublicKey(secret);
  for (let length = 0; length < 20; length++) {
    const message = new Uint8Array(length).fill(length);
    const signature = ed25519.sign(message, secret);
    assert.ok(verifies(key, message, signature));
    assert.ok(!verifies(key, Uint8Array.of(...message, 0), signature));
  }
});

// --- Anchors and the command line --------------------------------------------------------------

const file = new URL("cases.json.gz", import.meta.url);
const { texts, cases } = JSON.parse(gunzipSync(readFileSync(file)).toString());
const genesis = texts[cases[0].genesis];

test("a genesis file is read strictly", () => {
  anchorOfGenesis(utf8(genesis));
  const edit = (old, now) => {
    assert.ok(genesis.includes(old), old);
    return genesis.replace(old, now);
  };
  const wrong = [
    edit('"version": 1', '"version": 2'),
    edit('"origin": "t', '"origin": "u'), // no proof of possession for this one
    edit('"Member m0"', '"Member\\u0000"'),
    edit('"Member m0"', '""'),
    edit('"id": "m0"', '"id": "m1"'),
    edit('"id": "m0"', '"id": "M0"'),
    edit('"url": null', '"url": "ftp://a"'),
    edit('"url": null', '"url": ""'),
    edit('"url": null', '"surplus": null'),
    edit('"/ip4/127', '"ip4/127'),
    edit('"version": 1', '"version": 1, "version": 1'),
    edit('"possession": "', '"possession": "AAAA'),
    edit('"key": "z6Mk', '"key": "z6Ml'),
    "{}",
    "[]",
  ];
  for (const text of wrong) refuses(() => anchorOfGenesis(utf8(text)), text.slice(0, 300));
});

test("a trust file is read strictly", () => {
  const trust = texts[cases.find((row) => row.name === "trust: continued").trust];
  anchorOfTrust(utf8(trust));
  const parsed = JSON.parse(trust);
  const changes = [
    (one) => delete one.newest.asOf,
    (one) => (one.newest.surplus = 1),
    (one) => (one.newest.height = 0),
    (one) => (one.newest.size = -1),
    (one) => (one.newest.root = "AAAA"),
    (one) => (one.newest.members = ""),
    (one) => (one.newest = null),
    (one) => (one.type = "credlog/trust/v2"),
    (one) => (one.genesis = genesis),
  ];
  for (const change of changes) {
    const one = structuredClone(parsed);
    change(one);
    refuses(() => anchorOfTrust(utf8(JSON.stringify(one))), change.toString());
  }
});

test("the command line", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "receipt-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const bin = fileURLToPath(new URL("../bin/check-receipt.mjs", import.meta.url));
  const write = (name, data) => {
    writeFileSync(join(folder, name), data);
    return join(folder, name);
  };
  const receiptOf = (name) =>
    Buffer.from(texts[cases.find((row) => row.name === name).receipt], "base64");
  const good = write("good", receiptOf("valid"));
  const bad = write("bad", receiptOf("path: no path"));
  const from = ["--genesis", write("genesis", genesis)];
  const run = (args, input) => spawnSync(process.execPath, [bin, ...args], { input, encoding: "utf8" });
  const first = run([good, ...from]);
  assert.match(first.stdout, /good: accepted\n.*\n.*\n {2}[0-9a-f]{64}: valid\n/);
  assert.equal(first.status, 0);
  const second = run([good, bad, ...from]);
  assert.match(second.stdout, /bad: refused \(path: /);
  assert.equal(second.status, 1);
  assert.equal(run([good, ...from, "--at-most-age", "1"]).status, 2);
  assert.equal(run([join(folder, "none"), ...from]).status, 2);
  assert.equal(run([good]).status, 2);
  assert.equal(run([good, ...from, "--trust", "x"]).status, 2);
  assert.equal(run([good, "--genesis", good]).status, 2);
  const lines = [
    { id: 1, receipt: receiptOf("valid").toString("base64") },
    { id: "b", receipt: receiptOf("path: no path").toString("base64") },
    { id: 3, receipt: "AB==" },
    { id: 4, receipt: receiptOf("valid").toString("base64"), maxAgeSeconds: 1, now: 1e13 },
    { id: 5, receipt: receiptOf("valid").toString("base64"), now: "1" },
    { id: 6, receipt: receiptOf("valid").toString("base64"), at: 1 },
  ];
  const third = run(["--lines", ...from], lines.map((one) => `${JSON.stringify(one)}\n`).join(""));
  const answers = third.stdout.trim().split("\n").map((line) => JSON.parse(line));
  const short = answers.map(({ id, outcome, code }) => [id, outcome, code]);
  assert.deepEqual(short, [
    [1, "accepted", undefined],
    ["b", "refused", "path"],
    [3, "unknown", "unreadable"],
    [4, "unknown", "too_old"],
    [5, "unknown", "unreadable"],
    [6, "refused", "wrong_seal"],
  ]);
  assert.equal(answers[0].asOf, cases[0].now);
  assert.equal(answers[0].trust.newest.height, 5);
  assert.equal(third.status, 1);
});
