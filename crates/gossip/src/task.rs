//! The task that owns the swarm.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use libp2p::allow_block_list::NotAllowed;
use libp2p::core::transport::ListenerId;
use libp2p::futures::StreamExt;
use libp2p::gossipsub::{self, MessageAcceptance, MessageId};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, ListenError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, connection_limits};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use crate::address::{Address, AddressError, NodeKey};
use crate::budget::{Bucket, Rate};
use crate::config::{Limits, PEER_ADDRESSES_MAX, Peers, QUEUE_MAX};
use crate::event::{Answer, Arrival, Event, Token, Verdict};
use crate::fetch::Fetches;
use crate::gate::Refused;
use crate::handle::StartError;
use crate::metrics::Counters;
use crate::redial::Redial;
use crate::swarm::{Behaviour, BehaviourEvent, Topics};
use crate::wire::{self, Kind, MESSAGE_BYTES_MAX, Packer};

/// How often dials and fetches that are due are looked for.
const TICK: Duration = Duration::from_millis(50);
/// How long starting waits for the system to listen.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages published in one go; the rest follows after [`Limits::gather`], so that a large
/// publication does not overrun the queues of the peers.
const MESSAGES_AT_ONCE: usize = 8;
/// Publications taken from the queue in one go.
const PUBLICATIONS_AT_ONCE: usize = 256;
/// What a waiting payload costs besides its bytes.
const PAYLOAD_OVERHEAD: usize = 128;
/// The least that a message counts in a peer's rate.
const MESSAGE_COST_MIN: usize = 4_096;
/// A peer's burst, in seconds of its rate.
const PEER_BURST_SECONDS: u32 = 2;
/// A connection over which no ping was answered for so long is closed, and the peer dialled
/// again.
const SILENT_AFTER: Duration = Duration::from_secs(8);
/// What one misdeed outside of gossipsub costs: three of them, and a peer is not heard.
const BLAME: f64 = 40.0;
/// What fades of it, how often.
const BLAME_FADES: (f64, Duration) = (1.0, Duration::from_secs(10));
/// Replies that may be out, besides the tokens.
const REPLIES_MAX: usize = 256;

/// The task's ends of the channels.
pub(crate) struct Wires {
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) publications: mpsc::Receiver<Publication>,
    pub(crate) queued: Arc<AtomicUsize>,
    pub(crate) controls: mpsc::Receiver<Control>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) connected: watch::Sender<Vec<NodeKey>>,
    pub(crate) listening: watch::Sender<Vec<Address>>,
}

#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) kind: Kind,
    pub(crate) payloads: Vec<Bytes>,
}

/// What a payload takes of the queue's bound.
pub(crate) fn cost(payload: &Bytes) -> usize {
    payload.len() + PAYLOAD_OVERHEAD
}

#[derive(Debug)]
pub(crate) enum Control {
    SetPeers(Peers, oneshot::Sender<Result<(), AddressError>>),
    Shutdown,
}

/// Where a batch without a verdict came from.
#[derive(Debug)]
pub(crate) enum Origin {
    Gossip(MessageId),
    /// Fetched: the next part is asked for after the verdict.
    FetchedRecords,
    FetchedCosignatures,
}

#[derive(Debug)]
struct Unjudged {
    peer: PeerId,
    bytes: usize,
    origin: Origin,
}

#[derive(Debug, Default)]
struct PeerUnjudged {
    batches: usize,
    bytes: usize,
}

pub(crate) struct Task {
    pub(crate) swarm: Swarm<Behaviour>,
    topics: Topics,
    pub(crate) limits: Limits,
    pub(crate) wires: Wires,
    pub(crate) allowed: BTreeMap<PeerId, NodeKey>,
    pub(crate) connected: BTreeMap<PeerId, NodeKey>,
    pub(crate) redial: Redial,
    /// When a ping was last answered, or the connection made.
    heard: HashMap<ConnectionId, Instant>,
    pub(crate) fetches: Fetches,

