//! Where the node's CPU goes: `perf` samples, sorted into the parts of a node.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::node::Process;
use crate::postgres::done;

/// Symbols of each part; the first match counts.
const PARTS: [(&str, &[&str]); 9] = [
    (
        "signatures",
        &["curve25519", "ed25519", "sha512", "edwards", "Scalar"],
    ),
    ("hashing", &["blake3", "sha256", "Sha256"]),
    (
        "engine and network",
        &[
            "malachite",
            "libp2p",
            "gossipsub",
            "ractor",
            "yamux",
            "snow",
            "chacha",
            "quinn",
            "credlog_consensus",
            "credlog_gossip",
        ],
    ),
    ("store", &["sled::", "credlog_store", "crc32", "pagecache"]),
    ("ledger", &["credlog_ledger", "bincode", "credlog_tlog"]),
    (
        "HTTP",
        &["hyper", "axum", "tower", "http::", "httparse", "serde_json"],
    ),
    ("node", &["credlog_node", "credlog_api", "prometheus"]),
    (
        "runtime",
        &["tokio", "parking_lot", "crossbeam", "std::sync", "mio"],
    ),
    (
        "memory",
        &[
            "malloc", "free", "realloc", "memmove", "memcpy", "memset", "memcmp", "alloc::",
        ],
    ),
];
const SYMBOLS_SHOWN: usize = 40;

/// A recording under way.
pub(crate) struct Profile {
    recorder: Process,
    file: PathBuf,
}

/// Shares of the samples, in percent.
pub(crate) struct Shares {
    parts: BTreeMap<&'static str, f64>,
    symbols: Vec<(f64, String)>,
}

impl Profile {
    /// Samples the nodes' processor time, 499 times a second.
    pub(crate) fn begin(pids: &[u32], folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join("perf.data");
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        let mut command = Command::new("perf");
        command
            .args(["record", "-F", "499", "-p", &pids.join(","), "-o"])
            .arg(&file);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let recorder = Process::spawn("perf", &mut command)?;
        Ok(Self { recorder, file })
    }

    /// Ends the recording and reads it.
    pub(crate) fn end(self) -> anyhow::Result<Shares> {
        self.recorder.stop("INT")?;
        let mut command = Command::new("perf");
        command.args([
            "report",
            "--stdio",
            "--no-children",
            "--percent-limit",
            "0.02",
        ]);
        command.args(["--sort", "dso,symbol", "-i"]).arg(&self.file);
        let text = done("perf report", command.output().context("perf")?)?;
        Ok(Shares::read(&text))
    }
}

impl Shares {
    fn read(text: &str) -> Self {
        let mut shares = Self {
            parts: BTreeMap::new(),
            symbols: Vec::new(),
        };
        for line in text
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with('#'))
        {
            let Some((share, symbol)) = line.split_once("% ") else {
                continue;
            };
            let Ok(share) = share.parse::<f64>() else {
                continue;
            };
            let words: Vec<&str> = symbol.split_whitespace().collect();
            *shares.parts.entry(part(&words)).or_insert(0.0) += share;
            shares.symbols.push((share, words.join(" ")));
        }
        shares
    }

    /// Parts, then the top of the symbols.
    pub(crate) fn print(&self) {
        println!("  CPU of the node by part:");
        for (part, share) in &self.parts {
            println!("    {share:5.1} %  {part}");
        }
        println!("  top symbols:");
        for (share, symbol) in self.symbols.iter().take(SYMBOLS_SHOWN) {
            println!("    {share:5.1} %  {symbol}");
        }
    }
}

fn part(words: &[&str]) -> &'static str {
    let symbol = words.join(" ");
    if words.contains(&"[k]") {
        return kernel_part(&symbol);
    }
    let named = PARTS
        .iter()
        .find(|(_, names)| names.iter().any(|name| symbol.contains(name)));
    named.map_or("other", |(part, _)| part)
}

fn kernel_part(symbol: &str) -> &'static str {
    let network = ["tcp", "sock", "skb", "net", "ip_", "inet", "eth", "epoll"];
    let disk = ["ext4", "jbd2", "blk", "virtio", "bio", "writeback", "fsync"];
    if network.iter().any(|name| symbol.contains(name)) {
        "kernel: network"
    } else if disk.iter().any(|name| symbol.contains(name)) {
        "kernel: disk"
    } else {
        "kernel: other"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_sorted_into_parts() {
        let text = "# Overhead  Shared Object  Symbol\n\
            \x20   40.00%  credlog  [.] curve25519_dalek::edwards::mul\n\
            \x20   25.50%  credlog  [.] sled::tree::insert\n\
            \x20   10.00%  [kernel.kallsyms]  [k] tcp_sendmsg\n\n";
        let shares = Shares::read(text);
        assert_eq!(shares.parts["signatures"], 40.0);
        assert_eq!(shares.parts["store"], 25.5);
        assert_eq!(shares.parts["kernel: network"], 10.0);
        assert_eq!(shares.symbols.len(), 3);
    }
}
