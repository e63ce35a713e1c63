//! What a node does now and then: it measures its store, forgets idle addresses, and scrubs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use credlog_ledger::block::BLOCK_BYTES_MAX;
use credlog_ledger::state::ViewError;
use credlog_store::{Scrub, Scrubbed};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::config::Config;
use crate::http::Context;
use crate::http::listener::stopped;
use crate::mempool::Outcome;
use crate::production::{Obstacles, Production, now};
use crate::shared::Shared;
use crate::tls::{self, Tls};

/// How often the store is measured and idle addresses are forgotten.
const INTERVAL: Duration = Duration::from_secs(30);
/// How often disk, clock and waiting records are looked at.
const RECORDS_INTERVAL: Duration = Duration::from_secs(1);
/// Files of a store that are counted at most; a store has far fewer.
const FILES_MAX: usize = 100_000;
/// Cells that the scrub reads at a time.
const SCRUB_CELLS: usize = 64;
/// Between two parts of the scrub, so that it takes little of the node's time.
const SCRUB_PAUSE: Duration = Duration::from_millis(20);
/// Until a scrub that the system refused begins again.
const RETRY_PAUSE: Duration = Duration::from_secs(10);

/// Runs until `stop` says true. Damage that the scrub finds ends production, and so does a
/// commit that does not end.
pub(crate) async fn run(
    config: Arc<Config>,
    context: Arc<Context>,
    shared: Shared,
    tls: Option<Arc<Tls>>,
    mut stop: watch::Receiver<bool>,
) {
    tokio::select! {
        () = stopped(&mut stop) => {}
        () = tend(&config, &context) => {}
        () = scrub(config.store.scrub_interval_seconds, &context, &shared.obstacles) => {}
        () = watch_commits(&shared) => {}
        () = tend_records(&shared) => {}
        () = cosign(&config, &shared) => {}
        () = tls::keep_renewed(tls) => {}
    }
}

/// Looks at disk and clock, at records that expired, and at those that a full disk keeps out.
async fn tend_records(shared: &Shared) {
    let mut tick = interval(RECORDS_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let shared = shared.clone();
        let looked = spawn_blocking(move || {
            match shared.obstacles.look() {
                Ok(Production::DiskFull) => turn_away(&shared),
                Ok(_) => {}
                Err(error) => shared.obstacles.fail(&format!(
                    "the system does not say how much space the store's disk has: {error}"
                )),
            }
            let expired = shared.mempool.prune(now());
            if expired > 0 {
                tracing::debug!(expired, "records expired before they entered a block");
            }
            shared.metrics.observe_mempool(shared.mempool.load());
            if let Err(error) = shared.save_cosignatures() {
                shared.obstacles.fail(&error.reason);
            }
        });
        if let Err(error) = looked.await {
            tracing::error!(%error, "the look at disk and clock panicked");
        }
    }
}

/// Answers those who wait while the disk is full; nothing of theirs is kept.
fn turn_away(shared: &Shared) {
    loop {
        let records = shared.mempool.take(usize::MAX, BLOCK_BYTES_MAX);
        if records.is_empty() {
            return;
        }
        let outcomes = records.into_iter().map(|record| {
            let kind = record.record().body.kind();
            shared.metrics.observe_record(kind, "disk-full");
            (record.id(), Outcome::DiskFull)
        });
        shared.mempool.finish(outcomes);
    }
}

/// Cosigns the newest checkpoint again while no block comes.
async fn cosign(config: &Config, shared: &Shared) {
    let every = config.cosign.interval_seconds;
    let mut tick = interval(RECORDS_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let last = shared.cosigning.own_second().unwrap_or(0);
        if (now().0 / 1_000).saturating_sub(last) < every {
            continue;
        }
        let shared = shared.clone();
        let signed = spawn_blocking(move || {
            if let Err(error) = shared.cosign() {
                shared.obstacles.fail(&error.reason);
            }
        });
        if let Err(error) = signed.await {
            tracing::error!(%error, "the cosigner panicked");
        }
    }
}

