//! From what a receipt proves to the facts that a verdict is made of, and to its links.

use credlog_credential::Credential;
use credlog_ledger::ids::{Digest, IssuerId, UnixMillis};
use credlog_ledger::status::Status;

use super::check::Proven;
use super::refusal::Doubt;
use super::statement::{ProvenChange, ProvenCredential};
use crate::check::DigestSubject;
use crate::examine::{digest_of, issuer_of, positions_named, verify};
use crate::facts::{
    AccreditationFacts, Facts, Issuance, IssuerFacts, Match, Position, PositionFacts, Question,
    StatusFact,
};
use crate::handed::HandedOver;
use crate::holder::PresentedCredential;
use crate::judge::{self, judge};
use crate::presented::{DigestOnly, Subject};
use crate::timestamp::Time;
use crate::verdict::{
    Check, CheckName, Evidence, LedgerPoint, Link, LinkName, Outcome, Summary, Verdict,
};

/// The type of the problem of a credential inside of another that the receipt does not speak of.
const NOT_IN_RECEIPT: &str = "urn:credlog:problem:not-in-receipt";

/// A receipt that says nothing about a credential; nor does it show that there is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the receipt says nothing about credential {digest}{}; give the receipt that belongs to it",
    match issuer { Some(issuer) => format!(" of {issuer}"), None => String::new() }
)]
pub struct NotAbout {
    /// The credential.
    pub digest: Digest,
    /// Its issuer, if it is known.
    pub issuer: Option<IssuerId>,
}

impl NotAbout {
    fn of(question: &Question) -> Self {
        Self {
            digest: question.digest,
            issuer: question.issuer.clone(),
        }
    }
}

impl Proven {
    /// What is proven about a credential.
    ///
    /// # Errors
    /// [`NotAbout`].
    pub fn find(
        &self,
        digest: &Digest,
        issuer: Option<&IssuerId>,
    ) -> Result<Vec<&ProvenCredential>, NotAbout> {
        let is_meant = |one: &&ProvenCredential| {
            one.digest == *digest && issuer.is_none_or(|issuer| one.entry.id == *issuer)
        };
        let found: Vec<_> = self.credentials.iter().filter(is_meant).collect();
        if found.is_empty() {
            return Err(NotAbout {
                digest: *digest,
                issuer: issuer.cloned(),
            });
        }
        Ok(found)
    }

    /// Answers a question as a node would, of what is proven. The date asked about is that of
    /// the receipt.
    ///
    /// # Errors
    /// [`NotAbout`].
    pub fn facts(&self, question: &Question) -> Result<Facts, NotAbout> {
        let found = self.find(&question.digest, question.issuer.as_ref())?;
        let moment = self.at.unwrap_or(question.now.max(self.as_of));
        // What waits for its time may have been cancelled after that.
        // One cosigner can date itself as early as it likes; the seal's time stands.
        let known = self.at.unwrap_or(self.as_of.max(self.seal.time));
        let issuers = found
            .iter()
            .map(|one| IssuerFacts::new(one.issuer, &one.entry, known).into())
            .collect();
        let positions = question.positions.iter();
        let positions = positions.filter_map(|position| position_facts(&found, *position));
        Ok(Facts {
            ledger: self.point().into(),
            digest: question.digest,
            issuer: question.issuer.clone(),
            at: self.at.map(Time::from),
            moment: moment.into(),
            issuers,
            match_count: found.len() as u64,
            matches: found.iter().map(|one| one.matched()).collect(),
            positions: positions.collect(),
            node_urls: self.node_urls.clone(),
        })
    }

    fn point(&self) -> LedgerPoint {
        // A seal behind the date shows that the log reached it, though the as-of time, which is in
        // whole seconds, may lie before.
        let reached = self.at.filter(|_| self.doubt != Some(Doubt::AtNotReached));
        let as_of = self.as_of.max(reached.unwrap_or_default());
        LedgerPoint {
            origin: self.origin.clone(),
            id: self.ledger,
            height: self.height,
            size: self.size.0,
            as_of: as_of.into(),
        }
    }

    /// The verdict about a credential, by what is proven: the same that a node would give, with
    /// the checks `receipt` and `member_set_currency` and each link of the proof.
    ///
    /// # Errors
    /// [`NotAbout`].
    pub fn verdict(
        &self,
        credential: &Credential,
        handed: &HandedOver,
        now: UnixMillis,
    ) -> Result<Verdict, NotAbout> {
        let mut verdict = self.alone(credential, handed, now)?;
        self.report(&mut verdict, issuer_of(credential).as_ref());
        let nested = credential.nested();
        let inner = nested.iter().map(|inner| match inner {
            Ok(inner) => match self.alone(inner, handed, now) {
                Ok(mut verdict) => {
                    self.report(&mut verdict, issuer_of(inner).as_ref());
                    PresentedCredential::Judged(Box::new(verdict))
                }
                Err(missing) => PresentedCredential::NoCredential {
                    problem_type: NOT_IN_RECEIPT.to_owned(),
                    detail: missing.to_string(),
                },
            },
            Err(error) => PresentedCredential::no_credential(error),
        });
        verdict.contain(inner.collect());
        Ok(verdict)
    }

