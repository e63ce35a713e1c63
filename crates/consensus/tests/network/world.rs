//! Keys, ports and engines.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use credlog_consensus::{Config, Consensus, Peer, Role};
use credlog_ledger::key::{ProvenKey, Role as KeyRole};
use credlog_ledger::member::{Member, MemberKeys, MemberSet, SeatedMember};
use ed25519_dalek::SigningKey;

use crate::ledger::{LEDGER, Memory, Schedule, View};

/// A node's keys and place; the members are the first nodes of a world.
pub(crate) struct Node {
    number: u8,
    port: u16,
    folder: PathBuf,
    pub(crate) view: View,
    pub(crate) engine: Option<Consensus<Memory>>,
}

pub(crate) struct World {
    _folder: tempfile::TempDir,
    pub(crate) nodes: Vec<Node>,
    pub(crate) schedule: Schedule,
    pub(crate) transport: &'static str,
}

/// A node that follows without a vote.
pub(crate) fn observing(mut config: Config) -> Config {
    config.role = Role::Observer;
    config
}

pub(crate) fn consensus_key(node: u8) -> SigningKey {
    SigningKey::from_bytes(&[node + 1; 32])
}

pub(crate) fn node_key(node: u8) -> SigningKey {
    SigningKey::from_bytes(&[node + 101; 32])
}

fn member(node: u8) -> SeatedMember {
    let origin = "test".parse().unwrap();
    let id = format!("member-{node}");
    let prove = |role, key: SigningKey| ProvenKey::ed25519(&origin, role, &id, &key);
    let member = Member {
        id: id.parse().unwrap(),
        name: id.clone().parse().unwrap(),
        keys: MemberKeys {
            governance: prove(
                KeyRole::Governance,
                SigningKey::from_bytes(&[node + 151; 32]),
            ),
            consensus: prove(KeyRole::Consensus, consensus_key(node)),
            cosigner: prove(KeyRole::Cosigner, SigningKey::from_bytes(&[node + 201; 32])),
            node: prove(KeyRole::Node, node_key(node)),
        },
        addresses: Vec::new(),
        url: None,
    };
    SeatedMember {
        member,
        cosigner_number: 0,
    }
}

/// The first `count` nodes.
pub(crate) fn members(count: u8) -> MemberSet {
    MemberSet::new((0..count).map(member).collect())
}

impl World {
    /// `count` nodes, of which the first `voting` are the members.
    pub(crate) fn new(count: u8, voting: u8) -> Self {
        let set = members(voting);
        Self::with(count, Arc::new(move |_| set.clone()))
    }

    pub(crate) fn with(count: u8, schedule: Schedule) -> Self {
        log();
        let folder = tempfile::tempdir().unwrap();
        let listeners: Vec<_> = (0..count)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let nodes = (0..count).zip(&listeners).map(|(number, listener)| Node {
            number,
            port: listener.local_addr().unwrap().port(),
            folder: folder.path().join(number.to_string()),
            view: View::default(),
            engine: None,
        });
        Self {
            nodes: nodes.collect(),
            _folder: folder,
            schedule,
            transport: "tcp",
        }
    }

    fn address(&self, node: &Node) -> String {
        match self.transport {
            "tcp" => format!("/ip4/127.0.0.1/tcp/{}", node.port),
            _ => format!("/ip4/127.0.0.1/udp/{}/quic-v1", node.port),
        }
    }

    pub(crate) fn peers(&self, of: u8) -> Vec<Peer> {
        let others = self.nodes.iter().filter(|node| node.number != of);
        let peers = others.map(|node| Peer {
            node_key: node_key(node.number).verifying_key().to_bytes(),
            addresses: vec![self.address(node)],
        });
        peers.collect()
    }

    pub(crate) fn config(&self, of: u8) -> Config {
        let node = &self.nodes[usize::from(of)];
        let role = Role::Validator {
            consensus: consensus_key(of),
        };
        let wal = node.folder.join("consensus.wal");
        let mut config = Config::new(LEDGER, node_key(of), role, self.address(node), wal);
        config.peers = self.peers(of);
        config.connections_per_ip_max = 64;
        config.timeouts.propose = Duration::from_millis(500);
        config
    }

    pub(crate) async fn start(&mut self, of: u8) {
        let config = self.config(of);
        self.start_with(of, config).await;
    }

    pub(crate) async fn start_with(&mut self, of: u8, config: Config) {
        self.start_as(of, of, config).await;
    }

    /// Starts a node whose blocks are those of a member.
    pub(crate) async fn start_as(&mut self, of: u8, member: u8, config: Config) {
        let own = match &config.role {
            Role::Validator { .. } => Some(format!("member-{member}").parse().unwrap()),
            Role::Observer => None,
        };
        let memory = Memory {
            own,
            view: self.nodes[usize::from(of)].view.clone(),
            schedule: Arc::clone(&self.schedule),
        };
        let engine = Consensus::start(config, memory).await.unwrap();
        self.nodes[usize::from(of)].engine = Some(engine);
    }

    pub(crate) async fn start_all(&mut self) {
        for node in 0..self.nodes.len() as u8 {
            self.start(node).await;
        }
    }

    pub(crate) fn engine(&self, of: u8) -> &Consensus<Memory> {
        self.nodes[usize::from(of)].engine.as_ref().unwrap()
    }

    pub(crate) fn view(&self, of: u8) -> &View {
        &self.nodes[usize::from(of)].view
    }

    pub(crate) async fn stop(&mut self, of: u8) {
        let engine = self.nodes[usize::from(of)].engine.take().unwrap();
        engine.stop().await.map(drop).unwrap();
    }

    pub(crate) async fn stop_all(&mut self) {
        for node in &mut self.nodes {
            if let Some(engine) = node.engine.take() {
                engine.stop().await.map(drop).unwrap();
            }
        }
    }

    /// Every running node wants `count` more blocks.
    pub(crate) fn want(&self, count: u64) {
        for node in &self.nodes {
            if let Some(engine) = &node.engine {
                node.view.pending.store(count, SeqCst);
                engine.wake();
            }
        }
    }

    /// Waits until the nodes have that tip or a higher one.
    pub(crate) async fn reach(&self, nodes: &[u8], tip: u64, seconds: u64) {
        let start = Instant::now();
        loop {
            let tips: Vec<_> = nodes.iter().map(|node| self.view(*node).tip()).collect();
            if tips.iter().all(|one| *one >= tip) {
                return;
            }
            let late = start.elapsed() > Duration::from_secs(seconds);
            assert!(!late, "tips {tips:?} after {seconds} s; {tip} is wanted");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// No fork: what two nodes have in common is the same.
    pub(crate) fn check_agreement(&self) {
        for pair in self.nodes.windows(2) {
            let (a, b) = (
                pair[0].view.state().blocks.clone(),
                pair[1].view.state().blocks.clone(),
            );
            for (one, other) in a.iter().zip(&b) {
                assert_eq!(one.block, other.block);
                assert_eq!(one.certificate.value, other.certificate.value);
            }
        }
    }
}

/// With RUST_LOG set, the engines' log goes to the error output.
fn log() {
    if std::env::var_os("RUST_LOG").is_none() {
        return;
    }
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Another test may have been first.
    let _ = log.try_init();
}
