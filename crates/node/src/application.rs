//! The ledger behind the consensus engine: propose, check, commit.
//!
//! One thread owns the [`Ledger`] and is the only one that changes the store; everybody else
//! reads committed snapshots. A block is executed, stored and flushed before it is called
//! valid, so that whoever voted for a checkpoint can always show what leads to it.

mod candidates;

use std::sync::Arc;
use std::time::{Duration, Instant};

use credlog_consensus::{Application, Candidate, Decided, Fatal, Judgement, Undecided};
use credlog_ledger::block::{BLOCK_BYTES_MAX, Block};
use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::clock::proposer_time;
use credlog_ledger::evidence::Equivocation;
use credlog_ledger::ids::{Height, LeafIndex, MemberId, Round, ValueId};
use credlog_ledger::member::MemberSet;
use credlog_ledger::record::EncodedRecord;
use credlog_ledger::rejection::Rejection;
use credlog_ledger::signature::verify_batch;
use credlog_ledger::state::{State, ViewError};
use credlog_ledger::transition::{
    self, ApplyError, BlockError, Executed, Execution, Opening, claimed_checkpoint,
};
use credlog_store::{Ballot, Store};

use crate::admission::{Keys, place};
use crate::mempool::{Outcome, Place};
use crate::production::{Production, now};
use crate::shared::{Shared, fatal};
use candidates::{Candidates, Held};

/// So far may the ledger's time be ahead of the clock: a seal is later than the second of the
/// cosignatures before it (rule R1).
const AHEAD_MILLIS: u64 = 1_500;
/// A pause until the next block may come that is waited for in place.
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// The ledger, for the engine.
#[derive(Debug)]
pub struct Ledger {
    shared: Shared,
    /// Whose node this is.
    member: Option<MemberId>,
    /// What the consensus key was used for; nothing while the node has no vote.
    ballot: Option<Ballot>,
    candidates: Candidates,
}

impl Ledger {
    /// The ledger of a node: of a member with a vote, if there is a `ballot`.
    pub fn new(shared: Shared, member: Option<MemberId>, ballot: Option<Ballot>) -> Self {
        Self {
            shared,
            member,
            ballot,
            candidates: Candidates::default(),
        }
    }

    fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Builds a block from records of the mempool.
    fn build(&mut self, height: Height, round: Round) -> Result<Option<Held>, Fatal> {
        let Some(member) = self.member.clone() else {
            return Ok(None);
        };
        let shared = self.shared.clone();
        let snapshot = shared.store.snapshot();
        let head = snapshot.head();
        if height != head.height.next() || self.obstacles()? != Production::Running {
            return Ok(None);
        }
        let parameters = State(&snapshot).parameters().map_err(unreadable)?;
        let now = now();
        let newest = shared.cosigning.newest_second(now);
        let interval = parameters.min_block_interval_ms;
        let opening = Opening {
            time: proposer_time(now, head.time, interval, newest),
            round,
            proposer: member,
        };
        let begun = Instant::now();
        let mut execution = match Execution::open(&snapshot, opening) {
            Ok(execution) => execution,
            Err(error @ BlockError::Fatal(_)) => return Err(fatal(error)),
            Err(error) => {
                tracing::warn!(%error, "no block is proposed");
                return Ok(None);
            }
        };
        let records_max = parameters.records_per_block as usize;
        let records = shared.mempool.take(records_max, BLOCK_BYTES_MAX);
        let (mut taken, mut left_out, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for record in records {
            match execution.apply((*record).clone()) {
                Ok(_) => taken.push(record),
                Err(ApplyError::Rejected(rejection)) if rejection.may_pass_later() => {
                    left_out.push(record);
                }
                Err(ApplyError::Rejected(rejection)) => refused.push((record, rejection)),
                Err(ApplyError::Fatal(error)) => return Err(unreadable(error)),
            }
        }
        shared.mempool.put_back(left_out);
        self.refuse(&refused)?;
        if taken.is_empty() && !self.may_be_empty(round) {
            return Ok(None);
        }
        let executed = execution.seal().map_err(fatal)?;
        shared
            .metrics
            .execute_seconds
            .observe(begun.elapsed().as_secs_f64());
        Ok(Some(Held::proposed(executed, round, taken)?))
    }

    /// Says to those who wait that a rule refuses their record. One that came in again just
    /// before its block was committed has the end of the first.
    fn refuse(&self, refused: &[(Arc<EncodedRecord>, Rejection)]) -> Result<(), Fatal> {
        for (record, rejection) in refused {
            let (id, kind) = (record.id(), record.record().body.kind());
            let duplicate = matches!(rejection, Rejection::Duplicate { .. });
            let place = match duplicate {
                true => place(&State(&self.store().snapshot()), &id).map_err(unreadable)?,
                false => None,
            };
            let label = if duplicate {
                "duplicate"
            } else {
                rejection.code()
            };
            self.shared.metrics.observe_record(kind, label);
            if let Some(place) = place {
                for (waiters, place) in self.shared.mempool.forget([(id, place)]) {
                    self.attest(waiters, place);
                }
            } else {
                tracing::debug!(record = %id, kind, code = rejection.code(), "record refused");
                let outcome = Outcome::Refused(Box::new(rejection.clone()));
                self.shared.mempool.finish([(id, outcome)]);
            }
        }
        Ok(())
    }

    /// Rule R2. While others have decided more, this node needs no blocks of its own.
    fn may_be_empty(&self, round: Round) -> bool {
        round > Round(0) && !self.shared.cosigning.is_behind()
    }

    fn has_something(&self, round: Round) -> bool {
        self.shared.mempool.queued() > 0 || self.may_be_empty(round)
    }

    fn attest(&self, waiters: Vec<crate::mempool::Waiter>, place: Place) {
        for waiter in waiters {
            self.shared.attesting.wait(waiter, place);
        }
    }

    /// Executes a block that came from elsewhere. What breaks a rule is judged, what is not the
    /// claimed value is nobody's.
    fn execute(&self, candidate: &Candidate) -> Result<Result<Executed, Judgement>, Fatal> {
        let Ok(mut block) = Block::from_bytes(&candidate.block) else {
            return Ok(Err(Judgement::NotThisValue));
        };
        let snapshot = self.store().snapshot();
        let claimed = match claimed_checkpoint(&snapshot, &block) {
            Ok(claimed) => claimed,
            Err(BlockError::Fatal(error)) => return Err(unreadable(error)),
            Err(_) => return Ok(Err(Judgement::NotThisValue)),
        };
        if ValueId::of(&claimed) != candidate.value {
            return Ok(Err(Judgement::NotThisValue));
        }
        let seal = &block.seal;
        // A value keeps the round of its first proposal (rule R3). In which round it is put
        // forward is what its streamer says: nothing follows from that for the value.
        let in_round = match candidate.valid_round {
            None => seal.round == candidate.round,
            Some(earlier) => seal.round <= earlier.min(candidate.round),
        };
        if !in_round {
            return Ok(Err(Judgement::NotThisValue));
        }
        if seal.height != candidate.height {
            return Ok(Err(Judgement::Invalid));
        }
        let begun = Instant::now();
        self.verify(&mut block, &State(&snapshot))
            .map_err(unreadable)?;
        let executed = transition::execute(&snapshot, block);
        let seconds = begun.elapsed().as_secs_f64();
        self.shared.metrics.execute_seconds.observe(seconds);
        match executed {
            Ok(executed) => Ok(Ok(executed)),
            Err(BlockError::Fatal(error)) => Err(unreadable(error)),
            Err(error) => {
                tracing::warn!(
                    height = candidate.height.0,
                    proposer = %candidate.proposer,
                    %error,
                    "a block breaks a rule"
                );
                Ok(Err(Judgement::Invalid))
            }
        }
    }

    /// Checks the signatures of a block together, but for those that were checked when the
    /// record came in. What is not marked here is checked by the transition, one by one.
    fn verify(&self, block: &mut Block, state: &State<'_>) -> Result<(), ViewError> {
        let ids: Vec<_> = block.records.iter().map(EncodedRecord::id).collect();
        let known = self.shared.mempool.find(&ids);
        let mut known = known.into_iter().peekable();
        let mut keys = Keys::at(block.seal.time);
        let mut found = Vec::with_capacity(block.records.len());
        for record in &mut block.records {
            if let Some(same) = known.next_if(|known| known.id() == record.id()) {
                record.clone_from(&same);
            }
            found.push(keys.find(state, record.record())?.ok());
        }
        verify_batch(&mut block.records, &found);
        Ok(())
    }

    /// Calls a block valid if the clock agrees: stored and flushed first, as it was put forward
    /// in `round`.
    fn approve(
        &mut self,
        held: &Held,
        (round, proposer): (Round, &MemberId),
        has_polka: bool,
    ) -> Result<Judgement, Fatal> {
        let seal = held.seal();
        let has_records = seal.record_count > 0;
        let cosigning = &self.shared.cosigning;
        if !cosigning.agree(seal.height, seal.time, has_records, now(), has_polka) {
            tracing::warn!(
                height = seal.height.0,
                seal = seal.time.0,
                now = now().0,
                "the clock of this machine does not agree with the time of a block"
            );
            return Ok(Judgement::ClockDisagrees);
        }
        self.keep(held, round, proposer)?;
        Ok(Judgement::Valid)
    }

    /// Stores a block as it was put forward in a round, durably.
    fn keep(&self, held: &Held, round: Round, proposer: &MemberId) -> Result<(), Fatal> {
        let undecided = held.undecided(round, proposer);
        let store = &self.shared.store;
        self.shared.watchdog.during(|| {
            // The blocks below may have come from peers, and not be durable yet.
            store.make_durable().map_err(fatal)?;
            store.put_undecided(&undecided).map_err(fatal)
        })
    }

    fn obstacles(&self) -> Result<Production, Fatal> {
        self.shared.obstacles.look().map_err(|error| Fatal {
            reason: format!("the system does not say how much space the store's disk has: {error}"),
        })
    }

    /// Begins a height: what was called valid before a restart is valid.
    fn enter(&mut self, height: Height) -> Result<(), Fatal> {
        if self.candidates.height() == height || height != self.tip().next() {
            return Ok(());
        }
        let before = self.candidates.reset(height);
        self.shared.mempool.put_back(before);
        for stored in self.shared.store.undecided(height).map_err(fatal)? {
            let Some((candidate, own)) = candidates::of_undecided(&stored) else {
                continue;
            };
            if let Ok(executed) = self.execute(&candidate)? {
                let held = Held::checked(executed, candidate).own(own);
                self.candidates.insert(held, Judgement::Valid);
            }
        }
        Ok(())
    }

    /// Rule C2: the records of a block that was not decided in its round wait here too, so
    /// that one withheld block cannot stop the ledger.
    fn adopt_records(&mut self) {
        self.shared.mempool.put_back(self.candidates.give_back());
        let records = self.candidates.valid_records();
        let added = self
            .shared
            .mempool
            .insert(records.map(|record| (record, None)));
        self.shared.outbox.records(&added);
    }

    /// A block that was decided without this node carries no vote of its key, unless an earlier
    /// process cast it: else the key is used elsewhere too, or was before this data folder was
    /// made, and this node could contradict it.
    fn refuse_foreign_vote(&mut self, certificate: &CommitCertificate) -> Result<(), Fatal> {
        let members = self.members()?;
        let (Some(ballot), Some(member)) = (&mut self.ballot, &self.member) else {
            return Ok(());
        };
        let height = certificate.height;
        let is_own = members
            .find(member)
            .is_some_and(|seat| seat.member.keys.consensus.key.id() == ballot.key());
        let mut signatures = certificate.signatures.iter();
        let has_voted = is_own && signatures.any(|signature| signature.member == *member);
        let ledger = self.shared.store.ledger_id();
        if height <= ballot.opened_at()
            || !has_voted
            || certificate
                .verify(&ledger, &members, &certificate.value)
                .is_err()
        {
            return Ok(());
        }
        Err(fatal(ballot.disown(height).map_err(fatal)?))
    }

    fn committed(&mut self, executed: &Executed) -> Result<(), Fatal> {
        let seal = &executed.seal;
        let (height, time) = (seal.height, seal.time);
        let leaves = (executed.first_leaf.0..).map(LeafIndex);
        let places = executed.records.iter().zip(leaves).map(|(record, leaf)| {
            let kind = record.record().body.kind();
            self.shared.metrics.observe_record(kind, "committed");
            (record.id(), Place { leaf, height, time })
        });
        for (waiters, place) in self.shared.mempool.forget(places) {
            self.attest(waiters, place);
        }
        let metrics = &self.shared.metrics;
        metrics.block_records.observe(f64::from(seal.record_count));
        #[allow(clippy::cast_precision_loss)] // at most 1 MiB
        metrics.block_bytes.observe(executed.block.len() as f64);
        metrics.observe_tip(height, executed.size, time);
        let members = self.members()?;
        let checkpoint = executed.checkpoint().map_err(unreadable)?;
        let cosigning = &self.shared.cosigning;
        cosigning.committed(height, &checkpoint, members.clone());
        if !cosigning.is_behind() {
            self.shared.cosign()?;
        }
        self.shared.save_cosignatures()?;
        self.shared.heads.send_replace(height);
        self.shared.members.send_if_modified(|known| {
            let changed = **known != members;
            if changed {
                *known = Arc::new(members);
            }
            changed
        });
        Ok(())
    }
}

impl Application for Ledger {
    fn tip(&self) -> Height {
        self.store().snapshot().head().height
    }

