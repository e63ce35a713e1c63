"""Writes small ledgers in memory, and receipts from them, as docs/formats.md says.

For the tests of the receipt checkers. It executes no rules: what it is told, it writes, so a test can
make a ledger that says something false and sign it with every key.
"""

import base64
import hashlib
import json
from copy import deepcopy

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import formats
from formats import b3, blob, option, sequence, sha, text, u8, u32, u64

ISSUE, REVOKE, SUSPEND, REINSTATE, SUPERSEDE = 10, 11, 12, 13, 14
UNSPECIFIED = u32(0)
ZEROS = bytes(32)


def b64(data):
    return base64.b64encode(data).decode()


class Key:
    """An Ed25519 key made from a label."""

    def __init__(self, label):
        self.secret = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(label.encode()).digest())
        self.public = self.secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.multicodec = b"\xed\x01" + self.public
        self.id = b3(self.multicodec)[:16]

    def sign(self, message):
        return self.secret.sign(message)

    def multikey(self):
        number, digits = int.from_bytes(self.multicodec, "big"), ""
        while number:
            number, digit = divmod(number, 58)
            digits = formats.ALPHABET[digit] + digits
        return "z" + digits

    def possession(self, origin, role, owner):
        lines = f"credlog/possession/v1\n{origin}\n{role}\n{owner}\n"
        return self.sign(lines.encode() + self.multicodec)


class Member:
    def __init__(self, id_, origin, number=0, label=""):
        self.id, self.number = id_, number
        self.keys = {role: Key(f"{origin}/{id_}/{role}{label}") for role in formats.ROLES}
        self.proofs = {role: key.possession(origin, role, id_) for role, key in self.keys.items()}
        self.name, self.addresses, self.url = f"Member {id_}", ["/ip4/127.0.0.1/tcp/7701"], None

    def canonical(self):
        """The member, unseated."""
        keys = [blob(self.keys[role].multicodec) + blob(self.proofs[role]) for role in formats.ROLES]
        url = None if self.url is None else text(self.url)
        addresses = sequence([text(one) for one in self.addresses])
        return text(self.id) + text(self.name) + b"".join(keys) + addresses + option(url)

    def in_genesis(self):
        keys = {
            role: {"key": key.multikey(), "possession": b64(self.proofs[role])}
            for role, key in self.keys.items()
        }
        return {"id": self.id, "name": self.name, "keys": keys, "addresses": self.addresses, "url": self.url}


def member_set(members):
    ordered = sorted(members, key=lambda one: one.id)
    return sequence([one.canonical() + u32(one.number) for one in ordered])


def quorum(members):
    return 2 * len(members) // 3 + 1


# --- Trees, straight from RFC 6962 section 2.1 -----------------------------------------------


def split(size):
    """The largest power of two below the size."""
    return 1 << (size - 1).bit_length() - 1


def root_of(hashes):
    if len(hashes) < 2:
        return hashes[0] if hashes else sha(b"")
    half = split(len(hashes))
    return sha(b"\1" + root_of(hashes[:half]) + root_of(hashes[half:]))


def inclusion(index, hashes):
    if len(hashes) == 1:
        return []
    half = split(len(hashes))
    if index < half:
        return inclusion(index, hashes[:half]) + [root_of(hashes[half:])]
    return inclusion(index - half, hashes[half:]) + [root_of(hashes[:half])]


def consistency(size, hashes, whole=True):
    if size == len(hashes):
        return [] if whole else [root_of(hashes)]
    half = split(len(hashes))
    if size <= half:
        return consistency(size, hashes[:half], whole) + [root_of(hashes[half:])]
    return consistency(size - half, hashes[half:], False) + [root_of(hashes[:half])]


def leaf_hashes(leaves):
    return [sha(b"\0" + leaf) for leaf in leaves]


# --- The ledger ------------------------------------------------------------------------------


