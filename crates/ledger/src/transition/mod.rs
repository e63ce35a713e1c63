//! The transition: records and a seal turn one state into the next.
//!
//! [`Execution`] builds a block record by record; [`execute`] checks a block that somebody
//! else built, by the same path. Reads come from a [`View`], writes gather in
//! [`Changes`]: no clock, no randomness, no I/O.

mod accreditation;
mod author;
mod context;
mod governance;
mod issue;
mod keys;
mod overlay;
mod sealing;
mod status;
mod trees;

use crate::block::{BLOCK_BYTES_MAX, Block, BlockFormatError, record_cost};
use crate::body::Body;
use crate::ids::{Height, LeafIndex, MemberId, Round, UnixMillis};
use crate::record::{AuthorId, EXPIRY_MILLIS_MAX, EncodedRecord, Record};
use crate::rejection::Rejection;
use crate::rows::{Head, LedgerRow};
use crate::signature;
use crate::state::{self, State, View, ViewError, keys as row_keys};
use context::Context;
use overlay::Overlay;

pub use author::signing_key;
pub use sealing::{Executed, claimed_checkpoint, genesis_changes, genesis_state};

/// Bytes kept free in every block for the seal's leaf and its length.
const SEAL_RESERVE: usize = crate::seal::SEAL_BYTES_MAX + 3;

/// A record was refused, or the state cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The record is refused; the execution goes on without it.
    #[error("{rule}: {0}", rule = .0.rule())]
    Rejected(#[from] Rejection),
    /// The execution cannot go on.
    #[error(transparent)]
    Fatal(#[from] ViewError),
}

/// A block that breaks a rule, or a state that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// Not the height after the state's.
    #[error("R3: the block has height {found}, the state expects {expected}")]
    Height {
        /// Height of the block.
        found: Height,
        /// Height after the state's.
        expected: Height,
    },
    /// The seal's time is not late enough.
    #[error("R1: the seal's time {time} is not after {previous}")]
    Time {
        /// Time of the seal.
        time: UnixMillis,
        /// Time of the previous seal.
        previous: UnixMillis,
    },
    /// The seal follows the previous one too soon.
    #[error("R10: the seal's time {time} is before {earliest} (min_block_interval)")]
    Interval {
        /// Time of the seal.
        time: UnixMillis,
        /// Earliest time allowed.
        earliest: UnixMillis,
    },
    /// Not the proposer's turn.
    #[error("R3: it is the turn of member {expected} to propose, not of {found}")]
    Proposer {
        /// Proposer in the seal.
        found: MemberId,
        /// Whose turn it is.
        expected: MemberId,
    },
    /// No record in round 0.
    #[error("R2: a block of round 0 has at least one record")]
    Empty,
    /// A record that the rules refuse.
    #[error("record {at} of the block: {rule}: {rejection}", rule = .rejection.rule())]
    Record {
        /// Number of the record within the block, from 0.
        at: usize,
        /// Why it is refused.
        rejection: Rejection,
    },
    /// The seal says other than the execution.
    #[error("R3: the seal's {field} is not what the execution gives")]
    Seal {
        /// Field of the seal.
        field: &'static str,
    },
    /// The block cannot be encoded.
    #[error(transparent)]
    Format(#[from] BlockFormatError),
    /// The state cannot be read.
    #[error(transparent)]
    Fatal(#[from] ViewError),
}

/// What a proposer decides about a block before its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Time of the seal.
    pub time: UnixMillis,
    /// Round of the first proposal.
    pub round: Round,
    /// Who proposes.
    pub proposer: MemberId,
}

/// A block in the making.
pub struct Execution<'v> {
    overlay: Overlay<'v>,
    context: Context,
    head: Head,
    records: Vec<EncodedRecord>,
    bytes: usize,
    issue_seen: bool,
}

