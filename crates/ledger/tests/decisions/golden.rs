//! Frozen vectors, which `golden/make.py` wrote from docs/formats.md, and the same in that text.

use credlog_ledger::attestation::Attestation;
use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::evidence::{Equivocation, SignedProposal, SignedVote};
use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::{Height, LedgerId, Round, UnixMillis, ValueId};
use credlog_ledger::vote::{VoteKind, proposal_message, stream_message, vote_message};
use credlog_tlog::{Checkpoint, Note};
use ed25519_dalek::Signer as _;
use serde_json::Value;

use crate::support::{TestLedger, public};
use crate::{consensus_key, precommit};

const HEIGHT: Height = Height(1);
const ROUND: Round = Round(2);

/// The vectors about the first block of the history, the ledger, and that block's value.
struct Golden {
    vectors: Value,
    genesis: Genesis,
    ledger: LedgerId,
    value: ValueId,
    block: Vec<u8>,
}

fn golden() -> Golden {
    let file: Value = serde_json::from_str(include_str!("../golden/vectors.json")).unwrap();
    let genesis = Genesis::parse(file["genesis"].to_string().as_bytes()).unwrap();
    let mut history = TestLedger::new(2);
    let first = history.register(0, "a");
    Golden {
        ledger: genesis.ledger_id().unwrap(),
        genesis,
        value: first.value_id().unwrap(),
        block: first.block,
        vectors: file["decisions"].clone(),
    }
}

impl Golden {
    fn text(&self, name: &str) -> &str {
        self.vectors[name].as_str().unwrap()
    }

    fn assert(&self, name: &str, bytes: &[u8]) {
        assert_eq!(hex::encode(bytes), self.text(name), "{name}");
    }
}

#[test]
fn checkpoint_and_value() {
    let golden = golden();
    let checkpoint = Checkpoint::parse(golden.text("checkpoint")).unwrap();
    assert_eq!(ValueId::of(&checkpoint), golden.value);
    assert_eq!(golden.value.to_string(), golden.text("valueId"));
}

#[test]
fn what_consensus_keys_sign() {
    let golden = golden();
    let (ledger, value) = (&golden.ledger, &golden.value);
    let none = vote_message(ledger, VoteKind::Prevote, HEIGHT, ROUND, None);
    golden.assert("prevoteForNone", &none);
    let precommit = vote_message(ledger, VoteKind::Precommit, HEIGHT, ROUND, Some(value));
    golden.assert("precommit", &precommit);
    let proposal = proposal_message(ledger, HEIGHT, ROUND, value, Some(Round(1)));
    golden.assert("proposal", &proposal);
    let length = u32::try_from(golden.block.len()).unwrap();
    let hash = blake3::hash(&golden.block);
    let stream = stream_message(ledger, HEIGHT, ROUND, None, value, length, hash.as_bytes());
    golden.assert("stream", &stream);
}

#[test]
fn the_certificate() {
    let golden = golden();
    let signatures = ["m1", "m0"].map(|member| {
        let key = consensus_key(member);
        precommit(&golden.ledger, HEIGHT, ROUND, &golden.value, (member, &key))
    });
    let certificate = CommitCertificate::new(HEIGHT, ROUND, golden.value, signatures.to_vec());
    let certificate = certificate.unwrap();
    golden.assert("certificate", &certificate.to_bytes().unwrap());
    let members = golden.genesis.member_set();
    let verified = certificate.verify(&golden.ledger, &members, &golden.value);
    assert_eq!(verified, Ok(()));
}

#[test]
fn the_evidence() {
    let golden = golden();
    let ledger = &golden.ledger;
    let (member, key) = ("m1".parse().unwrap(), consensus_key("m1"));
    let votes = [Some(golden.value), None].map(|value| {
        let kind = VoteKind::Precommit;
        let message = vote_message(ledger, kind, HEIGHT, ROUND, value.as_ref());
        SignedVote {
            value,
            signature: key.sign(&message).to_bytes(),
        }
    });
    let proposals = [(golden.value, None), (ValueId::default(), Some(Round(1)))];
    let proposals = proposals.map(|(value, valid_round)| {
        let message = proposal_message(ledger, HEIGHT, ROUND, &value, valid_round);
        SignedProposal {
            value,
            valid_round,
            signature: key.sign(&message).to_bytes(),
        }
    });
    let (id, at) = (public(&key), (HEIGHT, ROUND));
    let kind = VoteKind::Precommit;
    let one = Equivocation::votes(member, id.clone(), kind, at, votes).unwrap();
    let two = Equivocation::proposals("m1".parse().unwrap(), id, at, proposals).unwrap();
    let members = golden.genesis.member_set();
    for (name, evidence) in [("evidenceOfVotes", one), ("evidenceOfProposals", two)] {
        golden.assert(name, &evidence.to_bytes().unwrap());
        assert_eq!(evidence.verify(ledger, &members), Ok(()));
    }
}

#[test]
fn the_attestation() {
    let golden = golden();
    let note = Note::parse(golden.text("note").as_bytes()).unwrap();
    let checkpoint = Checkpoint::parse(note.text()).unwrap();
    assert_eq!(note.text(), golden.text("checkpoint"));
    let (members, origin) = (golden.genesis.member_set(), &golden.genesis.origin);
    let attestation = Attestation::of(&members, origin, &checkpoint, note.signatures()).unwrap();
    let as_of = UnixMillis(golden.vectors["asOf"].as_u64().unwrap());
    assert_eq!(attestation.as_of(), Some(as_of));
}

/// Who writes a program from the text alone finds the same bytes there.
#[test]
fn the_text_shows_every_vector() {
    let joined = |text: &str| text.split_whitespace().collect::<String>();
    let text = joined(include_str!("../../../../docs/formats.md"));
    let golden = golden();
    let vectors = golden.vectors.as_object().unwrap();
    assert_eq!(vectors.len(), 11);
    for (name, value) in vectors {
        match value {
            Value::String(bytes) => assert!(text.contains(&joined(bytes)), "{name}"),
            _ => assert!(text.contains(&format!("`{name}`")), "{name}"),
        }
    }
}
