//! A running node.

use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A node has this long to become ready.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// A `credlog node run`; killed when dropped.
pub struct NodeProcess {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl NodeProcess {
    /// Starts a node and waits until it is ready.
    ///
    /// # Errors
    /// If it exits, or is not ready within 30 s; its log is in the error.
    pub fn start(config: &Path, address: SocketAddr) -> Result<Self> {
        let mut node = Self::spawn(config, address)?;
        let began = Instant::now();
        while began.elapsed() < START_DEADLINE {
            if let Some(status) = node.child.try_wait()? {
                bail!("the node ended at its start ({status}):\n{}", node.log()?);
            }
            if crate::http::get(address, "/readyz").is_ok_and(|answer| answer.status == 200) {
                return Ok(node);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!(
            "the node is not ready after {START_DEADLINE:?}:\n{}",
            node.log()?
        )
    }

    /// Starts a node and does not wait.
    ///
    /// # Errors
    /// If the process cannot be started.
    pub fn spawn(config: &Path, address: SocketAddr) -> Result<Self> {
        let log = config.with_extension("log");
        let file = File::options().create(true).append(true).open(&log)?;
        let child = Command::new(binary()?)
            .args(["node", "run", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()?;
        Ok(Self {
            child,
            address,
            log,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Base URL of its HTTP interface.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// kill -9, and waits for the end.
    ///
    /// # Errors
    /// If the process cannot be waited for.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits until the process ends by itself.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let began = Instant::now();
        while began.elapsed() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the node has not ended after {deadline:?}")
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Memory in use, in KiB.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn resident_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .context("no VmRSS")?;
        Ok(line
            .split_whitespace()
            .nth(1)
            .context("no number")?
            .parse()?)
    }

    /// Everything its runs have logged.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn log(&self) -> Result<String> {
        let mut log = String::new();
        File::open(&self.log)?.read_to_string(&mut log)?;
        Ok(log)
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // A process that is gone already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary that `cargo build --release` made beside this test.
///
/// # Errors
/// If it is not there.
pub fn binary() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test
        .parent()
        .and_then(Path::parent)
        .context("no target folder")?;
    let binary = folder.join("credlog");
    if !binary.is_file() {
        bail!(
            "{} is not there: run `cargo build --release` first",
            binary.display()
        );
    }
    Ok(binary)
}
