//! POST /v1/verify: whole credentials and presentations in every form, or digests.

use axum::extract::{Request, State as Extract};
use credlog_api::verification::VerifyQuery;
use credlog_api::{Problem, ProblemType, VerifyRequest};
use credlog_credential::Form;

use crate::config::VerifySection;
use crate::http::answer::{Answer, Refusal, json};
use crate::http::checking::Asked;
use crate::http::lane::Lane;
use crate::http::query::parameters;
use crate::http::{Shared, body};
use crate::machine::cores;

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
    let form = body::form(request.headers())?;
    let body = context
        .body(request, context.http.verify_body_bytes_max)
        .await?;
    let turn = context.verifiers.turn().await?;
    let answer = context
        .check(turn, move || {
            Ok(Asked {
                request: read(&body, form, query)?,
                _body: Some(body),
            })
        })
        .await?;
    json(&answer)
}

/// The request, and the date asked about from wherever it stands.
pub(crate) fn read(
    body: &[u8],
    form: Option<Form>,
    query: VerifyQuery,
) -> Result<VerifyRequest, Refusal> {
    let mut request = VerifyRequest::parse(body, form).map_err(|error| error.problem())?;
    if request.at.is_some() && query.at.is_some() {
        let detail = "`at` stands in the query and in the body; give it once";
        return Err(Problem::new(ProblemType::INVALID_PARAMETER, detail).into());
    }
    request.at = request.at.or(query.at);
    Ok(request)
}
