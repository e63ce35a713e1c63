//! The samples that a foreign library signed, checked by a real node over HTTP: each gets
//! exactly what their README says, and after a revocation its issuer's word counts.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // a panic is a failed test

use std::path::Path;

use credlog_credential::Credential;
use credlog_e2e::{NodeProcess, TestLedger, get, post};
use credlog_ledger::body::{Body, Reason, StatusChange};
use credlog_ledger::ids::Digest;
use credlog_ledger::record::Record;
use serde_json::{Value, json};

const SAMPLES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../crates/credential/tests/fixtures/samples"
);

/// File, and the summary when it is anchored and both status lists are handed over.
const EXPECTED: [(&str, &str); 17] = [
    ("01-valid-ob3-eddsa-rdfc-2022", "valid"),
    ("02-valid-vc2-eddsa-jcs-2022", "valid"),
    ("03-valid-ob3-eddsa-jcs-2022", "valid"),
    ("04-tampered-ob3-rdfc", "invalid"),
    ("05-tampered-vc2-jcs", "invalid"),
    ("06-expired", "expired"),
    ("07-future-validFrom", "not_yet_valid"),
    ("08-wrong-key-other-controller", "invalid"),
    ("09-wrong-key-claims-A", "invalid"),
    ("10-malformed-proofValue", "invalid"),
    ("11-malformed-proof-no-verificationMethod", "invalid"),
    ("12-unknown-context", "unknown"),
    ("13-undefined-term-added-rdfc", "invalid"),
    ("14-revoked", "revoked"),
    ("15-suspended", "suspended"),
    ("16-status-index-out-of-range", "unknown"),
    ("17-jcs-unknown-context", "valid"),
];

fn sample(name: &str) -> Value {
    let path = Path::new(SAMPLES).join(format!("{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn digest(credential: &Value) -> Digest {
    let parsed = Credential::from_json(credential.clone()).unwrap();
    Digest(*parsed.digest().as_bytes())
}

fn submit(node: &NodeProcess, record: &Record) -> Value {
    let bytes = record.to_bytes().unwrap();
    let answer = post(
        node.address(),
        "/v1/records",
        "application/vnd.credlog.record",
        &bytes,
    )
    .unwrap();
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    answer.json().unwrap()
}

fn verify(node: &NodeProcess, credential: &Value, at: Option<&str>) -> Value {
    let lists = ["status-list-revocation", "status-list-suspension"].map(sample);
    let mut request = json!({"credential": credential, "statusLists": lists});
    if let Some(at) = at {
        request["at"] = json!(at);
    }
    let body = serde_json::to_vec(&request).unwrap();
    let answer = post(node.address(), "/v1/verify", "application/json", &body).unwrap();
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    answer.json().unwrap()
}

#[test]
fn every_sample_gets_what_its_readme_says() {
    let ledger = TestLedger::create("").unwrap();
    let mut node = ledger.start().unwrap();
    let third = sample("03-valid-ob3-eddsa-jcs-2022");
    assert_eq!(verify(&node, &third, None)["summary"], "not_anchored");
    submit(&node, &ledger.accreditation().unwrap());
    submit(&node, &ledger.list_opening().unwrap());
    let mut committed = Value::Null;
    for (index, (name, _)) in (0..).zip(EXPECTED) {
        committed = submit(
            &node,
            &ledger.issuance(index, digest(&sample(name))).unwrap(),
        );
    }
    for (name, summary) in EXPECTED {
        let verdict = verify(&node, &sample(name), None);
        assert_eq!(verdict["summary"], summary, "{name}: {verdict:#}");
    }
    // Without its lists a sample's status elsewhere is not known, and that is not "valid".
    let body = serde_json::to_vec(&third).unwrap();
    let alone = post(node.address(), "/v1/verify", "application/json", &body).unwrap();
    assert_eq!(alone.json().unwrap()["summary"], "unknown");

    let before = committed["results"][0]["time"].as_str().unwrap().to_owned();
    let change = StatusChange {
        issuer: ledger.issuer().clone(),
        digests: vec![digest(&third)],
        reason: Reason::IssuedInError,
    };
    submit(&node, &ledger.by_issuer(Body::Revoke(change)).unwrap());
    for _ in ["before the restart", "after it"] {
        assert_eq!(verify(&node, &third, None)["summary"], "revoked");
        assert_eq!(verify(&node, &third, Some(&before))["summary"], "valid");
        node.kill().unwrap();
        node = ledger.start().unwrap();
    }
    assert_eq!(get(node.address(), "/checkpoint").unwrap().status, 200);
}
