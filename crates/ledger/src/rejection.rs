//! Why a record is refused: rule, stable code, and the values that matter.

use std::fmt;

use crate::ids::{
    AchievementId, Digest, IssuerId, KeyId, LedgerId, ListNumber, MemberId, RecordId, StatusIndex,
    UnixMillis,
};
use crate::key::KeyError;
use crate::member::MemberError;
use crate::parameters::OutOfRange;
use crate::record::AuthorId;
use crate::status::Status;

/// A rule of docs/formats.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// The envelope of a record: form, ledger, expiry, author, signature, once only.
    R0,
    /// Seal times.
    R1,
    /// Blocks.
    R2,
    /// Seals.
    R3,
    /// Keys and possession.
    R4,
    /// Rotation, recovery, replacement.
    R5,
    /// Accreditation.
    R6,
    /// Issuing.
    R7,
    /// Status.
    R8,
    /// Governance.
    R9,
    /// Limits.
    R10,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

macro_rules! rejections {
    ($($(#[$doc:meta])* $rule:ident $code:literal $text:literal
        $variant:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* },)*) => {
        /// Why the ledger refuses a record.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum Rejection {
            $($(#[$doc])* #[error($text)] $variant { $($(#[$field_doc])* $field: $type,)* },)*
        }

        impl Rejection {
            /// The rule that the record breaks.
            pub fn rule(&self) -> Rule {
                match self {
                    $(Self::$variant { .. } => Rule::$rule,)*
                }
            }

            /// A stable name for programs, in kebab-case.
            pub fn code(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $code,)*
                }
            }

            /// Every code with its rule, in the order of docs/formats.md.
            pub const CODES: &'static [(Rule, &'static str)] = &[$((Rule::$rule, $code),)*];
        }
    };
}

