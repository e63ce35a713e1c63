//! From a credential and the ledger's facts to a verdict.

mod accreditation;
mod anchor;
mod issuer;
mod status;
mod validity;

use credlog_ledger::ids::{Digest, UnixMillis};

use crate::facts::Facts;
use crate::presented::{DigestOnly, Presented, Subject};
use crate::timestamp::Time;
use crate::verdict::{
    Check, CheckName, Evidence, LedgerPoint, Outcome, Registered, Summary, Verdict,
};
use anchor::Anchor;

/// Facts that are about something else than the credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JudgeError {
    /// Facts about another digest.
    #[error("the ledger's answer is about credential {found}, not {expected}; ask again")]
    OtherDigest {
        /// Digest of the facts.
        found: Digest,
        /// Digest of the credential.
        expected: Digest,
    },
    /// Facts that were gathered for another issuer.
    #[error("the ledger's answer is about issuer {found}, the credential names {expected}")]
    OtherIssuer {
        /// Issuer of the facts.
        found: String,
        /// Issuer of the credential.
        expected: String,
    },
}

/// Judges a credential by what was found out about it and what the ledger says.
///
/// `now` is the verifier's clock; without a date asked about ([`Facts::at`]) validity and
/// accreditation are judged for it, or for the newest seal if that is later. The whole is a
/// pure function: the same arguments give the same verdict on a node and at home.
///
/// # Errors
/// [`JudgeError`] if the facts are not about this credential.
pub fn judge(subject: &Subject, facts: &Facts, now: UnixMillis) -> Result<Verdict, JudgeError> {
    let moment = moment(facts, now);
    let presented = match subject {
        Subject::Credential(presented) => {
            check_fits(presented, facts)?;
            Some(presented)
        }
        Subject::Digest(_) => None,
    };
    let case = Case {
        subject,
        presented,
        facts,
        moment,
        anchor: Anchor::find(presented.map(|p| p.issuer.as_str()), facts),
    };
    let checks: Vec<Check> = [
        Some(case.proof()),
        Some(case.issuer()),
        Some(case.accreditation_at_issue()),
        Some(case.accreditation_now()),
        Some(case.anchored()),
        Some(case.status()),
        case.status_list(),
        Some(case.validity()),
    ]
    .into_iter()
    .flatten()
    .collect();
    let summary = summarise(&checks);
    Ok(Verdict {
        summary,
        headline: case.headline(summary, &checks),
        digest: facts.digest,
        ledger: LedgerPoint::clone(&facts.ledger),
        at: facts.at,
        moment,
        registered: case.registered(),
        credential: presented.map(|presented| presented.summary.clone()),
        checks,
        contained: Vec::new(),
        links: Vec::new(),
    })
}

/// The moment that a check is about: the date asked about, or now; a verifier's clock that is
/// behind the newest seal is set right by it.
pub(crate) fn moment(facts: &Facts, now: UnixMillis) -> Time {
    facts.at.unwrap_or(Time::from(now).max(facts.ledger.as_of))
}

fn check_fits(presented: &Presented, facts: &Facts) -> Result<(), JudgeError> {
    if presented.digest != facts.digest {
        return Err(JudgeError::OtherDigest {
            found: facts.digest,
            expected: presented.digest,
        });
    }
    match &facts.issuer {
        Some(asked) if asked.as_str() != presented.issuer => Err(JudgeError::OtherIssuer {
            found: asked.to_string(),
            expected: presented.issuer.clone(),
        }),
        _ => Ok(()),
    }
}

/// The first that matches, in the order of [`Summary`].
fn summarise(checks: &[Check]) -> Summary {
    checks
        .iter()
        .map(|check| check.amounts_to)
        .min()
        .unwrap_or(Summary::Unknown)
}

/// All that a check may look at.
struct Case<'a> {
    subject: &'a Subject,
    presented: Option<&'a Presented>,
    facts: &'a Facts,
    moment: Time,
    anchor: Anchor<'a>,
}

