//! `accreditation_at_issue` and `accreditation_now`.

use credlog_ledger::body::Scope;
use credlog_ledger::ids::{AchievementId, DisplayName};

use super::anchor::Anchor;
use super::{Answer, Case};
use crate::facts::{AccreditationFacts, Issuance, IssuerFacts, Match};
use crate::timestamp::Time;
use crate::verdict::{Check, CheckName, Evidence, Summary};

/// Most characters of an achievement's identifier in a sentence.
const SHOWN_CHARS_MAX: usize = 200;

impl Case<'_> {
    pub(super) fn accreditation_at_issue(&self) -> Check {
        let answer = match &self.anchor {
            Anchor::Issued(one) => {
                let accreditation = &one.issuance.accreditation;
                if accreditation.scope != Scope::All && self.presented.is_none() {
                    let record = one.issuance.achievement.as_ref();
                    if covers(accreditation, one.issuance.time, record) {
                        return self.scoped_digest(one);
                    }
                }
                self.awarded(one)
            }
            Anchor::NotReached => Answer::unknown(self.not_reached()),
            _ => Answer::unknown(
                "It was not issued on this ledger, so there is no issue to look at.",
            ),
        };
        answer.named(CheckName::AccreditationAtIssue, Summary::Invalid)
    }

    /// The Issue record says what was awarded, the credential says it as well: whoever wrote
    /// both may have written two things, and only the record was checked by the ledger.
    fn awarded(&self, one: &Match) -> Answer {
        let accreditation = &one.issuance.accreditation;
        let recorded = one.issuance.achievement.as_ref();
        let time = one.issuance.time;
        let name = self.name_of(one.issuer.as_str());
        let member = &accreditation.member;
        let mut evidence = accreditation_evidence(accreditation);
        evidence.achievement = recorded.cloned();
        if !covers(accreditation, time, recorded) {
            return Answer::no(format!(
                "When it was issued, {name} was not accredited to award {}.",
                named(&one.issuance)
            ))
            .with(evidence);
        }
        let yes = Answer::yes(format!(
            "When it was issued, {name} was accredited by {member} to award {}.{}",
            named(&one.issuance),
            self.called_otherwise(&one.issuance)
        ));
        let claims = match self.presented {
            Some(presented) if accreditation.scope != Scope::All => &presented.achievements,
            _ => return yes.with(evidence),
        };
        let other = claims.ids.iter().find(|id| {
            let same = recorded.is_some_and(|recorded| recorded.as_str() == id.as_str());
            !same && !covers_text(accreditation, time, id)
        });
        if let Some(other) = other {
            evidence.achievement = other.parse().ok();
            return Answer::no(format!(
                "When it was issued, {name} was accredited by {member} for certain achievements; \
                 {} is none of them.",
                shown(other)
            ))
            .with(evidence);
        }
        if claims.ids.is_empty() || claims.unnamed {
            return Answer::unknown(format!(
                "When it was issued, {name} was accredited by {member} for certain achievements, \
                 and the credential does not name all that it attests so that it can be compared: \
                 by identifiers, in the words of the built-in contexts."
            ))
            .with(evidence);
        }
        yes.with(evidence)
    }

    /// A sentence about an achievement that has another name on the ledger than in the
    /// credential, whose name whoever wrote it chose.
    fn called_otherwise(&self, issuance: &Issuance) -> String {
        let claims = self.presented.map(|presented| &presented.summary);
        let claimed = claims.filter(|claims| {
            let recorded = issuance.achievement.as_ref().map(AchievementId::as_str);
            claims.achievement.as_deref() == recorded
        });
        let claimed = claimed.and_then(|claims| claims.achievement_name.as_deref());
        let defined = issuance.achievement_name.as_ref();
        match (claimed, defined.map(DisplayName::as_str)) {
            (Some(claimed), Some(defined)) if claimed != defined => {
                format!(" The credential itself calls it “{claimed}”.")
            }
            _ => String::new(),
        }
    }

    /// A digest does not tell what its credential attests.
    fn scoped_digest(&self, one: &Match) -> Check {
        let accreditation = &one.issuance.accreditation;
        let name = self.name_of(one.issuer.as_str());
        let reason = format!(
            "When it was issued, {name} was accredited by {} to award {}; whether the credential \
             attests just that was not checked here, as only the digest was given.",
            accreditation.member,
            named(&one.issuance),
        );
        let mut check = self.only_digest(CheckName::AccreditationAtIssue, &reason);
        check.evidence = accreditation_evidence(accreditation);
        check.evidence.achievement = one.issuance.achievement.clone();
        check
    }

    /// Informs only: what was rightly issued stays valid when the accreditation ends.
    pub(super) fn accreditation_now(&self) -> Check {
        let mut check = self
            .accreditation_at_moment()
            .named(CheckName::AccreditationNow, Summary::Valid);
        check.amounts_to = Summary::Valid;
        check
    }

    fn accreditation_at_moment(&self) -> Answer {
        if !self.facts.reached() {
            return Answer::unknown(self.not_reached());
        }
        let issued = match &self.anchor {
            Anchor::Issued(one) | Anchor::Later(one) => Some(*one),
            _ => None,
        };
        let id = match (issued, self.presented) {
            (Some(one), _) => one.issuer.as_str(),
            (None, Some(presented)) => presented.issuer.as_str(),
            (None, None) => {
                return Answer::unknown("Only the digest was given; its issuer is not known.");
            }
        };
        let when = match self.facts.at {
            Some(_) => "on the date you asked about",
            None => "today",
        };
        let Some(issuer) = self.facts.issuer_facts(id) else {
            return Answer::no(format!(
                "No member of this ledger accredits {id} {when}: it is not registered."
            ));
        };
        let recorded = issued.and_then(|one| one.issuance.achievement.as_ref());
        match self.covering(issuer, recorded) {
            Some(accreditation) => Answer::yes(format!(
                "{} is accredited by {} to award it {when}.",
                issuer.name, accreditation.member
            ))
            .with(accreditation_evidence(accreditation)),
            None if self.names_too_little(issuer) => Answer::unknown(format!(
                "{} is accredited for certain achievements {when}, and the credential does not \
                 name all that it attests so that it can be compared.",
                issuer.name
            )),
            None => self.not_covered(issuer, when),
        }
    }

    /// An accreditation that covers an achievement, if each of the credential's has one.
    fn covering<'i>(
        &self,
        issuer: &'i IssuerFacts,
        recorded: Option<&AchievementId>,
    ) -> Option<&'i AccreditationFacts> {
        let Some(claims) = self.presented.map(|presented| &presented.achievements) else {
            return issuer.covering(self.moment, recorded);
        };
        if claims.ids.is_empty() || claims.unnamed {
            return issuer.covering(self.moment, None);
        }
        let of = |id: &String| {
            let mut all = issuer.accreditations.iter();
            all.find(|one| covers_text(one, self.moment, id))
        };
        let found: Option<Vec<_>> = claims.ids.iter().map(of).collect();
        found?.first().copied()
    }

    fn names_too_little(&self, issuer: &IssuerFacts) -> bool {
        let claims = self.presented.map(|presented| &presented.achievements);
        claims.is_some_and(|claims| claims.ids.is_empty() || claims.unnamed)
            && issuer
                .accreditations
                .iter()
                .any(|one| one.in_force_at(self.moment))
    }

    fn not_covered(&self, issuer: &IssuerFacts, when: &str) -> Answer {
        let name = &issuer.name;
        let ended = issuer
            .accreditations
            .iter()
            .filter(|one| !one.in_force_at(self.moment))
            .filter_map(|one| one.end().map(|end| (end, one)))
            .max_by_key(|(end, _)| *end);
        match ended {
            Some((end, accreditation)) => {
                let mut reason = format!(
                    "{name} is not accredited to award it {when}: the accreditation by {} ended \
                     on {}",
                    accreditation.member,
                    end.spoken()
                );
                if let Some(why) = accreditation.withdrawal_reason {
                    reason.push_str(&format!(" (reason: {})", why.as_str().replace('-', " ")));
                }
                reason.push('.');
                Answer::no(reason).with(accreditation_evidence(accreditation))
            }
            None => Answer::no(format!("{name} is not accredited to award it {when}.")),
        }
    }

    /// An issuer's name, or its identifier if it was not registered at the moment.
    pub(super) fn name_of<'i>(&'i self, id: &'i str) -> &'i str {
        let issuer = self.facts.issuer_facts(id);
        issuer.map_or(id, |issuer| issuer.name.as_str())
    }
}

