//! One example of every wire type, frozen: docs/api.md shows these files, and a change of
//! the wire shows here first. `CREDLOG_GOLDEN=write` writes them anew.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests fail the test

use std::fmt::Debug;
use std::path::PathBuf;

use credlog_api::block::{BlockBrief, BlockRecord, BlockView};
use credlog_api::event::{Event, EventKind, WebhookMessage};
use credlog_api::governance::{EvidenceView, ProposalView, ProposalsView};
use credlog_api::issuer::{
    IssuerBrief, IssuerView, StatusListView, USED_POSITIONS_BYTES, UsedPositions,
};
use credlog_api::ledger::{
    AttestedView, LedgerView, MemberBrief, MemberKeysView, MemberView, MembersView, NodeRole,
};
use credlog_api::{
    Page, Problem, ProblemType, RecordOutcome, RecordView, SubmitOutcomes, Time, VerifyRequest,
};
use credlog_ledger::body::{Achievement, Action, Body, Purposes, Reason, Scope, StatusChange};
use credlog_ledger::evidence::{Equivocation, SignedVote};
use credlog_ledger::ids::{
    Digest, Height, IssuerId, IssuerNumber, LeafIndex, LedgerId, ListNumber, Origin, RecordId,
    Root, Round, StatusIndex, UnixMillis, ValueId,
};
use credlog_ledger::key::{ProvenKey, PublicKey};
use credlog_ledger::member::{Member, MemberKeys, MemberSet, SeatedMember};
use credlog_ledger::parameters::Parameters;
use credlog_ledger::record::{Author, AuthorId, Record};
use credlog_ledger::rejection::Rejection;
use credlog_ledger::rows::{ProposalRow, StatusChangeKind};
use credlog_ledger::seal::{SEAL_VERSION, Seal};
use credlog_ledger::status::Status;
use credlog_ledger::vote::VoteKind;
use credlog_verify::facts::{
    AccreditationFacts, Issuance, IssuerFacts, KeyFacts, Match, PositionFacts, StatusFact,
};
use credlog_verify::prefix::{Crowd, CrowdMember};
use credlog_verify::{DigestOnly, Facts, LedgerPoint, Position, Subject, Verdict, judge};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The value has the golden JSON, and the golden JSON reads back as the value.
fn golden<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, value: &T) {
    let written = serde_json::to_string_pretty(value).unwrap() + "\n";
    if std::env::var("CREDLOG_GOLDEN").as_deref() == Ok("write") {
        std::fs::write(golden_path(name), &written).unwrap();
    }
    let text = golden_text(name);
    assert_eq!(written, text, "{name}");
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), *value, "{name}");
}

