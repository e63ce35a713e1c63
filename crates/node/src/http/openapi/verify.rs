//! The routes that check what somebody was given.

use credlog_api::verification::{BatchLine, DID_DOCUMENTS_MAX, STATUS_LISTS_MAX};
use credlog_api::{Time, path};
use credlog_ledger::ids::{Digest, IssuerId};
use credlog_ledger::schema;
use credlog_verify::Answer;
use utoipa::openapi::schema::{AdditionalProperties, OneOfBuilder};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema, Type};

use super::described::{Operation, bytes, like, text};
use crate::http::routes::batch::NDJSON;

const AT: &str = "The date asked about; absent for now.";
fn post(route: &str, id: &str, summary: &str) -> Operation {
    Operation::post(route, "checking", id, summary)
}

/// POST /v1/verify.
pub(super) fn one() -> Operation {
    let json = [
        "application/json",
        "application/ld+json",
        "application/vc",
        "application/vp",
    ];
    let jws = [
        "application/vc+jwt",
        "application/vp+jwt",
        "application/jwt",
    ];
    let others = [
        "image/png",
        "image/svg+xml",
        "text/plain",
        "application/octet-stream",
    ];
    let text = || RefOr::from(text());
    let bodies = json.map(|name| (name, verify_request())).into_iter();
    let bodies = bodies.chain(jws.map(|name| (name, text())));
    let bodies = bodies.chain(others.map(|name| (name, bytes())));
    post(path::VERIFY, "verify", "Check a credential")
        .about(
            "A credential or presentation in any form, one with what else is said about the \
             check, or only a digest. What is revoked, expired or forged is no error: it is a \
             verdict.",
        )
        .query("at", like::<Time>(), AT)
        .body(bodies)
        .json::<Answer>("The verdict.")
}

/// POST /v1/verify/batch.
pub(super) fn batch() -> Operation {
    let flag = ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .default(Some(false.into()));
    post(path::VERIFY_BATCH, "verifyBatch", "Check many credentials")
        .about(
            "A line is a body of /v1/verify, or a string: a digest or a compact JWS. Each has a \
             line for its answer, in order.",
        )
        .query(
            "at",
            like::<Time>(),
            "The date asked about, for lines without one.",
        )
        .query("brief", flag, "Answers without checks and evidence.")
        .body([(NDJSON, bytes())])
        .with_schema::<BatchLine>()
        .answer(200, NDJSON, bytes(), "A `BatchLine` a line.")
}

/// A credential with a Data Integrity proof.
pub(super) fn secured() -> ObjectBuilder {
    let object = || ObjectBuilder::new().schema_type(Type::Object);
    ["@context", "type", "issuer", "credentialSubject", "proof"]
        .iter()
        .fold(ObjectBuilder::new(), |schema, name| schema.required(*name))
        .property("@context", ArrayBuilder::new().min_items(Some(1)))
        .property("id", text())
        .property("type", ArrayBuilder::new().items(text()).min_items(Some(1)))
        .property("credentialSubject", bytes())
        .property("proof", object())
}

/// A document of somebody: an object, or a compact JWS.
pub(super) fn document() -> OneOfBuilder {
    let object = ObjectBuilder::new().schema_type(Type::Object);
    let jws = schema::text(
        "A compact JWS.",
        r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$",
        "eyJhbGciOiJFZERTQSJ9.e30.c2ln",
    );
    OneOfBuilder::new().item(object).item(jws)
}

/// The forms of a request to verify in JSON.
fn verify_request() -> RefOr<Schema> {
    let itself = ObjectBuilder::new()
        .title(Some("A credential or presentation itself"))
        .property("@context", bytes())
        .required("@context");
    let with_credential = with_more("A credential and what else is said about the check")
        .property("credential", document())
        .required("credential");
    let with_presentation = with_more("A presentation and what else is said about the check")
        .property("presentation", document())
        .required("presentation");
    let flag = ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .description(Some(
            "The caller checked the proof, and that its key is the issuer's; needs `issuer`.",
        ));
    let with_digest = closed("Only the digest")
        .property("digest", like::<Digest>())
        .required("digest")
        .property("issuer", like::<IssuerId>())
        .property("proofCheckedElsewhere", flag)
        .property("at", like::<Time>())
        .property("statusLists", documents(STATUS_LISTS_MAX));
    OneOfBuilder::new()
        .item(itself)
        .item(with_credential)
        .item(with_presentation)
        .item(with_digest)
        .into()
}

fn closed(title: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .title(Some(title))
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
}

fn with_more(title: &str) -> ObjectBuilder {
    closed(title)
        .property("at", like::<Time>())
        .property("statusLists", documents(STATUS_LISTS_MAX))
        .property("didDocuments", documents(DID_DOCUMENTS_MAX))
        .property("challenge", text())
        .property("domain", text())
}

fn documents(max: usize) -> ArrayBuilder {
    ArrayBuilder::new().items(document()).max_items(Some(max))
}