    fn alone(
        &self,
        credential: &Credential,
        handed: &HandedOver,
        now: UnixMillis,
    ) -> Result<Verdict, NotAbout> {
        let question = Question {
            digest: digest_of(credential),
            issuer: issuer_of(credential),
            positions: positions_named(credential),
            at: self.at,
            now,
        };
        let facts = self.facts(&question)?;
        verify(credential, handed, &facts, now).map_err(|_| NotAbout::of(&question))
    }

    /// The verdict about a digest: what the ledger knows, which is never that a credential is
    /// genuine.
    ///
    /// # Errors
    /// [`NotAbout`].
    pub fn verdict_of_digest(
        &self,
        subject: &DigestSubject,
        now: UnixMillis,
    ) -> Result<Verdict, NotAbout> {
        let question = Question {
            digest: subject.digest,
            issuer: subject.issuer.clone(),
            positions: Vec::new(),
            at: self.at,
            now,
        };
        let facts = self.facts(&question)?;
        let only = match subject.proof_checked_elsewhere {
            true => DigestOnly::ProofCheckedElsewhere,
            false => DigestOnly::ProofUnchecked,
        };
        let judged = judge(&Subject::Digest(only), &facts, now);
        let mut verdict = judged.map_err(|_| NotAbout::of(&question))?;
        self.report(&mut verdict, subject.issuer.as_ref());
        Ok(verdict)
    }

    /// Adds to a verdict what the receipt itself amounts to, and each link of the proof.
    fn report(&self, verdict: &mut Verdict, issuer: Option<&IssuerId>) {
        // Others may have issued the same digest.
        let found = self.find(&verdict.digest, issuer).unwrap_or_default();
        let found = found.into_iter();
        verdict.links = found.flat_map(|one| self.links(one)).collect();
        let own = self.receipt_check();
        let before = verdict.summary;
        verdict.summary = match self.doubt {
            // Whoever forged its history could say anything, a revocation too.
            Some(Doubt::OlderThanTrust) => Summary::Unknown,
            // A suspension may have ended since.
            Some(_) if before == Summary::Suspended => Summary::Unknown,
            _ => before.min(own.amounts_to),
        };
        let as_of = Time::from(self.as_of).spoken();
        if verdict.summary != before {
            verdict.headline = format!(
                "Whether the credential is valid is not known. {}",
                own.reason
            );
        } else if verdict.summary == Summary::Valid && self.at.is_none() {
            // Only a digest whose proof was checked elsewhere is valid without a credential.
            let elsewhere = verdict.credential.is_none();
            verdict.headline = judge::valid(&format!("was valid as of {as_of}"), elsewhere);
        }
        let is_now = |check: &&mut Check| check.name == CheckName::AccreditationNow;
        if let Some(check) = verdict.checks.iter_mut().find(is_now)
            && self.at.is_none()
        {
            let shown = format!(" The receipt shows it as of {as_of}.");
            check.reason.push_str(&shown);
        }
        verdict.checks.extend([own, self.currency_check()]);
    }

    fn receipt_check(&self) -> Check {
        let as_of = Time::from(self.as_of).spoken();
        let attested = format!(
            "{} of {} members attest it as of {as_of}",
            self.cosigned.len(),
            self.members.members().len()
        );
        let (outcome, reason) = match self.doubt {
            None => (
                Outcome::Yes,
                format!("The receipt proves this offline: {attested}."),
            ),
            Some(doubt) => (Outcome::Unknown, self.doubted(doubt, &as_of)),
        };
        Check {
            name: CheckName::Receipt,
            outcome,
            reason,
            amounts_to: match self.doubt {
                None => Summary::Valid,
                Some(_) => Summary::Unknown,
            },
            evidence: Evidence {
                height: Some(self.height),
                time: Some(self.as_of.into()),
                ..Evidence::default()
            },
        }
    }

    fn doubted(&self, doubt: Doubt, as_of: &str) -> String {
        match doubt {
            Doubt::AtNotReached => format!(
                "The receipt reaches only to {as_of}, not to the time that it is asked about."
            ),
            Doubt::OlderThanTrust => "The receipt is older than your trust file, and nothing \
                                      in it shows that both are of one history; get a new one."
                .to_owned(),
            Doubt::TooOld => format!(
                "The receipt is good, but it says how things stood at {as_of}, which is longer \
                 ago than you allow; get a new one."
            ),
        }
    }

