//! The trust file: what a verifier has believed of a ledger.

use credlog_ledger::follow::Follower;
use credlog_ledger::genesis::{GENESIS_BYTES_MAX, Genesis, GenesisError};
use credlog_ledger::ids::{Height, UnixMillis};
use credlog_ledger::member::{MEMBER_SET_BYTES_MAX, MemberSet};
use credlog_tlog::{Hash, TreeSize};
use serde::{Deserialize, Serialize};

use super::text::{Base64, HashText};

/// Longest trust file in bytes: a genesis file and a member set in base64.
pub const TRUST_BYTES_MAX: usize = GENESIS_BYTES_MAX + 2 * MEMBER_SET_BYTES_MAX;

/// What is believed of one ledger (docs/formats.md, "Trust file"): its genesis, and the newest
/// checkpoint that was ever shown to be attested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    genesis: Genesis,
    founders: Follower,
    newest: Option<Newest>,
}

/// The newest checkpoint that was believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    /// Height of its seal.
    pub height: Height,
    /// Time of its seal.
    pub time: UnixMillis,
    /// Leaves of the log.
    pub size: TreeSize,
    /// Root of the log.
    pub root: Hash,
    /// Its as-of time.
    pub as_of: UnixMillis,
    /// The members in force after it.
    pub members: MemberSet,
}

/// A file that is no trust file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// Not JSON of the right form.
    #[error(
        "it is no trust file ({0}); `credlog receipt verify --genesis FILE --trust NEW` makes one"
    )]
    Form(String),
    /// The genesis in it, or given, cannot found a ledger.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The genesis given is of another ledger than the trust file.
    #[error(
        "the trust file is of ledger {trusted}, the genesis file of {given}; give the trust file \
         of this ledger, or name a new one"
    )]
    OtherLedger {
        /// Ledger of the trust file.
        trusted: String,
        /// Ledger of the genesis file.
        given: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustFile {
    #[serde(rename = "type")]
    format: TrustFormat,
    genesis: Genesis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest: Option<NewestText>,
}

#[derive(Serialize, Deserialize)]
enum TrustFormat {
    #[serde(rename = "credlog/trust/v1")]
    V1,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewestText {
    height: Height,
    time: UnixMillis,
    size: TreeSize,
    root: HashText,
    as_of: UnixMillis,
    members: Base64,
}

impl Trust {
    /// In a genesis file, and nothing else yet.
    ///
    /// # Errors
    /// [`GenesisError`] if it cannot found a ledger.
    pub fn found(genesis: Genesis) -> Result<Self, GenesisError> {
        Ok(Self {
            founders: Follower::new(&genesis)?,
            genesis,
            newest: None,
        })
    }

    /// Reads a trust file.
    ///
    /// # Errors
    /// [`TrustError::Form`] and [`TrustError::Genesis`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustError> {
        if bytes.len() > TRUST_BYTES_MAX {
            let reason = format!(
                "{} bytes; at most {TRUST_BYTES_MAX} are allowed",
                bytes.len()
            );
            return Err(TrustError::Form(reason));
        }
        let file: TrustFile =
            serde_json::from_slice(bytes).map_err(|error| TrustError::Form(error.to_string()))?;
        let mut trust = Self::found(file.genesis)?;
        trust.newest = file.newest.as_ref().map(Newest::read).transpose()?;
        Ok(trust)
    }

    /// The bytes of the file: JSON for people, with a newline at the end.
    ///
    /// # Errors
    /// [`TrustError::Form`] never for a trust that was read or advanced.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TrustError> {
        let form = |error: &dyn std::fmt::Display| TrustError::Form(error.to_string());
        let newest = self.newest.as_ref().map(|newest| -> Result<_, TrustError> {
            Ok(NewestText {
                height: newest.height,
                time: newest.time,
                size: newest.size,
                root: HashText(newest.root),
                as_of: newest.as_of,
                members: Base64(newest.members.to_bytes().map_err(|error| form(&error))?),
            })
        });
        let file = TrustFile {
            format: TrustFormat::V1,
            genesis: self.genesis.clone(),
            newest: newest.transpose()?,
        };
        let mut bytes = serde_json::to_vec_pretty(&file).map_err(|error| form(&error))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// That it is of the ledger of this genesis file.
    ///
    /// # Errors
    /// [`TrustError::OtherLedger`] and [`TrustError::Genesis`].
    pub fn check_genesis(&self, genesis: &Genesis) -> Result<(), TrustError> {
        let given = genesis.ledger_id()?;
        let trusted = self.founders.ledger();
        if given != *trusted {
            return Err(TrustError::OtherLedger {
                trusted: trusted.to_string(),
                given: given.to_string(),
            });
        }
        Ok(())
    }

    /// The genesis.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The newest checkpoint that was believed.
    pub fn newest(&self) -> Option<&Newest> {
        self.newest.as_ref()
    }

    /// At the founding members.
    pub(super) fn founders(&self) -> &Follower {
        &self.founders
    }

    /// The member set as it is followed from a height on: 0, or that of the newest checkpoint.
    pub(super) fn follower_since(&self, since: Height) -> Option<Follower> {
        if since.0 == 0 {
            return Some(self.founders.clone());
        }
        let newest = self.newest.as_ref().filter(|one| one.height == since)?;
        let members = newest.members.clone();
        Some(
            self.founders
                .resume(newest.height, newest.time, newest.size, members),
        )
    }

    /// With a newer checkpoint.
    pub(super) fn advanced(&self, newest: Newest) -> Self {
        Self {
            newest: Some(newest),
            ..self.clone()
        }
    }
}

impl Newest {
    fn read(text: &NewestText) -> Result<Self, TrustError> {
        let members = MemberSet::from_bytes(&text.members.0)
            .map_err(|error| TrustError::Form(error.to_string()))?;
        Ok(Self {
            height: text.height,
            time: text.time,
            size: text.size,
            root: text.root.0,
            as_of: text.as_of,
            members,
        })
    }
}
