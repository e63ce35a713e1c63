//! What a ledger must stand: Byzantine members and strangers that flood. For tests alone;
//! nothing of it is in the shipped binary.
//!
//! ```text
//! credlog-byzantine node invalid-record --config FILE    a member that breaks the rules
//! credlog-byzantine twin --keys DIR --config FILE        a second process with a member's key
//! credlog-byzantine flood --gossip ADDRESS …             a stranger's libp2p peer
//! credlog-byzantine burn --cpu-seconds 30 --seconds 60   a process that only burns CPU
//! ```
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program for tests

mod behaviour;
mod forger;
mod stranger;
mod twin;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use credlog_ledger::genesis::Genesis;
use credlog_node::{Between, Config};

use behaviour::{Behaviour, Byzantine};

/// What a ledger must stand.
#[derive(Parser)]
enum Command {
    /// Runs a member's node that breaks the rules.
    Node {
        /// Which.
        behaviour: Behaviour,
        /// The node's configuration.
        #[arg(long)]
        config: PathBuf,
    },
    /// Votes with a member's key, against what that member votes for.
    Twin {
        /// The member's folder of keys, relative to that of the configuration.
        #[arg(long)]
        keys: PathBuf,
        /// An observer's configuration.
        #[arg(long)]
        config: PathBuf,
    },
    /// Floods both swarms as a stranger.
    Flood(stranger::Flood),
    /// Uses the processor as much as a flood does, without a word to anyone.
    Burn {
        /// Processor seconds in all.
        #[arg(long)]
        cpu_seconds: f64,
        /// In this time.
        #[arg(long)]
        seconds: u64,
    },
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Node { behaviour, config } => node(behaviour, &config),
        Command::Twin { keys, config } => runtime()?.block_on(twin::run(&keys, config)),
        Command::Flood(flood) => runtime()?.block_on(stranger::run(flood)),
        Command::Burn {
            cpu_seconds,
            seconds,
        } => {
            burn(cpu_seconds, seconds);
            Ok(())
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.enable_all().build()?)
}

fn node(behaviour: Behaviour, config: &std::path::Path) -> Result<()> {
    let config = Config::load(config)?;
    let genesis = config.node.genesis.clone().context("no genesis file")?;
    let genesis = Genesis::parse(&std::fs::read(genesis)?)?;
    let between: Between =
        Box::new(move |ledger| Box::new(Byzantine::new(ledger, behaviour, &genesis)));
    let ended = runtime()?.block_on(credlog_node::run_with(
        config,
        between,
        std::future::pending::<()>(),
    ));
    Ok(ended?)
}

/// Two threads, each of which has used its share of processor time at every tick, however
/// busy the machine is.
fn burn(cpu_seconds: f64, seconds: u64) {
    const TICK: Duration = Duration::from_millis(20);
    let began = Instant::now();
    let all = Duration::from_secs(seconds);
    let share = (cpu_seconds / all.as_secs_f64() / 2.0).clamp(0.0, 1.0);
    let work = || {
        while began.elapsed() < all {
            let due = began.elapsed().mul_f64(share);
            while cpu_time().is_some_and(|used| used < due) && began.elapsed() < all {
                (0..10_000).for_each(|_| std::hint::spin_loop());
            }
            std::thread::sleep(TICK);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
}

/// Processor time of this thread (`/proc/thread-self/schedstat`).
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}
