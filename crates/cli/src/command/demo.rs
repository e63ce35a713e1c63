//! `credlog demo`: a ledger with real node processes, from founding to a crash.

mod network;
mod samples;
mod seats;
mod story;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use self::network::{Cleanup, Network};
use self::story::Story;
use crate::folder;
use crate::outcome::{Exit, Result};
use crate::screen::{Ink, Screen, count, note};

/// Show a whole ledger at work on this machine, then leave it running to try
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// End after the story instead of leaving the ledger running
    #[arg(long)]
    once: bool,
    /// Port of the node on the loopback interface [default: a free one]
    #[arg(long)]
    port: Option<u16>,
    /// Work in this folder and keep it; it must not exist or be empty
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

impl Demo {
    pub(crate) fn run(self, screen: Screen) -> Result<Exit> {
        let folder = match &self.keep {
            Some(folder) => {
                folder::make_new(folder)?;
                std::path::absolute(folder)?
            }
            None => tempfile::Builder::new()
                .prefix("credlog-demo-")
                .tempdir()?
                .keep(),
        };
        let cleanup = Cleanup {
            network: Network::new(&folder, self.port)?,
            keep: self.keep.is_some(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        runtime.spawn(end_on_interrupt(cleanup.network.clone(), cleanup.keep));
        let exit = self.tell(screen, &cleanup.network)?;
        if self.once || exit != Exit::Done {
            return Ok(exit);
        }
        screen.line(seats::lines(screen, &cleanup.network)?)?;
        // Ctrl-C ends the program; until then the node runs.
        while cleanup.network.ended()?.is_none() {
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        note("credlog: the node has ended by itself; its log is node.log in the demo's folder");
        Ok(Exit::Node)
    }

    fn tell(&self, screen: Screen, network: &Network) -> Result<Exit> {
        screen.line(screen.ink(Ink::Bold, "credlog: a ledger of micro-credentials"))?;
        screen.line(format!(
            "Everything happens in {}.",
            network.folder().display()
        ))?;
        let mut story = Story::new(screen, network);
        story.tell()?;
        let failures = story.failures.len();
        if screen.is_json() {
            let answer = json!({
                "steps": story.steps, "failures": story.failures, "node": network.url(),
                "folder": network.folder(),
            });
            screen.answer(&answer, "")?;
        }
        if failures > 0 {
            screen.note(format!(
                "credlog: {} did not come out as expected",
                count(failures, "thing")
            ));
            return Ok(Exit::Partly);
        }
        screen.line(format!(
            "\n{}",
            screen.ink(Ink::Green, "Every step came out as expected.")
        ))?;
        Ok(Exit::Done)
    }
}

/// Ends all processes and removes the folder when the demo is interrupted.
async fn end_on_interrupt(network: Network, keep: bool) {
    crate::command::node::asked_to_stop().await;
    note("\nThe demo ends; its processes are stopped.");
    Cleanup { network, keep }.now();
    std::process::exit(i32::from(Exit::Interrupted as u8));
}
