//! A real `credlog node run` process, and what the kernel knows about it.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::founding::Founding;
use crate::http::Connection;
use crate::machine;

/// Longest start and longest stop.
const READY_MAX: Duration = Duration::from_secs(300);
/// Kernel ticks a second in /proc (USER_HZ, the same on every Linux platform).
const TICKS_PER_SECOND: f64 = 100.0;

/// A child that is stopped when it goes out of scope.
pub(crate) struct Process {
    child: Child,
    name: &'static str,
}

impl Process {
    pub(crate) fn spawn(name: &'static str, command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { child, name })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to this process.
    pub(crate) fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let pid = self.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &pid]).status()?;
        anyhow::ensure!(status.success(), "{} (process {pid}) is gone", self.name);
        Ok(())
    }

    /// Asks it to end and waits.
    pub(crate) fn stop(mut self, signal: &str) -> anyhow::Result<()> {
        self.signal(signal)?;
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            if began.elapsed() > READY_MAX {
                bail!("{} did not end within {READY_MAX:?}", self.name);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// CPU seconds so far, of all threads.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        Ok(self.cpu_by_thread()?.values().sum())
    }

    /// CPU seconds by name of thread.
    pub(crate) fn cpu_by_thread(&self) -> anyhow::Result<BTreeMap<String, f64>> {
        cpu_by_thread(self.id())
    }

    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended: {status}", self.name);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing more can be done about a child that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running node.
pub(crate) struct Node {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// From exec until /readyz answered 200.
    pub(crate) start: Duration,
    data: PathBuf,
}

/// Memory of a process.
pub(crate) struct Memory {
    pub(crate) resident_mib: f64,
    pub(crate) peak_mib: f64,
}

impl Node {
    /// Starts the node of a founded ledger and waits until it is ready.
    pub(crate) fn start(credlog: &Path, founding: &Founding) -> anyhow::Result<Self> {
        let address = founding.place.http();
        let config = founding.configure()?;
        let log = fs::File::create(founding.folder.join("node.log"))?;
        let mut command = Command::new(credlog);
        command.args(["node", "run", "--config"]).arg(&config);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let began = Instant::now();
        let mut process = Process::spawn("credlog node run", &mut command)
            .with_context(|| format!("{} (build it, or say --credlog)", credlog.display()))?;
        while !ready(address) {
            process.check_alive().with_context(|| {
                fs::read_to_string(founding.folder.join("node.log")).unwrap_or_default()
            })?;
            if began.elapsed() > READY_MAX {
                bail!("the node was not ready within {READY_MAX:?}");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Self {
            process,
            address,
            start: began.elapsed(),
            data: founding.folder.join("data"),
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Graceful shutdown.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.process.stop("TERM")
    }

    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let mib = |name: &str| -> anyhow::Result<f64> {
            let text = machine::after(&status, name).context("/proc/PID/status")?;
            let kib: f64 = text.trim_end_matches(" kB").parse()?;
            Ok(kib / 1024.0)
        };
        Ok(Memory {
            resident_mib: mib("VmRSS")?,
            peak_mib: mib("VmHWM")?,
        })
    }

    /// Bytes that the data folder takes on disk (allocated blocks).
    pub(crate) fn disk_bytes(&self) -> anyhow::Result<u64> {
        disk_bytes(&self.data)
    }
}

/// CPU seconds of a process by name of thread.
pub(crate) fn cpu_by_thread(pid: u32) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut seconds = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let Ok(stat) = fs::read_to_string(task?.path().join("stat")) else {
            continue; // the thread ended meanwhile
        };
        let (Some(open), Some(close)) = (stat.find('('), stat.rfind(')')) else {
            continue;
        };
        let fields: Vec<&str> = stat[close + 1..].split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
        let used = ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0);
        let name = stat[open + 1..close].trim_end_matches(|c: char| c.is_ascii_digit());
        let name = name.trim_end_matches(['-', '_', ' ']).to_owned();
        *seconds.entry(name).or_insert(0.0) += used / TICKS_PER_SECOND;
    }
    Ok(seconds)
}

/// A loopback address nobody listens on right now.
pub(crate) fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn ready(address: SocketAddr) -> bool {
    Connection::open(address)
        .ok()
        .and_then(|mut connection| connection.get("/readyz").ok())
        .is_some_and(|answer| answer.status == 200)
}

/// Bytes that a folder takes on disk (allocated blocks).
pub(crate) fn disk_bytes(path: &Path) -> anyhow::Result<u64> {
    let metadata = fs::symlink_metadata(path)?;
    let mut bytes = metadata.blocks() * 512;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            bytes += disk_bytes(&entry?.path())?;
        }
    }
    Ok(bytes)
}
