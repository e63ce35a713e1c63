"""Checks a receipt: docs/formats.md, "Checking a receipt", step by step and in its order."""

import struct
import time
from dataclasses import dataclass, field, replace

import formats
import receipt_form
import records
from formats import Bad, checkpoint_body, consistent, included
from receipt_form import Newest

CHUNKS = 1_024
CHUNK_POSITIONS = 128


class Refused(Exception):
    """Carries the code and the reason."""


def need(condition, code, reason):
    if not condition:
        raise Refused(code, reason)


def read(code, reader, *arguments):
    """What the reader reads; what is bad is refused with this code."""
    try:
        return reader(*arguments)
    except Bad as error:
        raise Refused(code, str(error)) from None


@dataclass(frozen=True)
class Statement:
    """What is proven of a credential. Times are in milliseconds."""

    digest: str
    issuer_id: str
    status: str
    issued_at: int
    status_since: int
    achievement: str


@dataclass(frozen=True)
class Result:
    outcome: str  # accepted, refused, unknown
    code: str = None
    reason: str = None
    as_of: int = None
    members_known: bool = False
    credentials: list = field(default_factory=list)
    trust: object = None  # the anchor, advanced; None if it stays as it is


def verify(data, anchor, now_ms=None, max_age_s=None, at=None):
    """The verdict about the bytes of a receipt. No bytes make it raise.

    at: the time that was asked about, in milliseconds; without it, now.
    """
    try:
        receipt = read("malformed", receipt_form.read_receipt, data)
        return Check(receipt, anchor).verdict(now_ms, max_age_s, at)
    except Refused as refusal:
        return Result("refused", *refusal.args)


