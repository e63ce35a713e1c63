//! From the gossip swarm into this node: records, cosignatures and questions of peers.
//!
//! What comes in is judged before it goes on to others: a record by the way in that every
//! record takes, a cosignature by its member's key. A thread of its own does that, since
//! judging waits for locks and for the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use credlog_gossip::{Arrival, Event, NodeKey, Reply, Verdict};
use credlog_ledger::ids::RecordId;
use credlog_ledger::record::EncodedRecord;
use credlog_ledger::rejection::Rejection;
use credlog_ledger::state::{State, ViewError};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::admission::{Admission, Sender};
use crate::cosigning::Received;
use crate::mempool::{Outcome, Waiter};
use crate::shared::Shared;

/// Most ids of waiting records that are told to a peer at a time.
const PENDING_IDS_MAX: usize = credlog_gossip::wire::PENDING_IDS_MAX;

/// A connection that ends sooner was refused.
const STEADY: Duration = Duration::from_secs(3);

/// Judges what comes from the swarm.
pub struct Relay {
    shared: Shared,
    admission: Arc<Admission>,
    runtime: Handle,
    /// Says that a peer knows more than this node.
    ahead: Box<dyn Fn() + Send>,
    peers: HashMap<NodeKey, Peer>,
}

/// Of the connections with one peer, for the log.
#[derive(Default)]
struct Peer {
    since: Option<Instant>,
    /// How many in a row ended at once.
    short: u32,
}

impl Relay {
    /// Starts the thread; it ends with the swarm.
    ///
    /// # Errors
    /// [`std::io::Error`] if the system gives no thread.
    pub fn start(
        shared: Shared,
        admission: Arc<Admission>,
        runtime: Handle,
        ahead: Box<dyn Fn() + Send>,
        mut events: mpsc::Receiver<Event>,
    ) -> std::io::Result<JoinHandle<()>> {
        let mut relay = Self {
            shared,
            admission,
            runtime,
            ahead,
            peers: HashMap::new(),
        };
        let thread = std::thread::Builder::new().name("relay".into());
        thread.spawn(move || {
            while let Some(event) = events.blocking_recv() {
                relay.handle(event);
            }
        })
    }

    fn connected(&mut self, node: NodeKey) {
        let member = self.member(&node);
        tracing::info!(member, peer = %node, "a peer is connected");
        self.peers.entry(node).or_default().since = Some(Instant::now());
    }

    /// A peer that goes as soon as it is connected, twice in a row, lets nobody of this node's
    /// key in; that is told once.
    fn gone(&mut self, node: NodeKey) {
        let member = self.member(&node);
        let peer = self.peers.entry(node).or_default();
        let is_short = peer
            .since
            .take()
            .is_some_and(|since| since.elapsed() < STEADY);
        peer.short = if is_short { peer.short + 1 } else { 0 };
        if peer.short == 2 {
            tracing::warn!(
                member,
                peer = %node,
                "a peer closes each connection at once: it may not let this node in; a member's \
                 node key has to be on the ledger, an observer's peer id in network.observers of \
                 that peer"
            );
        }
        tracing::info!(member, peer = %node, "a peer is gone");
    }

