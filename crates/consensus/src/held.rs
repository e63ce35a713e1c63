//! A height that is held back while there is nothing to decide.
//!
//! It starts when this node has something to decide, or on proof that others went on: votes
//! of so many members that an honest one is among them, a valid candidate, or a commit
//! certificate. The word of one peer starts nothing, so that no single liar makes blocks.

use std::collections::BTreeSet;

use arc_malachitebft_app_channel::Reply;
use arc_malachitebft_core_consensus::SignedConsensusMsg;
use arc_malachitebft_engine::host::Next;
use arc_malachitebft_engine::util::events::{Event, RxEvent};
use tokio::sync::broadcast::error::RecvError;

use crate::context::{Address, Ledger, Validators};
use crate::signing::Verifier;

/// A height that waits.
pub(crate) struct Held {
    pub(crate) height: u64,
    pub(crate) reply: Reply<Next<Ledger>>,
    events: RxEvent<Ledger>,
    voters: BTreeSet<Address>,
}

impl Held {
    pub(crate) fn new(height: u64, reply: Reply<Next<Ledger>>, events: RxEvent<Ledger>) -> Self {
        Self {
            height,
            reply,
            events,
            voters: BTreeSet::new(),
        }
    }

    /// The next thing the engine received; some may be missed. Never, when it has ended.
    pub(crate) async fn received(&mut self) -> SignedConsensusMsg<Ledger> {
        loop {
            match self.events.recv().await {
                Ok(Event::Received(message)) => return message,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// Counts a vote or proposal for the held height. Whether now an honest member is among
    /// those who have begun it.
    pub(crate) fn count(
        &mut self,
        message: &SignedConsensusMsg<Ledger>,
        validators: &Validators,
        verifier: &Verifier,
    ) -> bool {
        if message.height().0 != self.height {
            return false;
        }
        let address = match message {
            SignedConsensusMsg::Vote(vote) => &vote.message.address,
            SignedConsensusMsg::Proposal(proposal) => &proposal.message.address,
        };
        let Some(validator) = validators.find(address) else {
            return false;
        };
        let key = &validator.key;
        let is_good = match message {
            SignedConsensusMsg::Vote(vote) => {
                verifier.verifies_vote(&vote.message, &vote.signature, key)
            }
            SignedConsensusMsg::Proposal(proposal) => {
                verifier.verifies_proposal(&proposal.message, &proposal.signature, key)
            }
        };
        if is_good {
            self.voters.insert(validator.address.clone());
        }
        self.voters.len() >= validators.honest()
    }
}
