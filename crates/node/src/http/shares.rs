//! Shares of something bounded: so much for all clients, so much for each network.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Something of which there is only so much at a time. Clones share one account.
#[derive(Clone)]
pub(crate) struct Shares {
    taken: Arc<Mutex<Taken>>,
    max: u64,
    network_max: u64,
}

#[derive(Default)]
struct Taken {
    total: u64,
    by_network: HashMap<IpAddr, u64>,
}

/// What a client took; given back when it is dropped.
pub(crate) struct Share {
    shares: Shares,
    network: IpAddr,
    amount: u64,
}

impl Shares {
    /// At most `max` for all together, and `network_max` for one network.
    pub(crate) fn new(max: u64, network_max: u64) -> Self {
        Self {
            taken: Arc::default(),
            max,
            network_max,
        }
    }

    /// Takes a share for a client, or nothing if too little is left for it.
    pub(crate) fn take(&self, client: IpAddr, amount: u64) -> Option<Share> {
        let network = network(client);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let before = taken.by_network.get(&network).copied().unwrap_or(0);
        if before.saturating_add(amount) > self.network_max
            || taken.total.saturating_add(amount) > self.max
        {
            return None;
        }
        taken.total += amount;
        taken.by_network.insert(network, before + amount);
        Some(Share {
            shares: self.clone(),
            network,
            amount,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let taken = self.shares.taken.lock();
        let mut taken = taken.unwrap_or_else(PoisonError::into_inner);
        taken.total -= self.amount;
        if let Some(of_network) = taken.by_network.get_mut(&self.network) {
            *of_network -= self.amount;
            if *of_network == 0 {
                taken.by_network.remove(&self.network);
            }
        }
    }
}

/// Whom an address counts for. An IPv6 address counts with its /64, all of which one
/// subscriber has; an IPv4 address that is written as an IPv6 address counts as itself.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_has_its_share_and_gives_it_back() {
        let shares = Shares::new(10, 2);
        let (a, b) = (address("127.0.0.1"), address("127.0.0.2"));
        let first = shares.take(a, 1);
        let second = shares.take(a, 1);
        assert!(first.is_some() && second.is_some());
        assert!(shares.take(a, 1).is_none());
        assert!(shares.take(b, 1).is_some());
        drop(first);
        assert!(shares.take(a, 2).is_none());
        assert!(shares.take(a, 1).is_some());
        drop(second);
        let taken = shares.taken.lock().unwrap();
        assert!(taken.by_network.is_empty(), "nothing is left behind");
        assert_eq!(taken.total, 0);
    }

    #[test]
    fn all_together_have_their_limit() {
        let shares = Shares::new(3, 2);
        let _first = shares.take(address("127.0.0.1"), 2);
        let _second = shares.take(address("127.0.0.2"), 1);
        assert!(shares.take(address("127.0.0.3"), 1).is_none());
    }

    /// Each address of a /64 once had connections of its own, and each form of an IPv4
    /// address too: one subscriber could take every connection.
    #[test]
    fn addresses_of_one_subscriber_are_one_network() {
        for (one, other) in [
            ("2001:db8::1", "2001:db8::ffff:1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            let shares = Shares::new(10, 1);
            let _first = shares.take(address(one), 1);
            assert!(shares.take(address(other), 1).is_none(), "{one} {other}");
        }
        let shares = Shares::new(10, 1);
        let _first = shares.take(address("2001:db8::1"), 1);
        assert!(shares.take(address("2001:db8:0:1::1"), 1).is_some());
    }
}
