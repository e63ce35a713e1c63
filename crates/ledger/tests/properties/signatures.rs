//! One by one and in batches, signatures verify alike (ZIP 215), also where Ed25519
//! implementations differ: points of small order, encodings that are not canonical,
//! signatures with a torsion component.

use credlog_ledger::body::Body;
use credlog_ledger::ids::{LedgerId, UnixMillis};
use credlog_ledger::record::{AuthorId, EncodedRecord, Record};
use credlog_ledger::signature::{verifies, verify_batch};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use proptest::prelude::*;

use crate::support::{issuer_id, key};

/// Every 32-byte string that decodes to a point of order 1, 2, 4 or 8: the canonical
/// encodings, y + p where that fits, and the sign bit set on x = 0.
fn small_order_encodings() -> Vec<[u8; 32]> {
    let mut candidates = Vec::new();
    for point in EIGHT_TORSION {
        let canonical = point.compress().to_bytes();
        for sign in [0, 0x80] {
            let mut bytes = canonical;
            bytes[31] = bytes[31] & 0x7f | sign;
            candidates.push(bytes);
            // y + p = y - 19 + 2^255 fits in 255 bits for y < 19.
            if bytes[1..31].iter().all(|byte| *byte == 0) && bytes[0] < 19 {
                let mut alias = [0xff; 32];
                alias[0] = 0xed + bytes[0];
                alias[31] = 0x7f | sign;
                candidates.push(alias);
            }
        }
    }
    candidates.sort_unstable();
    candidates.dedup();
    candidates.retain(|bytes| {
        let point = CompressedEdwardsY(*bytes).decompress();
        point.is_some_and(|point| point.is_small_order())
    });
    candidates
}

fn open_list() -> Record {
    let signer = AuthorId::Issuer(issuer_id("a"));
    let body = Body::OpenStatusList {};
    let expires = UnixMillis(1);
    Record::sign(
        LedgerId([1; 32]),
        signer,
        [0; 16],
        expires,
        body,
        &key("a/record"),
    )
    .unwrap()
}

/// A record with this signature, and what it signs.
fn with_signature(r: [u8; 32], s: Scalar) -> EncodedRecord {
    let mut record = open_list();
    record.signature[..32].copy_from_slice(&r);
    record.signature[32..].copy_from_slice(s.as_bytes());
    EncodedRecord::new(&record).unwrap()
}

/// Alone, in a batch of one, and among good records: always the same answer.
fn agree(record: &EncodedRecord, key_bytes: [u8; 32]) -> bool {
    let alone = verifies(&key_bytes, &record.message(), &record.record().signature);
    let good = EncodedRecord::new(&open_list()).unwrap();
    let good_key = key("a/record").verifying_key().to_bytes();
    for place in 0..3 {
        let mut records = vec![good.clone(), good.clone()];
        let mut keys = vec![Some(good_key); 2];
        records.insert(place, record.clone());
        keys.insert(place, Some(key_bytes));
        let open = verify_batch(&mut records, &keys);
        assert_eq!(open, usize::from(!alone), "place {place}");
        assert_eq!(records[place].verified_by(), alone.then_some(key_bytes));
    }
    let mut single = vec![record.clone()];
    assert_eq!(verify_batch(&mut single, &[Some(key_bytes)]) == 0, alone);
    alone
}

#[test]
fn small_order_points_verify_in_every_encoding() {
    let encodings = small_order_encodings();
    // 8 points, two of them with x = 0 and so two signs, and the aliases of y = 0 and 1.
    assert_eq!(encodings.len(), 14);
    for key_bytes in &encodings {
        for r in &encodings {
            // [8][S]B = [8]R + [8][k]A holds with S = 0, for any message.
            let record = with_signature(*r, Scalar::ZERO);
            assert!(agree(&record, *key_bytes), "{key_bytes:02x?} {r:02x?}");
        }
    }
}

