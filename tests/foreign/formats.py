"""The bytes of a ledger, written from docs/formats.md alone.

Each part names its section of that text. Whatever is not as the text says raises `Bad`.
"""

import base64
import binascii
import hashlib
import json
import re
import struct
from dataclasses import dataclass
from functools import lru_cache

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MEMBERS_MAX = 100
MEMBER_SET_BYTES_MAX = 1_048_576
GENESIS_BYTES_MAX = 1_048_576
CERTIFICATE_BYTES_MAX = 11_252
NOTE_BYTES_MAX = 524_288
NOTE_SIGNATURES_MAX = 256
SEAL_BYTES_MAX = 1_024
BUNDLE_LEAVES = 256
BUNDLE_BYTES_MAX = BUNDLE_LEAVES * (2 + 65_535)
TIME_MAX = 2**64 - 1


class Bad(Exception):
    """The ledger is not what it claims to be."""


def need(condition, text):
    if not condition:
        raise Bad(text)


def b3(data):
    return blake3(data).digest()


def sha(data):
    return hashlib.sha256(data).digest()


def unbase64(text, what):
    """Standard and padded, and only the one spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Bad(f"{what} is not base64: {error}") from None
    need(base64.b64encode(data).decode() == text, f"{what} is not in its one base64 form")
    return data


# --- Canonical bytes -------------------------------------------------------------------------


class Reader:
    """Reads canonical bytes from the front."""

    def __init__(self, data, what, limit):
        need(len(data) <= limit, f"{what} has more than {limit} bytes")
        self.data, self.at, self.what = data, 0, what

    def take(self, count):
        need(count <= len(self.data) - self.at, f"{self.what} ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def u8(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def u64(self):
        return struct.unpack(">Q", self.take(8))[0]

    def bytes(self):
        return self.take(self.u64())

    def text(self):
        try:
            return self.bytes().decode("utf-8")
        except UnicodeDecodeError:
            raise Bad(f"{self.what} has a text that is not UTF-8") from None

    def option(self, read):
        tag = self.u8()
        need(tag in (0, 1), f"{self.what} has an option with tag {tag}")
        return read() if tag else None

    def list(self, most, read):
        count = self.u64()
        need(count <= most, f"{self.what} has a list of {count}; at most {most} are allowed")
        return [read() for _ in range(count)]

    def end(self):
        need(self.at == len(self.data), f"bytes follow {self.what}")


def u8(number):
    return struct.pack(">B", number)


def u32(number):
    return struct.pack(">I", number)


def u64(number):
    return struct.pack(">Q", number)


def blob(data):
    return u64(len(data)) + data


def text(value):
    return blob(value.encode())


def option(value):
    return b"\0" if value is None else b"\1" + value


def sequence(items):
    return u64(len(items)) + b"".join(items)


# --- Names -----------------------------------------------------------------------------------

MEMBER_ID = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


def member_id(value):
    good = isinstance(value, str) and 1 <= len(value) <= 40
    need(good and MEMBER_ID.issuperset(value) and value[0] != "-", f"{value!r} is no member id")
    return value


ISSUER_ID = re.compile(r"did:[a-z0-9]+:[!\"$-.0->@-~]+|https://[!-~]+")
ACHIEVEMENT_ID = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
WEB_ADDRESS = re.compile(r"https?://[!-~]+")
NODE_ADDRESS = re.compile(r"/[!-~]*")
ORIGIN = re.compile(r"[!-*,-~]+")

# Characters that a name for people does not have: control characters, invisible ones.
UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f"
    "\u202a-\u202e\u2028\u2029\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
LOOSE_JOINER = re.compile("(?:^|[\x00-\x7f\u200c\u200d])[\u200c\u200d]")


def matched(pattern, most, value, what):
    good = isinstance(value, str) and len(value) <= most and pattern.fullmatch(value)
    need(good, f"{value!r} is no {what}")
    return value


def issuer_id(value):
    return matched(ISSUER_ID, 256, value, "issuer id")


def achievement_id(value):
    return matched(ACHIEVEMENT_ID, 256, value, "achievement id")


def web_address(value):
    return matched(WEB_ADDRESS, 256, value, "web address")


def node_address(value):
    return matched(NODE_ADDRESS, 256, value, "node address")


def origin_name(value):
    return matched(ORIGIN, 100, value, "origin")


def people_name(value):
    good = isinstance(value, str) and 1 <= len(value.encode("utf-8", "surrogatepass")) <= 200
    good = good and not UNSEEN.search(value) and not LOOSE_JOINER.search(value)
    need(good, f"{value!r} is no name for people")
    return value


# --- Keys ------------------------------------------------------------------------------------

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def small_order_encodings():
    """Every encoding of a point with 8P = 0.

    Of order 1, 2 and 4: y = 1, -1, 0. Of order 8: doubled, they have y = 0, so x^2 = -y^2, and
    the curve -x^2 + y^2 = 1 + d x^2 y^2 leaves d y^4 + 2 y^2 - 1 = 0.
    """

    def root(square):
        one = pow(square, (P + 3) // 8, P)
        for candidate in (one, one * pow(2, (P - 1) // 4, P) % P):
            if candidate * candidate % P == square % P:
                return candidate
        return None

    heights = {0, 1, P - 1}
    discriminant = root(1 + D)
    for sign in (1, -1):
        y = root((-1 + sign * discriminant) * pow(D, -1, P) % P) if discriminant else None
        heights |= {y, P - y} if y else set()
    spelled = {y + more for y in heights for more in (0, P) if y + more < 2**255}
    return {(y | sign << 255).to_bytes(32, "little") for y in spelled for sign in (0, 1)}


SMALL_ORDER = small_order_encodings()
ORDER = 2**252 + 27742317777372353535851937790883648493


def added(one, other):
    """The sum of two points (X, Y, Z, T): RFC 8032 section 5.1.4."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def decompressed(key):
    """The point of a canonical encoding, or None (RFC 8032 section 5.1.3)."""
    y, sign = int.from_bytes(key, "little") & (2**255 - 1), key[31] >> 7
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


