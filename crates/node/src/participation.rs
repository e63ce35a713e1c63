//! This node's part in the ledger: with which keys it takes part, and whether it votes.
//!
//! The engine and the swarm run as long as the keys stay the same. When the ledger learns other
//! keys of this member, when its member comes in, or when a store that was filled anew has
//! caught up, both are started again, within the same process.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use credlog_api::ledger::NodeRole;
use credlog_consensus::{Application, Consensus, SyncSettings, Timeouts};
use credlog_gossip::Gossip;
use credlog_ledger::key::PublicKey;
use credlog_ledger::member::{MemberSet, SeatedMember};
use credlog_ledger::state::{State, ViewError};
use credlog_store::{Ballot, Cosigner, KeyFileError, Standing};
use credlog_tlog::CosignatureSigner;
use ed25519_dalek::SigningKey;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::admission::Admission;
use crate::application::Ledger;
use crate::config::{Config, Role};
use crate::cosigning::Own;
use crate::http::listener::stopped;
use crate::key_use::KeyUse;
use crate::keys::{Keyring, PublicKeys, VotingKeys};
use crate::peers::Configured;
use crate::presence::Presence;
use crate::production::now;
use crate::reach::{Change, Reach};
use crate::relay::Relay;
use crate::shared::Shared;

/// How often is looked whether anything keeps waiting.
const TICK: Duration = Duration::from_millis(200);

/// Prepared keys that cannot be used are tried again after this time.
const NEXT_KEYS_INTERVAL: Duration = Duration::from_secs(10);

/// What stands between the engine and the ledger: nothing, in a node that is not a test's.
pub type Between = Box<dyn Fn(Box<dyn Application>) -> Box<dyn Application> + Send + Sync>;

/// The application that the engine drives.
type Driven = Box<dyn Application>;

/// What it takes to take part.
pub(crate) struct Participation {
    pub(crate) config: Arc<Config>,
    pub(crate) configured: Configured,
    pub(crate) shared: Shared,
    pub(crate) admission: Arc<Admission>,
    /// The keys of the configuration, and those prepared to replace them.
    pub(crate) keyrings: Vec<Keyring>,
    pub(crate) presence: watch::Sender<Presence>,
    pub(crate) engine: EngineMetrics,
    pub(crate) between: Between,
    pub(crate) next: Next,
    /// When prepared keys were last looked for.
    pub(crate) next_tried: Instant,
    pub(crate) reach: Reach,
}

/// What is known of the keys that are prepared to replace the others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Next {
    /// There are none, as far as is known.
    #[default]
    None,
    /// Their files are there.
    Ready,
    /// They cannot be used yet, for this reason.
    Refused(String),
}

