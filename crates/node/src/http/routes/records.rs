//! POST /v1/records and GET /v1/records/{id}.

use axum::extract::{Path, Request, State as Extract};
use bytes::Bytes;
use credlog_api::submission::{MEDIA_TYPE_RECORD, MEDIA_TYPE_RECORDS, SubmitQuery, decode_records};
use credlog_api::{Problem, ProblemType, RecordOutcome, RecordView, SubmitOutcomes, Wait};
use credlog_ledger::ids::RecordId;
use credlog_ledger::record::{EncodedRecord, RECORD_BYTES_MAX, RECORD_LEAF};
use credlog_ledger::state::{State, ViewError};
use http::{StatusCode, Uri};
use std::collections::HashMap;
use std::net::IpAddr;
use tokio::sync::oneshot;

use crate::admission::REQUEST_BAD_SIGNATURES_MAX;
use crate::application::place;
use crate::http::answer::{Answer, Refusal, json, json_with, not_found};
use crate::http::guard::{client, rate_limited};
use crate::http::query::{no_parameters, parameters, segment};
use crate::http::{Context, Shared, body, disk_full};
use crate::mempool::{Outcome, Waiter};

/// Bodies up to this size are decoded where they arrive; longer ones elsewhere.
const DECODE_INLINE_BYTES_MAX: usize = 32 * 1_024;
/// A full mempool empties itself within this time.
const RETRY_AFTER_SECONDS: u32 = 1;

/// A record as it came: decoded, or why not.
type Arrived = Result<EncodedRecord, Box<Problem>>;

pub(crate) async fn submit(Extract(context): Shared, request: Request) -> Answer {
    let query: SubmitQuery = parameters(request.uri())?;
    let media_types = [MEDIA_TYPE_RECORD, MEDIA_TYPE_RECORDS];
    let media_type = body::media_type(request.headers(), &media_types)?;
    context.ready()?;
    let single = media_type == MEDIA_TYPE_RECORD;
    let bytes_max = match single {
        true => RECORD_BYTES_MAX as u64,
        false => context.http.records_body_bytes_max,
    };
    let client = client(&request);
    let body = context.body(request, bytes_max).await?;
    let decode = move |context: &Context, body: &Bytes| {
        let framed = framed(body, single)?;
        let limits = &context.rate_limits;
        let admitted = limits.admit_records(client, framed.len());
        admitted.map_err(|wait| rate_limited("records", wait))?;
        Ok(framed.into_iter().map(decode).collect::<Vec<_>>())
    };
    // From here on the limits of the queue and the mempool bound what the records take.
    let arrived = if body.len() <= DECODE_INLINE_BYTES_MAX {
        let arrived = decode(&context, &body)?;
        drop(body);
        arrived
    } else {
        context
            .blocking(move |context| decode(context, &body))
            .await?
    };
    let outcomes = outcomes(&context, client, arrived, query.wait).await;
    answer(outcomes, single, query.wait)
}

/// The records of a body, not yet decoded.
fn framed(bytes: &Bytes, single: bool) -> Result<Vec<&[u8]>, Refusal> {
    if single {
        return Ok(vec![bytes]);
    }
    let framed = decode_records(bytes);
    framed.map_err(|error| Problem::new(ProblemType::MALFORMED_REQUEST, error.to_string()).into())
}

fn decode(bytes: &[u8]) -> Arrived {
    EncodedRecord::decode(bytes)
        .map_err(|error| Problem::new(ProblemType::MALFORMED_RECORD, error.to_string()).into())
}

