//! The handle of a running swarm.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use libp2p::identity::Keypair;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::address::{self, Address, AddressError, NodeKey};
use crate::config::{Config, Peers, QUEUE_MAX};
use crate::event::Event;
use crate::metrics::{Counters, Metrics};
use crate::task::{self, Control, Publication, Task, Wires};
use crate::wire::Kind;

/// Publications that wait; by default [`crate::Limits::publish_bytes_max`] is met before.
const PUBLICATIONS_MAX: usize = 1 << 17;
/// Commands that wait.
const CONTROLS_MAX: usize = 16;

/// A running swarm. Clones are handles of the same one; it stops when the last is dropped.
#[derive(Debug, Clone)]
pub struct Gossip {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    node: NodeKey,
    publications: mpsc::Sender<Publication>,
    queued: Arc<AtomicUsize>,
    queued_max: usize,
    controls: mpsc::Sender<Control>,
    counters: Arc<Counters>,
    connected: watch::Receiver<Vec<NodeKey>>,
    listening: watch::Receiver<Vec<Address>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Gossip {
    /// Starts a swarm on the current tokio runtime, and waits until it listens. Its events
    /// come out of the receiver, which should be read without long pauses.
    ///
    /// # Errors
    /// [`StartError`], when nothing has been started.
    pub async fn start(
        config: Config,
        peers: Peers,
    ) -> Result<(Self, mpsc::Receiver<Event>), StartError> {
        let keypair = address::keypair(&config.secret)?;
        let node = NodeKey(keypair.public().to_bytes());
        let counters = Arc::new(Counters::default());
        let (swarm, topics) = crate::swarm::build(&config, Keypair::from(keypair), &counters)?;

        let (events, receiver) = mpsc::channel(config.limits.events_max.clamp(1, QUEUE_MAX));
        let (publications, publications_in) = mpsc::channel(PUBLICATIONS_MAX);
        let (controls, controls_in) = mpsc::channel(CONTROLS_MAX);
        let (connected_out, connected) = watch::channel(Vec::new());
        let (listening_out, listening) = watch::channel(Vec::new());
        let queued = Arc::new(AtomicUsize::new(0));
        let wires = Wires {
            events,
            publications: publications_in,
            queued: Arc::clone(&queued),
            controls: controls_in,
            counters: Arc::clone(&counters),
            connected: connected_out,
            listening: listening_out,
        };
        let queued_max = config.limits.publish_bytes_max;
        let mut task = Task::new(swarm, topics, config.limits, wires);
        task.set_peers(&peers)?;
        task.listen(&config.listen).await?;
        let task = Mutex::new(Some(tokio::spawn(task.run())));
        let inner = Inner {
            node,
            publications,
            queued,
            queued_max,
            controls,
            counters,
            connected,
            listening,
            task,
        };
        Ok((
            Self {
                inner: Arc::new(inner),
            },
            receiver,
        ))
    }

    /// The own node key.
    pub fn node(&self) -> NodeKey {
        self.inner.node
    }

    /// The addresses listened at, with the ports that the system chose.
    pub fn listening(&self) -> Vec<Address> {
        self.inner.listening.borrow().clone()
    }

    /// The peers that are connected now.
    pub fn connected(&self) -> Vec<NodeKey> {
        self.inner.connected.borrow().clone()
    }

    /// The counters now.
    pub fn metrics(&self) -> Metrics {
        self.inner
            .counters
            .snapshot(self.inner.connected.borrow().len() as u64)
    }

    /// Publishes verified records to all peers. Small ones are gathered into one message.
    ///
    /// # Errors
    /// [`PublishError`]; then none of them is published.
    pub fn publish_records(&self, records: Vec<Bytes>) -> Result<(), PublishError> {
        self.publish(Kind::Records, records)
    }

    /// Publishes verified cosignatures to all peers.
    ///
    /// # Errors
    /// [`PublishError`]; then none of them is published.
    pub fn publish_cosignatures(&self, cosignatures: Vec<Bytes>) -> Result<(), PublishError> {
        self.publish(Kind::Cosignatures, cosignatures)
    }

    fn publish(&self, kind: Kind, payloads: Vec<Bytes>) -> Result<(), PublishError> {
        let max = kind.payload_bytes_max();
        for payload in &payloads {
            if payload.is_empty() || payload.len() > max {
                return Err(PublishError::Payload {
                    bytes: payload.len(),
                    max,
                });
            }
        }
        if payloads.is_empty() {
            return Ok(());
        }
        let cost = payloads.iter().map(task::cost).sum();
        let full = |queued| PublishError::Full {
            queued,
            max: self.inner.queued_max,
        };
        let queued = self.inner.queued.fetch_add(cost, Ordering::Relaxed);
        let sent = if queued.saturating_add(cost) > self.inner.queued_max {
            Err(full(queued))
        } else {
            let publication = Publication { kind, payloads };
            self.inner
                .publications
                .try_send(publication)
                .map_err(|error| match error {
                    mpsc::error::TrySendError::Full(_) => full(queued),
                    mpsc::error::TrySendError::Closed(_) => PublishError::Stopped,
                })
        };
        if sent.is_err() {
            self.inner.queued.fetch_sub(cost, Ordering::Relaxed);
        }
        sent
    }

    /// Changes who may connect and where members are, at once: removed peers are
    /// disconnected, new members are dialled.
    ///
    /// # Errors
    /// [`SetPeersError`]; a wrong key or address changes nothing.
    pub async fn set_peers(&self, peers: Peers) -> Result<(), SetPeersError> {
        let (done, result) = oneshot::channel();
        let control = Control::SetPeers(peers, done);
        self.inner
            .controls
            .send(control)
            .await
            .map_err(|_| SetPeersError::Stopped)?;
        Ok(result.await.map_err(|_| SetPeersError::Stopped)??)
    }

    /// Stops the swarm and waits for its end. All connections are closed. What other handles
    /// do afterwards fails with `Stopped`.
    pub async fn shutdown(&self) {
        // A closed channel means that it has stopped already.
        let _ = self.inner.controls.send(Control::Shutdown).await;
        let task = match self.inner.task.lock() {
            Ok(mut task) => task.take(),
            Err(poisoned) => poisoned.into_inner().take(),
        };
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the gossip swarm ended badly");
        }
    }
}

