//! Receipts: made by a node over HTTP, for now and for the past, and checked in process; their
//! size, and how all of it grows with the ledger.

use std::time::Instant;

use anyhow::{Context, ensure};
use credlog_api::submission::MEDIA_TYPE_RECORD;
use credlog_api::{Time, path};
use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::UnixMillis;
use credlog_verify::receipt::{CheckOptions, Receipt, Trust};

use crate::Setting;
use crate::figure::{Figure, Report, Target, quantile};
use crate::founding::{Founding, now};
use crate::http::Connection;
use crate::lookup::Size;
use crate::node::Node;
use crate::submit;
use crate::workload::{self, Shape};

/// Credentials of the small ledger that growth is measured against.
const SMALL: u64 = 10_000;
/// Changes of status, each in a block of its own, half of them before the date asked about.
const CHANGES: u64 = 64;
/// Receipts of each kind that are timed.
const ASKED: u64 = 2_000;

/// What was measured on one ledger; times in milliseconds, ascending.
struct Measured {
    now: Vec<f64>,
    past: Vec<f64>,
    checks: Vec<f64>,
    /// Mean bytes of a receipt for now, of one for the past.
    bytes: (f64, f64),
}

/// Receipts of a ledger of this size, beside those of a small one.
pub(crate) fn run(setting: &Setting, size: &Size, report: &mut Report) -> anyhow::Result<()> {
    let count = size.credentials();
    println!("receipts: {count} credentials in records of 256");
    let small = measure(setting, SMALL)?;
    let large = measure(setting, count)?;
    let p50 = |times: &[f64]| quantile(times, 0.5);
    let now = Figure::new(
        format!("receipt made at {count}, p50"),
        p50(&large.now),
        "ms",
    );
    report.add(now.target(Target::AtMost(1.0)));
    report.add(Figure::new(
        "receipt made, p99",
        quantile(&large.now, 0.99),
        "ms",
    ));
    let past = Figure::new("point-in-time receipt made, p50", p50(&large.past), "ms");
    report.add(past.target(Target::AtMost(20.0)));
    let checks = Figure::new("receipt checked, p50", p50(&large.checks), "ms");
    report.add(checks.target(Target::AtMost(1.0)));
    let growth = [
        ("receipt made", p50(&large.now), p50(&small.now), "ms"),
        (
            "point-in-time receipt",
            p50(&large.past),
            p50(&small.past),
            "ms",
        ),
        (
            "receipt checked",
            p50(&large.checks),
            p50(&small.checks),
            "ms",
        ),
        ("bytes of a receipt", large.bytes.0, small.bytes.0, "B"),
        (
            "bytes of a point-in-time receipt",
            large.bytes.1,
            small.bytes.1,
            "B",
        ),
    ];
    for (what, value, before, unit) in growth {
        let figure = Figure::new(format!("{what} at {count}"), value, unit);
        let figure = figure.beside("at 10,000", before);
        report.add(figure.target(Target::RatioAtMost(2.0)));
    }
    Ok(())
}

fn measure(setting: &Setting, credentials: u64) -> anyhow::Result<Measured> {
    let folder = tempfile::tempdir_in(&setting.dir)?;
    let founding = Founding::found(folder.path(), setting.cache_mib)?;
    let node = Node::start(&setting.credlog, &founding)?;
    let shape = submit::fill(&node, &founding, credentials)?;
    let at = change_statuses(&node, &founding, shape)?;
    let genesis = std::fs::read(founding.folder.join("genesis.json"))?;
    let trust = Trust::found(Genesis::parse(&genesis)?)?;
    let mut connection = Connection::open(node.address)?;
    // Spread over all records, and over places in them.
    let step = (shape.credentials() / ASKED).max(1) | 1;
    let numbers = (0..ASKED).map(|number| number * step % shape.credentials());
    let numbers: Vec<u64> = numbers.collect();
    let query = format!("?at={}", path::percent_encode(&Time::from(at).to_string()));
    let (now, receipts) = ask(&mut connection, &numbers, "")?;
    let (past, past_receipts) = ask(&mut connection, &numbers, &query)?;
    node.stop()?;
    let mut checks = check(&trust, &receipts)?;
    check(&trust, &past_receipts)?;
    checks.sort_by(f64::total_cmp);
    Ok(Measured {
        now,
        past,
        checks,
        bytes: (mean_bytes(&receipts), mean_bytes(&past_receipts)),
    })
}

/// Suspends credentials of every list, one a block; answers with a moment in the midst of it.
fn change_statuses(node: &Node, founding: &Founding, shape: Shape) -> anyhow::Result<UnixMillis> {
    let mut connection = Connection::open(node.address)?;
    let mut midst = None;
    for number in 0..CHANGES {
        let credential = shape.credentials() / CHANGES * number;
        let record = workload::suspension(founding, shape, credential)?;
        let answer = connection.post(path::RECORDS, MEDIA_TYPE_RECORD, &record)?;
        ensure!(
            answer.status < 300,
            "a suspension was answered {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        if number == CHANGES / 2 {
            // By the ledger's own clock: under load seals are a little ahead of this one.
            let outcomes: serde_json::Value = serde_json::from_slice(&answer.body)?;
            let time = outcomes["results"][0]["time"].as_str();
            let time: Time = time.context("no time of a record")?.parse()?;
            midst = Some(time.into());
        }
    }
    midst.context("there were no changes of status")
}

/// Milliseconds of each answer, ascending, and the receipts.
fn ask(
    connection: &mut Connection,
    numbers: &[u64],
    query: &str,
) -> anyhow::Result<(Vec<f64>, Vec<Vec<u8>>)> {
    let (mut times, mut receipts) = (Vec::new(), Vec::new());
    for number in numbers {
        let target = format!("{}{query}", path::receipt(&workload::digest(*number)));
        let begun = Instant::now();
        let answer = connection.get(&target)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        ensure!(
            answer.status == 200,
            "{target} was answered {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        receipts.push(answer.body);
    }
    times.sort_by(f64::total_cmp);
    Ok((times, receipts))
}

/// Milliseconds of each check, parsing included.
fn check(trust: &Trust, receipts: &[Vec<u8>]) -> anyhow::Result<Vec<f64>> {
    let options = CheckOptions {
        now: now()?,
        at: None,
        age_ms_max: None,
    };
    let mut times = Vec::with_capacity(receipts.len());
    for bytes in receipts {
        let begun = Instant::now();
        let receipt = Receipt::parse(bytes)?;
        let at = receipt.at;
        let proven = receipt.check(trust, &CheckOptions { at, ..options })?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        ensure!(proven.doubt.is_none(), "a receipt is in doubt");
    }
    Ok(times)
}

#[allow(clippy::cast_precision_loss)] // far fewer than 2^52
fn mean_bytes(receipts: &[Vec<u8>]) -> f64 {
    let all: usize = receipts.iter().map(Vec::len).sum();
    all as f64 / receipts.len().max(1) as f64
}
