//! The receipt about what was verified.

use std::path::Path;

use credlog_api::Time;
use credlog_api::receipt::{ReceiptSubject, ReceiptsRequest};
use credlog_verify::receipt::RECEIPT_CREDENTIALS_MAX;
use credlog_verify::{CheckName, Outcome, Verdict};

use super::check::Finding;
use super::show::with_parts;
use crate::connection::Node;
use crate::folder::{self, Access};
use crate::outcome::{Failure, Result};
use crate::screen::{Screen, count};

/// Which credentials a receipt will be about.
pub(super) struct Saving<'p> {
    path: &'p Path,
    credentials: Vec<ReceiptSubject>,
}

impl<'p> Saving<'p> {
    pub(super) fn new(path: &'p Path) -> Self {
        Self {
            path,
            credentials: Vec::new(),
        }
    }

    /// Notes the credentials that are on the ledger.
    pub(super) fn take(&mut self, found: &[(String, Finding)]) -> Result<()> {
        for (_, finding) in with_parts(found) {
            if let Finding::Judged(verdict) = &*finding {
                self.credentials.extend(anchored(verdict));
            }
        }
        self.credentials
            .sort_by(|one, other| (one.digest, &one.issuer).cmp(&(other.digest, &other.issuer)));
        self.credentials.dedup();
        if self.credentials.len() > RECEIPT_CREDENTIALS_MAX {
            return Err(Failure::usage(format!(
                "a receipt is about at most {RECEIPT_CREDENTIALS_MAX} credentials; verify them in \
                 parts, each with its own --save-receipt"
            )));
        }
        Ok(())
    }

    /// Asks the node for the receipt and writes it.
    pub(super) fn save(self, screen: Screen, node: &Node, at: Option<Time>) -> Result<()> {
        if self.credentials.is_empty() {
            screen.note("No receipt was written: none of them is on the ledger.");
            return Ok(());
        }
        let request = ReceiptsRequest {
            credentials: self.credentials,
            at,
            since: None,
            trusted: None,
        };
        let answer = node.receipts(&request)?;
        let receipt = answer.receipt.ok_or_else(|| {
            Failure::input("the node gives no receipt; what it said before it cannot prove")
        })?;
        folder::write_new(self.path, &receipt.to_bytes()?, Access::Public)?;
        screen.note(format!(
            "Wrote a receipt about {} to {}.",
            count(receipt.credentials.len(), "credential"),
            self.path.display()
        ));
        Ok(())
    }
}

fn anchored(verdict: &Verdict) -> Option<ReceiptSubject> {
    let check = verdict.check(CheckName::Anchored)?;
    (check.outcome == Outcome::Yes).then(|| ReceiptSubject {
        digest: verdict.digest,
        issuer: check.evidence.issuer.clone(),
    })
}
