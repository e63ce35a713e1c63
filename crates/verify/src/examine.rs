//! Examining a credential: its proofs, its status lists elsewhere, its own dates.

use std::collections::BTreeSet;

use credlog_credential::did::Documents;
use credlog_credential::{
    ASSERTION_METHOD, Candidates, Credential, CredentialError, Expected, KeyResolver, Multikey,
    Outcome as ProofOutcome, ProofReport, ProofResult, ResolvedKey, StatusEntry, StatusError,
    StatusListCredential, VerifiedStatusList, check_status, problem, verify_proofs_expecting,
};
use credlog_ledger::ids::{Digest, IssuerId, ListNumber, StatusIndex, UnixMillis, WebUrl};
use credlog_ledger::rows::StatusChangeKind;
use serde_json::Value;
use time::OffsetDateTime;

use crate::facts::{Facts, IssuerFacts, POSITIONS_MAX, Position};
use crate::handed::{HandedOver, LISTS_PATH};
use crate::judge::{JudgeError, judge, moment};
use crate::presented::{Presented, ProofFinding, SigningKey, StatusListFinding, Subject, Unread};
use crate::timestamp::Time;
use crate::verdict::{CredentialSummary, Outcome, Verdict};

/// Examines a credential and judges it: [`examine`], then [`judge`].
///
/// # Errors
/// [`JudgeError`] if the facts are not about this credential.
pub fn verify(
    credential: &Credential,
    handed: &HandedOver,
    facts: &Facts,
    now: UnixMillis,
) -> Result<Verdict, JudgeError> {
    let presented = examine(credential, handed, facts, now);
    judge(&Subject::Credential(presented), facts, now)
}

/// The digest of a credential, as the ledger writes it.
pub fn digest_of(credential: &Credential) -> Digest {
    Digest(credential.digest().to_bytes())
}

/// The issuer that a credential names, as the ledger would name it: what to ask the ledger
/// with. `None` for an identifier that no ledger registers.
pub fn issuer_of(credential: &Credential) -> Option<IssuerId> {
    credential.issuer_id().parse().ok()
}

/// The positions that a credential's status entries name in lists with the form of a
/// ledger's URL, whatever the host (which hosts are the ledger's, only its answer tells): what
/// to ask the ledger with. Sorted, without duplicates,
/// at most [`POSITIONS_MAX`].
pub fn positions_named(credential: &Credential) -> Vec<Position> {
    let mut positions: Vec<Position> = credential
        .status()
        .iter()
        .filter_map(|entry| Some(own_list(entry)?.position))
        .collect();
    positions.sort_unstable();
    positions.dedup();
    positions.truncate(POSITIONS_MAX);
    positions
}

/// The position that a status entry names in a list of the ledger whose nodes are at these
/// addresses.
pub fn own_position<'a>(
    entry: &StatusEntry,
    addresses: impl IntoIterator<Item = &'a str>,
) -> Option<Position> {
    let own = own_list(entry)?;
    own.is_at(addresses).then_some(own.position)
}

/// Examines a credential, with the issuer's keys and positions as the ledger knows them and
/// what was handed over. A list that is not good says why; it never counts as "not revoked".
pub fn examine(
    credential: &Credential,
    handed: &HandedOver,
    facts: &Facts,
    now: UnixMillis,
) -> Presented {
    let report = prove(credential, handed, facts, ASSERTION_METHOD.into(), now);
    examine_with(credential, &report, handed, facts, now)
}

/// Checks the proofs of a credential, with the keys that the ledger knows of its issuer.
pub fn prove(
    credential: &Credential,
    handed: &HandedOver,
    facts: &Facts,
    expected: Expected<'_>,
    now: UnixMillis,
) -> ProofReport {
    let registry = Registry {
        issuer: facts.issuer_facts(credential.issuer_id()),
        documents: &handed.documents,
    };
    let moment = date_time(moment(facts, now));
    verify_proofs_expecting(credential, expected, moment, &registry)
}

