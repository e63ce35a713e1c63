//! What the walk leaves to others: findings, and the certificate of a height to be checked.

use std::sync::Arc;

use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::ids::{Height, LedgerId, ValueId};
use credlog_ledger::member::MemberSet;

use crate::error::AuditError;
use crate::finding::{Finding, Kind};
use crate::lane::Weigh;

/// What one height, or one piece without a seal, gave.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub(crate) findings: Vec<Finding>,
    pub(crate) gaps: Vec<AuditError>,
    /// The log could not be read any further.
    pub(crate) stopped: Option<AuditError>,
    /// Leaves that lie behind.
    pub(crate) leaves: u64,
    pub(crate) height: Option<Height>,
    pub(crate) job: Option<Job>,
    /// A certificate was checked, and is good.
    pub(crate) certified: bool,
}

/// A certificate whose signatures are to be checked.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) certificate: CommitCertificate,
    pub(crate) members: Arc<MemberSet>,
    pub(crate) ledger: LedgerId,
    pub(crate) value: ValueId,
}

impl Weigh for Step {
    fn weight(&self) -> usize {
        1 + self.findings.len()
    }
}

impl Step {
    /// Checks the signatures of the certificate.
    pub(crate) fn verify(mut self) -> Self {
        let Some(job) = self.job.take() else {
            return self;
        };
        let verified = job
            .certificate
            .verify(&job.ledger, &job.members, &job.value);
        match verified {
            Ok(()) => self.certified = true,
            Err(error) => {
                let text = format!(
                    "the members in force have not decided this height by what is served: {error}"
                );
                let finding = Finding::new(Kind::Certificate, text)
                    .height(job.certificate.height)
                    .shows("round", job.certificate.round)
                    .shows("value", job.value);
                self.findings.push(finding);
            }
        }
        self
    }
}
