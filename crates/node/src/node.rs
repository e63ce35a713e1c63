//! A node from start to shutdown.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use credlog_ledger::genesis::{Genesis, GenesisError};
use credlog_ledger::ids::{LedgerId, MemberId};
use credlog_ledger::state::{State, ViewError};
use credlog_store::{FirstKeys, OpenError, Options, Store, StoreError};
use credlog_tlog::{Checkpoint, Hash, NoteSigner};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task;

use crate::admission::Admission;
use crate::attesting::Attesting;
use crate::config::{Config, ConfigError, Role};
use crate::cosigning::Cosigning;
use crate::doubt::Doubt;
use crate::fetching::Fetching;
use crate::http;
use crate::issuing::{Issuing, IssuingError};
use crate::key_use::{KeyUse, KeyUseError};
use crate::keys::{KeyFileError, Keyring};
use crate::machine::cores;
use crate::mempool::Mempool;
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::participation::{Between, EngineMetrics, Next, Participation, resyncs};
use crate::peers::Configured;
use crate::presence::Presence;
use crate::production::{Obstacles, Production};
use crate::reach::Reach;
use crate::shared::Shared;
use crate::tls::{Tls, TlsError};
use crate::upkeep;
use crate::watchdog::Watchdog;
use crate::webhooks::{self, Webhook, WebhookError};
use crate::witnesses::{self, Witness};

/// How often is looked whether everybody has an answer.
const DRAIN_INTERVAL: Duration = Duration::from_millis(20);

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The member's key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// Whether the keys were used before is not known.
    #[error(transparent)]
    KeyUse(#[from] KeyUseError),
    /// A webhook cannot be set up.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(Box<OpenError>),
    /// The store cannot be made.
    #[error(transparent)]
    Create(Box<StoreError>),
    /// There is no store, and no genesis file to make one from.
    #[error("{data_dir} holds no store: set node.genesis to the ledger's genesis file")]
    NoGenesis {
        /// Folder of the store.
        data_dir: PathBuf,
    },
    /// The genesis file cannot be read.
    #[error("the genesis file {path} cannot be read: {source}")]
    ReadGenesis {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The genesis file cannot found a ledger.
    #[error("{path}: {source}")]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<GenesisError>,
    },
    /// The store belongs to another ledger.
    #[error(
        "{path} founds ledger {expected}, but the store in {data_dir} is of ledger {found}; set \
         node.genesis or node.data_dir to the right one"
    )]
    OtherLedger {
        /// The genesis file.
        path: PathBuf,
        /// The ledger of the file.
        expected: LedgerId,
        /// Folder of the store.
        data_dir: PathBuf,
        /// The ledger of the store.
        found: LedgerId,
    },
    /// The address is taken or not there.
    #[error("http.listen {address} cannot be used: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// TLS cannot be served.
    #[error("http.tls: {0}")]
    Tls(#[from] TlsError),
    /// The committed state cannot be read.
    #[error(transparent)]
    State(#[from] ViewError),
    /// It cannot issue as it is configured.
    #[error(transparent)]
    Issuing(#[from] IssuingError),
    /// Something that never fails did.
    #[error("the node cannot start: {0}")]
    Internal(String),
}

impl From<OpenError> for StartError {
    fn from(error: OpenError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Create(Box::new(error))
    }
}

/// Why a running node ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It never ran.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It can make no more blocks. What was acknowledged is durable.
    #[error("the node stopped: {reason}")]
    Production {
        /// Why.
        reason: String,
    },
}

/// A running node.
pub struct Node {
    address: SocketAddr,
    shared: Shared,
    admission: Arc<Admission>,
    threads: Vec<JoinHandle<()>>,
    production: watch::Receiver<Production>,
    shutdown_timeout: Duration,
    stop: watch::Sender<bool>,
    stop_ledger: watch::Sender<bool>,
    server: task::JoinHandle<()>,
    upkeep: task::JoinHandle<()>,
    webhooks: task::JoinHandle<()>,
    witnesses: task::JoinHandle<()>,
    participation: task::JoinHandle<()>,
}

/// What is opened before a node starts.
struct Opened {
    store: Store,
    configured: Configured,
    keyrings: Vec<Keyring>,
    identity: http::Identity,
    tls: Option<Arc<Tls>>,
    webhooks: Vec<Webhook>,
    witnesses: Vec<Witness>,
}

/// Runs a node until `shutdown` ends or it can make no more blocks; logs as configured.
///
/// # Errors
/// Every [`RunError`].
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    run_with(config, Box::new(|ledger| ledger), shutdown).await
}