    fn currency_check(&self) -> Check {
        let (outcome, reason) = match self.members_known {
            true => (
                Outcome::Yes,
                "The members that attest it continue those in your trust file.".to_owned(),
            ),
            false => (
                Outcome::Unknown,
                "The members that attest it follow from the genesis file. Whether they were \
                 replaced later, the receipt alone cannot show: keep a trust file, or ask a node."
                    .to_owned(),
            ),
        };
        Check {
            name: CheckName::MemberSetCurrency,
            outcome,
            reason,
            amounts_to: Summary::Valid,
            evidence: Evidence::default(),
        }
    }

    /// The links of the proof about one credential, from the credential to the genesis.
    pub fn links(&self, one: &ProvenCredential) -> Vec<Link> {
        let spoken = |time: UnixMillis| Time::from(time).spoken();
        let mut links = vec![
            Link::new(
                LinkName::Issue,
                format!(
                    "{} issued it by record {} (leaf {} of the log).",
                    one.entry_at_issue.profile.name, one.record, one.leaf
                ),
            ),
            Link::new(
                LinkName::IssueSeal,
                format!(
                    "The block of height {} holds that record, sealed on {}.",
                    one.height,
                    spoken(one.time)
                ),
            ),
            Link::new(
                LinkName::IssuerAtIssue,
                format!(
                    "The registry shows that member {} accredited the issuer then.",
                    one.accreditation.member
                ),
            ),
            Link::new(
                LinkName::Issuer,
                format!(
                    "The registry shows the issuer as it stood at height {}.",
                    self.seal.height
                ),
            ),
            Link::new(
                LinkName::Status,
                format!(
                    "Position {} of status list {} was {} at height {}.",
                    one.index,
                    one.list,
                    match one.status {
                        Status::Valid => "neither revoked nor suspended",
                        Status::Suspended => "suspended",
                        Status::Revoked => "revoked",
                    },
                    self.seal.height
                ),
            ),
        ];
        links.extend(one.change.as_ref().map(|change| {
            let by = format!("{} changed it by record {}", change.by, change.record);
            Link::new(
                LinkName::StatusRecord,
                format!(
                    "{by} in the block of height {}, sealed on {}.",
                    change.height,
                    spoken(change.time)
                ),
            )
        }));
        links.extend([
            Link::new(LinkName::Seal, self.seal_text()),
            Link::new(
                LinkName::Checkpoint,
                format!(
                    "All of it is in the log of {} leaves, which {} of {} members cosigned, as of {}.",
                    self.size,
                    self.cosigned.len(),
                    self.members.members().len(),
                    spoken(self.as_of)
                ),
            ),
            Link::new(LinkName::Members, self.members_text()),
        ]);
        links
    }

    fn seal_text(&self) -> String {
        let seal = &self.seal;
        let time = Time::from(seal.time).spoken();
        match self.at {
            None => format!(
                "Height {} of {time} is the newest of that log.",
                seal.height
            ),
            Some(at) => format!(
                "Height {} of {time} was the newest at {}.",
                seal.height,
                Time::from(at).spoken()
            ),
        }
    }

    fn members_text(&self) -> String {
        let from = match self.members_known {
            true => "genesis and your trust file",
            false => "genesis",
        };
        match self.changes.as_slice() {
            [] => format!("These members follow from {from}; the set never changed."),
            changes => {
                let heights: Vec<_> = changes.iter().map(|(h, _)| h.to_string()).collect();
                format!(
                    "These members follow from {from} through the changes at height {}.",
                    heights.join(", ")
                )
            }
        }
    }
}

impl ProvenCredential {
    fn matched(&self) -> Match {
        Match {
            issuer: self.entry.id.clone(),
            issuance: Issuance {
                record_id: self.record,
                leaf_index: self.leaf,
                height: self.height,
                time: self.time.into(),
                list: self.list,
                index: self.index,
                achievement: self.achievement.clone(),
                achievement_name: None,
                valid_from: self.valid_from.map(Time::from),
                valid_until: self.valid_until.map(Time::from),
                key: self.key,
                accreditation: AccreditationFacts::new(&self.accreditation).into(),
            },
            history: self.history(),
            history_truncated: false,
        }
    }

    fn history(&self) -> Vec<StatusFact> {
        let fact = |change: &ProvenChange| StatusFact {
            change: change.change,
            record_id: change.record,
            leaf_index: change.leaf,
            height: change.height,
            time: change.time.into(),
            by: change.by.clone(),
            reason: change.reason,
        };
        self.change.iter().map(fact).collect()
    }
}

fn position_facts(found: &[&ProvenCredential], position: Position) -> Option<PositionFacts> {
    let at = |one: &&&ProvenCredential| (one.list, one.index) == (position.list, position.index);
    let one = found.iter().find(at)?;
    Some(PositionFacts {
        position,
        issuer: Some(one.entry.id.clone()),
        used: true,
        history: one.history(),
        history_truncated: false,
    })
}
