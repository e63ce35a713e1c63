//! A ledger exported and audited while its node takes records, by the commands of the binary.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // a panic is a failed test

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use credlog_e2e::{NodeProcess, TestLedger, binary, count, post};
use credlog_ledger::body::{Body, Reason, StatusChange};
use credlog_ledger::ids::Digest;
use credlog_ledger::record::Record;
use serde_json::Value;

const ONE_RECORD: &str = "application/vnd.credlog.record";
const SETTINGS: &str =
    "[rate_limit]\nreads_per_second = 0\nwrites_per_second = 0\nrecords_per_second = 0";

fn submit(address: SocketAddr, record: &Record) {
    let answer = post(
        address,
        "/v1/records",
        ONE_RECORD,
        &record.to_bytes().unwrap(),
    )
    .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.head);
}

fn credlog(arguments: &[&str]) -> Output {
    let mut command = Command::new(binary().unwrap());
    command.args(arguments).arg("--json").output().unwrap()
}

/// The answer of a command that ends with this exit code.
fn answer(arguments: &[&str], code: i32) -> Value {
    let output = credlog(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?}: {error}{text}"
    );
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

struct Running {
    ledger: TestLedger,
    node: NodeProcess,
    next: AtomicU32,
}

impl Running {
    fn start() -> Self {
        let ledger = TestLedger::create(SETTINGS).unwrap();
        let node = ledger.start().unwrap();
        submit(node.address(), &ledger.accreditation().unwrap());
        submit(node.address(), &ledger.list_opening().unwrap());
        let next = AtomicU32::new(0);
        Self { ledger, node, next }
    }

    fn issue(&self) -> Digest {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let digest = Digest(rand::random());
        submit(
            self.node.address(),
            &self.ledger.issuance(index, digest).unwrap(),
        );
        digest
    }

    fn genesis(&self) -> String {
        text(&self.ledger.folder().join("genesis.json"))
    }

    fn export(&self, folder: &Path, code: i32) -> Value {
        let (folder, node) = (text(folder), self.node.url());
        answer(&["ledger", "export", &folder, "--node", &node], code)
    }

    fn audit(&self, from: &str, code: i32) -> Value {
        let genesis = self.genesis();
        answer(
            &["audit", "replay", "--from", from, "--genesis", &genesis],
            code,
        )
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Ends the writers, also when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Every file of a folder with its bytes, but those that are written anew each time.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    found.insert(path.clone(), fs::read(path).unwrap());
                }
            }
        }
    }
    found
}

#[test]
fn a_ledger_is_exported_and_audited_while_it_grows() {
    let running = Running::start();
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("copy");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    running.issue();
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
        }
        let stop = Stop(&done);
        let mut sizes = Vec::new();
        for round in 0..count(30) {
            let exported = running.export(&folder, 0);
            let size = exported["size"].as_u64().unwrap();
            assert_eq!(exported["sizeBefore"], Value::from(sizes.last().copied()));
            sizes.push(size);
            // Whoever reads a copy finds a whole log, whatever is written meanwhile.
            let report = running.audit(&text(&folder), 0);
            assert_eq!(report["size"], size, "round {round}");
            std::thread::sleep(Duration::from_millis(300));
        }
        drop(stop);
        assert!(
            sizes.is_sorted() && sizes.last() > sizes.first(),
            "{sizes:?}"
        );
    });
}

