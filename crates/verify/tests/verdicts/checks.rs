//! The outcomes of single checks: keys, accreditation, status lists, and facts that do not fit.

use credlog_ledger::body::{Body, Reason};
use credlog_ledger::ids::{IssuerId, RecordId};
use credlog_verify::{CheckName, HandedOver, JudgeError, Outcome, Summary, verify};
use serde_json::json;

use crate::ledger::{
    BOTH, Ledger, NODE_URL, NOW, RECORD, check, did, digest_of, made, made_by, made_with, member,
    new_key, outcome, public, time,
};

const ISSUED: &str = "2026-11-10T10:00:00Z";

fn university() -> IssuerId {
    did("university A")
}

#[test]
fn a_rotated_key_does_not_kill_old_credentials() {
    let mut ledger = Ledger::with_university();
    let (old, late) = (made(1), made(2));
    ledger.issue(ISSUED, digest_of(&old));
    ledger.rotate(
        "2026-11-12T00:00:00Z",
        new_key(&university(), "new", BOTH),
        None,
    );
    assert_eq!(ledger.verdict(&old).summary, Summary::Valid);

    // Signed with the retired key, but issued after it was retired.
    let body = ledger.issue_body(0, digest_of(&late));
    ledger.by_issuer("2026-11-13T00:00:00Z", &university(), "new", body);
    let verdict = ledger.verdict(&late);
    assert_eq!(verdict.summary, Summary::Invalid);
    assert_eq!(outcome(&verdict, CheckName::Issuer), Outcome::No);
    let until = check(&verdict, CheckName::Issuer).evidence.until;
    assert_eq!(until, Some(time("2026-11-12T00:00:00Z")));

    // Not on the ledger: the retired key may have signed it in its time, who knows.
    let verdict = ledger.verdict(&made(3));
    assert_eq!(outcome(&verdict, CheckName::Issuer), Outcome::Unknown);
    assert_eq!(verdict.summary, Summary::NotAnchored);
}

#[test]
fn a_compromise_counts_from_its_beginning_and_as_known_on_the_date_asked_about() {
    let mut ledger = Ledger::with_university();
    let (before, after) = (made(1), made(2));
    ledger.issue("2026-11-10T00:00:00Z", digest_of(&before));
    ledger.issue("2026-11-14T00:00:00Z", digest_of(&after));
    let new = new_key(&university(), "new", BOTH);
    ledger.rotate("2026-11-20T00:00:00Z", new, Some("2026-11-12T00:00:00Z"));

    assert_eq!(ledger.verdict(&before).summary, Summary::Valid);
    let verdict = ledger.verdict(&after);
    assert_eq!(verdict.summary, Summary::Invalid);
    let issuer = check(&verdict, CheckName::Issuer);
    assert_eq!(
        issuer.evidence.compromised_since,
        Some(time("2026-11-12T00:00:00Z"))
    );
    // Before the compromise was reported, nobody could know.
    let verdict = ledger.verdict_at(&after, "2026-11-19T00:00:00Z");
    assert_eq!(verdict.summary, Summary::Valid);
    let verdict = ledger.verdict_at(&after, "2026-11-20T00:00:00Z");
    assert_eq!(verdict.summary, Summary::Invalid);
    // Not on the ledger: nothing shows that it was signed before.
    let verdict = ledger.verdict(&made(3));
    assert_eq!(outcome(&verdict, CheckName::Issuer), Outcome::No);
}

#[test]
fn a_compromised_record_key_spoils_the_issue_even_for_a_digest() {
    let mut ledger = Ledger::with_university();
    let digest = digest_of(&made(1));
    ledger.issue("2026-11-14T00:00:00Z", digest);
    let new = new_key(&university(), "new", BOTH);
    ledger.rotate("2026-11-20T00:00:00Z", new, Some("2026-11-14T00:00:00Z"));
    let how = credlog_verify::DigestOnly::ProofCheckedElsewhere;
    let verdict = ledger.digest_verdict(digest, Some(university()), how);
    assert_eq!(verdict.summary, Summary::Invalid);
}

