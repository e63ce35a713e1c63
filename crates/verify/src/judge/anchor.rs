//! `anchored`: was the credential issued on this ledger?

use credlog_ledger::ids::IssuerId;

use super::{Answer, Case};
use crate::facts::{Facts, Issuance, Match};
use crate::verdict::{Check, CheckName, Evidence, Summary};

/// Where the credential stands on the ledger at the moment of the check.
pub(super) enum Anchor<'a> {
    /// Issued by its issuer.
    Issued(&'a Match),
    /// Issued by its issuer, but only after the date asked about.
    Later(&'a Match),
    /// Issued only by others than the issuer it names.
    ByOthers(Vec<&'a IssuerId>),
    /// Only the digest is known, and several issuers issued it.
    Ambiguous(Vec<&'a IssuerId>),
    /// Not issued as far as the log reaches, and the date asked about is beyond that.
    NotReached,
    /// Not issued.
    Missing,
}

impl<'a> Anchor<'a> {
    /// A check uses the match whose issuer is the credential's issuer (rule R7); without a
    /// credential, the only one there is.
    pub(super) fn find(issuer: Option<&str>, facts: &'a Facts) -> Self {
        let issuer = issuer.or(facts.issuer.as_ref().map(IssuerId::as_str));
        let others = || facts.matches.iter().map(|one| &one.issuer).collect();
        let found = match (issuer, facts.matches.as_slice()) {
            (Some(issuer), matches) => matches.iter().find(|one| one.issuer.as_str() == issuer),
            (None, [only]) => Some(only),
            (None, [_, _, ..]) => return Self::Ambiguous(others()),
            (None, []) => None,
        };
        match found {
            Some(one) if facts.at.is_some_and(|at| at < one.issuance.time) => Self::Later(one),
            Some(one) => Self::Issued(one),
            None if !facts.reached() => Self::NotReached,
            None if facts.match_count > 0 => Self::ByOthers(others()),
            None => Self::Missing,
        }
    }

    /// The match at the moment of the check.
    pub(super) fn issued(&self) -> Option<&'a Match> {
        match self {
            Self::Issued(one) => Some(one),
            _ => None,
        }
    }
}

impl Case<'_> {
    pub(super) fn anchored(&self) -> Check {
        let origin = &self.facts.ledger.origin;
        let answer = match &self.anchor {
            Anchor::Issued(one) => Answer::yes(format!(
                "It was issued on this ledger on {}.",
                one.issuance.time.spoken()
            ))
            .with(issue_evidence(one)),
            Anchor::Later(one) => Answer::no(format!(
                "It was issued on this ledger on {}, later than the date you asked about.",
                one.issuance.time.spoken()
            ))
            .with(issue_evidence(one)),
            Anchor::ByOthers(others) => Answer::no(format!(
                "This ledger ({origin}) has no record that the issuer it names issued it{}.",
                match names(others) {
                    names if names.is_empty() => "; another issuer registered it".to_owned(),
                    names => format!("; it was registered by {names}"),
                }
            )),
            Anchor::Ambiguous(others) => Answer::unknown(format!(
                "Several issuers registered this digest ({}). Give the credential itself or name \
                 its issuer.",
                names(others)
            )),
            Anchor::NotReached => Answer::unknown(self.not_reached()),
            Anchor::Missing => Answer::no(format!("It is not on this ledger ({origin}).")),
        };
        answer.named(CheckName::Anchored, Summary::NotAnchored)
    }

    /// Why nothing can be said about a date in the ledger's future.
    pub(super) fn not_reached(&self) -> String {
        format!(
            "The ledger has not reached that time: it is known up to {}.",
            self.facts.ledger.as_of.spoken()
        )
    }
}

fn names(issuers: &[&IssuerId]) -> String {
    let names: Vec<&str> = issuers.iter().map(|id| id.as_str()).collect();
    names.join(", ")
}

fn issue_evidence(one: &Match) -> Evidence {
    let Issuance {
        record_id,
        leaf_index,
        height,
        time,
        list,
        index,
        achievement,
        ..
    } = &one.issuance;
    Evidence {
        record_id: Some(*record_id),
        leaf_index: Some(*leaf_index),
        height: Some(*height),
        time: Some(*time),
        issuer: Some(one.issuer.clone()),
        list: Some(*list),
        index: Some(*index),
        achievement: achievement.clone(),
        ..Evidence::default()
    }
}
