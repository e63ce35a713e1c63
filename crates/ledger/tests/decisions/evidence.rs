use credlog_ledger::codec;
use credlog_ledger::evidence::{
    Conflict, EVIDENCE_BYTES_MAX, Equivocation, EvidenceError, SignedProposal, SignedVote,
};
use credlog_ledger::ids::{Height, LedgerId, Round, ValueId};
use credlog_ledger::vote::{VoteKind, proposal_message, vote_message};
use ed25519_dalek::Signer as _;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{key, public};
use crate::{LEDGER, VALUE, consensus_key, founders};

const POSITION: (Height, Round) = (Height(5), Round(2));
const OTHER: ValueId = ValueId([8; 32]);

fn vote(kind: VoteKind, value: Option<ValueId>) -> SignedVote {
    let message = vote_message(&LEDGER, kind, POSITION.0, POSITION.1, value.as_ref());
    SignedVote {
        value,
        signature: consensus_key("m1").sign(&message).to_bytes(),
    }
}

fn proposal(value: ValueId, valid_round: Option<Round>) -> SignedProposal {
    let message = proposal_message(&LEDGER, POSITION.0, POSITION.1, &value, valid_round);
    SignedProposal {
        value,
        valid_round,
        signature: consensus_key("m1").sign(&message).to_bytes(),
    }
}

fn of_votes(kind: VoteKind, values: [Option<ValueId>; 2]) -> Result<Equivocation, EvidenceError> {
    let key = public(&consensus_key("m1"));
    let votes = values.map(|value| vote(kind, value));
    Equivocation::votes("m1".parse().unwrap(), key, kind, POSITION, votes)
}

fn of_proposals(proposals: [(ValueId, Option<Round>); 2]) -> Result<Equivocation, EvidenceError> {
    let key = public(&consensus_key("m1"));
    let proposals = proposals.map(|(value, valid)| proposal(value, valid));
    Equivocation::proposals("m1".parse().unwrap(), key, POSITION, proposals)
}

fn every_kind() -> Vec<Equivocation> {
    vec![
        of_votes(VoteKind::Prevote, [Some(VALUE), Some(OTHER)]).unwrap(),
        of_votes(VoteKind::Precommit, [Some(VALUE), None]).unwrap(),
        of_proposals([(VALUE, None), (OTHER, None)]).unwrap(),
        of_proposals([(VALUE, Some(Round(0))), (OTHER, Some(Round(1)))]).unwrap(),
        of_proposals([(VALUE, Some(Round(0))), (VALUE, None)]).unwrap(),
    ]
}

#[test]
fn two_signed_statements_that_exclude_each_other_are_evidence() {
    for evidence in every_kind() {
        assert_eq!(evidence.verify(&LEDGER, &founders(4)), Ok(()));
        let bytes = evidence.to_bytes().unwrap();
        assert_eq!(Equivocation::from_bytes(&bytes), Ok(evidence.clone()));
        let json = serde_json::to_string(&evidence).unwrap();
        assert_eq!(
            serde_json::from_str::<Equivocation>(&json).unwrap(),
            evidence
        );
        assert_eq!(
            (evidence.conflict.height(), evidence.conflict.round()),
            POSITION
        );
    }
}

#[test]
fn evidence_has_one_form_whatever_the_order() {
    let values = [Some(VALUE), Some(OTHER)];
    let one = of_votes(VoteKind::Prevote, values).unwrap();
    assert_eq!(of_votes(VoteKind::Prevote, [values[1], values[0]]), Ok(one));
    let pair = [(VALUE, Some(Round(1))), (OTHER, None)];
    assert_eq!(of_proposals(pair), of_proposals([pair[1], pair[0]]));
    for evidence in every_kind() {
        let conflict = match evidence.conflict.clone() {
            Conflict::Votes {
                kind,
                height,
                round,
                first,
                second,
            } => Conflict::Votes {
                kind,
                height,
                round,
                first: second,
                second: first,
            },
            Conflict::Proposals {
                height,
                round,
                first,
                second,
            } => Conflict::Proposals {
                height,
                round,
                first: second,
                second: first,
            },
        };
        let turned = Equivocation {
            conflict,
            ..evidence
        };
        let bytes = codec::encode("turned", &turned, EVIDENCE_BYTES_MAX).unwrap();
        for result in [
            turned.to_bytes().map(|_| ()),
            turned.verify(&LEDGER, &founders(4)),
            Equivocation::from_bytes(&bytes).map(|_| ()),
        ] {
            assert!(matches!(result, Err(EvidenceError::NoConflict { .. })));
        }
    }
}