#[test]
fn the_key_must_be_the_issuers_and_for_credentials() {
    let mut ledger = Ledger::with_university();
    let new = new_key(&university(), "records only", RECORD);
    ledger.rotate("2026-11-05T00:00:00Z", new, None);
    let by = |name: &str, id| made_by(&university(), name, id, &json!({}));

    // Impostor X signs in the name of University A (like sample 08).
    let foreign = by("impostor X", 1);
    let body = ledger.issue_body(0, digest_of(&foreign));
    ledger.by_issuer(ISSUED, &university(), "records only", body);
    let verdict = ledger.verdict(&foreign);
    assert_eq!(outcome(&verdict, CheckName::Proof), Outcome::Yes);
    assert_eq!(outcome(&verdict, CheckName::Issuer), Outcome::No);
    assert_eq!(verdict.summary, Summary::Invalid);
    assert!(
        verdict.headline.contains(did("impostor X").as_str()),
        "{}",
        verdict.headline
    );

    // The key is registered, but not to sign credentials.
    let wrong = by("records only", 2);
    let body = ledger.issue_body(0, digest_of(&wrong));
    ledger.by_issuer("2026-11-11T00:00:00Z", &university(), "records only", body);
    let verdict = ledger.verdict(&wrong);
    assert_eq!(verdict.summary, Summary::Invalid);
    let reason = &check(&verdict, CheckName::Issuer).reason;
    assert!(reason.contains("not meant for credentials"), "{reason}");
}

#[test]
fn an_issuer_with_a_url_or_did_web_is_known_by_its_registered_keys() {
    let mut ledger = Ledger::empty();
    let issuer: IssuerId = "did:web:b.example".parse().unwrap();
    ledger.accredit("2026-11-02T00:00:00Z", &issuer, "university B");
    let multikey = public(&crate::ledger::key("university B"));
    let methods = [
        format!("did:web:b.example#{multikey}"),
        "did:web:b.example#key-1".to_owned(),
        format!("https://b.example/issuer#{multikey}"),
    ];
    for (id, method) in (0..).zip(&methods) {
        let credential = made_with(&issuer, "university B", method, id, &json!({}));
        let body = ledger.issue_body(0, digest_of(&credential));
        let at = format!("2026-11-{}T00:00:00Z", 10 + id);
        ledger.by_issuer(&at, &issuer, "university B", body);
        let verdict = ledger.verdict(&credential);
        assert_eq!(verdict.summary, Summary::Valid, "{method}: {verdict:#?}");
    }
    // A key that is not registered does not speak for the issuer, whatever the method says.
    for (id, method) in (10..).zip(["did:web:b.example#key-1", "did:web:b.example"]) {
        let forged = made_with(&issuer, "impostor X", method, id, &json!({}));
        let verdict = ledger.verdict(&forged);
        assert_eq!(verdict.summary, Summary::Invalid, "{method}: {verdict:#?}");
    }
    // A key in the fragment of a URL has no controller: not the issuer's, not known whose.
    let key = public(&crate::ledger::key("impostor X"));
    let method = format!("https://b.example/issuer#{key}");
    let forged = made_with(&issuer, "impostor X", &method, 20, &json!({}));
    let verdict = ledger.verdict(&forged);
    assert_eq!(outcome(&verdict, CheckName::Issuer), Outcome::No);
    assert_eq!(verdict.summary, Summary::Invalid);
}

#[test]
fn losing_the_accreditation_does_not_end_what_was_rightly_issued() {
    let mut ledger = Ledger::with_university();
    let credential = made(1);
    ledger.issue(ISSUED, digest_of(&credential));
    let withdrawal = Body::WithdrawAccreditation {
        issuer: university(),
        from: time("2026-11-20T00:00:00Z").into(),
        reason: Reason::AccreditationLost,
    };
    ledger.member("2026-11-19T00:00:00Z", withdrawal);
    let verdict = ledger.verdict(&credential);
    assert_eq!(verdict.summary, Summary::Valid);
    assert_eq!(
        outcome(&verdict, CheckName::AccreditationAtIssue),
        Outcome::Yes
    );
    let now = check(&verdict, CheckName::AccreditationNow);
    assert_eq!(now.outcome, Outcome::No);
    assert_eq!(now.evidence.member, Some(member()));
    assert_eq!(now.evidence.until, Some(time("2026-11-20T00:00:00Z")));
    assert_eq!(now.evidence.reason, Some(Reason::AccreditationLost));
    let then = ledger.verdict_at(&credential, "2026-11-15T00:00:00Z");
    assert_eq!(outcome(&then, CheckName::AccreditationNow), Outcome::Yes);
}

/// `credentialStatus` entries for a position of this ledger's list 0.
fn own_entries(base: &str, index: u32) -> serde_json::Value {
    let entry = |purpose: &str| {
        json!({
            "type": "BitstringStatusListEntry",
            "statusPurpose": purpose,
            "statusListIndex": index.to_string(),
            "statusListCredential": format!("{base}/v1/status-lists/0/{purpose}"),
        })
    };
    json!({"credentialStatus": [entry("revocation"), entry("suspension")]})
}

