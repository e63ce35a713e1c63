use credlog_ledger::certificate::{
    CERTIFICATE_BYTES_MAX, CertificateError, CommitCertificate, CommitSignature,
};
use credlog_ledger::codec::{self, CodecError};
use credlog_ledger::ids::{Height, LedgerId, Round, ValueId};
use credlog_ledger::member::MEMBERS_MAX;
use credlog_ledger::vote::{VoteKind, vote_message};
use ed25519_dalek::Signer as _;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use crate::support::{TestLedger, key};
use crate::{LEDGER, VALUE, certificate, consensus_key, founders, precommit};

fn verify(certificate: &CommitCertificate, members: usize) -> Result<(), CertificateError> {
    certificate.verify(&LEDGER, &founders(members), &VALUE)
}

#[test]
fn a_quorum_of_distinct_members_decides() {
    for (members, quorum) in [
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 3),
        (5, 4),
        (6, 5),
        (7, 5),
        (10, 7),
    ] {
        let all: Vec<usize> = (0..members).collect();
        for count in 1..=members {
            let result = verify(&certificate(&all[members - count..]), members);
            let few = CertificateError::NoQuorum {
                height: Height(5),
                signatures: count,
                quorum,
            };
            let expected = if count < quorum { Err(few) } else { Ok(()) };
            assert_eq!(result, expected, "{count} of {members}");
        }
    }
}

#[test]
fn every_signature_has_to_be_good_also_beyond_the_quorum() {
    let good = certificate(&[0, 1, 2, 3]);
    assert_eq!(verify(&good, 4), Ok(()));
    for at in 0..4 {
        let member = good.signatures[at].member.clone();
        let bad = CertificateError::BadSignature {
            height: Height(5),
            member,
        };
        for byte in [0, 31, 32, 63] {
            let mut spoiled = good.clone();
            spoiled.signatures[at].signature[byte] ^= 1;
            assert_eq!(verify(&spoiled, 4), Err(bad.clone()));
        }
        // Another member's signature under this name.
        let mut copied = good.clone();
        copied.signatures[at].signature = good.signatures[(at + 1) % 4].signature;
        assert_eq!(verify(&copied, 4), Err(bad));
    }
    let stranger = verify(&certificate(&[0, 1, 2, 3, 4]), 4);
    let unknown = CertificateError::UnknownMember {
        height: Height(5),
        member: "m4".parse().unwrap(),
    };
    assert_eq!(stranger, Err(unknown));
}

/// A signature counts for one ledger, kind, height, round and value.
#[test]
fn what_was_signed_for_something_else_does_not_count() {
    let good = certificate(&[0, 1, 2]);
    let bad = |certificate: &CommitCertificate| {
        let result = certificate.verify(&LEDGER, &founders(3), &certificate.value);
        assert!(matches!(result, Err(CertificateError::BadSignature { .. })));
    };
    bad(&CommitCertificate {
        height: Height(6),
        ..good.clone()
    });
    bad(&CommitCertificate {
        round: Round(1),
        ..good.clone()
    });
    bad(&CommitCertificate {
        value: ValueId([8; 32]),
        ..good.clone()
    });
    let other = good.verify(&LedgerId([8; 32]), &founders(3), &VALUE);
    assert!(matches!(other, Err(CertificateError::BadSignature { .. })));
    let other = good.verify(&LEDGER, &founders(3), &ValueId([8; 32]));
    assert!(matches!(other, Err(CertificateError::OtherValue { .. })));
    let message = vote_message(
        &LEDGER,
        VoteKind::Prevote,
        Height(5),
        Round(2),
        Some(&VALUE),
    );
    let mut prevote = good.clone();
    prevote.signatures[0].signature = consensus_key("m0").sign(&message).to_bytes();
    bad(&prevote);
    let nil = vote_message(&LEDGER, VoteKind::Precommit, Height(5), Round(2), None);
    prevote.signatures[0].signature = consensus_key("m0").sign(&nil).to_bytes();
    bad(&prevote);
    // The member's other keys have no vote.
    let governance = key("m0/0/governance");
    let mut wrong = good;
    wrong.signatures[0] = precommit(&LEDGER, Height(5), Round(2), &VALUE, ("m0", &governance));
    bad(&wrong);
}

#[test]
fn signatures_stand_once_and_in_order() {
    let good = certificate(&[2, 0, 1]);
    let names: Vec<&str> = good
        .signatures
        .iter()
        .map(|one| one.member.as_str())
        .collect();
    assert_eq!(names, ["m0", "m1", "m2"]);
    let with = |order: &[usize]| CommitCertificate {
        signatures: order
            .iter()
            .map(|&at| good.signatures[at].clone())
            .collect(),
        ..good.clone()
    };
    for wrong in [
        with(&[1, 0, 2]),
        with(&[0, 0, 1, 2]),
        with(&[0, 1, 2, 2]),
        with(&[]),
    ] {
        let error = CertificateError::Signatures {
            height: Height(5),
            count: wrong.signatures.len(),
        };
        assert_eq!(wrong.to_bytes(), Err(error.clone()));
        assert_eq!(verify(&wrong, 3), Err(error.clone()));
        let bytes = codec::encode("wrong", &wrong, CERTIFICATE_BYTES_MAX).unwrap();
        assert_eq!(CommitCertificate::from_bytes(&bytes), Err(error));
    }
    let twice = vec![good.signatures[0].clone(), good.signatures[0].clone()];
    let twice = CommitCertificate::new(Height(5), Round(2), VALUE, twice);
    assert!(matches!(
        twice,
        Err(CertificateError::Signatures { count: 2, .. })
    ));
}

