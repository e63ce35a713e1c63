//! A copy of a ledger as plain files, under the paths of the routes of a node.
//!
//! Any web server or object store can serve it, and a reader need not know the difference. A
//! second export adds what is new. What makes this safe while readers read and the node runs,
//! and at whatever moment an export is stopped:
//!
//! - full tiles and bundles never change, and each file is put in its place whole (written beside
//!   it and renamed);
//! - nothing is written that does not follow from the checkpoint: tiles are read from the root
//!   down, each full tile against the hash above it, each leaf against its tile;
//! - the checkpoint comes last. Until then the old one stands there, with all its files;
//! - partial tiles of the old and the new checkpoint both stay; those of older ones go when the
//!   new one is in place;
//! - a log that does not continue the old checkpoint is refused before anything is written;
//! - a copy grows only by what the members decided that it knows: each change of them by a
//!   certificate of those before, the new checkpoint by cosignatures or a certificate of the last.

mod authentic;
mod certificates;
mod members;
mod target;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use credlog_api::client::{ANSWER_BYTES_MAX, STATUS_LIST_BYTES_MAX};
use credlog_api::path;
use credlog_ledger::ids::{Height, LedgerId, ListNumber, Origin, Root, ValueId};
use credlog_ledger::seal::{SEAL_LEAF, Seal};
use credlog_tlog::{
    Checkpoint, Frontier, Hash, TILE_WIDTH, TileLevel, TilePath, TreeSize, decode_bundle,
    encode_bundle, leaf_hash, root_at, tile_width,
};
use credlog_verify::published::Purpose;
use serde::{Deserialize, Serialize};

use crate::attested::{self, Newest, Patience};
use crate::error::{AuditError, ExportError};
use crate::files;
use crate::lane::{Limits, Weigh, lane};
use crate::source::{Source, SourceError, Web};
use authentic::Authentic;
use certificates::Made;
use members::Sets;
use target::Target;

/// The file that says of which ledger a copy is.
const IDENTITY: &str = "/export.json";
/// Version of that file.
const IDENTITY_VERSION: u8 = 1;
/// Most bytes of that file.
const IDENTITY_BYTES_MAX: usize = 4_096;
/// Bundles that wait to be taken in their order.
const BUNDLES_MAX: u64 = 64;

/// Which ledger a source has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    version: u8,
    /// Name of the log.
    pub origin: Origin,
    /// Ledger id.
    pub ledger_id: LedgerId,
}

impl Identity {
    /// The identity of a ledger.
    pub fn new(origin: Origin, ledger_id: LedgerId) -> Self {
        Self {
            version: IDENTITY_VERSION,
            origin,
            ledger_id,
        }
    }

    /// What a node says, or the copy that a web server serves.
    ///
    /// # Errors
    /// [`SourceError`] if neither answers.
    pub fn of(web: &Web) -> Result<Self, SourceError> {
        let copied = web.read(IDENTITY, IDENTITY_BYTES_MAX)?;
        let copied = copied.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        if let Some(copied) = copied.filter(|copied| copied.version == IDENTITY_VERSION) {
            return Ok(copied);
        }
        let view = web.ask(async |client| client.ledger().await)?;
        Ok(Self::new(view.origin, view.ledger_id))
    }
}

/// What an export did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exported {
    /// The folder.
    pub folder: PathBuf,
    /// Which ledger.
    #[serde(flatten)]
    pub identity: Identity,
    /// Leaves of the copy.
    pub size: TreeSize,
    /// Its root, lower-case hex.
    pub root: String,
    /// Height of its newest block.
    pub height: Height,
    /// Leaves that it had before; none if it is new.
    pub size_before: Option<TreeSize>,
    /// Whether a quorum has cosigned its checkpoint.
    pub attested: bool,
    /// Files written, and their bytes.
    pub files: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Old partial tiles that were removed.
    pub removed: u64,
    /// Heights among the new ones whose certificate the source has lost.
    pub uncertified: u64,
}

/// How far an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// New leaves in their place.
    pub done: u64,
    /// New leaves.
    pub all: u64,
}

