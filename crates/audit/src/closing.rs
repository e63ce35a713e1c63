//! What is checked when the log has been walked along: its newest checkpoint, and the status
//! lists that are published for others.

use credlog_api::client::STATUS_LIST_BYTES_MAX;
use credlog_api::{Time, path};
use credlog_credential::{NoRegistry, StatusListCredential};
use credlog_ledger::attestation::Attestation;
use credlog_ledger::ids::{Height, ListNumber, MemberId, Origin, UnixMillis};
use credlog_ledger::member::MemberSet;
use credlog_ledger::state::{State, View};
use credlog_tlog::{Checkpoint, Hash, Note, SignatureKind, TreeSize, VerifierKey};
use credlog_verify::published::{Purpose, status_bits};

use crate::error::AuditError;
use crate::finding::{Finding, Kind};
use crate::source::Source;
use crate::state::AuditState;

/// A seal may be this much ahead of a node's clock (rule R1), and with it what a list says of its
/// own age.
const CLOCK_MS: u64 = 10_000;

/// Who signed the newest checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) cosigned: Vec<MemberId>,
    pub(crate) quorum: usize,
    pub(crate) as_of: Option<UnixMillis>,
    /// The member whose node serves it.
    pub(crate) served_by: Option<MemberId>,
}

/// Compares the newest checkpoint with the log.
pub(crate) fn compare(
    checkpoint: &Checkpoint,
    (size, root): (TreeSize, Hash),
    height: Height,
) -> Option<Finding> {
    if (checkpoint.size(), checkpoint.root()) == (size, root) {
        return None;
    }
    let text = "the newest checkpoint has another root than the log";
    let finding = Finding::new(Kind::Checkpoint, text).height(height);
    let finding = finding.file(path::CHECKPOINT).shows("expected", root);
    Some(finding.shows("found", checkpoint.root()))
}

/// Checks the signatures of the newest checkpoint by the members that its seal names.
pub(crate) fn signatures(
    note: &Note,
    checkpoint: &Checkpoint,
    members: &MemberSet,
    origin: &Origin,
) -> (Signed, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut signed = Signed {
        quorum: members.quorum(),
        ..Signed::default()
    };
    let wrong = |kind, text: String| Finding::new(kind, text).file(path::CHECKPOINT);
    for line in note.signatures() {
        for seat in members.members() {
            let Some(key) = seat.member.keys.node.key.as_ed25519() else {
                continue;
            };
            let key = VerifierKey::new(origin.as_str(), SignatureKind::Ed25519, key);
            let Ok(key) = key else {
                continue;
            };
            if line.name() != key.name() || line.key_id() != key.id() {
                continue;
            }
            let member = &seat.member.id;
            if line.verify(&key, note.text()).is_ok() {
                signed.served_by = Some(member.clone());
            } else {
                let text = format!("the signature by the node of member {member} does not verify");
                findings.push(wrong(Kind::Checkpoint, text).shows("member", member));
            }
        }
    }
    match Attestation::of(members, origin, checkpoint, note.signatures()) {
        Ok(attestation) => {
            let cosigned = attestation.cosigned().iter();
            signed.cosigned = cosigned.map(|one| one.member.clone()).collect();
            signed.as_of = attestation.as_of();
            if !attestation.is_quorum() {
                let (found, quorum) = (signed.cosigned.len(), signed.quorum);
                let text = format!(
                    "the newest checkpoint is cosigned by {found} members, a quorum is {quorum}: \
                     it is not attested"
                );
                let finding = wrong(Kind::Cosignatures, text).shows("expected", quorum);
                findings.push(finding.shows("found", found));
            }
        }
        Err(error) => findings.push(wrong(Kind::Cosignatures, error.to_string())),
    }
    (signed, findings)
}

