//! The compatibility profile (W3C VCALM).

use credlog_api::path;
use credlog_api::vcalm::Verification;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, Type};

use super::described::{Described, Operation, bytes, like, text};
use super::verify::{document, secured};

pub(super) fn all() -> Vec<Described> {
    vec![
        verify(
            path::VCALM_VERIFY,
            "profileVerify",
            "Verify a credential",
            "verifiableCredential",
        ),
        verify(
            path::VCALM_PRESENTATIONS,
            "profileVerifyPresentation",
            "Verify a presentation",
            "verifiablePresentation",
        ),
        issue(),
        status(),
    ]
}

fn post(route: &str, id: &str, summary: &str) -> Operation {
    Operation::post(route, "profile", id, summary)
}

fn verify(route: &str, id: &str, summary: &str, name: &str) -> Described {
    let options = ObjectBuilder::new()
        .property("checks", ArrayBuilder::new().items(text()))
        .property("challenge", text())
        .property("domain", text())
        .property("expectedProofPurpose", text());
    let request = ObjectBuilder::new()
        .property(name, document())
        .required(name)
        .property("options", options);
    post(route, id, summary)
        .body([("application/json", request.into())])
        .json::<Verification>("It is verified.")
        .json_with::<Verification>(400, "application/json", "It is not; `errors` says why.")
        .done()
}

fn issue() -> Described {
    let object = || ObjectBuilder::new().schema_type(Type::Object);
    let options = ObjectBuilder::new()
        .property("credentialId", text())
        .property("cryptosuite", text());
    let request = ObjectBuilder::new()
        .property("credential", object())
        .required("credential")
        .property("options", options);
    let answer = ObjectBuilder::new()
        .property("verifiableCredential", secured())
        .required("verifiableCredential");
    post(path::VCALM_ISSUE, "profileIssue", "Issue a credential")
        .about("In the name of the issuer that this node is configured for, if it is.")
        .body([("application/json", request.into())])
        .answer(201, "application/json", answer, "It is on the ledger.")
        .authorized()
        .done()
}

fn status() -> Described {
    let entry = ObjectBuilder::new()
        .property("statusPurpose", text())
        .property("statusListIndex", bytes())
        .property("statusListCredential", text());
    let request = ObjectBuilder::new()
        .property("credentialId", text())
        .property("credentialStatus", entry)
        .property("status", bytes());
    let answer = ObjectBuilder::new()
        .property("digest", like::<credlog_ledger::ids::Digest>())
        .required("digest")
        .property("changed", ObjectBuilder::new().schema_type(Type::Boolean))
        .required("changed")
        .property("recordId", like::<credlog_ledger::ids::RecordId>());
    post(
        path::VCALM_STATUS,
        "profileStatus",
        "Change the status of a credential",
    )
    .about("Of one that this node issued.")
    .body([("application/json", request.into())])
    .answer(200, "application/json", answer, "The ledger has it so.")
    .authorized()
    .done()
}
