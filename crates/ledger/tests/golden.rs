//! Frozen vectors: what is hashed and signed must not change by accident.
//!
//! `golden/make.py` wrote them from docs/formats.md, apart from this crate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/mod.rs"]
mod support;

use credlog_ledger::block::Block;
use credlog_ledger::body::{Achievement, Action, Body, Issue, Item, Reason, Scope};
use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::{Digest, ListNumber, RecordId, StatusIndex, UnixMillis};
use credlog_ledger::key::{Role, possession_statement};
use credlog_ledger::parameters::Parameter;
use credlog_ledger::record::EncodedRecord;
use credlog_ledger::seal::Seal;
use serde_json::Value;
use support::{
    ASSERTION, BOTH, FOUNDED, TestLedger, accreditation, achievement, by_issuer, by_member, change,
    digest, digests, issue, issuer_id, key, member, member_id, new_key, origin, public,
    registration, status_change,
};

fn vectors() -> Value {
    serde_json::from_str(include_str!("golden/vectors.json")).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    hex::decode(text(value, name)).unwrap()
}

#[test]
fn genesis_and_ledger_id() {
    let vectors = vectors();
    let genesis = Genesis::parse(vectors["genesis"].to_string().as_bytes()).unwrap();
    assert_eq!(genesis, support::genesis(2, Default::default()));
    assert_eq!(
        genesis.ledger_id().unwrap().to_string(),
        text(&vectors, "ledgerId")
    );
    let hash = genesis.member_set().hash().unwrap();
    assert_eq!(hash.to_string(), text(&vectors, "memberSetHash"));
    let empty = TestLedger::new(2).state().head().unwrap();
    assert_eq!(empty.root.to_string(), text(&vectors, "emptyRoot"));
    assert_eq!(empty.status_root, empty.registry_root);
}

#[test]
fn keys_and_possession() {
    let vectors = vectors();
    let record = public(&key("a/record"));
    assert_eq!(record.to_string(), text(&vectors["key"], "multikey"));
    assert_eq!(record.id().to_string(), text(&vectors["key"], "id"));
    let proven = member("m0", 0).keys.node;
    let statement = possession_statement(&origin(), Role::Node, "m0", &proven.key);
    assert_eq!(statement, bytes(&vectors["possession"], "statement"));
    assert_eq!(
        proven.possession,
        bytes(&vectors["possession"], "signature")
    );
}

fn actions() -> Vec<(&'static str, Action)> {
    vec![
        (
            "addMember",
            Action::AddMember {
                member: member("m2", 0),
            },
        ),
        (
            "removeMember",
            Action::RemoveMember {
                member: member_id(1),
                transfer_to: Some(member_id(0)),
            },
        ),
        (
            "replaceMemberKeys",
            Action::ReplaceMemberKeys {
                member: member("m1", 1),
            },
        ),
        (
            "transferAccreditations",
            Action::TransferAccreditations {
                from: member_id(0),
                to: member_id(1),
            },
        ),
        (
            "withdrawAccreditation",
            Action::WithdrawAccreditation {
                member: member_id(0),
                issuer: issuer_id("a"),
                from: UnixMillis(FOUNDED),
                reason: Reason::Other,
            },
        ),
        (
            "setParameter",
            Action::SetParameter {
                parameter: Parameter::RegistryEntryBytes(20_000),
            },
        ),
    ]
}

fn bodies() -> Vec<(String, Body)> {
    let id = |n: u8| RecordId([n; 32]);
    let issuer = issuer_id("a");
    let founded = UnixMillis(FOUNDED);
    let item = |index, number| Item {
        index: StatusIndex(index),
        digest: digest(number),
    };
    let proposals = actions()
        .into_iter()
        .map(|(name, action)| (format!("propose {name}"), Body::Propose { action }));
    let others = [
        Body::Approve { proposal: id(1) },
        Body::Retract { record: id(2) },
        Body::AmendAccreditation {
            issuer: issuer.clone(),
            scope: Scope::Achievements(vec![achievement("x"), achievement("y")]),
            until: Some(founded),
        },
        Body::WithdrawAccreditation {
            issuer: issuer.clone(),
            from: founded,
            reason: Reason::Other,
        },
        Body::ReplaceIssuerKeys {
            issuer: issuer.clone(),
            change: change(vec![new_key("a", "a/2", BOTH)], &["a/record"], None),
        },
        Body::RotateKeys(change(
            vec![new_key("a", "a/3", ASSERTION)],
            &["a/record", "a/2"],
            Some(FOUNDED),
        )),
        Body::DefineAchievement(Achievement {
            id: achievement("x"),
            definition: Digest([3; 32]),
            name: "Name".parse().unwrap(),
            alignments: vec![achievement("p")],
            prerequisites: vec![achievement("q"), achievement("r")],
        }),
        Body::OpenStatusList {},
        Body::Issue(Issue {
            achievement: Some(achievement("x")),
            list: ListNumber(7),
            valid_from: Some(founded),
            valid_until: Some(founded.plus(1)),
            items: vec![item(0, 1), item(131_071, 0)],
        }),
        Body::Revoke(status_change("a", &[1, 2])),
        Body::Suspend(status_change("a", &[3])),
        Body::Reinstate {
            issuer: issuer.clone(),
            suspension: id(1),
            digests: digests(&[3]),
            reason: Reason::Other,
        },
        Body::Supersede {
            issuer,
            old: digest(1),
            new: digest(2),
            reason: Reason::Superseded,
        },
    ];
    let others = others
        .into_iter()
        .map(|body| (body.kind().to_owned(), body));
    proposals.chain(others).collect()
}

