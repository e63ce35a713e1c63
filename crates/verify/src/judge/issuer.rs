//! `issuer`: is the key one that the ledger knows for the issuer at the time of issue?

use super::{Answer, Case};
use crate::facts::{IssuerFacts, KeyFacts, Match};
use crate::presented::{Presented, SigningKey};
use crate::timestamp::Time;
use crate::verdict::{Check, CheckName, Evidence, Outcome, Summary};

impl Case<'_> {
    pub(super) fn issuer(&self) -> Check {
        if let Some(answer) = self.compromised_record_key() {
            return answer.named(CheckName::Issuer, Summary::Invalid);
        }
        let Some(presented) = self.presented else {
            let reason = "Only the digest was given, so who signed the credential was not checked \
                          here.";
            return self.only_digest(CheckName::Issuer, reason);
        };
        self.issuer_of(presented)
            .named(CheckName::Issuer, Summary::Invalid)
    }

    /// The record that issued it was itself signed when the key was in other hands.
    fn compromised_record_key(&self) -> Option<Answer> {
        let one = self.anchor.issued()?;
        let issuer = self.facts.issuer_facts(one.issuer.as_str())?;
        let key = issuer.key_by_id(&one.issuance.key)?;
        let since = compromised_by(key, one.issuance.time)?;
        Some(
            Answer::no(format!(
                "It was registered on {} with a key that, as {} reported, was in other hands \
                 since {}.",
                one.issuance.time.spoken(),
                issuer.name,
                since.spoken()
            ))
            .with(key_evidence(issuer, key)),
        )
    }

    fn issuer_of(&self, presented: &Presented) -> Answer {
        match presented.proof.outcome {
            Outcome::Yes => {}
            Outcome::No => {
                return Answer::unknown(
                    "The signature is not good, so it does not show who signed.",
                );
            }
            Outcome::Unknown => {
                return Answer::unknown(
                    "The signature could not be checked, so it does not show who signed.",
                );
            }
        }
        let keys = &presented.proof.keys;
        let Some(issuer) = self.facts.issuer_facts(&presented.issuer) else {
            return self.unregistered(presented);
        };
        let answers: Vec<Answer> = keys
            .iter()
            .filter_map(|key| issuer.key(&key.multikey))
            .map(|key| self.registered_key(issuer, key))
            .collect();
        best(answers).unwrap_or_else(|| self.unknown_key(presented, issuer))
    }

    /// The issuer is not on this ledger (at the date asked about).
    fn unregistered(&self, presented: &Presented) -> Answer {
        if let Some(answer) = foreign_key(presented) {
            return answer;
        }
        let controls = presented
            .proof
            .keys
            .iter()
            .any(|key| key.controller.as_deref() == Some(presented.issuer.as_str()));
        let and = if controls {
            "; the key is that of the identifier it names, but nobody here says whose it is"
        } else {
            ", so it is not known whose key signed"
        };
        let reason = format!(
            "The issuer {} is not registered on this ledger{and}.",
            presented.issuer
        );
        Answer::unknown(reason)
    }

    /// None of the keys is registered for the issuer.
    fn unknown_key(&self, presented: &Presented, issuer: &IssuerFacts) -> Answer {
        if let Some(answer) = foreign_key(presented) {
            return answer;
        }
        if self.anchor.issued().is_none() && !self.facts.reached() {
            return Answer::unknown(self.not_reached());
        }
        let name = &issuer.name;
        let reason = format!("It was signed with a key that this ledger does not know for {name}.");
        let evidence = presented
            .proof
            .keys
            .first()
            .map(|key: &SigningKey| key_only(&key.multikey));
        Answer::no(reason).with(evidence.unwrap_or_default())
    }

    fn registered_key(&self, issuer: &IssuerFacts, key: &KeyFacts) -> Answer {
        let issued = self.anchor.issued();
        let answer = match issued {
            Some(one) => key_at_issue(issuer, key, one),
            None => self.key_without_issue(issuer, key),
        };
        let mut answer = answer.with(key_evidence(issuer, key));
        answer.reason.push_str(&self.calls_itself(issuer));
        answer
    }

    /// A sentence about a name that whoever wrote the credential chose.
    fn calls_itself(&self, issuer: &IssuerFacts) -> String {
        let presented = self.presented.map(|presented| &presented.summary);
        let claimed = presented.and_then(|summary| summary.issuer_name.as_deref());
        match claimed.filter(|claimed| *claimed != issuer.name.as_str()) {
            Some(claimed) => format!(
                " The credential itself calls its issuer “{claimed}”; its name on this ledger is \
                 “{}”.",
                issuer.name
            ),
            None => String::new(),
        }
    }

    /// There is no issue to say when it was signed, so only the moment of the check counts.
    fn key_without_issue(&self, issuer: &IssuerFacts, key: &KeyFacts) -> Answer {
        let name = &issuer.name;
        if let Some(since) = compromised_by(key, self.moment) {
            return Answer::no(format!(
                "It was signed with a key of {name} that was in other hands since {}, and nothing \
                 on this ledger shows that it was signed before.",
                since.spoken()
            ));
        }
        if !key.purposes.assertion {
            return not_for_credentials(issuer);
        }
        if key.active_at(self.moment) {
            return Answer::yes(format!("It was signed with a key of {name}."));
        }
        Answer::unknown(format!(
            "It was signed with a key that {name} used {}, and nothing on this ledger shows that \
             it was signed in that time.",
            interval(key)
        ))
    }
}

