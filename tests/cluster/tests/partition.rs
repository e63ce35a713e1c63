//! A network that falls into two halves, and heals.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use credlog_cluster::{Cluster, Settings, count, in_net, wait_for};

const ALL: [usize; 4] = [0, 1, 2, 3];
const SOON: Duration = Duration::from_secs(60);

#[test]
fn no_half_commits_and_both_agree_after_it() -> Result<()> {
    let name = "no_half_commits_and_both_agree_after_it";
    in_net(name, 4, |net| {
        let cluster = Cluster::found_in(4, Settings::default(), Some(net))?;
        cluster.accredit()?;
        let load = cluster.load(&ALL, 1);
        let mut slowest = Duration::ZERO;
        for cycle in 0..count(20) {
            let other = 1 + cycle % 3;
            let rest: Vec<usize> = (1..4).filter(|node| *node != other).collect();
            cluster.net()?.split(&[&[0, other], &rest])?;
            // What was under way may still be decided by those who had all votes.
            std::thread::sleep(Duration::from_secs(1));
            let before = heights(&cluster)?;
            std::thread::sleep(Duration::from_secs(3));
            let after = heights(&cluster)?;
            // A node may still fetch what was decided before the split from the other of its half.
            let top = before.iter().copied().max().unwrap_or(0);
            ensure!(
                after.iter().all(|height| *height <= top),
                "a half has committed: {before:?}, {after:?}"
            );
            cluster.net()?.heal()?;
            let healed = Instant::now();
            wait_for("there is progress", Duration::from_secs(10), || {
                Ok((cluster.view(0)?.height > top).then_some(()))
            })?;
            slowest = slowest.max(healed.elapsed());
        }
        let acknowledged = load.stop();
        cluster.issue(0, SOON)?;
        cluster.agree(&ALL, &acknowledged, SOON)?;
        cluster.assert_no_evidence(&ALL)?;
        println!("   slowest progress after {:.1} s", slowest.as_secs_f64());
        cluster.finish("partition 2 | 2")
    })
}

fn heights(cluster: &Cluster) -> Result<Vec<u64>> {
    let height = |node: &usize| Ok(cluster.view(*node)?.height);
    ALL.iter().map(height).collect()
}
