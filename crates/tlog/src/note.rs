//! Signed notes: a text and who signed it (C2SP signed-note).

use crate::key::{KeyId, SignatureKind, VerifierKey, check_name};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signature;
use std::collections::BTreeMap;
use std::fmt;
use thiserror::Error;

/// The longest note that is read or made, in bytes.
pub const NOTE_BYTES_MAX: usize = 512 * 1024;

/// The most signatures that a note may carry: those of a log's whole quorum and of its
/// witnesses.
pub const NOTE_SIGNATURES_MAX: usize = 256;

/// A text with one or more signatures, verified or not.
///
/// `Display` writes its one encoding: the text, an empty line, a line for each signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line: `— <name> <base64(key id ‖ signature)>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoteSignature {
    name: String,
    key_id: KeyId,
    signature: Vec<u8>,
}

/// A signature that was checked against a key the verifier knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSignature {
    /// Name of the key.
    pub name: String,
    /// Id of the key.
    pub key_id: KeyId,
    /// What the key signs.
    pub kind: SignatureKind,
    /// When the cosigner signed, in seconds since 1970; only cosignatures have it.
    pub time: Option<u64>,
}

impl Note {
    /// A note from a text and its signatures.
    ///
    /// # Errors
    /// [`NoteError`] for a text that notes cannot carry, no signature, or too many.
    pub fn new(text: &str, signatures: Vec<NoteSignature>) -> Result<Self, NoteError> {
        check_text(text)?;
        if signatures.is_empty() {
            return Err(NoteError::NoSignature);
        }
        let mut note = Self {
            text: text.to_owned(),
            signatures: Vec::new(),
        };
        for signature in signatures {
            note.add(signature)?;
        }
        Ok(note)
    }

    /// Reads a note. Nothing is verified yet.
    ///
    /// # Errors
    /// [`NoteError`] when the bytes are not exactly one note within the limits.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong { bytes: bytes.len() });
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::NotUtf8)?;
        let separator = note.rfind("\n\n").ok_or(NoteError::NoEmptyLine)?;
        let text = &note[..=separator];
        check_text(text)?;
        let lines = &note[separator + 2..];
        if lines.is_empty() {
            return Err(NoteError::NoSignature);
        }
        let lines = lines.strip_suffix('\n').ok_or(NoteError::LineNotEnded)?;
        let mut signatures = Vec::new();
        for (number, line) in lines.split('\n').enumerate() {
            if number == NOTE_SIGNATURES_MAX {
                return Err(NoteError::TooManySignatures);
            }
            signatures.push(NoteSignature::parse(line).ok_or(NoteError::SignatureLine { number })?);
        }
        Ok(Self {
            text: text.to_owned(),
            signatures,
        })
    }

    /// Adds a signature; one that the note has already is not added twice. Of cosignatures by one
    /// key the note keeps the one with the newest time, at its place: a checkpoint that stays the
    /// newest for long is cosigned again and again.
    ///
    /// Nothing is verified here. Verify a cosignature before: a forged one with a later time would
    /// push out a good one.
    ///
    /// # Errors
    /// [`NoteError::TooManySignatures`] or [`NoteError::TooLong`]; the note is then unchanged.
    pub fn add(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        if self.signatures.contains(&signature) {
            return Ok(());
        }
        if let Some(time) = signature.claimed_time() {
            let by_same_key = |one: &&mut NoteSignature| {
                one.name == signature.name && one.key_id == signature.key_id
            };
            let cosignatures = self.signatures.iter_mut();
            let mut earlier = cosignatures.filter(|one| one.claimed_time().is_some());
            if let Some(earlier) = earlier.find(by_same_key) {
                if earlier.claimed_time() < Some(time) {
                    *earlier = signature;
                }
                return Ok(());
            }
        }
        if self.signatures.len() == NOTE_SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        self.signatures.push(signature);
        let bytes = self.to_string().len();
        if bytes > NOTE_BYTES_MAX {
            self.signatures.pop();
            return Err(NoteError::TooLong { bytes });
        }
        Ok(())
    }

    /// The signed text, with its final newline.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, as they stand in the note.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Checks every signature by one of `keys` and returns who signed, in the order of the note.
    ///
    /// Signatures by other keys are ignored. A key that signed more than once is returned once,
    /// for a cosignature with its newest time.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] when any signature by one of `keys` is wrong,
    /// [`NoteError::NoKnownSignature`] when none of `keys` signed, [`NoteError::AmbiguousKeys`]
    /// when two different keys have the same name and id.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<Vec<VerifiedSignature>, NoteError> {
        let known = index_keys(keys)?;
        let mut verified: Vec<VerifiedSignature> = Vec::new();
        for signature in &self.signatures {
            let Some(key) = known.get(&(signature.name.as_str(), signature.key_id)) else {
                continue;
            };
            let time = signature.verify(key, &self.text)?;
            let same = |v: &&mut VerifiedSignature| {
                v.key_id == signature.key_id && v.name == signature.name
            };
            if let Some(earlier) = verified.iter_mut().find(same) {
                earlier.time = earlier.time.max(time);
                continue;
            }
            let name = signature.name.clone();
            let kind = key.kind();
            verified.push(VerifiedSignature {
                name,
                key_id: signature.key_id,
                kind,
                time,
            });
        }
        if verified.is_empty() {
            return Err(NoteError::NoKnownSignature);
        }
        Ok(verified)
    }
}

