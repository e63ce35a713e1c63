"""Receipts that are to be accepted, refused or unknown, each with the reason: the vectors of both
checkers' tests. They are made with the ledger writer, so a case can sign what no member would.

    receipt_cases.py FILE       writes them as JSON, gzipped, for the checker in TypeScript
"""

import base64
import copy
import gzip
import hashlib
import json
import struct
import sys

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import formats
from formats import ORDER, added, blob, decompressed, sequence, text, u32, u64
from ledger_writer import REINSTATE, REVOKE, SUPERSEDE, SUSPEND
from ledger_writer import Ledger, Member, b64, jcs

A, B = "did:web:a.example", "https://b.example/issuer"
TIME = 1_760_000_000_000
SECONDS = 1_760_000_100  # of the first cosignature; the others are each a second later
AS_OF = SECONDS * 1_000
MEMBERS = ("m0", "m1", "m2", "m3")


def digest(name):
    return hashlib.sha256(name.encode()).digest()


DIGESTS = {
    name: digest(name)
    for name in ("valid", "suspended", "reinstated", "revoked", "both", "superseded", "new", "late", "b")
}


def ledger_of_four(late=True):
    """Four members, two issuers with a list each; every status; a removal, an addition, a new key."""
    ledger = Ledger("t.example/log", MEMBERS, TIME)
    d = DIGESTS
    ledger.block(lambda: ledger.accredit(A), lambda: ledger.accredit(B))
    ledger.block(lambda: ledger.open_list(A), lambda: ledger.open_list(B))
    rows = [(100 * number, d[name]) for number, name in enumerate(d) if name not in ("late", "b")]
    ledger.block(
        lambda: ledger.issue(A, 0, rows, "https://a.example/rust"),
        lambda: ledger.issue(B, 1, [(5, d["b"]), (6, d["valid"])]),
    )
    ledger.block(
        lambda: ledger.change(SUSPEND, A, [d["suspended"], d["reinstated"], d["both"]]),
        lambda: ledger.change(REVOKE, A, [d["revoked"]]),
    )
    ledger.block(
        lambda: ledger.change(REINSTATE, A, [d["reinstated"]]),
        lambda: ledger.change(REVOKE, A, [d["both"]]),
        lambda: ledger.change(SUPERSEDE, A, [d["superseded"]], d["new"]),
    )
    if not late:
        return ledger
    members = ledger.members
    fresh = Member("m9", ledger.origin)
    ledger.block(lambda: ledger.issue(A, 0, [(7, d["late"])]), members=[*members[1:]])
    ledger.block(lambda: ledger.change(SUSPEND, A, [d["late"]]), members=[*members[1:], fresh])
    ledger.block(lambda: ledger.change(REINSTATE, A, [d["late"]]))
    return ledger


