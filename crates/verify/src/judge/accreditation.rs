//! `accreditation_at_issue` and `accreditation_now`.

use credlog_ledger::ids::AchievementId;

use super::anchor::Anchor;
use super::{Answer, Case};
use crate::facts::{AccreditationFacts, IssuerFacts};
use crate::verdict::{Check, CheckName, Evidence, Summary};

impl Case<'_> {
    pub(super) fn accreditation_at_issue(&self) -> Check {
        let answer = match &self.anchor {
            Anchor::Issued(one) => {
                let accreditation = &one.issuance.accreditation;
                let achievement = one.issuance.achievement.as_ref();
                let time = one.issuance.time;
                let covered =
                    accreditation.in_force_at(time) && accreditation.scope.covers(achievement);
                let name = self.name_of(one.issuer.as_str());
                let member = &accreditation.member;
                let answer = if covered {
                    Answer::yes(format!(
                        "When it was issued, {name} was accredited by {member} to award it."
                    ))
                } else {
                    Answer::no(format!(
                        "When it was issued, {name} was not accredited to award it."
                    ))
                };
                let mut evidence = accreditation_evidence(accreditation);
                evidence.achievement = achievement.cloned();
                answer.with(evidence)
            }
            Anchor::NotReached => Answer::unknown(self.not_reached()),
            _ => Answer::unknown(
                "It was not issued on this ledger, so there is no issue to look at.",
            ),
        };
        answer.named(CheckName::AccreditationAtIssue, Summary::Invalid)
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
        let (id, achievement) = match (&self.anchor, self.presented) {
            (Anchor::Issued(one) | Anchor::Later(one), _) => {
                (one.issuer.as_str(), one.issuance.achievement.clone())
            }
            (_, Some(presented)) => (presented.issuer.as_str(), claimed(presented)),
            (_, None) => {
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
        match issuer.covering(self.moment, achievement.as_ref()) {
            Some(accreditation) => Answer::yes(format!(
                "{} is accredited by {} to award it {when}.",
                issuer.name, accreditation.member
            ))
            .with(accreditation_evidence(accreditation)),
            None => self.not_covered(issuer, when),
        }
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

/// The achievement that the credential names, as the ledger would name it.
fn claimed(presented: &crate::presented::Presented) -> Option<AchievementId> {
    let claimed = presented.achievement.as_deref()?;
    claimed.parse().ok()
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
