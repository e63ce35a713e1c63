#!/usr/bin/env python3
"""Tests of the receipt checker: every case of receipt_cases.py, and every byte of a few receipts.

    test_receipt.py
"""

import base64
import gzip
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

import formats
from check_ledger import check
from check_receipt import anchor_of, as_json
from corrupt import Memory
from ledger_writer import Member, jcs, member_set
from receipt import verify
from receipt_cases import MEMBERS, Cases, as_file, ledger_of_four


def anchor(row):
    genesis = row["genesis"] and row["genesis"].encode()
    return anchor_of(genesis, row["trust"] and row["trust"].encode())


class Receipts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rows = Cases().all()

    def test_cases(self):
        for row in self.rows:
            with self.subTest(row["name"]):
                result = verify(row["receipt"], anchor(row), row["now"], row.get("maxAgeSeconds"), row.get("at"))
                self.assertEqual((result.outcome, result.code), (row["outcome"], row["code"]), result.reason)
                if row["statuses"]:
                    self.assertEqual([one.status for one in result.credentials], row["statuses"])
                if result.outcome != "refused":
                    self.known(row, as_json(result))

    def known(self, row, answer):
        currency = "known" if row.get("known") else "unknown"
        self.assertEqual(answer["memberSetCurrency"], currency)
        self.assertEqual(str(answer["asOf"]), row.get("asOf", str(answer["asOf"])))
        if row["trust"]:
            self.assertEqual(answer.get("trust"), row.get("advanced"))

    def test_every_code_has_a_case(self):
        codes = {row["code"] for row in self.rows if row["code"]}
        self.assertEqual(codes, {
            "malformed", "other_ledger", "path", "not_a_seal", "wrong_seal", "consistency", "members",
            "unknown_signer", "quorum", "cosignature", "entry", "issue", "status", "status_record", "fork",
            "at_not_reached", "older_than_trust", "too_old",
        })

    def test_no_byte_may_change(self):
        rng = random.Random(1)
        for name in ("superseded", "after changes of the members", "trust: since"):
            row = next(one for one in self.rows if one["name"] == name)
            data, from_ = row["receipt"], anchor(row)
            self.assertEqual(verify(data, from_, row["now"]).outcome, "accepted")
            for at in range(len(data)):
                changed = bytearray(data)
                changed[at] ^= rng.randrange(1, 256)
                result = verify(bytes(changed), from_, row["now"])
                self.assertEqual(result.outcome, "refused", f"{name}: byte {at}")

    def test_the_file_for_typescript_is_of_these_cases(self):
        path = pathlib.Path(__file__).parent / "receipt-ts/test/cases.json.gz"
        with gzip.open(path) as file:
            self.assertEqual(json.load(file), as_file(), "write it anew: receipt_cases.py FILE")

    def test_results_are_json(self):
        for row in self.rows:
            result = verify(row["receipt"], anchor(row), row["now"])
            json.dumps(as_json(result))