#[test]
fn copy_and_node_give_the_same_report_and_a_changed_byte_is_named() {
    let running = Running::start();
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("copy");
    let digests: Vec<_> = (0..300).map(|_| running.issue()).collect();
    let first = running.export(&folder, 0);
    let before = files(&folder);
    let revoked = Body::Revoke(StatusChange {
        issuer: running.ledger.issuer().clone(),
        digests: vec![digests[7]],
        reason: Reason::Misconduct,
    });
    submit(
        running.node.address(),
        &running.ledger.by_issuer(revoked).unwrap(),
    );
    (0..300).for_each(|_| {
        running.issue();
    });
    let second = running.export(&folder, 0);
    assert_eq!(second["sizeBefore"], first["size"]);
    assert_eq!(second["attested"], true);
    // Full tiles and bundles are not written again.
    let after = files(&folder);
    let is_full = |path: &Path| {
        let path = path.to_str().unwrap();
        path.contains("/tile/") && !path.contains(".p/")
    };
    let full = before.keys().filter(|path| is_full(path));
    assert!(full.clone().count() >= 4);
    let modified = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    let checkpoint = modified(&folder.join("checkpoint"));
    for path in full {
        assert_eq!(before[path], after[path], "{}", path.display());
        assert!(modified(path) < checkpoint, "{}", path.display());
    }
    // A third time there is nothing to do but the checkpoint and what is signed anew.
    let third = running.export(&folder, 0);
    assert_eq!(third["size"], second["size"]);
    assert!(third["files"].as_u64().unwrap() < 8, "{third}");
    // Of older checkpoints nothing is left now.
    let after = files(&folder);

    let of_copy = running.audit(&text(&folder), 0);
    let of_node = running.audit(&running.node.url(), 0);
    for field in [
        "size",
        "root",
        "height",
        "state",
        "certificates",
        "ledgerId",
    ] {
        assert_eq!(of_copy[field], of_node[field], "{field}");
    }
    assert_eq!(of_copy["statusLists"], 2);
    assert_eq!(of_copy["clean"], true);

    // Every kind of file, with one byte changed.
    let mut kinds: BTreeMap<String, PathBuf> = BTreeMap::new();
    for path in after.keys() {
        let name = text(path.strip_prefix(&folder).unwrap());
        let kind = name.trim_end_matches(|c: char| c.is_ascii_digit() || "./p".contains(c));
        if ![".lock", "export.json", "checkpoint"].contains(&name.as_str()) {
            kinds.insert(kind.to_owned(), path.clone());
        }
    }
    assert!(kinds.len() >= 5, "{kinds:?}");
    for path in kinds.values() {
        let mut bytes = after[path].clone();
        // A line of a note may be of a stranger: of the history, the ledger's id.
        let at = match path.ends_with("history") {
            true => String::from_utf8_lossy(&bytes).find("\"ledger\"").unwrap() + 15,
            false => bytes.len() / 2,
        };
        bytes[at] ^= 1;
        fs::write(path, &bytes).unwrap();
        let report = running.audit(&text(&folder), 1);
        let finding = &report["findings"][0];
        let named = finding["leaf"].is_u64() || finding["height"].is_u64();
        let name = format!("/{}", text(path.strip_prefix(&folder).unwrap()));
        assert!(
            named || finding["file"] == name.as_str(),
            "{name}: {report:#}"
        );
        fs::write(path, &after[path]).unwrap();
    }
    running.audit(&text(&folder), 0);

    // The digest is the one that the node keeps.
    let data = running.ledger.folder().join("data");
    running.node.kill().unwrap();
    let check = answer(&["store", "check", &text(&data)], 0);
    assert_eq!(check["stateDigest"], of_copy["state"]["digest"]);
}

#[test]
fn what_cannot_be_finished_is_no_finding_and_what_is_not_a_copy_is_left_alone() {
    let running = Running::start();
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("copy");
    running.issue();
    running.export(&folder, 0);
    let checkpoint = fs::read(folder.join("checkpoint")).unwrap();

    let genesis = running.genesis();
    for from in ["http://127.0.0.1:1", "/nowhere/at/all"] {
        answer(
            &["audit", "replay", "--from", from, "--genesis", &genesis],
            2,
        );
    }
    let bad = text(&folder.join("checkpoint"));
    answer(
        &[
            "audit",
            "replay",
            "--from",
            &text(&folder),
            "--genesis",
            &bad,
        ],
        2,
    );
    answer(&["audit", "replay"], 64);

    // Another ledger of the same origin: neither its export nor its genesis fit this folder.
    let other = Running::start();
    other.export(&folder, 5);
    other.audit(&text(&folder), 1);
    let strange = place.path().join("strange");
    fs::create_dir(&strange).unwrap();
    fs::write(strange.join("notes.txt"), "mine").unwrap();
    other.export(&strange, 5);
    assert_eq!(fs::read_dir(&strange).unwrap().count(), 1);
    assert_eq!(fs::read(folder.join("checkpoint")).unwrap(), checkpoint);
    running.audit(&text(&folder), 0);
}

