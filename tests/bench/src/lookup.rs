//! Status by digest over HTTP: a ledger of a million credentials, and a small one.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use tempfile::TempDir;

use crate::Setting;
use crate::figure::{Figure, Report, Target};
use crate::founding::Founding;
use crate::node::{Node, Process, free_address};
use crate::postgres::Postgres;
use crate::profile::Profile;
use crate::start;
use crate::submit;
use crate::wrk::{self, Rate};

/// Credentials of the small ledger that growth is measured against.
const SMALL: u64 = 10_000;

/// The size of the ledger.
#[derive(Debug, Clone, Args)]
pub(crate) struct Size {
    /// Credentials on the ledger, in records of 256.
    #[arg(long, default_value_t = 1_000_000)]
    credentials: u64,
}

impl Size {
    pub(crate) fn credentials(&self) -> u64 {
        self.credentials
    }
}

impl Default for Size {
    fn default() -> Self {
        Self {
            credentials: 1_000_000,
        }
    }
}

/// A ledger that was filled and stopped.
pub(crate) struct Filled {
    pub(crate) folder: TempDir,
    pub(crate) founding: Founding,
    pub(crate) credentials: u64,
}

/// Founds a ledger, fills it through a node and stops the node.
pub(crate) fn fill(setting: &Setting, credentials: u64) -> anyhow::Result<Filled> {
    let folder = tempfile::tempdir_in(&setting.dir)?;
    let founding = Founding::found(folder.path(), setting.cache_mib)?;
    let node = Node::start(&setting.credlog, &founding)?;
    let credentials = submit::fill(&node, &founding, credentials)?.credentials();
    node.stop()?;
    Ok(Filled {
        folder,
        founding,
        credentials,
    })
}

/// Lookups at both sizes and the yardsticks; start, memory and disk along the way.
pub(crate) fn run(setting: &Setting, size: &Size, report: &mut Report) -> anyhow::Result<()> {
    println!("lookup: {} credentials", size.credentials);
    let small = fill(setting, SMALL)?;
    let (small_rate, _) = node_rate(setting, &small, false)?;
    drop(small);
    let large = fill(setting, size.credentials)?;
    start::figures(setting, &large, report)?;
    let (rate, resident) = node_rate(setting, &large, setting.perf)?;
    let count = large.credentials;
    let name = format!("lookups by digest, {count} credentials, 64 connections");
    let mut lookups = Figure::new(name, rate.per_second, "/s").target(Target::RatioAtLeast(0.7));
    let mut cpu = Figure::new("CPU of a lookup in the node", rate.cpu_us, "us");
    let mut against = None;
    if !setting.no_yardsticks {
        let bare = bare_rate(setting, large.folder.path(), count)?;
        println!(
            "  bare axum route: {:.0}/s, p99 {:.2} ms",
            bare.per_second, bare.p99_ms
        );
        lookups = lookups.beside("bare axum route", bare.per_second);
        cpu = cpu.beside("in the bare route", bare.cpu_us);
        let (per_second, mean_ms) = postgres_lookups(setting, count)?;
        println!("  PostgreSQL lookups: {per_second:.0}/s, mean {mean_ms:.2} ms");
        let figure = Figure::new("the same lookups", rate.per_second, "/s");
        let figure = figure.beside("PostgreSQL lookups", per_second);
        against = Some(figure.target(Target::RatioAtLeast(1.0)));
    }
    report.add(lookups);
    report.add(cpu);
    against.into_iter().for_each(|figure| report.add(figure));
    report.add(Figure::new("lookup p50", rate.p50_ms, "ms"));
    report.add(Figure::new("lookup p99", rate.p99_ms, "ms").target(Target::AtMost(3.0)));
    let growth = Figure::new(
        format!("lookup time at {count} credentials"),
        rate.p50_ms,
        "ms",
    );
    let growth = growth.beside("at 10,000, p50", small_rate.p50_ms);
    report.add(growth.target(Target::RatioAtMost(2.0)));
    report.add(resident);
    Ok(())
}

/// The rate of a node on a filled ledger, and its memory under that load.
fn node_rate(setting: &Setting, filled: &Filled, perf: bool) -> anyhow::Result<(Rate, Figure)> {
    let folder = filled.folder.path();
    wrk::write_digests(folder, filled.credentials)?;
    let node = Node::start(&setting.credlog, &filled.founding)?;
    let rate = wrk::measure(folder, node.address, &node.process, setting.seconds)?;
    if perf {
        // A load of its own: sampling takes a quarter of the rate.
        let profile = Profile::begin(&[node.id()], folder)?;
        wrk::measure(folder, node.address, &node.process, setting.seconds)?;
        profile.end()?.print();
    }
    let memory = node.memory()?;
    node.stop()?;
    let resident = Figure::new(
        "peak memory of the node, start and lookups",
        memory.peak_mib,
        "MiB",
    );
    Ok((rate, resident.target(Target::AtMost(512.0))))
}

/// PostgreSQL's lookups a second, and their mean in milliseconds.
pub(crate) fn postgres_lookups(setting: &Setting, rows: u64) -> anyhow::Result<(f64, f64)> {
    let postgres = Postgres::start(&setting.dir)?;
    postgres.fill(rows)?;
    let lookups = postgres.lookups(rows, setting.seconds)?;
    postgres.stop()?;
    Ok(lookups)
}

/// The same requests to the bare route.
pub(crate) fn bare_rate(setting: &Setting, folder: &Path, rows: u64) -> anyhow::Result<Rate> {
    wrk::write_digests(folder, rows)?;
    let address = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bare-route", "--listen", &address.to_string()]);
    let process = Process::spawn("the bare route", &mut command)?;
    let began = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        if began.elapsed() > Duration::from_secs(10) {
            bail!("the bare route did not start within 10 s");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let rate = wrk::measure(folder, address, &process, setting.seconds)?;
    process.stop("TERM")?;
    Ok(rate)
}
