//! Configuration: one TOML file, read once at start.
//!
//! The types here are the only place where a default is written; node-config/ documents
//! them and a test compares the two. Unknown settings are refused: a misspelt limit must
//! not silently be no limit. Units stand last in a name. Relative paths are relative to
//! the folder of the file.

mod address;
mod defaults;
mod service;
mod webhook;
mod witness;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use credlog_api::submission::{RECORDS_BYTES_MAX, RECORDS_MAX};
use credlog_api::verification::VERIFY_BYTES_MAX;
use credlog_ledger::ids::MemberId;
use serde::{Deserialize, Serialize};

pub use address::{AddressRange, InvalidRange};
pub use service::{AllowedUrl, FetchSection, InvalidAllowedUrl, IssuerSection};
pub use webhook::WebhookSection;
pub use witness::WitnessSection;

/// Longest configuration file in bytes.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Most webhooks of a node.
pub const WEBHOOKS_MAX: usize = 64;

/// Most outside witnesses of a node.
pub const WITNESSES_MAX: usize = 16;

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration {path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is too long.
    #[error("the configuration {path} has {bytes} bytes; at most {CONFIG_BYTES_MAX} are allowed")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// Not TOML, an unknown setting, or a value of the wrong type.
    #[error("the configuration is not valid: {0}")]
    Toml(String),
    /// Not what the role asks for.
    #[error("{0}")]
    Role(&'static str),
    /// Requests of a proxy come from its machine, whoever sent them.
    #[error(
        "issuer.loopback_without_token and http.trusted_proxies are both set: whoever comes \
         through a proxy on this machine could issue; take one of them out"
    )]
    Open,
    /// A webhook that cannot be.
    #[error("webhook {name:?}: {reason}")]
    Webhook {
        /// Its name.
        name: String,
        /// What is wrong, and what is right.
        reason: String,
    },
    /// An outside witness that cannot be.
    #[error("witness {name:?}: {reason}")]
    Witness {
        /// Its name.
        name: String,
        /// What is wrong, and what is right.
        reason: String,
    },
    /// Not a multiaddr or peer id of the kind that is needed.
    #[error("{setting} is {value}: {reason}")]
    Address {
        /// Section and name.
        setting: &'static str,
        /// The value given.
        value: String,
        /// What is wrong, and what is right.
        reason: String,
    },
    /// A value outside its range.
    #[error("{setting} is {value}; {min} to {max} are allowed")]
    OutOfRange {
        /// Section and name.
        setting: &'static str,
        /// The value given.
        value: u64,
        /// Least value allowed.
        min: u64,
        /// Greatest value allowed.
        max: u64,
    },
}

/// The configuration of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the node keeps its data.
    #[serde(default)]
    pub node: NodeSection,
    /// Whose node this is.
    pub member: MemberSection,
    /// The HTTP server.
    #[serde(default)]
    pub http: HttpSection,
    /// Requests a second and address.
    #[serde(default)]
    pub rate_limit: RateLimitSection,
    /// Records waiting for a block.
    #[serde(default)]
    pub mempool: MempoolSection,
    /// The making of blocks.
    #[serde(default)]
    pub block: BlockSection,
    /// Checking of credentials.
    #[serde(default)]
    pub verify: VerifySection,
    /// What may be fetched for a check.
    #[serde(default)]
    pub fetch: FetchSection,
    /// In whose name the node issues; it does not without this section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IssuerSection>,
    /// The store.
    #[serde(default)]
    pub store: StoreSection,
    /// How the node reaches the others.
    #[serde(default)]
    pub network: NetworkSection,
    /// Times of the consensus engine.
    #[serde(default)]
    pub consensus: ConsensusSection,
    /// Cosigning of checkpoints.
    #[serde(default)]
    pub cosign: CosignSection,
    /// Logging.
    #[serde(default)]
    pub log: LogSection,
    /// Where events are posted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhook: Vec<WebhookSection>,
    /// Outside witnesses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witness: Vec<WitnessSection>,
}

/// What a node is to its ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The node of a member: it votes, proposes and cosigns while the member is in force.
    #[default]
    Member,
    /// A full copy without a vote. It serves every read route and hands records on.
    Observer,
}

/// Where the node keeps its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeSection {
    /// Member or observer.
    pub role: Role,
    /// Folder of the store; made on the first start.
    pub data_dir: PathBuf,
    /// The genesis file. The first start makes the store from it; later starts compare
    /// it with the store's own and refuse a different one. Without it the store must
    /// exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genesis: Option<PathBuf>,
}

