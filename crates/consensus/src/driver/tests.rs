use std::collections::VecDeque;
use std::sync::Mutex;

use arc_malachitebft_core_consensus::{MisbehaviorEvidence, SignedConsensusMsg};
use arc_malachitebft_engine::util::streaming::StreamId;
use arc_malachitebft_peer::PeerId;
use credlog_ledger::certificate::{CommitCertificate, CommitSignature};
use credlog_ledger::evidence::Equivocation;
use credlog_ledger::ids::{LedgerId, MemberId};
use credlog_ledger::key::{ProvenKey, Role as KeyRole};
use credlog_ledger::member::{Member, MemberKeys, MemberSet, SeatedMember};
use credlog_ledger::vote::{VoteKind, vote_message};
use ct::{NilOrVal, SignedMessage, VoteType};
use ed25519_dalek::{Signer as _, SigningKey};
use tokio::sync::{mpsc, oneshot};

use super::incoming::{CANDIDATES_PER_ROUND, ROUNDS_AHEAD_MAX};
use super::*;
use crate::application::{Decided, Undecided};
use crate::context::{Value, Vote};
use crate::network::peer_id;
use crate::prevotes::Prevotes;
use crate::signing::{PublicKey, Signature, vote_bytes};
use crate::stream::{self, Message};

const LEDGER: LedgerId = LedgerId([5; 32]);
const VALUE: ValueId = ValueId([6; 32]);

fn key(of: u8) -> SigningKey {
    SigningKey::from_bytes(&[of; 32])
}

fn member_id(of: u8) -> MemberId {
    format!("member-{of}").parse().unwrap()
}

fn seat(of: u8) -> SeatedMember {
    let origin = "test".parse().unwrap();
    let id = member_id(of);
    let prove = |role, with| ProvenKey::ed25519(&origin, role, id.as_str(), &key(with));
    let member = Member {
        name: id.as_str().parse().unwrap(),
        keys: MemberKeys {
            governance: prove(KeyRole::Governance, of + 40),
            consensus: prove(KeyRole::Consensus, of),
            cosigner: prove(KeyRole::Cosigner, of + 60),
            node: prove(KeyRole::Node, of + 80),
        },
        addresses: Vec::new(),
        url: None,
        id,
    };
    SeatedMember {
        member,
        cosigner_number: 0,
    }
}

fn members() -> MemberSet {
    MemberSet::new((1..=4).map(seat).collect())
}

fn peer(of: u8) -> PeerId {
    peer_id(&key(of + 80).verifying_key().to_bytes()).unwrap()
}

/// Answers as the test says, and notes what it was asked.
#[derive(Default)]
struct Script {
    tip: u64,
    judgements: VecDeque<Judgement>,
    checked: Vec<(Candidate, bool)>,
    known: Vec<Undecided>,
    is_pending: bool,
    disk_is_full: bool,
    proposal: Option<Candidate>,
}

type Shared = Arc<Mutex<Script>>;

impl Application for Shared {
    fn tip(&self) -> ids::Height {
        ids::Height(self.lock().unwrap().tip)
    }

    fn members(&self) -> Result<MemberSet, Fatal> {
        Ok(members())
    }

    fn is_pending(&self) -> bool {
        self.lock().unwrap().is_pending
    }

    fn start(&mut self, height: ids::Height) -> Result<(), Fatal> {
        assert_eq!(height.0, self.lock().unwrap().tip + 1);
        Ok(())
    }

    fn begin_round(
        &mut self,
        _: ids::Height,
        _: ids::Round,
        _: &MemberId,
        _: &dyn Fn(&ValueId) -> bool,
    ) -> Result<Vec<Undecided>, Fatal> {
        Ok(self.lock().unwrap().known.clone())
    }

    fn propose(&mut self, _: ids::Height, _: ids::Round) -> Result<Option<Candidate>, Fatal> {
        Ok(self.lock().unwrap().proposal.clone())
    }

