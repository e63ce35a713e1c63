//! A node from start to shutdown.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use credlog_ledger::genesis::{Genesis, GenesisError};
use credlog_ledger::ids::{LedgerId, MemberId};
use credlog_ledger::state::{State, ViewError};
use credlog_store::{OpenError, Options, Store, StoreError};
use credlog_tlog::NoteSigner;
use ed25519_dalek::SigningKey;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task;

use crate::admission::Admission;
use crate::application::Application;
use crate::config::{Config, ConfigError, NodeSection};
use crate::doubt::Doubt;
use crate::http;
use crate::machine::cores;
use crate::member_key::{self, KeyFileError, NODE_KEY_FILE};
use crate::mempool::Mempool;
use crate::metrics::Metrics;
use crate::producer::{Production, SoleProducer};
use crate::upkeep;
use crate::watchdog::Watchdog;

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
    /// The configured member is none of the ledger's.
    #[error("member.id is {member}, which is not a member of this ledger; members are {members}")]
    NotAMember {
        /// The configured member.
        member: MemberId,
        /// The members.
        members: String,
    },
    /// More members than this program can serve.
    #[error("this ledger has {count} members; this version of the node runs ledgers of one")]
    SeveralMembers {
        /// How many.
        count: usize,
    },
    /// The address is taken or not there.
    #[error("http.listen {address} cannot be used: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The committed state cannot be read.
    #[error(transparent)]
    State(#[from] ViewError),
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
    store: Arc<Store>,
    admission: Arc<Admission>,
    mempool: Arc<Mempool>,
    threads: Vec<JoinHandle<()>>,
    producer: JoinHandle<()>,
    production: watch::Receiver<Production>,
    watchdog: Arc<Watchdog>,
    shutdown_timeout: Duration,
    stop: watch::Sender<bool>,
    server: task::JoinHandle<()>,
    upkeep: task::JoinHandle<()>,
}

