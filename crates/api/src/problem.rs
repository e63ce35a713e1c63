//! Problem details (RFC 9457): every reason for which a request can fail, in one place.

use std::fmt;

use credlog_ledger::rejection::{Rejection, Rule};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Media type of a problem.
pub const MEDIA_TYPE_PROBLEM: &str = "application/problem+json";
/// What stands before the code in `type`.
pub const TYPE_PREFIX: &str = "urn:credlog:problem:";

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// [`TYPE_PREFIX`] and a code of [`ProblemType::ALL`]: stable, for programs.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The kind of problem, always the same for a type.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened this time, to what, and what to do.
    pub detail: String,
    /// The path that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The rule of the ledger that a record breaks, `R0` to `R10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Seconds after which to try again; also in the header `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
}

impl Problem {
    /// A problem of a kind.
    pub fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        Self {
            type_uri: format!("{TYPE_PREFIX}{}", kind.code),
            title: kind.title.to_owned(),
            status: kind.status,
            detail: detail.into(),
            instance: None,
            rule: kind.rule.map(|rule| rule.to_string()),
            retry_after_s: None,
        }
    }

    /// A problem that the W3C names (400): the end of its identifier is its title.
    pub fn w3c(type_uri: &str, detail: impl Into<String>) -> Self {
        let title = type_uri.rsplit('#').next().unwrap_or_default();
        Self {
            type_uri: type_uri.to_owned(),
            title: title.replace('_', " ").to_lowercase(),
            status: 400,
            detail: detail.into(),
            instance: None,
            rule: None,
            retry_after_s: None,
        }
    }

    /// Why the ledger refuses a record.
    pub fn rejection(rejection: &Rejection) -> Self {
        let kind = ProblemType::by_code(rejection.code()).unwrap_or(ProblemType::INTERNAL);
        Self::new(kind, rejection.to_string())
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Says which path was asked for.
    #[must_use]
    pub fn at_path(mut self, path: impl Into<String>) -> Self {
        self.instance = Some(path.into());
        self
    }

    /// The code, if the type is one of credlog's.
    pub fn code(&self) -> Option<&str> {
        self.type_uri.strip_prefix(TYPE_PREFIX)
    }

    /// Whether it is of a kind.
    pub fn is(&self, kind: ProblemType) -> bool {
        self.code() == Some(kind.code)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Some(rule) => write!(f, "{} ({rule}): {}", self.title, self.detail),
            None => write!(f, "{}: {}", self.title, self.detail),
        }
    }
}

/// A kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemType {
    /// Stable code in kebab-case, the end of the type's URI.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// One line for people.
    pub title: &'static str,
    /// The rule of the ledger behind it, if there is one.
    pub rule: Option<Rule>,
}

