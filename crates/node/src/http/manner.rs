//! How each route is treated before its handler sees a request.
//!
//! One table, by the route's template: the [`guard`](super::guard) asks it for limits, for the
//! media types of the answer and for the methods. What stands in no line of it is a GET that
//! answers with JSON.

use credlog_api::event::MEDIA_TYPE_EVENTS;
use credlog_api::path;

use super::rate::Traffic;
use super::routes::batch::NDJSON;
use super::routes::did::DID_TYPES;
use super::routes::status_list::STATUS_LIST_TYPES;

/// How a route is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Which rate limit counts it; `None`: none does.
    pub(crate) traffic: Option<Traffic>,
    /// What it answers with; one of them must be acceptable. Empty: the handler looks itself.
    pub(crate) media_types: &'static [&'static str],
    /// Its methods, as the header Allow lists them.
    pub(crate) methods: &'static str,
    /// Whether its answer has to be there within the time of a request; else the handler bounds
    /// its own time.
    pub(crate) is_prompt: bool,
}

const READ: Manner = Manner {
    traffic: Some(Traffic::Read),
    media_types: &["application/json"],
    methods: "GET, HEAD, OPTIONS",
    is_prompt: true,
};

const HTML: &str = "text/html";
const POST: &str = "POST, OPTIONS";

impl Manner {
    /// How a route is treated; `None` is a path without a route.
    pub(crate) fn of(route: Option<&str>) -> Self {
        match route {
            // Whoever watches over the node must see it also when it is flooded. The metrics are
            // much text, and are limited like all that is read.
            Some(path::HEALTHZ | path::READYZ) => Self {
                traffic: None,
                ..READ
            },
            Some(path::RECORDS) => Self {
                traffic: Some(Traffic::Write),
                methods: POST,
                ..READ
            },
            Some(path::VERIFY | path::VCALM_VERIFY | path::VCALM_PRESENTATIONS) => Self {
                traffic: Some(Traffic::Verify),
                methods: POST,
                ..READ
            },
            Some(path::VERIFY_BATCH) => Self {
                traffic: Some(Traffic::Verify),
                media_types: &[NDJSON],
                methods: POST,
                is_prompt: false,
            },
            Some(path::VCALM_ISSUE | path::VCALM_STATUS) => Self {
                traffic: Some(Traffic::Write),
                methods: POST,
                ..READ
            },
            Some(path::RECEIPTS) => Self {
                traffic: Some(Traffic::Verify),
                methods: POST,
                ..READ
            },
            Some(path::TLOG_PROOF) => Self {
                media_types: &["text/plain"],
                ..READ
            },
            // It reads as much as a hundred lookups.
            Some(path::CREDENTIALS) => Self {
                traffic: Some(Traffic::Verify),
                ..READ
            },
            Some(path::TILE) => Self {
                media_types: &["application/octet-stream"],
                ..READ
            },
            Some(path::SIGNED_STATUS_LIST) => Self {
                media_types: STATUS_LIST_TYPES,
                ..READ
            },
            Some(path::HOME) => Self {
                // Its form is a check like any other.
                traffic: Some(Traffic::Verify),
                media_types: &[HTML],
                methods: "GET, HEAD, POST, OPTIONS",
                ..READ
            },
            Some(path::DOCS) => Self {
                media_types: &[HTML],
                ..READ
            },
            Some(path::DOCS_SCRIPT) => Self {
                media_types: &["text/javascript"],
                ..READ
            },
            Some(path::STYLE) => Self {
                media_types: &["text/css"],
                ..READ
            },
            Some(path::DID_DOCUMENT) => Self {
                media_types: DID_TYPES,
                ..READ
            },
            Some(path::EVENTS) => Self {
                media_types: &[MEDIA_TYPE_EVENTS],
                ..READ
            },
            Some(path::ADD_CHECKPOINT) => Self {
                traffic: Some(Traffic::Write),
                // Witnesses answer in types of their own, whatever is accepted.
                media_types: &[],
                methods: POST,
                ..READ
            },
            Some(path::CHECKPOINT | path::METRICS | path::POLICY) => Self {
                media_types: &["text/plain"],
                ..READ
            },
            _ => READ,
        }
    }

    /// Whether people read its answers in a browser.
    pub(crate) fn is_page(self) -> bool {
        self.media_types == [HTML]
    }

    /// Whether web pages of anybody may read it.
    pub(crate) fn is_public(self) -> bool {
        self.methods.starts_with("GET")
    }
}
