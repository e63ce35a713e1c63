//! `credlog node`: a node of the ledger.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use credlog_node::Config;
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
        runtime
            .block_on(credlog_node::run(config, run.asked_to_stop()))
            .map_err(|error| {
                let damaged = matches!(
                    &error,
                    credlog_node::RunError::Start(credlog_node::StartError::Store(_))
                );
                let exit = if damaged { Exit::Damaged } else { Exit::Input };
                Failure::new(exit, crate::outcome::chain(&error))
            })
    }
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
