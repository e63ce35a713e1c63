//! The verdict about a presentation: who shows it, and what each credential in it is worth.

use credlog_credential::{
    Challenge, CredentialError, NoRegistry, Outcome as ProofOutcome, Presentation, ProofReport,
    WithDocuments, verify_presentation,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::examine::{date_time, sentence};
use crate::handed::HandedOver;
use crate::timestamp::Time;
use crate::verdict::{Check, CheckName, Evidence, Outcome, Summary, Verdict};

/// What can be said about a presentation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PresentationVerdict {
    /// One word: the worst of the holder's check and of every credential.
    pub summary: Summary,
    /// The summary as a sentence.
    pub headline: String,
    /// The holder that it names, a DID or another URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Whether the holder signed it.
    pub checks: Vec<Check>,
    /// Each credential in it, in order.
    pub credentials: Vec<PresentedCredential>,
}

/// A credential inside of something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum PresentedCredential {
    /// It was judged.
    #[serde(rename = "verdict")]
    Judged(Box<Verdict>),
    /// It is no credential.
    #[serde(rename = "error", rename_all = "camelCase")]
    NoCredential {
        /// The W3C problem identifier.
        #[serde(rename = "type")]
        problem_type: String,
        /// Why.
        detail: String,
    },
}

impl PresentedCredential {
    pub(crate) fn no_credential(error: &CredentialError) -> Self {
        Self::NoCredential {
            problem_type: error.problem_type().to_owned(),
            detail: error.to_string(),
        }
    }

    /// One word.
    pub fn summary(&self) -> Summary {
        match self {
            Self::Judged(verdict) => verdict.summary,
            Self::NoCredential { .. } => Summary::Invalid,
        }
    }
}

/// Judges a presentation of which each credential was judged.
pub(crate) fn judge_presentation(
    presentation: &Presentation,
    handed: &HandedOver,
    credentials: Vec<PresentedCredential>,
    moment: Time,
) -> PresentationVerdict {
    let check = holder_check(presentation, handed, moment);
    let worst = credentials.iter().map(PresentedCredential::summary).min();
    let of_all = match worst {
        Some(worst) => worst,
        // A holder may show who they are, and no more.
        None if check.outcome == Outcome::Yes => Summary::Valid,
        None => Summary::Unknown,
    };
    let summary = of_all.min(check.amounts_to);
    let headline = match (summary, worst) {
        (Summary::Valid | Summary::Unknown, None) => {
            format!("It holds no credential. {}", check.reason)
        }
        (Summary::Valid, _) => format!(
            "{} valid. {}",
            match credentials.len() {
                1 => "The credential in it is".to_owned(),
                count => format!("All {count} credentials in it are"),
            },
            check.reason
        ),
        (summary, Some(worst)) if worst == summary => of_credentials(&credentials, summary),
        _ => check.reason.clone(),
    };
    PresentationVerdict {
        summary,
        headline,
        holder: presentation.holder().map(str::to_owned),
        checks: vec![check],
        credentials,
    }
}

fn of_credentials(credentials: &[PresentedCredential], summary: Summary) -> String {
    let place = credentials
        .iter()
        .position(|one| one.summary() == summary)
        .unwrap_or_default();
    let why = match &credentials[place] {
        PresentedCredential::Judged(verdict) => verdict.headline.clone(),
        PresentedCredential::NoCredential { detail, .. } => sentence(detail),
    };
    match credentials.len() {
        1 => why,
        count => format!("Credential {} of {count}: {why}", place + 1),
    }
}

/// Checks the proofs of a presentation: what was asked of its holder, with keys of documents that
/// were handed over.
pub fn prove_holder(presentation: &Presentation, handed: &HandedOver, moment: Time) -> ProofReport {
    let keys = WithDocuments {
        registry: &NoRegistry,
        documents: &handed.documents,
    };
    verify_presentation(presentation, &handed.asked(), date_time(moment), &keys)
}

/// Did the holder sign it, for whoever asked?
fn holder_check(presentation: &Presentation, handed: &HandedOver, moment: Time) -> Check {
    let asked = handed.asked();
    let report = prove_holder(presentation, handed, moment);
    let (outcome, reason) = match report.outcome() {
        _ if !presentation.is_secured() => (
            Outcome::Unknown,
            "It is not signed, so nobody shows that the credentials are theirs.".to_owned(),
        ),
        ProofOutcome::Valid => (Outcome::Yes, signed_by(presentation)),
        ProofOutcome::Invalid => (Outcome::No, why(&report)),
        ProofOutcome::Unknown => (Outcome::Unknown, why(&report)),
    };
    let amounts_to = match outcome {
        Outcome::Yes => Summary::Valid,
        Outcome::No => Summary::Invalid,
        // Without a question there is nothing to answer: the credentials speak for themselves.
        Outcome::Unknown if !presentation.is_secured() && asked == Challenge::default() => {
            Summary::Valid
        }
        Outcome::Unknown => Summary::Unknown,
    };
    Check {
        name: CheckName::Holder,
        outcome,
        reason,
        amounts_to,
        evidence: Evidence::default(),
    }
}

fn signed_by(presentation: &Presentation) -> String {
    match presentation.holder() {
        Some(holder) => format!("{holder} signed it."),
        None => "It is signed, but names no holder, so the signature shows only that one key was \
                 there."
            .to_owned(),
    }
}

fn why(report: &ProofReport) -> String {
    match report.first_error() {
        Some(error) => sentence(&error.to_string()),
        None => "It carries no signature.".to_owned(),
    }
}
