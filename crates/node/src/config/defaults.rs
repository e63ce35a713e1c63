//! Every default of the configuration.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::{
    BlockSection, ConsensusSection, CosignSection, HttpSection, LogFormat, LogLevel, LogSection,
    MempoolSection, NetworkSection, NodeSection, RateLimitSection, Role, StoreSection,
    VerifySection,
};

pub(super) fn keys_dir() -> PathBuf {
    "keys".into()
}

impl Default for NodeSection {
    fn default() -> Self {
        Self {
            role: Role::Member,
            data_dir: "data".into(),
            genesis: None,
        }
    }
}

impl Default for HttpSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7700)),
            connections_max: 4_096,
            connections_per_ip_max: 256,
            requests_max: 8_192,
            header_timeout_ms: 5_000,
            body_timeout_ms: 5_000,
            request_timeout_ms: 30_000,
            write_timeout_ms: 10_000,
            write_bytes_per_second_min: 32 << 10,
            shutdown_timeout_ms: 10_000,
            event_streams_max: 1_024,
            records_body_bytes_max: 8 << 20,
            verify_body_bytes_max: 8 << 20,
            bodies_bytes_max: 64 << 20,
            trusted_proxies: Vec::new(),
            tls: None,
        }
    }
}

impl Default for RateLimitSection {
    fn default() -> Self {
        Self {
            reads_per_second: 500,
            reads_burst: 2_000,
            writes_per_second: 500,
            writes_burst: 2_000,
            records_per_second: 2_000,
            records_burst: 20_000,
            verify_per_second: 50,
            verify_burst: 200,
        }
    }
}

impl Default for MempoolSection {
    fn default() -> Self {
        Self {
            records_max: 50_000,
            bytes_max: 64 << 20,
            records_per_author_max: 25_000,
            verifier_threads: 0,
        }
    }
}

// Written out like the others, so that every default is seen here.
#[allow(clippy::derivable_impls)]
impl Default for BlockSection {
    fn default() -> Self {
        Self { linger_ms: 0 }
    }
}

impl Default for VerifySection {
    fn default() -> Self {
        Self {
            concurrent_max: 0,
            waiting_max: 64,
            batches_max: 16,
            batches_per_ip_max: 4,
            batch_idle_timeout_ms: 30_000,
        }
    }
}

impl Default for StoreSection {
    fn default() -> Self {
        Self {
            cache_bytes: 256 << 20,
            scrub_interval_seconds: 86_400,
            disk_reserve_bytes: 64 << 20,
            commit_timeout_seconds: 60,
        }
    }
}

impl Default for NetworkSection {
    fn default() -> Self {
        Self {
            listen: "/ip4/127.0.0.1/tcp/7701".to_owned(),
            observers: Vec::new(),
            peers: Vec::new(),
            connections_per_ip_max: 32,
        }
    }
}

impl Default for ConsensusSection {
    fn default() -> Self {
        Self {
            propose_timeout_ms: 1_000,
            propose_timeout_delta_ms: 500,
            vote_timeout_ms: 500,
            vote_timeout_delta_ms: 250,
            rebroadcast_timeout_ms: 2_000,
            target_time_ms: 0,
            status_interval_ms: 2_000,
        }
    }
}

impl Default for CosignSection {
    fn default() -> Self {
        Self {
            interval_seconds: 60,
        }
    }
}

impl Default for LogSection {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            format: LogFormat::Text,
        }
    }
}
