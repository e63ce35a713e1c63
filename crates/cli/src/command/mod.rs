//! The commands, one module each.

pub(crate) mod accreditation;
pub(crate) mod achievement;
pub(crate) mod audit;
pub(crate) mod bake;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod genesis;
pub(crate) mod init;
pub(crate) mod issue;
pub(crate) mod issuer;
pub(crate) mod keys;
pub(crate) mod ledger;
pub(crate) mod member;
pub(crate) mod node;
pub(crate) mod receipt;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod verify;

use credlog_ledger::body::Reason;

/// Reads a reason code.
pub(crate) fn reason(text: &str) -> Result<Reason, String> {
    Reason::ALL
        .into_iter()
        .find(|reason| reason.as_str() == text)
        .ok_or_else(|| {
            let known: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
            format!("known reasons are {}", known.join(", "))
        })
}