/// The same with something between the engine and the ledger: for tests of what the other
/// members stand.
///
/// # Errors
/// Every [`RunError`].
pub async fn run_with(
    config: Config,
    between: Between,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    crate::log::install(&config.log);
    let node = Node::start_with(config, between).await?;
    let reason = tokio::select! {
        () = shutdown => None,
        reason = node.failed() => Some(reason),
    };
    node.shutdown().await;
    match reason {
        None => Ok(()),
        Some(reason) => Err(RunError::Production { reason }),
    }
}

impl Node {
    /// Starts a node; when this returns it answers requests. Must be called inside of a
    /// Tokio runtime.
    ///
    /// # Errors
    /// Every [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, Box::new(|ledger| ledger)).await
    }

    /// The same with something between the engine and the ledger.
    ///
    /// # Errors
    /// Every [`StartError`].
    pub async fn start_with(config: Config, between: Between) -> Result<Self, StartError> {
        config.check()?;
        let config = Arc::new(config);
        let opened = {
            let config = Arc::clone(&config);
            task::spawn_blocking(move || open(&config)).await
        };
        let opened = opened.map_err(|error| StartError::Internal(error.to_string()))??;
        let address = config.http.listen;
        let listen_error = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        Self::assemble(&config, opened, listener, address, between)
    }

    fn assemble(
        config: &Arc<Config>,
        opened: Opened,
        listener: TcpListener,
        address: SocketAddr,
        between: Between,
    ) -> Result<Self, StartError> {
        let internal = |error: String| StartError::Internal(error);
        let Opened {
            store,
            configured,
            keyrings,
            identity,
            tls,
            webhooks,
            witnesses,
        } = opened;
        let shared = share(config, Arc::new(store))?;
        let doubt = Arc::new(Doubt::default());
        let admission = Admission::start(verifier_threads(config), &shared, Arc::clone(&doubt));
        let (admission, threads) = admission.map_err(|error| internal(error.to_string()))?;
        let (stop, stopped) = watch::channel(false);
        let (stop_ledger, ledger_stopped) = watch::channel(false);
        let (presence, seen) = watch::channel(Presence::default());
        let engine = EngineMetrics::default();
        let witnesses = task::spawn(witnesses::run(
            witnesses,
            identity.checkpoints.clone(),
            Duration::from_secs(config.cosign.interval_seconds),
            shared.clone(),
            stopped.clone(),
        ));
        let offers = offers(config, identity, shared.store.ledger_id())?;
        let context = Arc::new(http::Context::new(
            config,
            &shared,
            Arc::clone(&admission),
            doubt,
            offers,
            http::Watched {
                presence: seen,
                engine: engine.clone(),
                stopped: stopped.clone(),
            },
        ));
        let webhooks = task::spawn(webhooks::run(
            webhooks,
            shared.store.ledger_id(),
            context.feed(),
            Arc::clone(&shared.metrics),
            stopped.clone(),
        ));
        let router = http::router(Arc::clone(&context));
        let server = {
            let (http, metrics) = (config.http.clone(), Arc::clone(&shared.metrics));
            let (tls, stopped) = (tls.clone(), stopped.clone());
            task::spawn(async move {
                http::listener::serve(listener, tls, router, &http, metrics, stopped).await;
            })
        };
        let upkeep = task::spawn(upkeep::run(
            Arc::clone(config),
            context,
            shared.clone(),
            tls,
            stopped,
        ));
        let participation = Participation {
            config: Arc::clone(config),
            configured,
            shared: shared.clone(),
            admission: Arc::clone(&admission),
            keyrings,
            presence,
            engine,
            between,
            next: Next::default(),
            next_tried: Instant::now(),
            reach: Reach::default(),
        };
        let participation = task::spawn(participation.run(ledger_stopped));
        let head = shared.store.snapshot().head().clone();
        tracing::info!(
            %address,
            member = config.member.id.as_ref().map_or("none", |id| id.as_str()),
            origin = %shared.store.genesis().origin,
            ledger = %shared.store.ledger_id(),
            height = head.height.0,
            size = head.size,
            "the node is ready"
        );
        Ok(Self {
            address,
            production: shared.obstacles.subscribe(),
            shared,
            admission,
            threads,
            shutdown_timeout: Duration::from_millis(config.http.shutdown_timeout_ms),
            stop,
            stop_ledger,
            server,
            upkeep,
            webhooks,
            witnesses,
            participation,
        })
    }

    /// Where the node serves HTTP.
    pub fn http_addr(&self) -> SocketAddr {
        self.address
    }

    /// The ledger's id.
    pub fn ledger_id(&self) -> LedgerId {
        self.shared.store.ledger_id()
    }

    /// Waits until the node can make no more blocks, and answers why.
    pub async fn failed(&self) -> String {
        let mut production = self.production.clone();
        let failed = production.wait_for(|end| matches!(end, Production::Failed(_)));
        let reason = match failed.await.as_deref() {
            Ok(Production::Failed(reason)) => Some(reason.clone()),
            _ => None,
        };
        match reason {
            Some(reason) => reason,
            // The producer ended in an orderly way: there is nothing left that could fail.
            None => std::future::pending().await,
        }
    }

    /// Stops: takes no more connections and records, ends the requests under way, waits for the
    /// blocks of what was taken, and returns when all of it is durable, or when a commit does
    /// not end.
    pub async fn shutdown(self) {
        tracing::info!("the node stops");
        self.stop.send_replace(true);
        let Self {
            admission,
            shared,
            threads,
            stop_ledger,
            participation,
            server,
            upkeep,
            webhooks,
            witnesses,
            ..
        } = self;
        let panicked = task::spawn_blocking(move || {
            admission.close();
            threads.into_iter().any(|thread| thread.join().is_err())
        });
        if !matches!(panicked.await, Ok(false)) {
            tracing::error!("a thread of the node panicked");
        }
        shared.mempool.close();
        if tokio::time::timeout(self.shutdown_timeout, drained(&shared))
            .await
            .is_err()
        {
            tracing::warn!("records are left that no block took in time");
        }
        stop_ledger.send_replace(true);
        tokio::select! {
            ended = participation => report(ended),
            _ = shared.watchdog.overdue() => {
                tracing::error!("a block is still being stored; that ends with the process");
                shared.mempool.abandon();
                shared.attesting.abandon();
            }
        }
        report(server.await);
        report(upkeep.await);
        report(webhooks.await);
        report(witnesses.await);
        tracing::info!("the node has stopped");
    }
}

