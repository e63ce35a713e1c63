//! A demo that is killed leaves no node behind.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Once a killed demo left its node running, on a port that nobody knew any more.
#[test]
#[cfg(target_os = "linux")]
fn the_node_of_a_killed_demo_ends_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_credlog"))
        .args(["demo", "--once"])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let line = lines
        .find(|line| line.as_ref().unwrap().contains("(process "))
        .unwrap()
        .unwrap();
    let id = line.split("(process ").nth(1).unwrap();
    let id = id.split(')').next().unwrap();
    let node = PathBuf::from("/proc").join(id);
    assert!(node.exists(), "{line}");
    demo.kill().unwrap();
    demo.wait().unwrap();
    let start = Instant::now();
    while node.exists() {
        assert!(start.elapsed() < Duration::from_secs(30), "{line}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
