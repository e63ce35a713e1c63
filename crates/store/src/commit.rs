//! What is written to a store: blocks, and what members sign about them.
//!
//! ```text
//! commit         batch, flush, watermark, readers see it
//! commit_synced  batch, readers see it; flush and watermark after a run of blocks
//! ```

use std::sync::{Arc, MutexGuard};

use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::evidence::Equivocation;
use credlog_ledger::ids::Height;
use credlog_ledger::rows::Head;
use credlog_ledger::state::{Key, MemoryState, State, Table};
use credlog_ledger::transition::Executed;
use credlog_tlog::TileAppender;

use crate::batch::Draft;
use crate::cell::{attested_key, certificate_key, cosignatures_key};
use crate::fault::{Fatal, Fault, guarded};
use crate::generation::{Cell, Cells, Generation};
use crate::sled_files::SledFiles;
use crate::store::{Store, lock};
use crate::testimony::{self, Cosignatures, TestimonyError, height_of_size, value_at};
use crate::undecided::{Undecided, UndecidedError};
use crate::watermark::Watermark;
use credlog_ledger::state::StateDigest;

/// Blocks of a run without a flush.
const RUN_BLOCKS: u32 = 256;
/// Bytes of the blocks of a run, after which it ends as well.
const RUN_BYTES: usize = 32 << 20;

/// When a commit is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// When it returns.
    Now,
    /// With a later one; the watermark allows for it before.
    Synced,
    /// With a later one: for stores that are built anew and not used before that.
    Later,
}

/// What the one writer keeps from commit to commit.
#[derive(Debug)]
pub(crate) struct Writer {
    log: TileAppender,
    files: SledFiles,
    testimony: StateDigest,
    /// What is left of a run without a flush.
    run: Option<Run>,
    /// Whether sled was given something that is not durable.
    unflushed: bool,
    stopped: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    blocks: u32,
    bytes: usize,
}

impl Run {
    fn after(self, block: usize) -> Option<Self> {
        let (blocks, bytes) = (self.blocks.checked_sub(1)?, self.bytes.checked_sub(block)?);
        (blocks > 0).then_some(Self { blocks, bytes })
    }
}

impl Writer {
    pub(crate) fn new(log: TileAppender, files: SledFiles, testimony: StateDigest) -> Self {
        Self {
            log,
            files,
            testimony,
            run: None,
            unflushed: false,
            stopped: None,
        }
    }

