#!/usr/bin/env python3
"""Checks a whole ledger from the outside: its certificates, its checkpoint and its cosignatures.

    check_ledger.py FOLDER
    check_ledger.py URL --genesis FILE

Exit codes: 0 everything verifies, 1 the ledger is not what it claims, 2 it could not be read.
"""

import argparse
import http.client
import json
import pathlib
import sys
import time
import urllib.parse
from dataclasses import dataclass
from datetime import datetime, timezone

import formats
from formats import Bad, need

ATTEMPTS_MAX = 60


class Unreadable(Exception):
    """Nothing is known about the ledger: a file or a node does not answer."""


class Missing(Unreadable):
    """There is no such thing in the folder or at the node."""


class Folder:
    """Copies of what a node answers."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def get(self, name, limit):
        try:
            with open(self.path / name, "rb") as file:
                data = file.read(limit + 1)
        except FileNotFoundError:
            raise Missing(f"{self.path / name} is missing") from None
        except OSError as error:
            raise Unreadable(f"{self.path / name}: {error}") from None
        need(len(data) <= limit, f"{name} has more than {limit} bytes")
        return data


class Node:
    """A node, over one connection."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self.connection = kind(parts.netloc, timeout=10)
        self.prefix = parts.path.rstrip("/")

    def get(self, name, limit):
        below = "/v1/" if name.startswith(("certificates/", "members/")) else "/"
        path = self.prefix + below + name
        for attempt in range(ATTEMPTS_MAX):
            try:
                status, pause, data = self.ask(path, limit)
            except (OSError, http.client.HTTPException) as error:
                self.connection.close()
                # A connection that was idle for long may be closed by the time it is used.
                if attempt < 2:
                    continue
                raise Unreadable(f"{path}: {error or type(error).__name__}") from None
            if status == 200:
                need(len(data) <= limit, f"{path} has more than {limit} bytes")
                return data
            if status == 404:
                raise Missing(f"{path} is not there")
            if status not in (429, 503):
                break
            time.sleep(pause)
        raise Unreadable(f"{path} answers {status}")

    def ask(self, path, limit):
        """Status, seconds to wait, and the answer, of which more than the limit is not read."""
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        data = answer.read(limit + 1)
        if not answer.isclosed():
            self.connection.close()
        after = answer.getheader("Retry-After") or "1"
        return answer.status, min(float(after) if after.isdigit() else 1.0, 5.0), data


@dataclass
class Result:
    """What was found; all of it verified."""

    origin: str
    ledger: str
    height: int
    size: int
    root: str
    as_of: int
    members: list
    cosigned: dict
    changes: list
    strangers: int


class Ledger:
    """Everything up to the last seal read, verified."""

    def __init__(self, source, genesis):
        self.source, self.genesis = source, genesis
        self.members, self.tree = genesis.members, formats.Tree()
        self.height, self.time, self.records, self.changes = 0, genesis.time, 0, []

    def read_to(self, size):
        """Reads and checks the leaves up to a size at which a seal must end the log."""
        need(size >= self.tree.size, f"the log shrinks from {self.tree.size} to {size} leaves")
        while self.tree.size < size:
            number, have = divmod(self.tree.size, formats.BUNDLE_LEAVES)
            width = min(formats.BUNDLE_LEAVES, size - number * formats.BUNDLE_LEAVES)
            for leaf in self.bundle(number, width)[have:]:
                self.append(leaf)
        need(self.records == 0, "the log does not end with a seal")

    def bundle(self, number, width):
        limit = formats.BUNDLE_BYTES_MAX
        try:
            data = self.source.get(formats.bundle_path(number, width), limit)
            leaves, whole = formats.read_bundle(data, width)
            need(whole, f"bundle {number} has more than {width} leaves")
        except Missing:
            # Filled up since: the full one begins with the same leaves.
            if width == formats.BUNDLE_LEAVES:
                raise
            data = self.source.get(formats.bundle_path(number, formats.BUNDLE_LEAVES), limit)
            leaves, _ = formats.read_bundle(data, width)
        return leaves

    def append(self, leaf):
        need(leaf and leaf[0] in (1, 2), f"leaf {self.tree.size} is neither record nor seal")
        self.tree.append(leaf)
        if leaf[0] == 1:
            self.records += 1
        else:
            self.close_block(formats.read_seal(leaf))

    def close_block(self, seal):
        height = self.height + 1
        need(seal.height == height, f"the seal after height {self.height} is of {seal.height}")
        need(seal.record_count == self.records, f"height {height} has another number of records")
        need(seal.time > self.time, f"height {height} is not later than the one before")
        seats = self.members.seats
        turn = seats[(height + seal.round) % len(seats)]
        need(seal.proposer == turn.id, f"it was not {seal.proposer}'s turn at height {height}")
        body = formats.checkpoint_body(self.genesis.origin, self.tree.size, self.tree.root())
        data = self.source.get(f"certificates/{height}", formats.CERTIFICATE_BYTES_MAX)
        certificate = formats.read_certificate(data)
        ledger, value = self.genesis.ledger, formats.b3(body)
        formats.check_certificate(certificate, ledger, self.members, height, value)
        need(certificate.round >= seal.round, f"height {height} was decided before its seal")
        if seal.members_hash != self.members.hash:
            data = self.source.get(f"members/{height + 1}", formats.MEMBER_SET_BYTES_MAX)
            self.members = formats.read_member_set(data)
            need(self.members.hash == seal.members_hash, f"height {height} made other members")
            self.changes.append(height)
        self.height, self.time, self.records = height, seal.time, 0


