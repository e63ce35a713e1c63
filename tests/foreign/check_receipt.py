#!/usr/bin/env python3
"""Checks receipts, offline, as docs/formats.md describes in "Receipt".

    check_receipt.py FILE... (--genesis FILE | --trust FILE) [--at MS] [--at-most-age SECONDS]
        [--now MS]
    check_receipt.py --lines [--genesis FILE | --trust FILE] [--at MS] [--at-most-age SECONDS]
        [--now MS]

Exit code 0: all are accepted. 1: one is refused. 2: one is unknown or unreadable, none refused.
"""

import argparse
import json
import sys
from datetime import datetime, timezone

import formats
import receipt_form
from formats import Bad
from receipt import verify

FILE_BYTES_MAX = 2 * receipt_form.RECEIPT_BYTES_MAX


class Unreadable(Exception):
    """A file or a line is not what it should be, other than the receipt itself."""


def from_file(path):
    try:
        with open(path, "rb") as file:
            data = file.read(FILE_BYTES_MAX)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    return data


def anchor_of(genesis, trust):
    """From the bytes of a genesis file or of a trust file."""
    try:
        if trust is None:
            genesis, file = formats.read_genesis(genesis), json.loads(genesis)
            return receipt_form.Anchor(genesis, file, None)
        return receipt_form.read_trust(receipt_form.parse(trust, "the trust file", FILE_BYTES_MAX))
    except Bad as error:
        raise Unreadable(str(error)) from None


# --- Lines -----------------------------------------------------------------------------------


class Lines:
    """Verdicts about receipts in JSON lines."""

    def __init__(self, anchor, options):
        self.anchor, self.options, self.anchors = anchor, options, {}

    def trusted(self, file):
        """The anchor of a trust file; the last few are kept."""
        name = json.dumps(file, sort_keys=True)
        if name not in self.anchors:
            if len(self.anchors) >= 64:
                self.anchors.clear()
            self.anchors[name] = receipt_form.read_trust(file)
        return self.anchors[name]

    def number(self, request, name, default):
        value = request.get(name)
        return default if value is None else receipt_form.number(value, name)

    def answer(self, line):
        request = {}
        try:
            request = json.loads(line)
            data = formats.unbase64(request["receipt"], "receipt")
            anchor = self.trusted(request["trust"]) if "trust" in request else self.anchor
            if anchor is None:
                raise Unreadable("neither --genesis nor --trust, nor a trust file in the line")
            now = self.number(request, "now", self.options.now)
            age = self.number(request, "maxAgeSeconds", self.options.at_most_age)
            at = self.number(request, "at", self.options.at)
        except (Bad, Unreadable, ValueError, KeyError, TypeError, AttributeError) as error:
            id_ = request.get("id") if isinstance(request, dict) else None
            return {"id": id_, "outcome": "unknown", "code": "unreadable", "reason": str(error)}
        return {"id": request.get("id"), **as_json(verify(data, anchor, now, age, at))}


def as_json(result):
    answer = {"outcome": result.outcome}
    if result.code:
        answer.update(code=result.code, reason=result.reason)
    if result.outcome == "refused":
        return answer
    answer["asOf"] = result.as_of
    answer["memberSetCurrency"] = "known" if result.members_known else "unknown"
    answer["credentials"] = [statement_as_json(one) for one in result.credentials]
    if result.trust:
        answer["trust"] = receipt_form.trust_file(result.trust)
    return answer


def statement_as_json(one):
    answer = {"digest": one.digest, "issuerId": one.issuer_id, "status": one.status,
              "issuedAt": one.issued_at, "achievement": one.achievement}
    if one.status_since is not None:
        answer["statusSince"] = one.status_since
    return answer


# --- Files -----------------------------------------------------------------------------------


def date(ms):
    seconds = min(ms / 1_000, 253_402_300_799)
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")


def human(name, result):
    code = f" ({result.code}: {result.reason})" if result.code else ""
    yield f"{name}: {result.outcome}{code}"
    if result.outcome == "refused":
        return
    yield f"  attested as of {date(result.as_of)}"
    if not result.members_known:
        yield "  whether these members still answer for the ledger is not known from this file"
    for one in result.credentials:
        since = f" since {date(one.status_since)}" if one.status_since is not None else ""
        yield f"  {one.digest}: {one.status}{since}"
        what = f", {one.achievement}" if one.achievement else ""
        yield f"    issued by {one.issuer_id} at {date(one.issued_at)}{what}"


def check_files(options, anchor):
    outcomes = set()
    for path in options.files:
        try:
            data = from_file(path)
            result = verify(data, anchor, options.now, options.at_most_age, options.at)
        except Unreadable as error:
            print(f"error: {error}", file=sys.stderr)
            outcomes.add("unknown")
            continue
        print("\n".join(human(path, result)))
        outcomes.add(result.outcome)
    return exit_code(outcomes)


def check_lines(options, anchor):
    outcomes, lines = set(), Lines(anchor, options)
    for line in sys.stdin.buffer:
        answer = lines.answer(line)
        outcomes.add(answer["outcome"])
        print(json.dumps(answer, separators=(",", ":")), flush=True)
    return exit_code(outcomes)


def exit_code(outcomes):
    return 1 if "refused" in outcomes else 2 if "unknown" in outcomes else 0


def main():
    parser = argparse.ArgumentParser(description="Checks receipts, offline.", allow_abbrev=False)
    parser.add_argument("files", nargs="*", metavar="FILE", help="a receipt")
    anchors = parser.add_mutually_exclusive_group()
    anchors.add_argument("--genesis", metavar="FILE", help="the ledger's genesis file")
    anchors.add_argument("--trust", metavar="FILE", help="what was believed of the ledger before")
    parser.add_argument("--at", type=int, metavar="MS",
                        help="the time that was asked about; no receipt about another is taken")
    parser.add_argument("--at-most-age", type=int, metavar="SECONDS",
                        help="unknown, if it is attested as of longer ago")
    parser.add_argument("--now", type=int, metavar="MS", help="the time that counts as now")
    parser.add_argument("--lines", action="store_true", help="receipts as JSON lines on stdin")
    options = parser.parse_args()
    given = options.genesis or options.trust
    if options.lines == bool(options.files) or not (given or options.lines):
        parser.error("FILE… with --genesis or --trust, or --lines")
    try:
        genesis = from_file(options.genesis) if options.genesis else None
        trust = from_file(options.trust) if options.trust else None
        anchor = anchor_of(genesis, trust) if given else None
    except Unreadable as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return check_lines(options, anchor) if options.lines else check_files(options, anchor)


if __name__ == "__main__":
    sys.exit(main())
