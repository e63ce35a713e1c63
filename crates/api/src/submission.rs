//! Submitting records, and reading them back.
//!
//! POST /v1/records takes the canonical bytes of one record as [`MEDIA_TYPE_RECORD`], or many
//! as [`MEDIA_TYPE_RECORDS`]: each behind its length in four bytes, big-endian.

use credlog_ledger::ids::{Height, LeafIndex, RecordId};
use credlog_ledger::record::{RECORD_BYTES_MAX, Record};
use credlog_verify::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;

/// Media type of one record's canonical bytes.
pub const MEDIA_TYPE_RECORD: &str = "application/vnd.credlog.record";
/// Media type of many records, each behind its length.
pub const MEDIA_TYPE_RECORDS: &str = "application/vnd.credlog.records";
/// Most records in one request.
pub const RECORDS_MAX: usize = 4_096;
/// Most bytes of one request with many records, lengths included.
pub const RECORDS_BYTES_MAX: usize = 8 << 20;
/// Bytes of a length.
const LENGTH_BYTES: usize = 4;

/// What is wrong with a list of records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FramingError {
    /// No record.
    #[error("there is no record in the request")]
    Empty,
    /// More than [`RECORDS_MAX`].
    #[error("there are more than {RECORDS_MAX} records in the request; send them in parts")]
    TooMany,
    /// More than [`RECORDS_BYTES_MAX`].
    #[error("the records have {bytes} bytes; at most {RECORDS_BYTES_MAX} go into one request")]
    TooLong {
        /// Bytes of the request.
        bytes: usize,
    },
    /// A length that no record has.
    #[error("record {at} has {length} bytes; 1 to {RECORD_BYTES_MAX} are allowed")]
    Length {
        /// Place of the record, from 0.
        at: usize,
        /// Its length.
        length: usize,
    },
    /// The bytes end inside of a record or its length.
    #[error("the request ends inside of record {at}")]
    Truncated {
        /// Place of the record, from 0.
        at: usize,
    },
}

/// Writes many records behind their lengths.
///
/// # Errors
/// [`FramingError`] for what [`decode_records`] would refuse.
pub fn encode_records<T: AsRef<[u8]>>(records: &[T]) -> Result<Vec<u8>, FramingError> {
    match records.len() {
        0 => return Err(FramingError::Empty),
        1..=RECORDS_MAX => {}
        _ => return Err(FramingError::TooMany),
    }
    let mut bytes = Vec::new();
    for (at, record) in records.iter().enumerate() {
        let record = record.as_ref();
        let length = record.len();
        let prefix = u32::try_from(length).ok().filter(|_| fits(length));
        let prefix = prefix.ok_or(FramingError::Length { at, length })?;
        bytes.extend_from_slice(&prefix.to_be_bytes());
        bytes.extend_from_slice(record);
    }
    check_total(bytes.len())?;
    Ok(bytes)
}

/// Reads many records; whether each is one is not checked here.
///
/// # Errors
/// [`FramingError`].
pub fn decode_records(bytes: &[u8]) -> Result<Vec<&[u8]>, FramingError> {
    check_total(bytes.len())?;
    let mut records = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = records.len();
        if at == RECORDS_MAX {
            return Err(FramingError::TooMany);
        }
        let truncated = FramingError::Truncated { at };
        let (prefix, after) = rest
            .split_first_chunk::<LENGTH_BYTES>()
            .ok_or(truncated.clone())?;
        let length = u32::from_be_bytes(*prefix) as usize;
        if !fits(length) {
            return Err(FramingError::Length { at, length });
        }
        let (record, after) = after.split_at_checked(length).ok_or(truncated)?;
        records.push(record);
        rest = after;
    }
    if records.is_empty() {
        return Err(FramingError::Empty);
    }
    Ok(records)
}

fn fits(length: usize) -> bool {
    (1..=RECORD_BYTES_MAX).contains(&length)
}

fn check_total(bytes: usize) -> Result<(), FramingError> {
    if bytes > RECORDS_BYTES_MAX {
        return Err(FramingError::TooLong { bytes });
    }
    Ok(())
}

/// When POST /v1/records answers: `?wait=`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Wait {
    /// When every record is committed or refused.
    #[default]
    Committed,
    /// At once, with 202: the records were taken, and may still be refused.
    None,
}

/// Query of POST /v1/records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitQuery {
    /// When to answer.
    #[serde(default)]
    pub wait: Wait,
}

/// Answer to POST /v1/records, for one record too: 200, or 202 with `wait=none`. A single
/// record that is refused is answered by its problem alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubmitOutcomes {
    /// What became of each record, in the order of the request.
    pub results: Vec<RecordOutcome>,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(
    tag = "outcome",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[allow(clippy::large_enum_variant)] // most are committed; a problem is small enough
pub enum RecordOutcome {
    /// It stands in the log.
    #[schema(rename_all = "camelCase")]
    Committed {
        /// Its id.
        record_id: RecordId,
        /// Its place in the log.
        leaf_index: LeafIndex,
        /// Height of its block.
        height: Height,
        /// Time of its seal: when it takes effect.
        time: Time,
    },
    /// It was taken and is not committed yet; ask for it at /v1/records/{id}.
    #[schema(rename_all = "camelCase")]
    Accepted {
        /// Its id.
        record_id: RecordId,
    },
    /// It is not in the log, and this request will not bring it there.
    #[schema(rename_all = "camelCase")]
    Refused {
        /// Its id, if it could be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        record_id: Option<RecordId>,
        /// Why.
        problem: Problem,
    },
}

/// GET /v1/records/{id}.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordView {
    /// Its id.
    pub record_id: RecordId,
    /// Its place in the log.
    pub leaf_index: LeafIndex,
    /// Height of its block.
    pub height: Height,
    /// Time of its seal: when it takes effect.
    pub time: Time,
    /// What kind of record.
    pub kind: String,
    /// The record as it was signed (times in Unix milliseconds).
    pub record: Record,
}
