//! A member whose store is damaged in the middle of a height: it forgets no vote, and is
//! whole again.
#![allow(clippy::print_stdout)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use credlog_cluster::{Cluster, count, wait_for};
use rand::Rng;

const ALL: [usize; 4] = [0, 1, 2, 3];
const OTHERS: [usize; 3] = [0, 1, 2];
const VICTIM: usize = 3;
const SOON: Duration = Duration::from_secs(90);
/// Bytes that are overwritten in one place; sled notices less only by chance.
const DAMAGE_BYTES: usize = 4_096;

#[test]
fn a_quarantined_member_votes_for_nothing_twice() -> Result<()> {
    let mut cluster = Cluster::found(4)?;
    cluster.accredit()?;
    let load = cluster.load(&OTHERS, 2);
    let cycles = count(50);
    for cycle in 0..cycles {
        std::thread::sleep(Duration::from_millis(
            rand::thread_rng().gen_range(300..1_500),
        ));
        cluster.kill(VICTIM)?;
        match cycle % 3 {
            0 => damage(&sled_file(&cluster.folder(VICTIM).join("data"))?)?,
            1 => remove_sled(&cluster.folder(VICTIM).join("data"))?,
            _ => remove_wal(&cluster.folder(VICTIM).join("data"))?,
        }
        cluster.start(VICTIM)?;
        let head = cluster.view(0)?.height;
        let whole = wait_for("the member is whole again", SOON, || {
            let height = cluster.view(VICTIM).map_or(0, |view| view.height);
            Ok((height >= head).then_some(()))
        });
        whole.with_context(|| format!("cycle {cycle}"))?;
    }
    let acknowledged = load.stop();
    ensure!(acknowledged.len() > cycles, "too little load");
    cluster.issue(VICTIM, SOON)?;
    cluster.agree(&ALL, &acknowledged, SOON)?;
    cluster.assert_no_evidence(&ALL)?;
    // It votes again: with another member gone, the ledger needs it.
    cluster.kill(0)?;
    cluster.issue(1, SOON)?;
    let set_aside = quarantines(&cluster.folder(VICTIM).join("data"))?;
    println!("   {cycles} times, {set_aside} quarantined stores");
    ensure!(set_aside > 0, "no store was ever quarantined");
    cluster.finish("quarantined store")
}

/// sled's file inside of the data folder.
fn sled_file(data: &Path) -> Result<PathBuf> {
    let file = data.join("sled").join("db");
    ensure!(file.is_file(), "{} is not there", file.display());
    Ok(file)
}

/// Overwrites a page in the used part of the file.
fn damage(path: &Path) -> Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    let bytes = std::fs::read(path)?;
    let used = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .context("the file is empty")?;
    let at = rand::thread_rng().gen_range(0..used.max(1));
    let noise: Vec<u8> = (0..DAMAGE_BYTES).map(|_| rand::random()).collect();
    file.write_all_at(&noise, u64::try_from(at)?)?;
    file.sync_all()?;
    Ok(())
}

fn remove_sled(data: &Path) -> Result<()> {
    std::fs::remove_file(sled_file(data)?)?;
    Ok(())
}

/// The engine's memory of its votes.
fn remove_wal(data: &Path) -> Result<()> {
    let mut removed = 0;
    for folder in std::fs::read_dir(data.join("votes"))? {
        let wal = folder?.path().join("consensus.wal");
        if wal.is_file() {
            std::fs::remove_file(wal)?;
            removed += 1;
        }
    }
    ensure!(removed == 1, "{removed} WALs in {}", data.display());
    Ok(())
}

fn quarantines(data: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(data)? {
        let name = entry?.file_name();
        count += usize::from(name.to_string_lossy().starts_with("quarantine-"));
    }
    Ok(count)
}