fn key_at_issue(issuer: &IssuerFacts, key: &KeyFacts, one: &Match) -> Answer {
    let name = &issuer.name;
    let time = one.issuance.time;
    if let Some(since) = compromised_by(key, time) {
        return Answer::no(format!(
            "It was signed with a key of {name} that was in other hands since {}; it was issued \
             after that, on {}.",
            since.spoken(),
            time.spoken()
        ));
    }
    if !key.purposes.assertion {
        return not_for_credentials(issuer);
    }
    if key.active_at(time) {
        return Answer::yes(format!(
            "It was signed with a key that was {name}'s when it was issued."
        ));
    }
    Answer::no(format!(
        "It was signed with a key that {name} used {}, but issued on {}.",
        interval(key),
        time.spoken()
    ))
}

fn not_for_credentials(issuer: &IssuerFacts) -> Answer {
    Answer::no(format!(
        "It was signed with a key of {} that is not meant for credentials.",
        issuer.name
    ))
}

/// No key may be the issuer's: each is known to be someone else's.
fn foreign_key(presented: &Presented) -> Option<Answer> {
    let controllers: Option<Vec<&str>> = presented
        .proof
        .keys
        .iter()
        .map(|key| key.controller.as_deref())
        .collect();
    let controllers = controllers.filter(|all| !all.is_empty())?;
    if controllers.contains(&presented.issuer.as_str()) {
        return None;
    }
    Some(Answer::no(format!(
        "The signature is good, but it was made by {}, not by the issuer it names ({}).",
        controllers.join(", "),
        presented.issuer
    )))
}

/// The best of several answers: one key of the issuer is enough.
fn best(answers: Vec<Answer>) -> Option<Answer> {
    answers
        .into_iter()
        .min_by_key(|answer| match answer.outcome {
            Outcome::Yes => 0,
            Outcome::Unknown => 1,
            Outcome::No => 2,
        })
}

/// Since when the key was in other hands, if it was at `time`.
fn compromised_by(key: &KeyFacts, time: Time) -> Option<Time> {
    key.compromised_since.filter(|since| *since <= time)
}

fn interval(key: &KeyFacts) -> String {
    match key.retired {
        Some(retired) => format!("from {} to {}", key.since.spoken(), retired.spoken()),
        None => format!("from {} on", key.since.spoken()),
    }
}

fn key_evidence(issuer: &IssuerFacts, key: &KeyFacts) -> Evidence {
    Evidence {
        issuer: Some(issuer.id.clone()),
        key: Some(key.key.clone()),
        since: Some(key.since),
        until: key.retired,
        compromised_since: key.compromised_since,
        ..Evidence::default()
    }
}

fn key_only(multikey: &str) -> Evidence {
    Evidence {
        key: multikey.parse().ok(),
        ..Evidence::default()
    }
}
