#!/usr/bin/env python3
"""Audits a log over HTTP with the package aics-tlog.

    audit_tiles.py URL [--since FILE] [--save FILE] [--outside KEY]

The checkpoint has to be signed by one of the logs of /v1/policy and cosigned by its quorum; every
tile and bundle is authenticated against it, and compared byte for byte with what the package makes
of the entries. --since: the log of an earlier checkpoint is a prefix of this one. --outside: the
witness with this verifier key has cosigned, too.

Exit code 0: all is well. 1: the log is not what it claims to be. 2: it could not be read.
"""
import argparse, sys, urllib.error, urllib.request

from aics_tlog import (
    HttpTileReader,
    VerifiedTileReader,
    audit_tiles,
    parse_note,
    parse_vkey,
    verify_checkpoint,
    verify_consistency,
)
from aics_tlog.tiles import (
    TileMissingError,
    TileUnavailableError,
    TileVerificationError,
    consistency_proof_from_tiles,
    materialise_tiles,
    parse_entry_bundle,
)

TILE_ENTRIES = 256
BODY_BYTES_MAX = TILE_ENTRIES * (65_535 + 2)


class Bad(Exception):
    """The log is not what it claims to be."""


def need(condition, text):
    if not condition:
        raise Bad(text)


class Site:
    def __init__(self, url):
        self.url = url.rstrip("/") + "/"
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path):
        try:
            with self.opener.open(self.url + path, timeout=20) as answer:
                return answer.read(BODY_BYTES_MAX + 1)
        except urllib.error.HTTPError as error:
            raise Bad(f"{path} is answered with status {error.code}") from None


class Policy:
    """The one group of the members, as a node writes it."""

    def __init__(self, text):
        lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
        self.logs = [parse_vkey(words[1]) for words in lines if words[:1] == ["log"]]
        witnesses = {words[1]: parse_vkey(words[2]) for words in lines if words[:1] == ["witness"]}
        (group,) = [words for words in lines if words[:1] == ["group"]]
        (quorum,) = [words for words in lines if words[:1] == ["quorum"]]
        need(quorum[1] == group[1], "the quorum is not the one group")
        self.quorum = int(group[2])
        self.witnesses = [witnesses[name] for name in group[3:]]

    def accept(self, data):
        """The checkpoint of a note that a log signed and the quorum cosigned."""
        note = parse_note(data)
        tried = [verify_checkpoint(note, log, self.witnesses, self.quorum) for log in self.logs]
        good = [result for result in tried if result.ok]
        need(good, f"the checkpoint is refused: {[result.error for result in tried]}")
        return note, good[0]


def audit(site, options):
    policy = Policy(site.get("v1/policy").decode())
    data = site.get("checkpoint")
    note, head = policy.accept(data)
    if options.outside:
        with_outside(note, policy, options.outside)
    reader = HttpTileReader([site.url], proxies={})
    report = audit_tiles(reader, head.size, head.root)
    entries = []
    for number in range((head.size + TILE_ENTRIES - 1) // TILE_ENTRIES):
        width = min(TILE_ENTRIES, head.size - number * TILE_ENTRIES)
        bundle = reader.read_entry_bundle(number, None if width == TILE_ENTRIES else width)
        entries += parse_entry_bundle(bundle)
    tiles = materialise_tiles(entries)
    for path, own in tiles.items():
        need(site.get(path) == own, f"{path} is not, byte for byte, what its entries make")
    text = f"{head.size} entries, {report.tiles} tiles, {len(tiles)} files, "
    text += f"{head.cosignature_count} cosignatures"
    if options.since:
        text += f", grown from {grown(policy, reader, head, options.since)}"
    if options.save:
        with open(options.save, "wb") as file:
            file.write(data)
    return text


def with_outside(note, policy, text):
    key = parse_vkey(text)
    results = [verify_checkpoint(note, log, [key], 1) for log in policy.logs]
    need(any(result.ok for result in results), f"{key.name} has not cosigned the checkpoint")


def grown(policy, reader, head, since):
    with open(since, "rb") as file:
        _, older = policy.accept(file.read())
    verified = VerifiedTileReader(reader, head.size, head.root)
    proof = consistency_proof_from_tiles(verified, older.size, head.size)
    good = verify_consistency(older.size, head.size, older.root, head.root, proof)
    need(good, f"the log did not grow from that of {older.size} entries")
    return older.size


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--since")
    parser.add_argument("--save")
    parser.add_argument("--outside")
    options = parser.parse_args()
    try:
        print(audit(Site(options.url), options))
    except (Bad, ValueError, TileMissingError, TileVerificationError) as error:
        print(f"BAD: {error}", file=sys.stderr)
        return 1
    except TileUnavailableError as error:
        # The package does not tell a source that is away from one that serves what is no bundle.
        is_bad = "malformed" in str(error)
        print(f"{'BAD' if is_bad else 'cannot be read'}: {error}", file=sys.stderr)
        return 1 if is_bad else 2
    except OSError as error:
        print(f"cannot be read: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
