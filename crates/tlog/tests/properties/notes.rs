//! Notes, keys, checkpoints and cosignatures against `signed_note` and `tlog_tiles`.

use crate::cases;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use credlog_tlog::{
    Checkpoint, CosignatureSigner, Hash, KeyId, Note, NoteSigner, SignatureKind, TreeSize,
    VerifierKey,
};
use ed25519_dalek::{SigningKey, VerifyingKey};
use proptest::prelude::*;
use signed_note as oracle;

/// Verifies cosignature/v1 for the oracle, written from C2SP tlog-cosignature.
struct CosignatureVerifier {
    name: String,
    key: VerifyingKey,
}

impl oracle::Verifier for CosignatureVerifier {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        let typed: Vec<u8> = [4].into_iter().chain(self.key.to_bytes()).collect();
        oracle::key_id(&self.name, &typed)
    }

    fn verify(&self, body: &[u8], signature: &[u8]) -> bool {
        if signature.len() != 72 {
            return false;
        }
        let time = u64::from_be_bytes(signature[..8].try_into().unwrap());
        let message = [format!("cosignature/v1\ntime {time}\n").as_bytes(), body].concat();
        let signature = ed25519_dalek::Signature::from_slice(&signature[8..]).unwrap();
        ed25519_dalek::Verifier::verify(&self.key, &message, &signature).is_ok()
    }
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9./_é-]{1,30}"
}

fn text() -> impl Strategy<Value = String> {
    "[ -~\n—ü]{0,80}\n"
}

/// A checkpoint, signed under `seed[0]` and cosigned under `seed[1]`, with both keys.
fn cosigned(origin: &str, size: u64, root: [u8; 32], seeds: [u8; 2]) -> (Note, [VerifierKey; 2]) {
    let checkpoint = Checkpoint::new(origin, TreeSize(size), Hash(root)).unwrap();
    let signer = NoteSigner::new(origin, SigningKey::from_bytes(&[seeds[0]; 32])).unwrap();
    let cosigner = SigningKey::from_bytes(&[seeds[1]; 32]);
    let cosigner = CosignatureSigner::new(&format!("{origin}/w/1"), cosigner).unwrap();
    let body = checkpoint.body();
    let signatures = vec![
        signer.sign(&body).unwrap(),
        cosigner.cosign(&checkpoint, size / 3),
    ];
    let keys = [
        signer.verifier_key().clone(),
        cosigner.verifier_key().clone(),
    ];
    (Note::new(&body, signatures).unwrap(), keys)
}

fn oracle_keys(keys: &[VerifierKey]) -> oracle::VerifierList {
    let verifier = |key: &VerifierKey| -> Box<dyn oracle::Verifier> {
        match key.kind() {
            SignatureKind::CosignatureV1 => Box::new(CosignatureVerifier {
                name: key.name().to_owned(),
                key: VerifyingKey::from_bytes(key.public_key()).unwrap(),
            }),
            _ => Box::new(oracle::StandardVerifier::new(&key.to_string()).unwrap()),
        }
    };
    oracle::VerifierList::new(keys.iter().map(verifier).collect())
}

/// Who signed, as each side sees it, or nothing when the note is refused.
type Signers = Option<Vec<(String, u32)>>;

