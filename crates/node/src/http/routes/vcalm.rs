//! POST /credentials/verify and POST /presentations/verify, of the compatibility profile.
//!
//! "Verified" means here what the profile means: form, proof, the issuer's control of the key,
//! validity and status. What the ledger adds (anchoring, accreditation) stands in the verdict
//! beside it, and speaks against a credential only if it shows that it is not genuine.

use axum::body::Bytes;
use axum::extract::{Request, State as Extract};
use credlog_api::vcalm::{Detail, RequestError, Verification, VerifyOptions, VerifyRequest};
use credlog_credential::{
    ASSERTION_METHOD, Credential, Expected, IssuerBinding, OpenError, Opened,
    Outcome as ProofOutcome, Presentation, ProofReport, problem,
};
use credlog_verify::{
    Answer as Checked, CheckName, HandedOver, Outcome, Question, Subject, Summary, Verdict,
    digest_of, examine_with, issuer_of, judge, positions_named, prove, prove_holder,
};
use http::StatusCode;

use crate::http::answer::{Answer, Refusal, internal, json_with};
use crate::http::checking::Checkable;
use crate::http::{Context, Shared, body};
use crate::production::now;

/// What the request must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Credential,
    Presentation,
}

pub(crate) async fn verify_credential(context: Shared, request: Request) -> Answer {
    verify(context, request, Kind::Credential).await
}

pub(crate) async fn verify_presentation(context: Shared, request: Request) -> Answer {
    verify(context, request, Kind::Presentation).await
}

async fn verify(Extract(context): Shared, request: Request, kind: Kind) -> Answer {
    body::media_type(request.headers(), &["application/json"])?;
    let body = context
        .body(request, context.http.verify_body_bytes_max)
        .await?;
    let turn = context.verifiers.turn().await?;
    let read = move || {
        Ok(Received {
            asked: read(&body, kind),
            _body: body,
        })
    };
    let findings = context.with_fetched(turn, read, |context, received| match &received.asked {
        Ok(asked) => find(context, asked),
        Err(error) => Ok(Findings::of(error)),
    });
    let findings = findings.await?;
    let verification = findings.verification();
    let status = match verification.verified {
        true => StatusCode::OK,
        false => StatusCode::BAD_REQUEST,
    };
    json_with(status, &verification)
}

/// What was found out, gathered on the way.
#[derive(Default)]
struct Findings {
    checks: Vec<&'static str>,
    warnings: Vec<Detail>,
    errors: Vec<Detail>,
    verdict: Option<Checked>,
}

impl Findings {
    fn error(&mut self, kind: &str, detail: impl Into<String>) {
        self.errors.push(Detail::new(kind, detail));
    }

    fn warning(&mut self, kind: &str, detail: impl Into<String>) {
        self.warnings.push(Detail::new(kind, detail));
    }

    fn verification(self) -> Verification {
        let Self {
            checks,
            warnings,
            errors,
            verdict,
        } = self;
        Verification::new(checks, warnings, errors, verdict)
    }

    fn of(error: &Unreadable) -> Self {
        let mut findings = Self::default();
        findings.error(error.problem_type, &error.detail);
        findings
    }
}

/// A request, with its share of the memory for bodies.
struct Received {
    asked: Result<Asked, Unreadable>,
    _body: body::Read,
}

/// What was asked about, and how.
struct Asked {
    opened: Opened,
    handed: HandedOver,
    options: VerifyOptions,
}

impl Checkable for Received {
    fn document(&mut self) -> Option<(&Opened, &mut HandedOver)> {
        let asked = self.asked.as_mut().ok()?;
        Some((&asked.opened, &mut asked.handed))
    }
}

/// A request that cannot be read.
struct Unreadable {
    problem_type: &'static str,
    detail: String,
}

impl From<RequestError> for Unreadable {
    fn from(error: RequestError) -> Self {
        Self {
            problem_type: error.problem_type(),
            detail: error.to_string(),
        }
    }
}

