//! Records a second through POST to durable commit.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use credlog_api::submission::{MEDIA_TYPE_RECORD, MEDIA_TYPE_RECORDS, encode_records};
use credlog_api::{ledger::LedgerView, path};

use crate::Setting;
use crate::etcd;
use crate::figure::{Figure, Report, Target, quantile};
use crate::founding::Founding;
use crate::http::{Answer, Connection};
use crate::node::Node;
use crate::postgres::Postgres;
use crate::profile::Profile;
use crate::workload::{self, Shape};

/// Times a request that is answered 503 is sent again.
const RETRIES_MAX: u32 = 1_000;

/// The load.
#[derive(Debug, Clone, Args)]
pub(crate) struct Load {
    /// Credentials a record: 1 to 1,024.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub(crate) items: u64,
    /// Credentials in all.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) credentials: u64,
    /// Records a request.
    #[arg(long, default_value_t = 100)]
    pub(crate) batch: usize,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 32)]
    pub(crate) connections: usize,
}

impl Load {
    /// Single-credential records, one a request.
    pub(crate) fn single_one_a_request() -> Self {
        Self {
            items: 1,
            credentials: 60_000,
            batch: 1,
            connections: 256,
        }
    }

    /// Single-credential records, a hundred a request.
    pub(crate) fn single() -> Self {
        Self {
            items: 1,
            credentials: 200_000,
            batch: 100,
            connections: 32,
        }
    }

    /// Records of 256 credentials.
    pub(crate) fn packed() -> Self {
        Self {
            items: 256,
            credentials: 1_000_000,
            batch: 8,
            connections: 16,
        }
    }

    fn name(&self) -> String {
        let Self {
            items,
            batch,
            connections,
            ..
        } = self;
        format!("records of {items}, {batch} a request, {connections} connections")
    }
}

/// What a load did.
pub(crate) struct Outcome {
    pub(crate) elapsed: Duration,
    /// Seconds of each request, ascending.
    pub(crate) answers: Vec<f64>,
    /// Requests sent again after a 503.
    pub(crate) retries: u64,
    pub(crate) blocks: u64,
}

/// Runs a load on a new ledger, then its yardsticks.
pub(crate) fn run(setting: &Setting, load: &Load, report: &mut Report) -> anyhow::Result<()> {
    println!("submit: {}", load.name());
    let folder = tempfile::tempdir_in(&setting.dir)?;
    let founding = Founding::found(folder.path(), setting.cache_mib)?;
    let shape = Shape::of(load.credentials, load.items);
    let records = workload::issues(&founding, shape)?;
    let node = Node::start(&setting.credlog, &founding)?;
    prepare(node.address, &founding, shape)?;
    let profile = setting
        .perf
        .then(|| Profile::begin(&[node.id()], folder.path()))
        .transpose()?;
    let before = node.process.cpu_by_thread()?;
    let outcome = send(&[node.address], &records, load)?;
    let cpu = node.process.cpu_by_thread()?;
    if let Some(profile) = profile {
        profile.end()?.print();
    }
    let seconds = outcome.elapsed.as_secs_f64();
    let each = 1e6 / shape.records as f64;
    let mut threads = Vec::new();
    for (thread, used) in cpu {
        let used = used - before.get(&thread).unwrap_or(&0.0);
        println!("  CPU of thread {thread}: {:.0} %", 100.0 * used / seconds);
        let name = format!("CPU of {thread}, {}", load.name());
        threads.push(Figure::new(name, used * each, "us a record"));
    }
    println!("  requests sent again after 503: {}", outcome.retries);
    let peak_mib = node.memory()?.peak_mib;
    node.stop()?;
    drop(folder);
    let mut figures = figures(load, shape, &outcome);
    figures.others.extend(threads);
    let peak = Figure::new(
        format!("peak memory of the node, {}", load.name()),
        peak_mib,
        "MiB",
    );
    figures.others.push(peak.target(Target::AtMost(512.0)));
    judge(setting, load, figures, report)
}

/// Issue records of 256 on a new ledger, sent as fast as they go: a prepared ledger.
pub(crate) fn fill(node: &Node, founding: &Founding, credentials: u64) -> anyhow::Result<Shape> {
    let shape = Shape::of(credentials, 256);
    prepare(node.address, founding, shape)?;
    let records = workload::issues(founding, shape)?;
    send(&[node.address], &records, &Load::packed())?;
    Ok(shape)
}

/// Accredits the issuers of a shape and opens their lists, one record after the other.
pub(crate) fn prepare(node: SocketAddr, founding: &Founding, shape: Shape) -> anyhow::Result<()> {
    let mut connection = Connection::open(node)?;
    for record in workload::preparation(founding, shape)? {
        let answer = connection.post(path::RECORDS, MEDIA_TYPE_RECORD, &record)?;
        check(&answer, 1)?;
    }
    Ok(())
}

