//! Who takes part in the network, and where: from the ledger and the configuration.

use std::collections::BTreeMap;

use credlog_consensus::Peer;
use credlog_gossip::{Address, NodeKey};
use credlog_ledger::member::MemberSet;

use crate::config::{ConfigError, NetworkSection};

/// What the configuration adds to the members on the ledger.
#[derive(Debug, Clone)]
pub struct Configured {
    /// Where the consensus swarm listens.
    pub listen: Address,
    /// Where the gossip swarm listens: the next port.
    pub gossip: Address,
    observers: Vec<NodeKey>,
    peers: Vec<(NodeKey, Address)>,
}

/// The peers of both swarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peers {
    /// Of the consensus swarm.
    pub consensus: Vec<Peer>,
    /// Of the gossip swarm.
    pub gossip: credlog_gossip::Peers,
}

impl Configured {
    /// Reads the addresses and peer ids of a configuration.
    ///
    /// # Errors
    /// [`ConfigError::Address`] for the first one that is none.
    pub fn of(network: &NetworkSection) -> Result<Self, ConfigError> {
        let wrong = |setting, value: &str, reason: String| ConfigError::Address {
            setting,
            value: value.to_owned(),
            reason,
        };
        let address = |setting, text: &str| {
            let address: Result<Address, _> = text.parse();
            address.map_err(|error| wrong(setting, text, error.to_string()))
        };
        let listen = address("network.listen", &network.listen)?;
        if listen.is_name() || listen.node().is_some() {
            let reason = "an IP address and a port are needed to listen".to_owned();
            return Err(wrong("network.listen", &network.listen, reason));
        }
        let gossip = match listen.port() {
            // Any free one, for both.
            0 => Ok(listen.clone()),
            _ => listen.next_port(),
        };
        let gossip =
            gossip.map_err(|error| wrong("network.listen", &network.listen, error.to_string()))?;
        let observers = network.observers.iter().map(|text| {
            let node = NodeKey::from_peer_id(text);
            node.map_err(|error| wrong("network.observers", text, error.to_string()))
        });
        let observers = observers.collect::<Result<_, _>>()?;
        let peers = network.peers.iter().map(|text| {
            let address = address("network.peers", text)?;
            let node = address.node().ok_or_else(|| {
                let reason = "it has to end in /p2p/<peer id>, which `credlog member list` shows";
                wrong("network.peers", text, reason.to_owned())
            })?;
            Ok((node, address))
        });
        let peers = peers.collect::<Result<_, ConfigError>>()?;
        Ok(Self {
            listen,
            gossip,
            observers,
            peers,
        })
    }

    /// Whether there is anybody beside the members on the ledger to fetch blocks from.
    pub fn has_peers(&self) -> bool {
        !self.peers.is_empty()
    }

    /// The peers of both swarms while these are the members.
    pub fn peers(&self, members: &MemberSet) -> Peers {
        let mut addresses: BTreeMap<NodeKey, Vec<Address>> = BTreeMap::new();
        for seat in members.members() {
            let Some(node) = seat.member.keys.node.key.as_ed25519().copied().map(NodeKey) else {
                continue;
            };
            let known = addresses.entry(node).or_default();
            for text in &seat.member.addresses {
                match text
                    .as_str()
                    .parse::<Address>()
                    .and_then(|found| found.with_node(node))
                {
                    Ok(address) => known.push(address),
                    Err(error) => tracing::warn!(
                        member = %seat.member.id,
                        address = %text,
                        %error,
                        "an address on the ledger cannot be used"
                    ),
                }
            }
        }
        for (node, address) in &self.peers {
            let known = addresses.entry(*node).or_default();
            if !known.contains(address) {
                known.push(address.clone());
            }
        }
        for node in &self.observers {
            addresses.entry(*node).or_default();
        }
        let consensus = addresses.iter().map(|(node, addresses)| Peer {
            node_key: node.0,
            addresses: addresses.iter().map(ToString::to_string).collect(),
        });
        let consensus = consensus.collect();
        let gossip = addresses.iter().map(|(node, addresses)| {
            let next = addresses
                .iter()
                .filter_map(|address| address.next_port().ok());
            (*node, next.collect())
        });
        Peers {
            consensus,
            gossip: gossip.collect(),
        }
    }
}