    fn members(&self) -> Result<MemberSet, Fatal> {
        State(&self.store().snapshot())
            .members()
            .map_err(unreadable)
    }

    fn is_pending(&self) -> bool {
        let running = matches!(self.shared.obstacles.look(), Ok(Production::Running));
        let may_propose = running && self.shared.mempool.queued() > 0 && self.pause() <= PAUSE_MAX;
        may_propose || self.shared.cosigning.is_behind()
    }

    fn start(&mut self, height: Height) -> Result<(), Fatal> {
        if let Some(ballot) = &mut self.ballot {
            let started = self.shared.watchdog.during(|| ballot.start(height));
            started.map_err(fatal)?;
        }
        self.enter(height)
    }

    fn begin_round(
        &mut self,
        height: Height,
        round: Round,
        proposer: &MemberId,
        polkas: &dyn Fn(&ValueId) -> bool,
    ) -> Result<Vec<Undecided>, Fatal> {
        self.enter(height)?;
        self.shared
            .metrics
            .observe_round(height, round, proposer, self.member.as_ref());
        if round > Round(0) {
            tracing::info!(height = height.0, round = round.0, %proposer, "another round");
            self.adopt_records();
        }
        for value in self.candidates.doubted() {
            if let Some(held) = self.candidates.take(&value) {
                let forward = held.forward();
                let judgement = self.approve(&held, forward, polkas(&value))?;
                self.candidates.insert(held, judgement);
            }
        }
        Ok(self.candidates.all())
    }

