//! The store: created, opened, read. What is written to it, see `commit`.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;

use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::{Height, KeyId, LedgerId};
use credlog_ledger::state::{Changes, MemoryState, State};
use credlog_ledger::transition::genesis_changes;

use crate::batch::Draft;
use crate::cell::testimony_key;
use crate::commit::Writer;
use crate::database::{Options, open_sled};
use crate::fault::{Fault, OpenError, StoreError, guarded};
use crate::folder::{self, FolderLock, GENESIS, OBSERVER_WAL, SLED, UNDECIDED, io_error};
use crate::generation::Generation;
use crate::key_file::{KeyFileError, Place};
use crate::opening;
use crate::resync::Resync;
use crate::sled_files::SledFiles;
use crate::snapshot::Snapshot;
use crate::space::Space;
use crate::testimony::EvidenceList;
use crate::undecided::UndecidedFile;
use crate::watermark::Watermark;
use crate::{ballot, cosigner};
use credlog_ledger::state::StateDigest;

/// A ledger's store in one folder; one process at a time has it open.
pub struct Store {
    dir: PathBuf,
    genesis: Genesis,
    ledger_id: LedgerId,
    db: sled::Db,
    current: RwLock<Arc<Generation>>,
    pub(crate) writer: Mutex<Writer>,
    durable: Mutex<Watermark>,
    pub(crate) evidence: Mutex<EvidenceList>,
    pub(crate) undecided: Mutex<UndecidedFile>,
    resync: Mutex<Option<Resync>>,
    disk_reserve_bytes: u64,
    _lock: FolderLock,
}

/// The keys of a member whose files are made with its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstKeys {
    /// Its consensus key.
    pub consensus: KeyId,
    /// Its cosigner key.
    pub cosigner: KeyId,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("dir", &self.dir)
            .field("head", &self.current().head)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Makes a store in an empty folder (made if it is missing) from the bytes of a
    /// genesis file, and opens it. What an interrupted making left there is cleared away.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`]; [`StoreError::Open`] for a genesis file that cannot found
    /// a ledger and for failing files; [`StoreError::Storage`].
    pub fn create(dir: &Path, genesis: &[u8], options: &Options) -> Result<Self, StoreError> {
        Self::create_for(dir, genesis, options, None)
    }

    /// As [`create`](Self::create), for a member: with the files of its keys
    /// ([`Ballot`](crate::Ballot), [`Cosigner`](crate::Cosigner)). Of keys that have files in
    /// the folder already, these stay.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub fn create_for(
        dir: &Path,
        genesis: &[u8],
        options: &Options,
        keys: Option<&FirstKeys>,
    ) -> Result<Self, StoreError> {
        let invalid = |source| OpenError::genesis(dir, source);
        let parsed = Genesis::parse(genesis).map_err(invalid)?;
        let rows = genesis_changes(&parsed).map_err(invalid)?;
        folder::make_durably(dir).map_err(io_error("making", dir))?;
        let taken = folder::lock_unfinished(dir)?;
        if !folder::clear_unfinished(dir).map_err(io_error("clearing", dir))? {
            return Err(StoreError::NotEmpty {
                dir: dir.to_owned(),
            });
        }
        opening::check_space(dir, options)?;
        create_data(dir, &rows, options)?;
        if let Some(keys) = keys {
            ballot::make(dir, keys.consensus)?;
            cosigner::make(dir, keys.cosigner)?;
        }
        // The genesis file comes last: without it, the folder is not a store.
        let path = dir.join(GENESIS);
        folder::write_durably(&path, genesis).map_err(io_error("writing", &path))?;
        drop(taken);
        Ok(Self::open(dir, options)?)
    }

    /// Opens a store and checks it: the whole state against its digest, the log's newest
    /// blocks and right edge against its root, all of it against the watermark. A crash
    /// between sled and watermark is repaired; damaged data is moved to a quarantine folder.
    /// With [`Options::resync_from_peers`] the store is then made anew, without a block, and
    /// [`resync`](Self::resync) says so.
    ///
    /// # Errors
    /// Every [`OpenError`].
    pub fn open(dir: &Path, options: &Options) -> Result<Self, OpenError> {
        let taken = folder::lock(dir)?;
        let genesis = read_genesis(dir)?;
        let ledger_id = genesis
            .ledger_id()
            .map_err(|source| OpenError::genesis(dir, source))?;
        let opened = match opening::open(dir, ledger_id, options) {
            Err(lost) if options.resync_from_peers => {
                make_anew(dir, &genesis, options, lost)?;
                opening::open(dir, ledger_id, options)?
            }
            opened => opened?,
        };
        let height = opened.head.height;
        let undecided =
            UndecidedFile::open(dir, height).map_err(io_error("opening", &dir.join(UNDECIDED)))?;
        let resync = Resync::read(dir)?;
        let generation = Generation::new(opened.head, opened.digest);
        let generation = generation.with_directory(opened.directory);
        let position = Watermark::new(&generation.head, generation.digest);
        let store = Self {
            dir: dir.to_owned(),
            genesis,
            ledger_id,
            db: opened.db,
            current: RwLock::new(Arc::new(generation)),
            writer: Mutex::new(Writer::new(opened.log, opened.files, opened.testimony)),
            durable: Mutex::new(position),
            evidence: Mutex::new(opened.evidence),
            undecided: Mutex::new(undecided),
            resync: Mutex::new(resync),
            disk_reserve_bytes: options.disk_reserve_bytes,
            _lock: taken,
        };
        store.note_caught_up(height);
        Ok(store)
    }

    /// The genesis file of the store in a folder, if there is a good one.
    pub fn genesis_in(dir: &Path) -> Option<Genesis> {
        read_genesis(dir).ok()
    }

    /// The genesis file.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The ledger's id.
    pub fn ledger_id(&self) -> LedgerId {
        self.ledger_id
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The newest committed state: durable, unless blocks are being synced
    /// ([`commit_synced`](Self::commit_synced)).
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot::new(&self.db, self.current())
    }

    /// The newest durable position: that of the watermark.
    pub fn durable(&self) -> Watermark {
        *lock(&self.durable)
    }

    pub(crate) fn set_durable(&self, position: Watermark) {
        *lock(&self.durable) = position;
    }

    /// Says that this store was damaged or lost blocks, was made anew and has not caught up
    /// with what it was. It then must not vote (see [`Ballot::standing`]).
    ///
    /// [`Ballot::standing`]: crate::Ballot::standing
    pub fn resync(&self) -> Option<Resync> {
        lock(&self.resync).clone()
    }

    /// Notes the height that is durable now; with it a store may be what it was.
    pub(crate) fn note_caught_up(&self, durable: Height) {
        let mut resync = lock(&self.resync);
        if resync
            .as_ref()
            .is_some_and(|resync| durable >= resync.until)
        {
            match Resync::end(&self.dir) {
                Ok(()) => *resync = None,
                Err(error) => tracing::warn!(%error, "the note of the resync cannot be removed"),
            }
        }
    }

    /// Whether files may be made for a key that the local state does not know.
    pub(crate) fn may_make_key(&self, place: &Place<'_>) -> Result<(), KeyFileError> {
        match self.resync() {
            Some(resync) if !place.is_there() => Err(KeyFileError::NotCaughtUp {
                key: place.key,
                dir: self.dir.clone(),
                until: resync.until,
            }),
            _ => Ok(()),
        }
    }

    /// Where an engine that runs without a vote keeps its log. The log of
    /// [`Standing::Votes`](crate::Standing::Votes) must not be given to one.
    pub fn observer_wal_path(&self) -> PathBuf {
        self.dir.join(OBSERVER_WAL)
    }

    /// How much space the disk has for this store. No block should be committed unless it
    /// [is enough](Space::is_enough).
    ///
    /// # Errors
    /// [`io::Error`] if the system does not say.
    pub fn space(&self) -> io::Result<Space> {
        Space::in_folder(&self.dir, self.disk_reserve_bytes)
    }

    pub(crate) fn current(&self) -> Arc<Generation> {
        let current = self.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_current(&self, next: Arc<Generation>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = next;
    }

    pub(crate) fn tree(&self) -> &sled::Tree {
        &self.db
    }

    pub(crate) fn db(&self) -> &sled::Db {
        &self.db
    }
}