impl From<OpenError> for Unreadable {
    fn from(error: OpenError) -> Self {
        Self {
            problem_type: error.problem_type(),
            detail: error.to_string(),
        }
    }
}

fn read(body: &Bytes, kind: Kind) -> Result<Asked, Unreadable> {
    let VerifyRequest { document, options } = match kind {
        Kind::Credential => VerifyRequest::credential(body)?,
        Kind::Presentation => VerifyRequest::presentation(body)?,
    };
    let opened = Opened::from_value(document)?;
    let other = match (kind, &opened) {
        (Kind::Credential, Opened::Presentation(_)) => {
            "verifiableCredential is a presentation; send it to /presentations/verify"
        }
        (Kind::Presentation, Opened::Credential(_)) => {
            "verifiablePresentation is a credential; send it to /credentials/verify"
        }
        _ => {
            // What a holder was asked; `Expected` holds the proof of a credential to it.
            let handed = HandedOver {
                challenge: options.challenge.clone(),
                domain: options.domain.clone(),
                ..HandedOver::default()
            };
            return Ok(Asked {
                opened,
                handed,
                options,
            });
        }
    };
    Err(Unreadable {
        problem_type: problem::MALFORMED_VALUE_ERROR,
        detail: other.to_owned(),
    })
}

fn find(context: &Context, asked: &Asked) -> Result<Findings, Refusal> {
    let options = &asked.options;
    let mut findings = Findings {
        checks: match options.without_status {
            true => vec!["proof"],
            false => vec!["proof", "credentialStatus"],
        },
        ..Findings::default()
    };
    let check = Check {
        context,
        handed: &asked.handed,
        options,
    };
    match &asked.opened {
        Opened::Credential(credential) => {
            let purpose = options.purpose.as_deref();
            let expected = Expected {
                purpose: purpose.unwrap_or(ASSERTION_METHOD),
                challenge: options.challenge.as_deref(),
                domain: options.domain.as_deref(),
            };
            let verdict = check.credential(credential, expected, &mut findings)?;
            findings.verdict = Some(Checked::Credential(verdict));
        }
        Opened::Presentation(presentation) => check.presentation(presentation, &mut findings)?,
    }
    Ok(findings)
}

struct Check<'a> {
    context: &'a Context,
    handed: &'a HandedOver,
    options: &'a VerifyOptions,
}

