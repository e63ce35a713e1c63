//! Plain counters of the swarm, read as one snapshot.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// The counters, counted up by the swarm.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)+
        }

        impl Counters {
            pub(crate) fn snapshot(&self, peers_connected: u64) -> Metrics {
                Metrics { peers_connected, $($name: self.$name.value(),)+ }
            }
        }

        /// The counters of a swarm since its start, at one moment.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[non_exhaustive]
        pub struct Metrics {
            /// Peers that are connected now.
            pub peers_connected: u64,
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Metrics {
            /// Name, help text and value of each counter, for an exporter; `peers_connected`,
            /// which is no counter, is not among them.
            pub fn counters(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$((stringify!($name), concat!($($doc),+).trim_ascii(), self.$name),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Messages of new content that came by gossip.
    messages_in,
    /// Their bytes.
    bytes_in,
    /// Messages published by this node.
    messages_out,
    /// Their bytes, counted once, not for each peer.
    bytes_out,
    /// Batches that the application accepted; those of gossip went on to peers.
    accepted,
    /// Batches that the application ignored, or gave no verdict for.
    ignored,
    /// Batches that the application or the decoder rejected.
    rejected,
    /// Batches of what was missed, fetched from peers.
    fetched,
    /// Requests for what was missed that peers sent.
    requests_in,
    /// Requests of peers that were not answered: too many, or no answer in time.
    requests_refused,
    /// Requests for what was missed that failed.
    requests_failed,
    /// Events and batches dropped because the application was behind, or a peer sent too much.
    dropped_unread,
    /// Messages that one slow peer did not get, each counted for each peer.
    dropped_slow_peer,
    /// Messages published while no peer was there to take them; peers fetch them later.
    unheard,
    /// Incoming connections refused because the peer is not allowed.
    refused_strangers,
    /// Incoming connections refused before the handshake, because of their rate or number.
    refused_rate,
    /// Connections refused because of the limits on connections.
    refused_limits,
    /// Incoming connections whose handshake failed.
    failed_handshakes,
    /// Attempts to dial a peer.
    dials,
    /// Attempts to dial a peer that failed.
    dials_failed,
    /// Connections closed because the peer did not answer pings, or is of another ledger.
    cut_off,
}

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn up(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_told_with_its_help() {
        let counters = Counters::default();
        counters.rejected.add(7);
        let metrics = counters.snapshot(3);
        assert_eq!(metrics.peers_connected, 3);
        let all: Vec<_> = metrics.counters().collect();
        let help = "Batches that the application or the decoder rejected.";
        assert!(all.contains(&("rejected", help, 7)), "{all:?}");
        assert!(
            all.iter()
                .all(|(_, help, _)| help.ends_with('.') && !help.contains("  "))
        );
        assert_eq!(all.iter().map(|(_, _, value)| value).sum::<u64>(), 7);
    }
}
