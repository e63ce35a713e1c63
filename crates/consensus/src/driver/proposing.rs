//! This member's own blocks, on their way out.

use std::time::Instant;

use arc_malachitebft_app_channel::NetworkMsg;
use arc_malachitebft_core_consensus::LocallyProposedValue;
use arc_malachitebft_engine::util::streaming::StreamId;
use credlog_ledger::ids;

use super::Driver;
use crate::application::{Application, Candidate, Fatal};
use crate::context::{Height, Ledger, Round, Value};
use crate::signing::ledger_round;
use crate::stream;

/// The engine's question for a block.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) height: Height,
    pub(super) round: Round,
    /// Then the others stop waiting for it.
    pub(super) until: Instant,
}

impl<A: Application> Driver<A> {
    /// The answer: this member's block, which is streamed to all. If there is nothing to propose
    /// yet, the question is kept, for the answer may not be: the engine's other questions come
    /// through the same channel, one after the other.
    pub(super) async fn propose(
        &mut self,
        asked: Asked,
    ) -> Result<LocallyProposedValue<Ledger>, Fatal> {
        let Some(value) = self.proposed(asked).await? else {
            self.asked = Some(asked);
            // The engine takes a value of another round for one that comes too late, and goes
            // on waiting for its timeout.
            let nothing = Value([0; 32]);
            return Ok(LocallyProposedValue::new(asked.height, Round::Nil, nothing));
        };
        Ok(value)
    }

    /// Proposes now what could not be proposed when the engine asked: a height that started
    /// before this member had anything to decide must not cost a round.
    pub(super) async fn propose_late(&mut self) -> Result<(), Fatal> {
        let Some(asked) = self.asked else {
            return Ok(());
        };
        if Instant::now() >= asked.until {
            self.asked = None;
            return Ok(());
        }
        if !self.parts.application.is_pending() {
            return Ok(());
        }
        let Some(value) = self.proposed(asked).await? else {
            return Ok(());
        };
        self.asked = None;
        let is_taken = (self.parts.links.propose)(value);
        self.taken(is_taken)
    }

    async fn proposed(
        &mut self,
        asked: Asked,
    ) -> Result<Option<LocallyProposedValue<Ledger>>, Fatal> {
        let Asked { height, round, .. } = asked;
        if height.0 != self.parts.application.tip().next().0 {
            return Ok(None);
        }
        let number = ids::Round(round.as_u32().unwrap_or(0));
        let Some(candidate) = self.parts.application.propose(height.into(), number)? else {
            return Ok(None);
        };
        self.stream(&candidate).await?;
        let value = Value::from(candidate.value);
        Ok(Some(LocallyProposedValue::new(height, round, value)))
    }

    /// Streams a block that is put forward again.
    pub(super) async fn stream_again(
        &mut self,
        height: Height,
        round: Round,
        valid_round: Round,
        value: Value,
    ) -> Result<(), Fatal> {
        let known = self
            .parts
            .application
            .candidate(height.into(), &value.into())?;
        let Some(candidate) = known else {
            return Ok(());
        };
        let again = Candidate {
            round: ids::Round(round.as_u32().unwrap_or(0)),
            valid_round: ledger_round(valid_round),
            ..candidate
        };
        self.stream(&again).await
    }

    /// Publishes a candidate to all peers.
    async fn stream(&mut self, candidate: &Candidate) -> Result<(), Fatal> {
        let Some(signer) = &self.parts.signer else {
            return Ok(());
        };
        self.stream_number += 1;
        let clock = clock_nanos().to_be_bytes();
        let id = [clock.as_slice(), &self.stream_number.to_be_bytes()].concat();
        let id = StreamId::new(id.into());
        for message in stream::messages(signer, &id, candidate) {
            let message = NetworkMsg::PublishProposalPart(message);
            let sent = self.parts.links.network.send(message).await;
            self.taken(sent.is_ok())?;
        }
        Ok(())
    }
}

/// Tells the streams of one run of the process from those of another.
fn clock_nanos() -> u128 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos()
}
