//! A real node on a disk that takes no more: one that something else fills to the last byte,
//! and one that does not answer.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // a panic is a failed test

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use credlog_e2e::{Answer, NodeProcess, TestLedger, get, post};
use credlog_ledger::ids::Digest;
use credlog_ledger::record::Record;

/// Set in the process that sees the small disk: where it is.
const SMALL_DISK: &str = "CREDLOG_TEST_SMALL_DISK";
const NAME: &str = "a_full_disk_refuses_records_and_nothing_else";
/// Whatever a node does by itself, it has done after this time.
const PATIENCE: Duration = Duration::from_secs(20);
const SETTINGS: &str = "[rate_limit]\nreads_per_second = 0\nwrites_per_second = 0\n\
                        [store]\ndisk_reserve_bytes = 8388608\ncommit_timeout_seconds = 10";

/// A pipe that nobody writes to stands for the disk.
#[test]
fn a_disk_that_does_not_answer_ends_the_process() {
    let settings = "[store]\ncommit_timeout_seconds = 1";
    let ledger = TestLedger::create(settings).unwrap();
    let mut node = ledger.start().unwrap();
    assert_committed(&submit(&node, &ledger.accreditation().unwrap()));
    let (watermark, away) = (
        ledger.folder().join("data/watermark"),
        ledger.folder().join("away"),
    );
    fs::rename(&watermark, &away).unwrap();
    let made = Command::new("mkfifo").arg(&watermark).status().unwrap();
    assert!(made.success());
    let record = ledger.list_opening().unwrap();
    let answer = submit(&node, &record);
    assert_eq!(answer.status, 503, "{:?}", answer.json());
    let status = node.wait(PATIENCE).unwrap();
    let log = node.log().unwrap();
    assert_eq!(status.code(), Some(5), "{log}");
    assert!(log.contains("the disk takes no more"), "{log}");
    fs::rename(&away, &watermark).unwrap();
    let node = ledger.start().unwrap();
    assert_committed(&submit(&node, &record));
}

/// Runs itself again where a small disk is mounted that no other process sees.
#[test]
fn a_full_disk_refuses_records_and_nothing_else() {
    if let Some(disk) = std::env::var_os(SMALL_DISK) {
        return on_small_disk(Path::new(&disk));
    }
    let disk = tempfile::tempdir().unwrap();
    let mount = |then: &str| {
        let script = format!("mount -t tmpfs -o size=32m tmpfs \"$1\" && {then}");
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script, "sh"]);
        command.arg(disk.path());
        command
    };
    let possible = mount("true").output();
    if !possible.is_ok_and(|output| output.status.success()) {
        println!("skipped: no disk can be mounted here");
        return;
    }
    // If it hangs, it is killed with its nodes: they are of one process group.
    let output = mount("exec timeout -s KILL 120 \"$2\" --exact --nocapture \"$3\"")
        .arg(std::env::current_exe().unwrap())
        .arg(NAME)
        .env(SMALL_DISK, disk.path())
        .output()
        .unwrap();
    let (out, err) = (&output.stdout, &output.stderr);
    let text = [out.as_slice(), err].map(String::from_utf8_lossy).concat();
    println!("{text}");
    assert!(output.status.success() && text.contains("1 passed"));
}

