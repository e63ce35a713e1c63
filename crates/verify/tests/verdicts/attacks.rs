//! Attacks that once led to a false "valid" or to endless work, each with its story.

use credlog_credential::{Credential, SignOptions, Suite, sign, status::Bitstring};
use credlog_ledger::body::{Achievement, Body, Issue, KeyChange, Scope};
use credlog_ledger::ids::{Digest, DisplayName, IssuerId};
use credlog_verify::facts::HISTORY_MAX;
use credlog_verify::{CheckName, DigestOnly, Outcome, Question, Summary, Verdict, gather};
use serde_json::{Value, json};

use crate::ledger::{
    BOTH, Ledger, NOW, RECORD, check, did, digest_of, key, made, made_by, made_with, new_key,
    outcome, public, sample, time,
};

const ISSUED: &str = "2026-11-10T10:00:00Z";
const INTRO: &str = "urn:intro";

fn university() -> IssuerId {
    did("university A")
}

/// University A accredited for `urn:intro` alone.
fn scoped() -> Ledger {
    let mut ledger = Ledger::empty();
    let scope = Scope::Achievements(vec![INTRO.parse().unwrap()]);
    ledger.accredit_for("2026-11-02T00:00:00Z", &university(), "university A", scope);
    ledger
}

/// A credential with this `credentialSubject`, on the ledger as an `urn:intro`.
fn anchored_as_intro(subject: &Value) -> (Ledger, Credential) {
    let mut ledger = scoped();
    let more = json!({ "credentialSubject": subject });
    let credential = made_by(&university(), "university A", 1, &more);
    let Body::Issue(issue) = ledger.issue_body(0, digest_of(&credential)) else {
        panic!("an Issue body is needed");
    };
    let achievement = Some(INTRO.parse().unwrap());
    ledger.university(
        ISSUED,
        Body::Issue(Issue {
            achievement,
            ..issue
        }),
    );
    (ledger, credential)
}

fn verdict_as_intro(subject: &Value) -> Verdict {
    let (ledger, credential) = anchored_as_intro(subject);
    ledger.verdict(&credential)
}

fn one(id: &str) -> Value {
    json!({"achievement": {"id": id}})
}

/// The issuer may award an introduction, signs a doctorate, and registers it as an introduction:
/// the ledger accepts the record, and the record alone was compared with the scope.
#[test]
fn an_issue_record_does_not_cover_what_else_the_credential_attests() {
    let verdict = verdict_as_intro(&one(INTRO));
    assert_eq!(verdict.summary, Summary::Valid, "{verdict:#?}");
    let long = |end: &str| format!("urn:{}{end}", "x".repeat(400));
    for subject in [
        one("urn:phd"),
        // Display took the first achievement of the first subject only.
        json!({"achievement": [{"id": INTRO}, {"id": "urn:phd"}]}),
        json!({"achievement": [[{"id": INTRO}], ["urn:phd"]]}),
        json!([one(INTRO), one("urn:phd")]),
        json!([{"id": "did:example:holder"}, one("urn:phd")]),
        // Display cleans and cuts, so other identifiers looked the same.
        one("urn:in\u{1b}tro"),
        one("urn:intro\u{0}"),
        one(&long("phd")),
        // What no ledger can name is covered only where everything is.
        one("introduction"),
        one(""),
    ] {
        let verdict = verdict_as_intro(&subject);
        assert_eq!(verdict.summary, Summary::Invalid, "{subject}: {verdict:#?}");
        let at_issue = check(&verdict, CheckName::AccreditationAtIssue);
        assert_eq!(at_issue.outcome, Outcome::No, "{subject}");
        assert!(
            at_issue.reason.contains("none of them"),
            "{}",
            at_issue.reason
        );
        assert!(
            at_issue.reason.chars().all(|c| !c.is_control()),
            "{:?}",
            at_issue.reason
        );
        assert_eq!(
            outcome(&verdict, CheckName::AccreditationNow),
            Outcome::No,
            "{subject}"
        );
    }
}

