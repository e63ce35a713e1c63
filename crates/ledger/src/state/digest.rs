//! The state digest: a sum over all rows of the state.

use serde::{Deserialize, Serialize};

/// Domain of the rows' hashes.
const DOMAIN: &[u8] = b"credlog/state-row/v1\n";

/// The sum modulo 2^256 of BLAKE3 over `"credlog/state-row/v1\n" ‖ key length u32 ‖ key ‖
/// value` of every row of the state, each hash read as a little-endian number.
///
/// It depends on the rows alone, not on how they are stored, so it is the same on every
/// node and after every rebuild. It detects faults; it is not a proof against somebody who
/// chooses rows (sums of hashes can be made to collide).
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StateDigest([u64; 4]);

impl StateDigest {
    /// Adds a row.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        let mut carry = false;
        for (limb, term) in self.0.iter_mut().zip(row_hash(key, value)) {
            let (sum, first) = limb.overflowing_add(term);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *limb = sum;
            carry = first || second;
        }
    }

    /// Takes a row away.
    pub fn remove(&mut self, key: &[u8], value: &[u8]) {
        let mut borrow = false;
        for (limb, term) in self.0.iter_mut().zip(row_hash(key, value)) {
            let (rest, first) = limb.overflowing_sub(term);
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            *limb = rest;
            borrow = first || second;
        }
    }

    /// The 32 bytes, least significant first.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&limb.to_le_bytes());
        }
        bytes
    }
}

/// Rows up to this length are hashed in one piece, which costs half as much.
const SHORT_BYTES_MAX: usize = 256;

fn row_hash(key: &[u8], value: &[u8]) -> [u64; 4] {
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes();
    let parts = [DOMAIN, &length, key, value];
    let mut row = [0; SHORT_BYTES_MAX];
    let mut end = 0;
    let is_short = parts.iter().all(|part| {
        let room = row.get_mut(end..end + part.len());
        end += part.len();
        room.map(|room| room.copy_from_slice(part)).is_some()
    });
    if is_short {
        return limbs(blake3::hash(&row[..end]).as_bytes());
    }
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    limbs(hasher.finalize().as_bytes())
}

fn limbs(bytes: &[u8; 32]) -> [u64; 4] {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
        *limb = chunk
            .iter()
            .rev()
            .fold(0, |limb, byte| limb << 8 | u64::from(*byte));
    }
    limbs
}

impl From<[u8; 32]> for StateDigest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(limbs(&bytes))
    }
}

impl From<StateDigest> for String {
    fn from(digest: StateDigest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for StateDigest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut bytes = [0; 32];
        match hex::decode_to_slice(&text, &mut bytes) {
            Ok(()) => Ok(bytes.into()),
            Err(_) => Err(format!("{text:?} is not a state digest of 64 hex digits")),
        }
    }
}

impl std::fmt::Display for StateDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.to_bytes()))
    }
}

impl std::fmt::Debug for StateDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StateDigest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_count_and_removal_undoes() {
        let rows: Vec<[u8; 2]> = (0..200).map(|n| [n, n ^ 0x55]).collect();
        let (mut up, mut down) = (StateDigest::default(), StateDigest::default());
        rows.iter().for_each(|row| up.add(&row[..1], &row[1..]));
        let backwards = rows.iter().rev();
        backwards.for_each(|row| down.add(&row[..1], &row[1..]));
        assert_eq!(up, down);
        assert_ne!(up, StateDigest::default());
        rows.iter().for_each(|row| up.remove(&row[..1], &row[1..]));
        assert_eq!(up, StateDigest::default());
    }

    #[test]
    fn carries_run_through_all_limbs() {
        let mut digest = StateDigest::from([0xff; 32]);
        digest.add(b"key", b"value");
        let mut hash = limbs(&StateDigest(row_hash(b"key", b"value")).to_bytes());
        hash[0] -= 1; // all ones is minus one
        assert_eq!(digest, StateDigest(hash));
        digest.remove(b"key", b"value");
        assert_eq!(digest, StateDigest::from([0xff; 32]));
    }

    #[test]
    fn key_and_value_do_not_run_together() {
        let (mut left, mut right) = (StateDigest::default(), StateDigest::default());
        left.add(b"ab", b"c");
        right.add(b"a", b"bc");
        assert_ne!(left, right);
    }

    #[test]
    fn rows_of_every_length_are_hashed_as_the_definition_says() {
        for length in (0..300).chain([1_024, 5_000]) {
            let (key, value) = (vec![3; length / 3], vec![5; length]);
            let mut whole = DOMAIN.to_vec();
            whole.extend(u32::try_from(key.len()).unwrap().to_be_bytes());
            whole.extend([key.as_slice(), value.as_slice()].concat());
            let expected = StateDigest::from(*blake3::hash(&whole).as_bytes());
            let mut digest = StateDigest::default();
            digest.add(&key, &value);
            assert_eq!(digest, expected, "{length}");
        }
    }

    #[test]
    fn text_reads_back() {
        let mut digest = StateDigest::default();
        digest.add(b"key", b"value");
        assert_eq!(StateDigest::try_from(digest.to_string()), Ok(digest));
        assert!(StateDigest::try_from("ab".to_owned()).is_err());
    }
}
