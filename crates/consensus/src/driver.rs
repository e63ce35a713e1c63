//! The loop that answers the engine from the application.

mod incoming;
mod proposing;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_malachitebft_app_channel::app::consensus::Role as EngineRole;
use arc_malachitebft_app_channel::{AppMsg, NetworkMsg, Reply};
use arc_malachitebft_core_consensus::{LocallyProposedValue, ProposedValue};
use arc_malachitebft_core_types as ct;
use arc_malachitebft_engine::host::{Next, SyncedValueOutcome};
use arc_malachitebft_engine::util::events::TxEvent;
use arc_malachitebft_sync::RawDecidedValue;
use credlog_ledger::ids::{self, ValueId};
use ct::{LinearTimeouts, Validity};
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver};
use tokio::sync::{Notify, watch};

use self::incoming::Incoming;
use self::proposing::Asked;

use crate::application::{Application, Candidate, Fatal, Judgement};
use crate::certificates;
use crate::codec::{RESPONSE_BLOCKS_MAX, RESPONSE_BYTES_MAX, synced_bytes, synced_parts};
use crate::context::{Address, Height, HeightParams, Ledger, Round, Validators};
use crate::held::Held;
use crate::observed::Observed;
use crate::signing::{Signer, Verifier};
use crate::status::{RoundRole, Status};

/// How often a held height asks again whether there is something to decide: a fallback for a
/// wake that was not given, and for waits that only the clock ends.
const HELD_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// Ways to tell the driver something.
#[derive(Clone, Default)]
pub(crate) struct Signals {
    /// Something may be pending.
    pub(crate) wake: Arc<Notify>,
    /// It must stop.
    pub(crate) stop: Arc<Notify>,
}

/// The engine's side of the driver.
pub(crate) struct Links {
    pub(crate) network: Sender<NetworkMsg<Ledger>>,
    /// Hands this member's block to the engine later than it asked for one; whether it took it.
    pub(crate) propose: Box<dyn FnMut(LocallyProposedValue<Ledger>) -> bool + Send>,
    /// Hands a judged value to the engine when it has not asked for one; whether it took it.
    pub(crate) tell: Box<dyn FnMut(ProposedValue<Ledger>) -> bool + Send>,
    pub(crate) events: TxEvent<Ledger>,
    pub(crate) polkas: UnboundedReceiver<ValueId>,
}

/// The state between two messages.
pub(crate) struct Driver<A> {
    parts: Parts<A>,
    /// The height that the engine runs, with its members.
    running: Running,
    /// The members of the height after the tip.
    next: Validators,
    held: Option<Held>,
    /// The engine's question for a block, while there is none.
    asked: Option<Asked>,
    /// Values of the running height that only the clock was against.
    doubted: BTreeSet<ValueId>,
    /// Whether a valid candidate for the next height came before its time.
    is_overtaken: bool,
    incoming: Incoming,
    stream_number: u64,
    /// Whether the engine is told to stop.
    is_stopping: bool,
}

struct Running {
    height: u64,
    round: u32,
    validators: Validators,
}

/// What a driver is made of.
pub(crate) struct Parts<A> {
    pub(crate) application: A,
    pub(crate) signer: Option<Signer>,
    pub(crate) verifier: Verifier,
    pub(crate) observed: Arc<Observed>,
    pub(crate) timeouts: LinearTimeouts,
    pub(crate) target_time: Option<Duration>,
    pub(crate) links: Links,
    pub(crate) signals: Signals,
    pub(crate) status: Arc<watch::Sender<Status>>,
}

fn fatal(reason: String) -> Fatal {
    Fatal { reason }
}

impl<A: Application> Driver<A> {
    /// A driver before the engine's first message.
    pub(crate) fn new(parts: Parts<A>) -> Result<Self, Fatal> {
        let next = validators(&parts.application)?;
        let tip = parts.application.tip();
        parts.observed.set_tip(tip.0, next.clone());
        Ok(Self {
            running: Running {
                height: tip.0,
                round: 0,
                validators: next.clone(),
            },
            next,
            parts,
            held: None,
            asked: None,
            doubted: BTreeSet::new(),
            is_overtaken: false,
            incoming: Incoming::default(),
            stream_number: 0,
            is_stopping: false,
        })
    }

    /// From now on the engine may be gone when it is handed something.
    pub(crate) fn stopping(&mut self) {
        self.is_stopping = true;
    }

    /// Whether the engine took what it was handed: only one that has ended does not.
    fn taken(&self, is_taken: bool) -> Result<(), Fatal> {
        match is_taken || self.is_stopping {
            true => Ok(()),
            false => Err(fatal("the consensus engine has stopped".into())),
        }
    }