def check(source, genesis_bytes, wait_s=0.0):
    """Checks everything; waits a while for the newest checkpoint to be attested."""
    ledger = Ledger(source, formats.read_genesis(genesis_bytes))
    origin = ledger.genesis.origin
    until = time.monotonic() + wait_s
    while True:
        body, lines = formats.read_note(source.get("checkpoint", formats.NOTE_BYTES_MAX))
        size, root = formats.read_body(body, origin)
        need(size > 0, "the log is empty: there is nothing to check")
        ledger.read_to(size)
        need(ledger.tree.root() == root, "the leaves do not make the checkpoint's root")
        attestation = formats.check_lines(body, lines, origin, ledger.members)
        as_of = attestation.as_of()
        if as_of is not None:
            break
        of = f"{len(attestation.cosigned)} of {len(ledger.members.seats)}"
        need(time.monotonic() < until, f"the checkpoint is not attested: cosigned by {of}")
        time.sleep(0.2)
    ids = [seat.id for seat in ledger.members.seats]
    return Result(
        origin, ledger.genesis.ledger.hex(), ledger.height, size, root.hex(), as_of, ids,
        attestation.cosigned, ledger.changes, attestation.strangers,
    )


def arguments():
    parser = argparse.ArgumentParser(description="Checks a whole ledger from the outside.")
    parser.add_argument("source", help="a folder, or the address of a node")
    parser.add_argument("--genesis", help="genesis file (default: genesis.json of the folder)")
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    parser.add_argument("--wait-s", type=float, default=10.0, metavar="S",
                        help="how long a node's checkpoint may lack its quorum (default 10)")
    parser.add_argument("--max-age-s", type=float, metavar="S",
                        help="fail if the as-of time is older, or as far ahead")
    parser.add_argument("--no-strangers", action="store_true",
                        help="fail if the checkpoint has lines of keys unknown here")
    return parser.parse_args()


def run(options):
    remote = options.source.startswith(("http://", "https://"))
    source = Node(options.source) if remote else Folder(options.source)
    if options.genesis:
        path = pathlib.Path(options.genesis)
        genesis = Folder(path.parent).get(path.name, formats.GENESIS_BYTES_MAX)
    elif remote:
        raise Unreadable("what is founded by nobody proves nothing: give --genesis FILE")
    else:
        genesis = source.get("genesis.json", formats.GENESIS_BYTES_MAX)
    result = check(source, genesis, options.wait_s if remote else 0.0)
    if options.max_age_s is not None:
        age = time.time() - result.as_of / 1_000
        need(abs(age) <= options.max_age_s, f"the checkpoint is attested as of {age:.0f} s ago")
    if options.no_strangers:
        need(result.strangers == 0, f"{result.strangers} lines are of keys unknown here")
    return result


def human(result):
    seconds = result.as_of / 1_000
    as_of = datetime.fromtimestamp(min(seconds, 253402300799), timezone.utc)
    yield f"ledger      {result.origin}, {result.ledger}"
    yield f"height      {result.height}, every certificate verifies"
    yield f"log         {result.size} leaves, root {result.root}"
    yield f"members     {', '.join(result.members)}"
    yield f"changed at  {', '.join(map(str, result.changes)) or 'no height'}"
    yield f"cosigned by {', '.join(sorted(result.cosigned))}"
    yield f"as of       {as_of.isoformat(timespec='seconds')}"


def main():
    options = arguments()
    code, problem = 0, None
    try:
        result = run(options)
    except Bad as error:
        code, problem = 1, str(error)
    except Unreadable as error:
        code, problem = 2, str(error)
    if problem is not None:
        print(json.dumps({"error": problem}) if options.json else f"error: {problem}", file=sys.stderr)
    elif options.json:
        names = {"as_of": "asOfMs", "ledger": "ledgerId"}
        print(json.dumps({names.get(name, name): value for name, value in vars(result).items()}))
    else:
        print("\n".join(human(result)))
    return code


if __name__ == "__main__":
    sys.exit(main())
