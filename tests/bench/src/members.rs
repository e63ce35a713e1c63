//! Four members on loopback: what they finalise, how soon, and what the loss of one costs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use credlog_api::path;
use credlog_api::submission::MEDIA_TYPE_RECORD;
use credlog_cluster::{Cluster, Settings, wait_for};

use crate::Setting;
use crate::etcd;
use crate::figure::{Figure, Report, Target, quantile};
use crate::founding::Founding;
use crate::http::Connection;
use crate::node::cpu_by_thread;
use crate::profile::Profile;
use crate::submit::{self, Load};
use crate::workload::{self, Shape};

const MEMBERS: usize = 4;
const OBSERVER: usize = MEMBERS;
/// The member that is killed.
const VICTIM: usize = 3;
const SOON: Duration = Duration::from_secs(120);
/// Between two posts on an idle ledger.
const PAUSE: Duration = Duration::from_millis(200);

/// How much of each.
#[derive(Debug, Clone, Args)]
pub(crate) struct Amount {
    /// Single-credential records.
    #[arg(long, default_value_t = 100_000)]
    single: u64,
    /// Credentials in records of 256.
    #[arg(long, default_value_t = 1_000_000)]
    packed: u64,
    /// Records on an idle ledger, one after the other.
    #[arg(long, default_value_t = 300)]
    idle: u64,
}

impl Default for Amount {
    fn default() -> Self {
        Self {
            single: 100_000,
            packed: 1_000_000,
            idle: 300,
        }
    }
}

/// Everything about four members.
pub(crate) fn run(setting: &Setting, amount: &Amount, report: &mut Report) -> anyhow::Result<()> {
    println!("members: four on loopback");
    single_rate(setting, amount.single, report)?;
    packed_rate(setting, amount.packed, report)?;
    idle(setting, amount.idle, report)
}

fn found(setting: &Setting) -> anyhow::Result<(Cluster, Founding)> {
    let settings = Settings {
        observers: 1,
        toml: "[log]\nlevel = \"warn\"\n[store]\nscrub_interval_seconds = 0\n".to_owned(),
        program: Some(std::path::absolute(&setting.credlog)?),
        dir: Some(setting.dir.clone()),
        ..Settings::default()
    };
    let cluster = Cluster::found_with(MEMBERS, settings)?;
    let founding = Founding::of_cluster(&cluster)?;
    // No load here has more credentials than the fewest lists hold.
    submit::prepare(cluster.address(0), &founding, Shape::of(1, 1))?;
    Ok((cluster, founding))
}

fn addresses(cluster: &Cluster) -> Vec<SocketAddr> {
    (0..MEMBERS).map(|node| cluster.address(node)).collect()
}

/// Sends a load to all four, and says what their threads used.
fn measure(
    setting: &Setting,
    cluster: &Cluster,
    records: &[Vec<u8>],
    load: &Load,
) -> anyhow::Result<(submit::Outcome, BTreeMap<String, f64>)> {
    let pids = (0..MEMBERS)
        .map(|node| Ok(cluster.process(node)?.id()))
        .collect::<anyhow::Result<Vec<u32>>>()?;
    let folder = tempfile::tempdir_in(&setting.dir)?;
    let profile = setting
        .perf
        .then(|| Profile::begin(&pids, folder.path()))
        .transpose()?;
    let before = cpu(&pids)?;
    let outcome = submit::send(&addresses(cluster), records, load)?;
    let mut used = cpu(&pids)?;
    for (thread, seconds) in &mut used {
        *seconds -= before.get(thread).unwrap_or(&0.0);
    }
    if let Some(profile) = profile {
        profile.end()?.print();
    }
    Ok((outcome, used))
}

fn cpu(pids: &[u32]) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut all = BTreeMap::new();
    for pid in pids {
        for (thread, seconds) in cpu_by_thread(*pid)? {
            *all.entry(thread).or_insert(0.0) += seconds;
        }
    }
    Ok(all)
}

fn single_rate(setting: &Setting, credentials: u64, report: &mut Report) -> anyhow::Result<()> {
    let (cluster, founding) = found(setting)?;
    let load = Load {
        credentials,
        ..Load::single()
    };
    let records = workload::issues(&founding, Shape::of(credentials, 1))?;
    let (outcome, used) = measure(setting, &cluster, &records, &load)?;
    let seconds = outcome.elapsed.as_secs_f64();
    cluster.finish("single-credential records")?;
    let rate = records.len() as f64 / seconds;
    let mut figure = Figure::new("records of one credential, four members", rate, "/s");
    if !setting.no_yardsticks {
        match etcd::puts_per_second(&setting.dir) {
            Ok(puts) => figure = figure.beside("etcd puts, 3 nodes", puts),
            // etcd's own load gives up on a busy machine; the figures of the nodes stand.
            Err(error) => eprintln!("  no yardstick: {error:#}"),
        }
    }
    report.add(figure.target(Target::RatioAtLeast(1.0)));
    let name = "records of one, four members";
    load_figures(name, &outcome, records.len(), &used, report);
    Ok(())
}