/// Why a swarm did not start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A key or an address is wrong.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// An address cannot be listened at.
    #[error("cannot listen at {address} for gossip: {reason}; choose a free address of this host")]
    Listen {
        /// The address.
        address: Address,
        /// The system's reason.
        reason: String,
    },
    /// The system's name resolver is not configured.
    #[error("cannot set up the name resolver: {reason}; check /etc/resolv.conf")]
    Resolver {
        /// The library's reason.
        reason: String,
    },
    /// The transports or protocols cannot be set up.
    #[error("cannot set up the gossip network: {reason}")]
    Transport {
        /// The library's reason.
        reason: String,
    },
}

/// Why payloads are not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A payload is empty or too long.
    #[error("a payload of {bytes} bytes cannot be published; 1 to {max} are allowed")]
    Payload {
        /// Its bytes.
        bytes: usize,
        /// The most allowed.
        max: usize,
    },
    /// Too much waits to be published; try again later.
    #[error("{queued} bytes wait to be published, {max} may; try again later")]
    Full {
        /// Bytes that wait.
        queued: usize,
        /// Bytes that may wait.
        max: usize,
    },
    /// The swarm has stopped.
    #[error("the gossip swarm has stopped")]
    Stopped,
}

/// Why the peers were not changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SetPeersError {
    /// A key or an address is wrong.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The swarm has stopped.
    #[error("the gossip swarm has stopped")]
    Stopped,
}
