//! Logging to standard error, as text or JSON.
//!
//! Logs name records, heights, routes and counts; never people, contents of credentials,
//! addresses of clients or query strings.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogLevel, LogSection};

/// Begins logging, unless this process logs already.
pub fn install(config: &LogSection) {
    let level = match config.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    // What sled and hyper say below a warning is of no use to an operator; nor is what the
    // engine's network says of every connection that is lost or refused, as an error: the node
    // says which peers come and go.
    let network = match config.level {
        LogLevel::Error | LogLevel::Warn | LogLevel::Info => "off",
        LogLevel::Debug | LogLevel::Trace => level,
    };
    let own = ["node", "store", "consensus", "gossip"];
    let own = own.map(|part| format!("credlog_{part}={level}")).join(",");
    let filter = EnvFilter::new(format!(
        "warn,arc_malachitebft_network={network},arc_malachitebft_discovery={network},{own}"
    ));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // An error means that a program or test that embeds the node logs in its own way.
    let _installed_before = match config.format {
        LogFormat::Text => builder
            .with_ansi(std::io::stderr().is_terminal())
            .try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