/// Ends when nobody waits for a record any more, or when no block can come.
async fn drained(shared: &Shared) {
    while !shared.mempool.is_drained() || !shared.attesting.is_empty() {
        if matches!(
            shared.obstacles.seen(),
            Production::Failed(_) | Production::Stopped
        ) {
            return;
        }
        tokio::time::sleep(DRAIN_INTERVAL).await;
    }
}

fn report(ended: Result<(), task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a task of the node failed");
    }
}

/// With what the node serves besides its ledger.
fn offers(
    config: &Config,
    identity: http::Identity,
    ledger: LedgerId,
) -> Result<http::Offers, StartError> {
    let fetching = Fetching::new(&config.fetch);
    let issuer = config.issuer.as_ref();
    let open = |section| Issuing::open(section, ledger, &config.node.data_dir);
    Ok(http::Offers {
        identity,
        fetching: fetching.map_err(|error| StartError::Internal(error.to_string()))?,
        issuing: issuer.map(open).transpose()?,
    })
}

/// What the parts of a node have in common.
fn share(config: &Config, store: Arc<Store>) -> Result<Shared, StartError> {
    let internal = |error: String| StartError::Internal(error);
    let origin = store.genesis().origin.clone();
    let member = config.member.id.as_ref().map_or("", |id| id.as_str());
    let metrics = Metrics::new(member, origin.as_str());
    let metrics = Arc::new(metrics.map_err(|error| internal(error.to_string()))?);
    let attesting = Arc::new(Attesting::default());
    let (height, members, cosigning) = {
        let snapshot = store.snapshot();
        let head = snapshot.head();
        metrics.observe_tip(head.height, head.tree_size(), head.time);
        let members = State(&snapshot).members()?;
        let checkpoint = Checkpoint::new(origin.as_str(), head.tree_size(), Hash(head.root.0));
        let checkpoint = checkpoint.map_err(|error| internal(error.to_string()))?;
        let undecided = store.undecided(head.height.next());
        let undecided = undecided.map_err(|error| internal(error.to_string()))?;
        let promised = (!undecided.is_empty()).then_some(head.height.next());
        let tip = (head.height, checkpoint, members.clone());
        let cosigning = Cosigning::new(
            origin,
            Arc::clone(&attesting),
            Arc::clone(&metrics),
            tip,
            promised,
        );
        if let Some(known) = snapshot.cosignatures(head.size)? {
            cosigning.restore(&known.lines);
        }
        (head.height, members, cosigning)
    };
    let commit_timeout = Duration::from_secs(config.store.commit_timeout_seconds);
    Ok(Shared {
        mempool: Arc::new(Mempool::new(&config.mempool)),
        attesting,
        cosigning: Arc::new(cosigning),
        watchdog: Arc::new(Watchdog::new(commit_timeout)),
        obstacles: Obstacles::new(Arc::clone(&store), Arc::clone(&metrics)),
        outbox: Outbox::default(),
        members: watch::Sender::new(Arc::new(members)),
        heads: watch::Sender::new(height),
        linger: Duration::from_millis(config.block.linger_ms),
        metrics,
        store,
    })
}

