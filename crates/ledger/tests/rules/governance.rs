//! R9: proposals, approvals, and what they do.

use credlog_ledger::body::{Action, Body, Reason};
use credlog_ledger::ids::{RecordId, UnixMillis};
use credlog_ledger::parameters::{Parameter, Parameters};
use credlog_ledger::rejection::Rule::R9;

use crate::support::{
    DAY, TestLedger, by_issuer, by_member, issue, issuer_id, key, member, member_id, status_change,
};
use crate::{Attempt, Case, run};

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: R9,
        code: "unknown-proposal",
        make: approve_nothing,
    },
    Case {
        rule: R9,
        code: "unknown-proposal",
        make: approve_what_was_executed,
    },
    Case {
        rule: R9,
        code: "unknown-proposal",
        make: approve_what_was_retracted,
    },
    Case {
        rule: R9,
        code: "unknown-proposal",
        make: retract_anothers_proposal,
    },
    Case {
        rule: R9,
        code: "unknown-proposal",
        make: retract_anothers_approval,
    },
    Case {
        rule: R9,
        code: "unknown-proposal",
        make: retract_an_approval_twice,
    },
    Case {
        rule: R9,
        code: "proposal-expired",
        make: approve_too_late,
    },
    Case {
        rule: R9,
        code: "approved-already",
        make: approve_twice,
    },
    Case {
        rule: R9,
        code: "members-changed",
        make: two_changes_in_a_block,
    },
    Case {
        rule: R9,
        code: "action-impossible",
        make: add_a_member_twice,
    },
    Case {
        rule: R9,
        code: "action-impossible",
        make: former_member_comes_back,
    },
    Case {
        rule: R9,
        code: "action-impossible",
        make: replace_keys_of_nobody,
    },
    Case {
        rule: R9,
        code: "action-impossible",
        make: remove_nobody,
    },
    Case {
        rule: R9,
        code: "action-impossible",
        make: remove_the_last_member,
    },
    Case {
        rule: R9,
        code: "action-impossible",
        make: transfer_to_itself,
    },
    Case {
        rule: R9,
        code: "action-impossible",
        make: transfer_to_one_who_accredits_too,
    },
];

#[test]
fn r9_governance() {
    run(CASES);
}

/// Four members: three approvals are more than two thirds.
fn four() -> TestLedger {
    TestLedger::small_with(4, Parameters::default())
}

fn parameter(value: u32) -> Action {
    Action::SetParameter {
        parameter: Parameter::RecordsPerBlock(value),
    }
}

fn propose(action: Action) -> Body {
    Body::Propose { action }
}

fn approve(proposal: RecordId) -> Body {
    Body::Approve { proposal }
}

fn retract(record: RecordId) -> Body {
    Body::Retract { record }
}

fn remove(number: usize, to: Option<usize>) -> Action {
    Action::RemoveMember {
        member: member_id(number),
        transfer_to: to.map(member_id),
    }
}

fn approve_nothing() -> (TestLedger, Attempt) {
    let mut ledger = four();
    let proposal = ledger.seal_one(&by_member(0), propose(parameter(9)));
    let bad = ledger.sign(&by_member(1), approve(RecordId([9; 32])));
    let good = ledger.sign(&by_member(1), approve(proposal));
    (ledger, Attempt::new(bad, good))
}

fn approve_what_was_executed() -> (TestLedger, Attempt) {
    let mut ledger = four();
    let done = ledger.govern(parameter(9), 3);
    let open = ledger.seal_one(&by_member(0), propose(parameter(8)));
    let bad = ledger.sign(&by_member(3), approve(done));
    let good = ledger.sign(&by_member(3), approve(open));
    (ledger, Attempt::new(bad, good))
}

