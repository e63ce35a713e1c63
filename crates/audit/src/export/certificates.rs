//! The certificates of a copy: those of its new heights, each verified by the members in force.

use std::thread;

use credlog_api::path;
use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::ids::{Height, LedgerId};
use credlog_tlog::{TILE_WIDTH, TileLevel, TreeSize, decode_bundle, encode_bundle, tile_width};

use super::members::Sets;
use super::target::Target;
use super::{BUNDLES_MAX, Begin, Copied};
use crate::error::{AuditError, ExportError};
use crate::files;
use crate::lane::{Limits, Weigh, lane};
use crate::source::Source;

/// What a copy has so far, but for its certificates.
pub(super) struct Made<'c> {
    pub(super) ledger: LedgerId,
    pub(super) begin: &'c Begin,
    pub(super) copied: &'c Copied,
    pub(super) sets: &'c Sets,
}

/// Certificates of new heights that the source has lost.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lost {
    pub(super) count: u64,
    /// That of the newest height is among them.
    pub(super) newest: bool,
}

/// A bundle of certificates that is in its place.
struct Certified(Result<Lost, ExportError>);

impl Weigh for Certified {
    fn weight(&self) -> usize {
        1
    }
}

/// Copies the certificates of the new heights.
pub(super) fn copy(
    source: &dyn Source,
    target: &Target,
    made: &Made<'_>,
) -> Result<Lost, ExportError> {
    let width = u64::from(TILE_WIDTH);
    let (before, newest) = (made.begin.height.0, made.copied.height.0);
    if before == newest {
        return Ok(Lost::default());
    }
    let indexes = before / width..newest.div_ceil(width);
    let limits = Limits {
        threads: source.readers(),
        results: BUNDLES_MAX,
        weight: usize::MAX,
    };
    thread::scope(|scope| {
        let bundles = lane(scope, limits, indexes, |index| {
            Certified(copy_bundle(source, target, made, index))
        });
        let mut all = Lost::default();
        for bundle in bundles {
            let lost = bundle.0?;
            all.count += lost.count;
            all.newest |= lost.newest;
        }
        Ok(all)
    })
}

fn copy_bundle(
    source: &dyn Source,
    target: &Target,
    made: &Made<'_>,
    index: u64,
) -> Result<Lost, ExportError> {
    let (before, newest) = (made.begin.height, made.copied.height);
    let first = index * u64::from(TILE_WIDTH) + 1;
    let width = tile_width(TileLevel::Entries, index, TreeSize(newest.0));
    let at = path::certificate_bundle(index, width);
    let at = at.map_err(|error| crate::piece::path_error(&error))?;
    let Some(found) = files::certificates(source, index, width)? else {
        return Err(AuditError::Missing { path: at }.into());
    };
    let untrue = |reason: String| ExportError::Untrue {
        path: found.path.clone(),
        reason,
    };
    let served = decode_bundle(&found.bytes).map_err(|error| untrue(error.to_string()))?;
    let served = served.get(..usize::from(width));
    let served = served.ok_or_else(|| untrue("it has too few certificates".to_owned()))?;
    // What the copy has already stays: this source may have lost some of it.
    let mut entries = target.certificates(index, before)?;
    let mut lost = Lost::default();
    for (height, entry) in (first..).map(Height).zip(served).skip(entries.len()) {
        let changes = made.sets.change_at(height.next());
        match check(made, height, entry) {
            Ok(true) => {}
            // Who is in force from there on would be this source's word alone.
            Ok(false) if changes && before > Height(0) => {
                return Err(untrue(format!(
                    "the members change with height {height}, and its certificate is lost here"
                )));
            }
            Ok(false) => {
                lost.count += 1;
                lost.newest |= height == newest;
            }
            Err(reason) => return Err(untrue(reason)),
        }
        entries.push(entry.to_vec());
    }
    let bytes = encode_bundle(&entries).map_err(|error| untrue(error.to_string()))?;
    target.write(&at, &bytes)?;
    Ok(lost)
}

/// Whether there is a certificate; it is that of the copied log, by the members in force.
fn check(made: &Made<'_>, height: Height, entry: &[u8]) -> Result<bool, String> {
    if entry.is_empty() {
        return Ok(false);
    }
    let certificate = CommitCertificate::from_bytes(entry).map_err(|error| error.to_string())?;
    let at = usize::try_from(height.0 - made.begin.height.0 - 1).unwrap_or(usize::MAX);
    let value = made.copied.values.get(at);
    let (Some(value), true) = (value, certificate.height == height) else {
        return Err(format!(
            "it has no certificate of height {height} in its place"
        ));
    };
    let members = made.sets.at(height);
    let members = members.ok_or_else(|| format!("no members are known for height {height}"))?;
    let verified = certificate.verify(&made.ledger, members, value);
    verified.map_err(|error| format!("the certificate of height {height} is wrong: {error}"))?;
    Ok(true)
}
