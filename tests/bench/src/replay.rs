//! An auditor's replay of a ledger of single credentials, beside the bare check of the same
//! signatures in batches on all cores.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use credlog_api::path;
use credlog_audit::{Folder, Options, replay};
use credlog_e2e::{Place, Seat};
use credlog_ledger::certificate::{CommitCertificate, CommitSignature};
use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::{Height, Round, UnixMillis, ValueId};
use credlog_ledger::record::EncodedRecord;
use credlog_ledger::signature::verify_batch;
use credlog_ledger::state::{MemoryState, State};
use credlog_ledger::transition::{Executed, Execution, Opening, genesis_state};
use credlog_ledger::vote::{VoteKind, vote_message};
use credlog_tlog::{
    CosignatureSigner, Note, NoteSigner, TileAppender, TileLevel, TilePath, encode_bundle,
};
use ed25519_dalek::Signer as _;
use ed25519_zebra::{Signature, VerificationKeyBytes, batch};

use crate::Setting;
use crate::figure::{Figure, Report, Target};
use crate::founding::{Founding, now};
use crate::workload::{self, Shape};

/// Members of the ledger; a quorum of them signs each certificate.
const MEMBERS: usize = 4;
/// Signatures in a batch of the yardstick: each is tried, the best counts.
const BATCHES: [usize; 4] = [256, 1_024, 4_096, 8_192];
/// Each is measured so often, in turn; the median counts.
const ROUNDS: usize = 3;

/// The load.
#[derive(Debug, Clone, Args)]
pub(crate) struct Load {
    /// Records of one credential each.
    #[arg(long, default_value_t = 200_000)]
    records: u64,
    /// Records a block.
    #[arg(long, default_value_t = 500)]
    block_records: usize,
    /// Threads of the replay; default one a core.
    #[arg(long)]
    threads: Option<usize>,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            records: 200_000,
            block_records: 500,
            threads: None,
        }
    }
}

/// Makes a ledger as files, and measures how fast it is checked.
pub(crate) fn run(setting: &Setting, load: &Load, report: &mut Report) -> anyhow::Result<()> {
    let Load {
        records,
        block_records,
        ..
    } = load;
    println!("replay: {records} records of one credential, {block_records} a block");
    let folder = tempfile::tempdir_in(&setting.dir)?;
    let (genesis, signed) = write(folder.path(), load)?;
    let source = Folder::new(folder.path());
    let mut options = Options::default();
    options.threads = load.threads.unwrap_or(options.threads);
    let (mut bare, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let best = BATCHES.iter().map(|size| bare_rate(&signed, *size));
        bare.push(best.fold(0.0, f64::max));
        let began = Instant::now();
        let audited = replay(&source, &genesis, &options, &mut |_| {})?;
        let seconds = began.elapsed().as_secs_f64();
        anyhow::ensure!(audited.is_clean(), "{audited:#?}");
        rates.push(audited.records as f64 / seconds);
    }
    println!("bare {bare:.0?}, replay {rates:.0?}");
    let name = format!("replay, records of one credential, {block_records} a block");
    let median = |rates: &mut Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let figure = Figure::new(name, median(&mut rates), "records/s")
        .beside("ed25519-zebra, batches on all cores", median(&mut bare))
        .target(Target::RatioAtLeast(0.8));
    report.add(figure);
    let genesis_file = folder.path().join("genesis.json");
    fs::write(&genesis_file, serde_json::to_vec(&genesis)?)?;
    let small = peak_bytes(setting, folder.path(), &genesis_file)?;
    report.add(Figure::new(
        format!("peak memory of the auditor, {records} credentials"),
        small / f64::from(1 << 20),
        "MiB",
    ));
    report.add(Figure::new(
        "the same, a credential",
        small / *records as f64,
        "bytes",
    ));
    Ok(())
}

/// The rate of the signatures alone: batches of so many, on all cores.
fn bare_rate(signed: &[EncodedRecord], batch_size: usize) -> f64 {
    let key = |record: &EncodedRecord| record.verified_by().unwrap_or_default();
    let prepared: Vec<_> = signed
        .iter()
        .map(|one| (key(one), one.record().signature, one.message()))
        .collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let batches: Vec<_> = prepared.chunks(batch_size).collect();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(items) = batches.get(at) else {
                        return;
                    };
                    let mut verifier = batch::Verifier::new();
                    for (key, signature, message) in *items {
                        let key = VerificationKeyBytes::from(*key);
                        verifier.queue((key, Signature::from(*signature), message));
                    }
                    assert!(
                        verifier.verify(rand::thread_rng()).is_ok(),
                        "a signature is bad"
                    );
                }
            });
        }
    });
    prepared.len() as f64 / began.elapsed().as_secs_f64()
}

