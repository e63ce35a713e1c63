//! `validity`: is the moment within the credential's validity?

use super::{Answer, Case};
use crate::timestamp::Time;
use crate::verdict::{Check, CheckName, Evidence, Summary};

impl Case<'_> {
    /// Bounds come from the credential and from its Issue record; the narrower count.
    pub(super) fn validity(&self) -> Check {
        let issued = self.anchor.issued().map(|one| &one.issuance);
        let presented = self.presented;
        let from = latest([
            presented.and_then(|one| one.valid_from),
            issued.and_then(|one| one.valid_from),
        ]);
        let until = earliest([
            presented.and_then(|one| one.valid_until),
            issued.and_then(|one| one.valid_until),
        ]);
        let evidence = Evidence {
            since: from,
            until,
            ..Evidence::default()
        };
        let (answer, when_no) = if presented.is_none() && issued.is_none() {
            let reason = "Only the digest was given, and this ledger states no validity for it.";
            (Answer::unknown(reason), Summary::Unknown)
        } else if let Some(from) = from.filter(|from| self.moment < *from) {
            let reason = format!("It is valid only from {} on.", from.spoken());
            (Answer::no(reason), Summary::NotYetValid)
        } else if let Some(until) = until.filter(|until| self.moment > *until) {
            let reason = format!("It expired on {}.", until.spoken());
            (Answer::no(reason), Summary::Expired)
        } else {
            (Answer::yes(within(from, until)), Summary::Unknown)
        };
        answer.with(evidence).named(CheckName::Validity, when_no)
    }
}

fn within(from: Option<Time>, until: Option<Time>) -> String {
    match (from, until) {
        (_, Some(until)) => format!(
            "It is within its validity, which ends on {}.",
            until.spoken()
        ),
        (Some(from), None) => {
            format!(
                "It is valid since {} and has no end of validity.",
                from.spoken()
            )
        }
        (None, None) => "It states no limits of validity.".to_owned(),
    }
}

fn latest(times: [Option<Time>; 2]) -> Option<Time> {
    times.into_iter().flatten().max()
}

fn earliest(times: [Option<Time>; 2]) -> Option<Time> {
    times.into_iter().flatten().min()
}