fn both(bytes: &[u8], keys: &[VerifierKey]) -> (Signers, Signers) {
    let id = |id: KeyId| u32::from_be_bytes(id.0);
    let ours = Note::parse(bytes).and_then(|note| note.verify(keys));
    let ours = ours.map(|all| all.into_iter().map(|v| (v.name, id(v.key_id))).collect());
    let theirs = oracle::Note::from_bytes(bytes).and_then(|n| n.verify(&oracle_keys(keys)));
    let pair = |s: &oracle::Signature| (s.name().to_owned(), s.id());
    (
        ours.ok(),
        theirs
            .ok()
            .map(|(known, _)| known.iter().map(pair).collect()),
    )
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn both_sign_and_verify_the_same_notes(name in name(), text in text(), seed: [u8; 32]) {
        let key = SigningKey::from_bytes(&seed);
        let signer = NoteSigner::new(&name, key.clone()).unwrap();
        let verifier = signer.verifier_key();
        let vkey = oracle::new_ed25519_verifier_key(&name, &key.verifying_key());
        prop_assert_eq!(verifier.to_string(), &vkey[..]);
        prop_assert_eq!(&vkey.parse::<VerifierKey>().unwrap(), verifier);

        let typed = STANDARD.encode([&[1u8][..], &seed].concat());
        let skey = format!("PRIVATE+KEY+{name}+{}+{typed}", verifier.id());
        let mut theirs = oracle::Note::new(text.as_bytes(), &[]).unwrap();
        theirs.add_sigs(&[&oracle::StandardSigner::new(&skey).unwrap()]).unwrap();
        let ours = Note::new(&text, vec![signer.sign(&text).unwrap()]).unwrap();
        prop_assert_eq!(ours.to_string().into_bytes(), theirs.to_bytes());
        let (a, b) = both(&theirs.to_bytes(), std::slice::from_ref(verifier));
        prop_assert!(a.is_some());
        prop_assert_eq!(a, b);
    }

    #[test]
    fn checkpoints_and_cosignatures_pass_both(
        origin in name(), size: u64, root: [u8; 32], seeds: [u8; 2],
    ) {
        let (note, keys) = cosigned(&origin, size, root, seeds);
        let (ours, theirs) = both(note.to_string().as_bytes(), &keys);
        prop_assert_eq!(ours.as_ref().map(Vec::len), Some(2));
        prop_assert_eq!(ours, theirs);
        prop_assert_eq!(note.verify(&keys).unwrap()[1].time, Some(size / 3));
        let theirs = tlog_tiles::Checkpoint::from_bytes(note.text().as_bytes()).unwrap();
        let seen = (theirs.origin(), theirs.size(), theirs.hash().0, theirs.extension());
        prop_assert_eq!(seen, (&origin[..], size, root, ""));
        prop_assert_eq!(theirs.to_bytes(), note.text().as_bytes());
        // The same key under the other type or another name signed nothing here.
        for (key, other) in keys.iter().zip([SignatureKind::CosignatureV1, SignatureKind::Ed25519])
        {
            let wrong = VerifierKey::new(key.name(), other, key.public_key()).unwrap();
            prop_assert!(note.verify(&[wrong]).is_err());
            let wrong = VerifierKey::new("else", key.kind(), key.public_key()).unwrap();
            prop_assert!(note.verify(&[wrong]).is_err());
        }
    }

    #[test]
    fn a_changed_byte_is_judged_alike(
        origin in name(), size: u64, seeds: [u8; 2], place: prop::sample::Index, byte: u8,
    ) {
        let (note, keys) = cosigned(&origin, size, [7; 32], seeds);
        let mut bytes = note.to_string().into_bytes();
        let place = place.index(bytes.len());
        prop_assume!(bytes[place] != byte);
        bytes[place] = byte;
        let (ours, theirs) = both(&bytes, &keys);
        prop_assert_eq!(&ours, &theirs);
        // At best the changed signature counts as that of a stranger.
        prop_assert!(ours.is_none_or(|signers| signers.len() == 1));
    }

    #[test]
    fn lines_in_any_order_are_judged_alike(
        origin in name(), seeds: [u8; 2], order in prop::collection::vec(0..5usize, 0..7),
    ) {
        // A line of the text, an empty line and two signatures, repeated, dropped, out of order.
        let (note, keys) = cosigned(&origin, 5, [7; 32], seeds);
        let encoded = note.to_string();
        let lines: Vec<&str> = encoded.split_inclusive('\n').collect();
        let tail: String = order.iter().map(|n| lines[lines.len() - 1 - n]).collect();
        for bytes in [format!("{}\n{tail}", note.text()), format!("{encoded}{tail}")] {
            let (ours, theirs) = both(bytes.as_bytes(), &keys);
            prop_assert_eq!(ours, theirs, "{}", bytes);
        }
    }

    #[test]
    fn what_passes_as_a_checkpoint_passes_the_oracle(
        origin in name(), size: u64, place: prop::sample::Index, byte in any::<char>(),
    ) {
        let body = Checkpoint::new(&origin, TreeSize(size), Hash([9; 32])).unwrap().body();
        let mut characters: Vec<char> = body.chars().collect();
        let place = place.index(characters.len());
        characters[place] = byte;
        let changed: String = characters.into_iter().collect();
        if let Ok(ours) = Checkpoint::parse(&changed) {
            let theirs = tlog_tiles::Checkpoint::from_bytes(changed.as_bytes()).unwrap();
            let seen = (theirs.origin(), theirs.size(), theirs.hash().0, theirs.extension());
            prop_assert_eq!(seen, (ours.origin(), ours.size().0, ours.root().0, ""));
            prop_assert_eq!(ours.body(), changed);
        }
    }
}

/// The note of the documentation of Go's `golang.org/x/mod/sumdb/note`.
#[test]
fn a_note_of_the_first_implementation_verifies() {
    let note = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotp\
        RZb6KE6RyyBwJnAM=\n";
    let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let parsed = Note::parse(note.as_bytes()).unwrap();
    assert_eq!(
        parsed.verify(&[key.parse().unwrap()]).unwrap()[0].name,
        "PeterNeumann"
    );
    let forged = note.replace("don't", "do");
    assert!(
        Note::parse(forged.as_bytes())
            .unwrap()
            .verify(&[key.parse().unwrap()])
            .is_err()
    );
}