#[test]
fn a_credential_that_does_not_name_what_it_attests_needs_a_scope_of_everything() {
    for subject in [
        json!({"id": "did:example:holder", "degree": "PhD"}),
        json!({"achievement": {"name": "PhD"}}),
        json!({"achievement": [{"id": INTRO}, {"name": "PhD"}]}),
        json!({"achievement": [{"id": INTRO}, {"id": 7}]}),
    ] {
        let verdict = verdict_as_intro(&subject);
        assert_eq!(verdict.summary, Summary::Unknown, "{subject}: {verdict:#?}");
        let name = CheckName::AccreditationAtIssue;
        assert_eq!(outcome(&verdict, name), Outcome::Unknown, "{subject}");
        let now = outcome(&verdict, CheckName::AccreditationNow);
        assert_eq!(now, Outcome::Unknown, "{subject}");

        let mut ledger = Ledger::with_university();
        let more = json!({ "credentialSubject": subject });
        let credential = made_by(&university(), "university A", 1, &more);
        ledger.issue(ISSUED, digest_of(&credential));
        assert_eq!(
            ledger.verdict(&credential).summary,
            Summary::Valid,
            "{subject}"
        );
    }
}

/// With a JCS suite only plain names were read, so the credential's own context, `@graph` or an
/// IRI hid the doctorate, and the verdict was "valid: accredited when issued".
#[test]
fn what_own_contexts_hide_is_not_covered_by_a_scope() {
    let phd = json!({"id": "urn:phd", "type": ["Achievement"]});
    let vocabulary = "https://purl.imsglobal.org/spec/vc/ob/vocab.html#";
    let own = json!({"award": format!("{vocabulary}achievement"), "ob": vocabulary});
    let v2 = "https://www.w3.org/ns/credentials/v2";
    let with = |name: &str| {
        let mut subject = one(INTRO);
        subject[name] = phd.clone();
        json!({"@context": [v2, own], "credentialSubject": subject})
    };
    let property = "https://www.w3.org/2018/credentials#credentialSubject";
    for more in [
        with("award"),
        with("ob:achievement"),
        json!({"credentialSubject": one(INTRO), "@graph": [{"achievement": phd}]}),
        json!({"credentialSubject": one(INTRO), property: {"achievement": phd}}),
    ] {
        for (scope, expected) in [(Some(INTRO), Summary::Unknown), (None, Summary::Valid)] {
            let (mut ledger, achievement) = match scope {
                Some(scope) => (scoped(), Some(scope.parse().unwrap())),
                None => (Ledger::with_university(), None),
            };
            let credential = made_by(&university(), "university A", 1, &more);
            let Body::Issue(issue) = ledger.issue_body(0, digest_of(&credential)) else {
                panic!("an Issue body is needed");
            };
            let issue = Issue {
                achievement,
                ..issue
            };
            ledger.university(ISSUED, Body::Issue(issue));
            let verdict = ledger.verdict(&credential);
            assert_eq!(verdict.summary, expected, "{more}: {verdict:#?}");
        }
    }
}

/// A school that may award an introduction called itself a university and the introduction a
/// doctorate; a reader of the verdict saw only these names.
#[test]
fn names_are_the_ledgers_and_others_are_told() {
    let mut ledger = scoped();
    ledger.university(
        "2026-11-03T00:00:00Z",
        Body::DefineAchievement(Achievement {
            id: INTRO.parse().unwrap(),
            definition: Digest([7; 32]),
            name: "Introduction".parse().unwrap(),
            alignments: Vec::new(),
            prerequisites: Vec::new(),
        }),
    );
    let mut verdict_of = |id: u32, issuer: &str, achievement: &str| {
        let more = json!({
            "issuer": {"id": university(), "name": issuer},
            "credentialSubject": {"achievement": {"id": INTRO, "name": achievement}},
        });
        let credential = made_by(&university(), "university A", id, &more);
        let Body::Issue(issue) = ledger.issue_body(0, digest_of(&credential)) else {
            panic!("an Issue body is needed");
        };
        let achievement = Some(INTRO.parse().unwrap());
        let at = format!("2026-11-10T10:00:0{id}Z");
        ledger.university(
            &at,
            Body::Issue(Issue {
                achievement,
                ..issue
            }),
        );
        ledger.verdict(&credential)
    };
    let honest = verdict_of(1, "University A", "Introduction");
    let boast = verdict_of(2, "Great University", "Doctor of Medicine");
    for verdict in [&honest, &boast] {
        assert_eq!(verdict.summary, Summary::Valid, "{verdict:#?}");
        let registered = &verdict.registered;
        assert_eq!(registered.issuer_name, "University A".parse().ok());
        assert_eq!(registered.achievement, INTRO.parse().ok());
        assert_eq!(registered.achievement_name, "Introduction".parse().ok());
    }
    let reason = |verdict: &Verdict, name| check(verdict, name).reason.clone();
    let awarded = "to award urn:intro (“Introduction”).";
    let at_issue = reason(&honest, CheckName::AccreditationAtIssue);
    assert!(at_issue.ends_with(awarded), "{at_issue}");
    let issuer = reason(&honest, CheckName::Issuer);
    assert!(!issuer.contains("calls"), "{issuer}");
    let at_issue = reason(&boast, CheckName::AccreditationAtIssue);
    let told = format!("{awarded} The credential itself calls it “Doctor of Medicine”.");
    assert!(at_issue.ends_with(&told), "{at_issue}");
    let issuer = reason(&boast, CheckName::Issuer);
    assert!(
        issuer.contains("calls its issuer “Great University”"),
        "{issuer}"
    );
}

