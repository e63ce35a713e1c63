//! Members that are killed -9: one, two, all.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use credlog_cluster::{Cluster, count, wait_for};
use rand::Rng;

const ALL: [usize; 4] = [0, 1, 2, 3];
const SOON: Duration = Duration::from_secs(60);

/// Waits until so many more records than now are acknowledged.
fn more(load: &credlog_cluster::Load, records: usize) -> Result<()> {
    let least = load.count() + records;
    wait_for("more records are acknowledged", SOON, || {
        Ok((load.count() >= least).then_some(()))
    })
}

#[test]
fn one_of_four_is_killed_and_commits_go_on() -> Result<()> {
    let mut cluster = Cluster::found(4)?;
    cluster.accredit()?;
    let load = cluster.load(&[0, 1, 2], 2);
    more(&load, 20)?;
    cluster.kill(3)?;
    more(&load, 50)?;
    let began = Instant::now();
    cluster.start(3)?;
    let head = cluster.view(0)?.height;
    wait_for("the member is at the head", SOON, || {
        let height = cluster.view(3).map_or(0, |view| view.height);
        Ok((height >= head).then_some(()))
    })?;
    let took = began.elapsed();
    println!("   back at the head after {:.2} s", took.as_secs_f64());
    // The bar is 2 s, start of the process included.
    ensure!(took < Duration::from_secs(2), "it took {took:?}");
    more(&load, 20)?;
    let acknowledged = load.stop();
    cluster.agree(&ALL, &acknowledged, SOON)?;
    // What only the others ever heard of is served by the one that was away, and it takes
    // records again.
    cluster.issue(3, SOON)?;
    cluster.assert_no_evidence(&ALL)?;
    cluster.finish("one of four killed")
}

#[test]
fn two_of_four_are_killed_and_nothing_is_committed_until_they_are_back() -> Result<()> {
    let mut cluster = Cluster::found(4)?;
    cluster.accredit()?;
    let load = cluster.load(&[0, 1], 2);
    more(&load, 20)?;
    cluster.kill(2)?;
    cluster.kill(3)?;
    // What was under way when they went may still be decided.
    std::thread::sleep(Duration::from_secs(2));
    let (before, acknowledged) = (cluster.view(0)?.height, load.count());
    std::thread::sleep(Duration::from_secs(5));
    for node in [0, 1] {
        ensure!(
            cluster.view(node)?.height == before,
            "a commit by two of four"
        );
    }
    ensure!(
        load.count() == acknowledged,
        "an acknowledgement without a quorum"
    );
    let began = Instant::now();
    cluster.start(2)?;
    cluster.start(3)?;
    wait_for("there is progress", Duration::from_secs(10), || {
        Ok((cluster.view(0)?.height > before).then_some(()))
    })?;
    println!("   progress after {:.2} s", began.elapsed().as_secs_f64());
    more(&load, 20)?;
    let acknowledged = load.stop();
    cluster.agree(&ALL, &acknowledged, SOON)?;
    cluster.assert_no_evidence(&ALL)?;
    cluster.finish("two of four killed")
}

#[test]
fn all_four_are_killed_at_once_under_load_and_nothing_acknowledged_is_lost() -> Result<()> {
    let mut cluster = Cluster::found(4)?;
    cluster.accredit()?;
    let mut all = Vec::new();
    let cycles = count(20);
    for cycle in 0..cycles {
        let load = cluster.load(&ALL, 2);
        let pause = rand::thread_rng().gen_range(200..2_000);
        std::thread::sleep(Duration::from_millis(pause));
        cluster.kill_all()?;
        all.extend(load.stop());
        for node in ALL {
            cluster.start(node)?;
        }
        for node in ALL {
            cluster.wait_ready(node)?;
        }
        // Progress first: a height that was under way ends before the nodes are level.
        cluster.issue(cycle % 4, SOON)?;
        cluster.agree(&ALL, &all, SOON)?;
    }
    ensure!(all.len() > cycles, "too little load: {} records", all.len());
    cluster.assert_no_evidence(&ALL)?;
    println!("   {cycles} times, {} acknowledged records", all.len());
    cluster.finish("all four killed at once")
}

#[test]
fn a_member_paused_for_30_s_changes_nothing_and_comes_back() -> Result<()> {
    let cluster = Cluster::found(4)?;
    cluster.accredit()?;
    let load = cluster.load(&[0, 1, 2], 2);
    more(&load, 20)?;
    cluster.process(3)?.signal("STOP")?;
    std::thread::sleep(Duration::from_secs(30));
    more(&load, 20)?;
    cluster.process(3)?.signal("CONT")?;
    let acknowledged = load.stop();
    cluster.agree(&ALL, &acknowledged, SOON)?;
    cluster.issue(3, SOON)?;
    cluster.assert_no_evidence(&ALL)?;
    cluster.finish("one of four paused")
}
