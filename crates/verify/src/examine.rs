//! Examining a credential: its proofs, its status lists elsewhere, its own dates.

use std::collections::BTreeSet;

use credlog_credential::{
    Candidates, Credential, KeyResolver, Multikey, Outcome as ProofOutcome, ProofReport,
    ProofResult, ResolvedKey, StatusEntry, StatusListCredential, VerifiedStatusList, check_status,
    verify_proofs,
};
use credlog_ledger::ids::{Digest, IssuerId, ListNumber, StatusIndex, UnixMillis};
use credlog_ledger::rows::StatusChangeKind;
use serde_json::Value;
use time::OffsetDateTime;

use crate::facts::{Facts, IssuerFacts, POSITIONS_MAX, Position};
use crate::judge::{JudgeError, judge, moment};
use crate::presented::{Presented, ProofFinding, SigningKey, StatusListFinding, Subject};
use crate::timestamp::Time;
use crate::verdict::{CredentialSummary, Outcome, Verdict};

/// Path of a ledger's status lists below the address of a node.
const LISTS_PATH: &str = "/v1/status-lists/";

/// Examines a credential and judges it: [`examine`], then [`judge`].
///
/// # Errors
/// [`JudgeError`] if the facts are not about this credential.
pub fn verify(
    credential: &Credential,
    status_lists: &[Value],
    facts: &Facts,
    now: UnixMillis,
) -> Result<Verdict, JudgeError> {
    let presented = examine(credential, status_lists, facts, now);
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

/// Examines a credential, with the issuer's keys and positions as the ledger knows them and
/// status list credentials that were handed over. A list that is not good says why; it never
/// counts as "not revoked".
pub fn examine(
    credential: &Credential,
    status_lists: &[Value],
    facts: &Facts,
    now: UnixMillis,
) -> Presented {
    let moment = moment(facts, now);
    let issuer = facts.issuer_facts(credential.issuer_id());
    let summary = credential.summary();
    let (valid_from, valid_until) = (
        credential.valid_from().map(clamped),
        credential.valid_until().map(clamped),
    );
    Presented {
        digest: digest_of(credential),
        issuer: credential.issuer_id().to_owned(),
        achievements: credential.achievements(),
        proof: with_related(
            proof_finding(&verify_proofs(
                credential,
                date_time(moment),
                &Registry { issuer },
            )),
            credential,
        ),
        valid_from,
        valid_until,
        status_lists: list_findings(credential, status_lists, facts, moment),
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

fn date_time(time: Time) -> OffsetDateTime {
    OffsetDateTime::try_from(time).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn base_of(verification_method: &str) -> (&str, Option<&str>) {
    match verification_method.split_once('#') {
        Some((base, fragment)) => (base, Some(fragment)),
        None => (verification_method, None),
    }
}

/// The keys that the ledger knows for one issuer: every key that it ever had. Whether a key
/// could speak for the issuer at a time is judged afterwards.
struct Registry<'a> {
    issuer: Option<&'a IssuerFacts>,
}

impl KeyResolver for Registry<'_> {
    fn resolve(&self, verification_method: &str) -> Option<ResolvedKey> {
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
fn sentence(text: &str) -> String {
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
    lists: &[Value],
    facts: &Facts,
    moment: Time,
) -> Vec<StatusListFinding> {
    let issued = facts
        .matches
        .iter()
        .find(|one| one.issuer.as_str() == credential.issuer_id())
        .map(|one| (one.issuance.list, one.issuance.index));
    let named: BTreeSet<String> = credential
        .status()
        .iter()
        .filter_map(|entry| Some(entry.bitstring().ok()?.list))
        .collect();
    // Lists that the credential does not name are not worth the work.
    let wanted = lists
        .iter()
        .filter(|list| list["id"].as_str().is_some_and(|id| named.contains(id)));
    let at_hand = ListsAtHand::read(wanted, facts, moment);
    credential
        .status()
        .iter()
        .filter_map(|entry| {
            let own = own_list(entry).filter(|own| is_of_this_ledger(own, facts));
            match own {
                // The check `status` says it.
                Some(own) if issued == Some((own.position.list, own.position.index)) => None,
                Some(own) => Some(own_finding(credential, entry, &own, facts)),
                None => Some(at_hand.finding(credential, entry)),
            }
        })
        .collect()
}

fn is_of_this_ledger(own: &OwnList, facts: &Facts) -> bool {
    facts
        .node_urls
        .iter()
        .any(|url| url.as_str().trim_end_matches('/') == own.base)
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
        None => Err("the ledger was not asked about that position.".to_owned()),
        Some(one)
            if !one.used
                || one.issuer.as_ref().map(IssuerId::as_str) != Some(credential.issuer_id()) =>
        {
            Err("its issuer issued nothing at that position of the ledger's list.".to_owned())
        }
        Some(_) if !facts.reached() => Err("the ledger has not reached that time.".to_owned()),
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
        set,
        list_time: Some(facts.at.unwrap_or(facts.ledger.as_of)),
    }
}

/// Status list credentials that were handed over.
struct ListsAtHand {
    good: Vec<VerifiedStatusList>,
    /// Identifier (as far as it can be read) and why the list does not count.
    bad: Vec<(Option<String>, String)>,
}

impl ListsAtHand {
    fn read<'l>(lists: impl Iterator<Item = &'l Value>, facts: &Facts, moment: Time) -> Self {
        let mut read = Self {
            good: Vec::new(),
            bad: Vec::new(),
        };
        for list in lists {
            let id = list.get("id").and_then(Value::as_str).map(str::to_owned);
            match verified_list(list, facts, moment) {
                Ok(list) => read.good.push(list),
                Err(why) => read.bad.push((id, why)),
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
                let bad = self
                    .bad
                    .iter()
                    .find(|(id, _)| id.as_deref() == Some(list.as_str()));
                let why = bad.map_or_else(|| format!("{error}."), |(_, why)| why.clone());
                StatusListFinding {
                    list,
                    purpose,
                    set: Err(why),
                    list_time: None,
                }
            }
        }
    }
}

/// A list whose proofs are good, by a key that may speak for its issuer at a time. A list is not
/// on the ledger, so nothing but its own word says when it was signed: a key that was retired or
/// is in other hands does not count, whatever date the list bears.
fn verified_list(list: &Value, facts: &Facts, at: Time) -> Result<VerifiedStatusList, String> {
    let explain = |error: &dyn std::fmt::Display| format!("{error}.");
    let credential = Credential::from_json(list.clone()).map_err(|error| explain(&error))?;
    let issuer = facts.issuer_facts(credential.issuer_id());
    let registry = Registry { issuer };
    let list = StatusListCredential::from_credential(credential)
        .and_then(|list| list.verify(date_time(at), &registry))
        .map_err(|error| explain(&error))?;
    let speaks = |issuer: &IssuerFacts| {
        let keys = list.keys().iter();
        keys.filter_map(|key| issuer.key(&key.multikey)).any(|key| {
            key.purposes.assertion && key.active_at(at) && key.compromised_since.is_none()
        })
    };
    match issuer {
        Some(issuer) if !speaks(issuer) => Err(format!(
            "the status list is signed with a key that is not one of {}'s keys for credentials \
             at that time; hand over a newer list.",
            issuer.name
        )),
        _ => Ok(list),
    }
}
