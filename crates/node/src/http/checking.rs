//! A check from a request to its answer, for every route that checks.

use std::sync::Arc;

use credlog_api::verification::{RequestSubject, VerifyRequest};
use credlog_credential::Form;
use credlog_credential::json::{Limits, parse_strict};
use credlog_verify::{Answer, CheckError, Question, Wanted, check, check_digest, wanted};
use serde_json::Value;

use super::Context;
use super::answer::{Refusal, internal};
use super::lane::Turn;
use crate::fetching::Fetching;
use crate::production::now;

/// What is fetched for one request at most: every list that it names, and every issuer.
const FETCHES_MAX: usize = 16;

enum Step {
    Done(Box<Answer>),
    Fetch(Box<VerifyRequest>, Vec<Wanted>),
}

impl Context {
    /// Reads a request, fetches what it needs if the operator allows that, and checks.
    pub(super) async fn check(
        self: &Arc<Self>,
        turn: Turn,
        read: impl FnOnce() -> Result<VerifyRequest, Refusal> + Send + 'static,
    ) -> Result<Answer, Refusal> {
        let step = self
            .with_turn(turn, move |context| {
                let request = read()?;
                let wanted = context.to_fetch(&request);
                match wanted.is_empty() {
                    true => Ok(Step::Done(Box::new(context.judged(&request)?))),
                    false => Ok(Step::Fetch(Box::new(request), wanted)),
                }
            })
            .await?;
        let (mut request, wanted) = match step {
            Step::Done(answer) => return Ok(*answer),
            Step::Fetch(request, wanted) => (request, wanted),
        };
        for wanted in wanted {
            fetch(&self.fetching, &mut request, wanted).await;
        }
        let turn = self.verifiers.turn().await?;
        self.with_turn(turn, move |context| context.judged(&request))
            .await
    }

    fn to_fetch(&self, request: &VerifyRequest) -> Vec<Wanted> {
        let RequestSubject::Document(opened) = &request.subject else {
            return Vec::new();
        };
        let mut wanted = wanted(opened, &request.handed_over);
        wanted.retain(|one| self.fetching.allows(one.url()));
        wanted.truncate(FETCHES_MAX);
        wanted
    }

    fn judged(&self, request: &VerifyRequest) -> Result<Answer, Refusal> {
        self.metrics.verify_running.inc();
        let now = now();
        let ask = |question: &Question| self.facts(question);
        let answer = match &request.subject {
            RequestSubject::Document(opened) => {
                check(opened, &request.handed_over, request.at, now, ask)
            }
            RequestSubject::Digest(subject) => check_digest(subject, request.at, now, ask),
        };
        self.metrics.verify_running.dec();
        match answer {
            Ok(answer) => {
                let summary = answer.summary().as_str();
                self.metrics.verdicts.with_label_values(&[summary]).inc();
                Ok(answer)
            }
            Err(CheckError::Ask(error)) => Err(error.into()),
            Err(CheckError::Judge(error)) => {
                tracing::error!(%error, "the facts of the ledger do not fit the credential");
                Err(internal())
            }
        }
    }
}

/// Adds what is found to the request. What cannot be had stays unknown to the check, which says
/// why.
async fn fetch(fetching: &Fetching, request: &mut VerifyRequest, wanted: Wanted) {
    let document = match fetching.fetch(wanted.url()).await {
        Ok(bytes) => readable(&wanted, &bytes),
        Err(reason) => Err(reason.to_string()),
    };
    request.handed_over.add(wanted, document);
}

fn readable(wanted: &Wanted, bytes: &[u8]) -> Result<Value, String> {
    if let (Wanted::StatusList(_), Some(Form::Jws)) = (wanted, Form::sniff(bytes)) {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        return Ok(Value::String(text.trim().to_owned()));
    }
    parse_strict(bytes, Limits::DEFAULT).map_err(|error| error.to_string())
}
