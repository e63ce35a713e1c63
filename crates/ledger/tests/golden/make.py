#!/usr/bin/env python3
"""Writes vectors.json beside it, from docs/formats.md and not from the crate.

Needs Python 3.9, `cryptography` and `blake3`. The vectors freeze the formats: a change of any of
them is a change of what is hashed and signed, so run this only to add vectors.
"""
import base64, hashlib, json, pathlib, struct
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

b3 = lambda data: blake3(data).digest()
sha = lambda data: hashlib.sha256(data).digest()
raw = lambda key: key.public_key().public_bytes_raw()

# --- canonical bytes -------------------------------------------------------------------------
u8 = lambda n: struct.pack(">B", n)
u32 = lambda n: struct.pack(">I", n)
u64 = lambda n: struct.pack(">Q", n)
boolean = lambda b: u8(1 if b else 0)
string = lambda t: u64(len(t.encode())) + t.encode()
blob = lambda b: u64(len(b)) + b
seq = lambda items: u64(len(items)) + b"".join(items)
option = lambda value: u8(0) if value is None else u8(1) + value
variant = lambda number, *fields: u32(number) + b"".join(fields)

# --- keys ------------------------------------------------------------------------------------
key = lambda label: Ed25519PrivateKey.from_private_bytes(b3(label.encode()))
multicodec = lambda k: b"\xed\x01" + raw(k)
key_id = lambda k: b3(multicodec(k))[:16]
ORIGIN = "test.example/credlog"
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def multikey(k):
    number, text = int.from_bytes(multicodec(k), "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = ALPHABET[rest] + text
    return "z" + text


def statement(role, owner, k):
    text = f"credlog/possession/v1\n{ORIGIN}\n{role}\n{owner}\n"
    return text.encode() + multicodec(k)


def proven(role, owner, k):
    return blob(multicodec(k)) + blob(k.sign(statement(role, owner, k)))


ROLES = ["governance", "consensus", "cosigner", "node"]


def member_keys(name, generation):
    return {role: key(f"{name}/{generation}/{role}") for role in ROLES}


def member(name, generation=0):
    keys = member_keys(name, generation)
    return (
        string(name)
        + string(f"Member {name}")
        + b"".join(proven(role, name, keys[role]) for role in ROLES)
        + seq([string("/ip4/127.0.0.1/tcp/4001")])
        + option(string(f"http://{name}.example"))
    )


# --- genesis ---------------------------------------------------------------------------------
FOUNDED = 1_760_000_000_000


def member_json(name):
    proven_json = lambda role, k: {
        "key": multikey(k),
        "possession": base64.b64encode(k.sign(statement(role, name, k))).decode(),
    }
    return {
        "id": name,
        "name": f"Member {name}",
        "keys": {role: proven_json(role, k) for role, k in member_keys(name, 0).items()},
        "addresses": ["/ip4/127.0.0.1/tcp/4001"],
        "url": f"http://{name}.example",
    }


GENESIS = {
    "version": 1,
    "origin": ORIGIN,
    "time": FOUNDED,
    "members": [member_json("m0"), member_json("m1")],
    "parameters": {
        "issuersPerMember": 1000,
        "achievementsPerIssuer": 10000,
        "activeKeysPerIssuer": 16,
        "openProposalsPerMember": 16,
        "registryEntryBytes": 16384,
        "recordsPerBlock": 10000,
        "minBlockIntervalMs": 1,
    },
}
# RFC 8785 for a value whose texts are ASCII and whose numbers are small integers.
JCS = json.dumps(GENESIS, sort_keys=True, separators=(",", ":")).encode()
LEDGER = b3(JCS)

# --- records ---------------------------------------------------------------------------------
by_member = lambda name: variant(0, string(name))
by_issuer = lambda name: variant(1, string(f"did:web:{name}.example"))
nonces = 0


def nonce():
    global nonces
    nonces += 1
    return nonces.to_bytes(16, "big")


def sign(author, k, body, expires, given=None):
    rest = u8(1) + LEDGER + author + key_id(k) + (given or nonce()) + u64(expires) + body
    return rest + k.sign(b"credlog/record/v1\n" + rest)


issuer_did = lambda name: f"did:web:{name}.example"
issuer = lambda name: string(issuer_did(name))
achievement = lambda name: string(f"urn:achievement:{name}")
digest = lambda n: b3(u64(n))
ALL = variant(0)
only = lambda *names: variant(1, seq([achievement(name) for name in names]))
RECORD, ASSERTION, BOTH = (True, False), (False, True), (True, True)
ROLE = {RECORD: "record", ASSERTION: "assertion", BOTH: "record+assertion"}


def new_key(name, label, purposes):
    return proven(ROLE[purposes], issuer_did(name), key(label)) + b"".join(map(boolean, purposes))


def registration(name):
    return (
        string(f"Issuer {name}")
        + option(None)
        + seq([new_key(name, f"{name}/record", RECORD)])
        + proven("recovery", issuer_did(name), key(f"{name}/recovery"))
    )


def accredit(name, signer, scope, until, expires, first):
    """The whole record: the recovery key countersigns what the member signs."""
    k, given = key(f"{signer}/0/governance"), nonce()
    author = by_member(signer)
    body = lambda signature: variant(
        3, issuer(name), option(registration(name) if first else None), scope, option(until), signature
    )
    countersigned = LEDGER + author + key_id(k) + given + u64(expires) + body(bytes(64))
    signature = key(f"{name}/recovery").sign(b"credlog/accredit/v1\n" + countersigned)
    return sign(author, k, body(signature), expires, given)


def change(add, retire, since):
    return seq(add) + seq(sorted(key_id(key(label)) for label in retire)) + option(since)


def issue(name, list_, items, of=None, valid_from=None, valid_until=None):
    items = [u32(index) + digest(number) for index, number in items]
    return variant(10, option(of), u64(list_), option(valid_from), option(valid_until), seq(items))


digests = lambda numbers: seq(sorted(digest(number) for number in numbers))
OTHER, SUPERSEDED, UNSPECIFIED = u32(7), u32(2), u32(0)
IDS = [bytes([n]) * 32 for n in range(4)]


def actions():
    yield "addMember", variant(0, member("m2"))
    yield "removeMember", variant(1, string("m1"), option(string("m0")))
    yield "replaceMemberKeys", variant(2, member("m1", 1))
    yield "transferAccreditations", variant(3, string("m0"), string("m1"))
    yield "withdrawAccreditation", variant(4, string("m0"), issuer("a"), u64(FOUNDED), OTHER)
    yield "setParameter", variant(5, variant(4, u32(20000)))


def bodies():
    for name, action in actions():
        yield f"propose {name}", "m0", variant(0, action)
    yield "approve", "m0", variant(1, IDS[1])
    yield "retract", "m0", variant(2, IDS[2])
    yield "amendAccreditation", "m0", variant(4, issuer("a"), only("x", "y"), option(u64(FOUNDED)))
    yield "withdrawAccreditation", "m0", variant(5, issuer("a"), u64(FOUNDED), OTHER)
    p = change([new_key("a", "a/2", BOTH)], ["a/record"], None)
    yield "replaceIssuerKeys", "m0", variant(6, issuer("a"), p)
    p = change([new_key("a", "a/3", ASSERTION)], ["a/record", "a/2"], u64(FOUNDED))
    yield "rotateKeys", "a", variant(7, p)
    links = seq([achievement("p")]), seq([achievement("q"), achievement("r")])
    yield "defineAchievement", "a", variant(8, achievement("x"), IDS[3], string("Name"), *links)
    yield "openStatusList", "a", variant(9)
    times = u64(FOUNDED), u64(FOUNDED + 1)
    yield "issue", "a", issue("a", 7, [(0, 1), (131071, 0)], achievement("x"), *times)
    yield "revoke", "a", variant(11, issuer("a"), digests([1, 2]), UNSPECIFIED)
    yield "suspend", "a", variant(12, issuer("a"), digests([3]), UNSPECIFIED)
    yield "reinstate", "a", variant(13, issuer("a"), IDS[1], digests([3]), OTHER)
    yield "supersede", "a", variant(14, issuer("a"), digest(1), digest(2), SUPERSEDED)


def records():
    expires = FOUNDED + 1_000 + 600_000
    for name, author, body in bodies():
        if author == "a":
            bytes_ = sign(by_issuer("a"), key("a/record"), body, expires)
        else:
            bytes_ = sign(by_member("m0"), key("m0/0/governance"), body, expires)
        yield name, bytes_
    yield "accredit first", accredit("a", "m0", only("x"), u64(FOUNDED + 2), expires, True)
    yield "accredit further", accredit("a", "m0", ALL, None, expires, False)


# --- trees -----------------------------------------------------------------------------------
leaf_hash = lambda leaf: sha(b"\0" + leaf)


def root(leaves):  # RFC 6962 section 2.1
    if len(leaves) < 2:
        return leaves[0] if leaves else sha(b"")
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha(b"\1" + root(leaves[:k]) + root(leaves[k:]))


def status_leaves(lists, bits):
    """bits: (list, position) -> 1 revoked | 2 suspended."""
    for list_ in range(lists):
        for chunk in range(1024):
            data = bytearray(32)
            for (of, position), value in bits.items():
                if of == list_ and position // 128 == chunk:
                    within = position % 128
                    data[within // 4] |= value << 2 * (within % 4)
            yield u64(list_) + u32(chunk) + bytes(data)


# --- a small history -------------------------------------------------------------------------
class History:
    def __init__(self):
        global nonces
        nonces = 0
        self.now, self.log, self.blocks = FOUNDED + 1_000, [], []
        self.lists, self.bits, self.entries = 0, {}, []
        members = seq([member("m0") + u32(0), member("m1") + u32(0)])
        self.members_hash = b3(members)

    def seal(self, *records):
        height = len(self.blocks) + 1
        proposer = ["m0", "m1"][height % 2]
        seal = (
            u8(1) + u64(height) + u64(self.now) + u32(0) + string(proposer) + u32(len(records))
            + root([leaf_hash(leaf) for leaf in status_leaves(self.lists, self.bits)]) + u64(self.lists)
            + root([leaf_hash(entry) for entry in self.entries]) + u64(len(self.entries))
            + self.members_hash
        )
        leaves = [b"\1" + record for record in records] + [b"\2" + seal]
        self.log += [leaf_hash(leaf) for leaf in leaves]
        block = b"".join(struct.pack(">H", len(leaf)) + leaf for leaf in leaves)
        self.blocks.append({
            "block": block.hex(), "sealLeaf": leaves[-1].hex(),
            "size": len(self.log), "root": root(self.log).hex(),
        })
        self.now += 1_000

    def entry(self, since, record_id):
        """Issuer `a` after its first accreditation."""
        k = blob(multicodec(key("a/record"))) + boolean(True) + boolean(False)
        keys = seq([k + u64(since) + option(None) + option(None)])
        accreditation = string("m0") + ALL + u64(since) + option(None) + option(None) + record_id
        name = string("Issuer a") + option(None)
        recovery = blob(multicodec(key("a/recovery")))
        return issuer("a") + name + keys + recovery + seq([accreditation]) + option(None)

    def run(self):
        expires = lambda: self.now + 600_000
        by_a = lambda body: sign(by_issuer("a"), key("a/record"), body, expires())
        first = accredit("a", "m0", ALL, None, expires(), True)
        self.entries = [self.entry(self.now, b3(first))]
        self.seal(first)
        self.lists = 1
        self.seal(by_a(variant(9)))
        self.seal(by_a(issue("a", 0, [(0, 0), (1, 1), (2, 2), (130, 3)])))
        revoke = by_a(variant(11, issuer("a"), digests([1, 3]), UNSPECIFIED))
        suspend = by_a(variant(12, issuer("a"), digests([2]), UNSPECIFIED))
        self.bits = {(0, 1): 1, (0, 130): 1, (0, 2): 2}
        self.seal(revoke, suspend)
        return self


# --- what members sign about a block ---------------------------------------------------------
position = lambda height, round_: u64(height) + u32(round_)
PREVOTE, PRECOMMIT = 1, 2


def vote(kind, height, round_, value):
    tag = b"credlog/vote/v1\n" + LEDGER + u8(kind)
    return tag + position(height, round_) + option(value)


def proposal(height, round_, value, valid):
    tag = b"credlog/proposal/v1\n" + LEDGER
    return tag + position(height, round_) + value + option(valid)


def stream(height, round_, valid, value, length, hash_):
    tag = b"credlog/stream/v1\n" + LEDGER
    return tag + position(height, round_) + option(valid) + value + u32(length) + hash_


def certificate(height, round_, value, members):
    message = vote(PRECOMMIT, height, round_, value)
    signed = lambda m: string(m) + key(f"{m}/0/consensus").sign(message)
    return position(height, round_) + value + seq([signed(m) for m in sorted(members)])


def evidence_of_votes(m, kind, height, round_, values):
    """values: in ascending order, None before all."""
    k = key(f"{m}/0/consensus")
    votes = [option(v) + k.sign(vote(kind, height, round_, v)) for v in values]
    conflict = variant(0, variant(kind - 1), position(height, round_), *votes)
    return string(m) + blob(multicodec(k)) + conflict


def evidence_of_proposals(m, height, round_, proposals):
    k = key(f"{m}/0/consensus")
    each = [v + option(r) + k.sign(proposal(height, round_, v, r)) for v, r in proposals]
    return string(m) + blob(multicodec(k)) + variant(1, position(height, round_), *each)


def cosignature(m, body, seconds):
    """A line of a signed note: C2SP cosignature/v1."""
    name, k = f"{ORIGIN}/{m}/0", key(f"{m}/0/cosigner")
    id_ = sha(name.encode() + b"\n\x04" + raw(k))[:4]
    signature = k.sign(f"cosignature/v1\ntime {seconds}\n".encode() + body)
    line = base64.b64encode(id_ + u64(seconds) + signature).decode()
    return f"\u2014 {name} {line}\n"


def decisions(block):
    """The first block of the history, of which members m0 and m1 are the quorum."""
    root64 = base64.b64encode(bytes.fromhex(block["root"])).decode()
    body = f"{ORIGIN}\n{block['size']}\n{root64}\n".encode()
    value, data = b3(body), bytes.fromhex(block["block"])
    zero, one = bytes(32), u32(1)
    lines = [cosignature("m1", body, 1760000003), cosignature("m0", body, 1760000002)]
    examples = {
        "prevoteForNone": vote(PREVOTE, 1, 2, None),
        "precommit": vote(PRECOMMIT, 1, 2, value),
        "proposal": proposal(1, 2, value, one),
        "stream": stream(1, 2, None, value, len(data), b3(data)),
        "certificate": certificate(1, 2, value, ["m0", "m1"]),
        "evidenceOfVotes": evidence_of_votes("m1", PRECOMMIT, 1, 2, [None, value]),
        "evidenceOfProposals": evidence_of_proposals("m1", 1, 2, [(zero, one), (value, None)]),
    }
    vectors = {"checkpoint": body.decode(), "valueId": value.hex()}
    vectors.update({name: data.hex() for name, data in examples.items()})
    return vectors | {"note": body.decode() + "\n" + "".join(lines), "asOf": 1760000002000}


history = None
listed = [{"name": name, "bytes": data.hex(), "id": b3(data).hex()} for name, data in records()]
history = History().run()
vectors = {
    "genesis": GENESIS,
    "ledgerId": LEDGER.hex(),
    "memberSetHash": history.members_hash.hex(),
    "possession": {
        "statement": statement("node", "m0", key("m0/0/node")).hex(),
        "signature": key("m0/0/node").sign(statement("node", "m0", key("m0/0/node"))).hex(),
    },
    "key": {"multikey": multikey(key("a/record")), "id": key_id(key("a/record")).hex()},
    "records": listed,
    "history": history.blocks,
    "registryEntry": history.entries[0].hex(),
    "statusLeaf": list(status_leaves(1, history.bits))[0].hex(),
    "statusRoot": root([leaf_hash(leaf) for leaf in status_leaves(1, history.bits)]).hex(),
    "emptyRoot": root([]).hex(),
    "decisions": decisions(history.blocks[0]),
}
path = pathlib.Path(__file__).parent / "vectors.json"
path.write_text(json.dumps(vectors, indent=1) + "\n")
