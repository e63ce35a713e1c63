//! Candidates that other members stream: which are judged, and when.
//!
//! The engine has room for few values a round, so nobody may fill the rounds of others. A block
//! that is put forward for the first time comes from the proposer of its round, and is judged when
//! that round has begun: the engine knows a value by its id alone, and one of a later round could
//! be decided in an earlier one. All else is judged once it has a polka, whoever streams it: then
//! an honest member has called it valid, and the round in which it was new is beyond doubt.

use std::collections::BTreeMap;

use arc_malachitebft_core_consensus::ProposedValue;
use arc_malachitebft_peer::PeerId;
use credlog_ledger::ids::{self, ValueId};

use super::{Driver, Place};
use crate::application::{Application, Fatal, Judgement};
use crate::context::{Height, Ledger, Round, Validator, Validators};
use crate::network;
use crate::stream::{Early, Message, Streams, Whole};

/// Candidates of one member that are judged in one round of a height: as many as the engine has
/// room for.
pub(super) const CANDIDATES_PER_ROUND: u32 = 2;
/// Rounds above the current one whose candidates are kept until their round begins.
pub(super) const ROUNDS_AHEAD_MAX: u32 = 8;

/// Streams that are under way, wait or were judged.
#[derive(Default)]
pub(super) struct Incoming {
    streams: Streams,
    early: Early,
    /// New blocks for the height after the tip, until their round begins: the newest of each
    /// round's proposer.
    later: BTreeMap<u32, Whole>,
    /// Other blocks for that height, until their values have a polka: the newest of each member.
    unproven: BTreeMap<PeerId, Whole>,
    /// How many candidates were judged, by publisher and round, for the height after the tip.
    judged: BTreeMap<(PeerId, u32), u32>,
}

impl Incoming {
    /// Forgets streams of heights that are decided.
    pub(super) fn drop_up_to(&mut self, height: u64) {
        self.streams.drop_up_to(height);
    }

    /// What waited for a round that has begun.
    fn due(&mut self, round: u32) -> Vec<Whole> {
        let later = self.later.split_off(&round.saturating_add(1));
        std::mem::replace(&mut self.later, later)
            .into_values()
            .collect()
    }

    /// What waits for a polka of this value.
    fn proven(&mut self, value: &ValueId) -> Vec<Whole> {
        let all = std::mem::take(&mut self.unproven).into_iter();
        let (due, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            all.partition(|(_, whole)| whole.first.value == value.0);
        self.unproven = others;
        due.into_values().collect()
    }

    /// Counts one candidate; whether it may be judged.
    fn admits(&mut self, publisher: PeerId, round: u32) -> bool {
        let judged = self.judged.entry((publisher, round)).or_default();
        *judged += 1;
        *judged <= CANDIDATES_PER_ROUND
    }
}

impl<A: Application> Driver<A> {
    /// Takes a part of somebody's candidate; the judged value, if the candidate is complete.
    pub(super) fn receive_part(
        &mut self,
        publisher: PeerId,
        part: Message,
    ) -> Result<Option<ProposedValue<Ledger>>, Fatal> {
        if streamer(&self.next, &publisher).is_none()
            && streamer(&self.running.validators, &publisher).is_none()
        {
            return Ok(None);
        }
        let Some(whole) = self.incoming.streams.take(publisher, part) else {
            return Ok(None);
        };
        let next = self.parts.application.tip().next().0;
        if whole.first.height > next {
            self.incoming.early.keep(next, whole);
            return Ok(None);
        }
        let value = self.judge(whole)?;
        if self.is_overtaken {
            self.start_held("a member proposes a block")?;
        }
        Ok(value)
    }

    /// A height was decided: what came early for the next one is judged now.
    pub(super) fn judge_early(&mut self, next: u64) -> Result<(), Fatal> {
        let incoming = &mut self.incoming;
        incoming.judged.clear();
        incoming.unproven.clear();
        incoming.later.clear();
        let members = &self.next;
        let may_publish = |peer: &PeerId| streamer(members, peer).is_some();
        incoming.streams.keep_publishers(may_publish);
        for whole in incoming.early.take(next) {
            self.judge(whole)?;
        }
        Ok(())
    }

