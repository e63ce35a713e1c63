//! Routes: templates for a server, builders for a client.

use credlog_ledger::ids::{Digest, Height, IssuerId, ListNumber, RecordId};
use credlog_tlog::{TileLevel, TilePath, TilePathError};
use credlog_verify::published::Purpose;

/// GET: [`LedgerView`](crate::ledger::LedgerView).
pub const LEDGER: &str = "/v1/ledger";
/// POST: [`SubmitOutcomes`](crate::SubmitOutcomes).
pub const RECORDS: &str = "/v1/records";
/// GET: [`RecordView`](crate::RecordView).
pub const RECORD: &str = "/v1/records/{id}";
/// GET, `?at=&issuer=`: [`Facts`](crate::Facts).
pub const CREDENTIAL: &str = "/v1/credentials/{digest}";
/// GET, `?prefix=&after=`: [`Crowd`](credlog_verify::prefix::Crowd).
pub const CREDENTIALS: &str = "/v1/credentials";
/// POST [`VerifyRequest`](crate::VerifyRequest), `?at=`: [`Verdict`](crate::Verdict).
pub const VERIFY: &str = "/v1/verify";
/// POST, lines of JSON: [`BatchLine`](crate::verification::BatchLine) each; `?at=&brief=`.
pub const VERIFY_BATCH: &str = "/v1/verify/batch";
/// POST [`IssueRequest`](crate::vcalm::IssueRequest), of the compatibility profile.
pub const VCALM_ISSUE: &str = "/credentials/issue";
/// POST [`VerifyRequest`](crate::vcalm::VerifyRequest), of the compatibility profile.
pub const VCALM_VERIFY: &str = "/credentials/verify";
/// POST [`StatusRequest`](crate::vcalm::StatusRequest), of the compatibility profile.
pub const VCALM_STATUS: &str = "/credentials/status";
/// POST [`VerifyRequest`](crate::vcalm::VerifyRequest), of the compatibility profile.
pub const VCALM_PRESENTATIONS: &str = "/presentations/verify";
/// GET, paged: [`IssuerBrief`](crate::issuer::IssuerBrief).
pub const ISSUERS: &str = "/v1/issuers";
/// GET: [`IssuerView`](crate::issuer::IssuerView). The id is percent-encoded.
pub const ISSUER: &str = "/v1/issuers/{did}";
/// GET: the did:web document of an issuer of the ledger.
pub const DID_DOCUMENT: &str = "/issuers/{slug}/did.json";
/// GET, paged: [`Achievement`](credlog_ledger::body::Achievement). The id is percent-encoded.
pub const ACHIEVEMENTS: &str = "/v1/issuers/{did}/achievements";
/// GET: [`StatusListView`](crate::issuer::StatusListView).
pub const STATUS_LIST: &str = "/v1/status-lists/{list}";
/// GET, `?timestamp=`: a signed `BitstringStatusListCredential`.
pub const SIGNED_STATUS_LIST: &str = "/v1/status-lists/{list}/{purpose}";
/// GET: [`MembersView`](crate::ledger::MembersView).
pub const MEMBERS: &str = "/v1/members";
/// GET: the canonical bytes of the set that decides that height.
pub const MEMBERS_AT: &str = "/v1/members/{height}";
/// GET, `?since=`: [`MemberHistory`](crate::receipt::MemberHistory).
pub const MEMBERS_HISTORY: &str = "/v1/members/history";
/// GET: whom to trust for a checkpoint, as a C2SP tlog-policy.
pub const POLICY: &str = "/v1/policy";
/// GET: [`ProposalsView`](crate::governance::ProposalsView).
pub const PROPOSALS: &str = "/v1/proposals";
/// GET: the canonical bytes of the certificate that decided that height.
pub const CERTIFICATE: &str = "/v1/certificates/{height}";
/// GET: the certificates of up to 256 heights; the rest of the path is that of an entry bundle
/// behind `tile/entries/`.
pub const CERTIFICATE_BUNDLE: &str = "/v1/certificates/bundle/{*path}";
/// GET: [`EvidenceView`](crate::governance::EvidenceView).
pub const EVIDENCE: &str = "/v1/evidence";
/// GET, `?at=&issuer=&since=&trusted=`: a [`Receipt`](credlog_verify::receipt::Receipt).
pub const RECEIPT: &str = "/v1/receipts/{digest}";
/// GET, `?issuer=`: the inclusion part of a receipt (C2SP tlog-proof).
pub const TLOG_PROOF: &str = "/v1/receipts/{digest}/tlog-proof";
/// POST [`ReceiptsRequest`](crate::receipt::ReceiptsRequest):
/// [`ReceiptsAnswer`](crate::receipt::ReceiptsAnswer).
pub const RECEIPTS: &str = "/v1/receipts";
/// GET, `?from=&to=`: [`ConsistencyView`](crate::receipt::ConsistencyView).
pub const CONSISTENCY: &str = "/v1/consistency";
/// GET, `?types=&issuer=&prefix=&since=`: server-sent [`Event`](crate::event::Event)s.
pub const EVENTS: &str = "/v1/events";
/// GET, paged, newest first: [`BlockBrief`](crate::block::BlockBrief).
pub const BLOCKS: &str = "/v1/blocks";
/// GET, paged: [`BlockView`](crate::block::BlockView).
pub const BLOCK: &str = "/v1/blocks/{height}";
/// GET: the signed checkpoint (C2SP tlog-tiles).
pub const CHECKPOINT: &str = "/checkpoint";
/// POST: this member's cosignature of a checkpoint of its own ledger (C2SP tlog-witness).
pub const ADD_CHECKPOINT: &str = "/add-checkpoint";
/// GET: tiles and entry bundles (C2SP tlog-tiles).
pub const TILE: &str = "/tile/{*path}";
/// GET: 200 while the process lives.
pub const HEALTHZ: &str = "/healthz";
/// GET: 200 when the node answers from a checked store.
pub const READYZ: &str = "/readyz";
/// GET: metrics in the Prometheus text format.
pub const METRICS: &str = "/metrics";
/// GET: the description of all this, OpenAPI 3.1.
pub const OPENAPI: &str = "/openapi.json";
/// GET: a page with a form for a credential; POST of that form: the page with the verdict.
pub const HOME: &str = "/";
/// GET: a page to read and try the interface.
pub const DOCS: &str = "/docs";
/// GET: the script of that page.
pub const DOCS_SCRIPT: &str = "/docs.js";
/// GET: the style of the pages.
pub const STYLE: &str = "/style.css";