class Cases:
    def __init__(self):
        self.rows = []
        self.ledger = ledger_of_four(late=False)
        self.grown = ledger_of_four()

    def case(self, name, receipt, outcome, code=None, ledger=None, trust=None, statuses=None, **more):
        data = receipt if isinstance(receipt, bytes) else jcs(receipt)
        trust_ = None if trust is None else json.dumps(trust, separators=(",", ":"))
        genesis = (ledger or self.ledger).genesis.decode()
        row = {"name": name, "receipt": data, "outcome": outcome, "code": code, "statuses": statuses}
        row.update({"genesis": None if trust else genesis, "trust": trust_, "now": AS_OF, **more})
        if "at" not in row and isinstance(receipt, dict) and isinstance(receipt.get("at"), int):
            # A verifier who asks about the time that the receipt is about.
            row["at"] = receipt["at"]
        self.rows.append(row)

    def refused(self, name, receipt, code, **more):
        self.case(f"{code}: {name}", receipt, "refused", code, **more)

    def of(self, *names, ledger=None, issuer=A, **more):
        """The receipt about these credentials, signed now."""
        ledger, more = ledger or self.ledger, {"seconds": SECONDS, **more}
        return ledger.receipt([(DIGESTS[name], issuer) for name in names], **more)

    def all(self):
        for make in (self.accepted, self.time, self.trust, self.malformed, self.notes, self.log,
                     self.members, self.signatures, self.registry, self.issues, self.statuses):
            make()
        names = [row["name"] for row in self.rows]
        assert len(set(names)) == len(names), "a case has the name of another"
        return self.rows

    # --- What is proven ----------------------------------------------------------------------

    def accepted(self):
        for name in ("valid", "suspended", "reinstated", "revoked", "superseded", "new"):
            status = name if name not in ("reinstated", "new") else "valid"
            self.case(name, self.of(name), "accepted", statuses=[status])
        self.case("revoked while suspended", self.of("both"), "accepted", statuses=["revoked"])
        names = sorted(("valid", "suspended", "revoked", "superseded"), key=DIGESTS.get)
        self.case("many", self.of(*names), "accepted", statuses=names)
        wanted = [(DIGESTS["valid"], A), (DIGESTS["valid"], B), (DIGESTS["b"], B)]
        receipt = self.ledger.receipt(wanted, seconds=SECONDS)
        self.case("one digest of two issuers", receipt, "accepted", statuses=["valid"] * 3)
        receipt = self.of("late", ledger=self.grown)
        self.case("after changes of the members", receipt, "accepted", ledger=self.grown, statuses=["valid"])

    def time(self):
        blocks = self.ledger.blocks
        at = blocks[3].time
        for name, wanted, status in (
            ("at its seal", at, "suspended"),
            ("just before the next seal", blocks[4].time - 1, "suspended"),
            ("just before its seal", at - 1, "valid"),
            ("at the newest seal", blocks[4].time, "suspended"),
            ("up to the as-of time", AS_OF, "suspended"),
        ):
            receipt = self.of("suspended", at=wanted)
            self.case(f"at: {name}", receipt, "accepted", statuses=[status])
        receipt = self.of("reinstated", at=at)
        self.case("at: before it was reinstated", receipt, "accepted", statuses=["suspended"])
        receipt = self.of("valid", at=AS_OF + 1)
        self.case("at: behind the as-of time", receipt, "unknown", "at_not_reached")
        now = {"now": AS_OF + 60_000}
        for age, code in ((60, None), (59, "too_old"), (0, "too_old")):
            self.case(f"an age of 60 s where {age} s will do", self.of("valid"), "unknown" if code else "accepted",
                      code, maxAgeSeconds=age, **now)
        self.case("from the future", self.of("valid"), "accepted", maxAgeSeconds=0, now=AS_OF - 60_000)

        def sealed(**more):
            return {**self.of("suspended", at=at), **more}

        other = self.of("suspended", at=blocks[4].time)
        self.refused("later than asked for", sealed(at=at - 1), "wrong_seal")
        self.refused("the next seal is not later", sealed(at=blocks[4].time), "wrong_seal")
        self.refused("next without at", {k: v for k, v in sealed().items() if k != "at"}, "wrong_seal")
        self.refused("an earlier seal for now", self.earlier(), "wrong_seal")
        receipt = {**self.of("suspended", at=blocks[2].time), "next": blocks[4].index}
        self.refused("the seal after the next", self.leaves(receipt), "wrong_seal")
        receipt = {k: v for k, v in sealed().items() if k != "next"}
        self.refused("no next", self.leaves(receipt), "wrong_seal")
        self.refused("another at", {**other, "at": 0}, "wrong_seal")
        self.case("at: asked about", sealed(), "accepted", at=at)
        self.refused("another time than asked about", sealed(), "wrong_seal", at=at + 1)
        self.refused("no time, where one was asked about", self.of("valid"), "wrong_seal", at=blocks[4].time)

    def earlier(self):
        """An earlier seal, as if it were the newest."""
        receipt = self.of("suspended", at=self.ledger.blocks[2].time)
        del receipt["at"], receipt["next"]
        return self.leaves(receipt)

    def leaves(self, receipt, ledger=None):
        """The receipt with the leaves that it names now."""
        ledger = ledger or self.ledger
        size = int(receipt["checkpoint"].split("\n")[1])
        named = {size - 1, receipt["seal"], receipt.get("next", size - 1)}
        for one in receipt["credentials"]:
            places = ("issue", "issueSeal", "status", "statusSeal")
            named |= {one[place] for place in places if place in one}
        receipt["leaves"] = [ledger.leaf(index, size) for index in sorted(named)]
        entries = {(seal, one["issuer"]) for one in receipt["credentials"] for seal in (one["issueSeal"], receipt["seal"])}
        seals = {block.index for block in ledger.blocks}
        if all(seal in seals for seal, _ in entries):
            receipt["entries"] = [ledger.entry(*one) for one in sorted(entries)]
        return receipt

    # --- The trust file ----------------------------------------------------------------------

    def trust(self):
        grown = self.grown
        before, newest = grown.trust(5, AS_OF - 5_000), grown.trust(8, AS_OF + 5_000)
        size = before["newest"]["size"]
        founded = {"type": "credlog/trust/v1", "genesis": before["genesis"]}
        last = grown.trust(8, AS_OF)
        self.case("trust: first", self.of("late", ledger=grown), "accepted", trust=founded, advanced=last)
        receipt = self.of("late", ledger=grown, old=size)
        self.case("trust: continued", receipt, "accepted", trust=before, advanced=last, known=True)
        self.case("trust: continued, too old", receipt, "unknown", "too_old", trust=before, advanced=last,
                  maxAgeSeconds=0, known=True, **{"now": AS_OF + 1})
        receipt = self.of("late", ledger=grown, old=size, since=5)
        self.case("trust: since", receipt, "accepted", trust=before, advanced=last, known=True)
        receipt = self.of("late", ledger=grown, since=5)
        self.case("trust: since, not shown to continue", receipt, "accepted", trust=before, known=True)
        self.refused("since, where nothing is trusted", receipt, "members", ledger=grown)
        self.refused("since another height", receipt, "members", trust=grown.trust(4, AS_OF))
        receipt = self.of("late", ledger=grown)
        self.case("trust: not shown to continue", receipt, "accepted", trust=before, known=True)
        self.case("trust: the same", receipt, "accepted", trust=newest, known=True)
        receipt = self.of("valid", ledger=grown, blocks=5)
        self.case("trust: older", receipt, "unknown", "older_than_trust", trust=newest)
        receipt = self.of("valid", ledger=grown, blocks=5, at=AS_OF + 9_000)
        self.case("trust: older, and at not reached", receipt, "unknown", "older_than_trust", trust=newest)
        receipt = self.of("valid", ledger=grown, blocks=5, old=newest["newest"]["size"])
        # Its members are not the newest any more: its seal's time counts, not theirs.
        seal = str(grown.blocks[4].time)
        self.case("trust: older, of one log", receipt, "accepted", trust=newest, known=True, asOf=seal)
        self.case("trust: older, by former members", receipt, "unknown", "too_old", trust=newest, known=True,
                  maxAgeSeconds=4, asOf=seal)
        held = self.ledger.trust(5, AS_OF - 5_000)
        larger = held["newest"]["time"]
        receipt = self.of("valid", blocks=4, old=held["newest"]["size"])
        self.case("trust: as of before the log was larger", receipt, "unknown", "too_old", trust=held,
                  known=True, maxAgeSeconds=4, asOf=str(larger - 1))
        receipt = self.of("valid", blocks=4, at=AS_OF, old=held["newest"]["size"])
        self.case("trust: at not reached by it", receipt, "unknown", "at_not_reached", trust=held, known=True)
        receipt = self.of("valid", blocks=4, since=5, old=held["newest"]["size"])
        self.refused("since a height behind its own", receipt, "members", trust=held)
        self.forks(before, newest)

    def forks(self, before, newest):
        grown = self.grown

        def other(trust, **more):
            trust = copy.deepcopy(trust)
            trust["newest"].update(more)
            return trust

        root, size = b64(digest("another root")), before["newest"]["size"]
        receipt = self.of("late", ledger=grown)
        self.refused("another root of the same size", receipt, "fork", trust=other(newest, root=root))
        receipt = self.of("late", ledger=grown, old=size)
        self.refused("it continues another log", receipt, "fork", trust=other(before, root=root))
        members = newest["newest"]["members"]
        self.refused("other members than the trust file's", receipt, "members", trust=other(before, members=members))
        receipt = self.of("valid", ledger=grown, blocks=5, old=newest["newest"]["size"])
        self.refused("older, of another log", receipt, "fork", trust=other(newest, root=root))

    # --- The form ----------------------------------------------------------------------------

    def malformed(self):
        good = jcs(self.of("valid"))
        assert b'"seal":8,' not in good

        def spelled(name, old, new):
            assert good.count(old) >= 1, name
            self.refused(name, good.replace(old, new, 1), "malformed")

        seal = self.ledger.blocks[-1].index
        of = f'"seal":{seal},"type"'.encode()
        spelled("a space", b",", b", ")
        spelled("1.0", of, f'"seal":{seal}.0,"type"'.encode())
        spelled("an exponent", of, f'"seal":{seal}e0,"type"'.encode())
        spelled("a leading zero", of, f'"seal":0{seal},"type"'.encode())
        spelled("a negative number", of, b'"seal":-1,"type"')
        spelled("minus zero", b'"issuer":0', b'"issuer":-0')
        spelled("a number as text", of, f'"seal":"{seal}","type"'.encode())
        spelled("true for a number", b'"issuer":0', b'"issuer":false')
        spelled("a name twice", of, f'"seal":{seal},"seal":{seal},"type"'.encode())
        spelled("another order of names", of, f'"type":"credlog/receipt/v1","seal":{seal}'.encode())
        spelled("an escape that need not be", b'"credlog/', b'"credlog\\/')
        spelled("a letter in \\u", b'"credlog/', b'"\\u0063redlog/')
        spelled("another type", b"receipt/v1", b"receipt/v2")
        spelled("upper-case hex", b'"digest":"' + DIGESTS["valid"].hex().encode(),
                b'"digest":"' + DIGESTS["valid"].hex().upper().encode())
        ways = (("a byte order mark", b"\xef\xbb\xbf" + good), ("a newline behind", good + b"\n"),
                ("a space before", b" " + good), ("bytes behind", good + b"{}"), ("nothing", b""),
                ("cut", good[:-1]), ("no object", b"[]"), ("not UTF-8", good.replace(b"credlog/r", b"credlog\xffr")),
                ("nested deeply", b"[" * 2_000 + b"]" * 2_000), ("null", b"null"))
        for name, data in ways:
            self.refused(name, data, "malformed")
        self.edits()

    def edits(self):
        def edited(name, change, *names, **more):
            receipt = self.of(*(names or ("valid",)), **more)
            change(receipt)
            self.refused(name, receipt, "malformed")

        def base(place, change):
            def apply(receipt):
                one = receipt
                for key in place[:-1]:
                    one = one[key]
                one[place[-1]] = change(one[place[-1]])
            return apply

        edited("2^53", lambda r: r.update(at=2**53))
        edited("since 0", lambda r: r.update(since=0))
        edited("a null", lambda r: r.update(at=None))
        edited("a surplus name", lambda r: r.update(note=1))
        edited("a surplus name that objects have", lambda r: r.update(constructor=1))
        edited("__proto__", lambda r: r.update({"__proto__": 1}))
        edited("a surplus name of a leaf", lambda r: r["leaves"][0].update(note=1))
        for name in ("type", "ledger", "checkpoint", "seal", "leaves", "entries", "chunks", "credentials", "members"):
            edited(f"without {name}", lambda r, name=name: r.pop(name))
        edited("no credentials", lambda r: r.update(credentials=[]))
        edited("credentials out of order", lambda r: r["credentials"].reverse(), "valid", "revoked")
        edited("a credential twice", lambda r: r["credentials"].append(r["credentials"][0]))
        edited("leaves out of order", lambda r: r["leaves"].reverse())
        edited("entries out of order", lambda r: r["entries"].reverse())
        edited("chunks out of order", lambda r: r["chunks"].reverse(), "valid", "revoked")
        edited("a chunk twice", lambda r: r["chunks"].append(r["chunks"][0]))
        edited("chunk 1,024", base(("chunks", 0, "chunk"), lambda _: 1_024))
        edited("a leaf too few", lambda r: r["leaves"].pop(0))
        edited("a leaf too many", lambda r: r["leaves"].insert(0, self.ledger.leaf(0, 15)))
        edited("an entry too few", lambda r: r["entries"].pop(0))
        edited("an entry too many", lambda r: r["entries"].append(self.ledger.entry(r["seal"], 1)))
        edited("a chunk too many", lambda r: r["chunks"].append(self.ledger.chunk(self.ledger.blocks[-1], 1, 9)))
        edited("status without statusSeal", lambda r: r["credentials"][0].pop("statusSeal"), "revoked")
        edited("statusSeal without status", lambda r: r["credentials"][0].pop("status"), "revoked")
        edited("a path of 64", base(("leaves", 0, "path"), lambda path: (path * 64)[:64]))
        edited("a hash of 31 bytes", base(("leaves", 0, "path", 0), lambda _: b64(bytes(31))))
        edited("base64 with other spare bits", base(("chunks", 0, "bits"), lambda bits: bits[:-2] + "B="))
        edited("base64 without padding", base(("chunks", 0, "bits"), lambda bits: bits[:-1]))
        edited("base64 for addresses", base(("chunks", 0, "bits"), lambda bits: "_" + bits[1:]))
        edited("base64 with a newline", base(("leaves", 0, "leaf"), lambda leaf: leaf[:64] + "\n" + leaf[64:]))
        edited("base64 padded in the middle", base(("leaves", 0, "leaf"), lambda leaf: "AA==" + leaf))
        edited("a path that is a text", base(("leaves", 0, "path"), lambda path: path[0]))
        edited("credentials that are an object", lambda r: r.update(credentials={}))

    def notes(self):
        good = self.of("valid")["checkpoint"]
        head, lines = good.split("\n\n")
        lines = lines.splitlines(keepends=True)

        def note(name, checkpoint, code="malformed"):
            assert checkpoint != good, name
            self.refused(f"note: {name}", {**self.of("valid"), "checkpoint": checkpoint}, code)

        size = len(self.ledger.leaves)
        note("an extension line", head + "\nmore\n\n" + "".join(lines))
        note("no signatures", head + "\n\n")
        note("lines out of order", head + "\n\n" + "".join(reversed(lines)))
        note("a line twice", head + "\n\n" + lines[0] + "".join(lines))
        note("no newline at the end", good[:-1])
        note("a newline more", good + "\n")
        note("carriage returns", good.replace("\n", "\r\n"))
        note("a leading zero", good.replace(f"\n{size}\n", f"\n0{size}\n"))
        note("an empty log", good.replace(f"\n{size}\n", "\n0\n"))
        note("another size", good.replace(f"\n{size}\n", f"\n{size + 1}\n"))
        note("a size above 2^64", good.replace(f"\n{size}\n", f"\n{2**64 + size}\n"))
        note("a size that is no number", good.replace(f"\n{size}\n", f"\n+{size}\n"))
        note("no such origin", good.replace("t.example/log\n", "t.example+log\n", 1))
        note("an empty origin", good.replace("t.example/log\n", "\n", 1))
        note("another origin", good.replace("t.example/log\n", "u.example/log\n", 1), "other_ledger")
        note("a name with +", good.replace("log/m0/0", "log+m0/0"))
        note("a name with a space", good.replace("log/m0/0", "log m0/0"))
        note("a name with an unbroken space", good.replace("log/m2/0", "log/m2\u00a00"))
        note("another dash", good.replace("\u2014", "-", 1))
        note("a key id alone", head + "\n\n" + "\u2014 t.example/log/m0/0 AAAAAA==\n" + "".join(lines[1:]))
        note("base64 with spare bits", good.replace("==\n", "=\n", 1))
        note("a root of 33 bytes", good.replace(head.split("\n")[2], b64(bytes(33))))
        note("a name of no member", good.replace("log/m2/0", "log/m4/0"), "unknown_signer")
        note("a name with DEL", good.replace("log/m2/0", "log/m2\x7f0"), "unknown_signer")
        note("a witness's line", good + "\u2014 witness.example " + b64(bytes(76)) + "\n", "unknown_signer")
        surrogate = jcs(self.of("valid")).replace(b"log/m2/0", b"log/m2/\\ud800")
        self.refused("note: a lone surrogate, escaped", surrogate, "malformed")

    # --- The log -----------------------------------------------------------------------------

    def log(self):
        good = self.of("revoked")
        other = Ledger("t.example/log", ("m0",), TIME)
        self.refused("its id", {**good, "ledger": "0" * 64}, "other_ledger")
        self.refused("its genesis", good, "other_ledger", ledger=other)

        def path(name, change):
            receipt = self.of("revoked")
            change(receipt["leaves"])
            self.refused(name, receipt, "path")

        def swap(leaves, name):
            leaves[0][name], leaves[1][name] = leaves[1][name], leaves[0][name]

        path("paths exchanged", lambda leaves: swap(leaves, "path"))
        path("leaves exchanged", lambda leaves: swap(leaves, "leaf"))
        path("a hash more", lambda leaves: leaves[0]["path"].append(b64(bytes(32))))
        path("a hash less", lambda leaves: leaves[0]["path"].pop())
        path("no path", lambda leaves: leaves[0]["path"].clear())
        path("an empty leaf", lambda leaves: leaves[0].update(leaf=""))
        receipt = self.of("revoked")
        for one in receipt["leaves"]:
            one["index"] += 100 * (one["index"] == receipt["credentials"][0]["issue"])
        receipt["credentials"][0]["issue"] += 100
        receipt["leaves"].sort(key=lambda one: one["index"])
        self.refused("an index behind the log", receipt, "path")

        receipt = self.of("revoked")
        for name in ("issueSeal", "statusSeal"):
            receipt = self.of("revoked")
            receipt["credentials"][0][name] -= 1
            for one in receipt["entries"]:
                one["seal"] -= name == "issueSeal" and one["seal"] != receipt["seal"]
            entries = receipt["entries"]
            receipt = {**self.leaves(receipt), "entries": entries}
            self.refused(f"{name} at a record", receipt, "not_a_seal")
        receipt = self.of("suspended", at=self.ledger.blocks[3].time)
        receipt["next"] -= 1
        self.refused("next at a record", self.leaves(receipt), "not_a_seal")
        self.middle()

        self.one_log()

    def one_log(self):
        """Proofs of consistency with the log of three blocks, which is trusted."""
        trust, old = self.ledger.trust(3, AS_OF), self.ledger.blocks[2].index + 1
        self.case("one log with the trusted", self.of("valid", old=old), "accepted", trust=trust, known=True,
                  advanced=self.ledger.trust(5, AS_OF))
        for name, change in (
            ("another root", lambda proof: proof.update(root=b64(digest("root")))),
            ("another size", lambda proof: proof.update(size=old - 1)),
            ("size 0", lambda proof: proof.update(size=0)),
            ("its own size", lambda proof: proof.update(size=len(self.ledger.leaves))),
            ("no path", lambda proof: proof.update(path=[])),
            ("a hash more", lambda proof: proof["path"].append(b64(bytes(32)))),
            ("a hash less", lambda proof: proof["path"].pop()),
            ("with a larger log", lambda proof: proof.update(size=100)),
        ):
            receipt = self.of("valid", old=old)
            change(receipt["consistency"])
            self.refused(name, receipt, "consistency", trust=trust)
        receipt = self.of("valid", old=old)
        self.refused("with a log that is not trusted", receipt, "consistency")
        self.refused("with another than is trusted", receipt, "consistency", trust=self.ledger.trust(2, AS_OF))
        receipt["consistency"]["size"] = len(self.ledger.leaves)
        self.refused("with the trusted, of its own size", receipt, "consistency", trust=self.ledger.trust(5, AS_OF))

    def middle(self):
        """A checkpoint that every member signed, over half a block."""
        ledger = ledger_of_four(late=False)
        ledger.pending = 0
        ledger.leaves.append(ledger.change(REVOKE, A, [DIGESTS["valid"]]))
        size = len(ledger.leaves)
        receipt = self.of("valid", ledger=ledger)
        receipt["checkpoint"] = ledger.checkpoint(size, ledger.members[:3], SECONDS)
        self.refused("a checkpoint within a block", self.leaves(receipt, ledger), "not_a_seal")

    # --- The members -------------------------------------------------------------------------

    def members(self):
        grown = self.grown
        changed = [one for one, _ in grown.changes]
        first, second = (grown.blocks[height - 1].index + 1 for height in changed)

        def change(name, edit, code="members"):
            receipt = self.of("late", ledger=grown)
            edit(receipt["members"])
            self.refused(name, receipt, code, ledger=grown)

        def certificate(height, signers, round_=0):
            return b64(grown.certificate(height, signers, round_))

        old = ledger_of_four(late=False).members
        fresh = grown.members
        change("the changes left out", lambda members: members.clear())
        change("the last change left out", lambda members: members.pop())
        # The old members that remain are a quorum of the old set too, so the next change follows.
        receipt = self.of("late", ledger=grown)
        receipt["members"].pop(0)
        self.case("a change left out that changed no quorum", receipt, "accepted", ledger=grown)
        between = grown.trust(changed[0], AS_OF)
        self.refused("the change before the trust file's end left out", receipt, "members", trust=between)
        change("changes out of order", lambda members: members.reverse())
        change("a change twice", lambda members: members.append(members[1]))
        change("by the new members", lambda m: m[1].update(certificate=certificate(changed[1], fresh)))
        change("too few", lambda m: m[0].update(certificate=certificate(changed[0], old[:2])))
        change("of another height", lambda m: m[0].update(certificate=certificate(changed[1], old)))
        change("another round", lambda m: m[0].update(certificate=self.certificate_of(m[0], 9)))
        change("no certificate", lambda m: m[0].update(certificate=""))
        change("a certificate with a byte more", lambda m: m[0].update(
            certificate=b64(base64.b64decode(m[0]["certificate"]) + b"\0")))
        change("other members", lambda m: m[0].update(members=m[1]["members"]))
        change("no members", lambda m: m[0].update(members=""))
        change("another size", lambda m: m[0].update(size=first + 1))
        change("size 0", lambda m: m[0].update(size=0))
        change("another root", lambda m: m[0].update(root=m[1]["root"]))
        change("another seal", lambda m: m[0].update(seal=m[1]["seal"]))
        change("a seal without its 0x02", lambda m: m[0].update(
            seal=b64(base64.b64decode(m[0]["seal"])[1:])))
        receipt = self.of("valid", ledger=grown, blocks=5)
        receipt["members"] = self.of("late", ledger=grown, blocks=6)["members"]
        self.refused("changes behind the checkpoint", receipt, "members", ledger=grown)
        self.rounds()

    def certificate_of(self, change, round_):
        """The certificate as if it were of another round."""
        data = base64.b64decode(change["certificate"])
        return b64(data[:8] + u32(round_) + data[12:])

    def rounds(self):
        """Signed by all: a change that changes nothing, seals that do not grow, a later round."""
        everyone = [Member(one, "t.example/log") for one in MEMBERS]
        for name, more, outcome in (
            ("in a later round", {"round_": 0, "by": 3}, None),
            ("in the seal's round", {"round_": 3, "by": 3}, None),
            ("in an earlier round", {"round_": 3, "by": 2}, "members"),
            ("to the same set", {"same": True}, "members"),
            ("not later than genesis", {"after_ms": 0}, "members"),
        ):
            ledger = Ledger("t.example/log", MEMBERS, TIME)
            members = everyone if more.get("same") else everyone[:3]
            ledger.block(
                lambda: ledger.accredit(A), lambda: ledger.open_list(A),
                lambda: ledger.issue(A, 0, [(0, DIGESTS["valid"])]),
                members=members, after_ms=more.get("after_ms", 1_000), round_=more.get("round_", 0),
            )
            receipt = self.of("valid", ledger=ledger)
            by = ledger.certificate(1, everyone[1:], more.get("by", 0))
            receipt["members"][0]["certificate"] = b64(by)
            if outcome:
                self.refused(f"a change {name}", receipt, outcome, ledger=ledger)
            else:
                self.case(f"a change {name}", receipt, "accepted", ledger=ledger)

    # --- The signatures ----------------------------------------------------------------------

    def signatures(self):
        ledger, grown = self.ledger, self.grown
        m = ledger.members
        for count in (1, 2, 4):
            self.refused(f"{count} of 4", self.of("valid", cosigners=m[:count]), "quorum")
        former = ledger.members[0]
        cosigners = [former, *grown.members[:2]]
        self.refused("a former member", self.of("late", ledger=grown, cosigners=cosigners), "unknown_signer",
                     ledger=grown)
        self.refused("all of them former", self.of("late", ledger=grown, cosigners=[former]), "unknown_signer",
                     ledger=grown)
        stranger = Member("m2", ledger.origin, label="another")
        self.refused("a member's name, another key", self.of("valid", cosigners=[m[0], m[1], stranger]),
                     "unknown_signer")
        numbered = Member("m2", ledger.origin, number=1)
        self.refused("another number", self.of("valid", cosigners=[m[0], m[1], numbered]), "unknown_signer")
        good = ledger.checkpoint(len(ledger.leaves), m[:3], SECONDS)

        def line(name, change):
            note, line_ = good.rsplit("\n", 2)[0], good.rsplit("\n", 2)[1]
            head, spelled = line_.rsplit(" ", 1)
            data = base64.b64decode(spelled)
            again = f"{note}\n{head} {b64(data[:4] + change(data[4:]))}\n"
            self.refused(name, {**self.of("valid"), "checkpoint": again}, "cosignature")

        line("another time", lambda data: u64(SECONDS) + data[8:])
        line("R changed", lambda data: data[:8] + bytes([data[8] ^ 1]) + data[9:])
        line("S changed", lambda data: data[:-32] + bytes([data[-32] ^ 1]) + data[-31:])
        line("a byte more", lambda data: data + b"\0")
        line("a byte less", lambda data: data[:-1])
        line("a signature without a time", lambda data: data[8:])

        def large_s(data):
            s = int.from_bytes(data[-32:], "little") + ORDER
            return data[:-32] + s.to_bytes(32, "little")

        line("S above the order", large_s)
        line("S = 0, R = 1", lambda data: data[:8] + (1).to_bytes(32, "little") + bytes(32))
        body = good.split("\n\n")[0].encode() + b"\n"
        message = f"cosignature/v1\ntime {SECONDS + 2}\n".encode() + body
        key = m[2].keys["cosigner"]
        line("right but for the cofactor", lambda data: data[:8] + off_by_torsion(key, message))
        assert not formats.verifies(key.public, message, off_by_torsion(key, message))
        receipt = self.of("valid", seconds=2**64 - 3)
        self.case("as of the end of time", receipt, "accepted", asOf=str(2**64 - 1))

    # --- The registry ------------------------------------------------------------------------

    def registry(self):
        def entry(name, change):
            receipt = self.of("valid")
            change(receipt["entries"])
            self.refused(name, receipt, "entry")

        seal = self.ledger.blocks[-1].index
        one = self.ledger.entry(seal, 1)
        entry("of another issuer", lambda entries: entries[1].update(entry=one["entry"], path=one["path"]))
        entry("with another's path", lambda entries: entries[1].update(path=one["path"]))
        entry("empty", lambda entries: entries[1].update(entry=""))
        entry("without a path", lambda entries: entries[1].update(path=[]))
        receipt = self.of("valid")
        receipt["credentials"][0]["issuer"] = 2
        for row in receipt["entries"]:
            row["issuer"] = 2
        self.refused("of no issuer", receipt, "entry")
        issuer = self.ledger.issuers[A][1]
        good = issuer.entry(TIME)
        for name, data in (
            ("a byte more", good + b"\0"), ("cut", good[:-1]), ("no bytes", b""),
            ("an issuer id that is none", text("did:web:a#b") + good[len(text(A)):]),
            ("no accreditation", self.entry_without(issuer)),
            ("a name with a control character", good.replace(b"Issuer", b"Issu\x07r")),
            ("a key that is none", good.replace(blob(issuer.key.multicodec), blob(b"\xed\x01" + b"\x02" * 32))),
            ("a P-256 key that is no point",
             good.replace(blob(issuer.key.multicodec) + b"\1", blob(p256_key()[:3] + bytes(31) + b"\1") + b"\0")),
            ("a key of small order", good.replace(blob(issuer.key.multicodec), blob(b"\xed\x01\x01" + bytes(31)))),
            ("an option with tag 2", good[:-1] + b"\2"),
        ):
            ledger = self.attested(entry=data)
            self.refused(f"attested, with {name}", self.of("valid", ledger=ledger), "entry", ledger=ledger)
        for name, key in (
            ("a P-256 key", p256_key()),
            ("an RSA key", rsa_key(2_048)),
        ):
            keys = sequence([self.issuer_key(issuer.key.multicodec, 1), self.issuer_key(key, 0)])
            old = sequence([self.issuer_key(issuer.key.multicodec, 1, since=TIME)])
            assert old in good
            ledger = self.attested(entry=good.replace(old, keys))
            self.case(f"an issuer with {name}", self.of("valid", ledger=ledger), "accepted", ledger=ledger)
            keys = sequence([self.issuer_key(issuer.key.multicodec, 1), self.issuer_key(key, 1)])
            ledger = self.attested(entry=good.replace(old, keys))
            self.refused(f"{name} for records", self.of("valid", ledger=ledger), "entry", ledger=ledger)
        pending = b"\1" + bytes(32) + text("m0") + u64(TIME) + u64(0) + sequence([bytes(16)]) + b"\0"
        ledger = self.attested(entry=good[:-1] + pending)
        self.case("a pending replacement", self.of("valid", ledger=ledger), "accepted", ledger=ledger)

    def issuer_key(self, key, record, since=TIME):
        return blob(key) + bytes([record, 1]) + u64(since) + b"\0\0"

    def entry_without(self, issuer):
        data, marker = issuer.entry(TIME), u64(1) + text(issuer.member)
        at = data.rindex(marker)
        return data[:at] + u64(0) + b"\0"

    def attested(self, entry=None, record=None, status=None, bits=None):
        """A small ledger whose members sign whatever they are given.

        entry: of issuer 0. record: the leaf in place of the Issue. status: the leaf in place of a
        Revoke. bits: of the credential's chunk, in its lowest byte.
        """
        ledger = Ledger("t.example/log", MEMBERS[:1], TIME)
        ledger.block(lambda: ledger.accredit(A), lambda: ledger.accredit(B))
        if entry is not None:
            ledger.entries[0] = entry
        ledger.block(lambda: ledger.open_list(A), lambda: ledger.open_list(B))

        def issue():
            leaf = ledger.issue(A, 0, [(0, DIGESTS["valid"])])
            return leaf if record is None else record(ledger, leaf)

        ledger.block(issue)
        if status is not None:
            def change():
                leaf = ledger.change(REVOKE, A, [DIGESTS["valid"]])
                return status(ledger, leaf)

            ledger.block(change)
        if bits is not None:
            ledger.lists[0][0] = bytes([bits]) + bytes(31)
            ledger.block(lambda: ledger.open_list(B))
        return ledger

    # --- The credentials ---------------------------------------------------------------------

    def issues(self):
        d = DIGESTS["valid"]

        def attested(name, record, code="issue"):
            ledger = self.attested(record=record)
            self.refused(name, self.of("valid", ledger=ledger), code, ledger=ledger)

        def by(ledger, issuer, list_=0, **more):
            return ledger.record(ledger.issuers[issuer][1], ledger.issuers[issuer][1].key, 10,
                                 self.issue_body(list_=list_, **more))

        attested("a Revoke", lambda ledger, _: ledger.record(
            ledger.issuers[A][1], ledger.issuers[A][1].key, REVOKE, text(A) + sequence([d]) + u32(0)))
        attested("by another issuer", lambda ledger, _: by(ledger, B))
        attested("by a member", lambda ledger, _: ledger.record(
            ledger.members[0], ledger.members[0].keys["governance"], 10, self.issue_body()))
        attested("another digest", lambda ledger, _: by(ledger, A, items=[(0, digest("other"))]))
        attested("another ledger", lambda _, leaf: leaf[:2] + bytes(32) + leaf[34:])
        attested("version 2", lambda _, leaf: leaf[:1] + b"\2" + leaf[2:])
        attested("no record", lambda _, leaf: b"\3" + leaf[1:])
        attested("a byte more", lambda _, leaf: leaf + b"\0")
        attested("cut", lambda _, leaf: leaf[:-1])
        attested("no items", lambda ledger, _: by(ledger, A, items=[]))
        attested("items out of order", lambda ledger, _: by(ledger, A, items=[(1, digest("x")), (0, d)]))
        attested("a digest twice", lambda ledger, _: by(ledger, A, items=[(0, d), (1, d)]))
        attested("a position behind the list", lambda ledger, _: by(ledger, A, items=[(131_072, d)]))
        attested("valid from after until", lambda ledger, _: by(ledger, A, times=b"\1" + u64(2) + b"\1" + u64(2)))
        attested("an achievement that is none", lambda ledger, _: by(ledger, A, what=b"\1" + text("none")))
        attested("a list that is not there", lambda ledger, _: by(ledger, A, list_=2), "status")
        attested("a list without bound", lambda ledger, _: by(ledger, A, list_=2**64 - 1), "status")
        ledger = self.attested(record=lambda ledger, _: by(ledger, A, times=b"\1" + u64(1) + b"\1" + u64(2),
                                                           what=b"\1" + text("urn:x")))
        self.case("an Issue with times", self.of("valid", ledger=ledger), "accepted", ledger=ledger)
        ledger = self.attested(bits=0)
        ledger.entries.reverse()
        ledger.block(lambda: ledger.open_list(B))
        self.refused("entries of two issuers", self.of("valid", ledger=ledger), "issue", ledger=ledger)
        self.places()

    def issue_body(self, list_=0, items=None, times=b"\0\0", what=b"\0"):
        items = [(0, DIGESTS["valid"])] if items is None else items
        return what + u64(list_) + times + sequence([u32(index) + one for index, one in items])

    def places(self):
        """Seals that are not those of their records."""
        blocks = self.ledger.blocks

        def moved(name, receipt, code="wrong_seal", **more):
            receipt["credentials"][0].update(more)
            self.refused(name, self.leaves(receipt), code)

        moved("issued in a later block", self.of("revoked"), issueSeal=blocks[3].index)
        moved("issued in an earlier block", self.of("revoked"), issueSeal=blocks[1].index)
        moved("made so in a later block", self.of("revoked"), statusSeal=blocks[4].index)
        moved("made so in an earlier block", self.of("revoked"), statusSeal=blocks[2].index)
        receipt = self.of("suspended", at=blocks[2].time)
        moved("made so behind the as-of seal", receipt,
              status=blocks[2].index + 1, statusSeal=blocks[3].index)
        receipt = self.of("revoked")
        one = receipt["credentials"][0]
        moved("made so by its own Issue", receipt, status=one["issue"], statusSeal=one["issueSeal"])

    def statuses(self):
        def chunk(name, change, *names):
            receipt = self.of(*(names or ("revoked",)))
            change(receipt["chunks"])
            self.refused(name, receipt, "status")

        other = self.ledger.chunk(self.ledger.blocks[-1], 1, 2)
        old = self.ledger.chunk(self.ledger.blocks[2], 0, 2)
        chunk("an empty chunk", lambda chunks: chunks[0].update(bits=b64(bytes(32))))
        chunk("of another list", lambda chunks: chunks[0].update(bits=other["bits"], path=other["path"]))
        chunk("as another list's", lambda chunks: chunks[0].update(**other))
        chunk("of an earlier seal", lambda chunks: chunks[0].update(**old))
        chunk("of another place", lambda chunks: chunks[0].update(chunk=9))
        chunk("left out", lambda chunks: chunks.clear())
        chunk("with another path", lambda chunks: chunks[0]["path"].reverse())

        def record(name, receipt, **more):
            self.refused(name, receipt, "status_record", **more)

        receipt = self.of("revoked")
        for key in ("status", "statusSeal"):
            del receipt["credentials"][0][key]
        record("none, though revoked", self.leaves(receipt))
        receipt = self.of("valid")
        revoked = self.of("revoked")["credentials"][0]
        receipt["credentials"][0].update(status=revoked["status"], statusSeal=revoked["statusSeal"])
        record("one, though valid", self.leaves(receipt))
        receipt = self.of("suspended")
        receipt["credentials"][0].update(status=revoked["status"], statusSeal=revoked["statusSeal"])
        record("a Revoke, though suspended", self.leaves(receipt))
        suspended = self.of("suspended")["credentials"][0]
        receipt = self.of("both")
        receipt["credentials"][0].update(status=suspended["status"], statusSeal=suspended["statusSeal"])
        record("a Suspend, though revoked", self.leaves(receipt))
        both = self.of("both")["credentials"][0]
        receipt = self.of("revoked")
        receipt["credentials"][0].update(status=both["status"], statusSeal=both["statusSeal"])
        record("about another credential", self.leaves(receipt))
        self.attested_statuses()

    def attested_statuses(self):
        d = DIGESTS["valid"]

        def attested(name, kind, body, code="status_record", bits=None):
            ledger = self.attested(
                status=lambda ledger, _: ledger.record(ledger.issuers[A][1], ledger.issuers[A][1].key, kind, body),
                bits=bits,
            )
            receipt = self.of("valid", ledger=ledger)
            if code:
                self.refused(name, receipt, code, ledger=ledger)
            else:
                self.case(name, receipt, "accepted", ledger=ledger)

        one = sequence([d])
        attested("about another issuer", REVOKE, text(B) + one + u32(0))
        attested("of another digest", REVOKE, text(A) + sequence([digest("x")]) + u32(0))
        attested("superseding another", SUPERSEDE, text(A) + digest("x") + d + u32(0))
        attested("superseded by itself", SUPERSEDE, text(A) + d + d + u32(0))
        attested("a reason of none", REVOKE, text(A) + one + u32(8))
        attested("digests out of order", REVOKE, text(A) + sequence([b"\xff" * 32, d]) + u32(0))
        attested("a Reinstate", REINSTATE, text(A) + bytes(32) + one + u32(0))
        attested("an Issue", 10, self.issue_body())
        attested("revoked by a Revoke of two", REVOKE, text(A) + sequence(sorted([d, bytes(32)])) + u32(7), None)
        attested("suspended by a Revoke", REVOKE, text(A) + one + u32(0), bits=2)
        attested("suspended by a Suspend", SUSPEND, text(A) + one + u32(0), None, bits=2)
        attested("revoked and suspended by a Revoke", REVOKE, text(A) + one + u32(0), None, bits=3)
        attested("revoked and suspended by a Suspend", SUSPEND, text(A) + one + u32(0), bits=3)
        attested("valid by bits", REVOKE, text(A) + one + u32(0), bits=0)
        attested("another's bits", REVOKE, text(A) + one + u32(0), bits=4)
        ledger = self.attested(status=lambda _, leaf: leaf[:2] + bytes(32) + leaf[34:])
        self.refused("of another ledger", self.of("valid", ledger=ledger), "status_record", ledger=ledger)


