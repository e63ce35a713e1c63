//! `status` (this ledger's) and `status_list` (lists elsewhere).

use std::collections::BTreeSet;

use credlog_ledger::record::AuthorId;
use credlog_ledger::rows::StatusChangeKind;

use super::{Answer, Case};
use crate::facts::{Match, StatusFact};
use crate::presented::{StatusListFinding, Unread};
use crate::timestamp::Time;
use crate::verdict::{Check, CheckName, Evidence, Summary};

/// `statusPurpose` values that end or interrupt validity (Bitstring Status List v1.0 section
/// 2.2); others only inform.
const REVOCATION: &str = "revocation";
const SUSPENSION: &str = "suspension";

impl Case<'_> {
    pub(super) fn status(&self) -> Check {
        let Some(one) = self.anchor.issued() else {
            return Answer::unknown(
                "It was not issued on this ledger, which has no status for it.",
            )
            .named(CheckName::Status, Summary::Unknown);
        };
        let (before, after): (Vec<_>, Vec<_>) = one
            .history
            .iter()
            .partition(|fact| self.facts.at.is_none_or(|at| fact.time <= at));
        let last = before.last().copied();
        let (answer, when_no) = match last.map(|fact| (fact, fact.change)) {
            Some((fact, StatusChangeKind::Revoked)) => {
                (self.told(fact, "Revoked since", ""), Summary::Revoked)
            }
            Some((fact, StatusChangeKind::Superseded { by })) => {
                let more = format!(" The credential {by} is in its place.");
                (
                    self.told(fact, "Superseded since", &more),
                    Summary::Superseded,
                )
            }
            // Neither of the others is final: beyond the log, they may have changed.
            _ if !self.facts.reached() => (Answer::unknown(self.not_reached()), Summary::Unknown),
            Some((fact, StatusChangeKind::Suspended)) => {
                (self.told(fact, "Suspended since", ""), Summary::Suspended)
            }
            Some((fact, StatusChangeKind::Reinstated)) => (
                self.in_good_standing(one, Some(fact), &after),
                Summary::Unknown,
            ),
            None => (self.in_good_standing(one, None, &after), Summary::Unknown),
        };
        answer.named(CheckName::Status, when_no)
    }

    fn in_good_standing(
        &self,
        one: &Match,
        reinstated: Option<&StatusFact>,
        after: &[&StatusFact],
    ) -> Answer {
        let until = self.facts.at.unwrap_or(self.facts.ledger.as_of);
        let mut reason = format!("Not revoked and not suspended as of {}.", until.spoken());
        if let Some(fact) = reinstated {
            reason.push_str(&format!(" A suspension ended on {}.", fact.time.spoken()));
        }
        if let Some(fact) = after.first() {
            reason.push_str(&format!(
                " Later, on {}, it was {}.",
                fact.time.spoken(),
                past(fact)
            ));
        }
        let evidence = match reinstated {
            Some(fact) => status_evidence(fact),
            None => Evidence::default(),
        };
        Answer::yes(reason).with(Evidence {
            list: Some(one.issuance.list),
            index: Some(one.issuance.index),
            ..evidence
        })
    }

    fn told(&self, fact: &StatusFact, since: &str, more: &str) -> Answer {
        let by = match &fact.by {
            AuthorId::Member(member) => format!("member {member}"),
            AuthorId::Issuer(issuer) => self.name_of(issuer.as_str()).to_owned(),
        };
        Answer::no(format!(
            "{since} {}, by {by} (reason: {}).{more}",
            fact.time.spoken(),
            fact.reason.as_str().replace('-', " ")
        ))
        .with(status_evidence(fact))
    }

    /// Beside `status`, for a credential that names lists elsewhere.
    pub(super) fn status_list(&self) -> Option<Check> {
        let findings = &self.presented?.status_lists;
        if findings.is_empty() {
            return None;
        }
        let set = |purpose: &str| {
            findings
                .iter()
                .find(|one| one.purpose == purpose && one.set == Ok(true))
        };
        let (answer, when_no) = if let Some(one) = set(REVOCATION) {
            (listed(one, "revoked"), Summary::Revoked)
        } else if let Some((one, unread)) = unreadable(findings) {
            // A list that cannot be read may hide a revocation; a suspension that is known
            // says more than that.
            match set(SUSPENSION) {
                Some(one) => (listed(one, "suspended"), Summary::Suspended),
                None => (
                    Answer::unknown(format!(
                        "Its status in {} is not known: {}",
                        one.list, unread.why
                    )),
                    Summary::Unknown,
                ),
            }
        } else if let Some(one) = set(SUSPENSION) {
            (listed(one, "suspended"), Summary::Suspended)
        } else {
            (all_clear(findings), Summary::Unknown)
        };
        let evidence = Evidence {
            status_lists: findings.iter().map(|one| one.list.clone()).collect(),
            ..Evidence::default()
        };
        Some(answer.with(evidence).named(CheckName::StatusList, when_no))
    }
}

fn unreadable(findings: &[StatusListFinding]) -> Option<(&StatusListFinding, &Unread)> {
    findings
        .iter()
        .find_map(|one| Some((one, one.set.as_ref().err()?)))
}

fn listed(one: &StatusListFinding, state: &str) -> Answer {
    let of = match one.list_time {
        Some(time) => format!(" of {}", time.spoken()),
        None => String::new(),
    };
    Answer::no(format!(
        "The status list {}{of} says that it is {state}.",
        one.list
    ))
}

fn all_clear(findings: &[StatusListFinding]) -> Answer {
    let mut reason = format!(
        "It is neither revoked nor suspended according to {}.",
        lists_of(findings)
    );
    for one in findings.iter().filter(|one| one.set == Ok(true)) {
        reason.push_str(&format!(
            " The list {} is set for the purpose {:?}, which does not end it.",
            one.list, one.purpose
        ));
    }
    Answer::yes(reason)
}

/// How old the lists are: what they say may have changed since.
fn lists_of(findings: &[StatusListFinding]) -> String {
    let dates: Option<BTreeSet<Time>> = findings.iter().map(|one| one.list_time).collect();
    let noun = match findings {
        [_] => "list",
        _ => "lists",
    };
    match dates.as_ref().map(|dates| (dates.first(), dates.last())) {
        Some((Some(first), Some(last))) if first == last => {
            format!("the issuer's {noun} of {}", first.spoken())
        }
        Some((Some(first), Some(last))) => format!(
            "the issuer's {noun}, the oldest of {}, the newest of {}",
            first.spoken(),
            last.spoken()
        ),
        _ => format!("the issuer's {noun} without a date, so nobody knows how old"),
    }
}

fn past(fact: &StatusFact) -> &'static str {
    match fact.change {
        StatusChangeKind::Revoked => "revoked",
        StatusChangeKind::Suspended => "suspended",
        StatusChangeKind::Reinstated => "reinstated",
        StatusChangeKind::Superseded { .. } => "superseded",
    }
}

fn status_evidence(fact: &StatusFact) -> Evidence {
    Evidence {
        record_id: Some(fact.record_id),
        leaf_index: Some(fact.leaf_index),
        height: Some(fact.height),
        time: Some(fact.time),
        by: Some(fact.by.clone()),
        reason: Some(fact.reason),
        superseded_by: match fact.change {
            StatusChangeKind::Superseded { by } => Some(by),
            _ => None,
        },
        ..Evidence::default()
    }
}
