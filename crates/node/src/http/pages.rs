//! Web pages: a credential is checked without a script, and without curl.
//!
//! Everything comes from this node, and nothing is kept: no cookies, no script but on the page
//! that tries the interface. Text of others (credentials, names) is escaped by the templates.

mod checked;
mod form;

use axum::extract::{Request, State as Extract};
use axum::response::Response;
use credlog_api::{Problem, path};
use credlog_ledger::state::{State, ViewError};
use credlog_verify::{Answer as Checked, Time};
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue, RETRY_AFTER};
use http::{StatusCode, Uri};
use maud::{DOCTYPE, Markup, html};

use super::answer::{Answer, bytes_with, cached};
use super::query::no_parameters;
use super::{Context, Shared};

const HTML: &str = "text/html; charset=utf-8";
/// Style and script change with the program alone.
const ASSET_CACHE: &str = "public, max-age=300";
/// What a page may load: its style, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";
/// The page that tries the interface has a script, which asks this node.
const POLICY_OF_DOCS: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
                              connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// GET /
pub(crate) async fn home(Extract(context): Shared, uri: Uri) -> Answer {
    no_parameters(&uri)?;
    let ledger = LedgerHead::read(&context)?;
    let body = html! {
        h1 { "Is this credential good?" }
        p { "This node tells whether it is genuine, who issued it, whether the issuer was "
            "accredited to award it, and whether it is still valid. What you hand over is checked "
            "and forgotten." }
        (form::form(""))
    };
    Ok(page(
        StatusCode::OK,
        "Check a credential",
        Some(&ledger),
        &body,
    ))
}

/// POST /
pub(crate) async fn check(Extract(context): Shared, request: Request) -> Answer {
    let ledger = LedgerHead::read(&context)?;
    let answer = match form::read(&context, request).await {
        Ok(input) => {
            let date = input.date.clone();
            form::check(&context, input)
                .await
                .map(|answer| (answer, date))
        }
        Err(refusal) => Err(refusal),
    };
    match answer {
        Ok((answer, date)) => Ok(told(&ledger, &answer, &date)),
        // A failure of the node is for the guard to see.
        Err(refusal) if refusal.0.status >= 500 => Err(refusal),
        Err(refusal) => Ok(refused(&refusal.0, Some(&ledger))),
    }
}

fn told(ledger: &LedgerHead, answer: &Checked, date: &str) -> Response {
    let body = html! {
        (checked::answer(answer))
        h2 { "Check another" }
        (form::form(date))
    };
    let title = checked::word(answer.summary());
    page(StatusCode::OK, title, Some(ledger), &body)
}

/// A problem as a page.
pub(crate) fn refused(problem: &Problem, ledger: Option<&LedgerHead>) -> Response {
    let body = html! {
        div class="verdict bad" {
            h1 { "Not checked: " (lower_first(&problem.title)) }
            p { (problem.detail) }
        }
        (form::form(""))
    };
    let status = StatusCode::from_u16(problem.status);
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = page(status, "Not checked", ledger, &body);
    if let Some(seconds) = problem.retry_after_s {
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn lower_first(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(|first| first.to_lowercase());
    first.into_iter().flatten().chain(rest).collect()
}

/// GET /docs
pub(crate) async fn docs(Extract(context): Shared, uri: Uri) -> Answer {
    no_parameters(&uri)?;
    let ledger = LedgerHead::read(&context)?;
    let body = html! {
        h1 { "The HTTP interface" }
        p { "Every route of this node, to read and to try. Programs read the same from "
            a href=(path::OPENAPI) { code { (path::OPENAPI) } } " (OpenAPI 3.1)." }
        noscript { p { "The list is made by a script of this node, which your browser does not "
            "run; the link above holds all of it." } }
        div #routes data-from=(path::OPENAPI) {}
        script src=(path::DOCS_SCRIPT) {}
    };
    let mut response = page(StatusCode::OK, "HTTP interface", Some(&ledger), &body);
    set_policy(&mut response, POLICY_OF_DOCS);
    Ok(response)
}

/// GET /style.css
pub(crate) async fn style(uri: Uri) -> Answer {
    no_parameters(&uri)?;
    let text = include_str!("pages/style.css");
    let response = bytes_with(StatusCode::OK, "text/css; charset=utf-8", text);
    Ok(cached(response, ASSET_CACHE))
}

/// GET /docs.js
pub(crate) async fn docs_script(uri: Uri) -> Answer {
    no_parameters(&uri)?;
    let text = include_str!("pages/docs.js");
    let response = bytes_with(StatusCode::OK, "text/javascript; charset=utf-8", text);
    Ok(cached(response, ASSET_CACHE))
}

/// What every page says of the ledger.
pub(crate) struct LedgerHead {
    origin: String,
    height: u64,
    size: u64,
    as_of: Time,
    attested: Option<Time>,
}

impl LedgerHead {
    fn read(context: &Context) -> Result<Self, ViewError> {
        let snapshot = context.store.snapshot();
        let head = snapshot.head();
        let attested = context.cosigning.attested();
        Ok(Self {
            origin: State(&snapshot).ledger()?.origin.to_string(),
            height: head.height.0,
            size: head.size,
            as_of: head.time.into(),
            attested: attested.map(|attested| attested.as_of.into()),
        })
    }
}

fn page(status: StatusCode, title: &str, ledger: Option<&LedgerHead>, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " – credlog" }
                link rel="stylesheet" href=(path::STYLE);
            }
            body {
                header {
                    p { a class="brand" href=(path::HOME) { "credlog" }
                        @if let Some(ledger) = ledger { " · " (ledger.origin) } }
                }
                main { (body) }
                footer {
                    @if let Some(ledger) = ledger { (head(ledger)) }
                    p { a href=(path::DOCS) { "HTTP interface" } " · "
                        a href=(path::OPENAPI) { "OpenAPI" } " · "
                        a href=(path::LEDGER) { "The ledger as JSON" } " · version "
                        (env!("CARGO_PKG_VERSION")) }
                }
            }
        }
    };
    let mut response = bytes_with(status, HTML, page.into_string());
    set_policy(&mut response, POLICY);
    response
}

fn head(ledger: &LedgerHead) -> Markup {
    html! {
        dl {
            dt { "Ledger" } dd { (ledger.origin) }
            dt { "Newest block" } dd { (ledger.height) ", sealed on " (ledger.as_of.spoken()) }
            dt { "Size of the log" } dd { (ledger.size) " leaves" }
            @if let Some(attested) = ledger.attested {
                dt { "Attested" }
                dd { "by a quorum of the members as of " (attested.spoken()) }
            }
        }
    }
}

fn set_policy(response: &mut Response, policy: &'static str) {
    let value = HeaderValue::from_static(policy);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, value);
}
