//! A ledger in which every kind of record and every action of governance has happened.

use credlog_ledger::body::{Achievement, Action, Body, Reason, Scope};
use credlog_ledger::ids::{Height, ListNumber, RecordId, UnixMillis};
use credlog_ledger::member::MemberSet;
use credlog_ledger::parameters::Parameter;

use crate::support::{
    BOTH, DAY, RECORD, Signer, TestLedger, achievement, by_issuer, by_member, by_recovery, change,
    digest, digests, issue, issue_of, issuer_id, key, member, member_id, new_key, status_change,
};

/// Records of the fill that share a block.
const BLOCK_RECORDS: usize = 400;

/// A ledger, with the members in force for each height.
pub(crate) struct Chronicle {
    pub(crate) ledger: TestLedger,
    /// The set that decides height 1, 2, …, and the one after the newest.
    pub(crate) sets: Vec<MemberSet>,
}

impl Chronicle {
    /// All kinds of records, and then single credentials until there are `records`.
    pub(crate) fn write(records: usize) -> Self {
        let mut ledger = TestLedger::new(4);
        issuers(&mut ledger);
        governance(&mut ledger);
        credentials(&mut ledger);
        fill(&mut ledger, records);
        let state = ledger.state();
        let heights = 0..=ledger.blocks.len() as u64;
        let set = |height| state.members_at(Height(height)).unwrap().unwrap();
        let sets = heights.map(set).collect();
        Self { ledger, sets }
    }

    /// How many records it has.
    pub(crate) fn records(&self) -> usize {
        self.ledger
            .blocks
            .iter()
            .map(|block| block.records.len())
            .sum()
    }
}

fn issuers(ledger: &mut TestLedger) {
    ledger.register(0, "a");
    ledger.register(1, "b");
    ledger.register(3, "c");
    ledger.register(3, "d");
    for issuer in ["a", "b"] {
        ledger.seal_one(&by_issuer(issuer), Body::OpenStatusList {});
    }
    let definition = Achievement {
        id: achievement("statistics"),
        definition: digest(1_000_000),
        name: "Statistics".parse().unwrap(),
        alignments: vec![achievement("mathematics")],
        prerequisites: Vec::new(),
    };
    ledger.seal_one(&by_issuer("a"), Body::DefineAchievement(definition));
    let amended = Body::AmendAccreditation {
        issuer: issuer_id("a"),
        scope: Scope::All,
        until: Some(UnixMillis(ledger.now + 4_000 * DAY)),
    };
    ledger.seal_one(&by_member(0), amended);
    let second = ledger.accredit(2, "a", false);
    ledger.seal(vec![second]);
    let withdrawn = Body::WithdrawAccreditation {
        issuer: issuer_id("a"),
        from: UnixMillis(ledger.now),
        reason: Reason::Other,
    };
    ledger.seal_one(&by_member(2), withdrawn);
    let rotated = change(vec![new_key("a", "a/second", BOTH)], &[], None);
    ledger.seal_one(&by_issuer("a"), Body::RotateKeys(rotated));
    let replaced = Body::ReplaceIssuerKeys {
        issuer: issuer_id("b"),
        change: change(vec![new_key("b", "b/second", RECORD)], &["b/record"], None),
    };
    ledger.seal_one(&by_member(1), replaced);
    let cancelled = change(Vec::new(), &[], None);
    ledger.seal_one(&by_recovery("b"), Body::RotateKeys(cancelled));
}

/// A decision in one block: proposed and approved by these members, with their present keys.
fn decide(ledger: &mut TestLedger, action: Action, by: &[Signer]) {
    let proposal = ledger.seal_one(&by[0], Body::Propose { action });
    for signer in by {
        ledger.seal_one(signer, Body::Approve { proposal });
    }
}

fn governance(ledger: &mut TestLedger) {
    let [m0, m2, m3] = [0, 2, 3].map(by_member);
    let three = [m0.clone(), m2.clone(), m3.clone()];
    let parameter = Parameter::OpenProposalsPerMember(20);
    decide(ledger, Action::SetParameter { parameter }, &three);
    let taken_back = Action::SetParameter { parameter };
    let record = ledger.seal_one(&m0, Body::Propose { action: taken_back });
    ledger.seal_one(&m0, Body::Retract { record });
    let member = member("m4", 0);
    decide(ledger, Action::AddMember { member }, &three);
    let member = crate::support::member("m1", 1);
    let four = [m0.clone(), m2.clone(), m3.clone(), by_member(4)];
    decide(ledger, Action::ReplaceMemberKeys { member }, &four);
    let withdrawn = Action::WithdrawAccreditation {
        member: member_id(3),
        issuer: issuer_id("c"),
        from: UnixMillis(ledger.now),
        reason: Reason::Other,
    };
    decide(ledger, withdrawn, &four);
    let transferred = Action::TransferAccreditations {
        from: member_id(3),
        to: member_id(4),
    };
    decide(ledger, transferred, &four);
    let renewed = Signer {
        key: key("m1/1/governance"),
        ..by_member(1)
    };
    let removed = Action::RemoveMember {
        member: member_id(3),
        transfer_to: None,
    };
    decide(ledger, removed, &[m0, m2, renewed, by_member(4)]);
}

fn credentials(ledger: &mut TestLedger) {
    let a = by_issuer("a");
    let first: Vec<_> = (0..8).map(|n| (n, u64::from(n))).collect();
    ledger.seal_one(&a, issue_of(Some(achievement("statistics")), 0, &first));
    ledger.seal_one(&by_issuer("b"), issue(1, &[(7, 0), (9, 50)]));
    ledger.seal_one(&a, Body::Revoke(status_change("a", &[0, 7])));
    let suspension: RecordId =
        ledger.seal_one(&by_member(0), Body::Suspend(status_change("a", &[1, 2])));
    let reinstated = Body::Reinstate {
        issuer: issuer_id("a"),
        suspension,
        digests: digests(&[1]),
        reason: Reason::Unspecified,
    };
    ledger.seal_one(&a, reinstated);
    let superseded = Body::Supersede {
        issuer: issuer_id("a"),
        old: digest(3),
        new: digest(4),
        reason: Reason::Superseded,
    };
    ledger.seal_one(&a, superseded);
    assert!(ledger.state().list(ListNumber(1)).unwrap().is_some());
}

fn fill(ledger: &mut TestLedger, records: usize) {
    let standing: usize = ledger.blocks.iter().map(|block| block.records.len()).sum();
    let numbers: Vec<u32> = (100..).take(records.saturating_sub(standing)).collect();
    for block in numbers.chunks(BLOCK_RECORDS) {
        let records = block
            .iter()
            .map(|&number| ledger.sign(&by_issuer("a"), issue(0, &[(number, number.into())])));
        let records = records.collect();
        ledger.seal(records);
    }
}