impl NoteSignature {
    /// What a signer made.
    pub(crate) fn by(key: &VerifierKey, signature: Vec<u8>) -> Self {
        Self {
            name: key.name().to_owned(),
            key_id: key.id(),
            signature,
        }
    }

    /// Reads a line without its newline.
    fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
        check_name(name).ok()?;
        let bytes = STANDARD.decode(encoded).ok()?;
        let (key_id, signature) = bytes.split_first_chunk::<4>()?;
        if signature.is_empty() {
            return None;
        }
        let (key_id, signature) = (KeyId(*key_id), signature.to_vec());
        Some(Self {
            name: name.to_owned(),
            key_id,
            signature,
        })
    }

    /// Name of the key that claims to have signed.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Id of the key that claims to have signed.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The signature's bytes, without the key id; a cosignature begins with its time.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.signature
    }

    /// The time, in seconds since 1970, of what has the length of a cosignature (an Ed25519
    /// signature is shorter): a claim, until the signature is verified.
    #[must_use]
    pub fn claimed_time(&self) -> Option<u64> {
        let (time, signature) = self.signature.split_first_chunk::<8>()?;
        (signature.len() == Signature::BYTE_SIZE).then(|| u64::from_be_bytes(*time))
    }

    /// Checks this one signature over `text` by `key`; returns the time of a cosignature.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] when it is not by this key over this text.
    pub fn verify(&self, key: &VerifierKey, text: &str) -> Result<Option<u64>, NoteError> {
        let bad = || NoteError::BadSignature {
            name: self.name.clone(),
            key_id: self.key_id,
        };
        if self.name != key.name() || self.key_id != key.id() {
            return Err(bad());
        }
        let (signature, message, time) = match key.kind() {
            SignatureKind::Ed25519 => (self.signature.as_slice(), text.to_owned(), None),
            SignatureKind::CosignatureV1 => {
                let (time, signature) = self.signature.split_first_chunk::<8>().ok_or_else(bad)?;
                let time = u64::from_be_bytes(*time);
                (signature, cosigned_message(text, time), Some(time))
            }
        };
        let signature = Signature::from_slice(signature).map_err(|_| bad())?;
        let verified = key
            .verifying_key()
            .verify_strict(message.as_bytes(), &signature);
        verified.map_err(|_| bad())?;
        Ok(time)
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = STANDARD.encode([&self.key_id.0[..], &self.signature].concat());
        write!(f, "— {} {encoded}", self.name)
    }
}

impl std::str::FromStr for NoteSignature {
    type Err = NoteError;

    /// Reads one signature line, without its newline.
    fn from_str(line: &str) -> Result<Self, NoteError> {
        if line.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong { bytes: line.len() });
        }
        Self::parse(line).ok_or(NoteError::SignatureLine { number: 0 })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