fn covers(
    accreditation: &AccreditationFacts,
    time: Time,
    achievement: Option<&AchievementId>,
) -> bool {
    accreditation.in_force_at(time) && accreditation.scope.covers(achievement)
}

/// An identifier that is none on a ledger is covered only where everything is.
fn covers_text(accreditation: &AccreditationFacts, time: Time, achievement: &str) -> bool {
    covers(accreditation, time, achievement.parse().ok().as_ref())
}

/// The achievement of an Issue record, for a sentence: identifier and name on the ledger.
fn named(issuance: &Issuance) -> String {
    match (&issuance.achievement, &issuance.achievement_name) {
        (Some(id), Some(name)) => format!("{} (“{name}”)", shown(id.as_str())),
        (Some(id), None) => shown(id.as_str()),
        (None, _) => "it".to_owned(),
    }
}

/// An identifier that a stranger wrote, for a sentence.
fn shown(id: &str) -> String {
    let mut shown: String = id
        .chars()
        .map(|c| if c.is_ascii_graphic() { c } else { '?' })
        .take(SHOWN_CHARS_MAX)
        .collect();
    if id.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn accreditation_evidence(accreditation: &AccreditationFacts) -> Evidence {
    Evidence {
        record_id: Some(accreditation.granted_by),
        member: Some(accreditation.member.clone()),
        since: Some(accreditation.since),
        until: accreditation.end(),
        reason: accreditation.withdrawal_reason,
        ..Evidence::default()
    }
}
