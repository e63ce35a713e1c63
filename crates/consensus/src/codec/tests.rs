use arc_malachitebft_engine::util::streaming::{StreamContent, StreamId};
use arc_malachitebft_peer::PeerId;
use credlog_ledger::certificate::CommitSignature;
use credlog_ledger::ids;
use ct::{
    PolkaSignature, RoundCertificate, RoundCertificateType, RoundSignature, SignedMessage, Validity,
};
use proptest::prelude::*;

use super::*;
use crate::network::peer_id;
use crate::stream::First;

fn wire() -> Wire {
    Wire {
        observed: Arc::default(),
    }
}

fn round_trip<T>(message: &T) -> usize
where
    Wire: Codec<T, Error = Error>,
    T: PartialEq + std::fmt::Debug,
{
    let bytes = wire().encode(message).unwrap();
    assert_eq!(
        &Codec::<T>::decode(&wire(), bytes.clone()).unwrap(),
        message
    );
    bytes.len()
}

/// Bytes that are no message of a kind, or one that is written as it was read.
fn hostile<T>(bytes: &[u8])
where
    Wire: Codec<T, Error = Error>,
{
    if let Ok(message) = Codec::<T>::decode(&wire(), bytes.to_vec().into()) {
        assert_eq!(wire().encode(&message).unwrap(), bytes);
    }
}

fn each_kind(bytes: &[u8]) {
    hostile::<Part>(bytes);
    hostile::<StreamMessage<Part>>(bytes);
    hostile::<SignedConsensusMsg<Ledger>>(bytes);
    hostile::<LivenessMsg<Ledger>>(bytes);
    hostile::<PolkaCertificate<Ledger>>(bytes);
    hostile::<ProposedValue<Ledger>>(bytes);
    hostile::<sync::Request<Ledger>>(bytes);
    hostile::<sync::Status<Ledger>>(bytes);
    hostile::<ValidatorProof<Ledger>>(bytes);
    hostile::<sync::Response<Ledger>>(bytes);
}

fn value() -> impl Strategy<Value = Value> {
    any::<[u8; 32]>().prop_map(Value)
}

fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 32]>().prop_map(Address::Key)
}

fn vote() -> impl Strategy<Value = Vote> {
    let fields = (
        any::<bool>(),
        any::<u64>(),
        any::<u32>(),
        prop::option::of(value()),
        address(),
    );
    fields.prop_map(|(is_prevote, height, round, value, address)| Vote {
        kind: match is_prevote {
            true => VoteType::Prevote,
            false => VoteType::Precommit,
        },
        height: Height(height),
        round: Round::new(round),
        value: value.map_or(NilOrVal::Nil, NilOrVal::Val),
        address,
    })
}

fn proposal() -> impl Strategy<Value = Proposal> {
    let fields = (
        any::<u64>(),
        any::<u32>(),
        value(),
        prop::option::of(any::<u32>()),
        address(),
    );
    fields.prop_map(|(height, round, value, valid_round, address)| Proposal {
        height: Height(height),
        round: Round::new(round),
        value,
        valid_round: valid_round.into(),
        address,
    })
}

fn certificate(height: u64, members: u8) -> CommitCertificate {
    let signatures = (0..members).map(|of| CommitSignature {
        member: format!("{of:0>40}").parse().unwrap(),
        signature: [of; 64],
    });
    let (height, round) = (ids::Height(height), ids::Round(2));
    CommitCertificate::new(height, round, ValueId([8; 32]), signatures.collect()).unwrap()
}

fn response(blocks: &[usize], members: u8) -> sync::Response<Ledger> {
    let values = (5..).zip(blocks).map(|(height, length)| {
        let certificate = certificate(height, members);
        let bytes = synced_bytes(&certificate.value, &vec![7; *length]);
        sync::RawDecidedValue::new(bytes, certificates::to_engine(&certificate))
    });
    let response = sync::ValueResponse::new(Height(5), values.collect());
    sync::Response::ValueResponse(response)
}

proptest! {
    #[test]
    fn votes_and_proposals_round_trip(
        vote in vote(),
        proposal in proposal(),
        signature in any::<[u8; 32]>(),
    ) {
        let signature = Signature([signature, signature].concat().try_into().unwrap());
        let vote = SignedMessage::new(vote, signature);
        let length = round_trip(&SignedConsensusMsg::<Ledger>::Vote(vote.clone()));
        prop_assert!(length <= VOTE_BYTES_MAX);
        round_trip(&LivenessMsg::<Ledger>::Vote(vote));
        let proposal = SignedMessage::new(proposal, signature);
        let length = round_trip(&SignedConsensusMsg::<Ledger>::Proposal(proposal));
        prop_assert!(length <= VOTE_BYTES_MAX);
    }

    #[test]
    fn hostile_bytes_are_refused_or_are_a_message(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        small in prop::collection::vec(0_u8..4, 0..300),
    ) {
        each_kind(&bytes);
        each_kind(&small);
    }

    #[test]
    fn changed_answers_are_refused_or_are_another(
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = wire().encode(&response(&[10, 0, 300], 3)).unwrap().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = to;
        hostile::<sync::Response<Ledger>>(&bytes);
        let cut = cut.index(bytes.len());
        prop_assert!(Codec::<sync::Response<Ledger>>::decode(&wire(), bytes[..cut].to_vec().into()).is_err());
    }
}

