//! POST /credentials/issue and POST /credentials/status, of the compatibility profile.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State as Extract};
use credlog_api::vcalm::{IssueRequest, RequestError, StatusRequest};
use credlog_api::{Problem, ProblemType, RecordOutcome};
use credlog_credential::{Credential, SignError, StatusEntry, Suite, problem};
use credlog_ledger::ids::Digest;
use credlog_ledger::rows::StatusChangeKind;
use credlog_verify::{Position, Question, own_position};
use http::header::{AUTHORIZATION, FORWARDED, ORIGIN, VIA};
use http::uri::Authority;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::records::submit_one;
use crate::http::answer::{Answer, Refusal, internal, json, json_with, not_found};
use crate::http::guard::client;
use crate::http::public_url::asked_host;
use crate::http::{Context, Shared, body};
use crate::issuing::{Change, Issuing, Prepared, Reserved, Unissuable, make_own};
use crate::production::now;

/// How often another position is drawn when the ledger says that one is taken.
const ATTEMPTS_MAX: usize = 8;

pub(crate) async fn issue(Extract(context): Shared, request: Request) -> Answer {
    let issuing = authorized(&context, &request)?;
    body::media_type(request.headers(), &["application/json"])?;
    context.ready()?;
    let address = context.public_url(request.headers())?;
    let client = client(&request);
    let body = context
        .body(request, context.http.verify_body_bytes_max)
        .await?;
    let IssueRequest {
        mut credential,
        credential_id,
        suite,
    } = IssueRequest::parse(&body).map_err(|error| malformed(&error))?;
    drop(body);
    let suite = suite.as_deref().map(Suite::of_ed25519).transpose();
    let suite = suite.map_err(|error| w3c(problem::MALFORMED_VALUE_ERROR, error.to_string()))?;
    make_own(&mut credential, issuing.issuer());
    let mut left = ATTEMPTS_MAX;
    loop {
        left = left.checked_sub(1).ok_or_else(|| {
            let detail = "no position of the issuer's status list could be taken; try again";
            Problem::new(ProblemType::OVERLOADED, detail).retry_after(1)
        })?;
        let Some(reserved) = context.blocking(free_position).await? else {
            let record = issuing.open_list().map_err(|error| unissuable(&error))?;
            match submit_one(&context, client, record).await {
                // Another request may have opened one meanwhile.
                RecordOutcome::Refused { problem, .. } if problem.status != 409 => {
                    return Err(problem.into());
                }
                _ => continue,
            }
        };
        let prepared = {
            let (credential, address) = (credential.clone(), address.clone());
            let known_as = credential_id.clone();
            let turn = context.verifiers.turn().await?;
            let work = move |context: &Context| {
                sign(
                    context,
                    credential,
                    suite,
                    &address,
                    reserved,
                    known_as.as_deref(),
                )
            };
            context.with_turn(turn, work).await?
        };
        let Prepared {
            credential: signed,
            record,
            reserved,
        } = prepared;
        let outcome = submit_one(&context, client, record).await;
        drop(reserved);
        match outcome {
            RecordOutcome::Committed { .. } | RecordOutcome::Accepted { .. } => {
                let answer = json!({ "verifiableCredential": signed });
                return json_with(StatusCode::CREATED, &answer);
            }
            RecordOutcome::Refused { problem, .. } if problem.code() == Some("index-taken") => {}
            RecordOutcome::Refused { problem, .. } => return Err(problem.into()),
        }
    }
}

fn free_position(context: &Context) -> Result<Option<Reserved>, Refusal> {
    let issuing = context.issuing.as_ref().ok_or_else(internal)?;
    Ok(issuing.position(&context.store)?)
}

fn sign(
    context: &Context,
    credential: Value,
    suite: Option<Suite>,
    address: &str,
    reserved: Reserved,
    known_as: Option<&str>,
) -> Result<Prepared, Refusal> {
    let issuing = context.issuing.as_ref().ok_or_else(internal)?;
    let credential = Credential::from_json(credential)
        .map_err(|error| w3c(error.problem_type(), error.to_string()))?;
    issuing
        .prepare(credential, suite, address, reserved, known_as)
        .map_err(|error| unissuable(&error))
}

pub(crate) async fn change_status(Extract(context): Shared, request: Request) -> Answer {
    let issuing = authorized(&context, &request)?;
    body::media_type(request.headers(), &["application/json"])?;
    context.ready()?;
    let client = client(&request);
    let address = context.public_url(request.headers())?;
    let body = context
        .body(request, context.http.verify_body_bytes_max)
        .await?;
    let asked = StatusRequest::parse(&body).map_err(|error| malformed(&error))?;
    drop(body);
    let position = match &asked.entry {
        None => None,
        Some(entry) => Some(named_position(&context, entry, &address)?),
    };
    let found = issuing.issued(position, asked.credential_id.as_deref());
    let work = move |context: &Context| {
        let changes = found
            .into_iter()
            .map(|digest| wanted(context, digest, &asked));
        let changes: Result<Vec<_>, _> = changes.collect();
        Ok(changes?.into_iter().flatten().collect::<Vec<_>>())
    };
    // An attempt that never reached the ledger was never issued.
    let on_ledger: Vec<(Digest, Option<Change>)> = context.blocking(work).await?;
    if on_ledger.is_empty() {
        return Err(not_found(
            "no such credential was issued by this node; name its id, or its status entry",
        ));
    }
    let mut changed = Vec::new();
    for (digest, change) in on_ledger {
        let Some(change) = change else { continue };
        let record = issuing.change(digest, change);
        let record = record.map_err(|error| unissuable(&error))?;
        if let RecordOutcome::Refused { problem, .. } = submit_one(&context, client, record).await {
            return Err(problem.into());
        }
        changed.push(digest);
    }
    json(&json!({ "changed": !changed.is_empty(), "digests": changed }))
}