fn on_small_disk(disk: &Path) {
    let ledger = TestLedger::create(SETTINGS).unwrap();
    // Only the data is on the small disk, so that the log of the node can be read.
    fs::create_dir(disk.join("data")).unwrap();
    std::os::unix::fs::symlink(disk.join("data"), ledger.folder().join("data")).unwrap();
    let node = ledger.start().unwrap();
    let mut kept = vec![
        ledger.accreditation().unwrap(),
        ledger.list_opening().unwrap(),
    ];
    for record in &kept {
        assert_committed(&submit(&node, record));
    }
    kept.extend((0..20).map(|index| issued(&ledger, &node, index)));
    assert_eq!(metric(&node, "credlog_ready"), 1);
    let reserve = metric(&node, "credlog_disk_reserve_bytes");
    assert!(reserve == 8 << 20 && metric(&node, "credlog_disk_free_bytes") > reserve);

    // Records are refused, reads go on.
    let filler = fill(disk);
    await_ready(&node, 503, "disk-full");
    let record = ledger.issuance(20, Digest(rand::random())).unwrap();
    for _ in 0..20 {
        let answer = submit(&node, &record);
        let problem = answer.json().unwrap();
        assert_eq!(answer.status, 503, "{problem}");
        assert_eq!(problem["type"], "urn:credlog:problem:disk-full");
        let head = answer.head.to_ascii_lowercase();
        assert!(head.contains("retry-after: 5"), "{head}");
    }
    assert_there(&node, &kept);
    assert_eq!(get(node.address(), "/checkpoint").unwrap().status, 200);
    assert_eq!(metric(&node, "credlog_ready"), 0);
    assert!(metric(&node, "credlog_disk_free_bytes") < 1 << 16);
    assert!(node.log().unwrap().contains("the disk is full"));

    // With space it goes on by itself: with the same record, and with others.
    fs::remove_file(&filler).unwrap();
    await_ready(&node, 200, "ready");
    assert_committed(&submit(&node, &record));
    kept.push(record);
    kept.push(issued(&ledger, &node, 21));
    assert_there(&node, &kept);
    node.kill().unwrap();

    // On a full disk it does not start, says why, and puts nothing aside.
    let filler = fill(disk);
    let mut refusing = NodeProcess::spawn(&ledger.config(), ledger.listen()).unwrap();
    let status = refusing.wait(PATIENCE).unwrap();
    let log = refusing.log().unwrap();
    assert_eq!(status.code(), Some(5), "{log}");
    assert!(log.contains("free space on it"), "{log}");
    fs::remove_file(&filler).unwrap();
    let node = ledger.start().unwrap();
    assert_there(&node, &kept);
    issued(&ledger, &node, 22);
}

/// Takes all that is left of the disk.
fn fill(disk: &Path) -> PathBuf {
    let filler = disk.join("filler");
    let mut file = File::create(&filler).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
    filler
}

fn submit(node: &NodeProcess, record: &Record) -> Answer {
    let bytes = record.to_bytes().unwrap();
    let media_type = "application/vnd.credlog.record";
    post(node.address(), "/v1/records", media_type, &bytes).unwrap()
}

fn assert_committed(answer: &Answer) {
    let body = answer.json().unwrap();
    assert_eq!(answer.status, 200, "{body}");
    assert_eq!(body["results"][0]["outcome"], "committed", "{body}");
}

fn issued(ledger: &TestLedger, node: &NodeProcess, index: u32) -> Record {
    let record = ledger.issuance(index, Digest(rand::random())).unwrap();
    assert_committed(&submit(node, &record));
    record
}

fn assert_there(node: &NodeProcess, records: &[Record]) {
    for record in records {
        let id = Record::id_of(&record.to_bytes().unwrap());
        let answer = get(node.address(), &format!("/v1/records/{id}")).unwrap();
        assert_eq!(answer.status, 200, "record {id}: {}", answer.head);
    }
}

/// Waits until /readyz has this status, with a body that contains `word`.
fn await_ready(node: &NodeProcess, status: u16, word: &str) {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let answer = get(node.address(), "/readyz").unwrap();
        if answer.status == status {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(body.contains(word), "{body}");
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("/readyz is not {status}:\n{}", node.log().unwrap());
}

fn metric(node: &NodeProcess, name: &str) -> u64 {
    let answer = get(node.address(), "/metrics").unwrap();
    let text = String::from_utf8(answer.body).unwrap();
    let prefix = format!("{name} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&prefix));
    value.unwrap().parse().unwrap()
}