/// Copies a ledger into a folder, or brings the copy that is there up to the newest checkpoint.
/// Waits at most `patience` for a checkpoint that a quorum has cosigned.
///
/// # Errors
/// Every [`ExportError`]. What the folder held before is still whole.
pub fn export(
    source: &dyn Source,
    identity: &Identity,
    folder: &Path,
    patience: Duration,
    progress: &mut dyn FnMut(Progress),
) -> Result<Exported, ExportError> {
    let target = Target::open(folder, identity)?;
    let newest = attested::newest(source, &identity.origin, Patience::of(patience))?;
    let checkpoint = &newest.checkpoint;
    if checkpoint.size().0 == 0 {
        return Err(ExportError::Empty);
    }
    let before = target.checkpoint()?;
    let tiles = Authentic::open(source, &target, checkpoint)?;
    let begin = match &before {
        Some(before) => continues(before, checkpoint, &tiles, &target)?,
        None => Begin::default(),
    };
    let mut sets = match begin.members {
        Some(hash) => Sets::kept(&target, begin.height, hash)?,
        None => Sets::founders(source)?,
    };
    target.identify(identity)?;
    let copied = copy_log(source, &target, &tiles, &begin, &sets, progress)?;
    copy_upper(&target, &tiles, begin.size)?;
    sets.follow(source, &copied.members)?;
    let made = Made {
        ledger: identity.ledger_id,
        begin: &begin,
        copied: &copied,
        sets: &sets,
    };
    let lost = certificates::copy(source, &target, &made)?;
    let attested = sets.attest(&identity.origin, &newest.note, checkpoint);
    let is_longer = copied.height > begin.height;
    if before.is_some() && is_longer && !attested && lost.newest {
        return Err(ExportError::Untrue {
            path: path::CHECKPOINT.to_owned(),
            reason: "neither has a quorum of the members cosigned it, nor is there a certificate \
                     of its height, so that nothing shows that they decided it"
                .to_owned(),
        });
    }
    copy_members(source, &target, &sets)?;
    copy_status_lists(source, &target, copied.status_lists)?;
    // Cosignatures that a copy has are not given up for the same checkpoint without.
    if before.is_none() || is_longer || attested {
        target.publish(path::CHECKPOINT, &newest.bytes)?;
    }
    let keep = [
        before.as_ref().map(Checkpoint::size),
        Some(checkpoint.size()),
    ];
    let heights = [Some(begin.height), Some(copied.height)];
    target.clean(&keep, &heights)?;
    Ok(done(
        folder,
        identity,
        &newest,
        &before,
        &copied,
        &target,
        (attested, lost.count),
    ))
}

fn done(
    folder: &Path,
    identity: &Identity,
    newest: &Newest,
    before: &Option<Checkpoint>,
    copied: &Copied,
    target: &Target,
    (attested, uncertified): (bool, u64),
) -> Exported {
    let (files, bytes, removed) = target.counts();
    Exported {
        folder: folder.to_owned(),
        identity: identity.clone(),
        size: newest.checkpoint.size(),
        root: newest.checkpoint.root().to_string(),
        height: copied.height,
        size_before: before.as_ref().map(Checkpoint::size),
        attested,
        files,
        bytes,
        removed,
        uncertified,
    }
}

/// Where the copy ends that is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Begin {
    size: TreeSize,
    height: Height,
    /// The members in force for the next height; none before the first.
    members: Option<Root>,
    lists: u64,
}

/// The copy that is there, if the new log continues it.
fn continues(
    before: &Checkpoint,
    checkpoint: &Checkpoint,
    tiles: &Authentic<'_>,
    target: &Target,
) -> Result<Begin, ExportError> {
    let (served, kept) = (checkpoint.size(), before.size());
    if served < kept {
        let folder = target.as_source();
        let own = Authentic::open(&folder, target, before)?;
        let root = own.checked(root_at(&own, served))?;
        return Err(match root == checkpoint.root() {
            true => ExportError::Behind { served, kept },
            false => ExportError::Fork {
                served,
                kept,
                found: checkpoint.root().to_string(),
                root: root.to_string(),
            },
        });
    }
    let found = tiles.checked(root_at(tiles, kept))?;
    if found != before.root() {
        return Err(ExportError::Fork {
            served,
            kept,
            found: found.to_string(),
            root: before.root().to_string(),
        });
    }
    let seal = target.last_seal(kept)?;
    Ok(Begin {
        size: kept,
        height: seal.height,
        members: Some(seal.members_hash),
        lists: seal.status_lists,
    })
}

/// The new part of the log, as far as the rest of a copy follows from it.
#[derive(Debug)]
struct Copied {
    /// Value ids of the new heights.
    values: Vec<ValueId>,
    /// Heights from which on another set of members is in force, with its hash.
    members: Vec<(Height, Root)>,
    height: Height,
    status_lists: u64,
}

