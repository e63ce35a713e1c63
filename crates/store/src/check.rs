//! `credlog store check`: everything that a stopped node has stored, looked at.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use credlog_ledger::ids::Height;
use credlog_ledger::state::{MemoryState, State, View};
use credlog_ledger::transition::genesis_state;
use credlog_tlog::{Tile, TileAppender};

use crate::cell::{self, Kind, TILE_PART_HASHES, tile_key};
use crate::database::{Options, open_sled};
use crate::fault::{Fault, OpenError, StoreError};
use crate::folder::{self, SLED, copy_tree, io_error};
use crate::generation::{Cells, Generation};
use crate::opening::{check_space, read_position};
use crate::progress::Progress;
use crate::replay::{Replayed, replay};
use crate::rows::each_row;
use crate::store::read_genesis;
use crate::verify::{
    check_certificate, check_cosignatures, check_evidence, check_testimony_digest,
};
use crate::watermark::{Mark, Watermark};
use credlog_ledger::state::StateDigest;

/// A check writes next to nothing once sled's folder is copied.
const DISK_RESERVE_BYTES: u64 = 4 << 20;

/// Findings that a report holds; more are only counted.
pub const FINDINGS_MAX: usize = 100;
/// Cells read at a time.
const CHUNK_CELLS: usize = 512;

/// Something stored is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where, for example "the block of height 7".
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Height of the last block that verifies with all before it.
    pub height: Height,
    /// Leaves of the log up to there.
    pub size: u64,
    /// Digest of the state after that block, as the blocks give it: an auditor's is the same.
    pub state: StateDigest,
    /// Rows of the state that were read.
    pub rows: u64,
    /// Tiles that were compared.
    pub tiles: u64,
    /// Commit certificates that verify.
    pub certificates: u64,
    /// Heights whose certificate is known to be lost: no finding, peers may have it.
    pub certificates_missing: u64,
    /// Cosignatures that verify.
    pub cosignatures: u64,
    /// What is wrong, at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How many findings there are in all.
    pub findings_count: u64,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.findings_count == 0
    }

    pub(crate) fn find(&mut self, place: impl Into<String>, what: impl std::fmt::Display) {
        self.findings_count += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding {
                place: place.into(),
                what: what.to_string(),
            });
        }
    }
}

/// Checks the store of a stopped node: executes every block again from genesis, with every
/// signature and rule, and compares every row, every tile, the position and the watermark
/// with the outcome; verifies every certificate, cosignature and piece of evidence. Works on a copy of sled's folder, because sled changes files when it
/// opens them; nothing in the folder is changed or put aside.
///
/// # Errors
/// [`StoreError::Open`] if there is no store, another process has it open, or files fail.
/// Damage is no error but a finding.
pub fn check(dir: &Path, progress: &mut dyn FnMut(Progress)) -> Result<CheckReport, StoreError> {
    let _lock = folder::lock(dir)?;
    let genesis = read_genesis(dir)?;
    let invalid = |source| OpenError::genesis(dir, source);
    let memory = genesis_state(&genesis).map_err(invalid)?;
    let mut report = CheckReport::default();
    let mark = match Watermark::read_mark(dir) {
        Ok(Some(mark)) => Some(mark),
        Ok(None) => {
            report.find("the watermark", "the file is missing");
            None
        }
        Err(fault) => {
            let what = unless_environment(fault, dir)?;
            report.find("the watermark", what);
            None
        }
    };
    let sled = dir.join(SLED);
    if !sled.exists() {
        report.find("sled", "its folder is missing");
        return Ok(report);
    }
    let copy = SledCopy::new(dir, &sled, "check")?;
    let options = Options {
        disk_reserve_bytes: DISK_RESERVE_BYTES,
        ..Options::default()
    };
    match copy.open(dir, &options)? {
        Err(damage) => report.find("sled", damage),
        Ok(db) => {
            let checked = check_data(&db, memory, mark, &mut report, progress);
            if let Err(fault) = checked {
                report.find("sled", unless_environment(fault, dir)?);
            }
        }
    }
    Ok(report)
}

/// A fault that is a finding; that the system refuses is none.
pub(crate) fn unless_environment(fault: Fault, dir: &Path) -> Result<Fault, OpenError> {
    match fault.into_open_error(dir) {
        Ok(error) => Err(error),
        Err(damage) => Ok(damage),
    }
}

