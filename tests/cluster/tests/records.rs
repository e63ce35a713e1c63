//! Records among four members: one that comes in everywhere at once, and a member whose disk
//! takes no more.
#![allow(clippy::print_stdout)]

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use credlog_cluster::{Cluster, Settings, wait_for};

const ALL: [usize; 4] = [0, 1, 2, 3];
const HEALTHY: [usize; 3] = [0, 1, 2];
const VICTIM: usize = 3;
const SOON: Duration = Duration::from_secs(60);

/// Leaves of a node's log that are records: each block has one more, its seal.
fn records(cluster: &Cluster, node: usize) -> Result<u64> {
    let view = cluster.view(node)?;
    Ok(view.size - view.height)
}

#[test]
fn one_record_at_all_nodes_at_once_is_one_record() -> Result<()> {
    let cluster = Cluster::found(4)?;
    cluster.accredit()?;
    let before = records(&cluster, 0)?;
    for _ in 0..10 {
        let record = cluster.issuer().next_issuance(1)?;
        let answers: Vec<_> = std::thread::scope(|scope| {
            let ask = |node: usize| {
                let (cluster, record) = (&cluster, &record);
                scope.spawn(move || cluster.submit(node, record))
            };
            // Each node twice.
            let asked: Vec<_> = ALL.into_iter().chain(ALL).map(ask).collect();
            asked.into_iter().map(|one| one.join()).collect()
        });
        for answer in answers {
            let answer = answer.ok().context("a sender panicked")?;
            answer.acknowledged()?;
        }
    }
    let height = cluster.view(0)?.height;
    cluster.wait_level(&ALL, height, SOON)?;
    for node in ALL {
        let issued = records(&cluster, node)? - before;
        ensure!(
            issued == 10,
            "{issued} records of ten stand in the log of node {node}"
        );
    }
    cluster.finish("one record everywhere")
}

/// The victim's data is on a small disk that no other process sees.
fn on_small_disk() -> Result<Option<Settings>> {
    const MOUNT: &str = "d=$(dirname \"$3\")/data; mkdir -p \"$d\" && \
        mount -t tmpfs -o size=64m tmpfs \"$d\" && exec \"$1\" node run \"$2\" \"$3\"";
    let possible = Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .output();
    if !possible.is_ok_and(|output| output.status.success()) {
        println!("skipped: no disk can be mounted here");
        return Ok(None);
    }
    let program = credlog_e2e::binary()?;
    let mut words = ["unshare", "-m", "sh", "-c", MOUNT, "sh"]
        .map(Into::into)
        .to_vec();
    words.push(program.into());
    Ok(Some(Settings {
        commands: vec![(VICTIM, words)],
        toml: "[store]\ndisk_reserve_bytes = 8388608\n".to_owned(),
        ..Settings::default()
    }))
}

#[test]
fn a_member_with_a_full_disk_stops_nobody_and_comes_back() -> Result<()> {
    let Some(settings) = on_small_disk()? else {
        return Ok(());
    };
    let cluster = Cluster::found_with(4, settings)?;
    cluster.accredit()?;
    cluster.issue(VICTIM, SOON)?;
    let filler = fill(&cluster)?;
    wait_for("the victim takes no records", SOON, || {
        let ready = cluster.metric(VICTIM, "credlog_ready")?;
        Ok((ready == 0.0).then_some(()))
    })?;
    let before = cluster.view(VICTIM)?.height;
    let load = cluster.load(&HEALTHY, 1);
    wait_for("the others go on", SOON, || {
        Ok((load.count() >= 30).then_some(()))
    })?;
    let height = cluster.view(VICTIM)?.height;
    ensure!(height == before, "it has stored {before} to {height}");
    std::fs::remove_file(filler)?;
    let acknowledged = load.stop();
    cluster.agree(&ALL, &acknowledged, SOON)?;
    cluster.issue(VICTIM, SOON)?;
    cluster.assert_no_evidence(&ALL)?;
    cluster.finish("a full disk")
}

/// Takes all that is left of the victim's disk.
fn fill(cluster: &Cluster) -> Result<PathBuf> {
    let pid = cluster.process(VICTIM)?.id();
    let data = cluster.folder(VICTIM).join("data/filler");
    let path = PathBuf::from(format!("/proc/{pid}/root{}", data.display()));
    let mut file = std::fs::File::create(&path)?;
    let block = [0; 4096];
    while file.write_all(&block).is_ok() {}
    Ok(path)
}