async fn watch_commits(shared: &Shared) {
    let running = shared.watchdog.overdue().await.as_secs();
    let reason = format!(
        "a block is being stored for {running} s and is not durable yet: the disk takes no more; \
         check it (space, health), then start the node again"
    );
    shared.obstacles.fail(&reason);
    shared.mempool.abandon();
    shared.attesting.abandon();
    std::future::pending::<()>().await;
}

async fn tend(config: &Config, context: &Context) {
    let mut tick = interval(INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        context.rate_limits.forget_idle();
        measure(config, context).await;
    }
}

async fn measure(config: &Config, context: &Context) {
    let folder = config.node.data_dir.clone();
    if let Ok(bytes) = spawn_blocking(move || bytes_in(&folder)).await {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        context.metrics.store_bytes.set(bytes);
    }
}

/// Walks the whole store again and again, and at once when it is in doubt. At the start it
/// was checked already.
async fn scrub(interval_seconds: u64, context: &Arc<Context>, obstacles: &Obstacles) {
    let interval = match interval_seconds {
        0 => None,
        seconds => Some(Duration::from_secs(seconds)),
    };
    let mut scrub = Scrub::default();
    let mut pause = interval;
    // Faults that this walk looks into.
    let mut doubted = None;
    loop {
        let doubt = &context.doubt;
        tokio::select! {
            () = doubt.raised(), if doubted.is_none() => {
                (scrub, doubted) = (Scrub::default(), Some(doubt.faults()));
                tracing::warn!("the store is in doubt: all of it is looked at now");
            }
            () = pause_for(pause) => {}
        }
        let step = {
            let context = Arc::clone(context);
            spawn_blocking(move || {
                let step = context.store().scrub_step(&mut scrub, SCRUB_CELLS);
                (scrub, step)
            })
        };
        let damage = match step.await {
            Ok((next, Ok(step))) => {
                scrub = next;
                pause = match step {
                    Scrubbed::Whole { height } => {
                        context.metrics.scrubs.inc();
                        tracing::info!(height = height.0, "the scrub found the store whole");
                        doubted
                            .take()
                            .into_iter()
                            .for_each(|faults| doubt.settle(faults));
                        interval
                    }
                    // Nothing else is as urgent as a doubt.
                    _ if doubted.is_some() => Some(Duration::ZERO),
                    Scrubbed::Part { .. } | Scrubbed::Outrun { .. } => Some(SCRUB_PAUSE),
                };
                continue;
            }
            Ok((_, Err(ViewError::System(reason)))) => {
                tracing::warn!(%reason, "the scrub could not go on; it begins again");
                (scrub, pause) = (Scrub::default(), Some(RETRY_PAUSE));
                continue;
            }
            Ok((_, Err(damage @ ViewError::Damaged(_)))) => damage.to_string(),
            Err(panic) => panic.to_string(),
        };
        context.metrics.scrub_findings.inc();
        tracing::error!(%damage, "the scrub found damage in the store");
        let reason = format!(
            "the store is damaged: {damage}; start the node again: it puts the damaged data \
             aside and says how to build it anew"
        );
        obstacles.fail(&reason);
        return std::future::pending().await;
    }
}

/// Waits; forever without a time.
async fn pause_for(pause: Option<Duration>) {
    match pause {
        Some(pause) => sleep(pause).await,
        None => std::future::pending().await,
    }
}

/// Bytes of the files in a folder and those below it; files that vanish meanwhile are left
/// out.
fn bytes_in(folder: &Path) -> u64 {
    let mut folders = vec![folder.to_owned()];
    let mut bytes = 0;
    let mut files = 0;
    while let Some(folder) = folders.pop()
        && files < FILES_MAX
    {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            files += 1;
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => bytes += found.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}