@lru_cache(maxsize=4096)
def is_ed25519_key(key):
    """The canonical encoding of a point that is torsion-free and not of small order."""
    point = decompressed(key) if len(key) == 32 and key not in SMALL_ORDER else None
    if point is None:
        return False
    sum_ = (0, 1, 1, 0)
    for bit in bin(ORDER)[2:]:
        sum_ = added(sum_, sum_)
        sum_ = added(sum_, point) if bit == "1" else sum_
    return sum_[0] == 0 and sum_[1] == sum_[2]


def ed25519_of(multicodec):
    """The 32 bytes of a registered Ed25519 key."""
    need(len(multicodec) == 34 and multicodec[:2] == b"\xed\x01", "a key is not Ed25519")
    need(is_ed25519_key(multicodec[2:]), "a key is no point, or not torsion-free")
    return multicodec[2:]


def public_key(multicodec):
    """Any key that can be registered; True if it is Ed25519."""
    if multicodec[:2] == b"\x80\x24":
        need(len(multicodec) == 35 and multicodec[2] in (2, 3), "a P-256 key is not compressed")
        p256_point(int.from_bytes(multicodec[3:], "big"))
    elif multicodec[:2] == b"\x85\x24":
        rsa_key(multicodec[2:])
    else:
        ed25519_of(multicodec)
        return True
    return False


P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