pub(crate) fn cosigned_message(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

pub(crate) fn check_text(text: &str) -> Result<(), NoteError> {
    if text.len() > NOTE_BYTES_MAX {
        return Err(NoteError::TooLong { bytes: text.len() });
    }
    if !text.ends_with('\n') {
        return Err(NoteError::LineNotEnded);
    }
    match text.bytes().position(|byte| byte < b' ' && byte != b'\n') {
        Some(offset) => Err(NoteError::ControlCharacter { offset }),
        None => Ok(()),
    }
}

fn index_keys(keys: &[VerifierKey]) -> Result<BTreeMap<(&str, KeyId), &VerifierKey>, NoteError> {
    let mut known: BTreeMap<(&str, KeyId), &VerifierKey> = BTreeMap::new();
    for key in keys {
        if let Some(other) = known.insert((key.name(), key.id()), key)
            && other != key
        {
            return Err(NoteError::AmbiguousKeys {
                name: key.name().to_owned(),
                key_id: key.id(),
            });
        }
    }
    Ok(known)
}

/// Why bytes are not a note, or a note is not to be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The note is longer than the limit.
    #[error("the note has {bytes} bytes, the limit is {NOTE_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The note is not UTF-8.
    #[error("the note is not UTF-8")]
    NotUtf8,
    /// The text has a control character other than newline.
    #[error("the note has a control character at byte {offset}; only newlines are allowed")]
    ControlCharacter {
        /// Where it stands in the text.
        offset: usize,
    },
    /// No empty line separates text and signatures.
    #[error("the note has no empty line between its text and its signatures")]
    NoEmptyLine,
    /// The text or the last signature does not end in a newline.
    #[error("the text and each signature of a note must end in a newline")]
    LineNotEnded,
    /// The note carries no signature.
    #[error("the note carries no signature")]
    NoSignature,
    /// The note carries more signatures than the limit.
    #[error("the note carries more than {NOTE_SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// A line after the text is not a signature.
    #[error("signature {number} of the note (from 0) is malformed; write — <name> <base64>")]
    SignatureLine {
        /// Which of the signature lines, from 0.
        number: usize,
    },
    /// A key that the verifier knows did not make the signature under its name.
    #[error("the signature by {name} ({key_id}) is wrong; do not trust the note")]
    BadSignature {
        /// Name of the key.
        name: String,
        /// Id of the key.
        key_id: KeyId,
    },
    /// None of the keys that the verifier knows signed the note.
    #[error("no key that is known here signed the note")]
    NoKnownSignature,
    /// Two different keys cannot be told apart by their name and id.
    #[error("two known keys have the name {name} and the id {key_id}; remove one")]
    AmbiguousKeys {
        /// Name of the keys.
        name: String,
        /// Id of the keys.
        key_id: KeyId,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::signer::{CosignatureSigner, NoteSigner};
    use ed25519_dalek::SigningKey;

    fn signer(name: &str, seed: u8) -> NoteSigner {
        NoteSigner::new(name, SigningKey::from_bytes(&[seed; 32])).unwrap()
    }

    #[test]
    fn a_known_key_must_be_right_and_an_unknown_one_is_ignored() {
        let (a, b) = (signer("a", 1), signer("b", 2));
        let note = Note::new(
            "text\n",
            vec![a.sign("text\n").unwrap(), b.sign("other\n").unwrap()],
        );
        let note = note.unwrap();
        let (a_key, b_key) = (a.verifier_key().clone(), b.verifier_key().clone());
        let names = |keys: &[VerifierKey]| -> Result<Vec<String>, NoteError> {
            Ok(note.verify(keys)?.into_iter().map(|v| v.name).collect())
        };
        assert_eq!(
            names(std::slice::from_ref(&a_key)),
            Ok(vec!["a".to_owned()])
        );
        assert_eq!(
            names(&[a_key.clone(), a_key.clone()]),
            Ok(vec!["a".to_owned()])
        );
        let bad = NoteError::BadSignature {
            name: "b".to_owned(),
            key_id: b_key.id(),
        };
        assert_eq!(names(&[a_key, b_key]), Err(bad));
        let other = signer("a", 3).verifier_key().clone();
        assert_eq!(names(&[other]), Err(NoteError::NoKnownSignature));
        assert_eq!(names(&[]), Err(NoteError::NoKnownSignature));
    }

    #[test]
    fn a_signature_under_another_name_or_id_is_not_the_keys() {
        let a = signer("a", 1);
        let line = a.sign("text\n").unwrap();
        assert_eq!(line.verify(a.verifier_key(), "text\n"), Ok(None));
        let renamed = NoteSignature {
            name: "b".to_owned(),
            ..line.clone()
        };
        let renumbered = NoteSignature {
            key_id: KeyId([0; 4]),
            ..line
        };
        for other in [renamed, renumbered] {
            let result = other.verify(a.verifier_key(), "text\n");
            assert!(matches!(result, Err(NoteError::BadSignature { .. })));
        }
    }

    #[test]
    fn a_key_counts_once_with_its_newest_time() {
        let cosigner = CosignatureSigner::new("w", SigningKey::from_bytes(&[4; 32])).unwrap();
        let body = "o\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
        let checkpoint = Checkpoint::parse(body).unwrap();
        let lines = [50, 90, 70]
            .map(|time| cosigner.cosign(&checkpoint, time))
            .to_vec();
        let keys = [cosigner.verifier_key().clone()];
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let read = Note::parse(format!("{body}\n{text}").as_bytes()).unwrap();
        assert_eq!(read.signatures().len(), 3);
        let verified = read.verify(&keys).unwrap();
        assert_eq!(verified.len(), 1);
        assert_eq!(verified[0].time, Some(90));
        // A time that was not signed makes the whole note bad, in whatever place it stands.
        let mut forged = lines[0].clone();
        forged.signature[7] = 99;
        for text in [format!("{text}{forged}\n"), format!("{forged}\n{text}")] {
            let note = Note::parse(format!("{body}\n{text}").as_bytes()).unwrap();
            let result = note.verify(&keys);
            assert!(matches!(result, Err(NoteError::BadSignature { .. })));
        }
    }

    /// A cosigner signs an idle checkpoint every minute: a note that kept them all was full after
    /// four hours, and the newest times were the ones it refused.
    #[test]
    fn a_newer_cosignature_takes_the_place_of_the_older() {
        let cosigner =
            |name, seed| CosignatureSigner::new(name, SigningKey::from_bytes(&[seed; 32])).unwrap();
        let (v, w) = (cosigner("v", 4), cosigner("w", 5));
        let body = "o\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
        let checkpoint = Checkpoint::parse(body).unwrap();
        let own = signer("o", 1).sign(body).unwrap();
        let first = [own, v.cosign(&checkpoint, 50), w.cosign(&checkpoint, 50)];
        let mut note = Note::new(body, first.to_vec()).unwrap();
        for time in [90, 70, 90].into_iter().chain(100..1_000) {
            note.add(v.cosign(&checkpoint, time)).unwrap();
            assert_eq!(note.signatures().len(), 3);
            let newest = time.max(90);
            assert_eq!(note.signatures()[1], v.cosign(&checkpoint, newest));
        }
        assert_eq!(note.signatures()[2], w.cosign(&checkpoint, 50));
        // The same name with another key is another cosigner.
        note.add(cosigner("v", 6).cosign(&checkpoint, 1)).unwrap();
        assert_eq!(note.signatures().len(), 4);
    }

    #[test]
    fn each_fault_of_form_has_its_error() {
        let error = |note: &str| Note::parse(note.as_bytes()).unwrap_err();
        assert_eq!(error(""), NoteError::NoEmptyLine);
        assert_eq!(error("t\n— n AAAAAAA=\n"), NoteError::NoEmptyLine);
        assert_eq!(error("t\n\n"), NoteError::NoSignature);
        assert_eq!(error("t\n\n— n AAAAAAA="), NoteError::LineNotEnded);
        assert_eq!(
            error("t\tt\n\n— n AAAAAAA=\n"),
            NoteError::ControlCharacter { offset: 1 }
        );
        let line = NoteError::SignatureLine { number: 0 };
        for bad in [
            "- n AAAAAAA=",
            "— n AAAAAA==",
            "— n AAAAAAA",
            "— n+ AAAAAAA=",
            "—  AAAAAAA=",
        ] {
            assert_eq!(error(&format!("t\n\n{bad}\n")), line, "{bad}");
        }
        assert_eq!(Note::parse(b"t\xff\n\n").unwrap_err(), NoteError::NotUtf8);
        let many = "— n AAAAAAA=\n".repeat(NOTE_SIGNATURES_MAX);
        assert!(Note::parse(format!("t\n\n{many}").as_bytes()).is_ok());
        assert_eq!(
            error(&format!("t\n\n{many}— n AAAAAAA=\n")),
            NoteError::TooManySignatures
        );
        let bytes = NOTE_BYTES_MAX + 1;
        assert_eq!(
            Note::parse(&vec![b'a'; bytes]),
            Err(NoteError::TooLong { bytes })
        );
        assert_eq!(Note::new("t", vec![]), Err(NoteError::LineNotEnded));
        assert_eq!(Note::new("t\n", vec![]), Err(NoteError::NoSignature));
    }
}