class Check:
    def __init__(self, receipt, anchor):
        self.receipt, self.anchor, self.seals = receipt, anchor, {}

    def verdict(self, now_ms, max_age_s, at):
        self.ledger()
        self.path()
        self.not_a_seal()
        self.wrong_seal(at)
        self.consistency()
        self.members()
        self.attestation()
        self.entry()
        used = set()
        statements = [self.credential(one, used) for one in self.receipt.credentials]
        need(used == set(self.receipt.chunks), "malformed", "a chunk is of no credential")
        one_log = self.fork()
        return self.known(statements, one_log, now_ms, max_age_s)

    # --- The log -----------------------------------------------------------------------------

    def ledger(self):
        genesis = self.anchor.genesis
        same = self.receipt.ledger == genesis.ledger.hex()
        need(same, "other_ledger", f"it is of the ledger {self.receipt.ledger}")
        origin = self.receipt.checkpoint.origin
        need(origin == genesis.origin, "other_ledger", f"the checkpoint is of {origin}")

    def path(self):
        checkpoint = self.receipt.checkpoint
        for index, (leaf, path) in self.receipt.leaves.items():
            there = included(leaf, index, checkpoint.size, path, checkpoint.root)
            need(there, "path", f"leaf {index} is not proven to be in the checkpoint's tree")

    def not_a_seal(self):
        receipt = self.receipt
        self.last = receipt.checkpoint.size - 1
        places = [self.last, receipt.seal, receipt.next]
        for one in receipt.credentials:
            places += [one.issue_seal, one.status_seal]
        for index in places:
            if index is not None and index not in self.seals:
                leaf, _ = receipt.leaves[index]
                self.seals[index] = read("not_a_seal", formats.read_seal, leaf)
        self.as_of_seal = self.seals[receipt.seal]

    def wrong_seal(self, asked):
        receipt, last = self.receipt, self.receipt.seal == self.last
        need(asked == receipt.at, "wrong_seal", "it is about another time than was asked about")
        if receipt.at is None:
            need(last and receipt.next is None, "wrong_seal", "the seal is not the newest")
            return
        need(self.as_of_seal.time <= receipt.at, "wrong_seal", "the seal is later than asked for")
        if receipt.next is None:
            need(last, "wrong_seal", "the seal after it is not shown")
            return
        next_ = self.seals[receipt.next]
        follows = next_.height == self.as_of_seal.height + 1
        need(follows, "wrong_seal", "the next seal is of another height")
        need(next_.time > receipt.at, "wrong_seal", "the next seal is not later than asked for")

    def consistency(self):
        proof, checkpoint = self.receipt.consistency, self.receipt.checkpoint
        if proof is None:
            return
        newest = self.anchor.newest
        known = newest is not None and proof.size == newest.size != checkpoint.size
        need(known, "consistency", f"no checkpoint of {proof.size} leaves is trusted")
        one, other = (proof.size, proof.root), (checkpoint.size, checkpoint.root)
        good = consistent(*min(one, other), *max(one, other), proof.path)
        need(good, "consistency", f"it is not proven to be one log with that of {proof.size} leaves")

    # --- The members -------------------------------------------------------------------------

    def members(self):
        receipt, anchor = self.receipt, self.anchor
        newest, genesis = anchor.newest, anchor.genesis
        height, time_, size, self.set = 0, genesis.time, 0, genesis.members
        if receipt.since:
            known = newest is not None and newest.height == receipt.since
            need(known, "members", f"the members of height {receipt.since} are not known here")
            height, time_, size, self.set = newest.height, newest.time, newest.size, newest.members
        # The set after the trust file's height, when it is followed from genesis.
        self.set_at_trust = self.set
        for change in receipt.members:
            seal = read("members", self.follow, change)
            grows = seal.height > height and seal.time > time_ and change.size > size
            need(grows, "members", "height, time and size of the changes do not grow")
            height, time_, size = seal.height, seal.time, change.size
            if newest and height <= newest.height:
                self.set_at_trust = self.set
        need(size <= receipt.checkpoint.size or not receipt.members, "members",
             "the members changed behind the checkpoint")
        newest_seal = self.seals[self.last]
        same = self.set.hash == newest_seal.members_hash
        need(same, "members", "the set that is followed is not that of the newest seal")
        need(height <= newest_seal.height, "members", "the members changed behind the newest seal")
        if newest and receipt.checkpoint.size > newest.size:
            same = self.set_at_trust.hash == newest.members.hash
            need(same, "members", f"other members than were believed after height {newest.height}")

    def follow(self, change):
        seal = formats.read_seal(change.seal)
        there = included(change.seal, change.size - 1, change.size, change.path, change.root)
        need(there, "members", "the seal of a change is not proven to be in its log")
        genesis = self.anchor.genesis
        value = formats.b3(checkpoint_body(genesis.origin, change.size, change.root))
        certificate = formats.read_certificate(change.certificate)
        formats.check_certificate(certificate, genesis.ledger, self.set, seal.height, value)
        need(certificate.round >= seal.round, "members", "a certificate is older than its seal")
        # The hash first: what is not attested is not worth reading.
        same = formats.b3(change.members) == seal.members_hash
        need(same, "members", "a set is not the one that its seal names")
        set_ = formats.read_member_set(change.members)
        need(set_.hash != self.set.hash, "members", "a change of the members changes nothing")
        self.set = set_
        return seal

    def attestation(self):
        checkpoint, origin = self.receipt.checkpoint, self.anchor.genesis.origin
        keys = {}
        for seat in self.set.seats:
            name = seat.cosigner_name(origin)
            keys[name, formats.key_id(name, 4, seat.cosigner)] = seat.cosigner
        for line in checkpoint.lines:
            known = (line.name, line.key_id) in keys
            need(known, "unknown_signer", f"{line.name} is no cosigner of the members")
        count, quorum = len(checkpoint.lines), self.set.quorum()
        need(count == quorum, "quorum", f"{count} cosignatures where a quorum is {quorum}")
        times = []
        for line in checkpoint.lines:
            need(len(line.signature) == 72, "cosignature", f"that of {line.name} has not 72 bytes")
            (seconds,) = struct.unpack(">Q", line.signature[:8])
            message = f"cosignature/v1\ntime {seconds}\n".encode() + checkpoint.body
            good = formats.verifies(keys[line.name, line.key_id], message, line.signature[8:])
            need(good, "cosignature", f"that of {line.name} does not verify")
            times.append(seconds)
        self.as_of = min(1_000 * min(times), formats.TIME_MAX)

    # --- The credentials ---------------------------------------------------------------------

    def entry(self):
        self.issuers = {}
        for (seal_index, issuer), (entry, path) in self.receipt.entries.items():
            seal = self.seals[seal_index]
            there = included(entry, issuer, seal.registry_size, path, seal.registry_root)
            need(there, "entry", f"the entry of issuer {issuer} is not proven to be in the registry")
            self.issuers[seal_index, issuer] = read("entry", records.read_entry, entry)

    def credential(self, one, used):
        receipt, hex_ = self.receipt, one.digest.hex()
        record = read("issue", records.read_record, receipt.leaves[one.issue][0])
        here = record.ledger == self.anchor.genesis.ledger
        need(here and record.kind == records.ISSUE, "issue", f"{hex_}: no Issue record of this ledger")
        need(one.digest in record.body.items, "issue", f"{hex_} is not in its Issue record")
        issuer = self.issuers[one.issue_seal, one.issuer]
        need(record.issuer == issuer, "issue", f"{hex_} is not by the issuer {issuer}")
        same = self.issuers[receipt.seal, one.issuer] == issuer
        need(same, "issue", f"{hex_}: the issuer's entries are of two issuers")
        self.in_block(one.issue, one.issue_seal)
        if one.status is not None:
            self.in_block(one.status, one.status_seal)
            need(one.status > one.issue, "wrong_seal", f"{hex_}: its status came before it")
        bits = self.bits(record.body, one, used)
        status = self.status(one, issuer, bits)
        since = None if one.status is None else self.seals[one.status_seal].time
        issued_at = self.seals[one.issue_seal].time
        return Statement(hex_, issuer, status, issued_at, since, record.body.achievement)

    def in_block(self, index, seal_index):
        first = seal_index - self.seals[seal_index].record_count
        held = first <= index < seal_index
        need(held, "wrong_seal", f"the record {index} is not in the block of the seal {seal_index}")
        behind = seal_index > self.receipt.seal
        need(not behind, "wrong_seal", f"the seal {seal_index} is behind the as-of seal")

    def bits(self, issue, one, used):
        """The two bits of the credential."""
        position = issue.items[one.digest]
        place = issue.list, position // CHUNK_POSITIONS
        need(place in self.receipt.chunks, "status", f"chunk {place[1]} of list {place[0]} is missing")
        bits, path = self.receipt.chunks[place]
        seal = self.as_of_seal
        leaf = struct.pack(">QI", *place) + bits
        index, size = CHUNKS * place[0] + place[1], CHUNKS * seal.status_lists
        there = included(leaf, index, size, path, seal.status_root)
        need(there, "status", f"chunk {place[1]} of list {place[0]} is not proven")
        used.add(place)
        within = position % CHUNK_POSITIONS
        return bits[within // 4] >> 2 * (within % 4) & 3

    def status(self, one, issuer, bits):
        if bits == 0:
            need(one.status is None, "status_record", "it is valid, and a record made it otherwise")
            return "valid"
        need(one.status is not None, "status_record", "it is not valid, and no record made it so")
        leaf, _ = self.receipt.leaves[one.status]
        record = read("status_record", records.read_record, leaf)
        kinds = {records.REVOKE: "revoked", records.SUPERSEDE: "superseded"}
        kinds = kinds if bits & 1 else {records.SUSPEND: "suspended"}
        need(record.kind in kinds, "status_record", "the record is not of the kind for its status")
        here = record.ledger == self.anchor.genesis.ledger and record.body.issuer == issuer
        here = here and one.digest in record.body.digests
        need(here, "status_record", "the record is not about this credential")
        return kinds[record.kind]

    # --- The trust file ----------------------------------------------------------------------

    def fork(self):
        """Whether the checkpoint is proven to be one log with that of the trust file."""
        newest, checkpoint = self.anchor.newest, self.receipt.checkpoint
        if newest is None:
            return False
        if checkpoint.size == newest.size:
            same = checkpoint.root == newest.root
            need(same, "fork", f"another log of {newest.size} leaves was believed before")
            return True
        proof = self.receipt.consistency  # with a log of the trusted size
        same = proof is None or proof.root == newest.root
        need(same, "fork", f"it continues another log of {newest.size} leaves than was believed")
        return proof is not None

    def known(self, statements, one_log, now_ms, max_age_s):
        receipt, newest, as_of = self.receipt, self.anchor.newest, self.as_of
        older = newest is not None and receipt.checkpoint.size < newest.size
        if older:
            # Members that were left behind may sign anything today.
            same = self.set.hash == newest.members.hash
            as_of = min(as_of, newest.time - 1 if same else self.seals[self.last].time)
        code = reason = None
        now_ms = int(time.time() * 1_000) if now_ms is None else now_ms
        if older and not one_log:
            code, reason = "older_than_trust", "a larger log was believed before"
        elif receipt.at is not None and receipt.next is None and as_of < receipt.at:
            code, reason = "at_not_reached", f"the members attest {as_of}, before the time asked for"
        elif max_age_s is not None and now_ms - as_of > 1_000 * max_age_s:
            code, reason = "too_old", f"the members attest {as_of}, longer than {max_age_s} s ago"
        trust = self.advanced() if not older and (newest is None or one_log) else None
        outcome = "unknown" if code else "accepted"
        members_known = newest is not None and (one_log or not older)
        return Result(outcome, code, reason, as_of, members_known, statements, trust)

    def advanced(self):
        checkpoint, seal = self.receipt.checkpoint, self.seals[self.last]
        if self.anchor.newest and self.anchor.newest.size == checkpoint.size:
            return None
        numbers = seal.height, seal.time, checkpoint.size, self.as_of
        if max(numbers) > receipt_form.NUMBER_MAX:
            return None  # no trust file can hold it
        newest = Newest(*numbers[:3], checkpoint.root, self.as_of, self.set)
        return replace(self.anchor, newest=newest)
