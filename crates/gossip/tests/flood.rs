//! A flood of strangers, from a process of its own: members go on, and need no more memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic
#![allow(clippy::cast_possible_truncation)] // small numbers

mod net;
mod raw;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use libp2p::Multiaddr;
use libp2p::futures::StreamExt;
use libp2p::identity::Keypair;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{SwarmEvent, dummy};
use net::{QUIC, TCP, connect, network, until};
use raw::{multiaddr, swarm_of};

/// In the flooding process: whom to flood, and for how many seconds.
const TARGET: &str = "CREDLOG_FLOOD_TARGET";
const SECONDS: &str = "CREDLOG_FLOOD_SECONDS";

/// The resident memory of this process in bytes.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

/// Strangers that shake hands to the end as fast as they can.
async fn flood(target: Multiaddr) {
    let mut swarm = swarm_of(Keypair::generate_ed25519(), dummy::Behaviour);
    for _ in 0..16 {
        let _ = swarm.dial(DialOpts::from(target.clone()));
    }
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionClosed { .. } | SwarmEvent::OutgoingConnectionError { .. } => {
                let _ = swarm.dial(DialOpts::from(target.clone()));
            }
            _ => {}
        }
    }
}

/// The flooding process; nothing when it is run as a test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flooding_process() {
    let (Ok(target), Ok(seconds)) = (std::env::var(TARGET), std::env::var(SECONDS)) else {
        return;
    };
    let target: Multiaddr = target.parse().unwrap();
    let floods: Vec<_> = (0..4)
        .map(|_| tokio::spawn(flood(target.clone())))
        .collect();
    tokio::time::sleep(Duration::from_secs(seconds.parse().unwrap())).await;
    floods.iter().for_each(|flood| flood.abort());
}

fn start_flood(target: &Multiaddr, seconds: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "flooding_process"])
        .env(TARGET, target.to_string())
        .env(SECONDS, seconds.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_go_on_while_strangers_flood() {
    let long = std::env::var_os("CREDLOG_TEST_LONG").is_some();
    let seconds = if long { 60 } else { 3 };
    for listen in [TCP, QUIC] {
        let nodes = network(3, listen).await;
        let before = resident();
        let mut flooding = start_flood(&multiaddr(&nodes[0]), seconds);
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut slowest = Duration::ZERO;
        let mut number = 0;
        while Instant::now() < end {
            let start = Instant::now();
            let record = format!("{listen} record {number}");
            nodes[number % 3].publish(&[record.as_bytes()]);
            until("it is everywhere", || {
                nodes.iter().all(|n| n.has(record.as_bytes()))
            })
            .await;
            slowest = slowest.max(start.elapsed());
            number += 1;
        }
        let grown = resident().saturating_sub(before);
        assert!(flooding.wait().unwrap().success());
        let metrics = nodes[0].gossip.metrics();
        let refused = metrics.refused_strangers + metrics.refused_rate + metrics.failed_handshakes;
        eprintln!(
            "{listen}: {refused} connections refused, {} of them after a handshake; {number} \
             records, the slowest after {slowest:?}; memory grew by {grown} bytes",
            metrics.refused_strangers
        );
        assert!(refused > 100, "{metrics:?}");
        // The burst and the rate of one address.
        assert!(
            metrics.refused_strangers <= 64 + 20 * (seconds + 2),
            "{metrics:?}"
        );
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
        assert_eq!(metrics.peers_connected, 2);
        assert!(grown < 64 << 20, "memory grew by {grown} bytes");
        connect(&nodes).await;
    }
}
