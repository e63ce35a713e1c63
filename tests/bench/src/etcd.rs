//! The yardstick etcd: three nodes on loopback, durable puts.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::node::{Process, free_address};

const NODES: usize = 3;
const READY_MAX: Duration = Duration::from_secs(30);

/// Durable puts a second by etcd's own load (`etcdctl check perf --load=xl`, 60 s).
pub(crate) fn puts_per_second(dir: &Path) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir_in(dir)?;
    let mut clients = Vec::new();
    let mut peers = Vec::new();
    for _ in 0..NODES {
        clients.push(format!("http://{}", free_address()?));
        peers.push(format!("http://{}", free_address()?));
    }
    let cluster: Vec<String> = peers
        .iter()
        .enumerate()
        .map(|(at, peer)| format!("n{at}={peer}"))
        .collect();
    let cluster = cluster.join(",");
    let mut nodes = Vec::new();
    for at in 0..NODES {
        let (name, data) = (format!("n{at}"), folder.path().join(format!("n{at}")));
        let (client, peer) = (clients[at].as_str(), peers[at].as_str());
        let mut command = Command::new("etcd");
        command.args(["--name", &name, "--data-dir"]).arg(data);
        command.args([
            "--listen-client-urls",
            client,
            "--advertise-client-urls",
            client,
        ]);
        command.args([
            "--listen-peer-urls",
            peer,
            "--initial-advertise-peer-urls",
            peer,
        ]);
        command.args(["--initial-cluster", &cluster, "--log-level", "error"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let node = Process::spawn("etcd", &mut command)
            .context("etcd is missing (tests/bench/setup installs it)")?;
        nodes.push(node);
    }
    let endpoints = clients.join(",");
    wait_ready(&endpoints)?;
    let output = etcdctl(&endpoints, &["check", "perf", "--load=xl"])?;
    for node in nodes {
        node.stop("TERM")?;
    }
    // Before its last line stands a progress bar.
    let last = output.rsplit('\r').next().unwrap_or_default();
    throughput(&output).with_context(|| format!("etcdctl says no throughput: {last}"))
}

fn wait_ready(endpoints: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    while !etcdctl(endpoints, &["put", "ready", "1"])?.starts_with("OK") {
        if began.elapsed() > READY_MAX {
            bail!("etcd was not ready within {READY_MAX:?}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// The exit code says whether etcd's own goals are met, which is not asked here.
fn etcdctl(endpoints: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("etcdctl");
    command
        .env("ETCDCTL_API", "3")
        .args(["--endpoints", endpoints])
        .args(arguments);
    let output = command
        .output()
        .context("etcdctl is missing (tests/bench/setup installs it)")?;
    let text = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn throughput(output: &str) -> Option<f64> {
    let line = output
        .lines()
        .find(|line| line.to_lowercase().contains("throughput"))?;
    line.split(' ').find_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_wordings_of_etcdctl_are_read() {
        let good = "PASS: Throughput is 14912 writes/s\nPASS: Slowest request took 0.2s";
        assert_eq!(throughput(good), Some(14_912.0));
        let bad = "FAIL: Throughput too low: 4200 writes/s\nFAIL: Slowest request took too long";
        assert_eq!(throughput(bad), Some(4_200.0));
        assert_eq!(throughput("Error: deadline exceeded"), None);
    }
}