/// Whose node this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberSection {
    /// The member's id on the ledger; an observer has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<MemberId>,
    /// Folder of the keys: a member's node reads `node.pem`, `consensus.pem` and
    /// `cosigner.pem` there, or all three in its folder `next` once the ledger knows those;
    /// an observer's reads `node.pem`.
    #[serde(default = "defaults::keys_dir")]
    pub keys_dir: PathBuf,
    /// File with the passphrase of the keys, in its first line; else the environment
    /// variable CREDLOG_PASSPHRASE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
}

/// The HTTP server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSection {
    /// Address and port to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Connections open at a time; more wait in the kernel's queue.
    pub connections_max: u32,
    /// Connections open at a time from one address (an IPv6 address counts with its
    /// /64); more are closed at once. 0 = no limit.
    pub connections_per_ip_max: u32,
    /// Requests worked on at a time; more are answered 503.
    pub requests_max: u32,
    /// A request's header must be there in full after this time, also on a connection
    /// kept alive.
    pub header_timeout_ms: u64,
    /// A request's body must be there in full after this time.
    pub body_timeout_ms: u64,
    /// A request is answered after this time, or 503.
    pub request_timeout_ms: u64,
    /// A peer that reads nothing of its answer for this time is disconnected.
    pub write_timeout_ms: u64,
    /// So is one that falls behind this rate by that time.
    pub write_bytes_per_second_min: u32,
    /// At shutdown, requests under way have this time to end.
    pub shutdown_timeout_ms: u64,
    /// Streams of GET /v1/events open at a time; more are answered 503.
    pub event_streams_max: u32,
    /// Longest body of POST /v1/records with one record or many.
    pub records_body_bytes_max: u64,
    /// Longest body of POST /v1/verify.
    pub verify_body_bytes_max: u64,
    /// Bytes of all bodies that are read or worked on at a time, a quarter of it for one
    /// address (an IPv6 address counts with its /64); more are answered 503. At least four
    /// times the longest body.
    pub bodies_bytes_max: u64,
    /// Proxies whose X-Forwarded-For header is believed: addresses or ranges in CIDR form.
    pub trusted_proxies: Vec<AddressRange>,
    /// TLS; without it the node speaks plain HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSection>,
}

/// TLS of the HTTP server. The files are read again every minute and on SIGHUP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// File of the certificate and those between it and its authority, in PEM.
    pub certificate: PathBuf,
    /// File of the certificate's private key, in PEM (PKCS#8 or SEC1, without passphrase).
    pub key: PathBuf,
}

/// Requests a second and address; an IPv6 address counts with its /64. 0 = no limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimitSection {
    /// GET and HEAD requests a second.
    pub reads_per_second: u32,
    /// GET and HEAD requests at once after a pause.
    pub reads_burst: u32,
    /// POST /v1/records a second.
    pub writes_per_second: u32,
    /// POST /v1/records at once after a pause.
    pub writes_burst: u32,
    /// Records in POST /v1/records a second.
    pub records_per_second: u32,
    /// Records in POST /v1/records at once after a pause; at least as many as a request may
    /// hold.
    pub records_burst: u32,
    /// POST /v1/verify a second.
    pub verify_per_second: u32,
    /// POST /v1/verify at once after a pause.
    pub verify_burst: u32,
}

/// Records waiting for a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MempoolSection {
    /// Records, of all authors.
    pub records_max: u32,
    /// Bytes, of all authors; one author has a quarter.
    pub bytes_max: u64,
    /// Records of one author.
    pub records_per_author_max: u32,
    /// Threads that check signatures before a record enters; 0 = one for every two cores.
    pub verifier_threads: u32,
}

/// The making of blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlockSection {
    /// After the first record arrives, a block waits this long for more.
    pub linger_ms: u64,
}

/// Checking of credentials (POST /v1/verify).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VerifySection {
    /// Checks worked on at a time; 0 = one for each core.
    pub concurrent_max: u32,
    /// Checks that wait for their turn; more are answered 503.
    pub waiting_max: u32,
    /// Batches under way at a time; more are answered 503.
    pub batches_max: u32,
    /// Batches under way at a time from one address (an IPv6 address counts with its /64).
    pub batches_per_ip_max: u32,
    /// A batch of which nothing comes for this time ends.
    pub batch_idle_timeout_ms: u64,
}

