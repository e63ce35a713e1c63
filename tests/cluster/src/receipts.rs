//! Receipts as a verifier gets them from a node: checked with the genesis file alone.

use anyhow::{Context, Result, ensure};
use credlog_ledger::ids::{Digest, UnixMillis};
use credlog_verify::receipt::{CheckOptions, Proven, Receipt, Trust};

use crate::Cluster;

impl Cluster {
    /// What somebody trusts who has the genesis file alone.
    pub fn trust(&self) -> Result<Trust> {
        Ok(Trust::found(self.genesis().clone())?)
    }

    /// The receipt that a node gives about a credential.
    pub fn receipt(&self, node: usize, digest: &Digest) -> Result<Receipt> {
        let path = format!("/v1/receipts/{digest}");
        let answer = credlog_e2e::get(self.address(node), &path)?;
        ensure!(
            answer.status == 200,
            "node {node} answered {path} with {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        Ok(Receipt::parse(&answer.body)?)
    }

    /// What that receipt proves.
    pub fn proven(&self, node: usize, digest: &Digest) -> Result<Proven> {
        let receipt = self.receipt(node, digest)?;
        let proven = receipt.check(&self.trust()?, &now()?);
        proven.with_context(|| format!("node {node} gives a bad receipt about {digest}"))
    }
}

/// A verifier who takes any age.
pub fn now() -> Result<CheckOptions> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(CheckOptions {
        now: UnixMillis(u64::try_from(now.as_millis())?),
        at: None,
        age_ms_max: None,
    })
}