impl ProblemType {
    /// The kind with this code.
    pub fn by_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code == code)
    }

    /// Every kind: those of the transport, then those of the ledger's rules in their order.
    pub const ALL: &'static [Self] = &[
        Self::MALFORMED_REQUEST,
        Self::MALFORMED_RECORD,
        Self::MALFORMED_CREDENTIAL,
        Self::INVALID_PARAMETER,
        Self::UNAUTHORIZED,
        Self::NOT_TRUSTED,
        Self::NOT_FOUND,
        Self::NOT_ANCHORED,
        Self::NOT_REACHED,
        Self::NOT_ATTESTED,
        Self::CERTIFICATE_LOST,
        Self::METHOD_NOT_ALLOWED,
        Self::NOT_ACCEPTABLE,
        Self::REQUEST_TIMEOUT,
        Self::BODY_TOO_LARGE,
        Self::UNSUPPORTED_MEDIA_TYPE,
        Self::INCONSISTENT,
        Self::RATE_LIMITED,
        Self::NOT_COSIGNED,
        Self::MEMPOOL_FULL,
        Self::OVERLOADED,
        Self::CLOCK_BEHIND,
        Self::DISK_FULL,
        Self::STORE_IN_DOUBT,
        Self::STARTING,
        Self::STOPPING,
        Self::INTERNAL,
        Self::STORE_UNREADABLE,
        rule(Rule::R0, "wrong-ledger", "The record is for another ledger"),
        rule(Rule::R0, "expired", "The record has expired"),
        rule(
            Rule::R0,
            "expires-too-late",
            "The record expires too far in the future",
        ),
        conflict(Rule::R0, "duplicate", "The record is in the log already"),
        rule(
            Rule::R0,
            "unknown-author",
            "The author is not known to the ledger",
        ),
        rule(
            Rule::R0,
            "key-not-active",
            "The key may not sign this record now",
        ),
        rule(
            Rule::R0,
            "bad-signature",
            "The record's signature does not verify",
        ),
        rule(
            Rule::R0,
            "wrong-author",
            "This kind of author may not sign this record",
        ),
        rule(
            Rule::R2,
            "block-full",
            "The block has no room; the record can enter a later one",
        ),
        rule(
            Rule::R2,
            "registry-after-issue",
            "The record has to wait for the next block",
        ),
        rule(
            Rule::R4,
            "bad-key",
            "A key is not well formed or not possessed",
        ),
        conflict(Rule::R4, "key-registered", "A key was registered before"),
        rule(
            Rule::R4,
            "bad-member",
            "The member's description is not valid",
        ),
        rule(
            Rule::R4,
            "registration-missing",
            "A new issuer needs its profile and keys",
        ),
        rule(
            Rule::R4,
            "registration-surplus",
            "A registered issuer brings no profile or keys",
        ),
        rule(
            Rule::R4,
            "bad-countersignature",
            "The recovery key did not countersign",
        ),
        rule(
            Rule::R5,
            "no-record-key",
            "The issuer would have no key to sign records",
        ),
        rule(
            Rule::R5,
            "needs-recovery-key",
            "Only the recovery key may do this",
        ),
        rule(
            Rule::R5,
            "key-not-there",
            "The key to retire is not an active key",
        ),
        rule(
            Rule::R5,
            "compromise-in-future",
            "The compromise lies in the future",
        ),
        conflict(
            Rule::R5,
            "replacement-pending",
            "A replacement of the issuer's keys is pending",
        ),
        conflict(
            Rule::R5,
            "nothing-to-cancel",
            "No replacement is pending that could be cancelled",
        ),
        rule(
            Rule::R6,
            "unknown-issuer",
            "The issuer is not known to the ledger",
        ),
        conflict(
            Rule::R6,
            "accredited-already",
            "The member accredits the issuer already",
        ),
        rule(
            Rule::R6,
            "not-accreditor",
            "The member has no such accreditation",
        ),
        conflict(
            Rule::R6,
            "withdrawn-already",
            "The accreditation ends by then already",
        ),
        rule(Rule::R6, "time-in-past", "An end is not after the seal"),
        rule(
            Rule::R7,
            "not-accredited",
            "The issuer is not accredited to award this",
        ),
        rule(
            Rule::R7,
            "not-your-list",
            "The status list is not the issuer's",
        ),
        conflict(
            Rule::R7,
            "index-taken",
            "The position of the status list is used already",
        ),
        conflict(Rule::R7, "digest-taken", "The credential was issued before"),
        conflict(
            Rule::R7,
            "achievement-taken",
            "The achievement is defined already",
        ),
        rule(
            Rule::R8,
            "unknown-credential",
            "The credential is not on this ledger",
        ),
        rule(
            Rule::R8,
            "not-yours",
            "Only issuer and accrediting member change the status",
        ),
        conflict(
            Rule::R8,
            "wrong-status",
            "The credential's status does not allow this",
        ),
        conflict(
            Rule::R8,
            "other-suspension",
            "Another suspension is in force",
        ),
        rule(
            Rule::R9,
            "unknown-proposal",
            "There is no such open proposal or approval",
        ),
        rule(Rule::R9, "proposal-expired", "The proposal has expired"),
        conflict(
            Rule::R9,
            "approved-already",
            "The member has approved it already",
        ),
        rule(
            Rule::R9,
            "members-changed",
            "The record has to wait for the next block",
        ),
        rule(
            Rule::R9,
            "action-impossible",
            "The action cannot be carried out",
        ),
        rule(
            Rule::R10,
            "parameter-out-of-range",
            "The parameter is out of range",
        ),
        conflict(
            Rule::R10,
            "list-not-half-used",
            "The newest status list is not half used",
        ),
        conflict(Rule::R10, "cap-reached", "A cap of this ledger is reached"),
    ];

    /// The request's body has not the form that the route needs.
    pub const MALFORMED_REQUEST: Self =
        transport("malformed-request", 400, "The request cannot be read");
    /// The bytes are not a record.
    pub const MALFORMED_RECORD: Self =
        transport("malformed-record", 400, "The bytes are not a record");
    /// The JSON is not a credential, or not a status list.
    pub const MALFORMED_CREDENTIAL: Self =
        transport("malformed-credential", 400, "The JSON is not a credential");
    /// A parameter of path or query that is wrong or unknown.
    pub const INVALID_PARAMETER: Self =
        transport("invalid-parameter", 400, "A parameter is not valid");
    /// No token, or not the right one.
    pub const UNAUTHORIZED: Self = transport("unauthorized", 401, "Who asks may not do this");
    /// A checkpoint that no member in force has signed.
    pub const NOT_TRUSTED: Self = transport(
        "not-trusted",
        403,
        "The checkpoint is not signed by a member in force",
    );
    /// Nothing of this name.
    pub const NOT_FOUND: Self = transport("not-found", 404, "There is no such thing here");
    /// No receipt, for nothing was issued.
    pub const NOT_ANCHORED: Self =
        transport("not-anchored", 404, "The credential is not on the ledger");
    /// No receipt yet.
    pub const NOT_REACHED: Self = transport(
        "not-reached",
        409,
        "The ledger is not attested up to that time yet",
    );
    /// No quorum of the members has cosigned.
    pub const NOT_ATTESTED: Self = transport("not-attested", 503, "No checkpoint is attested yet");
    /// A certificate that a proof needs is lost.
    pub const CERTIFICATE_LOST: Self = transport(
        "certificate-lost",
        503,
        "This node has lost what the proof needs",
    );
    /// The route has no such method.
    pub const METHOD_NOT_ALLOWED: Self =
        transport("method-not-allowed", 405, "The route has no such method");
    /// The client accepts none of the route's media types.
    pub const NOT_ACCEPTABLE: Self = transport(
        "not-acceptable",
        406,
        "The answer has a media type that was not asked for",
    );
    /// The request did not arrive in time.
    pub const REQUEST_TIMEOUT: Self =
        transport("request-timeout", 408, "The request took too long");
    /// The body is longer than the route reads.
    pub const BODY_TOO_LARGE: Self = transport("body-too-large", 413, "The body is too large");
    /// A media type that the route does not read.
    pub const UNSUPPORTED_MEDIA_TYPE: Self = transport(
        "unsupported-media-type",
        415,
        "The route does not read this media type",
    );
    /// A consistency proof that does not lead from the old tree to the new one.
    pub const INCONSISTENT: Self =
        transport("inconsistent", 422, "The consistency proof does not verify");
    /// Too many requests from one address.
    pub const RATE_LIMITED: Self = transport("rate-limited", 429, "Too many requests");
    /// A checkpoint that this member does not cosign now.
    pub const NOT_COSIGNED: Self = transport(
        "not-cosigned",
        503,
        "The member does not cosign this checkpoint now",
    );
    /// The node has no room for more records.
    pub const MEMPOOL_FULL: Self = transport(
        "mempool-full",
        503,
        "The node has no room for more records now",
    );
    /// The node has too many requests at a time.
    pub const OVERLOADED: Self = transport("overloaded", 503, "The node has too much to do now");
    /// The node takes no records since its clock is behind the ledger.
    pub const CLOCK_BEHIND: Self = transport(
        "clock-behind",
        503,
        "The clock of this node is behind the ledger",
    );
    /// The node takes no records since its disk is full.
    pub const DISK_FULL: Self = transport("disk-full", 503, "The disk of this node is full");
    /// The node takes no records since something in its store could not be read, until it
    /// has looked at all of it.
    pub const STORE_IN_DOUBT: Self = transport(
        "store-in-doubt",
        503,
        "The store of this node may be damaged",
    );
    /// The node is starting.
    pub const STARTING: Self = transport("starting", 503, "The node is starting");
    /// The node is stopping.
    pub const STOPPING: Self = transport("stopping", 503, "The node is stopping");
    /// The node failed.
    pub const INTERNAL: Self = transport("internal", 500, "The node failed");
    /// The node could not read what was asked for from its store.
    pub const STORE_UNREADABLE: Self =
        transport("store-unreadable", 500, "The node cannot read its store");
}

