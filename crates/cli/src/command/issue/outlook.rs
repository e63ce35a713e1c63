//! What verifiers will say of a credential once it is issued: nothing is anchored that can
//! never be valid.
//!
//! The ledger compares an Issue record with the accreditation and never sees the credential.
//! So before a record is made, the credential is judged by the function that every verifier
//! uses, against the issuer's entry, as if it were issued now.

use credlog_api::{Facts, Time};
use credlog_credential::{
    ASSERTION_METHOD, Credential, KeySource, MethodKey, ProofReport, ProofResult, StatusEntry,
};
use credlog_ledger::ids::{
    Digest, IssuerId, KeyId, LeafIndex, MemberId, RecordId, UnixMillis, WebUrl,
};
use credlog_verify::facts::{AccreditationFacts, Issuance, IssuerFacts, Match};
use credlog_verify::{CheckName, HandedOver, Outcome, Position, Subject, judge};

use super::entries::StatusUrls;
use super::positions;
use super::source;
use crate::connection::Ledger;
use crate::moment;
use crate::outcome::{Exit, Failure, Result};
use credlog_verify::Terms;

/// The checks that must come out well for ever. A validity that begins later or is over is the
/// issuer's affair, and status lists elsewhere are not at hand here.
const NEEDED: [CheckName; 3] = [
    CheckName::Proof,
    CheckName::Issuer,
    CheckName::AccreditationAtIssue,
];

/// Whether a proof is to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// Nobody has looked at it.
    Unseen,
    /// It was made here just now, as one was that did verify: signing refuses what would not.
    MadeHere,
}

/// The issuer as the ledger knows it, the key that signs its records, and where the ledger's
/// status lists are named.
#[derive(Clone)]
pub(super) struct Outlook {
    facts: Facts,
    issuer: IssuerFacts,
    record_key: KeyId,
    status_urls: StatusUrls,
}

impl Outlook {
    /// Asks the ledger about the issuer.
    pub(super) fn ask(
        ledger: &dyn Ledger,
        id: &IssuerId,
        record_key: KeyId,
        status_urls: StatusUrls,
    ) -> Result<Self> {
        // About no credential in particular: the answer describes the issuer all the same.
        let facts = ledger.facts(&Digest([0; 32]), Some(id))?;
        let issuer = facts
            .issuer_facts(id.as_str())
            .ok_or_else(|| positions::not_known(id))?
            .clone();
        Ok(Self {
            facts,
            issuer,
            record_key,
            status_urls,
        })
    }

    /// Asks the ledger about the issuer again.
    pub(super) fn ask_again(&mut self, ledger: &dyn Ledger) -> Result<()> {
        let id = self.issuer.id.clone();
        *self = Self::ask(ledger, &id, self.record_key, self.status_urls.clone())?;
        Ok(())
    }

    /// Under which address the status lists of a credential issued now are named.
    pub(super) fn status_url(&self, terms: &Terms) -> Option<&WebUrl> {
        let covering = self
            .issuer
            .covering(self.moment(), terms.achievement.as_ref())?;
        self.status_urls.of(&covering.member)
    }

    /// The position in the ledger's lists that a signed credential names: it can be issued there
    /// and nowhere else.
    pub(super) fn position_of(&self, credential: &Credential) -> Result<Option<Position>> {
        let mut named = None;
        for entry in credential.status() {
            let Some(place) = self.own_position(entry) else {
                continue;
            };
            if named.is_some_and(|other| other != place) {
                return Err(Failure::input(
                    "its status entries name several positions of the ledger's lists",
                ));
            }
            named = Some(place);
        }
        Ok(named)
    }

    fn own_position(&self, entry: &StatusEntry) -> Option<Position> {
        let entry = entry.bitstring().ok()?;
        let (address, rest) = entry.list.split_once("/v1/status-lists/")?;
        let (list, _) = rest.split_once('/')?;
        let is_ours = |url: &WebUrl| url.as_str().trim_end_matches('/') == address;
        let known = self.facts.node_urls.iter().any(is_ours)
            || matches!(&self.status_urls, StatusUrls::One(url) if is_ours(url));
        let text = format!("{list}.{}", entry.index);
        text.parse().ok().filter(|_| known)
    }

