//! One check from end to end: what was handed over, and what the ledger says.

use credlog_credential::{Credential, CredentialError, Opened, Presentation};
use credlog_ledger::ids::{Digest, IssuerId, UnixMillis};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::examine::{digest_of, examine, issuer_of, positions_named};
use crate::facts::{Facts, Question};
use crate::handed::HandedOver;
use crate::holder::{PresentationVerdict, PresentedCredential, judge_presentation};
use crate::judge::{JudgeError, judge};
use crate::presented::{DigestOnly, Subject};
use crate::timestamp::Time;
use crate::verdict::{Summary, Verdict};

/// The answer to a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant)] // one a check, never in bulk
pub enum Answer {
    /// About a presentation and the credentials in it.
    Presentation(PresentationVerdict),
    /// About a credential.
    Credential(Verdict),
}

impl Answer {
    /// One word for the whole.
    pub fn summary(&self) -> Summary {
        match self {
            Self::Credential(verdict) => verdict.summary,
            Self::Presentation(verdict) => verdict.summary,
        }
    }

    /// The summary as a sentence.
    pub fn headline(&self) -> &str {
        match self {
            Self::Credential(verdict) => &verdict.headline,
            Self::Presentation(verdict) => &verdict.headline,
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError<E> {
    /// The ledger could not be asked.
    #[error(transparent)]
    Ask(E),
    /// It answered about something else.
    #[error(transparent)]
    Judge(JudgeError),
}

/// A digest to check without its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestSubject {
    /// The digest.
    pub digest: Digest,
    /// The issuer whose issuance is meant.
    pub issuer: Option<IssuerId>,
    /// The caller checked the proof, that its key is this issuer's and that the credential
    /// attests the achievement of the Issue record; the summary leaves these out. Needs the
    /// issuer.
    pub proof_checked_elsewhere: bool,
}

/// Checks a credential, or a presentation with every credential in it. `ask` asks the ledger,
/// once a credential.
///
/// # Errors
/// [`CheckError`]: what `ask` fails with, or facts about something else.
pub fn check<E>(
    opened: &Opened,
    handed: &HandedOver,
    at: Option<Time>,
    now: UnixMillis,
    ask: impl Fn(&Question) -> Result<Facts, E>,
) -> Result<Answer, CheckError<E>> {
    let check = Check {
        handed,
        at,
        now,
        ask: &ask,
    };
    Ok(match opened {
        Opened::Credential(credential) => Answer::Credential(check.credential(credential)?),
        Opened::Presentation(presentation) => {
            Answer::Presentation(check.presentation(presentation)?)
        }
    })
}

/// Checks a digest: what the ledger knows, which is never that a credential is genuine.
///
/// # Errors
/// As [`check`].
pub fn check_digest<E>(
    subject: &DigestSubject,
    at: Option<Time>,
    now: UnixMillis,
    ask: impl Fn(&Question) -> Result<Facts, E>,
) -> Result<Answer, CheckError<E>> {
    let question = Question {
        digest: subject.digest,
        issuer: subject.issuer.clone(),
        positions: Vec::new(),
        at: at.map(Time::into),
        now,
    };
    let facts = ask(&question).map_err(CheckError::Ask)?;
    let only = match subject.proof_checked_elsewhere {
        true => DigestOnly::ProofCheckedElsewhere,
        false => DigestOnly::ProofUnchecked,
    };
    let verdict = judge(&Subject::Digest(only), &facts, now).map_err(CheckError::Judge)?;
    Ok(Answer::Credential(verdict))
}

struct Check<'a, A> {
    handed: &'a HandedOver,
    at: Option<Time>,
    now: UnixMillis,
    ask: &'a A,
}

impl<E, A: Fn(&Question) -> Result<Facts, E>> Check<'_, A> {
    /// One credential, and those inside of it, each by itself.
    fn credential(&self, credential: &Credential) -> Result<Verdict, CheckError<E>> {
        let mut verdict = self.alone(credential)?;
        let inner: Result<Vec<_>, _> = credential
            .nested()
            .iter()
            .map(|inner| match inner {
                Ok(inner) => Ok(PresentedCredential::Judged(Box::new(self.alone(inner)?))),
                Err(error) => Ok(PresentedCredential::no_credential(error)),
            })
            .collect();
        verdict.contain(inner?);
        Ok(verdict)
    }

    fn alone(&self, credential: &Credential) -> Result<Verdict, CheckError<E>> {
        let question = Question {
            digest: digest_of(credential),
            issuer: issuer_of(credential),
            positions: positions_named(credential),
            at: self.at.map(Time::into),
            now: self.now,
        };
        let facts = (self.ask)(&question).map_err(CheckError::Ask)?;
        let presented = examine(credential, self.handed, &facts, self.now);
        judge(&Subject::Credential(presented), &facts, self.now).map_err(CheckError::Judge)
    }

    fn presented(
        &self,
        credential: &Result<Credential, CredentialError>,
    ) -> Result<PresentedCredential, CheckError<E>> {
        Ok(match credential {
            Ok(credential) => PresentedCredential::Judged(Box::new(self.credential(credential)?)),
            Err(error) => PresentedCredential::no_credential(error),
        })
    }

    fn presentation(
        &self,
        presentation: &Presentation,
    ) -> Result<PresentationVerdict, CheckError<E>> {
        let credentials: Result<Vec<_>, _> = presentation
            .credentials()
            .iter()
            .map(|credential| self.presented(credential))
            .collect();
        let moment = self.at.unwrap_or(Time::from(self.now));
        Ok(judge_presentation(
            presentation,
            self.handed,
            credentials?,
            moment,
        ))
    }
}
