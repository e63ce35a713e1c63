#!/usr/bin/env python3
"""Writes the golden vectors beside it, from the specifications and not from the crate.

Needs Python 3.9 and `cryptography`. The vectors freeze the formats: a change of any of them is a
change of what the ledger signs and serves, so run this only to add vectors.
"""
import base64, hashlib, pathlib, struct
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HERE = pathlib.Path(__file__).parent
sha = lambda data: hashlib.sha256(data).digest()
leaf = lambda entry: sha(b"\0" + entry)
node = lambda left, right: sha(b"\1" + left + right)


def root(leaves):  # RFC 6962 section 2.1, by its recursion
    if len(leaves) < 2:
        return leaves[0] if leaves else sha(b"")
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node(root(leaves[:k]), root(leaves[k:]))


def inclusion(m, leaves):  # PATH(m, D[n])
    if len(leaves) == 1:
        return []
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    if m < k:
        return inclusion(m, leaves[:k]) + [root(leaves[k:])]
    return inclusion(m - k, leaves[k:]) + [root(leaves[:k])]


def consistency(m, leaves, whole=True):  # SUBPROOF(m, D[n], b)
    if m == len(leaves):
        return [] if whole else [root(leaves)]
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    if m <= k:
        return consistency(m, leaves[:k], whole) + [root(leaves[k:])]
    return consistency(m - k, leaves[k:], False) + [root(leaves[:k])]


def tree():
    # The leaves of the tests of Certificate Transparency's first implementations.
    data = [bytes.fromhex(h) for h in ("", "00", "10", "2021", "3031", "40414243",
            "5051525354555657", "606162636465666768696a6b6c6d6e6f")]
    leaves = [leaf(d) for d in data]
    for d, h in zip(data, leaves):
        yield f"leaf {d.hex() or '-'} {h.hex()}"
    yield f"node {leaves[0].hex()} {leaves[1].hex()} {node(leaves[0], leaves[1]).hex()}"
    for n in range(9):
        yield f"root {n} {root(leaves[:n]).hex()}"
    for n in range(1, 9):
        for m in range(n):
            path = ",".join(h.hex() for h in inclusion(m, leaves[:n])) or "-"
            yield f"inclusion {m} {n} {path}"
        for m in range(1, n + 1):
            path = ",".join(h.hex() for h in consistency(m, leaves[:n])) or "-"
            yield f"consistency {m} {n} {path}"


def tiles():
    # Leaf i is the text of i. A digest covers every tile, its path before it, in order.
    leaves = [leaf(str(i).encode()) for i in range(70_000)]
    for size in (1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000):
        digest, level, row = hashlib.sha256(), 0, leaves[:size]
        while row:
            for n in range(0, len(row), 256):
                part = row[n:n + 256]
                width = "" if len(part) == 256 else f".p/{len(part)}"
                digest.update(f"tile/{level}/{n // 256:03}{width}\n".encode() + b"".join(part))
            whole = len(row) - len(row) % 256
            row = [root(row[n:n + 256]) for n in range(0, whole, 256)]
            level += 1
        yield f"tiles {size} {root(leaves[:size]).hex()} {digest.hexdigest()}"


def notes():
    b64 = lambda data: base64.b64encode(data).decode()
    body = f"ledger.example/2026\n70000\n{b64(sha(b'a root'))}\n"
    yield f"checkpoint ledger.example/2026 70000 {sha(b'a root').hex()} {body.encode().hex()}"
    lines = ""
    cosigner = "ledger.example/2026/university-a/1"
    for kind, name, seed in ((1, "ledger.example/2026", 1), (4, cosigner, 2)):
        key = Ed25519PrivateKey.from_private_bytes(bytes([seed] * 32))
        typed = bytes([kind]) + key.public_key().public_bytes_raw()
        key_id = sha(name.encode() + b"\n" + typed)[:4]
        if kind == 1:
            signature = key.sign(body.encode())
        else:
            time = 1_790_000_000
            message = f"cosignature/v1\ntime {time}\n{body}".encode()
            signature = struct.pack(">Q", time) + key.sign(message)
        line = f"\u2014 {name} {b64(key_id + signature)}\n"
        lines += line
        yield f"key {kind} {seed} {name} {key_id.hex()} {name}+{key_id.hex()}+{b64(typed)}"
        yield f"line {kind} {line.encode().hex()}"
    yield f"note {(body + chr(10) + lines).encode().hex()}"


def messages():
    # Over the first leaves of tree(); every signer has the name "ledger.example/2026" or below.
    b64 = lambda data: base64.b64encode(data).decode()
    leaves = [leaf(bytes.fromhex(h)) for h in ("", "00", "10", "2021", "3031", "40414243",
            "5051525354555657", "606162636465666768696a6b6c6d6e6f")]
    origin = "ledger.example/2026"

    def key(kind, name, seed):
        private = Ed25519PrivateKey.from_private_bytes(bytes([seed] * 32))
        typed = bytes([kind]) + private.public_key().public_bytes_raw()
        return private, sha(name.encode() + b"\n" + typed)[:4], typed

    def vkey(kind, name, seed):
        _, key_id, typed = key(kind, name, seed)
        return f"{name}+{key_id.hex()}+{b64(typed)}"

    def note(size, cosigners):
        body = f"{origin}\n{size}\n{b64(root(leaves[:size]))}\n"
        private, key_id, _ = key(1, origin, 1)
        lines = f"\u2014 {origin} {b64(key_id + private.sign(body.encode()))}\n"
        for seed in cosigners:
            name = f"{origin}/member-{seed}/1"
            private, key_id, _ = key(4, name, seed)
            message = f"cosignature/v1\ntime {1_790_000_000 + seed}\n{body}".encode()
            signature = struct.pack(">Q", 1_790_000_000 + seed) + private.sign(message)
            lines += f"\u2014 {name} {b64(key_id + signature)}\n"
        return body + "\n" + lines

    hashes = lambda path: "".join(f"{b64(h)}\n" for h in path)
    for index, size, extra in ((0, 1, b""), (0, 8, b""), (6, 7, b"not authenticated"), (4, 5, b"")):
        more = f"extra {b64(extra)}\n" if extra else ""
        path = hashes(inclusion(index, leaves[:size]))
        text = f"c2sp.org/tlog-proof@v1\n{more}index {index}\n{path}\n{note(size, (2, 3, 4))}"
        yield f"tlog-proof {index} {size} {extra.hex() or '-'} {text.encode().hex()}"
    for old, size in ((0, 1), (0, 8), (3, 7), (4, 8), (8, 8)):
        path = hashes(consistency(old, leaves[:size])) if old else ""
        text = f"old {old}\n{path}\n{note(size, (2, 3, 4))}"
        yield f"add-checkpoint {old} {size} {text.encode().hex()}"
    names = [f"{origin}/member-{seed}/1" for seed in (2, 3, 4, 5)]
    text = "".join(f"log {vkey(1, origin, seed)}\n" for seed in (1, 6))
    for seed, name in zip((2, 3, 4, 5), names):
        text += f"witness {name} {vkey(4, name, seed)}\n"
    text += f"group members 3 {' '.join(names)}\nquorum members\n"
    yield f"policy {text.encode().hex()}"


for name, vectors in (("tree", tree()), ("tiles", tiles()), ("notes", notes()),
        ("messages", messages())):
    (HERE / f"{name}.txt").write_text("".join(f"{vector}\n" for vector in vectors))
