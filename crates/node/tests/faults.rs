//! A store that fails under a running node: it says so, nobody waits in vain, and it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic

mod town;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use credlog_api::submission::MEDIA_TYPE_RECORD;
use credlog_ledger::body::Body;
use credlog_ledger::record::Record;
use town::{Reply, Running, Town, digest};

/// Whatever a node does by itself, it has done after this time.
const PATIENCE: Duration = Duration::from_secs(30);

async fn submit(running: &Running, record: &Record) -> Reply {
    let bytes = record.to_bytes().unwrap();
    let headers = [("content-type", MEDIA_TYPE_RECORD)];
    let request = running.request("POST", "/v1/records", &headers, &bytes);
    request.await
}

/// Waits for the node's end, and answers its reason.
async fn failed(running: &Running) -> String {
    let failed = tokio::time::timeout(PATIENCE, running.node.failed());
    failed.await.expect("the node goes on")
}

async fn stops(running: Running) {
    let stopped = tokio::time::timeout(PATIENCE, running.node.shutdown());
    stopped.await.expect("the node does not stop");
}

fn watermark(town: &Town) -> PathBuf {
    town.config.node.data_dir.join("watermark")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_fails_ends_the_node_and_everybody_is_answered() {
    let town = Town::new();
    let running = town.start().await;
    running.accredit().await;
    // Permissions do not bind root; a folder cannot be written as a file by anyone.
    let (path, away) = (watermark(&town), town.dir.path().join("away"));
    std::fs::rename(&path, &away).unwrap();
    std::fs::create_dir(&path).unwrap();
    let record = running.issue(&[(0, digest(0))]);
    assert_eq!(submit(&running, &record).await.problem(503), "stopping");
    let reason = failed(&running).await;
    assert!(reason.contains("watermark"), "{reason}");
    assert!(reason.contains("check the disk"), "{reason}");
    assert_eq!(running.get("/readyz").await.problem(503), "stopping");
    assert_eq!(running.get("/v1/ledger").await.status, 200, "reads go on");
    let other = running.issue(&[(1, digest(1))]);
    assert_eq!(submit(&running, &other).await.problem(503), "stopping");
    stops(running).await;
    // sled had the block: the next start takes it, and the record is there once.
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&away, &path).unwrap();
    let running = town.start().await;
    assert_eq!(submit(&running, &record).await.status, 200);
    assert_eq!(submit(&running, &other).await.status, 200);
    stops(running).await;
}

/// A pipe that nobody writes to stands for a disk that never answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_hangs_ends_the_node_and_everybody_is_answered() {
    let mut town = Town::new();
    town.config.store.commit_timeout_seconds = 1;
    let running = town.start().await;
    running.accredit().await;
    let path = watermark(&town);
    std::fs::remove_file(&path).unwrap();
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let begun = Instant::now();
    let record = running.issue(&[(0, digest(0))]);
    assert_eq!(submit(&running, &record).await.problem(503), "stopping");
    let reason = failed(&running).await;
    assert!(reason.contains("the disk takes no more"), "{reason}");
    assert!(begun.elapsed() > Duration::from_secs(1));
    assert_eq!(running.get("/readyz").await.problem(503), "stopping");
    assert_eq!(running.get("/v1/ledger").await.status, 200, "reads go on");
    stops(running).await;
    // Lets go of the thread that waits, so that this process can end.
    drop(std::fs::File::options().write(true).open(&path).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scrub_passes_over_a_whole_store_again_and_again() {
    let mut town = Town::new();
    town.config.store.scrub_interval_seconds = 1;
    let running = town.start().await;
    running.accredit().await;
    let begun = Instant::now();
    while metric(&running, "credlog_scrubs_total").await < 2 {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(metric(&running, "credlog_scrub_findings_total").await, 0);
    assert_eq!(running.get("/readyz").await.status, 200);
    stops(running).await;
}

/// Damage comes to a file under a running node, in what is no longer in memory: whoever asks
/// for it gets no answer but a failure, and the node takes no more records, looks at its whole
/// store and ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_that_a_reader_meets_ends_the_node() {
    let mut town = Town::new();
    town.config.store.cache_bytes = 1 << 20;
    let running = town.start().await;
    running.accredit().await;
    let mut records = Vec::new();
    for part in 0..60_u32 {
        let item = |at: u32| (part * 1_000 + at, digest(u64::from(part * 1_000 + at)));
        let items: Vec<_> = (0..1_000).map(item).collect();
        let record = running.issue(&items);
        running.commit(&record).await;
        records.push(Record::id_of(&record.to_bytes().unwrap()));
    }
    garble(&town.config.node.data_dir.join("sled"));
    let mut met = 0;
    for id in &records {
        let reply = running.get(&format!("/v1/records/{id}")).await;
        if reply.status != 200 {
            assert_eq!(reply.problem(500), "store-unreadable");
            met += 1;
        }
    }
    assert!(met > 0, "everything was in memory");
    assert_ne!(running.get("/readyz").await.status, 200);
    let reason = failed(&running).await;
    assert!(reason.contains("the store is damaged"), "{reason}");
    assert_eq!(metric(&running, "credlog_ready").await, 0);
    assert!(metric(&running, "credlog_store_faults_total").await > 0);
    assert!(metric(&running, "credlog_scrub_findings_total").await > 0);
    let record = running.by_issuer(Body::OpenStatusList {});
    assert_eq!(submit(&running, &record).await.status, 503);
    stops(running).await;
}

async fn metric(running: &Running, name: &str) -> u64 {
    let reply = running.get("/metrics").await;
    let prefix = format!("{name} ");
    let value = reply
        .text()
        .lines()
        .find_map(|line| line.strip_prefix(&prefix));
    value.unwrap().parse().unwrap()
}

/// Flips a bit in every 512 bytes of the first three quarters of sled's file, and of its
/// blobs.
fn garble(sled: &Path) {
    let blobs = std::fs::read_dir(sled.join("blobs")).unwrap();
    let blobs = blobs.map(|entry| entry.unwrap().path());
    for path in blobs.chain([sled.join("db")]) {
        let file = std::fs::File::options().read(true).write(true).open(path);
        let file = file.unwrap();
        let length = file.metadata().unwrap().len();
        for at in (100..length / 4 * 3).step_by(512) {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 4], at).unwrap();
        }
    }
}