/// What came of comparing status lists.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    pub(crate) compared: u64,
    /// Lists that say of themselves that they are newer than the log that was read.
    pub(crate) newer: u64,
    pub(crate) findings: Vec<Finding>,
    pub(crate) gaps: Vec<AuditError>,
}

/// Compares the status lists that are published with the state.
pub(crate) fn status_lists(source: &dyn Source, state: &AuditState) -> Lists {
    let mut out = Lists::default();
    let head = match State(state).head() {
        Ok(head) => head,
        Err(error) => {
            let reason = error.to_string();
            out.gaps.push(AuditError::State { reason });
            return out;
        }
    };
    let mut missing = None;
    for list in (0..head.status_lists).map(ListNumber) {
        for purpose in [Purpose::Revocation, Purpose::Suspension] {
            let path = path::signed_status_list(list, purpose);
            let bytes = match source.read(&path, STATUS_LIST_BYTES_MAX) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => {
                    missing.get_or_insert(path);
                    continue;
                }
                Err(error) => {
                    out.gaps.push(error.into());
                    return out;
                }
            };
            match one(&bytes, state, (list, purpose), head.time) {
                Ok(true) => out.compared += 1,
                Ok(false) => out.newer += 1,
                Err(text) => out
                    .findings
                    .push(Finding::new(Kind::StatusList, text).file(path)),
            }
        }
    }
    // A copy may be without any; one that has some has all.
    let is_published = out.compared + out.newer > 0 || !out.findings.is_empty();
    if let Some(path) = missing.filter(|_| is_published) {
        out.gaps.push(AuditError::Missing { path });
    }
    out
}

/// Whether a list could be compared with the state, and is true. Whoever signed it: an observer
/// serves lists too, by its own key, and what they say must be true as well.
fn one(
    bytes: &[u8],
    state: &AuditState,
    (list, purpose): (ListNumber, Purpose),
    newest: UnixMillis,
) -> Result<bool, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let parsed = StatusListCredential::parse(bytes).map_err(|error| text(&error))?;
    let valid_from = parsed.credential().valid_from();
    let at = valid_from.ok_or("the list does not say from when it counts")?;
    let verified = parsed
        .verify(at, &NoRegistry)
        .map_err(|error| text(&error))?;
    if !verified.has_purpose(purpose.as_str()) {
        return Err(format!("the list is not for {purpose}"));
    }
    let nanos = at.unix_timestamp_nanos() / 1_000_000;
    let since = UnixMillis(u64::try_from(nanos).map_err(|_| "the list is older than 1970")?);
    let said = verified.bitstring().as_bytes();
    if since > newest {
        // Of what a newer list says, only that what is revoked stays so can be compared.
        if purpose == Purpose::Revocation {
            let revoked = bits_at(state, list, purpose, newest)?.unwrap_or_default();
            let mut bytes = revoked.iter().zip(said);
            if said.len() < revoked.len() || bytes.any(|(revoked, said)| revoked & !said != 0) {
                return Err(format!(
                    "the list of {} lacks what the ledger has revoked before",
                    Time::from(since)
                ));
            }
        }
        return Ok(false);
    }
    let moments = [since, since.plus(CLOCK_MS), newest];
    for moment in moments {
        if bits_at(state, list, purpose, moment)?.as_deref() == Some(said) {
            return Ok(true);
        }
    }
    Err(format!(
        "the list says of {} something else than the ledger",
        Time::from(since)
    ))
}

/// The bits of a list as of a time.
fn bits_at(
    state: &dyn View,
    list: ListNumber,
    purpose: Purpose,
    at: UnixMillis,
) -> Result<Option<Vec<u8>>, String> {
    let seal = State(state)
        .seal_not_after(at)
        .map_err(|error| error.to_string())?;
    let Some(seal) = seal else {
        return Ok(None);
    };
    let bits = status_bits(state, list, purpose, Some(seal.height));
    let bits = bits.map_err(|error| error.to_string())?;
    Ok(bits.map(|bits| bits.as_bytes().to_vec()))
}
