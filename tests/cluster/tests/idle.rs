//! An idle ledger: no block, no heat, fresh cosignatures.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use credlog_cluster::{Cluster, receipts};
use credlog_ledger::ids::Digest;

const ALL: [usize; 4] = [0, 1, 2, 3];
const SOON: Duration = Duration::from_secs(60);
const IDLE: Duration = Duration::from_secs(60);
/// What follows the last commit is done after this time.
const SETTLE: Duration = Duration::from_secs(5);
const AGE_SECONDS_MAX: f64 = 70.0;
/// Of one core.
const CPU_SHARE_MAX: f64 = 0.02;

#[test]
fn an_idle_ledger_makes_no_block_and_stays_fresh() -> Result<()> {
    let cluster = Cluster::found(4)?;
    cluster.accredit()?;
    let digest = Digest([1; 32]);
    let issue = cluster.issuer().issuance(100_000, digest)?;
    cluster.submit_for(0, &issue, SOON)?;
    let acknowledged = cluster.load(&ALL, 1);
    std::thread::sleep(Duration::from_secs(2));
    let acknowledged = acknowledged.stop();
    let height = cluster.agree(&ALL, &acknowledged, SOON)?;
    std::thread::sleep(SETTLE);
    let cpu = |node: usize| cluster.process(node)?.cpu_seconds();
    let before: Result<Vec<f64>> = ALL.iter().map(|node| cpu(*node)).collect();
    let (before, began) = (before?, Instant::now());
    let (mut oldest, mut oldest_receipt): (f64, f64) = (0.0, 0.0);
    while began.elapsed() < IDLE {
        std::thread::sleep(IDLE / 6);
        for node in ALL {
            let ledger = cluster.view(node)?.ledger;
            let age = ledger["attested"]["ageSeconds"]
                .as_f64()
                .with_context(|| format!("no age of what is attested: {ledger}"))?;
            oldest = oldest.max(age);
            let now = receipts::now()?.now;
            let as_of = cluster.proven(node, &digest)?.as_of;
            let age = Duration::from_millis(now.0.saturating_sub(as_of.0));
            oldest_receipt = oldest_receipt.max(age.as_secs_f64());
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    for (node, before) in ALL.into_iter().zip(before) {
        let share = (cpu(node)? - before) / seconds;
        println!("   node {node}: {:.2} % of a core", share * 100.0);
        ensure!(share < CPU_SHARE_MAX, "node {node} uses {share} of a core");
        ensure!(
            cluster.view(node)?.height == height,
            "node {node} made a block out of nothing"
        );
    }
    println!("   oldest attested checkpoint {oldest:.0} s, oldest receipt {oldest_receipt:.0} s");
    ensure!(
        oldest_receipt < AGE_SECONDS_MAX,
        "a receipt of {oldest_receipt} s ago"
    );
    ensure!(oldest < AGE_SECONDS_MAX, "cosignatures of {oldest} s ago");
    cluster.finish("idle")
}
