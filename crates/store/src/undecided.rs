//! Blocks that were executed and are not decided: kept before the node votes for them.
//!
//! ```text
//! file    = head ‖ entry*, each at a multiple of 4,096 bytes, gaps in between
//! head    = "credlog undecided 1\n" ‖ secret 32 ‖ check 8
//! entry   = length u32 ‖ place check 12 ‖ check 32 ‖ payload
//! payload = kind u8 ‖ height u64 ‖ value 32 ‖ round u32 ‖ metadata length u32 ‖ metadata ‖ block
//! ```
//!
//! A file outside sled, since all that is needed is that an entry is durable after one
//! `fdatasync`. New entries go where no entry of an undecided height stands: the file is
//! reused from height to height, so its size seldom changes, and such a sync waits for the
//! data alone.
//!
//! Checks are BLAKE3 keyed with the file's secret, over the entry's place in the file too.
//! Else a block could hold bytes that look like an entry, and be taken for one once the entry
//! around it was partly written over.
//!
//! A value that comes again in a later round is an entry without its block (kind 2).
//!
//! The file has at most 64 MiB; in a height of very many rounds, old values make room.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use credlog_ledger::block::BLOCK_BYTES_MAX;
use credlog_ledger::ids::{Height, Round, ValueId};
use rand::RngCore;

use crate::folder::{UNDECIDED, write_durably};

/// Entries start at multiples of this: a torn write leaves its neighbours whole.
const STEP: u64 = STEP_BYTES as u64;
const STEP_BYTES: usize = 4_096;
const MAGIC: &[u8; 20] = b"credlog undecided 1\n";
const ENTRY_HEAD_BYTES: usize = 4 + 12 + 32;
const PAYLOAD_HEAD_BYTES: usize = 1 + 8 + 32 + 4 + 4;
const WITH_BLOCK: u8 = 1;
const AGAIN: u8 = 2;

/// Most bytes of the metadata of an entry.
pub const UNDECIDED_METADATA_BYTES_MAX: usize = 4_096;
/// Most entries of a height: values, and rounds of values.
pub const UNDECIDED_ENTRIES_MAX: usize = 4_096;
/// Most bytes of the file.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Bytes that the file keeps when its entries are decided.
const FILE_BYTES_KEPT: u64 = 4 << 20;
/// Longest payload.
const PAYLOAD_BYTES_MAX: usize =
    PAYLOAD_HEAD_BYTES + UNDECIDED_METADATA_BYTES_MAX + BLOCK_BYTES_MAX;

/// A block that was executed and is not decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// Its height.
    pub height: Height,
    /// The round in which it was proposed.
    pub round: Round,
    /// Id of the value that it leads to.
    pub value: ValueId,
    /// What the caller keeps with it, at most [`UNDECIDED_METADATA_BYTES_MAX`].
    pub metadata: Vec<u8>,
    /// The stored form of the block (a `credlog_ledger::block::Block`).
    pub block: Arc<[u8]>,
}

/// A block that was not kept: the node must not vote for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UndecidedError {
    /// Its height is decided.
    #[error("height {height} is decided; the store is at height {head}")]
    Decided {
        /// Height of the block.
        height: Height,
        /// Height of the store.
        head: Height,
    },
    /// There is no room, and nothing of its height that could make some.
    #[error(
        "there is no room for an undecided block of height {height} beside {entries} entries of \
         {bytes} bytes"
    )]
    Full {
        /// The height.
        height: Height,
        /// Entries of any height.
        entries: usize,
        /// Bytes that they take.
        bytes: u64,
    },
    /// The block or its metadata is too long.
    #[error("an undecided block of {block} bytes with {metadata} bytes beside it is too long")]
    TooLong {
        /// Bytes of the block.
        block: usize,
        /// Bytes of the metadata.
        metadata: usize,
    },
    /// Input or output failed.
    #[error("{doing} {path}: {reason}", path = .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system answered.
        reason: String,
    },
}

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    kind: u8,
    height: Height,
    value: ValueId,
    round: Round,
    /// Bytes in the file, a multiple of [`STEP`].
    room: u64,
}

