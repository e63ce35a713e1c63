#!/usr/bin/env python3
"""Has members cosign a checkpoint, by the client of the package aics-witness.

    ask_members.py URL --member KEY URL [--member KEY URL …]

The checkpoint is that of the first node; each member is asked at its own node, as any witness is
(POST /add-checkpoint), and has to return a fresh cosignature by its key. Then each is asked with a
checkpoint that has another root, and has to refuse it.

Exit code 0: all did. 1: one did not.
"""
import argparse, sys, urllib.request

from aics_tlog import HttpTileReader, parse_note
from aics_tlog.checkpoint import parse_checkpoint
from aics_tlog.tiles import consistency_proof_from_tiles
from aics_witness.feeder import FeederError, WitnessClient


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--member", nargs=2, action="append", metavar=("KEY", "URL"))
    options = parser.parse_args()
    url = options.url.rstrip("/") + "/"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url + "checkpoint", timeout=20) as answer:
        note = answer.read(1 << 20)
    checkpoint = parse_checkpoint(parse_note(note).text)
    tiles = HttpTileReader([url], proxies={})

    def proof(old, new):
        return consistency_proof_from_tiles(tiles, old, new, checkpoint.size)

    for key, member in options.member:
        client = WitnessClient(member, key)
        try:
            lines = client.submit(note, proof)
        except FeederError as error:
            print(f"{member} does not cosign: {error}", file=sys.stderr)
            return 1
        name = key.split("+", 1)[0]
        if not lines.startswith(f"\u2014 {name} "):
            print(f"{member} answers {lines!r}", file=sys.stderr)
            return 1
        lied = note.replace(note.split(b"\n")[2][:4], b"AAAA", 1)
        try:
            client.submit(lied, proof)
        except FeederError:
            continue
        print(f"{member} cosigns another root", file=sys.stderr)
        return 1
    print(f"{len(options.member)} members cosigned {checkpoint.size} entries")
    return 0


if __name__ == "__main__":
    sys.exit(main())
