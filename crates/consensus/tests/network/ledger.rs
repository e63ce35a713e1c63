//! An application in memory: a block is its height and some bytes, a checkpoint is its hash.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};

use credlog_consensus::{Application, Candidate, Decided, Fatal, Judgement, Undecided};
use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::evidence::Equivocation;
use credlog_ledger::ids::{Height, LedgerId, MemberId, Round, ValueId};
use credlog_ledger::member::MemberSet;

pub(crate) const LEDGER: LedgerId = LedgerId([42; 32]);

/// What the test sees of a node's application.
#[derive(Clone, Default)]
pub(crate) struct View {
    state: Arc<Mutex<State>>,
    /// How many blocks are wanted.
    pub(crate) pending: Arc<AtomicU64>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) blocks: Vec<Decided>,
    pub(crate) candidates: BTreeMap<ValueId, (Candidate, Judgement)>,
    pub(crate) started: Vec<u64>,
    pub(crate) evidence: Vec<Equivocation>,
    /// Until a polka, the clock is against every block.
    pub(crate) doubts: bool,
    /// Size of a block that this node makes.
    pub(crate) block_bytes: usize,
    /// The height whose commit fails.
    pub(crate) fails_at: Option<u64>,
    /// Streams other bytes than those that its candidates' ids stand for.
    pub(crate) streams_garbage: bool,
}

/// Members by the height they decide.
pub(crate) type Schedule = Arc<dyn Fn(u64) -> MemberSet + Send + Sync>;

pub(crate) struct Memory {
    pub(crate) own: Option<MemberId>,
    pub(crate) view: View,
    pub(crate) schedule: Schedule,
}

impl View {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn tip(&self) -> u64 {
        self.state().blocks.len() as u64
    }
}

impl Memory {
    fn judge(&mut self, candidate: Candidate, is_sure: bool) -> Judgement {
        let hash = ValueId(*blake3::hash(&candidate.block).as_bytes());
        if hash != candidate.value {
            return Judgement::NotThisValue;
        }
        let mut state = self.view.state();
        let known = state.candidates.get(&candidate.value);
        if known.is_some_and(|(_, judgement)| *judgement == Judgement::Valid) {
            return Judgement::Valid;
        }
        let judgement = if !candidate
            .block
            .starts_with(&candidate.height.0.to_be_bytes())
        {
            Judgement::Invalid
        } else if state.doubts && !is_sure {
            Judgement::ClockDisagrees
        } else {
            Judgement::Valid
        };
        state
            .candidates
            .insert(candidate.value, (candidate, judgement));
        judgement
    }
}

impl Application for Memory {
    fn tip(&self) -> Height {
        Height(self.view.tip())
    }

    fn members(&self) -> Result<MemberSet, Fatal> {
        Ok((self.schedule)(self.view.tip() + 1))
    }

    fn is_pending(&self) -> bool {
        self.view.pending.load(SeqCst) > 0
    }

    fn start(&mut self, height: Height) -> Result<(), Fatal> {
        self.view.state().started.push(height.0);
        Ok(())
    }

    fn begin_round(
        &mut self,
        height: Height,
        _: Round,
        _: &MemberId,
        polkas: &dyn Fn(&ValueId) -> bool,
    ) -> Result<Vec<Undecided>, Fatal> {
        let doubted: Vec<_> = {
            let state = self.view.state();
            let all = state.candidates.values();
            let doubted = all.filter(|(_, judgement)| *judgement == Judgement::ClockDisagrees);
            doubted.map(|(candidate, _)| candidate.clone()).collect()
        };
        for candidate in doubted {
            let is_sure = polkas(&candidate.value);
            self.judge(candidate, is_sure);
        }
        let state = self.view.state();
        let here = state
            .candidates
            .values()
            .filter(|(one, _)| one.height == height);
        let here = here.map(|(candidate, judgement)| Undecided {
            value: candidate.value,
            round: candidate.round,
            proposer: candidate.proposer.clone(),
            judgement: *judgement,
        });
        Ok(here.collect())
    }