/// A digest does not tell what the credential attests; the verdict says so instead of "yes".
#[test]
fn a_digest_is_not_said_to_attest_what_its_record_says() {
    let (ledger, credential) = anchored_as_intro(&one("urn:phd"));
    let issuer = Some(university());
    let how = DigestOnly::ProofCheckedElsewhere;
    let verdict = ledger.digest_verdict(digest_of(&credential), issuer, how);
    let at_issue = check(&verdict, CheckName::AccreditationAtIssue);
    assert_eq!(at_issue.outcome, Outcome::Unknown);
    assert!(
        at_issue.reason.contains("to award urn:intro"),
        "{}",
        at_issue.reason
    );
    assert!(
        verdict.headline.contains("not checked here"),
        "{}",
        verdict.headline
    );
}

/// Anyone can register a digest. Without the issuer, a stranger's registration was the only
/// match, and "the proof was checked elsewhere" made it valid.
#[test]
fn a_proof_checked_elsewhere_without_an_issuer_is_not_valid() {
    let mut ledger = Ledger::with_university();
    ledger.accredit("2026-11-03T00:00:00Z", &did("impostor X"), "impostor X");
    let credential = made(1);
    let squat = ledger.issue_body(1, digest_of(&credential));
    ledger.by_issuer(ISSUED, &did("impostor X"), "impostor X", squat);
    let how = DigestOnly::ProofCheckedElsewhere;
    let verdict = ledger.digest_verdict(digest_of(&credential), None, how);
    assert_eq!(verdict.summary, Summary::Unknown, "{verdict:#?}");
    let verdict = ledger.digest_verdict(digest_of(&credential), Some(university()), how);
    assert_eq!(verdict.summary, Summary::NotAnchored);
}

const LIST: &str = "https://lists.university-a.example/1";

/// A credential whose revocation stands on a list elsewhere.
fn with_list(issuer: &IssuerId, signer: &str, method: &str) -> Credential {
    let entry = json!({
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": "7",
        "statusListCredential": LIST,
    });
    made_with(
        issuer,
        signer,
        method,
        1,
        &json!({ "credentialStatus": entry }),
    )
}

/// A status list that revokes nobody.
fn list(issuer: &IssuerId, signer: &str, more: &Value) -> Value {
    let mut document = json!({
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": LIST,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer,
        "credentialSubject": {
            "id": format!("{LIST}#list"),
            "type": "BitstringStatusList",
            "statusPurpose": "revocation",
            "ttl": 1,
            "encodedList": Bitstring::new(131_072).unwrap().encode(),
        },
    });
    for (name, value) in more.as_object().unwrap() {
        document[name] = value.clone();
    }
    let method = format!("{}#{}", did(signer), public(&key(signer)));
    let created = time("2026-11-21T10:00:00Z").try_into().unwrap();
    let options = SignOptions::new(Suite::EDDSA_JCS_2022, method, created);
    sign(document, &key(signer).into(), &options).unwrap()
}

fn from(date: &str) -> Value {
    json!({"validFrom": date})
}

