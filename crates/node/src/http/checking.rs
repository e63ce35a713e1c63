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

enum Step<T, R> {
    Done(T),
    Fetch(Box<R>, Vec<Wanted>),
}

/// A request that was read, of any kind.
pub(super) trait Checkable: Send + 'static {
    /// What is checked and what was handed over with it; nothing if there is no document.
    fn document(&mut self) -> Option<(&Opened, &mut HandedOver)>;
}

/// A request of POST /v1/verify and its like, with its share of the memory for bodies, which it
/// gives back when it is answered.
pub(super) struct Asked {
    pub(super) request: VerifyRequest,
    pub(super) _body: Option<Read>,
}

impl Checkable for Asked {
    fn document(&mut self) -> Option<(&Opened, &mut HandedOver)> {
        match &self.request.subject {
            RequestSubject::Document(opened) => Some((opened, &mut self.request.handed_over)),
            RequestSubject::Digest(_) => None,
        }
    }
}

impl Context {
    /// Reads a request, fetches what it needs if the operator allows that, and checks.
    pub(super) async fn check(
        self: &Arc<Self>,
        turn: Turn,
        read: impl FnOnce() -> Result<Asked, Refusal> + Send + 'static,
    ) -> Result<Answer, Refusal> {
        self.with_fetched(turn, read, |context, asked| context.judged(&asked.request))
            .await
    }

    /// Reads a request, fetches what it needs if the operator allows that, and answers it. All but
    /// the fetching is done on a turn.
    pub(super) async fn with_fetched<R: Checkable, T: Send + 'static>(
        self: &Arc<Self>,
        turn: Turn,
        read: impl FnOnce() -> Result<R, Refusal> + Send + 'static,
        answer: impl FnOnce(&Self, &R) -> Result<T, Refusal> + Copy + Send + 'static,
    ) -> Result<T, Refusal> {
        let step = self
            .with_turn(turn, move |context| {
                let mut request = read()?;
                let wanted = context.wanted(&mut request);
                match wanted.is_empty() {
                    true => Ok(Step::Done(answer(context, &request)?)),
                    false => Ok(Step::Fetch(Box::new(request), wanted)),
                }
            })
            .await?;
        let (mut request, wanted) = match step {
            Step::Done(answer) => return Ok(answer),
            Step::Fetch(request, wanted) => (request, wanted),
        };
        for wanted in wanted {
            let document = fetch(&self.fetching, &wanted).await;
            // What cannot be had stays unknown to the check, which says why.
            if let Some((_, handed)) = request.document() {
                handed.add(wanted, document);
            }
        }
        // It had its turn before: others may wait behind it by now.
        let turn = self.verifiers.patient_turn().await?;
        self.with_turn(turn, move |context| answer(context, &request))
            .await
    }

    /// What is not at hand and may be fetched.
    fn wanted(&self, request: &mut impl Checkable) -> Vec<Wanted> {
        let document = request.document().filter(|_| self.fetching.is_on());
        let Some((opened, handed)) = document else {
            return Vec::new();
        };
        let mut wanted = wanted(opened, handed);
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

async fn fetch(fetching: &Fetching, wanted: &Wanted) -> Result<Value, String> {
    match fetching.fetch(wanted.url()).await {
        Ok(bytes) => readable(wanted, &bytes),
        Err(reason) => Err(reason.to_string()),
    }
}

fn readable(wanted: &Wanted, bytes: &[u8]) -> Result<Value, String> {
    if let (Wanted::StatusList(_), Some(Form::Jws)) = (wanted, Form::sniff(bytes)) {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        return Ok(Value::String(text.trim().to_owned()));
    }
    parse_strict(bytes, Limits::DEFAULT).map_err(|error| error.to_string())
}
