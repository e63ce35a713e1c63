//! The engine's actors: started from a configuration, stopped in order.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_malachitebft_app_channel::app::types::Keypair;
use arc_malachitebft_app_channel::app::types::codec::Codec as _;
use arc_malachitebft_app_channel::{
    Channels, ConsensusContext, EngineBuilder, NetworkContext, NetworkIdentity, RequestContext,
    SyncContext, WalContext,
};
use arc_malachitebft_engine as actors;
use fs2::FileExt as _;

use actors::consensus::{ConsensusMsg, ConsensusRef};
use actors::host::HostMsg;
use actors::network::NetworkMsg;
use actors::node::NodeRef;
use actors::sync::SyncMsg;
use actors::wal::Msg as WalMsg;

use crate::codec::Wire;
use crate::config::{Config, ConfigError, Role};
use crate::context::{Address, Ledger};
use crate::network::{EngineConfig, peer_id};
use crate::observed::Observed;
use crate::prevotes::Prevotes;
use crate::signing::{Signer, Verifier};

/// How long an actor may take to stop, before it is ended.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);
/// Requests to the engine that may wait.
const REQUESTS_MAX: usize = 100;

/// A running engine.
pub(crate) struct Engine {
    pub(crate) channels: Channels<Ledger>,
    pub(crate) consensus: ConsensusRef<Ledger>,
    pub(crate) supervisor: Supervisor,
}

/// The actor over all others.
#[derive(Clone)]
pub(crate) struct Supervisor(NodeRef);

/// Who signs for this node, if it may vote.
pub(crate) fn signer(config: &Config, prevotes: &Arc<Prevotes>) -> Option<Signer> {
    let Role::Validator { consensus } = &config.role else {
        return None;
    };
    Some(Signer {
        ledger: config.ledger,
        key: consensus.clone(),
        prevotes: Arc::clone(prevotes),
    })
}

impl Engine {
    /// Starts every actor.
    pub(crate) async fn start(
        config: &Config,
        moniker: String,
        prevotes: &Arc<Prevotes>,
        observed: &Arc<Observed>,
    ) -> Result<Self, ConfigError> {
        check_unused(&config.wal_path)?;
        let engine_config = EngineConfig::of(config, moniker.clone())?;
        let wire = Wire {
            observed: Arc::clone(observed),
        };
        let verifier = Box::new(Verifier {
            ledger: config.ledger,
            prevotes: Arc::clone(prevotes),
        });
        let signer = signer(config, prevotes);
        let identity = identity(config, moniker, signer.as_ref(), &wire)?;
        let consensus = match signer {
            Some(signer) => {
                let address = Address::Key(signer.key.verifying_key().to_bytes());
                ConsensusContext::new_validator(address, verifier, Box::new(signer))
            }
            // No consensus key is a node key, so this is nobody's address.
            None => {
                let address = Address::Key(config.node_key.verifying_key().to_bytes());
                ConsensusContext::new_full_node(address, verifier)
            }
        };
        let built = EngineBuilder::new(Ledger, engine_config)
            .with_default_wal(WalContext::new(config.wal_path.clone(), wire.clone()))
            .with_default_network(NetworkContext::new(identity, wire.clone()))
            .with_default_sync(SyncContext::new(wire))
            .with_default_consensus(consensus)
            .with_default_request(RequestContext::new(REQUESTS_MAX))
            .build()
            .await;
        let (channels, handle) = built.map_err(engine_error)?;
        let supervisor = Supervisor(handle.actor);
        let Some(consensus) = supervisor.consensus() else {
            supervisor.stop().await;
            return Err(engine_error("it has no consensus actor"));
        };
        Ok(Self {
            channels,
            consensus,
            supervisor,
        })
    }
}

#[allow(clippy::needless_pass_by_value)] // as map_err gives it
fn engine_error(error: impl ToString) -> ConfigError {
    ConfigError::Engine {
        reason: error.to_string(),
    }
}

fn identity(
    config: &Config,
    moniker: String,
    signer: Option<&Signer>,
    wire: &Wire,
) -> Result<NetworkIdentity, ConfigError> {
    let keypair = Keypair::ed25519_from_bytes(config.node_key.to_bytes()).map_err(engine_error)?;
    let Some(signer) = signer else {
        return Ok(NetworkIdentity::new(moniker, keypair, None));
    };
    let node_key = config.node_key.verifying_key().to_bytes();
    let proof = signer.validator_proof(peer_id(&node_key)?.to_bytes());
    let proof = wire.encode(&proof).map_err(engine_error)?;
    let address = Address::Key(signer.key.verifying_key().to_bytes()).to_string();
    Ok(NetworkIdentity::new_validator(
        moniker, keypair, address, proof,
    ))
}

/// The engine locks its log; two engines with one consensus key would contradict each other.
fn check_unused(wal: &Path) -> Result<(), ConfigError> {
    let error = |reason: String| ConfigError::Wal {
        path: wal.to_path_buf(),
        reason,
    };
    match is_locked(wal) {
        Ok(false) => Ok(()),
        Ok(true) => Err(error(
            "another engine has it open; stop that one first".into(),
        )),
        Err(bad) => Err(error(bad.to_string())),
    }
}

fn is_locked(wal: &Path) -> std::io::Result<bool> {
    if !wal.exists() {
        return Ok(false);
    }
    let file = OpenOptions::new().read(true).write(true).open(wal)?;
    match file.try_lock_exclusive() {
        Ok(()) => fs2::FileExt::unlock(&file).map(|()| false),
        Err(error) if error.kind() == fs2::lock_contended_error().kind() => Ok(true),
        Err(error) => Err(error),
    }
}

/// Waits until the engine's thread that writes the log has closed it.
pub(crate) async fn wait_unlocked(wal: &Path) {
    for _ in 0..100 {
        if !is_locked(wal).unwrap_or(false) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tracing::warn!("the write-ahead log {} is still open", wal.display());
}

impl Supervisor {
    /// The engine hands out no way to tell it of a value by itself; its actor takes that.
    fn consensus(&self) -> Option<ConsensusRef<Ledger>> {
        let mut children = self.0.get_cell().get_children().into_iter();
        let is_consensus = Some(true);
        let found = children
            .find(|child| child.is_message_type_of::<ConsensusMsg<Ledger>>() == is_consensus);
        found.map(ConsensusRef::from)
    }

    /// Stops the actors: first who votes, then who fetches, then the network, the log and the
    /// way to the driver, which must answer until this returns. Without order, the supervisor
    /// would end the others while they still close.
    pub(crate) async fn stop(&self) {
        let supervisor = self.0.get_cell();
        let mut children = supervisor.get_children();
        for child in &children {
            child.unlink(supervisor.clone());
        }
        children.sort_by_key(|child| {
            let is = |of: Option<bool>| of == Some(true);
            if is(child.is_message_type_of::<ConsensusMsg<Ledger>>()) {
                0
            } else if is(child.is_message_type_of::<SyncMsg<Ledger>>()) {
                1
            } else if is(child.is_message_type_of::<NetworkMsg<Ledger>>()) {
                2
            } else if is(child.is_message_type_of::<WalMsg<Ledger>>()) {
                3
            } else if is(child.is_message_type_of::<HostMsg<Ledger>>()) {
                4
            } else {
                5
            }
        });
        for actor in children.into_iter().chain([supervisor]) {
            let stopped = actor
                .stop_and_wait(Some("stop".into()), Some(STOP_TIME_MAX))
                .await;
            if stopped.is_err() {
                tracing::warn!("an actor of the consensus engine did not stop and is ended");
                actor.kill();
            }
        }
    }
}