/// Loads the keys, opens the store, which is made at the first start, and checks that the keys
/// are the ledger's.
fn open(config: &Config) -> Result<Opened, StartError> {
    let configured = Configured::of(&config.network)?;
    let tls = config.http.tls.as_ref().map(Tls::load).transpose()?;
    let keys = Keyring::load(&config.member, config.node.role)?;
    let next = match config.node.role {
        Role::Member => Keyring::load_next(&config.member)?,
        Role::Observer => None,
    };
    let store = open_store(config, &configured, &keys)?;
    let signer = NoteSigner::new(store.genesis().origin.as_str(), keys.node.clone());
    let identity = http::Identity {
        checkpoints: signer.map_err(|error| StartError::Internal(error.to_string()))?,
        node: keys.node.clone(),
    };
    let keyrings: Vec<_> = [keys].into_iter().chain(next).collect();
    if let Some(id) = &config.member.id {
        check_keys(config, &store, id, &keyrings)?;
    }
    let size = store.snapshot().head().size;
    let webhooks = config.webhook.iter();
    let webhooks = webhooks.map(|webhook| Webhook::open(webhook, &config.node.data_dir, size));
    let webhooks = webhooks.collect::<Result<_, _>>()?;
    let witnesses = config.witness.iter().map(Witness::open);
    let witnesses = witnesses.collect::<Result<_, _>>()?;
    Ok(Opened {
        store,
        configured,
        keyrings,
        identity,
        tls: tls.map(Arc::new),
        webhooks,
        witnesses,
    })
}

