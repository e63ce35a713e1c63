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
pub fn verify_batch(records: &mut [EncodedRecord], keys: &[Option<[u8; 32]>]) -> usize {
    let mut open: Vec<(usize, [u8; 32])> = Vec::with_capacity(records.len());
    for (at, (record, key)) in records.iter().zip(keys).enumerate() {
        if let Some(key) = key
            && record.verified_by() != Some(*key)
        {
            open.push((at, *key));
        }
    }
    let mut batch = batch::Verifier::new();
    for &(at, key) in &open {
        let signature = Signature::from(records[at].record().signature);
        let message = records[at].message();
        batch.queue((VerificationKeyBytes::from(key), signature, &message));
    }
    let all = batch.verify(OsRng).is_ok();
    for (at, key) in open {
        let record = &mut records[at];
        if all || verifies(&key, &record.message(), &record.record().signature) {
            record.set_verified_by(key);
        }
    }
    records
        .iter()
        .filter(|record| record.verified_by().is_none())
        .count()
}