    fn propose(&mut self, height: Height, round: Round) -> Result<Option<Candidate>, Fatal> {
        let own = self.own.clone().expect("an observer is not asked");
        let mut state = self.view.state();
        let mut all = state.candidates.values();
        let is_made =
            |one: &Candidate| (one.height, one.round, &one.proposer) == (height, round, &own);
        if let Some((made, _)) = all.find(|(one, _)| is_made(one)) {
            return Ok(Some(made.clone()));
        }
        if self.view.pending.load(SeqCst) == 0 && round.0 == 0 {
            return Ok(None);
        }
        let mut block = height.0.to_be_bytes().to_vec();
        block.extend(round.0.to_be_bytes());
        block.extend(own.as_str().bytes());
        let size = state.block_bytes.max(block.len());
        block.resize(size, height.0 as u8);
        let candidate = Candidate {
            height,
            round,
            valid_round: None,
            proposer: own,
            value: ValueId(*blake3::hash(&block).as_bytes()),
            block,
        };
        let made = (candidate.clone(), Judgement::Valid);
        state.candidates.insert(candidate.value, made);
        let block = match state.streams_garbage {
            true => b"garbage".to_vec(),
            false => candidate.block,
        };
        Ok(Some(Candidate { block, ..candidate }))
    }

    fn check(&mut self, candidate: Candidate, has_polka: bool) -> Result<Judgement, Fatal> {
        assert_eq!(candidate.height, self.tip().next());
        let proposer = (self.schedule)(candidate.height.0);
        let proposer = proposer.proposer(candidate.height, candidate.round);
        assert_eq!(proposer.member.id, candidate.proposer);
        Ok(self.judge(candidate, has_polka))
    }

    fn check_decided(&mut self, candidate: Candidate) -> Result<Judgement, Fatal> {
        assert_eq!(candidate.height, self.tip().next());
        Ok(self.judge(candidate, true))
    }

    fn candidate(&self, _: Height, value: &ValueId) -> Result<Option<Candidate>, Fatal> {
        let state = self.view.state();
        Ok(state
            .candidates
            .get(value)
            .map(|(candidate, _)| candidate.clone()))
    }

    fn commit(&mut self, certificate: &CommitCertificate) -> Result<(), Fatal> {
        let members = (self.schedule)(certificate.height.0);
        certificate
            .verify(&LEDGER, &members, &certificate.value)
            .unwrap();
        let mut state = self.view.state();
        if state.fails_at == Some(certificate.height.0) {
            let reason = "the disk is full".to_owned();
            return Err(Fatal { reason });
        }
        assert_eq!(certificate.height.0, state.blocks.len() as u64 + 1);
        let (candidate, _) = state.candidates[&certificate.value].clone();
        state.blocks.push(Decided {
            block: candidate.block,
            certificate: certificate.clone(),
        });
        state.candidates.clear();
        let less = |pending: u64| Some(pending.saturating_sub(1));
        let _ = self.view.pending.fetch_update(SeqCst, SeqCst, less);
        Ok(())
    }

    fn finalize(
        &mut self,
        certificate: &CommitCertificate,
        evidence: Vec<Equivocation>,
    ) -> Result<(), Fatal> {
        let members = (self.schedule)(certificate.height.0);
        for one in &evidence {
            one.verify(&LEDGER, &members).unwrap();
        }
        self.view.state().evidence.extend(evidence);
        Ok(())
    }

    fn decided(&self, first: Height, count: u64, bytes_max: usize) -> Result<Vec<Decided>, Fatal> {
        let state = self.view.state();
        let from = state
            .blocks
            .iter()
            .skip(first.0 as usize - 1)
            .take(count as usize);
        let mut bytes = 0;
        let from = from.take_while(|one| {
            bytes += one.block.len();
            bytes <= bytes_max
        });
        Ok(from.cloned().collect())
    }
}