/// The position that a status entry names in a list of this ledger.
fn named_position(context: &Context, entry: &Value, address: &str) -> Result<Position, Refusal> {
    let members = context.members.borrow();
    let seats = members.members().iter();
    let urls = seats.filter_map(|seat| Some(seat.member.url.as_ref()?.as_str()));
    let entry = StatusEntry::from_json(entry);
    let position = entry.and_then(|entry| own_position(&entry, urls.chain([address])));
    position.ok_or_else(|| {
        let detail = "credentialStatus names no position of a status list of this ledger";
        w3c(problem::MALFORMED_VALUE_ERROR, detail)
    })
}

/// A credential of the ledger and what has to change, nothing if it is so already; nothing at
/// all if it is not on the ledger.
fn wanted(
    context: &Context,
    digest: Digest,
    asked: &StatusRequest,
) -> Result<Option<(Digest, Option<Change>)>, Refusal> {
    let issuing = context.issuing.as_ref().ok_or_else(internal)?;
    let facts = context.facts(&Question {
        digest,
        issuer: Some(issuing.issuer().clone()),
        at: None,
        positions: Vec::new(),
        now: now(),
    })?;
    let Some(issued) = facts.matches.first() else {
        return Ok(None);
    };
    let last = issued.history.last();
    let is_revoked = last.is_some_and(|fact| {
        let change = fact.change;
        matches!(
            change,
            StatusChangeKind::Revoked | StatusChangeKind::Superseded { .. }
        )
    });
    let suspended = last.filter(|fact| fact.change == StatusChangeKind::Suspended);
    let revocation = asked.purpose == "revocation";
    let change = match (revocation, asked.set) {
        // What is revoked is suspended no more.
        (_, true) if is_revoked => None,
        (true, true) => Some(Change::Revoke),
        (true, false) if is_revoked => {
            let detail = format!("credential {digest} is revoked, which is final; issue another");
            return Err(w3c(problem::RANGE_ERROR, detail));
        }
        (true, false) => None,
        (false, true) => suspended.is_none().then_some(Change::Suspend),
        (false, false) => suspended.map(|fact| Change::Reinstate {
            suspension: fact.record_id,
        }),
    };
    Ok(Some((digest, change)))
}

/// The issuing of this node, for whoever may use it.
fn authorized<'c>(context: &'c Arc<Context>, request: &Request) -> Result<&'c Issuing, Refusal> {
    let issuing = context.issuing.as_ref().ok_or_else(|| {
        not_found("this node issues in nobody's name: its configuration has no [issuer]")
    })?;
    let headers = request.headers();
    let token = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = token.and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    });
    let may = match token {
        Some(token) => issuing.is_token(token),
        None => issuing.trusts_loopback() && is_of_this_machine(request, headers),
    };
    match may {
        true => Ok(issuing),
        false => {
            let detail = "send the bearer token of the issuer: Authorization: Bearer …";
            Err(Problem::new(ProblemType::UNAUTHORIZED, detail).into())
        }
    }
}

/// Whether nobody stands between this machine and the node.
fn is_of_this_machine(request: &Request, headers: &HeaderMap) -> bool {
    let forwarded = headers.contains_key("x-forwarded-for")
        || headers.contains_key("x-real-ip")
        || headers.contains_key(FORWARDED)
        || headers.contains_key(VIA);
    // A page that a browser holds for this machine names its own host or origin.
    let asked: Option<Authority> = asked_host(headers).and_then(|host| host.parse().ok());
    let is_local = asked.is_some_and(|asked| {
        let host = asked.host().trim_matches(['[', ']']);
        let address = host.parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    });
    client(request).is_loopback() && is_local && !forwarded && !headers.contains_key(ORIGIN)
}

fn unissuable(error: &Unissuable) -> Refusal {
    let kind = match error {
        Unissuable::Sign(error) => SignError::problem_type(error),
        Unissuable::Record(_) | Unissuable::Register(_) => {
            tracing::error!(%error, "a credential could not be issued");
            return internal();
        }
        _ => problem::MALFORMED_VALUE_ERROR,
    };
    w3c(kind, error.to_string())
}

fn malformed(error: &RequestError) -> Refusal {
    w3c(error.problem_type(), error.to_string())
}

/// 400 with a problem that the W3C has a name for.
fn w3c(problem_type: &'static str, detail: impl Into<String>) -> Refusal {
    Problem::w3c(problem_type, detail).into()
}