class CommandLine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cases = Cases()
        cls.good = jcs(cases.of("valid"))
        cls.bad = jcs({**cases.of("valid"), "leaves": []})
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        for name, data in (("good", cls.good), ("bad", cls.bad), ("genesis", cases.ledger.genesis)):
            (pathlib.Path(cls.folder.name) / name).write_bytes(data)

    def run_it(self, *arguments, lines=""):
        program = pathlib.Path(__file__).parent / "check_receipt.py"
        return subprocess.run([sys.executable, program, *arguments], input=lines, text=True,
                              capture_output=True, cwd=self.folder.name, check=False)

    def test_files(self):
        genesis = ("--genesis", "genesis")
        done = self.run_it("good", *genesis)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, "^good: accepted\n.*\n.*\n  [0-9a-f]{64}: valid\n")
        done = self.run_it("good", "bad", *genesis)
        self.assertEqual(done.returncode, 1)
        self.assertIn("bad: refused (malformed: ", done.stdout)
        for arguments in (("good", *genesis, "--at-most-age", "1"), ("none", *genesis), ("good",), genesis,
                          ("good", *genesis, "--trust", "x"), ("good", "--genesis", "good")):
            self.assertEqual(self.run_it(*arguments).returncode, 2, arguments)

    def test_lines(self):
        receipt = base64.b64encode(self.good).decode()
        lines = [
            {"id": 1, "receipt": receipt},
            {"id": "b", "receipt": base64.b64encode(self.bad).decode()},
            {"id": 3, "receipt": "AB=="},
            {"id": 4, "receipt": receipt, "maxAgeSeconds": 1, "now": 10**13},
            {"id": 5, "receipt": receipt, "now": "1"},
            {"id": 6, "receipt": receipt, "at": 1},
            [],
        ]
        text = "".join(json.dumps(one) + "\n" for one in lines)
        done = self.run_it("--lines", "--genesis", "genesis", lines=text)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([(one["id"], one["outcome"], one.get("code")) for one in answers], [
            (1, "accepted", None), ("b", "refused", "malformed"), (3, "unknown", "unreadable"),
            (4, "unknown", "too_old"), (5, "unknown", "unreadable"), (6, "refused", "wrong_seal"),
            (None, "unknown", "unreadable"),
        ])
        self.assertEqual(done.returncode, 1)


class Writer(unittest.TestCase):
    def test_a_written_ledger_passes_the_checker_of_ledgers(self):
        ledger = ledger_of_four()
        files = {
            "genesis.json": ledger.genesis,
            "checkpoint": ledger.checkpoint(len(ledger.leaves), ledger.members[:3]).encode(),
            f"tile/entries/000.p/{len(ledger.leaves)}": b"".join(
                len(leaf).to_bytes(2, "big") + leaf for leaf in ledger.leaves),
        }
        before = [Member(one, ledger.origin) for one in MEMBERS]
        for block in ledger.blocks:
            files[f"certificates/{block.height}"] = ledger.certificate(block.height, before)
            files[f"members/{block.height + 1}"] = member_set(block.members)
            before = block.members
        result = check(Memory(files, {}), ledger.genesis)
        self.assertEqual((result.height, result.changes), (8, [6, 7]))


class Names(unittest.TestCase):
    def bad(self, read, *values):
        for value in values:
            with self.assertRaises(formats.Bad, msg=repr(value)):
                read(value)

    def test_names(self):
        for good in ("did:web:a", "did:a1:b:c%20", "https://a/b?c#d"):
            formats.issuer_id(good)
        self.bad(formats.issuer_id, "", "did:", "did:web:", "did:Web:a", "did:web:a/b", "did:web:a?b",
                 "did:web:a#b", "https://", "http://a", "https://a b", "did:web:" + "a" * 249)
        for good in ("urn:x", "a+b-c.1:x"):
            formats.achievement_id(good)
        self.bad(formats.achievement_id, "x", "1a:x", ":x", "a:", "a: ", "a:\u00e9")
        for good in ("Zoë", "a\u0644\u200db", "x" * 200):
            formats.people_name(good)
        self.bad(formats.people_name, "", "x" * 201, "\u200da", "a\u200db", "\u00e9\u200d\u200d", "a\u202eb",
                 "a\x7f", "\ufeffa", "a\U000e0041", "\u3164")
        self.bad(formats.member_id, "", "-a", "A", "a" * 41, "a\n")
        self.bad(formats.origin_name, "", "a+b", "a b", "a" * 101, "\u00e9", "a\n")

    def test_keys(self):
        for encoding in formats.SMALL_ORDER:
            self.assertFalse(formats.is_ed25519_key(encoding))
        self.assertEqual(len([one for one in formats.SMALL_ORDER if formats.decompressed(one)]), 8)


if __name__ == "__main__":
    unittest.main()