rejections! {
    /// Meant for another ledger.
    R0 "wrong-ledger" "the record is for ledger {found}, this is {expected}; sign it again with this ledger's genesis"
    WrongLedger {
        /// Ledger named by the record.
        found: LedgerId,
        /// This ledger.
        expected: LedgerId,
    },
    /// Too late.
    R0 "expired" "the record expired at {expires_at}, the seal's time is {time}; sign it again (check the clock)"
    Expired {
        /// When it expired.
        expires_at: UnixMillis,
        /// Time of the seal.
        time: UnixMillis,
    },
    /// Expires too far in the future.
    R0 "expires-too-late" "the record expires at {expires_at}, more than 7 days after {time}; sign it again with an earlier expiry"
    ExpiresTooLate {
        /// When it expires.
        expires_at: UnixMillis,
        /// Time of the seal.
        time: UnixMillis,
    },
    /// Already in the log.
    R0 "duplicate" "record {id} is in the log already"
    Duplicate {
        /// The record.
        id: RecordId,
    },
    /// The author is neither a member nor a known issuer.
    R0 "unknown-author" "{author} is not known to the ledger"
    UnknownAuthor {
        /// The author.
        author: AuthorId,
    },
    /// The key is not one the author may sign this record with now.
    R0 "key-not-active" "key {key} is not an active key of {author} for signing this record"
    KeyNotActive {
        /// The author.
        author: AuthorId,
        /// The key.
        key: KeyId,
    },
    /// The signature does not verify by ZIP 215.
    R0 "bad-signature" "the signature does not verify under key {key}"
    BadSignature {
        /// The key.
        key: KeyId,
    },
    /// A body that this kind of author cannot sign.
    R0 "wrong-author" "a record of kind {kind} cannot be signed by {author}"
    WrongAuthor {
        /// Kind of record.
        kind: &'static str,
        /// The author.
        author: AuthorId,
    },
    /// The block has no room for it.
    R2 "block-full" "the block has no room for the record; it can enter a later block"
    BlockFull {},
    /// It changes the registry after an Issue of the same block.
    R2 "registry-after-issue" "a record that changes the registry stands after an Issue record of the same block"
    RegistryAfterIssue {},
    /// A key is not well formed or its holder does not have it.
    R4 "bad-key" "key {key}: {source}"
    BadKey {
        /// The key.
        key: KeyId,
        /// What is wrong.
        source: KeyError,
    },
    /// A key was registered before.
    R4 "key-registered" "key {key} was registered before by {owner}; make a new key"
    KeyRegistered {
        /// The key.
        key: KeyId,
        /// Who registered it.
        owner: AuthorId,
    },
    /// A member's description is not valid.
    R4 "bad-member" "{source}"
    BadMember {
        /// What is wrong.
        source: MemberError,
    },
    /// The first accreditation of an issuer without its registration.
    R4 "registration-missing" "issuer {issuer} is new: its profile, keys and recovery key are needed"
    RegistrationMissing {
        /// The issuer.
        issuer: IssuerId,
    },
    /// A further accreditation with a registration.
    R4 "registration-surplus" "issuer {issuer} is registered: a further accreditation carries no profile and no keys"
    RegistrationSurplus {
        /// The issuer.
        issuer: IssuerId,
    },
    /// The recovery key's countersignature does not verify.
    R4 "bad-countersignature" "the countersignature by the recovery key of issuer {issuer} does not verify"
    BadCountersignature {
        /// The issuer.
        issuer: IssuerId,
    },
    /// No active key would be left to sign records.
    R5 "no-record-key" "issuer {issuer} would have no active key that signs records"
    NoRecordKey {
        /// The issuer.
        issuer: IssuerId,
    },
    /// An active key may retire only itself.
    R5 "needs-recovery-key" "only the recovery key may retire another key or state a compromise"
    NeedsRecoveryKey {},
    /// The key to retire is not there or is retired.
    R5 "key-not-there" "key {key} is not an active key of issuer {issuer}"
    KeyNotThere {
        /// The issuer.
        issuer: IssuerId,
        /// The key.
        key: KeyId,
    },
    /// A compromise in the future.
    R5 "compromise-in-future" "the compromise at {since} is after the seal at {time}"
    CompromiseInFuture {
        /// Beginning of the compromise.
        since: UnixMillis,
        /// Time of the seal.
        time: UnixMillis,
    },
    /// A replacement is pending already.
    R5 "replacement-pending" "a key replacement of issuer {issuer} takes effect at {effective}; until then it can only be cancelled by the recovery key"
    ReplacementPending {
        /// The issuer.
        issuer: IssuerId,
        /// When it takes effect.
        effective: UnixMillis,
    },
    /// A rotation of no key, without a replacement that the signer could cancel.
    R5 "nothing-to-cancel" "the rotation names no key, and there is no replacement of issuer {issuer}'s keys that its signer could cancel"
    NothingToCancel {
        /// The issuer.
        issuer: IssuerId,
    },
    /// The issuer is not registered.
    R6 "unknown-issuer" "issuer {issuer} is not known to the ledger"
    UnknownIssuer {
        /// The issuer.
        issuer: IssuerId,
    },
    /// The member has accredited the issuer already.
    R6 "accredited-already" "member {member} accredits issuer {issuer} already; amend that accreditation"
    AccreditedAlready {
        /// The member.
        member: MemberId,
        /// The issuer.
        issuer: IssuerId,
    },
    /// The member holds no accreditation of the issuer.
    R6 "not-accreditor" "member {member} has no accreditation of issuer {issuer} that could be changed"
    NotAccreditor {
        /// The member.
        member: MemberId,
        /// The issuer.
        issuer: IssuerId,
    },
    /// The accreditation was withdrawn already, from an earlier time.
    R6 "withdrawn-already" "the accreditation of issuer {issuer} by member {member} is withdrawn from {from} on; a further withdrawal can only come earlier"
    WithdrawnAlready {
        /// The member.
        member: MemberId,
        /// The issuer.
        issuer: IssuerId,
        /// Beginning of the withdrawal in force.
        from: UnixMillis,
    },
    /// An end that does not lie after the seal.
    R6 "time-in-past" "{what} at {given} is not after the seal at {time}"
    TimeInPast {
        /// Which time.
        what: &'static str,
        /// The time given.
        given: UnixMillis,
        /// Time of the seal.
        time: UnixMillis,
    },
    /// No accreditation covers the record.
    R7 "not-accredited" "issuer {issuer} has no accreditation in force at {time} that covers {achievement}"
    NotAccredited {
        /// The issuer.
        issuer: IssuerId,
        /// Time of the seal.
        time: UnixMillis,
        /// What it covers.
        achievement: Covered,
    },
    /// The list is not the issuer's.
    R7 "not-your-list" "status list {list} is not one of issuer {issuer}"
    NotYourList {
        /// The list.
        list: ListNumber,
        /// The issuer.
        issuer: IssuerId,
    },
    /// The position is used.
    R7 "index-taken" "position {index} of status list {list} is used already"
    IndexTaken {
        /// The list.
        list: ListNumber,
        /// The position.
        index: StatusIndex,
    },
    /// The issuer has issued this credential before.
    R7 "digest-taken" "credential {digest} was issued before, at leaf {leaf}"
    DigestTaken {
        /// The credential.
        digest: Digest,
        /// Leaf of its Issue record.
        leaf: u64,
    },
    /// The issuer has defined the achievement before.
    R7 "achievement-taken" "achievement {achievement} is defined already"
    AchievementTaken {
        /// The achievement.
        achievement: AchievementId,
    },
    /// The credential is not on the ledger.
    R8 "unknown-credential" "credential {digest} of issuer {issuer} is not on this ledger"
    UnknownCredential {
        /// The credential.
        digest: Digest,
        /// The issuer.
        issuer: IssuerId,
    },
    /// The author is neither the issuer nor the accrediting member.
    R8 "not-yours" "{author} is neither the issuer nor the accrediting member of credential {digest}"
    NotYours {
        /// The author.
        author: AuthorId,
        /// The credential.
        digest: Digest,
    },
    /// The status does not allow the change.
    R8 "wrong-status" "credential {digest} is {status:?}; {needed}"
    WrongStatus {
        /// The credential.
        digest: Digest,
        /// Its status.
        status: Status,
        /// What the change needs.
        needed: &'static str,
    },
    /// The suspension named is not the one in force.
    R8 "other-suspension" "credential {digest} was suspended by record {suspension}; name that one"
    OtherSuspension {
        /// The credential.
        digest: Digest,
        /// The suspension in force.
        suspension: RecordId,
    },
    /// No such proposal or approval of this member.
    R9 "unknown-proposal" "record {record} is not an open proposal or approval that {member} could act on"
    UnknownProposal {
        /// The record named.
        record: RecordId,
        /// The author.
        member: MemberId,
    },
    /// The proposal has expired.
    R9 "proposal-expired" "proposal {proposal} expired at {expired}; propose it again"
    ProposalExpired {
        /// The proposal.
        proposal: RecordId,
        /// When it expired.
        expired: UnixMillis,
    },
    /// The member has approved already.
    R9 "approved-already" "member {member} has approved proposal {proposal} already"
    ApprovedAlready {
        /// The member.
        member: MemberId,
        /// The proposal.
        proposal: RecordId,
    },
    /// The set of members changes a second time in one block.
    R9 "members-changed" "the set of members changes already in this block; send the record again"
    MembersChanged {},
    /// An action that cannot be carried out.
    R9 "action-impossible" "the action cannot be carried out: {reason}"
    ActionImpossible {
        /// Why.
        reason: String,
    },
    /// A parameter out of range.
    R10 "parameter-out-of-range" "{source}"
    ParameterOutOfRange {
        /// What is wrong.
        source: OutOfRange,
    },
    /// The previous list is not half used.
    R10 "list-not-half-used" "status list {list} has {used} of 131,072 positions used; a new one opens when half are"
    ListNotHalfUsed {
        /// The newest list.
        list: ListNumber,
        /// Positions used.
        used: u32,
    },
    /// A cap is reached.
    R10 "cap-reached" "{what} would be {count}; the cap is {cap}"
    CapReached {
        /// What is capped.
        what: &'static str,
        /// What it would be.
        count: u64,
        /// The cap.
        cap: u64,
    },
}

/// What an accreditation had to cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Covered {
    /// Credentials of an achievement, or without one.
    Issue(Option<AchievementId>),
    /// No matter what: a definition, a status list (rule R6).
    Anything,
}

impl fmt::Display for Covered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issue(Some(achievement)) => write!(f, "achievement {achievement}"),
            Self::Issue(None) => f.write_str("credentials without an achievement (scope all)"),
            Self::Anything => f.write_str("anything"),
        }
    }
}

impl Rejection {
    /// Whether it is for this block alone that the record is refused, so that the next
    /// block may take it unchanged. Every other refusal stands until the state changes.
    pub fn may_pass_later(&self) -> bool {
        matches!(
            self,
            Self::BlockFull {} | Self::RegistryAfterIssue {} | Self::MembersChanged {}
        )
    }
}
