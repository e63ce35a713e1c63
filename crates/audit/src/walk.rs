//! The walk along the log: tree, rules, seals and members, one height after the other.
//!
//! It runs on one thread and leaves to others what does not depend on the heights before:
//! decoding and hashing ([`piece`](crate::piece)), signatures of records
//! ([`batch`](crate::batch)), and those of certificates ([`step`](crate::step)).
//!
//! Where a rule is broken, the state cannot be followed any further: what a node would have
//! made of such a block, no rule says. Tree, seals, signatures, members and certificates are
//! checked to the end of the log all the same.

use std::sync::Arc;

use credlog_ledger::block::{BLOCK_BYTES_MAX, Block, record_cost};
use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::{
    Height, LeafIndex, LedgerId, Origin, RecordId, Root, UnixMillis, ValueId,
};
use credlog_ledger::member::MemberSet;
use credlog_ledger::record::EncodedRecord;
use credlog_ledger::rejection::Rule;
use credlog_ledger::seal::Seal;
use credlog_ledger::state::{State, StateDigest};
use credlog_ledger::transition::{BlockError, execute, genesis_changes};
use credlog_tlog::{Checkpoint, Frontier, Hash, TreeSize};

use crate::certificates::{Certificates, Served};
use crate::error::AuditError;
use crate::files;
use crate::finding::{Finding, Kind};
use crate::piece::{Other, Piece};
use crate::source::Source;
use crate::state::AuditState;
use crate::step::{Job, Step};
use crate::upper::Upper;

/// Leaves of one block that are remembered for one reason: more than a block may have.
const NOTED_MAX: usize = 65_536;

/// What was counted on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) records: u64,
    /// Records whose signature could not be checked: the key follows from a state that could not
    /// be followed.
    pub(crate) unchecked_signatures: u64,
    /// Heights without a certificate in the source, and the first of them.
    pub(crate) uncertified: u64,
    pub(crate) first_uncertified: Option<Height>,
    /// Certificates that could not be checked: the members in force were not known.
    pub(crate) unchecked_certificates: u64,
    /// Tiles compared.
    pub(crate) tiles: u64,
    /// Changes of the member set.
    pub(crate) member_changes: u64,
}

/// How far the state could be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Followed {
    pub(crate) height: Height,
    pub(crate) digest: StateDigest,
    pub(crate) rows: u64,
    pub(crate) credentials: u64,
}

/// The walk.
pub(crate) struct Walk<'s> {
    source: &'s dyn Source,
    ledger: LedgerId,
    origin: Origin,
    state: Option<AuditState>,
    followed: Followed,
    members: Option<Arc<MemberSet>>,
    members_hash: Root,
    height: Height,
    time: UnixMillis,
    tree: Frontier,
    upper: Upper,
    block: Pending,
    /// The first height whose certificate decides another content, and how many followed.
    diverged: Option<(Height, u64)>,
    counts: Counts,
}

/// The block whose seal has not come yet.
#[derive(Debug, Default)]
struct Pending {
    first: u64,
    leaves: u64,
    bytes: usize,
    records: Vec<EncodedRecord>,
    ids: Vec<RecordId>,
    /// Records that no known key has signed so far as one can tell.
    unverified: Vec<(LeafIndex, RecordId, bool)>,
    /// Leaves that are not those of their tile: as they are, as the tile says.
    changed: Vec<(LeafIndex, Hash, Hash)>,
    /// The tree with the hashes of the tiles, where they are others.
    published: Option<Frontier>,
    /// It cannot be executed.
    spoiled: bool,
}

impl<'s> Walk<'s> {
    /// Stands before the first leaf of the ledger that this file founds.
    pub(crate) fn new(source: &'s dyn Source, genesis: &Genesis) -> Result<Self, AuditError> {
        let unusable = |reason: String| AuditError::Genesis { reason };
        let mut state = AuditState::default();
        let rows = genesis_changes(genesis).map_err(|error| unusable(error.to_string()))?;
        state.apply(rows);
        let ledger = genesis.ledger_id();
        let members = genesis.member_set();
        let hash = members.hash();
        Ok(Self {
            source,
            ledger: ledger.map_err(|error| unusable(error.to_string()))?,
            origin: genesis.origin.clone(),
            followed: Followed {
                height: Height(0),
                digest: state.digest(),
                rows: state.rows(),
                credentials: 0,
            },
            state: Some(state),
            members: Some(Arc::new(members)),
            members_hash: hash.map_err(|error| unusable(error.to_string()))?,
            height: Height(0),
            time: genesis.time,
            tree: Frontier::new(),
            upper: Upper::default(),
            block: Pending::default(),
            diverged: None,
            counts: Counts::default(),
        })
    }