/// The keys have to be the member's, as far as this store knows the ledger.
fn check_keys(
    config: &Config,
    store: &Store,
    id: &MemberId,
    keyrings: &[Keyring],
) -> Result<(), StartError> {
    let members = State(&store.snapshot()).members()?;
    let Some(seat) = members.find(id) else {
        let ids = members.members().iter().map(|seat| seat.member.id.as_str());
        tracing::warn!(
            member = %id,
            members = ids.collect::<Vec<_>>().join(", "),
            "this member is not in force, as far as this store knows: the node follows without \
             a vote until it is"
        );
        return Ok(());
    };
    if keyrings.iter().any(|keys| keys.is_of(seat)) {
        return Ok(());
    }
    // A node that was away may have keys that the ledger learnt meanwhile, from the others.
    let mut candidates = keyrings.iter().filter(|_| members.members().len() > 1);
    let snapshot = store.snapshot();
    if candidates.try_fold(false, |found, keys| {
        Ok::<_, ViewError>(found || keys.is_unknown_to(&State(&snapshot))?)
    })? {
        return Ok(());
    }
    let file = keyrings.first().and_then(|keys| keys.stranger(seat));
    Err(KeyFileError::OtherKey {
        path: config.member.keys_dir.join(file.unwrap_or_default()),
        member: id.clone(),
    }
    .into())
}

fn open_store(
    config: &Config,
    configured: &Configured,
    keys: &Keyring,
) -> Result<Store, StartError> {
    let node = &config.node;
    let genesis = node.genesis.as_deref().map(read_genesis).transpose()?;
    let founders = match &genesis {
        Some((_, bytes, _)) => Genesis::parse(bytes).map_or(0, |genesis| genesis.members.len()),
        None => Store::genesis_in(&node.data_dir).map_or(0, |genesis| genesis.members.len()),
    };
    let options = Options {
        cache_bytes: config.store.cache_bytes,
        disk_reserve_bytes: config.store.disk_reserve_bytes,
        resync_from_peers: resyncs(config, configured, founders),
    };
    let store = match Store::open(&node.data_dir, &options) {
        Err(OpenError::NotAStore { .. }) => {
            let data_dir = node.data_dir.clone();
            let (_, bytes, ledger) = genesis.as_ref().ok_or(StartError::NoGenesis { data_dir })?;
            tracing::info!(folder = %node.data_dir.display(), "first start: making the store");
            let first = unused_keys(config, *ledger, keys)?;
            Store::create_for(&node.data_dir, bytes, &options, first.as_ref())?
        }
        opened => opened?,
    };
    match genesis {
        Some((path, _, expected)) if expected != store.ledger_id() => {
            Err(StartError::OtherLedger {
                path,
                expected,
                data_dir: node.data_dir.clone(),
                found: store.ledger_id(),
            })
        }
        _ => Ok(store),
    }
}

/// The keys that the first store of a node may keep files of. Not those that had a store before:
/// what they signed is lost with it.
fn unused_keys(
    config: &Config,
    ledger: LedgerId,
    keys: &Keyring,
) -> Result<Option<FirstKeys>, StartError> {
    let Some(first) = keys.first_keys() else {
        return Ok(None);
    };
    let is_used = KeyUse::of(&config.member, ledger).knows(&first)?;
    if is_used {
        tracing::error!(
            data_dir = %config.node.data_dir.display(),
            "the keys have had a data folder before, and this one is empty: if its disk is not \
             mounted, stop and mount it; if it is lost, see docs/operate.md, \"A lost key\""
        );
    }
    Ok((!is_used).then_some(first))
}

/// Path, bytes and ledger id of a genesis file.
fn read_genesis(path: &std::path::Path) -> Result<(PathBuf, Vec<u8>, LedgerId), StartError> {
    let path = path.to_owned();
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(source) => return Err(StartError::ReadGenesis { path, source }),
    };
    match Genesis::parse(&bytes).and_then(|genesis| genesis.ledger_id()) {
        Ok(id) => Ok((path, bytes, id)),
        Err(source) => Err(StartError::Genesis {
            path,
            source: Box::new(source),
        }),
    }
}

fn verifier_threads(config: &Config) -> usize {
    match config.mempool.verifier_threads {
        0 => cores().div_ceil(2),
        threads => threads as usize,
    }
}
