//! Every rule by its name: a record that breaks only that rule is refused with the rule's
//! number and code, and the same record with the one defect mended passes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accreditation;
mod blocks;
mod envelope;
mod governance;
mod issue;
mod keys;
mod limits;
mod status;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;

use credlog_ledger::record::EncodedRecord;
use credlog_ledger::rejection::{Rejection, Rule};
use credlog_ledger::transition::{ApplyError, BlockError, Execution};
use support::TestLedger;

/// How one code comes about.
struct Case {
    rule: Rule,
    code: &'static str,
    /// Makes a ledger and the attempt on it.
    make: fn() -> (TestLedger, Attempt),
}

/// A record that one rule refuses, and the same without the defect.
struct Attempt {
    /// Records before it in the same block.
    before: Vec<EncodedRecord>,
    bad: EncodedRecord,
    /// Records before the mended one, if the defect is among them.
    before_good: Option<Vec<EncodedRecord>>,
    good: EncodedRecord,
}

impl Attempt {
    fn new(bad: EncodedRecord, good: EncodedRecord) -> Self {
        Self {
            before: Vec::new(),
            bad,
            before_good: None,
            good,
        }
    }

    /// The record itself is well: what stands before it in the block makes it fail.
    fn after(before: Vec<EncodedRecord>, record: &EncodedRecord) -> Self {
        Self {
            before,
            bad: record.clone(),
            before_good: Some(Vec::new()),
            good: record.clone(),
        }
    }
}

fn run(cases: &[Case]) {
    for case in cases {
        let (ledger, attempt) = (case.make)();
        check(case, &ledger, &attempt);
    }
}

fn check(case: &Case, ledger: &TestLedger, attempt: &Attempt) {
    let mut execution = Execution::open(&ledger.state, ledger.opening()).unwrap();
    for record in &attempt.before {
        execution.apply(record.clone()).unwrap();
    }
    let taken = execution.record_count();
    let refused = match execution.apply(attempt.bad.clone()) {
        Err(ApplyError::Rejected(rejection)) => rejection,
        other => panic!("{} {}: got {other:?}", case.rule, case.code),
    };
    assert_eq!(
        (refused.rule(), refused.code()),
        (case.rule, case.code),
        "{refused}"
    );
    assert_eq!(execution.record_count(), taken);
    // A refused record leaves no trace: the block goes on as if it had not been tried.
    if taken > 0 {
        let with = execution.seal().unwrap();
        let without = ledger.build(attempt.before.clone()).unwrap();
        assert_eq!(with, without, "{}", case.code);
        refuse_block(case, ledger, attempt, &without);
    }
    let before = attempt
        .before_good
        .clone()
        .unwrap_or_else(|| attempt.before.clone());
    let good = [before, vec![attempt.good.clone()]].concat();
    if let Err((at, rejection)) = ledger.build(good.clone()) {
        panic!("{}: mended record {at} is refused: {rejection}", case.code);
    }
    let mut execution = Execution::open(&ledger.state, ledger.opening()).unwrap();
    if attempt.before.is_empty() {
        assert!(execution.apply(attempt.bad.clone()).is_err());
        for record in good.clone() {
            execution.apply(record).unwrap();
        }
        let built = ledger.build(good).unwrap();
        assert_eq!(execution.seal().unwrap(), built, "{}", case.code);
        refuse_block(case, ledger, attempt, &built);
    }
}

/// A block that holds the bad record is refused as a whole, whatever its seal says.
fn refuse_block(
    case: &Case,
    ledger: &TestLedger,
    attempt: &Attempt,
    like: &credlog_ledger::transition::Executed,
) {
    let mut records = attempt.before.clone();
    records.push(attempt.bad.clone());
    let at = records.len() - 1;
    let mut seal = like.seal.clone();
    seal.record_count = u32::try_from(records.len()).unwrap();
    let block = credlog_ledger::block::Block { records, seal };
    match credlog_ledger::transition::execute(&ledger.state, block) {
        Err(BlockError::Record {
            at: found,
            rejection,
        }) => {
            assert_eq!((found, rejection.code()), (at, case.code));
        }
        other => panic!("{}: the block gave {other:?}", case.code),
    }
}

fn cases() -> Vec<&'static [Case]> {
    vec![
        envelope::CASES,
        blocks::CASES,
        keys::CASES,
        accreditation::CASES,
        issue::CASES,
        status::CASES,
        governance::CASES,
        limits::CASES,
    ]
}

#[test]
fn every_rejection_has_a_case() {
    let covered: BTreeSet<_> = cases()
        .into_iter()
        .flatten()
        .map(|case| (case.rule, case.code))
        .collect();
    let all: BTreeSet<_> = Rejection::CODES.iter().copied().collect();
    assert_eq!(all.len(), Rejection::CODES.len(), "a code stands twice");
    assert_eq!(covered, all);
}

#[test]
fn every_rule_has_a_case() {
    let records: BTreeSet<_> = Rejection::CODES.iter().map(|(rule, _)| *rule).collect();
    let blocks = blocks::RULES.iter().copied().collect();
    let rules: Vec<_> = records
        .union(&blocks)
        .map(|rule| rule.to_string())
        .collect();
    let expected: Vec<_> = (0..=10).map(|number| format!("R{number}")).collect();
    assert_eq!(rules, expected);
}

/// docs/formats.md names every code under its rule, in the order of the code, and no other.
#[test]
fn the_formats_name_every_code_under_its_rule() {
    let formats = include_str!("../../../../docs/formats.md");
    let mut rule = String::new();
    let mut found = Vec::new();
    for line in formats.lines() {
        if let Some(heading) = line.strip_prefix('#') {
            let heading = heading.trim_start_matches('#').trim();
            rule = heading.split(':').next().unwrap().to_owned();
        }
        let code = line
            .strip_prefix("| `")
            .and_then(|rest| rest.split_once('`'));
        if let Some((code, _)) = code
            && rule.starts_with('R')
            && rule[1..].parse::<u8>().is_ok()
        {
            found.push((rule.clone(), code.to_owned()));
        }
    }
    let all = Rejection::CODES.iter();
    let all: Vec<_> = all
        .map(|(rule, code)| (rule.to_string(), (*code).to_owned()))
        .collect();
    assert_eq!(found, all);
}
