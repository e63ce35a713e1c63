//! What the system refuses says nothing about the data: nothing is put aside, and the store
//! opens again when the cause is gone.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use credlog_ledger::ids::Height;
use credlog_store::{Fatal, OpenError, Options, RebuildOptions, Store, check, rebuild};

use tempfile::TempDir;

use crate::commits::assert_same;
use crate::support::{TestLedger, commit};

/// Set in the processes of [`a_full_disk_stops_the_store_and_leaves_it_whole`] that see the
/// small disk: where it is.
const SMALL_DISK: &str = "CREDLOG_TEST_SMALL_DISK";
/// Which step such a process takes.
const STEP: &str = "CREDLOG_TEST_STEP";
/// The height that was acknowledged last.
const ACKNOWLEDGED: &str = "acknowledged";
/// A commit that has not ended by then does not end.
const COMMIT_PATIENCE: Duration = Duration::from_secs(10);
/// Longer than any step takes, by far.
const STEP_SECONDS: u32 = 30;

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// An open that fails and moves nothing.
fn assert_refused(dir: &Path) -> String {
    let refused = Store::open(dir, &Options::default()).unwrap_err();
    assert!(matches!(refused, OpenError::Io { .. }), "{refused}");
    assert_eq!(
        names(dir),
        ["genesis.json", "sled", "undecided", "watermark"]
    );
    refused.to_string()
}

#[test]
fn a_watermark_that_cannot_be_read_is_not_damage() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = TestLedger::new(61);
    drop(Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap());
    let (path, away) = (dir.path().join("watermark"), tempfile::tempdir().unwrap());
    fs::rename(&path, away.path().join("watermark")).unwrap();
    // Permissions do not bind root; a folder cannot be read as a file by anyone.
    fs::create_dir(&path).unwrap();
    let text = assert_refused(dir.path());
    assert!(text.contains("permissions"), "{text}");
    check(dir.path(), &mut |_| ()).unwrap_err();
    fs::remove_dir(&path).unwrap();
    fs::rename(away.path().join("watermark"), &path).unwrap();
    let store = Store::open(dir.path(), &Options::default()).unwrap();
    assert_same(&store.snapshot(), &ledger);
}

/// The data of another version, told apart from damage by the number of its format.
#[test]
fn data_of_another_format_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = TestLedger::new(65);
    drop(Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap());
    let path = dir.path().join("watermark");
    let own = fs::read(&path).unwrap();
    fs::write(&path, with_format(&own, 2)).unwrap();
    let resync = Options {
        resync_from_peers: true,
        ..Options::default()
    };
    for refused in [
        Store::open(dir.path(), &Options::default()).unwrap_err(),
        Store::open(dir.path(), &resync).unwrap_err(),
    ] {
        assert!(
            matches!(refused, OpenError::OtherFormat { found: 2, .. }),
            "{refused}"
        );
    }
    for refused in [
        check(dir.path(), &mut |_| ()).unwrap_err(),
        rebuild(dir.path(), &RebuildOptions::default(), &mut |_| ()).unwrap_err(),
    ] {
        assert!(refused.to_string().contains("format 2"), "{refused}");
    }
    let left = ["genesis.json", "sled", "undecided", "watermark"];
    assert_eq!(names(dir.path()), left);
    fs::write(&path, own).unwrap();
    let store = Store::open(dir.path(), &Options::default()).unwrap();
    assert_same(&store.snapshot(), &ledger);
}

/// A watermark's file with another number of the format, and the check that goes with it.
fn with_format(file: &[u8], format: u32) -> Vec<u8> {
    const COPY: usize = 2_048;
    let end = file.iter().position(|byte| *byte == b'\n').unwrap();
    let line = std::str::from_utf8(&file[..end]).unwrap();
    let (body, _) = line.split_once(",\"check\":").unwrap();
    let body = body.replace("\"format\":1", &format!("\"format\":{format}"));
    let check = blake3::hash(format!("{body}}}").as_bytes());
    let mut copy = format!("{body},\"check\":\"{check}\"}}\n").into_bytes();
    copy.resize(COPY, 0);
    copy.repeat(file.len() / COPY)
}