    answers: mpsc::Sender<Answer>,
    answers_in: mpsc::Receiver<Answer>,
    /// Tokens and replies that are out; never more than the channel has room for.
    out: usize,
    out_max: usize,

    next_number: u64,
    unjudged: HashMap<u64, Unjudged>,
    unjudged_bytes: usize,
    peers_unjudged: HashMap<PeerId, PeerUnjudged>,
    peer_rate: Rate,
    peer_buckets: HashMap<PeerId, Bucket>,
    blame: HashMap<PeerId, f64>,
    blame_faded: Instant,

    outbox: VecDeque<(Kind, Bytes)>,
    outbox_bytes: usize,
    published: Instant,

    starting: HashMap<ListenerId, Address>,
    listen_failure: Option<StartError>,
}

impl Task {
    pub(crate) fn new(
        swarm: Swarm<Behaviour>,
        topics: Topics,
        limits: Limits,
        wires: Wires,
    ) -> Self {
        let out_max = limits.unjudged_max.min(QUEUE_MAX) + REPLIES_MAX;
        let (answers, answers_in) = mpsc::channel(out_max);
        let now = Instant::now();
        let peer_rate = Rate {
            per_second: limits.peer_bytes_per_second,
            burst: limits
                .peer_bytes_per_second
                .saturating_mul(PEER_BURST_SECONDS),
        };
        Self {
            swarm,
            topics,
            allowed: BTreeMap::new(),
            connected: BTreeMap::new(),
            redial: Redial::new(limits.redial_min, limits.redial_max),
            fetches: Fetches::new(now),
            heard: HashMap::new(),
            answers,
            answers_in,
            out: 0,
            out_max,
            next_number: 0,
            unjudged: HashMap::new(),
            unjudged_bytes: 0,
            peers_unjudged: HashMap::new(),
            peer_rate,
            peer_buckets: HashMap::new(),
            blame: HashMap::new(),
            blame_faded: now,
            outbox: VecDeque::new(),
            outbox_bytes: 0,
            published: now,
            starting: HashMap::new(),
            listen_failure: None,
            limits,
            wires,
        }
    }

    /// Listens at all addresses, and waits until the system does.
    pub(crate) async fn listen(&mut self, addresses: &[Address]) -> Result<(), StartError> {
        for address in addresses {
            let id = crate::swarm::listen(&mut self.swarm, address)?;
            self.starting.insert(id, address.clone());
        }
        let deadline = tokio::time::Instant::now() + LISTEN_TIMEOUT;
        while let Some(address) = self.starting.values().next().cloned() {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                () = tokio::time::sleep_until(deadline) => {
                    let reason = "no interface has this address".to_owned();
                    return Err(StartError::Listen { address, reason });
                }
            }
            if let Some(failure) = self.listen_failure.take() {
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Runs until told to stop or the last handle is gone.
    pub(crate) async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut publications = Vec::with_capacity(PUBLICATIONS_AT_ONCE);
        let mut open = true;
        loop {
            let flush_at = tokio::time::Instant::from_std(self.published + self.limits.gather);
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                Some(answer) = self.answers_in.recv() => self.on_answer(answer),
                count = self.wires.publications.recv_many(&mut publications, PUBLICATIONS_AT_ONCE),
                    if open =>
                {
                    open = count > 0;
                    self.gather(publications.drain(..));
                }
                () = tokio::time::sleep_until(flush_at), if !self.outbox.is_empty() => {
                    self.publish_some();
                }
                _ = tick.tick() => self.on_tick(Instant::now()),
                control = self.wires.controls.recv() => match control {
                    Some(Control::SetPeers(peers, done)) => {
                        // The asker may have gone.
                        let _ = done.send(self.set_peers(&peers));
                    }
                    Some(Control::Shutdown) | None => break,
                },
            }
        }
    }