#[test]
fn certificates_of_a_hundred_members_fit() {
    let signatures = || (0..100).map(|of| (Address::Key([of; 32]), Signature([of; 64])));
    let polka = PolkaCertificate::<Ledger> {
        height: Height(u64::MAX),
        round: Round::new(u32::MAX),
        value_id: Value([1; 32]),
        polka_signatures: signatures()
            .map(|(address, signature)| PolkaSignature::new(address, signature))
            .collect(),
    };
    assert!(round_trip(&polka) <= CERTIFICATE_MESSAGE_BYTES_MAX);
    round_trip(&LivenessMsg::PolkaCertificate(polka));
    let round = RoundCertificate::<Ledger> {
        height: Height(u64::MAX),
        round: Round::new(u32::MAX),
        cert_type: RoundCertificateType::Skip,
        round_signatures: signatures()
            .map(|(address, signature)| {
                let value = NilOrVal::Val(Value([1; 32]));
                RoundSignature::new(VoteType::Prevote, value, address, signature)
            })
            .collect(),
    };
    let length = round_trip(&LivenessMsg::SkipRoundCertificate(round));
    assert!(length <= CERTIFICATE_MESSAGE_BYTES_MAX);
}

#[test]
fn the_other_messages_round_trip() {
    let first = First {
        height: u64::MAX,
        round: u32::MAX,
        valid_round: Some(u32::MAX),
        value: [1; 32],
        block_length: u32::MAX,
        block_hash: [2; 32],
        signature: Signature([3; 64]),
    };
    round_trip(&Part::First(first));
    let chunk = StreamContent::Data(Part::Chunk(vec![1; CHUNK_BYTES_MAX]));
    let id = StreamId::new(vec![1; 32].into());
    let length = round_trip(&StreamMessage::new(id.clone(), u64::MAX, chunk));
    assert!(length <= PART_BYTES_MAX);
    round_trip(&StreamMessage::<Part>::new(id, 9, StreamContent::Fin));
    round_trip(&ProposedValue::<Ledger> {
        height: Height(1),
        round: Round::new(2),
        valid_round: Round::Nil,
        proposer: Address::Key([4; 32]),
        value: Value([5; 32]),
        validity: Validity::Invalid,
    });
    let peer: PeerId = peer_id(&[6; 32]).unwrap();
    round_trip(&ValidatorProof::<Ledger>::new(
        vec![1; 32],
        peer.to_bytes(),
        Signature([7; 64]),
    ));
    let status = sync::Status::<Ledger> {
        peer_id: peer,
        tip_height: Height(9),
        history_min_height: Height(1),
    };
    let wire = wire();
    let bytes = wire.encode(&status).unwrap();
    let read: sync::Status<Ledger> = wire.decode(bytes).unwrap();
    assert_eq!((read.peer_id, read.tip_height), (peer, Height(9)));
    assert_eq!(wire.observed.peers_tip(|id| *id == peer), Some(9));
    let request = sync::Request::<Ledger>::ValueRequest(sync::ValueRequest::new(
        Height(1)..=Height(u64::MAX),
    ));
    let bytes = wire.encode(&request).unwrap();
    let sync::Request::ValueRequest(read) = Codec::decode(&wire, bytes).unwrap();
    assert_eq!(read.range, Height(1)..=Height(u64::MAX));
}

#[test]
fn answers_round_trip_and_their_certificates_are_noted() {
    let wire = wire();
    let response = response(&[0, 1, BLOCK_BYTES_MAX], 100);
    let bytes = wire.encode(&response).unwrap();
    assert_eq!(wire.encoded_len(&response).unwrap(), bytes.len());
    let read: sync::Response<Ledger> = wire.decode(bytes.clone()).unwrap();
    assert_eq!(wire.encode(&read).unwrap(), bytes);
    let (sync::Response::ValueResponse(read), sync::Response::ValueResponse(response)) =
        (read, response);
    for (one, other) in read.values.iter().zip(&response.values) {
        assert_eq!(one.value_bytes, other.value_bytes);
        assert_eq!(one.certificate, other.certificate);
    }
    assert_eq!(wire.observed.take_decided(6), [certificate(6, 100)]);
}

#[test]
fn too_much_is_refused_before_it_is_read() {
    let wire = wire();
    let long = vec![0; RESPONSE_BYTES_MAX + 8_192];
    let read: Result<sync::Response<Ledger>> = wire.decode(long.into());
    assert!(read.is_err());
    let bytes = wire.encode(&response(&[BLOCK_BYTES_MAX + 1], 1)).unwrap();
    let read: Result<sync::Response<Ledger>> = wire.decode(bytes);
    assert!(read.is_err());
    let bytes = wire
        .encode(&response(&[0; RESPONSE_BLOCKS_MAX + 1], 1))
        .unwrap();
    let read: Result<sync::Response<Ledger>> = wire.decode(bytes);
    assert!(read.is_err());
    let part = StreamContent::Data(Part::Chunk(vec![0; CHUNK_BYTES_MAX + 1_024]));
    let bytes = wire
        .encode(&StreamMessage::new(StreamId::new(vec![].into()), 1, part))
        .unwrap();
    let read: Result<StreamMessage<Part>> = wire.decode(bytes);
    assert!(read.is_err());
}

#[test]
fn a_member_is_named_in_commit_certificates_alone() {
    let vote = Vote {
        kind: VoteType::Prevote,
        height: Height(1),
        round: Round::new(0),
        value: NilOrVal::Nil,
        address: Address::Member("a".parse().unwrap()),
    };
    let vote = SignedMessage::<Ledger, _>::new(vote, Signature([0; 64]));
    assert!(
        wire()
            .encode(&SignedConsensusMsg::<Ledger>::Vote(vote.clone()))
            .is_err()
    );
    let mut of_no_round = vote;
    of_no_round.message.address = Address::Key([0; 32]);
    of_no_round.message.round = Round::Nil;
    assert!(
        wire()
            .encode(&SignedConsensusMsg::<Ledger>::Vote(of_no_round))
            .is_err()
    );
}
