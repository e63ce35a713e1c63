//! A running engine as the node holds it.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_malachitebft_app_channel::app::net::Multiaddr;
use arc_malachitebft_app_channel::{AppMsg, NetworkRequest};
use arc_malachitebft_core_consensus::{LocallyProposedValue, ProposedValue};
use arc_malachitebft_core_types::{LinearTimeouts, ValueOrigin};
use arc_malachitebft_engine::consensus::{ConsensusMsg, ConsensusRef};
use arc_malachitebft_engine::network::{NetworkStateDump, PersistentPeerError};
use arc_malachitebft_peer::PeerId;
use credlog_ledger::ids::Height;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Receiver};
use tokio::sync::watch;

use crate::application::{Application, Fatal};
use crate::config::{Config, ConfigError, Peer};
use crate::context::Ledger;
use crate::driver::{Driver, Links, Parts, Signals};
use crate::engine::{self, Engine, Supervisor};
use crate::metrics;
use crate::network;
use crate::observed::Observed;
use crate::prevotes::Prevotes;
use crate::signing::Verifier;
use crate::status::{ConnectedPeer, Status};

/// How often the connected peers are looked at.
const PEERS_INTERVAL: Duration = Duration::from_secs(1);

/// So often in a row may the engine's network not say who is connected.
const UNANSWERED_MAX: u32 = 10;

/// A running engine with its application. Dropped, it stops in the background.
pub struct Consensus<A> {
    signals: Signals,
    status: watch::Receiver<Status>,
    peers: watch::Sender<Vec<Multiaddr>>,
    failure: watch::Receiver<Option<Fatal>>,
    thread: Option<JoinHandle<Option<A>>>,
    config: Config,
    moniker: String,
}

impl<A: Application> Consensus<A> {
    /// Starts the engine's tasks on the caller's runtime, and a thread of its own for
    /// `application`, which may block. The same process may start another one, at the same
    /// address or log once this one has stopped.
    ///
    /// # Errors
    /// Every [`ConfigError`].
    pub async fn start(config: Config, application: A) -> Result<Self, ConfigError> {
        let moniker = metrics::new_moniker();
        let peers = network::addresses(&config, &config.peers)?;
        network::check_free(&config.listen)?;
        let (polka_sender, polkas) = mpsc::unbounded_channel();
        let prevotes = Arc::new(Prevotes::new(polka_sender));
        let observed = Arc::new(Observed::default());
        let engine = Engine::start(&config, moniker.clone(), &prevotes, &observed).await?;
        let tip = application.tip();
        let (status_sender, status) = watch::channel(Status {
            tip,
            height: tip.next(),
            ..Status::default()
        });
        let status_sender = Arc::new(status_sender);
        let (peers_sender, peers_receiver) = watch::channel(peers.clone());
        let (failure_sender, failure) = watch::channel(None);
        let look = Look {
            failure: failure_sender.clone(),
            requests: engine.channels.net_requests.clone(),
            wanted: peers_receiver,
            known: peers.into_iter().collect(),
            observed: Arc::clone(&observed),
            status: Arc::clone(&status_sender),
        };
        let looking = tokio::spawn(look.run());
        let signals = Signals::default();
        let parts = Parts {
            application,
            signer: engine::signer(&config, &prevotes),
            verifier: Verifier {
                ledger: config.ledger,
                prevotes,
            },
            observed,
            timeouts: timeouts(&config),
            target_time: config.target_time,
            links: Links {
                network: engine.channels.network,
                propose: propose(engine.consensus.clone()),
                tell: tell(engine.consensus),
                events: engine.channels.events,
                polkas,
            },
            signals: signals.clone(),
            status: status_sender,
        };
        let run = Run {
            messages: engine.channels.consensus,
            supervisor: engine.supervisor.clone(),
            looking,
            failure: failure_sender,
            wal_path: config.wal_path.clone(),
        };
        let runtime = Handle::current();
        let thread = std::thread::Builder::new().name("consensus".into());
        let thread = match thread.spawn(move || run.on(&runtime, parts)) {
            Ok(thread) => thread,
            Err(error) => {
                engine.supervisor.stop().await;
                return Err(ConfigError::Engine {
                    reason: format!("no thread can be started: {error}"),
                });
            }
        };
        Ok(Self {
            signals,
            status,
            peers: peers_sender,
            failure,
            thread: Some(thread),
            config,
            moniker,
        })
    }

