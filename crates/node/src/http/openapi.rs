//! The description of the HTTP interface: OpenAPI 3.1, made from the types that the routes
//! answer with. Tests hold it to be of the same routes as the router.

mod described;
mod profile;
mod receipts;
mod routes;
mod verify;

use std::sync::LazyLock;

use bytes::Bytes;
use credlog_api::Problem;
use http::{StatusCode, Uri};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder, PathsBuilder, Server,
};
use utoipa::{PartialSchema, ToSchema};

use super::answer::{Answer, bytes_with, cached, internal};
use super::query::no_parameters;
use described::Described;

/// It changes with the version of the program alone.
const CACHE: &str = "public, max-age=300";

/// What the routes are about, in the order in which they are shown.
const TAGS: &[(&str, &str)] = &[
    (
        "checking",
        "Is a credential good? For employers and verifiers.",
    ),
    (
        "receipts",
        "Proofs that hold without this node: receipts, and what verifiers follow a ledger with.",
    ),
    (
        "profile",
        "The compatibility profile: W3C VCALM, formerly the VC-API.",
    ),
    (
        "ledger",
        "What the ledger is, who runs it, who issues on it.",
    ),
    (
        "log",
        "Blocks, records and tiles, for auditors and explorers.",
    ),
    ("writing", "Signed records, for issuers and members."),
    ("node", "This node, for its operator."),
    ("pages", "For people with a browser."),
];

static DOCUMENT: LazyLock<Option<Bytes>> = LazyLock::new(|| {
    let json = serde_json::to_vec(&document());
    json.map(Bytes::from).ok()
});

pub(crate) async fn openapi(uri: Uri) -> Answer {
    no_parameters(&uri)?;
    let Some(document) = &*DOCUMENT else {
        tracing::error!("the description of the interface has no JSON form");
        return Err(internal());
    };
    let response = bytes_with(StatusCode::OK, "application/json", document.clone());
    Ok(cached(response, CACHE))
}

fn document() -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut schemas = Vec::new();
    Problem::schemas(&mut schemas);
    schemas.push((Problem::name().into_owned(), Problem::schema()));
    for Described {
        path,
        item,
        schemas: used,
    } in routes::all()
    {
        paths = paths.path(path, item);
        schemas.extend(used);
    }
    // In one order, whatever the order of the routes; each once.
    schemas.sort_by(|(one, _), (other, _)| one.cmp(other));
    schemas.dedup_by(|(one, _), (other, _)| one == other);
    let tag = |(name, about): &(&str, &str)| {
        TagBuilder::new()
            .name(*name)
            .description(Some(*about))
            .build()
    };
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("credlog")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(
                    "A node of a ledger on which institutions anchor verifiable credentials. \
                     Requests are read strictly: an unknown parameter or property is refused. \
                     Answers may gain properties.",
                ))
                .license(Some(license)),
        )
        .servers(Some([Server::new("/")]))
        .paths(paths)
        .components(Some(
            ComponentsBuilder::new()
                .schemas_from_iter(schemas)
                .security_scheme(described::BEARER, bearer)
                .build(),
        ))
        .tags(Some(TAGS.iter().map(tag)))
        .build()
}
