//! Testimony verified: every signature of it, against the members of its time.
//!
//! For `check` and `rebuild`, which do not trust that it was verified before it was kept.

use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::evidence::Equivocation;
use credlog_ledger::ids::Height;
use credlog_ledger::member::MemberSet;
use credlog_ledger::state::{MemoryState, State, View};
use credlog_ledger::transition::Executed;
use credlog_tlog::{SignatureKind, VerifierKey};

use crate::cell::{self, Kind, after_prefix, certificate_key, cosignatures_key, testimony_key};
use crate::check::CheckReport;
use crate::fault::Fault;
use crate::generation::{Cells, RawCell};
use crate::testimony::{Cosignatures, EvidenceList, read_certificate};
use credlog_ledger::state::StateDigest;

/// Cells read at a time.
const CHUNK_CELLS: usize = 512;

/// The certificate of a block, given the state before it; nothing where it is known to be lost.
pub(crate) fn certificate(
    cells: Cells<'_>,
    before: &dyn View,
    executed: &Executed,
) -> Result<Option<CommitCertificate>, Fault> {
    let height = executed.seal.height;
    let fault =
        |what: String| Fault::damaged(format!("the certificate of height {height}: {what}"));
    let bytes = cells.value(&certificate_key(height))?;
    let bytes = bytes.ok_or_else(|| fault("it is missing".to_owned()))?;
    let Some(certificate) = read_certificate(height, &bytes)? else {
        return Ok(None);
    };
    let state = State(before);
    let verified = certificate.verify(
        &state.ledger()?.id,
        &state.members()?,
        &executed.value_id()?,
    );
    verified.map_err(|error| fault(error.to_string()))?;
    Ok(Some(certificate))
}

/// The cosignatures of the checkpoint after a block, given the state after it; nothing if there
/// are none.
pub(crate) fn cosignatures(
    cells: Cells<'_>,
    after: &dyn View,
    executed: &Executed,
) -> Result<Option<Cosignatures>, Fault> {
    let size = executed.size.0;
    let fault = |what: String| Fault::damaged(format!("the cosignatures of size {size}: {what}"));
    let Some(bytes) = cells.value(&cosignatures_key(size))? else {
        return Ok(None);
    };
    let found = Cosignatures::from_bytes(size, &bytes)?;
    let members = State(after).members()?;
    let keys = cosigner_keys(&members, executed).map_err(fault)?;
    let body = executed.checkpoint()?.body();
    for line in &found.lines {
        let verified = keys.iter().any(|key| line.verify(key, &body).is_ok());
        if !verified {
            return Err(fault(format!(
                "the line of {} does not verify",
                line.name()
            )));
        }
    }
    Ok(Some(found))
}

fn cosigner_keys(members: &MemberSet, executed: &Executed) -> Result<Vec<VerifierKey>, String> {
    let keys = members.members().iter().map(|seat| {
        let key = &seat.member.keys.cosigner.key;
        let key = key.as_ed25519().ok_or("a cosigner key is no Ed25519 key")?;
        let name = seat.cosigner_name(&executed.origin);
        VerifierKey::new(&name, SignatureKind::CosignatureV1, key)
            .map_err(|error| error.to_string())
    });
    keys.collect()
}

/// All evidence that verifies, given the newest state; and what is wrong with the rest.
pub(crate) fn evidence(
    cells: Cells<'_>,
    newest: &dyn View,
) -> Result<(EvidenceList, Vec<(String, Fault)>), Fault> {
    let (mut list, mut damaged) = (EvidenceList::default(), Vec::new());
    for (key, raw) in raw_cells(cells, Kind::Evidence, Kind::Evidence)? {
        let read = cell::open(&key, &raw).and_then(|value| {
            let mut one = EvidenceList::default();
            one.read(&key, value)?;
            one.all()
                .iter()
                .try_for_each(|evidence| verify_evidence(evidence, newest))?;
            list.read(&key, value)
        });
        if let Err(fault) = read {
            damaged.push((cell::describe(&key), fault));
        }
    }
    Ok((list, damaged))
}