    /// Something may be pending: an idle ledger asks [`Application::is_pending`] now.
    pub fn wake(&self) {
        self.signals.wake.notify_one();
    }

    /// Who may connect from now on, in place of the peers before. Removed ones are
    /// disconnected within about a second.
    ///
    /// # Errors
    /// [`ConfigError::Address`] and [`ConfigError::OtherPeer`]; then nothing changes.
    pub fn set_peers(&self, peers: &[Peer]) -> Result<(), ConfigError> {
        let wanted = network::addresses(&self.config, peers)?;
        self.peers.send_replace(wanted);
        Ok(())
    }

    /// What it is doing. Changes with every round and every change of peers.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// The engine's metrics in the Prometheus text format, without the line `# EOF`.
    pub fn metrics(&self) -> String {
        metrics::text(&self.moniker)
    }

    /// [`metrics`](Self::metrics) for somebody who outlives this handle.
    pub fn metrics_source(&self) -> impl Fn() -> String + Send + Sync + 'static {
        let moniker = self.moniker.clone();
        move || metrics::text(&moniker)
    }

    /// Waits until the engine has failed; for ever, if it is stopped or runs. Then it neither
    /// votes nor serves: the process must exit.
    pub async fn failed(&self) -> Fatal {
        let mut failure = self.failure.clone();
        let failed = failure.wait_for(Option::is_some).await;
        let failed = failed.ok().and_then(|failed| failed.clone());
        match failed {
            Some(fatal) => fatal,
            None => std::future::pending().await,
        }
    }

    /// Stops the engine in order: nothing is signed after this, its log is closed, its ports
    /// are free. Gives the application back.
    ///
    /// # Errors
    /// The [`Fatal`] that it had failed with.
    pub async fn stop(mut self) -> Result<A, Fatal> {
        self.signals.stop.notify_one();
        let failure = self.failure.clone();
        let panicked = || Fatal {
            reason: "the consensus thread panicked".into(),
        };
        let thread = self.thread.take().ok_or_else(panicked)?;
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if let Some(fatal) = failure.borrow().clone() {
            return Err(fatal);
        }
        let application = joined.ok().and_then(Result::ok).flatten();
        application.ok_or_else(panicked)
    }
}

impl<A> Drop for Consensus<A> {
    fn drop(&mut self) {
        self.signals.stop.notify_one();
    }
}

/// The way to the engine's actor that votes.
fn tell(consensus: ConsensusRef<Ledger>) -> Box<dyn FnMut(ProposedValue<Ledger>) -> bool + Send> {
    Box::new(move |value| {
        let message = ConsensusMsg::ReceivedProposedValue(value, ValueOrigin::Consensus);
        consensus.cast(message).is_ok()
    })
}

/// The same for a block of this member's that comes after the engine asked for it.
fn propose(
    consensus: ConsensusRef<Ledger>,
) -> Box<dyn FnMut(LocallyProposedValue<Ledger>) -> bool + Send> {
    Box::new(move |value| consensus.cast(ConsensusMsg::ProposeValue(value)).is_ok())
}

fn timeouts(config: &Config) -> LinearTimeouts {
    let timeouts = &config.timeouts;
    LinearTimeouts {
        propose: timeouts.propose,
        propose_delta: timeouts.propose_delta,
        prevote: timeouts.prevote,
        prevote_delta: timeouts.prevote_delta,
        precommit: timeouts.precommit,
        precommit_delta: timeouts.precommit_delta,
        rebroadcast: timeouts.rebroadcast,
        max_timeout: timeouts.max,
    }
}

/// The thread of the driver.
struct Run {
    messages: Receiver<AppMsg<Ledger>>,
    supervisor: Supervisor,
    looking: tokio::task::JoinHandle<()>,
    failure: watch::Sender<Option<Fatal>>,
    wal_path: PathBuf,
}