/// Why prepared keys cannot be used yet.
#[derive(Debug, thiserror::Error)]
enum KeysError {
    #[error(transparent)]
    Use(#[from] crate::key_use::KeyUseError),
    #[error(transparent)]
    Load(#[from] crate::keys::KeyFileError),
    #[error(transparent)]
    Files(#[from] KeyFileError),
    #[error(transparent)]
    State(#[from] ViewError),
}

/// The metrics of the engine that runs now.
#[derive(Clone, Default)]
pub(crate) struct EngineMetrics(Arc<RwLock<Option<Source>>>);

type Source = Box<dyn Fn() -> String + Send + Sync>;

impl EngineMetrics {
    /// In the Prometheus text format.
    pub(crate) fn text(&self) -> String {
        let source = self.0.read().unwrap_or_else(PoisonError::into_inner);
        source.as_ref().map_or_else(String::new, |text| text())
    }

    fn set(&self, source: Option<Source>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = source;
    }
}

/// With which keys the node takes part, and as what.
struct Identity {
    keys: Keyring,
    vote: Option<Ballot>,
    cosigner: Option<Cosigner>,
    part: NodeRole,
    wal: std::path::PathBuf,
}

/// Why the node does not take part any longer.
enum End {
    /// It stops.
    Stopped,
    /// Its keys, or what they may do, have changed.
    Changed,
}

impl Participation {
    /// Takes part until the node stops or cannot go on.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let end = match self.take_part(&mut stop).await {
                Ok(end) => end,
                Err(reason) => {
                    self.shared.obstacles.fail(&reason);
                    break;
                }
            };
            match end {
                End::Stopped => {
                    self.shared.obstacles.stop();
                    break;
                }
                End::Changed => tracing::info!("this node's part in the ledger has changed"),
            }
        }
        self.shared.mempool.abandon();
        self.shared.attesting.abandon();
    }

    async fn take_part(&mut self, stop: &mut watch::Receiver<bool>) -> Result<End, String> {
        let mut following = self.shared.members.subscribe();
        let members = following.borrow_and_update().clone();
        self.prepare_next();
        let identity = self.identity(&members)?;
        self.tell(identity.part);
        let part = identity.part;
        let running = identity.keys.public();
        let own = self.own_cosigner(&members, &identity.keys, identity.cosigner)?;
        self.shared.cosigning.sign_as(own);
        let peers = self.configured.peers(&members);
        let ahead = Arc::new(Notify::new());
        let (gossip, relay) = self
            .gossip(&identity.keys.node, peers.gossip, &ahead)
            .await?;
        self.shared.outbox.connect(Some(gossip.clone()));
        let settings = self.engine(&identity.keys, identity.vote.is_some(), identity.wal);
        let settings = credlog_consensus::Config {
            peers: peers.consensus,
            ..settings
        };
        let member = self.config.member.id.clone();
        let ledger = Ledger::new(self.shared.clone(), member, identity.vote);
        let driven = (self.between)(Box::new(ledger));
        let started = Consensus::start(settings, driven).await;
        let consensus = started.map_err(|error| error.to_string())?;
        self.engine.set(Some(Box::new(consensus.metrics_source())));
        tracing::info!(part = %part, peer_id = %gossip.node(), "this node takes part");
        let end = self
            .follow(
                stop,
                following,
                (&consensus, &gossip),
                &ahead,
                part,
                running,
            )
            .await;
        self.engine.set(None);
        self.shared.outbox.connect(None);
        let stopped = consensus.stop().await;
        gossip.shutdown().await;
        let joined = tokio::task::spawn_blocking(move || relay.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            return Err("the relay panicked; see the log".to_owned());
        }
        stopped.map_err(|fatal| fatal.reason)?;
        end
    }

    /// Until something ends this part.
    async fn follow(
        &mut self,
        stop: &mut watch::Receiver<bool>,
        mut members: watch::Receiver<Arc<MemberSet>>,
        (consensus, gossip): (&Consensus<Driven>, &Gossip),
        ahead: &Notify,
        part: NodeRole,
        running: PublicKeys,
    ) -> Result<End, String> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let arrived = self.shared.mempool.arrived();
            if self.shared.mempool.queued() > 0 {
                consensus.wake();
            }
            tokio::select! {
                () = stopped(stop) => return Ok(End::Stopped),
                fatal = consensus.failed() => return Err(fatal.reason),
                () = arrived => {}
                () = ahead.notified() => consensus.wake(),
                _ = members.changed() => {
                    let members = members.borrow_and_update().clone();
                    if self.part_differs(&members, part, running)? {
                        return Ok(End::Changed);
                    }
                    let peers = self.configured.peers(&members);
                    consensus.set_peers(&peers.consensus).map_err(|error| error.to_string())?;
                    let set = gossip.set_peers(peers.gossip).await;
                    set.map_err(|error| error.to_string())?;
                }
                _ = tick.tick() => {
                    if self.prepare_next()
                        && self.part_differs(&members.borrow().clone(), part, running)?
                    {
                        return Ok(End::Changed);
                    }
                    self.observe(consensus, gossip);
                    self.look_for_quorum(consensus, part);
                    if part == NodeRole::CatchingUp && self.may_vote()? {
                        return Ok(End::Changed);
                    }
                }
            }
        }
    }

    /// The seat of this node's member, if it has one.
    fn seat<'m>(&self, members: &'m MemberSet) -> Option<&'m SeatedMember> {
        members.find(self.config.member.id.as_ref()?)
    }

    /// The keys that fit: those the ledger knows, else those of the configuration.
    fn keys(&self, seat: Option<&SeatedMember>) -> Option<&Keyring> {
        match seat {
            Some(seat) => self.keyrings.iter().find(|keys| keys.is_of(seat)),
            None => self.keyrings.first(),
        }
    }

    /// Keys that were laid into the folder `next`, also while the node runs, get their files
    /// before they are used: later, a missing file means a lost one. Whether they are new to this
    /// node.
    fn prepare_next(&mut self) -> bool {
        if self.config.node.role == Role::Observer || self.next == Next::Ready {
            return false;
        }
        // To open encrypted keys is slow on purpose.
        let soon = self.next_tried + NEXT_KEYS_INTERVAL;
        if matches!(self.next, Next::Refused(_)) && Instant::now() < soon {
            return false;
        }
        self.next_tried = Instant::now();
        let prepared = self.load_next().and_then(|keys| match keys {
            Some(Keyring {
                member: Some(keys), ..
            }) => self.open_files(&keys).map(|_| true),
            _ => Ok(false),
        });
        match prepared {
            Ok(true) => {
                tracing::info!("the keys in the folder next are ready to replace the others");
                self.next = Next::Ready;
                return true;
            }
            Ok(false) => {}
            Err(error) => {
                let told = Next::Refused(error.to_string());
                if self.next != told {
                    tracing::warn!(%error, "the keys in the folder next cannot be used yet");
                    self.next = told;
                }
            }
        }
        false
    }

    /// The second keyring: of the start, or found now.
    fn load_next(&mut self) -> Result<Option<Keyring>, KeysError> {
        if self.keyrings.len() < 2 {
            let found = Keyring::load_next(&self.config.member)?;
            self.keyrings.extend(found);
        }
        Ok(self.keyrings.get(1).cloned())
    }

    /// Opens what the store keeps of these keys. It is made for new ones; else a missing file
    /// means a lost one. New is a key that the notes beside the keys do not name and the ledger
    /// does not know, or that it has learnt while this folder's other keys were in use.
    fn open_files(&self, keys: &VotingKeys) -> Result<(Ballot, Cosigner), KeysError> {
        let store = &self.shared.store;
        let snapshot = store.snapshot();
        let state = State(&snapshot);
        let key_use = KeyUse::of(&self.config.member, store.ledger_id());
        let is_new = |key: &PublicKey| -> Result<bool, KeysError> {
            let is_unused = !key_use.is_known(key.id())?;
            Ok(is_unused && (state.key_use(key)?.is_none() || key_use.has_notes()?))
        };
        let (consensus, cosigner) = (public(&keys.consensus), public(&keys.cosigner));
        let (new_consensus, new_cosigner) = (is_new(&consensus)?, is_new(&cosigner)?);
        let ballot = Ballot::open(store, consensus.id(), new_consensus)?;
        let file = Cosigner::open(store, cosigner.id(), new_cosigner)?;
        for key in [consensus, cosigner] {
            key_use.note(key.id(), &self.config.node.data_dir);
        }
        Ok((ballot, file))
    }

    fn identity(&self, members: &MemberSet) -> Result<Identity, String> {
        let store = &self.shared.store;
        let seat = self.seat(members);
        let Some(keys) = self.keys(seat).cloned() else {
            tracing::error!(
                "the ledger knows other keys of this member than those in member.keys_dir and its \
                 folder next: the node has no vote until it is started with the right ones"
            );
            return self.observer(NodeRole::KeysUnknown);
        };
        let Some(voting) = keys.member.clone() else {
            return self.observer(NodeRole::Observer);
        };
        let (ballot, cosigner) = match self.open_files(&voting) {
            Ok(files) => files,
            Err(KeysError::Files(error @ KeyFileError::NotCaughtUp { .. })) => {
                tracing::warn!(%error, "no vote yet");
                return self.observer(NodeRole::CatchingUp);
            }
            Err(KeysError::Files(
                error @ (KeyFileError::Lost { .. } | KeyFileError::UsedElsewhere { .. }),
            )) => {
                tracing::error!(%error, "NO VOTE: see docs/operate.md, \"A lost key\"");
                return Ok(Identity {
                    keys,
                    ..self.observer(NodeRole::KeysLost)?
                });
            }
            Err(error) => return Err(error.to_string()),
        };
        if seat.is_none() {
            return Ok(Identity {
                keys,
                ..self.observer(NodeRole::Candidate)?
            });
        }
        match ballot.standing(store).map_err(|error| error.to_string())? {
            Standing::Votes { wal } => Ok(Identity {
                keys,
                vote: Some(ballot),
                cosigner: Some(cosigner),
                part: NodeRole::Member,
                wal,
            }),
            // Whatever else a store may say: no vote.
            standing => {
                tracing::warn!(?standing, "no vote until the node has caught up");
                Ok(Identity {
                    keys,
                    ..self.observer(NodeRole::CatchingUp)?
                })
            }
        }
    }

    fn observer(&self, part: NodeRole) -> Result<Identity, String> {
        let keys = self.keyrings.first().ok_or("there are no keys")?;
        Ok(Identity {
            keys: keys.clone(),
            vote: None,
            cosigner: None,
            part,
            wal: self.shared.store.observer_wal_path(),
        })
    }

    /// Whether the ledger gives this node another part now.
    fn part_differs(
        &self,
        members: &MemberSet,
        part: NodeRole,
        running: PublicKeys,
    ) -> Result<bool, String> {
        let seat = self.seat(members);
        let keys = self.keys(seat);
        Ok(match part {
            NodeRole::Member if seat.is_none() => {
                tracing::error!(
                    "this node's member was REMOVED from the ledger: the node has no vote, and the \
                     others let it in no more; stop it, and destroy its keys"
                );
                true
            }
            NodeRole::Member | NodeRole::KeysLost => {
                seat.is_some() && keys.map(Keyring::public) != Some(running)
            }
            NodeRole::Candidate | NodeRole::KeysUnknown => seat.is_some() && keys.is_some(),
            NodeRole::CatchingUp => self.may_vote()?,
            NodeRole::Observer => false,
        })
    }

    /// Whether a node that waits for its store may vote now.
    fn may_vote(&self) -> Result<bool, String> {
        let members = self.shared.members.borrow().clone();
        let Some(keys) = self.keys(self.seat(&members)) else {
            return Ok(false);
        };
        let Some(voting) = &keys.member else {
            return Ok(false);
        };
        let store = &self.shared.store;
        if store.resync().is_some() {
            return Ok(false);
        }
        match Ballot::open(store, public(&voting.consensus).id(), false) {
            Ok(ballot) => {
                let standing = ballot.standing(store).map_err(|error| error.to_string())?;
                Ok(matches!(standing, Standing::Votes { .. }))
            }
            Err(KeyFileError::Io { reason, .. }) => Err(reason),
            // The store knows by now whether the key is new.
            Err(_) => Ok(true),
        }
    }

    fn own_cosigner(
        &self,
        members: &MemberSet,
        keys: &Keyring,
        file: Option<Cosigner>,
    ) -> Result<Option<Own>, String> {
        let (Some(file), Some(seat), Some(voting)) = (file, self.seat(members), &keys.member)
        else {
            return Ok(None);
        };
        let name = seat.cosigner_name(&self.shared.store.genesis().origin);
        let signer = CosignatureSigner::new(&name, voting.cosigner.clone());
        Ok(Some(Own {
            member: seat.member.id.clone(),
            signer: signer.map_err(|error| error.to_string())?,
            file,
        }))
    }

    async fn gossip(
        &self,
        key: &SigningKey,
        peers: credlog_gossip::Peers,
        ahead: &Arc<Notify>,
    ) -> Result<(Gossip, std::thread::JoinHandle<()>), String> {
        let ledger = self.shared.store.ledger_id();
        let listen = vec![self.configured.gossip.clone()];
        let config = credlog_gossip::Config::new(key.to_bytes(), ledger.0, listen);
        let (gossip, events) = Gossip::start(config, peers)
            .await
            .map_err(|error| format!("the gossip swarm does not start: {error}"))?;
        let ahead = Arc::clone(ahead);
        let relay = Relay::start(
            self.shared.clone(),
            Arc::clone(&self.admission),
            Handle::current(),
            Box::new(move || ahead.notify_one()),
            events,
        );
        let relay = relay.map_err(|error| format!("the relay does not start: {error}"))?;
        Ok((gossip, relay))
    }

    fn engine(
        &self,
        keys: &Keyring,
        votes: bool,
        wal: std::path::PathBuf,
    ) -> credlog_consensus::Config {
        let role = match &keys.member {
            Some(voting) if votes => credlog_consensus::Role::Validator {
                consensus: voting.consensus.clone(),
            },
            _ => credlog_consensus::Role::Observer,
        };
        let ms = Duration::from_millis;
        let times = &self.config.consensus;
        let timeouts = Timeouts {
            propose: ms(times.propose_timeout_ms),
            propose_delta: ms(times.propose_timeout_delta_ms),
            prevote: ms(times.vote_timeout_ms),
            prevote_delta: ms(times.vote_timeout_delta_ms),
            precommit: ms(times.vote_timeout_ms),
            precommit_delta: ms(times.vote_timeout_delta_ms),
            rebroadcast: ms(times.rebroadcast_timeout_ms),
            ..Timeouts::default()
        };
        let mut config = credlog_consensus::Config::new(
            self.shared.store.ledger_id(),
            keys.node.clone(),
            role,
            self.configured.listen.to_string(),
            wal,
        );
        config.timeouts = timeouts;
        config.target_time = (times.target_time_ms > 0).then(|| ms(times.target_time_ms));
        config.sync = SyncSettings {
            status_interval: ms(times.status_interval_ms),
            ..SyncSettings::default()
        };
        config.connections_per_ip_max = self.config.network.connections_per_ip_max as usize;
        config
    }

    fn tell(&self, part: NodeRole) {
        self.presence.send_modify(|presence| presence.role = part);
    }

    /// Says when too few members can be reached to decide anything.
    fn look_for_quorum(&mut self, consensus: &Consensus<Driven>, part: NodeRole) {
        let members = self.shared.members.borrow().clone();
        let connected = consensus.status().borrow().members().count();
        let present = connected + usize::from(part == NodeRole::Member);
        let quorum = members.quorum();
        match self.reach.note(present, quorum, Instant::now()) {
            Some(Change::Lost) => tracing::warn!(
                present,
                members = members.members().len(),
                quorum,
                "too few members can be reached: nothing is decided until a quorum is there again"
            ),
            Some(Change::Back) => tracing::info!(present, quorum, "a quorum can be reached again"),
            None => {}
        }
    }

    /// What can be seen of the network.
    fn observe(&self, consensus: &Consensus<Driven>, gossip: &Gossip) {
        let status = consensus.status().borrow().clone();
        let metrics = &self.shared.metrics;
        metrics.observe_engine(&status);
        metrics.observe_gossip(&gossip.metrics());
        let own = self.shared.cosigning.own_second();
        metrics.observe_cosignature(own, self.shared.cosigning.attested().as_ref(), now());
        self.presence.send_if_modified(|presence| {
            let mut next = presence.clone();
            next.peers = status
                .peers
                .iter()
                .map(|peer| peer.peer_id.clone())
                .collect();
            next.gossip_peers = gossip.connected().len();
            next.peers_tip = status.peers_tip;
            next.is_syncing = status.is_behind();
            let changed = *presence != next;
            if presence.is_syncing != next.is_syncing {
                tracing::info!(
                    height = status.tip.0,
                    peers_height = status.peers_tip.map_or(0, |tip| tip.0),
                    "{}",
                    if next.is_syncing {
                        "catching up with the peers"
                    } else {
                        "caught up"
                    }
                );
            }
            *presence = next;
            changed
        });
    }
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey::ed25519(key.verifying_key().as_bytes())
}

/// Whether a node in this role may leave a damaged store to its peers.
pub(crate) fn resyncs(config: &Config, configured: &Configured, founders: usize) -> bool {
    config.node.role == Role::Observer || founders > 1 || configured.has_peers()
}
