//! Receipts of four real nodes: a change of status shows in all of them at once; those made before
//! and after members change follow from one genesis.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use credlog_cluster::{Cluster, Settings, receipts, wait_for};
use credlog_ledger::body::{Action, Body, Reason, StatusChange};
use credlog_ledger::ids::Digest;
use credlog_ledger::status::Status;

const ALL: [usize; 4] = [0, 1, 2, 3];
const SOON: Duration = Duration::from_secs(60);
/// Changes that are timed.
const CHANGES: u8 = 10;

fn digest(number: u8) -> Digest {
    Digest([number; 32])
}

fn revocation(cluster: &Cluster, number: u8) -> Body {
    Body::Revoke(StatusChange {
        issuer: cluster.issuer().id().clone(),
        digests: vec![digest(number)],
        reason: Reason::Other,
    })
}

#[test]
fn a_change_of_status_shows_at_every_node_and_changes_of_members_are_followed() -> Result<()> {
    let settings = Settings {
        candidates: 1,
        ..Settings::default()
    };
    let mut cluster = Cluster::found_with(4, settings)?;
    cluster.accredit()?;
    for number in 0..CHANGES + 2 {
        let issue = cluster
            .issuer()
            .issuance(u32::from(number) * 1_000 + 1_000, digest(number))?;
        cluster.submit_for(usize::from(number % 4), &issue, SOON)?;
    }
    let mut slowest = Duration::ZERO;
    for number in 0..CHANGES {
        let revoke = cluster.issuer().sign(revocation(&cluster, number))?;
        cluster.submit_for(usize::from(number % 4), &revoke, SOON)?;
        // It is committed, and attested at the node that answered.
        let begun = Instant::now();
        for node in ALL {
            wait_for("the revocation shows in the receipt", SOON, || {
                let proven = cluster.proven(node, &digest(number))?;
                Ok((proven.credentials[0].status == Status::Revoked).then_some(()))
            })?;
        }
        slowest = slowest.max(begun.elapsed());
    }
    println!("   a revocation shows at all nodes after {slowest:?} at most");
    ensure!(
        slowest < Duration::from_secs(5),
        "a revocation took {slowest:?} to show"
    );

    let kept = digest(CHANGES);
    let before = cluster.receipt(1, &kept)?;
    let first = before.check(&cluster.trust()?, &receipts::now()?)?;
    let member = cluster.seat(4).member()?;
    cluster.decide(Action::AddMember { member }, &[0, 1, 2])?;
    cluster.start(4)?;
    let leaves = Action::RemoveMember {
        member: cluster.seat(2).id.clone(),
        transfer_to: None,
    };
    cluster.decide(leaves, &[0, 1, 3, 4])?;
    let revoke = cluster.issuer().sign(revocation(&cluster, CHANGES))?;
    cluster.submit_for(0, &revoke, SOON)?;
    for node in [0, 1, 3, 4] {
        let proven = wait_for("the new members attest", SOON, || {
            let proven = cluster.proven(node, &kept)?;
            let status = proven.credentials[0].status;
            Ok((status == Status::Revoked).then_some(proven))
        })?;
        ensure!(proven.changes.len() == 2, "{:?}", proven.changes);
        let removed = cluster.seat(2).id.clone();
        ensure!(proven.members.find(&removed).is_none(), "{removed} attests");
    }
    // The receipt from before stands, as of its time; and to who saw more it is older.
    let again = before.check(&cluster.trust()?, &receipts::now()?)?;
    ensure!(again.credentials[0].status == Status::Valid);
    let newest = cluster.proven(0, &kept)?.trust;
    let trust = newest.ok_or_else(|| anyhow::anyhow!("the first receipt advances no trust"))?;
    ensure!(before.check(&trust, &receipts::now()?)?.doubt.is_some());
    // By consistency it is of one history with the newer trust file, and the other way round.
    let size = trust.newest().map_or(0, |newest| newest.size.0);
    for (believed, number) in [(first.trust, CHANGES + 1), (Some(trust), CHANGES + 1)] {
        let believed = believed.ok_or_else(|| anyhow::anyhow!("no trust"))?;
        let from = believed.newest().map_or(0, |newest| newest.size.0);
        ensure!(from > 0 && from <= size);
        cluster.issue(1, SOON)?;
        let path = format!("/v1/receipts/{}?trusted={from}", digest(number));
        let answer = credlog_e2e::get(cluster.address(1), &path)?;
        let receipt = credlog_verify::receipt::Receipt::parse(&answer.body)?;
        let proven = receipt.check(&believed, &receipts::now()?)?;
        ensure!(proven.members_known && proven.trust.is_some());
    }
    cluster.finish_but(&[2], "proofs")
}
