//! The blocks that may be decided at one height.

use std::collections::BTreeMap;
use std::sync::Arc;

use credlog_consensus::{Candidate, Fatal, Judgement, Undecided};
use credlog_ledger::ids::{Height, MemberId, Round, ValueId};
use credlog_ledger::record::EncodedRecord;
use credlog_ledger::seal::Seal;
use credlog_ledger::transition::Executed;

/// A block that was executed, with all that follows from it.
#[derive(Debug)]
pub(super) struct Held {
    executed: Executed,
    value: ValueId,
    /// Round in which it was last put forward, and by whom.
    round: Round,
    proposer: MemberId,
    /// Whether this node made it. A seal can name anybody as its proposer.
    own: bool,
    /// Records that this node took from its mempool for it.
    taken: Vec<Arc<EncodedRecord>>,
    /// The members decided it without this node.
    synced: bool,
}

impl Held {
    /// A block that this node proposes.
    pub(super) fn proposed(
        executed: Executed,
        round: Round,
        taken: Vec<Arc<EncodedRecord>>,
    ) -> Result<Self, Fatal> {
        let value = executed.value_id().map_err(super::unreadable)?;
        let proposer = executed.seal.proposer.clone();
        Ok(Self {
            executed,
            value,
            round,
            proposer,
            own: true,
            taken,
            synced: false,
        })
    }

    /// A block that came from elsewhere.
    pub(super) fn checked(executed: Executed, candidate: Candidate) -> Self {
        Self {
            executed,
            value: candidate.value,
            round: candidate.round,
            proposer: candidate.proposer,
            own: false,
            taken: Vec::new(),
            synced: false,
        }
    }

    /// The same block, which this node made before it was started again.
    pub(super) fn own(self, own: bool) -> Self {
        Self { own, ..self }
    }

    /// The same block, decided without this node.
    pub(super) fn synced(self) -> Self {
        Self {
            synced: true,
            ..self
        }
    }

    /// The round in which it was last put forward, and by whom.
    pub(super) fn forward(&self) -> (Round, &MemberId) {
        (self.round, &self.proposer)
    }

    pub(super) fn is_synced(&self) -> bool {
        self.synced
    }

    pub(super) fn seal(&self) -> &Seal {
        &self.executed.seal
    }

    pub(super) fn executed(&self) -> &Executed {
        &self.executed
    }

    pub(super) fn into_taken(self) -> Vec<Arc<EncodedRecord>> {
        self.taken
    }

    /// The block as it was last put forward.
    pub(super) fn candidate(&self) -> Candidate {
        let seal = &self.executed.seal;
        Candidate {
            height: seal.height,
            round: self.round,
            valid_round: (self.round > seal.round).then_some(seal.round),
            proposer: self.proposer.clone(),
            value: self.value,
            block: self.executed.block.clone(),
        }
    }

    /// The block as it was put forward for the first time.
    pub(super) fn first_candidate(&self) -> Candidate {
        let seal = &self.executed.seal;
        Candidate {
            round: seal.round,
            valid_round: None,
            proposer: seal.proposer.clone(),
            ..self.candidate()
        }
    }

    /// What is stored of it, as it was put forward in a round.
    pub(super) fn undecided(&self, round: Round, proposer: &MemberId) -> credlog_store::Undecided {
        let origin = if self.own { OWN } else { OTHERS };
        credlog_store::Undecided {
            height: self.executed.seal.height,
            round,
            value: self.value,
            metadata: [&[origin], proposer.as_str().as_bytes()].concat(),
            block: self.executed.block.clone().into(),
        }
    }
}

/// The first byte of a stored block's metadata: who made it. The name of the member that put it
/// forward follows.
const OWN: u8 = 1;
const OTHERS: u8 = 0;

