//! The form: what is handed over, and its check.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::Request;
use credlog_api::verification::VerifyQuery;
use credlog_api::{Problem, ProblemType, path};
use credlog_verify::{Answer, Time};
use http::header::CONTENT_TYPE;
use http_body_util::{BodyDataStream, Full};
use maud::{Markup, html};
use multer::{Constraints, Multipart, SizeLimit};

use crate::http::answer::Refusal;
use crate::http::checking::Asked;
use crate::http::query::no_parameters;
use crate::http::routes::verify;
use crate::http::{Context, body};

const MULTIPART: &str = "multipart/form-data";
/// What surrounds a credential in a form: boundaries, names, the date.
const AROUND_BYTES: u64 = 4_096;
/// Hex digits of a digest.
const DIGEST_DIGITS: usize = 64;

/// What was handed over.
pub(super) struct Input {
    /// A credential in any form, or a digest.
    pub(super) bytes: Bytes,
    /// The date as it was typed.
    pub(super) date: String,
    at: Option<Time>,
    share: body::Read,
}

pub(super) fn form(date: &str) -> Markup {
    html! {
        form method="post" action=(path::HOME) enctype=(MULTIPART) {
            div {
                label for="file" { "A file" }
                input #file type="file" name="file" aria-describedby="file-hint";
                p #file-hint class="hint" {
                    "The credential as you were given it: JSON, a signed token (JWT), a badge as a "
                    "PNG or SVG image, or a presentation."
                }
            }
            div {
                label for="text" { "… or its text" }
                textarea #text name="text" spellcheck="false" autocomplete="off"
                    aria-describedby="text-hint" {}
                p #text-hint class="hint" { "The text of a credential, or a digest of 64 "
                    "characters: then the credential itself stays with you." }
            }
            div {
                label for="at" { "As of a date (may be left out)" }
                input #at type="date" name="at" value=(date) aria-describedby="at-hint";
                p #at-hint class="hint" { "What was known and in force when that day began (UTC)." }
            }
            button type="submit" { "Check" }
        }
    }
}

/// Reads the form.
pub(super) async fn read(context: &Arc<Context>, request: Request) -> Result<Input, Refusal> {
    no_parameters(request.uri())?;
    body::media_type(request.headers(), &[MULTIPART])?;
    let kind = request.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(kind).map_err(malformed)?;
    let bytes_max = context.http.verify_body_bytes_max;
    let read = context.body(request, bytes_max + AROUND_BYTES).await?;
    let stream = BodyDataStream::new(Full::new(Bytes::clone(&read)));
    let constraints = Constraints::new()
        .allowed_fields(vec!["file", "text", "at"])
        .size_limit(SizeLimit::new().per_field(bytes_max));
    let mut parts = Multipart::with_constraints(stream, boundary, constraints);
    let (mut file, mut text, mut date) = (Bytes::new(), Bytes::new(), Bytes::new());
    while let Some(part) = parts.next_field().await.map_err(malformed)? {
        let into = match part.name() {
            Some("file") => &mut file,
            Some("text") => &mut text,
            _ => &mut date,
        };
        *into = part.bytes().await.map_err(malformed)?;
    }
    let date = String::from_utf8_lossy(&date).trim().to_owned();
    Ok(Input {
        bytes: chosen(file, &text)?,
        at: at(&date)?,
        date,
        share: read,
    })
}

/// The file or the text, whichever was given.
fn chosen(file: Bytes, text: &Bytes) -> Result<Bytes, Refusal> {
    let text = text.slice_ref(text.trim_ascii());
    match (file.is_empty(), text.is_empty()) {
        (false, true) => Ok(file),
        (true, false) => Ok(text),
        (true, true) => Err(wrong("choose a file, or paste the text of a credential")),
        (false, false) => Err(wrong("there is a file and a text; give one of them")),
    }
}

/// The first moment of a date.
fn at(date: &str) -> Result<Option<Time>, Refusal> {
    if date.is_empty() {
        return Ok(None);
    }
    let first = format!("{date}T00:00:00Z").parse::<Time>();
    first.map(Some).map_err(|_| {
        let shown: String = date.chars().take(40).collect();
        wrong(&format!(
            "{shown:?} is not a date; write one like 2026-11-21"
        ))
    })
}

fn wrong(detail: &str) -> Refusal {
    Problem::new(ProblemType::MALFORMED_REQUEST, detail).into()
}

fn malformed(error: multer::Error) -> Refusal {
    match error {
        multer::Error::FieldSizeExceeded { limit, .. } => {
            let detail = format!("at most {limit} bytes are read");
            Problem::new(ProblemType::BODY_TOO_LARGE, detail).into()
        }
        other => wrong(&format!("the form cannot be read: {other}")),
    }
}

/// Checks what was handed over, as POST /v1/verify does.
pub(super) async fn check(context: &Arc<Context>, input: Input) -> Result<Answer, Refusal> {
    let turn = context.verifiers.turn().await?;
    let read = move || {
        let digest = digest(&input.bytes);
        let bytes = digest.as_ref().unwrap_or(&input.bytes);
        let request = verify::read(bytes, None, VerifyQuery { at: input.at })?;
        Ok(Asked {
            request,
            _body: Some(input.share),
        })
    };
    context.check(turn, read).await
}

/// A digest as a request.
fn digest(bytes: &[u8]) -> Option<Bytes> {
    let is_digest = bytes.len() == DIGEST_DIGITS && bytes.iter().all(u8::is_ascii_hexdigit);
    is_digest.then(|| {
        let digest = String::from_utf8_lossy(bytes).to_lowercase();
        serde_json::json!({ "digest": digest }).to_string().into()
    })
}
