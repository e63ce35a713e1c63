//! The genesis file: who founds a ledger, and under which rules.

use serde::{Deserialize, Serialize};

use crate::ids::{LedgerId, Origin, UnixMillis};
use crate::member::{MEMBERS_MAX, Member, MemberError, MemberSet, SeatedMember};
use crate::parameters::{OutOfRange, Parameters};

/// Longest genesis file in bytes.
pub const GENESIS_BYTES_MAX: usize = 1 << 20;
/// Version of the genesis file and of the whole ledger format.
pub const GENESIS_VERSION: u8 = 1;

/// Greatest integer of I-JSON (RFC 7493 section 2.2), 2^53 - 1: beyond it JCS writes two
/// numbers alike.
const JSON_INTEGER_MAX: u64 = (1 << 53) - 1;

/// The genesis file (JSON). BLAKE3 over its JCS bytes is the ledger id. The file says
/// everything: no field may be left out, not even one whose value is the default or null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Genesis {
    /// [`GENESIS_VERSION`].
    pub version: u8,
    /// Name of the log.
    pub origin: Origin,
    /// When it was founded; every seal is later.
    pub time: UnixMillis,
    /// The founding members.
    pub members: Vec<Member>,
    /// Caps of rule R10.
    pub parameters: Parameters,
}

/// A genesis file that cannot found a ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenesisError {
    /// Not JSON of the right form.
    #[error("the genesis file is not valid: {0}")]
    Json(String),
    /// Something the ledger id would not cover, or would cover in two ways.
    #[error(
        "the genesis file leaves out a field or writes a value in another than its one form; \
         write every parameter and every null, as `credlog genesis create` does"
    )]
    NotComplete,
    /// The founding time is no I-JSON integer.
    #[error("the founding time {0} is beyond 2^53 - 1, the greatest integer of I-JSON")]
    Time(UnixMillis),
    /// A version this program does not know.
    #[error("the genesis file has version {0}; this program knows version {GENESIS_VERSION}")]
    Version(u8),
    /// Too many members, or none.
    #[error("the genesis file has {0} members; 1 to {MEMBERS_MAX} are allowed")]
    Members(usize),
    /// Two members with one id.
    #[error("member {0} stands in the genesis file twice")]
    TwiceMember(crate::ids::MemberId),
    /// A member is not well formed.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// A parameter is out of range.
    #[error(transparent)]
    Parameter(#[from] OutOfRange),
}

impl Genesis {
    /// Reads and checks a genesis file.
    ///
    /// # Errors
    /// Every [`GenesisError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, GenesisError> {
        if bytes.len() > GENESIS_BYTES_MAX {
            return Err(GenesisError::Json(format!(
                "{} bytes; at most {GENESIS_BYTES_MAX} are allowed",
                bytes.len()
            )));
        }
        let genesis: Self =
            serde_json::from_slice(bytes).map_err(|error| GenesisError::Json(error.to_string()))?;
        genesis.check()?;
        // The derived readers refuse duplicate names, so this value is the whole file.
        let file: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|error| GenesisError::Json(error.to_string()))?;
        if jcs(&file)? != jcs(&genesis)? {
            return Err(GenesisError::NotComplete);
        }
        Ok(genesis)
    }

    /// Checks version, members (rule R4) and parameters.
    ///
    /// # Errors
    /// Every [`GenesisError`].
    pub fn check(&self) -> Result<(), GenesisError> {
        if self.version != GENESIS_VERSION {
            return Err(GenesisError::Version(self.version));
        }
        if self.time.0 > JSON_INTEGER_MAX {
            return Err(GenesisError::Time(self.time));
        }
        if self.members.is_empty() || self.members.len() > MEMBERS_MAX {
            return Err(GenesisError::Members(self.members.len()));
        }
        self.parameters.check()?;
        let mut keys = std::collections::HashSet::new();
        let mut ids = std::collections::HashSet::new();
        for member in &self.members {
            member.check(&self.origin)?;
            if !ids.insert(&member.id) {
                return Err(GenesisError::TwiceMember(member.id.clone()));
            }
            for (_, proven) in member.keys.roles() {
                if !keys.insert(&proven.key) {
                    return Err(GenesisError::Member(MemberError::SharedKey {
                        member: member.id.clone(),
                        key: proven.key.clone(),
                    }));
                }
            }
        }
        Ok(())
    }

    /// BLAKE3 over the JCS (RFC 8785) bytes of the file.
    ///
    /// # Errors
    /// [`GenesisError::Json`] if the value has no JCS form.
    pub fn ledger_id(&self) -> Result<LedgerId, GenesisError> {
        Ok(LedgerId(*blake3::hash(&jcs(self)?).as_bytes()))
    }

    /// The founding members as the set in force for height 1.
    pub fn member_set(&self) -> MemberSet {
        let seat = |member: &Member| SeatedMember {
            member: member.clone(),
            cosigner_number: 0,
        };
        MemberSet::new(self.members.iter().map(seat).collect())
    }
}

fn jcs<T: Serialize>(value: &T) -> Result<Vec<u8>, GenesisError> {
    serde_json_canonicalizer::to_vec(value).map_err(|error| GenesisError::Json(error.to_string()))
}
