//! The 17 samples that another library signed, each issued on the ledger as it stands.

use credlog_verify::{CheckName, Outcome, Summary};

use crate::ledger::{Ledger, check, credential, digest_of, outcome, sample, sample_lists};

/// The summary of a sample on a ledger that issued it, with and without its status lists.
const EXPECTED: [(&str, Summary, Summary); 17] = [
    ("01", Summary::Valid, Summary::Unknown),
    ("02", Summary::Valid, Summary::Unknown),
    ("03", Summary::Valid, Summary::Unknown),
    ("04", Summary::Invalid, Summary::Invalid),
    ("05", Summary::Invalid, Summary::Invalid),
    ("06", Summary::Expired, Summary::Expired),
    ("07", Summary::NotYetValid, Summary::NotYetValid),
    ("08", Summary::Invalid, Summary::Invalid),
    ("09", Summary::Invalid, Summary::Invalid),
    ("10", Summary::Invalid, Summary::Invalid),
    ("11", Summary::Invalid, Summary::Invalid),
    ("12", Summary::Unknown, Summary::Unknown),
    ("13", Summary::Invalid, Summary::Invalid),
    ("14", Summary::Revoked, Summary::Unknown),
    ("15", Summary::Suspended, Summary::Unknown),
    ("16", Summary::Unknown, Summary::Unknown),
    ("17", Summary::Valid, Summary::Unknown),
];

#[test]
fn every_sample_gets_the_summary_it_deserves() {
    let mut ledger = Ledger::with_university();
    let lists = sample_lists();
    for (number, (name, with_lists, without)) in (10..).zip(EXPECTED) {
        let credential = credential(sample(name));
        ledger.issue(
            &format!("2026-11-21T10:{number}:00Z"),
            digest_of(&credential),
        );
        let verdict = ledger.verdict_with(&credential, &lists, None);
        assert_eq!(verdict.summary, with_lists, "{name}: {verdict:#?}");
        let verdict = ledger.verdict(&credential);
        assert_eq!(
            verdict.summary, without,
            "{name} without lists: {verdict:#?}"
        );
    }
}

#[test]
fn the_samples_are_refused_for_the_right_reason() {
    let ledger = Ledger::with_university();
    let lists = sample_lists();
    for (name, check_name, expected, words) in [
        (
            "04",
            CheckName::Proof,
            Outcome::No,
            "the content was changed",
        ),
        (
            "08",
            CheckName::Issuer,
            Outcome::No,
            "not by the issuer it names",
        ),
        ("09", CheckName::Proof, Outcome::No, "signature is invalid"),
        ("11", CheckName::Proof, Outcome::No, "verificationMethod"),
        (
            "12",
            CheckName::Proof,
            Outcome::Unknown,
            "cannot be checked",
        ),
        (
            "13",
            CheckName::Proof,
            Outcome::No,
            "not everything in the document is signed",
        ),
        ("14", CheckName::StatusList, Outcome::No, "revoked"),
        ("15", CheckName::StatusList, Outcome::No, "suspended"),
        ("16", CheckName::StatusList, Outcome::Unknown, "131072"),
    ] {
        let verdict = ledger.verdict_with(&credential(sample(name)), &lists, None);
        let check = check(&verdict, check_name);
        assert_eq!(check.outcome, expected, "{name}: {}", check.reason);
        let reason = check.reason.to_lowercase();
        assert!(
            reason.contains(&words.to_lowercase()),
            "{name}: {}",
            check.reason
        );
    }
}

#[test]
fn a_list_that_was_tampered_with_never_means_not_revoked() {
    let ledger = Ledger::with_university();
    let mut lists = sample_lists();
    lists[0]["credentialSubject"]["ttl"] = serde_json::json!(1);
    let verdict = ledger.verdict_with(&credential(sample("14")), &lists, None);
    let check = check(&verdict, CheckName::StatusList);
    assert_eq!(check.outcome, Outcome::Unknown);
    assert!(check.reason.contains("proof"), "{}", check.reason);
    // A known suspension is said even when the other list cannot be read.
    let verdict = ledger.verdict_with(&credential(sample("15")), &lists, None);
    assert_eq!(outcome(&verdict, CheckName::StatusList), Outcome::No);
}
