//! Who signs: notes with type 0x01, checkpoints with type 0x04.

use crate::checkpoint::Checkpoint;
use crate::key::{KeyError, SignatureKind, VerifierKey};
use crate::note::{NoteError, NoteSignature, check_text, cosigned_message};
use ed25519_dalek::{Signer as _, SigningKey};
use std::fmt;

/// Bytes of a cosignature/v1: a time in 8 bytes and an Ed25519 signature.
const COSIGNATURE_BYTES: usize = 8 + 64;

/// Signs the text of notes with a key of type 0x01.
#[derive(Clone)]
pub struct NoteSigner {
    verifier: VerifierKey,
    key: SigningKey,
}

impl NoteSigner {
    /// A signer under a name.
    ///
    /// # Errors
    /// [`KeyError::Name`] for a name that notes cannot carry.
    pub fn new(name: &str, key: SigningKey) -> Result<Self, KeyError> {
        let public_key = key.verifying_key().to_bytes();
        let verifier = VerifierKey::new(name, SignatureKind::Ed25519, &public_key)?;
        Ok(Self { verifier, key })
    }

    /// The key that verifies what this signs.
    #[must_use]
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a text, which ends in a newline.
    ///
    /// # Errors
    /// [`NoteError`] for a text that notes cannot carry.
    pub fn sign(&self, text: &str) -> Result<NoteSignature, NoteError> {
        check_text(text)?;
        let signature = self.key.sign(text.as_bytes()).to_bytes().to_vec();
        Ok(NoteSignature::by(&self.verifier, signature))
    }
}

/// Cosigns checkpoints with a key of type 0x04 (C2SP tlog-cosignature, cosignature/v1).
///
/// It keeps no memory of what it signed: that a cosigner never signs two histories is the duty of
/// who holds it.
#[derive(Clone)]
pub struct CosignatureSigner {
    verifier: VerifierKey,
    key: SigningKey,
}

impl CosignatureSigner {
    /// A cosigner under a name. The message does not hold the name: use a key under one name only.
    ///
    /// # Errors
    /// [`KeyError::Name`] for a name that notes cannot carry.
    pub fn new(name: &str, key: SigningKey) -> Result<Self, KeyError> {
        let public_key = key.verifying_key().to_bytes();
        let verifier = VerifierKey::new(name, SignatureKind::CosignatureV1, &public_key)?;
        Ok(Self { verifier, key })
    }

    /// The key that verifies what this signs.
    #[must_use]
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Cosigns a checkpoint as of `time`, in seconds since 1970.
    #[must_use]
    pub fn cosign(&self, checkpoint: &Checkpoint, time: u64) -> NoteSignature {
        let message = cosigned_message(&checkpoint.body(), time);
        let mut signature = Vec::with_capacity(COSIGNATURE_BYTES);
        signature.extend_from_slice(&time.to_be_bytes());
        signature.extend_from_slice(&self.key.sign(message.as_bytes()).to_bytes());
        NoteSignature::by(&self.verifier, signature)
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NoteSigner").field(&self.verifier).finish()
    }
}

impl fmt::Debug for CosignatureSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CosignatureSigner")
            .field(&self.verifier)
            .finish()
    }
}
