//! POST /v1/records and GET /v1/records/{id}.

use axum::extract::{Path, Request, State as Extract};
use bytes::Bytes;
use credlog_api::submission::{MEDIA_TYPE_RECORD, MEDIA_TYPE_RECORDS, SubmitQuery, decode_records};
use credlog_api::{Problem, ProblemType, RecordOutcome, RecordView, SubmitOutcomes, Wait};
use credlog_ledger::body::Body;
use credlog_ledger::ids::{IssuerId, RecordId};
use credlog_ledger::record::{AuthorId, EncodedRecord, RECORD_BYTES_MAX, RECORD_LEAF};
use credlog_ledger::rejection::Rejection;
use credlog_ledger::state::{State, ViewError};
use http::{StatusCode, Uri};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::admission::place;
use crate::admission::{REQUEST_BAD_SIGNATURES_MAX, Sender};
use crate::http::answer::{Answer, Refusal, internal, json, json_with, not_found};
use crate::http::guard::{client, rate_limited};
use crate::http::query::{no_parameters, parameters, segment};
use crate::http::{Context, Shared, body, disk_full};
use crate::mempool::{Outcome, Waiter};

/// Bodies up to this size are decoded where they arrive; longer ones elsewhere.
const DECODE_INLINE_BYTES_MAX: usize = 32 * 1_024;
/// How often records of a request are handed in again that follow from others of it: an
/// accreditation, then a rotation of keys, then what the new key signed.
const FOLLOWING_ROUNDS_MAX: usize = 3;
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
    // From here on the limits of the queue and the mempool bound what the records take; those
    // of a request that introduces an author are kept besides until its last answer.
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

/// What became of a record of a request.
struct Handed {
    id: RecordId,
    /// Kept where others of the request may depend on it, or it on them.
    record: Option<EncodedRecord>,
    outcome: Outcome,
}

/// What became of one record that the node made itself for a client.
pub(super) async fn submit_one(
    context: &Context,
    client: IpAddr,
    record: EncodedRecord,
) -> RecordOutcome {
    let handed = hand_in(context, client, vec![record], Wait::Committed, false).await;
    let ended = handed
        .into_iter()
        .next()
        .map(|end| outcome(end.id, end.outcome));
    // One record has one end.
    ended.unwrap_or_else(|| RecordOutcome::Refused {
        record_id: None,
        problem: *internal().0,
    })
}

/// Hands the records in and waits for what becomes of each.
async fn outcomes(
    context: &Context,
    client: IpAddr,
    arrived: Vec<Arrived>,
    wait: Wait,
) -> Vec<RecordOutcome> {
    enum Expected {
        /// At this place among those handed in.
        Handed(usize),
        Malformed(Box<Problem>),
    }
    let mut records = Vec::with_capacity(arrived.len());
    let mut places = HashMap::new();
    let expected: Vec<_> = arrived
        .into_iter()
        .map(|arrived| match arrived {
            Ok(record) => {
                // The same record may stand in the request again.
                let place = *places.entry(record.id()).or_insert(records.len());
                if place == records.len() {
                    records.push(record);
                }
                Expected::Handed(place)
            }
            Err(problem) => {
                context.metrics.observe_record("unknown", "malformed");
                Expected::Malformed(problem)
            }
        })
        .collect();
    let introduces = |record: &EncodedRecord| {
        matches!(
            record.record().body,
            Body::Accredit(_) | Body::RotateKeys(_)
        )
    };
    let keep = records.iter().any(introduces);
    let mut handed = hand_in(context, client, records, wait, keep).await;
    let mut before = Vec::new();
    for _ in 0..FOLLOWING_ROUNDS_MAX {
        let following = following(&handed);
        // What nothing has changed for is not tried again.
        if following.is_empty() || following == before {
            break;
        }
        let records = following.iter().filter_map(|at| handed[*at].record.take());
        let again = hand_in(context, client, records.collect(), wait, keep).await;
        for (at, again) in following.iter().zip(again) {
            handed[*at] = again;
        }
        before = following;
    }
    let outcomes = expected.into_iter().map(|expected| match expected {
        Expected::Handed(place) => {
            let end = &handed[place];
            outcome(end.id, end.outcome.clone())
        }
        Expected::Malformed(problem) => RecordOutcome::Refused {
            record_id: None,
            problem: *problem,
        },
    });
    outcomes.collect()
}

/// Hands records in and waits for all of them.
async fn hand_in(
    context: &Context,
    client: IpAddr,
    records: Vec<EncodedRecord>,
    wait: Wait,
    keep: bool,
) -> Vec<Handed> {
    let mut submitted = Vec::with_capacity(records.len());
    let mut answers = Vec::with_capacity(records.len());
    for record in records {
        let (waiter, answer) = Waiter::new(wait == Wait::None);
        answers.push((record.id(), keep.then(|| record.clone()), answer));
        submitted.push((record, waiter));
    }
    context.admission.submit(Sender::client(client), submitted);
    let mut handed = Vec::with_capacity(answers.len());
    for (id, record, answer) in answers {
        // A waiter that was dropped without an answer is one nobody can answer.
        let outcome = answer.await.unwrap_or(Outcome::Unavailable);
        handed.push(Handed {
            id,
            // What may not be tried again is not kept until the last one ends.
            record: record.filter(|_| !matches!(outcome, Outcome::Full)),
            outcome,
        });
    }
    handed
}

/// The records that were refused since the committed state did not know their author or its
/// key, and before which one of the same request was committed that made them known.
fn following(handed: &[Handed]) -> Vec<usize> {
    let mut known: HashSet<&IssuerId> = HashSet::new();
    let mut following = Vec::new();
    for (at, end) in handed.iter().enumerate() {
        let Some(record) = end.record.as_ref().map(EncodedRecord::record) else {
            continue;
        };
        let outcome = &end.outcome;
        let AuthorId::Issuer(author) = &record.author.id else {
            if let (Body::Accredit(accredit), Outcome::Committed(_)) = (&record.body, outcome) {
                known.insert(&accredit.issuer);
            }
            continue;
        };
        match outcome {
            Outcome::Committed(_) if matches!(record.body, Body::RotateKeys(_)) => {
                known.insert(author);
            }
            Outcome::Refused(rejection)
                if matches!(
                    **rejection,
                    Rejection::UnknownAuthor { .. } | Rejection::KeyNotActive { .. }
                ) && known.contains(author) =>
            {
                following.push(at);
            }
            _ => {}
        }
    }
    following
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
    let damaged = || ViewError::Damaged(format!("leaf {} is not record {id}", place.leaf));
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