/// As [`examine`], of a credential whose proofs were checked by [`prove`].
pub fn examine_with(
    credential: &Credential,
    report: &ProofReport,
    handed: &HandedOver,
    facts: &Facts,
    now: UnixMillis,
) -> Presented {
    let moment = moment(facts, now);
    let summary = credential.summary();
    let (valid_from, valid_until) = (
        credential.valid_from().map(clamped),
        credential.valid_until().map(clamped),
    );
    Presented {
        digest: digest_of(credential),
        issuer: credential.issuer_id().to_owned(),
        achievements: credential.achievements(),
        proof: with_related(proof_finding(report), credential),
        valid_from,
        valid_until,
        status_lists: list_findings(credential, handed, facts, moment),
        summary: CredentialSummary {
            name: summary.name,
            issuer: summary.issuer_id,
            issuer_name: summary.issuer_name,
            achievement: summary.achievement_id,
            achievement_name: summary.achievement_name,
            valid_from,
            valid_until,
            types: summary.types,
        },
    }
}

/// Dates before 1970 and after 9999 are the same to a check as the ends of that time.
fn clamped(time: OffsetDateTime) -> Time {
    let end = if time < OffsetDateTime::UNIX_EPOCH {
        Time::from(UnixMillis(0))
    } else {
        Time::MAX
    };
    Time::try_from(time).unwrap_or(end)
}

pub(crate) fn date_time(time: Time) -> OffsetDateTime {
    OffsetDateTime::try_from(time).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn base_of(verification_method: &str) -> (&str, Option<&str>) {
    match verification_method.split_once('#') {
        Some((base, fragment)) => (base, Some(fragment)),
        None => (verification_method, None),
    }
}

/// The keys that the ledger knows for one issuer: every key that it ever had, whether or not it
/// could speak for the issuer at a time, which is judged afterwards. For others the documents
/// that were handed over count.
struct Registry<'a> {
    issuer: Option<&'a IssuerFacts>,
    documents: &'a Documents,
}

impl KeyResolver for Registry<'_> {
    fn resolve(&self, verification_method: &str) -> Option<ResolvedKey> {
        self.of_ledger(verification_method)
    }

    fn documents(&self) -> Option<&Documents> {
        Some(self.documents)
    }

    /// A method of the issuer that does not name its key (`did:web:…#key-1`) may mean any of the
    /// issuer's keys for credentials, of whatever kind, the newest first.
    fn candidates(&self, verification_method: &str) -> Option<Candidates> {
        let issuer = self.issuer?;
        let keys = issuer.keys.iter().rev();
        let keys = keys.filter(|key| key.purposes.assertion);
        (base_of(verification_method).0 == issuer.id.as_str()).then(|| Candidates {
            controller: issuer.id.to_string(),
            keys: keys
                .filter_map(|key| key.key.to_string().parse::<Multikey>().ok())
                .collect(),
        })
    }
}

impl Registry<'_> {
    fn of_ledger(&self, verification_method: &str) -> Option<ResolvedKey> {
        let issuer = self.issuer?;
        let (base, fragment) = base_of(verification_method);
        let named = match base.strip_prefix("did:key:") {
            // `did:key:A#B` must not let key B speak for A.
            Some(key) if fragment.is_none_or(|fragment| fragment == key) => Some(key),
            Some(_) => None,
            None => fragment,
        };
        Some(ResolvedKey {
            controller: issuer.id.to_string(),
            multikey: named.filter(|key| issuer.key(key).is_some())?.to_owned(),
        })
    }
}

/// A signature also covers the digests of related resources, and says nothing good while one of
/// the resources is another or is not at hand.
fn with_related(finding: ProofFinding, credential: &Credential) -> ProofFinding {
    if finding.outcome != Outcome::Yes {
        return finding;
    }
    let (outcome, reason) = match credential.check_related() {
        Ok(()) => return finding,
        Err(error) if error.is_unknown() => (Outcome::Unknown, sentence(&error.to_string())),
        Err(error) => (Outcome::No, sentence(&error.to_string())),
    };
    ProofFinding {
        outcome,
        reason,
        ..finding
    }
}

fn proof_finding(report: &ProofReport) -> ProofFinding {
    let good = report.proofs.iter().filter(|proof| proof.result.is_ok());
    let keys = good.filter_map(signing_key).collect();
    let (outcome, reason) = match report.outcome() {
        ProofOutcome::Valid => (
            Outcome::Yes,
            "The signature is good: nothing was changed since it was signed.".to_owned(),
        ),
        ProofOutcome::Invalid => (Outcome::No, why(report)),
        ProofOutcome::Unknown => (Outcome::Unknown, why(report)),
    };
    ProofFinding {
        outcome,
        reason,
        keys,
    }
}