fn approve_what_was_retracted() -> (TestLedger, Attempt) {
    let mut ledger = four();
    let gone = ledger.seal_one(&by_member(0), propose(parameter(9)));
    let open = ledger.seal_one(&by_member(0), propose(parameter(9)));
    ledger.seal_one(&by_member(0), retract(gone));
    let bad = ledger.sign(&by_member(1), approve(gone));
    let good = ledger.sign(&by_member(1), approve(open));
    (ledger, Attempt::new(bad, good))
}

fn retract_anothers_proposal() -> (TestLedger, Attempt) {
    let mut ledger = four();
    let proposal = ledger.seal_one(&by_member(0), propose(parameter(9)));
    let bad = ledger.sign(&by_member(1), retract(proposal));
    let good = ledger.sign(&by_member(0), retract(proposal));
    (ledger, Attempt::new(bad, good))
}

fn retract_anothers_approval() -> (TestLedger, Attempt) {
    let mut ledger = four();
    let proposal = ledger.seal_one(&by_member(0), propose(parameter(9)));
    let approval = ledger.seal_one(&by_member(1), approve(proposal));
    let bad = ledger.sign(&by_member(0), retract(approval));
    let good = ledger.sign(&by_member(1), retract(approval));
    (ledger, Attempt::new(bad, good))
}

fn retract_an_approval_twice() -> (TestLedger, Attempt) {
    let mut ledger = four();
    let proposal = ledger.seal_one(&by_member(0), propose(parameter(9)));
    let approval = ledger.seal_one(&by_member(1), approve(proposal));
    ledger.seal_one(&by_member(1), retract(approval));
    let again = ledger.seal_one(&by_member(1), approve(proposal));
    let bad = ledger.sign(&by_member(1), retract(approval));
    let good = ledger.sign(&by_member(1), retract(again));
    (ledger, Attempt::new(bad, good))
}

fn approve_too_late() -> (TestLedger, Attempt) {
    let mut ledger = four();
    let late = ledger.seal_one(&by_member(0), propose(parameter(9)));
    let in_time = ledger.seal_one(&by_member(0), propose(parameter(9)));
    // 30 days after the second proposal, to the millisecond.
    ledger.now += 30 * DAY - 1_000;
    let bad = ledger.sign(&by_member(1), approve(late));
    let good = ledger.sign(&by_member(1), approve(in_time));
    (ledger, Attempt::new(bad, good))
}

fn approve_twice() -> (TestLedger, Attempt) {
    let mut ledger = four();
    let proposal = ledger.seal_one(&by_member(0), propose(parameter(9)));
    ledger.seal_one(&by_member(1), approve(proposal));
    let bad = ledger.sign(&by_member(1), approve(proposal));
    let good = ledger.sign(&by_member(2), approve(proposal));
    (ledger, Attempt::new(bad, good))
}

fn two_changes_in_a_block() -> (TestLedger, Attempt) {
    let mut ledger = four();
    let mut prepared = |id| {
        let member = member(id, 1);
        ledger.govern(Action::ReplaceMemberKeys { member }, 2)
    };
    let (first, second) = (prepared("m2"), prepared("m3"));
    let before = vec![ledger.sign(&by_member(3), approve(first))];
    let record = ledger.sign(&by_member(3), approve(second));
    assert!(ledger.build(vec![record.clone()]).is_ok());
    let (_, rejection) = ledger
        .build([before.clone(), vec![record.clone()]].concat())
        .unwrap_err();
    assert!(rejection.may_pass_later());
    (ledger, Attempt::after(before, &record))
}

/// One proposal that cannot be and one that can.
fn proposes(ledger: TestLedger, bad: Action, good: Action) -> (TestLedger, Attempt) {
    let mut ledger = ledger;
    let bad = ledger.sign(&by_member(0), propose(bad));
    let good = ledger.sign(&by_member(0), propose(good));
    (ledger, Attempt::new(bad, good))
}

fn add_a_member_twice() -> (TestLedger, Attempt) {
    let add = |id| Action::AddMember {
        member: member(id, 1),
    };
    proposes(four(), add("m1"), add("m4"))
}