#[test]
fn torsion_in_the_commitment_verifies() {
    let secret = key("a/record").to_scalar();
    let key_bytes = key("a/record").verifying_key().to_bytes();
    let nonce = Scalar::from(7u8);
    for torsion in EIGHT_TORSION {
        let r = (ED25519_BASEPOINT_POINT * nonce + torsion)
            .compress()
            .to_bytes();
        let message = with_signature(r, Scalar::ZERO).message();
        let s = nonce + challenge(&r, &key_bytes, &message) * secret;
        assert!(agree(&with_signature(r, s), key_bytes));
    }
}

#[test]
fn torsion_in_the_key_verifies() {
    let secret = key("a/record").to_scalar();
    let nonce = Scalar::from(9u8);
    for torsion in EIGHT_TORSION {
        let public: EdwardsPoint = ED25519_BASEPOINT_POINT * secret + torsion;
        let key_bytes = public.compress().to_bytes();
        let r = (ED25519_BASEPOINT_POINT * nonce).compress().to_bytes();
        let message = with_signature(r, Scalar::ZERO).message();
        let s = nonce + challenge(&r, &key_bytes, &message) * secret;
        assert!(agree(&with_signature(r, s), key_bytes));
    }
}

fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
    use sha2::Digest as _;
    let mut hash = sha2::Sha512::new();
    hash.update(r);
    hash.update(key);
    hash.update(message);
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

/// A batch with bad signatures among good ones marks exactly the good ones, wherever the
/// bad ones stand and however many there are.
#[test]
fn bad_signatures_are_found_among_good_ones() {
    let good = EncodedRecord::new(&open_list()).unwrap();
    let mut record = open_list();
    record.signature[40] ^= 1;
    let bad = EncodedRecord::new(&record).unwrap();
    let known = Some(key("a/record").verifying_key().to_bytes());
    let mut random = 1u64;
    for count in [1, 2, 7, 64, 65, 200] {
        for bad_in_1000 in [0, 10, 100, 500, 990, 1_000] {
            let is_bad: Vec<bool> = (0..count)
                .map(|_| {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    random >> 33 & 1_023 < bad_in_1000 * 1_024 / 1_000
                })
                .collect();
            let records = is_bad.iter().map(|bad_one| match bad_one {
                true => bad.clone(),
                false => good.clone(),
            });
            let mut records: Vec<_> = records.collect();
            let open = verify_batch(&mut records, &vec![known; count]);
            let found: Vec<bool> = records.iter().map(|r| r.verified_by().is_none()).collect();
            assert_eq!(found, is_bad);
            assert_eq!(open, is_bad.iter().filter(|bad| **bad).count());
        }
    }
}

/// S + L says the same number: it is refused, or third parties could make another record.
#[test]
fn a_scalar_has_one_form() {
    let mut record = open_list();
    let key_bytes = key("a/record").verifying_key().to_bytes();
    assert!(agree(&EncodedRecord::new(&record).unwrap(), key_bytes));
    let order = group_order();
    let mut carry = 0u16;
    for (byte, add) in record.signature[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    assert!(!agree(&EncodedRecord::new(&record).unwrap(), key_bytes));
}

proptest! {
    #![proptest_config(crate::cases(128))]

    #[test]
    fn altered_signatures_verify_nowhere(at in 0..64usize, bit in 0..8u8, other in any::<bool>()) {
        let mut record = open_list();
        record.signature[at] ^= 1 << bit;
        let label = if other { "b/record" } else { "a/record" };
        let key_bytes = key(label).verifying_key().to_bytes();
        prop_assert!(!agree(&EncodedRecord::new(&record).unwrap(), key_bytes));
    }

    #[test]
    fn arbitrary_signatures_are_judged_alike(
        r in any::<[u8; 32]>(), s in any::<[u8; 32]>(), key_bytes in any::<[u8; 32]>(),
    ) {
        let s = Scalar::from_bytes_mod_order(s);
        agree(&with_signature(r, s), key_bytes);
    }
}

/// L = 2^252 + 27742317777372353535851937790883648493, little-endian (RFC 8032 section 5.1).
fn group_order() -> [u8; 32] {
    let mut order = [0; 32];
    let low = 27_742_317_777_372_353_535_851_937_790_883_648_493u128;
    order[..16].copy_from_slice(&low.to_le_bytes());
    order[31] = 0x10;
    order
}
