//! The store: created, opened, committed to.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;

use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::LedgerId;
use credlog_ledger::rows::Head;
use credlog_ledger::state::{Changes, Key, MemoryState, State, Table};
use credlog_ledger::transition::{Executed, genesis_changes};
use credlog_tlog::TileAppender;

use crate::batch::Draft;
use crate::database::{Options, open_sled};
use crate::digest::StateDigest;
use crate::fault::{Fatal, Fault, OpenError, StoreError, guarded};
use crate::folder::{self, GENESIS, SLED, io_error};
use crate::generation::{Cells, Generation};
use crate::opening::{self, Opened};
use crate::sled_files::SledFiles;
use crate::snapshot::Snapshot;
use crate::space::Space;
use crate::watermark::Watermark;

/// A ledger's store in one folder; one process at a time has it open.
pub struct Store {
    dir: PathBuf,
    genesis: Genesis,
    ledger_id: LedgerId,
    db: sled::Db,
    current: RwLock<Arc<Generation>>,
    writer: Mutex<Writer>,
    disk_reserve_bytes: u64,
    _lock: File,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("dir", &self.dir)
            .field("head", &self.current().head)
            .finish_non_exhaustive()
    }
}

/// When a commit is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// When it returns.
    Now,
    /// With a later one: for stores that are built anew and not used before that.
    Later,
}

/// What the one writer keeps from commit to commit.
#[derive(Debug)]
struct Writer {
    log: TileAppender,
    files: SledFiles,
    stopped: Option<String>,
}

impl Store {
    /// Makes a store in an empty folder (made if it is missing) from the bytes of a
    /// genesis file, and opens it. What an interrupted making left there is cleared away.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`]; [`StoreError::Open`] for a genesis file that cannot found
    /// a ledger and for failing files; [`StoreError::Storage`].
    pub fn create(dir: &Path, genesis: &[u8], options: &Options) -> Result<Self, StoreError> {
        let invalid = |source| OpenError::genesis(dir, source);
        let parsed = Genesis::parse(genesis).map_err(invalid)?;
        let rows = genesis_changes(&parsed).map_err(invalid)?;
        folder::make_durably(dir).map_err(io_error("making", dir))?;
        let lock = folder::lock_unfinished(dir)?;
        if !folder::clear_unfinished(dir).map_err(io_error("clearing", dir))? {
            return Err(StoreError::NotEmpty {
                dir: dir.to_owned(),
            });
        }
        opening::check_space(dir, options)?;
        create_data(dir, &rows, options)?;
        // The genesis file comes last: without it, the folder is not a store.
        let path = dir.join(GENESIS);
        folder::write_durably(&path, genesis).map_err(io_error("writing", &path))?;
        drop(lock);
        Ok(Self::open(dir, options)?)
    }

