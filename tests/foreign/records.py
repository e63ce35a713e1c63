"""Registry entries, and the records that a receipt shows: docs/formats.md, "Records", "Bodies" and
"Registry entry". Whatever is not as the text says raises `Bad`."""

from dataclasses import dataclass

from formats import Reader, achievement_id, ed25519_of, issuer_id, member_id, need
from formats import people_name, public_key, web_address

RECORD_BYTES_MAX = 65_534
ENTRY_BYTES_MAX = 16 * 1_048_576
POSITIONS = 131_072
REASONS = 8
ISSUE, REVOKE, SUSPEND, SUPERSEDE = 10, 11, 12, 14


def ascending(values, what):
    need(all(a < b for a, b in zip(values, values[1:])), f"{what} are not in ascending order")
    return values


def flag(reader):
    value = reader.u8()
    need(value in (0, 1), f"{reader.what} has a bool of {value}")
    return value == 1


def reason(reader):
    value = reader.u32()
    need(value < REASONS, f"{reader.what} has the unknown reason {value}")
    return value


# --- Records ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """The envelope; of the body what receipts need."""

    ledger: bytes
    member: str  # the author is a member
    issuer: str  # or an issuer
    kind: int
    body: object


@dataclass(frozen=True)
class Issue:
    achievement: str
    list: int
    items: dict  # digest: index


@dataclass(frozen=True)
class Change:
    """Revoke, Suspend, or Supersede with the old digest alone."""

    issuer: str
    digests: tuple


def read_record(leaf):
    """A record of one of the four kinds; any other is refused like what is no record."""
    need(leaf[:1] == b"\1", "a leaf is no record")
    reader = Reader(leaf[1:], "a record", RECORD_BYTES_MAX)
    need(reader.u8() == 1, "a record is not of version 1")
    ledger, author = reader.take(32), reader.u32()
    need(author in (0, 1), f"a record has an unknown kind of author, {author}")
    name = reader.text()
    member, issuer = (None, issuer_id(name)) if author else (member_id(name), None)
    reader.take(16 + 16 + 8)  # key id, nonce, expiry
    kind = reader.u32()
    need(kind in BODIES, f"a record is of kind {kind}")
    body = BODIES[kind](reader)
    reader.take(64)
    reader.end()
    return Record(ledger, member, issuer, kind, body)


def issue(reader):
    achievement = reader.option(lambda: achievement_id(reader.text()))
    list_ = reader.u64()
    begins, ends = reader.option(reader.u64), reader.option(reader.u64)
    need(begins is None or ends is None or begins < ends, "an Issue ends before it begins")
    items = reader.list(1_024, lambda: (reader.u32(), reader.take(32)))
    need(items, "an Issue has no items")
    indexes = ascending([index for index, _ in items], "the items of an Issue")
    need(indexes[-1] < POSITIONS, "an Issue has an item outside its list")
    by_digest = {digest: index for index, digest in items}
    need(len(by_digest) == len(items), "an Issue has a digest twice")
    return Issue(achievement, list_, by_digest)


def change(reader):
    issuer = issuer_id(reader.text())
    digests = ascending(reader.list(1_024, lambda: reader.take(32)), "digests")
    need(digests, "a record has no digests")
    reason(reader)
    return Change(issuer, tuple(digests))


def supersede(reader):
    issuer, old, new = issuer_id(reader.text()), reader.take(32), reader.take(32)
    need(old != new, "a credential supersedes itself")
    reason(reader)
    return Change(issuer, (old,))


BODIES = {ISSUE: issue, REVOKE: change, SUSPEND: change, SUPERSEDE: supersede}


# --- Registry entry --------------------------------------------------------------------------


def read_entry(data):
    """The issuer's id; the rest of an entry with an accreditation is read for its form."""
    reader = Reader(data, "a registry entry", ENTRY_BYTES_MAX)
    most = len(data)
    id_ = issuer_id(reader.text())
    people_name(reader.text())
    reader.option(lambda: web_address(reader.text()))
    reader.list(most, lambda: issuer_key(reader))
    ed25519_of(reader.bytes())
    accreditations = reader.list(most, lambda: accreditation(reader))
    need(accreditations, "a registry entry has no accreditation")
    reader.option(lambda: pending(reader))
    reader.end()
    return id_


def key_with_purposes(reader):
    is_ed25519 = public_key(reader.bytes())
    record, assertion = flag(reader), flag(reader)
    need(record or assertion, "a key of an issuer has no purpose")
    need(is_ed25519 or not record, "a key for records is not Ed25519")


def issuer_key(reader):
    key_with_purposes(reader)
    reader.u64()
    reader.option(reader.u64)
    reader.option(reader.u64)


def scope(reader):
    kind = reader.u32()
    need(kind in (0, 1), f"a scope is of the unknown kind {kind}")
    if kind == 1:
        ids = reader.list(256, lambda: achievement_id(reader.text()))
        need(ids, "a scope is empty")
        ascending([id_.encode() for id_ in ids], "the achievements of a scope")


def accreditation(reader):
    member_id(reader.text())
    scope(reader)
    reader.u64()
    reader.option(reader.u64)
    reader.option(lambda: (reader.u64(), reason(reader)))
    reader.take(32)


def pending(reader):
    reader.take(32)
    member_id(reader.text())
    reader.u64()
    added = reader.list(16, lambda: key_with_purposes(reader))
    retired = ascending(reader.list(16, lambda: reader.take(16)), "the keys to retire")
    need(added or retired, "a pending replacement changes no key")
    since = reader.option(reader.u64)
    need(since is None or retired, "a pending replacement compromises no key")