    fn check(&mut self, candidate: Candidate, has_polka: bool) -> Result<Judgement, Fatal> {
        let mut script = self.lock().unwrap();
        script.checked.push((candidate, has_polka));
        Ok(script
            .judgements
            .pop_front()
            .expect("no check was expected"))
    }

    fn check_decided(&mut self, candidate: Candidate) -> Result<Judgement, Fatal> {
        self.check(candidate, true)
    }

    fn candidate(&self, _: ids::Height, value: &ValueId) -> Result<Option<Candidate>, Fatal> {
        let script = self.lock().unwrap();
        let mut all = script.checked.iter().map(|(candidate, _)| candidate);
        Ok(all.find(|one| one.value == *value).cloned())
    }

    fn commit(&mut self, certificate: &CommitCertificate) -> Result<(), Fatal> {
        let mut script = self.lock().unwrap();
        if script.disk_is_full {
            return Err(fatal("the disk is full".into()));
        }
        script.tip = certificate.height.0;
        Ok(())
    }

    fn finalize(&mut self, _: &CommitCertificate, _: Vec<Equivocation>) -> Result<(), Fatal> {
        Ok(())
    }

    fn decided(&self, _: ids::Height, _: u64, _: usize) -> Result<Vec<Decided>, Fatal> {
        Ok(Vec::new())
    }
}

/// A driver of member 1, whose height 1 runs in round 0.
struct World {
    driver: Driver<Shared>,
    script: Shared,
    told: mpsc::UnboundedReceiver<ProposedValue<Ledger>>,
    proposed: mpsc::UnboundedReceiver<LocallyProposedValue<Ledger>>,
    published: Receiver<NetworkMsg<Ledger>>,
}

async fn world() -> World {
    let script = Shared::default();
    let (polka_sender, polkas) = mpsc::unbounded_channel();
    let prevotes = Arc::new(Prevotes::new(polka_sender));
    let (network, published) = mpsc::channel(100);
    let (tell, told) = mpsc::unbounded_channel();
    let (propose, proposed) = mpsc::unbounded_channel();
    let parts = Parts {
        application: Arc::clone(&script),
        signer: Some(signer(1)),
        verifier: Verifier {
            ledger: LEDGER,
            prevotes,
        },
        observed: Arc::default(),
        timeouts: LinearTimeouts::default(),
        target_time: None,
        links: Links {
            network,
            propose: Box::new(move |value| propose.send(value).is_ok()),
            tell: Box::new(move |value| tell.send(value).is_ok()),
            events: TxEvent::new(),
            polkas,
        },
        signals: Signals::default(),
        status: Arc::new(watch::channel(Status::default()).0),
    };
    let mut world = World {
        driver: Driver::new(parts).unwrap(),
        script,
        told,
        proposed,
        published,
    };
    let (reply, answer) = oneshot::channel();
    world
        .driver
        .answer(AppMsg::ConsensusReady { reply })
        .await
        .unwrap();
    assert_eq!(answer.await.unwrap().0, Height(1));
    world.begin_round(0).await;
    world
}

fn signer(of: u8) -> Signer {
    Signer {
        ledger: LEDGER,
        key: key(of),
        prevotes: Arc::new(Prevotes::new(mpsc::unbounded_channel().0)),
    }
}

fn candidate(height: u64, block: &[u8]) -> Candidate {
    Candidate {
        height: ids::Height(height),
        round: ids::Round(0),
        valid_round: None,
        proposer: members()
            .proposer(ids::Height(height), ids::Round(0))
            .member
            .id
            .clone(),
        value: VALUE,
        block: block.to_vec(),
    }
}

/// The same, put forward in another round of height 1.
fn in_round(candidate: &Candidate, round: u32) -> Candidate {
    let round = ids::Round(round);
    let proposer = members()
        .proposer(candidate.height, round)
        .member
        .id
        .clone();
    Candidate {
        round,
        proposer,
        ..candidate.clone()
    }
}

