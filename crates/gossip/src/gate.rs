//! Counts incoming connections before their handshake, by IP address.
//!
//! Of what is refused here, nothing was read and nothing computed. It stands last among the
//! behaviours: its `handle_established_inbound_connection` is reached only by peers that the
//! allow-list and the limits let in, and those get their token back.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};
use thiserror::Error;

use crate::budget::{Bucket, Rate};
use crate::config::Limits;
use crate::metrics::Counters;

/// The most IP addresses that are told apart; while all of them are busy, new ones wait.
const SOURCES_MAX: usize = 4_096;

/// All IP addresses together may try this many times what one may.
const ALL_SOURCES_FACTOR: u32 = 8;

/// How often forgotten sources are looked for when the table is full.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Why an incoming connection is refused before its handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    #[error("too many connections a second from this address")]
    SourceRate,
    #[error("too many unfinished handshakes from this address")]
    SourcePending,
    #[error("too many connections a second from all addresses")]
    Rate,
    #[error("too many addresses connect at once")]
    Sources,
}

/// One IPv4 address, or one IPv6 /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    Ip4([u8; 4]),
    Ip6([u8; 8]),
    Other,
}

impl Source {
    fn of(address: &Multiaddr) -> Self {
        let ip = match address.iter().next() {
            Some(Protocol::Ip4(ip)) => IpAddr::V4(ip),
            Some(Protocol::Ip6(ip)) => IpAddr::V6(ip).to_canonical(),
            _ => return Self::Other,
        };
        match ip {
            IpAddr::V4(ip) => Self::Ip4(ip.octets()),
            IpAddr::V6(ip) => {
                let mut network = [0; 8];
                network.copy_from_slice(&ip.octets()[..8]);
                Self::Ip6(network)
            }
        }
    }
}

#[derive(Debug)]
struct Seen {
    bucket: Bucket,
    pending: u32,
}

pub(crate) struct Gate {
    source_rate: Rate,
    source_pending_max: u32,
    sources: HashMap<Source, Seen>,
    swept: Instant,
    all_rate: Rate,
    all: Bucket,
    pending: HashMap<ConnectionId, Source>,
    counters: Arc<Counters>,
}

impl Gate {
    pub(crate) fn new(limits: &Limits, counters: Arc<Counters>) -> Self {
        let source_rate = Rate {
            per_second: limits.source_attempts_per_second,
            burst: limits.source_attempts_burst,
        };
        let all_rate = Self::all_sources(limits);
        let now = Instant::now();
        Self {
            source_rate,
            source_pending_max: limits.source_pending_max,
            sources: HashMap::new(),
            swept: now,
            all_rate,
            all: Bucket::full(all_rate, now),
            pending: HashMap::new(),
            counters,
        }
    }

    /// What all IP addresses together may try.
    pub(crate) fn all_sources(limits: &Limits) -> Rate {
        Rate {
            per_second: limits
                .source_attempts_per_second
                .saturating_mul(ALL_SOURCES_FACTOR),
            burst: limits
                .source_attempts_burst
                .saturating_mul(ALL_SOURCES_FACTOR),
        }
    }

    fn admit(&mut self, id: ConnectionId, source: Source, now: Instant) -> Result<(), Refused> {
        if !self.sources.contains_key(&source) && self.sources.len() >= SOURCES_MAX {
            self.sweep(now)?;
        }
        let rate = self.source_rate;
        let seen = self.sources.entry(source).or_insert_with(|| Seen {
            bucket: Bucket::full(rate, now),
            pending: 0,
        });
        if seen.pending >= self.source_pending_max {
            return Err(Refused::SourcePending);
        }
        if !seen.bucket.take(rate, 1, now) {
            return Err(Refused::SourceRate);
        }
        if !self.all.take(self.all_rate, 1, now) {
            return Err(Refused::Rate);
        }
        seen.pending += 1;
        self.pending.insert(id, source);
        Ok(())
    }

