//! The tally of verified prevotes (rule R1): which values of the running height have a polka,
//! prevotes of more than two thirds of the members in one round.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arc_malachitebft_core_types::{NilOrVal, VoteType};
use credlog_ledger::ids::ValueId;
use tokio::sync::mpsc::UnboundedSender;

use crate::context::{Address, Validators, Vote};
use crate::signing::PublicKey;

/// Prevotes are counted up to so many rounds above the current one; the engine itself looks ahead
/// less far. Those of as many rounds below are kept, and those of older rounds count when they
/// come again, as in the certificate of a polka.
const ROUNDS_AROUND: u32 = 32;
/// An honest member prevotes one value a round; of one that does not, the newest of this many
/// count. None is refused for those before: a liar must not keep a polka from being seen.
const VALUES_PER_ROUND: usize = 2;

/// The tally. The verifier feeds it, the driver asks it.
pub(crate) struct Prevotes {
    tally: Mutex<Tally>,
    polkas: UnboundedSender<ValueId>,
}

#[derive(Default)]
struct Tally {
    height: u64,
    round: u32,
    validators: Option<Validators>,
    rounds: BTreeMap<u32, BTreeMap<[u8; 32], Vec<ValueId>>>,
    polkas: BTreeSet<ValueId>,
}

impl Prevotes {
    /// A tally of nothing yet; `polkas` hears each value that gets a polka.
    pub(crate) fn new(polkas: UnboundedSender<ValueId>) -> Self {
        Self {
            tally: Mutex::default(),
            polkas,
        }
    }

    /// A height begins; what was counted for another is forgotten.
    pub(crate) fn start(&self, height: u64, validators: Validators) {
        let mut tally = self.tally();
        *tally = Tally {
            height,
            validators: Some(validators),
            ..Tally::default()
        };
    }

    /// A round of the height begins.
    pub(crate) fn enter(&self, round: u32) {
        let mut tally = self.tally();
        tally.round = round;
        let oldest = round.saturating_sub(ROUNDS_AROUND);
        tally.rounds.retain(|round, _| *round >= oldest);
    }

    /// Counts a vote whose signature was verified under `key`, if it is a prevote for a value
    /// by a member in the running height.
    pub(crate) fn note(&self, vote: &Vote, key: &PublicKey) {
        let (VoteType::Prevote, NilOrVal::Val(value)) = (vote.kind, &vote.value) else {
            return;
        };
        let Some(round) = vote.round.as_u32() else {
            return;
        };
        let polka = self
            .tally()
            .count(vote.height.0, round, (*value).into(), key.0.to_bytes());
        if let Some(value) = polka {
            // The driver may have ended.
            let _ = self.polkas.send(value);
        }
    }

    /// Whether more than two thirds of the members have prevoted for `value` in one round of
    /// `height`.
    pub(crate) fn has_polka(&self, height: u64, value: &ValueId) -> bool {
        let tally = self.tally();
        tally.height == height && tally.polkas.contains(value)
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        // No code panics while it holds the lock, and each change is whole.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    /// Counts one prevote; the value, if this one made its first polka.
    fn count(&mut self, height: u64, round: u32, value: ValueId, key: [u8; 32]) -> Option<ValueId> {
        let validators = self.validators.as_ref()?;
        let near = round <= self.round.saturating_add(ROUNDS_AROUND);
        if height != self.height || !near || validators.find(&Address::Key(key)).is_none() {
            return None;
        }
        let quorum = validators.quorum();
        let round = self.rounds.entry(round).or_default();
        let values = round.entry(key).or_default();
        if values.contains(&value) {
            return None;
        }
        if values.len() >= VALUES_PER_ROUND {
            values.remove(0);
        }
        values.push(value);
        let voters = round.values().filter(|values| values.contains(&value));
        (voters.count() >= quorum && self.polkas.insert(value)).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use tokio::sync::mpsc;

    use super::*;
    use crate::context::{Height, Round, Validator, Value};

    fn key(of: u8) -> PublicKey {
        PublicKey(SigningKey::from_bytes(&[of; 32]).verifying_key())
    }

    fn validators() -> Validators {
        let all = (1..=4).map(|of| Validator {
            member: format!("m{of}").parse().unwrap(),
            address: Address::Key(key(of).0.to_bytes()),
            key: key(of),
            node_key: [of; 32],
        });
        Validators::from_list(all.collect())
    }

    fn prevote(height: u64, round: u32, value: u8) -> Vote {
        Vote {
            kind: VoteType::Prevote,
            height: Height(height),
            round: Round::new(round),
            value: NilOrVal::Val(Value([value; 32])),
            address: Address::Key([0; 32]),
        }
    }

    #[test]
    fn a_polka_is_a_quorum_of_members_in_one_round_of_this_height() {
        let (sender, mut polkas) = mpsc::unbounded_channel();
        let prevotes = Prevotes::new(sender);
        prevotes.start(5, validators());
        let value = ValueId([9; 32]);
        for (of, height, round) in [(1, 5, 0), (2, 5, 0), (2, 5, 0), (3, 5, 1), (3, 4, 0)] {
            prevotes.note(&prevote(height, round, 9), &key(of));
            assert!(!prevotes.has_polka(5, &value), "{of} {height} {round}");
        }
        prevotes.note(&prevote(5, 0, 9), &key(7));
        assert!(!prevotes.has_polka(5, &value), "not a member");
        let mut precommit = prevote(5, 0, 9);
        precommit.kind = VoteType::Precommit;
        prevotes.note(&precommit, &key(4));
        assert!(!prevotes.has_polka(5, &value), "a precommit is no prevote");
        prevotes.note(&prevote(5, 0, 9), &key(4));
        assert!(prevotes.has_polka(5, &value));
        assert!(!prevotes.has_polka(6, &value));
        assert_eq!(polkas.try_recv(), Ok(value));
        prevotes.note(&prevote(5, 0, 9), &key(3));
        assert!(polkas.try_recv().is_err(), "it is told once");
        prevotes.enter(100);
        assert!(prevotes.has_polka(5, &value), "a polka stays");
        prevotes.start(6, validators());
        assert!(!prevotes.has_polka(6, &value));
    }

    /// What it prevoted before, or how long ago the round was, hides no vote of a certificate.
    #[test]
    fn a_liar_keeps_no_polka_from_being_seen() {
        let (sender, _polkas) = mpsc::unbounded_channel();
        let prevotes = Prevotes::new(sender);
        prevotes.start(1, validators());
        for value in 1..9 {
            prevotes.note(&prevote(1, 0, value), &key(1));
        }
        prevotes.enter(ROUNDS_AROUND + 9);
        for of in 1..=3 {
            prevotes.note(&prevote(1, 0, 9), &key(of));
        }
        assert!(prevotes.has_polka(1, &ValueId([9; 32])));
    }

    #[test]
    fn a_flood_of_one_member_is_bounded() {
        let (sender, _polkas) = mpsc::unbounded_channel();
        let prevotes = Prevotes::new(sender);
        prevotes.start(1, validators());
        for round in 0..1_000 {
            for value in 0..10 {
                prevotes.note(&prevote(1, round, value), &key(1));
            }
        }
        let tally = prevotes.tally();
        assert_eq!(tally.rounds.len(), ROUNDS_AROUND as usize + 1);
        let counted: usize = tally
            .rounds
            .values()
            .flat_map(BTreeMap::values)
            .map(Vec::len)
            .sum();
        assert_eq!(counted, VALUES_PER_ROUND * tally.rounds.len());
    }
}
