//! How much work the JSON-LD (or canonical JSON) of one secured document may cause, all its proofs together.
//!
//! A chain of proofs signs the document again and again, each time with other proofs inside, so
//! limits of a single canonicalisation are not enough. A document that is beyond the budget
//! cannot be checked; it is never called good or bad.

use super::RdfError;

/// Units of one document. A statement takes about 7 µs.
const UNITS_MAX: usize = 8_000;
/// Bytes of contexts that are one unit, each time that they are listed. They are cut down to the
/// words of the document ([`super::reduced`]).
const CONTEXT_BYTES_PER_UNIT: usize = 80;
/// Bytes of all contexts that make a `type` one unit dearer: it may load a context of its own.
const CONTEXT_BYTES_PER_TYPE_UNIT: usize = 1_000;
/// Bytes that statements repeat, of their subjects and properties, that are one unit. Each is
/// copied a few times.
const REPEATED_BYTES_PER_UNIT: usize = 1_024;
/// Bytes of JSON text that are one unit.
const BYTES_PER_UNIT: usize = 256;
/// Steps of telling look-alike blank nodes apart: a hash of some hundred bytes, or a look at one of
/// them. Each takes below 1 µs.
const STEPS_MAX: usize = 40_000;
/// Documents that come together may cause so many times the work of one.
const COMPANY: usize = 3;
/// Bytes of canonical JSON of one document, for the suites that hash it.
const JSON_BYTES_MAX: usize = 2 << 20;

/// What reading a document costs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// Statements that it makes.
    pub(super) statements: usize,
    /// Values of `type`.
    pub(super) types: usize,
    /// Bytes of identifiers and of names of properties, as often as a statement repeats them.
    pub(super) repeated: usize,
    /// Terms that it defines, each as often as it may be read; one unit each.
    pub(super) definitions: usize,
    /// Bytes of its text.
    pub(super) bytes: usize,
    /// Bytes of the contexts that it lists, once each.
    pub(super) context_bytes: usize,
    /// Bytes of the contexts that it lists, as often as it lists them.
    pub(super) listed_bytes: usize,
}

impl Cost {
    fn units(self) -> usize {
        self.statements
            + self.types * (1 + self.context_bytes / CONTEXT_BYTES_PER_TYPE_UNIT)
            + self.definitions
            + self.bytes / BYTES_PER_UNIT
            + self.repeated / REPEATED_BYTES_PER_UNIT
            + self.listed_bytes / CONTEXT_BYTES_PER_UNIT
    }
}

/// What is left.
#[derive(Debug)]
pub(crate) struct Budget {
    units: usize,
    steps: usize,
    json_bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            units: UNITS_MAX,
            steps: STEPS_MAX,
            json_bytes: JSON_BYTES_MAX,
        }
    }
}

impl Budget {
    /// The budget of one of so many documents that came together: all of them have three times
    /// that of one, and none more than one.
    pub(crate) fn of_company(company: usize) -> Self {
        let share = |max: usize| max.min(COMPANY * max / company.max(1));
        Self {
            units: share(UNITS_MAX),
            steps: share(STEPS_MAX),
            json_bytes: share(JSON_BYTES_MAX),
        }
    }

    /// Whether anything is left: what was refused once is not begun again.
    pub(super) fn check(&self) -> Result<(), RdfError> {
        match self.units {
            0 => Err(beyond()),
            _ => Ok(()),
        }
    }

    /// Nothing is left.
    pub(super) fn exhaust(&mut self) {
        self.units = 0;
    }

    /// Takes what reading a document costs.
    pub(super) fn read(&mut self, cost: Cost) -> Result<(), RdfError> {
        self.take(cost.units())
    }

    /// Takes steps of telling look-alike blank nodes apart; `false` when there are none left.
    pub(super) fn step(&mut self, steps: usize) -> bool {
        let left = self.steps.checked_sub(steps);
        self.steps = left.unwrap_or(0);
        left.is_some()
    }

    fn take(&mut self, units: usize) -> Result<(), RdfError> {
        self.units = self.units.checked_sub(units).ok_or_else(beyond)?;
        Ok(())
    }

    /// Whether canonical JSON may still be made.
    pub(crate) fn check_json(&self) -> Result<(), RdfError> {
        match self.json_bytes {
            0 => Err(RdfError::TooComplex {
                reason: "too much JSON, all its proofs together".into(),
            }),
            _ => Ok(()),
        }
    }

    /// Takes what canonical JSON was made.
    pub(crate) fn hashed(&mut self, bytes: usize) {
        self.json_bytes = self.json_bytes.saturating_sub(bytes);
    }
}

fn beyond() -> RdfError {
    RdfError::TooComplex {
        reason: "too much JSON-LD, all its proofs together".into(),
    }
}
