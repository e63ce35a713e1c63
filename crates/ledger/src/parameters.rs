//! Parameters of a ledger: caps of rule R10, set in genesis, changed by members.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! parameters {
    ($($(#[$doc:meta])* $field:ident / $variant:ident: $default:literal in $range:expr,)*) => {
        /// The caps of rule R10, with their defaults and ranges.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
        pub struct Parameters {
            $($(#[$doc])* pub $field: u32,)*
        }

        impl Default for Parameters {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        /// One parameter with a new value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase")]
        pub enum Parameter {
            $($(#[$doc])* $variant(u32),)*
        }

        impl Parameters {
            /// Sets one parameter.
            ///
            /// # Errors
            /// [`OutOfRange`] outside the parameter's range.
            pub fn set(&mut self, parameter: Parameter) -> Result<(), OutOfRange> {
                let mut next = *self;
                match parameter {
                    $(Parameter::$variant(value) => next.$field = value,)*
                }
                next.check()?;
                *self = next;
                Ok(())
            }

            /// Checks every value against its range.
            ///
            /// # Errors
            /// [`OutOfRange`] for the first value outside.
            pub fn check(&self) -> Result<(), OutOfRange> {
                $(check(stringify!($field), self.$field, $range)?;)*
                Ok(())
            }
        }
    };
}

/// What the parameter for an issuer's registry entry can be at most, in bytes.
pub(crate) const REGISTRY_ENTRY_BYTES_MAX: u32 = 32_768;
parameters! {
    /// Issuers that one member may have accredited at a time. One transfer or removal rewrites
    /// all their entries, of at most [`REGISTRY_ENTRY_BYTES_MAX`] each, and every validator
    /// holds that in memory several times.
    issuers_per_member / IssuersPerMember: 1_000 in 1..=1_024,
    /// Achievements one issuer may define.
    achievements_per_issuer / AchievementsPerIssuer: 10_000 in 1..=1_000_000,
    /// Active keys of one issuer.
    active_keys_per_issuer / ActiveKeysPerIssuer: 16 in 1..=64,
    /// Open proposals of one member.
    open_proposals_per_member / OpenProposalsPerMember: 16 in 1..=256,
    /// Size of an issuer's registry entry in bytes.
    registry_entry_bytes / RegistryEntryBytes: 16_384 in 4_096..=REGISTRY_ENTRY_BYTES_MAX,
    /// Records in one block.
    records_per_block / RecordsPerBlock: 10_000 in 1..=10_000,
    /// Least time between two seals in milliseconds.
    min_block_interval_ms / MinBlockIntervalMs: 1 in 1..=60_000,
}

/// A parameter outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parameter {name} is {value}; {min} to {max} are allowed")]
pub struct OutOfRange {
    /// Name of the parameter.
    pub name: &'static str,
    /// Value given.
    pub value: u32,
    /// Least value.
    pub min: u32,
    /// Greatest value.
    pub max: u32,
}

fn check(
    name: &'static str,
    value: u32,
    range: std::ops::RangeInclusive<u32>,
) -> Result<(), OutOfRange> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(OutOfRange {
        name,
        value,
        min: *range.start(),
        max: *range.end(),
    })
}
