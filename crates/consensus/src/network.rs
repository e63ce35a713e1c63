//! Addresses, identities and limits of the consensus swarm.
//!
//! Only peers of the configuration are let in (the engine's `persistent_peers_only`). A peer
//! without a known address, an observer, is entered as `/p2p/<peer id>` alone: the engine
//! takes that for an identity to admit and does not call it. A stranger is turned away after
//! the handshake that tells its identity, before which it can ask for decided blocks; those
//! are public.

use std::net::{IpAddr, TcpListener, UdpSocket};
use std::str::FromStr;

use arc_malachitebft_app_channel::app::config::{
    ConsensusConfig, NodeConfig, ValuePayload, ValueSyncConfig,
};
use arc_malachitebft_app_channel::app::net::Multiaddr;
use arc_malachitebft_peer::PeerId;
use credlog_ledger::ids::LedgerId;

use crate::codec::{PART_BYTES_MAX, RESPONSE_BLOCKS_MAX, RESPONSE_BYTES_MAX};
use crate::config::{Config, ConfigError, Peer};

/// What the publisher's signature and the topic add to a message on the wire.
const ENVELOPE_BYTES: usize = 4 << 10;
/// Votes of one height that are kept for later: those of a hundred members in ten rounds.
const EARLY_MESSAGES_MAX: usize = 2_000;

/// The network identity of a node key as text (libp2p peer id, base58).
pub fn peer_id_text(node_key: &[u8; 32]) -> String {
    peer_id(node_key).map_or_else(|_| hex::encode(node_key), |id| id.to_string())
}

/// The network identity of a node key: the key itself, inlined (libp2p specs, peer-ids).
pub(crate) fn peer_id(node_key: &[u8; 32]) -> Result<PeerId, ConfigError> {
    const ED25519_INLINE: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
    let bytes = [&ED25519_INLINE[..], node_key].concat();
    PeerId::from_bytes(&bytes).map_err(|error| ConfigError::Address {
        address: hex::encode(node_key),
        reason: error.to_string(),
    })
}

/// The engine's own configuration.
#[derive(Clone)]
pub(crate) struct EngineConfig {
    moniker: String,
    consensus: ConsensusConfig,
    sync: ValueSyncConfig,
}

impl NodeConfig for EngineConfig {
    fn moniker(&self) -> &str {
        &self.moniker
    }

    fn consensus(&self) -> &ConsensusConfig {
        &self.consensus
    }

    fn consensus_mut(&mut self) -> &mut ConsensusConfig {
        &mut self.consensus
    }

    fn value_sync(&self) -> &ValueSyncConfig {
        &self.sync
    }

    fn value_sync_mut(&mut self) -> &mut ValueSyncConfig {
        &mut self.sync
    }
}

impl EngineConfig {
    /// Checks the configuration and turns it into the engine's.
    pub(crate) fn of(config: &Config, moniker: String) -> Result<Self, ConfigError> {
        let sync = &config.sync;
        in_range(
            "sync batch_size",
            sync.batch_size,
            1,
            RESPONSE_BLOCKS_MAX,
            "1 to 256",
        )?;
        in_range(
            "sync parallel_requests",
            sync.parallel_requests,
            1,
            32,
            "1 to 32",
        )?;
        let mut consensus = ConsensusConfig {
            value_payload: ValuePayload::ProposalAndParts,
            queue_per_height_capacity: EARLY_MESSAGES_MAX,
            ..ConsensusConfig::default()
        };
        let p2p = &mut consensus.p2p;
        p2p.listen_addr = listen_address(&config.listen)?;
        p2p.persistent_peers = addresses(config, &config.peers)?;
        p2p.persistent_peers_only = true;
        p2p.pubsub_max_size = byte_size(PART_BYTES_MAX + ENVELOPE_BYTES)?;
        p2p.rpc_max_size = byte_size(RESPONSE_BYTES_MAX + ENVELOPE_BYTES)?;
        p2p.discovery.enabled = false;
        p2p.discovery.max_connections_per_ip = config.connections_per_ip_max;
        name_after(&config.ledger, p2p);
        let sync = ValueSyncConfig {
            status_update_interval: sync.status_interval,
            request_timeout: sync.request_timeout,
            max_request_size: byte_size(ENVELOPE_BYTES)?,
            max_response_size: byte_size(RESPONSE_BYTES_MAX)?,
            parallel_requests: sync.parallel_requests,
            batch_size: sync.batch_size,
            ..ValueSyncConfig::default()
        };
        Ok(Self {
            moniker,
            consensus,
            sync,
        })
    }
}

