//! Bytes of strangers: no parser panics, and what passes has one spelling only.

use crate::cases;
use credlog_tlog::{
    AddCheckpoint, Checkpoint, Frontier, Hash, LeafIndex, Note, NoteSignature, Policy, Tile,
    TilePath, TlogProof, TreeSize, VerifierKey, decode_bundle, decode_bundle_of, encode_bundle,
    tile_width, verify_consistency, verify_inclusion,
};
use proptest::prelude::*;

/// Well-formed texts of every format, to be damaged.
const SAMPLES: [&str; 11] = [
    "tile/0/x001/x234/067.p/8",
    "tile/entries/000",
    "tile/63/x018/x446/x744/x073/x709/x551/615",
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    "— n AAAAAAA=",
    "example.org/log\n10\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
    "text\n\n— n AAAAAAA=\n— m AAAAAAA=\n",
    "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "c2sp.org/tlog-proof@v1\nextra AA==\nindex 1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\
        o\n2\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— n AAAAAAA=\n",
    "old 1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\
        o\n2\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— n AAAAAAA=\n",
    "# p\nlog PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW u\n\
        witness w a+face3ab3+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU\n\
        group g any w\nquorum none\n",
];

/// Pieces that matter to the parsers.
const PIECES: [&str; 25] = [
    "\n",
    "\n\n",
    "— ",
    " ",
    "+",
    "/",
    "x",
    ".p/",
    "0",
    "000",
    "255",
    "256",
    "=",
    "A",
    "\u{0}",
    "\u{a0}",
    "18446744073709551616",
    "-1",
    "extra ",
    "index ",
    "old ",
    "group ",
    "quorum g\n",
    "all",
    "w",
];

/// Random text, or a sample with some places overwritten, cut out or doubled.
fn text() -> impl Strategy<Value = String> {
    let edit = (
        any::<prop::sample::Index>(),
        0..4usize,
        prop::sample::select(&PIECES[..]),
    );
    let edits = prop::collection::vec(edit, 0..4);
    let damaged = (prop::sample::select(&SAMPLES[..]), edits).prop_map(|(sample, edits)| {
        let mut characters: Vec<char> = sample.chars().collect();
        for (place, cut, piece) in edits {
            let start = place.index(characters.len() + 1);
            let end = (start + cut).min(characters.len());
            characters.splice(start..end, piece.chars());
        }
        characters.into_iter().collect()
    });
    let joined = prop::collection::vec(prop::sample::select(&PIECES[..]), 0..12)
        .prop_map(|pieces| pieces.concat());
    prop_oneof![3 => damaged, 1 => joined, 1 => any::<String>()]
}

proptest! {
    #![proptest_config(cases(5_000))]

    #[test]
    fn texts_are_refused_or_have_one_spelling(text in text()) {
        if let Ok(path) = text.parse::<TilePath>() {
            prop_assert_eq!(path.to_string(), &text[..]);
            prop_assert!(tile_width(path.level(), path.index(), TreeSize(u64::MAX)) <= 256);
            let theirs = text.replacen("tile/", "tile/8/", 1).replacen("entries", "data", 1);
            prop_assert!(tlog_tiles::Tile::from_path(&theirs).is_ok(), "{}", theirs);
        }
        if let Ok(key) = text.parse::<VerifierKey>() {
            prop_assert_eq!(key.to_string(), &text[..]);
        }
        if let Ok(signature) = text.parse::<NoteSignature>() {
            prop_assert_eq!(signature.to_string(), &text[..]);
        }
        if let Ok(checkpoint) = Checkpoint::parse(&text) {
            prop_assert_eq!(checkpoint.body(), &text[..]);
        }
        if let Ok(note) = Note::parse(text.as_bytes()) {
            prop_assert_eq!(note.to_string(), &text[..]);
            prop_assert!(signed_note::Note::from_bytes(text.as_bytes()).is_ok());
        }
        if let Ok(proof) = TlogProof::parse(text.as_bytes()) {
            prop_assert_eq!(proof.to_string(), &text[..]);
        }
        if let Ok(request) = AddCheckpoint::parse(text.as_bytes()) {
            prop_assert_eq!(request.to_string(), &text[..]);
        }
        if let Ok(policy) = text.parse::<Policy>() {
            prop_assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        if let Ok(hash) = Hash::from_base64(&text) {
            prop_assert_eq!(hash.to_base64(), &text[..]);
        }
        if let Ok(hash) = Hash::from_hex(&text) {
            prop_assert_eq!(hash.to_string(), &text[..]);
        }
    }

    #[test]
    fn bytes_are_refused_or_have_one_encoding(bytes in prop::collection::vec(
        prop_oneof![Just(0u8), 0..4u8, any::<u8>()], 0..700,
    ), width: u16) {
        if let Ok(entries) = decode_bundle(&bytes) {
            prop_assert!((1..=256).contains(&entries.len()));
            prop_assert_eq!(encode_bundle(&entries).unwrap(), &bytes[..]);
            let exact = usize::from(width) == entries.len();
            prop_assert_eq!(decode_bundle_of(&bytes, width).is_ok(), exact);
        }
        if let Ok(note) = Note::parse(&bytes) {
            prop_assert_eq!(note.to_string().into_bytes(), &bytes[..]);
        }
        let path: TilePath = "tile/0/000.p/3".parse().unwrap();
        prop_assert_eq!(Tile::from_bytes(&path, &bytes).is_ok(), bytes.len() == 96);
        prop_assert_eq!(Hash::try_from(&bytes[..]).is_ok(), bytes.len() == 32);
    }

    #[test]
    fn bundles_round_trip(entries in prop::collection::vec(
        prop::collection::vec(any::<u8>(), 0..300), 1..257,
    ), cut: prop::sample::Index) {
        let bundle = encode_bundle(&entries).unwrap();
        prop_assert_eq!(decode_bundle(&bundle).unwrap(), &entries[..]);
        let cut = cut.index(bundle.len());
        let width = u16::try_from(entries.len()).unwrap();
        prop_assert!(decode_bundle_of(&bundle[..cut], width).is_err());
    }

    #[test]
    fn proofs_of_any_numbers_are_judged(
        a: u64, b: u64, shifts in (0..64u32, 0..64u32), length in 0..130usize,
    ) {
        let hash = Hash([3; 32]);
        let proof = vec![hash; length];
        let (a, b) = (a >> shifts.0, b >> shifts.1);
        let inclusion = verify_inclusion(&hash, LeafIndex(a), TreeSize(b), &proof, &hash);
        prop_assert_eq!(inclusion.is_ok(), (a, b, length) == (0, 1, 0));
        let consistency = verify_consistency(TreeSize(a), &hash, TreeSize(b), &hash, &proof);
        prop_assert_eq!(consistency.is_ok(), a == b && a > 0 && length == 0);
        if let Ok(mut frontier) = Frontier::from_parts(TreeSize(a), vec![hash; length]) {
            frontier.append(hash);
            prop_assert_eq!(frontier.size(), TreeSize(a + 1));
            prop_assert_eq!(frontier.subtrees().len(), (a + 1).count_ones() as usize);
        }
    }
}