impl<'v> Execution<'v> {
    /// Opens a block on top of a committed state.
    ///
    /// # Errors
    /// [`BlockError::Time`], [`BlockError::Interval`] or [`BlockError::Proposer`] if the
    /// rules do not allow such a block; [`BlockError::Fatal`].
    pub fn open(view: &'v dyn View, opening: Opening) -> Result<Self, BlockError> {
        let state = State(view);
        let head = state.head()?;
        let parameters = state.parameters()?;
        let members = state.members()?;
        let LedgerRow { id: ledger, origin } = state.ledger()?;
        let Opening {
            time,
            round,
            proposer,
        } = opening;
        if time <= head.time {
            return Err(BlockError::Time {
                time,
                previous: head.time,
            });
        }
        let earliest = head.time.plus(u64::from(parameters.min_block_interval_ms));
        if time < earliest {
            return Err(BlockError::Interval { time, earliest });
        }
        let height = head.height.next();
        let expected = &members.proposer(height, round).member.id;
        if proposer != *expected {
            return Err(BlockError::Proposer {
                found: proposer,
                expected: expected.clone(),
            });
        }
        let context = Context {
            ledger,
            origin,
            height,
            time,
            round,
            proposer,
            parameters,
            status_lists: head.status_lists,
            members_changed: false,
        };
        Ok(Self {
            overlay: Overlay::new(view),
            context,
            head,
            records: Vec::new(),
            bytes: SEAL_RESERVE,
            issue_seen: false,
        })
    }

    /// Records taken so far.
    pub fn record_count(&self) -> usize {
        self.records.len()
    }

    /// Adds a record if every rule allows it; else nothing changes.
    ///
    /// # Errors
    /// [`ApplyError::Rejected`] for this record, [`ApplyError::Fatal`] for the block.
    pub fn apply(&mut self, record: EncodedRecord) -> Result<LeafIndex, ApplyError> {
        let applied = self.try_apply(&record);
        if applied.is_err() {
            self.overlay.discard();
            return applied;
        }
        self.overlay.keep();
        if self.overlay.take_members_changed() {
            self.context.members_changed = true;
        }
        self.issue_seen |= matches!(record.record().body, Body::Issue(_));
        self.bytes += record_cost(&record);
        self.records.push(record);
        applied
    }

    fn try_apply(&mut self, record: &EncodedRecord) -> Result<LeafIndex, ApplyError> {
        self.check_room(record)?;
        self.check_envelope(record)?;
        self.check_signature(record)?;
        let leaf = LeafIndex(self.head.size + self.records.len() as u64);
        let mut step = Step {
            overlay: &mut self.overlay,
            context: &self.context,
            record,
            leaf,
        };
        step.run()?;
        if self.issue_seen && self.overlay.writes_registry() {
            return Err(Rejection::RegistryAfterIssue {}.into());
        }
        let value = state::encode("record", &leaf)?;
        self.overlay.put(row_keys::record(&record.id()), value);
        Ok(leaf)
    }

    fn check_room(&self, record: &EncodedRecord) -> Result<(), Rejection> {
        let cap = self.context.parameters.records_per_block as usize;
        if self.records.len() >= cap || self.bytes + record_cost(record) > BLOCK_BYTES_MAX {
            return Err(Rejection::BlockFull {});
        }
        Ok(())
    }

    fn check_envelope(&self, encoded: &EncodedRecord) -> Result<(), ApplyError> {
        let record = encoded.record();
        let time = self.context.time;
        if record.ledger != self.context.ledger {
            let (found, expected) = (record.ledger, self.context.ledger);
            return Err(Rejection::WrongLedger { found, expected }.into());
        }
        let expires_at = record.expires_at;
        if expires_at < time {
            return Err(Rejection::Expired { expires_at, time }.into());
        }
        if expires_at > time.plus(EXPIRY_MILLIS_MAX) {
            return Err(Rejection::ExpiresTooLate { expires_at, time }.into());
        }
        if self.overlay.state().record(&encoded.id())?.is_some() {
            return Err(Rejection::Duplicate { id: encoded.id() }.into());
        }
        Ok(())
    }

    /// The author's key is active for this record, and the signature verifies under it.
    fn check_signature(&self, encoded: &EncodedRecord) -> Result<(), ApplyError> {
        let record = encoded.record();
        let key = self.active_key(record)?;
        let verified = encoded.verified_by() == Some(key)
            || signature::verifies(&key, &encoded.message(), &record.signature);
        if verified {
            Ok(())
        } else {
            Err(Rejection::BadSignature {
                key: record.author.key,
            }
            .into())
        }
    }

