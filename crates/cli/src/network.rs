//! Where a node is in the network: multiaddrs and peer ids, as people write and read them.

use credlog_gossip::{Address, NodeKey};
use credlog_ledger::ids::NodeAddress;
use credlog_ledger::key::PublicKey;
use credlog_ledger::member::{ADDRESSES_MAX, Member};

use crate::outcome::{Failure, Result};

/// Where a node listens that nobody is to reach from elsewhere.
const LISTEN_LOCAL: &str = "/ip4/127.0.0.1/tcp/7701";

/// Reads an address at which others are to reach a node: one with a port after it for gossip.
pub(crate) fn reachable(text: &str) -> std::result::Result<Address, String> {
    let address: Address = text.parse().map_err(as_text)?;
    address.next_port().map_err(as_text)?;
    if text.starts_with("/ip4/0.0.0.0/") || text.starts_with("/ip6/::/") {
        return Err(format!(
            "{text} means every address of a machine, which nobody can dial; write the address \
             or the name under which others reach the node"
        ));
    }
    Ok(address)
}

/// Reads an address of another node, with its peer id.
pub(crate) fn peer(text: &str) -> std::result::Result<Address, String> {
    let address = reachable(text)?;
    match address.node() {
        Some(_) => Ok(address),
        None => Err(format!(
            "{text} does not say whose it is; write /p2p/ and the peer id after it (`credlog \
             member list` shows it)"
        )),
    }
}

/// Reads an address on which a node listens.
pub(crate) fn listening(text: &str) -> std::result::Result<Address, String> {
    let address: Address = text.parse().map_err(as_text)?;
    if address.is_name() || address.node().is_some() {
        return Err(format!(
            "{text} is nothing to listen on; write an IP address and a port, such as {LISTEN_LOCAL}"
        ));
    }
    if address.port() != 0 {
        address.next_port().map_err(as_text)?;
    }
    Ok(address)
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn as_text(error: impl ToString) -> String {
    error.to_string()
}

/// Where a node listens that is reached at these addresses: at the first one's port on every
/// interface, or on this machine alone.
pub(crate) fn listen_for(addresses: &[Address]) -> String {
    let Some(first) = addresses.first() else {
        return LISTEN_LOCAL.to_owned();
    };
    let text = first.without_node().to_string();
    let mut parts = text.trim_start_matches('/').splitn(3, '/');
    let (host, _, port) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
    match host {
        Some("ip6" | "dns6") => format!("/ip6/::/{port}"),
        _ => format!("/ip4/0.0.0.0/{port}"),
    }
}

/// The network identity of a node key.
pub(crate) fn node_key(key: &PublicKey) -> Result<NodeKey> {
    key.as_ed25519()
        .copied()
        .map(NodeKey)
        .ok_or_else(|| Failure::input(format!("the node key {key} is no Ed25519 key")))
}

/// Addresses with the peer id of the node key, as they stand on the ledger.
pub(crate) fn complete(addresses: &[Address], key: &PublicKey) -> Result<Vec<NodeAddress>> {
    if addresses.len() > ADDRESSES_MAX {
        return Err(Failure::usage(format!(
            "{} addresses are given; a member has at most {ADDRESSES_MAX}",
            addresses.len()
        )));
    }
    let node = node_key(key)?;
    let complete = |address: &Address| -> Result<NodeAddress> {
        Ok(address.with_node(node)?.to_string().parse()?)
    };
    addresses.iter().map(complete).collect()
}

/// Checks the addresses of a member's description, each of its own node.
pub(crate) fn check(member: &Member) -> Result<()> {
    let node = node_key(&member.keys.node.key)?;
    for text in &member.addresses {
        let wrong = |reason: String| Failure::input(format!("member {}: {reason}", member.id));
        let address = reachable(text.as_str()).map_err(wrong)?;
        address
            .with_node(node)
            .map_err(|error| wrong(format!("{text}: {error}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> PublicKey {
        let key = ed25519_dalek::SigningKey::from_bytes(&[byte; 32]);
        crate::keyfile::public(&key)
    }

    #[test]
    fn addresses_can_be_dialled_and_have_a_port_for_gossip() {
        for good in [
            "/dns/node.example.edu/tcp/7701",
            "/ip4/192.0.2.7/udp/7701/quic-v1",
            "/ip6/2001:db8::7/tcp/7701",
        ] {
            assert!(reachable(good).is_ok(), "{good}");
            assert!(peer(good).is_err(), "{good}");
        }
        for bad in [
            "node.example.edu:7701",
            "/dns/node.example.edu",
            "/dns/node.example.edu/tcp/0",
            "/dns/node.example.edu/tcp/65535",
            "/dns/node.example.edu/udp/7701",
            "/ip4/0.0.0.0/tcp/7701",
            "/ip6/::/tcp/7701",
        ] {
            assert!(reachable(bad).is_err(), "{bad}");
        }
        assert!(listening("/ip4/0.0.0.0/tcp/0").is_ok());
        assert!(listening("/dns/node.example.edu/tcp/7701").is_err());
        assert!(listening("/ip4/127.0.0.1/tcp/65535").is_err());
    }

    #[test]
    fn a_node_listens_where_it_is_reached() {
        let listen = |text: &str| listen_for(&[reachable(text).unwrap()]);
        assert_eq!(listen_for(&[]), "/ip4/127.0.0.1/tcp/7701");
        assert_eq!(listen("/dns4/a.example/tcp/9000"), "/ip4/0.0.0.0/tcp/9000");
        assert_eq!(
            listen("/ip6/2001:db8::7/udp/9000/quic-v1"),
            "/ip6/::/udp/9000/quic-v1"
        );
    }

    #[test]
    fn an_address_names_its_own_node() {
        let address = reachable("/dns/a.example/tcp/7701").unwrap();
        let [complete] = &complete(std::slice::from_ref(&address), &key(1)).unwrap()[..] else {
            panic!("one address stays one");
        };
        let node = node_key(&key(1)).unwrap();
        assert_eq!(
            complete.as_str(),
            format!("/dns/a.example/tcp/7701/p2p/{node}")
        );
        let of_another = [peer(complete.as_str()).unwrap()];
        assert!(super::complete(&of_another, &key(2)).is_err());
        let many = vec![address; ADDRESSES_MAX + 1];
        assert!(super::complete(&many, &key(1)).is_err());
    }
}
