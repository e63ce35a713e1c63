#!/usr/bin/env python3
"""Shows that the checker can fail: spoils one byte, file or order at a time and wants an error.

    corrupt.py FOLDER [--flips N]

Exit code 0: the folder verifies as it is, and with no change at all.
"""

import argparse
import pathlib
import random
import sys

from check_ledger import Missing, Unreadable, check
from formats import Bad, need


class Memory:
    """A folder's files, some of them changed."""

    def __init__(self, files, changed):
        self.files = {**files, **changed}

    def get(self, name, limit):
        data = self.files.get(name)
        if data is None:
            raise Missing(f"{name} is missing")
        need(len(data) <= limit, f"{name} has more than {limit} bytes")
        return data


def verify(files, changed):
    """Raises unless everything verifies, every line of the checkpoint included."""
    source = Memory(files, changed)
    genesis = source.get("genesis.json", 1 << 20)
    need(check(source, genesis).strangers == 0, "a line of an unknown key")


def refused(files, changed, what):
    try:
        verify(files, changed)
    except (Bad, Unreadable):
        return True
    except Exception as error:  # a checker that crashes has checked nothing
        print(f"{what}: {type(error).__name__}: {error}", file=sys.stderr)
        return False
    print(f"{what}: still verifies", file=sys.stderr)
    return False


def changes(files, flips, rng):
    """What is changed, and how: one bit somewhere, an end cut off or added, a file gone or another's."""
    names = sorted(files)
    places = [(name, rng.randrange(len(files[name]))) for name in names for _ in range(4)]
    weights = [len(files[name]) ** 0.5 for name in names]
    while len(places) < flips:
        (name,) = rng.choices(names, weights)
        places.append((name, rng.randrange(len(files[name]))))
    for name, at in places:
        data = bytearray(files[name])
        bit = rng.randrange(8)
        data[at] ^= 1 << bit
        yield {name: bytes(data)}, f"{name}, byte {at}, bit {bit}"
    for name in names:
        data = files[name]
        yield {name: data[:-1]}, f"{name} without its last byte"
        yield {name: data + b"\0"}, f"{name} with a byte more"
        yield {name: b""}, f"{name} emptied"
        yield {name: None}, f"{name} gone"
        near = [other for other in names if other != name and pathlib.Path(other).parent == pathlib.Path(name).parent]
        for other in near[:3]:
            yield {name: files[other]}, f"{name} replaced by {other}"


def main():
    parser = argparse.ArgumentParser(description="Shows that the checker can fail.")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--flips", type=int, default=400, help="how many bits to flip (default 400)")
    options = parser.parse_args()
    paths = [path for path in options.folder.rglob("*") if path.is_file()]
    files = {path.relative_to(options.folder).as_posix(): path.read_bytes() for path in paths}
    verify(files, {})
    rng = random.Random(1)
    results = [refused(files, changed, what) for changed, what in changes(files, options.flips, rng)]
    print(f"{sum(results)} of {len(results)} changes of {len(files)} files refused")
    return 0 if all(results) and len(results) >= options.flips else 1


if __name__ == "__main__":
    sys.exit(main())
