//! How much work the JSON-LD of one secured document may cause, all its proofs together.
//!
//! A chain of proofs signs the document again and again, each time with other proofs inside, so
//! limits of a single canonicalisation are not enough. A document that is beyond the budget
//! cannot be checked; it is never called good or bad.

use super::RdfError;

/// Units of one document. A statement takes about 15 µs.
const UNITS_MAX: usize = 10_000;
/// Units of a `type`: it may load a type-scoped context.
const UNITS_PER_TYPE: usize = 20;
/// Units of an entry of `@context`.
const UNITS_PER_CONTEXT: usize = 50;
/// Bytes of JSON text that are one unit.
const BYTES_PER_UNIT: usize = 256;
/// Canonicalisations of one document that have to tell look-alike blank nodes apart.
const SYMMETRIC_MAX: usize = 4;
/// Calls of Hash N-Degree Quads in one of them; a real credential needs a few.
const HNDQ_CALLS_MAX: usize = 1_000;
/// Bytes that these calls may hash, as each looks at much of the statements again.
const HNDQ_BYTES_MAX: usize = 6 << 20;

/// What is left.
#[derive(Debug)]
pub(crate) struct Budget {
    units: usize,
    symmetric: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            units: UNITS_MAX,
            symmetric: SYMMETRIC_MAX,
        }
    }
}

impl Budget {
    /// Takes what reading a document costs.
    pub(super) fn read(
        &mut self,
        statements: usize,
        types: usize,
        contexts: usize,
        bytes: usize,
    ) -> Result<(), RdfError> {
        let units = statements
            + types * UNITS_PER_TYPE
            + contexts * UNITS_PER_CONTEXT
            + bytes / BYTES_PER_UNIT;
        self.units = self.units.checked_sub(units).ok_or(RdfError::TooComplex {
            reason: "too much JSON-LD, all its proofs together".into(),
        })?;
        Ok(())
    }

    /// Calls of Hash N-Degree Quads for a document whose blank nodes have statements of so many
    /// bytes.
    pub(super) fn hndq_calls(&mut self, bytes: usize) -> Result<usize, RdfError> {
        self.symmetric = self.symmetric.checked_sub(1).ok_or(RdfError::TooComplex {
            reason: "too many proofs over parts that look alike".into(),
        })?;
        Ok(HNDQ_CALLS_MAX.min(HNDQ_BYTES_MAX / bytes.max(1)))
    }
}