/// Every key that an issuer ever had could sign a fresh "nobody is revoked": a retired one, one
/// in other hands, one that may only sign records. A did:key issuer's first key even resolved by
/// itself, as the identifier is the key.
#[test]
fn a_status_list_needs_a_key_that_may_speak_for_the_issuer_now() {
    let method = format!("{}#{}", university(), public(&key("university A")));
    let credential = with_list(&university(), "university A", &method);
    let status = |ledger: &Ledger, signer: &str, more: &Value, at: Option<&str>| {
        let lists = [list(&university(), signer, more)];
        let verdict = ledger.verdict_with(&credential, &lists, at);
        let check = check(&verdict, CheckName::StatusList);
        (check.outcome, check.reason.clone())
    };
    let fresh = from("2026-11-30T00:00:00Z");
    let old = from("2026-11-11T00:00:00Z");
    for compromised in [None, Some("2026-11-15T00:00:00Z")] {
        let mut ledger = Ledger::with_university();
        ledger.issue(ISSUED, digest_of(&credential));
        assert_eq!(
            status(&ledger, "university A", &fresh, None).0,
            Outcome::Yes
        );
        let new = new_key(&university(), "new", BOTH);
        ledger.rotate("2026-11-20T00:00:00Z", new, compromised);
        for more in [&fresh, &old] {
            let (outcome, reason) = status(&ledger, "university A", more, None);
            assert_eq!(outcome, Outcome::Unknown, "{reason}");
            assert!(reason.contains("hand over a newer list"), "{reason}");
        }
        // On a date before, the key was in use, as far as was known then.
        let at = Some("2026-11-19T00:00:00Z");
        assert_eq!(status(&ledger, "university A", &old, at).0, Outcome::Yes);
    }
    let mut ledger = Ledger::with_university();
    ledger.issue(ISSUED, digest_of(&credential));
    let body = Body::RotateKeys(KeyChange {
        add: vec![new_key(&university(), "records only", RECORD)],
        retire: Vec::new(),
        compromised_since: None,
    });
    ledger.by_issuer(
        "2026-11-20T00:00:00Z",
        &university(),
        "university A recovery",
        body,
    );
    let (outcome, reason) = status(&ledger, "records only", &fresh, None);
    assert_eq!(outcome, Outcome::Unknown, "{reason}");
}

/// A list of long ago passed for the present without a word. Its `ttl` is advice for caches (the
/// lists of the samples have 5 minutes), its `validUntil` is an end.
#[test]
fn a_status_list_says_how_old_it_is_and_ends() {
    let mut ledger = Ledger::with_university();
    let method = format!("{}#{}", university(), public(&key("university A")));
    let credential = with_list(&university(), "university A", &method);
    ledger.issue(ISSUED, digest_of(&credential));
    let status = |more: &Value, at: Option<&str>| {
        let lists = [list(&university(), "university A", more)];
        let verdict = ledger.verdict_with(&credential, &lists, at);
        let check = check(&verdict, CheckName::StatusList);
        (check.outcome, check.reason.clone())
    };
    let (outcome, reason) = status(&from("2026-11-01T00:00:00Z"), None);
    assert_eq!(outcome, Outcome::Yes);
    assert_eq!(
        reason,
        "It is neither revoked nor suspended according to the issuer's list of \
         1 November 2026 at 00:00:00 UTC."
    );
    let (outcome, reason) = status(&json!({}), None);
    assert_eq!(outcome, Outcome::Yes);
    assert!(reason.contains("without a date"), "{reason}");
    let until = json!({
        "validFrom": "2026-11-01T00:00:00Z",
        "validUntil": "2026-11-30T23:59:59Z",
    });
    let (outcome, reason) = status(&until, None);
    assert_eq!(outcome, Outcome::Unknown);
    assert!(reason.contains("counted until"), "{reason}");
    let (outcome, reason) = status(&from("2026-11-09T00:00:00Z"), Some("2026-11-08T00:00:00Z"));
    assert_eq!(outcome, Outcome::Unknown);
    assert!(reason.contains("counts from"), "{reason}");
    let (outcome, _) = status(&from("2026-12-02T00:00:00Z"), None);
    assert_eq!(outcome, Outcome::Unknown);

    // Two lists of different age.
    let lists = crate::ledger::sample_lists();
    let verdict = ledger.verdict_with(&crate::ledger::credential(sample("01")), &lists, None);
    let reason = &check(&verdict, CheckName::StatusList).reason;
    assert!(
        reason.contains("the issuer's lists of 1 November 2026"),
        "{reason}"
    );
}

/// For `did:web:…#key-1` each of the issuer's keys was a full verification, and after 16 keys the
/// answer was "invalid" although another key had signed.
#[test]
fn a_method_without_a_key_may_mean_any_of_many_keys() {
    let mut ledger = Ledger::empty();
    let issuer: IssuerId = "did:web:b.example".parse().unwrap();
    ledger.accredit("2026-11-02T00:00:00Z", &issuer, "university B");
    let method = "did:web:b.example#key-1";
    let credential = made_with(&issuer, "university B", method, 1, &json!({}));
    let body = ledger.issue_body(0, digest_of(&credential));
    ledger.by_issuer(ISSUED, &issuer, "university B", body);
    for day in 11..=28 {
        let body = Body::RotateKeys(KeyChange {
            add: vec![new_key(&issuer, &format!("key {day}"), BOTH)],
            retire: match day {
                11 => Vec::new(),
                _ => vec![public(&key(&format!("key {}", day - 1))).id()],
            },
            compromised_since: None,
        });
        let at = format!("2026-11-{day}T00:00:00Z");
        ledger.by_issuer(&at, &issuer, "university B recovery", body);
    }
    let verdict = ledger.verdict(&credential);
    assert_eq!(verdict.summary, Summary::Valid, "{verdict:#?}");
    let forged = made_with(&issuer, "impostor X", method, 2, &json!({}));
    assert_eq!(ledger.verdict(&forged).summary, Summary::Invalid);
}