fn precommit(of: u8, height: u64) -> CommitSignature {
    let kind = VoteKind::Precommit;
    let message = vote_message(
        &LEDGER,
        kind,
        ids::Height(height),
        ids::Round(0),
        Some(&VALUE),
    );
    CommitSignature {
        member: member_id(of),
        signature: key(of).sign(&message).to_bytes(),
    }
}

fn decision(height: u64) -> ct::CommitCertificate<Ledger> {
    let signatures = (1..=3).map(|of| ct::CommitSignature {
        address: Address::Key(key(of).verifying_key().to_bytes()),
        signature: Signature(precommit(of, height).signature),
    });
    ct::CommitCertificate {
        height: Height(height),
        round: Round::new(0),
        value_id: VALUE.into(),
        commit_signatures: signatures.collect(),
    }
}

impl World {
    fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    fn judge_next_as(&self, judgement: Judgement) {
        self.script().judgements.push_back(judgement);
    }

    async fn begin_round(&mut self, round: u32) -> Vec<ProposedValue<Ledger>> {
        let (reply_value, answer) = oneshot::channel();
        let height = self.script().tip + 1;
        let proposer = self.driver.next.proposer(height, round).address.clone();
        let message = AppMsg::StartedRound {
            height: Height(height),
            round: Round::new(round),
            proposer,
            role: EngineRole::Validator,
            reply_value,
        };
        self.driver.answer(message).await.unwrap();
        answer.await.unwrap()
    }

    async fn receive(&mut self, from: PeerId, part: Message) -> Option<ProposedValue<Ledger>> {
        let (reply, answer) = oneshot::channel();
        let message = AppMsg::ReceivedProposalPart {
            from: peer(4),
            published_by: Some(from),
            part,
            reply,
        };
        self.driver.answer(message).await.unwrap();
        answer.await.unwrap()
    }

    /// Receives a stream that member `of` publishes under the signature of `by`.
    async fn receive_stream(
        &mut self,
        of: u8,
        by: u8,
        candidate: &Candidate,
        change: impl Fn(&mut Vec<Message>),
    ) -> Option<ProposedValue<Ledger>> {
        let mut all = stream::messages(&signer(by), &StreamId::new(vec![of, by].into()), candidate);
        change(&mut all);
        let last = all.pop().unwrap();
        for part in all {
            assert_eq!(self.receive(peer(of), part).await, None);
        }
        self.receive(peer(of), last).await
    }

    /// Three of four prevote for the value in round 0 of height 1.
    async fn polka(&mut self) -> ValueId {
        for of in 2..=4 {
            let vote = vote(VoteType::Prevote, 1, Some(VALUE), of);
            let by = PublicKey(key(of).verifying_key());
            self.driver.parts.verifier.prevotes.note(&vote.message, &by);
        }
        self.driver.parts.links.polkas.recv().await.unwrap()
    }

    async fn decide(&mut self, height: u64) -> oneshot::Receiver<Next<Ledger>> {
        let (reply, answer) = oneshot::channel();
        let message = AppMsg::Decided {
            certificate: decision(height),
            extensions: Default::default(),
            reply,
        };
        self.driver.answer(message).await.unwrap();
        answer.await.unwrap();
        let (reply, answer) = oneshot::channel();
        let message = AppMsg::Finalized {
            certificate: decision(height),
            extensions: Default::default(),
            evidence: MisbehaviorEvidence {
                proposals: Default::default(),
                votes: Default::default(),
            },
            reply,
        };
        self.driver.answer(message).await.unwrap();
        answer
    }
}

fn is_started(answer: &mut oneshot::Receiver<Next<Ledger>>, height: u64) -> bool {
    match answer.try_recv() {
        Ok(Next::Start(started, _)) => {
            assert_eq!(started.0, height);
            true
        }
        Ok(Next::Restart(..)) => panic!("a restart forgets votes"),
        Err(oneshot::error::TryRecvError::Empty) => false,
        Err(oneshot::error::TryRecvError::Closed) => panic!("the answer was dropped"),
    }
}

