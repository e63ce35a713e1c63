//! A foreign tool makes requests from the node's own description and judges the answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)] // a test

mod town;

use std::path::Path;
use std::process::Command;

use credlog_credential::Credential;
use town::{Town, sample};

/// Requests a route and phase.
const EXAMPLES: u32 = 10;
const EXAMPLES_LONG: u32 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_one_that_the_description_allows() {
    let Ok(python) = std::env::var("CREDLOG_PYTHON") else {
        eprintln!("NOT RUN: CREDLOG_PYTHON names no Python with tests/schema/requirements.txt");
        return;
    };
    let town = Town::new();
    let running = town.start().await;
    running.accredit().await;
    let credential = Credential::parse(&sample("03-valid-ob3-eddsa-jcs-2022.json")).unwrap();
    let digest = credlog_verify::digest_of(&credential);
    running.commit(&running.issue(&[(0, digest)])).await;
    running.commit(&running.revoke(&[digest])).await;
    let long = std::env::var("CREDLOG_TEST_LONG").is_ok_and(|long| long == "1");
    let examples = if long { EXAMPLES_LONG } else { EXAMPLES };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut check = Command::new(python);
    check
        .arg(root.join("tests/schema/check.py"))
        .arg(format!("http://{}", running.address))
        .arg("--golden")
        .arg(root.join("crates/api/tests/golden"))
        .args(["--digest", &digest.to_string()])
        .args(["--max-examples", &examples.to_string()]);
    let done = tokio::task::spawn_blocking(move || check.status().unwrap()).await;
    assert!(done.unwrap().success(), "see above");
    running.node.shutdown().await;
}
