//! Record signatures by the ZIP 215 rule, one by one and in batches.
//!
//! Only that rule makes both ways always agree; with any other a crafted signature could
//! pass in one node's batch and fail in another's, and split them.

use ed25519_zebra::{Signature, VerificationKey, VerificationKeyBytes, batch};
use rand::rngs::OsRng;

use crate::record::EncodedRecord;

/// Whether one signature verifies (ZIP 215).
pub fn verifies(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerificationKey::try_from(*key)
        .is_ok_and(|key| key.verify(&Signature::from(*signature), message).is_ok())
}

/// Checks the signatures of many records at once and marks those that verify; `keys` are
/// the authors' keys, `None` where the ledger knows none. Records marked before are left
/// alone. Answers how many are not marked afterwards.
///
/// A batch that fails is halved until the bad signatures stand alone, so a few of them cost
/// little; when there are many, the rest is checked one by one.
pub fn verify_batch(records: &mut [EncodedRecord], keys: &[Option<[u8; 32]>]) -> usize {
    let mut open = Vec::with_capacity(records.len());
    for (at, (record, key)) in records.iter().zip(keys).enumerate() {
        if let Some(key) = *key
            && record.verified_by() != Some(key)
        {
            let signature = Signature::from(record.record().signature);
            let message = record.message();
            let item = batch::Item::from((VerificationKeyBytes::from(key), signature, &message));
            open.push(Open { at, key, item });
        }
    }
    let mut search = Search {
        left: open.len() * BATCHED_AGAIN_MAX,
        good: Vec::with_capacity(open.len()),
    };
    search.verify(&open);
    for (at, key) in search.good {
        records[at].set_verified_by(key);
    }
    records
        .iter()
        .filter(|record| record.verified_by().is_none())
        .count()
}

/// Batches of at most this many that fail are checked one by one.
const SINGLES: usize = 4;
/// How often a signature is batched on average before the rest is checked one by one: a
/// batch costs about a quarter a signature.
const BATCHED_AGAIN_MAX: usize = 3;

/// A signature to check: the record's place, the key, and what the batch needs.
struct Open {
    at: usize,
    key: [u8; 32],
    item: batch::Item,
}

/// The search for bad signatures.
struct Search {
    /// Signatures that may still be batched.
    left: usize,
    good: Vec<(usize, [u8; 32])>,
}

impl Search {
    /// Notes the good ones; answers whether all are good.
    fn verify(&mut self, open: &[Open]) -> bool {
        let all = self.batch(open);
        if all {
            self.good.extend(open.iter().map(|one| (one.at, one.key)));
        } else {
            self.halve(open);
        }
        all
    }

    /// The same for what is known to hold a bad one.
    fn halve(&mut self, open: &[Open]) {
        if open.len() <= SINGLES || self.left == 0 {
            let good = open
                .iter()
                .filter(|one| one.item.clone().verify_single().is_ok());
            self.good.extend(good.map(|one| (one.at, one.key)));
            return;
        }
        let (first, second) = open.split_at(open.len() / 2);
        if self.verify(first) {
            self.halve(second);
        } else {
            self.verify(second);
        }
    }

    /// Whether a batch verifies; also no when nothing more may be batched.
    fn batch(&mut self, open: &[Open]) -> bool {
        if open.len() > self.left {
            self.left = 0;
            return open.is_empty();
        }
        self.left -= open.len();
        let mut batch = batch::Verifier::new();
        open.iter().for_each(|one| batch.queue(one.item.clone()));
        batch.verify(OsRng).is_ok()
    }
}