#[tokio::test]
async fn garbage_under_a_good_id_gets_no_answer_and_stops_nothing() {
    let mut world = world().await;
    world.begin_round(4).await;
    let good = candidate(1, b"block");
    let none = |_: &mut Vec<Message>| {};
    // Signed by another member than the one who publishes; published by a stranger.
    assert_eq!(world.receive_stream(2, 3, &good, none).await, None);
    assert_eq!(world.receive_stream(9, 9, &good, none).await, None);
    // Not this member's turn.
    assert_eq!(world.receive_stream(3, 3, &good, none).await, None);
    // The bytes are not those that were announced.
    let change = |all: &mut Vec<Message>| {
        let part = stream::Part::Chunk(b"other".to_vec());
        all[1].content = arc_malachitebft_engine::util::streaming::StreamContent::Data(part);
    };
    let turn = in_round(&good, 4);
    assert_eq!(world.receive_stream(2, 2, &turn, change).await, None);
    assert!(world.script().checked.is_empty());
    // Well signed, but not of this value.
    world.judge_next_as(Judgement::NotThisValue);
    let garbage = in_round(&candidate(1, b"garbage"), 1);
    assert_eq!(world.receive_stream(3, 3, &garbage, none).await, None);
    // The good stream of its proposer still counts.
    world.judge_next_as(Judgement::Valid);
    let value = world.receive_stream(2, 2, &good, none).await.unwrap();
    assert_eq!(
        (value.validity, value.round),
        (Validity::Valid, Round::new(0))
    );
    assert_eq!(value.value, Value::from(VALUE));
    let last = world.script().checked.last().cloned();
    assert_eq!(last, Some((good, false)));
    world.judge_next_as(Judgement::Invalid);
    let bad = in_round(&candidate(1, b"bad"), 1);
    let value = world.receive_stream(3, 3, &bad, none).await.unwrap();
    assert_eq!(value.validity, Validity::Invalid);
}

/// Judged before, it could be decided in a round below that of its seal.
#[tokio::test]
async fn a_new_block_of_a_later_round_waits_for_it() {
    let mut world = world().await;
    let new = in_round(&candidate(1, b"block"), 1);
    assert_eq!(world.receive_stream(3, 3, &new, |_| {}).await, None);
    assert!(world.script().checked.is_empty());
    world.judge_next_as(Judgement::Valid);
    let values = world.begin_round(1).await;
    let values: Vec<_> = values.iter().map(|one| (one.round, one.validity)).collect();
    assert_eq!(values, [(Round::new(1), Validity::Valid)]);
    assert_eq!(world.script().checked, [(new, false)]);
    assert!(world.begin_round(2).await.is_empty(), "it is judged once");
    // A block for a later round of a height that waits does not start it.
    let mut next = world.decide(1).await;
    let early = Candidate {
        height: ids::Height(2),
        ..in_round(&candidate(2, b"early"), 1)
    };
    assert_eq!(world.receive_stream(4, 4, &early, |_| {}).await, None);
    assert!(!is_started(&mut next, 2));
}

#[tokio::test]
async fn a_block_put_forward_again_waits_for_a_polka() {
    let mut world = world().await;
    world.begin_round(1).await;
    let mut again = in_round(&candidate(1, b"block"), 1);
    again.valid_round = Some(ids::Round(0));
    // Nobody has seen that it was new in round 0: its seal could name anybody.
    assert_eq!(world.receive_stream(3, 3, &again, |_| {}).await, None);
    assert!(world.script().checked.is_empty());
    let polka = world.polka().await;
    world.judge_next_as(Judgement::Valid);
    world.driver.judge_again(polka).unwrap();
    let value = world.told.recv().await.unwrap();
    assert_eq!(
        (value.validity, value.round, value.valid_round),
        (Validity::Valid, Round::new(1), Round::new(0))
    );
    assert_eq!(world.script().checked, [(again.clone(), true)]);
    // With the polka, it counts whoever streams it.
    world.judge_next_as(Judgement::Valid);
    assert!(world.receive_stream(4, 4, &again, |_| {}).await.is_some());
}

