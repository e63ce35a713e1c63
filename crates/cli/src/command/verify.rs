//! `credlog verify`: are credentials genuine, anchored and in force?
//!
//! Proofs are checked here; the node is asked about the digest, the issuer and the positions in
//! status lists that the credential names.

mod show;

use std::path::PathBuf;

use clap::Args;
use credlog_api::verification::{CredentialQuery, Positions, RequestSubject, VerifyRequest};
use credlog_api::{Time, Verdict};
use credlog_credential::Credential;
use credlog_credential::json::{Limits, parse_strict};
use credlog_ledger::ids::Digest;
use credlog_verify::{DigestOnly, Subject, Summary, digest_of, issuer_of, judge, positions_named};
use serde_json::{Value, json};

use crate::connection::{Node, NodeArgs};
use crate::moment;
use crate::outcome::{During, Exit, Result};
use crate::parallel;
use crate::screen::{Screen, count, grouped};
use crate::target::{self, Target, Unreadable};
use crate::{folder, outcome::Failure};

/// Credentials that are verified between two outputs.
const WINDOW: usize = 256;

/// Verify credentials: proof, issuer, accreditation, anchoring, status and validity
///
/// Proofs are checked on this machine. The node is asked about the credential's digest, its
/// issuer and, if its status entries look like a ledger's, their positions; the credential
/// itself stays here. With --json each credential is one line of JSON. Exit code: 0 all valid;
/// 1 one is invalid, revoked, suspended, superseded, not yet valid or expired; 2 one is not
/// anchored or cannot be checked; 3 the node failed, and what it did not answer is told.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Credentials (JSON files), folders of them, or digests
    #[arg(required = true, value_name = "FILE|DIR|DIGEST")]
    targets: Vec<PathBuf>,
    /// Verify as of this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Time>,
    /// A status list credential, for credentials whose status is kept elsewhere; may be given
    /// several times
    #[arg(long, value_name = "FILE")]
    status_list: Vec<PathBuf>,
    /// Send whole credentials to the node and let it judge
    #[arg(long)]
    send_credential: bool,
    /// Show every check, however many credentials there are
    #[arg(long)]
    details: bool,
    #[command(flatten)]
    node: NodeArgs,
}

fn time(text: &str) -> std::result::Result<Time, String> {
    moment::parse_millis(text).map(Time::from)
}

/// What became of one target.
#[derive(Debug)]
enum Finding {
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
    fn summary(&self) -> Summary {
        match self {
            Self::Judged(verdict) => verdict.summary,
            Self::NoCredential { .. } => Summary::Invalid,
            Self::Unchecked(_) => Summary::Unknown,
        }
    }

    /// Whether the node is why nothing is known: it need not be asked any further.
    fn is_of_the_node(&self) -> bool {
        matches!(self, Self::Unchecked(failure) if failure.exit == Exit::Node)
    }

    fn json(&self, target: &Target) -> Value {
        match self {
            Self::Judged(verdict) => json!({"target": target.to_string(), "verdict": verdict}),
            Self::NoCredential { reason, problem } => json!({
                "target": target.to_string(),
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
                json!({"target": target.to_string(), "error": error})
            }
        }
    }
}

impl Verify {
    pub(crate) fn run(self, screen: Screen) -> Result<Exit> {
        let targets = target::named(&self.targets)?;
        let lists = self.lists()?;
        let node = self.node.connect(screen)?;
        let mut tally = show::Tally::new(screen, targets.len(), self.details);
        let mut exit = Exit::Done;
        let mut unanswered = Vec::new();
        let mut checked = 0;
        for window in targets.chunks(WINDOW) {
            let findings = parallel::map(window, |target| {
                self.check(&node, target, &lists)
                    .unwrap_or_else(Finding::Unchecked)
            });
            checked += window.len();
            for (target, finding) in window.iter().zip(findings) {
                exit = worse(exit, finding.summary());
                screen.json_line(&finding.json(target))?;
                tally.show(target, &finding)?;
                if let (true, Finding::Unchecked(failure)) = (finding.is_of_the_node(), finding) {
                    unanswered.push(failure);
                }
            }
            if !unanswered.is_empty() {
                break;
            }
        }
        // Verdicts that were reached count, whatever happened afterwards.
        tally.end()?;
        let number = unanswered.len() + targets.len() - checked;
        match unanswered.into_iter().next() {
            Some(failure) if targets.len() > 1 => {
                let all = count(targets.len(), "credential");
                Err(failure.during(format!(
                    "{} of {all} could not be checked",
                    grouped(number as u64)
                )))
            }
            Some(failure) => Err(failure),
            None => Ok(exit),
        }
    }