    /// Forgets sources that have their whole rate again, at most once a second.
    fn sweep(&mut self, now: Instant) -> Result<(), Refused> {
        if now.saturating_duration_since(self.swept) < SWEEP_INTERVAL {
            return Err(Refused::Sources);
        }
        self.swept = now;
        let rate = self.source_rate;
        self.sources
            .retain(|_, seen| seen.pending > 0 || !seen.bucket.is_full(rate, now));
        if self.sources.len() < SOURCES_MAX {
            Ok(())
        } else {
            Err(Refused::Sources)
        }
    }

    fn finish(&mut self, id: ConnectionId, allowed: bool) {
        let Some(source) = self.pending.remove(&id) else {
            return;
        };
        let rate = self.source_rate;
        if let Some(seen) = self.sources.get_mut(&source) {
            seen.pending = seen.pending.saturating_sub(1);
            if allowed {
                seen.bucket.give_back(rate, 1);
                self.all.give_back(self.all_rate, 1);
            }
        }
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.admit(id, Source::of(remote), Instant::now())
            .map_err(|refused| {
                self.counters.refused_rate.up();
                ConnectionDenied::new(refused)
            })
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.finish(id, true);
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ListenFailure(failure) = event {
            self.finish(failure.connection_id, false);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        let limits = Limits {
            source_attempts_per_second: 10,
            source_attempts_burst: 3,
            source_pending_max: 5,
            ..Limits::default()
        };
        Gate::new(&limits, Arc::default())
    }

    fn id(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    fn source(text: &str) -> Source {
        Source::of(&text.parse().unwrap())
    }

    #[test]
    fn a_source_has_a_burst_and_a_rate() {
        let (mut gate, now) = (gate(), Instant::now());
        let here = source("/ip4/127.0.0.1/tcp/1");
        for number in 0..3 {
            gate.admit(id(number), here, now).unwrap();
            gate.finish(id(number), false);
        }
        assert_eq!(gate.admit(id(3), here, now), Err(Refused::SourceRate));
        assert_eq!(
            gate.admit(id(4), source("/ip4/127.0.0.2/tcp/1"), now),
            Ok(())
        );
        let later = now + Duration::from_millis(100);
        assert_eq!(gate.admit(id(5), here, later), Ok(()));
    }

    #[test]
    fn an_allowed_peer_does_not_count() {
        let (mut gate, now) = (gate(), Instant::now());
        let here = source("/ip4/127.0.0.1/tcp/1");
        for number in 0..100 {
            gate.admit(id(number), here, now).unwrap();
            gate.finish(id(number), true);
        }
    }

    #[test]
    fn unfinished_handshakes_are_bounded() {
        let mut gate = gate();
        let here = source("/ip6/2001:db8::1/tcp/1");
        let start = Instant::now();
        let mut refused = 0;
        for number in 0..20 {
            let now = start + Duration::from_secs(number as u64);
            match gate.admit(id(number), here, now) {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!(error, Refused::SourcePending);
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 15);
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let one = source("/ip6/2001:db8::1/udp/1/quic-v1");
        assert_eq!(one, source("/ip6/2001:db8::ffff:1/tcp/2"));
        assert_ne!(one, source("/ip6/2001:db8:0:1::1/tcp/2"));
        assert_eq!(
            source("/ip6/::ffff:192.0.2.1/tcp/1"),
            source("/ip4/192.0.2.1/tcp/9")
        );
    }

    #[test]
    fn the_table_of_sources_is_bounded_and_swept() {
        let (mut gate, now) = (gate(), Instant::now());
        gate.all_rate = Rate {
            per_second: 1 << 20,
            burst: 1 << 20,
        };
        gate.all = Bucket::full(gate.all_rate, now);
        let nth = |n: u32| Source::Ip4(n.to_be_bytes());
        let later = now + SWEEP_INTERVAL;
        for (number, source) in (0..SOURCES_MAX).zip(0..) {
            gate.admit(id(number), nth(source), later).unwrap();
            gate.finish(id(number), false);
        }
        let next = nth(u32::MAX);
        assert_eq!(gate.admit(id(1), next, later), Err(Refused::Sources));
        let later = later + SWEEP_INTERVAL;
        assert_eq!(gate.admit(id(1), next, later), Ok(()));
        assert_eq!(gate.sources.len(), 1);
    }
}
