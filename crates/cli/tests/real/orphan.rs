//! A demo that is killed leaves no node behind.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Once a killed demo left its node running, on a port that nobody knew any more.
#[test]
#[cfg(target_os = "linux")]
fn the_nodes_of_a_killed_demo_end_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_credlog"))
        .args(["demo", "--once"])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let id = |line: &str| -> Option<u32> {
        let (_, rest) = line.split_once(" process ")?;
        rest.split_whitespace().next()?.parse().ok()
    };
    let ids: Vec<u32> = lines
        .filter_map(|line| id(&line.unwrap()))
        .take(4)
        .collect();
    assert_eq!(ids.len(), 4, "the demo names its four processes");
    let nodes: Vec<_> = ids
        .iter()
        .map(|id| PathBuf::from(format!("/proc/{id}")))
        .collect();
    assert!(nodes.iter().all(|node| node.exists()), "{nodes:?}");
    demo.kill().unwrap();
    demo.wait().unwrap();
    let start = Instant::now();
    while nodes.iter().any(|node| node.exists()) {
        assert!(start.elapsed() < Duration::from_secs(30), "{nodes:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