/// The store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// Memory for the store's cache.
    pub cache_bytes: u64,
    /// A background scrub walks the whole store this often; 0 = never.
    pub scrub_interval_seconds: u64,
    /// Bytes of the disk that stay free: with less, no records are taken until there is
    /// space again; with less than a quarter of it, the node does not start.
    pub disk_reserve_bytes: u64,
    /// A commit that takes longer ends the node: its disk takes no more, and the thread that
    /// waits for it cannot be helped.
    pub commit_timeout_seconds: u64,
}

/// How the node reaches the others. Members find each other by the addresses on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSection {
    /// Multiaddr on which the consensus swarm listens, TCP or QUIC. The gossip swarm listens
    /// on the next port. Port 0 takes any free one for both.
    pub listen: String,
    /// Peer ids of observers that are let in, beside the members.
    pub observers: Vec<String>,
    /// Multiaddrs with `/p2p/<peer id>` of nodes to reach beside the members on the ledger: a
    /// node that was away long may know old addresses only.
    pub peers: Vec<String>,
    /// Connections to each swarm from one address.
    pub connections_per_ip_max: u32,
}

/// Times of the consensus engine. The defaults suit members in one city; docs/operate.md says
/// which suit a planet. Members may differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsensusSection {
    /// A proposal must be there after this time, else the round goes on without it.
    pub propose_timeout_ms: u64,
    /// So much longer in each further round of a height.
    pub propose_timeout_delta_ms: u64,
    /// After two thirds have voted without agreement, the rest has this time.
    pub vote_timeout_ms: u64,
    /// So much longer in each further round of a height.
    pub vote_timeout_delta_ms: u64,
    /// Votes are sent again after this time without progress.
    pub rebroadcast_timeout_ms: u64,
    /// A height takes at least this time; 0 = as fast as it goes.
    pub target_time_ms: u64,
    /// How often a node tells its peers how far it is.
    pub status_interval_ms: u64,
}

/// Cosigning of checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CosignSection {
    /// While no block comes, the newest checkpoint is cosigned again this often.
    pub interval_seconds: u64,
}