fn signing_key(proof: &ProofResult) -> Option<SigningKey> {
    let key = proof.key.as_ref()?;
    Some(SigningKey {
        multikey: key.multikey.clone(),
        controller: key.controller.clone(),
    })
}

fn why(report: &ProofReport) -> String {
    match report.first_error() {
        Some(error) => sentence(&error.to_string()),
        None => "It carries no signature (no proof), so anyone may have written it.".to_owned(),
    }
}

/// An error's text as a sentence.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars).chain(['.']).collect()
}

/// A status entry that names a list with the form of a ledger's URL.
struct OwnList {
    base: String,
    position: Position,
    purpose: String,
}

impl OwnList {
    fn is_at<'a>(&self, addresses: impl IntoIterator<Item = &'a str>) -> bool {
        addresses
            .into_iter()
            .any(|address| address.trim_end_matches('/') == self.base)
    }
}

fn own_list(entry: &StatusEntry) -> Option<OwnList> {
    let entry = entry.bitstring().ok()?;
    let (base, rest) = entry.list.split_once(LISTS_PATH)?;
    let (list, purpose) = rest.split_once('/')?;
    let same_purpose = purpose == entry.purpose && matches!(purpose, "revocation" | "suspension");
    let position = Position {
        list: ListNumber(list.parse().ok()?),
        index: StatusIndex(u32::try_from(entry.index).ok()?),
    };
    let readable = position.to_string().parse() == Ok(position);
    (same_purpose && readable && entry.size == 1).then(|| OwnList {
        base: base.to_owned(),
        position,
        purpose: entry.purpose.clone(),
    })
}

fn list_findings(
    credential: &Credential,
    handed: &HandedOver,
    facts: &Facts,
    moment: Time,
) -> Vec<StatusListFinding> {
    let issued = facts
        .matches
        .iter()
        .find(|one| one.issuer.as_str() == credential.issuer_id())
        .map(|one| (one.issuance.list, one.issuance.index));
    let at_hand = ListsAtHand::read(credential, handed, facts, moment);
    credential
        .status()
        .iter()
        .filter_map(|entry| {
            let nodes = || facts.node_urls.iter().map(WebUrl::as_str);
            let own = own_list(entry).filter(|own| own.is_at(nodes()));
            match own {
                // The check `status` says it.
                Some(own) if issued == Some((own.position.list, own.position.index)) => None,
                Some(own) => Some(own_finding(credential, entry, &own, facts)),
                None => Some(at_hand.finding(credential, entry)),
            }
        })
        .collect()
}

fn named_list(entry: &StatusEntry) -> (String, String) {
    match entry.bitstring() {
        Ok(entry) => (entry.list, entry.purpose),
        Err(_) => ("its credentialStatus".to_owned(), String::new()),
    }
}

/// The credential names this ledger's list, but the ledger did not issue it there: a copy
/// with another digest, for one. What stands at the position counts all the same.
fn own_finding(
    credential: &Credential,
    entry: &StatusEntry,
    own: &OwnList,
    facts: &Facts,
) -> StatusListFinding {
    let found = facts
        .positions
        .iter()
        .find(|one| one.position == own.position);
    let set = match found {
        None => Err("the ledger was not asked about that position."),
        Some(one)
            if !one.used
                || one.issuer.as_ref().map(IssuerId::as_str) != Some(credential.issuer_id()) =>
        {
            Err("its issuer issued nothing at that position of the ledger's list.")
        }
        Some(_) if !facts.reached() => Err("the ledger has not reached that time."),
        Some(one) => {
            let before = |time: Time| facts.at.is_none_or(|at| time <= at);
            let last = one.history.iter().rev().find(|fact| before(fact.time));
            let revoked = |change| match change {
                StatusChangeKind::Revoked | StatusChangeKind::Superseded { .. } => true,
                StatusChangeKind::Suspended | StatusChangeKind::Reinstated => false,
            };
            let suspended = |change| change == StatusChangeKind::Suspended;
            Ok(last.is_some_and(|fact| match own.purpose.as_str() {
                "revocation" => revoked(fact.change),
                _ => suspended(fact.change),
            }))
        }
    };
    let (list, purpose) = named_list(entry);
    StatusListFinding {
        list,
        purpose,
        set: set.map_err(|why| Unread {
            why: why.to_owned(),
            problem: problem::STATUS_VERIFICATION_ERROR,
        }),
        list_time: Some(facts.at.unwrap_or(facts.ledger.as_of)),
    }
}

