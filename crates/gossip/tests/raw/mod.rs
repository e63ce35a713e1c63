//! Peers on bare libp2p, which do what a node would not.

#![allow(dead_code, unreachable_pub)] // Each test binary uses a part of it.

use std::time::Duration;

use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{Multiaddr, Swarm, SwarmBuilder, noise, tcp, yamux};

use crate::net::{LEDGER, Node, addresses};

pub fn swarm_of<B: NetworkBehaviour>(keypair: Keypair, behaviour: B) -> Swarm<B> {
    let prologue = [b"credlog/gossip/1\n".as_slice(), &LEDGER].concat();
    let with_ledger =
        move |key: &Keypair| noise::Config::new(key).map(|n| n.with_prologue(prologue));
    SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default(), with_ledger, yamux::Config::default)
        .unwrap()
        .with_quic()
        .with_behaviour(|_| behaviour)
        .unwrap()
        .with_swarm_config(|c| c.with_idle_connection_timeout(Duration::from_secs(60)))
        .build()
}

pub fn multiaddr(node: &Node) -> Multiaddr {
    let address = addresses(node)[0].with_node(node.key).unwrap();
    address.to_string().parse().unwrap()
}