/// Sends all records, to each node in turn.
pub(crate) fn send(
    nodes: &[SocketAddr],
    records: &[Vec<u8>],
    load: &Load,
) -> anyhow::Result<Outcome> {
    let first = *nodes.first().context("no node")?;
    let bodies: Vec<(usize, Vec<u8>)> = records
        .chunks(load.batch)
        .map(|part| Ok((part.len(), body(part)?)))
        .collect::<anyhow::Result<_>>()?;
    let kind = if load.batch == 1 {
        MEDIA_TYPE_RECORD
    } else {
        MEDIA_TYPE_RECORDS
    };
    let connections = (0..load.connections)
        .zip(nodes.iter().cycle())
        .map(|(_, node)| Connection::open(*node))
        .collect::<std::io::Result<Vec<_>>>()?;
    let height_before = height(first)?;
    let next = AtomicUsize::new(0);
    let (answers, retries) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    let began = Instant::now();
    let sender = |mut connection: Connection| -> anyhow::Result<()> {
        let mut own = Vec::new();
        while let Some((count, body)) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
            let sent = Instant::now();
            let again = deliver(&mut connection, kind, body, *count)?;
            own.push(sent.elapsed().as_secs_f64());
            retries.fetch_add(again as usize, Ordering::Relaxed);
        }
        answers
            .lock()
            .map_err(|_| anyhow::anyhow!("a sender panicked"))?
            .extend(own);
        Ok(())
    };
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let senders: Vec<_> = connections
            .into_iter()
            .map(|connection| scope.spawn(|| sender(connection)))
            .collect();
        for sender in senders {
            sender
                .join()
                .map_err(|_| anyhow::anyhow!("a sender panicked"))??;
        }
        Ok(())
    })?;
    let elapsed = began.elapsed();
    let mut answers = answers
        .into_inner()
        .map_err(|_| anyhow::anyhow!("a sender panicked"))?;
    answers.sort_by(f64::total_cmp);
    Ok(Outcome {
        elapsed,
        answers,
        retries: retries.into_inner() as u64,
        blocks: height(first)? - height_before,
    })
}

/// One record bare, many each behind its length.
fn body(records: &[Vec<u8>]) -> anyhow::Result<Vec<u8>> {
    match records {
        [record] => Ok(record.clone()),
        _ => Ok(encode_records(records)?),
    }
}

/// Sends a request until it is taken; how often it was sent again.
fn deliver(
    connection: &mut Connection,
    kind: &str,
    body: &[u8],
    count: usize,
) -> anyhow::Result<u32> {
    for again in 0..RETRIES_MAX {
        let answer = connection.post(path::RECORDS, kind, body)?;
        if answer.status == 503 {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        }
        check(&answer, count)?;
        return Ok(again);
    }
    bail!("answered 503 {RETRIES_MAX} times")
}

/// Every record of the request is committed.
pub(crate) fn check(answer: &Answer, count: usize) -> anyhow::Result<()> {
    let committed = b"\"outcome\":\"committed\"";
    let committed = answer
        .body
        .windows(committed.len())
        .filter(|at| at == committed)
        .count();
    if answer.status != 200 || committed != count {
        let text = String::from_utf8_lossy(&answer.body);
        let start: String = text.chars().take(600).collect();
        bail!(
            "{committed} of {count} records committed; status {}: {start}",
            answer.status
        );
    }
    Ok(())
}

pub(crate) fn height(node: SocketAddr) -> anyhow::Result<u64> {
    let answer = Connection::open(node)?.get(path::LEDGER)?;
    let ledger: LedgerView = serde_json::from_slice(&answer.body).context("GET /v1/ledger")?;
    Ok(ledger.height.0)
}

struct Figures {
    records: Figure,
    credentials: Figure,
    others: Vec<Figure>,
}

fn figures(load: &Load, shape: Shape, outcome: &Outcome) -> Figures {
    let name = load.name();
    let seconds = outcome.elapsed.as_secs_f64();
    let per_second =
        |count: u64, what| Figure::new(format!("{what}, {name}"), count as f64 / seconds, "/s");
    let millis = |share: f64| 1000.0 * quantile(&outcome.answers, share);
    Figures {
        records: per_second(shape.records, "records committed"),
        credentials: per_second(shape.credentials(), "credentials committed"),
        others: vec![
            Figure::new(format!("answer p50, {name}"), millis(0.5), "ms"),
            Figure::new(format!("answer p99, {name}"), millis(0.99), "ms"),
            Figure::new(format!("blocks, {name}"), outcome.blocks as f64, ""),
        ],
    }
}

fn judge(
    setting: &Setting,
    load: &Load,
    figures: Figures,
    report: &mut Report,
) -> anyhow::Result<()> {
    let Figures {
        mut records,
        mut credentials,
        others,
    } = figures;
    if !setting.no_yardsticks {
        let inserts = inserts(&setting.dir, setting.seconds)?;
        println!("  PostgreSQL durable inserts: {inserts:.0}/s");
        credentials = credentials.beside("PostgreSQL inserts", inserts);
        if load.items == 1 {
            // etcd's own load gives up on a busy machine; the figures of the node stand.
            match etcd::puts_per_second(&setting.dir) {
                Ok(puts) => {
                    println!("  etcd durable puts: {puts:.0}/s");
                    records = records.beside("etcd puts, 3 nodes", puts);
                }
                Err(error) => eprintln!("  no yardstick: {error:#}"),
            }
        }
    }
    if load.items == 1 {
        report.add(records.target(Target::RatioAtLeast(1.0)));
        report.add(credentials);
    } else {
        report.add(records);
        report.add(credentials.target(Target::AtLeast(20_000.0)));
    }
    others.into_iter().for_each(|figure| report.add(figure));
    Ok(())
}

/// PostgreSQL's durable inserts a second.
pub(crate) fn inserts(dir: &Path, seconds: u32) -> anyhow::Result<f64> {
    let postgres = Postgres::start(dir)?;
    let inserts = postgres.inserts_per_second(seconds)?;
    postgres.stop()?;
    Ok(inserts)
}