    fn propose(&mut self, height: Height, round: Round) -> Result<Option<Candidate>, Fatal> {
        self.enter(height)?;
        if let Some(held) = self.candidates.proposed(round) {
            return Ok(Some(held.first_candidate()));
        }
        if !self.has_something(round) {
            return Ok(None);
        }
        std::thread::sleep(self.pause().min(PAUSE_MAX).max(self.shared.linger));
        let Some(held) = self.build(height, round)? else {
            return Ok(None);
        };
        let candidate = held.first_candidate();
        match self.approve(&held, held.forward(), false)? {
            Judgement::Valid => {
                self.candidates.insert(held, Judgement::Valid);
                Ok(Some(candidate))
            }
            _ => {
                self.shared.mempool.put_back(held.into_taken());
                Ok(None)
            }
        }
    }

    fn check(&mut self, candidate: Candidate, has_polka: bool) -> Result<Judgement, Fatal> {
        self.enter(candidate.height)?;
        let value = candidate.value;
        match self.candidates.judgement(&value) {
            Some(Judgement::ClockDisagrees) | None => {}
            Some(judgement) => {
                // Put forward again: what is stored of it is not the oldest of the height.
                let can_store = self.obstacles()? != Production::DiskFull;
                if let Some(held) = self.candidates.find(&value).filter(|_| can_store) {
                    self.keep(held, candidate.round, &candidate.proposer)?;
                }
                return Ok(judgement);
            }
        }
        if self.obstacles()? == Production::DiskFull {
            // What cannot be stored cannot be voted for.
            return Ok(Judgement::NotNow);
        }
        let held = match self.candidates.take(&value) {
            Some(held) => held,
            None => match self.execute(&candidate)? {
                Ok(executed) => Held::checked(executed, candidate),
                Err(Judgement::Invalid) => {
                    self.candidates.refuse(value);
                    return Ok(Judgement::Invalid);
                }
                Err(judgement) => return Ok(judgement),
            },
        };
        let judgement = self.approve(&held, held.forward(), has_polka)?;
        self.candidates.insert(held, judgement);
        Ok(judgement)
    }

