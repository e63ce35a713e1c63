//! Issuing that is cut off anywhere: nothing twice, nothing forgotten.

use std::collections::HashSet;
use std::process::Stdio;
use std::time::Duration;

use crate::world::World;

const CREDENTIALS: usize = 900;

fn rounds() -> u64 {
    if std::env::var("CREDLOG_TEST_LONG").is_ok_and(|value| value == "1") {
        40
    } else {
        6
    }
}

/// Every credential stands in the table once, its file is there, and the ledger agrees.
fn assert_issued_once(world: &World, out: &str, number: usize) {
    let table = format!("{out}/issued.csv");
    for column in ["file", "digest", "source"] {
        let values = world.column(&table, column);
        let distinct: HashSet<_> = values.iter().collect();
        assert_eq!(
            (values.len(), distinct.len()),
            (number, number),
            "{column} of {out}"
        );
    }
    let places: HashSet<_> = world
        .column(&table, "list")
        .into_iter()
        .zip(world.column(&table, "index"))
        .collect();
    assert_eq!(places.len(), number);
    let pending = std::fs::read_dir(world.path(out).join(".credlog/pending"))
        .unwrap()
        .count();
    assert_eq!(pending, 0);
    let output = world.run(&["verify", out, "--json"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        output.stdout.iter().filter(|byte| **byte == b'\n').count(),
        number
    );
}

#[test]
fn a_run_that_is_killed_is_finished_by_the_next() {
    let world = World::running();
    world.unsigned("inbox", "issuer", 0..CREDENTIALS);
    for round in 0..rounds() {
        let out = format!("out-{round}");
        let words = [
            "issue",
            "inbox",
            "--out",
            &out,
            "--issuer-home",
            "issuer",
            "--suite",
            "eddsa-jcs-2022",
        ];
        // Killed again and again, a little later each time.
        for delay in 0..4 {
            let mut run = world.command(&words).stdout(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(40 + 90 * delay + 13 * round));
            run.kill().unwrap();
            run.wait().unwrap();
        }
        let answer = world.json(&words);
        let (now, before) = (&answer["issued"], &answer["issuedBefore"]);
        assert_eq!(
            now.as_u64().unwrap() + before.as_u64().unwrap(),
            CREDENTIALS as u64
        );
        assert_issued_once(&world, &out, CREDENTIALS);
        let again = world.json(&words);
        assert_eq!(again["issuedBefore"], CREDENTIALS);
    }
}

#[test]
fn a_node_that_is_killed_while_it_takes_records_loses_nothing() {
    let mut world = World::running();
    world.unsigned("inbox", "issuer", 0..CREDENTIALS);
    let words = [
        "issue",
        "inbox",
        "--out",
        "out",
        "--issuer-home",
        "issuer",
        "--suite",
        "eddsa-jcs-2022",
    ];
    for delay in [150, 250, 350] {
        let mut run = world.command(&words).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        world.kill_node();
        let code = run.wait().unwrap().code();
        // It ended before the kill, or it says that the node is gone.
        assert!(matches!(code, Some(0 | 3)), "{code:?}");
        world.start_node();
    }
    world.ok(&words);
    assert_issued_once(&world, "out", CREDENTIALS);
}

#[test]
fn two_runs_at_once_do_not_mix() {
    let world = World::running();
    world.unsigned("inbox", "issuer", 0..CREDENTIALS);
    let words = ["issue", "inbox", "--out", "out", "--issuer-home", "issuer"];
    let mut first = world.command(&words).stdout(Stdio::null()).spawn().unwrap();
    // The first run holds the folder once its lock is there.
    let lock = world.path("out/.credlog/pending");
    for _ in 0..500 {
        if lock.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(30));
    let refused = world.fails(5, &words);
    assert!(
        refused.contains("another `credlog issue` is working on out"),
        "{refused}"
    );
    assert!(first.wait().unwrap().success());
    assert_issued_once(&world, "out", CREDENTIALS);
}

#[test]
fn a_credential_issued_from_one_folder_is_adopted_by_another() {
    let world = World::running();
    world.unsigned("inbox", "issuer", 0..3);
    world.ok(&[
        "issue",
        "inbox",
        "--out",
        "first",
        "--issuer-home",
        "issuer",
    ]);
    // Signed files again, with new ones beside them, into another folder.
    world.unsigned("inbox-2", "issuer", 3..5);
    world.ok(&[
        "issue",
        "inbox-2",
        "--out",
        "signed",
        "--issuer-home",
        "issuer",
    ]);
    world.unsigned("inbox-3", "issuer", 5..6);
    let answer = world.json(&[
        "issue",
        "first",
        "inbox-3",
        "--out",
        "second",
        "--issuer-home",
        "issuer",
    ]);
    assert_eq!(answer["issued"], 4);
    let records = |table: &str| world.column(table, "record");
    let digests = |table: &str| world.column(table, "digest");
    for (digest, record) in digests("first/issued.csv")
        .iter()
        .zip(records("first/issued.csv"))
    {
        let at = digests("second/issued.csv")
            .iter()
            .position(|one| one == digest)
            .unwrap();
        assert_eq!(
            records("second/issued.csv")[at],
            record,
            "the record that issued it"
        );
    }
    assert_issued_once(&world, "second", 4);
}
