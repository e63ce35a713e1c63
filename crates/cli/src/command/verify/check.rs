//! One target: read, examined, and judged with what the ledger says.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use credlog_api::verification::{CredentialQuery, Positions, VerifyRequest};
use credlog_api::{Answer, Time, Verdict};
use credlog_credential::{Credential, Opened};
use credlog_ledger::ids::Digest;
use credlog_verify::{
    DigestOnly, HandedOver, Subject, Summary, digest_of, issuer_of, judge, positions_named,
};
use serde_json::{Value, json};

use super::targets::Target;
use crate::connection::Node;
use crate::folder;
use crate::moment;
use crate::outcome::{Exit, Failure, Result};
use crate::target::{self, Unreadable};

/// Times that a node is asked about one target.
const ATTEMPTS_MAX: usize = 3;
/// Pause before it is asked again, in milliseconds, times the attempts so far.
const PAUSE_MS: u64 = 300;

/// What became of one target.
#[derive(Debug)]
pub(super) enum Finding {
    /// It was judged.
    Judged(Box<Verdict>),
    /// The file holds no credential.
    NoCredential {
        reason: String,
        problem: &'static str,
    },
    /// Nothing is known: the file cannot be read, or the node did not answer.
    Unchecked(Failure),
}

impl Finding {
    pub(super) fn summary(&self) -> Summary {
        match self {
            Self::Judged(verdict) => verdict.summary,
            Self::NoCredential { .. } => Summary::Invalid,
            Self::Unchecked(_) => Summary::Unknown,
        }
    }

    /// The node's failure, if that is why nothing is known: it need not be asked any further.
    pub(super) fn node_failure(&self) -> Option<&Failure> {
        match self {
            Self::Unchecked(failure) if failure.exit == Exit::Node => Some(failure),
            _ => None,
        }
    }

    pub(super) fn json(&self, name: &str) -> Value {
        match self {
            Self::Judged(verdict) => json!({"target": name, "verdict": verdict}),
            Self::NoCredential { reason, problem } => json!({
                "target": name,
                "error": {
                    "exit": Exit::Negative as u8,
                    "code": "no-credential",
                    "message": format!("this is no credential: {reason}"),
                    "type": problem,
                },
            }),
            Self::Unchecked(failure) => {
                let mut error = failure.json();
                if failure.exit != Exit::Node {
                    error["exit"] = json!(Exit::Unknown as u8);
                }
                json!({"target": name, "error": error})
            }
        }
    }
}

/// Everything that checking needs.
pub(super) struct Checker<'n> {
    pub(super) node: &'n Node,
    pub(super) at: Option<Time>,
    pub(super) handed: HandedOver,
    pub(super) send_credential: bool,
    /// The node gave no answer, however often it was asked.
    pub(super) node_is_gone: AtomicBool,
}

impl Checker<'_> {
    /// What becomes of a target, each finding with its name.
    pub(super) fn check(&self, target: &Target) -> Vec<(String, Finding)> {
        let finding = match target {
            Target::Digest(digest) => self.asked(|| self.of_digest(digest)),
            Target::Unusable { reason, .. } => Finding::Unchecked(Failure::input(reason)),
            Target::File { path, .. } => match folder::read(path) {
                Ok(bytes) => self.of_content(&bytes),
                Err(failure) => Finding::Unchecked(failure),
            },
            Target::Content { bytes, .. } => self.of_content(bytes),
        };
        vec![(target.to_string(), finding)]
    }

    fn of_content(&self, bytes: &[u8]) -> Finding {
        match target::parse(bytes) {
            Ok(credential) => self.asked(|| self.of_credential(&credential)),
            Err(Unreadable::File(failure)) => Finding::Unchecked(failure),
            Err(Unreadable::NoCredential { reason, problem }) => {
                Finding::NoCredential { reason, problem }
            }
        }
    }

    /// Asks the node, and again if it gave no answer.
    fn asked(&self, ask: impl Fn() -> Result<Verdict>) -> Finding {
        let mut attempt = 1;
        loop {
            match ask() {
                Ok(verdict) => return Finding::Judged(Box::new(verdict)),
                Err(failure) if failure.exit != Exit::Node => return Finding::Unchecked(failure),
                Err(failure) => {
                    let is_gone = attempt == ATTEMPTS_MAX;
                    if self.node_is_gone.fetch_or(is_gone, Ordering::Relaxed) || is_gone {
                        return Finding::Unchecked(failure);
                    }
                    std::thread::sleep(Duration::from_millis(PAUSE_MS * attempt as u64));
                    attempt += 1;
                }
            }
        }
    }

    fn of_credential(&self, credential: &Credential) -> Result<Verdict> {
        if self.send_credential {
            let request = VerifyRequest {
                at: self.at,
                handed_over: self.handed.clone(),
                ..VerifyRequest::of(Opened::Credential(Box::new(credential.clone())))
            };
            return match self.node.verify(&request)? {
                Answer::Credential(verdict) => Ok(verdict),
                Answer::Presentation(_) => Err(Failure::new(
                    Exit::Node,
                    "the node answered about a presentation; ask another node",
                )),
            };
        }
        let positions = positions_named(credential);
        let query = CredentialQuery {
            at: self.at,
            issuer: issuer_of(credential),
            positions: (!positions.is_empty()).then_some(Positions(positions)),
        };
        let facts = self.node.facts_at(&digest_of(credential), &query)?;
        credlog_verify::verify(credential, &self.handed, &facts, moment::now())
            .map_err(|error| distrust(&error))
    }

    fn of_digest(&self, digest: &Digest) -> Result<Verdict> {
        let query = CredentialQuery {
            at: self.at,
            ..CredentialQuery::default()
        };
        let facts = self.node.facts_at(digest, &query)?;
        let subject = Subject::Digest(DigestOnly::ProofUnchecked);
        judge(&subject, &facts, moment::now()).map_err(|error| distrust(&error))
    }
}

/// Facts about something else than what was asked: the node is not to be trusted.
fn distrust(error: &credlog_verify::JudgeError) -> Failure {
    Failure::new(Exit::Node, error.to_string())
}
