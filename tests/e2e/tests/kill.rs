//! kill -9 of a real node under load: what was acknowledged is there after the restart.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // a panic is a failed test

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use credlog_e2e::{NodeProcess, TestLedger, binary, count, get, post};
use credlog_ledger::ids::{Digest, RecordId};
use credlog_ledger::record::Record;
use rand::Rng;

const ONE_RECORD: &str = "application/vnd.credlog.record";
const CLIENTS: usize = 8;
const SETTINGS: &str =
    "[rate_limit]\nreads_per_second = 0\nwrites_per_second = 0\nrecords_per_second = 0";

/// Posts one record; whether the node said that it is committed.
fn submit(address: SocketAddr, record: &Record) -> Option<RecordId> {
    let bytes = record.to_bytes().unwrap();
    let answer = post(address, "/v1/records", ONE_RECORD, &bytes).ok()?;
    // A process killed in the middle of its answer has acknowledged nothing.
    if answer.status != 200 || answer.json().is_err() {
        return None;
    }
    Some(Record::id_of(&bytes))
}

/// Posts records until the node is gone.
fn load(
    ledger: &TestLedger,
    address: SocketAddr,
    next: &AtomicU32,
    acknowledged: &Mutex<Vec<RecordId>>,
) {
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let record = ledger.issuance(index, Digest(rand::random())).unwrap();
        match submit(address, &record) {
            Some(id) => acknowledged.lock().unwrap().push(id),
            None => return,
        }
    }
}

fn assert_there(node: &NodeProcess, ids: &[RecordId]) {
    for id in ids {
        let answer = get(node.address(), &format!("/v1/records/{id}")).unwrap();
        assert_eq!(
            answer.status, 200,
            "record {id} was acknowledged and is gone: {}",
            answer.head
        );
    }
}

fn head(node: &NodeProcess) -> (u64, serde_json::Value) {
    let ledger = get(node.address(), "/v1/ledger").unwrap().json().unwrap();
    (ledger["height"].as_u64().unwrap(), ledger)
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let ledger = TestLedger::create(SETTINGS).unwrap();
    let mut node = ledger.start().unwrap();
    for record in [
        ledger.accreditation().unwrap(),
        ledger.list_opening().unwrap(),
    ] {
        assert!(
            submit(node.address(), &record).is_some(),
            "{}",
            node.log().unwrap()
        );
    }
    let next = AtomicU32::new(0);
    let mut all = Vec::new();
    for cycle in 0..count(100) {
        let height_before = head(&node).0;
        let acknowledged = Mutex::new(Vec::new());
        let address = node.address();
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| load(&ledger, address, &next, &acknowledged));
            }
            std::thread::sleep(Duration::from_millis(rand::thread_rng().gen_range(20..300)));
            node.kill().unwrap();
        });
        node = ledger.start().unwrap();
        let acknowledged = acknowledged.into_inner().unwrap();
        assert!(
            !acknowledged.is_empty() || cycle > 0,
            "no record was acknowledged in cycle 0"
        );
        assert!(
            head(&node).0 >= height_before,
            "the ledger went back in cycle {cycle}"
        );
        assert_there(&node, &acknowledged);
        all.extend(acknowledged);
    }
    assert_there(&node, &all);
    println!(
        "{} kills, {} acknowledged records, all there",
        count(100),
        all.len()
    );
    assert!(
        all.len() > count(100),
        "too little load to say anything: {} records",
        all.len()
    );
    node.kill().unwrap();

    let check = Command::new(binary().unwrap())
        .args(["store", "check"])
        .arg(ledger.folder().join("data"))
        .output()
        .unwrap();
    assert!(
        check.status.success(),
        "store check: {}",
        String::from_utf8_lossy(&check.stderr)
    );
}
