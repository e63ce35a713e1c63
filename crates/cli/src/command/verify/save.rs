//! The receipt about what was verified.

use std::path::Path;

use credlog_api::Time;
use credlog_api::receipt::{ReceiptSubject, ReceiptsRequest};
use credlog_verify::receipt::{CheckOptions, RECEIPT_CREDENTIALS_MAX, Receipt, Trust};
use credlog_verify::{CheckName, Outcome, PresentedCredential, Verdict};

use super::check::Finding;
use super::show::with_parts;
use crate::connection::Node;
use crate::folder::{self, Access};
use crate::moment;
use crate::outcome::{Exit, Failure, Result};
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
                let inner = verdict.contained.iter();
                let inner = inner.filter_map(|one| match one {
                    PresentedCredential::Judged(verdict) => anchored(verdict),
                    PresentedCredential::NoCredential { .. } => None,
                });
                self.credentials
                    .extend(anchored(verdict).into_iter().chain(inner));
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
    pub(super) fn save(
        self,
        screen: Screen,
        node: &Node,
        at: Option<Time>,
        trust: Option<&Trust>,
    ) -> Result<()> {
        if self.credentials.is_empty() {
            screen.note("No receipt was written: none of them is on the ledger.");
            return Ok(());
        }
        let request = ReceiptsRequest {
            credentials: self.credentials.clone(),
            at,
            since: None,
            trusted: None,
        };
        let answer = node.receipts(&request)?;
        let receipt = answer.receipt.ok_or_else(|| {
            Failure::input("the node gives no receipt; what it said before it cannot prove")
        })?;
        self.check(&receipt, trust, at)?;
        folder::write_new(self.path, &receipt.to_bytes()?, Access::Public)?;
        screen.note(format!(
            "Wrote a receipt about {} to {}.",
            count(receipt.credentials.len(), "credential"),
            self.path.display()
        ));
        Ok(())
    }
}

impl Saving<'_> {
    /// That the receipt proves what was asked, as far as that can be seen here.
    fn check(&self, receipt: &Receipt, trust: Option<&Trust>, at: Option<Time>) -> Result<()> {
        let untrusted = |reason: String| {
            Failure::new(
                Exit::Node,
                format!("{reason}; do not trust that node, ask another"),
            )
        };
        let claims = receipt.claims();
        let claims = claims.map_err(|error| untrusted(format!("its receipt is bad: {error}")))?;
        let is_there = |one: &&ReceiptSubject| {
            let mut said = claims.credentials.iter();
            said.any(|said| {
                said.digest == one.digest
                    && one.issuer.as_ref().is_none_or(|id| said.entry.id == *id)
            })
        };
        if let Some(missing) = self.credentials.iter().find(|one| !is_there(one)) {
            return Err(untrusted(format!(
                "its receipt says nothing about credential {}",
                missing.digest
            )));
        }
        let options = CheckOptions {
            now: moment::now(),
            at: at.map(Time::into),
            age_ms_max: None,
        };
        if receipt.at != options.at {
            return Err(untrusted("its receipt is about another time".to_owned()));
        }
        match trust.map(|trust| receipt.check(trust, &options)) {
            Some(Err(refusal)) => Err(untrusted(format!("its receipt is bad: {refusal}"))),
            Some(Ok(_)) | None => Ok(()),
        }
    }
}

fn anchored(verdict: &Verdict) -> Option<ReceiptSubject> {
    let check = verdict.check(CheckName::Anchored)?;
    (check.outcome == Outcome::Yes).then(|| ReceiptSubject {
        digest: verdict.digest,
        issuer: check.evidence.issuer.clone(),
    })
}
