//! What records say: one body for each statement of docs/formats.md.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{
    AchievementId, Digest, DisplayName, IssuerId, KeyId, ListNumber, MemberId, RecordId,
    StatusIndex, UnixMillis, WebUrl,
};
use crate::key::{ProvenKey, Role};
use crate::member::Member;
use crate::parameters::Parameter;
use crate::text::signature_text;

/// Most credentials in one Issue or status record; tools pack 256.
pub const ITEMS_MAX: usize = 1_024;
/// Most achievements in one scope.
pub const SCOPE_MAX: usize = 256;
/// Most keys added or retired by one record.
pub const KEYS_PER_RECORD_MAX: usize = 16;
/// Most alignments, and most prerequisites, of one achievement.
pub const LINKS_MAX: usize = 32;
/// Positions of a status list.
pub const POSITIONS: u32 = 131_072;

/// Canonical bytes of a body that no state of the ledger would accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// A list is empty or too long.
    #[error("{what} has {count} entries; {min} to {max} are allowed")]
    Count {
        /// Which list.
        what: &'static str,
        /// Entries found.
        count: usize,
        /// Fewest.
        min: usize,
        /// Most.
        max: usize,
    },
    /// A list is not strictly ascending.
    #[error("{what} is not in strictly ascending order (sort it and drop duplicates)")]
    Order {
        /// Which list.
        what: &'static str,
    },
    /// A status index outside its list.
    #[error("status index {index} is outside a list of {POSITIONS} positions")]
    Index {
        /// The index.
        index: StatusIndex,
    },
    /// A digest twice in one record.
    #[error("credential {digest} stands twice in one record")]
    TwiceDigest {
        /// The digest.
        digest: Digest,
    },
    /// An interval that ends before it begins.
    #[error("valid_from {from} is not before valid_until {until}")]
    Interval {
        /// Beginning.
        from: UnixMillis,
        /// End.
        until: UnixMillis,
    },
    /// A key without a purpose.
    #[error("a key has no purpose; give it `record`, `assertion` or both")]
    NoPurpose,
    /// A compromise of no key.
    #[error("compromised_since names no key; list the compromised keys under retire")]
    CompromiseOfNothing,
    /// A record that changes nothing.
    #[error("the {what} record changes nothing")]
    Nothing {
        /// Kind of record.
        what: &'static str,
    },
    /// A credential that supersedes itself.
    #[error("credential {digest} cannot supersede itself")]
    SupersedesItself {
        /// The digest.
        digest: Digest,
    },
}

/// Why a status changed or an accreditation ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// No reason given.
    Unspecified,
    /// Issued in error.
    IssuedInError,
    /// Replaced by another credential.
    Superseded,
    /// At the holder's request.
    HolderRequest,
    /// Misconduct of the holder.
    Misconduct,
    /// A key was compromised.
    KeyCompromise,
    /// The issuer lost its accreditation.
    AccreditationLost,
    /// Another reason.
    Other,
}

impl Reason {
    /// All reasons, in the order of their codes.
    pub const ALL: [Self; 8] = [
        Self::Unspecified,
        Self::IssuedInError,
        Self::Superseded,
        Self::HolderRequest,
        Self::Misconduct,
        Self::KeyCompromise,
        Self::AccreditationLost,
        Self::Other,
    ];

    /// The text form, as in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::IssuedInError => "issued-in-error",
            Self::Superseded => "superseded",
            Self::HolderRequest => "holder-request",
            Self::Misconduct => "misconduct",
            Self::KeyCompromise => "key-compromise",
            Self::AccreditationLost => "accreditation-lost",
            Self::Other => "other",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which achievements an accreditation covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Every achievement, and credentials without one.
    All,
    /// These achievements, in ascending order, at most [`SCOPE_MAX`].
    Achievements(Vec<AchievementId>),
}

impl Scope {
    /// Whether the scope covers an achievement, or (`None`) a credential without one.
    pub fn covers(&self, achievement: Option<&AchievementId>) -> bool {
        match (self, achievement) {
            (Self::All, _) => true,
            (Self::Achievements(ids), Some(id)) => ids.binary_search(id).is_ok(),
            (Self::Achievements(_), None) => false,
        }
    }
}