#[tokio::test]
async fn one_member_makes_others_judge_a_few_candidates_a_round() {
    let mut world = world().await;
    for _ in 0..CANDIDATES_PER_ROUND {
        world.judge_next_as(Judgement::Valid);
    }
    for block in 0..20 {
        world
            .receive_stream(2, 2, &candidate(1, &[block]), |_| {})
            .await;
    }
    assert_eq!(world.script().checked.len(), CANDIDATES_PER_ROUND as usize);
    let far = in_round(&candidate(1, b"far"), ROUNDS_AHEAD_MAX + 1);
    assert_eq!(world.receive_stream(3, 3, &far, |_| {}).await, None);
}

#[tokio::test]
async fn a_polka_overrules_the_clock_in_the_same_round() {
    let mut world = world().await;
    world.judge_next_as(Judgement::ClockDisagrees);
    let value = world
        .receive_stream(2, 2, &candidate(1, b"late"), |_| {})
        .await
        .unwrap();
    assert_eq!(value.validity, Validity::Invalid);
    let polka = world.polka().await;
    world.judge_next_as(Judgement::Valid);
    world.driver.judge_again(polka).unwrap();
    let value = world.told.recv().await.unwrap();
    assert_eq!(value.validity, Validity::Valid);
    assert!(world.script().checked[1].1, "the polka is known");
    // A value that is valid is not judged again.
    world.driver.judge_again(polka).unwrap();
    assert!(world.told.try_recv().is_err());
}

#[tokio::test]
async fn a_round_begins_with_what_is_known() {
    let mut world = world().await;
    let one = |value, judgement| Undecided {
        value: ValueId([value; 32]),
        round: ids::Round(value.into()),
        proposer: member_id(2),
        judgement,
    };
    world.script().known = vec![
        one(1, Judgement::Valid),
        one(2, Judgement::Invalid),
        one(3, Judgement::ClockDisagrees),
        one(4, Judgement::NotThisValue),
    ];
    let values = world.begin_round(5).await;
    let known: Vec<_> = values
        .iter()
        .map(|one| (one.round.as_i64(), one.validity))
        .collect();
    let expected = [
        (1, Validity::Valid),
        (2, Validity::Invalid),
        (3, Validity::Invalid),
    ];
    assert_eq!(known, expected);
    assert_eq!(world.driver.doubted, [ValueId([3; 32])].into());
    let status = world.driver.parts.status.borrow().clone();
    assert_eq!(status.round, Some(ids::Round(5)));
    assert_eq!(status.proposer, Some(member_id(3)));
}

#[tokio::test]
async fn nothing_to_propose_is_a_value_that_the_engine_ignores() {
    let mut world = world().await;
    let ask = async |world: &mut World| {
        let (reply, answer) = oneshot::channel();
        let message = AppMsg::GetValue {
            height: Height(1),
            round: Round::new(0),
            timeout: Duration::from_secs(1),
            reply,
        };
        world.driver.answer(message).await.unwrap();
        answer.await.unwrap()
    };
    let parts = |world: &mut World| {
        let mut parts = 0;
        while world.published.try_recv().is_ok() {
            parts += 1;
        }
        parts
    };
    assert_eq!(ask(&mut world).await.round, Round::Nil);
    world.driver.consider().await.unwrap();
    assert_eq!(parts(&mut world), 0);
    let block = vec![1; 3 * stream::CHUNK_BYTES_MAX];
    world.script().proposal = Some(candidate(1, &block));
    // Once there is something, it is proposed without being asked again, once.
    world.script().is_pending = true;
    for _ in 0..2 {
        world.driver.consider().await.unwrap();
    }
    let late = world.proposed.try_recv().unwrap();
    assert_eq!((late.round, late.value), (Round::new(0), VALUE.into()));
    assert!(world.proposed.try_recv().is_err());
    assert_eq!(parts(&mut world), 5);
    let value = ask(&mut world).await;
    assert_eq!((value.round, value.value), (Round::new(0), VALUE.into()));
    assert_eq!(parts(&mut world), 5);
    // Not in a round that is over.
    world.script().proposal = None;
    ask(&mut world).await;
    world.begin_round(1).await;
    world.script().proposal = Some(candidate(1, &block));
    world.driver.consider().await.unwrap();
    assert!(world.proposed.try_recv().is_err());
}

