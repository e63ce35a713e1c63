//! Issuers, and what an issuing tool needs to know of them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credlog_ledger::body::POSITIONS;
use credlog_ledger::ids::{
    DisplayName, IssuerId, IssuerNumber, ListNumber, MemberId, StatusIndex, WebUrl,
};
use credlog_verify::Time;
use credlog_verify::facts::IssuerFacts;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// An issuer in a list: GET /v1/issuers, in the order of first accreditation. The paging
/// token is the issuer's number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuerBrief {
    /// Its identifier.
    pub id: IssuerId,
    /// Its number.
    pub number: IssuerNumber,
    /// Its name.
    pub name: DisplayName,
    /// Its web site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<WebUrl>,
    /// The members that accredit it now.
    pub accredited_by: Vec<MemberId>,
}

impl IssuerBrief {
    /// Describes an issuer at a moment.
    pub fn new(issuer: &IssuerFacts, moment: Time) -> Self {
        Self {
            id: issuer.id.clone(),
            number: issuer.number,
            name: issuer.name.clone(),
            url: issuer.url.clone(),
            accredited_by: issuer
                .accreditations
                .iter()
                .filter(|one| one.in_force_at(moment))
                .map(|one| one.member.clone())
                .collect(),
        }
    }
}

/// GET /v1/issuers/{did}.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuerView {
    /// Profile, keys and accreditations.
    #[serde(flatten)]
    pub issuer: IssuerFacts,
    /// How many achievements it defined.
    pub achievement_count: u32,
    /// Its status lists, in order of opening; the last is the one to issue into.
    pub lists: Vec<ListNumber>,
    /// The answer holds as of this time.
    pub as_of: Time,
}

/// GET /v1/status-lists/{list}.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusListView {
    /// Its number.
    pub list: ListNumber,
    /// Whose list.
    pub issuer: IssuerId,
    /// Positions of the list.
    pub capacity: u32,
    /// Positions in use.
    pub used: u32,
    /// Which positions are in use.
    pub used_positions: UsedPositions,
    /// The answer holds as of this time.
    pub as_of: Time,
}

/// Query of GET /v1/status-lists/{list}/{purpose} (Bitstring Status List v1.0, `timestamp`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatusListQuery {
    /// The list as it stood at this time; absent for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Time>,
}

/// Which positions of a status list are in use: a bit a position, position p in byte p/8,
/// least significant bit first. In JSON base64url without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedPositions(Box<[u8]>);

impl utoipa::PartialSchema for UsedPositions {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let digits = (USED_POSITIONS_BYTES * 8).div_ceil(6);
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .description(Some(
                "A bit a position, least significant first: base64url.",
            ))
            .pattern(Some("^[A-Za-z0-9_-]+$"))
            .min_length(Some(digits))
            .max_length(Some(digits))
            .into()
    }
}

impl utoipa::ToSchema for UsedPositions {}

/// Bytes of [`UsedPositions`].
pub const USED_POSITIONS_BYTES: usize = POSITIONS as usize / 8;

/// A bitmap of another length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the used positions have {bytes} bytes; {USED_POSITIONS_BYTES} are needed")]
pub struct WrongLength {
    /// Bytes found.
    pub bytes: usize,
}

impl UsedPositions {
    /// Whether a position is in use; positions outside of the list are.
    pub fn is_used(&self, index: StatusIndex) -> bool {
        let byte = self.0.get(index.0 as usize / 8);
        byte.is_none_or(|byte| byte >> (index.0 % 8) & 1 == 1)
    }

    /// The free positions, in ascending order.
    pub fn free(&self) -> impl Iterator<Item = StatusIndex> {
        (0..POSITIONS)
            .map(StatusIndex)
            .filter(|index| !self.is_used(*index))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<Vec<u8>> for UsedPositions {
    type Error = WrongLength;

    fn try_from(bytes: Vec<u8>) -> Result<Self, WrongLength> {
        if bytes.len() == USED_POSITIONS_BYTES {
            Ok(Self(bytes.into_boxed_slice()))
        } else {
            Err(WrongLength { bytes: bytes.len() })
        }
    }
}

impl Serialize for UsedPositions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for UsedPositions {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        let text = String::deserialize(de)?;
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(serde::de::Error::custom)?;
        Self::try_from(bytes).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_counted_from_the_least_significant_bit() {
        let mut bytes = vec![0; USED_POSITIONS_BYTES];
        bytes[0] = 0b0000_0101;
        bytes[USED_POSITIONS_BYTES - 1] = 0b1000_0000;
        let used = UsedPositions::try_from(bytes).unwrap();
        let free: Vec<_> = used.free().take(3).map(|index| index.0).collect();
        assert_eq!(free, [1, 3, 4]);
        assert!(used.is_used(StatusIndex(POSITIONS - 1)));
        assert!(used.is_used(StatusIndex(POSITIONS)));
        assert_eq!(used.free().count(), POSITIONS as usize - 3);
        assert!(UsedPositions::try_from(vec![0; 7]).is_err());
    }
}
