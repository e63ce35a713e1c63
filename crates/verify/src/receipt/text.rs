//! Bytes and hashes as a receipt writes them: standard, padded base64 that has one form.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use credlog_tlog::Hash;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most hashes of a path: a log has fewer than 2^63 leaves.
const PATH_HASHES_MAX: usize = 63;

/// Bytes, in base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

/// A hash, or other 32 bytes, in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashText(pub Hash);

/// The hashes of a proof, from leaf to root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(pub Vec<Hash>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

/// Reads a text without copying it first.
struct Text<T>(&'static str, fn(&str) -> Option<T>);

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let Self(expected, read) = self;
        read(text).ok_or_else(|| E::custom(format_args!("{text:.80} is not {expected}")))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| STANDARD.decode(text).ok().map(Self);
        deserializer.deserialize_str(Text("standard, padded base64", read))
    }
}

impl Serialize for HashText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_base64())
    }
}

impl<'de> Deserialize<'de> for HashText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| Hash::from_base64(text).ok().map(Self);
        deserializer.deserialize_str(Text("32 bytes in base64", read))
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|hash| HashText(*hash)))
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hashes: Vec<HashText> = Vec::deserialize(deserializer)?;
        if hashes.len() > PATH_HASHES_MAX {
            return Err(D::Error::custom(format_args!(
                "a path of {} hashes; at most {PATH_HASHES_MAX} are allowed",
                hashes.len()
            )));
        }
        Ok(Self(
            hashes.into_iter().map(|HashText(hash)| hash).collect(),
        ))
    }
}

/// Text of base64, for descriptions of the interface.
fn schema(description: &str) -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .description(Some(description))
        .into()
}

impl utoipa::PartialSchema for Base64 {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        schema("Bytes in standard, padded base64.")
    }
}

impl utoipa::ToSchema for Base64 {}

impl utoipa::PartialSchema for HashText {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        schema("32 bytes in standard, padded base64.")
    }
}

impl utoipa::ToSchema for HashText {}

impl utoipa::PartialSchema for Path {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ArrayBuilder::new()
            .items(HashText::schema())
            .max_items(Some(PATH_HASHES_MAX))
            .into()
    }
}

impl utoipa::ToSchema for Path {}