/// A check that was killed once left a copy as large as the store for ever; in a container,
/// where process ids come again, the next one copied over it.
#[test]
fn copies_of_a_killed_check_are_cleared_away_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = TestLedger::new(64);
    drop(Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap());
    let own = format!("check-{}", std::process::id());
    for name in [own.as_str(), "rebuild-7", "check-list", "quarantine-7"] {
        fs::create_dir_all(dir.path().join(name).join("sled")).unwrap();
        fs::write(dir.path().join(name).join("sled/db"), b"old").unwrap();
    }
    assert!(check(dir.path(), &mut |_| ()).unwrap().is_whole());
    let left = [
        "check-list",
        "genesis.json",
        "quarantine-7",
        "sled",
        "undecided",
        "watermark",
    ];
    assert_eq!(names(dir.path()), left);
}

#[test]
fn a_sled_that_another_holds_is_not_damage() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = TestLedger::new(62);
    drop(Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap());
    let held = sled::Config::new()
        .path(dir.path().join("sled"))
        .segment_size(128 << 10);
    let held = (0..100).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        held.open().ok()
    });
    assert!(held.is_some());
    let text = assert_refused(dir.path());
    assert!(text.contains("lock"), "{text}");
    drop(held);
    let store = Store::open(dir.path(), &Options::default()).unwrap();
    assert_same(&store.snapshot(), &ledger);
}

/// A command of the shell for which a small disk is mounted that no other process sees: at
/// `$1`, the folder. Nothing where none can be mounted.
fn on_small_disk(script: &str, args: &[&OsStr]) -> Option<(TempDir, Command)> {
    let disk = tempfile::tempdir().unwrap();
    let mount = |then: &str| {
        let script = format!("mount -t tmpfs -o size=12m tmpfs \"$1\" && {then}");
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script, "sh"]);
        command.arg(disk.path());
        command
    };
    let possible = mount("true").output();
    if !possible.is_ok_and(|output| output.status.success()) {
        println!("skipped: no disk can be mounted here");
        return None;
    }
    let mut command = mount(script);
    command.args(args).env(SMALL_DISK, disk.path());
    Some((disk, command))
}

/// Each step is a process of its own, as it is for a node: a sled whose write failed cannot
/// be closed (it may wait forever), and its lock goes only with its process.
#[test]
fn a_full_disk_stops_the_store_and_leaves_it_whole() {
    if let (Some(disk), Ok(step)) = (std::env::var_os(SMALL_DISK), std::env::var(STEP)) {
        let disk = Path::new(&disk);
        return match step.as_str() {
            "fill" => fill(disk),
            "full" => full(disk),
            "freed" => freed(disk),
            step => panic!("{step}"),
        };
    }
    // A step that hangs is killed: 137. What the steps say is printed.
    let step = |name: &str| {
        format!("{STEP}={name} timeout -s KILL {STEP_SECONDS} \"$2\" --exact --nocapture \"$3\"")
    };
    let script = ["fill", "full", "freed"].map(step).join(" && ");
    let this = std::env::current_exe().unwrap();
    let name = OsStr::new("environment::a_full_disk_stops_the_store_and_leaves_it_whole");
    for _ in 0..rounds() {
        let Some((_disk, mut command)) = on_small_disk(&script, &[this.as_os_str(), name]) else {
            return;
        };
        let output = command.output().unwrap();
        let (out, err) = (&output.stdout, &output.stderr);
        let text = [out.as_slice(), err].map(String::from_utf8_lossy).concat();
        println!("{text}");
        assert!(output.status.success(), "{}", output.status);
        assert_eq!(text.matches("1 passed").count(), 3);
    }
}

/// What happens differs from time to time: sled writes in several threads.
fn rounds() -> usize {
    let long = std::env::var("CREDLOG_TEST_LONG").is_ok_and(|value| value == "1");
    if long { 30 } else { 3 }
}

fn small() -> Options {
    Options {
        disk_reserve_bytes: 4 << 20,
        ..Options::default()
    }
}