/// What a mutex holds, also after a panic of somebody who held it: each change of these is
/// one assignment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the data of a store that is lost anew, to be filled by peers. Any other error stays.
fn make_anew(
    dir: &Path,
    genesis: &Genesis,
    options: &Options,
    lost: OpenError,
) -> Result<(), OpenError> {
    let quarantine = match lost {
        OpenError::Damaged { ref quarantine, .. } => Some(quarantine.clone()),
        OpenError::NoData { ref quarantine, .. } => quarantine.clone(),
        other => return Err(other),
    };
    let resync = Resync::begin(dir, quarantine)?;
    tracing::error!(
        %lost, until = %resync.until,
        "the store is made anew and filled by peers; until then this node does not vote"
    );
    let rows = genesis_changes(genesis).map_err(|source| OpenError::genesis(dir, source))?;
    create_data(dir, &rows, options).map_err(|error| match error {
        StoreError::Open(error) => error,
        other => OpenError::Io {
            doing: "making the store anew in",
            path: dir.to_owned(),
            reason: other.to_string(),
        },
    })
}

pub(crate) fn read_genesis(dir: &Path) -> Result<Genesis, OpenError> {
    let path = dir.join(GENESIS);
    let bytes = fs::read(&path).map_err(io_error("reading", &path))?;
    Genesis::parse(&bytes).map_err(|source| OpenError::genesis(dir, source))
}

/// Makes sled's folder and the watermark of a ledger without blocks.
pub(crate) fn create_data(dir: &Path, rows: &Changes, options: &Options) -> Result<(), StoreError> {
    let failed = |reason: String| StoreError::storage(dir, reason);
    let mut memory = MemoryState::default();
    memory.apply(rows);
    let head = State(&memory).head().map_err(|e| failed(e.to_string()))?;
    let sled = dir.join(SLED);
    let write = || -> Result<(), Fault> {
        let begun = SystemTime::now();
        let db = open_sled(&sled, options)?;
        let mut draft = Draft::new(None, StateDigest::default());
        draft.put_rows(rows)?;
        let position = Watermark::new(&head, draft.digest);
        draft.put_position(position)?;
        let testimony = StateDigest::default().to_bytes().to_vec();
        draft.put_testimony(vec![(testimony_key(), testimony)])?;
        let (batch, ..) = draft.finish();
        guarded("writing the first state", || db.apply_batch(batch))?;
        guarded("flushing", || db.flush())?;
        SledFiles::open(&sled, begun)
            .and_then(|_| position.create(dir))
            .map_err(|error| Fault::of_io("making the store's files", &error))
    };
    write().map_err(|fault| match fault.into_open_error(&sled) {
        Ok(error) => error.into(),
        Err(damage) => failed(damage.to_string()),
    })
}
