//! Cosignatures: the members say that they see a checkpoint as the newest one.
//!
//! After each block, and now and then while none comes, a member cosigns the newest
//! checkpoint (C2SP cosignature/v1) and everybody gathers the cosignatures of all. With those of
//! a quorum a checkpoint is *attested* (design rules C1 to C5).
//!
//! One lock holds together what must agree: what this member cosigned last (rule C1), and for
//! which height it has called a block with records valid (rule C2). Until that height is
//! decided it does not cosign the older checkpoint again, since by then the block may be
//! decided without it.

mod handed;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use credlog_ledger::attestation::Cosigned;
use credlog_ledger::clock;
use credlog_ledger::ids::{Height, MemberId, Origin, UnixMillis};
use credlog_ledger::member::MemberSet;
use credlog_store::{Cosignatures, Cosigner, CosignerError};
use credlog_tlog::{Checkpoint, CosignatureSigner, Note, NoteSignature};
use tokio::sync::watch;

use crate::attesting::{Attested, Attesting};
use crate::metrics::Metrics;
pub use handed::Declined;

/// Checkpoints before the newest one whose cosignatures are still gathered.
const EARLIER_MAX: usize = 64;

/// Gathers cosignatures, and makes this member's.
#[derive(Debug)]
pub struct Cosigning {
    origin: Origin,
    attesting: Arc<Attesting>,
    metrics: Arc<Metrics>,
    inner: Mutex<Inner>,
    /// Says when a greater checkpoint is attested, or the same again.
    news: watch::Sender<Option<Attested>>,
}

#[derive(Debug)]
struct Inner {
    own: Option<Own>,
    /// By their size; the last is the newest.
    gathered: BTreeMap<u64, Gathered>,
    /// What members cosigned that is not here yet: of each the newest.
    ahead: HashMap<MemberId, (Checkpoint, NoteSignature)>,
    /// The height for which this member has called a block with records valid.
    promised: Option<Height>,
    attested: Option<Attested>,
    /// Cosignatures of attested checkpoints that the store does not have yet, by size.
    unsaved: BTreeMap<u64, Cosignatures>,
    /// Cosignatures of outside witnesses, by the witness, each with the size of its checkpoint.
    witnessed: BTreeMap<String, (u64, NoteSignature)>,
    /// Checkpoints of another history that were told of already.
    conflicts: BTreeSet<(u64, [u8; 32])>,
    /// Counts changes of what the newest checkpoint carries.
    version: u64,
}

/// This member as a cosigner.
#[derive(Debug)]
pub struct Own {
    /// Who.
    pub member: MemberId,
    /// Signs under the name of its key.
    pub signer: CosignatureSigner,
    /// Remembers what was signed.
    pub file: Cosigner,
}

/// A checkpoint of this node's log and what members say of it.
#[derive(Debug, Clone)]
struct Gathered {
    height: Height,
    checkpoint: Checkpoint,
    /// In force for the next height: those who attest this one (rule C5).
    members: Arc<MemberSet>,
    /// The newest cosignature of each member.
    signatures: BTreeMap<MemberId, (u64, NoteSignature)>,
}

/// What came of cosignatures of another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// They verify and say something new; `is_ahead` of this node's log.
    New {
        /// They are about a greater log than this node has.
        is_ahead: bool,
    },
    /// Nothing new, or nothing that can be judged here.
    Nothing,
    /// Not cosignatures of this ledger's members.
    Bad,
}

/// The next thing to hand to other nodes.
pub type Released = Option<Vec<u8>>;