#[test]
fn the_limit_holds_the_largest_certificate_and_no_more() {
    let signature = |number: usize| CommitSignature {
        member: format!("{number:040}").parse().unwrap(),
        signature: [1; 64],
    };
    let of = |count| {
        let signatures = (0..count).map(signature).collect();
        CommitCertificate::new(Height(1), Round(0), VALUE, signatures)
    };
    let largest = of(MEMBERS_MAX).unwrap();
    let bytes = largest.to_bytes().unwrap();
    assert_eq!(bytes.len(), CERTIFICATE_BYTES_MAX);
    assert_eq!(CommitCertificate::from_bytes(&bytes), Ok(largest));
    assert!(of(MEMBERS_MAX + 1).is_err());
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(
        CommitCertificate::from_bytes(&longer),
        Err(CertificateError::Codec(CodecError::TooLong { .. }))
    ));
}

#[test]
fn certificates_of_one_decision_unite() {
    let mut one = certificate(&[0, 2]);
    assert_eq!(one.merge(&certificate(&[1, 2])), Ok(true));
    assert_eq!(one, certificate(&[0, 1, 2]));
    assert_eq!(one.merge(&certificate(&[0, 2])), Ok(false));
    assert_eq!(one, certificate(&[0, 1, 2]));
    let others = [
        CommitCertificate {
            height: Height(6),
            ..certificate(&[3])
        },
        CommitCertificate {
            round: Round(0),
            ..certificate(&[3])
        },
        CommitCertificate {
            value: ValueId([8; 32]),
            ..certificate(&[3])
        },
    ];
    for other in others {
        let result = one.merge(&other);
        assert!(matches!(
            result,
            Err(CertificateError::OtherDecision { .. })
        ));
        assert_eq!(one, certificate(&[0, 1, 2]));
    }
}

#[test]
fn the_value_is_the_checkpoint_of_an_executed_block() {
    let ledger = TestLedger::small();
    let block = &ledger.blocks[2];
    let body = format!(
        "test.example/credlog\n{}\n{}\n",
        block.size,
        block.root.to_base64()
    );
    let expected = ValueId(*blake3::hash(body.as_bytes()).as_bytes());
    assert_eq!(block.value_id(), Ok(expected));
    assert_eq!(ValueId::of(&block.checkpoint().unwrap()), expected);
}

fn arbitrary() -> impl Strategy<Value = CommitCertificate> {
    let members = btree_set("[a-z0-9][a-z0-9-]{0,39}", 1..12);
    let bytes = vec(any::<[u8; 32]>(), 24);
    (any::<(u64, u32, [u8; 32])>(), members, bytes).prop_map(
        |((height, round, value), members, bytes)| {
            let signature = |(member, halves): (String, &[[u8; 32]])| CommitSignature {
                member: member.parse().unwrap(),
                signature: halves.concat().try_into().unwrap(),
            };
            let signatures = members.into_iter().zip(bytes.chunks(2)).map(signature);
            let (height, round) = (Height(height), Round(round));
            CommitCertificate::new(height, round, ValueId(value), signatures.collect()).unwrap()
        },
    )
}

proptest! {
    #![proptest_config(crate::cases(300))]

    #[test]
    fn decoding_and_encoding_are_inverse(certificate in arbitrary()) {
        let bytes = certificate.to_bytes().unwrap();
        prop_assert_eq!(CommitCertificate::from_bytes(&bytes), Ok(certificate.clone()));
        let json = serde_json::to_string(&certificate).unwrap();
        prop_assert_eq!(serde_json::from_str::<CommitCertificate>(&json).unwrap(), certificate);
    }

    #[test]
    fn hostile_bytes_never_panic(
        certificate in arbitrary(), at in any::<prop::sample::Index>(),
        to in vec(any::<u8>(), 1..9), random in vec(any::<u8>(), 0..300),
    ) {
        let _ = CommitCertificate::from_bytes(&random);
        let mut bytes = certificate.to_bytes().unwrap();
        let at = at.index(bytes.len());
        let end = (at + to.len()).min(bytes.len());
        bytes[at..end].copy_from_slice(&to[..end - at]);
        if let Ok(decoded) = CommitCertificate::from_bytes(&bytes) {
            prop_assert_eq!(decoded.to_bytes().unwrap(), bytes);
        }
    }

    /// No change of any byte leaves a certificate that verifies.
    #[test]
    fn every_byte_counts(at in any::<prop::sample::Index>(), by in 1..=255u8) {
        let mut bytes = certificate(&[0, 1, 2]).to_bytes().unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        if let Ok(decoded) = CommitCertificate::from_bytes(&bytes) {
            prop_assert!(decoded.verify(&LEDGER, &founders(4), &VALUE).is_err());
        }
    }
}
