//! From this node to the gossip swarm: records and cosignatures.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use credlog_gossip::{Gossip, PublishError};
use credlog_ledger::record::EncodedRecord;

/// What other nodes are told. Until there is a swarm, they ask for it later.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    gossip: Arc<RwLock<Option<Gossip>>>,
}

impl Outbox {
    /// From now on this swarm is used, or none.
    pub fn connect(&self, gossip: Option<Gossip>) {
        *self.gossip.write().unwrap_or_else(PoisonError::into_inner) = gossip;
    }

    /// The swarm.
    pub fn gossip(&self) -> Option<Gossip> {
        let gossip = self.gossip.read().unwrap_or_else(PoisonError::into_inner);
        gossip.clone()
    }

    /// Publishes records that are new here.
    pub fn records(&self, records: &[Arc<EncodedRecord>]) {
        if records.is_empty() {
            return;
        }
        let bytes = |record: &Arc<EncodedRecord>| Bytes::copy_from_slice(record.bytes());
        self.publish("records", |gossip| {
            gossip.publish_records(records.iter().map(bytes).collect())
        });
    }

    /// Publishes this member's cosignature.
    pub fn cosignature(&self, note: Option<Vec<u8>>) {
        if let Some(note) = note {
            self.publish("a cosignature", |gossip| {
                gossip.publish_cosignatures(vec![note.into()])
            });
        }
    }

    fn publish(&self, what: &str, publish: impl FnOnce(&Gossip) -> Result<(), PublishError>) {
        let Some(gossip) = self.gossip() else {
            return;
        };
        if let Err(error) = publish(&gossip) {
            // Peers ask for what they miss.
            tracing::debug!(%error, what, "not published now");
        }
    }
}
