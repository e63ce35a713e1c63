//! The libp2p swarm: transports, behaviours, and their settings.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use libp2p::allow_block_list::{self, AllowedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::gossipsub::{
    self, IdentTopic, IdentityTransform, MaxCountSubscriptionFilter, MessageAuthenticity,
    MessageId, PeerScoreParams, PeerScoreThresholds, TopicHash, TopicScoreParams, ValidationMode,
    WhitelistSubscriptionFilter,
};
use libp2p::identity::Keypair;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{
    PeerId, StreamProtocol, Swarm, SwarmBuilder, Transport, noise, ping, quic, tcp, yamux,
};

use crate::config::{Config, Limits};
use crate::gate::Gate;
use crate::handle::StartError;
use crate::metrics::Counters;
use crate::missed::Codec;
use crate::throttle::Throttled;
use crate::wire::{Kind, MESSAGE_BYTES_MAX};

/// A handshake takes no longer.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// A request, with its answer, takes no longer.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests at once on one connection, both ways.
const REQUEST_STREAMS_MAX: usize = 8;
/// Streams on one connection.
const STREAMS_MAX: u16 = 64;
const PING_INTERVAL: Duration = Duration::from_secs(2);
const PING_TIMEOUT: Duration = Duration::from_secs(4);
const CONNECTIONS_PER_PEER_MAX: u32 = 2;
/// Gossip messages that wait for one peer; half of them are the node's own.
const PEER_QUEUE_MESSAGES_MAX: usize = 128;
/// What a signature, key, topic and their framing add to a message, rounded up.
const ENVELOPE_BYTES_MAX: usize = 1_024;
/// A peer whose score is lower is not heard.
pub(crate) const GRAYLIST_SCORE: f64 = -100.0;
/// One invalid batch costs the square of their number times this.
const INVALID_WEIGHT: f64 = -20.0;
/// Blame fades in this time.
const BLAME_FADES: Duration = Duration::from_secs(600);

type Gossipsub = gossipsub::Behaviour<
    IdentityTransform,
    MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>,
>;

/// The behaviours. A connection is put to them in this order.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) allowed: allow_block_list::Behaviour<AllowedPeers>,
    limits: connection_limits::Behaviour,
    pub(crate) gossip: Gossipsub,
    pub(crate) missed: request_response::Behaviour<Codec>,
    ping: ping::Behaviour,
    // Last: what it lets in is allowed by all others.
    gate: Gate,
}

/// The topics of one ledger.
#[derive(Debug, Clone)]
pub(crate) struct Topics {
    pub(crate) records: TopicHash,
    pub(crate) cosignatures: TopicHash,
}

impl Topics {
    fn new(ledger: &[u8; 32]) -> (Self, [IdentTopic; 2]) {
        let ledger = hex::encode(ledger);
        let topic = |name| IdentTopic::new(format!("credlog/1/{ledger}/{name}"));
        let both = [topic("records"), topic("cosignatures")];
        (
            Self {
                records: both[0].hash(),
                cosignatures: both[1].hash(),
            },
            both,
        )
    }

    pub(crate) fn of(&self, kind: Kind) -> &TopicHash {
        match kind {
            Kind::Records => &self.records,
            Kind::Cosignatures => &self.cosignatures,
        }
    }

    pub(crate) fn kind(&self, topic: &TopicHash) -> Option<Kind> {
        if *topic == self.records {
            Some(Kind::Records)
        } else {
            (*topic == self.cosignatures).then_some(Kind::Cosignatures)
        }
    }
}

/// Builds the swarm. It does not listen yet and allows nobody.
pub(crate) fn build(
    config: &Config,
    keypair: Keypair,
    counters: &Arc<Counters>,
) -> Result<(Swarm<Behaviour>, Topics), StartError> {
    let (topics, names) = Topics::new(&config.ledger);
    let behaviour = Behaviour {
        allowed: allow_block_list::Behaviour::default(),
        limits: connection_limits::Behaviour::new(connection_limits(&config.limits)),
        gossip: gossip(&keypair, &topics, &names)?,
        missed: missed(&config.ledger)?,
        ping: ping::Behaviour::new(
            ping::Config::new()
                .with_interval(PING_INTERVAL)
                .with_timeout(PING_TIMEOUT),
        ),
        gate: Gate::new(&config.limits, Arc::clone(counters)),
    };
    // A node of another ledger fails in the first handshake over TCP; over QUIC it finds no
    // protocol in common.
    let prologue = [b"credlog/gossip/1\n".as_slice(), &config.ledger].concat();
    let with_ledger = move |key: &Keypair| -> Result<noise::Config, noise::Error> {
        Ok(noise::Config::new(key)?.with_prologue(prologue))
    };
    let limits = config.limits.clone();
    let swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            with_ledger,
            multiplexer,
        )
        .map_err(|error| StartError::Transport {
            reason: error.to_string(),
        })?
        .with_other_transport(|key| datagrams(key, &limits))
        .map_err(|error| StartError::Transport {
            reason: error.to_string(),
        })?
        .with_dns()
        .map_err(|error| StartError::Resolver {
            reason: error.to_string(),
        })?
        .with_behaviour(|_| behaviour)
        .map_err(|error| StartError::Transport {
            reason: error.to_string(),
        })?
        .with_swarm_config(|swarm| {
            // Connections are kept: members stay connected to each other.
            swarm.with_idle_connection_timeout(Duration::from_secs(24 * 3_600))
        })
        .with_connection_timeout(HANDSHAKE_TIMEOUT)
        .build();
    Ok((swarm, topics))
}