#[tokio::test]
async fn a_height_waits_for_something_to_decide() {
    let mut world = world().await;
    let mut next = world.decide(1).await;
    world.driver.consider_held().unwrap();
    assert!(!is_started(&mut next, 2));
    assert!(world.driver.parts.status.borrow().is_idle);
    world.script().is_pending = true;
    world.driver.consider_held().unwrap();
    assert!(is_started(&mut next, 2));
    assert!(!world.driver.parts.status.borrow().is_idle);
    // With something to decide, the next one does not wait.
    let mut next = world.decide(2).await;
    assert!(is_started(&mut next, 3));
}

#[tokio::test]
async fn a_certificate_ends_the_wait_and_a_forged_one_does_not() {
    let mut world = world().await;
    let mut next = world.decide(1).await;
    let certificate = |of: &[u8]| {
        let signatures = of.iter().map(|of| precommit(*of, 2)).collect();
        CommitCertificate::new(ids::Height(2), ids::Round(0), VALUE, signatures).unwrap()
    };
    let mut forged = certificate(&[1, 2, 3]);
    forged.signatures[0].signature[0] ^= 1;
    for bad in [forged, certificate(&[1, 2])] {
        world.driver.parts.observed.note_decided(bad);
        world.driver.consider_held().unwrap();
        assert!(!is_started(&mut next, 2));
    }
    world
        .driver
        .parts
        .observed
        .note_decided(certificate(&[2, 3, 4]));
    world.driver.consider_held().unwrap();
    assert!(is_started(&mut next, 2));
}

fn vote(kind: VoteType, height: u64, value: Option<ValueId>, of: u8) -> ct::SignedVote<Ledger> {
    let vote = Vote {
        kind,
        height: Height(height),
        round: Round::new(0),
        value: value.map_or(NilOrVal::Nil, |value| NilOrVal::Val(value.into())),
        address: Address::Key(key(of).verifying_key().to_bytes()),
    };
    let signature = key(of).sign(&vote_bytes(&LEDGER, &vote).unwrap());
    SignedMessage::new(vote, Signature(signature.to_bytes()))
}

#[tokio::test]
async fn votes_of_one_liar_do_not_end_the_wait() {
    let mut world = world().await;
    let mut next = world.decide(1).await;
    let count = |world: &mut World, vote: ct::SignedVote<Ledger>| {
        let held = world.driver.held.as_mut().unwrap();
        let message = SignedConsensusMsg::Vote(vote);
        held.count(&message, &world.driver.next, &world.driver.parts.verifier)
    };
    let mut forged = vote(VoteType::Prevote, 2, None, 3);
    forged.signature.0[0] ^= 1;
    assert!(!count(&mut world, vote(VoteType::Prevote, 2, None, 2)));
    assert!(!count(
        &mut world,
        vote(VoteType::Precommit, 2, Some(VALUE), 2)
    ));
    assert!(!count(&mut world, forged));
    assert!(!count(&mut world, vote(VoteType::Prevote, 3, None, 3)));
    assert!(!count(&mut world, vote(VoteType::Prevote, 2, None, 9)));
    assert!(!is_started(&mut next, 2));
    assert!(count(&mut world, vote(VoteType::Prevote, 2, None, 3)));
}