/// What copies of sled's folder are made for; their folders begin so.
const COPIES: [&str; 2] = ["check", "rebuild"];

/// A copy of sled's folder, removed in the end.
pub(crate) struct SledCopy(PathBuf);

impl SledCopy {
    /// Copies a sled folder to `<dir>/<what>-<process id>/sled`. Copies that others left when
    /// they were killed are removed: whoever holds the folder's lock is the only one at work.
    pub(crate) fn new(dir: &Path, sled: &Path, what: &str) -> Result<Self, OpenError> {
        remove_leftovers(dir).map_err(io_error("removing old copies in", dir))?;
        let path = dir.join(format!("{what}-{}", std::process::id()));
        let copy = Self(path.clone());
        copy_tree(sled, &copy.sled()).map_err(io_error("copying sled's folder to", &path))?;
        Ok(copy)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Opens the copy; answers a fault that is a finding.
    pub(crate) fn open(
        &self,
        dir: &Path,
        options: &Options,
    ) -> Result<Result<sled::Db, Fault>, OpenError> {
        check_space(dir, options)?;
        match open_sled(&self.sled(), options) {
            Ok(db) => Ok(Ok(db)),
            Err(fault) => {
                // Without space sled takes what it could not write for damage.
                check_space(dir, options)?;
                Ok(Err(unless_environment(fault, dir)?))
            }
        }
    }

    fn sled(&self) -> PathBuf {
        self.0.join(SLED)
    }
}

impl Drop for SledCopy {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "a temporary copy remains");
        }
    }
}

