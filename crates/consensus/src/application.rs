//! What the engine needs of a ledger.
//!
//! One thread owns the [`Application`] and calls it, one call at a time. A call may block on
//! the disk; it may not wait for the network.

use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::evidence::Equivocation;
use credlog_ledger::ids::{Height, MemberId, Round, ValueId};
use credlog_ledger::member::MemberSet;

/// The ledger can go on no more: the engine stops, and the process must exit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Fatal {
    /// What happened, to what, and what to do.
    pub reason: String,
}

/// A block with the checkpoint that it claims to lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Height of the block.
    pub height: Height,
    /// Round of the engine in which it was last put forward; the seal holds that of its
    /// first proposal.
    pub round: Round,
    /// The earlier round in which so many prevoted for it, if it is put forward again; its seal
    /// is of that round or one before. Of a block that is put forward for the first time there
    /// is none, and the seal is of `round` itself.
    pub valid_round: Option<Round>,
    /// Who proposes it in that round.
    pub proposer: MemberId,
    /// The claimed checkpoint.
    pub value: ValueId,
    /// The stored form of the block: at most `BLOCK_BYTES_MAX` bytes.
    pub block: Vec<u8>,
}

/// What a validator thinks of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Every rule holds; the block is executed, stored and flushed. This never changes.
    Valid,
    /// A rule is broken.
    Invalid,
    /// Only this machine's clock says no (rule R1): judged again in every round.
    ClockDisagrees,
    /// The block does not lead to the claimed checkpoint, or is none: nobody may conclude
    /// anything about the value from it.
    NotThisValue,
    /// It cannot be judged now, since it could not be stored: nothing is said of it.
    NotNow,
}

/// A judged candidate that is stored and may still be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// The candidate's value.
    pub value: ValueId,
    /// Round in which it was put forward.
    pub round: Round,
    /// Who proposed it in that round.
    pub proposer: MemberId,
    /// What this validator thinks of it.
    pub judgement: Judgement,
}

/// A decided block as peers get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The stored form of the block.
    pub block: Vec<u8>,
    /// Its certificate.
    pub certificate: CommitCertificate,
}

/// The ledger behind the engine.
pub trait Application: Send + 'static {
    /// Height of the newest committed block; 0 before the first.
    fn tip(&self) -> Height;

    /// The members whose votes decide the height after the tip.
    ///
    /// # Errors
    /// [`Fatal`] if the state cannot be read.
    fn members(&self) -> Result<MemberSet, Fatal>;

    /// Whether the height after the tip should start: records wait for a block, and the disk
    /// and the clock allow one; or so many members say that they have decided more that an
    /// honest one is among them, and this node must sync.
    fn is_pending(&self) -> bool;

    /// Says durably that the engine is about to start a height, before it does.
    ///
    /// # Errors
    /// [`Fatal`] if that cannot be stored.
    fn start(&mut self, height: Height) -> Result<(), Fatal>;

    /// A round has begun. Answers every stored candidate of this height, whatever its round,
    /// with those judged again that only the clock was against; none that breaks a rule.
    ///
    /// # Errors
    /// [`Fatal`].
    fn begin_round(
        &mut self,
        height: Height,
        round: Round,
        proposer: &MemberId,
        polkas: &dyn Fn(&ValueId) -> bool,
    ) -> Result<Vec<Undecided>, Fatal>;

    /// The block that this member proposes in a round; executed, stored and flushed. The same
    /// one when asked again for the same round, and never one that somebody else made. Nothing
    /// if there is nothing to propose.
    ///
    /// # Errors
    /// [`Fatal`].
    fn propose(&mut self, height: Height, round: Round) -> Result<Option<Candidate>, Fatal>;

    /// Judges a candidate for the height after the tip. `has_polka`: more than two thirds of
    /// the members have prevoted for its value in one round of this height (rule R1).
    ///
    /// # Errors
    /// [`Fatal`].
    fn check(&mut self, candidate: Candidate, has_polka: bool) -> Result<Judgement, Fatal>;

    /// The same for a block that was decided without this node: no clock is asked. The
    /// certificate has been verified before.
    ///
    /// # Errors
    /// [`Fatal`].
    fn check_decided(&mut self, candidate: Candidate) -> Result<Judgement, Fatal>;

    /// A stored candidate of the height after the tip, to be streamed (again).
    ///
    /// # Errors
    /// [`Fatal`].
    fn candidate(&self, height: Height, value: &ValueId) -> Result<Option<Candidate>, Fatal>;

    /// Commits the candidate that was decided. Durable when this returns. A height that is
    /// committed already is committed.
    ///
    /// # Errors
    /// [`Fatal`], also if no such candidate was judged.
    fn commit(&mut self, certificate: &CommitCertificate) -> Result<(), Fatal>;

    /// The engine is done with a height: a certificate that may carry more signatures, and
    /// what was seen of members that signed two things.
    ///
    /// # Errors
    /// [`Fatal`].
    fn finalize(
        &mut self,
        certificate: &CommitCertificate,
        evidence: Vec<Equivocation>,
    ) -> Result<(), Fatal>;

    /// Decided blocks from `first` on, in order, at most `count` and about `bytes_max` bytes
    /// together; fewer if not all are here.
    ///
    /// # Errors
    /// [`Fatal`].
    fn decided(&self, first: Height, count: u64, bytes_max: usize) -> Result<Vec<Decided>, Fatal>;
}

/// Whatever stands behind the engine: a ledger, or something between the two.
impl Application for Box<dyn Application> {
    fn tip(&self) -> Height {
        (**self).tip()
    }

    fn members(&self) -> Result<MemberSet, Fatal> {
        (**self).members()
    }

    fn is_pending(&self) -> bool {
        (**self).is_pending()
    }

    fn start(&mut self, height: Height) -> Result<(), Fatal> {
        (**self).start(height)
    }

    fn begin_round(
        &mut self,
        height: Height,
        round: Round,
        proposer: &MemberId,
        polkas: &dyn Fn(&ValueId) -> bool,
    ) -> Result<Vec<Undecided>, Fatal> {
        (**self).begin_round(height, round, proposer, polkas)
    }

    fn propose(&mut self, height: Height, round: Round) -> Result<Option<Candidate>, Fatal> {
        (**self).propose(height, round)
    }

    fn check(&mut self, candidate: Candidate, has_polka: bool) -> Result<Judgement, Fatal> {
        (**self).check(candidate, has_polka)
    }

    fn check_decided(&mut self, candidate: Candidate) -> Result<Judgement, Fatal> {
        (**self).check_decided(candidate)
    }

    fn candidate(&self, height: Height, value: &ValueId) -> Result<Option<Candidate>, Fatal> {
        (**self).candidate(height, value)
    }

    fn commit(&mut self, certificate: &CommitCertificate) -> Result<(), Fatal> {
        (**self).commit(certificate)
    }

    fn finalize(
        &mut self,
        certificate: &CommitCertificate,
        evidence: Vec<Equivocation>,
    ) -> Result<(), Fatal> {
        (**self).finalize(certificate, evidence)
    }

    fn decided(&self, first: Height, count: u64, bytes_max: usize) -> Result<Vec<Decided>, Fatal> {
        (**self).decided(first, count, bytes_max)
    }
}
