//! The checker of tests/foreign, run against a live node.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use crate::cluster::Cluster;

impl Cluster {
    /// The independent checker finds every certificate, the checkpoint and its cosignatures
    /// of a node good, from genesis on. Where Python has not its packages
    /// (tests/foreign/requirements.txt; `CREDLOG_PYTHON`), it says so and passes.
    ///
    /// # Errors
    /// What the checker found.
    pub fn check_foreign(&self, node: usize) -> Result<()> {
        let python = std::env::var("CREDLOG_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let mut probe = Command::new(&python);
        probe
            .args(["-c", "import blake3, cryptography"])
            .stderr(Stdio::null());
        if !probe.status().is_ok_and(|status| status.success()) {
            println!("   NOT RUN: the foreign checker; {python} has not its packages");
            return Ok(());
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../foreign/check_ledger.py");
        let output = Command::new(&python)
            .arg(script)
            .arg(self.process(node)?.url())
            .arg("--genesis")
            .arg(self.folder(node).join("genesis.json"))
            .args(["--no-strangers", "--max-age-s", "70"])
            .output()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        ensure!(
            output.status.success(),
            "the foreign checker refuses the ledger of node {node}: {text}"
        );
        let last = text.lines().last().unwrap_or_default();
        println!("   the foreign checker: {last}");
        Ok(())
    }
}
