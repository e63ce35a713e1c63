"""The form of a receipt and of a trust file: docs/formats.md, "Receipt" and "Trust file".

What is not of the form raises `Bad`.
"""

import base64
import json
import re
from dataclasses import dataclass
from typing import Optional

import formats
from formats import Bad, MemberSet, integer, need, unbase64

NUMBER_MAX = 2**53 - 1
RECEIPT_BYTES_MAX = 16 * 1_048_576
CREDENTIALS_MAX = 1_024
CHANGES_MAX = 10_000
PATH_MAX = 63
HEX = re.compile(r"[0-9a-f]{64}")
# C2SP signed-note: a name has no Unicode White_Space, no "+", a note no control character.
NOT_IN_NAMES = re.compile(
    "[\\x00-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000+]"
)


@dataclass(frozen=True)
class Credential:
    digest: bytes
    issuer: int
    issue: int
    issue_seal: int
    status: Optional[int]
    status_seal: Optional[int]


@dataclass(frozen=True)
class Change:
    """A change of the member set; the three parts are not decoded yet."""

    size: int
    root: bytes
    seal: bytes
    path: list
    certificate: bytes
    members: bytes


@dataclass(frozen=True)
class Consistency:
    path: list
    root: bytes
    size: int


@dataclass(frozen=True)
class Checkpoint:
    body: bytes
    origin: str
    size: int
    root: bytes
    lines: list


@dataclass(frozen=True)
class Receipt:
    ledger: str
    at: Optional[int]
    checkpoint: Checkpoint
    consistency: Optional[Consistency]
    seal: int
    next: Optional[int]
    leaves: dict  # index: (leaf, path)
    entries: dict  # (seal, issuer): (entry, path)
    chunks: dict  # (list, chunk): (bits, path)
    credentials: list
    since: int
    members: list


# --- JSON ------------------------------------------------------------------------------------


def refuse(text):
    raise Bad(f"{text} is no integer")


def parse(data, what, limit):
    """JSON of integers, in which no name stands twice in an object."""
    need(len(data) <= limit, f"{what} has more than {limit} bytes")

    def once(pairs):
        value = dict(pairs)
        need(len(value) == len(pairs), f"a name stands twice in {what}")
        return value

    try:
        text = data.decode("utf-8")
        return json.loads(text, object_pairs_hook=once, parse_float=refuse, parse_constant=refuse)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Bad(f"{what} is not JSON: {error}") from None