def p256_point(x):
    """That a point of the curve has this x (FIPS 186)."""
    square = (x * x * x - 3 * x + P256_B) % P256
    root = pow(square, (P256 + 1) // 4, P256)
    need(x < P256 and root * root % P256 == square, "a P-256 key is no point of the curve")


def rsa_key(der):
    """RSAPublicKey in its one DER form, 2,048 to 8,192 bits, exponent 65,537."""

    def value(tag, data):
        return bytes([tag, 0x82]) + struct.pack(">H", len(data)) + data

    need(len(der) <= 1_098, "an RSA key is too long")
    # SEQUENCE and INTEGER with lengths of two bytes each, then the exponent's five bytes.
    modulus = der[8:-5]
    need(len(modulus) > 255, "an RSA key is no RSAPublicKey, or too short")
    need(der == value(0x30, value(2, modulus) + b"\x02\x03\x01\x00\x01"), "an RSA key is no RSAPublicKey")
    bits = int.from_bytes(modulus, "big").bit_length()
    shortest = len(modulus) == bits // 8 + 1
    need(shortest and 2_048 <= bits <= 8_192, "an RSA key has a bad modulus")


def multicodec_of(multikey):
    need(isinstance(multikey, str) and 2 <= len(multikey) <= 2_200, "a key is no Multikey")
    need(multikey[0] == "z" and set(multikey[1:]) <= set(ALPHABET), f"{multikey!r} is no Multikey")
    number = 0
    for digit in multikey[1:]:
        number = number * 58 + ALPHABET.index(digit)
    zeros = len(multikey[1:]) - len(multikey[1:].lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


@lru_cache(maxsize=4096)
def verifies(key, message, signature):
    """The strict rule. The library checks S and compares the encoding of S·B − k·A with R."""
    if len(signature) != 64 or key in SMALL_ORDER or signature[:32] in SMALL_ORDER:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


# --- Members ---------------------------------------------------------------------------------

ROLES = ("governance", "consensus", "cosigner", "node")


@dataclass(frozen=True)
class Seat:
    """A seated member, as far as its votes and cosignatures need it."""

    id: str
    consensus: bytes
    cosigner: bytes
    node: bytes
    cosigner_number: int

    def cosigner_name(self, origin):
        return f"{origin}/{self.id}/{self.cosigner_number}"


@dataclass(frozen=True)
class MemberSet:
    seats: tuple
    hash: bytes
    data: bytes  # canonical

    def find(self, member):
        return next((seat for seat in self.seats if seat.id == member), None)

    def quorum(self):
        return 2 * len(self.seats) // 3 + 1


def read_member_set(data):
    reader = Reader(data, "a member set", MEMBER_SET_BYTES_MAX)

    def seated():
        id_ = member_id(reader.text())
        people_name(reader.text())
        keys = []
        for _ in ROLES:
            keys.append(reader.bytes())
            reader.bytes()
        need(len(set(keys)) == 4, f"a key of {id_} has two roles")
        reader.list(8, lambda: node_address(reader.text()))
        reader.option(lambda: web_address(reader.text()))
        _, consensus, cosigner, node = map(ed25519_of, keys)
        return Seat(id_, consensus, cosigner, node, reader.u32())

    seats = tuple(reader.list(MEMBERS_MAX, seated))
    reader.end()
    ids = [seat.id for seat in seats]
    need(ids and all(a < b for a, b in zip(ids, ids[1:])), "members are not in ascending order")
    return MemberSet(seats, b3(data), data)


# --- Genesis and ledger id -------------------------------------------------------------------

PARAMETERS = {
    "issuersPerMember", "achievementsPerIssuer", "activeKeysPerIssuer", "openProposalsPerMember",
    "registryEntryBytes", "recordsPerBlock", "minBlockIntervalMs",
}


@dataclass(frozen=True)
class Genesis:
    origin: str
    time: int
    ledger: bytes
    members: MemberSet


def once(pairs):
    """A JSON object in which each name stands once."""
    value = dict(pairs)
    need(len(value) == len(pairs), "a name stands twice in the genesis file")
    return value


def named(value, names, what):
    need(isinstance(value, dict) and set(value) == set(names), f"{what} has other names than it must")
    return [value[name] for name in names]


def integer(value, most, what):
    need(type(value) is int and 0 <= value <= most, f"{what} is no integer from 0 to {most}")
    return value


def read_genesis(data):
    need(len(data) <= GENESIS_BYTES_MAX, "the genesis file is too long")
    try:
        file = json.loads(data.decode("utf-8"), object_pairs_hook=once)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Bad(f"the genesis file is not JSON: {error}") from None
    return genesis_of(file)


def genesis_of(file):
    """The genesis file, already parsed."""
    names = ("version", "origin", "time", "members", "parameters")
    version, origin, time, members, parameters = named(file, names, "the genesis file")
    need(version == 1 and type(version) is int, "the genesis file is not of version 1")
    origin_name(origin)
    integer(time, 2**53 - 1, "the time of genesis")
    for value in named(parameters, sorted(PARAMETERS), "parameters"):
        integer(value, 2**32 - 1, "a parameter")
    need(isinstance(members, list) and 1 <= len(members) <= MEMBERS_MAX, "not 1 to 100 members")
    founders = sorted(founder(origin, member) for member in members)
    keys = [proven["key"] for member in members for proven in member["keys"].values()]
    need(len(set(keys)) == len(keys), "a key stands twice in the genesis file")
    seated = sequence([data + u32(0) for _, data in founders])
    # RFC 8785: names are ASCII, all numbers are integers.
    jcs = json.dumps(file, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        ledger = b3(jcs.encode("utf-8"))
    except UnicodeEncodeError:
        raise Bad("the genesis file has a lone surrogate") from None
    return Genesis(origin, time, ledger, read_member_set(seated))


def founder(origin, member):
    """Id and canonical bytes of a member of the genesis file."""
    id_, name, keys, addresses, url = named(member, ("id", "name", "keys", "addresses", "url"), "a member")
    member_id(id_)
    people_name(name)
    need(isinstance(addresses, list) and len(addresses) <= 8, f"the addresses of {id_} are no list of 8")
    for address in addresses:
        node_address(address)
    need(url is None or web_address(url), f"the url of {id_} is empty")
    data = text(id_) + text(name)
    seen = set()
    for role, proven in zip(ROLES, named(keys, ROLES, f"the keys of {id_}")):
        key, possession = named(proven, ("key", "possession"), f"the {role} key of {id_}")
        multicodec = multicodec_of(key)
        signature = unbase64(possession, f"the possession of {id_}")
        statement = f"credlog/possession/v1\n{origin}\n{role}\n{id_}\n".encode() + multicodec
        proof = verifies(ed25519_of(multicodec), statement, signature)
        need(proof, f"the possession of the {role} key of {id_} does not verify")
        seen.add(multicodec)
        data += blob(multicodec) + blob(signature)
    need(len(seen) == 4, f"a key of {id_} has two roles")
    return id_, data + sequence([text(one) for one in addresses]) + option(None if url is None else text(url))


# --- Blocks and seals ------------------------------------------------------------------------


@dataclass(frozen=True)
class Seal:
    height: int
    time: int
    round: int
    proposer: str
    record_count: int
    status_root: bytes
    status_lists: int
    registry_root: bytes
    registry_size: int
    members_hash: bytes


def read_seal(leaf):
    need(leaf[:1] == b"\2", "a leaf is no seal")
    reader = Reader(leaf[1:], "a seal", SEAL_BYTES_MAX)
    need(reader.u8() == 1, "a seal is not of version 1")
    height, time, round_ = reader.u64(), reader.u64(), reader.u32()
    proposer, record_count = member_id(reader.text()), reader.u32()
    state = reader.take(32), reader.u64(), reader.take(32), reader.u64()
    members_hash = reader.take(32)
    reader.end()
    return Seal(height, time, round_, proposer, record_count, *state, members_hash)


# --- Trees -----------------------------------------------------------------------------------


class Tree:
    """The tree of RFC 6962 section 2.1, grown leaf by leaf: its complete subtrees from the left."""

    def __init__(self):
        self.size, self.subtrees = 0, []

    def append(self, leaf):
        node, number = sha(b"\0" + leaf), self.size
        while number & 1:
            node = sha(b"\1" + self.subtrees.pop() + node)
            number >>= 1
        self.subtrees.append(node)
        self.size += 1

    def root(self):
        if not self.subtrees:
            return sha(b"")
        node = self.subtrees[-1]
        for left in reversed(self.subtrees[:-1]):
            node = sha(b"\1" + left + node)
        return node


def tree_node(left, right):
    return sha(b"\1" + left + right)


def included(leaf, index, size, path, root):
    """Whether the leaf is in that tree at that index (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, at, last = sha(b"\0" + leaf), index, size - 1
    for other in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            node = tree_node(other, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = tree_node(node, other)
        at, last = at >> 1, last >> 1
    return last == 0 and node == root


def consistent(size, root, larger, larger_root, path):
    """Whether the smaller log is the beginning of the larger (RFC 9162 section 2.1.4.2)."""
    if not 0 < size < larger or not path:
        return False
    path = [root, *path] if size & (size - 1) == 0 else path
    at, last = size - 1, larger - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    small = large = path[0]
    for other in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            small, large = tree_node(other, small), tree_node(other, large)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            large = tree_node(large, other)
        at, last = at >> 1, last >> 1
    return last == 0 and small == root and large == larger_root


def bundle_path(number, width):
    """Where the bundle stands; a width of 256 is the full one."""
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    partial = "" if width == BUNDLE_LEAVES else f".p/{width}"
    return f"tile/entries/{'/'.join(groups)}{partial}"


def read_bundle(data, width):
    """The first `width` leaves, and whether they are all."""
    leaves, at = [], 0
    while at < len(data) and len(leaves) < width:
        need(at + 2 <= len(data), "a bundle ends within a length")
        (length,) = struct.unpack_from(">H", data, at)
        need(at + 2 + length <= len(data), "a bundle ends within a leaf")
        leaves.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    need(len(leaves) == width, f"a bundle has {len(leaves)} leaves, not {width}")
    return leaves, at == len(data)


# --- Checkpoint ------------------------------------------------------------------------------


def checkpoint_body(origin, size, root):
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n".encode()


@dataclass(frozen=True)
class Line:
    """A signature line of a note."""

    name: str
    key_id: bytes
    signature: bytes


def read_note(data):
    """The body and the signature lines of a checkpoint."""
    need(len(data) <= NOTE_BYTES_MAX, "the checkpoint is too long")
    end = data.rfind(b"\n\n")
    need(end >= 0 and data.endswith(b"\n"), "the checkpoint is no signed note")
    body, rest = data[: end + 1], data[end + 2 :]
    try:
        lines = rest.decode("utf-8").split("\n")[:-1]
    except UnicodeDecodeError:
        raise Bad("the checkpoint is not UTF-8") from None
    need(1 <= len(lines) <= NOTE_SIGNATURES_MAX, "the checkpoint has not 1 to 256 signatures")
    return body, [read_line(line) for line in lines]


def read_line(line):
    parts = line.split(" ")
    need(len(parts) == 3 and parts[0] == "\u2014" and parts[1], f"{line!r} is no signature line")
    data = unbase64(parts[2], "a signature line")
    need(len(data) > 4, "a signature line has no signature")
    return Line(parts[1], data[:4], data[4:])


def read_body(body, origin):
    """Size and root."""
    lines = body.split(b"\n")
    need(len(lines) == 4 and lines[3] == b"", "the checkpoint has not three lines")
    need(lines[0] == origin.encode(), "the checkpoint is of another origin")
    size = lines[1].decode("ascii", "replace")
    need(size.isascii() and size.isdigit() and str(int(size[:20])) == size, "the size is no number")
    root = unbase64(lines[2].decode("ascii", "replace"), "the root of the checkpoint")
    need(len(root) == 32 and int(size) <= TIME_MAX, "size or root of the checkpoint is malformed")
    return int(size), root


def key_id(name, type_, key):
    return sha(name.encode() + b"\n" + u8(type_) + key)[:4]


# --- Votes and the commit certificate --------------------------------------------------------

PRECOMMIT = 2


def vote_message(ledger, kind, height, round_, value):
    return b"credlog/vote/v1\n" + ledger + u8(kind) + u64(height) + u32(round_) + option(value)


@dataclass(frozen=True)
class Certificate:
    height: int
    round: int
    value: bytes
    signatures: list


def read_certificate(data):
    reader = Reader(data, "a certificate", CERTIFICATE_BYTES_MAX)
    height, round_, value = reader.u64(), reader.u32(), reader.take(32)
    signatures = reader.list(MEMBERS_MAX, lambda: (member_id(reader.text()), reader.take(64)))
    reader.end()
    ids = [member for member, _ in signatures]
    need(ids and all(a < b for a, b in zip(ids, ids[1:])), "signers are not in ascending order")
    return Certificate(height, round_, value, signatures)


def check_certificate(certificate, ledger, members, height, value):
    """By `members`, the set in force for that height."""
    need(certificate.height == height, f"the certificate of height {height} is of another height")
    need(certificate.value == value, f"the certificate of height {height} is for another value")
    message = vote_message(ledger, PRECOMMIT, height, certificate.round, value)
    for member, signature in certificate.signatures:
        seat = members.find(member)
        need(seat, f"{member} signed the certificate of height {height}, but is no member")
        good = verifies(seat.consensus, message, signature)
        need(good, f"the precommit of {member} for height {height} does not verify")
    few = len(certificate.signatures) < members.quorum()
    need(not few, f"the certificate of height {height} has no quorum")


# --- Attestation -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Attestation:
    cosigned: dict  # member: its newest seconds
    quorum: int
    strangers: int  # lines of no key known here

    def as_of(self):
        """In milliseconds; None without a quorum."""
        if len(self.cosigned) < self.quorum:
            return None
        newest = sorted(self.cosigned.values(), reverse=True)
        return min(1_000 * newest[self.quorum - 1], TIME_MAX)


def check_lines(body, lines, origin, members):
    """Verifies every line of a known key, of members and of their nodes."""
    known = {}
    for seat in members.seats:
        name = seat.cosigner_name(origin)
        known[name, key_id(name, 4, seat.cosigner)] = (seat, 4)
        known[origin, key_id(origin, 1, seat.node)] = (seat, 1)
    cosigned, strangers = {}, 0
    for line in lines:
        seat, type_ = known.get((line.name, line.key_id), (None, None))
        if type_ is None:
            strangers += 1
            continue
        if type_ == 1:
            good = verifies(seat.node, body, line.signature)
        else:
            need(len(line.signature) == 72, f"the cosignature of {seat.id} has not 72 bytes")
            (seconds,) = struct.unpack(">Q", line.signature[:8])
            message = f"cosignature/v1\ntime {seconds}\n".encode() + body
            good = verifies(seat.cosigner, message, line.signature[8:])
            cosigned[seat.id] = max(seconds, cosigned.get(seat.id, 0))
        need(good, f"the signature {line.name!r} of the checkpoint does not verify")
    return Attestation(cosigned, members.quorum(), strangers)