/// Public profile of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Its name.
    pub name: DisplayName,
    /// Its web site.
    pub url: Option<WebUrl>,
}

/// What an issuer's key may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Purposes {
    /// Records of the ledger.
    pub record: bool,
    /// Credentials.
    pub assertion: bool,
}

impl Purposes {
    /// The role of the proof of possession; nothing for a key without purpose.
    pub fn role(self) -> Option<Role> {
        match (self.record, self.assertion) {
            (true, true) => Some(Role::RecordAndAssertion),
            (true, false) => Some(Role::Record),
            (false, true) => Some(Role::Assertion),
            (false, false) => None,
        }
    }
}

/// A new key of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewKey {
    /// The key and its proof of possession for the role of its purposes.
    pub proven: ProvenKey,
    /// What it may sign.
    pub purposes: Purposes,
}

/// What the first accreditation of an issuer registers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// Public profile.
    pub profile: Profile,
    /// First keys; at least one signs records.
    pub keys: Vec<NewKey>,
    /// The recovery key (Ed25519), with its proof of possession.
    pub recovery: ProvenKey,
}

/// One credential of an Issue record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Its position in the status list.
    pub index: StatusIndex,
    /// Its digest.
    pub digest: Digest,
}

/// Accredit: a member lets an issuer award what the scope covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accredit {
    /// The issuer.
    pub issuer: IssuerId,
    /// Profile and keys, for an issuer the ledger does not know yet.
    pub registration: Option<Registration>,
    /// What it may award.
    pub scope: Scope,
    /// End of the accreditation, if it has one.
    pub until: Option<UnixMillis>,
    /// Ed25519 by the recovery key over
    /// [`countersigned_message`](crate::record::countersigned_message).
    #[serde(with = "signature_text")]
    #[schema(schema_with = crate::schema::signature)]
    pub countersignature: [u8; 64],
}

/// ReplaceIssuerKeys and RotateKeys: keys come and go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyChange {
    /// New keys.
    pub add: Vec<NewKey>,
    /// Keys that stop, in ascending order.
    pub retire: Vec<KeyId>,
    /// The retired keys were in other hands from this time on.
    pub compromised_since: Option<UnixMillis>,
}

impl KeyChange {
    /// Whether no key comes and none goes.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.retire.is_empty()
    }
}

/// DefineAchievement: what a credential attests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Achievement {
    /// Identifier, unique for the issuer.
    pub id: AchievementId,
    /// BLAKE3-256 of the JCS bytes of its full definition, kept by the issuer.
    pub definition: Digest,
    /// Name for people.
    pub name: DisplayName,
    /// Skills or standards it is aligned to.
    pub alignments: Vec<AchievementId>,
    /// Achievements that come before it.
    pub prerequisites: Vec<AchievementId>,
}

/// Issue: credentials enter the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Issue {
    /// What they attest; without it the scope must be all.
    pub achievement: Option<AchievementId>,
    /// Their status list.
    pub list: ListNumber,
    /// Beginning of their validity, if they state one.
    pub valid_from: Option<UnixMillis>,
    /// End of their validity, if they state one.
    pub valid_until: Option<UnixMillis>,
    /// The credentials, in ascending order of index.
    pub items: Vec<Item>,
}