fn former_member_comes_back() -> (TestLedger, Attempt) {
    let mut ledger = four();
    ledger.govern(remove(3, None), 3);
    let add = |id| Action::AddMember {
        member: member(id, 1),
    };
    proposes(ledger, add("m3"), add("m4"))
}

fn replace_keys_of_nobody() -> (TestLedger, Attempt) {
    let replace = |id| Action::ReplaceMemberKeys {
        member: member(id, 1),
    };
    proposes(four(), replace("m9"), replace("m3"))
}

fn remove_nobody() -> (TestLedger, Attempt) {
    proposes(four(), remove(9, None), remove(3, None))
}

fn remove_the_last_member() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let bad = ledger.seal_one(&by_member(0), propose(remove(0, None)));
    let good = ledger.seal_one(&by_member(0), propose(parameter(9)));
    let bad = ledger.sign(&by_member(0), approve(bad));
    let good = ledger.sign(&by_member(0), approve(good));
    (ledger, Attempt::new(bad, good))
}

fn transfer(from: usize, to: usize) -> Action {
    Action::TransferAccreditations {
        from: member_id(from),
        to: member_id(to),
    }
}

fn transfer_to_itself() -> (TestLedger, Attempt) {
    proposes(four(), transfer(0, 0), transfer(0, 1))
}

fn transfer_to_one_who_accredits_too() -> (TestLedger, Attempt) {
    let mut ledger = four();
    let second = ledger.accredit(1, "a", false);
    ledger.seal(vec![second]);
    let mut prepared = |action| {
        let proposal = ledger.seal_one(&by_member(0), propose(action));
        for number in [0, 1] {
            ledger.seal_one(&by_member(number), approve(proposal));
        }
        proposal
    };
    let (bad, good) = (prepared(transfer(0, 1)), prepared(transfer(0, 2)));
    let bad = ledger.sign(&by_member(2), approve(bad));
    let good = ledger.sign(&by_member(2), approve(good));
    (ledger, Attempt::new(bad, good))
}

#[test]
fn r9_more_than_two_thirds_of_the_members_in_force() {
    for (members, needed) in [
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 3),
        (5, 4),
        (6, 5),
        (7, 5),
        (10, 7),
    ] {
        let mut ledger = TestLedger::with(members, Parameters::default());
        let proposal = ledger.seal_one(&by_member(0), propose(parameter(77)));
        for number in 0..needed {
            let before = ledger.state().parameters().unwrap().records_per_block;
            assert_ne!(before, 77, "{members} members, {number} approvals");
            ledger.seal_one(&by_member(number), approve(proposal));
        }
        assert_eq!(ledger.state().parameters().unwrap().records_per_block, 77);
    }
}

#[test]
fn r9_approvals_of_removed_members_do_not_count() {
    let mut ledger = TestLedger::with(5, Parameters::default());
    let proposal = ledger.seal_one(&by_member(4), propose(parameter(77)));
    for number in [3, 4] {
        ledger.seal_one(&by_member(number), approve(proposal));
    }
    ledger.govern(remove(4, None), 4);
    // Four are left and three must approve: member 3 has, member 4 does not count.
    ledger.seal_one(&by_member(0), approve(proposal));
    assert_ne!(ledger.state().parameters().unwrap().records_per_block, 77);
    ledger.seal_one(&by_member(1), approve(proposal));
    assert_eq!(ledger.state().parameters().unwrap().records_per_block, 77);
    let gone = ledger.sign(&by_member(4), propose(parameter(5)));
    assert_eq!(ledger.refusal(&gone).code(), "unknown-author");
}