#[test]
fn an_export_that_is_killed_leaves_a_whole_copy() {
    let running = Running::start();
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("copy");
    (0..200).for_each(|_| {
        running.issue();
    });
    let mut audited = 0;
    for round in 0..count(60) as u64 {
        let (name, node) = (text(&folder), running.node.url());
        let mut export = Command::new(binary().unwrap())
            .args(["ledger", "export", &name, "--node", &node])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(5 + 7 * round % 60));
        export.kill().unwrap();
        export.wait().unwrap();
        running.issue();
        if folder.join("checkpoint").exists() {
            running.audit(&name, 0);
            audited += 1;
        }
    }
    println!("{audited} copies whole after a kill");
    running.export(&folder, 0);
    running.audit(&text(&folder), 0);
    let left = files(&folder);
    assert!(
        left.keys().all(|path| !text(path).ends_with(".part")),
        "{:?}",
        left.keys()
    );
}

/// No node is left: a receipt can still be made, from a copy alone.
#[test]
fn a_copy_without_any_node_gives_receipts() {
    let running = Running::start();
    let (kept, revoked) = (running.issue(), running.issue());
    let body = Body::Revoke(StatusChange {
        issuer: running.ledger.issuer().clone(),
        digests: vec![revoked],
        reason: Reason::Other,
    });
    submit(
        running.node.address(),
        &running.ledger.by_issuer(body).unwrap(),
    );
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("copy");
    running.export(&folder, 0);
    let (genesis, from) = (running.genesis(), text(&folder));
    let Running { ledger, node, .. } = running;
    node.kill().unwrap();
    let out = text(&place.path().join("both.receipt.json"));
    let digests = [kept.to_string(), revoked.to_string()];
    let made = answer(
        &[
            "receipt",
            "make",
            &digests[0],
            &digests[1],
            "--from",
            &from,
            "--genesis",
            &genesis,
            "--out",
            &out,
        ],
        0,
    );
    assert_eq!(made["credentials"], 2);
    let shown = answer(&["receipt", "show", &out], 0);
    let statuses: Vec<_> = shown["credentials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["digest"].as_str().unwrap(),
                one["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert!(
        statuses.contains(&(digests[0].as_str(), "valid")),
        "{shown}"
    );
    assert!(
        statuses.contains(&(digests[1].as_str(), "revoked")),
        "{shown}"
    );
    // Revoked, so 1: it is taken, and by nobody's word.
    let output = credlog(&["receipt", "verify", &out, "--genesis", &genesis]);
    assert_eq!(output.status.code(), Some(1));
    let unknown = Digest(rand::random()).to_string();
    let other = text(&place.path().join("none.receipt.json"));
    let words = [
        "receipt",
        "make",
        &unknown,
        "--from",
        &from,
        "--genesis",
        &genesis,
        "--out",
        &other,
    ];
    answer(&words, 2);
    // A copy that somebody changed makes none.
    let bundle = folder.join("tile/entries");
    let first = fs::read_dir(bundle)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let file = match first.is_dir() {
        true => fs::read_dir(first).unwrap().next().unwrap().unwrap().path(),
        false => first,
    };
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let changed = [
        "receipt",
        "make",
        &digests[0],
        "--from",
        &from,
        "--genesis",
        &genesis,
        "--out",
        &other,
    ];
    answer(&changed, 1);
    drop(ledger);
}
