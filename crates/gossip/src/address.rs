//! Who a node is and where it is: node keys as peer ids, and multiaddrs.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use libp2p::identity::{self, ed25519};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use thiserror::Error;

/// The most characters an address text may have; a DNS name has at most 253.
pub const ADDRESS_CHARS_MAX: usize = 400;

/// The multihash code "identity": the digest is the encoded key itself.
const IDENTITY_MULTIHASH: u64 = 0;

/// The Ed25519 public key of a node: its network identity.
///
/// Its text is the libp2p peer id (`12D3KooW…`): base58btc over the identity multihash of the
/// protobuf-encoded key (libp2p specification "Peer Ids and Keys").
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeKey(pub [u8; 32]);

impl NodeKey {
    /// The public key of a secret key (the 32-byte seed of RFC 8032).
    ///
    /// # Errors
    /// [`AddressError::NotAKey`] never occurs for 32 bytes today; a caller passes it on.
    pub fn of_secret(secret: &[u8; 32]) -> Result<Self, AddressError> {
        Ok(Self(keypair(secret)?.public().to_bytes()))
    }

    /// The peer id text of this key.
    ///
    /// # Errors
    /// [`AddressError::NotAKey`] when the bytes are no point of the curve.
    pub fn peer_id(&self) -> Result<String, AddressError> {
        Ok(self.to_peer()?.to_base58())
    }

    /// Reads a peer id text.
    ///
    /// # Errors
    /// [`AddressError::NotAPeerId`] when the text is no peer id of an Ed25519 key.
    pub fn from_peer_id(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError::NotAPeerId {
            text: shortened(text),
        };
        if text.len() > ADDRESS_CHARS_MAX {
            return Err(wrong());
        }
        let peer = PeerId::from_str(text).map_err(|_| wrong())?;
        Self::of_peer(&peer).ok_or_else(wrong)
    }

    pub(crate) fn to_peer(self) -> Result<PeerId, AddressError> {
        let key =
            ed25519::PublicKey::try_from_bytes(&self.0).map_err(|_| AddressError::NotAKey {
                key: hex::encode(self.0),
            })?;
        Ok(identity::PublicKey::from(key).to_peer_id())
    }

    pub(crate) fn of_peer(peer: &PeerId) -> Option<Self> {
        let hash: &libp2p::multihash::Multihash<64> = peer.as_ref();
        if hash.code() != IDENTITY_MULTIHASH {
            return None;
        }
        let key = identity::PublicKey::try_decode_protobuf(hash.digest()).ok()?;
        Some(Self(key.try_into_ed25519().ok()?.to_bytes()))
    }
}

impl fmt::Display for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer_id() {
            Ok(text) => f.write_str(&text),
            Err(_) => f.write_str(&hex::encode(self.0)),
        }
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey({self})")
    }
}

/// The key pair of a secret key.
pub(crate) fn keypair(secret: &[u8; 32]) -> Result<ed25519::Keypair, AddressError> {
    // The library wipes the copy it is given.
    let mut copy = *secret;
    let secret =
        ed25519::SecretKey::try_from_bytes(&mut copy).map_err(|_| AddressError::NotAKey {
            key: "of the secret".to_owned(),
        })?;
    Ok(ed25519::Keypair::from(secret))
}

/// A multiaddr that a node listens at or is dialled at:
/// `/ip4|ip6|dns|dns4|dns6/HOST` then `/tcp/PORT` or `/udp/PORT/quic-v1`, then optionally
/// `/p2p/PEER_ID` of an Ed25519 key.
///
/// ```
/// use credlog_gossip::Address;
/// let consensus: Address = "/dns4/node.example.edu/tcp/27000".parse().unwrap();
/// let gossip = consensus.next_port().unwrap();
/// assert_eq!(gossip.to_string(), "/dns4/node.example.edu/tcp/27001");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Without `/p2p`.
    location: Multiaddr,
    port: u16,
    node: Option<NodeKey>,
}

impl Address {
    /// The port, TCP or UDP. Port 0 asks the system for any when it is listened at.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The node named by `/p2p`, where there is one.
    pub fn node(&self) -> Option<NodeKey> {
        self.node
    }

    /// The same place, naming `node` by `/p2p`.
    ///
    /// # Errors
    /// [`AddressError::OtherNode`] when the address names another node already.
    pub fn with_node(&self, node: NodeKey) -> Result<Self, AddressError> {
        match self.node {
            Some(named) if named != node => Err(AddressError::OtherNode {
                named,
                expected: node,
            }),
            _ => Ok(Self {
                node: Some(node),
                ..self.clone()
            }),
        }
    }