/// The approval with which an action would fail is refused, and counts for nothing.
#[test]
fn r9_an_approval_that_fails_leaves_no_trace() {
    let mut ledger = TestLedger::small();
    let add = Action::AddMember {
        member: member("m1", 0),
    };
    let proposal = ledger.seal_one(&by_member(0), propose(add));
    // An issuer registers the future member's node key first.
    let mut body = crate::support::registration("b");
    body.keys = vec![crate::support::new_key(
        "b",
        "m1/0/node",
        crate::support::RECORD,
    )];
    let squat = ledger.accredit_as(0, "b", crate::support::accreditation("b", Some(body)));
    ledger.seal(vec![squat]);
    let approval = ledger.sign(&by_member(0), approve(proposal));
    let before = ledger.state.clone();
    assert_eq!(ledger.refusal(&approval).code(), "key-registered");
    assert_eq!(ledger.state, before);
    let row = ledger.state().proposal(&proposal).unwrap().unwrap();
    assert!(row.approvals.is_empty() && row.closed.is_none());
    assert_eq!(ledger.state().members().unwrap().members().len(), 1);
    // What the failed action had claimed is free: the other keys of m1 can be registered.
    let spoiled = key("m1/0/governance");
    assert_eq!(
        ledger.state().key_use(&crate::support::public(&spoiled)),
        Ok(None)
    );
}

#[test]
fn r9_a_removed_members_accreditations_end() {
    let mut ledger = four();
    ledger.govern(remove(0, None), 3);
    let record = ledger.sign(&by_issuer("a"), issue(0, &[(9, 9)]));
    assert_eq!(ledger.refusal(&record).code(), "not-accredited");
    let (_, entry) = ledger
        .state()
        .find_issuer(&issuer_id("a"))
        .unwrap()
        .unwrap();
    let withdrawn = entry.accreditations[0].withdrawn.unwrap();
    assert_eq!(withdrawn.reason, Reason::AccreditationLost);
    assert_eq!(withdrawn.from, ledger.state().head().unwrap().time);
}

#[test]
fn r9_a_removed_members_accreditations_pass_on() {
    let mut ledger = four();
    ledger.govern(remove(0, Some(2)), 3);
    ledger.seal_one(&by_issuer("a"), issue(0, &[(9, 9)]));
    // Its successor is the accrediting member of what was issued before, too.
    ledger.seal_one(&by_member(2), Body::Revoke(status_change("a", &[0, 9])));
    let rows = |number| {
        ledger
            .state()
            .member_row(&member_id(number))
            .unwrap()
            .unwrap()
    };
    assert_eq!((rows(0).accreditations, rows(2).accreditations), (0, 1));
}

#[test]
fn r9_governance_withdraws_what_the_member_does_not() {
    let mut ledger = four();
    let from = UnixMillis(ledger.now + DAY);
    let action = Action::WithdrawAccreditation {
        member: member_id(0),
        issuer: issuer_id("a"),
        from,
        reason: Reason::Misconduct,
    };
    ledger.govern(action, 3);
    let (_, entry) = ledger
        .state()
        .find_issuer(&issuer_id("a"))
        .unwrap()
        .unwrap();
    assert_eq!(entry.accreditations[0].withdrawn.unwrap().from, from);
}

#[test]
fn r9_keys_of_a_member_change_within_the_block() {
    let mut ledger = TestLedger::small();
    let action = Action::ReplaceMemberKeys {
        member: member("m0", 1),
    };
    let proposal = ledger.seal_one(&by_member(0), propose(action));
    let approval = ledger.sign(&by_member(0), approve(proposal));
    let old = ledger.sign(&by_member(0), propose(parameter(9)));
    let (at, rejection) = ledger.build(vec![approval.clone(), old]).unwrap_err();
    assert_eq!((at, rejection.code()), (1, "key-not-active"));
    let mut signer = by_member(0);
    signer.key = key("m0/1/governance");
    let new = ledger.sign(&signer, propose(parameter(9)));
    ledger.seal(vec![approval, new]);
    let members = ledger.state().members().unwrap();
    assert_eq!(members.members()[0].cosigner_number, 1);
    let height = ledger.state().head().unwrap().height;
    let before = ledger
        .state()
        .members_at(credlog_ledger::ids::Height(height.0 - 1));
    assert_eq!(before.unwrap().unwrap().members()[0].cosigner_number, 0);
}