    /// Who may connect from now on.
    pub(crate) fn set_peers(&mut self, peers: &Peers) -> Result<(), AddressError> {
        let own = *self.swarm.local_peer_id();
        let mut allowed = BTreeMap::new();
        let mut dialled = BTreeMap::new();
        for (key, addresses) in peers {
            let peer = key.to_peer()?;
            if peer == own {
                continue;
            }
            let mut places: Vec<Multiaddr> = Vec::new();
            for address in addresses.iter().take(PEER_ADDRESSES_MAX) {
                places.push(address.with_node(*key)?.location().clone());
            }
            allowed.insert(peer, *key);
            if !places.is_empty() {
                dialled.insert(peer, places);
            }
        }
        for peer in allowed.keys() {
            self.swarm.behaviour_mut().allowed.allow_peer(*peer);
        }
        for peer in self
            .allowed
            .keys()
            .filter(|peer| !allowed.contains_key(peer))
        {
            self.swarm.behaviour_mut().allowed.disallow_peer(*peer);
        }
        self.blame.retain(|peer, _| allowed.contains_key(peer));
        self.allowed = allowed;
        let connected = &self.connected;
        self.redial
            .set(dialled, |peer| connected.contains_key(peer), Instant::now());
        Ok(())
    }

    fn on_tick(&mut self, now: Instant) {
        for (peer, addresses) in self.redial.due(now) {
            self.wires.counters.dials.up();
            let options = DialOpts::peer_id(peer)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(addresses)
                // A dial from the listening port may clash with an old connection.
                .allocate_new_port()
                .build();
            match self.swarm.dial(options) {
                Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
                Err(error) => self.on_dial_failure(&peer, &error),
            }
        }
        self.fetch_due(now);
        self.close_silent(now);
        let (fades, interval) = BLAME_FADES;
        if now.saturating_duration_since(self.blame_faded) >= interval {
            self.blame_faded = now;
            let gossip = &mut self.swarm.behaviour_mut().gossip;
            self.blame.retain(|peer, blame| {
                *blame = (*blame - fades).max(0.0);
                gossip.set_application_score(peer, -*blame);
                *blame > 0.0
            });
        }
    }

    fn on_dial_failure(&mut self, peer: &PeerId, error: &DialError) {
        tracing::debug!(%peer, %error, "a dial failed");
        self.wires.counters.dials_failed.up();
        self.redial.failed(peer, Instant::now());
    }

