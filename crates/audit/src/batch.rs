//! Records of many pieces, whose signatures are checked together.
//!
//! Which key a record is signed with follows from the records before it. So keys are collected
//! in the order of the log, ahead of the rules; the rules later ask whether the key was the
//! author's and active, and check anew what was marked by no key or by another one.

use std::collections::HashMap;

use credlog_ledger::body::{Action, Body, KeyChange, NewKey};
use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::KeyId;
use credlog_ledger::key::PublicKey;
use credlog_ledger::member::Member;
use credlog_ledger::record::EncodedRecord;
use credlog_ledger::signature::verify_batch;

use crate::error::AuditError;
use crate::lane::Weigh;
use crate::piece::Piece;

/// Records whose signatures are checked together: beyond a few thousand a batch gains nothing.
pub(crate) const RECORDS_MAX: usize = 4_096;
/// Weight at which a batch is full whatever it holds.
const WEIGHT_MAX: usize = 8 << 20;

/// Keys that are remembered, 64 MiB or so. Whoever serves a log may make up keys without end;
/// a record by a key that is not remembered is checked later, when its block is executed.
const KEYS_MAX: usize = 1 << 20;

/// Keys that records of the log, or its genesis, have registered so far.
#[derive(Debug, Default)]
pub(crate) struct Keys(HashMap<KeyId, [u8; 32]>);

impl Keys {
    pub(crate) fn of(genesis: &Genesis) -> Self {
        let mut keys = Self::default();
        genesis
            .members
            .iter()
            .for_each(|one| keys.learn_member(one));
        keys
    }

    fn find(&self, key: &KeyId) -> Option<[u8; 32]> {
        self.0.get(key).copied()
    }

    fn learn(&mut self, record: &EncodedRecord) {
        match &record.record().body {
            Body::Accredit(accredit) => {
                let Some(registration) = &accredit.registration else {
                    return;
                };
                self.learn_key(&registration.recovery.key);
                self.learn_new(&registration.keys);
            }
            Body::RotateKeys(change) | Body::ReplaceIssuerKeys { change, .. } => {
                let KeyChange { add, .. } = change;
                self.learn_new(add);
            }
            Body::Propose {
                action: Action::AddMember { member } | Action::ReplaceMemberKeys { member },
            } => self.learn_member(member),
            _ => {}
        }
    }

    fn learn_new(&mut self, keys: &[NewKey]) {
        keys.iter().for_each(|one| self.learn_key(&one.proven.key));
    }

    fn learn_member(&mut self, member: &Member) {
        self.learn_key(&member.keys.governance.key);
    }

    fn learn_key(&mut self, key: &PublicKey) {
        if let Some(bytes) = key.as_ed25519()
            && self.0.len() < KEYS_MAX
        {
            self.0.insert(key.id(), *bytes);
        }
    }
}

/// Pieces with their records, and the key of each as far as it is known.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) records: Vec<EncodedRecord>,
    pub(crate) keys: Vec<Option<[u8; 32]>>,
}

impl Weigh for Result<Batch, AuditError> {
    fn weight(&self) -> usize {
        self.as_ref().map_or(1, |batch| {
            batch.pieces.iter().map(Piece::weight).sum::<usize>()
        })
    }
}

impl Batch {
    /// Checks all signatures of known keys, and marks the records that verify.
    pub(crate) fn verify(mut self) -> Self {
        verify_batch(&mut self.records, &self.keys);
        self
    }
}

/// Gathers pieces to batches, in the order of the log.
pub(crate) struct Batches<P> {
    pieces: P,
    keys: Keys,
    /// An error came: it ends the log.
    ended: Option<AuditError>,
}

impl<P> Batches<P> {
    pub(crate) fn new(pieces: P, keys: Keys) -> Self {
        let ended = None;
        Self {
            pieces,
            keys,
            ended,
        }
    }
}

impl<P: Iterator<Item = Result<Piece, AuditError>>> Iterator for Batches<P> {
    type Item = Result<Batch, AuditError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.ended.take() {
            return Some(Err(error));
        }
        let mut batch = Batch {
            pieces: Vec::new(),
            records: Vec::with_capacity(RECORDS_MAX),
            keys: Vec::with_capacity(RECORDS_MAX),
        };
        let mut weight = 0;
        for piece in self.pieces.by_ref() {
            let mut piece = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    self.ended = Some(error);
                    break;
                }
            };
            weight += piece.weight();
            for record in &piece.records {
                // A record never signs with a key that it brings itself.
                batch.keys.push(self.keys.find(&record.record().author.key));
                self.keys.learn(record);
            }
            batch.records.append(&mut piece.records);
            batch.pieces.push(piece);
            if batch.records.len() >= RECORDS_MAX || weight >= WEIGHT_MAX {
                break;
            }
        }
        if !batch.pieces.is_empty() {
            return Some(Ok(batch));
        }
        self.ended.take().map(Err)
    }
}
