//! One target: read, examined, and judged with what the ledger says.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use credlog_api::verification::{CredentialQuery, Positions, VerifyRequest};
use credlog_api::{Answer, Facts, Time, Verdict};
use credlog_credential::Opened;
use credlog_ledger::ids::Digest;
use credlog_verify::receipt::{CheckOptions, Refusal, Trust};
use credlog_verify::{
    CheckError, DigestSubject, HandedOver, PresentationVerdict, PresentedCredential, Question,
    Summary,
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
#[derive(Debug, Clone)]
pub(crate) enum Finding {
    /// It was judged.
    Judged(Box<Verdict>),
    /// A presentation was judged, with each credential in it.
    Presented(Box<PresentationVerdict>),
    /// The file holds no credential.
    NoCredential { reason: String, problem: String },
    /// The receipt proves nothing.
    Refused(Refusal),
    /// Nothing is known: the file cannot be read, or the node did not answer.
    Unchecked(Failure),
}

impl Finding {
    pub(crate) fn summary(&self) -> Summary {
        match self {
            Self::Judged(verdict) => verdict.summary,
            Self::Presented(verdict) => verdict.summary,
            Self::NoCredential { .. } | Self::Refused(_) => Summary::Invalid,
            Self::Unchecked(_) => Summary::Unknown,
        }
    }

    /// The credentials inside of a presentation, each with a name of its own.
    pub(crate) fn parts(&self, name: &str) -> Vec<(String, Self)> {
        let Self::Presented(verdict) = self else {
            return Vec::new();
        };
        let part = |(number, one): (usize, &PresentedCredential)| {
            let finding = match one.clone() {
                PresentedCredential::Judged(verdict) => Self::Judged(verdict),
                PresentedCredential::NoCredential {
                    problem_type,
                    detail,
                } => Self::NoCredential {
                    reason: detail,
                    problem: problem_type,
                },
            };
            (format!("{name}, credential {number}"), finding)
        };
        (1..).zip(&verdict.credentials).map(part).collect()
    }

    /// The node's failure, if that is why nothing is known: it need not be asked any further.
    pub(crate) fn node_failure(&self) -> Option<&Failure> {
        match self {
            Self::Unchecked(failure) if failure.exit == Exit::Node => Some(failure),
            _ => None,
        }
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        match self {
            Self::Judged(verdict) => json!({"target": name, "verdict": verdict}),
            Self::Presented(verdict) => json!({"target": name, "presentation": verdict}),
            Self::NoCredential { reason, problem } => json!({
                "target": name,
                "error": {
                    "exit": Exit::Negative as u8,
                    "code": "no-credential",
                    "message": format!("this is no credential: {reason}"),
                    "type": problem,
                },
            }),
            Self::Refused(refusal) => json!({
                "target": name,
                "error": {
                    "exit": Exit::Negative as u8,
                    "code": "receipt-refused",
                    "message": refusal.to_string(),
                    "refusal": refusal.code,
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
    /// As they were handed over, for a node that judges.
    pub(super) did_documents: Vec<Value>,
    pub(super) send_credential: bool,
    /// What is trusted, for receipts that are stapled to credentials.
    pub(super) trust: Option<Trust>,
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
        match target::open(bytes) {
            Ok(opened) => match self.asked(|| self.of_opened(&opened)) {
                Finding::Unchecked(failure) if failure.exit == Exit::Node => {
                    self.of_stapled(bytes, &opened, failure)
                }
                finding => finding,
            },
            Err(Unreadable::File(failure)) => Finding::Unchecked(failure),
            Err(Unreadable::NoCredential { reason, problem }) => {
                Finding::NoCredential { reason, problem }
            }
        }
    }

    /// The node gave no answer: a receipt that is stapled to the credential may.
    fn of_stapled(&self, bytes: &[u8], opened: &Opened, failure: Failure) -> Finding {
        let (Some(receipt), Opened::Credential(credential)) = (target::stapled(bytes), opened)
        else {
            return Finding::Unchecked(failure);
        };
        let Some(trust) = &self.trust else {
            let mut failure = failure;
            failure.message.push_str(
                "; a receipt is stapled to the credential: give --genesis, and it is checked \
                 without a node",
            );
            return Finding::Unchecked(failure);
        };
        let now = moment::now();
        let options = CheckOptions {
            now,
            at: self.at.map(Time::into),
            age_ms_max: None,
        };
        let proven = match receipt.and_then(|receipt| receipt.check(trust, &options)) {
            Ok(proven) => proven,
            Err(refusal) => return Finding::Refused(refusal),
        };
        match proven.verdict(credential, &self.handed, now) {
            Ok(verdict) => Finding::Judged(Box::new(verdict)),
            Err(error) => Finding::Unchecked(Failure::input(error.to_string())),
        }
    }

    /// Asks the node, and again if it gave no answer.
    fn asked(&self, ask: impl Fn() -> Result<Answer>) -> Finding {
        let mut attempt = 1;
        loop {
            match ask() {
                Ok(Answer::Credential(verdict)) => return Finding::Judged(Box::new(verdict)),
                Ok(Answer::Presentation(verdict)) => return Finding::Presented(Box::new(verdict)),
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

    fn of_opened(&self, opened: &Opened) -> Result<Answer> {
        if self.send_credential {
            return self.node.verify(&VerifyRequest {
                at: self.at,
                handed_over: self.handed.clone(),
                did_documents: self.did_documents.clone(),
                ..VerifyRequest::of(opened.clone())
            });
        }
        let ask = |question: &Question| self.ask(question);
        credlog_verify::check(opened, &self.handed, self.at, moment::now(), ask).map_err(untrusted)
    }

    fn of_digest(&self, digest: &Digest) -> Result<Answer> {
        let subject = DigestSubject {
            digest: *digest,
            issuer: None,
            proof_checked_elsewhere: false,
        };
        let ask = |question: &Question| self.ask(question);
        credlog_verify::check_digest(&subject, self.at, moment::now(), ask).map_err(untrusted)
    }

    fn ask(&self, question: &Question) -> Result<Facts> {
        let positions = question.positions.clone();
        let query = CredentialQuery {
            at: self.at,
            issuer: question.issuer.clone(),
            positions: (!positions.is_empty()).then_some(Positions(positions)),
        };
        self.node.facts_at(&question.digest, &query)
    }
}

/// Facts about something else than what was asked: the node is not to be trusted.
fn untrusted(error: CheckError<Failure>) -> Failure {
    match error {
        CheckError::Ask(failure) => failure,
        CheckError::Judge(error) => Failure::new(Exit::Node, error.to_string()),
    }
}