/// Revoke and Suspend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusChange {
    /// The issuer of the credentials.
    pub issuer: IssuerId,
    /// The credentials, in ascending order.
    pub digests: Vec<Digest>,
    /// Why.
    pub reason: Reason,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Body {
    /// Member: proposes an action to the members.
    Propose {
        /// The action.
        action: Action,
    },
    /// Member: approves a proposal.
    Approve {
        /// Id of the Propose record.
        proposal: RecordId,
    },
    /// Member: takes back its own proposal or approval.
    Retract {
        /// Id of the Propose or Approve record.
        record: RecordId,
    },
    /// Member: accredits an issuer.
    Accredit(Accredit),
    /// Member: changes scope or end of its accreditation.
    AmendAccreditation {
        /// The issuer.
        issuer: IssuerId,
        /// The new scope.
        scope: Scope,
        /// The new end.
        until: Option<UnixMillis>,
    },
    /// Member: ends its accreditation.
    WithdrawAccreditation {
        /// The issuer.
        issuer: IssuerId,
        /// From when; not before the seal.
        from: UnixMillis,
        /// Why.
        reason: Reason,
    },
    /// Member: replaces keys of an issuer it accredits, 7 days after the seal.
    ReplaceIssuerKeys {
        /// The issuer.
        issuer: IssuerId,
        /// The change.
        change: KeyChange,
    },
    /// Issuer: adds and retires keys.
    RotateKeys(KeyChange),
    /// Issuer: defines an achievement.
    DefineAchievement(Achievement),
    /// Issuer: opens its next status list.
    OpenStatusList {},
    /// Issuer: issues credentials.
    Issue(Issue),
    /// Issuer or accrediting member: revokes credentials, for good.
    Revoke(StatusChange),
    /// Issuer or accrediting member: suspends valid credentials.
    Suspend(StatusChange),
    /// Issuer or accrediting member: ends a suspension.
    Reinstate {
        /// The issuer of the credentials.
        issuer: IssuerId,
        /// Id of the Suspend record.
        suspension: RecordId,
        /// The credentials, in ascending order.
        digests: Vec<Digest>,
        /// Why.
        reason: Reason,
    },
    /// Issuer or accrediting member: replaces a credential by another one.
    Supersede {
        /// The issuer of both.
        issuer: IssuerId,
        /// The credential that ends.
        old: Digest,
        /// The credential that takes its place.
        new: Digest,
        /// Why.
        reason: Reason,
    },
}

/// What members decide together (rule R9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Action {
    /// A new member joins.
    AddMember {
        /// The member with its keys and proofs of possession.
        member: Member,
    },
    /// A member leaves; its accreditations end or pass to another member.
    #[schema(rename_all = "camelCase")]
    RemoveMember {
        /// Who leaves.
        member: MemberId,
        /// Who takes over its accreditations.
        transfer_to: Option<MemberId>,
    },
    /// A member's keys and addresses change.
    ReplaceMemberKeys {
        /// The member as it will be.
        member: Member,
    },
    /// Accreditations pass from one member to another.
    TransferAccreditations {
        /// From whom.
        from: MemberId,
        /// To whom.
        to: MemberId,
    },
    /// An accreditation ends.
    WithdrawAccreditation {
        /// Whose accreditation.
        member: MemberId,
        /// Of which issuer.
        issuer: IssuerId,
        /// From when; not before the seal.
        from: UnixMillis,
        /// Why.
        reason: Reason,
    },
    /// A parameter changes.
    SetParameter {
        /// The parameter and its new value.
        parameter: Parameter,
    },
}

impl Action {
    /// Whether it changes the set of members (at most one of those a block).
    pub fn changes_members(&self) -> bool {
        matches!(
            self,
            Self::AddMember { .. } | Self::RemoveMember { .. } | Self::ReplaceMemberKeys { .. }
        )
    }
}

