//! POST /v1/verify: whole credentials, or digests.

use axum::extract::{Request, State as Extract};
use credlog_api::verification::{RequestSubject, VerifyQuery};
use credlog_api::{Problem, ProblemType, VerifyRequest};
use credlog_credential::Credential;
use credlog_verify::{
    DigestOnly, Question, Subject, Time, Verdict, digest_of, examine, issuer_of, judge,
    positions_named,
};

use crate::config::VerifySection;
use crate::http::answer::{Answer, Refusal, internal, json};
use crate::http::lane::Lane;
use crate::http::query::parameters;
use crate::http::{Context, Shared, body};
use crate::machine::cores;
use crate::production::now;

/// Bounds the checks of credentials: so many at work, so many waiting.
pub(crate) fn lane(config: &VerifySection) -> Lane {
    let running = match config.concurrent_max {
        0 => cores(),
        count => count as usize,
    };
    let refusal = "too many credentials wait for their check; try again in a second, or check the \
                   proof yourself and ask for the digest";
    Lane::new(running, config.waiting_max, refusal)
}

pub(crate) async fn verify(Extract(context): Shared, request: Request) -> Answer {
    let query: VerifyQuery = parameters(request.uri())?;
    body::media_type(request.headers(), &["application/json"])?;
    let body = context
        .body(request, context.http.verify_body_bytes_max)
        .await?;
    let turn = context.verifiers.turn().await?;
    context
        .with_turn(turn, move |context| check(context, &body, query))
        .await
}

fn check(context: &Context, body: &[u8], query: VerifyQuery) -> Answer {
    context.metrics.verify_running.inc();
    let verdict = verdict(context, body, query);
    context.metrics.verify_running.dec();
    json(&verdict?)
}

pub(crate) fn verdict(
    context: &Context,
    body: &[u8],
    query: VerifyQuery,
) -> Result<Verdict, Refusal> {
    let request = VerifyRequest::parse(body).map_err(|error| error.problem())?;
    let at = match (request.at, query.at) {
        (Some(_), Some(_)) => {
            let detail = "`at` stands in the query and in the body; give it once";
            return Err(Problem::new(ProblemType::INVALID_PARAMETER, detail).into());
        }
        (in_body, in_query) => in_body.or(in_query),
    };
    let now = now();
    let question = |digest, issuer, positions| Question {
        digest,
        issuer,
        positions,
        at: at.map(Time::into),
        now,
    };
    let (subject, facts) = match request.subject {
        RequestSubject::Credential(document) => {
            let credential = Credential::from_json(document).map_err(|error| {
                Problem::new(ProblemType::MALFORMED_CREDENTIAL, error.to_string())
            })?;
            let digest = digest_of(&credential);
            let positions = positions_named(&credential);
            let question = question(digest, issuer_of(&credential), positions);
            let facts = context.facts(&question)?;
            let presented = examine(&credential, &request.status_lists, &facts, now);
            (Subject::Credential(presented), facts)
        }
        RequestSubject::Digest {
            digest,
            issuer,
            proof_checked_elsewhere,
        } => {
            let question = question(digest, issuer, Vec::new());
            let facts = context.facts(&question)?;
            let only = match proof_checked_elsewhere {
                true => DigestOnly::ProofCheckedElsewhere,
                false => DigestOnly::ProofUnchecked,
            };
            (Subject::Digest(only), facts)
        }
    };
    match judge(&subject, &facts, now) {
        Ok(verdict) => {
            let summary = verdict.summary.as_str();
            context.metrics.verdicts.with_label_values(&[summary]).inc();
            Ok(verdict)
        }
        Err(error) => {
            tracing::error!(%error, "the facts of the ledger do not fit the credential");
            Err(internal())
        }
    }
}