fn load_figures(
    name: &str,
    outcome: &submit::Outcome,
    records: usize,
    used: &BTreeMap<String, f64>,
    report: &mut Report,
) {
    println!("  requests sent again after 503: {}", outcome.retries);
    let millis = |share: f64| 1000.0 * quantile(&outcome.answers, share);
    report.add(Figure::new(
        format!("answer p50, {name}"),
        millis(0.5),
        "ms",
    ));
    report.add(Figure::new(
        format!("answer p99, {name}"),
        millis(0.99),
        "ms",
    ));
    let blocks = outcome.blocks as f64;
    report.add(Figure::new(format!("blocks, {name}"), blocks, ""));
    for (thread, seconds) in used {
        let each = seconds * 1e6 / records as f64;
        if each >= 0.5 {
            let name = format!("CPU of {thread} in all four, {name}");
            report.add(Figure::new(name, each, "us a record"));
        }
    }
}

/// Records of 256, then an observer that comes when all is there.
fn packed_rate(setting: &Setting, credentials: u64, report: &mut Report) -> anyhow::Result<()> {
    let (mut cluster, founding) = found(setting)?;
    let load = Load {
        credentials,
        ..Load::packed()
    };
    let shape = Shape::of(credentials, load.items);
    let records = workload::issues(&founding, shape)?;
    let (outcome, used) = measure(setting, &cluster, &records, &load)?;
    let rate = shape.credentials() as f64 / outcome.elapsed.as_secs_f64();

    let height = cluster.view(0)?.height;
    let began = Instant::now();
    cluster.start(OBSERVER)?;
    cluster.wait_level(&[0, OBSERVER], height, SOON)?;
    let seconds = began.elapsed().as_secs_f64();
    cluster.finish("records of 256, and an observer")?;

    let mut figure = Figure::new("credentials in records of 256, four members", rate, "/s");
    report.add(Figure::new(&*figure.what, rate, "/s").target(Target::AtLeast(20_000.0)));
    if !setting.no_yardsticks {
        let inserts = submit::inserts(&setting.dir, setting.seconds)?;
        figure = figure.beside("PostgreSQL inserts", inserts);
        report.add(figure.target(Target::RatioAtLeast(1.5)));
    }
    let name = "records of 256, four members";
    load_figures(name, &outcome, records.len(), &used, report);
    let caught = shape.credentials() as f64 / seconds;
    let name = format!(
        "catch-up of an observer, {} credentials",
        shape.credentials()
    );
    report.add(Figure::new(&*name, caught, "credentials/s").target(Target::AtLeast(20_000.0)));
    let name = "catch-up of an observer, records of 256";
    report.add(Figure::new(
        name,
        records.len() as f64 / seconds,
        "records/s",
    ));
    Ok(())
}

/// One record at a time: all four there, then one killed, then back.
fn idle(setting: &Setting, count: u64, report: &mut Report) -> anyhow::Result<()> {
    let (mut cluster, founding) = found(setting)?;
    let records = workload::issues(&founding, Shape::of(2 * count, 1))?;
    let half = usize::try_from(count)?;
    let all = one_by_one(&cluster, &records[..half])?;
    report.add(
        Figure::new(
            "POST to receipt, idle ledger, p50",
            quantile(&all, 0.5),
            "ms",
        )
        .target(Target::AtMost(150.0)),
    );
    report.add(
        Figure::new(
            "POST to receipt, idle ledger, p99",
            quantile(&all, 0.99),
            "ms",
        )
        .target(Target::AtMost(500.0)),
    );
    cluster.kill(VICTIM)?;
    let without = one_by_one(&cluster, &records[half..])?;
    let p50 = quantile(&without, 0.5);
    let figure = Figure::new("the same p50 with one of four killed", p50, "ms")
        .beside("all four", quantile(&all, 0.5));
    report.add(figure.target(Target::RatioAtMost(1.2)));
    let p99 = quantile(&without, 0.99);
    report.add(Figure::new(
        "the same p99 with one of four killed",
        p99,
        "ms",
    ));
    let head = cluster.view(0)?.height;
    let began = Instant::now();
    cluster.start(VICTIM)?;
    wait_for("the member is at the head", SOON, || {
        let height = cluster.view(VICTIM).map_or(0, |view| view.height);
        Ok((height >= head).then_some(()))
    })?;
    let back = began.elapsed().as_secs_f64();
    let figure = Figure::new("killed member, from its start to the head", back, "s");
    report.add(figure.target(Target::AtMost(2.0)));
    cluster.finish("idle ledger")
}

/// Milliseconds from POST to receipt, ascending. Every member but the victim has its turn.
fn one_by_one(cluster: &Cluster, records: &[Vec<u8>]) -> anyhow::Result<Vec<f64>> {
    let mut connections = (0..VICTIM)
        .map(|node| Connection::open(cluster.address(node)))
        .collect::<std::io::Result<Vec<_>>>()?;
    let mut millis = Vec::with_capacity(records.len());
    for (number, record) in records.iter().enumerate() {
        let at = number % connections.len();
        let connection = connections.get_mut(at).context("no node")?;
        let began = Instant::now();
        let answer = connection.post(path::RECORDS, MEDIA_TYPE_RECORD, record)?;
        millis.push(1000.0 * began.elapsed().as_secs_f64());
        submit::check(&answer, 1)?;
        std::thread::sleep(PAUSE);
    }
    millis.sort_by(f64::total_cmp);
    Ok(millis)
}
