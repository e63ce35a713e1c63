//! Measures the store alone: fills it with random credential rows in durable batches, then
//! opens it again.
//!
//! ```text
//! cargo run --release -p credlog-store --example fill -- [entries, default 1000000] \
//!     [entries a batch, default 1024] [synced]
//! ```
//!
//! With `synced`, as by a node that catches up: with certificates, and runs of blocks that
//! share a flush.
//!
//! Rules and signatures are not part of it: blocks are made up, 36 bytes a credential.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use credlog_ledger::certificate::{CommitCertificate, CommitSignature};
use credlog_ledger::codec;
use credlog_ledger::ids::{Height, MemberId, Root, Round, UnixMillis};
use credlog_ledger::rows::{Head, SealRow};
use credlog_ledger::seal::{SEAL_VERSION, Seal};
use credlog_ledger::state::{Changes, Key, Table, View};
use credlog_ledger::transition::Executed;
use credlog_store::{Options, Store};
use credlog_tlog::{Frontier, LeafIndex, leaf_hash, push_entry};

#[allow(dead_code)]
#[path = "../tests/store/support.rs"]
mod support;

fn main() {
    let argument = |at, default| {
        std::env::args()
            .nth(at)
            .map_or(default, |n| n.parse().unwrap())
    };
    let (entries, size): (u64, u64) = (argument(1, 1_000_000), argument(2, 1_024));
    let synced = std::env::args().any(|argument| argument == "synced");
    let genesis = support::TestLedger::new(1).genesis;
    let dir = tempfile::tempdir_in(".").unwrap();
    let options = Options::default();
    let store = Store::create(dir.path(), &genesis, &options).unwrap();
    let begin = Instant::now();
    let (mut head, mut log) = (store.snapshot().head().clone(), Frontier::new());
    let mut commits = Vec::new();
    for batch in 0..entries.div_ceil(size) {
        let numbers = batch * size..(batch + 1) * size;
        let executed = executed(&store, &mut head, &mut log, numbers);
        let begin = Instant::now();
        match synced {
            false => store.commit(&executed, None).unwrap(),
            true => store.commit_synced(&executed, &made_up(&executed)).unwrap(),
        }
        commits.push(begin.elapsed());
    }
    let last = Instant::now();
    store.make_durable().unwrap();
    commits.push(last.elapsed());
    let in_commit: Duration = commits.iter().sum();
    commits.sort_unstable();
    let rate = f64::from(u32::try_from(entries).unwrap()) / in_commit.as_secs_f64();
    println!(
        "{entries} entries in {:?}, {rate:.0}/s in commit",
        begin.elapsed()
    );
    let (median, p99) = (
        commits[commits.len() / 2],
        commits[commits.len() * 99 / 100],
    );
    let slowest = commits[commits.len() - 1];
    println!("commit: median {median:?}, p99 {p99:?}, slowest {slowest:?}");
    println!("RSS {} MiB", rss_mib());
    lookups(&store, entries);
    println!("after lookups: RSS {} MiB", rss_mib());
    drop(store);
    println!("disk {} MB", disk_bytes(dir.path()) / 1_000_000);
    let begin = Instant::now();
    let store = Store::open(dir.path(), &options).unwrap();
    println!("opened in {:?}; RSS {} MiB", begin.elapsed(), rss_mib());
    lookups(&store, entries);
}

/// A certificate as long as one of three members; nobody verifies it here.
fn made_up(executed: &Executed) -> CommitCertificate {
    let signatures = ["university-a", "university-b", "university-c"].map(|member| {
        let (member, signature) = (member.parse().unwrap(), [7; 64]);
        CommitSignature { member, signature }
    });
    let (height, value) = (executed.seal.height, executed.value_id().unwrap());
    CommitCertificate::new(height, Round(0), value, signatures.to_vec()).unwrap()
}

fn digest(number: u64) -> [u8; 32] {
    *blake3::hash(&number.to_be_bytes()).as_bytes()
}

fn credential(number: u64) -> Vec<u8> {
    let key = Key::of(Table::Credential).bytes(&digest(number)).u64(3);
    key.into_bytes()
}

fn lookups(store: &Store, entries: u64) {
    let begin = Instant::now();
    let count = 100_000u32;
    for n in 0..count {
        let key = credential(u64::from(n) * 7_919 % entries);
        assert!(store.snapshot().row(&key).unwrap().is_some());
    }
    println!("{:?} a lookup", begin.elapsed() / count);
}

fn executed(store: &Store, head: &mut Head, log: &mut Frontier, numbers: Range<u64>) -> Executed {
    let hashes = ((numbers.end - numbers.start) / 4 * 36 / 32).max(1);
    let leaves = (0..4).map(|leaf| (0..hashes).flat_map(move |n| digest(n << 2 | leaf)));
    let leaves: Vec<Vec<u8>> = leaves
        .map(Iterator::collect)
        .chain([vec![2; 200]])
        .collect();
    let mut block = Vec::new();
    leaves
        .iter()
        .for_each(|leaf| push_entry(&mut block, leaf).unwrap());
    let leaf_hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    let first_leaf = LeafIndex(head.size);
    log.append_many(leaf_hashes.iter().copied());
    head.height = head.height.next();
    head.time = head.time.plus(1);
    head.size = log.size().0;
    head.root = log.root().into();
    head.edge = log.subtrees().iter().map(|hash| Root(hash.0)).collect();
    let mut changes = Changes::new();
    for number in numbers {
        let value = codec::encode("row", &(number, 1u64, 0u32), 20).unwrap();
        changes.insert(credential(number), value);
    }
    let row = codec::encode("head", head, 1 << 20).unwrap();
    changes.insert(Key::of(Table::Head).into_bytes(), row);
    let seal = seal(head.height, head.time);
    let seal_row = SealRow {
        seal: seal.clone(),
        first_leaf: first_leaf.0,
        size: head.size,
        root: head.root,
    };
    let key = Key::of(Table::Seal).u64(head.height.0);
    let seal_row = codec::encode("seal", &seal_row, 1 << 10).unwrap();
    changes.insert(key.into_bytes(), seal_row);
    Executed {
        records: Vec::new(),
        seal,
        block,
        first_leaf,
        leaf_hashes,
        size: log.size(),
        root: log.root(),
        origin: store.genesis().origin.clone(),
        changes,
    }
}

fn seal(height: Height, time: UnixMillis) -> Seal {
    let proposer: MemberId = "university-a".parse().unwrap();
    Seal {
        version: SEAL_VERSION,
        height,
        time,
        round: Round(0),
        proposer,
        record_count: 4,
        status_root: Root::default(),
        status_lists: 0,
        registry_root: Root::default(),
        registry_size: 0,
        members_hash: Root::default(),
    }
}

fn rss_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1_024
}

fn disk_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .map(|entry| match entry.file_type().unwrap().is_dir() {
            true => disk_bytes(&entry.path()),
            // Blocks in use, since sled's file has holes.
            false => std::os::unix::fs::MetadataExt::blocks(&entry.metadata().unwrap()) * 512,
        })
        .sum()
}
