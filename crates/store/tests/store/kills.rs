//! A process that is killed at any moment: what it had acknowledged is there.
//!
//! 8 times, 100 with CREDLOG_TEST_LONG=1.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use credlog_ledger::ids::{Height, KeyId, Round};
use credlog_store::{Ballot, Cosigned, Cosigner, FirstKeys, Options, Store, Undecided, check};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::support::TestLedger;
use crate::testimony::{cosignatures, equivocation};

/// Set in the process that is killed: the folder of its store.
const FOLDER: &str = "CREDLOG_TEST_KILLED_FOLDER";
/// Acknowledgements begin so, for example `acknowledged commit 7`.
const ACKNOWLEDGED: &str = "acknowledged ";
const SEED: u64 = 111;
const KEYS: FirstKeys = FirstKeys {
    consensus: KeyId([1; 16]),
    cosigner: KeyId([2; 16]),
};
/// Heights after which the process ends by itself, if nobody kills it.
const HEIGHTS: u64 = 100;

/// What was acknowledged last, of each kind.
#[derive(Debug, Default)]
struct Acknowledged {
    undecided: u64,
    started: u64,
    commit: u64,
    cosigned: u64,
    evidence: Vec<u64>,
}

#[test]
fn a_killed_node_has_all_that_it_acknowledged() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return work(Path::new(&folder));
    }
    let long = std::env::var("CREDLOG_TEST_LONG").is_ok_and(|value| value == "1");
    let mut ledger = TestLedger::of_members(SEED, 4);
    (0..HEIGHTS).for_each(|_| drop(ledger.next_block()));
    let mut rng = StdRng::seed_from_u64(112);
    for round in 0..if long { 100 } else { 8 } {
        let dir = tempfile::tempdir().unwrap();
        let acknowledged = killed_after(dir.path(), rng.gen_range(1..250));
        println!("{round}: {acknowledged:?}");
        judge(dir.path(), &ledger, &acknowledged);
    }
}

/// Runs this test in another process, kills it after some acknowledgements, and answers all
/// that it had written by then.
fn killed_after(dir: &Path, lines: usize) -> Acknowledged {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("kills::a_killed_node_has_all_that_it_acknowledged")
        .env(FOLDER, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (mut acknowledged, mut seen) = (Acknowledged::default(), 0);
    for line in output.lines().map_while(Result::ok) {
        let Some((_, text)) = line.split_once(ACKNOWLEDGED) else {
            continue;
        };
        let (what, number) = text.split_once(' ').unwrap();
        let number = number.parse().unwrap();
        match what {
            "undecided" => acknowledged.undecided = number,
            "started" => acknowledged.started = number,
            "commit" => acknowledged.commit = number,
            "cosigned" => acknowledged.cosigned = number,
            "evidence" => acknowledged.evidence.push(number),
            other => panic!("{other}"),
        }
        seen += 1;
        if seen == lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(seen >= lines, "{seen} lines");
    acknowledged
}

fn undecided(ledger: &TestLedger, height: u64) -> Undecided {
    let executed = &ledger.blocks[usize::try_from(height - 1).unwrap()];
    Undecided {
        height: Height(height),
        round: Round(0),
        value: executed.value_id().unwrap(),
        metadata: height.to_be_bytes().to_vec(),
        block: executed.block.as_slice().into(),
    }
}

/// What a member does at each height; every third block is synced.
fn work(dir: &Path) {
    let acknowledge = |what: &str, number: u64| println!("{ACKNOWLEDGED}{what} {number}");
    let mut ledger = TestLedger::of_members(SEED, 4);
    let options = Options::default();
    let store = Store::create_for(dir, &ledger.genesis, &options, Some(&KEYS)).unwrap();
    let mut ballot = Ballot::open(&store, KEYS.consensus, false).unwrap();
    let mut cosigner = Cosigner::open(&store, KEYS.cosigner, false).unwrap();
    for height in 1..=HEIGHTS {
        let executed = ledger.next_block();
        let certificate = ledger.certificate_by(&executed, &[0, 1, 2]);
        if height % 3 == 0 {
            store.commit_synced(&executed, &certificate).unwrap();
            continue;
        }
        store.make_durable().unwrap();
        ballot.start(Height(height)).unwrap();
        acknowledge("started", height);
        store.put_undecided(&undecided(&ledger, height)).unwrap();
        acknowledge("undecided", height);
        store.commit(&executed, Some(&certificate)).unwrap();
        acknowledge("commit", height);
        let last = Cosigned {
            size: executed.size.0,
            root: executed.root.into(),
            time: height,
        };
        cosigner.note(last).unwrap();
        acknowledge("cosigned", height);
        let block = ledger.blocks.len() - 1;
        store
            .put_cosignatures(&cosignatures(&ledger, block, 3, height))
            .unwrap();
        let all = ledger.certificate_by(&executed, &[3]);
        store.finalize(Height(height), &all).unwrap();
        if height % 5 == 0 {
            store
                .put_evidence(&equivocation(&ledger, 1, height, 3))
                .unwrap();
            acknowledge("evidence", height);
        }
    }
}

fn judge(dir: &Path, ledger: &TestLedger, acknowledged: &Acknowledged) {
    let report = check(dir, &mut |_| ()).unwrap();
    assert!(
        report.is_whole() && report.certificates_missing == 0,
        "{report:?}"
    );
    let store = Store::open(dir, &Options::default()).unwrap();
    let snapshot = store.snapshot();
    let head = snapshot.head().height.0;
    assert!(head >= acknowledged.commit, "{head}");
    for executed in &ledger.blocks[..usize::try_from(head).unwrap()] {
        let certificate = snapshot.certificate(executed.seal.height).unwrap().unwrap();
        let three = ledger.certificate_by(executed, &[0, 1, 2]);
        let all = ledger.certificate_by(executed, &[0, 1, 2, 3]);
        assert!(certificate == three || certificate == all);
    }
    let evidence = store.evidence();
    for height in &acknowledged.evidence {
        assert!(evidence.contains(&equivocation(ledger, 1, *height, 3)));
    }
    if acknowledged.undecided > head {
        let expected = undecided(ledger, acknowledged.undecided);
        assert_eq!(store.undecided(expected.height).unwrap(), [expected]);
    }
    // A height that was being started, or a cosignature being noted, may be there too.
    let ballot = Ballot::open(&store, KEYS.consensus, false).unwrap();
    let next = |number: u64| number..=number + 2;
    assert!(next(acknowledged.started).contains(&ballot.started().0));
    let cosigner = Cosigner::open(&store, KEYS.cosigner, false).unwrap();
    let last = cosigner.last().map_or(0, |last| last.time);
    assert!(next(acknowledged.cosigned).contains(&last), "{last}");
}