/// `/v1/records/…`.
pub fn record(id: &RecordId) -> String {
    format!("{RECORDS}/{id}")
}

/// `/v1/credentials/…`.
pub fn credential(digest: &Digest) -> String {
    format!("/v1/credentials/{digest}")
}

/// `/v1/issuers/…`.
pub fn issuer(id: &IssuerId) -> String {
    format!("{ISSUERS}/{}", percent_encode(id.as_str()))
}

/// `/v1/issuers/…/achievements`.
pub fn achievements(id: &IssuerId) -> String {
    format!("{}/achievements", issuer(id))
}

/// `/v1/status-lists/…`.
pub fn status_list(list: ListNumber) -> String {
    format!("/v1/status-lists/{list}")
}

/// `/v1/status-lists/…/…`.
pub fn signed_status_list(list: ListNumber, purpose: Purpose) -> String {
    format!("/v1/status-lists/{list}/{purpose}")
}

/// `/v1/members/…`.
pub fn members_at(height: Height) -> String {
    format!("{MEMBERS}/{height}")
}

/// `/v1/certificates/…`.
pub fn certificate(height: Height) -> String {
    format!("/v1/certificates/{height}")
}

/// `/v1/certificates/bundle/…`: the certificates of `width` heights (1 to 256) from
/// 256 `index` + 1 on.
///
/// # Errors
/// [`TilePathError::Width`] outside 1 to 256.
pub fn certificate_bundle(index: u64, width: u16) -> Result<String, TilePathError> {
    let entries = TilePath::new(TileLevel::Entries, index, width)?.to_string();
    let number = entries.trim_start_matches("tile/entries/");
    Ok(format!("/v1/certificates/bundle/{number}"))
}

/// `/v1/receipts/…`.
pub fn receipt(digest: &Digest) -> String {
    format!("{RECEIPTS}/{digest}")
}

/// `/v1/receipts/…/tlog-proof`.
pub fn tlog_proof(digest: &Digest) -> String {
    format!("{RECEIPTS}/{digest}/tlog-proof")
}

/// `/v1/blocks/…`.
pub fn block(height: Height) -> String {
    format!("{BLOCKS}/{height}")
}

/// `/tile/…`.
pub fn tile(path: &TilePath) -> String {
    format!("/{path}")
}

/// Percent-encodes everything but the unreserved characters of RFC 3986 section 2.3, so that
/// any text is one segment of a path or one value of a query.
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_bundle_has_the_number_of_an_entry_bundle() {
        for (index, width, expected) in [
            (0, 256, "/v1/certificates/bundle/000"),
            (5, 7, "/v1/certificates/bundle/005.p/7"),
            (1_234_067, 256, "/v1/certificates/bundle/x001/x234/067"),
        ] {
            assert_eq!(certificate_bundle(index, width).unwrap(), expected);
        }
        assert!(certificate_bundle(0, 0).is_err());
        assert!(certificate_bundle(0, 257).is_err());
    }

    #[test]
    fn an_issuer_is_one_segment() {
        let id: IssuerId = "https://a.example/i?x=1".parse().unwrap();
        assert_eq!(
            achievements(&id),
            "/v1/issuers/https%3A%2F%2Fa.example%2Fi%3Fx%3D1/achievements"
        );
        let did: IssuerId = "did:key:z6Mk".parse().unwrap();
        assert_eq!(issuer(&did), "/v1/issuers/did%3Akey%3Az6Mk");
    }
}
