//! A member whose data folder is gone, while its keys are still there.
#![allow(clippy::print_stdout)]

use std::time::Duration;

use anyhow::{Result, ensure};
use credlog_cluster::Cluster;
use credlog_ledger::body::Action;

const ALL: [usize; 4] = [0, 1, 2, 3];
const SOON: Duration = Duration::from_secs(60);
const VICTIM: usize = 3;
const ROLE: &str = "keysLost";

/// A ledger on which all four have voted, with the victim down and its data folder gone.
fn without_data() -> Result<Cluster> {
    let mut cluster = Cluster::found(4)?;
    cluster.accredit()?;
    for node in ALL {
        cluster.issue(node, SOON)?;
    }
    cluster.wait_level(&ALL, 5, SOON)?;
    cluster.kill(VICTIM)?;
    std::fs::remove_dir_all(cluster.folder(VICTIM).join("data"))?;
    Ok(cluster)
}

/// The victim is a whole copy without a vote, and the others go on.
fn has_no_vote(cluster: &mut Cluster) -> Result<()> {
    cluster.wait_ready(VICTIM)?;
    cluster.wait_role(VICTIM, ROLE, SOON)?;
    let mut height = 0;
    for node in ALL {
        cluster.issue(node, SOON)?;
        height = cluster.view(node)?.height;
    }
    cluster.wait_level(&ALL, height, SOON)?;
    ensure!(!has_voted(cluster, height)?, "it has voted at {height}");
    cluster.assert_no_evidence(&ALL)
}

fn has_voted(cluster: &Cluster, height: u64) -> Result<bool> {
    let certificate = cluster.certificate(0, height)?;
    let own = &cluster.seat(VICTIM).id;
    let mut signatures = certificate.signatures.iter();
    Ok(signatures.any(|signature| signature.member == *own))
}

/// The victim votes with its new keys, without another start.
fn votes_again(cluster: &Cluster) -> Result<()> {
    cluster.wait_role(VICTIM, "member", SOON)?;
    for _ in 0..40 {
        cluster.issue(VICTIM, SOON)?;
        if has_voted(cluster, cluster.view(0)?.height)? {
            return cluster.assert_no_evidence(&ALL);
        }
    }
    anyhow::bail!("it has voted at none of forty heights");
}

#[test]
fn an_empty_data_folder_under_used_keys_gets_no_vote() -> Result<()> {
    let mut cluster = without_data()?;
    cluster.start(VICTIM)?;
    has_no_vote(&mut cluster)?;
    // Nor after another start.
    cluster.kill(VICTIM)?;
    cluster.start(VICTIM)?;
    has_no_vote(&mut cluster)?;
    // The members replace the lost keys, and it goes over by itself.
    let seat = cluster.seat(VICTIM).with_new_keys(1);
    seat.write_keys(&cluster.folder(VICTIM).join("keys/next"))?;
    let member = seat.member()?;
    cluster.decide(Action::ReplaceMemberKeys { member }, &[0, 1, 2])?;
    votes_again(&cluster)?;
    cluster.finish("an empty data folder")
}

#[test]
fn a_node_that_finds_votes_of_its_key_that_it_did_not_cast_stops_voting() -> Result<()> {
    let mut cluster = without_data()?;
    // Keys that come from a copy say nothing of the folder they were used with.
    std::fs::remove_dir_all(cluster.folder(VICTIM).join("keys").join("used"))?;
    cluster.start(VICTIM)?;
    let status = cluster.wait_end(VICTIM, SOON)?;
    ensure!(!status.success(), "it ended as if all were well");
    cluster.start(VICTIM)?;
    has_no_vote(&mut cluster)?;
    cluster.finish("votes of the own key")
}

#[test]
fn keys_that_come_after_their_approval_are_as_good_as_others() -> Result<()> {
    let cluster = Cluster::found(4)?;
    cluster.accredit()?;
    let seat = cluster.seat(VICTIM).with_new_keys(1);
    let member = seat.member()?;
    cluster.decide(Action::ReplaceMemberKeys { member }, &[0, 1, 2])?;
    cluster.wait_role(VICTIM, "keysUnknown", SOON)?;
    seat.write_keys(&cluster.folder(VICTIM).join("keys/next"))?;
    votes_again(&cluster)?;
    cluster.finish("keys that come late")
}
