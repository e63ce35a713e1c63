//! Commit certificates in the order of heights, read ahead.

use std::thread::Scope;

use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::ids::Height;
use credlog_tlog::{TILE_WIDTH, decode_bundle};

use crate::error::AuditError;
use crate::files;
use crate::lane::{Lane, Limits, Weigh, lane};
use crate::source::Source;

/// Bundles are read ahead, few at a time: the log is what takes long.
const LIMITS: Limits = Limits {
    threads: 2,
    results: 4,
    weight: 16 << 20,
};

/// What is served as the certificate of a height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Served {
    /// A certificate, not yet verified.
    Certificate(CommitCertificate),
    /// The source has lost it, or never had it.
    Nothing,
    /// Bytes that are none.
    Bad {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

/// The certificates of 256 heights, or why there are none.
pub(crate) struct Bundle(Result<Option<Vec<Served>>, AuditError>);

impl Weigh for Bundle {
    fn weight(&self) -> usize {
        match &self.0 {
            Ok(Some(served)) => served.len() * 1_024,
            _ => 1,
        }
    }
}

/// Certificates by height, asked for in ascending order.
pub(crate) struct Certificates<'s> {
    source: &'s dyn Source,
    bundles: Box<dyn Iterator<Item = Bundle> + Send + 's>,
    /// Number of the bundle at hand, and what it holds.
    index: Option<u64>,
    current: Option<Vec<Served>>,
}

impl<'scope> Certificates<'scope> {
    /// Begins to read the certificates up to a height.
    pub(crate) fn read(
        scope: &'scope Scope<'scope, '_>,
        source: &'scope dyn Source,
        newest: Height,
    ) -> Self {
        let bundles = newest.0.div_ceil(u64::from(TILE_WIDTH));
        let results: Lane<_, Bundle> = lane(scope, LIMITS, 0..bundles, move |index| {
            let left = newest.0 - index * u64::from(TILE_WIDTH);
            let width = u16::try_from(left).map_or(TILE_WIDTH, |left| left.min(TILE_WIDTH));
            Bundle(read(source, index, width))
        });
        Self {
            source,
            bundles: Box::new(results),
            index: None,
            current: None,
        }
    }

    /// What is served for a height.
    ///
    /// # Errors
    /// [`AuditError::Source`].
    pub(crate) fn of(&mut self, height: Height) -> Result<Served, AuditError> {
        let Some(number) = height.0.checked_sub(1) else {
            return Ok(Served::Nothing);
        };
        let (index, at) = (
            number / u64::from(TILE_WIDTH),
            number % u64::from(TILE_WIDTH),
        );
        while self.index.is_none_or(|read| read < index) {
            self.index = Some(self.index.map_or(0, |read| read + 1));
            // What cannot be read is asked for one by one.
            self.current = None;
            self.current = match self.bundles.next() {
                Some(Bundle(bundle)) => bundle?,
                // More heights than the last seal says.
                None => read(self.source, index, TILE_WIDTH)?,
            };
        }
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        match self.current.as_mut().and_then(|bundle| bundle.get_mut(at)) {
            Some(served) => Ok(std::mem::replace(served, Served::Nothing)),
            None => self.alone(height),
        }
    }

    /// Of a source without bundles.
    fn alone(&self, height: Height) -> Result<Served, AuditError> {
        let bytes = files::certificate(self.source, height)?;
        let path = credlog_api::path::certificate(height);
        Ok(bytes.map_or(Served::Nothing, |bytes| decode(&bytes, &path)))
    }
}

fn read(source: &dyn Source, index: u64, width: u16) -> Result<Option<Vec<Served>>, AuditError> {
    let Some(found) = files::certificates(source, index, width)? else {
        return Ok(None);
    };
    let expected = found.width;
    let bad = |reason: String| {
        let path = found.path.clone();
        vec![Served::Bad { path, reason }; usize::from(width.max(expected))]
    };
    let entries = match decode_bundle(&found.bytes) {
        Ok(entries) if entries.len() == usize::from(expected) => entries,
        Ok(entries) => {
            let count = entries.len();
            return Ok(Some(bad(format!(
                "the bundle has {count} certificates, its path says {expected}"
            ))));
        }
        Err(error) => return Ok(Some(bad(format!("the bundle is cut off: {error}")))),
    };
    let served = entries.into_iter();
    Ok(Some(
        served.map(|entry| decode(entry, &found.path)).collect(),
    ))
}

fn decode(bytes: &[u8], path: &str) -> Served {
    if bytes.is_empty() {
        return Served::Nothing;
    }
    match CommitCertificate::from_bytes(bytes) {
        Ok(certificate) => Served::Certificate(certificate),
        Err(error) => Served::Bad {
            path: path.to_owned(),
            reason: error.to_string(),
        },
    }
}
