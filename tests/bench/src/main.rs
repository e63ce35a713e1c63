//! Measurements of docs/performance.md: a real node process beside its yardsticks.
//!
//! ```text
//! tests/bench/setup                                   # wrk, etcd, PostgreSQL, Node.js
//! cargo build --release
//! cargo run --release -p credlog-bench -- all --json figures.json
//! ```
//!
//! Every scenario founds a ledger in a new folder, of one member or of four, starts
//! `credlog node run` on loopback with rate limits off, and stops it before a yardstick runs, so that only one
//! thing is measured at a time. Nothing is installed or downloaded here.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program for a terminal

mod badges;
mod bare_route;
mod check;
mod core;
mod etcd;
mod figure;
mod founding;
mod http;
mod lookup;
mod machine;
mod members;
mod node;
mod postgres;
mod profile;
mod receipts;
mod replay;
mod start;
mod submit;
mod workload;
mod wrk;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use figure::{Figure, Report};

/// Measures a credlog node beside its yardsticks.
#[derive(Parser)]
struct Command {
    #[command(subcommand)]
    scenario: Scenario,
    #[command(flatten)]
    setting: Setting,
}

/// What all scenarios share.
#[derive(Args)]
struct Setting {
    /// The binary under test.
    #[arg(long, global = true, default_value = "target/release/credlog")]
    credlog: PathBuf,
    /// Where the node's and the yardsticks' folders are made, on the disk to measure.
    #[arg(long, global = true, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// Also writes the figures as JSON.
    #[arg(long, global = true)]
    json: Option<PathBuf>,
    /// Seconds of each timed load (wrk, pgbench).
    #[arg(long, global = true, default_value_t = 15)]
    seconds: u32,
    /// Leaves the yardsticks out (a quick look at the node alone).
    #[arg(long, global = true)]
    no_yardsticks: bool,
    /// The store's cache, if not the node's default.
    #[arg(long, global = true)]
    cache_mib: Option<u64>,
    /// Samples the node's CPU with `perf` and prints where it goes.
    #[arg(long, global = true)]
    perf: bool,
}

#[derive(Subcommand)]
enum Scenario {
    /// Records a second through POST to durable commit.
    Submit(submit::Load),
    /// Four members on loopback: rates, times, and the loss of one.
    Members(members::Amount),
    /// Execution and store alone, in process, step by step.
    Core(core::Load),
    /// Status by digest over HTTP, at two sizes of the ledger.
    Lookup(lookup::Size),
    /// Start of a node, its memory and its disk.
    Start(lookup::Size),
    /// Receipts: made over HTTP, now and for the past, checked; their size and growth.
    Receipts(lookup::Size),
    /// Checks of credentials, in process, beside @digitalbazaar/vc.
    Verify,
    /// Badges issued from a table on four members, and checked in a batch.
    Badges(badges::Amount),
    /// An auditor's replay beside the bare check of its signatures.
    Replay(replay::Load),
    /// The yardsticks alone, to see whether they run here.
    Yardsticks,
    /// Everything above, with the loads of docs/performance.md.
    All,
    /// Serves the bare axum route of the lookup's yardstick.
    #[command(hide = true)]
    BareRoute {
        /// Where to listen.
        #[arg(long)]
        listen: std::net::SocketAddr,
    },
}

fn main() -> anyhow::Result<()> {
    let Command { scenario, setting } = Command::parse();
    if let Scenario::BareRoute { listen } = scenario {
        return bare_route::serve(listen);
    }
    let mut report = Report::begin(machine::describe()?);
    match scenario {
        Scenario::Submit(load) => submit::run(&setting, &load, &mut report)?,
        Scenario::Members(amount) => members::run(&setting, &amount, &mut report)?,
        Scenario::Core(load) => core::run(&setting, &load, &mut report)?,
        Scenario::Lookup(size) => lookup::run(&setting, &size, &mut report)?,
        Scenario::Start(size) => start::run(&setting, &size, &mut report)?,
        Scenario::Receipts(size) => receipts::run(&setting, &size, &mut report)?,
        Scenario::Verify => check::run(&setting, &mut report)?,
        Scenario::Badges(amount) => badges::run(&setting, &amount, &mut report)?,
        Scenario::Replay(load) => replay::run(&setting, &load, &mut report)?,
        Scenario::Yardsticks => yardsticks(&setting, &mut report)?,
        Scenario::All => all(&setting, &mut report)?,
        Scenario::BareRoute { .. } => {}
    }
    report.end(machine::load()?);
    println!("{report}");
    if let Some(path) = &setting.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text + "\n").with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn all(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    check::run(setting, report)?;
    submit::run(setting, &submit::Load::single_one_a_request(), report)?;
    submit::run(setting, &submit::Load::single(), report)?;
    submit::run(setting, &submit::Load::packed(), report)?;
    members::run(setting, &members::Amount::default(), report)?;
    badges::run(setting, &badges::Amount::default(), report)?;
    receipts::run(setting, &lookup::Size::default(), report)?;
    replay::run(setting, &replay::Load::default(), report)?;
    lookup::run(setting, &lookup::Size::default(), report)
}

fn yardsticks(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    println!("yardsticks");
    let inserts = submit::inserts(&setting.dir, setting.seconds)?;
    report.add(Figure::new(
        "PostgreSQL durable single-row inserts, 32 clients",
        inserts,
        "/s",
    ));
    let (lookups, _) = lookup::postgres_lookups(setting, 1_000_000)?;
    report.add(Figure::new(
        "PostgreSQL lookups by digest, 32 clients",
        lookups,
        "/s",
    ));
    let folder = tempfile::tempdir_in(&setting.dir)?;
    let bare = lookup::bare_rate(setting, folder.path(), 1_000_000)?;
    report.add(Figure::new(
        "bare axum route, 64 connections",
        bare.per_second,
        "/s",
    ));
    report.add(Figure::new("bare axum route, p99", bare.p99_ms, "ms"));
    let puts = etcd::puts_per_second(&setting.dir)?;
    report.add(Figure::new("etcd durable puts, three nodes", puts, "/s"));
    Ok(())
}