class Issuer:
    def __init__(self, id_, origin, member):
        self.id, self.member = id_, member
        self.key, self.recovery = Key(f"{origin}/{id_}/record"), Key(f"{origin}/{id_}/recovery")

    def entry(self, since):
        key = blob(self.key.multicodec) + b"\1\1" + u64(since) + b"\0\0"
        granted = text(self.member) + u32(0) + u64(since) + b"\0\0" + b3(self.id.encode())
        name = text(f"Issuer {self.id[-8:]}")
        keys, accreditations = sequence([key]), sequence([granted])
        recovery = blob(self.recovery.multicodec)
        return text(self.id) + name + option(None) + keys + recovery + accreditations + option(None)


class Block:
    """What a receipt needs of a block: its seal's place, and the state after it."""

    def __init__(self, index, height, time, entries, lists, members):
        self.index, self.height, self.time = index, height, time
        self.entries, self.lists, self.members = list(entries), deepcopy(lists), list(members)


class Ledger:
    def __init__(self, origin, member_ids, time=1_760_000_000_000):
        self.origin, self.time = origin, time
        self.members = [Member(one, origin) for one in member_ids]
        parameters = {
            "issuersPerMember": 1000, "achievementsPerIssuer": 10000, "activeKeysPerIssuer": 16,
            "openProposalsPerMember": 16, "registryEntryBytes": 16384, "recordsPerBlock": 10000,
            "minBlockIntervalMs": 1,
        }
        founders = [one.in_genesis() for one in self.members]
        file = {"version": 1, "origin": origin, "time": time, "members": founders, "parameters": parameters}
        self.genesis = json.dumps(file, indent=2).encode()
        jcs = json.dumps(file, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        self.id = b3(jcs.encode())
        self.leaves, self.blocks, self.changes = [], [], []
        self.issuers, self.entries, self.lists = {}, [], []
        self.issued, self.statuses, self.nonce = {}, {}, 0

    # Records: each returns its leaf's bytes and changes the state.

    def record(self, author, key, kind, body):
        self.nonce += 1
        author = u32(0) + text(author.id) if isinstance(author, Member) else u32(1) + text(author.id)
        nonce = u64(0) + u64(self.nonce)
        head = u8(1) + self.id + author + key.id + nonce + u64(self.time + 3_600_000) + u32(kind) + body
        return b"\1" + head + key.sign(b"credlog/record/v1\n" + head)

    def accredit(self, issuer_id, member=None):
        member = member or self.members[0]
        issuer = Issuer(issuer_id, self.origin, member.id)
        self.issuers[issuer_id] = len(self.entries), issuer
        self.entries.append(issuer.entry(self.time + 1))
        return self.record(member, member.keys["governance"], 3, text(issuer_id) + bytes(64))

    def open_list(self, issuer_id):
        _, issuer = self.issuers[issuer_id]
        self.lists.append([bytes(32)] * 1_024)
        return self.record(issuer, issuer.key, 9, b"")

    def issue(self, issuer_id, list_, items, achievement=None):
        """Items: index and digest."""
        _, issuer = self.issuers[issuer_id]
        what = option(None if achievement is None else text(achievement))
        items = sorted(items)
        for index, digest in items:
            self.issued[digest, issuer_id] = (len(self.leaves) + self.pending, list_, index)
        rows = sequence([u32(index) + digest for index, digest in items])
        return self.record(issuer, issuer.key, ISSUE, what + u64(list_) + b"\0\0" + rows)

    def change(self, kind, issuer_id, digests, new=None):
        """Revoke, Suspend, Reinstate, or Supersede of the one digest by `new`."""
        _, issuer = self.issuers[issuer_id]
        for digest in digests:
            self.mark(kind, issuer_id, digest)
        if kind == SUPERSEDE:
            body = text(issuer_id) + digests[0] + new + UNSPECIFIED
        else:
            suspension = ZEROS if kind == REINSTATE else b""
            body = text(issuer_id) + suspension + sequence(sorted(digests)) + UNSPECIFIED
        return self.record(issuer, issuer.key, kind, body)

    def mark(self, kind, issuer_id, digest):
        _, list_, index = self.issued[digest, issuer_id]
        chunk, within = index // 128, index % 128
        bits = bytearray(self.lists[list_][chunk])
        bit = 2 if kind in (SUSPEND, REINSTATE) else 1
        if kind == REINSTATE:
            bits[within // 4] &= ~(bit << 2 * (within % 4))
        else:
            bits[within // 4] |= bit << 2 * (within % 4)
        self.lists[list_][chunk] = bytes(bits)
        history = self.statuses.setdefault((digest, issuer_id), [])
        history.append((len(self.leaves) + self.pending, kind))

    def block(self, *make, members=None, after_ms=1_000, round_=0):
        """Records are made by functions without arguments, in their places; then the seal."""
        self.pending, records = 0, []
        for one in make:
            records.append(one())
            self.pending += 1
        before, height = self.members, len(self.blocks) + 1
        self.members, self.time = members or before, self.time + after_ms
        chunks = [u64(n) + u32(c) + bits for n, list_ in enumerate(self.lists) for c, bits in enumerate(list_)]
        seal = b"\2" + u8(1) + u64(height) + u64(self.time) + u32(round_)
        seal += text(sorted(one.id for one in before)[(height + round_) % len(before)]) + u32(len(records))
        seal += root_of(leaf_hashes(chunks)) + u64(len(self.lists))
        seal += root_of(leaf_hashes(self.entries)) + u64(len(self.entries)) + b3(member_set(self.members))
        self.leaves += [*records, seal]
        index = len(self.leaves) - 1
        self.blocks.append(Block(index, height, self.time, self.entries, self.lists, self.members))
        if members is not None:
            self.changes.append((height, before))
        return self.blocks[-1]

    # What proves it.

    def body(self, size):
        root = root_of(leaf_hashes(self.leaves[:size]))
        return formats.checkpoint_body(self.origin, size, root)

    def checkpoint(self, size, members, seconds=1_770_000_000):
        """A note with the cosignatures of these members."""
        body, lines = self.body(size), []
        for count, one in enumerate(sorted(members, key=lambda one: one.id)):
            time = seconds + count
            name, key = f"{self.origin}/{one.id}/{one.number}", one.keys["cosigner"]
            signature = key.sign(f"cosignature/v1\ntime {time}\n".encode() + body)
            blob_ = formats.key_id(name, 4, key.public) + u64(time) + signature
            lines.append((name, f"\u2014 {name} {b64(blob_)}\n"))
        return body.decode() + "\n" + "".join(line for _, line in sorted(lines))

    def certificate(self, height, members, round_=0):
        size = self.blocks[height - 1].index + 1
        value = b3(self.body(size))
        message = formats.vote_message(self.id, formats.PRECOMMIT, height, round_, value)
        ordered = sorted(members, key=lambda one: one.id)
        rows = [text(one.id) + one.keys["consensus"].sign(message) for one in ordered]
        return u64(height) + u32(round_) + value + sequence(rows)

    def member_change(self, height, before):
        block = self.blocks[height - 1]
        size = block.index + 1
        hashes = leaf_hashes(self.leaves[:size])
        certificate = self.certificate(height, before[: quorum(before)])
        return {
            "size": size, "root": b64(root_of(hashes)), "seal": b64(self.leaves[block.index]),
            "path": [b64(one) for one in inclusion(block.index, hashes)],
            "certificate": b64(certificate), "members": b64(member_set(block.members)),
        }

    def receipt(self, wanted, at=None, blocks=None, since=None, old=None, cosigners=None, seconds=1_770_000_000):
        """A receipt about (digest, issuer id), as a Python value.

        blocks: how many blocks the checkpoint covers. old: size of the log that the consistency is
        with. cosigners: by default the first quorum of the members.
        """
        blocks = self.blocks[: blocks or len(self.blocks)]
        last, as_of, next_ = blocks[-1], blocks[-1], None
        if at is not None:
            as_of = [one for one in blocks if one.time <= at][-1]
            next_ = next((one for one in blocks if one.height == as_of.height + 1), None)
        size = last.index + 1
        cosigners = cosigners or last.members[: quorum(last.members)]
        file = {"type": "credlog/receipt/v1", "ledger": self.id.hex(), "seal": as_of.index}
        file["checkpoint"] = self.checkpoint(size, cosigners, seconds)
        credentials, leaves = [], {last.index, as_of.index}
        entries, chunks = set(), set()
        for digest, issuer_id in wanted:
            number, _ = self.issuers[issuer_id]
            issue, list_, index = self.issued[digest, issuer_id]
            seal = self.sealed(issue)
            one = {"digest": digest.hex(), "issuer": number, "issue": issue, "issueSeal": seal}
            status = self.made_by(digest, issuer_id, as_of.index)
            if status is not None:
                one.update(status=status, statusSeal=self.sealed(status))
            credentials.append(one)
            leaves |= {issue, seal} | ({status, one["statusSeal"]} if status is not None else set())
            entries |= {(seal, number), (as_of.index, number)}
            chunks.add((list_, index // 128))
        if next_:
            file["next"] = next_.index
            leaves.add(next_.index)
        if at is not None:
            file["at"] = at
        if since:
            file["since"] = since
        if old:
            file["consistency"] = self.consistency(old, size)
        file["leaves"] = [self.leaf(one, size) for one in sorted(leaves)]
        file["entries"] = [self.entry(*one) for one in sorted(entries)]
        file["chunks"] = [self.chunk(as_of, *one) for one in sorted(chunks)]
        file["credentials"] = sorted(credentials, key=lambda one: (one["digest"], one["issuer"]))
        file["members"] = [
            self.member_change(*one) for one in self.changes if (since or 0) < one[0] <= last.height
        ]
        return file

    def leaf(self, index, size):
        path = inclusion(index, leaf_hashes(self.leaves[:size]))
        return {"index": index, "leaf": b64(self.leaves[index]), "path": [b64(one) for one in path]}

    def consistency(self, old, size):
        smaller, larger = sorted((old, size))
        path = consistency(smaller, leaf_hashes(self.leaves[:larger]))
        root = root_of(leaf_hashes(self.leaves[:old]))
        return {"path": [b64(one) for one in path], "root": b64(root), "size": old}

    def sealed(self, record):
        return next(one.index for one in self.blocks if one.index > record)

    def made_by(self, digest, issuer_id, until):
        """The leaf that made the status what it is at that seal; None if it is valid."""
        suspension = revocation = None
        for index, kind in self.statuses.get((digest, issuer_id), []):
            if index < until:
                if kind in (REVOKE, SUPERSEDE):
                    revocation = index
                else:
                    suspension = index if kind == SUSPEND else None
        return suspension if revocation is None else revocation

    def entry(self, seal, number):
        block = next(one for one in self.blocks if one.index == seal)
        path = inclusion(number, leaf_hashes(block.entries))
        proof = [b64(one) for one in path]
        return {"seal": seal, "issuer": number, "entry": b64(block.entries[number]), "path": proof}

    def chunk(self, block, list_, chunk):
        leaves = [u64(n) + u32(c) + bits for n, one in enumerate(block.lists) for c, bits in enumerate(one)]
        path = inclusion(1_024 * list_ + chunk, leaf_hashes(leaves))
        bits = block.lists[list_][chunk]
        return {"list": list_, "chunk": chunk, "bits": b64(bits), "path": [b64(one) for one in path]}

    def trust(self, blocks, as_of):
        """A trust file that believes that many blocks."""
        last = self.blocks[blocks - 1]
        newest = {
            "height": last.height, "time": last.time, "size": last.index + 1, "asOf": as_of,
            "root": b64(root_of(leaf_hashes(self.leaves[: last.index + 1]))),
            "members": b64(member_set(last.members)),
        }
        return {"type": "credlog/trust/v1", "genesis": json.loads(self.genesis), "newest": newest}


def jcs(value):
    """RFC 8785 for ASCII names and integers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
