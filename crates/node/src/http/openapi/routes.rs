//! Every route, in the order of the tags.

use credlog_api::block::{BlockBrief, BlockView};
use credlog_api::event::{Event, EventId, MEDIA_TYPE_EVENTS};
use credlog_api::governance::{EvidenceView, ProposalsView};
use credlog_api::issuer::{IssuerBrief, IssuerView, StatusListView};
use credlog_api::ledger::{LedgerView, MembersView};
use credlog_api::submission::{MEDIA_TYPE_RECORD, MEDIA_TYPE_RECORDS};
use credlog_api::{Facts, RecordView, SubmitOutcomes, Time, path};
use credlog_ledger::body::Achievement;
use credlog_ledger::ids::{Digest, IssuerId, RecordId};
use credlog_ledger::schema;
use credlog_verify::prefix::{Crowd, DigestPrefix};
use utoipa::openapi::{ObjectBuilder, Type};

use crate::http::routes::did::DID_TYPES;
use crate::http::routes::status_list::STATUS_LIST_TYPES;

use super::described::{Described, Operation, bytes, like, number, text, whole};
use super::verify::secured;
use super::{profile, receipts, verify};

const BYTES: &str = "application/octet-stream";

pub(super) fn all() -> Vec<Described> {
    [
        checking(),
        receipts::all(),
        profile::all(),
        ledger(),
        log(),
        writing(),
        node(),
        pages(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn checking() -> Vec<Described> {
    vec![
        verify::one().done(),
        verify::batch().done(),
        Operation::get(
            path::CREDENTIAL,
            "checking",
            "credential",
            "Facts about a digest",
        )
        .about("What the ledger says about a digest; an unknown digest has no matches.")
        .segment("digest", like::<Digest>())
        .query("at", like::<Time>(), AT)
        .query(
            "issuer",
            like::<IssuerId>(),
            "The credential's issuer: only its issuance counts.",
        )
        .query(
            "positions",
            schema::text(
                "Positions of this ledger's status lists that the credential names.",
                POSITIONS,
                "3.17,3.18",
            ),
            "At most 8, with commas between them.",
        )
        .json::<Facts>("The facts.")
        .done(),
        Operation::get(
            path::CREDENTIALS,
            "checking",
            "crowd",
            "Digests that begin alike",
        )
        .about(
            "All credentials whose digest begins with the prefix, which is shortened until at \
             least 100 digests do, or all there are: the node does not learn which is meant.",
        )
        .required_query(
            "prefix",
            like::<DigestPrefix>(),
            "At least 5 digits, unless `after` is given.",
        )
        .query(
            "after",
            like::<Digest>(),
            "`next` of the answer before, whose prefix is given then.",
        )
        .json::<Crowd>("The credentials, in order of digest.")
        .done(),
        Operation::get(
            path::EVENTS,
            "checking",
            "events",
            "What happens to credentials",
        )
        .about(
            "Server-sent events; the data of each is an `Event`. The header `Last-Event-ID` says \
                 the same as `since`, and counts before it.",
        )
        .query(
            "types",
            schema::text("Kinds of events.", EVENTS, "revoked,superseded"),
            "All but `issued` if absent.",
        )
        .query("issuer", like::<IssuerId>(), "Only of its credentials.")
        .query(
            "prefix",
            like::<DigestPrefix>(),
            "Only of digests that begin so; at least 5 digits.",
        )
        .query(
            "since",
            like::<EventId>(),
            "The newest event that is known.",
        )
        .with_schema::<Event>()
        .answer(
            200,
            MEDIA_TYPE_EVENTS,
            text(),
            "A stream that does not end.",
        )
        .done(),
        did_document(),
        Operation::get(
            path::STATUS_LIST,
            "checking",
            "statusList",
            "Positions in use",
        )
        .segment("list", number("Number of the status list."))
        .json::<StatusListView>("Which positions of the list are in use.")
        .done(),
        STATUS_LIST_TYPES
            .iter()
            .fold(signed_status_list(), |operation, media_type| {
                operation.answer(200, media_type, secured(), "BitstringStatusListCredential.")
            })
            .done(),
    ]
}

fn did_document() -> Described {
    let slug = schema::text(
        "Last part of its did:web.",
        "^[a-z0-9-]{1,64}$",
        "statistics",
    );
    let operation = Operation::get(
        path::DID_DOCUMENT,
        "checking",
        "didDocument",
        "The did:web document of an issuer",
    );
    let operation = operation.segment("slug", slug);
    let object = || {
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .required("id")
    };
    DID_TYPES
        .iter()
        .fold(operation, |operation, media_type| {
            operation.answer(
                200,
                media_type,
                object().property("id", text()),
                "DID document.",
            )
        })
        .done()
}

fn signed_status_list() -> Operation {
    let purpose = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(["revocation", "suspension"]));
    let about = "Bitstring Status List v1.0, signed by this node.";
    Operation::get(
        path::SIGNED_STATUS_LIST,
        "checking",
        "signedStatusList",
        "A status list",
    )
    .about(about)
    .segment("list", number("Number of the status list."))
    .segment("purpose", purpose)
    .query(
        "timestamp",
        like::<Time>(),
        "The list as it stood then; absent for now.",
    )
    .empty(304, "It has not changed since the `ETag` that was sent.")
}

fn pages() -> Vec<Described> {
    let form = ObjectBuilder::new()
        .property("file", bytes())
        .property("text", text())
        .property("at", text());
    let get = |path, id, summary| Operation::get(path, "pages", id, summary);
    vec![
        get(path::HOME, "home", "A form for a credential")
            .html("The page.")
            .done()
            .and(
                Operation::post(path::HOME, "pages", "checkForm", "That form, sent")
                    .about("What cannot be checked is told on the page, with the problem's status.")
                    .body([("multipart/form-data", form.into())])
                    .html("The page with the verdict."),
            ),
        get(path::DOCS, "docs", "A page to try the interface")
            .html("The page.")
            .done(),
        get(path::DOCS_SCRIPT, "docsScript", "Its script")
            .answer(200, "text/javascript; charset=utf-8", text(), "A script.")
            .done(),
        get(path::STYLE, "style", "The style of the pages")
            .answer(200, "text/css; charset=utf-8", text(), "A style sheet.")
            .done(),
    ]
}

fn ledger() -> Vec<Described> {
    vec![
        Operation::get(path::LEDGER, "ledger", "ledger", "The ledger and its head")
            .json::<LedgerView>("What the ledger is, and where its log ends.")
            .done(),
        Operation::get(path::ISSUERS, "ledger", "issuers", "Issuers")
            .paged()
            .page::<IssuerBrief>("Issuers, in the order of their first accreditation.")
            .done(),
        Operation::get(path::ISSUER, "ledger", "issuer", "An issuer")
            .segment("did", like::<IssuerId>())
            .json::<IssuerView>("Profile, keys, accreditations and status lists.")
            .done(),
        Operation::get(
            path::ACHIEVEMENTS,
            "ledger",
            "achievements",
            "Its achievements",
        )
        .segment("did", like::<IssuerId>())
        .paged()
        .page::<Achievement>("Achievements that the issuer defined.")
        .done(),
        Operation::get(path::MEMBERS, "ledger", "members", "Members")
            .json::<MembersView>("The members in force, with their keys.")
            .done(),
        Operation::get(
            path::MEMBERS_AT,
            "ledger",
            "membersAt",
            "Who decides a height",
        )
        .segment("height", number("The height."))
        .answer(
            200,
            BYTES,
            bytes(),
            "The canonical bytes of the member set.",
        )
        .done(),
        Operation::get(path::POLICY, "ledger", "policy", "Whom to trust")
            .about(
                "C2SP tlog-policy: a log for each member's node, a witness for each member, and the \
                 quorum. It is what this node says; who does not trust it follows the members from \
                 genesis.",
            )
            .answer(200, "text/plain; charset=utf-8", text(), "A policy.")
            .done(),
        Operation::get(path::PROPOSALS, "ledger", "proposals", "Open proposals")
            .json::<ProposalsView>("What members can approve now.")
            .done(),
        Operation::get(
            path::EVIDENCE,
            "ledger",
            "evidence",
            "Evidence against members",
        )
        .json::<EvidenceView>("Members that contradicted themselves, as this node saw it.")
        .done(),
    ]
}

fn log() -> Vec<Described> {
    vec![
        Operation::get(path::BLOCKS, "log", "blocks", "Blocks")
            .paged()
            .page::<BlockBrief>("Blocks, newest first.")
            .done(),
        Operation::get(path::BLOCK, "log", "block", "A block")
            .segment("height", number("Its height."))
            .paged()
            .json::<BlockView>("Seal and records of the block; the records are paged.")
            .done(),
        Operation::get(path::RECORD, "log", "record", "A record")
            .segment("id", like::<RecordId>())
            .json::<RecordView>("The record, and where it stands in the log.")
            .done(),
        Operation::get(
            path::CERTIFICATE,
            "log",
            "certificate",
            "A commit certificate",
        )
        .segment("height", number("The height that it decided."))
        .answer(200, BYTES, bytes(), "Its canonical bytes.")
        .done(),
        Operation::get(
            path::CERTIFICATE_BUNDLE,
            "log",
            "certificates",
            "Certificates of up to 256 heights",
        )
        .about("In the manner of an entry bundle: heights 256 N + 1 to 256 N + 256, or fewer.")
        .segment("path", schema::text("Number and width.", BUNDLE, "000.p/1"))
        .answer(
            200,
            BYTES,
            bytes(),
            "Certificates behind their lengths; the length 0 for one that this node has lost.",
        )
        .done(),
        Operation::get(
            path::CHECKPOINT,
            "log",
            "checkpoint",
            "The signed checkpoint",
        )
        .about("C2SP tlog-checkpoint, with the cosignatures of members and of outside witnesses.")
        .answer(200, "text/plain; charset=utf-8", text(), "A signed note.")
        .done(),
        Operation::get(path::TILE, "log", "tile", "A tile or an entry bundle")
            .about("C2SP tlog-tiles.")
            .segment(
                "path",
                schema::text("Level, index and width.", TILE, "0/000.p/1"),
            )
            .answer(
                200,
                BYTES,
                bytes(),
                "Hashes of 32 bytes, or leaves behind their lengths.",
            )
            .done(),
        Operation::post(
            path::ADD_CHECKPOINT,
            "log",
            "addCheckpoint",
            "Have this member cosign",
        )
        .about("C2SP tlog-witness, for the newest checkpoint of this ledger alone.")
        .body([("text/plain", text().into())])
        .answer(
            200,
            "text/plain; charset=utf-8",
            text(),
            "A signature line.",
        )
        .answer(
            409,
            "text/x.tlog.size",
            text(),
            "The size that this member cosigned last.",
        )
        .problem(403)
        .problem(404)
        .problem(422)
        .done(),
    ]
}

fn writing() -> Vec<Described> {
    let wait = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(["committed", "none"]))
        .default(Some("committed".into()));
    vec![
        Operation::post(path::RECORDS, "writing", "submit", "Submit signed records")
            .about(
                "The canonical bytes of one record, or many, each behind its length. A single \
                 record that is refused is answered by its problem alone.",
            )
            .query(
                "wait",
                wait,
                "When to answer: when all are decided, or at once.",
            )
            .body([(MEDIA_TYPE_RECORD, bytes()), (MEDIA_TYPE_RECORDS, bytes())])
            .json::<SubmitOutcomes>("What became of each record, in order.")
            .json_with::<SubmitOutcomes>(202, "application/json", "They were taken.")
            .problem(409)
            .problem(422)
            .done(),
    ]
}

fn node() -> Vec<Described> {
    let status = |words: &str| {
        ObjectBuilder::new()
            .property("status", schema::text("", &format!("^{words}$"), words))
            .required("status")
    };
    let ready = status("ready")
        .property("height", whole().minimum(Some(0)))
        .required("height");
    vec![
        Operation::get(path::HEALTHZ, "node", "healthz", "Does it live?")
            .answer(200, "application/json", status("alive"), "It does.")
            .done(),
        Operation::get(path::READYZ, "node", "readyz", "Does it take records?")
            .answer(200, "application/json", ready, "It does.")
            .done(),
        Operation::get(path::METRICS, "node", "metrics", "Metrics")
            .answer(
                200,
                "text/plain; version=0.0.4",
                text(),
                "Prometheus text format.",
            )
            .done(),
        Operation::get(path::OPENAPI, "node", "openapi", "This description")
            .answer(
                200,
                "application/json",
                ObjectBuilder::new(),
                "OpenAPI 3.1.",
            )
            .done(),
    ]
}

const AT: &str = "The date asked about; absent for now.";
const POSITIONS: &str = r"^[0-9]{1,20}\.[0-9]{1,6}(,[0-9]{1,20}\.[0-9]{1,6}){0,7}$";
const EVENTS: &str = "^(issued|revoked|suspended|reinstated|superseded)\
                      (,(issued|revoked|suspended|reinstated|superseded))*$";
const BUNDLE: &str = r"^(x[0-9]{3}/)*[0-9]{3}(\.p/[0-9]{1,3})?$";
const TILE: &str = r"^(entries|[0-9]|[1-5][0-9]|6[0-3])/(x[0-9]{3}/)*[0-9]{3}(\.p/[0-9]{1,3})?$";