    fn check_running(&self) -> Result<(), Fatal> {
        match &self.stopped {
            Some(reason) => Err(Fatal::Stopped {
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }

    /// After a write that failed nothing more may be written.
    fn stop(&mut self, height: Height, reason: String) -> Fatal {
        self.stopped = Some(reason.clone());
        Fatal::Storage { height, reason }
    }
}

impl Store {
    /// Stores a block with its certificate and all that follows from it: one atomic batch,
    /// flushed, then the watermark, then readers see it. When this returns, it is durable.
    ///
    /// The certificate was verified before: the store compares its height and its value alone.
    /// Without one the block's certificate is known to be lost, until
    /// [`finalize`](Self::finalize) brings one.
    ///
    /// # Errors
    /// Every [`Fatal`]; after [`Fatal::Storage`] every later commit answers
    /// [`Fatal::Stopped`], and the process must exit.
    pub fn commit(
        &self,
        executed: &Executed,
        certificate: Option<&CommitCertificate>,
    ) -> Result<(), Fatal> {
        self.commit_with(executed, certificate, Durability::Now)
    }

    /// As [`commit`](Self::commit), for blocks that peers have decided and sent: durable with
    /// the last one of a run, at most 256 blocks or 32 MiB later, or with the next
    /// [`make_durable`](Self::make_durable) or [`commit`](Self::commit).
    ///
    /// Readers see such a block at once. That is harmless, since its certificate proves that
    /// the members decided it: a crash takes it from this node alone, which gets it again from
    /// where it got it. It does harm to act on it: so call [`make_durable`](Self::make_durable)
    /// before the node cosigns it, or votes on the next height. The watermark never names a
    /// block before it is durable.
    ///
    /// # Errors
    /// As for [`commit`](Self::commit).
    pub fn commit_synced(
        &self,
        executed: &Executed,
        certificate: &CommitCertificate,
    ) -> Result<(), Fatal> {
        self.commit_with(executed, Some(certificate), Durability::Synced)
    }

    /// Makes durable what was written and is not yet: synced blocks, cosignatures, signatures
    /// added to certificates. Costs nothing if there is nothing.
    ///
    /// # Errors
    /// [`Fatal::Stopped`] and [`Fatal::Storage`], as for [`commit`](Self::commit).
    pub fn make_durable(&self) -> Result<(), Fatal> {
        let mut writer = self.writer();
        writer.check_running()?;
        match writer.unflushed {
            true => self.flush(&mut writer),
            false => Ok(()),
        }
    }

    /// Replaces the certificate of a committed block by one with more signatures, and answers
    /// whether it did. Durable with the next commit or
    /// [`make_durable`](Self::make_durable): nothing depends on the added ones.
    ///
    /// The certificate was verified before. Signatures of both are kept if they are of one
    /// round; else the one that is stored.
    ///
    /// # Errors
    /// [`TestimonyError`]: for a height that is not committed, or another value than its own.
    pub fn finalize(
        &self,
        height: Height,
        certificate: &CommitCertificate,
    ) -> Result<bool, TestimonyError> {
        let mut writer = self.writer();
        writer.check_running()?;
        let snapshot = self.snapshot();
        let head = snapshot.head().height;
        if height.0 == 0 || height > head || certificate.height != height {
            return Err(TestimonyError::NotCommitted { height, head });
        }
        let stored = value_at(snapshot.cells(), height).map_err(view)?;
        if certificate.value != stored {
            return Err(TestimonyError::OtherValue {
                height,
                certified: certificate.value,
                stored,
            });
        }
        let known = snapshot.certificate(height)?;
        let merged = match known {
            None => certificate.clone(),
            Some(mut known) => match known.merge(certificate) {
                Ok(true) => known,
                Ok(false) | Err(_) => return Ok(false),
            },
        };
        let bytes = merged.to_bytes();
        let bytes = bytes.map_err(|error| TestimonyError::Form(error.to_string()))?;
        self.put_testimony(&mut writer, vec![(certificate_key(height), bytes)])?;
        Ok(true)
    }

    /// Keeps the cosignatures of a checkpoint, in the place of those that were kept for it.
    /// Durable with the next commit or [`make_durable`](Self::make_durable): nothing depends
    /// on them. Each was verified before; of a member the newest counts.
    ///
    /// # Errors
    /// [`TestimonyError`]: for a size at which no block ends, too many, or if an attested
    /// checkpoint would lose its quorum.
    pub fn put_cosignatures(&self, cosignatures: &Cosignatures) -> Result<(), TestimonyError> {
        let size = cosignatures.size;
        let bytes = cosignatures.to_bytes()?;
        let mut writer = self.writer();
        writer.check_running()?;
        let snapshot = self.snapshot();
        if height_of_size(snapshot.cells(), size)
            .map_err(view)?
            .is_none()
        {
            return Err(TestimonyError::NoCheckpoint { size });
        }
        let known = snapshot.cosignatures(size)?;
        if !cosignatures.attested && known.is_some_and(|known| known.attested) {
            return Err(TestimonyError::Attested { size });
        }
        let mut cells = vec![(cosignatures_key(size), bytes)];
        let newest = snapshot.newest_attested()?;
        if cosignatures.attested && newest.is_none_or(|newest| newest.size < size) {
            cells.push((attested_key(), size.to_be_bytes().to_vec()));
        }
        Ok(self.put_testimony(&mut writer, cells)?)
    }

    /// Keeps evidence, durably, and answers whether it is new. It was verified before. Of a
    /// member and height the newest is kept, and [`EVIDENCE_MAX`](crate::EVIDENCE_MAX) in all.
    ///
    /// # Errors
    /// [`TestimonyError::Form`] and [`TestimonyError::Fatal`].
    pub fn put_evidence(&self, evidence: &Equivocation) -> Result<bool, TestimonyError> {
        let mut writer = self.writer();
        writer.check_running()?;
        let mut list = lock(&self.evidence).clone();
        let Some(cell) = list.put(evidence)? else {
            return Ok(false);
        };
        self.put_testimony(&mut writer, vec![cell])?;
        self.flush(&mut writer)?;
        *lock(&self.evidence) = list;
        Ok(true)
    }

    /// The evidence that is kept, the oldest first.
    pub fn evidence(&self) -> Vec<Equivocation> {
        lock(&self.evidence).all()
    }

    /// Keeps a block that was executed and is not decided; durable when this returns, and only
    /// then may the node vote for it. The same value of the same round again is no other one;
    /// of a later round it costs 4 KiB. When 64 MiB are full, the value of that height whose
    /// last round is the longest ago is forgotten.
    ///
    /// # Errors
    /// Every [`UndecidedError`]: the node must not vote for it.
    pub fn put_undecided(&self, block: &Undecided) -> Result<(), UndecidedError> {
        let (height, head) = (block.height, self.current().head.height);
        if height <= head {
            return Err(UndecidedError::Decided { height, head });
        }
        lock(&self.undecided).put(block)
    }

    /// The undecided blocks of a height, in the order of their rounds. What is damaged is left
    /// out.
    ///
    /// # Errors
    /// [`UndecidedError::Io`].
    pub fn undecided(&self, height: Height) -> Result<Vec<Undecided>, UndecidedError> {
        lock(&self.undecided).of_height(height)
    }

    pub(crate) fn commit_with(
        &self,
        executed: &Executed,
        certificate: Option<&CommitCertificate>,
        durability: Durability,
    ) -> Result<(), Fatal> {
        let mut writer = self.writer();
        writer.check_running()?;
        let generation = self.current();
        let head = check_next(&generation.head, executed)?;
        let certificate = certificate_bytes(executed, certificate)?;
        let mut log = writer.log.clone();
        log.append_many(executed.leaf_hashes.iter().copied());
        if (log.size(), log.root()) != (executed.size, executed.root) {
            return Err(inconsistent(executed, "its leaves lead to another root"));
        }
        let height = head.height;
        let block = Block {
            executed,
            head,
            certificate,
        };
        let written = self.write(&mut writer, &generation, block, &mut log, durability);
        let next = written.map_err(|reason| writer.stop(height, reason))?;
        writer.log = log;
        self.set_current(next);
        lock(&self.undecided).decided(height);
        self.note_caught_up(self.durable().height);
        Ok(())
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
        guarded(doing, || work(self.db())).map_err(|fault| {
            std::mem::forget(self.db().clone());
            fault.to_string()
        })
    }

    /// Makes durable what sled was given, then says so in the watermark, with how far sled may
    /// be beyond it from now on.
    fn flush_to(
        &self,
        writer: &mut Writer,
        position: Watermark,
        ahead: Option<u32>,
    ) -> Result<(), String> {
        self.written("flushing", |db| db.flush())?;
        let synced = writer.files.sync();
        synced.map_err(|error| format!("syncing sled's files: {error}"))?;
        let written = match ahead {
            Some(ahead) => position.write_ahead(self.dir(), ahead),
            None => position.write(self.dir()),
        };
        written.map_err(|error| format!("writing the watermark: {error}"))?;
        (writer.unflushed, writer.run) = (false, None);
        self.set_durable(position);
        Ok(())
    }

    /// Makes all durable that was written.
    fn flush(&self, writer: &mut Writer) -> Result<(), Fatal> {
        let position = self.snapshot().position();
        let flushed = self.flush_to(writer, position, None);
        flushed.map_err(|reason| writer.stop(position.height, reason))?;
        self.note_caught_up(position.height);
        Ok(())
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

    /// Writes cells of testimony outside of a commit, not durable yet.
    fn put_testimony(&self, writer: &mut Writer, cells: Vec<Cell>) -> Result<(), Fatal> {
        let generation = self.current();
        let reader = Cells {
            tree: self.tree(),
            generation: &generation,
        };
        let mut draft = testimony::Draft::new(reader, writer.testimony);
        let drafted = cells.into_iter().try_for_each(|(k, v)| draft.put(k, v));
        let height = generation.head.height;
        drafted.map_err(|fault| writer.stop(height, fault.to_string()))?;
        let (cells, digest) = draft.finish();
        let batch = testimony::batch(cells);
        writer.unflushed = true;
        let written = self.written("writing testimony", |db| db.apply_batch(batch));
        written.map_err(|reason| writer.stop(height, reason))?;
        writer.testimony = digest;
        Ok(())
    }

    fn write(
        &self,
        writer: &mut Writer,
        generation: &Arc<Generation>,
        block: Block<'_>,
        log: &mut TileAppender,
        durability: Durability,
    ) -> Result<Arc<Generation>, String> {
        if durability == Durability::Synced && writer.run.is_none() {
            let position = Watermark::new(&generation.head, generation.digest);
            self.flush_to(writer, position, Some(RUN_BLOCKS))?;
            let (blocks, bytes) = (RUN_BLOCKS, RUN_BYTES);
            writer.run = Some(Run { blocks, bytes });
        }
        let executed = block.executed;
        let drafted = self.draft(writer, generation, block, log);
        let Drafted {
            draft,
            head,
            testimony,
        } = drafted.map_err(|fault| fault.to_string())?;
        let digest = draft.digest;
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
        writer.unflushed = true;
        self.written("writing the batch", |db| db.apply_batch(batch))?;
        writer.testimony = testimony;
        match durability {
            Durability::Now => {
                let position = Watermark::new(&next.head, digest);
                self.flush_to(writer, position, None)?;
            }
            Durability::Synced => {
                let length = executed.block.len();
                writer.run = writer.run.and_then(|run| run.after(length));
            }
            Durability::Later => {}
        }
        Ok(next)
    }

    /// All cells that a block changes.
    fn draft<'s>(
        &'s self,
        writer: &Writer,
        generation: &'s Generation,
        block: Block<'_>,
        log: &mut TileAppender,
    ) -> Result<Drafted<'s>, Fault> {
        let Block {
            executed,
            head,
            certificate,
        } = block;
        let cells = Cells {
            tree: self.tree(),
            generation,
        };
        let mut draft = Draft::new(Some(cells), generation.digest);
        draft.put_rows(&executed.changes)?;
        draft.put_block(head.height, &executed.block)?;
        draft.put_tiles(log.take_changed())?;
        let mut testimony = testimony::Draft::new(cells, writer.testimony);
        testimony.put(certificate_key(head.height), certificate)?;
        let (signed, testimony) = testimony.finish();
        draft.put_testimony(signed)?;
        draft.put_position(Watermark::new(&head, draft.digest))?;
        Ok(Drafted {
            draft,
            head,
            testimony,
        })
    }
}

/// A block to write.
struct Block<'b> {
    executed: &'b Executed,
    head: Head,
    /// The bytes of its certificate; none if it is not known.
    certificate: Vec<u8>,
}

struct Drafted<'s> {
    draft: Draft<'s>,
    head: Head,
    testimony: StateDigest,
}

fn view(fault: Fault) -> TestimonyError {
    TestimonyError::View(fault.into())
}

fn certificate_bytes(
    executed: &Executed,
    certificate: Option<&CommitCertificate>,
) -> Result<Vec<u8>, Fatal> {
    let Some(certificate) = certificate else {
        return Ok(Vec::new());
    };
    let value = executed.value_id();
    let value = value.map_err(|error| inconsistent(executed, &error.to_string()))?;
    if (certificate.height, certificate.value) != (executed.seal.height, value) {
        return Err(inconsistent(executed, "its certificate is another block's"));
    }
    let bytes = certificate.to_bytes();
    bytes.map_err(|error| inconsistent(executed, &error.to_string()))
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
