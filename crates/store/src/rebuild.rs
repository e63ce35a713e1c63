//! `credlog store rebuild`: a fresh store from the blocks alone.

use std::fs;
use std::path::{Path, PathBuf};

use credlog_ledger::ids::Height;
use credlog_ledger::transition::Executed;

use crate::check::{SledCopy, unless_environment};
use crate::commit::Durability;
use crate::database::Options;
use crate::fault::{Fatal, Fault, OpenError, StoreError};
use crate::folder::{self, GENESIS, SLED, WATERMARK, io_error};
use crate::generation::{Cells, Generation};
use crate::opening::{check_space, read_position};
use crate::progress::Progress;
use crate::replay::{Replayed, replay};
use crate::store::Store;
use crate::verify;
use crate::watermark::Watermark;

/// How a rebuild goes about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RebuildOptions {
    /// Go on although blocks that were committed are lost; default false.
    pub accept_loss: bool,
    /// How the new store is kept.
    pub store: Options,
}

/// What a rebuild did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuildReport {
    /// Where the new store stands.
    pub position: Watermark,
    /// Height that was committed, if the watermark or sled still said it.
    pub committed: Option<Height>,
    /// Why the blocks went no further, if committed ones were lost.
    pub lost: Option<String>,
    /// Heights whose commit certificate is not known any more. It cannot be computed again:
    /// peers may have it.
    pub certificates_missing: u64,
    /// Checkpoints whose cosignatures were damaged, and are not known any more.
    pub cosignatures_lost: u64,
    /// Pieces of evidence that were damaged, and are not known any more.
    pub evidence_lost: u64,
    /// Whether the digest of the old state differs from that of the new, at the same
    /// height: then rows were damaged and are right now.
    pub state_differed: bool,
    /// The blocks came from here, unless they came from the folder itself.
    pub source: PathBuf,
    /// Where the old data is now, if there was any in the folder.
    pub old: Option<PathBuf>,
}