    /// A round has begun: what came for it before is judged now.
    pub(super) fn judge_due(&mut self, round: u32) -> Result<Vec<ProposedValue<Ledger>>, Fatal> {
        let mut judged = Vec::new();
        for whole in self.incoming.due(round) {
            judged.extend(self.judge(whole)?);
        }
        Ok(judged)
    }

    /// Judges a whole stream for the height after the tip, if it may be judged.
    fn judge(&mut self, whole: Whole) -> Result<Option<ProposedValue<Ledger>>, Fatal> {
        let (height, round) = (whole.first.height, whole.first.round);
        let (publisher, value) = (whole.publisher, ValueId(whole.first.value));
        let Some(streamer) = streamer(&self.next, &publisher) else {
            return Ok(None);
        };
        let is_running = self.running.height == height;
        let current = if is_running { self.running.round } else { 0 };
        let is_near = round <= current.saturating_add(ROUNDS_AHEAD_MAX);
        if height != self.parts.application.tip().next().0 || !is_near {
            return Ok(None);
        }
        let proposer = self.next.proposer(height, round);
        let has_polka = self.parts.verifier.prevotes.has_polka(height, &value);
        let is_turn = proposer.member == streamer.member && whole.first.valid_round.is_none();
        if !has_polka && !is_turn {
            self.incoming.unproven.insert(publisher, whole);
            return Ok(None);
        }
        if !has_polka && round > current {
            self.incoming.later.insert(round, whole);
            return Ok(None);
        }
        if !self.incoming.admits(publisher, round) {
            return Ok(None);
        }
        let place = Place {
            height: Height(height),
            round: Round::new(round),
            valid_round: Round::from(whole.first.valid_round),
            proposer: proposer.address.clone(),
        };
        let candidate = match whole.candidate(
            &self.parts.verifier.ledger,
            streamer,
            proposer.member.clone(),
        ) {
            Ok(candidate) => candidate,
            Err(error) => {
                tracing::warn!(%publisher, height, round, "a block is dropped: {error}");
                return Ok(None);
            }
        };
        let judgement = self.parts.application.check(candidate, has_polka)?;
        self.note_doubt(value, judgement);
        let is_possible = matches!(judgement, Judgement::Valid | Judgement::ClockDisagrees);
        self.is_overtaken |= is_possible && !is_running;
        if judgement == Judgement::NotThisValue {
            tracing::warn!(%publisher, height, round, %value, "a block is not of this value");
        }
        Ok(place.proposed(value, judgement))
    }

    pub(super) fn note_doubt(&mut self, value: ValueId, judgement: Judgement) {
        match judgement {
            Judgement::ClockDisagrees => self.doubted.insert(value),
            _ => self.doubted.remove(&value),
        };
    }

    /// A value has got a polka: what waited for it is judged, and a clock that was against it is
    /// overruled (rule R1).
    pub(super) fn judge_again(&mut self, value: ValueId) -> Result<(), Fatal> {
        let height = self.running.height;
        if height != self.parts.application.tip().next().0 {
            return Ok(());
        }
        for whole in self.incoming.proven(&value) {
            let judged = self.judge(whole)?;
            self.tell(judged)?;
        }
        if !self.doubted.contains(&value) {
            return Ok(());
        }
        let Some(candidate) = self
            .parts
            .application
            .candidate(ids::Height(height), &value)?
        else {
            return Ok(());
        };
        let place = Place {
            height: Height(height),
            round: Round::new(candidate.round.0),
            valid_round: Round::Nil,
            proposer: self.address(&candidate.proposer),
        };
        let judgement = self.parts.application.check(candidate, true)?;
        self.note_doubt(value, judgement);
        self.tell(place.proposed(value, judgement))
    }

    /// Hands a judged value to the engine, which has not asked for it.
    fn tell(&mut self, value: Option<ProposedValue<Ledger>>) -> Result<(), Fatal> {
        let is_taken = value.is_none_or(|value| (self.parts.links.tell)(value));
        self.taken(is_taken)
    }
}

/// The member whose node publishes as `peer`.
fn streamer<'v>(validators: &'v Validators, peer: &PeerId) -> Option<&'v Validator> {
    let mut all = validators.all().iter();
    all.find(|one| network::peer_id(&one.node_key).is_ok_and(|id| id == *peer))
}