/// The file.
#[derive(Debug)]
pub(crate) struct UndecidedFile {
    path: PathBuf,
    file: File,
    secret: [u8; 32],
    /// By their places in the file.
    entries: BTreeMap<u64, Entry>,
}

impl UndecidedFile {
    /// Opens the file of a folder, made if it is missing or has lost its head. Entries of
    /// heights up to `decided` are left out, and so are those that are damaged or torn.
    pub(crate) fn open(dir: &Path, decided: Height) -> io::Result<Self> {
        let path = dir.join(UNDECIDED);
        let open = || OpenOptions::new().read(true).write(true).open(&path);
        let found = match open() {
            Ok(mut file) => read_secret(&mut file)?.map(|secret| (file, secret)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let (file, secret) = match found {
            Some(found) => found,
            None => {
                write_durably(&path, &new_head())?;
                let mut file = open()?;
                let secret = read_secret(&mut file)?;
                (file, secret.ok_or(io::ErrorKind::InvalidData)?)
            }
        };
        let entries = BTreeMap::new();
        let mut opened = Self {
            path,
            file,
            secret,
            entries,
        };
        opened.find_entries(decided)?;
        Ok(opened)
    }

    fn find_entries(&mut self, decided: Height) -> io::Result<()> {
        let length = self.file.metadata()?.len().min(FILE_BYTES_MAX);
        let mut place = STEP;
        while place < length {
            let Some((entry, _)) = self.read_entry(place)? else {
                place += STEP;
                continue;
            };
            if entry.height > decided {
                self.entries.insert(place, entry);
            }
            place += entry.room;
        }
        Ok(())
    }

    /// The entry at a place with its payload, if a whole one is there.
    fn read_entry(&self, place: u64) -> io::Result<Option<(Entry, Vec<u8>)>> {
        let mut head = [0; ENTRY_HEAD_BYTES];
        if !read_all(&self.file, &mut head, place)? {
            return Ok(None);
        }
        let (length, rest) = head.split_at(4);
        let (place_check, check) = rest.split_at(12);
        let length = u32::from_be_bytes(length.try_into().unwrap_or_default());
        if self.place_check(place, length) != place_check {
            return Ok(None);
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > PAYLOAD_BYTES_MAX {
            return Ok(None);
        }
        let mut payload = vec![0; length];
        let whole = read_all(&self.file, &mut payload, place + ENTRY_HEAD_BYTES as u64)?
            && self.check(place, &payload) == check;
        Ok(whole
            .then(|| parse(&payload))
            .flatten()
            .map(|entry| (entry, payload)))
    }

    fn place_check(&self, place: u64, length: u32) -> [u8; 12] {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(b"place");
        hasher.update(&place.to_be_bytes());
        hasher.update(&length.to_be_bytes());
        let mut check = [0; 12];
        check.copy_from_slice(&hasher.finalize().as_bytes()[..12]);
        check
    }

    fn check(&self, place: u64, payload: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(b"entry");
        hasher.update(&place.to_be_bytes());
        hasher.update(payload);
        *hasher.finalize().as_bytes()
    }

    /// Keeps a block; durable when this returns.
    pub(crate) fn put(&mut self, block: &Undecided) -> Result<(), UndecidedError> {
        if block.metadata.len() > UNDECIDED_METADATA_BYTES_MAX
            || block.block.len() > BLOCK_BYTES_MAX
        {
            return Err(UndecidedError::TooLong {
                block: block.block.len(),
                metadata: block.metadata.len(),
            });
        }
        let same = |entry: &&Entry| (entry.height, entry.value) == (block.height, block.value);
        let known: Vec<_> = self.entries.values().filter(same).collect();
        let has_block = known.iter().any(|entry| entry.kind == WITH_BLOCK);
        if has_block && known.iter().any(|entry| entry.round == block.round) {
            return Ok(());
        }
        let kind = if has_block { AGAIN } else { WITH_BLOCK };
        let payload = payload(kind, block);
        let room = room(payload.len());
        let place = match self.place_for(block, room) {
            // The block is there; only that it was put forward once more is not noted.
            Err(UndecidedError::Full { .. }) if has_block => return Ok(()),
            place => place?,
        };
        let written = self.write(place, &payload);
        written.map_err(|error| self.failed("writing", &error))?;
        let entry = Entry {
            kind,
            height: block.height,
            value: block.value,
            round: block.round,
            room,
        };
        self.entries.insert(place, entry);
        Ok(())
    }

    fn write(&self, place: u64, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        let bytes = [
            &length.to_be_bytes()[..],
            &self.place_check(place, length),
            &self.check(place, payload),
            payload,
        ]
        .concat();
        self.file.write_all_at(&bytes, place)?;
        self.file.sync_data()
    }

    /// A place for an entry of a block. If there is none, the value of the height whose last
    /// round is the longest ago makes room: one for which members have precommitted is
    /// proposed again and again, so it is a recent one.
    fn place_for(&mut self, block: &Undecided, room: u64) -> Result<u64, UndecidedError> {
        loop {
            if let Some(place) = self.gap(block.height, room) {
                return Ok(place);
            }
            let Some(value) = self.oldest_value(block) else {
                let (height, entries) = (block.height, self.entries.len());
                return Err(UndecidedError::Full {
                    height,
                    entries,
                    bytes: self.entries.values().map(|entry| entry.room).sum(),
                });
            };
            tracing::warn!(height = %block.height, %value, "an old undecided block makes room");
            self.drop_value(block.height, &value);
        }
    }

    /// The first gap between the entries, if the height may have one more.
    fn gap(&self, height: Height, room: u64) -> Option<u64> {
        let of_height = self.entries.values().filter(|one| one.height == height);
        if of_height.count() >= UNDECIDED_ENTRIES_MAX {
            return None;
        }
        let mut place = STEP;
        for (start, entry) in &self.entries {
            if place + room <= *start {
                break;
            }
            place = start + entry.room;
        }
        (place + room <= FILE_BYTES_MAX).then_some(place)
    }

    /// The other value of a block's height whose last round is the earliest.
    fn oldest_value(&self, block: &Undecided) -> Option<ValueId> {
        let mut last_rounds = BTreeMap::new();
        for entry in self.entries.values() {
            if entry.height == block.height && entry.value != block.value {
                let last = last_rounds.entry(entry.value).or_insert(entry.round);
                *last = entry.round.max(*last);
            }
        }
        let oldest = last_rounds.into_iter().min_by_key(|(_, round)| *round);
        oldest.map(|(value, _)| value)
    }

    /// The blocks of a height in the order of their rounds. One that is damaged by now is left
    /// out.
    pub(crate) fn of_height(&self, height: Height) -> Result<Vec<Undecided>, UndecidedError> {
        let wanted = |entry: &Entry| entry.height == height;
        let (mut blocks, mut found) = (BTreeMap::new(), Vec::new());
        for (place, _) in self.entries.iter().filter(|(_, entry)| wanted(entry)) {
            let read = self.read_entry(*place);
            let read = read.map_err(|error| self.failed("reading", &error))?;
            let Some((entry, payload)) = read.filter(|(entry, _)| wanted(entry)) else {
                tracing::warn!(%height, "an undecided block is damaged and left out");
                continue;
            };
            let (metadata, block) = split(&payload);
            if entry.kind == WITH_BLOCK {
                blocks.insert(entry.value, Arc::from(block));
            }
            found.push((entry, metadata.to_vec()));
        }
        let found = found.into_iter().filter_map(|(entry, metadata)| {
            Some(Undecided {
                height,
                round: entry.round,
                value: entry.value,
                metadata,
                block: Arc::clone(blocks.get(&entry.value)?),
            })
        });
        let mut found: Vec<_> = found.collect();
        found.sort_by_key(|block| (block.round, block.value));
        found.dedup_by_key(|block| (block.round, block.value));
        Ok(found)
    }

    /// Forgets a value of a height; its place is free. After a crash it may be there again.
    fn drop_value(&mut self, height: Height, value: &ValueId) {
        let other = |entry: &Entry| (entry.height, entry.value) != (height, *value);
        self.entries.retain(|_, entry| other(entry));
    }

    /// Forgets what is decided.
    pub(crate) fn decided(&mut self, height: Height) {
        self.entries.retain(|_, entry| entry.height > height);
        if self.entries.is_empty()
            && let Ok(found) = self.file.metadata()
            && found.len() > FILE_BYTES_KEPT
            && let Err(error) = self.file.set_len(FILE_BYTES_KEPT)
        {
            tracing::warn!(%error, path = %self.path.display(), "the file cannot be shortened");
        }
    }

    fn failed(&self, doing: &'static str, error: &io::Error) -> UndecidedError {
        UndecidedError::Io {
            doing,
            path: self.path.clone(),
            reason: error.to_string(),
        }
    }
}

fn new_head() -> Vec<u8> {
    let mut secret = [0; 32];
    rand::thread_rng().fill_bytes(&mut secret);
    let mut head = [&MAGIC[..], &secret].concat();
    head.extend_from_slice(&head_check(&head));
    head.resize(STEP_BYTES, 0);
    head
}

fn head_check(head: &[u8]) -> [u8; 8] {
    let mut check = [0; 8];
    check.copy_from_slice(&blake3::hash(head).as_bytes()[..8]);
    check
}

/// The secret of a file, if its head is whole.
fn read_secret(file: &mut File) -> io::Result<Option<[u8; 32]>> {
    let mut head = [0; MAGIC.len() + 32 + 8];
    match file.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (start, check) = head.split_at(MAGIC.len() + 32);
    let whole = start.starts_with(MAGIC) && head_check(start) == check;
    Ok(start.last_chunk().filter(|_| whole).copied())
}

/// Reads at a place; false if the file ends before.
fn read_all(file: &File, bytes: &mut [u8], place: u64) -> io::Result<bool> {
    match file.read_exact_at(bytes, place) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn room(payload: usize) -> u64 {
    (ENTRY_HEAD_BYTES as u64 + payload as u64).next_multiple_of(STEP)
}

fn payload(kind: u8, block: &Undecided) -> Vec<u8> {
    let metadata = u32::try_from(block.metadata.len()).unwrap_or(u32::MAX);
    let bytes: &[u8] = match kind {
        WITH_BLOCK => &block.block,
        _ => &[],
    };
    [
        &[kind][..],
        &block.height.0.to_be_bytes(),
        &block.value.0,
        &block.round.0.to_be_bytes(),
        &metadata.to_be_bytes(),
        &block.metadata,
        bytes,
    ]
    .concat()
}

fn parse(payload: &[u8]) -> Option<Entry> {
    let (kind, rest) = payload.split_first()?;
    let (height, rest) = rest.split_first_chunk()?;
    let (value, rest) = rest.split_first_chunk()?;
    let (round, rest) = rest.split_first_chunk()?;
    let (metadata, rest) = rest.split_first_chunk()?;
    let fits = rest.len() >= usize::try_from(u32::from_be_bytes(*metadata)).ok()?;
    (fits && matches!(*kind, WITH_BLOCK | AGAIN)).then_some(Entry {
        kind: *kind,
        height: Height(u64::from_be_bytes(*height)),
        value: ValueId(*value),
        round: Round(u32::from_be_bytes(*round)),
        room: room(payload.len()),
    })
}

/// Metadata and block of a payload that [`parse`] has read.
fn split(payload: &[u8]) -> (&[u8], &[u8]) {
    let (head, rest) = payload.split_at(PAYLOAD_HEAD_BYTES.min(payload.len()));
    let length = head
        .last_chunk()
        .map_or(0, |length| u32::from_be_bytes(*length));
    rest.split_at(
        usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(rest.len()),
    )
}
