//! Execution and store alone, in process and on one core: what a node does with a record
//! apart from HTTP, split into its steps. Waiting for the disk counts in times, not in those that
//! are said to be the processor's.

use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use credlog_ledger::clock::proposer_time;
use credlog_ledger::ids::Round;
use credlog_ledger::record::EncodedRecord;
use credlog_ledger::rejection::Rejection;
use credlog_ledger::signature::verify_batch;
use credlog_ledger::state::State;
use credlog_ledger::transition::{ApplyError, Execution, Opening};
use credlog_store::{Options, Store};
use credlog_verify::{Common, Question, gather_with};

use crate::Setting;
use crate::figure::{Figure, Report};
use crate::founding::{Founding, now};
use crate::node::disk_bytes;
use crate::workload::{self, Shape};

/// The load.
#[derive(Debug, Clone, Args)]
pub(crate) struct Load {
    /// Credentials a record: 1 to 1,024.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1024))]
    items: u64,
    /// Credentials in all.
    #[arg(long, default_value_t = 200_000)]
    credentials: u64,
    /// Most records a block; blocks are also full at 1 MiB.
    #[arg(long, default_value_t = 10_000)]
    block_records: usize,
}

/// Time spent in each step.
#[derive(Debug, Default)]
struct Steps {
    decode: Duration,
    verify: Duration,
    execute: Duration,
    seal: Duration,
    commit: Duration,
    commit_cpu: Duration,
    blocks: u32,
}

/// Builds and commits blocks until every record is in the log.
pub(crate) fn run(setting: &Setting, load: &Load, report: &mut Report) -> anyhow::Result<()> {
    let Load {
        items,
        block_records,
        ..
    } = load;
    println!("core: records of {items}, at most {block_records} a block");
    let folder = tempfile::tempdir_in(&setting.dir)?;
    let founding = Founding::found(folder.path(), setting.cache_mib)?;
    let genesis = std::fs::read(folder.path().join("genesis.json"))?;
    let store = Store::create(&folder.path().join("data"), &genesis, &Options::default())?;
    let shape = Shape::of(load.credentials, load.items);
    let preparation = workload::preparation(&founding, shape)?;
    for record in &preparation {
        commit(
            &store,
            std::slice::from_ref(record),
            1,
            &mut Steps::default(),
        )?;
    }
    let records = workload::issues(&founding, shape)?;
    let mut steps = Steps::default();
    let cpu = cpu_time()?;
    let (began, mut rest) = (Instant::now(), records.as_slice());
    while !rest.is_empty() {
        let taken = commit(&store, rest, load.block_records, &mut steps)?;
        rest = &rest[taken..];
    }
    let seconds = began.elapsed().as_secs_f64();
    let cpu = cpu_time()?.saturating_sub(cpu);
    let name = format!("records of {items}, blocks of at most {block_records}, in process");
    let rate = shape.credentials() as f64 / seconds;
    report.add(Figure::new(format!("credentials, {name}"), rate, "/s"));
    let each = 1e6 / shape.records as f64;
    for (step, time) in [
        ("all steps, processor", cpu),
        ("decode", steps.decode),
        ("verify in batches", steps.verify),
        ("execute", steps.execute),
        ("seal", steps.seal),
        ("commit, processor", steps.commit_cpu),
        ("commit, durable", steps.commit),
    ] {
        report.add(Figure::new(
            format!("{step}, {name}"),
            time.as_secs_f64() * each,
            "us a record",
        ));
    }
    report.add(Figure::new(
        format!("blocks, {name}"),
        f64::from(steps.blocks),
        "",
    ));
    let disk = disk_bytes(&folder.path().join("data"))? as f64;
    let each = disk / shape.credentials() as f64;
    report.add(Figure::new(
        format!("disk, {name}"),
        each,
        "bytes a credential",
    ));
    lookups(&store, shape.credentials(), report)
}

/// Time that this thread was on a processor (`/proc/thread-self/schedstat`).
fn cpu_time() -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split_whitespace().next().context("no schedstat")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}

/// What a lookup costs apart from HTTP: facts from the store, and their JSON.
fn lookups(store: &Store, credentials: u64, report: &mut Report) -> anyhow::Result<()> {
    const LOOKUPS: u64 = 50_000;
    let (mut gathering, mut writing) = (Duration::ZERO, Duration::ZERO);
    let (mut bytes, common) = (0, Common::read(&store.snapshot())?);
    for number in 0..LOOKUPS {
        // A stride that is prime: every part of the index, in no order.
        let digest = workload::digest(number * 7_368_787 % credentials);
        let question = Question {
            digest,
            issuer: None,
            at: None,
            positions: Vec::new(),
            now: now()?,
        };
        let clock = Instant::now();
        let facts = gather_with(&store.snapshot(), &common, &question)?;
        gathering += clock.elapsed();
        anyhow::ensure!(facts.match_count == 1, "credential {digest} is not there");
        let clock = Instant::now();
        bytes += serde_json::to_vec(&facts)?.len();
        writing += clock.elapsed();
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / LOOKUPS as f64;
    let name = format!("{credentials} credentials, in process");
    report.add(Figure::new(
        format!("gather facts, {name}"),
        each(gathering),
        "us a lookup",
    ));
    report.add(Figure::new(
        format!("write JSON, {name}"),
        each(writing),
        "us a lookup",
    ));
    let length = bytes as f64 / LOOKUPS as f64;
    report.add(Figure::new(
        format!("length of the answer, {name}"),
        length,
        "bytes",
    ));
    Ok(())
}

/// One block of the first records; how many it took.
fn commit(
    store: &Store,
    records: &[Vec<u8>],
    most: usize,
    steps: &mut Steps,
) -> anyhow::Result<usize> {
    let snapshot = store.snapshot();
    let state = State(&snapshot);
    let (head, parameters) = (state.head()?, state.parameters()?);
    let members = state.members()?;
    let opening = Opening {
        time: proposer_time(now()?, head.time, parameters.min_block_interval_ms, None),
        round: Round(0),
        proposer: members
            .proposer(head.height.next(), Round(0))
            .member
            .id
            .clone(),
    };
    let mut clock = Instant::now();
    let mut lap = |step: &mut Duration| {
        *step += clock.elapsed();
        clock = Instant::now();
    };
    let bytes = records.iter().take(most);
    let mut sum = 0;
    let fits = bytes.take_while(|record| {
        sum += record.len() + 3;
        sum <= credlog_ledger::block::BLOCK_BYTES_MAX
    });
    let decoded = fits.map(|bytes| EncodedRecord::decode(bytes));
    let mut decoded = decoded.collect::<Result<Vec<_>, _>>()?;
    lap(&mut steps.decode);
    let keys = decoded
        .iter()
        .map(|one| state.author_key(&one.record().author));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    verify_batch(&mut decoded, &keys);
    lap(&mut steps.verify);
    let mut execution = Execution::open(&snapshot, opening)?;
    for record in decoded {
        match execution.apply(record) {
            Ok(_) => {}
            Err(ApplyError::Rejected(Rejection::BlockFull {})) => break,
            Err(error) => return Err(error).context("a record of the load"),
        }
    }
    let taken = execution.record_count();
    lap(&mut steps.execute);
    let executed = execution.seal()?;
    lap(&mut steps.seal);
    let cpu = cpu_time()?;
    store.commit(&executed, None)?;
    steps.commit_cpu += cpu_time()?.saturating_sub(cpu);
    lap(&mut steps.commit);
    steps.blocks += 1;
    Ok(taken)
}