/// Whether this node alone can listen at an address. The engine says nothing of a port that is
/// taken, and shares one that a libp2p node listens at.
pub(crate) fn check_free(listen: &str) -> Result<(), ConfigError> {
    listen_address(listen)?;
    let mut parts = listen.split('/').skip(2);
    let ip = parts.next().and_then(|ip| ip.parse::<IpAddr>().ok());
    let (transport, port) = (parts.next(), parts.next());
    let port = port.and_then(|port| port.parse::<u16>().ok());
    let (Some(ip), Some(port)) = (ip, port) else {
        return Ok(());
    };
    let free = match transport {
        Some("tcp") => TcpListener::bind((ip, port)).map(drop),
        _ => UdpSocket::bind((ip, port)).map(drop),
    };
    free.map_err(|error| ConfigError::Listen {
        address: listen.to_owned(),
        reason: error.to_string(),
    })
}

fn in_range(
    name: &'static str,
    value: usize,
    least: usize,
    most: usize,
    range: &'static str,
) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::Range { name, value, range })
}

/// The engine's type of sizes is known by its text form only.
fn byte_size<S: FromStr>(bytes: usize) -> Result<S, ConfigError> {
    let size = format!("{bytes} B").parse();
    size.map_err(|_| ConfigError::Range {
        name: "a message's size",
        value: bytes,
        range: "what the engine can count",
    })
}

/// Protocols and topics carry the ledger's id, so that two ledgers never mix.
fn name_after(ledger: &LedgerId, p2p: &mut arc_malachitebft_app_channel::app::config::P2pConfig) {
    let ledger = &ledger.to_string()[..16];
    let protocol = |name: &str| format!("/credlog/{ledger}/{name}/1");
    let names = &mut p2p.protocol_names;
    names.consensus = protocol("consensus");
    names.discovery_kad = protocol("discovery-kad");
    names.discovery_regres = protocol("discovery");
    names.sync = protocol("sync");
    names.validator_proof = protocol("validator-proof");
    let topic = |name: &str| format!("/credlog/{ledger}/{name}");
    let channels = &mut p2p.channel_names;
    channels.consensus = topic("votes");
    channels.proposal_parts = topic("parts");
    channels.sync = topic("status");
    channels.liveness = topic("liveness");
}

fn address(text: &str) -> Result<Multiaddr, ConfigError> {
    text.parse().map_err(|error| ConfigError::Address {
        address: text.to_owned(),
        reason: format!("{error}"),
    })
}

/// The transport that an address is of.
fn transport(address: &Multiaddr) -> Option<&'static str> {
    let mut protocols = address.protocol_stack();
    protocols.find_map(|protocol| match protocol {
        "tcp" => Some("tcp"),
        "quic-v1" => Some("quic-v1"),
        _ => None,
    })
}

fn listen_address(text: &str) -> Result<Multiaddr, ConfigError> {
    let address = address(text)?;
    if transport(&address).is_some() {
        return Ok(address);
    }
    Err(ConfigError::Address {
        address: text.to_owned(),
        reason: "/ip4/<address>/tcp/<port> or /ip4/<address>/udp/<port>/quic-v1 is needed".into(),
    })
}

/// The addresses to call and the identities to let in, without the own ones.
pub(crate) fn addresses(config: &Config, peers: &[Peer]) -> Result<Vec<Multiaddr>, ConfigError> {
    let own = config.node_key.verifying_key().to_bytes();
    let spoken = transport(&listen_address(&config.listen)?);
    let mut all = Vec::new();
    for peer in peers.iter().filter(|peer| peer.node_key != own) {
        let id = peer_id(&peer.node_key)?;
        let identity = address(&format!("/p2p/{id}"))?;
        let mut called = Vec::new();
        for text in &peer.addresses {
            let full = with_identity(text, &id)?;
            if transport(&full) == spoken {
                called.push(full);
            }
        }
        if called.is_empty() {
            called.push(identity);
        }
        all.extend(called);
    }
    all.sort_by_key(ToString::to_string);
    all.dedup();
    Ok(all)
}