    /// Opens a store and checks it: the whole state against its digest, the log's newest
    /// blocks and right edge against its root, all of it against the watermark. A crash
    /// between sled and watermark is repaired; damaged data is moved to a quarantine folder.
    ///
    /// # Errors
    /// Every [`OpenError`].
    pub fn open(dir: &Path, options: &Options) -> Result<Self, OpenError> {
        let lock = folder::lock(dir)?;
        let genesis = read_genesis(dir)?;
        let ledger_id = genesis
            .ledger_id()
            .map_err(|source| OpenError::genesis(dir, source))?;
        let Opened {
            db,
            files,
            head,
            digest,
            directory,
            log,
        } = opening::open(dir, ledger_id, options)?;
        let generation = Generation::new(head, digest).with_directory(directory);
        Ok(Self {
            dir: dir.to_owned(),
            genesis,
            ledger_id,
            db,
            current: RwLock::new(Arc::new(generation)),
            writer: Mutex::new(Writer {
                log,
                files,
                stopped: None,
            }),
            disk_reserve_bytes: options.disk_reserve_bytes,
            _lock: lock,
        })
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

    /// The newest committed and durable state.
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot::new(&self.db, self.current())
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

    pub(crate) fn tree(&self) -> &sled::Tree {
        &self.db
    }

    /// Stores a block with all that follows from it: one atomic batch, flushed, then the
    /// watermark, then readers see it. When this returns, it is durable.
    ///
    /// # Errors
    /// Every [`Fatal`]; after [`Fatal::Storage`] every later commit answers
    /// [`Fatal::Stopped`], and the process must exit.
    pub fn commit(&self, executed: &Executed) -> Result<(), Fatal> {
        self.commit_with(executed, Durability::Now)
    }

    pub(crate) fn commit_with(
        &self,
        executed: &Executed,
        durability: Durability,
    ) -> Result<(), Fatal> {
        let mut writer = self.writer();
        if let Some(reason) = &writer.stopped {
            return Err(Fatal::Stopped {
                reason: reason.clone(),
            });
        }
        let generation = self.current();
        let next = check_next(&generation.head, executed)?;
        let mut log = writer.log.clone();
        log.append_many(executed.leaf_hashes.iter().copied());
        if (log.size(), log.root()) != (executed.size, executed.root) {
            return Err(inconsistent(executed, "its leaves lead to another root"));
        }
        let files = &mut writer.files;
        match self.write(&generation, executed, next, &mut log, files, durability) {
            Ok(next) => {
                writer.log = log;
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                *current = next;
                Ok(())
            }
            Err(reason) => {
                writer.stopped = Some(reason.clone());
                Err(Fatal::Storage {
                    height: executed.seal.height,
                    reason,
                })
            }
        }
    }

    /// Makes commits durable that were to be so later.
    pub(crate) fn make_durable(&self) -> Result<(), Fatal> {
        let mut writer = self.writer();
        let snapshot = self.snapshot();
        let flushed = self.flush(&mut writer.files, snapshot.position());
        flushed.map_err(|reason| Fatal::Storage {
            height: snapshot.head().height,
            reason,
        })
    }

    /// Has sled write something.
    ///
    /// To drop sled is to flush it, and after a failed write sled 0.34.7 may wait there
    /// forever: an error of its writing threads does not wake whoever waits for them
    /// (`exit_reservation` in its logger.rs). So it is not dropped then. What was acknowledged
    /// is durable, and the process ends now anyway.
    fn written<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&sled::Db) -> sled::Result<T>,
    ) -> Result<T, String> {
        guarded(doing, || work(&self.db)).map_err(|fault| {
            std::mem::forget(self.db.clone());
            fault.to_string()
        })
    }

    /// Makes durable what sled was given, then says so in the watermark.
    fn flush(&self, files: &mut SledFiles, position: Watermark) -> Result<(), String> {
        self.written("flushing", |db| db.flush())?;
        let synced = files.sync();
        synced.map_err(|error| format!("syncing sled's files: {error}"))?;
        let written = position.write(&self.dir);
        written.map_err(|error| format!("writing the watermark: {error}"))
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        match self.writer.lock() {
            Ok(writer) => writer,
            Err(poisoned) => {
                let mut writer = poisoned.into_inner();
                writer.stopped = Some("a commit panicked".to_owned());
                writer
            }
        }
    }

    fn write(
        &self,
        generation: &Arc<Generation>,
        executed: &Executed,
        head: Head,
        log: &mut TileAppender,
        files: &mut SledFiles,
        durability: Durability,
    ) -> Result<Arc<Generation>, String> {
        let text = |fault: Fault| fault.to_string();
        let cells = Cells {
            tree: &self.db,
            generation,
        };
        let mut draft = Draft::new(Some(cells), generation.digest);
        draft.put_rows(&executed.changes).map_err(text)?;
        draft
            .put_block(head.height, &executed.block)
            .map_err(text)?;
        draft.put_tiles(log.take_changed()).map_err(text)?;
        let digest = draft.digest;
        let position = Watermark::new(&head, digest);
        draft.put_position(position).map_err(text)?;
        let (batch, undo, new_pages) = draft.finish();
        let next = Arc::new(generation.successor(head, digest, &undo));
        if !generation.install(undo, Arc::clone(&next)) {
            return Err("the committed state has a successor already".to_owned());
        }
        // After the undo: who finds these pages, finds that they are later ones.
        if let Some(directory) = &generation.directory {
            new_pages.iter().for_each(|key| directory.note_page(key));
            executed
                .changes
                .keys()
                .for_each(|row| directory.note_row(row));
        }
        self.written("writing the batch", |db| db.apply_batch(batch))?;
        if durability == Durability::Now {
            self.flush(files, position)?;
        }
        Ok(next)
    }
}

fn inconsistent(executed: &Executed, what: &str) -> Fatal {
    Fatal::Inconsistent {
        height: executed.seal.height,
        what: what.to_owned(),
    }
}

/// Whether a block follows a head; answers the head after it.
fn check_next(head: &Head, executed: &Executed) -> Result<Head, Fatal> {
    let height = executed.seal.height;
    if height != head.height.next() || executed.first_leaf.0 != head.size {
        return Err(Fatal::NotNext {
            height,
            first_leaf: executed.first_leaf.0,
            head: head.height,
            size: head.size,
        });
    }
    let key = Key::of(Table::Head).into_bytes();
    let row = executed.changes.get_key_value(&key);
    let mut rows = MemoryState::default();
    rows.apply(
        &row.map(|(key, value)| (key.clone(), value.clone()))
            .into_iter()
            .collect(),
    );
    let next = State(&rows)
        .head()
        .map_err(|error| inconsistent(executed, &error.to_string()))?;
    let same =
        next.height == height && next.size == executed.size.0 && next.root.0 == executed.root.0;
    if same {
        Ok(next)
    } else {
        Err(inconsistent(executed, "its head row is another block's"))
    }
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
