//! Questions about a date.

use credlog_verify::{CheckName, HandedOver, Outcome, Summary};

use crate::ledger::{Ledger, check, digest_of, made, outcome, time};

/// Issued on the 10th, suspended on the 12th, reinstated on the 14th, revoked on the 16th;
/// the log ends there.
fn history() -> (Ledger, credlog_credential::Credential) {
    let mut ledger = Ledger::with_university();
    let credential = made(1);
    let digest = digest_of(&credential);
    ledger.issue("2026-11-10T00:00:00Z", digest);
    let suspension = ledger.suspend("2026-11-12T00:00:00Z", digest);
    ledger.reinstate("2026-11-14T00:00:00Z", digest, suspension);
    ledger.revoke("2026-11-16T00:00:00Z", digest);
    (ledger, credential)
}

#[test]
fn each_date_has_its_own_answer() {
    let (ledger, credential) = history();
    for (at, expected) in [
        // Before the ledger, before the issuer, before the issue.
        ("2026-10-01T00:00:00Z", Summary::NotAnchored),
        ("2026-11-01T12:00:00Z", Summary::NotAnchored),
        ("2026-11-09T23:59:59.999Z", Summary::NotAnchored),
        // The seal's time itself belongs to what it sealed.
        ("2026-11-10T00:00:00Z", Summary::Valid),
        ("2026-11-11T23:59:59.999Z", Summary::Valid),
        ("2026-11-12T00:00:00Z", Summary::Suspended),
        ("2026-11-13T12:00:00+02:00", Summary::Suspended),
        ("2026-11-14T00:00:00Z", Summary::Valid),
        ("2026-11-15T23:59:59.999Z", Summary::Valid),
        ("2026-11-16T00:00:00Z", Summary::Revoked),
        // Beyond the log: a revocation is final, so it is known.
        ("2027-01-01T00:00:00Z", Summary::Revoked),
    ] {
        let verdict = ledger.verdict_at(&credential, at);
        assert_eq!(verdict.summary, expected, "{at}: {verdict:#?}");
        assert_eq!(verdict.at, Some(time(at)));
        assert_eq!(verdict.moment, time(at));
    }
    assert_eq!(ledger.verdict(&credential).summary, Summary::Revoked);
}

#[test]
fn an_answer_about_the_past_says_what_came_later() {
    let (ledger, credential) = history();
    let verdict = ledger.verdict_at(&credential, "2026-11-15T00:00:00Z");
    let reason = &check(&verdict, CheckName::Status).reason;
    assert!(
        reason.ends_with("Later, on 16 November 2026 at 00:00:00 UTC, it was revoked."),
        "{reason}"
    );
    let verdict = ledger.verdict_at(&credential, "2026-11-09T00:00:00Z");
    let reason = &check(&verdict, CheckName::Anchored).reason;
    assert!(
        reason.contains("later than the date you asked about"),
        "{reason}"
    );
}

#[test]
fn a_date_beyond_the_log_is_not_known() {
    let mut ledger = Ledger::with_university();
    let credential = made(1);
    let beyond = "2026-11-10T00:00:00.001Z";
    let verdict = ledger.verdict_at(&credential, beyond);
    assert_eq!(outcome(&verdict, CheckName::Anchored), Outcome::Unknown);
    assert_eq!(verdict.summary, Summary::Unknown);

    ledger.issue("2026-11-10T00:00:00Z", digest_of(&credential));
    let verdict = ledger.verdict_at(&credential, beyond);
    assert_eq!(verdict.summary, Summary::Unknown);
    // The log only grows: what is anchored stays so. The status may have changed.
    assert_eq!(outcome(&verdict, CheckName::Anchored), Outcome::Yes);
    assert_eq!(
        outcome(&verdict, CheckName::AccreditationNow),
        Outcome::Unknown
    );
    let status = check(&verdict, CheckName::Status);
    assert_eq!(status.outcome, Outcome::Unknown);
    assert_eq!(
        status.reason,
        "The ledger has not reached that time: it is known up to \
         10 November 2026 at 00:00:00 UTC."
    );
    assert_eq!(
        ledger
            .verdict_at(&credential, "2026-11-10T00:00:00Z")
            .summary,
        Summary::Valid
    );

    ledger.suspend("2026-11-11T00:00:00Z", digest_of(&credential));
    let verdict = ledger.verdict_at(&credential, "2026-11-12T00:00:00Z");
    assert_eq!(verdict.summary, Summary::Unknown);
}

#[test]
fn a_clock_behind_the_ledger_is_set_right_by_it() {
    let mut ledger = Ledger::with_university();
    let credential = made(1);
    ledger.issue("2026-11-10T00:00:00Z", digest_of(&credential));
    let now = "2026-11-05T00:00:00Z";
    let facts = ledger.facts(&credential, None, now);
    let verdict = credlog_verify::verify(
        &credential,
        &HandedOver::default(),
        &facts,
        time(now).into(),
    )
    .unwrap();
    assert_eq!(verdict.summary, Summary::Valid);
    assert_eq!(verdict.moment, time("2026-11-10T00:00:00Z"));
}
