//! A stranger's libp2p peer floods both swarms of every member.
#![allow(clippy::print_stdout)]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use credlog_cluster::Cluster;
use credlog_e2e::get;
use credlog_ledger::record::Record;

const ALL: [usize; 4] = [0, 1, 2, 3];
const SOON: Duration = Duration::from_secs(60);
const FLOOD: Duration = Duration::from_secs(60);
/// The fixed load, 50 records a second in all: so many senders, that each begin one in this time.
/// They are many, so that a late answer does not lower the load.
const SENDERS_A_NODE: usize = 40;
const EACH: Duration = Duration::from_millis(3_200);
const RECORDS_A_SECOND: f64 = 50.0;
/// Commits under the flood, over those beside a process that only burns CPU.
const COMMITS_LEAST: f64 = 0.9;
const GROWTH_KIB_MAX: u64 = 64 << 10;

fn byzantine() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_credlog-byzantine"));
    command.stdin(Stdio::null());
    command
}

struct Run {
    records: usize,
    heights: u64,
    cpu_seconds: f64,
}

/// The fixed load beside another process, until that ends.
fn beside(cluster: &Cluster, command: &mut Command) -> Result<Run> {
    let before = cluster.view(0)?.height;
    let load = cluster.load_of(&ALL, SENDERS_A_NODE, 1, Some(EACH));
    let other = Other(command.spawn()?);
    let began = Instant::now();
    let mut cpu_seconds = 0.0;
    while began.elapsed() < FLOOD {
        std::thread::sleep(Duration::from_millis(500));
        cpu_seconds = other.cpu_seconds().unwrap_or(cpu_seconds);
    }
    let records = load.stop().len();
    other.wait()?;
    Ok(Run {
        records,
        heights: cluster.view(0)?.height - before,
        cpu_seconds,
    })
}

/// A process that is ended when dropped.
struct Other(Child);

impl Other {
    fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let (_, fields) = stat.rsplit_once(')').context("no name")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        Ok(ticks / 100.0)
    }

    fn wait(mut self) -> Result<()> {
        let status = self.0.wait()?;
        ensure!(status.success(), "the other process failed: {status}");
        Ok(())
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It has ended already if all is well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_stranger_that_floods_both_swarms_is_not_heard() -> Result<()> {
    let cluster = Cluster::found(4)?;
    cluster.accredit()?;
    cluster.issue(0, SOON)?;
    // A good record that only the stranger has: whoever relays it would get it committed.
    let record = cluster.issuer().next_issuance(1)?.to_bytes()?;
    let resident = |node: usize| cluster.process(node)?.resident_kib();
    let before: Result<Vec<u64>> = ALL.iter().map(|node| resident(*node)).collect();

    let mut flood = byzantine();
    flood.arg("flood");
    for node in ALL {
        let place = cluster.seat(node).place;
        let gossip = credlog_e2e::Place {
            port: place.port + 1,
            ..place
        };
        flood.args(["--consensus", &place.multiaddr()]);
        flood.args(["--gossip", &gossip.multiaddr()]);
    }
    flood.args(["--ledger", &cluster.ledger().to_string()]);
    flood.args(["--record", &hex(&record)]);
    flood.args(["--seconds", &FLOOD.as_secs().to_string()]);
    let flooded = beside(&cluster, &mut flood)?;
    for (node, before) in ALL.into_iter().zip(before?) {
        let growth = resident(node)?.saturating_sub(before);
        println!("   node {node} grew by {} MiB", growth / 1024);
        ensure!(growth < GROWTH_KIB_MAX, "node {node} grew by {growth} KiB");
    }

    let mut burn = byzantine();
    burn.args(["burn", "--cpu-seconds", &flooded.cpu_seconds.to_string()]);
    burn.args(["--seconds", &FLOOD.as_secs().to_string()]);
    let control = beside(&cluster, &mut burn)?;
    println!(
        "   beside the flood {} records in {} heights ({:.0} s CPU), beside the control {} in {} \
         ({:.0} s CPU)",
        flooded.records,
        flooded.heights,
        flooded.cpu_seconds,
        control.records,
        control.heights,
        control.cpu_seconds
    );
    let offered = RECORDS_A_SECOND * FLOOD.as_secs_f64();
    ensure!(
        control.records as f64 >= COMMITS_LEAST * offered,
        "the machine cannot bear the load: {} of {offered} records beside the control",
        control.records
    );
    let ratio = flooded.records as f64 / control.records.max(1) as f64;
    ensure!(ratio >= COMMITS_LEAST, "commits fell to {ratio:.2}");
    let id = Record::id_of(&record);
    for node in ALL {
        let answer = get(cluster.address(node), &format!("/v1/records/{id}"))?;
        ensure!(
            answer.status == 404,
            "the stranger's record: {}",
            answer.head
        );
    }
    cluster.agree(&ALL, &[], SOON)?;
    cluster.finish("a stranger's flood")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