fn multiplexer() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(usize::from(STREAMS_MAX));
    config
}

fn datagrams(
    key: &Keypair,
    limits: &Limits,
) -> Throttled<
    impl Transport<
        Output = (PeerId, StreamMuxerBox),
        Error: Send + Sync + 'static,
        Dial: Send,
        ListenerUpgrade: Send,
    >
    + Unpin
    + Send
    + 'static
    + use<>,
> {
    let mut config = quic::Config::new(key);
    config.handshake_timeout = HANDSHAKE_TIMEOUT;
    config.max_concurrent_stream_limit = u32::from(STREAMS_MAX);
    config.max_stream_data = 2 << 20;
    config.max_connection_data = 4 << 20;
    let transport = quic::tokio::Transport::new(config)
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));
    Throttled::new(transport, Gate::all_sources(limits))
}

fn connection_limits(limits: &Limits) -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.pending_incoming_max))
        .with_max_established(Some(limits.connections_max))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
}

fn missed(ledger: &[u8; 32]) -> Result<request_response::Behaviour<Codec>, StartError> {
    let name = format!("/credlog/{}/missed/1", hex::encode(ledger));
    let protocol = StreamProtocol::try_from_owned(name).map_err(|error| StartError::Transport {
        reason: error.to_string(),
    })?;
    let config = request_response::Config::default()
        .with_request_timeout(REQUEST_TIMEOUT)
        .with_max_concurrent_streams(REQUEST_STREAMS_MAX);
    let protocols = [(protocol, ProtocolSupport::Full)];
    Ok(request_response::Behaviour::with_codec(
        Codec, protocols, config,
    ))
}

fn gossip(
    keypair: &Keypair,
    topics: &Topics,
    names: &[IdentTopic; 2],
) -> Result<Gossipsub, StartError> {
    let failed = |reason: String| StartError::Transport { reason };
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Strict)
        .validate_messages()
        .message_id_fn(|message| message_id(&message.topic, &message.data))
        .max_transmit_size(MESSAGE_BYTES_MAX + ENVELOPE_BYTES_MAX)
        .heartbeat_initial_delay(Duration::from_secs(1))
        .flood_publish(true)
        .connection_handler_queue_len(PEER_QUEUE_MESSAGES_MAX)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let filter = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(names.iter().map(IdentTopic::hash).collect()),
        max_subscribed_topics: names.len(),
        max_subscriptions_per_request: 2 * names.len(),
    };
    let mut gossip = Gossipsub::new_with_subscription_filter(
        MessageAuthenticity::Signed(keypair.clone()),
        config,
        filter,
    )
    .map_err(|error| failed(error.to_owned()))?;
    gossip
        .with_peer_score(scores(topics), thresholds())
        .map_err(failed)?;
    for name in names {
        gossip
            .subscribe(name)
            .map_err(|error| failed(format!("{error:?}")))?;
    }
    Ok(gossip)
}

/// Two messages are the same when their topic and batch are, whoever signed the envelope.
fn message_id(topic: &TopicHash, batch: &[u8]) -> MessageId {
    let mut hasher = blake3::Hasher::new_derive_key("credlog gossip message v1");
    hasher.update(topic.as_str().as_bytes());
    hasher.update(b"\n");
    hasher.update(batch);
    MessageId::new(hasher.finalize().as_bytes())
}

/// A peer begins at zero and can only lose: an idle ledger has nothing to be praised for, a
/// slow peer is not a bad one, and many nodes may share an address.
fn scores(topics: &Topics) -> PeerScoreParams {
    let topic = TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.0,
        first_message_deliveries_weight: 0.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: INVALID_WEIGHT,
        invalid_message_deliveries_decay: gossipsub::score_parameter_decay(BLAME_FADES),
        ..TopicScoreParams::default()
    };
    let topics = [&topics.records, &topics.cosignatures];
    PeerScoreParams {
        topics: topics
            .map(|name| (name.clone(), topic.clone()))
            .into_iter()
            .collect::<HashMap<_, _>>(),
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: 0.0,
        // Promises broken under load are no malice; many of them are.
        behaviour_penalty_weight: -1.0,
        behaviour_penalty_threshold: 10.0,
        slow_peer_weight: 0.0,
        ..PeerScoreParams::default()
    }
}

fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: -10.0,
        publish_threshold: -50.0,
        graylist_threshold: GRAYLIST_SCORE,
        ..PeerScoreThresholds::default()
    }
}

/// Listens at one address.
pub(crate) fn listen(
    swarm: &mut Swarm<Behaviour>,
    address: &crate::Address,
) -> Result<libp2p::core::transport::ListenerId, StartError> {
    let failed = |reason: String| StartError::Listen {
        address: address.clone(),
        reason,
    };
    // The library's TCP listeners share a port with whoever has it already.
    if let Some(socket) = address.tcp_socket().filter(|socket| socket.port() != 0) {
        std::net::TcpListener::bind(socket).map_err(|error| failed(error.to_string()))?;
    }
    swarm
        .listen_on(address.location().clone())
        .map_err(|error| match error {
            libp2p::TransportError::MultiaddrNotSupported(_) => {
                failed("only IP addresses can be listened at".to_owned())
            }
            libp2p::TransportError::Other(error) => failed(cause(&error)),
        })
}

/// The innermost error, which names the reason.
fn cause(error: &io::Error) -> String {
    let mut text = error.to_string();
    let mut source: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    text
}