/// A bundle that is in its place.
struct Bundle(Result<Vec<(Hash, Option<Seal>)>, ExportError>);

impl Weigh for Bundle {
    fn weight(&self) -> usize {
        1
    }
}

/// Copies tiles of leaf hashes and bundles of leaves, many at a time.
fn copy_log(
    source: &dyn Source,
    target: &Target,
    tiles: &Authentic<'_>,
    begin: &Begin,
    sets: &Sets,
    progress: &mut dyn FnMut(Progress),
) -> Result<Copied, ExportError> {
    let size = tiles.size();
    let width = u64::from(TILE_WIDTH);
    let limits = Limits {
        threads: source.readers(),
        results: BUNDLES_MAX,
        weight: usize::MAX,
    };
    let edge = tiles.checked(Frontier::recover(tiles, begin.size))?;
    let mut walk = Walk {
        origin: tiles.origin().to_owned(),
        edge,
        members: sets.first_hash(),
        sealed: begin.size,
        copied: Copied {
            values: Vec::new(),
            members: Vec::new(),
            height: begin.height,
            status_lists: begin.lists,
        },
    };
    thread::scope(|scope| {
        let indexes = begin.size.0 / width..size.0.div_ceil(width);
        let bundles = lane(scope, limits, indexes, |index| {
            Bundle(copy_bundle(source, target, tiles, index))
        });
        let all = size.0 - begin.size.0;
        for (index, bundle) in (begin.size.0 / width..).zip(bundles) {
            let skip = begin.size.0.saturating_sub(index * width);
            let skip = usize::try_from(skip).unwrap_or(usize::MAX);
            for (hash, seal) in bundle.0?.into_iter().skip(skip) {
                walk.take(hash, seal)?;
            }
            let done = walk.edge.size().0 - begin.size.0;
            progress(Progress { done, all });
        }
        if walk.sealed != size {
            return Err(ExportError::Untrue {
                path: path::CHECKPOINT.to_owned(),
                reason: "the log under it does not end with a seal".to_owned(),
            });
        }
        if walk.copied.status_lists > size.0 {
            return Err(ExportError::Untrue {
                path: path::CHECKPOINT.to_owned(),
                reason: "its seal counts more status lists than the log has records".to_owned(),
            });
        }
        Ok(walk.copied)
    })
}

/// The walk along the new leaves.
struct Walk {
    origin: String,
    edge: Frontier,
    members: Option<Root>,
    /// Size of the log at the last seal.
    sealed: TreeSize,
    copied: Copied,
}

impl Walk {
    fn take(&mut self, hash: Hash, seal: Option<Seal>) -> Result<(), ExportError> {
        self.edge.append(hash);
        let Some(seal) = seal else {
            return Ok(());
        };
        let next = self.copied.height.next();
        if seal.height != next {
            return Err(ExportError::Untrue {
                path: format!("the seal at leaf {}", self.edge.size().0 - 1),
                reason: format!("it has height {}, not {next}", seal.height),
            });
        }
        let (size, root) = (self.edge.size(), self.edge.root());
        self.sealed = size;
        let checkpoint = Checkpoint::new(&self.origin, size, root);
        let checkpoint = checkpoint.map_err(|error| AuditError::Checkpoint {
            reason: error.to_string(),
        })?;
        self.copied.values.push(ValueId::of(&checkpoint));
        self.copied.height = next;
        self.copied.status_lists = seal.status_lists;
        if self
            .members
            .is_some_and(|members| members != seal.members_hash)
        {
            let in_force = (next.next(), seal.members_hash);
            self.copied.members.push(in_force);
        }
        self.members = Some(seal.members_hash);
        Ok(())
    }
}