/// A stored block as it was put forward, and whether this node made it; nothing if it names
/// nobody.
pub(super) fn of_undecided(stored: &credlog_store::Undecided) -> Option<(Candidate, bool)> {
    let (origin, proposer) = stored.metadata.split_first()?;
    let proposer = std::str::from_utf8(proposer).ok()?.parse().ok()?;
    let candidate = Candidate {
        height: stored.height,
        round: stored.round,
        valid_round: Some(stored.round),
        proposer,
        value: stored.value,
        block: stored.block.to_vec(),
    };
    Some((candidate, *origin == OWN))
}

#[derive(Debug)]
enum Judged {
    /// Valid, or only the clock is against it.
    Held(Box<Held>, Judgement),
    /// A rule is broken.
    Invalid,
}

/// The blocks of one height.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    height: Height,
    judged: BTreeMap<ValueId, Judged>,
}

impl Candidates {
    pub(super) fn height(&self) -> Height {
        self.height
    }

    /// Begins a height without any; answers the records that were taken for those of before.
    pub(super) fn reset(&mut self, height: Height) -> Vec<Arc<EncodedRecord>> {
        self.height = height;
        let before = std::mem::take(&mut self.judged).into_values();
        let taken = before.map(|judged| match judged {
            Judged::Held(held, _) => held.taken,
            Judged::Invalid => Vec::new(),
        });
        taken.flatten().collect()
    }

    pub(super) fn insert(&mut self, held: Held, judgement: Judgement) {
        let value = held.value;
        self.judged
            .insert(value, Judged::Held(Box::new(held), judgement));
    }

    pub(super) fn refuse(&mut self, value: ValueId) {
        self.judged.insert(value, Judged::Invalid);
    }

    pub(super) fn judgement(&self, value: &ValueId) -> Option<Judgement> {
        self.judged.get(value).map(|judged| match judged {
            Judged::Held(_, judgement) => *judgement,
            Judged::Invalid => Judgement::Invalid,
        })
    }

    pub(super) fn find(&self, value: &ValueId) -> Option<&Held> {
        match self.judged.get(value) {
            Some(Judged::Held(held, _)) => Some(held),
            _ => None,
        }
    }

    pub(super) fn take(&mut self, value: &ValueId) -> Option<Held> {
        match self.judged.remove(value) {
            Some(Judged::Held(held, _)) => Some(*held),
            Some(invalid) => {
                self.judged.insert(*value, invalid);
                None
            }
            None => None,
        }
    }

    /// What this node has made for a round.
    pub(super) fn proposed(&self, round: Round) -> Option<&Held> {
        self.judged.values().find_map(|judged| match judged {
            Judged::Held(held, Judgement::Valid) => {
                (held.own && held.executed.seal.round == round).then_some(&**held)
            }
            _ => None,
        })
    }

    /// Those that only the clock is against.
    pub(super) fn doubted(&self) -> Vec<ValueId> {
        let doubted = self
            .judged
            .iter()
            .filter_map(|(value, judged)| match judged {
                Judged::Held(_, Judgement::ClockDisagrees) => Some(*value),
                _ => None,
            });
        doubted.collect()
    }

    /// Records that were taken for blocks of this height; they wait again.
    pub(super) fn give_back(&mut self) -> Vec<Arc<EncodedRecord>> {
        let mut taken = Vec::new();
        for judged in self.judged.values_mut() {
            if let Judged::Held(held, _) = judged {
                taken.append(&mut held.taken);
            }
        }
        taken
    }

    /// The records of all valid blocks.
    pub(super) fn valid_records(&self) -> impl Iterator<Item = EncodedRecord> {
        let valid = self.judged.values().filter_map(|judged| match judged {
            Judged::Held(held, Judgement::Valid) => Some(&held.executed.records),
            _ => None,
        });
        valid.flatten().cloned()
    }

    /// Those that may still be decided.
    pub(super) fn all(&self) -> Vec<Undecided> {
        let all = self
            .judged
            .iter()
            .filter_map(|(value, judged)| match judged {
                Judged::Held(held, judgement) => Some(Undecided {
                    value: *value,
                    round: held.round,
                    proposer: held.proposer.clone(),
                    judgement: *judgement,
                }),
                Judged::Invalid => None,
            });
        all.collect()
    }
}