fn verify_evidence(evidence: &Equivocation, newest: &dyn View) -> Result<(), Fault> {
    let state = State(newest);
    let before = Height(evidence.conflict.height().0.saturating_sub(1));
    // Of a height beyond the next one the members are not known.
    if before > state.head()?.height {
        return Ok(());
    }
    let missing = || Fault::damaged(format!("the members after height {before} are missing"));
    let members = state.members_at(before)?.ok_or_else(missing)?;
    let verified = evidence.verify(&state.ledger()?.id, &members);
    verified.map_err(|error| Fault::damaged(error.to_string()))
}

fn raw_cells(cells: Cells<'_>, first: Kind, last: Kind) -> Result<Vec<RawCell>, Fault> {
    let end = after_prefix(&[last as u8]);
    let (mut all, mut next) = (Vec::new(), Some(vec![first as u8]));
    while let Some(start) = next {
        let (found, more) = cells.raw_chunk(&start, end.as_deref(), CHUNK_CELLS)?;
        all.extend(found);
        next = more;
    }
    Ok(all)
}

/// Counts the certificate of a block, or finds what is wrong with it.
pub(crate) fn check_certificate(
    cells: Cells<'_>,
    before: &MemoryState,
    executed: &Executed,
    report: &mut CheckReport,
) -> Result<(), Fault> {
    match certificate(cells, before, executed) {
        Ok(Some(_)) => report.certificates += 1,
        Ok(None) => report.certificates_missing += 1,
        Err(fault @ Fault::Environment { .. }) => return Err(fault),
        Err(fault) => {
            let place = cell::describe(&certificate_key(executed.seal.height));
            report.find(place, fault);
        }
    }
    Ok(())
}

/// Counts the cosignatures of the checkpoint after a block, or finds what is wrong with them.
pub(crate) fn check_cosignatures(
    cells: Cells<'_>,
    after: &MemoryState,
    executed: &Executed,
    report: &mut CheckReport,
) -> Result<(), Fault> {
    match cosignatures(cells, after, executed) {
        Ok(found) => report.cosignatures += found.map_or(0, |found| found.lines.len() as u64),
        Err(fault @ Fault::Environment { .. }) => return Err(fault),
        Err(fault) => {
            let place = cell::describe(&cosignatures_key(executed.size.0));
            report.find(place, fault);
        }
    }
    Ok(())
}

/// Finds what is wrong with the evidence.
pub(crate) fn check_evidence(
    cells: Cells<'_>,
    newest: &MemoryState,
    report: &mut CheckReport,
) -> Result<(), Fault> {
    for (place, fault) in evidence(cells, newest)?.1 {
        report.find(place, fault);
    }
    Ok(())
}

/// Compares all testimony with its digest: the one thing that tells that some is lost.
pub(crate) fn check_testimony_digest(
    cells: Cells<'_>,
    report: &mut CheckReport,
) -> Result<(), Fault> {
    let mut digest = StateDigest::default();
    let end = after_prefix(&[Kind::Evidence as u8]);
    let mut next = Some(vec![Kind::Certificate as u8]);
    while let Some(start) = next {
        let (found, more) = cells.raw_chunk(&start, end.as_deref(), CHUNK_CELLS)?;
        for (key, raw) in found {
            // What is garbled is a finding of its own.
            if let Ok(value) = cell::open(&key, &raw) {
                digest.add(&key, value);
            }
        }
        next = more;
    }
    match cells.value(&testimony_key()) {
        Ok(Some(stored)) if stored == digest.to_bytes() => {}
        Ok(Some(_)) => report.find("the testimony", "some of it is lost or garbled"),
        Ok(None) => report.find("the testimony", "its digest is missing"),
        Err(fault) => report.find("the testimony", fault),
    }
    Ok(())
}
