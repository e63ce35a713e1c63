//! What a node does now and then: it measures its store, forgets idle addresses, and scrubs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use credlog_ledger::state::ViewError;
use credlog_store::{Scrub, Scrubbed};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::config::Config;
use crate::http::Context;
use crate::http::listener::stopped;
use crate::producer::Production;

/// How often the store is measured and idle addresses are forgotten.
const INTERVAL: Duration = Duration::from_secs(30);
/// Files of a store that are counted at most; a store has far fewer.
const FILES_MAX: usize = 100_000;
/// Cells that the scrub reads at a time.
const SCRUB_CELLS: usize = 64;
/// Between two parts of the scrub, so that it takes little of the node's time.
const SCRUB_PAUSE: Duration = Duration::from_millis(20);

/// Runs until `stop` says true. Damage that the scrub finds ends production.
pub(crate) async fn run(
    config: Arc<Config>,
    context: Arc<Context>,
    production: watch::Sender<Production>,
    mut stop: watch::Receiver<bool>,
) {
    tokio::select! {
        () = stopped(&mut stop) => {}
        () = tend(&config, &context) => {}
        () = scrub(config.store.scrub_interval_seconds, &context, &production) => {}
    }
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

/// Walks the whole store again and again. At the start it was checked already.
async fn scrub(
    interval_seconds: u64,
    context: &Arc<Context>,
    production: &watch::Sender<Production>,
) {
    if interval_seconds == 0 {
        return std::future::pending().await;
    }
    let mut scrub = Scrub::default();
    let mut pause = Duration::from_secs(interval_seconds);
    loop {
        sleep(pause).await;
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
                pause = after(step, interval_seconds, context);
                continue;
            }
            Ok((_, Err(ViewError(what)))) => what,
            Err(panic) => panic.to_string(),
        };
        context.metrics.scrub_findings.inc();
        tracing::error!(%damage, "the scrub found damage in the store");
        let reason = format!(
            "the store is damaged: {damage}; start the node again: it puts the damaged data \
             aside and says how to build it anew"
        );
        production.send_replace(Production::Failed(reason));
        return std::future::pending().await;
    }
}

/// How long to wait after a part of the scrub.
fn after(step: Scrubbed, interval_seconds: u64, context: &Context) -> Duration {
    match step {
        Scrubbed::Whole { height } => {
            context.metrics.scrubs.inc();
            tracing::info!(height = height.0, "the scrub found the store whole");
            Duration::from_secs(interval_seconds)
        }
        Scrubbed::Part { .. } | Scrubbed::Outrun { .. } => SCRUB_PAUSE,
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