fn golden_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn golden_text(name: &str) -> String {
    let path = golden_path(name);
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

fn sealed() -> Time {
    time("2026-11-21T10:00:00Z")
}

fn revoked() -> Time {
    time("2026-11-22T09:30:00.250Z")
}

fn issuer() -> IssuerId {
    "did:key:z6MkrLuTEDM5hr4H9JVnhjoRxuXQmJ88ReNE6fpw9471PaAA"
        .parse()
        .unwrap()
}

/// An Ed25519 key that nobody holds: the same byte 32 times. Only its text matters here.
fn key(byte: u8) -> PublicKey {
    PublicKey::ed25519(&[byte; 32])
}

fn issuer_key() -> PublicKey {
    issuer().as_str()["did:key:".len()..].parse().unwrap()
}

fn record_id(byte: u8) -> RecordId {
    RecordId([byte; 32])
}

fn origin() -> Origin {
    "ledger.example/2026".parse().unwrap()
}

fn point() -> LedgerPoint {
    LedgerPoint {
        origin: origin(),
        id: LedgerId([0x1d; 32]),
        height: Height(7),
        size: 19,
        as_of: revoked(),
    }
}

fn accreditation() -> AccreditationFacts {
    AccreditationFacts {
        member: "university-a".parse().unwrap(),
        scope: Scope::Achievements(vec!["urn:uuid:statistics-1".parse().unwrap()]),
        since: time("2026-11-20T08:00:00Z"),
        until: Some(time("2030-01-01T00:00:00Z")),
        withdrawn_from: None,
        withdrawal_reason: None,
        granted_by: record_id(0xac),
    }
}

fn issuer_facts() -> IssuerFacts {
    IssuerFacts {
        id: issuer(),
        number: IssuerNumber(0),
        name: "University A".parse().unwrap(),
        url: Some("https://university-a.example".parse().unwrap()),
        keys: vec![KeyFacts {
            id: issuer_key().id(),
            key: issuer_key(),
            purposes: Purposes {
                record: true,
                assertion: true,
            },
            since: time("2026-11-20T08:00:00Z"),
            retired: None,
            compromised_since: None,
        }],
        recovery: key(2),
        accreditations: vec![accreditation()],
        pending_replacement: None,
    }
}

fn revocation() -> StatusFact {
    StatusFact {
        change: StatusChangeKind::Revoked,
        record_id: record_id(0xee),
        leaf_index: LeafIndex(17),
        height: Height(7),
        time: revoked(),
        by: AuthorId::Issuer(issuer()),
        reason: Reason::IssuedInError,
    }
}

fn facts() -> Facts {
    Facts {
        ledger: point().into(),
        digest: Digest([0xd1; 32]),
        issuer: Some(issuer()),
        at: None,
        moment: time("2026-11-23T00:00:00Z"),
        issuers: vec![issuer_facts().into()],
        matches: vec![Match {
            issuer: issuer(),
            issuance: Issuance {
                record_id: record_id(0x15),
                leaf_index: LeafIndex(11),
                height: Height(5),
                time: sealed(),
                list: ListNumber(0),
                index: StatusIndex(77_031),
                achievement: Some("urn:uuid:statistics-1".parse().unwrap()),
                achievement_name: Some("Statistics 1".parse().unwrap()),
                valid_from: None,
                valid_until: Some(time("2036-11-01T00:00:00Z")),
                key: issuer_key().id(),
                accreditation: accreditation().into(),
            },
            history: vec![revocation()],
            history_truncated: false,
        }],
        match_count: 1,
        positions: vec![PositionFacts {
            position: Position {
                list: ListNumber(0),
                index: StatusIndex(77_031),
            },
            issuer: Some(issuer()),
            used: true,
            history: vec![revocation()],
            history_truncated: false,
        }],
        node_urls: vec!["https://ledger.university-a.example".parse().unwrap()].into(),
    }
}

fn record() -> Record {
    Record::sign(
        LedgerId([0x1d; 32]),
        AuthorId::Issuer(issuer()),
        [7; 16],
        UnixMillis(1_795_340_000_000),
        Body::Revoke(StatusChange {
            issuer: issuer(),
            digests: vec![Digest([0xd1; 32])],
            reason: Reason::IssuedInError,
        }),
        &ed25519_dalek::SigningKey::from_bytes(&[7; 32]),
    )
    .unwrap()
}

#[test]
fn ledger_and_members() {
    golden(
        "ledger.json",
        &LedgerView {
            origin: origin(),
            ledger_id: LedgerId([0x1d; 32]),
            height: Height(7),
            size: 19,
            root: Root([0x40; 32]),
            time: revoked(),
            as_of: revoked(),
            attested: Some(AttestedView {
                size: 19,
                height: Height(7),
                as_of: time("2026-11-22T09:30:31Z"),
                age_seconds: 12,
                cosigners: vec!["university-a".parse().unwrap()],
                quorum: 1,
            }),
            role: NodeRole::Member,
            peers: 3,
            syncing: false,
            members: vec![MemberBrief {
                id: "university-a".parse().unwrap(),
                name: "University A".parse().unwrap(),
                url: Some("https://ledger.university-a.example".parse().unwrap()),
            }],
            issuers: 1,
            status_lists: 1,
            parameters: Parameters::default(),
            version: "0.1.0".to_owned(),
        },
    );
    golden(
        "members.json",
        &MembersView {
            height: Height(7),
            quorum: 1,
            members: vec![MemberView {
                id: "university-a".parse().unwrap(),
                name: "University A".parse().unwrap(),
                url: Some("https://ledger.university-a.example".parse().unwrap()),
                addresses: vec!["/ip4/192.0.2.1/tcp/4001".parse().unwrap()],
                keys: MemberKeysView {
                    governance: key(3),
                    consensus: key(4),
                    cosigner: key(5),
                    node: key(6),
                },
                cosigner_name: "ledger.example/2026/university-a/0".to_owned(),
            }],
        },
    );
}

/// A member whose keys nobody holds.
fn member(id: &str, byte: u8) -> Member {
    let proven = |key_byte| ProvenKey {
        key: key(key_byte),
        possession: vec![key_byte; 64],
    };
    Member {
        id: id.parse().unwrap(),
        name: "University B".parse().unwrap(),
        keys: MemberKeys {
            governance: proven(byte),
            consensus: proven(byte + 1),
            cosigner: proven(byte + 2),
            node: proven(byte + 3),
        },
        addresses: vec!["/dns/node.university-b.example/tcp/7701".parse().unwrap()],
        url: None,
    }
}

#[test]
fn proposals_and_evidence() {
    let seat = |id: &str, byte| SeatedMember {
        member: member(id, byte),
        cosigner_number: 0,
    };
    let members = MemberSet::new(vec![seat("university-a", 3), seat("university-c", 13)]);
    let row = ProposalRow {
        proposer: "university-a".parse().unwrap(),
        action: Action::AddMember {
            member: member("university-b", 7),
        },
        time: sealed().into(),
        approvals: vec![
            ("university-a".parse().unwrap(), record_id(0xa1)),
            ("university-z".parse().unwrap(), record_id(0xa2)),
        ],
        closed: None,
    };
    let proposal = ProposalView::new(record_id(0xb0), row, &members);
    assert_eq!((members.quorum(), proposal.missing), (2, 1));
    golden(
        "proposals.json",
        &ProposalsView {
            height: Height(7),
            quorum: members.quorum(),
            proposals: vec![proposal],
        },
    );
    let vote = |value| SignedVote {
        value,
        signature: [9; 64],
    };
    let votes = [vote(Some(ValueId([0x77; 32]))), vote(None)];
    let position = (Height(7), Round(0));
    let (member, kind) = ("university-a".parse().unwrap(), VoteKind::Precommit);
    golden(
        "evidence.json",
        &EvidenceView {
            evidence: vec![Equivocation::votes(member, key(4), kind, position, votes).unwrap()],
        },
    );
}

#[test]
fn records() {
    let problem = Problem::rejection(&Rejection::IndexTaken {
        list: ListNumber(0),
        index: StatusIndex(17),
    });
    golden(
        "submit-outcomes.json",
        &SubmitOutcomes {
            results: vec![
                RecordOutcome::Committed {
                    record_id: record_id(1),
                    leaf_index: LeafIndex(11),
                    height: Height(5),
                    time: sealed(),
                },
                RecordOutcome::Accepted {
                    record_id: record_id(2),
                },
                RecordOutcome::Refused {
                    record_id: Some(record_id(3)),
                    problem,
                },
            ],
        },
    );
    golden(
        "record.json",
        &RecordView {
            record_id: record_id(0xee),
            leaf_index: LeafIndex(17),
            height: Height(7),
            time: revoked(),
            kind: "revoke".to_owned(),
            record: record(),
        },
    );
    golden(
        "problem.json",
        &Problem::new(
            ProblemType::MEMPOOL_FULL,
            "100,000 records are waiting; send it again in 2 s",
        )
        .retry_after(2)
        .at_path("/v1/records"),
    );
}

#[test]
fn credentials_and_verdicts() {
    golden("facts.json", &facts());
    let subject = Subject::Digest(DigestOnly::ProofUnchecked);
    let now = time("2026-11-23T00:00:00Z").into();
    let verdict: Verdict = judge(&subject, &facts(), now).unwrap();
    golden("verdict.json", &verdict);
}

#[test]
fn requests_to_verify() {
    for name in ["verify-digest.json", "verify-credential.json"] {
        let text = golden_text(name);
        let request = VerifyRequest::parse(text.as_bytes(), None).unwrap();
        let written = serde_json::to_string_pretty(&request.to_json()).unwrap() + "\n";
        assert_eq!(written, text, "{name}");
    }
}

#[test]
fn issuers_and_lists() {
    golden(
        "issuers.json",
        &Page {
            items: vec![IssuerBrief::new(&issuer_facts(), sealed())],
            next: Some(0),
        },
    );
    golden(
        "issuer.json",
        &IssuerView {
            issuer: issuer_facts(),
            achievement_count: 1,
            lists: vec![ListNumber(0)],
            as_of: revoked(),
        },
    );
    golden(
        "achievements.json",
        &Page {
            items: vec![Achievement {
                id: "urn:uuid:statistics-1".parse().unwrap(),
                definition: Digest([0xde; 32]),
                name: "Statistics 1".parse().unwrap(),
                alignments: vec!["http://data.europa.eu/esco/skill/x".parse().unwrap()],
                prerequisites: Vec::new(),
            }],
            next: None,
        },
    );
    let mut used = vec![0; USED_POSITIONS_BYTES];
    used[0] = 0b11;
    let view = StatusListView {
        list: ListNumber(0),
        issuer: issuer(),
        capacity: 131_072,
        used: 2,
        used_positions: UsedPositions::try_from(used).unwrap(),
        as_of: revoked(),
    };
    golden("status-list.json", &view);
}

#[test]
fn crowd() {
    let one = |byte: u8, status, since| CrowdMember {
        digest: Digest([byte; 32]),
        issuer: issuer(),
        status,
        since,
        list: ListNumber(0),
        index: StatusIndex(byte.into()),
    };
    let crowd = Crowd {
        ledger: point(),
        prefix: "d".parse().unwrap(),
        credentials: vec![
            one(0xd0, Status::Revoked, revoked()),
            one(0xd1, Status::Valid, sealed()),
        ],
        next: Some(Digest([0xd1; 32])),
    };
    golden("crowd.json", &crowd);
}

#[test]
fn event() {
    let event = Event {
        id: "17.0".parse().unwrap(),
        event: EventKind::Superseded,
        digest: Digest([0xd1; 32]),
        issuer: issuer(),
        list: ListNumber(0),
        index: StatusIndex(17),
        record_id: record_id(0xee),
        leaf_index: LeafIndex(17),
        height: Height(7),
        time: revoked(),
        by: AuthorId::Issuer(issuer()),
        reason: Some(Reason::Superseded),
        superseded_by: Some(Digest([0xd2; 32])),
    };
    golden("event.json", &event);
    golden("webhook.json", &WebhookMessage::new(event));
}

#[test]
fn blocks() {
    let block = BlockBrief {
        height: Height(7),
        time: revoked(),
        round: Round(0),
        proposer: "university-a".parse().unwrap(),
        record_count: 1,
        first_leaf: LeafIndex(17),
        size: 19,
        root: Root([0x40; 32]),
    };
    golden(
        "blocks.json",
        &Page {
            items: vec![block.clone()],
            next: Some(7),
        },
    );
    golden(
        "block.json",
        &BlockView {
            seal: Seal {
                version: SEAL_VERSION,
                height: Height(7),
                time: revoked().into(),
                round: Round(0),
                proposer: "university-a".parse().unwrap(),
                record_count: 1,
                status_root: Root([0x51; 32]),
                status_lists: 1,
                registry_root: Root([0x52; 32]),
                registry_size: 1,
                members_hash: Root([0x53; 32]),
            },
            block,
            records: Page {
                items: vec![BlockRecord {
                    record_id: record_id(0xee),
                    leaf_index: LeafIndex(17),
                    kind: "revoke".to_owned(),
                    author: Author {
                        id: AuthorId::Issuer(issuer()),
                        key: issuer_key().id(),
                    },
                }],
                next: None,
            },
        },
    );
}