    /// The same place without `/p2p`.
    #[must_use]
    pub fn without_node(&self) -> Self {
        Self {
            node: None,
            ..self.clone()
        }
    }

    /// The address of the gossip swarm of a node whose consensus swarm is here: the same with
    /// the next port.
    ///
    /// # Errors
    /// [`AddressError::NoNextPort`] for ports 0 and 65,535.
    pub fn next_port(&self) -> Result<Self, AddressError> {
        let port = match self.port {
            0 => None,
            port => port.checked_add(1),
        };
        let port = port.ok_or(AddressError::NoNextPort { port: self.port })?;
        let location = self
            .location
            .iter()
            .map(|part| match part {
                Protocol::Tcp(_) => Protocol::Tcp(port),
                Protocol::Udp(_) => Protocol::Udp(port),
                other => other,
            })
            .collect();
        Ok(Self {
            location,
            port,
            node: self.node,
        })
    }

    /// Whether the host is a name, which can be dialled but not listened at.
    pub fn is_name(&self) -> bool {
        matches!(
            self.location.iter().next(),
            Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_))
        )
    }

    /// The socket of an IP address with a TCP port.
    pub(crate) fn tcp_socket(&self) -> Option<SocketAddr> {
        let mut parts = self.location.iter();
        let ip = match parts.next()? {
            Protocol::Ip4(ip) => IpAddr::V4(ip),
            Protocol::Ip6(ip) => IpAddr::V6(ip),
            _ => return None,
        };
        matches!(parts.next()?, Protocol::Tcp(_)).then_some(SocketAddr::new(ip, self.port))
    }

    pub(crate) fn location(&self) -> &Multiaddr {
        &self.location
    }

    pub(crate) fn of_multiaddr(address: &Multiaddr) -> Result<Self, AddressError> {
        let wrong = |why| AddressError::NotAnAddress {
            text: shortened(&address.to_string()),
            why,
        };
        let mut parts = address.iter();
        let mut location = Multiaddr::empty();
        match parts.next() {
            Some(
                host @ (Protocol::Ip4(_)
                | Protocol::Ip6(_)
                | Protocol::Dns(_)
                | Protocol::Dns4(_)
                | Protocol::Dns6(_)),
            ) => location.push(host),
            _ => return Err(wrong("it must begin with /ip4, /ip6, /dns, /dns4 or /dns6")),
        }
        let port = match parts.next() {
            Some(Protocol::Tcp(port)) => {
                location.push(Protocol::Tcp(port));
                port
            }
            Some(Protocol::Udp(port)) => {
                location.push(Protocol::Udp(port));
                if parts.next() != Some(Protocol::QuicV1) {
                    return Err(wrong("/udp/PORT must be followed by /quic-v1"));
                }
                location.push(Protocol::QuicV1);
                port
            }
            _ => return Err(wrong("/tcp/PORT or /udp/PORT/quic-v1 must follow the host")),
        };
        let node = match parts.next() {
            None => None,
            Some(Protocol::P2p(peer)) => Some(
                NodeKey::of_peer(&peer)
                    .ok_or_else(|| wrong("/p2p must be the peer id of an Ed25519 key"))?,
            ),
            Some(_) => return Err(wrong("only /p2p/PEER_ID may follow the port")),
        };
        if parts.next().is_some() {
            return Err(wrong("nothing may follow /p2p/PEER_ID"));
        }
        Ok(Self {
            location,
            port,
            node,
        })
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = |why| AddressError::NotAnAddress {
            text: shortened(text),
            why,
        };
        if text.len() > ADDRESS_CHARS_MAX {
            return Err(wrong("it is longer than 400 characters"));
        }
        let parsed = Multiaddr::from_str(text).map_err(|_| wrong("it is no multiaddr"))?;
        Self::of_multiaddr(&parsed)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.location)?;
        match self.node {
            Some(node) => write!(f, "/p2p/{node}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// Why a key or an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The bytes are no Ed25519 key.
    #[error("node key {key} is no Ed25519 key; check the member's node key on the ledger")]
    NotAKey {
        /// The key, hexadecimal.
        key: String,
    },
    /// The text is no peer id of an Ed25519 key.
    #[error("{text:?} is no peer id of an Ed25519 key; it looks like 12D3KooW…")]
    NotAPeerId {
        /// The text, shortened.
        text: String,
    },
    /// The text is no address of the form that this network uses.
    #[error(
        "{text:?} is no node address: {why}; write it like /dns4/node.example.edu/tcp/27000 or \
         /ip4/192.0.2.7/udp/27000/quic-v1"
    )]
    NotAnAddress {
        /// The text, shortened.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The address names one node and was given as another's.
    #[error("the address names node {named}, but it is given as one of node {expected}")]
    OtherNode {
        /// The node after `/p2p`.
        named: NodeKey,
        /// The node that it was given for.
        expected: NodeKey,
    },
    /// There is no port after this one.
    #[error("the gossip address is at the next port, and port {port} has none; choose another")]
    NoNextPort {
        /// The port.
        port: u16,
    },
}