/// Logging, to standard error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// Least severity written.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// Least severity that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Failures.
    Error,
    /// What an operator should look at.
    Warn,
    /// Starts, stops, and what happens rarely.
    Info,
    /// Every block and refused request.
    Debug,
    /// Everything.
    Trace,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// Every [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let failed = |source| ConfigError::Read {
            path: path.to_owned(),
            source,
        };
        let bytes = std::fs::metadata(path).map_err(failed)?.len();
        if bytes > CONFIG_BYTES_MAX {
            let path = path.to_owned();
            return Err(ConfigError::TooLong { path, bytes });
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder)
    }

    /// Reads a configuration; relative paths in it become relative to `base_dir`.
    ///
    /// # Errors
    /// [`ConfigError::Toml`] or [`ConfigError::OutOfRange`].
    pub fn parse(text: &str, base_dir: &Path) -> Result<Self, ConfigError> {
        let mut config: Self =
            toml::from_str(text).map_err(|error| ConfigError::Toml(error.to_string()))?;
        config.check()?;
        let absolute = |path: &mut PathBuf| *path = base_dir.join(&*path);
        absolute(&mut config.node.data_dir);
        config.node.genesis.iter_mut().for_each(absolute);
        absolute(&mut config.member.keys_dir);
        config.member.passphrase_file.iter_mut().for_each(absolute);
        if let Some(tls) = &mut config.http.tls {
            absolute(&mut tls.certificate);
            absolute(&mut tls.key);
        }
        if let Some(issuer) = &mut config.issuer {
            absolute(&mut issuer.key);
            absolute(&mut issuer.token_file);
            issuer.passphrase_file.iter_mut().for_each(absolute);
        }
        let webhooks = config.webhook.iter_mut();
        webhooks.for_each(|webhook| absolute(&mut webhook.secret_file));
        Ok(config)
    }

    /// The configuration of a member's node in which everything has its default.
    pub fn of_member(id: MemberId) -> Self {
        Self::of(Role::Member, Some(id))
    }

    /// The configuration of an observer's node in which everything has its default.
    pub fn of_observer() -> Self {
        Self::of(Role::Observer, None)
    }

    fn of(role: Role, id: Option<MemberId>) -> Self {
        Self {
            node: NodeSection {
                role,
                ..NodeSection::default()
            },
            member: MemberSection {
                id,
                keys_dir: defaults::keys_dir(),
                passphrase_file: None,
            },
            http: HttpSection::default(),
            rate_limit: RateLimitSection::default(),
            mempool: MempoolSection::default(),
            block: BlockSection::default(),
            verify: VerifySection::default(),
            fetch: FetchSection::default(),
            issuer: None,
            store: StoreSection::default(),
            network: NetworkSection::default(),
            consensus: ConsensusSection::default(),
            cosign: CosignSection::default(),
            log: LogSection::default(),
            webhook: Vec::new(),
            witness: Vec::new(),
        }
    }

    /// The ranges of all values.
    ///
    /// # Errors
    /// [`ConfigError::Role`]; [`ConfigError::OutOfRange`] for the first value outside.
    pub fn check(&self) -> Result<(), ConfigError> {
        match (self.node.role, &self.member.id) {
            (Role::Member, None) => {
                return Err(ConfigError::Role(
                    "member.id is missing: write whose node this is, or node.role = \"observer\"",
                ));
            }
            (Role::Observer, Some(_)) => {
                return Err(ConfigError::Role(
                    "node.role is \"observer\", and an observer is nobody's node: take member.id out",
                ));
            }
            _ => {}
        }
        let issuer = self.issuer.as_ref();
        if issuer.is_some_and(|issuer| issuer.loopback_without_token)
            && !self.http.trusted_proxies.is_empty()
        {
            return Err(ConfigError::Open);
        }
        self.check_webhooks()?;
        self.check_witnesses()?;
        self.check_ranges()
    }

    fn check_webhooks(&self) -> Result<(), ConfigError> {
        let count = self.webhook.len();
        if count > WEBHOOKS_MAX {
            return Err(ConfigError::OutOfRange {
                setting: "the number of webhooks",
                value: count as u64,
                min: 0,
                max: WEBHOOKS_MAX as u64,
            });
        }
        for (place, webhook) in self.webhook.iter().enumerate() {
            let mut before = self.webhook[..place].iter();
            let twice = before.any(|other| other.name == webhook.name);
            let twice = twice.then(|| "two webhooks have this name".to_owned());
            if let Some(reason) = webhook.fault().or(twice) {
                let name = webhook.name.clone();
                return Err(ConfigError::Webhook { name, reason });
            }
        }
        Ok(())
    }

    fn check_witnesses(&self) -> Result<(), ConfigError> {
        let count = self.witness.len();
        if count > WITNESSES_MAX {
            return Err(ConfigError::OutOfRange {
                setting: "the number of witnesses",
                value: count as u64,
                min: 0,
                max: WITNESSES_MAX as u64,
            });
        }
        for (place, witness) in self.witness.iter().enumerate() {
            let fault = witness.fault(&self.witness[..place]);
            if let Some(reason) = fault {
                let name = witness.name.clone();
                return Err(ConfigError::Witness { name, reason });
            }
        }
        Ok(())
    }

    fn check_ranges(&self) -> Result<(), ConfigError> {
        const TIME_MS: RangeInclusive<u64> = 1..=600_000;
        const RECORDS: u64 = RECORDS_BYTES_MAX as u64;
        const VERIFY: u64 = VERIFY_BYTES_MAX as u64;
        const FETCH_BYTES_MAX: u64 = 4 << 20;
        let (http, mempool, consensus) = (&self.http, &self.mempool, &self.consensus);
        let burst = |per_second: u32, burst: u32| {
            // A limit that never lets anything pass is a mistake; off is spelt 0 a second.
            if per_second == 0 { 1 } else { u64::from(burst) }
        };
        let rates = &self.rate_limit;
        let reads = burst(rates.reads_per_second, rates.reads_burst);
        let writes = burst(rates.writes_per_second, rates.writes_burst);
        let records = match rates.records_per_second {
            0 => RECORDS_MAX as u64,
            _ => rates.records_burst.into(),
        };
        let verify = burst(rates.verify_per_second, rates.verify_burst);
        let threads = u64::from(mempool.verifier_threads);
        let per_author = u64::from(mempool.records_per_author_max);
        let values = [
            (
                "http.connections_max",
                http.connections_max.into(),
                1..=100_000,
            ),
            ("http.requests_max", http.requests_max.into(), 1..=1_000_000),
            (
                "http.event_streams_max",
                http.event_streams_max.into(),
                0..=100_000,
            ),
            ("http.header_timeout_ms", http.header_timeout_ms, TIME_MS),
            ("http.body_timeout_ms", http.body_timeout_ms, TIME_MS),
            ("http.request_timeout_ms", http.request_timeout_ms, TIME_MS),
            ("http.write_timeout_ms", http.write_timeout_ms, TIME_MS),
            (
                "http.shutdown_timeout_ms",
                http.shutdown_timeout_ms,
                TIME_MS,
            ),
            (
                "http.records_body_bytes_max",
                http.records_body_bytes_max,
                65_540..=RECORDS,
            ),
            (
                "http.verify_body_bytes_max",
                http.verify_body_bytes_max,
                1_024..=VERIFY,
            ),
            (
                "http.bodies_bytes_max",
                http.bodies_bytes_max,
                4 * http.records_body_bytes_max.max(http.verify_body_bytes_max)..=1 << 32,
            ),
            (
                "http.write_bytes_per_second_min",
                http.write_bytes_per_second_min.into(),
                1..=1 << 30,
            ),
            ("rate_limit.reads_burst", reads, 1..=u64::from(u32::MAX)),
            ("rate_limit.writes_burst", writes, 1..=u64::from(u32::MAX)),
            (
                "rate_limit.records_burst",
                records,
                RECORDS_MAX as u64..=u64::from(u32::MAX),
            ),
            ("rate_limit.verify_burst", verify, 1..=u64::from(u32::MAX)),
            (
                "mempool.records_max",
                mempool.records_max.into(),
                1..=1_000_000,
            ),
            ("mempool.bytes_max", mempool.bytes_max, 262_140..=1 << 30),
            ("mempool.records_per_author_max", per_author, 1..=1_000_000),
            ("mempool.verifier_threads", threads, 0..=256),
            ("block.linger_ms", self.block.linger_ms, 0..=1_000),
            (
                "verify.concurrent_max",
                self.verify.concurrent_max.into(),
                0..=1_024,
            ),
            (
                "verify.waiting_max",
                self.verify.waiting_max.into(),
                0..=100_000,
            ),
            (
                "verify.batches_max",
                self.verify.batches_max.into(),
                1..=1_024,
            ),
            (
                "verify.batches_per_ip_max",
                self.verify.batches_per_ip_max.into(),
                1..=1_024,
            ),
            (
                "verify.batch_idle_timeout_ms",
                self.verify.batch_idle_timeout_ms,
                TIME_MS,
            ),
            ("fetch.timeout_ms", self.fetch.timeout_ms, 1..=30_000),
            (
                "fetch.bytes_max",
                self.fetch.bytes_max,
                1_024..=FETCH_BYTES_MAX,
            ),
            ("fetch.cache_seconds", self.fetch.cache_seconds, 0..=86_400),
            (
                "store.cache_bytes",
                self.store.cache_bytes,
                1 << 20..=1 << 40,
            ),
            (
                "store.disk_reserve_bytes",
                self.store.disk_reserve_bytes,
                4 << 20..=1 << 40,
            ),
            (
                "store.commit_timeout_seconds",
                self.store.commit_timeout_seconds,
                1..=3_600,
            ),
            (
                "network.connections_per_ip_max",
                self.network.connections_per_ip_max.into(),
                1..=10_000,
            ),
            (
                "consensus.propose_timeout_ms",
                consensus.propose_timeout_ms,
                50..=60_000,
            ),
            (
                "consensus.propose_timeout_delta_ms",
                consensus.propose_timeout_delta_ms,
                0..=60_000,
            ),
            (
                "consensus.vote_timeout_ms",
                consensus.vote_timeout_ms,
                50..=60_000,
            ),
            (
                "consensus.vote_timeout_delta_ms",
                consensus.vote_timeout_delta_ms,
                0..=60_000,
            ),
            (
                "consensus.rebroadcast_timeout_ms",
                consensus.rebroadcast_timeout_ms,
                50..=600_000,
            ),
            (
                "consensus.target_time_ms",
                consensus.target_time_ms,
                0..=60_000,
            ),
            (
                "consensus.status_interval_ms",
                consensus.status_interval_ms,
                100..=600_000,
            ),
            (
                "cosign.interval_seconds",
                self.cosign.interval_seconds,
                1..=86_400,
            ),
        ];
        for (setting, value, range) in values {
            if !range.contains(&value) {
                let (min, max) = range.into_inner();
                return Err(ConfigError::OutOfRange {
                    setting,
                    value,
                    min,
                    max,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