/// Status list credentials that were handed over.
struct ListsAtHand<'a> {
    good: Vec<VerifiedStatusList>,
    /// Identifier and why the list does not count.
    bad: Vec<(String, Unread)>,
    handed: &'a HandedOver,
}

impl<'a> ListsAtHand<'a> {
    fn read(credential: &Credential, handed: &'a HandedOver, facts: &Facts, moment: Time) -> Self {
        let named: BTreeSet<String> = credential
            .status()
            .iter()
            .filter_map(|entry| Some(entry.bitstring().ok()?.list))
            .collect();
        let mut read = Self {
            good: Vec::new(),
            bad: Vec::new(),
            handed,
        };
        if named.is_empty() {
            return read;
        }
        for (place, list) in handed.status_lists.iter().enumerate() {
            // Lists that the credential does not name are not worth the work.
            let label = handed.labels().get(place).and_then(Option::as_ref);
            let Some(label) = label.filter(|label| named.contains(&label.id)) else {
                continue;
            };
            // Nor are those of somebody else, whose word does not count.
            if label.issuer != credential.issuer_id() {
                let error = StatusError::UntrustedIssuer {
                    issuer: label.issuer.clone(),
                };
                read.bad.push((label.id.clone(), unread(&error)));
                continue;
            }
            let verify = || verified_list(read_list(list)?, handed, facts, moment);
            match &*handed.read.get(place, verify) {
                Ok(list) => read.good.push(list.clone()),
                Err(why) => read.bad.push((label.id.clone(), why.clone())),
            }
        }
        read
    }

    fn finding(&self, credential: &Credential, entry: &StatusEntry) -> StatusListFinding {
        let (list, purpose) = named_list(entry);
        let speaks = |issuer: &str| issuer == credential.issuer_id();
        match check_status(entry, &self.good, speaks) {
            Ok(status) => StatusListFinding {
                set: Ok(status.is_set()),
                list_time: status.list_valid_from.map(clamped),
                list,
                purpose,
            },
            Err(error) => {
                let bad = self.bad.iter().find(|(id, _)| *id == list);
                let bad = bad.map(|(_, unread)| unread.clone());
                let missing = || self.handed.why_missing(&list).map(sentence);
                let unread = bad.unwrap_or_else(|| Unread {
                    why: missing().unwrap_or_else(|| format!("{error}.")),
                    problem: error.problem_type(),
                });
                StatusListFinding {
                    list,
                    purpose,
                    set: Err(unread),
                    list_time: None,
                }
            }
        }
    }
}

fn read_list(list: &Value) -> Result<Credential, Unread> {
    let read = match list {
        Value::String(jws) => Credential::from_jws(jws),
        list => Credential::from_json(list.clone()),
    };
    read.map_err(|error: CredentialError| unread(&error.into()))
}

/// A list whose proofs are good, by a key that may speak for its issuer at a time. A list is not
/// on the ledger, so nothing but its own word says when it was signed: a key that was retired or
/// is in other hands does not count, whatever date the list bears.
fn verified_list(
    credential: Credential,
    handed: &HandedOver,
    facts: &Facts,
    at: Time,
) -> Result<VerifiedStatusList, Unread> {
    let issuer = facts.issuer_facts(credential.issuer_id());
    let registry = Registry {
        issuer,
        documents: &handed.documents,
    };
    let list = StatusListCredential::from_credential(credential)
        .and_then(|list| list.verify(date_time(at), &registry))
        .map_err(|error| unread(&error))?;
    let speaks = |issuer: &IssuerFacts| {
        let keys = list.keys().iter();
        keys.filter_map(|key| issuer.key(&key.multikey)).any(|key| {
            key.purposes.assertion && key.active_at(at) && key.compromised_since.is_none()
        })
    };
    match issuer {
        Some(issuer) if !speaks(issuer) => Err(Unread {
            why: format!(
                "the status list is signed with a key that is not one of {}'s keys for \
                 credentials at that time; hand over a newer list.",
                issuer.name
            ),
            problem: problem::STATUS_VERIFICATION_ERROR,
        }),
        _ => Ok(list),
    }
}

fn unread(error: &StatusError) -> Unread {
    Unread {
        why: format!("{error}."),
        problem: error.problem_type(),
    }
}
