//! Proofs, requests to witnesses and policies: there and back, and with every byte changed.

use crate::cases;
use credlog_tlog::{
    AddCheckpoint, Checkpoint, CosignatureSigner, Hash, LeafIndex, MemoryTiles, Note, NoteSigner,
    Policy, PolicyError, PolicyGroup, PolicyLog, PolicyWitness, TileAppender, TlogProof, TreeSize,
    consistency_proof, inclusion_proof, leaf_hash, root_at, verify_consistency,
};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;

const ORIGIN: &str = "ledger.example/log";

/// A log of so many leaves.
fn log(size: u64) -> (Vec<Hash>, MemoryTiles) {
    let leaves: Vec<Hash> = (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect();
    let mut appender = TileAppender::new();
    appender.append_many(leaves.iter().copied());
    let mut tiles = MemoryTiles::default();
    tiles.extend(appender.take_changed());
    (leaves, tiles)
}

fn signers() -> (NoteSigner, Vec<CosignatureSigner>) {
    let key = |seed| SigningKey::from_bytes(&[seed; 32]);
    let cosigner = |seed| CosignatureSigner::new(&format!("{ORIGIN}/m{seed}/1"), key(seed));
    let cosigners = (2..6).map(|seed| cosigner(seed).unwrap()).collect();
    (NoteSigner::new(ORIGIN, key(1)).unwrap(), cosigners)
}

fn note(tiles: &MemoryTiles, size: u64, cosigners: usize) -> Note {
    let root = root_at(tiles, TreeSize(size)).unwrap();
    let checkpoint = Checkpoint::new(ORIGIN, TreeSize(size), root).unwrap();
    let (signer, all) = signers();
    let cosigned = all[..cosigners]
        .iter()
        .map(|one| one.cosign(&checkpoint, 1_790_000_000));
    let own = signer.sign(&checkpoint.body()).unwrap();
    Note::new(
        &checkpoint.body(),
        [own].into_iter().chain(cosigned).collect(),
    )
    .unwrap()
}

/// Three of the four cosigners suffice.
fn policy() -> Policy {
    let (signer, cosigners) = signers();
    let log = PolicyLog {
        key: signer.verifier_key().clone(),
        url: None,
    };
    let witness = |cosigner: &CosignatureSigner| PolicyWitness {
        name: cosigner.verifier_key().name().to_owned(),
        key: cosigner.verifier_key().clone(),
        url: None,
    };
    let witnesses: Vec<PolicyWitness> = cosigners.iter().map(witness).collect();
    let group = PolicyGroup {
        name: "members".to_owned(),
        threshold: 3,
        members: witnesses.iter().map(|one| one.name.clone()).collect(),
    };
    Policy::new(vec![log], witnesses, vec![group], Some("members")).unwrap()
}

/// Every text that differs in one byte: each bit flipped, and each byte left out.
fn changed(text: &str) -> impl Iterator<Item = Vec<u8>> {
    let bytes = text.as_bytes().to_vec();
    (0..bytes.len()).flat_map(move |place| {
        let flip = |bit: u32| {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            changed
        };
        let mut cut = bytes.clone();
        cut.remove(place);
        (0..8).map(flip).chain([cut]).collect::<Vec<_>>()
    })
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn proofs_go_there_and_back(
        size in 1..700u64, place: prop::sample::Index, other: prop::sample::Index,
        extra in prop::collection::vec(any::<u8>(), 0..40), cosigners in 0..5usize,
    ) {
        let (leaves, tiles) = log(size);
        let (index, other) = (place.index(leaves.len()), other.index(leaves.len()));
        let at = LeafIndex(index as u64);
        let path = inclusion_proof(&tiles, at, TreeSize(size)).unwrap();
        let proof = TlogProof::new(extra, at, path, note(&tiles, size, cosigners)).unwrap();
        let read = TlogProof::parse(proof.to_string().as_bytes()).unwrap();
        prop_assert_eq!(&read, &proof);
        let shown = read.verify_inclusion(&leaves[other]);
        prop_assert_eq!(shown.is_ok(), other == index);
        prop_assert_eq!(policy().accept(read.note()).is_ok(), cosigners >= 3);
    }

    #[test]
    fn requests_go_there_and_back(new in 1..700u64, old: prop::sample::Index) {
        let (_, tiles) = log(new);
        let (old, new) = (TreeSize(old.index(700) as u64 % (new + 1)), TreeSize(new));
        let path = consistency_proof(&tiles, old, new).unwrap();
        let request = AddCheckpoint::new(old, path, note(&tiles, new.0, 3)).unwrap();
        let read = AddCheckpoint::parse(request.to_string().as_bytes()).unwrap();
        prop_assert_eq!(&read, &request);
        let (from, to) = (root_at(&tiles, old).unwrap(), read.checkpoint().root());
        prop_assert_eq!(verify_consistency(old, &from, new, &to, read.proof()), Ok(()));
    }

    #[test]
    fn policies_go_there_and_back(
        counts in (0..5usize, 0..9usize), groups in prop::collection::vec((1..4usize, 1..4usize), 0..5),
        quorum: prop::sample::Index,
    ) {
        let key = |seed: usize| SigningKey::from_bytes(&[u8::try_from(seed).unwrap(); 32]);
        let url = |n: usize| (n % 2 == 1).then(|| format!("https://{n}.example/é"));
        let logs = (0..counts.0).map(|n| PolicyLog {
            key: NoteSigner::new(ORIGIN, key(n)).unwrap().verifier_key().clone(),
            url: url(n),
        });
        let witnesses = (0..counts.1).map(|n| PolicyWitness {
            name: format!("#w{n}"),
            key: CosignatureSigner::new("w", key(50 + n)).unwrap().verifier_key().clone(),
            url: url(n),
        });
        let mut free: Vec<String> = (0..counts.1).map(|n| format!("#w{n}")).collect();
        let mut made = Vec::new();
        for (n, (threshold, members)) in groups.into_iter().enumerate() {
            let members: Vec<String> = free.drain(..members.min(free.len())).collect();
            if threshold <= members.len() {
                made.push(PolicyGroup { name: format!("g{n}"), threshold, members });
                free.push(format!("g{n}"));
            }
        }
        let quorum = free.get(quorum.index(free.len() + 1)).map(String::as_str);
        let policy = Policy::new(logs.collect(), witnesses.collect(), made, quorum).unwrap();
        let text = policy.to_string();
        prop_assert_eq!(text.parse(), Ok(policy.clone()));
        // The same by other lines: white space, comments, the last line first is refused.
        let other = text.replace('\n', " \n\t# quorum none\n\n").replace(' ', "\t ");
        prop_assert_eq!(other.parse(), Ok(policy));
    }
}

/// A change is refused, or it is another proof whose leaf, log or signers are not the same.
#[test]
fn no_changed_byte_leaves_a_proof_as_it_was() {
    let (leaves, tiles) = log(7);
    let at = LeafIndex(4);
    let path = inclusion_proof(&tiles, at, TreeSize(7)).unwrap();
    for extra in [&b""[..], b"extra"] {
        let note = note(&tiles, 7, 3);
        let proof = TlogProof::new(extra.to_vec(), at, path.clone(), note).unwrap();
        let (mut read, mut good) = (0, 0);
        for bytes in changed(&proof.to_string()) {
            let Ok(other) = TlogProof::parse(&bytes) else {
                continue;
            };
            read += 1;
            assert_eq!(other.to_string().into_bytes(), bytes);
            assert_ne!(other, proof);
            let shown = other.verify_inclusion(&leaves[4]).is_ok();
            if shown && policy().accept(other.note()).is_ok() {
                assert_ne!(other.extra(), extra, "only what nothing authenticates");
                good += 1;
            }
        }
        assert!(read > 100, "changes reach past the parser");
        assert_eq!(good > 0, !extra.is_empty());
    }
}

#[test]
fn no_changed_byte_leaves_a_request_as_it_was() {
    let (_, tiles) = log(7);
    let (old, new) = (TreeSize(5), TreeSize(7));
    let path = consistency_proof(&tiles, old, new).unwrap();
    let request = AddCheckpoint::new(old, path, note(&tiles, 7, 3)).unwrap();
    let from = root_at(&tiles, old).unwrap();
    let mut read = 0;
    for bytes in changed(&request.to_string()) {
        let Ok(other) = AddCheckpoint::parse(&bytes) else {
            continue;
        };
        read += 1;
        assert_eq!(other.to_string().into_bytes(), bytes);
        assert_ne!(other, request);
        let checkpoint = other.checkpoint();
        let (size, root) = (checkpoint.size(), checkpoint.root());
        let grown = verify_consistency(other.old(), &from, size, &root, other.proof());
        assert!(grown.is_err() || policy().accept(other.note()).is_err());
    }
    assert!(read > 100, "changes reach past the parser");
}

/// A change is refused, or says something else, or is of white space.
#[test]
fn no_changed_byte_leaves_a_policy_as_it_was() {
    let policy = policy();
    let text = policy.to_string();
    let words =
        |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    let mut read = 0;
    for bytes in changed(&text) {
        let Ok(changed) = String::from_utf8(bytes) else {
            continue;
        };
        if let Ok(other) = changed.parse::<Policy>() {
            read += 1;
            assert_eq!(other.to_string().parse(), Ok(other.clone()));
            assert_eq!(
                other == policy,
                words(&changed) == words(&text),
                "{changed}"
            );
        }
    }
    assert!(read >= 2, "a threshold of 1 and of 2 can be read");
}

/// Ids have four bytes, and all logs of a policy have one name: whoever makes a key whose id is that
/// of another's must not make the other's signatures count for nothing.
#[test]
fn two_logs_of_one_id_are_told_apart() {
    let signer = |number: u32| {
        let seed: [u8; 32] = number.to_be_bytes().repeat(8).try_into().unwrap();
        NoteSigner::new("o", SigningKey::from_bytes(&seed)).unwrap()
    };
    let (one, other) = (signer(45_064), signer(89_879));
    assert_eq!(one.verifier_key().id(), other.verifier_key().id());
    let log = |signer: &NoteSigner| PolicyLog {
        key: signer.verifier_key().clone(),
        url: None,
    };
    let policy = Policy::new(vec![log(&one), log(&other)], vec![], vec![], None).unwrap();
    let checkpoint = Checkpoint::new("o", TreeSize(1), Hash([1; 32])).unwrap();
    let body = checkpoint.body();
    let signed = |line| policy.accept(&Note::new(&body, vec![line]).unwrap());
    for signer in [&one, &other] {
        let line = signer.sign(&body).unwrap();
        assert_eq!(signed(line), Ok(checkpoint.clone()));
        let line = signer.sign("something else\n").unwrap();
        assert!(matches!(signed(line), Err(PolicyError::Note(_))));
    }
}
