//! What one node says over HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use credlog_e2e::{get, post_for};
use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::ids::RecordId;
use credlog_ledger::record::Record;
use serde_json::Value;

const ONE_RECORD: &str = "application/vnd.credlog.record";
/// A node answers a submission, one way or the other, within this time.
const SUBMIT_PATIENCE: Duration = Duration::from_secs(45);

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// The record is in the log, for good.
    Acknowledged(RecordId),
    /// Another answer.
    Otherwise {
        /// Status code.
        status: u16,
        /// Body.
        text: String,
    },
    /// None.
    NoAnswer(String),
}

impl Answered {
    /// The record's id, if it was acknowledged.
    ///
    /// # Errors
    /// What was answered instead.
    pub fn acknowledged(self) -> Result<RecordId> {
        match self {
            Self::Acknowledged(id) => Ok(id),
            other => anyhow::bail!("the record was not acknowledged: {other:?}"),
        }
    }
}

/// Where the log of a node ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Height of its newest block.
    pub height: u64,
    /// Leaves.
    pub size: u64,
    /// Root, hex.
    pub root: String,
    /// All of `GET /v1/ledger`.
    pub ledger: Value,
}

/// Posts a record and waits for what becomes of it.
pub(crate) fn submit(address: SocketAddr, record: &Record) -> Answered {
    let bytes = match record.to_bytes() {
        Ok(bytes) => bytes,
        Err(error) => return Answered::NoAnswer(error.to_string()),
    };
    match post_for(address, "/v1/records", ONE_RECORD, &bytes, SUBMIT_PATIENCE) {
        // A process killed in the middle of its answer has acknowledged nothing.
        Ok(answer) if answer.status == 200 && answer.json().is_ok() => {
            Answered::Acknowledged(Record::id_of(&bytes))
        }
        Ok(answer) => Answered::Otherwise {
            status: answer.status,
            text: String::from_utf8_lossy(&answer.body).into_owned(),
        },
        Err(error) => Answered::NoAnswer(format!("{error:#}")),
    }
}

/// `GET /v1/ledger`.
pub(crate) fn view(address: SocketAddr) -> Result<View> {
    let ledger = json(address, "/v1/ledger")?;
    let number = |name: &str| {
        ledger[name]
            .as_u64()
            .with_context(|| format!("/v1/ledger has no {name}: {ledger}"))
    };
    Ok(View {
        height: number("height")?,
        size: number("size")?,
        root: ledger["root"].as_str().context("no root")?.to_owned(),
        ledger,
    })
}

/// A route that answers JSON.
pub(crate) fn json(address: SocketAddr, path: &str) -> Result<Value> {
    let answer = get(address, path)?;
    ensure!(
        answer.status == 200,
        "GET {path} of {address}: {} {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    answer.json()
}

/// `GET /v1/certificates/{height}`.
pub(crate) fn certificate(address: SocketAddr, height: u64) -> Result<CommitCertificate> {
    let path = format!("/v1/certificates/{height}");
    let answer = get(address, &path)?;
    ensure!(
        answer.status == 200,
        "GET {path} of {address}: {}",
        answer.status
    );
    Ok(CommitCertificate::from_bytes(&answer.body)?)
}

/// The sum of a metric over its labels; nothing if the node has no such metric.
pub(crate) fn metric(address: SocketAddr, name: &str) -> Result<Option<f64>> {
    let answer = get(address, "/metrics")?;
    let text = String::from_utf8(answer.body)?;
    let mut sum = None;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((labelled, value)) = line.rsplit_once(' ') else {
            continue;
        };
        if labelled.split('{').next() == Some(name) {
            *sum.get_or_insert(0.0) += value.parse::<f64>()?;
        }
    }
    Ok(sum)
}