impl Check<'_> {
    fn presentation(
        &self,
        presentation: &Presentation,
        findings: &mut Findings,
    ) -> Result<(), Refusal> {
        let report = prove_holder(presentation, self.handed, now().into());
        let good = of_report(&report, findings);
        if let (true, Some(holder)) = (good, presentation.holder()) {
            of_binding(&report, holder, "holder", findings);
        }
        for (at, credential) in presentation.credentials().iter().enumerate() {
            let mut inner = Findings::default();
            match credential {
                Ok(credential) => {
                    let expected = ASSERTION_METHOD.into();
                    self.credential(credential, expected, &mut inner)?;
                    // Who speaks about oneself has to say who one is.
                    if presentation.holder().is_none()
                        && report.issuer_binding(credential.issuer_id()) == IssuerBinding::Bound
                    {
                        let detail = "it is issued by whoever signed the presentation, which names \
                                  no holder";
                        inner.error(problem::MALFORMED_VALUE_ERROR, detail);
                    }
                }
                Err(error) => inner.error(error.problem_type(), error.to_string()),
            }
            let placed = |mut detail: Detail| {
                detail.detail = format!("credential {}: {}", at + 1, detail.detail);
                detail
            };
            findings.errors.extend(inner.errors.into_iter().map(placed));
            findings
                .warnings
                .extend(inner.warnings.into_iter().map(placed));
        }
        Ok(())
    }

    fn credential(
        &self,
        credential: &Credential,
        expected: Expected<'_>,
        findings: &mut Findings,
    ) -> Result<Verdict, Refusal> {
        let (handed, options) = (self.handed, self.options);
        let now = now();
        let facts = self.context.facts(&Question {
            digest: digest_of(credential),
            issuer: issuer_of(credential),
            positions: positions_named(credential),
            at: None,
            now,
        })?;
        let report = prove(credential, handed, &facts, expected, now);
        let good = of_report(&report, findings);
        let presented = examine_with(credential, &report, handed, &facts, now);
        if good {
            of_binding(&report, credential.issuer_id(), "issuer", findings);
            if presented.proof.outcome != Outcome::Yes {
                // The signature is good, but a related resource is not.
                findings.error(
                    problem::CRYPTOGRAPHIC_SECURITY_ERROR,
                    &presented.proof.reason,
                );
            }
        }
        let lists = presented.status_lists.clone();
        let is_registered = facts.issuer_facts(credential.issuer_id()).is_some();
        let verdict = judge(&Subject::Credential(presented), &facts, now).map_err(|error| {
            tracing::error!(%error, "the facts of the ledger do not fit the credential");
            internal()
        })?;
        for check in verdict
            .checks
            .iter()
            .filter(|check| check.outcome != Outcome::Yes)
        {
            let status = matches!(check.name, CheckName::Status | CheckName::StatusList);
            match check.amounts_to {
                Summary::Valid => {}
                // The proof has been told in full.
                _ if check.name == CheckName::Proof => {}
                _ if status && options.without_status => {}
                Summary::Invalid if !good => {}
                Summary::Invalid => {
                    findings.error(problem::CRYPTOGRAPHIC_SECURITY_ERROR, &check.reason);
                }
                Summary::Revoked | Summary::Suspended | Summary::Superseded => {
                    findings.error(problem::STATUS_VERIFICATION_ERROR, &check.reason);
                }
                Summary::Expired | Summary::NotYetValid => {
                    findings.error(problem::RANGE_ERROR, &check.reason);
                }
                // A list that cannot be read may hide a revocation.
                _ if check.name == CheckName::StatusList => {
                    let unread = lists.iter().find_map(|list| list.set.as_ref().err());
                    let kind = unread.map_or(problem::STATUS_RETRIEVAL_ERROR, |one| one.problem);
                    findings.error(kind, &check.reason);
                }
                // A copy in other words may hide that it is revoked.
                Summary::NotAnchored if is_registered && !options.without_status => {
                    findings.error(problem::STATUS_RETRIEVAL_ERROR, &check.reason);
                }
                // The ledger knows the issuer, and not that this key could still speak for it.
                Summary::Unknown if check.name == CheckName::Issuer && is_registered => {
                    findings.error(problem::PROOF_VERIFICATION_ERROR, &check.reason);
                }
                _ => findings.warning(problem::STATUS_RETRIEVAL_ERROR, &check.reason),
            }
        }
        let inside = credential.nested().len();
        if inside > 0 {
            let detail = format!(
                "the {inside} credentials inside of it were not looked at; send them one by one, \
                 or ask POST /v1/verify"
            );
            findings.warning(problem::PROOF_VERIFICATION_ERROR, detail);
        }
        Ok(verdict)
    }
}

/// Whether every proof is good; says why not.
fn of_report(report: &ProofReport, findings: &mut Findings) -> bool {
    if let Some(error) = report.first_error() {
        findings.error(error.problem_type(), error.to_string());
        return false;
    }
    if report.outcome() != ProofOutcome::Valid {
        let detail = "it carries no proof, so anyone may have written it";
        findings.error(problem::PROOF_VERIFICATION_ERROR, detail);
        return false;
    }
    true
}

/// Whether a key that signed is of whom it should be; says why not.
fn of_binding(report: &ProofReport, id: &str, who: &str, findings: &mut Findings) {
    let detail = match report.issuer_binding(id) {
        IssuerBinding::Bound => return,
        IssuerBinding::NotBound => {
            format!("the signature is good, but not by a key of the {who} that it names ({id})")
        }
        IssuerBinding::Unknown => format!(
            "the signature is good, but nothing at hand shows that its key is the {who}'s ({id})"
        ),
    };
    findings.error(problem::PROOF_VERIFICATION_ERROR, detail);
}
