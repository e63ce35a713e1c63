//! The decoders of the ledger under test, each with inputs that they accept.
//!
//! A target panics when a decoder's promise is broken (what decodes encodes to the same
//! bytes); a decoder that panics by itself is found in the same way.

use credlog_ledger::block::Block;
use credlog_ledger::body::{Body, Reason, StatusChange};
use credlog_ledger::certificate::{CommitCertificate, CommitSignature};
use credlog_ledger::evidence::{Equivocation, SignedVote};
use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::{Digest, Height, LedgerId, Round, UnixMillis, ValueId};
use credlog_ledger::key::PublicKey;
use credlog_ledger::record::{AuthorId, EncodedRecord, Record};
use credlog_ledger::seal::Seal;
use credlog_ledger::vote::VoteKind;
use credlog_tlog::{
    AddCheckpoint, Checkpoint, Hash, Note, Policy, TilePath, TlogProof, VerifierKey, decode_bundle,
    encode_bundle,
};
use ed25519_dalek::SigningKey;

/// One decoder.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) seeds: Vec<Vec<u8>>,
    pub(crate) run: fn(&[u8]),
}

const NOTE: &str = "ledger.example/log\n2\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\
    \u{2014} ledger.example/log AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAA==\n";

/// Every target.
pub(crate) fn all() -> anyhow::Result<Vec<Target>> {
    let record = record()?;
    let seal = seal();
    let block = Block {
        records: vec![EncodedRecord::decode(&record)?],
        seal: seal.clone(),
    };
    Ok(vec![
        target("record", vec![record.clone()], |bytes| {
            if let Ok(record) = EncodedRecord::decode(bytes) {
                assert_eq!(record.record().to_bytes().as_deref(), Ok(bytes));
            }
        }),
        target("seal", vec![seal.leaf()?], |bytes| {
            if let Ok(seal) = Seal::from_leaf(bytes) {
                assert_eq!(seal.leaf().as_deref(), Ok(bytes));
            }
        }),
        target("block", vec![block.to_bytes()?], |bytes| {
            if let Ok(block) = Block::from_bytes(bytes) {
                assert_eq!(block.to_bytes().as_deref(), Ok(bytes));
            }
        }),
        crate::audit::target(&record, &seal.leaf()?, &certificate()?)?,
        target("certificate", vec![certificate()?], |bytes| {
            if let Ok(certificate) = CommitCertificate::from_bytes(bytes) {
                assert_eq!(certificate.to_bytes().as_deref(), Ok(bytes));
            }
        }),
        target("evidence", vec![evidence()?], |bytes| {
            if let Ok(evidence) = Equivocation::from_bytes(bytes) {
                assert_eq!(evidence.to_bytes().as_deref(), Ok(bytes));
            }
        }),
        target(
            "genesis",
            vec![br#"{"version":1,"origin":"a","time":1,"members":[]}"#.to_vec()],
            |b| {
                let _ = Genesis::parse(b);
            },
        ),
        target(
            "public key",
            vec![b"z6MkrLuTEDM5hr4H9JVnhjoRxuXQmJ88ReNE6fpw9471PaAA".to_vec()],
            |b| {
                if let Ok(key) = String::from_utf8_lossy(b).parse::<PublicKey>() {
                    let _ = key.check();
                    assert!(!key.verifies(b, &[0; 64]));
                }
            },
        ),
        target("note", vec![NOTE.as_bytes().to_vec()], |bytes| {
            if let Ok(note) = Note::parse(bytes) {
                let _ = Checkpoint::parse(note.text());
                let _ = note.verify(&[]);
            }
        }),
        target("tlog-proof", vec![tlog_proof()], |bytes| {
            if let Ok(proof) = TlogProof::parse(bytes) {
                assert_eq!(proof.to_string().as_bytes(), bytes);
                assert!(proof.verify_inclusion(&Hash([1; 32])).is_err());
            }
        }),
        target("add-checkpoint", vec![add_checkpoint()], |bytes| {
            if let Ok(request) = AddCheckpoint::parse(bytes) {
                assert_eq!(request.to_string().as_bytes(), bytes);
                assert!(request.old() <= request.checkpoint().size());
            }
        }),
        target("policy", vec![policy()], |bytes| {
            if let Ok(policy) = String::from_utf8_lossy(bytes).parse::<Policy>() {
                assert_eq!(policy.to_string().parse(), Ok(policy));
            }
        }),
        target(
            "tile path",
            vec![
                b"tile/0/x001/x234/067.p/3".to_vec(),
                b"tile/entries/000".to_vec(),
            ],
            |b| {
                let text = String::from_utf8_lossy(b);
                if let Ok(path) = text.parse::<TilePath>() {
                    assert_eq!(path.to_string(), text);
                }
            },
        ),
        target(
            "verifier key",
            vec![b"log+00000000+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_vec()],
            |b| {
                let _ = String::from_utf8_lossy(b).parse::<VerifierKey>();
            },
        ),
        target(
            "entry bundle",
            vec![encode_bundle(&[b"one".as_slice(), b"two"])?],
            |bytes| {
                if let Ok(entries) = decode_bundle(bytes) {
                    assert_eq!(encode_bundle(&entries).as_deref(), Ok(bytes));
                }
            },
        ),
    ])
}

pub(crate) fn target(name: &'static str, seeds: Vec<Vec<u8>>, run: fn(&[u8])) -> Target {
    Target { name, seeds, run }
}

fn tlog_proof() -> Vec<u8> {
    let hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    format!("c2sp.org/tlog-proof@v1\nextra bW9yZQ==\nindex 1\n{hash}\n\n{NOTE}").into_bytes()
}

fn add_checkpoint() -> Vec<u8> {
    let hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    format!("old 1\n{hash}\n\n{NOTE}").into_bytes()
}

fn policy() -> Vec<u8> {
    let log = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let witness = "ledger.example/2026/university-a/1+face3ab3+\
        BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU";
    let text = format!(
        "# whom to trust\nlog {log} https://log.example/\nwitness a {witness}\n\
         group members all a\ngroup more any members\nquorum more\n"
    );
    text.into_bytes()
}

fn record() -> anyhow::Result<Vec<u8>> {
    let body = Body::Revoke(StatusChange {
        issuer: "did:key:z6MkrLuTEDM5hr4H9JVnhjoRxuXQmJ88ReNE6fpw9471PaAA".parse()?,
        digests: vec![Digest([1; 32]), Digest([2; 32])],
        reason: Reason::Other,
    });
    let author = AuthorId::Member("university-a".parse()?);
    let key = SigningKey::from_bytes(&[1; 32]);
    let record = Record::sign(
        LedgerId([0; 32]),
        author,
        [0; 16],
        UnixMillis(1),
        body,
        &key,
    )?;
    Ok(record.to_bytes()?)
}

fn certificate() -> anyhow::Result<Vec<u8>> {
    let signature = |member: &str| {
        anyhow::Ok(CommitSignature {
            member: member.parse()?,
            signature: [1; 64],
        })
    };
    let signatures = vec![signature("university-a")?, signature("university-b")?];
    let value = ValueId([1; 32]);
    Ok(CommitCertificate::new(Height(1), Round(0), value, signatures)?.to_bytes()?)
}

fn evidence() -> anyhow::Result<Vec<u8>> {
    let votes = [None, Some(ValueId([1; 32]))].map(|value| SignedVote {
        value,
        signature: [1; 64],
    });
    let key = PublicKey::ed25519(&[1; 32]);
    let (member, at) = ("university-a".parse()?, (Height(1), Round(0)));
    Ok(Equivocation::votes(member, key, VoteKind::Prevote, at, votes)?.to_bytes()?)
}

fn seal() -> Seal {
    use credlog_ledger::ids::{MemberId, Root};
    let proposer = MemberId::try_from("university-a".to_owned());
    Seal {
        version: 1,
        height: Height(1),
        time: UnixMillis(1),
        round: Round(0),
        proposer: proposer.unwrap_or_else(|_| unreachable!("a valid member id")),
        record_count: 1,
        status_root: Root([0; 32]),
        status_lists: 0,
        registry_root: Root([0; 32]),
        registry_size: 0,
        members_hash: Root([0; 32]),
    }
}
