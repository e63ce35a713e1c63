//! The samples that a foreign library signed, checked by a real node over HTTP: each gets
//! exactly what their README says, and after a revocation its issuer's word counts.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // a panic is a failed test

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use credlog_credential::{Credential, bake};
use credlog_e2e::{NodeProcess, TestLedger, binary, get, post};
use credlog_ledger::body::{Body, Reason, StatusChange};
use credlog_ledger::ids::Digest;
use credlog_ledger::record::Record;
use serde_json::{Value, json};

const SAMPLES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../crates/credential/tests/fixtures/samples"
);

const PIXEL: &[u8] = include_bytes!("../../../crates/node/tests/pixel.png");

/// File, and the summary when it is anchored: with both status lists handed over, and alone. Alone,
/// a status that is kept elsewhere is not known, and that is not "valid".
const EXPECTED: [(&str, &str, &str); 17] = [
    ("01-valid-ob3-eddsa-rdfc-2022", "valid", "unknown"),
    ("02-valid-vc2-eddsa-jcs-2022", "valid", "unknown"),
    ("03-valid-ob3-eddsa-jcs-2022", "valid", "unknown"),
    ("04-tampered-ob3-rdfc", "invalid", "invalid"),
    ("05-tampered-vc2-jcs", "invalid", "invalid"),
    ("06-expired", "expired", "expired"),
    ("07-future-validFrom", "not_yet_valid", "not_yet_valid"),
    ("08-wrong-key-other-controller", "invalid", "invalid"),
    ("09-wrong-key-claims-A", "invalid", "invalid"),
    ("10-malformed-proofValue", "invalid", "invalid"),
    (
        "11-malformed-proof-no-verificationMethod",
        "invalid",
        "invalid",
    ),
    ("12-unknown-context", "unknown", "unknown"),
    ("13-undefined-term-added-rdfc", "invalid", "invalid"),
    ("14-revoked", "revoked", "unknown"),
    ("15-suspended", "suspended", "unknown"),
    ("16-status-index-out-of-range", "unknown", "unknown"),
    ("17-jcs-unknown-context", "valid", "unknown"),
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

/// A sample as a file of every form that it can have: its ending, its media type and its content.
fn forms(name: &str) -> [(&'static str, &'static str, Vec<u8>); 3] {
    let text = std::fs::read_to_string(Path::new(SAMPLES).join(format!("{name}.json"))).unwrap();
    let baked = |image: &[u8]| bake::bake(image, &text).unwrap();
    let svg = baked(b"<svg xmlns=\"http://www.w3.org/2000/svg\"><title>badge</title></svg>");
    let png = baked(PIXEL);
    [
        ("json", "application/json", text.into_bytes()),
        ("png", "image/png", png),
        ("svg", "image/svg+xml", svg),
    ]
}

/// Each sample as a line of its own, without lists and with them.
fn by_batch(node: &NodeProcess) {
    let lists = ["status-list-revocation", "status-list-suspension"].map(sample);
    let mut lines = String::new();
    for (name, ..) in EXPECTED {
        let credential = sample(name);
        lines += &format!("{credential}\n");
        let request = json!({"credential": credential, "statusLists": lists});
        lines += &format!("{request}\n");
    }
    let media_type = "application/x-ndjson";
    let answer = post(
        node.address(),
        "/v1/verify/batch",
        media_type,
        lines.as_bytes(),
    );
    let text = String::from_utf8(answer.unwrap().streamed().unwrap()).unwrap();
    let summaries: Vec<String> = text
        .lines()
        .map(|line| {
            let answer: Value = serde_json::from_str(line).unwrap();
            answer["verdict"]["summary"].as_str().unwrap().to_owned()
        })
        .collect();
    let expected = EXPECTED.map(|(_, with_lists, alone)| [alone, with_lists]);
    assert_eq!(summaries, expected.concat());
}

/// The samples in every form in one folder, by the command line.
fn by_file(node: &NodeProcess, folder: &Path) {
    let folder = folder.join("handed-over");
    std::fs::create_dir(&folder).unwrap();
    for (name, ..) in EXPECTED {
        for (form, _, file) in forms(name) {
            std::fs::write(folder.join(format!("{name}.{form}")), file).unwrap();
        }
    }
    let mut command = Command::new(binary().unwrap());
    command
        .args(["verify", "--json", "--node"])
        .arg(format!("http://{}", node.address()))
        .arg(&folder);
    for purpose in ["revocation", "suspension"] {
        let list = Path::new(SAMPLES).join(format!("status-list-{purpose}.json"));
        command.arg("--status-list").arg(list);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "some are not valid");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let answer: Value = serde_json::from_str(line).unwrap();
        let file = Path::new(answer["target"].as_str().unwrap());
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let summary = answer["verdict"]["summary"].as_str().unwrap();
        found.insert(name, summary.to_owned());
    }
    assert_eq!(found.len(), 3 * EXPECTED.len(), "{text}");
    for (name, summary, _) in EXPECTED {
        for (form, ..) in forms(name) {
            assert_eq!(found[&format!("{name}.{form}")], summary, "{name}.{form}");
        }
    }
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
    for (index, (name, ..)) in (0..).zip(EXPECTED) {
        committed = submit(
            &node,
            &ledger.issuance(index, digest(&sample(name))).unwrap(),
        );
    }
    for (name, summary, alone) in EXPECTED {
        let verdict = verify(&node, &sample(name), None);
        assert_eq!(verdict["summary"], summary, "{name}: {verdict:#}");
        for (form, media_type, file) in forms(name) {
            let answer = post(node.address(), "/v1/verify", media_type, &file).unwrap();
            let verdict = answer.json().unwrap();
            assert_eq!(verdict["summary"], alone, "{name}, {form}: {verdict:#}");
        }
    }
    by_batch(&node);
    by_file(&node, ledger.folder());

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