#[test]
fn the_json_form_names_every_field() {
    let votes = of_votes(VoteKind::Precommit, [Some(VALUE), None]).unwrap();
    let json = serde_json::to_value(&votes).unwrap();
    assert_eq!(json["member"], "m1");
    assert!(json["key"].as_str().unwrap().starts_with("z6Mk"));
    let conflict = &json["conflict"]["votes"];
    assert_eq!(conflict["kind"], "precommit");
    assert_eq!(
        (&conflict["height"], &conflict["round"]),
        (&5.into(), &2.into())
    );
    assert!(conflict["first"]["value"].is_null());
    assert_eq!(conflict["second"]["value"], VALUE.to_string());
    assert_eq!(conflict["second"]["signature"].as_str().unwrap().len(), 88);
    let pair = [(VALUE, Some(Round(0))), (OTHER, None)];
    let json = serde_json::to_value(of_proposals(pair).unwrap()).unwrap();
    let conflict = &json["conflict"]["proposals"];
    assert!(conflict["first"]["validRound"].is_null());
    assert_eq!(conflict["second"]["validRound"], 0);
}

#[test]
fn saying_the_same_twice_is_no_evidence() {
    for value in [None, Some(VALUE)] {
        let same = of_votes(VoteKind::Precommit, [value, value]);
        assert!(matches!(same, Err(EvidenceError::NoConflict { .. })));
    }
    let same = of_proposals([(VALUE, Some(Round(1))); 2]);
    assert!(matches!(same, Err(EvidenceError::NoConflict { .. })));
}

#[test]
fn nobody_is_accused_of_what_he_did_not_sign() {
    let members = founders(4);
    for good in every_kind() {
        let refused = |evidence: &Equivocation| {
            let result = evidence.verify(&LEDGER, &members);
            assert!(
                matches!(result, Err(EvidenceError::BadSignature { .. })),
                "{evidence:?}"
            );
        };
        let mut moved = good.clone();
        let (Conflict::Votes { height, .. } | Conflict::Proposals { height, .. }) =
            &mut moved.conflict;
        height.0 += 1;
        refused(&moved);
        let mut moved = good.clone();
        let (Conflict::Votes { round, .. } | Conflict::Proposals { round, .. }) =
            &mut moved.conflict;
        round.0 += 1;
        refused(&moved);
        let mut forged = good.clone();
        match &mut forged.conflict {
            Conflict::Votes { second, .. } => second.signature[3] ^= 1,
            Conflict::Proposals { second, .. } => second.signature[3] ^= 1,
        }
        refused(&forged);
        let other = good.verify(&LedgerId([8; 32]), &members);
        assert!(matches!(other, Err(EvidenceError::BadSignature { .. })));
        // Another member, no member, or another key of the member.
        for (member, key) in [
            ("m2", good.key.clone()),
            ("m9", good.key.clone()),
            ("m1", public(&key("m1/0/node"))),
        ] {
            let accused = Equivocation {
                member: member.parse().unwrap(),
                key,
                ..good.clone()
            };
            let result = accused.verify(&LEDGER, &members);
            assert!(matches!(result, Err(EvidenceError::UnknownKey { .. })));
        }
    }
    // A prevote and a precommit for different values are no contradiction.
    let kinds = [VoteKind::Prevote, VoteKind::Precommit];
    let votes = [vote(kinds[0], Some(VALUE)), vote(kinds[1], Some(OTHER))];
    let key = public(&consensus_key("m1"));
    for kind in kinds {
        let id = "m1".parse().unwrap();
        let mixed = Equivocation::votes(id, key.clone(), kind, POSITION, votes.clone()).unwrap();
        let result = mixed.verify(&LEDGER, &members);
        assert!(matches!(result, Err(EvidenceError::BadSignature { .. })));
    }
}

#[test]
fn the_longest_evidence_fits_the_limit() {
    let pair = [(VALUE, Some(Round(0))), (OTHER, Some(Round(1)))];
    let longest = Equivocation {
        member: "m".repeat(40).parse().unwrap(),
        ..of_proposals(pair).unwrap()
    };
    assert!(longest.to_bytes().unwrap().len() <= EVIDENCE_BYTES_MAX);
}

proptest! {
    #![proptest_config(crate::cases(300))]

    /// No byte of evidence can be changed, and hostile bytes never panic.
    #[test]
    fn every_byte_counts(
        which in 0..5usize, at in any::<prop::sample::Index>(), by in 1..=255u8,
        random in vec(any::<u8>(), 0..300),
    ) {
        let _ = Equivocation::from_bytes(&random);
        let mut bytes = every_kind()[which].to_bytes().unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        if let Ok(decoded) = Equivocation::from_bytes(&bytes) {
            prop_assert_eq!(decoded.to_bytes().unwrap(), bytes);
            prop_assert!(decoded.verify(&LEDGER, &founders(4)).is_err());
        }
    }
}