    fn lists(&self) -> Result<Vec<Value>> {
        let read = |path: &PathBuf| {
            parse_strict(&folder::read(path)?, Limits::DEFAULT)
                .during(|| path.display().to_string())
        };
        self.status_list.iter().map(read).collect()
    }

    fn check(&self, node: &Node, target: &Target, lists: &[Value]) -> Result<Finding> {
        let path = match target {
            Target::Digest(digest) => return self.check_digest(node, digest),
            Target::File(path) => path,
        };
        let credential = match target::read(path) {
            Ok(credential) => credential,
            Err(Unreadable::File(failure)) => return Ok(Finding::Unchecked(failure)),
            Err(Unreadable::NoCredential { reason, problem }) => {
                return Ok(Finding::NoCredential { reason, problem });
            }
        };
        let verdict = if self.send_credential {
            node.verify(&VerifyRequest {
                subject: RequestSubject::Credential(credential.into_secured()),
                at: self.at,
                status_lists: lists.to_vec(),
            })?
        } else {
            self.judge(node, &credential, lists)?
        };
        Ok(Finding::Judged(Box::new(verdict)))
    }

    fn judge(&self, node: &Node, credential: &Credential, lists: &[Value]) -> Result<Verdict> {
        let positions = positions_named(credential);
        let query = CredentialQuery {
            at: self.at,
            issuer: issuer_of(credential),
            positions: (!positions.is_empty()).then_some(Positions(positions)),
        };
        let facts = node.facts_at(&digest_of(credential), &query)?;
        credlog_verify::verify(credential, lists, &facts, moment::now())
            .map_err(|error| distrust(&error))
    }

    fn check_digest(&self, node: &Node, digest: &Digest) -> Result<Finding> {
        let query = CredentialQuery {
            at: self.at,
            ..CredentialQuery::default()
        };
        let facts = node.facts_at(digest, &query)?;
        let subject = Subject::Digest(DigestOnly::ProofUnchecked);
        let verdict = judge(&subject, &facts, moment::now()).map_err(|error| distrust(&error))?;
        Ok(Finding::Judged(Box::new(verdict)))
    }
}

/// Facts about something else than what was asked: the node is not to be trusted.
fn distrust(error: &credlog_verify::JudgeError) -> Failure {
    Failure::new(Exit::Node, error.to_string())
}

/// The exit code for all credentials so far.
fn worse(exit: Exit, summary: Summary) -> Exit {
    let own = match summary.exit_code() {
        0 => return exit,
        1 => Exit::Negative,
        _ => Exit::Unknown,
    };
    match exit {
        Exit::Negative => Exit::Negative,
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_credential_decides_the_exit_code() {
        let of = |summaries: &[Summary]| summaries.iter().fold(Exit::Done, |e, s| worse(e, *s));
        assert_eq!(of(&[Summary::Valid, Summary::Valid]), Exit::Done);
        assert_eq!(of(&[Summary::Unknown, Summary::Valid]), Exit::Unknown);
        assert_eq!(
            of(&[Summary::Unknown, Summary::Revoked, Summary::NotAnchored]),
            Exit::Negative
        );
        assert_eq!(of(&[Summary::Expired, Summary::Valid]), Exit::Negative);
    }
}
