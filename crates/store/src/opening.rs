//! Checks at open: nothing of the data is used before all of it was looked at.

use std::io;
use std::path::Path;

use credlog_ledger::block::split_leaves;
use credlog_ledger::ids::{Height, LedgerId};
use credlog_ledger::rows::Head;
use credlog_ledger::state::{Changes, Key, MemoryState, State, Table};
use credlog_tlog::{
    TILE_WIDTH, TileAppender, TileLevel, TileReader, TreeError, TreeSize, leaf_hash, root_at,
    tile_width,
};

use crate::cell::{self, Kind, after_prefix, position_key, row_key};
use crate::database::{Options, open_sled};
use crate::directory::Directory;
use crate::fault::{Fault, OpenError, guarded};
use crate::folder::{self, SLED, io_error};
use crate::generation::{Cells, Generation};
use crate::rows::each_row;
use crate::sled_files::SledFiles;
use crate::snapshot::Rows;
use crate::space::Space;
use crate::testimony::{self, EvidenceList};
use crate::watermark::{Mark, Watermark};
use credlog_ledger::state::StateDigest;

/// Newest blocks whose leaves are compared with the tiles at open.
const BLOCKS_CHECKED: u64 = 16;
/// Cells read at a time.
const CHUNK_CELLS: usize = 512;

/// Data that passed every check.
pub(crate) struct Opened {
    pub(crate) db: sled::Db,
    pub(crate) files: SledFiles,
    pub(crate) head: Head,
    pub(crate) digest: StateDigest,
    pub(crate) directory: Directory,
    pub(crate) log: TileAppender,
    pub(crate) testimony: StateDigest,
    pub(crate) evidence: EvidenceList,
}

/// Opens and checks; damage goes to quarantine. What only says that the system refuses
/// moves nothing.
pub(crate) fn open(dir: &Path, ledger: LedgerId, options: &Options) -> Result<Opened, OpenError> {
    let sled = dir.join(SLED);
    check_space(dir, options)?;
    let opened = Watermark::read_mark(dir).and_then(|mark| match mark {
        Some(mark) => open_at(dir, ledger, options, &mark).map(Some),
        None if !exists(&sled)? => Ok(None),
        None => Err(Fault::damaged("the watermark file is missing")),
    });
    match opened {
        Ok(Some(opened)) => Ok(opened),
        Ok(None) => Err(OpenError::NoData {
            dir: dir.to_owned(),
            quarantine: folder::newest_quarantine_with(dir, SLED),
        }),
        Err(fault) => {
            // Without space sled takes what it could not write for damage.
            check_space(dir, options)?;
            Err(fault
                .into_open_error(&sled)
                .or_else(|damage| put_aside(dir, &damage))?)
        }
    }
}

/// sled writes when it is opened, and must find space for it.
pub(crate) fn check_space(dir: &Path, options: &Options) -> Result<(), OpenError> {
    let space = Space::in_folder(dir, options.disk_reserve_bytes)
        .map_err(io_error("asking for free space in", dir))?;
    match space.is_enough_to_open() {
        true => Ok(()),
        false => Err(OpenError::DiskFull {
            dir: dir.to_owned(),
            free_bytes: space.free_bytes,
            needed_bytes: space.opening_bytes(),
        }),
    }
}

fn put_aside(dir: &Path, damage: &Fault) -> Result<OpenError, OpenError> {
    Ok(OpenError::Damaged {
        dir: dir.to_owned(),
        what: damage.to_string(),
        quarantine: folder::quarantine(dir)?,
    })
}

fn exists(path: &Path) -> Result<bool, Fault> {
    let found = path.try_exists();
    found.map_err(|error| Fault::of_io("looking for sled's folder", &error))
}

fn open_at(dir: &Path, ledger: LedgerId, options: &Options, mark: &Mark) -> Result<Opened, Fault> {
    let path = dir.join(SLED);
    let io = |doing| move |error: io::Error| Fault::of_io(doing, &error);
    if !SledFiles::exist(&path).map_err(io("looking for sled's files"))? {
        return Err(Fault::damaged("sled's file is missing"));
    }
    let written = Watermark::written(dir).map_err(io("reading the watermark"))?;
    let db = open_sled(&path, options)?;
    let Checked {
        head,
        digest,
        directory,
        log,
        testimony,
        evidence,
    } = check(&db, ledger, mark)?;
    guarded("flushing", || db.flush())?;
    let files = SledFiles::open(&path, written).map_err(io("syncing sled's files"))?;
    if head.height != mark.watermark.height {
        // A crash after sled's flush, or in a run of blocks without one: the blocks are whole,
        // and durable by now; only the watermark is behind.
        let written = Watermark::new(&head, digest).write(dir);
        written.map_err(io("writing the watermark"))?;
    }
    Ok(Opened {
        db,
        files,
        head,
        digest,
        directory,
        log,
        testimony,
        evidence,
    })
}

/// Where data stands that passed every check.
struct Checked {
    head: Head,
    digest: StateDigest,
    directory: Directory,
    log: TileAppender,
    testimony: StateDigest,
    evidence: EvidenceList,
}