    pub(crate) fn into_application(self) -> A {
        self.parts.application
    }

    /// Answers until it is told to stop, or something fails.
    pub(crate) async fn run(
        &mut self,
        messages: &mut Receiver<AppMsg<Ledger>>,
    ) -> Result<(), Fatal> {
        let mut check = tokio::time::interval(HELD_CHECK_INTERVAL);
        check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let Signals { wake, stop } = self.parts.signals.clone();
        let observed = Arc::clone(&self.parts.observed);
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => self.answer(message).await?,
                    None => return Err(fatal(
                        "the consensus engine has stopped by itself; its last log lines say why"
                            .into(),
                    )),
                },
                Some(value) = self.parts.links.polkas.recv() => self.judge_again(value)?,
                message = received(&mut self.held) => {
                    let Some(held) = &mut self.held else { continue };
                    if held.count(&message, &self.next, &self.parts.verifier) {
                        self.start_held("members vote for it")?;
                    }
                }
                () = wake.notified() => self.consider().await?,
                () = observed.news.notified() => self.consider_held()?,
                _ = check.tick() => self.consider().await?,
                () = stop.notified() => return Ok(()),
            }
        }
    }

    /// Answers one message of the engine.
    pub(crate) async fn answer(&mut self, message: AppMsg<Ledger>) -> Result<(), Fatal> {
        // An answer that nobody waits for any more is no fault of the driver's.
        match message {
            AppMsg::ConsensusReady { reply } => {
                let start = self.start_height()?;
                let _ = reply.send(start);
            }
            AppMsg::StartedRound {
                height,
                round,
                proposer,
                role,
                reply_value,
            } => {
                let values = self.begin_round(height, round, &proposer, role)?;
                let _ = reply_value.send(values);
            }
            AppMsg::GetValue {
                height,
                round,
                timeout,
                reply,
            } => {
                let until = Instant::now() + timeout;
                let value = self
                    .propose(Asked {
                        height,
                        round,
                        until,
                    })
                    .await?;
                let _ = reply.send(value);
            }
            AppMsg::RestreamProposal {
                height,
                round,
                valid_round,
                value_id,
                ..
            } => {
                self.stream_again(height, round, valid_round, value_id)
                    .await?;
            }
            AppMsg::ReceivedProposalPart {
                from,
                published_by,
                part,
                reply,
            } => {
                let value = self.receive_part(published_by.unwrap_or(from), part)?;
                let _ = reply.send(value);
            }
            AppMsg::Decided {
                certificate, reply, ..
            } => {
                self.commit(&certificate)?;
                let _ = reply.send(());
            }
            AppMsg::Finalized {
                certificate,
                evidence,
                reply,
                ..
            } => {
                let certificate = self.to_ledger(&certificate)?;
                let evidence = self.evidence(&evidence);
                self.parts.application.finalize(&certificate, evidence)?;
                self.incoming.drop_up_to(certificate.height.0);
                self.go_on(reply)?;
            }
            AppMsg::GetHistoryMinHeight { reply } => {
                let first = u64::from(self.parts.application.tip().0 > 0);
                let _ = reply.send(Height(first));
            }
            AppMsg::GetDecidedValues { range, reply } => {
                let values = self.decided(range.start().0, range.end().0)?;
                let _ = reply.send(values);
            }
            AppMsg::ProcessSyncedValue {
                height,
                round,
                proposer,
                value_bytes,
                reply,
            } => {
                let outcome = self.check_synced(height, round, &proposer, &value_bytes)?;
                let _ = reply.send(outcome);
            }
            AppMsg::ExtendVote { reply, .. } => {
                let _ = reply.send(None);
            }
            AppMsg::VerifyVoteExtensions { reply, .. } => {
                let _ = reply.send(Vec::new());
            }
        }
        Ok(())
    }

    /// The height after the tip begins: said durably before the engine hears of it.
    fn start_height(&mut self) -> Result<(Height, HeightParams), Fatal> {
        let height = self.parts.application.tip().next();
        self.parts.application.start(height)?;
        self.parts
            .verifier
            .prevotes
            .start(height.0, self.next.clone());
        self.doubted.clear();
        self.is_overtaken = false;
        self.running = Running {
            height: height.0,
            round: 0,
            validators: self.next.clone(),
        };
        self.parts.status.send_modify(|status| {
            status.height = height;
            status.is_idle = false;
            status.round = None;
            status.proposer = None;
        });
        let params = HeightParams::new(
            self.next.clone(),
            self.parts.timeouts,
            self.parts.target_time,
        );
        Ok((height.into(), params))
    }

    /// What is known of the height's values when a round begins.
    fn begin_round(
        &mut self,
        height: Height,
        round: Round,
        proposer: &Address,
        role: EngineRole,
    ) -> Result<Vec<ProposedValue<Ledger>>, Fatal> {
        let number = round.as_u32().unwrap_or(0);
        self.asked = None;
        self.running.round = number;
        let prevotes = Arc::clone(&self.parts.verifier.prevotes);
        prevotes.enter(number);
        let proposer = self.member(proposer)?;
        self.parts.status.send_modify(|status| {
            status.height = height.into();
            status.round = Some(ids::Round(number));
            status.proposer = Some(proposer.clone());
            status.role = match role {
                EngineRole::Proposer => RoundRole::Proposer,
                EngineRole::Validator => RoundRole::Validator,
                EngineRole::None => RoundRole::Observer,
            };
        });
        if height.0 != self.parts.application.tip().next().0 {
            return Ok(Vec::new());
        }
        let has_polka = |value: &ValueId| prevotes.has_polka(height.0, value);
        let round = ids::Round(number);
        let known =
            self.parts
                .application
                .begin_round(height.into(), round, &proposer, &has_polka)?;
        let mut values = Vec::new();
        for one in known {
            self.note_doubt(one.value, one.judgement);
            let place = Place {
                height,
                round: Round::new(one.round.0),
                valid_round: Round::Nil,
                proposer: self.address(&one.proposer),
            };
            values.extend(place.proposed(one.value, one.judgement));
        }
        values.extend(self.judge_due(number)?);
        Ok(values)
    }

    /// Commits what was decided.
    fn commit(&mut self, certificate: &ct::CommitCertificate<Ledger>) -> Result<(), Fatal> {
        let certificate = self.to_ledger(certificate)?;
        self.parts.application.commit(&certificate)?;
        let tip = self.parts.application.tip();
        self.next = validators(&self.parts.application)?;
        self.parts.observed.set_tip(tip.0, self.next.clone());
        self.doubted.clear();
        self.parts.status.send_modify(|status| status.tip = tip);
        self.judge_early(tip.next().0)
    }

    fn to_ledger(
        &self,
        certificate: &ct::CommitCertificate<Ledger>,
    ) -> Result<credlog_ledger::certificate::CommitCertificate, Fatal> {
        let converted = certificates::to_ledger(certificate, &self.running.validators);
        converted.map_err(|error| fatal(format!("a decision cannot be stored: {error}")))
    }

    fn evidence(
        &self,
        misbehavior: &arc_malachitebft_app_channel::app::types::MisbehaviorEvidence<Ledger>,
    ) -> Vec<credlog_ledger::evidence::Equivocation> {
        let all = certificates::evidence(misbehavior, &self.running.validators).into_iter();
        let all = all.filter_map(|one| {
            one.inspect_err(|error| tracing::warn!("evidence of the engine is unusable: {error}"))
                .ok()
        });
        all.collect()
    }

    /// The next height starts, or is held back until there is something to decide. A node
    /// without a vote holds nothing back.
    fn go_on(&mut self, reply: Reply<Next<Ledger>>) -> Result<(), Fatal> {
        let height = self.parts.application.tip().next();
        self.held = Some(Held::new(
            height.0,
            reply,
            self.parts.links.events.subscribe(),
        ));
        let own = self
            .parts
            .signer
            .as_ref()
            .map(|signer| signer.key.verifying_key().to_bytes());
        let votes = own.is_some_and(|key| self.next.find(&Address::Key(key)).is_some());
        if !votes {
            return self.start_held("this node has no vote");
        }
        if self.is_overtaken {
            return self.start_held("a member proposes a block");
        }
        self.consider_held()?;
        if self.held.is_some() {
            self.parts.status.send_modify(|status| {
                status.height = height;
                status.round = None;
                status.proposer = None;
                status.is_idle = true;
            });
        }
        Ok(())
    }

    /// Something may have come to be decided.
    async fn consider(&mut self) -> Result<(), Fatal> {
        self.propose_late().await?;
        self.consider_held()
    }

    /// Starts the held height if there is something to decide, or was decided by others.
    fn consider_held(&mut self) -> Result<(), Fatal> {
        let Some(held) = &self.held else {
            return Ok(());
        };
        if self.parts.application.is_pending() {
            return self.start_held("something waits");
        }
        let certificates = self.parts.observed.take_decided(held.height);
        if certificates.is_empty() {
            return Ok(());
        }
        let members = self.parts.application.members()?;
        let ledger = &self.parts.verifier.ledger;
        let is_decided = |one: &credlog_ledger::certificate::CommitCertificate| {
            one.verify(ledger, &members, &one.value).is_ok()
        };
        if certificates.iter().any(is_decided) {
            return self.start_held("others have decided it");
        }
        Ok(())
    }

    fn start_held(&mut self, why: &str) -> Result<(), Fatal> {
        let Some(held) = self.held.take() else {
            return Ok(());
        };
        let (height, params) = self.start_height()?;
        tracing::debug!(%height, "the height starts: {why}");
        let _ = held.reply.send(Next::Start(height, params));
        Ok(())
    }

    /// Decided blocks for a peer.
    fn decided(&self, first: u64, last: u64) -> Result<Vec<RawDecidedValue<Ledger>>, Fatal> {
        let last = last.min(self.parts.application.tip().0);
        if first == 0 || first > last {
            return Ok(Vec::new());
        }
        let count = (last - first + 1).min(RESPONSE_BLOCKS_MAX as u64);
        let first = ids::Height(first);
        let decided = self
            .parts
            .application
            .decided(first, count, RESPONSE_BYTES_MAX)?;
        let values = decided.into_iter().map(|one| {
            let bytes = synced_bytes(&one.certificate.value, &one.block);
            RawDecidedValue::new(bytes, certificates::to_engine(&one.certificate))
        });
        Ok(values.collect())
    }

    /// Judges a decided block of a peer; its certificate is verified.
    fn check_synced(
        &mut self,
        height: Height,
        round: Round,
        proposer: &Address,
        bytes: &[u8],
    ) -> Result<SyncedValueOutcome<Ledger>, Fatal> {
        if height.0 != self.parts.application.tip().next().0 {
            return Ok(SyncedValueOutcome::LocalTransientError);
        }
        let Some((value, block)) = synced_parts(bytes) else {
            return Ok(SyncedValueOutcome::PeerFault);
        };
        let number = round.as_u32().unwrap_or(0);
        let candidate = Candidate {
            height: height.into(),
            round: ids::Round(number),
            valid_round: Some(ids::Round(number)),
            proposer: self.member(proposer)?,
            value,
            block: block.to_vec(),
        };
        let place = Place {
            height,
            round,
            valid_round: Round::Nil,
            proposer: proposer.clone(),
        };
        let judgement = self.parts.application.check_decided(candidate)?;
        if judgement == Judgement::NotNow {
            return Ok(SyncedValueOutcome::LocalTransientError);
        }
        if judgement == Judgement::Invalid {
            tracing::error!(%height, %value, "the members have decided a block that breaks a rule");
        }
        let verdict = place.proposed(value, judgement);
        Ok(verdict.map_or(SyncedValueOutcome::PeerFault, SyncedValueOutcome::Verdict))
    }

    /// The member behind an address of the running height.
    fn member(&self, address: &Address) -> Result<ids::MemberId, Fatal> {
        let found = self.running.validators.find(address);
        let found = found.map(|validator| validator.member.clone());
        found.ok_or_else(|| fatal(format!("the engine names {address}, who is no member")))
    }

    /// The engine's address of a member of the height after the tip.
    fn address(&self, member: &ids::MemberId) -> Address {
        let named = Address::Member(member.clone());
        let found = self.next.find(&named);
        found.map_or(named, |validator| validator.address.clone())
    }
}

/// Where a value was proposed.
struct Place {
    height: Height,
    round: Round,
    valid_round: Round,
    proposer: Address,
}

impl Place {
    /// The engine's form of a judged value; none if nothing may be concluded about it.
    fn proposed(self, value: ValueId, judgement: Judgement) -> Option<ProposedValue<Ledger>> {
        let validity = match judgement {
            Judgement::Valid => Validity::Valid,
            Judgement::Invalid | Judgement::ClockDisagrees => Validity::Invalid,
            Judgement::NotThisValue | Judgement::NotNow => return None,
        };
        Some(ProposedValue {
            height: self.height,
            round: self.round,
            valid_round: self.valid_round,
            proposer: self.proposer,
            value: value.into(),
            validity,
        })
    }
}

fn validators<A: Application>(application: &A) -> Result<Validators, Fatal> {
    Validators::of(&application.members()?).map_err(fatal)
}

/// What the engine received, while a height is held.
async fn received(
    held: &mut Option<Held>,
) -> arc_malachitebft_core_consensus::SignedConsensusMsg<Ledger> {
    match held {
        Some(held) => held.received().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