/// Hands the records in and waits for what becomes of each.
async fn outcomes(
    context: &Context,
    client: IpAddr,
    arrived: Vec<Arrived>,
    wait: Wait,
) -> Vec<RecordOutcome> {
    enum Expected {
        Answer(RecordId, oneshot::Receiver<Outcome>),
        /// The same record stood at this place of the request already.
        Again(usize),
        Malformed(Box<Problem>),
    }
    let mut submitted = Vec::with_capacity(arrived.len());
    let mut places = HashMap::new();
    let expected: Vec<_> = arrived
        .into_iter()
        .enumerate()
        .map(|(at, arrived)| match arrived {
            Ok(record) => {
                let id = record.id();
                if let Some(first) = places.get(&id) {
                    return Expected::Again(*first);
                }
                places.insert(id, at);
                let (waiter, answer) = Waiter::new(wait == Wait::None);
                submitted.push((record, waiter));
                Expected::Answer(id, answer)
            }
            Err(problem) => {
                context.metrics.observe_record("unknown", "malformed");
                Expected::Malformed(problem)
            }
        })
        .collect();
    context.admission.submit(client, submitted);
    let mut outcomes: Vec<RecordOutcome> = Vec::with_capacity(expected.len());
    for expected in expected {
        outcomes.push(match expected {
            Expected::Answer(id, answer) => {
                // A waiter that was dropped without an answer is one nobody can answer.
                outcome(id, answer.await.unwrap_or(Outcome::Unavailable))
            }
            Expected::Again(first) => outcomes[first].clone(),
            Expected::Malformed(problem) => RecordOutcome::Refused {
                record_id: None,
                problem: *problem,
            },
        });
    }
    outcomes
}

fn outcome(record_id: RecordId, outcome: Outcome) -> RecordOutcome {
    let problem = match outcome {
        Outcome::Committed(place) => {
            return RecordOutcome::Committed {
                record_id,
                leaf_index: place.leaf,
                height: place.height,
                time: place.time.into(),
            };
        }
        Outcome::Pending => return RecordOutcome::Accepted { record_id },
        Outcome::Refused(rejection) => Problem::rejection(&rejection),
        Outcome::Unchecked => {
            let detail = format!(
                "{REQUEST_BAD_SIGNATURES_MAX} records of this request have bad signatures, and \
                 the signatures of the others were not checked; send it again without them"
            );
            Problem::new(ProblemType::MALFORMED_REQUEST, detail)
        }
        Outcome::Full => {
            let detail = "the node has no room for more records; send this one again";
            Problem::new(ProblemType::MEMPOOL_FULL, detail).retry_after(RETRY_AFTER_SECONDS)
        }
        Outcome::DiskFull => disk_full(),
        Outcome::Unavailable => {
            let detail = "the node is stopping; the record may have entered the log: send it \
                          again, it enters only once";
            Problem::new(ProblemType::STOPPING, detail).retry_after(RETRY_AFTER_SECONDS)
        }
    };
    let record_id = Some(record_id);
    RecordOutcome::Refused { record_id, problem }
}

/// A single refused record is answered by its problem; so are many if none can be taken now.
fn answer(results: Vec<RecordOutcome>, single: bool, wait: Wait) -> Answer {
    let problem_of = |outcome: &RecordOutcome| match outcome {
        RecordOutcome::Refused { problem, .. } => Some(problem.clone()),
        _ => None,
    };
    let problems: Option<Vec<Problem>> = results.iter().map(problem_of).collect();
    if let Some(mut problems) = problems
        && (single || problems.iter().all(|problem| problem.status == 503))
        && let Some(problem) = problems.pop()
    {
        return Err(problem.into());
    }
    let status = match wait {
        Wait::None => StatusCode::ACCEPTED,
        Wait::Committed => StatusCode::OK,
    };
    json_with(status, &SubmitOutcomes { results })
}

pub(crate) async fn record(Extract(context): Shared, Path(id): Path<String>, uri: Uri) -> Answer {
    no_parameters(&uri)?;
    let id: RecordId = segment(&id)?;
    context.blocking(move |context| find(context, &id)).await
}

fn find(context: &Context, id: &RecordId) -> Answer {
    let snapshot = context.store.snapshot();
    let Some(place) = place(&State(&snapshot), id)? else {
        return Err(not_found(format!(
            "record {id} is not in the log of this node"
        )));
    };
    let damaged = || ViewError(format!("leaf {} is not record {id}", place.leaf));
    let leaf = snapshot.leaf(place.leaf)?.ok_or_else(damaged)?;
    let record = match leaf.as_slice() {
        [RECORD_LEAF, bytes @ ..] => EncodedRecord::decode(bytes).map_err(|_| damaged())?,
        _ => return Err(damaged().into()),
    };
    if record.id() != *id {
        return Err(damaged().into());
    }
    json(&RecordView {
        record_id: *id,
        leaf_index: place.leaf,
        height: place.height,
        time: place.time.into(),
        kind: record.record().body.kind().to_owned(),
        record: record.record().clone(),
    })
}