    pub(crate) fn ledger(&self) -> LedgerId {
        self.ledger
    }

    /// The members in force for the next height, if they are known.
    pub(crate) fn members(&self) -> Option<&MemberSet> {
        self.members.as_deref()
    }

    pub(crate) fn height(&self) -> Height {
        self.height
    }

    /// Time of the newest seal.
    pub(crate) fn time(&self) -> UnixMillis {
        self.time
    }

    pub(crate) fn size(&self) -> TreeSize {
        self.tree.size()
    }

    pub(crate) fn root(&self) -> Hash {
        self.tree.root()
    }

    /// The state, if it could be followed to where the walk stands.
    pub(crate) fn state(&self) -> Option<&AuditState> {
        self.state.as_ref()
    }

    /// The state, as far as the rules could be followed.
    pub(crate) fn into_state(self) -> Option<AuditState> {
        self.state
    }

    pub(crate) fn followed(&self) -> Followed {
        self.followed
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            tiles: self.counts.tiles + self.upper.tiles,
            ..self.counts
        }
    }

    /// Compares the list of the founding members with what is published of it.
    pub(crate) fn founders(&self) -> Step {
        let mut step = Step::default();
        self.compare_members(&mut step);
        step
    }

    /// Walks along a piece whose records come from a batch.
    pub(crate) fn piece(
        &mut self,
        piece: &mut Piece,
        records: &mut impl Iterator<Item = (EncodedRecord, bool)>,
        certificates: &mut Certificates<'_>,
    ) -> Vec<Step> {
        let mut step = Step {
            findings: std::mem::take(&mut piece.findings),
            ..Step::default()
        };
        if !piece.is_whole() {
            step.stopped = Some(AuditError::Cut {
                bundle: piece.index,
            });
            return vec![step];
        }
        let mut steps = Vec::new();
        let mut others = std::mem::take(&mut piece.others).into_iter().peekable();
        for at in 0..piece.hashes.len() {
            self.append(piece, at);
            let Some((_, other)) = others.next_if(|(place, _)| *place == at) else {
                if let Some((record, has_key)) = records.next() {
                    self.record(record, has_key, &mut step);
                }
                continue;
            };
            let seal = match other {
                Other::Bad(reason) => {
                    let leaf = LeafIndex(self.tree.size().0 - 1);
                    let finding = Finding::new(Kind::Malformed, reason).leaf(leaf);
                    step.findings.push(finding.height(self.height.next()));
                    self.block.leaves += 1;
                    self.block.spoiled = true;
                    continue;
                }
                Other::Seal(seal) => Ok(*seal),
                Other::BadSeal(reason) => Err(reason),
            };
            self.close(seal, certificates, &mut step);
            steps.push(std::mem::take(&mut step));
        }
        self.counts.tiles += 1;
        if let Some(roots) = piece.roots() {
            let compared = self.upper.push(self.source, roots);
            step.findings.extend(compared.findings);
            step.gaps.extend(compared.gaps);
        }
        step.leaves = self.tree.size().0;
        steps.push(step);
        steps
    }

    /// Appends a leaf to the tree, and to the other tree where tiles say something else.
    fn append(&mut self, piece: &Piece, at: usize) {
        let hash = piece.hashes[at];
        let published = piece.published.as_ref().and_then(|hashes| hashes.get(at));
        let other = published.copied().filter(|published| *published != hash);
        if let Some(other) = other {
            let leaf = LeafIndex(self.tree.size().0);
            if self.block.changed.len() < NOTED_MAX {
                self.block.changed.push((leaf, hash, other));
            }
            self.block.published.get_or_insert(self.tree.clone());
        }
        if let Some(tree) = &mut self.block.published {
            tree.append(other.unwrap_or(hash));
        }
        self.tree.append(hash);
    }

    fn record(&mut self, record: EncodedRecord, has_key: bool, step: &mut Step) {
        let leaf = LeafIndex(self.tree.size().0 - 1);
        self.counts.records += 1;
        let block = &mut self.block;
        block.leaves += 1;
        block.bytes += record_cost(&record);
        if record.verified_by().is_none() && block.unverified.len() < NOTED_MAX {
            block.unverified.push((leaf, record.id(), has_key));
        }
        if self.state.is_none() || block.spoiled {
            return;
        }
        if block.bytes > BLOCK_BYTES_MAX {
            block.spoiled = true;
            block.records = Vec::new();
            let text = format!("no seal stands within {BLOCK_BYTES_MAX} bytes of records");
            let finding = Finding::new(Kind::Seal, text).rule(Rule::R2).leaf(leaf);
            step.findings.push(finding.height(self.height.next()));
            return;
        }
        block.ids.push(record.id());
        block.records.push(record);
    }

    /// A seal closes the block.
    fn close(
        &mut self,
        seal: Result<Seal, String>,
        certificates: &mut Certificates<'_>,
        step: &mut Step,
    ) {
        let mut block = std::mem::take(&mut self.block);
        block.first = self.tree.size().0 - 1 - block.leaves;
        let height = self.height.next();
        self.height = height;
        step.height = Some(height);
        step.leaves = self.tree.size().0;
        let served = match certificates.of(height) {
            Ok(served) => served,
            Err(error) => {
                step.gaps.push(error);
                Served::Nothing
            }
        };
        let seal_is_true = self.choose_tree(&mut block, &served, step);
        let seal = match seal {
            Ok(seal) => seal,
            Err(reason) => {
                let leaf = self.seal_leaf();
                let text = format!("the leaf is no seal: {reason}");
                let finding = Finding::new(Kind::Malformed, text).rule(Rule::R3);
                step.findings.push(finding.leaf(leaf).height(height));
                self.state = None;
                self.signatures(&block, None, step);
                self.certificate(served, None, step);
                return;
            }
        };
        let failed = self.rules(&mut block, &seal, step);
        self.signatures(&block, failed, step);
        self.certificate(served, seal_is_true.then_some(&seal), step);
        if seal_is_true {
            self.time = self.time.max(seal.time);
        }
        // What nobody decided puts no members in force.
        if seal_is_true && (self.state.is_some() || self.diverged.is_none()) {
            self.follow_members(&seal, step);
        }
        if !block.changed.is_empty() {
            // What was executed is not what was decided.
            self.state = None;
        }
        if let Some(state) = &self.state {
            self.followed = Followed {
                height,
                digest: state.digest(),
                rows: state.rows(),
                credentials: state.credentials(),
            };
        }
    }

    fn seal_leaf(&self) -> LeafIndex {
        LeafIndex(self.tree.size().0 - 1)
    }

    /// Where leaves are not those of their tile, the certificate tells which of the two the
    /// members decided. Answers whether the seal is.
    fn choose_tree(&mut self, block: &mut Pending, served: &Served, step: &mut Step) -> bool {
        let Some(published) = block.published.take() else {
            return true;
        };
        let decided = match served {
            Served::Certificate(certificate) => Some(certificate.value),
            _ => None,
        };
        let value = |tree: &Frontier| self.value(tree).ok();
        let by_leaves = decided.is_some() && value(&self.tree) == decided;
        let by_tiles = decided.is_some() && value(&published) == decided;
        let height = self.height;
        for &(leaf, found, expected) in &block.changed {
            let (kind, text) = if by_tiles {
                let text = "the leaf was changed: its hash is not the published one, which the \
                            certificate of its height decides";
                (Kind::Leaf, text)
            } else if by_leaves {
                let text = "the tile has another hash for the leaf than the leaf has, which the \
                            certificate of its height decides";
                (Kind::Tile, text)
            } else {
                let text = "the leaf's hash is not the one that its tile has";
                (Kind::Leaf, text)
            };
            let (found, expected) = match by_leaves {
                true => (expected, found),
                false => (found, expected),
            };
            let finding = Finding::new(kind, text).leaf(leaf).height(height);
            let finding = finding.shows("expected", expected).shows("found", found);
            step.findings.push(finding);
        }
        let seal = self.seal_leaf();
        let seal_is_changed = block.changed.iter().any(|(leaf, _, _)| *leaf == seal);
        if by_tiles {
            self.tree = published;
        }
        if by_leaves {
            block.changed.clear();
        }
        by_leaves || !seal_is_changed
    }

    fn value(&self, tree: &Frontier) -> Result<ValueId, AuditError> {
        let checkpoint = Checkpoint::new(self.origin.as_str(), tree.size(), tree.root());
        let checkpoint = checkpoint.map_err(|error| AuditError::Genesis {
            reason: error.to_string(),
        })?;
        Ok(ValueId::of(&checkpoint))
    }

    /// Executes the block, or checks what can be checked of its seal without a state. Answers
    /// which of its records a rule refused.
    fn rules(&mut self, block: &mut Pending, seal: &Seal, step: &mut Step) -> Option<LeafIndex> {
        if block.spoiled {
            self.state = None;
        }
        let Some(state) = &mut self.state else {
            self.seal_alone(block, seal, step);
            return None;
        };
        let records = std::mem::take(&mut block.records);
        let whole = Block {
            records,
            seal: seal.clone(),
        };
        match execute(&*state, whole) {
            Ok(executed) => {
                state.apply(executed.changes);
                None
            }
            Err(BlockError::Record { at, rejection }) => {
                let leaf = LeafIndex(block.first + at as u64);
                let text = format!("a rule refuses the record: {rejection}");
                let finding = Finding::new(Kind::Record, text).refused(&rejection);
                let finding = finding.leaf(leaf).height(self.height);
                step.findings.push(match block.ids.get(at) {
                    Some(id) => finding.record(*id),
                    None => finding,
                });
                self.state = None;
                Some(leaf)
            }
            Err(BlockError::Fatal(error)) => {
                let reason = error.to_string();
                step.gaps.push(AuditError::State { reason });
                self.state = None;
                None
            }
            Err(error) => {
                let rule = match &error {
                    BlockError::Time { .. } => Rule::R1,
                    BlockError::Interval { .. } => Rule::R10,
                    BlockError::Empty | BlockError::Format(_) => Rule::R2,
                    _ => Rule::R3,
                };
                self.refused_seal(rule, &error.to_string(), step);
                None
            }
        }
    }

    /// A rule that is broken by the block as a whole, or by its seal.
    fn refused_seal(&mut self, rule: Rule, text: &str, step: &mut Step) {
        let text = text.trim_start_matches(&format!("{rule}: "));
        let text = format!("the seal is refused: {text}");
        let finding = Finding::new(Kind::Seal, text).rule(rule);
        let finding = finding.leaf(self.seal_leaf()).height(self.height);
        step.findings.push(finding);
        self.state = None;
    }

    /// What a seal must say whatever the state.
    fn seal_alone(&mut self, block: &Pending, seal: &Seal, step: &mut Step) {
        let height = self.height;
        let proposer = self.members.as_ref();
        let proposer = proposer.map(|set| set.proposer(height, seal.round).member.id.clone());
        let mut wrong = Vec::new();
        if seal.height != height {
            let text = format!("the block has height {}, not {height}", seal.height);
            wrong.push((Rule::R3, text));
        }
        if u64::from(seal.record_count) != block.leaves {
            let (counted, found) = (seal.record_count, block.leaves);
            let text = format!("it counts {counted} records, there are {found}");
            wrong.push((Rule::R3, text));
        }
        if seal.time <= self.time {
            let text = format!("its time {} is not after {}", seal.time, self.time);
            wrong.push((Rule::R1, text));
        }
        if let Some(expected) = proposer.filter(|expected| *expected != seal.proposer) {
            let found = &seal.proposer;
            let text = format!("it is the turn of member {expected} to propose, not of {found}");
            wrong.push((Rule::R3, text));
        }
        for (rule, text) in wrong {
            self.refused_seal(rule, &text, step);
        }
    }

    /// Signatures that no rule has judged: of the records behind the one that a rule refused.
    fn signatures(&mut self, block: &Pending, failed: Option<LeafIndex>, step: &mut Step) {
        if self.state.is_some() {
            return;
        }
        for &(leaf, record, has_key) in &block.unverified {
            if failed.is_some_and(|failed| leaf <= failed) {
                continue;
            }
            if !has_key {
                self.counts.unchecked_signatures += 1;
                continue;
            }
            let text = "the record's signature does not verify by the key that it names";
            let finding = Finding::new(Kind::Record, text).rule(Rule::R0);
            let mut finding = finding.leaf(leaf).height(self.height).record(record);
            finding.code = Some("bad-signature");
            step.findings.push(finding);
        }
    }

    /// Whether the members decided what is served.
    fn certificate(&mut self, served: Served, seal: Option<&Seal>, step: &mut Step) {
        let height = self.height;
        let wrong = |text: String| Finding::new(Kind::Certificate, text).height(height);
        let certificate = match served {
            Served::Certificate(certificate) => certificate,
            Served::Nothing => {
                self.counts.uncertified += 1;
                self.counts.first_uncertified.get_or_insert(height);
                return;
            }
            Served::Bad { path, reason } => {
                let text = format!("what is served as the certificate is none: {reason}");
                step.findings.push(wrong(text).file(path));
                return;
            }
        };
        if certificate.height != height {
            let text = format!("the certificate is that of height {}", certificate.height);
            step.findings.push(wrong(text));
            return;
        }
        let value = match self.value(&self.tree) {
            Ok(value) => value,
            Err(gap) => return step.gaps.push(gap),
        };
        if certificate.value != value {
            match &mut self.diverged {
                Some((_, more)) => *more += 1,
                None => {
                    self.diverged = Some((height, 0));
                    let text = "the certificate does not decide this content: the log up to \
                                here leads to another checkpoint";
                    let finding = wrong(text.to_owned()).shows("expected", certificate.value);
                    step.findings.push(finding.shows("found", value));
                }
            }
        }
        if let Some(seal) = seal
            && certificate.round < seal.round
        {
            let (round, first) = (certificate.round, seal.round);
            let text = format!("it was decided in round {round}, before round {first} of its seal");
            step.findings.push(wrong(text));
        }
        let Some(members) = &self.members else {
            self.counts.unchecked_certificates += 1;
            return;
        };
        step.job = Some(Job {
            // Whether it decides the content was said; whether the members signed it is asked.
            value: certificate.value,
            certificate,
            members: Arc::clone(members),
            ledger: self.ledger,
        });
    }

    /// The members in force from the next height on.
    fn follow_members(&mut self, seal: &Seal, step: &mut Step) {
        if seal.members_hash == self.members_hash {
            return;
        }
        self.counts.member_changes += 1;
        self.members_hash = seal.members_hash;
        if let Some(state) = &self.state {
            match State(state).members() {
                Ok(members) => self.members = Some(Arc::new(members)),
                Err(error) => {
                    let reason = error.to_string();
                    step.gaps.push(AuditError::State { reason });
                    self.members = None;
                }
            }
            self.compare_members(step);
            return;
        }
        self.members = None;
        let next = self.height.next();
        match files::members(self.source, next) {
            Ok(Some(bytes)) => match MemberSet::from_bytes(&bytes) {
                Ok(set) if set.hash() == Ok(seal.members_hash) => {
                    self.members = Some(Arc::new(set));
                }
                _ => step.findings.push(self.other_members()),
            },
            Ok(None) => step.gaps.push(AuditError::Members {
                height: next,
                path: credlog_api::path::members_at(next),
            }),
            Err(gap) => step.gaps.push(gap),
        }
    }

    /// Compares the list of members that is published for the next height, if one is.
    fn compare_members(&self, step: &mut Step) {
        let Some(members) = &self.members else {
            return;
        };
        match files::members(self.source, self.height.next()) {
            Ok(Some(bytes)) if members.to_bytes().as_ref() != Ok(&bytes) => {
                step.findings.push(self.other_members());
            }
            Ok(_) => {}
            Err(gap) => step.gaps.push(gap),
        }
    }

    fn other_members(&self) -> Finding {
        let next = self.height.next();
        let text = format!("the published list is not that of the members in force for {next}");
        Finding::new(Kind::Members, text)
            .height(self.height)
            .file(credlog_api::path::members_at(next))
            .shows("expected", self.members_hash)
    }

    /// The end of the log.
    pub(crate) fn finish(&mut self) -> Step {
        let mut step = Step::default();
        if self.block.leaves > 0 {
            let text = "the log does not end with a seal: its last records belong to no block";
            let finding = Finding::new(Kind::Seal, text).rule(Rule::R2);
            let finding = finding.height(self.height.next());
            step.findings.push(finding.leaf(self.seal_leaf()));
            self.state = None;
        }
        if let Some((first, more @ 1..)) = self.diverged {
            let text = format!(
                "{more} later certificates do not decide what is served either: it has that \
                 height in it"
            );
            step.findings
                .push(Finding::new(Kind::Certificate, text).shows("first", first));
        }
        let compared = self.upper.finish(self.source);
        step.findings.extend(compared.findings);
        step.gaps.extend(compared.gaps);
        step
    }
}
