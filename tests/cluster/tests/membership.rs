//! Members that come, go and change their keys while the ledger runs.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use credlog_cluster::{Acknowledged, Cluster, Settings, wait_for};
use credlog_ledger::body::Action;

const SOON: Duration = Duration::from_secs(60);
/// The bar: no stall longer than this.
const STALL_MAX: Duration = Duration::from_secs(5);

fn signers(cluster: &Cluster, node: usize, height: u64) -> Result<Vec<String>> {
    let certificate = cluster.certificate(node, height)?;
    let ids = certificate.signatures.iter();
    Ok(ids.map(|one| one.member.to_string()).collect())
}

/// Waits for a height above `above` that this member has signed.
fn wait_signed(cluster: &Cluster, node: usize, member: usize, above: u64) -> Result<u64> {
    let id = cluster.seat(member).id.to_string();
    let mut next = above + 1;
    wait_for(&format!("{id} signs a certificate"), SOON, || {
        while next <= cluster.view(node)?.height {
            if signers(cluster, node, next)?.contains(&id) {
                return Ok(Some(next));
            }
            next += 1;
        }
        Ok(None)
    })
}

fn longest_stall(acknowledged: &[Acknowledged]) -> Duration {
    let mut times: Vec<Instant> = acknowledged.iter().map(|one| one.at).collect();
    times.sort();
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap_or_default()
}

#[test]
fn a_fifth_member_joins_one_leaves_and_one_changes_its_keys_under_load() -> Result<()> {
    let settings = Settings {
        candidates: 1,
        ..Settings::default()
    };
    let mut cluster = Cluster::found_with(4, settings)?;
    cluster.accredit()?;
    let load = cluster.load(&[0, 1, 2], 2);

    let member = cluster.seat(4).member()?;
    cluster.decide(Action::AddMember { member }, &[0, 1, 2])?;
    let added = cluster.view(0)?.height;
    cluster.start(4)?;
    let height = wait_signed(&cluster, 0, 4, added)?;
    println!("   the fifth member, in force after height {added}, signed height {height}");

    // The key whose folder is lost is replaced by the members; nobody restarts.
    let seat = cluster.seat(3).with_new_keys(1);
    seat.write_keys(&cluster.folder(3).join("keys").join("next"))?;
    let member = seat.member()?;
    cluster.decide(Action::ReplaceMemberKeys { member }, &[0, 1, 2, 4])?;
    let replaced = cluster.view(0)?.height;
    cluster.reseat(3, seat);
    let height = wait_signed(&cluster, 0, 3, replaced + 1)?;
    println!("   new keys, in force after height {replaced}, signed height {height}");

    let leaves = cluster.seat(2).id.clone();
    let action = Action::RemoveMember {
        member: leaves.clone(),
        transfer_to: None,
    };
    cluster.decide(action, &[0, 1, 3, 4])?;
    let removed = cluster.view(0)?.height;
    wait_for("heights go on without the removed member", SOON, || {
        Ok((cluster.view(0)?.height > removed + 5).then_some(()))
    })?;
    for height in removed + 1..=removed + 5 {
        let signed = signers(&cluster, 0, height)?;
        ensure!(
            !signed.contains(&leaves.to_string()),
            "{leaves} was removed and signed height {height}"
        );
    }
    cluster.wait_role(2, "candidate", SOON)?;
    let acknowledged = load.stop();
    let stall = longest_stall(&acknowledged);
    println!("   longest stall {:.1} s", stall.as_secs_f64());
    ensure!(stall < STALL_MAX, "a stall of {stall:?}");
    cluster.agree(&[0, 1, 3, 4], &acknowledged, SOON)?;
    for node in [0, 1, 3, 4] {
        cluster.issue(node, SOON)?;
    }
    cluster.assert_no_evidence(&[0, 1, 3, 4])?;
    // From genesis over three changes of the set, by a program of others.
    cluster.check_foreign(0)?;
    cluster.finish("membership under load")
}
