//! `credlog demo`: a ledger of four members as four processes, from founding to a crash.

mod network;
mod outage;
mod samples;
mod seats;
mod story;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use self::network::{Cleanup, INSTITUTIONS, Network};
use self::story::Story;
use crate::folder;
use crate::outcome::{Exit, Result};
use crate::screen::{Ink, Screen, count, note};

/// A node that has ended is started again after this time, as a supervisor would.
const RESTART_AFTER: Duration = Duration::from_secs(5);
/// Nodes that are started again at most.
const RESTARTS_MAX: usize = 100;
const PAUSE: Duration = Duration::from_millis(200);

/// Show a whole ledger of four members at work on this machine, then leave it running to try
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// End after the story instead of leaving the ledger running
    #[arg(long)]
    once: bool,
    /// First of twelve ports in a row on the loopback interface, three for each member
    /// [default: free ones]
    #[arg(long)]
    port: Option<u16>,
    /// Work in this folder and keep it; it must not exist or be empty
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

impl Demo {
    pub(crate) fn run(self, screen: Screen) -> Result<Exit> {
        let first_port = network::first_port(self.port)?;
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
            network: Network::new(&folder, first_port)?,
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
        watch(&cleanup.network)
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
            let nodes: Vec<_> = INSTITUTIONS.map(|at| network.url(at)).into();
            let answer = json!({
                "steps": story.steps, "failures": story.failures, "nodes": nodes,
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

/// Until Ctrl-C ends the program, the nodes run; one that ends is started again.
fn watch(network: &Network) -> Result<Exit> {
    for _ in 0..RESTARTS_MAX {
        let (institution, status) = loop {
            match network.ended()? {
                Some(ended) => break ended,
                None => std::thread::sleep(PAUSE),
            }
        };
        let (id, seconds) = (institution.id(), RESTART_AFTER.as_secs());
        note(format!(
            "credlog: the node of {id} has ended ({status}); it starts again in {seconds} s"
        ));
        std::thread::sleep(RESTART_AFTER);
        network.start_again(institution)?;
    }
    note("credlog: the nodes end too often; node.log in each member's folder says why");
    Ok(Exit::Node)
}

/// Ends all processes and removes the folder when the demo is interrupted.
async fn end_on_interrupt(network: Network, keep: bool) {
    crate::command::node::asked_to_stop().await;
    note("\nThe demo ends; its processes are stopped.");
    Cleanup { network, keep }.now();
    std::process::exit(i32::from(Exit::Interrupted as u8));
}