impl Cosigning {
    /// Begins at the newest checkpoint, with the cosignatures that were stored with it.
    /// `promised`: rule C2, from what was stored before a restart.
    pub fn new(
        origin: Origin,
        attesting: Arc<Attesting>,
        metrics: Arc<Metrics>,
        tip: (Height, Checkpoint, MemberSet),
        promised: Option<Height>,
    ) -> Self {
        let (height, checkpoint, members) = tip;
        let mut inner = Inner {
            own: None,
            gathered: BTreeMap::new(),
            ahead: HashMap::new(),
            promised,
            attested: None,
            unsaved: BTreeMap::new(),
            witnessed: BTreeMap::new(),
            conflicts: BTreeSet::new(),
            version: 0,
        };
        inner.begin(height, checkpoint, Arc::new(members));
        Self {
            origin,
            attesting,
            metrics,
            inner: Mutex::new(inner),
            news: watch::Sender::new(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each change is whole before anything can panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this node cosigns for a member, or for nobody.
    pub fn sign_as(&self, own: Option<Own>) {
        self.lock().own = own;
    }

    /// Takes cosignatures of the newest checkpoint from the store.
    pub fn restore(&self, signatures: &[NoteSignature]) {
        let mut inner = self.lock();
        if let Some((_, newest)) = inner.gathered.last_key_value() {
            let size = newest.checkpoint.size().0;
            let _known = inner.take(&self.origin, size, signatures);
        }
        self.note_attested(&mut inner);
    }

    /// Whether this member's clock lets it call a block valid (rule R1): within the tolerance
    /// and later than its last cosignature, unless `has_polka`. If so and the block has
    /// records, it promises not to cosign the checkpoint before that block again (rule C2).
    pub fn agree(
        &self,
        height: Height,
        seal: UnixMillis,
        has_records: bool,
        now: UnixMillis,
        has_polka: bool,
    ) -> bool {
        let mut inner = self.lock();
        let last = inner.own.as_ref().and_then(|own| own.file.last());
        let agrees = has_polka || clock::agrees(seal, now, last.map(|last| last.time));
        if agrees && has_records {
            inner.promised = inner.promised.max(Some(height));
        }
        agrees
    }

    /// The newest second at which a member cosigned the newest checkpoint, for the time of the
    /// next block. One that is further ahead than the clock tolerates does not hide the others
    /// (rule R1).
    pub fn newest_second(&self, now: UnixMillis) -> Option<u64> {
        let latest = now.plus(clock::CLOCK_TOLERANCE_MILLIS).0 / 1_000;
        let inner = self.lock();
        let (_, newest) = inner.gathered.last_key_value()?;
        let seconds = newest.signatures.values().map(|(second, _)| *second);
        seconds.filter(|second| *second <= latest).max()
    }

    /// A block is committed: its checkpoint is the newest now. It is not cosigned yet.
    pub fn committed(&self, height: Height, checkpoint: &Checkpoint, members: MemberSet) {
        let mut inner = self.lock();
        let size = checkpoint.size().0;
        inner.forget_former_members(&self.origin, &members);
        inner.begin(height, checkpoint.clone(), Arc::new(members));
        if inner.promised <= Some(height) {
            inner.promised = None;
        }
        let reached = |(ahead, _): &(Checkpoint, NoteSignature)| ahead.size().0 <= size;
        let known: Vec<_> = inner
            .ahead
            .extract_if(|_, ahead| reached(ahead))
            .map(|(_, (ahead, signature))| (ahead, signature))
            .collect();
        for (ahead, signature) in known {
            if ahead.size().0 == size {
                self.compare(&ahead, checkpoint);
                let _known = inner.take(&self.origin, size, std::slice::from_ref(&signature));
            }
        }
        self.note_attested(&mut inner);
    }

    /// Cosigns the newest checkpoint, if rules C1 and C2 let this member. The store has to hold
    /// its block durably.
    ///
    /// # Errors
    /// [`CosignerError`]: the node must stop.
    pub fn sign(&self, now: UnixMillis) -> Result<Released, CosignerError> {
        let mut inner = self.lock();
        let released = inner.sign(now)?;
        self.note_attested(&mut inner);
        Ok(released)
    }

    /// Takes a note with cosignatures that came from another node.
    pub fn receive(&self, note: &[u8]) -> Received {
        let Ok(note) = Note::parse(note) else {
            return Received::Bad;
        };
        let Ok(checkpoint) = Checkpoint::parse(note.text()) else {
            return Received::Bad;
        };
        if checkpoint.origin() != self.origin.as_str() {
            return Received::Bad;
        }
        let mut inner = self.lock();
        let size = checkpoint.size().0;
        let tip = inner.tip_size();
        let received = if let Some(gathered) = inner.gathered.get(&size) {
            if gathered.checkpoint != checkpoint {
                return self.other_history(&inner, &checkpoint, &note);
            }
            inner.take(&self.origin, size, note.signatures())
        } else if size > tip {
            inner.take_ahead(&self.origin, &checkpoint, note.signatures())
        } else {
            Received::Nothing
        };
        self.note_attested(&mut inner);
        received
    }

    /// Whether more members than can be faulty have cosigned a greater log than this node has.
    pub fn is_behind(&self) -> bool {
        self.lock().is_behind()
    }

    /// The newest cosignatures, as notes for a node that asks.
    pub fn notes(&self) -> Vec<Vec<u8>> {
        let inner = self.lock();
        let newest = inner.gathered.last_key_value();
        let notes = newest.and_then(|(_, newest)| newest.note());
        let ahead = inner.ahead.values();
        let ahead = ahead
            .filter_map(|(checkpoint, signature)| note_of(checkpoint, vec![signature.clone()]));
        notes.into_iter().chain(ahead).collect()
    }

    /// The cosignatures of the checkpoint of this size, if it is the newest, and a number that
    /// changes with them.
    pub fn newest(&self, size: u64) -> (u64, Vec<NoteSignature>) {
        let inner = self.lock();
        let gathered = inner.gathered.get(&size);
        let signatures = gathered.map(Gathered::lines).unwrap_or_default();
        (inner.version, signatures)
    }

    /// The cosignatures of outside witnesses for the checkpoint of this size. They attest nothing:
    /// trust rests on the members' quorum.
    pub fn witnessed(&self, size: u64) -> Vec<NoteSignature> {
        let inner = self.lock();
        let of_size = inner.witnessed.values().filter(|(of, _)| *of == size);
        of_size.map(|(_, signature)| signature.clone()).collect()
    }

    /// Keeps the cosignature of an outside witness, which has been verified, in the place of its
    /// earlier one. It is served while its checkpoint is the newest.
    pub fn keep_witnessed(&self, witness: &str, size: u64, signature: NoteSignature) {
        let mut inner = self.lock();
        let known = inner.witnessed.get(witness);
        if known.is_none_or(|(known, _)| *known <= size) {
            let kept = (size, signature);
            inner.witnessed.insert(witness.to_owned(), kept);
            inner.version += 1;
        }
    }

    /// The newest attested checkpoint, with the cosignatures of its members and a number that
    /// changes with them.
    pub fn newest_attested(&self) -> Option<(Checkpoint, Vec<NoteSignature>, u64)> {
        let inner = self.lock();
        let gathered = inner.gathered.get(&inner.attested.as_ref()?.size)?;
        Some((gathered.checkpoint.clone(), gathered.lines(), inner.version))
    }

    /// Hears of newly attested checkpoints.
    pub fn news(&self) -> watch::Receiver<Option<Attested>> {
        self.news.subscribe()
    }

    /// A number that changes with the newest checkpoint's cosignatures.
    pub fn version(&self) -> u64 {
        self.lock().version
    }

    /// The newest attested checkpoint.
    pub fn attested(&self) -> Option<Attested> {
        self.lock().attested.clone()
    }

    /// Second of this member's newest cosignature.
    pub fn own_second(&self) -> Option<u64> {
        let inner = self.lock();
        inner.own.as_ref()?.file.last().map(|last| last.time)
    }

    /// Looks for the newest checkpoint with a quorum.
    fn note_attested(&self, inner: &mut Inner) {
        let quorate = inner.gathered.values().rev().find_map(Gathered::attested);
        let Some(quorate) = quorate else {
            return;
        };
        // Those before it are covered by it.
        let kept = inner.gathered.split_off(&quorate.size);
        inner.gathered = kept;
        self.attesting.attested(quorate.height);
        self.metrics.observe_attested(&quorate);
        if let Some(gathered) = inner.gathered.get(&quorate.size) {
            let cosignatures = Cosignatures {
                size: quorate.size,
                attested: true,
                lines: gathered.lines(),
            };
            inner.unsaved.insert(quorate.size, cosignatures);
            while inner.unsaved.len() > EARLIER_MAX {
                inner.unsaved.pop_first();
            }
        }
        self.news.send_if_modified(|known| {
            let is_new = known.as_ref() != Some(&quorate);
            *known = Some(quorate.clone());
            is_new
        });
        inner.attested = Some(quorate);
    }

    /// Cosignatures for the store, once.
    pub fn take_unsaved(&self) -> Vec<Cosignatures> {
        let unsaved = std::mem::take(&mut self.lock().unsaved);
        unsaved.into_values().collect()
    }

    /// A cosignature of another history of this log: if a member made it, the ledger has
    /// forked, or that member lies.
    fn other_history(&self, inner: &Inner, checkpoint: &Checkpoint, note: &Note) -> Received {
        let Some((_, newest)) = inner.gathered.last_key_value() else {
            return Received::Nothing;
        };
        for signature in note.signatures() {
            match Cosigned::by_member(&newest.members, &self.origin, checkpoint, signature) {
                Ok(Some(cosigned)) => {
                    self.metrics.consortium.cosignature_conflicts.inc();
                    tracing::error!(
                        member = %cosigned.member,
                        size = checkpoint.size().0,
                        root = %checkpoint.root(),
                        "a member has cosigned another history of this log: it lies, or the \
                         ledger has forked; keep this line and ask the members"
                    );
                }
                Ok(None) => {}
                Err(_) => return Received::Bad,
            }
        }
        Received::Nothing
    }

    fn compare(&self, ahead: &Checkpoint, own: &Checkpoint) {
        if ahead != own {
            self.metrics.consortium.cosignature_conflicts.inc();
            tracing::error!(
                size = own.size().0,
                root = %ahead.root(),
                "a member has cosigned another history of this log than was decided here"
            );
        }
    }
}

impl Inner {
    fn begin(&mut self, height: Height, checkpoint: Checkpoint, members: Arc<MemberSet>) {
        let gathered = Gathered {
            height,
            checkpoint,
            members,
            signatures: BTreeMap::new(),
        };
        self.gathered.insert(gathered.checkpoint.size().0, gathered);
        while self.gathered.len() > EARLIER_MAX + 1 {
            self.gathered.pop_first();
        }
        self.version += 1;
    }

    /// The members change: what others said of greater logs does not count any more.
    fn forget_former_members(&mut self, origin: &Origin, members: &MemberSet) {
        let newest = self.gathered.last_key_value();
        if newest.is_none_or(|(_, newest)| *newest.members == *members) {
            return;
        }
        self.ahead.retain(|_, (checkpoint, signature)| {
            let by = Cosigned::by_member(members, origin, checkpoint, signature);
            matches!(by, Ok(Some(_)))
        });
    }

    fn tip_size(&self) -> u64 {
        let newest = self.gathered.last_key_value();
        newest.map_or(0, |(size, _)| *size)
    }

    fn is_behind(&self) -> bool {
        let Some((_, newest)) = self.gathered.last_key_value() else {
            return false;
        };
        let faulty = (newest.members.members().len() - 1) / 3;
        self.ahead.len() > faulty
    }

    fn sign(&mut self, now: UnixMillis) -> Result<Released, CosignerError> {
        let is_behind = self.is_behind();
        let (Some(own), Some((size, newest))) = (
            self.own.as_mut(),
            self.gathered
                .last_entry()
                .map(|entry| (*entry.key(), entry.into_mut())),
        ) else {
            return Ok(None);
        };
        let seat = newest.members.find(&own.member);
        let registered = seat.and_then(|seat| seat.member.keys.cosigner.key.as_ed25519());
        let is_own = registered == Some(own.signer.verifier_key().public_key());
        let promised = self.promised > Some(newest.height);
        // Before the first block there is nothing to attest.
        if !is_own || promised || is_behind || size == 0 {
            return Ok(None);
        }
        let next = credlog_store::Cosigned {
            size,
            root: newest.checkpoint.root().into(),
            time: now.0 / 1_000,
        };
        match own.file.note(next) {
            Ok(()) => {}
            Err(error @ CosignerError::Earlier { .. }) => {
                tracing::warn!(%error, "not cosigned: the clock of this machine went back");
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        let signature = own.signer.cosign(&newest.checkpoint, next.time);
        let note = note_of(&newest.checkpoint, vec![signature.clone()]);
        newest
            .signatures
            .insert(own.member.clone(), (next.time, signature));
        self.version += 1;
        Ok(note)
    }

    /// Takes cosignatures of a checkpoint that is here.
    fn take(&mut self, origin: &Origin, size: u64, signatures: &[NoteSignature]) -> Received {
        let Some(gathered) = self.gathered.get_mut(&size) else {
            return Received::Nothing;
        };
        let mut received = Received::Nothing;
        for signature in signatures {
            let cosigned =
                Cosigned::by_member(&gathered.members, origin, &gathered.checkpoint, signature);
            let cosigned = match cosigned {
                Ok(Some(cosigned)) => cosigned,
                Ok(None) => continue,
                Err(_) => return Received::Bad,
            };
            let second = cosigned.time_seconds;
            let known = gathered.signatures.get(&cosigned.member);
            if known.is_none_or(|(known, _)| *known < second) {
                let newest = (second, signature.clone());
                gathered.signatures.insert(cosigned.member, newest);
                received = Received::New { is_ahead: false };
            }
        }
        if received != Received::Nothing {
            self.version += 1;
        }
        received
    }

    /// Takes cosignatures of a greater log than is here.
    fn take_ahead(
        &mut self,
        origin: &Origin,
        checkpoint: &Checkpoint,
        signatures: &[NoteSignature],
    ) -> Received {
        let Some((_, newest)) = self.gathered.last_key_value() else {
            return Received::Nothing;
        };
        let members = Arc::clone(&newest.members);
        let mut received = Received::Nothing;
        for signature in signatures {
            let cosigned = match Cosigned::by_member(&members, origin, checkpoint, signature) {
                Ok(Some(cosigned)) => cosigned,
                Ok(None) => continue,
                Err(_) => return Received::Bad,
            };
            let known = self.ahead.get(&cosigned.member);
            if known.is_none_or(|(known, _)| known.size() < checkpoint.size()) {
                let newest = (checkpoint.clone(), signature.clone());
                self.ahead.insert(cosigned.member, newest);
                received = Received::New { is_ahead: true };
            }
        }
        received
    }
}

impl Gathered {
    /// Rule C4, over signatures that were verified when they came.
    fn attested(&self) -> Option<Attested> {
        let quorum = self.members.quorum();
        let mut seconds: Vec<u64> = self
            .signatures
            .values()
            .map(|(second, _)| *second)
            .collect();
        seconds.sort_unstable_by(|a, b| b.cmp(a));
        let as_of = seconds.get(quorum.checked_sub(1)?)?;
        Some(Attested {
            height: self.height,
            size: self.checkpoint.size().0,
            as_of: UnixMillis(as_of.saturating_mul(1_000)),
            cosigners: self.signatures.keys().cloned().collect(),
            quorum,
        })
    }

    fn lines(&self) -> Vec<NoteSignature> {
        let signatures = self.signatures.values();
        signatures.map(|(_, signature)| signature.clone()).collect()
    }

    fn note(&self) -> Option<Vec<u8>> {
        note_of(&self.checkpoint, self.lines())
    }
}

/// A note over a checkpoint; none without signatures.
fn note_of(checkpoint: &Checkpoint, signatures: Vec<NoteSignature>) -> Option<Vec<u8>> {
    if signatures.is_empty() {
        return None;
    }
    let note = Note::new(&checkpoint.body(), signatures).ok()?;
    Some(note.to_string().into_bytes())
}
