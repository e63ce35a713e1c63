//! What a Byzantine member does: it stands between the engine and an honest ledger.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use clap::ValueEnum;
use credlog_consensus::{Application, Candidate, Decided, Fatal, Judgement, Undecided};
use credlog_ledger::block::Block;
use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::evidence::Equivocation;
use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::{Height, MemberId, Round, ValueId};
use credlog_ledger::member::MemberSet;
use credlog_ledger::record::EncodedRecord;

use crate::forger::Forger;

/// One way to break the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Behaviour {
    /// Its blocks have a record whose signature is wrong, under the checkpoint they lead to.
    InvalidRecord,
    /// Its good blocks stand under a checkpoint that they do not lead to.
    WrongCheckpoint,
    /// It finds everything valid.
    VotesForEverything,
    /// It sends garbage under the checkpoint of another's block.
    Garbage,
    /// Its seals are one millisecond later than the one before, however long ago that was.
    OldTime,
    /// It proposes nothing and judges nothing.
    Silent,
}

/// A ledger that is honest but for one thing.
pub(crate) struct Byzantine {
    ledger: Box<dyn Application>,
    behaviour: Behaviour,
    forger: Forger,
    /// What it has proposed: the same when asked again.
    forged: BTreeMap<(Height, Round), Candidate>,
    /// The newest candidate of another.
    seen: Option<Candidate>,
}

impl Byzantine {
    pub(crate) fn new(
        ledger: Box<dyn Application>,
        behaviour: Behaviour,
        genesis: &Genesis,
    ) -> Self {
        Self {
            ledger,
            behaviour,
            forger: Forger::new(genesis),
            forged: BTreeMap::new(),
            seen: None,
        }
    }

    fn forge(&mut self, honest: Candidate) -> Result<Option<Candidate>> {
        self.forger.follow(&*self.ledger)?;
        let forged = match self.behaviour {
            Behaviour::InvalidRecord => self.forger.forge(&honest, spoil)?,
            Behaviour::OldTime => {
                let time = self.forger.previous_time().plus(1);
                self.forger.forge(&honest, |block| block.seal.time = time)?
            }
            Behaviour::WrongCheckpoint => Candidate {
                value: ValueId(rand::random()),
                ..honest
            },
            Behaviour::Garbage => self.garbage(honest),
            Behaviour::VotesForEverything => honest,
            Behaviour::Silent => return Ok(None),
        };
        Ok(Some(forged))
    }

    /// Garbage under the value of another's block of this height, or of the own one.
    fn garbage(&self, honest: Candidate) -> Candidate {
        let seen = self.seen.as_ref();
        let seen = seen.filter(|seen| seen.height == honest.height);
        if let Some(seen) = seen {
            eprintln!("garbage under another's value {} goes out", seen.value);
        }
        let value = seen.map_or(honest.value, |seen| seen.value);
        let block = (0..honest.block.len()).map(|_| rand::random()).collect();
        Candidate {
            value,
            block,
            ..honest
        }
    }
}

/// Turns one bit of a signature.
fn spoil(block: &mut Block) {
    let Some(last) = block.records.last_mut() else {
        return;
    };
    let mut record = last.record().clone();
    record.signature[0] ^= 1;
    // The same form with another signature encodes.
    if let Ok(spoilt) = EncodedRecord::new(&record) {
        *last = spoilt;
    }
}

impl Application for Byzantine {
    fn tip(&self) -> Height {
        self.ledger.tip()
    }

    fn members(&self) -> Result<MemberSet, Fatal> {
        self.ledger.members()
    }

    fn is_pending(&self) -> bool {
        self.ledger.is_pending()
    }

    fn start(&mut self, height: Height) -> Result<(), Fatal> {
        self.ledger.start(height)
    }

    fn begin_round(
        &mut self,
        height: Height,
        round: Round,
        proposer: &MemberId,
        polkas: &dyn Fn(&ValueId) -> bool,
    ) -> Result<Vec<Undecided>, Fatal> {
        let mut known = self.ledger.begin_round(height, round, proposer, polkas)?;
        match self.behaviour {
            Behaviour::Silent => known.clear(),
            Behaviour::VotesForEverything => known
                .iter_mut()
                .for_each(|one| one.judgement = Judgement::Valid),
            _ => {}
        }
        Ok(known)
    }

    fn propose(&mut self, height: Height, round: Round) -> Result<Option<Candidate>, Fatal> {
        if let Some(forged) = self.forged.get(&(height, round)) {
            return Ok(Some(forged.clone()));
        }
        let Some(honest) = self.ledger.propose(height, round)? else {
            return Ok(None);
        };
        let forged = self.forge(honest).context("no forgery");
        let forged = forged.map_err(|error| Fatal {
            reason: format!("{error:#}"),
        })?;
        self.forged.retain(|(old, _), _| *old >= height);
        if let Some(forged) = &forged {
            self.forged.insert((height, round), forged.clone());
        }
        Ok(forged)
    }

    fn check(&mut self, candidate: Candidate, has_polka: bool) -> Result<Judgement, Fatal> {
        self.seen = Some(candidate.clone());
        match self.behaviour {
            Behaviour::Silent => Ok(Judgement::NotThisValue),
            Behaviour::VotesForEverything => {
                self.ledger.check(candidate, has_polka)?;
                Ok(Judgement::Valid)
            }
            _ => self.ledger.check(candidate, has_polka),
        }
    }

    fn check_decided(&mut self, candidate: Candidate) -> Result<Judgement, Fatal> {
        self.ledger.check_decided(candidate)
    }

    fn candidate(&self, height: Height, value: &ValueId) -> Result<Option<Candidate>, Fatal> {
        let forged = self.forged.values();
        let forged = forged
            .into_iter()
            .find(|one| one.height == height && one.value == *value);
        match forged {
            Some(forged) => Ok(Some(forged.clone())),
            None if self.behaviour == Behaviour::Garbage => {
                let honest = self.ledger.candidate(height, value)?;
                Ok(honest.map(|honest| self.garbage(honest)))
            }
            None => self.ledger.candidate(height, value),
        }
    }

    fn commit(&mut self, certificate: &CommitCertificate) -> Result<(), Fatal> {
        // A forgery that no rule forbids may be decided; the ledger has not seen it, and has to
        // know that it was voted for here.
        let mut forged = self.forged.values();
        if let Some(forged) = forged.find(|one| one.value == certificate.value) {
            self.ledger.check(forged.clone(), true)?;
        }
        self.ledger.commit(certificate)
    }

    fn finalize(
        &mut self,
        certificate: &CommitCertificate,
        evidence: Vec<Equivocation>,
    ) -> Result<(), Fatal> {
        self.ledger.finalize(certificate, evidence)
    }

    fn decided(&self, first: Height, count: u64, bytes_max: usize) -> Result<Vec<Decided>, Fatal> {
        self.ledger.decided(first, count, bytes_max)
    }
}