const fn transport(code: &'static str, status: u16, title: &'static str) -> ProblemType {
    ProblemType {
        code,
        status,
        title,
        rule: None,
    }
}

/// A record that the rules refuse: 422, the request is well formed but cannot be done.
const fn rule(rule: Rule, code: &'static str, title: &'static str) -> ProblemType {
    ProblemType {
        code,
        status: 422,
        title,
        rule: Some(rule),
    }
}

/// A record that the state of the ledger is in the way of: 409.
const fn conflict(rule: Rule, code: &'static str, title: &'static str) -> ProblemType {
    ProblemType {
        code,
        status: 409,
        title,
        rule: Some(rule),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_rejection_has_its_kind_with_its_rule() {
        let listed: Vec<_> = ProblemType::ALL
            .iter()
            .filter_map(|kind| kind.rule.map(|rule| (rule, kind.code)))
            .collect();
        assert_eq!(listed, Rejection::CODES);
    }

    #[test]
    fn codes_are_distinct_kebab_case_and_titles_are_one_line() {
        let codes: HashSet<_> = ProblemType::ALL.iter().map(|kind| kind.code).collect();
        assert_eq!(codes.len(), ProblemType::ALL.len());
        for kind in ProblemType::ALL {
            let kebab = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(kind.code.chars().all(kebab), "{}", kind.code);
            assert!((400..600).contains(&kind.status), "{}", kind.code);
            assert!(
                !kind.title.is_empty() && kind.title.len() < 70,
                "{}",
                kind.code
            );
            assert_eq!(ProblemType::by_code(kind.code), Some(*kind));
        }
    }

    #[test]
    fn a_rejection_keeps_code_rule_and_text() {
        let rejection = Rejection::ListNotHalfUsed {
            list: credlog_ledger::ids::ListNumber(3),
            used: 7,
        };
        let problem = Problem::rejection(&rejection);
        assert_eq!(problem.code(), Some("list-not-half-used"));
        assert_eq!(problem.rule.as_deref(), Some("R10"));
        assert_eq!(problem.status, 409);
        assert_eq!(problem.detail, rejection.to_string());
    }
}