    pub(crate) fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let now = Instant::now();
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.on_gossip(event, now),
            SwarmEvent::Behaviour(BehaviourEvent::Missed(event)) => self.on_missed(event, now),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping)) => {
                if ping.result.is_ok()
                    && let Some(heard) = self.heard.get_mut(&ping.connection)
                {
                    *heard = now;
                }
            }
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                ..
            } => {
                self.heard.insert(connection_id, now);
                self.on_connected(peer_id, now);
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                num_established,
                ..
            } => {
                self.heard.remove(&connection_id);
                if num_established == 0 {
                    self.on_disconnected(peer_id, now);
                }
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id: Some(peer),
                error,
                ..
            } => {
                self.on_dial_failure(&peer, &error);
            }
            SwarmEvent::IncomingConnectionError { error, .. } => self.on_refused(&error),
            SwarmEvent::NewListenAddr {
                listener_id,
                address,
            } => {
                self.starting.remove(&listener_id);
                if let Ok(address) = Address::of_multiaddr(&address) {
                    self.wires.listening.send_modify(|all| all.push(address));
                }
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                if let Ok(gone) = Address::of_multiaddr(&address) {
                    self.wires
                        .listening
                        .send_modify(|all| all.retain(|one| *one != gone));
                }
            }
            SwarmEvent::ListenerClosed {
                listener_id,
                reason: Err(error),
                ..
            } => {
                self.on_listener_failure(listener_id, error.to_string());
            }
            SwarmEvent::ListenerError { listener_id, error } => {
                self.on_listener_failure(listener_id, error.to_string());
            }
            _ => {}
        }
    }

    fn on_listener_failure(&mut self, id: ListenerId, reason: String) {
        match self.starting.remove(&id) {
            Some(address) => {
                self.listen_failure = Some(StartError::Listen { address, reason });
            }
            None => tracing::error!(%reason, "a gossip listener failed"),
        }
    }

    fn on_connected(&mut self, peer: PeerId, now: Instant) {
        self.redial.connected(&peer, now);
        let Some(key) = self.allowed.get(&peer).copied() else {
            return;
        };
        if self.connected.insert(peer, key).is_none() {
            self.wires
                .connected
                .send_replace(self.connected.values().copied().collect());
            self.emit(Event::PeerConnected(key));
            self.fetches.connected(peer, now);
        }
    }

    fn on_disconnected(&mut self, peer: PeerId, now: Instant) {
        self.redial.disconnected(&peer, now);
        self.fetches.disconnected(&peer);
        self.peer_buckets.remove(&peer);
        self.peers_unjudged
            .retain(|other, mine| *other != peer || mine.batches > 0);
        if let Some(key) = self.connected.remove(&peer) {
            self.wires
                .connected
                .send_replace(self.connected.values().copied().collect());
            self.emit(Event::PeerDisconnected(key));
        }
    }

    fn on_refused(&self, error: &ListenError) {
        let counters = &self.wires.counters;
        match error {
            ListenError::Denied { cause } if cause.downcast_ref::<NotAllowed>().is_some() => {
                counters.refused_strangers.up();
            }
            // The gate has counted it.
            ListenError::Denied { cause } if cause.downcast_ref::<Refused>().is_some() => {}
            ListenError::Denied { cause }
                if cause
                    .downcast_ref::<connection_limits::Exceeded>()
                    .is_some() =>
            {
                counters.refused_limits.up();
            }
            _ => counters.failed_handshakes.up(),
        }
        tracing::debug!(%error, "an incoming connection was refused");
    }

    /// Closes connections over which nothing was heard for long. The library's own failure of
    /// a ping comes only after it also failed to open another stream.
    fn close_silent(&mut self, now: Instant) {
        let silent = |heard: &Instant| now.saturating_duration_since(*heard) >= SILENT_AFTER;
        let swarm = &mut self.swarm;
        let counters = &self.wires.counters;
        self.heard.retain(|connection, heard| {
            let silent = silent(&*heard);
            if silent && swarm.close_connection(*connection) {
                tracing::info!(%connection, "a peer does not answer; its connection is closed");
                counters.cut_off.up();
            }
            !silent
        });
    }

    fn on_gossip(&mut self, event: gossipsub::Event, now: Instant) {
        match event {
            gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            } => {
                self.on_message(propagation_source, &message_id, message, now);
            }
            gossipsub::Event::SlowPeer {
                peer_id,
                failed_messages,
            } => {
                tracing::debug!(peer = %peer_id, ?failed_messages, "a peer is too slow");
                let missed = failed_messages.total_queue_full() + failed_messages.timeout;
                self.wires.counters.dropped_slow_peer.add(missed);
            }
            gossipsub::Event::GossipsubNotSupported { peer_id } => self.cut_off(peer_id, now),
            gossipsub::Event::Subscribed { .. } | gossipsub::Event::Unsubscribed { .. } => {}
        }
    }

    /// Parts from a peer that speaks other protocols, as one of another ledger does.
    pub(crate) fn cut_off(&mut self, peer: PeerId, now: Instant) {
        if self.swarm.disconnect_peer_id(peer).is_ok() {
            tracing::warn!(%peer, "an allowed peer is not of this ledger; it is left alone");
            self.wires.counters.cut_off.up();
            self.fetches.useless(&peer);
        }
        self.redial.useless(&peer, now);
    }

    fn on_message(
        &mut self,
        peer: PeerId,
        id: &MessageId,
        message: gossipsub::Message,
        now: Instant,
    ) {
        let bytes = message.data.len();
        self.wires.counters.messages_in.up();
        self.wires.counters.bytes_in.add(bytes);
        let cost = u32::try_from(bytes.max(MESSAGE_COST_MIN)).unwrap_or(u32::MAX);
        let rate = self.peer_rate;
        let bucket = self
            .peer_buckets
            .entry(peer)
            .or_insert_with(|| Bucket::full(rate, now));
        if !self.allowed.contains_key(&peer) || !bucket.take(rate, cost, now) {
            self.wires.counters.dropped_unread.up();
            self.blame(peer);
            self.report(&peer, id, Verdict::Ignore);
            return;
        }
        let unpacked = self
            .topics
            .kind(&message.topic)
            .and_then(|kind| {
                let payloads = wire::unpack(message.data.into(), kind, MESSAGE_BYTES_MAX).ok()?;
                Some((kind, payloads))
            })
            .filter(|(_, payloads)| !payloads.is_empty());
        match unpacked {
            Some((kind, payloads)) => {
                if !self.deliver(kind, peer, payloads, bytes, Origin::Gossip(id.clone())) {
                    self.report(&peer, id, Verdict::Ignore);
                }
            }
            None => {
                self.wires.counters.rejected.up();
                self.report(&peer, id, Verdict::Reject);
            }
        }
    }

    /// Hands payloads to the application; false when there is no room.
    pub(crate) fn deliver(
        &mut self,
        kind: Kind,
        peer: PeerId,
        payloads: Vec<Bytes>,
        bytes: usize,
        origin: Origin,
    ) -> bool {
        let Some(from) = self.allowed.get(&peer).copied() else {
            return false;
        };
        let mine = self.peers_unjudged.entry(peer).or_default();
        let room = mine.batches < self.limits.peer_unjudged_max
            && mine.bytes.saturating_add(bytes) <= self.limits.peer_unjudged_bytes_max
            && self.unjudged.len() < self.limits.unjudged_max
            && self.unjudged_bytes.saturating_add(bytes) <= self.limits.unjudged_bytes_max;
        let permit = if room {
            self.wires.events.try_reserve().ok()
        } else {
            None
        };
        let (Some(permit), true) = (permit, self.out < self.out_max) else {
            self.wires.counters.dropped_unread.up();
            return false;
        };
        mine.batches += 1;
        mine.bytes += bytes;
        self.unjudged_bytes += bytes;
        self.out += 1;
        let number = self.next_number;
        self.next_number += 1;
        self.unjudged.insert(
            number,
            Unjudged {
                peer,
                bytes,
                origin,
            },
        );
        let token = Token::new(self.answers.clone(), number);
        let arrival = Arrival {
            from,
            payloads,
            token,
        };
        permit.send(match kind {
            Kind::Records => Event::Records(arrival),
            Kind::Cosignatures => Event::Cosignatures(arrival),
        });
        true
    }

    /// The sender for a reply that goes out, when there is room for one more.
    pub(crate) fn reply_slot(&mut self) -> Option<mpsc::Sender<Answer>> {
        if self.out >= self.out_max || self.wires.events.capacity() == 0 {
            self.wires.counters.dropped_unread.up();
            return None;
        }
        self.out += 1;
        Some(self.answers.clone())
    }

    fn on_answer(&mut self, answer: Answer) {
        self.out = self.out.saturating_sub(1);
        match answer {
            Answer::Verdict(number, verdict) => self.on_verdict(number, verdict),
            Answer::Reply(question, body) => self.on_reply(question, body),
        }
    }

    fn on_verdict(&mut self, number: u64, verdict: Verdict) {
        let Some(Unjudged {
            peer,
            bytes,
            origin,
        }) = self.unjudged.remove(&number)
        else {
            return;
        };
        self.unjudged_bytes = self.unjudged_bytes.saturating_sub(bytes);
        if let Some(mine) = self.peers_unjudged.get_mut(&peer) {
            mine.batches = mine.batches.saturating_sub(1);
            mine.bytes = mine.bytes.saturating_sub(bytes);
            if mine.batches == 0 {
                self.peers_unjudged.remove(&peer);
            }
        }
        match verdict {
            Verdict::Accept => self.wires.counters.accepted.up(),
            Verdict::Ignore => self.wires.counters.ignored.up(),
            Verdict::Reject => self.wires.counters.rejected.up(),
        }
        match origin {
            Origin::Gossip(id) => self.report(&peer, &id, verdict),
            Origin::FetchedRecords => self.on_fetched_judged(peer, verdict),
            Origin::FetchedCosignatures if verdict == Verdict::Reject => self.blame(peer),
            Origin::FetchedCosignatures => {}
        }
    }

    fn report(&mut self, peer: &PeerId, id: &MessageId, verdict: Verdict) {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        };
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        if !gossip.report_message_validation_result(id, peer, acceptance) {
            tracing::debug!(%peer, ?verdict, "a verdict came too late for its message");
        }
    }

    /// Lowers the standing of a peer for what gossipsub does not see.
    pub(crate) fn blame(&mut self, peer: PeerId) {
        if !self.allowed.contains_key(&peer) {
            return;
        }
        let blame = self.blame.entry(peer).or_default();
        *blame = (*blame + BLAME).min(10.0 * BLAME);
        let score = -*blame;
        self.swarm
            .behaviour_mut()
            .gossip
            .set_application_score(&peer, score);
    }

    /// Tells the application, unless it is behind.
    pub(crate) fn emit(&self, event: Event) {
        if self.wires.events.try_send(event).is_err() {
            self.wires.counters.dropped_unread.up();
        }
    }

    /// Keeps publications for the next message. The first after a pause goes at once.
    fn gather(&mut self, publications: impl Iterator<Item = Publication>) {
        for Publication { kind, payloads } in publications {
            for payload in payloads {
                self.outbox_bytes += payload.len();
                self.outbox.push_back((kind, payload));
            }
        }
        let paused = self.published.elapsed() >= self.limits.gather;
        if !self.outbox.is_empty() && (paused || self.outbox_bytes >= MESSAGE_BYTES_MAX) {
            self.publish_some();
        }
    }

    /// Publishes some messages of what waits.
    fn publish_some(&mut self) {
        self.published = Instant::now();
        let mut packers = [
            (Kind::Records, Packer::default()),
            (Kind::Cosignatures, Packer::default()),
        ];
        let mut messages = 0;
        while messages < MESSAGES_AT_ONCE
            && let Some((kind, payload)) = self.outbox.pop_front()
        {
            self.outbox_bytes = self.outbox_bytes.saturating_sub(payload.len());
            self.wires
                .queued
                .fetch_sub(cost(&payload), Ordering::Relaxed);
            let packer = match kind {
                Kind::Records => &mut packers[0].1,
                Kind::Cosignatures => &mut packers[1].1,
            };
            if !packer.add(&payload, MESSAGE_BYTES_MAX) {
                let full = packer.finish();
                // A payload is shorter than an empty batch has room for.
                packer.add(&payload, MESSAGE_BYTES_MAX);
                self.publish(kind, full);
                messages += 1;
            }
        }
        for (kind, mut packer) in packers {
            if !packer.is_empty() {
                self.publish(kind, packer.finish());
            }
        }
    }

    fn publish(&mut self, kind: Kind, batch: Vec<u8>) {
        let counters = &self.wires.counters;
        let bytes = batch.len();
        let topic = self.topics.of(kind).clone();
        match self.swarm.behaviour_mut().gossip.publish(topic, batch) {
            Ok(_) => {
                counters.messages_out.up();
                counters.bytes_out.add(bytes);
            }
            // The same content went out in the last minute, from here or a peer.
            Err(gossipsub::PublishError::Duplicate) => {}
            Err(gossipsub::PublishError::NoPeersSubscribedToTopic) => counters.unheard.up(),
            Err(gossipsub::PublishError::AllQueuesFull(peers)) => {
                counters.dropped_slow_peer.add(peers);
            }
            Err(error) => {
                counters.unheard.up();
                tracing::error!(%error, ?kind, bytes, "a message could not be published");
            }
        }
    }
}