    /// The member whose node this is.
    fn member(&self, node: &NodeKey) -> Option<String> {
        let members = self.shared.members.borrow();
        let mut seats = members.members().iter();
        let seat = seats.find(|seat| seat.member.keys.node.key.as_ed25519() == Some(&node.0));
        seat.map(|seat| seat.member.id.to_string())
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Records(arrival) => self.records(arrival),
            Event::Cosignatures(arrival) => self.cosignatures(arrival),
            Event::Offered { ids, lacking, .. } => {
                self.answer(lacking, |relay| relay.lacking(ids));
            }
            Event::WantsPendingIds { reply, .. } => {
                let ids = self.shared.mempool.ids(PENDING_IDS_MAX);
                reply.send(ids.into_iter().map(|id| id.0).collect());
            }
            Event::WantsPendingRecords { ids, reply, .. } => reply.send(self.pending(&ids)),
            Event::WantsCosignatures { reply, .. } => {
                let notes = self.shared.cosigning.notes();
                reply.send(notes.into_iter().map(Bytes::from).collect());
            }
            Event::PeerConnected(node) => self.connected(node),
            Event::PeerDisconnected(node) => self.gone(node),
            // What a later version of the swarm tells is not needed here.
            _ => {}
        }
    }

    fn answer<T>(&self, reply: Reply<T>, answer: impl FnOnce(&Self) -> Result<T, ViewError>) {
        match answer(self) {
            Ok(answer) => reply.send(answer),
            Err(error) => {
                tracing::error!(%error, "a peer's question could not be answered");
                self.shared.metrics.store_faults.inc();
                drop(reply);
            }
        }
    }

    /// Hands records in like those of clients, and judges them by what comes of it.
    fn records(&self, arrival: Arrival) {
        let Arrival {
            from,
            payloads,
            token,
            ..
        } = arrival;
        let mut submitted = Vec::with_capacity(payloads.len());
        let mut answers = Vec::with_capacity(payloads.len());
        for payload in payloads {
            let Ok(record) = EncodedRecord::decode(&payload) else {
                return token.judge(Verdict::Reject);
            };
            if self.shared.mempool.contains(&record.id()) {
                continue;
            }
            let (waiter, answer) = Waiter::new(true);
            submitted.push((record, waiter));
            answers.push(answer);
        }
        if submitted.is_empty() {
            return token.judge(Verdict::Ignore);
        }
        self.admission.submit(Sender::Peer(from), submitted);
        self.runtime.spawn(async move {
            let mut verdict = Verdict::Ignore;
            for answer in answers {
                match answer.await {
                    Ok(Outcome::Pending) => verdict = Verdict::Accept,
                    // Bad whatever the state; all else may be a matter of who is ahead.
                    Ok(Outcome::Refused(rejection))
                        if matches!(
                            *rejection,
                            Rejection::WrongLedger { .. } | Rejection::BadSignature { .. }
                        ) =>
                    {
                        return token.judge(Verdict::Reject);
                    }
                    _ => {}
                }
            }
            token.judge(verdict);
        });
    }

    fn cosignatures(&self, arrival: Arrival) {
        let mut verdict = Verdict::Ignore;
        let mut is_ahead = false;
        for note in &arrival.payloads {
            match self.shared.cosigning.receive(note) {
                Received::New { is_ahead: ahead } => {
                    verdict = Verdict::Accept;
                    is_ahead |= ahead;
                }
                Received::Nothing => {}
                Received::Bad => {
                    verdict = Verdict::Reject;
                    break;
                }
            }
        }
        arrival.token.judge(verdict);
        if is_ahead {
            (self.ahead)();
        }
    }

    fn lacking(&self, ids: Vec<[u8; 32]>) -> Result<Vec<[u8; 32]>, ViewError> {
        let snapshot = self.shared.store.snapshot();
        let state = State(&snapshot);
        let mut lacking = Vec::new();
        for id in ids {
            let record = RecordId(id);
            if !self.shared.mempool.contains(&record) && state.record(&record)?.is_none() {
                lacking.push(id);
            }
        }
        Ok(lacking)
    }

    fn pending(&self, ids: &[[u8; 32]]) -> Vec<Option<Bytes>> {
        let asked: Vec<_> = ids.iter().copied().map(RecordId).collect();
        let found = self.shared.mempool.find(&asked);
        let mut found = found.into_iter().peekable();
        let mut bytes = |id: &RecordId| {
            let same = found.next_if(|record| record.id() == *id)?;
            Some(Bytes::copy_from_slice(same.bytes()))
        };
        asked.iter().map(&mut bytes).collect()
    }
}
