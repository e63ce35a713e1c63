//! The checker of tests/foreign, written in Python from docs/formats.md alone, on a ledger that
//! this crate made: it accepts the whole, and nothing of which a single byte is changed.
//!
//! Runs where `CREDLOG_PYTHON` (`python3` if not set) has the packages of
//! tests/foreign/requirements.txt, and says so where it does not.
#![allow(clippy::print_stderr)] // so that nobody takes it for run

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use credlog_ledger::body::Body;
use credlog_ledger::ids::ListNumber;
use credlog_ledger::member::MemberSet;
use credlog_tlog::{CosignatureSigner, Note, NoteSigner, encode_bundle};
use serde_json::Value;

use crate::follow::{Story, certify, story};
use crate::support::{by_issuer, issue, key, origin};

fn python() -> Option<Command> {
    let program = std::env::var("CREDLOG_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut probe = Command::new(&program);
    let output = probe.args(["-c", "import blake3, cryptography"]).output();
    match output {
        Ok(output) if output.status.success() => Some(Command::new(program)),
        _ => {
            eprintln!("not run: {program} with the packages of tests/foreign/requirements.txt");
            None
        }
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/foreign")
        .join(name)
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A full bundle of leaves, a partial one, and three changes of the member set.
fn long_story() -> Story {
    let mut story = story();
    let ledger = &mut story.ledger;
    ledger.seal_one(&by_issuer("b"), Body::OpenStatusList {});
    let list = ledger.state().head().unwrap().status_lists - 1;
    assert!(ledger.state().list(ListNumber(list)).unwrap().is_some());
    let issues = (0..300).map(|n| ledger.sign(&by_issuer("b"), issue(list, &[(n, n.into())])));
    let issues = issues.collect();
    ledger.seal(issues);
    story
}

/// The folder that tests/foreign/README.md describes.
fn write_ledger(folder: &Path, story: &Story) {
    let Story { ledger, sets, .. } = story;
    write(
        folder,
        "genesis.json",
        &serde_json::to_vec(&ledger.genesis).unwrap(),
    );
    let mut leaves = Vec::new();
    let mut members: &MemberSet = &sets[0];
    for (at, block) in ledger.blocks.iter().enumerate() {
        let height = block.seal.height;
        leaves.extend(block.records.iter().map(|record| record.leaf()));
        leaves.push(block.seal.leaf().unwrap());
        let certificate = certify(ledger, at, members).to_bytes().unwrap();
        write(folder, &format!("certificates/{height}"), &certificate);
        let next = sets
            .iter()
            .find(|set| set.hash() == Ok(block.seal.members_hash));
        if next != Some(members) {
            members = next.unwrap();
            let bytes = members.to_bytes().unwrap();
            write(folder, &format!("members/{}", height.next()), &bytes);
        }
    }
    for (number, bundle) in leaves.chunks(256).enumerate() {
        let partial = match bundle.len() {
            256 => String::new(),
            width => format!(".p/{width}"),
        };
        let bytes = encode_bundle(bundle).unwrap();
        write(
            folder,
            &format!("tile/entries/{number:03}{partial}"),
            &bytes,
        );
    }
    write(folder, "checkpoint", cosigned(story, members).as_bytes());
}

/// Signed by the node of m2, cosigned by all but the last member, at different times.
fn cosigned(story: &Story, members: &MemberSet) -> String {
    let checkpoint = story.ledger.blocks.last().unwrap().checkpoint().unwrap();
    let node = NoteSigner::new(origin().as_str(), key("m2/0/node")).unwrap();
    let mut lines = vec![node.sign(&checkpoint.body()).unwrap()];
    let quorum = &members.members()[..members.members().len() - 1];
    for (seat, time) in quorum
        .iter()
        .zip([1_800_000_020, 1_800_000_010, 1_800_000_030])
    {
        let label = format!("{}/{}/cosigner", seat.member.id, seat.cosigner_number);
        let signer = CosignatureSigner::new(&seat.cosigner_name(&origin()), key(&label)).unwrap();
        lines.push(signer.cosign(&checkpoint, time));
    }
    Note::new(&checkpoint.body(), lines).unwrap().to_string()
}

#[test]
fn a_program_written_from_the_text_agrees() {
    let Some(mut checker) = python() else {
        return;
    };
    let story = long_story();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign-ledger");
    let _ = fs::remove_dir_all(&folder);
    write_ledger(&folder, &story);
    let output = checker
        .arg(script("check_ledger.py"))
        .arg(&folder)
        .args(["--json", "--no-strangers"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let last = story.ledger.blocks.last().unwrap();
    assert_eq!(found["ledgerId"], story.ledger.id.to_string());
    assert_eq!(found["height"], last.seal.height.0);
    assert_eq!(found["size"], last.size.0);
    assert!(last.size.0 > 256);
    assert_eq!(found["root"], last.root.to_string());
    assert_eq!(found["asOfMs"], 1_800_000_010_000_u64);
    assert_eq!(found["cosigned"].as_object().unwrap().len(), 3);
    let heights = story.steps.iter().map(|step| step.certificate.height.0);
    assert_eq!(found["changes"], heights.collect::<Value>());

    let flips = match std::env::var("CREDLOG_TEST_LONG").as_deref() {
        Ok("1") => "4000",
        _ => "200",
    };
    let mut corrupt = python().unwrap();
    let output = corrupt
        .arg(script("corrupt.py"))
        .arg(&folder)
        .args(["--flips", flips])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