/// Puts a bundle and its tile in their places; answers the hashes of its leaves, and its seals.
fn copy_bundle(
    source: &dyn Source,
    target: &Target,
    tiles: &Authentic<'_>,
    index: u64,
) -> Result<Vec<(Hash, Option<Seal>)>, ExportError> {
    let width = tile_width(TileLevel::Entries, index, tiles.size());
    let hashes = tiles.tile(0, index)?;
    let wanted = tile_path(TileLevel::Entries, index, width)?;
    let matches = |bytes: &[u8]| -> Option<Vec<Option<Seal>>> {
        let leaves = decode_bundle(bytes).ok()?;
        let same = leaves.len() == hashes.len()
            && leaves
                .iter()
                .zip(hashes.iter())
                .all(|(leaf, hash)| leaf_hash(leaf) == *hash);
        same.then(|| leaves.iter().map(|leaf| seal(leaf)).collect())
    };
    let at = path::tile(&wanted);
    let there = target.read(&at, credlog_api::client::BUNDLE_BYTES_MAX)?;
    let seals = match there.as_deref().and_then(matches) {
        Some(seals) => seals,
        None => {
            let found = files::tile(source, wanted)?;
            let bytes = cut(&found.bytes, width);
            let seals = bytes.as_deref().and_then(matches);
            let (Some(bytes), Some(seals)) = (bytes, seals) else {
                return Err(ExportError::Untrue {
                    path: found.path,
                    reason: "its leaves do not have the hashes of the log".to_owned(),
                });
            };
            target.write(&at, &bytes)?;
            seals
        }
    };
    tiles.write(target, 0, index)?;
    Ok(hashes.iter().copied().zip(seals).collect())
}

/// The first entries of a bundle as a bundle of its own; none if they are not there.
fn cut(bytes: &[u8], width: u16) -> Option<Vec<u8>> {
    let entries = decode_bundle(bytes).ok()?;
    encode_bundle(entries.get(..usize::from(width))?).ok()
}

/// The seal that a leaf is.
fn seal(leaf: &[u8]) -> Option<Seal> {
    let is_seal = leaf.first() == Some(&SEAL_LEAF);
    is_seal.then(|| Seal::from_leaf(leaf).ok()).flatten()
}

fn tile_path(level: TileLevel, index: u64, width: u16) -> Result<TilePath, ExportError> {
    Ok(TilePath::new(level, index, width).map_err(|error| crate::piece::path_error(&error))?)
}

/// Copies the tiles above the leaves' hashes that a log of the old size did not have.
fn copy_upper(target: &Target, tiles: &Authentic<'_>, before: TreeSize) -> Result<(), ExportError> {
    let width = u64::from(TILE_WIDTH);
    for level in 1..8_u8 {
        let hashes = |size: TreeSize| size.0 >> (8 * u32::from(level));
        for index in hashes(before) / width..hashes(tiles.size()).div_ceil(width) {
            tiles.write(target, level, index)?;
        }
    }
    Ok(())
}

/// Copies the lists of members: that of the founders, and one for each change.
fn copy_members(source: &dyn Source, target: &Target, sets: &Sets) -> Result<(), ExportError> {
    for (height, set) in sets.new_ones() {
        let at = path::members_at(*height);
        let bytes = set.to_bytes().map_err(|error| ExportError::Untrue {
            path: at.clone(),
            reason: error.to_string(),
        })?;
        target.write(&at, &bytes)?;
    }
    let history = source.read(path::MEMBERS_HISTORY, ANSWER_BYTES_MAX);
    if let Some(bytes) = history.map_err(AuditError::from)? {
        target.write(path::MEMBERS_HISTORY, &bytes)?;
    }
    Ok(())
}

/// Copies the signed status lists as they are now: none is older than the checkpoint. A source
/// has all of them or none.
fn copy_status_lists(source: &dyn Source, target: &Target, lists: u64) -> Result<(), ExportError> {
    let limits = Limits {
        threads: source.readers(),
        results: BUNDLES_MAX,
        weight: usize::MAX,
    };
    thread::scope(|scope| {
        let copied = lane(scope, limits, 0..lists, |list| {
            StatusLists(copy_status_list(source, target, ListNumber(list)))
        });
        for list in copied {
            if !list.0? {
                break;
            }
        }
        Ok(())
    })
}

/// Whether a list is there, and in its place.
struct StatusLists(Result<bool, ExportError>);

impl Weigh for StatusLists {
    fn weight(&self) -> usize {
        1
    }
}

fn copy_status_list(
    source: &dyn Source,
    target: &Target,
    list: ListNumber,
) -> Result<bool, ExportError> {
    for purpose in [Purpose::Revocation, Purpose::Suspension] {
        let at = path::signed_status_list(list, purpose);
        let bytes = source.read(&at, STATUS_LIST_BYTES_MAX);
        let Some(bytes) = bytes.map_err(AuditError::from)? else {
            return Ok(false);
        };
        target.write(&at, &bytes)?;
    }
    Ok(true)
}
