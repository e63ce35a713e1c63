//! Who may connect: strangers, removed peers, other ledgers, and floods of connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic
#![allow(clippy::cast_possible_truncation)] // small numbers

mod net;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use credlog_gossip::{Address, Peers};
use net::{LEDGER, QUIC, TCP, addresses, config, connect, key, network, settle, start, until};
use tokio::net::TcpStream;

fn socket(address: &Address) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], address.port()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_refused_and_not_relayed() {
    for listen in [TCP, QUIC] {
        let nodes = network(2, listen).await;
        let peers: Peers = nodes
            .iter()
            .map(|node| (node.key, addresses(node)))
            .collect();
        let stranger = start(config(9, listen), peers).await.unwrap();
        until("the stranger was refused", || {
            nodes
                .iter()
                .all(|node| node.gossip.metrics().refused_strangers > 0)
        })
        .await;
        stranger.publish(&[b"of a stranger"]);
        settle().await;
        for node in &nodes {
            assert_eq!(node.arrived(b"of a stranger"), 0);
            assert_eq!(node.gossip.connected().len(), 1);
        }
        assert!(stranger.state.lock().unwrap().arrived.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_peer_is_cut_off_and_a_new_one_let_in() {
    let nodes = network(3, TCP).await;
    let removed = &nodes[2];
    let peers: Peers = nodes[..2]
        .iter()
        .map(|node| (node.key, addresses(node)))
        .collect();
    for node in &nodes[..2] {
        node.gossip.set_peers(peers.clone()).await.unwrap();
    }
    until("it is gone", || {
        nodes[..2].iter().all(|n| n.gossip.connected().len() == 1)
    })
    .await;
    // It still knows where they are, and tries.
    removed.publish(&[b"of a removed one"]);
    nodes[0].publish(&[b"among members"]);
    until("it spreads", || nodes[1].has(b"among members")).await;
    until("it is refused", || {
        nodes[0].gossip.metrics().refused_strangers > 1
    })
    .await;
    assert_eq!(
        nodes[0].arrived(b"of a removed one") + nodes[1].arrived(b"of a removed one"),
        0
    );
    assert_eq!(removed.arrived(b"among members"), 0);
    assert!(removed.gossip.connected().is_empty());

    connect(&nodes).await;
    until("it is told what it missed", || {
        removed.has(b"among members")
    })
    .await;
    until("and they what it has", || nodes[0].has(b"of a removed one")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ledgers_never_mix() {
    for listen in [TCP, QUIC] {
        let here = start(config(1, listen), Peers::new()).await.unwrap();
        let mut other = config(2, listen);
        other.ledger[0] ^= 1;
        assert_ne!(other.ledger, LEDGER);
        let there = start(other, Peers::from([(here.key, addresses(&here))]))
            .await
            .unwrap();
        let peers = Peers::from([(there.key, addresses(&there))]);
        here.gossip.set_peers(peers).await.unwrap();
        until("they part", || {
            let (here, there) = (here.gossip.metrics(), there.gossip.metrics());
            here.failed_handshakes + there.failed_handshakes + here.cut_off + there.cut_off > 0
        })
        .await;
        here.publish(&[b"here"]);
        there.publish(&[b"there"]);
        tokio::time::sleep(Duration::from_millis(800)).await;
        assert_eq!(there.arrived(b"here") + here.arrived(b"there"), 0);
        let (here, there) = (here.gossip.metrics(), there.gossip.metrics());
        assert_eq!(here.messages_in + there.messages_in, 0);
        assert_eq!(here.fetched + there.fetched, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_connections_is_refused_before_the_handshake() {
    let nodes = network(2, TCP).await;
    let target = socket(&addresses(&nodes[0])[0]);
    let mut held = Vec::new();
    for _ in 0..1_000 {
        // Nothing is sent: each would hold a handshake for seconds.
        held.push(TcpStream::connect(target).await.unwrap());
    }
    until("most were refused", || {
        nodes[0].gossip.metrics().refused_rate >= 900
    })
    .await;
    // The two still talk, with hundreds of sockets open.
    let start = Instant::now();
    nodes[0].publish(&[b"through the flood"]);
    until("it came through", || nodes[1].has(b"through the flood")).await;
    assert!(start.elapsed() < Duration::from_secs(1));
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_nodes_behind_one_address_connect() {
    let hub = start(config(100, TCP), Peers::new()).await.unwrap();
    let peers: Peers = (1..=40).map(|number| (key(number), Vec::new())).collect();
    hub.gossip.set_peers(peers).await.unwrap();
    let mut spokes = Vec::new();
    for number in 1..=40 {
        let peers = Peers::from([(hub.key, addresses(&hub))]);
        spokes.push(start(config(number, TCP), peers).await.unwrap());
    }
    until("all are connected", || hub.gossip.connected().len() == 40).await;
    settle().await;
    hub.publish(&[b"to all"]);
    until("all have it", || {
        spokes.iter().all(|node| node.has(b"to all"))
    })
    .await;
}