    /// Accrediting members under whose address no status lists can be named.
    pub(super) fn members_without_url(&self) -> Vec<&MemberId> {
        let moment = self.moment();
        let in_force = self.issuer.accreditations.iter();
        in_force
            .filter(|one| one.in_force_at(moment))
            .map(|one| &one.member)
            .filter(|member| {
                self.status_urls != StatusUrls::Off && self.status_urls.of(member).is_none()
            })
            .collect()
    }

    /// The moment of an issue now; a clock that is behind the ledger's is set right by it.
    fn moment(&self) -> Time {
        let known = self.facts.moment.max(self.facts.ledger.as_of);
        Time::from(moment::now()).max(known)
    }

    /// Whether the ledger takes records by this key.
    pub(super) fn key_is_active(&self) -> bool {
        let key = self.issuer.key_by_id(&self.record_key);
        key.is_some_and(|key| key.purposes.record && key.active_at(self.moment()))
    }

    /// Whether a credential, issued now under these terms, would be good for every verifier.
    pub(super) fn check(
        &self,
        credential: &Credential,
        terms: &Terms,
        place: Position,
        proof: Proof,
    ) -> Result<()> {
        let moment = self.moment();
        let achievement = terms.achievement.as_ref();
        let Some(accreditation) = self.issuer.covering(moment, achievement) else {
            return Err(self.not_accredited(terms));
        };
        let mut facts = self.facts.clone();
        facts.digest = source::digest(credential);
        facts.matches = vec![self.issued(terms, place, moment, accreditation)];
        facts.match_count = 1;
        let now: UnixMillis = moment.unix_millis();
        let handed = HandedOver::default();
        let report = match proof {
            Proof::Unseen => {
                credlog_verify::prove(credential, &handed, &facts, ASSERTION_METHOD.into(), now)
            }
            Proof::MadeHere => self.made_here(),
        };
        let presented = credlog_verify::examine_with(credential, &report, &handed, &facts, now);
        let verdict = judge(&Subject::Credential(presented), &facts, now)?;
        let bad = NEEDED
            .iter()
            .filter_map(|name| verdict.check(*name))
            .find(|check| check.outcome != Outcome::Yes);
        match bad {
            None => Ok(()),
            Some(check) if check.outcome == Outcome::No => Err(Failure::input(format!(
                "verifiers would call it invalid: {}",
                check.reason
            ))),
            Some(check) => Err(Failure::input(format!(
                "verifiers could never call it valid: {}",
                check.reason
            ))),
        }
    }

    /// What verifying a proof finds that this issuer's key has just made.
    fn made_here(&self) -> ProofReport {
        let key = self.issuer.key_by_id(&self.record_key);
        let key = key.map(|key| MethodKey {
            multikey: key.key.to_string(),
            controller: Some(self.issuer.id.to_string()),
            source: KeySource::Registry,
        });
        ProofReport {
            proofs: vec![ProofResult {
                id: None,
                cryptosuite: None,
                verification_method: None,
                purpose: None,
                created: None,
                key,
                result: Ok(()),
            }],
        }
    }

    fn issued(
        &self,
        terms: &Terms,
        place: Position,
        time: Time,
        accreditation: &AccreditationFacts,
    ) -> Match {
        Match {
            issuer: self.issuer.id.clone(),
            issuance: Issuance {
                record_id: RecordId::default(),
                leaf_index: LeafIndex(0),
                height: self.facts.ledger.height,
                time,
                list: place.list,
                index: place.index,
                achievement: terms.achievement.clone(),
                achievement_name: None,
                valid_from: terms.valid_from.map(Time::from),
                valid_until: terms.valid_until.map(Time::from),
                key: self.record_key,
                accreditation: accreditation.clone().into(),
            },
            history: Vec::new(),
            history_truncated: false,
        }
    }

    fn not_accredited(&self, terms: &Terms) -> Failure {
        let name = &self.issuer.name;
        let what = match &terms.achievement {
            Some(id) => format!("to award {id}"),
            None => "for credentials that name no achievement".to_owned(),
        };
        Failure::new(
            Exit::Refused,
            format!(
                "{name} is not accredited {what} (not-accredited); a member can change that \
                 (credlog accreditation grant or amend)"
            ),
        )
    }
}