/// Builds a fresh sled folder from all blocks that verify, in order from genesis, and puts it
/// in the place of the old one, which moves to quarantine. Without data in the folder, the
/// newest quarantine is the source; it is not changed. Certificates, cosignatures and evidence
/// are copied if they verify. Files of the member's keys stay in place.
///
/// # Errors
/// [`StoreError::LogLost`] if blocks that were committed do not verify, or nothing says how
/// far the log was committed, unless `accept_loss`; [`StoreError::OtherLog`] if the blocks
/// lead to another root than the watermark's; else as for [`check`](crate::check). After an
/// error the folder is as it was, or, if moving failed, the old data is in quarantine:
/// rebuild again.
pub fn rebuild(
    dir: &Path,
    options: &RebuildOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<RebuildReport, StoreError> {
    let lock = folder::lock(dir)?;
    let source = source(dir)?;
    let work = SledCopy::new(dir, &source.join(SLED), "rebuild")?;
    let new = work.path().join("new");
    let mut report = build(dir, &source, &work, &new, options, progress)?;
    // From here on a crash leaves the old data in quarantine: rebuild again.
    if source == dir {
        report.old = Some(folder::quarantine(dir)?);
    }
    for name in [SLED, WATERMARK] {
        let path = dir.join(name);
        fs::rename(new.join(name), &path).map_err(io_error("moving into place", &path))?;
    }
    folder::sync_dir(dir).map_err(io_error("syncing", dir))?;
    drop(lock);
    Ok(report)
}

/// The folder whose sled is the source: the store's, or its newest quarantine.
fn source(dir: &Path) -> Result<PathBuf, OpenError> {
    if dir.join(SLED).exists() {
        return Ok(dir.to_owned());
    }
    let quarantine = folder::newest_quarantine_with(dir, SLED);
    quarantine.ok_or_else(|| OpenError::NoData {
        dir: dir.to_owned(),
        quarantine: None,
    })
}

/// The watermark of the source. If a crash came between the two moves of putting data
/// aside, it stands in the folder still or in a later quarantine.
fn source_watermark(dir: &Path, source: &Path) -> Result<Option<Watermark>, OpenError> {
    let newest = folder::newest_quarantine_with(dir, WATERMARK);
    let later = newest.as_deref().filter(|path| *path > source);
    for place in [Some(source), Some(dir), later] {
        match place.map(Watermark::read) {
            Some(Ok(Some(watermark))) => return Ok(Some(watermark)),
            Some(Err(fault)) => {
                unless_environment(fault, dir)?;
                return Ok(None);
            }
            Some(Ok(None)) | None => {}
        }
    }
    Ok(None)
}

fn build(
    dir: &Path,
    source: &Path,
    work: &SledCopy,
    new: &Path,
    options: &RebuildOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<RebuildReport, StoreError> {
    let genesis = dir.join(GENESIS);
    let genesis = fs::read(&genesis).map_err(io_error("reading", &genesis))?;
    let store = Store::create(new, &genesis, &options.store)?;
    let watermark = source_watermark(dir, source)?;
    let mut lost = Lost::default();
    let (committed, stopped) = match work.open(dir, &options.store)? {
        Err(damage) => (watermark, Some(damage.to_string())),
        Ok(old) => {
            let committed = watermark.or_else(|| read_position(&old).ok());
            let copied = copy(&old, &store, committed, &options.store, progress)?;
            lost = copied.lost;
            (committed, copied.stopped)
        }
    };
    let made_durable = store.make_durable();
    made_durable.map_err(|fatal: Fatal| StoreError::storage(dir, fatal))?;
    let position = store.snapshot().position();
    drop(store);
    let report = judge(dir, source, committed, stopped, position, options)?;
    Ok(RebuildReport {
        certificates_missing: lost.certificates,
        cosignatures_lost: lost.cosignatures,
        evidence_lost: lost.evidence,
        ..report
    })
}

/// Whether what was built may take the place of what was there.
fn judge(
    dir: &Path,
    source: &Path,
    committed: Option<Watermark>,
    stopped: Option<String>,
    position: Watermark,
    options: &RebuildOptions,
) -> Result<RebuildReport, StoreError> {
    let whole = position.height;
    let lost = match committed {
        Some(committed) if whole >= committed.height => None,
        Some(_) => Some(stopped.unwrap_or_else(|| "the next block is missing".to_owned())),
        None => Some(stopped.unwrap_or_else(|| "the watermark is lost".to_owned())),
    };
    if let Some(what) = &lost
        && !options.accept_loss
    {
        return Err(StoreError::LogLost {
            dir: dir.to_owned(),
            whole,
            committed: committed.map(|committed| committed.height),
            what: what.clone(),
        });
    }
    let same_height = committed.filter(|committed| committed.height == whole);
    if same_height.is_some_and(|old| (old.size, old.root) != (position.size, position.root)) {
        return Err(StoreError::OtherLog {
            dir: dir.to_owned(),
            height: whole,
        });
    }
    Ok(RebuildReport {
        position,
        committed: committed.map(|committed| committed.height),
        lost,
        certificates_missing: 0,
        cosignatures_lost: 0,
        evidence_lost: 0,
        state_differed: same_height.is_some_and(|old| old.state != position.state),
        source: source.to_owned(),
        old: None,
    })
}

/// Testimony that was not copied.
#[derive(Debug, Clone, Copy, Default)]
struct Lost {
    certificates: u64,
    cosignatures: u64,
    evidence: u64,
}

/// What was copied.
struct Copied {
    /// What stopped it before the end of the blocks.
    stopped: Option<String>,
    lost: Lost,
}

/// Executes the old store's blocks and commits them to the new one, with what members have
/// signed about them.
fn copy(
    old: &sled::Tree,
    new: &Store,
    committed: Option<Watermark>,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Copied, StoreError> {
    let first = new.snapshot();
    let generation = Generation::new(first.head().clone(), first.position().state);
    let cells = Cells {
        tree: old,
        generation: &generation,
    };
    drop(first);
    let mut lost = Lost::default();
    let stopped = loop {
        // sled may wait forever on a full disk: it is not given the block that fills it.
        check_space(new.dir(), options)?;
        let height = new.snapshot().head().height.next();
        let executed = match replay(cells, &new.snapshot(), height) {
            Ok(Replayed::Block(executed)) => executed,
            Ok(Replayed::End) => break None,
            Err(fault) => break Some(unless_environment(fault, new.dir())?.to_string()),
        };
        copy_block(cells, new, &executed, &mut lost)?;
        let last = committed.map_or(height, |committed| committed.height.max(height));
        progress(Progress::Blocks { done: height, last });
    };
    copy_evidence(cells, new, &mut lost)?;
    Ok(Copied { stopped, lost })
}

fn copy_block(
    old: Cells<'_>,
    new: &Store,
    executed: &Executed,
    lost: &mut Lost,
) -> Result<(), StoreError> {
    let failed = |error: String| StoreError::storage(new.dir(), error);
    let certificate = verify::certificate(old, &new.snapshot(), executed);
    let certificate = known(certificate, new.dir())?.flatten();
    lost.certificates += u64::from(certificate.is_none());
    new.commit_with(executed, certificate.as_ref(), Durability::Later)
        .map_err(|fatal| failed(fatal.to_string()))?;
    let cosignatures = verify::cosignatures(old, &new.snapshot(), executed);
    match known(cosignatures, new.dir())? {
        Some(Some(cosignatures)) => new
            .put_cosignatures(&cosignatures)
            .map_err(|error| failed(error.to_string())),
        Some(None) => Ok(()),
        None => {
            lost.cosignatures += 1;
            Ok(())
        }
    }
}

fn copy_evidence(old: Cells<'_>, new: &Store, lost: &mut Lost) -> Result<(), StoreError> {
    let found = verify::evidence(old, &new.snapshot());
    let Some((evidence, damaged)) = known(found, new.dir())? else {
        return Ok(());
    };
    lost.evidence += damaged.len() as u64;
    for one in evidence.all() {
        new.put_evidence(&one)
            .map_err(|error| StoreError::storage(new.dir(), error))?;
    }
    Ok(())
}

/// What was read; nothing if it is damaged.
fn known<T>(read: Result<T, Fault>, dir: &Path) -> Result<Option<T>, OpenError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(fault) => unless_environment(fault, dir).map(|_| None),
    }
}
