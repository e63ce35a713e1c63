//! A running node.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A node has this long to become ready.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// Kernel ticks a second in /proc (USER_HZ, the same on every Linux platform).
const TICKS_PER_SECOND: f64 = 100.0;

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
            if node.is_ready() {
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
        Self::spawn_as(&node_run()?, config, address)
    }

    /// Starts a node by other words than `credlog node run`, without waiting; `--config` and
    /// the file follow them.
    ///
    /// # Errors
    /// If the process cannot be started.
    pub fn spawn_as(words: &[OsString], config: &Path, address: SocketAddr) -> Result<Self> {
        let log = config.with_extension("log");
        let file = File::options().create(true).append(true).open(&log)?;
        let (program, arguments) = words.split_first().context("no command")?;
        let child = Command::new(program)
            .args(arguments)
            .arg("--config")
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

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it says that it is ready.
    pub fn is_ready(&self) -> bool {
        crate::http::get(self.address, "/readyz").is_ok_and(|answer| answer.status == 200)
    }

    /// Sends a signal, by its name without `SIG`.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn signal(&self, signal: &str) -> Result<()> {
        let pid = self.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &pid]).status()?;
        anyhow::ensure!(status.success(), "process {pid} is gone");
        Ok(())
    }

    /// Processor seconds that it has used.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        let (_, fields) = stat.rsplit_once(')').context("no name in /proc/PID/stat")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |at: usize| -> Result<f64> {
            Ok(fields.get(at).context("/proc/PID/stat is short")?.parse()?)
        };
        Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
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

/// The words that start the shipped node.
///
/// # Errors
/// If it was not built.
pub fn node_run() -> Result<Vec<OsString>> {
    Ok(vec![binary()?.into(), "node".into(), "run".into()])
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