fn with_identity(text: &str, id: &PeerId) -> Result<Multiaddr, ConfigError> {
    match text.rsplit_once("/p2p/") {
        None => address(&format!("{text}/p2p/{id}")),
        Some((_, named)) if named == id.to_string() => address(text),
        Some(_) => Err(ConfigError::OtherPeer {
            address: text.to_owned(),
            expected: id.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::config::Role;

    fn key(of: u8) -> [u8; 32] {
        SigningKey::from_bytes(&[of; 32]).verifying_key().to_bytes()
    }

    fn config(listen: &str) -> Config {
        let wal = "consensus.wal".into();
        let node = SigningKey::from_bytes(&[1; 32]);
        Config::new(
            LedgerId([0xab; 32]),
            node,
            Role::Observer,
            listen.into(),
            wal,
        )
    }

    fn peer(of: u8, addresses: &[&str]) -> Peer {
        Peer {
            node_key: key(of),
            addresses: addresses.iter().map(ToString::to_string).collect(),
        }
    }

    fn texts(config: &Config, peers: &[Peer]) -> Vec<String> {
        let all = addresses(config, peers).unwrap();
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn peer_ids_are_those_of_libp2p() {
        use arc_malachitebft_app_channel::app::types::Keypair;
        let keypair = Keypair::ed25519_from_bytes([7; 32]).unwrap();
        assert_eq!(
            peer_id_text(&key(7)),
            keypair.public().to_peer_id().to_string()
        );
        assert!(peer_id_text(&key(7)).starts_with("12D3Koo"));
    }

    #[test]
    fn members_are_called_and_observers_let_in() {
        let config = config("/ip4/0.0.0.0/tcp/7701");
        let (two, three) = (peer_id_text(&key(2)), peer_id_text(&key(3)));
        let with = format!("/dns4/b.example/tcp/7701/p2p/{two}");
        let peers = [
            peer(1, &["/ip4/10.0.0.1/tcp/1"]),
            peer(
                2,
                &[&with, "/ip4/10.0.0.2/tcp/2", "/ip4/10.0.0.2/udp/2/quic-v1"],
            ),
            peer(3, &[]),
        ];
        let expected = [
            with.clone(),
            format!("/ip4/10.0.0.2/tcp/2/p2p/{two}"),
            format!("/p2p/{three}"),
        ];
        assert_eq!(texts(&config, &peers), expected);
        let other_transport = peer(2, &["/ip4/10.0.0.2/udp/2/quic-v1"]);
        assert_eq!(texts(&config, &[other_transport]), [format!("/p2p/{two}")]);
    }

    #[test]
    fn bad_addresses_are_refused() {
        let good = config("/ip4/0.0.0.0/udp/7701/quic-v1");
        let of_three = format!("/ip4/10.0.0.2/tcp/2/p2p/{}", peer_id_text(&key(3)));
        let result = addresses(&good, &[peer(2, &[&of_three])]);
        assert!(
            matches!(result, Err(ConfigError::OtherPeer { .. })),
            "{result:?}"
        );
        let result = addresses(&good, &[peer(2, &["10.0.0.2:80"])]);
        assert!(
            matches!(result, Err(ConfigError::Address { .. })),
            "{result:?}"
        );
        for listen in ["", "/ip4/0.0.0.0", "/ip4/0.0.0.0/udp/1", "0.0.0.0:1"] {
            let result = EngineConfig::of(&config(listen), "m".into()).map(|_| ());
            assert!(
                matches!(result, Err(ConfigError::Address { .. })),
                "{listen}: {result:?}"
            );
        }
    }

    #[test]
    fn the_engine_gets_limits_and_names() {
        let mut config = config("/ip4/0.0.0.0/tcp/7701");
        let engine = EngineConfig::of(&config, "m".into()).unwrap();
        let p2p = &engine.consensus.p2p;
        assert!(p2p.persistent_peers_only && !p2p.discovery.enabled);
        assert_eq!(p2p.protocol_names.sync, "/credlog/abababababababab/sync/1");
        assert_eq!(
            p2p.channel_names.consensus,
            "/credlog/abababababababab/votes"
        );
        assert_eq!(p2p.channel_names.validate(), Ok(()));
        assert_eq!(p2p.pubsub_max_size.as_u64(), 65_536 + 512 + 4_096);
        assert_eq!(engine.sync.max_response_size.as_u64(), 10 << 20);
        assert_eq!(
            engine.consensus.value_payload,
            ValuePayload::ProposalAndParts
        );
        for bad in [0, 257] {
            config.sync.batch_size = bad;
            let result = EngineConfig::of(&config, "m".into()).map(|_| ());
            assert!(
                matches!(result, Err(ConfigError::Range { .. })),
                "{result:?}"
            );
        }
    }
}