# --- Signatures and keys that need their arithmetic --------------------------------------------

BASE = decompressed((4 * pow(5, -1, formats.P) % formats.P).to_bytes(32, "little"))


def times(scalar, point):
    sum_ = (0, 1, 1, 0)
    for bit in bin(scalar)[2:]:
        sum_ = added(sum_, sum_)
        sum_ = added(sum_, point) if bit == "1" else sum_
    return sum_


def compressed(point):
    inverse = pow(point[2], -1, formats.P)
    x, y = point[0] * inverse % formats.P, point[1] * inverse % formats.P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def off_by_torsion(key, message):
    """A signature that holds for eight times both sides of the equation, and not for the sides."""
    low = bytearray(hashlib.sha512(key.secret.private_bytes_raw()).digest()[:32])
    low[0] &= 248
    low[31] = low[31] & 127 | 64
    secret, r = int.from_bytes(low, "little"), 12_345
    small = filter(None, map(decompressed, sorted(formats.SMALL_ORDER)))
    eighth = next(one for one in small if times(4, one)[0] != 0 or times(4, one)[1] != times(4, one)[2])
    shown = compressed(added(times(r, BASE), eighth))
    k = int.from_bytes(hashlib.sha512(shown + key.public + message).digest(), "little") % ORDER
    return shown + ((r + k * secret) % ORDER).to_bytes(32, "little")


def p256_key():
    key = ec.derive_private_key(12_345, ec.SECP256R1()).public_key()
    return b"\x80\x24" + key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def rsa_key(bits):
    modulus = b"\0" + (1 << bits - 1 | 1).to_bytes(bits // 8, "big")
    inner = b"\x02\x82" + struct.pack(">H", len(modulus)) + modulus + b"\x02\x03\x01\x00\x01"
    return b"\x85\x24\x30\x82" + struct.pack(">H", len(inner)) + inner


# --- As a file ---------------------------------------------------------------------------------


def as_file():
    """All cases as JSON; a text that several of them share stands once."""
    texts = {}

    def number(value):
        return None if value is None else texts.setdefault(value, len(texts))

    cases = []
    for row in Cases().all():
        receipt = number(base64.b64encode(row.pop("receipt")).decode())
        row.update(receipt=receipt, genesis=number(row["genesis"]), trust=number(row["trust"]))
        cases.append({name: value for name, value in row.items() if value is not None})
    return {"texts": list(texts), "cases": cases}


def main():
    data = json.dumps(as_file(), separators=(",", ":")).encode()
    with open(sys.argv[1], "wb") as file:
        file.write(gzip.compress(data, 9, mtime=0))


if __name__ == "__main__":
    main()
