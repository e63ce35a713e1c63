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
}

impl NodeCommand {
    pub(crate) fn run(self) -> Result<()> {
        let Self::Run(run) = self;
        let config = Config::load(&run.config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime
            .block_on(credlog_node::run(config, asked_to_stop()))
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