fn records() -> Vec<(String, EncodedRecord)> {
    let mut ledger = TestLedger::new(2);
    let mut records = Vec::new();
    let mut issuers = false;
    for (name, body) in bodies() {
        issuers |= matches!(body, Body::RotateKeys(_));
        let signer = if issuers {
            by_issuer("a")
        } else {
            by_member(0)
        };
        records.push((name, ledger.sign(&signer, body)));
    }
    let mut first = accreditation("a", Some(registration("a")));
    first.scope = Scope::Achievements(vec![achievement("x")]);
    first.until = Some(UnixMillis(FOUNDED + 2));
    records.push((
        "accredit first".to_owned(),
        ledger.accredit_as(0, "a", first),
    ));
    records.push((
        "accredit further".to_owned(),
        ledger.accredit(0, "a", false),
    ));
    records
}

#[test]
fn records_of_every_kind() {
    let vectors = vectors();
    let records = records();
    assert_eq!(vectors["records"].as_array().unwrap().len(), records.len());
    let kinds: std::collections::BTreeSet<_> = records
        .iter()
        .map(|(_, record)| record.record().body.kind())
        .collect();
    assert_eq!(kinds.len(), 15);
    for (vector, (name, record)) in vectors["records"].as_array().unwrap().iter().zip(records) {
        assert_eq!(text(vector, "name"), name);
        assert_eq!(hex::encode(record.bytes()), text(vector, "bytes"), "{name}");
        assert_eq!(record.id().to_string(), text(vector, "id"), "{name}");
        assert_eq!(EncodedRecord::decode(&bytes(vector, "bytes")), Ok(record));
    }
}

#[test]
fn a_small_history() {
    let vectors = vectors();
    let mut ledger = TestLedger::new(2);
    ledger.register(0, "a");
    ledger.seal_one(&by_issuer("a"), Body::OpenStatusList {});
    ledger.seal_one(
        &by_issuer("a"),
        issue(0, &[(0, 0), (1, 1), (2, 2), (130, 3)]),
    );
    let changes = [
        Body::Revoke(status_change("a", &[1, 3])),
        Body::Suspend(status_change("a", &[2])),
    ];
    let changes = changes.map(|body| ledger.sign(&by_issuer("a"), body));
    ledger.seal(changes.to_vec());
    let history = vectors["history"].as_array().unwrap();
    assert_eq!(history.len(), ledger.blocks.len());
    for (vector, executed) in history.iter().zip(&ledger.blocks) {
        assert_eq!(hex::encode(&executed.block), text(vector, "block"));
        let seal = Seal::from_leaf(&bytes(vector, "sealLeaf")).unwrap();
        assert_eq!(seal, executed.seal);
        assert_eq!(executed.size.0, vector["size"].as_u64().unwrap());
        assert_eq!(hex::encode(executed.root.0), text(vector, "root"));
        let block = Block::from_bytes(&bytes(vector, "block")).unwrap();
        assert_eq!(block.seal, seal);
    }
    let head = ledger.state().head().unwrap();
    assert_eq!(head.status_root.to_string(), text(&vectors, "statusRoot"));
    let (_, entry) = ledger
        .state()
        .find_issuer(&issuer_id("a"))
        .unwrap()
        .unwrap();
    let entry = credlog_ledger::codec::encode("entry", &entry, 1 << 15).unwrap();
    assert_eq!(hex::encode(entry), text(&vectors, "registryEntry"));
    let chunk = ledger.state().chunk(ListNumber(0), 0).unwrap();
    let leaf = chunk.leaf(ListNumber(0), 0);
    assert_eq!(hex::encode(leaf), text(&vectors, "statusLeaf"));
}