#[tokio::test]
async fn a_valid_block_ends_the_wait_also_if_it_came_early() {
    let mut world = world().await;
    // Before height 1 is decided.
    let early = world
        .receive_stream(3, 3, &candidate(2, b"two"), |_| {})
        .await;
    assert_eq!(early, None);
    assert!(world.script().checked.is_empty());
    world.judge_next_as(Judgement::Valid);
    let mut next = world.decide(1).await;
    assert!(is_started(&mut next, 2));
    assert_eq!(world.script().checked.len(), 1);
    // While height 3 waits.
    let mut next = world.decide(2).await;
    world.judge_next_as(Judgement::Invalid);
    let bad = world
        .receive_stream(4, 4, &candidate(3, b"bad"), |_| {})
        .await;
    assert_eq!(bad.unwrap().validity, Validity::Invalid);
    assert!(!is_started(&mut next, 3));
    world.judge_next_as(Judgement::Valid);
    let good = world
        .receive_stream(4, 4, &candidate(3, b"three"), |_| {})
        .await;
    assert_eq!(good.unwrap().validity, Validity::Valid);
    assert!(is_started(&mut next, 3));
    // Of a decided height, nothing is judged.
    assert_eq!(
        world
            .receive_stream(2, 2, &candidate(2, b"old"), |_| {})
            .await,
        None
    );
}

#[tokio::test]
async fn a_failed_commit_is_not_acknowledged() {
    let mut world = world().await;
    world.script().disk_is_full = true;
    let (reply, answer) = oneshot::channel();
    let message = AppMsg::Decided {
        certificate: decision(1),
        extensions: Default::default(),
        reply,
    };
    let failed = world.driver.answer(message).await;
    assert_eq!(failed, Err(fatal("the disk is full".into())));
    assert!(answer.await.is_err());
}

#[tokio::test]
async fn synced_blocks_are_judged_without_a_clock() {
    let mut world = world().await;
    let ask = async |world: &mut World, height: u64, bytes: &[u8]| {
        let (reply, answer) = oneshot::channel();
        let message = AppMsg::ProcessSyncedValue {
            height: Height(height),
            round: Round::new(1),
            proposer: world.driver.next.proposer(height, 1).address.clone(),
            value_bytes: bytes.to_vec().into(),
            reply,
        };
        world.driver.answer(message).await.unwrap();
        answer.await.unwrap()
    };
    let bytes = synced_bytes(&VALUE, b"block");
    let judgements = [
        Judgement::Valid,
        Judgement::Invalid,
        Judgement::NotThisValue,
        Judgement::NotNow,
    ];
    world.script().judgements = judgements.into();
    let verdict = |outcome: SyncedValueOutcome<Ledger>| match outcome {
        SyncedValueOutcome::Verdict(value) => Some((value.value.0, value.validity)),
        _ => None,
    };
    let first = ask(&mut world, 1, &bytes).await;
    assert_eq!(verdict(first), Some((VALUE.0, Validity::Valid)));
    let second = ask(&mut world, 1, &bytes).await;
    assert_eq!(verdict(second), Some((VALUE.0, Validity::Invalid)));
    let third = ask(&mut world, 1, &bytes).await;
    assert!(matches!(third, SyncedValueOutcome::PeerFault));
    let full = ask(&mut world, 1, &bytes).await;
    assert!(matches!(full, SyncedValueOutcome::LocalTransientError));
    let short = ask(&mut world, 1, b"short").await;
    assert!(matches!(short, SyncedValueOutcome::PeerFault));
    let other = ask(&mut world, 2, &bytes).await;
    assert!(matches!(other, SyncedValueOutcome::LocalTransientError));
    let checked = world.script().checked[0].0.clone();
    assert_eq!((checked.value, checked.block), (VALUE, b"block".to_vec()));
}