/// Suspending and reinstating again and again made every later look-up longer.
#[test]
fn a_long_history_is_cut_but_every_date_keeps_its_answer() {
    let mut ledger = Ledger::with_university();
    let credential = made(1);
    let digest = digest_of(&credential);
    ledger.issue(ISSUED, digest);
    let minute = |n: usize| format!("2026-11-11T{:02}:{:02}:00Z", n / 60, n % 60);
    let pairs = HISTORY_MAX;
    for n in 0..pairs {
        let suspension = ledger.suspend(&minute(2 * n), digest);
        ledger.reinstate(&minute(2 * n + 1), digest, suspension);
    }
    let facts = |at: Option<&str>| {
        let facts = ledger.facts(&credential, at, NOW);
        let one = facts.matches[0].clone();
        assert!(one.history.is_sorted_by_key(|fact| fact.leaf_index));
        (one.history.len(), one.history_truncated)
    };
    assert_eq!(facts(None), (HISTORY_MAX, true));
    assert_eq!(facts(Some(&minute(3))), (HISTORY_MAX + 4, true));
    assert_eq!(ledger.verdict(&credential).summary, Summary::Valid);
    for n in [
        0,
        1,
        2,
        3,
        200,
        201,
        pairs,
        pairs + 1,
        2 * pairs - 2,
        2 * pairs - 1,
    ] {
        let verdict = ledger.verdict_at(&credential, &minute(n));
        let expected = match n % 2 {
            0 => Summary::Suspended,
            _ => Summary::Valid,
        };
        assert_eq!(verdict.summary, expected, "{n}");
    }
    let before = ledger.verdict_at(&credential, "2026-11-10T12:00:00Z");
    assert_eq!(before.summary, Summary::Valid);
}

/// `relatedResource` was skipped: the credential said on what documents it stands, and nobody
/// compared them.
#[test]
fn related_resources_are_not_ignored() {
    let v2 = "https://www.w3.org/ns/credentials/v2";
    // SHA-256 of the Recommendation's bytes of the context, as its section B.1 states it.
    let right = "sha256-WZVc7WaX1h4D8rJVb+vlMIqxaEKEb1tYbX8fet7JJzQ=";
    for (resource, expected) in [
        (
            json!({"id": "https://a.example/1.png", "digestSRI": "sha256-AAAA"}),
            Summary::Unknown,
        ),
        (
            json!({"id": v2, "digestSRI": "sha256-AAAA"}),
            Summary::Invalid,
        ),
        (json!({"id": v2}), Summary::Invalid),
        (json!({"id": v2, "digestSRI": right}), Summary::Valid),
    ] {
        let mut ledger = Ledger::with_university();
        let more = json!({ "relatedResource": resource });
        let credential = made_by(&university(), "university A", 1, &more);
        ledger.issue(ISSUED, digest_of(&credential));
        let verdict = ledger.verdict(&credential);
        assert_eq!(verdict.summary, expected, "{resource}: {verdict:#?}");
    }
}

#[test]
fn facts_without_an_issue_are_gathered_without_a_history() {
    let ledger = Ledger::with_university();
    let question = Question {
        digest: Digest([7; 32]),
        issuer: Some(university()),
        at: Some(time("2026-10-01T00:00:00Z").into()),
        positions: vec!["0.7".parse().unwrap()],
        now: time(NOW).into(),
    };
    let facts = gather(&ledger.state, &question).unwrap();
    assert!(facts.positions[0].history.is_empty());
    assert!(!facts.positions[0].history_truncated);
}

/// What a name on the ledger must not hold, no display shows.
#[test]
fn names_of_the_ledger_and_texts_of_credentials_are_cleaned_alike() {
    for c in (0..=0x0010_ffff).filter_map(char::from_u32) {
        let name = format!("ä{c}b").parse::<DisplayName>();
        assert_eq!(name.is_err(), credlog_credential::is_deceptive(c), "{c:?}");
    }
}