#[test]
fn a_credential_that_names_this_ledgers_list_needs_no_list_handed_over() {
    let mut ledger = Ledger::with_university();
    let more = own_entries(NODE_URL, 0);
    let credential = made_by(&university(), "university A", 1, &more);
    ledger.issue(ISSUED, digest_of(&credential));
    let verdict = ledger.verdict(&credential);
    assert_eq!(verdict.summary, Summary::Valid);
    assert_eq!(verdict.check(CheckName::StatusList), None);

    // Signed again, it has another digest: not on the ledger, but its position tells on it.
    let mut more = own_entries(NODE_URL, 0);
    more["name"] = json!("A copy");
    let copy = made_by(&university(), "university A", 1, &more);
    let verdict = ledger.verdict(&copy);
    assert_eq!(verdict.summary, Summary::NotAnchored);
    assert_eq!(outcome(&verdict, CheckName::StatusList), Outcome::Yes);
    let suspension = ledger.suspend("2026-11-15T00:00:00Z", digest_of(&credential));
    assert_eq!(ledger.verdict(&copy).summary, Summary::Suspended);
    ledger.reinstate("2026-11-16T00:00:00Z", digest_of(&credential), suspension);
    ledger.revoke("2026-11-17T00:00:00Z", digest_of(&credential));
    assert_eq!(ledger.verdict(&copy).summary, Summary::Revoked);
    let then = ledger.verdict_at(&copy, "2026-11-16T12:00:00Z");
    assert_eq!(then.summary, Summary::NotAnchored);
}

/// A credential keeps the address under which it was issued.
#[test]
fn a_list_at_a_former_address_of_a_member_is_this_ledgers() {
    let mut ledger = Ledger::with_university();
    let more = own_entries(NODE_URL, 0);
    let credential = made_by(&university(), "university A", 1, &more);
    ledger.issue(ISSUED, digest_of(&credential));
    let times = ("2026-11-12T00:00:00Z", "2026-11-12T01:00:00Z");
    ledger.move_to(times.0, times.1, "https://moved.example");
    let verdict = ledger.verdict(&credential);
    assert_eq!(verdict.summary, Summary::Valid);
    let moved = own_entries("https://moved.example", 1);
    let moved = made_by(&university(), "university A", 2, &moved);
    ledger.issue("2026-11-13T00:00:00Z", digest_of(&moved));
    let verdict = ledger.verdict(&moved);
    assert_eq!(verdict.summary, Summary::Valid, "{verdict:#?}");
}

#[test]
fn a_list_elsewhere_or_at_a_position_of_another_is_not_known() {
    let mut ledger = Ledger::with_university();
    for (id, base, index) in [(1, "https://other.example", 0), (2, NODE_URL, 99)] {
        let more = own_entries(base, index);
        let credential = made_by(&university(), "university A", id, &more);
        let at = format!("2026-11-1{id}T00:00:00Z");
        ledger.issue(&at, digest_of(&credential));
        let verdict = ledger.verdict(&credential);
        assert_eq!(outcome(&verdict, CheckName::Status), Outcome::Yes);
        assert_eq!(outcome(&verdict, CheckName::StatusList), Outcome::Unknown);
        assert_eq!(verdict.summary, Summary::Unknown, "{base}");
    }
}

#[test]
fn facts_about_something_else_are_refused() {
    let ledger = Ledger::with_university();
    let facts = ledger.facts(&made(1), None, NOW);
    let other = verify(&made(2), &HandedOver::default(), &facts, time(NOW).into());
    assert!(
        matches!(other, Err(JudgeError::OtherDigest { .. })),
        "{other:?}"
    );
    let mut facts = ledger.facts(&made(1), None, NOW);
    facts.issuer = Some(did("impostor X"));
    let other = verify(&made(1), &HandedOver::default(), &facts, time(NOW).into());
    assert!(
        matches!(other, Err(JudgeError::OtherIssuer { .. })),
        "{other:?}"
    );
}

#[test]
fn a_damaged_state_gives_no_answer() {
    use credlog_ledger::state::{Changes, View};
    let mut ledger = Ledger::with_university();
    let credential = made(1);
    let digest = digest_of(&credential);
    ledger.issue(ISSUED, digest);
    let _: RecordId = ledger.revoke("2026-11-12T00:00:00Z", digest);
    // Table 16 holds the status bits: all clear again, against the history.
    let chunks = ledger.state.scan(&[16], None, 10).unwrap();
    assert_eq!(chunks.len(), 1);
    let cleared: Changes = chunks
        .into_iter()
        .map(|(key, value)| (key, vec![0; value.len()]))
        .collect();
    ledger.state.apply(&cleared);
    let question = credlog_verify::Question {
        digest,
        issuer: Some(university()),
        at: None,
        positions: Vec::new(),
        now: time(NOW).into(),
    };
    assert!(credlog_verify::gather(&ledger.state, &question).is_err());
}