impl Case<'_> {
    /// Whether the caller checks proof and issuer itself, and says which issuer.
    fn proof_elsewhere(&self) -> bool {
        *self.subject == Subject::Digest(DigestOnly::ProofCheckedElsewhere)
            && self.facts.issuer.is_some()
    }

    /// What the ledger calls that which the credential names as it likes.
    fn registered(&self) -> Registered {
        let issued = self.anchor.issued();
        let id = match (self.presented, issued) {
            (Some(presented), _) => Some(presented.issuer.as_str()),
            (None, Some(one)) => Some(one.issuer.as_str()),
            (None, None) => None,
        };
        let issuer = id.and_then(|id| self.facts.issuer_facts(id));
        let issuance = issued.map(|one| &one.issuance);
        Registered {
            issuer_name: issuer.map(|issuer| issuer.name.clone()),
            achievement: issuance.and_then(|one| one.achievement.clone()),
            achievement_name: issuance.and_then(|one| one.achievement_name.clone()),
        }
    }

    fn proof(&self) -> Check {
        let Some(presented) = self.presented else {
            let answer = if self.proof_elsewhere() {
                "Only the digest was given; whoever gave it says that the signature was checked \
                 there."
            } else {
                "Only the digest was given, so the signature could not be checked. Give the \
                 credential itself."
            };
            return self.only_digest(CheckName::Proof, answer);
        };
        let proof = &presented.proof;
        let check = Answer {
            outcome: proof.outcome,
            reason: proof.reason.clone(),
            evidence: Evidence::default(),
        };
        check.named(CheckName::Proof, Summary::Invalid)
    }

    /// A check that needs the credential itself.
    fn only_digest(&self, name: CheckName, reason: &str) -> Check {
        let mut check = Answer::unknown(reason).named(name, Summary::Invalid);
        if self.proof_elsewhere() {
            check.amounts_to = Summary::Valid;
        }
        check
    }

    fn headline(&self, summary: Summary, checks: &[Check]) -> String {
        let decisive = checks.iter().find(|check| check.amounts_to == summary);
        let reason = decisive.map_or("", |check| check.reason.as_str());
        match summary {
            Summary::Valid => {
                let when = match self.facts.at {
                    Some(at) => format!("was valid on {}", at.spoken()),
                    None => "is valid".to_owned(),
                };
                valid(&when, self.proof_elsewhere())
            }
            Summary::Unknown => format!("Whether the credential is valid is not known. {reason}"),
            Summary::NotAnchored if self.proof_is_good() => {
                format!("The signature is good, but {}", lower_first(reason))
            }
            _ => reason.to_owned(),
        }
    }

    fn proof_is_good(&self) -> bool {
        self.presented
            .is_some_and(|presented| presented.proof.outcome == Outcome::Yes)
    }
}

/// That the credential "is valid", or was, and how much of that was checked.
pub(crate) fn valid(when: &str, proof_elsewhere: bool) -> String {
    let unchecked = match proof_elsewhere {
        true => {
            " as far as the ledger is concerned; its signature and what it says were not checked \
             here"
        }
        false => "",
    };
    format!("The credential {when}{unchecked}.")
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// An answer that has no name yet.
struct Answer {
    outcome: Outcome,
    reason: String,
    evidence: Evidence,
}

impl Answer {
    fn new(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self {
            outcome,
            reason: reason.into(),
            evidence: Evidence::default(),
        }
    }

    fn yes(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Yes, reason)
    }

    fn no(reason: impl Into<String>) -> Self {
        Self::new(Outcome::No, reason)
    }

    fn unknown(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Unknown, reason)
    }

    fn with(mut self, evidence: Evidence) -> Self {
        self.evidence = evidence;
        self
    }

    /// A check that amounts to `when_no` if the answer is no.
    fn named(self, name: CheckName, when_no: Summary) -> Check {
        let amounts_to = match self.outcome {
            Outcome::Yes => Summary::Valid,
            Outcome::No => when_no,
            Outcome::Unknown => Summary::Unknown,
        };
        Check {
            name,
            outcome: self.outcome,
            reason: self.reason,
            amounts_to,
            evidence: self.evidence,
        }
    }
}