/// Every check on the data; answers where it stands.
fn check(tree: &sled::Tree, ledger: LedgerId, mark: &Mark) -> Result<Checked, Fault> {
    let position = read_position(tree)?;
    check_against_watermark(&position, mark)?;
    let head = read_head(tree)?;
    let generation = Generation::new(head, position.state);
    let cells = Cells {
        tree,
        generation: &generation,
    };
    let (digest, directory) = scan_state(cells)?;
    if digest != position.state {
        return Err(Fault::damaged(format!(
            "the rows of the state have digest {digest}, but {} was committed with height {}",
            position.state, position.height
        )));
    }
    if Watermark::new(&generation.head, digest) != position {
        return Err(Fault::damaged("the head row is of another block"));
    }
    if State(&Rows(cells)).ledger()?.id != ledger {
        return Err(Fault::damaged(
            "it belongs to another ledger than genesis.json",
        ));
    }
    let log = check_log(cells, &mark.watermark)?;
    let (testimony, evidence) = testimony::scan(cells)?;
    Ok(Checked {
        head: generation.head.clone(),
        digest,
        directory,
        log,
        testimony,
        evidence,
    })
}

/// The committed position in sled.
pub(crate) fn read_position(tree: &sled::Tree) -> Result<Watermark, Fault> {
    let bytes = read_cell(tree, &position_key())?;
    Watermark::from_bytes(&bytes).map_err(Fault::Damaged)
}

/// The head row in sled, read before there is a generation.
fn read_head(tree: &sled::Tree) -> Result<Head, Fault> {
    let key = Key::of(Table::Head).into_bytes();
    let value = read_cell(tree, &row_key(&key))?;
    let mut memory = MemoryState::default();
    memory.apply(&Changes::from([(key, value)]));
    Ok(State(&memory).head()?)
}

fn read_cell(tree: &sled::Tree, key: &[u8]) -> Result<Vec<u8>, Fault> {
    let raw = guarded("reading a cell", || tree.get(key))?;
    let missing = || Fault::damaged(format!("{} is missing", cell::describe(key)));
    Ok(cell::open(key, &raw.ok_or_else(missing)?)?.to_vec())
}

/// sled stands where the watermark does, or further by no more than it says.
fn check_against_watermark(sled: &Watermark, mark: &Mark) -> Result<(), Fault> {
    let watermark = &mark.watermark;
    let (found, durable) = (sled.height.0, watermark.height.0);
    if found < durable {
        return Err(Fault::damaged(format!(
            "it stands at height {found}, but height {durable} was durable: blocks are lost"
        )));
    }
    if found > mark.height_max() {
        return Err(Fault::damaged(format!(
            "it stands at height {found}, too far beyond the watermark's {durable}: \
             the watermark is an old one"
        )));
    }
    if found == durable && sled != watermark {
        return Err(Fault::damaged(format!(
            "it and the watermark tell different stories of height {found}"
        )));
    }
    Ok(())
}

/// Reads every row and answers the digest of all, and the directory of those in pages.
fn scan_state(cells: Cells<'_>) -> Result<(StateDigest, Directory), Fault> {
    let (mut digest, directory) = (StateDigest::default(), Directory::default());
    for kind in [Kind::Row, Kind::Page] {
        let prefix = [kind as u8];
        let end = after_prefix(&prefix);
        let mut next = Some(prefix.to_vec());
        while let Some(start) = next {
            let (found, more) = cells.chunk(&start, end.as_deref(), CHUNK_CELLS)?;
            for (key, value) in found {
                if kind == Kind::Page {
                    directory.note_page(&key);
                }
                each_row(&key, &value, |row, value| {
                    digest.add(row, value);
                    directory.note_row(row);
                })?;
            }
            next = more;
        }
    }
    Ok((digest, directory))
}

/// The log's right edge leads to its root, the root of the watermark's size is the
/// watermark's, and the newest blocks are those whose leaves the tiles hold.
fn check_log(cells: Cells<'_>, watermark: &Watermark) -> Result<TileAppender, Fault> {
    let head = &cells.generation.head;
    let tree_fault = |error: TreeError<Fault>| match error {
        TreeError::Reader(fault) => fault,
        other => Fault::damaged(other.to_string()),
    };
    let log = TileAppender::open(&cells, head.tree_size()).map_err(tree_fault)?;
    if log.root().0 != head.root.0 {
        return Err(Fault::damaged("the tiles lead to another root of the log"));
    }
    let before = root_at(&cells, TreeSize(watermark.size)).map_err(tree_fault)?;
    if before.0 != watermark.root.0 {
        return Err(Fault::damaged("the log does not continue the watermark's"));
    }
    let first = head.height.0.saturating_sub(BLOCKS_CHECKED - 1).max(1);
    for height in first..=head.height.0 {
        check_block(cells, Height(height))?;
    }
    Ok(log)
}

/// A block's leaves are those of the tiles, and its place is that of its seal's row.
pub(crate) fn check_block(cells: Cells<'_>, height: Height) -> Result<(), Fault> {
    let fault = |what: &str| Fault::damaged(format!("the block of height {height}: {what}"));
    let bytes = cells.block(height)?.ok_or_else(|| fault("it is missing"))?;
    let seal = State(&Rows(cells)).seal(height)?;
    let seal = seal.ok_or_else(|| fault("the row of its seal is missing"))?;
    let leaves = split_leaves(&bytes).map_err(|error| fault(&error.to_string()))?;
    if seal.first_leaf + leaves.len() as u64 != seal.size {
        return Err(fault("it has another number of leaves than its seal says"));
    }
    let width = u64::from(TILE_WIDTH);
    let mut tile = (u64::MAX, Vec::new());
    for (index, leaf) in (seal.first_leaf..).zip(leaves) {
        if tile.0 != index / width {
            let size = cells.generation.head.tree_size();
            let hashes = tile_width(TileLevel::Hash(0), index / width, size);
            tile = (index / width, cells.hashes(0, index / width, hashes)?);
        }
        let at = usize::try_from(index % width).unwrap_or_default();
        if tile.1.get(at) != Some(&leaf_hash(leaf)) {
            return Err(fault(&format!("leaf {index} is not the one in its tile")));
        }
    }
    Ok(())
}