/// At most 60 characters of a text, for an error.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let mut shown: String = text.chars().take(SHOWN).collect();
    shown.push('…');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> NodeKey {
        NodeKey::of_secret(&[byte; 32]).unwrap()
    }

    #[test]
    fn peer_id_text_comes_back() {
        let key = key(7);
        let text = key.peer_id().unwrap();
        assert!(text.starts_with("12D3KooW"), "{text}");
        assert_eq!(NodeKey::from_peer_id(&text).unwrap(), key);
    }

    #[test]
    fn peer_id_of_the_libp2p_specification() {
        // "Peer Ids and Keys", test vector of the Ed25519 public key: the protobuf prefix
        // 08011220 and the key. The text is what base58btc gives for 0024 and those 36 bytes.
        let key = "1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e";
        let key = NodeKey(hex::decode(key).unwrap().try_into().unwrap());
        let peer = PeerId::from_str(&key.peer_id().unwrap()).unwrap();
        let expected = format!("002408011220{}", hex::encode(key.0));
        assert_eq!(hex::encode(peer.to_bytes()), expected);
    }

    #[test]
    fn other_kinds_of_peer_ids_are_refused() {
        // SHA-256 of an RSA key.
        let rsa = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";
        assert!(matches!(
            NodeKey::from_peer_id(rsa),
            Err(AddressError::NotAPeerId { .. })
        ));
        assert!(NodeKey::from_peer_id("").is_err());
        assert!(NodeKey::from_peer_id(&"1".repeat(10_000)).is_err());
    }

    #[test]
    fn addresses_of_every_allowed_form() {
        let id = key(1).peer_id().unwrap();
        for text in [
            "/ip4/127.0.0.1/tcp/27000".to_owned(),
            "/ip6/::1/tcp/27000".to_owned(),
            "/dns/a.example/tcp/27000".to_owned(),
            "/dns6/a.example/udp/27000/quic-v1".to_owned(),
            format!("/dns4/a.example/udp/1/quic-v1/p2p/{id}"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn other_multiaddrs_are_refused() {
        let id = key(1).peer_id().unwrap();
        for text in [
            String::new(),
            "node.example:27000".to_owned(),
            "/ip4/127.0.0.1".to_owned(),
            "/tcp/27000".to_owned(),
            "/ip4/127.0.0.1/udp/27000".to_owned(),
            "/ip4/127.0.0.1/udp/27000/quic".to_owned(),
            "/ip4/127.0.0.1/tcp/70000".to_owned(),
            "/ip4/127.0.0.1/tcp/27000/ws".to_owned(),
            format!("/ip4/127.0.0.1/tcp/1/p2p/{id}/p2p-circuit"),
            "/ip4/127.0.0.1/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N".to_owned(),
            format!("/dns4/{}/tcp/1", "a".repeat(500)),
        ] {
            let refused = text.parse::<Address>();
            assert!(
                matches!(refused, Err(AddressError::NotAnAddress { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn next_port_keeps_all_else() {
        let id = key(1).peer_id().unwrap();
        let address: Address = format!("/ip6/::1/udp/9/quic-v1/p2p/{id}").parse().unwrap();
        let next = address.next_port().unwrap();
        assert_eq!(
            next.to_string(),
            format!("/ip6/::1/udp/10/quic-v1/p2p/{id}")
        );
        assert_eq!(next.port(), 10);
        for port in [0, 65_535] {
            let address: Address = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
            assert_eq!(address.next_port(), Err(AddressError::NoNextPort { port }));
        }
    }

    #[test]
    fn an_address_is_completed_only_with_its_own_node() {
        let bare: Address = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
        let full = bare.with_node(key(1)).unwrap();
        assert_eq!(full.node(), Some(key(1)));
        assert_eq!(full.without_node(), bare);
        assert!(matches!(
            full.with_node(key(2)),
            Err(AddressError::OtherNode { .. })
        ));
    }
}
