//! What a node does now and then: it measures its store, forgets idle addresses, and scrubs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::Config;
use crate::http::Context;
use crate::http::listener::stopped;

/// How often the store is measured and idle addresses are forgotten.
const INTERVAL: Duration = Duration::from_secs(30);
/// Files of a store that are counted at most; a store has far fewer.
const FILES_MAX: usize = 100_000;

/// Runs until `stop` says true.
pub(crate) async fn run(config: Arc<Config>, context: Arc<Context>, stop: watch::Receiver<bool>) {
    let mut stop = stop;
    let mut tick = interval(INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = tick.tick() => {
                context.rate_limits.forget_idle();
                measure(&config, &context).await;
            }
        }
    }
}

async fn measure(config: &Config, context: &Context) {
    let folder = config.node.data_dir.clone();
    if let Ok(bytes) = spawn_blocking(move || bytes_in(&folder)).await {
        context
            .metrics
            .store_bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
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
