//! POST /v1/verify/batch: a check a line, answered in order while the rest still comes.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State as Extract};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use credlog_api::verification::{BatchAnswer, BatchLine, BatchQuery, VerifyRequest};
use credlog_api::{Problem, ProblemType};
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::http::answer::{Answer, Refusal, bytes_with};
use crate::http::checking::Asked;
use crate::http::guard::client;
use crate::http::query::parameters;
use crate::http::shares::Share;
use crate::http::stream::{self, Sink};
use crate::http::{Context, Shared, body};
use crate::machine::cores;

/// Media type of lines of JSON.
pub(crate) const NDJSON: &str = "application/x-ndjson";
/// Media types under which lines of JSON come.
const KNOWN: &[&str] = &[NDJSON, "application/ndjson", "application/jsonl"];
/// Bytes of lines that are worked on at a time, of one batch.
const LINES_BYTES_MAX: usize = 8 << 20;

pub(crate) async fn batch(Extract(context): Shared, request: Request) -> Answer {
    let query: BatchQuery = parameters(request.uri())?;
    body::media_type(request.headers(), KNOWN)?;
    let client = client(&request);
    let place = context.batches.take(client, 1).ok_or_else(|| {
        let detail = "too many batches at a time; try again when one has ended";
        Refusal::from(Problem::new(ProblemType::OVERLOADED, detail).retry_after(5))
    })?;
    let (sink, lines) = stream::channel();
    let (ordered, answers) = mpsc::channel(2 * cores());
    let reader = Reader {
        line_bytes_max: usize::try_from(context.http.verify_body_bytes_max).unwrap_or(usize::MAX),
        idle_max: context.batch_idle_timeout,
        room: Arc::new(Semaphore::new(LINES_BYTES_MAX)),
        context,
        query,
        ordered,
        number: 0,
    };
    tokio::spawn(reader.read(request.into_body(), place));
    tokio::spawn(write(answers, sink));
    Ok(response(lines))
}

fn response(lines: stream::Lines) -> Response {
    bytes_with(StatusCode::OK, NDJSON, Body::from_stream(lines))
}

/// Reads the body line by line, and starts a check for each.
struct Reader {
    context: Arc<Context>,
    query: BatchQuery,
    line_bytes_max: usize,
    /// The next byte must be there after this time.
    idle_max: Duration,
    /// Bytes of lines that may still be taken in.
    room: Arc<Semaphore>,
    /// Where the answers are expected, in the order of the lines.
    ordered: mpsc::Sender<JoinHandle<Written>>,
    /// Of the line that is read.
    number: u64,
}

/// An answer, and the room that its line took.
type Written = (Bytes, Option<OwnedSemaphorePermit>);

/// Nobody wants the answers any more.
struct Gone;

impl Reader {
    async fn read(mut self, mut body: Body, _place: Share) {
        let mut line = BytesMut::new();
        // What comes of a line that is too long is not kept.
        let mut skips = false;
        loop {
            let part = match tokio::time::timeout(self.idle_max, body.frame()).await {
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(part) => part,
                    Err(_trailers) => continue,
                },
                Ok(None) => break,
                Ok(Some(Err(_))) => {
                    let detail = "the body broke off or is not well formed HTTP";
                    let _gone = self.end(ProblemType::MALFORMED_REQUEST, detail).await;
                    return;
                }
                Err(_) => {
                    let detail = format!("nothing came for {} ms", self.idle_max.as_millis());
                    let _gone = self.end(ProblemType::REQUEST_TIMEOUT, &detail).await;
                    return;
                }
            };
            let mut rest = &part[..];
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                if !skips {
                    line.extend_from_slice(&rest[..end]);
                }
                rest = &rest[end + 1..];
                if self.line(&mut line, &mut skips).await.is_err() {
                    return;
                }
            }
            if !skips {
                line.extend_from_slice(rest);
                skips = line.len() > self.line_bytes_max;
            }
        }
        let _gone = self.line(&mut line, &mut skips).await;
    }

    /// One line is complete.
    async fn line(&mut self, line: &mut BytesMut, skips: &mut bool) -> Result<(), Gone> {
        self.number += 1;
        let line = line.split().freeze();
        let too_long = std::mem::take(skips) || line.len() > self.line_bytes_max;
        if too_long {
            let detail = format!("at most {} bytes are read of a line", self.line_bytes_max);
            return self.end(ProblemType::BODY_TOO_LARGE, &detail).await;
        }
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let bytes = u32::try_from(line.len()).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(bytes).await;
        let (context, query, number) = (Arc::clone(&self.context), self.query, self.number);
        let check = tokio::spawn(async move {
            let answer = answer(&context, line, query).await;
            let line = BatchLine {
                line: number,
                answer,
            };
            // A line holds its room until its answer is on the way.
            (written(&line), room.ok())
        });
        self.ordered.send(check).await.map_err(|_| Gone)
    }

    /// An answer to the line that is read, without a check.
    async fn end(&self, kind: ProblemType, detail: &str) -> Result<(), Gone> {
        let line = BatchLine {
            line: self.number.max(1),
            answer: BatchAnswer::Error(Problem::new(kind, detail)),
        };
        let done = tokio::spawn(async move { (written(&line), None) });
        self.ordered.send(done).await.map_err(|_| Gone)
    }
}

async fn answer(context: &Arc<Context>, line: Bytes, query: BatchQuery) -> BatchAnswer {
    let turn = context.verifiers.patient_turn().await;
    let read = move || {
        let mut request = VerifyRequest::parse_line(&line).map_err(|error| error.problem())?;
        request.at = request.at.or(query.at);
        Ok(Asked {
            request,
            _body: None,
        })
    };
    let checked = match turn {
        Ok(turn) => context.check(turn, read).await,
        Err(refusal) => Err(refusal),
    };
    match checked {
        Ok(answer) => BatchAnswer::of(answer, query.brief),
        Err(Refusal(problem)) => BatchAnswer::Error(*problem),
    }
}

fn written(line: &BatchLine) -> Bytes {
    // Verdicts and problems are plain data: they always have a JSON form.
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

/// Hands the answers on in their order.
async fn write(mut answers: mpsc::Receiver<JoinHandle<Written>>, sink: Sink) {
    while let Some(answer) = answers.recv().await {
        // A check that panicked has no answer, and the lines after it would be counted wrong.
        let Ok((line, _room)) = answer.await else {
            break;
        };
        if sink.send(line).await.is_err() {
            break;
        }
    }
}
