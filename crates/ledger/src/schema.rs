//! What values look like in JSON, for the description of the HTTP interface (OpenAPI 3.1, JSON
//! Schema). Types derive theirs; here are those that are a text of some form.

use utoipa::openapi::schema::{KnownFormat, Schema, SchemaFormat};
use utoipa::openapi::{Object, ObjectBuilder, RefOr, Type};

/// A text: what it is, the expression it matches (ECMA 262), and one such text.
pub fn text(description: &str, pattern: &str, example: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .pattern(Some(pattern))
        .examples([example])
        .build()
}

/// A moment in RFC 3339.
pub fn time() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .description(Some("A moment, RFC 3339."))
        .examples(["2026-11-21T10:00:00.000Z"])
        .build()
}

/// A signature of 64 bytes in padded base64.
pub(crate) fn signature() -> RefOr<Schema> {
    bounded("64 bytes, base64 with padding.", "^[A-Za-z0-9+/]{86}==$")
}

/// A nonce of 16 bytes.
pub(crate) fn nonce() -> RefOr<Schema> {
    bounded("16 bytes, lower-case hex.", "^[0-9a-f]{32}$")
}

/// Bytes in padded base64.
pub(crate) fn base64() -> RefOr<Schema> {
    bounded("Bytes, base64 with padding.", "^[A-Za-z0-9+/]+={0,2}$")
}

fn bounded(description: &str, pattern: &str) -> RefOr<Schema> {
    let object = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .pattern(Some(pattern));
    object.into()
}

/// Describes a type that is a text in JSON.
#[macro_export]
macro_rules! text_schema {
    ($name:ident, $description:expr, $pattern:expr, $example:expr) => {
        impl ::utoipa::PartialSchema for $name {
            fn schema() -> ::utoipa::openapi::RefOr<::utoipa::openapi::Schema> {
                $crate::schema::text($description, $pattern, $example).into()
            }
        }

        impl ::utoipa::ToSchema for $name {}
    };
}