impl Run {
    fn on<A: Application>(mut self, runtime: &Handle, parts: Parts<A>) -> Option<A> {
        let driven = AssertUnwindSafe(|| runtime.block_on(self.drive(parts)));
        let (application, failure) = match catch_unwind(driven) {
            Ok((application, failure)) => (application, failure),
            Err(_) => {
                runtime.block_on(self.supervisor.stop());
                let reason = "the consensus thread panicked; the process must exit".to_owned();
                (None, Some(Fatal { reason }))
            }
        };
        self.looking.abort();
        runtime.block_on(engine::wait_unlocked(&self.wal_path));
        if let Some(fatal) = failure {
            tracing::error!("consensus has stopped: {fatal}");
            self.failure.send_replace(Some(fatal));
        }
        application
    }

    async fn drive<A: Application>(&mut self, parts: Parts<A>) -> (Option<A>, Option<Fatal>) {
        let mut driver = match Driver::new(parts) {
            Ok(driver) => driver,
            Err(fatal) => {
                self.supervisor.stop().await;
                return (None, Some(fatal));
            }
        };
        let mut failure = driver.run(&mut self.messages).await.err();
        driver.stopping();
        self.looking.abort();
        let supervisor = self.supervisor.clone();
        let stopping = tokio::spawn(async move { supervisor.stop().await });
        tokio::pin!(stopping);
        // The engine's actors wait for answers while they stop.
        loop {
            tokio::select! {
                _ = &mut stopping => break,
                Some(message) = self.messages.recv() => {
                    if failure.is_none() {
                        failure = driver.answer(message).await.err();
                    }
                }
            }
        }
        (Some(driver.into_application()), failure)
    }
}

/// Keeps the peers as wanted, and the status of the connected ones.
struct Look {
    requests: mpsc::Sender<NetworkRequest>,
    wanted: watch::Receiver<Vec<Multiaddr>>,
    known: BTreeSet<Multiaddr>,
    observed: Arc<Observed>,
    status: Arc<watch::Sender<Status>>,
    failure: watch::Sender<Option<Fatal>>,
}

impl Look {
    async fn run(mut self) {
        let mut interval = tokio::time::interval(PEERS_INTERVAL);
        let mut unanswered = 0;
        loop {
            tokio::select! {
                _ = interval.tick() => {}
                changed = self.wanted.changed() => if changed.is_err() { return },
            }
            self.update_peers().await;
            match NetworkRequest::dump_state(&self.requests).await {
                Ok(Some(dump)) => {
                    self.show(&dump);
                    unanswered = 0;
                }
                _ => unanswered += 1,
            }
            if unanswered == UNANSWERED_MAX {
                let reason = "the engine's network has ended; the process must exit".to_owned();
                self.failure.send_replace(Some(Fatal { reason }));
            }
        }
    }

    async fn update_peers(&mut self) {
        let wanted: BTreeSet<_> = self.wanted.borrow_and_update().iter().cloned().collect();
        let known = std::mem::take(&mut self.known);
        for address in wanted.difference(&known) {
            let added = NetworkRequest::add_persistent_peer(&self.requests, address.clone()).await;
            if matches!(added, Ok(Ok(()) | Err(PersistentPeerError::AlreadyExists))) {
                self.known.insert(address.clone());
            }
        }
        for address in known {
            if wanted.contains(&address) {
                self.known.insert(address);
                continue;
            }
            let request = NetworkRequest::remove_persistent_peer(&self.requests, address.clone());
            if !matches!(
                request.await,
                Ok(Ok(()) | Err(PersistentPeerError::NotFound))
            ) {
                self.known.insert(address);
            }
        }
    }

    fn show(&self, dump: &NetworkStateDump) {
        let mut ids = BTreeSet::new();
        let mut peers: Vec<_> = dump
            .peers
            .iter()
            .map(|(id, info)| {
                ids.extend(PeerId::from_bytes(&id.to_bytes()));
                ConnectedPeer {
                    peer_id: id.to_string(),
                    address: info.address.to_string(),
                    is_validator: info.consensus_address.is_some(),
                }
            })
            .collect();
        peers.sort_by(|a, b| a.peer_id.cmp(&b.peer_id));
        let tip = self.observed.peers_tip(|id| ids.contains(id)).map(Height);
        self.status.send_if_modified(|status| {
            let is_new = status.peers != peers || status.peers_tip != tip;
            status.peers = peers;
            status.peers_tip = tip;
            is_new
        });
    }
}
