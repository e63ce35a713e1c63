//! Real node processes in a folder of their own; all of them end with the demo.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::outcome::{During, Failure, Result};

/// A node is ready, or has ended, within this time.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);
/// The node's command.
const NODE: &[&str] = &[
    "node",
    "run",
    "--config",
    "member/credlog.toml",
    "--stop-with-stdin",
];

/// The processes and the folder of a demo. Clones share them.
#[derive(Clone)]
pub(super) struct Network {
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    node: Arc<Mutex<Option<Child>>>,
}

impl Network {
    /// A network in a folder, with a free loopback port unless one is given.
    pub(super) fn new(folder: &Path, port: Option<u16>) -> Result<Self> {
        let port = match port {
            Some(port) => port,
            None => TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port(),
        };
        Ok(Self {
            program: std::env::current_exe()?,
            folder: folder.to_owned(),
            port,
            node: Arc::default(),
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn listen(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.listen())
    }

    /// This program, working in the folder of the demo.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .current_dir(&self.folder)
            .env("CREDLOG_NODE", self.url())
            .env("NO_COLOR", "1")
            .env_remove("CREDLOG_PASSPHRASE")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(super) fn run(&self, words: &[&str]) -> Result<Output> {
        self.command(words)
            .output()
            .during(|| format!("credlog {}", words.join(" ")))
    }

    /// Starts the node and waits until it answers.
    pub(super) fn start_node(&self) -> Result<()> {
        let path = self.folder.join("node.log");
        let log = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .during(|| path.display().to_string())?;
        let mut command = self.command(NODE);
        // The demo holds the other end: however it ends, the node ends with it.
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log);
        *self.node() = Some(command.spawn()?);
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.ended()? {
                let log = std::fs::read_to_string(&path).unwrap_or_default();
                let last = log.lines().last().unwrap_or("it said nothing").to_owned();
                return Err(Failure::input(format!("the node ended ({status}): {last}")));
            }
            if self.run(&["ledger", "status"])?.status.success() {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        Err(Failure::input(format!(
            "the node at {} does not answer",
            self.url()
        )))
    }

    /// The node's process id.
    pub(super) fn node_id(&self) -> Option<u32> {
        self.node().as_ref().map(Child::id)
    }

    /// Ends the node at once, as a power cut would: SIGKILL on Unix.
    pub(super) fn kill_node(&self) -> Result<()> {
        if let Some(mut child) = self.node().take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Whether the node has ended by itself.
    pub(super) fn ended(&self) -> Result<Option<std::process::ExitStatus>> {
        match self.node().as_mut() {
            Some(child) => Ok(child.try_wait()?),
            None => Ok(None),
        }
    }

    fn node(&self) -> MutexGuard<'_, Option<Child>> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the network and removes its folder, whatever happens.
pub(super) struct Cleanup {
    pub(super) network: Network,
    pub(super) keep: bool,
}

impl Cleanup {
    pub(super) fn now(&self) {
        // What cannot be ended or removed has ended or is gone.
        let _ = self.network.kill_node();
        if !self.keep {
            let _ = std::fs::remove_dir_all(self.network.folder());
        }
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        self.now();
    }
}
