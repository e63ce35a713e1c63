//! The samples that a foreign library signed, checked by a real node over HTTP: each gets
//! exactly what their README says, and after a revocation its issuer's word counts.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // a panic is a failed test

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use credlog_credential::{Credential, bake};
use credlog_e2e::{Answer, NodeProcess, TestLedger, binary, get, post};
use credlog_ledger::body::{Body, Reason, StatusChange};
use credlog_ledger::ids::Digest;
use credlog_ledger::record::Record;
use serde_json::{Value, json};

const SAMPLES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../crates/credential/tests/fixtures/samples"
);
const VECTORS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../crates/credential/tests/fixtures/vectors"
);

const NDJSON: &str = "application/x-ndjson";
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

/// What a node answers, with 200.
fn answer(node: &NodeProcess, path: &str, media_type: &str, body: &[u8]) -> Answer {
    let answer = post(node.address(), path, media_type, body).unwrap();
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 200, "{text}");
    answer
}

fn submit(node: &NodeProcess, record: &Record) -> Value {
    let bytes = record.to_bytes().unwrap();
    let media_type = "application/vnd.credlog.record";
    let answer = answer(node, "/v1/records", media_type, &bytes);
    answer.json().unwrap()
}

fn verify_file(node: &NodeProcess, media_type: &str, file: &[u8]) -> Value {
    let answer = answer(node, "/v1/verify", media_type, file);
    answer.json().unwrap()
}

fn verify(node: &NodeProcess, credential: &Value, at: Option<&str>) -> Value {
    let lists = ["status-list-revocation", "status-list-suspension"].map(sample);
    let mut request = json!({"credential": credential, "statusLists": lists});
    if let Some(at) = at {
        request["at"] = json!(at);
    }
    verify_file(node, "application/json", request.to_string().as_bytes())
}

/// A sample in every form.
fn sample_forms(name: &str) -> [(&'static str, &'static str, Vec<u8>); 3] {
    let path = Path::new(SAMPLES).join(format!("{name}.json"));
    forms(&std::fs::read_to_string(path).unwrap())
}

/// A credential as a file of every form that it can have: its ending, its media type and its
/// content.
fn forms(text: &str) -> [(&'static str, &'static str, Vec<u8>); 3] {
    let text = text.trim();
    let baked = |image: &[u8]| bake::bake(image, text).unwrap();
    let svg = baked(b"<svg xmlns=\"http://www.w3.org/2000/svg\"><title>badge</title></svg>");
    let png = baked(PIXEL);
    let plain = match text.starts_with('{') {
        true => ("json", "application/json"),
        false => ("jwt", "application/vc+jwt"),
    };
    [
        (plain.0, plain.1, text.as_bytes().to_vec()),
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
    let answer = answer(node, "/v1/verify/batch", NDJSON, lines.as_bytes());
    let text = String::from_utf8(answer.streamed().unwrap()).unwrap();
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
        for (form, _, file) in sample_forms(name) {
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
        for (form, ..) in sample_forms(name) {
            assert_eq!(found[&format!("{name}.{form}")], summary, "{name}.{form}");
        }
    }
}

/// Vectors of W3C and 1EdTech, and whether their proofs are good. Their keys say nothing about
/// their issuers, which is another check.
const SIGNED: [(&str, &str); 11] = [
    (
        "w3c-vc-di-ecdsa/ecdsa-jcs-2019-p256/signedJCSECDSAP256.json",
        "yes",
    ),
    (
        "w3c-vc-di-ecdsa/ecdsa-jcs-2019-p384/signedJCSECDSAP384.json",
        "unknown",
    ),
    ("w3c-vc-di-eddsa/eddsa-jcs-2022/signedJCS.json", "yes"),
    ("w3c-vc-di-eddsa/eddsa-rdfc-2022/signedDataInt.json", "yes"),
    (
        "w3c-vc-di-eddsa/eddsa-rdfc-2022/employ/signedDataInt.json",
        "unknown",
    ),
    (
        "w3c-vc-di-eddsa/proof-set-chain/signedProofSet1.json",
        "yes",
    ),
    (
        "w3c-vc-di-eddsa/proof-set-chain/signedProofSet2.json",
        "yes",
    ),
    (
        "w3c-vc-di-eddsa/proof-set-chain/signedProofChain1.json",
        "yes",
    ),
    (
        "w3c-vc-di-eddsa/proof-set-chain/signedProofChain2.json",
        "yes",
    ),
    ("1edtech-clr/signed.json", "yes"),
    ("1edtech-ob/basic.jwt", "yes"),
];

#[test]
fn every_vector_is_good_or_unknown_in_every_form() {
    let ledger = TestLedger::create("").unwrap();
    let node = ledger.start().unwrap();
    let proof = |verdict: &Value| {
        assert_eq!(verdict["checks"][0]["name"], "proof", "{verdict:#}");
        verdict["checks"][0]["outcome"].as_str().unwrap().to_owned()
    };
    for (name, expected) in SIGNED {
        let text = std::fs::read_to_string(Path::new(VECTORS).join(name)).unwrap();
        for (form, media_type, file) in forms(&text) {
            let verdict = verify_file(&node, media_type, &file);
            assert_eq!(proof(&verdict), expected, "{name}, {form}: {verdict:#}");
            let path = ledger.folder().join(format!("vector.{form}"));
            std::fs::write(&path, file).unwrap();
            let mut command = Command::new(binary().unwrap());
            command
                .args(["verify", "--json", "--node"])
                .arg(format!("http://{}", node.address()))
                .arg(&path);
            let answer: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
            assert_eq!(
                proof(&answer["verdict"]),
                expected,
                "{name}, {form} file: {answer:#}"
            );
        }
        let line: Value = match serde_json::from_str(&text) {
            Ok(document) => document,
            Err(_) => json!(text.trim()),
        };
        let line = line.to_string();
        let answer = answer(&node, "/v1/verify/batch", NDJSON, line.as_bytes());
        let answer: Value = serde_json::from_slice(&answer.streamed().unwrap()).unwrap();
        assert_eq!(
            proof(&answer["verdict"]),
            expected,
            "{name}, batch: {answer:#}"
        );
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
        for (form, media_type, file) in sample_forms(name) {
            let verdict = verify_file(&node, media_type, &file);
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
