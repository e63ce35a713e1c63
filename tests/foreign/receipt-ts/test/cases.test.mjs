// The cases that tests/foreign/receipt_cases.py makes, and every byte of a few of them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { gunzipSync } from "node:zlib";

import { anchorOfGenesis, anchorOfTrust, verifyReceipt } from "../dist/index.js";

const file = new URL("cases.json.gz", import.meta.url);
const { texts, cases } = JSON.parse(gunzipSync(readFileSync(file)).toString());
const utf8 = (text) => new TextEncoder().encode(text);

const anchors = new Map();

function anchorOf(row) {
  const place = row.trust ?? row.genesis;
  if (!anchors.has(place)) {
    const make = row.trust === undefined ? anchorOfGenesis : anchorOfTrust;
    anchors.set(place, make(utf8(texts[place])));
  }
  return anchors.get(place);
}

const bytesOf = (row) => new Uint8Array(Buffer.from(texts[row.receipt], "base64"));

for (const row of cases) {
  test(row.name, () => {
    const { at, now, maxAgeSeconds } = row;
    const result = verifyReceipt(bytesOf(row), anchorOf(row), { at, now, maxAgeSeconds });
    const expected = [row.outcome, row.code];
    assert.deepEqual([result.outcome, result.code], expected, result.reason);
    if (row.statuses) assert.deepEqual(result.credentials.map((one) => one.status), row.statuses);
    if (row.outcome === "refused") return;
    assert.equal(result.memberSetCurrency, row.known ? "known" : "unknown");
    if (row.asOf !== undefined) assert.equal(result.asOf, BigInt(row.asOf));
    if (row.trust !== undefined) assert.deepEqual(result.trust, row.advanced);
  });
}

test("there are cases of every outcome", () => {
  const codes = new Set(cases.map((row) => row.code ?? "accepted"));
  assert.equal(codes.size, 19);
  assert.ok(cases.length > 250);
});

for (const name of ["superseded", "after changes of the members", "trust: since"]) {
  test(`no byte may change: ${name}`, () => {
    const row = cases.find((one) => one.name === name);
    const bytes = bytesOf(row);
    for (let at = 0; at < bytes.length; at++) {
      for (const change of [1 << (at % 8), 1 + ((at * 37) % 255)]) {
        const changed = bytes.slice();
        changed[at] ^= change;
        const result = verifyReceipt(changed, anchorOf(row), { now: row.now });
        assert.equal(result.outcome, "refused", `byte ${at}`);
      }
    }
  });
}
