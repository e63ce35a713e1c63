//! Nodes of a test network, each with a small application behind its swarm.

#![allow(dead_code, unreachable_pub)] // Each test binary uses a part of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use credlog_gossip::{
    Address, Arrival, Config, Event, Gossip, NodeKey, Peers, StartError, Verdict,
};
use tokio::sync::mpsc;

pub const LEDGER: [u8; 32] = [1; 32];
pub const TCP: &str = "/ip4/127.0.0.1/tcp/0";
pub const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

/// What an application has seen.
#[derive(Debug, Default)]
pub struct State {
    /// Accepted records, which are also those it offers to peers.
    pub pending: BTreeMap<[u8; 32], Bytes>,
    pub cosignatures: BTreeSet<Bytes>,
    /// Payloads of all arrivals, whatever the verdict, with who sent them.
    pub arrived: Vec<(NodeKey, Bytes)>,
    pub batches: usize,
    /// Whether it answers peers and judges at all.
    pub deaf: bool,
}

#[derive(Clone)]
pub struct Node {
    pub gossip: Gossip,
    pub key: NodeKey,
    pub state: Arc<Mutex<State>>,
}

pub fn id(payload: &[u8]) -> [u8; 32] {
    *blake3::hash(payload).as_bytes()
}

pub fn secret(number: u8) -> [u8; 32] {
    [number; 32]
}

pub fn key(number: u8) -> NodeKey {
    NodeKey::of_secret(&secret(number)).unwrap()
}

pub fn config(number: u8, listen: &str) -> Config {
    Config::new(secret(number), LEDGER, vec![listen.parse().unwrap()])
}

pub async fn start(config: Config, peers: Peers) -> Result<Node, StartError> {
    let (gossip, events) = Gossip::start(config, peers).await?;
    let state = Arc::new(Mutex::new(State::default()));
    tokio::spawn(serve(events, Arc::clone(&state)));
    Ok(Node {
        key: gossip.node(),
        gossip,
        state,
    })
}

/// Nodes 1 to `count` that all know and dial each other.
pub async fn network(count: u8, listen: &str) -> Vec<Node> {
    let mut nodes = Vec::new();
    for number in 1..=count {
        nodes.push(start(config(number, listen), Peers::new()).await.unwrap());
    }
    connect(&nodes).await;
    nodes
}

/// Lets all of the nodes know all others, and waits until they are connected.
pub async fn connect(nodes: &[Node]) {
    let peers: Peers = nodes
        .iter()
        .map(|node| (node.key, node.gossip.listening()))
        .collect();
    for node in nodes {
        node.gossip.set_peers(peers.clone()).await.unwrap();
    }
    let others = nodes.len() - 1;
    until("all nodes connect", || {
        nodes
            .iter()
            .all(|node| node.gossip.connected().len() == others)
    })
    .await;
    settle().await;
}

/// Long enough for subscriptions to be exchanged.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < Duration::from_secs(15),
            "in 15 s it never came to: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Node {
    pub fn publish(&self, records: &[&[u8]]) {
        let records: Vec<_> = records
            .iter()
            .map(|one| Bytes::copy_from_slice(one))
            .collect();
        self.hold(&records);
        self.gossip.publish_records(records).unwrap();
    }

    /// Takes records as its own without telling anyone.
    pub fn hold(&self, records: &[Bytes]) {
        let mut state = self.state.lock().unwrap();
        state
            .pending
            .extend(records.iter().map(|one| (id(one), one.clone())));
    }

    pub fn has(&self, record: &[u8]) -> bool {
        self.state.lock().unwrap().pending.contains_key(&id(record))
    }

    pub fn arrived(&self, payload: &[u8]) -> usize {
        let state = self.state.lock().unwrap();
        state
            .arrived
            .iter()
            .filter(|(_, one)| one == payload)
            .count()
    }
}

async fn serve(mut events: mpsc::Receiver<Event>, state: Arc<Mutex<State>>) {
    while let Some(event) = events.recv().await {
        let mut state = state.lock().unwrap();
        if state.deaf {
            continue;
        }
        match event {
            Event::Records(arrival) => judge(&mut state, arrival, true),
            Event::Cosignatures(arrival) => judge(&mut state, arrival, false),
            Event::Offered {
                mut ids, lacking, ..
            } => {
                ids.retain(|id| !state.pending.contains_key(id));
                lacking.send(ids);
            }
            Event::WantsPendingIds { reply, .. } => {
                reply.send(state.pending.keys().copied().collect());
            }
            Event::WantsPendingRecords { ids, reply, .. } => {
                reply.send(
                    ids.iter()
                        .map(|id| state.pending.get(id).cloned())
                        .collect(),
                );
            }
            Event::WantsCosignatures { reply, .. } => {
                reply.send(state.cosignatures.iter().cloned().collect());
            }
            _ => {}
        }
    }
}

/// `bad…` is rejected, `old…` ignored, all else accepted.
fn judge(state: &mut State, arrival: Arrival, records: bool) {
    let Arrival {
        from,
        payloads,
        token,
    } = arrival;
    state.batches += 1;
    state
        .arrived
        .extend(payloads.iter().map(|one| (from, one.clone())));
    if payloads.iter().any(|one| one.starts_with(b"bad")) {
        token.judge(Verdict::Reject);
    } else if payloads.iter().any(|one| one.starts_with(b"old")) {
        token.judge(Verdict::Ignore);
    } else {
        token.judge(Verdict::Accept);
        if records {
            state
                .pending
                .extend(payloads.into_iter().map(|one| (id(&one), one)));
        } else {
            state.cosignatures.extend(payloads);
        }
    }
}

pub fn addresses(node: &Node) -> Vec<Address> {
    node.gossip.listening()
}