def jcs(value):
    """RFC 8785, for names in ASCII and integers below 2^53."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise Bad("a text has a lone surrogate") from None


def object_of(value, names, or_absent, what):
    """The values of the names in this order, None for what is absent."""
    need(isinstance(value, dict), f"{what} is no object")
    have = set(value)
    need(have >= set(names), f"{what} is without {', '.join(sorted(set(names) - have))}")
    surplus = have - set(names) - set(or_absent)
    need(not surplus, f"{what} has the surplus {', '.join(sorted(map(repr, surplus)))}")
    need(all(value[name] is not None for name in have), f"{what} has a null")
    return [value.get(name) for name in (*names, *or_absent)]


def array(value, what, least=0, most=None):
    need(isinstance(value, list) and len(value) >= least, f"{what} is no array, or too short")
    need(most is None or len(value) <= most, f"{what} has more than {most} elements")
    return value


def number(value, what):
    return integer(value, NUMBER_MAX, what)


def text(value, what):
    need(isinstance(value, str), f"{what} is no text")
    return value


def data_of(value, what):
    return unbase64(text(value, what), what)


def hash_of(value, what):
    data = data_of(value, what)
    need(len(data) == 32, f"{what} is not a hash of 32 bytes")
    return data


def path_of(value, what):
    return [hash_of(one, what) for one in array(value, what, most=PATH_MAX)]


def hexadecimal(value, what):
    need(isinstance(value, str) and HEX.fullmatch(value), f"{what} is not 64 hex digits")
    return value


def ascending(keys, what):
    need(all(a < b for a, b in zip(keys, keys[1:])), f"{what} are not in strictly ascending order")


# --- Receipt ---------------------------------------------------------------------------------

MEMBERS = ("type", "ledger", "checkpoint", "seal", "leaves", "entries", "chunks", "credentials", "members")
OR_ABSENT = ("at", "consistency", "next", "since")


def read_receipt(data):
    """Step 1: everything is of the form."""
    file = parse(data, "the receipt", RECEIPT_BYTES_MAX)
    kind, ledger, checkpoint, seal, leaves, entries, chunks, credentials, members, at, proof, next_, since = (
        object_of(file, MEMBERS, OR_ABSENT, "the receipt")
    )
    need(kind == "credlog/receipt/v1", "the type is not credlog/receipt/v1")
    receipt = Receipt(
        hexadecimal(ledger, "ledger"),
        None if at is None else number(at, "at"),
        read_checkpoint(text(checkpoint, "checkpoint")),
        None if proof is None else read_consistency(proof),
        number(seal, "seal"),
        None if next_ is None else number(next_, "next"),
        read_leaves(leaves),
        read_entries(entries),
        read_chunks(chunks),
        [read_credential(one) for one in array(credentials, "credentials", 1, CREDENTIALS_MAX)],
        0 if since is None else number(since, "since"),
        [read_change(one) for one in array(members, "members", most=CHANGES_MAX)],
    )
    need(since is None or since > 0, "since is 0, which is said by its absence")
    ascending([(one.digest, one.issuer) for one in receipt.credentials], "credentials")
    check_indexes(receipt)
    need(jcs(file) == data, "the bytes are not the canonical form (RFC 8785)")
    return receipt


def check_indexes(receipt):
    leaves = {receipt.seal, receipt.checkpoint.size - 1}
    leaves |= set() if receipt.next is None else {receipt.next}
    entries = set()
    for one in receipt.credentials:
        leaves |= {one.issue, one.issue_seal}
        leaves |= set() if one.status is None else {one.status, one.status_seal}
        entries |= {(one.issue_seal, one.issuer), (receipt.seal, one.issuer)}
    need(leaves == set(receipt.leaves), "the leaves are not those that are named")
    need(entries == set(receipt.entries), "the entries are not those that are named")


def read_consistency(value):
    path, root, size = object_of(value, ("path", "root", "size"), (), "consistency")
    return Consistency(
        path_of(path, "the path of consistency"),
        hash_of(root, "the root of consistency"),
        number(size, "the size of consistency"),
    )


def keyed(rows, what):
    ascending([key for key, _ in rows], what)
    return dict(rows)


def read_leaves(value):
    rows = []
    for one in array(value, "leaves"):
        index, leaf, path = object_of(one, ("index", "leaf", "path"), (), "a leaf")
        proof = data_of(leaf, "a leaf"), path_of(path, "the path of a leaf")
        rows.append((number(index, "the index of a leaf"), proof))
    return keyed(rows, "leaves")


def read_entries(value):
    rows = []
    for one in array(value, "entries"):
        names = ("seal", "issuer", "entry", "path")
        seal, issuer, entry, path = object_of(one, names, (), "an entry")
        proof = data_of(entry, "an entry"), path_of(path, "the path of an entry")
        key = number(seal, "the seal of an entry"), number(issuer, "the issuer of an entry")
        rows.append((key, proof))
    return keyed(rows, "entries")


def read_chunks(value):
    rows = []
    for one in array(value, "chunks"):
        names = ("list", "chunk", "bits", "path")
        list_, chunk, bits, path = object_of(one, names, (), "a chunk")
        proof = hash_of(bits, "the bits of a chunk"), path_of(path, "the path of a chunk")
        rows.append(((number(list_, "the list of a chunk"), integer(chunk, 1_023, "a chunk")), proof))
    return keyed(rows, "chunks")


def read_credential(value):
    names = ("digest", "issuer", "issue", "issueSeal")
    digest, *places = object_of(value, names, ("status", "statusSeal"), "a credential")
    digest = bytes.fromhex(hexadecimal(digest, "a digest"))
    status, status_seal = places[3:]
    need((status is None) == (status_seal is None), "status and statusSeal go together")
    for name, place in zip((*names[1:], "status", "statusSeal"), places):
        need(place is None or number(place, name) >= 0, name)
    return Credential(digest, *places)


def read_change(value):
    names = ("size", "root", "seal", "path", "certificate", "members")
    size, root, seal, path, certificate, members = object_of(value, names, (), "a change of the members")
    return Change(
        number(size, "the size of a change"),
        hash_of(root, "the root of a change"),
        data_of(seal, "the seal of a change"),
        path_of(path, "the path of a change"),
        data_of(certificate, "the certificate of a change"),
        data_of(members, "the members of a change"),
    )


def read_checkpoint(note):
    """A signed note that encodes to itself, over a checkpoint without extension lines."""
    try:
        data = note.encode("utf-8")
    except UnicodeEncodeError:
        raise Bad("the checkpoint has a lone surrogate") from None
    body, lines = formats.read_note(data)
    origin = body.split(b"\n", 1)[0].decode("utf-8", "replace")
    formats.origin_name(origin)
    size, root = formats.read_body(body, origin)
    need(size > 0, "the checkpoint is of an empty log")
    for line in lines:
        need(not NOT_IN_NAMES.search(line.name), f"{line.name!r} is no name of a key")
    ascending([line.name.encode() for line in lines], "the lines of the checkpoint")
    again = body + b"\n" + b"".join(map(line_bytes, lines))
    need(again == data, "the checkpoint does not encode to itself")
    return Checkpoint(body, origin, size, root, lines)


def line_bytes(line):
    blob = base64.b64encode(line.key_id + line.signature).decode()
    return f"\u2014 {line.name} {blob}\n".encode()


# --- Trust file ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Newest:
    height: int
    time: int
    size: int
    root: bytes
    as_of: int
    members: MemberSet


@dataclass(frozen=True)
class Anchor:
    """What a verifier starts from: the genesis, and what it has believed since."""

    genesis: formats.Genesis
    genesis_file: object
    newest: Optional[Newest]


def read_trust(value):
    kind, file, newest = object_of(value, ("type", "genesis"), ("newest",), "the trust file")
    need(kind == "credlog/trust/v1", "the type is not credlog/trust/v1")
    genesis = formats.genesis_of(file)
    return Anchor(genesis, file, None if newest is None else read_newest(newest))


def read_newest(value):
    names = ("height", "time", "size", "root", "asOf", "members")
    height, time, size, root, as_of, members = object_of(value, names, (), "newest")
    for name, one in (("height", height), ("time", time), ("size", size), ("asOf", as_of)):
        number(one, name)
    need(height > 0 and size > 0, "newest is of an empty log")
    set_ = formats.read_member_set(data_of(members, "the members of newest"))
    return Newest(height, time, size, hash_of(root, "the root of newest"), as_of, set_)


def trust_file(anchor):
    """The trust file as JSON."""
    file, newest = {"type": "credlog/trust/v1", "genesis": anchor.genesis_file}, anchor.newest
    if newest:
        file["newest"] = {
            "height": newest.height,
            "time": newest.time,
            "size": newest.size,
            "root": base64.b64encode(newest.root).decode(),
            "asOf": newest.as_of,
            "members": base64.b64encode(newest.members.data).decode(),
        }
    return file