/// The most memory that `credlog audit replay` takes.
fn peak_bytes(setting: &Setting, folder: &Path, genesis: &Path) -> anyhow::Result<f64> {
    let mut auditor = Command::new(&setting.credlog)
        .args(["audit", "replay", "--json", "--from"])
        .arg(folder)
        .arg("--genesis")
        .arg(genesis)
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| setting.credlog.display().to_string())?;
    let mut peak = 0.0_f64;
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", auditor.id()));
        let line = status.unwrap_or_default();
        let line = line.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        peak = peak.max(kib.unwrap_or_default() * 1_024.0);
        if let Some(status) = auditor.try_wait()? {
            anyhow::ensure!(status.success(), "the audit ended with {status}");
            return Ok(peak);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Founds a ledger, makes its blocks and writes the files of a copy. Answers the Issue records,
/// marked as verified.
fn write(folder: &Path, load: &Load) -> anyhow::Result<(Genesis, Vec<EncodedRecord>)> {
    let seats = (1..=MEMBERS)
        .map(|number| Seat::new(number, Place::free()?))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let genesis = credlog_e2e::genesis(&seats)?;
    let founding = Founding::new(&genesis, seats[0].clone(), folder, None)?;
    let mut chain = Chain {
        state: genesis_state(&genesis)?,
        time: now()?,
        log: TileAppender::new(),
        leaves: Vec::new(),
        certificates: Vec::new(),
        newest: None,
        genesis: &genesis,
        seats: &seats,
    };
    let shape = Shape::of(load.records, 1);
    for record in workload::preparation(&founding, shape)? {
        chain.append(vec![EncodedRecord::decode(&record)?])?;
    }
    let mut all = Vec::with_capacity(usize::try_from(load.records)?);
    for block in workload::issues(&founding, shape)?.chunks(load.block_records) {
        let records = block.iter().map(|bytes| EncodedRecord::decode(bytes));
        all.extend(chain.append(records.collect::<Result<_, _>>()?)?);
    }
    chain.write(folder)?;
    Ok((genesis, all))
}

/// A ledger that grows in memory.
struct Chain<'g> {
    state: MemoryState,
    time: UnixMillis,
    log: TileAppender,
    leaves: Vec<Vec<u8>>,
    certificates: Vec<Vec<u8>>,
    newest: Option<Executed>,
    genesis: &'g Genesis,
    seats: &'g [Seat],
}

impl Chain<'_> {
    /// Seals a block; answers its records, marked as verified.
    fn append(&mut self, mut records: Vec<EncodedRecord>) -> anyhow::Result<Vec<EncodedRecord>> {
        let state = State(&self.state);
        let authors = records.iter().map(|record| &record.record().author);
        let keys: Result<Vec<_>, _> = authors.map(|author| state.author_key(author)).collect();
        verify_batch(&mut records, &keys?);
        let height = state.head()?.height.next();
        self.time = self.time.plus(1);
        let proposer = state
            .members()?
            .proposer(height, Round(0))
            .member
            .id
            .clone();
        let opening = Opening {
            time: self.time,
            round: Round(0),
            proposer,
        };
        let mut execution = Execution::open(&self.state, opening)?;
        for record in records {
            execution.apply(record)?;
        }
        let executed = execution.seal()?;
        self.state.apply(&executed.changes);
        self.log.append_many(executed.leaf_hashes.iter().copied());
        self.leaves
            .extend(executed.records.iter().map(EncodedRecord::leaf));
        self.leaves.push(executed.seal.leaf()?);
        let certificate = self.certify(height, executed.value_id()?)?;
        self.certificates.push(certificate.to_bytes()?);
        let records = executed.records.clone();
        self.newest = Some(executed);
        Ok(records)
    }

    /// A certificate by a quorum.
    fn certify(&self, height: Height, value: ValueId) -> anyhow::Result<CommitCertificate> {
        let (round, kind) = (Round(0), VoteKind::Precommit);
        let ledger = self.genesis.ledger_id()?;
        let message = vote_message(&ledger, kind, height, round, Some(&value));
        let quorum = self.genesis.member_set().quorum();
        let sign = |seat: &Seat| CommitSignature {
            member: seat.id.clone(),
            signature: seat.consensus.sign(&message).to_bytes(),
        };
        let signatures = self.seats.iter().take(quorum).map(sign).collect();
        Ok(CommitCertificate::new(height, round, value, signatures)?)
    }

    /// Writes all files.
    fn write(mut self, folder: &Path) -> anyhow::Result<()> {
        let put = |path: &str, bytes: &[u8]| -> anyhow::Result<()> {
            let path = folder.join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().context("no folder")?)?;
            Ok(fs::write(path, bytes)?)
        };
        for tile in self.log.take_changed() {
            put(&path::tile(&tile.path()?), &tile.to_bytes())?;
        }
        for (index, leaves) in (0..).zip(self.leaves.chunks(256)) {
            let width = u16::try_from(leaves.len())?;
            let bundle = TilePath::new(TileLevel::Entries, index, width)?;
            put(&path::tile(&bundle), &encode_bundle(leaves)?)?;
        }
        for (index, certificates) in (0..).zip(self.certificates.chunks(256)) {
            let width = u16::try_from(certificates.len())?;
            let bundle = path::certificate_bundle(index, width)?;
            put(&bundle, &encode_bundle(certificates)?)?;
        }
        let founders = self.genesis.member_set().to_bytes()?;
        put(&path::members_at(Height(1)), &founders)?;
        let newest = self.newest.take().context("no block")?.checkpoint()?;
        let origin = self.genesis.origin.as_str();
        let node = NoteSigner::new(origin, self.seats[0].node.clone())?;
        let mut lines = vec![node.sign(&newest.body())?];
        for seat in self.seats {
            let name = format!("{origin}/{}/0", seat.id);
            let cosigner = CosignatureSigner::new(&name, seat.cosigner.clone())?;
            lines.push(cosigner.cosign(&newest, self.time.0 / 1_000));
        }
        let note = Note::new(&newest.body(), lines)?.to_string();
        put(path::CHECKPOINT, note.as_bytes())
    }
}