fn remove_leftovers(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let of_process = |name: &str| {
            let (what, process) = name.split_once('-')?;
            let digits = process.bytes().all(|byte| byte.is_ascii_digit());
            Some(COPIES.contains(&what) && digits && !process.is_empty())
        };
        if name.to_str().and_then(of_process) == Some(true) && entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn check_data(
    tree: &sled::Tree,
    mut memory: MemoryState,
    mark: Option<Mark>,
    report: &mut CheckReport,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Fault> {
    let position = read_position(tree).map_err(|fault| report.find("the position", fault));
    let position = position.ok();
    let committed = mark.map(|mark| mark.watermark).or(position);
    // Raw reads: nothing is committed yet as far as this generation knows.
    let generation = Generation::new(State(&memory).head()?, StateDigest::default());
    let cells = Cells {
        tree,
        generation: &generation,
    };
    let mut tiles = BTreeMap::new();
    let whole = check_blocks(cells, &mut memory, &mut tiles, committed, report, progress)?;
    let digest = digest_of(&memory);
    report.state = digest;
    let replayed = Watermark::new(&State(&memory).head()?, digest);
    if whole {
        compare_positions(position, mark, &replayed, report);
        compare_tiles(cells, &tiles, report, progress);
    }
    check_evidence(cells, &memory, report)?;
    check_testimony_digest(cells, report)?;
    compare_cells(cells, &memory, digest, whole, report, progress)
}

/// Executes all blocks; answers whether they go as far as they must.
fn check_blocks(
    cells: Cells<'_>,
    memory: &mut MemoryState,
    tiles: &mut BTreeMap<(u8, u64), Tile>,
    committed: Option<Watermark>,
    report: &mut CheckReport,
    progress: &mut dyn FnMut(Progress),
) -> Result<bool, Fault> {
    let committed_height = committed.map(|committed| committed.height);
    let mut log = TileAppender::new();
    loop {
        let height = report.height.next();
        match replay(cells, memory, height) {
            Ok(Replayed::Block(executed)) => {
                check_certificate(cells, memory, &executed, report)?;
                memory.apply(&executed.changes);
                check_cosignatures(cells, memory, &executed, report)?;
                log.append_many(executed.leaf_hashes.iter().copied());
                let changed = log.take_changed().into_iter();
                tiles.extend(changed.map(|tile| ((tile.level, tile.index), tile)));
                report.height = height;
                report.size = executed.size.0;
                let same =
                    |at: &Watermark| (at.size, at.root.0) == (executed.size.0, executed.root.0);
                if committed.is_some_and(|at| at.height == height && !same(&at)) {
                    report.find(
                        "the watermark",
                        format!("the blocks give another log at height {height}"),
                    );
                }
                let last = committed_height.map_or(height, |last| last.max(height));
                progress(Progress::Blocks { done: height, last });
            }
            Ok(Replayed::End) => break,
            Err(fault) => {
                report.find(format!("the block of height {height}"), fault);
                return Ok(false);
            }
        }
    }
    let lost = committed_height.filter(|committed| *committed > report.height);
    if let Some(committed) = lost {
        let place = format!("the block of height {}", report.height.next());
        report.find(
            place,
            format!("it is missing; height {committed} was durable"),
        );
    }
    Ok(lost.is_none())
}

pub(crate) fn digest_of(memory: &MemoryState) -> StateDigest {
    let mut digest = StateDigest::default();
    for (key, value) in memory.rows() {
        digest.add(key, value);
    }
    digest
}

fn compare_positions(
    position: Option<Watermark>,
    mark: Option<Mark>,
    replayed: &Watermark,
    report: &mut CheckReport,
) {
    let differs = "it is not the one to which the blocks lead";
    if position.is_some_and(|position| position != *replayed) {
        report.find("the position", differs);
    }
    let Some(mark) = mark else {
        return;
    };
    // Blocks ahead of the watermark are a crash in between, which open repairs.
    let beyond = mark.watermark.height.next().0..=mark.height_max();
    if !beyond.contains(&replayed.height.0) && mark.watermark != *replayed {
        report.find("the watermark", differs);
    }
}

fn compare_tiles(
    cells: Cells<'_>,
    tiles: &BTreeMap<(u8, u64), Tile>,
    report: &mut CheckReport,
    progress: &mut dyn FnMut(Progress),
) {
    for ((level, index), tile) in tiles {
        let parts = tile.hashes.chunks(usize::from(TILE_PART_HASHES));
        for (part, hashes) in (0..).zip(parts) {
            let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
            let place = || format!("tile {index} of level {level}");
            match cells.value(&tile_key(*level, *index, part)) {
                Ok(Some(stored)) if stored == bytes => {}
                Ok(Some(_)) => report.find(place(), "it holds other hashes than the blocks give"),
                Ok(None) => report.find(place(), "it is missing"),
                Err(fault) => report.find(place(), fault),
            }
        }
        report.tiles += 1;
        let (done, all) = (report.tiles, tiles.len() as u64);
        progress(Progress::Tiles { done, all });
    }
}

/// Reads every cell; compares every row with the replayed state if that is `whole`.
fn compare_cells(
    cells: Cells<'_>,
    memory: &MemoryState,
    expected: StateDigest,
    whole: bool,
    report: &mut CheckReport,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Fault> {
    let mut digest = StateDigest::default();
    let mut next = Some(Vec::new());
    while let Some(start) = next {
        let (found, more) = cells.raw_chunk(&start, None, CHUNK_CELLS)?;
        for (key, raw) in found {
            check_cell(&key, &raw, whole.then_some(memory), &mut digest, report);
        }
        progress(Progress::Rows { done: report.rows });
        next = more;
    }
    if whole && digest != expected {
        for (key, _) in memory.rows() {
            if cells.row(key) == Ok(None) {
                let place = cell::describe(&cell::row_key(key));
                report.find(place, "it is missing");
            }
        }
        report.find(
            "the state",
            format!("its digest is {digest}, the blocks give {expected}"),
        );
    }
    Ok(())
}

fn check_cell(
    key: &[u8],
    raw: &[u8],
    memory: Option<&MemoryState>,
    digest: &mut StateDigest,
    report: &mut CheckReport,
) {
    let place = || cell::describe(key);
    let value = match cell::open(key, raw) {
        Ok(value) => value,
        Err(fault) => return report.find(place(), fault),
    };
    if Kind::parse(key).is_none() {
        return report.find(place(), "no such cell is ever stored");
    }
    let mut differing = Vec::new();
    let read = each_row(key, value, |row, value| {
        digest.add(row, value);
        report.rows += 1;
        let known = memory.map(|memory| memory.row(row));
        if known.is_some_and(|known| known.ok().flatten().as_deref() != Some(value)) {
            differing.push(row.to_vec());
        }
    });
    if let Err(fault) = read {
        report.find(place(), fault);
    }
    for row in differing {
        let place = cell::describe(&cell::row_key(&row));
        report.find(place, "it is not what the blocks give");
    }
}
