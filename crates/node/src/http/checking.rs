//! A check from a request to its answer, for every route that checks.

use std::sync::Arc;

use credlog_api::verification::{RequestSubject, VerifyRequest};
use credlog_credential::json::{Limits, parse_strict};
use credlog_credential::{Form, Opened};
use credlog_verify::{
    Answer, CheckError, HandedOver, Question, Wanted, check, check_digest, wanted,
};
use serde_json::Value;

use super::Context;
use super::answer::{Refusal, internal};
use super::body::Read;
use super::lane::Turn;
use crate::fetching::Fetching;
use crate::production::now;

/// What is fetched for one request at most: every list that it names, and every issuer.
const FETCHES_MAX: usize = 16;

/// A request as it was read, with its share of the memory for bodies, which it gives back when it
/// is answered.
pub(super) type Request = (VerifyRequest, Option<Read>);

enum Step {
    Done(Box<Answer>),
    Fetch(Box<Request>, Vec<Wanted>),
}

impl Context {
    /// Reads a request, fetches what it needs if the operator allows that, and checks.
    pub(super) async fn check(
        self: &Arc<Self>,
        turn: Turn,
        read: impl FnOnce() -> Result<Request, Refusal> + Send + 'static,
    ) -> Result<Answer, Refusal> {
        let step = self
            .with_turn(turn, move |context| {
                let request = read()?;
                let wanted = context.to_fetch(&request.0);
                match wanted.is_empty() {
                    true => Ok(Step::Done(Box::new(context.judged(&request.0)?))),
                    false => Ok(Step::Fetch(Box::new(request), wanted)),
                }
            })
            .await?;
        let (mut request, wanted) = match step {
            Step::Done(answer) => return Ok(*answer),
            Step::Fetch(request, wanted) => (request, wanted),
        };
        self.fetch_all(wanted, &mut request.0.handed_over).await;
        // It had its turn before: others may wait behind it by now.
        let turn = self.verifiers.patient_turn().await?;
        self.with_turn(turn, move |context| context.judged(&request.0))
            .await
    }

    fn to_fetch(&self, request: &VerifyRequest) -> Vec<Wanted> {
        match &request.subject {
            RequestSubject::Document(opened) => self.wanted(opened, &request.handed_over),
            RequestSubject::Digest(_) => Vec::new(),
        }
    }

    /// What is not at hand and may be fetched.
    pub(super) fn wanted(&self, opened: &Opened, handed: &HandedOver) -> Vec<Wanted> {
        let mut wanted = wanted(opened, handed);
        wanted.retain(|one| self.fetching.allows(one.url()));
        wanted.truncate(FETCHES_MAX);
        wanted
    }

    /// Fetches what is wanted. What cannot be had stays unknown to the check, which says why.
    pub(super) async fn fetch_all(&self, wanted: Vec<Wanted>, handed: &mut HandedOver) {
        for wanted in wanted {
            fetch(&self.fetching, handed, wanted).await;
        }
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

async fn fetch(fetching: &Fetching, handed: &mut HandedOver, wanted: Wanted) {
    let document = match fetching.fetch(wanted.url()).await {
        Ok(bytes) => readable(&wanted, &bytes),
        Err(reason) => Err(reason.to_string()),
    };
    handed.add(wanted, document);
}

fn readable(wanted: &Wanted, bytes: &[u8]) -> Result<Value, String> {
    if let (Wanted::StatusList(_), Some(Form::Jws)) = (wanted, Form::sniff(bytes)) {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        return Ok(Value::String(text.trim().to_owned()));
    }
    parse_strict(bytes, Limits::DEFAULT).map_err(|error| error.to_string())
}
