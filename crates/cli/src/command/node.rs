//! `credlog node`: a node of the ledger.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use credlog_node::{Config, RunError, StartError};
use credlog_store::OpenError;
use tokio::signal;

use crate::outcome::{Exit, Failure, Result};

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Run a node until Ctrl-C or SIGTERM
    Run(Run),
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The node's configuration
    #[arg(long, value_name = "FILE", default_value = "credlog.toml")]
    config: PathBuf,
    /// Also stop when standard input ends: for a program that runs the node as its child
    /// and must not leave it behind
    #[arg(long)]
    stop_with_stdin: bool,
}

impl NodeCommand {
    pub(crate) fn run(self) -> Result<()> {
        let Self::Run(run) = self;
        let config = Config::load(&run.config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let ended = runtime.block_on(credlog_node::run(config, run.asked_to_stop()));
        // A thread that waits for a dead disk ends with the process.
        runtime.shutdown_background();
        ended.map_err(|error| {
            let exit = match is_damage(&error) {
                true => Exit::Damaged,
                false => Exit::Input,
            };
            Failure::new(exit, crate::outcome::chain(&error))
        })
    }
}

/// Whether the store is what is wrong. A full disk, or a store in use, says nothing of it.
fn is_damage(error: &RunError) -> bool {
    let RunError::Start(StartError::Store(error)) = error else {
        return false;
    };
    matches!(
        **error,
        OpenError::Damaged { .. } | OpenError::NoData { .. }
    )
}

impl Run {
    /// Ends when the node is asked to stop.
    async fn asked_to_stop(&self) {
        if !self.stop_with_stdin {
            return asked_to_stop().await;
        }
        tokio::select! {
            () = asked_to_stop() => {}
            () = stdin_ends() => {}
        }
    }
}

/// Ends when nobody holds the other end of standard input any more. On a thread of its own:
/// tokio's would keep the runtime from ending while it reads.
async fn stdin_ends() {
    let (ended, wait) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // An error is an end too.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        // Nobody waits any more once the node stops for another reason.
        let _ = ended.send(());
    });
    // The sender is dropped unsent only if the thread panics.
    let _ = wait.await;
}

/// Ends when the process is asked to stop.
pub(crate) async fn asked_to_stop() {
    #[cfg(unix)]
    {
        match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                _ = signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            },
            Err(_) => drop(signal::ctrl_c().await),
        }
    }
    #[cfg(not(unix))]
    drop(signal::ctrl_c().await);
}
