//! One of four members breaks the rules: the honest ones never differ, the ledger goes on.
#![allow(clippy::print_stdout)]

use std::ffi::OsString;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use credlog_cluster::{Cluster, Settings, count, wait_for};

const HONEST: [usize; 3] = [0, 1, 2];
const BYZANTINE: usize = 3;
const SOON: Duration = Duration::from_secs(60);
/// How often a further status list is asked for.
const NEXT_LIST: Duration = Duration::from_secs(1);
/// Each height at which the Byzantine member should propose may take some rounds.
const HEIGHTS_WITHIN: Duration = Duration::from_secs(900);

fn as_byzantine(behaviour: &str) -> Vec<OsString> {
    let program = env!("CARGO_BIN_EXE_credlog-byzantine");
    [program, "node", behaviour].map(OsString::from).to_vec()
}

/// The load on the honest members.
#[derive(Clone, Copy)]
struct Traffic {
    /// For each of them.
    senders: usize,
    /// In a record.
    credentials: u32,
    /// Between two records of a sender.
    each: Option<Duration>,
}

const TRAFFIC: Traffic = Traffic {
    senders: 1,
    credentials: 1,
    each: None,
};

/// The honest members go on for the heights of the bar, and agree about all of them.
///
/// If a sign of what the other does is named, they go on until it is seen.
fn honest_members_go_on(
    cluster: &Cluster,
    name: &str,
    traffic: Traffic,
    sign: Option<Sign>,
) -> Result<()> {
    cluster.accredit()?;
    let Traffic {
        senders,
        credentials,
        each,
    } = traffic;
    let load = cluster.load_of(&HONEST, senders, credentials, each);
    let heights = cluster.view(0)?.height + count(200) as u64;
    let mut listed = Instant::now();
    let what = "the ledger goes on, and what is done to it shows";
    wait_for(what, HEIGHTS_WITHIN, || {
        if listed.elapsed() > NEXT_LIST {
            listed = Instant::now();
            cluster.open_list_if_due()?;
        }
        if cluster.view(0)?.height < heights {
            return Ok(None);
        }
        let has_shown = match sign {
            Some(sign) => sign.times(cluster)? > 0,
            None => true,
        };
        Ok(has_shown.then_some(()))
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

/// How it is seen that the honest met what the Byzantine member does: lines of logs.
#[derive(Clone, Copy)]
struct Sign {
    /// Whose logs.
    nodes: &'static [usize],
    /// In such a line.
    words: &'static str,
}

impl Sign {
    /// How many lines there are.
    fn times(self, cluster: &Cluster) -> Result<usize> {
        let mut found = 0;
        for node in self.nodes {
            let log = cluster.process(*node)?.log()?;
            found += log.lines().filter(|line| line.contains(self.words)).count();
        }
        Ok(found)
    }
}

/// One way to break the rules.
struct Misbehaviour {
    name: &'static str,
    /// Appended to every node's configuration.
    toml: &'static str,
    traffic: Traffic,
    sign: Option<Sign>,
}

impl Misbehaviour {
    const fn new(name: &'static str) -> Self {
        Self {
            name,
            toml: "",
            traffic: TRAFFIC,
            sign: None,
        }
    }

    fn run(self) -> Result<()> {
        let settings = Settings {
            commands: vec![(BYZANTINE, as_byzantine(self.name))],
            toml: self.toml.to_owned(),
            ..Settings::default()
        };
        let cluster = Cluster::found_with(4, settings)?;
        honest_members_go_on(&cluster, self.name, self.traffic, self.sign)?;
        // What it does is no double vote: honest members accuse nobody of one.
        cluster.assert_no_evidence(&HONEST)?;
        if let Some(sign) = self.sign {
            let met = sign.times(&cluster)?;
            println!("   \"{}\": {met} times", sign.words);
            ensure!(met > 0, "it has done nothing that shows");
        }
        cluster.finish(self.name)
    }
}

#[test]
fn a_member_that_proposes_an_invalid_record() -> Result<()> {
    Misbehaviour {
        sign: Some(Sign {
            nodes: &HONEST,
            words: "a block breaks a rule",
        }),
        ..Misbehaviour::new("invalid-record")
    }
    .run()
}

#[test]
fn a_member_that_proposes_a_wrong_checkpoint() -> Result<()> {
    Misbehaviour {
        sign: Some(Sign {
            nodes: &HONEST,
            words: "a block is not of this value",
        }),
        ..Misbehaviour::new("wrong-checkpoint")
    }
    .run()
}

#[test]
fn a_member_that_votes_for_everything() -> Result<()> {
    Misbehaviour::new("votes-for-everything").run()
}

/// Slow enough that the members have cosigned in a second after that of the seal before.
#[test]
fn a_member_that_seals_with_an_old_time() -> Result<()> {
    Misbehaviour {
        traffic: Traffic {
            each: Some(Duration::from_secs(3)),
            ..TRAFFIC
        },
        sign: Some(Sign {
            nodes: &HONEST,
            words: "does not agree with the time of a block",
        }),
        ..Misbehaviour::new("old-time")
    }
    .run()
}

#[test]
fn a_member_that_is_silent() -> Result<()> {
    Misbehaviour::new("silent").run()
}

/// Blocks that take longer than the time-outs: heights that need further rounds give it others'
/// checkpoints to spoil.
#[test]
fn a_member_that_streams_garbage_under_the_checkpoint_of_another() -> Result<()> {
    Misbehaviour {
        toml: "[consensus]\npropose_timeout_ms = 50\nvote_timeout_ms = 50\n",
        traffic: Traffic {
            senders: 8,
            credentials: 256,
            each: None,
        },
        sign: Some(Sign {
            nodes: &[BYZANTINE],
            words: "garbage under another's value",
        }),
        ..Misbehaviour::new("garbage")
    }
    .run()
}

/// Two processes with one consensus key: the second, under the network identity of an observer,
/// votes against what the first one votes for.
#[test]
fn a_member_that_equivocates() -> Result<()> {
    const TWIN: usize = 4;
    let program = env!("CARGO_BIN_EXE_credlog-byzantine");
    let keys = format!("../node-{BYZANTINE}/keys");
    let words = [program, "twin", "--keys", &keys].map(OsString::from);
    let settings = Settings {
        observers: 1,
        commands: vec![(TWIN, words.to_vec())],
        ..Settings::default()
    };
    let mut cluster = Cluster::found_with(4, settings)?;
    cluster.start(TWIN)?;
    // Slow enough that the second process is at the height that is decided.
    let traffic = Traffic {
        each: Some(Duration::from_secs(1)),
        ..TRAFFIC
    };
    honest_members_go_on(&cluster, "equivocates", traffic, None)?;
    let guilty = cluster.seat(BYZANTINE).id.to_string();
    let mut accusations = 0;
    for node in HONEST {
        for evidence in cluster.evidence(node)? {
            let accused = &evidence["member"];
            ensure!(*accused == *guilty, "node {node} accuses {accused}");
            accusations += 1;
        }
        let counted = cluster.metric(node, "credlog_evidence_total")?;
        println!("   node {node} counts {counted}");
    }
    ensure!(accusations > 0, "nobody has seen the double votes");
    // A member that finds votes of its key that it did not cast may end itself.
    cluster.finish_but(&[BYZANTINE, TWIN], "equivocates")
}