    fn check_decided(&mut self, candidate: Candidate) -> Result<Judgement, Fatal> {
        self.enter(candidate.height)?;
        if self.candidates.judgement(&candidate.value) == Some(Judgement::Valid) {
            return Ok(Judgement::Valid);
        }
        if self.obstacles()? == Production::DiskFull {
            return Ok(Judgement::NotNow);
        }
        Ok(match self.execute(&candidate)? {
            Ok(executed) => {
                let held = Held::checked(executed, candidate).synced();
                self.candidates.insert(held, Judgement::Valid);
                Judgement::Valid
            }
            Err(judgement) => judgement,
        })
    }

    fn candidate(&self, height: Height, value: &ValueId) -> Result<Option<Candidate>, Fatal> {
        let here = self.candidates.height() == height;
        let held = here.then(|| self.candidates.find(value)).flatten();
        Ok(held.map(Held::candidate))
    }

    fn commit(&mut self, certificate: &CommitCertificate) -> Result<(), Fatal> {
        let height = certificate.height;
        if height <= self.tip() {
            return Ok(());
        }
        self.enter(height)?;
        let Some(held) = self.candidates.take(&certificate.value) else {
            return Err(Fatal {
                reason: format!(
                    "value {} was decided at height {height}, but its block is not here",
                    certificate.value
                ),
            });
        };
        if held.is_synced() {
            self.refuse_foreign_vote(certificate)?;
        }
        let begun = Instant::now();
        let store = &self.shared.store;
        let commit = || match held.is_synced() {
            true => store.commit_synced(held.executed(), certificate),
            false => store.commit(held.executed(), Some(certificate)),
        };
        self.shared.watchdog.during(commit).map_err(fatal)?;
        let took = begun.elapsed();
        self.shared
            .metrics
            .commit_seconds
            .observe(took.as_secs_f64());
        let executed = held.executed();
        tracing::debug!(
            height = height.0,
            round = certificate.round.0,
            records = executed.seal.record_count,
            size = executed.size.0,
            signatures = certificate.signatures.len(),
            commit_ms = took.as_millis(),
            "block committed"
        );
        self.committed(executed)?;
        // What other blocks of this height held waits again.
        self.shared
            .mempool
            .put_back(self.candidates.reset(height.next()));
        Ok(())
    }

    fn finalize(
        &mut self,
        certificate: &CommitCertificate,
        evidence: Vec<Equivocation>,
    ) -> Result<(), Fatal> {
        let store = &self.shared.store;
        store
            .finalize(certificate.height, certificate)
            .map_err(fatal)?;
        let metrics = &self.shared.metrics;
        metrics.observe_signatures(certificate.signatures.len());
        for equivocation in &evidence {
            if store.put_evidence(equivocation).map_err(fatal)? {
                metrics.consortium.evidence.inc();
                tracing::error!(
                    member = %equivocation.member,
                    height = equivocation.conflict.height().0,
                    round = equivocation.conflict.round().0,
                    "EQUIVOCATION: a member has signed two things where it may sign one; the \
                     proof is at GET /v1/evidence; ask the member, and replace its keys"
                );
            }
        }
        Ok(())
    }

    fn decided(&self, first: Height, count: u64, bytes_max: usize) -> Result<Vec<Decided>, Fatal> {
        let snapshot = self.store().snapshot();
        let mut decided = Vec::new();
        let mut bytes = 0;
        for height in (first.0..first.0.saturating_add(count)).map(Height) {
            let block = snapshot.block(height).map_err(unreadable)?;
            let certificate = snapshot.certificate(height).map_err(unreadable)?;
            let (Some(block), Some(certificate)) = (block, certificate) else {
                break;
            };
            bytes += block.len();
            if bytes > bytes_max && !decided.is_empty() {
                break;
            }
            decided.push(Decided { block, certificate });
        }
        Ok(decided)
    }
}

impl Ledger {
    /// How long the next block still has to wait for its time: until the block interval
    /// (rule R10) is over by the clock. Else each block's time would be later than the clock,
    /// and the ledger's time would run away from it.
    fn pause(&self) -> Duration {
        let snapshot = self.store().snapshot();
        let interval = State(&snapshot).parameters();
        let interval = interval.map_or(0, |parameters| parameters.min_block_interval_ms);
        let earliest = snapshot.head().time.plus(u64::from(interval)).0;
        let latest = now().0.saturating_add(AHEAD_MILLIS);
        Duration::from_millis(earliest.saturating_sub(latest))
    }
}

fn unreadable(error: ViewError) -> Fatal {
    fatal(error)
}