impl Body {
    /// Name of the kind of record, as in JSON, metrics and docs/formats.md.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Propose { .. } => "propose",
            Self::Approve { .. } => "approve",
            Self::Retract { .. } => "retract",
            Self::Accredit(_) => "accredit",
            Self::AmendAccreditation { .. } => "amendAccreditation",
            Self::WithdrawAccreditation { .. } => "withdrawAccreditation",
            Self::ReplaceIssuerKeys { .. } => "replaceIssuerKeys",
            Self::RotateKeys(_) => "rotateKeys",
            Self::DefineAchievement(_) => "defineAchievement",
            Self::OpenStatusList {} => "openStatusList",
            Self::Issue(_) => "issue",
            Self::Revoke(_) => "revoke",
            Self::Suspend(_) => "suspend",
            Self::Reinstate { .. } => "reinstate",
            Self::Supersede { .. } => "supersede",
        }
    }

    /// Checks what can be said without the ledger's state: counts, order, intervals.
    ///
    /// # Errors
    /// Every [`FormError`].
    pub fn check_form(&self) -> Result<(), FormError> {
        match self {
            Self::Accredit(accredit) => {
                check_scope(&accredit.scope)?;
                accredit
                    .registration
                    .as_ref()
                    .map_or(Ok(()), |registration| {
                        count("keys", registration.keys.len(), 1, KEYS_PER_RECORD_MAX)?;
                        check_purposes(&registration.keys)
                    })
            }
            Self::AmendAccreditation { scope, .. } => check_scope(scope),
            Self::ReplaceIssuerKeys { change, .. } => {
                if change.is_empty() {
                    return Err(FormError::Nothing { what: self.kind() });
                }
                check_key_change(change)
            }
            // Empty, it cancels a replacement (rule R5).
            Self::RotateKeys(change) => check_key_change(change),
            Self::DefineAchievement(achievement) => {
                count("alignments", achievement.alignments.len(), 0, LINKS_MAX)?;
                count(
                    "prerequisites",
                    achievement.prerequisites.len(),
                    0,
                    LINKS_MAX,
                )
            }
            Self::Issue(issue) => check_issue(issue),
            Self::Revoke(change) | Self::Suspend(change) => check_digests(&change.digests),
            Self::Reinstate { digests, .. } => check_digests(digests),
            Self::Supersede { old, new, .. } if old == new => {
                Err(FormError::SupersedesItself { digest: *old })
            }
            Self::Propose { .. }
            | Self::Approve { .. }
            | Self::Retract { .. }
            | Self::WithdrawAccreditation { .. }
            | Self::OpenStatusList {}
            | Self::Supersede { .. } => Ok(()),
        }
    }
}

fn count(what: &'static str, count: usize, min: usize, max: usize) -> Result<(), FormError> {
    if (min..=max).contains(&count) {
        Ok(())
    } else {
        Err(FormError::Count {
            what,
            count,
            min,
            max,
        })
    }
}

fn ascending<T: Ord>(what: &'static str, items: &[T]) -> Result<(), FormError> {
    if items.windows(2).all(|pair| pair[0] < pair[1]) {
        Ok(())
    } else {
        Err(FormError::Order { what })
    }
}

fn check_scope(scope: &Scope) -> Result<(), FormError> {
    match scope {
        Scope::All => Ok(()),
        Scope::Achievements(ids) => {
            count("scope", ids.len(), 1, SCOPE_MAX)?;
            ascending("scope", ids)
        }
    }
}

fn check_purposes(keys: &[NewKey]) -> Result<(), FormError> {
    if keys.iter().any(|key| key.purposes.role().is_none()) {
        return Err(FormError::NoPurpose);
    }
    Ok(())
}

fn check_key_change(change: &KeyChange) -> Result<(), FormError> {
    count("add", change.add.len(), 0, KEYS_PER_RECORD_MAX)?;
    count("retire", change.retire.len(), 0, KEYS_PER_RECORD_MAX)?;
    ascending("retire", &change.retire)?;
    check_purposes(&change.add)?;
    if change.compromised_since.is_some() && change.retire.is_empty() {
        return Err(FormError::CompromiseOfNothing);
    }
    Ok(())
}

fn check_digests(digests: &[Digest]) -> Result<(), FormError> {
    count("digests", digests.len(), 1, ITEMS_MAX)?;
    ascending("digests", digests)
}

fn check_issue(issue: &Issue) -> Result<(), FormError> {
    count("items", issue.items.len(), 1, ITEMS_MAX)?;
    if issue
        .items
        .windows(2)
        .any(|pair| pair[0].index >= pair[1].index)
    {
        return Err(FormError::Order {
            what: "items (by index)",
        });
    }
    if let Some(item) = issue.items.iter().find(|item| item.index.0 >= POSITIONS) {
        return Err(FormError::Index { index: item.index });
    }
    let mut digests: Vec<_> = issue.items.iter().map(|item| item.digest).collect();
    digests.sort_unstable();
    if let Some(pair) = digests.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(FormError::TwiceDigest { digest: pair[0] });
    }
    match (issue.valid_from, issue.valid_until) {
        (Some(from), Some(until)) if from >= until => Err(FormError::Interval { from, until }),
        _ => Ok(()),
    }
}