/// Commits until the disk is at its reserve; then something else takes the rest, to the last
/// byte, and whoever goes on without looking fails.
fn fill(disk: &Path) {
    let dir = disk.join("store");
    let mut ledger = TestLedger::new(63);
    let store = Store::create(&dir, &ledger.genesis, &small()).unwrap();
    for _ in 0..30 {
        assert!(store.space().unwrap().is_enough());
        commit(&store, &ledger.next_block()).unwrap();
    }
    // Its page is there before the disk is full.
    fs::write(disk.join(ACKNOWLEDGED), [0; 8]).unwrap();
    let mut file = File::create(disk.join("filler")).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
    drop(file);
    let space = store.space().unwrap();
    assert!(
        !space.is_enough() && space.free_bytes < 4 << 10,
        "{space:?}"
    );
    let store = Arc::new(store);
    let (failed, committing) = mpsc::channel();
    let writer = Arc::clone(&store);
    std::thread::spawn(move || {
        let result = (0..200).find_map(|_| commit(&writer, &ledger.next_block()).err());
        let stopped = commit(&writer, &ledger.next_block());
        drop(writer);
        failed.send((result, stopped)).unwrap();
    });
    match committing.recv_timeout(COMMIT_PATIENCE) {
        Ok((failed, stopped)) => {
            let failed = failed.unwrap(); // 200 blocks do not fit
            println!("{failed}");
            assert!(matches!(failed, Fatal::Storage { .. }));
            assert!(matches!(stopped, Err(Fatal::Stopped { .. })));
        }
        // sled may do that; a node has a watchdog for it.
        Err(_) => println!("the commit hangs; it ends with this process"),
    }
    // What was acknowledged is read on.
    let acknowledged = store.snapshot().head().height;
    let mut file = File::options().write(true).open(disk.join(ACKNOWLEDGED));
    let bytes = acknowledged.0.to_be_bytes();
    file.as_mut().unwrap().write_all(&bytes).unwrap();
    drop(store);
}

/// The full disk is no damage.
fn full(disk: &Path) {
    let dir = disk.join("store");
    for _ in 0..3 {
        let refused = Store::open(&dir, &small()).unwrap_err();
        assert!(matches!(refused, OpenError::DiskFull { .. }), "{refused}");
        assert!(refused.to_string().contains("free space"), "{refused}");
        assert_eq!(
            names(&dir),
            ["genesis.json", "sled", "undecided", "watermark"]
        );
    }
}

/// With space again the store opens, has all that was acknowledged, and goes on. In few
/// rounds sled has half of the batch that failed: that is damage, which open finds and the log
/// mends.
fn freed(disk: &Path) {
    let dir = disk.join("store");
    fs::remove_file(disk.join("filler")).unwrap();
    let store = match Store::open(&dir, &small()) {
        Err(OpenError::Damaged { what, .. }) => {
            println!("half of a batch is there: {what}");
            let store = small();
            let options = RebuildOptions {
                store,
                accept_loss: false,
            };
            rebuild(&dir, &options, &mut |_| ()).unwrap();
            Store::open(&dir, &store).unwrap()
        }
        opened => opened.unwrap(),
    };
    let height = store.snapshot().head().height;
    let bytes = fs::read(disk.join(ACKNOWLEDGED)).unwrap();
    let acknowledged = Height(u64::from_be_bytes(bytes.try_into().unwrap()));
    assert!(acknowledged.0 >= 30 && height >= acknowledged);
    assert!(height <= acknowledged.next());
    let mut ledger = TestLedger::new(63);
    while ledger.blocks.len() < 40 {
        ledger.next_block();
    }
    drop(store);
    assert!(check(&dir, &mut |_| ()).unwrap().is_whole());
    let store = Store::open(&dir, &small()).unwrap();
    for executed in &ledger.blocks {
        if executed.seal.height > height {
            assert!(store.space().unwrap().is_enough());
            commit(&store, executed).unwrap();
        }
    }
    assert_same(&store.snapshot(), &ledger);
    println!("went on from height {height}");
}
