//! Record signatures by the ZIP 215 rule, one by one and in batches.
//!
//! Only that rule makes both ways always agree; with any other a crafted signature could
//! pass in one node's batch and fail in another's, and split them.

use ed25519_zebra::{Signature, VerificationKey, VerificationKeyBytes, batch};

use crate::record::EncodedRecord;

/// Whether one signature verifies (ZIP 215).
pub fn verifies(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerificationKey::try_from(*key)
        .is_ok_and(|key| key.verify(&Signature::from(*signature), message).is_ok())
}

/// Checks the signatures of many records at once and marks those that verify; `keys` are
/// the authors' keys, `None` where the ledger knows none. Records marked by the same key
/// before are left alone. Answers how many are not marked afterwards.
///
/// A batch that fails is taken apart into small ones, and those of them that fail are
/// checked one by one. Measured with 4,096 records, against checking all one by one after a
/// failed batch: cheaper up to about one bad in a hundred, and a quarter dearer at worst;
/// searching by halves is dearer than both from a handful of bad ones on.
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
    for one in good_ones(&open) {
        records[one.at].set_verified_by(one.key);
    }
    let marked = |(record, key): &(&EncodedRecord, &Option<[u8; 32]>)| {
        key.is_some() && record.verified_by() == **key
    };
    let good = records.iter().zip(keys).filter(marked).count();
    records.len() - good
}

/// Signatures in a small batch.
const SMALL_BATCH: usize = 64;

/// A signature to check: the record's place, the key, and what the batch needs.
struct Open {
    at: usize,
    key: [u8; 32],
    item: batch::Item,
}

fn good_ones(open: &[Open]) -> Vec<&Open> {
    if all_good(open) {
        return open.iter().collect();
    }
    let mut good = Vec::with_capacity(open.len());
    for small in open.chunks(SMALL_BATCH) {
        // All of them together have failed already if they are this few.
        if open.len() > SMALL_BATCH && all_good(small) {
            good.extend(small);
        } else {
            let alone = |one: &&Open| one.item.clone().verify_single().is_ok();
            good.extend(small.iter().filter(alone));
        }
    }
    good
}

fn all_good(open: &[Open]) -> bool {
    let mut batch = batch::Verifier::new();
    open.iter().for_each(|one| batch.queue(one.item.clone()));
    // A system call for each signature would cost a twentieth of the whole check.
    batch.verify(rand::thread_rng()).is_ok()
}
