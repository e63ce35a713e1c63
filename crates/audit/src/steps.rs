//! The steps of a walk, one after the other, out of batches.

use std::collections::VecDeque;
use std::iter::Zip;
use std::vec::IntoIter;

use credlog_ledger::record::EncodedRecord;

use crate::batch::Batch;
use crate::certificates::Certificates;
use crate::error::AuditError;
use crate::piece::Piece;
use crate::step::Step;
use crate::walk::Walk;

/// The steps of a walk, for threads that check certificates.
pub(crate) struct Steps<'w, 's, 'c, B> {
    walk: &'w mut Walk<'s>,
    batches: B,
    certificates: Certificates<'c>,
    batch: Option<Rest>,
    steps: VecDeque<Step>,
    stopped: bool,
}

/// What is left of a batch.
struct Rest {
    pieces: IntoIter<Piece>,
    records: Zip<IntoIter<EncodedRecord>, IntoIter<Option<[u8; 32]>>>,
}

impl<'w, 's, 'c, B> Steps<'w, 's, 'c, B> {
    pub(crate) fn new(walk: &'w mut Walk<'s>, batches: B, certificates: Certificates<'c>) -> Self {
        let steps = VecDeque::from([walk.founders()]);
        Self {
            walk,
            batches,
            certificates,
            batch: None,
            steps,
            stopped: false,
        }
    }
}

impl<B: Iterator<Item = Result<Batch, AuditError>>> Iterator for Steps<'_, '_, '_, B> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            if let Some(step) = self.steps.pop_front() {
                self.stopped |= step.stopped.is_some();
                return Some(step);
            }
            if self.stopped {
                return None;
            }
            if let Some(batch) = &mut self.batch
                && let Some(mut piece) = batch.pieces.next()
            {
                let records = &mut batch.records;
                let mut records = records.map(|(record, key)| (record, key.is_some()));
                let certificates = &mut self.certificates;
                let steps = self.walk.piece(&mut piece, &mut records, certificates);
                self.steps.extend(steps);
                continue;
            }
            self.batch = match self.batches.next()? {
                Ok(batch) => Some(Rest {
                    pieces: batch.pieces.into_iter(),
                    records: batch.records.into_iter().zip(batch.keys),
                }),
                Err(error) => {
                    self.steps.push_back(Step {
                        stopped: Some(error),
                        ..Step::default()
                    });
                    None
                }
            };
        }
    }
}