    fn active_key(&self, record: &Record) -> Result<[u8; 32], ApplyError> {
        let time = self.context.time;
        let key = match &record.author.id {
            AuthorId::Member(id) => {
                signing_key(record, self.overlay.state().members()?.find(id), None, time)
            }
            AuthorId::Issuer(id) => {
                let found = self.overlay.issuer_now(id, time)?;
                signing_key(record, None, found.as_ref().map(|found| &found.entry), time)
            }
        };
        Ok(key?)
    }
}

/// One record on its way through the rules.
pub(crate) struct Step<'s, 'v> {
    pub(crate) overlay: &'s mut Overlay<'v>,
    pub(crate) context: &'s Context,
    pub(crate) record: &'s EncodedRecord,
    pub(crate) leaf: LeafIndex,
}

impl Step<'_, '_> {
    fn run(&mut self) -> Result<(), ApplyError> {
        let record = self.record.record();
        let wrong_author = || Rejection::WrongAuthor {
            kind: record.body.kind(),
            author: record.author.id.clone(),
        };
        match (&record.author.id, &record.body) {
            (AuthorId::Member(member), Body::Propose { action }) => self.propose(member, action),
            (AuthorId::Member(member), Body::Approve { proposal }) => {
                self.approve(member, *proposal)
            }
            (AuthorId::Member(member), Body::Retract { record }) => self.retract(member, *record),
            (AuthorId::Member(member), Body::Accredit(accredit)) => self.accredit(member, accredit),
            (
                AuthorId::Member(member),
                Body::AmendAccreditation {
                    issuer,
                    scope,
                    until,
                },
            ) => self.amend(member, issuer, scope, *until),
            (
                AuthorId::Member(member),
                Body::WithdrawAccreditation {
                    issuer,
                    from,
                    reason,
                },
            ) => self.withdraw(member, issuer, *from, *reason),
            (AuthorId::Member(member), Body::ReplaceIssuerKeys { issuer, change }) => {
                self.replace_issuer_keys(member, issuer, change)
            }
            (AuthorId::Issuer(issuer), Body::RotateKeys(change)) => {
                self.rotate_keys(issuer, change)
            }
            (AuthorId::Issuer(issuer), Body::DefineAchievement(achievement)) => {
                self.define_achievement(issuer, achievement)
            }
            (AuthorId::Issuer(issuer), Body::OpenStatusList {}) => self.open_status_list(issuer),
            (AuthorId::Issuer(issuer), Body::Issue(issue)) => self.issue(issuer, issue),
            (_, Body::Revoke(change)) => self.revoke(change),
            (_, Body::Suspend(change)) => self.suspend(change),
            (
                _,
                Body::Reinstate {
                    issuer,
                    suspension,
                    digests,
                    reason,
                },
            ) => self.reinstate(issuer, *suspension, digests, *reason),
            (
                _,
                Body::Supersede {
                    issuer,
                    old,
                    new,
                    reason,
                },
            ) => self.supersede(issuer, *old, *new, *reason),
            _ => Err(wrong_author().into()),
        }
    }
}

/// Executes a block that was built elsewhere: every rule, every field of the seal.
///
/// # Errors
/// Every [`BlockError`].
pub fn execute(view: &dyn View, block: Block) -> Result<Executed, BlockError> {
    let seal = block.seal;
    let opening = Opening {
        time: seal.time,
        round: seal.round,
        proposer: seal.proposer.clone(),
    };
    let mut execution = Execution::open(view, opening)?;
    if seal.height != execution.context.height {
        return Err(BlockError::Height {
            found: seal.height,
            expected: execution.context.height,
        });
    }
    for (at, record) in block.records.into_iter().enumerate() {
        match execution.apply(record) {
            Ok(_) => {}
            Err(ApplyError::Rejected(rejection)) => {
                return Err(BlockError::Record { at, rejection });
            }
            Err(ApplyError::Fatal(error)) => return Err(error.into()),
        }
    }
    let executed = execution.seal()?;
    sealing::compare(&executed.seal, &seal)?;
    Ok(executed)
}

/// R10: a count stays under its cap.
pub(crate) fn check_cap(what: &'static str, count: u64, cap: u64) -> Result<(), Rejection> {
    if count > cap {
        return Err(Rejection::CapReached { what, count, cap });
    }
    Ok(())
}
