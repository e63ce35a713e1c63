//! One of four members breaks the rules: the honest ones never differ, the ledger goes on.
#![allow(clippy::print_stdout)]

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Result, ensure};
use credlog_cluster::{Cluster, Settings, count, in_net, wait_for};

const HONEST: [usize; 3] = [0, 1, 2];
const BYZANTINE: usize = 3;
const SOON: Duration = Duration::from_secs(60);
/// Each height at which the Byzantine member should propose may take some rounds.
const HEIGHTS_WITHIN: Duration = Duration::from_secs(900);

fn as_byzantine(behaviour: &str) -> Vec<OsString> {
    let program = env!("CARGO_BIN_EXE_credlog-byzantine");
    [program, "node", behaviour].map(OsString::from).to_vec()
}

/// The honest members go on for the heights of the bar, and agree about all of them.
fn honest_members_go_on(cluster: &Cluster, name: &str) -> Result<()> {
    cluster.accredit()?;
    let load = cluster.load(&HONEST, 1);
    let heights = cluster.view(0)?.height + count(200) as u64;
    wait_for("the ledger goes on", HEIGHTS_WITHIN, || {
        Ok((cluster.view(0)?.height >= heights).then_some(()))
    })?;
    let acknowledged = load.stop();
    ensure!(!acknowledged.is_empty(), "nothing was acknowledged");
    let height = cluster.agree(&HONEST, &acknowledged, SOON)?;
    let mut evidence = Vec::new();
    for node in HONEST {
        evidence.push(cluster.evidence(node)?.len());
    }
    println!(
        "   {name}: height {height}, {} records acknowledged, evidence {evidence:?}",
        acknowledged.len()
    );
    Ok(())
}

fn one_misbehaves(behaviour: &str, toml: &str) -> Result<()> {
    let settings = Settings {
        commands: vec![(BYZANTINE, as_byzantine(behaviour))],
        toml: toml.to_owned(),
        ..Settings::default()
    };
    let cluster = Cluster::found_with(4, settings)?;
    honest_members_go_on(&cluster, behaviour)?;
    // What it does is no double vote: honest members accuse nobody of one.
    cluster.assert_no_evidence(&HONEST)?;
    cluster.finish(behaviour)
}

#[test]
fn a_member_that_proposes_an_invalid_record() -> Result<()> {
    one_misbehaves("invalid-record", "")
}

#[test]
fn a_member_that_proposes_a_wrong_checkpoint() -> Result<()> {
    one_misbehaves("wrong-checkpoint", "")
}

#[test]
fn a_member_that_votes_for_everything() -> Result<()> {
    one_misbehaves("votes-for-everything", "")
}

#[test]
fn a_member_that_seals_with_an_old_time() -> Result<()> {
    one_misbehaves("old-time", "")
}

#[test]
fn a_member_that_is_silent() -> Result<()> {
    one_misbehaves("silent", "")
}

/// Short time-outs: heights that need further rounds give it others' checkpoints to spoil.
#[test]
fn a_member_that_streams_garbage_under_the_checkpoint_of_another() -> Result<()> {
    let hasty = "[consensus]\npropose_timeout_ms = 60\nvote_timeout_ms = 60\n";
    one_misbehaves("garbage", hasty)
}

/// Two processes with the keys of one member. Each has its own part of the honest members to
/// talk to, who hand its votes on: connected to one node, the two would look like one peer.
#[test]
fn a_member_that_equivocates() -> Result<()> {
    const TWIN: usize = 4;
    in_net("a_member_that_equivocates", 5, |net| {
        net.cut(BYZANTINE, 2)?;
        net.cut(TWIN, 0)?;
        net.cut(TWIN, 1)?;
        let settings = Settings {
            double: Some(BYZANTINE),
            ..Settings::default()
        };
        let mut cluster = Cluster::found_in(4, settings, Some(net))?;
        cluster.start(TWIN)?;
        honest_members_go_on(&cluster, "equivocates")?;
        let mut accusations = 0;
        for node in HONEST {
            for evidence in cluster.evidence(node)? {
                let text = evidence.to_string();
                let guilty = cluster.seat(BYZANTINE).id.as_str();
                ensure!(
                    text.contains(guilty),
                    "node {node} accuses an honest member: {text}"
                );
                accusations += 1;
            }
        }
        ensure!(accusations > 0, "nobody has seen the double votes");
        // A twin may end itself when it finds the other; the honest never do.
        cluster.finish_but(&[BYZANTINE, TWIN], "equivocates")
    })
}