/// Runs a node until `shutdown` ends or it can make no more blocks; logs as configured.
///
/// # Errors
/// Every [`RunError`].
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    crate::log::install(&config.log);
    let node = Node::start(config).await?;
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
        config.check()?;
        let config = Arc::new(config);
        let opened = {
            let config = Arc::clone(&config);
            task::spawn_blocking(move || open(&config)).await
        };
        let (store, key) = opened.map_err(|error| StartError::Internal(error.to_string()))??;
        let address = config.http.listen;
        let listen_error = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        Self::assemble(&config, Arc::new(store), key, listener, address)
    }

    fn assemble(
        config: &Arc<Config>,
        store: Arc<Store>,
        key: SigningKey,
        listener: TcpListener,
        address: SocketAddr,
    ) -> Result<Self, StartError> {
        let internal = |error: String| StartError::Internal(error);
        let member = config
            .member
            .id
            .clone()
            .ok_or(ConfigError::Role("no observers yet"))?;
        let origin = store.genesis().origin.as_str().to_owned();
        let signer = NoteSigner::new(&origin, key).map_err(|error| internal(error.to_string()))?;
        let metrics = Metrics::new(member.as_str(), &origin);
        let metrics = Arc::new(metrics.map_err(|error| internal(error.to_string()))?);
        let head = store.snapshot().head().clone();
        metrics.observe_tip(head.height, head.tree_size(), head.time);
        let mempool = Arc::new(Mempool::new(&config.mempool));
        let doubt = Arc::new(Doubt::default());
        let (admission, threads) = Admission::start(
            verifier_threads(config),
            store.ledger_id(),
            Arc::clone(&store),
            Arc::clone(&mempool),
            Arc::clone(&metrics),
            Arc::clone(&doubt),
        )
        .map_err(|error| internal(error.to_string()))?;
        let (production, receiver) = watch::channel(Production::Running);
        let commit_timeout = Duration::from_secs(config.store.commit_timeout_seconds);
        let watchdog = Arc::new(Watchdog::new(commit_timeout));
        let producer = SoleProducer::start(
            Application::new(Arc::clone(&store), member.clone()),
            Arc::clone(&mempool),
            Arc::clone(&metrics),
            Arc::clone(&watchdog),
            Duration::from_millis(config.block.linger_ms),
            production.clone(),
        )
        .map_err(|error| internal(error.to_string()))?;
        let (stop, stopped) = watch::channel(false);
        let context = Arc::new(http::Context::new(
            config,
            Arc::clone(&store),
            Arc::clone(&admission),
            Arc::clone(&metrics),
            doubt,
            signer,
            receiver.clone(),
        ));
        let router = http::router(Arc::clone(&context));
        let server = {
            let (http, metrics) = (config.http.clone(), Arc::clone(&metrics));
            let stopped = stopped.clone();
            task::spawn(async move {
                http::listener::serve(listener, router, &http, metrics, stopped).await;
            })
        };
        let upkeep = task::spawn(upkeep::run(
            Arc::clone(config),
            context,
            Arc::clone(&mempool),
            Arc::clone(&watchdog),
            production,
            stopped,
        ));
        metrics.ready.set(1);
        tracing::info!(
            %address,
            %member,
            %origin,
            ledger = %store.ledger_id(),
            height = head.height.0,
            size = head.size,
            "the node is ready"
        );
        Ok(Self {
            address,
            store,
            admission,
            mempool,
            threads,
            producer,
            production: receiver,
            watchdog,
            shutdown_timeout: Duration::from_millis(config.http.shutdown_timeout_ms),
            stop,
            server,
            upkeep,
        })
    }

    /// Where the node serves HTTP.
    pub fn http_addr(&self) -> SocketAddr {
        self.address
    }

    /// The ledger's id.
    pub fn ledger_id(&self) -> LedgerId {
        self.store.ledger_id()
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

    /// Stops: takes no more connections and records, ends the requests under way, makes
    /// the blocks for what was taken, and returns when all of it is durable, or when a commit
    /// does not end.
    pub async fn shutdown(self) {
        tracing::info!("the node stops");
        self.stop.send_replace(true);
        let Self {
            admission,
            mempool,
            threads,
            producer,
            watchdog,
            ..
        } = self;
        let abandon = Arc::clone(&mempool);
        let mut drained = task::spawn_blocking(move || {
            admission.close();
            let mut panicked = threads.into_iter().filter_map(|thread| thread.join().err());
            mempool.close();
            producer.join().is_err() | panicked.next().is_some()
        });
        let in_time = async {
            match tokio::time::timeout(self.shutdown_timeout, &mut drained).await {
                Ok(drained) => drained,
                Err(_) => {
                    tracing::warn!("records are left that no block took in time");
                    abandon.abandon();
                    drained.await
                }
            }
        };
        let drained = tokio::select! {
            drained = in_time => drained,
            _ = watchdog.overdue() => {
                tracing::error!("a block is still being stored; that ends with the process");
                abandon.abandon();
                Ok(false)
            }
        };
        if !matches!(drained, Ok(false)) {
            tracing::error!("a thread of the node panicked");
        }
        for ended in [self.server.await, self.upkeep.await] {
            if let Err(error) = ended {
                tracing::error!(%error, "a task of the node failed");
            }
        }
        tracing::info!("the node has stopped");
    }
}

/// Opens the store, makes it at the first start, and checks that member and key are the
/// ledger's.
fn open(config: &Config) -> Result<(Store, SigningKey), StartError> {
    let key = member_key::load(&config.member)?;
    let options = Options {
        cache_bytes: config.store.cache_bytes,
        disk_reserve_bytes: config.store.disk_reserve_bytes,
        resync_from_peers: false,
    };
    let store = open_store(&config.node, &options)?;
    let members = State(&store.snapshot()).members()?;
    let id = config
        .member
        .id
        .as_ref()
        .ok_or(ConfigError::Role("no observers yet"))?;
    let Some(seat) = members.find(id) else {
        let ids = members.members().iter().map(|seat| seat.member.id.as_str());
        return Err(StartError::NotAMember {
            member: id.clone(),
            members: ids.collect::<Vec<_>>().join(", "),
        });
    };
    let registered = seat.member.keys.node.key.as_ed25519();
    if registered != Some(key.verifying_key().as_bytes()) {
        let path = config.member.keys_dir.join(NODE_KEY_FILE);
        let member = id.clone();
        return Err(KeyFileError::OtherKey { path, member }.into());
    }
    let count = members.members().len();
    if count > 1 {
        return Err(StartError::SeveralMembers { count });
    }
    Ok((store, key))
}

fn open_store(node: &NodeSection, options: &Options) -> Result<Store, StartError> {
    let genesis = node.genesis.as_deref().map(read_genesis).transpose()?;
    let store = match Store::open(&node.data_dir, options) {
        Err(OpenError::NotAStore { .. }) => {
            let data_dir = node.data_dir.clone();
            let (_, bytes, _) = genesis.as_ref().ok_or(StartError::NoGenesis { data_dir })?;
            tracing::info!(folder = %node.data_dir.display(), "first start: making the store");
            Store::create(&node.data_dir, bytes, options)?
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
