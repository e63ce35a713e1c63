//! Under which addresses the status entries of issued credentials name the ledger's lists.

use std::collections::BTreeMap;

use credlog_ledger::ids::{MemberId, WebUrl};

/// Under which addresses the ledger's status lists are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StatusUrls {
    /// Nowhere: credentials get no status entries.
    Off,
    /// Under this one.
    One(WebUrl),
    /// Under that of the accrediting member; members without one are missing.
    OfMembers(BTreeMap<MemberId, WebUrl>),
}

impl StatusUrls {
    /// The address for credentials that this member's accreditation covers.
    pub(super) fn of(&self, member: &MemberId) -> Option<&WebUrl> {
        match self {
            Self::Off => None,
            Self::One(url) => Some(url),
            Self::OfMembers(urls) => urls.get(member),
        }
    }
}
