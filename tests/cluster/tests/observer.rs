//! An observer that comes late: a full copy, everything verified.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use credlog_cluster::{Cluster, Settings, count, wait_for};

const OBSERVER: usize = 4;
const PACKED: u32 = 256;
const SOON: Duration = Duration::from_secs(120);

#[test]
fn a_late_observer_gets_the_whole_ledger() -> Result<()> {
    let settings = Settings {
        observers: 1,
        ..Settings::default()
    };
    let mut cluster = Cluster::found_with(4, settings)?;
    cluster.accredit()?;
    let credentials = count(100_000);
    let load = cluster.load_of(&[0, 1], 4, PACKED, None);
    let records = credentials.div_ceil(PACKED as usize);
    wait_for("the ledger is filled", SOON, || {
        Ok((load.count() >= records).then_some(()))
    })?;
    let acknowledged = load.stop();
    let height = cluster.wait_level(&[0, 1, 2, 3], 1, SOON)?;

    let began = Instant::now();
    cluster.start(OBSERVER)?;
    cluster.wait_level(&[0, OBSERVER], height, SOON)?;
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "   {height} heights, {} credentials in {seconds:.2} s from its start",
        acknowledged.len() * PACKED as usize,
    );
    cluster.agree(&[0, OBSERVER], &acknowledged, SOON)?;
    let role = cluster.view(OBSERVER)?.ledger["role"].clone();
    ensure!(role == "observer", "its role is {role}");

    // It follows what is new, hands on what is posted to it, and nobody needs it.
    let id = cluster.issue(OBSERVER, SOON)?;
    let height = cluster.view(0)?.height;
    cluster.wait_level(&[0, 1, 2, 3, OBSERVER], height, SOON)?;
    cluster.json(OBSERVER, &format!("/v1/records/{id}"))?;
    cluster.kill(OBSERVER)?;
    cluster.issue(0, SOON)?;
    cluster.finish("late observer")
}
