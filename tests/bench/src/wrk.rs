//! wrk: HTTP load on random existing digests.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::node::Process;
use crate::postgres::done;
use crate::workload;

/// Requests made beforehand, as many as credentials up to this: enough to reach every page
/// of an index.
const DIGESTS_MAX: u64 = 200_000;
const WARM_UP_SECONDS: u32 = 3;
const CONNECTIONS: &str = "64";
/// The script of each wrk thread: requests are built before the load, then picked at random.
const SCRIPT: &str = r#"
local requests = {}
function init(arguments)
    math.randomseed(os.time())
    for digest in io.lines("digests") do
        requests[#requests + 1] = wrk.format("GET", "/v1/credentials/" .. digest)
    end
end
function request()
    return requests[math.random(#requests)]
end
"#;

/// What wrk says.
pub(crate) struct Rate {
    requests: f64,
    /// CPU time of the server for one request, in microseconds.
    pub(crate) cpu_us: f64,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Digests of credentials 0 to `credentials`, evenly spread, in a file for [`load`].
pub(crate) fn write_digests(folder: &Path, credentials: u64) -> anyhow::Result<()> {
    let count = credentials.min(DIGESTS_MAX);
    let mut text = String::new();
    for at in 0..count {
        writeln!(text, "{}", workload::digest(at * credentials / count))?;
    }
    fs::write(folder.join("digests"), text)?;
    fs::write(folder.join("lookup.lua"), SCRIPT)?;
    Ok(())
}

/// 64 connections to a server, for this many seconds; a shorter load before warms it up.
pub(crate) fn measure(
    folder: &Path,
    address: SocketAddr,
    server: &Process,
    seconds: u32,
) -> anyhow::Result<Rate> {
    load(folder, address, WARM_UP_SECONDS)?;
    let before = server.cpu_seconds()?;
    let mut rate = load(folder, address, seconds)?;
    rate.cpu_us = 1e6 * (server.cpu_seconds()? - before) / rate.requests;
    Ok(rate)
}

fn load(folder: &Path, address: SocketAddr, seconds: u32) -> anyhow::Result<Rate> {
    let mut command = Command::new("wrk");
    command.args(["-t2", "-c", CONNECTIONS, "--latency", "-s", "lookup.lua"]);
    command
        .arg(format!("-d{seconds}s"))
        .arg(format!("http://{address}"));
    let output = command.current_dir(folder).output();
    let output = output.context("wrk is missing (tests/bench/setup installs it)")?;
    let text = done("wrk", output)?;
    anyhow::ensure!(
        !text.contains("Non-2xx") && !text.contains("Socket errors"),
        "not every lookup was answered:\n{text}"
    );
    parse(&text).with_context(|| format!("wrk says no figures:\n{text}"))
}

fn parse(text: &str) -> Option<Rate> {
    let field = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(name))?;
        line.split_whitespace().nth(1)
    };
    let total = text.lines().find(|line| line.contains(" requests in "))?;
    Some(Rate {
        cpu_us: 0.0,
        requests: total.split_whitespace().next()?.parse().ok()?,
        per_second: field("Requests/sec:")?.parse().ok()?,
        p50_ms: millis(field("50%")?)?,
        p99_ms: millis(field("99%")?)?,
    })
}

fn millis(text: &str) -> Option<f64> {
    let (number, factor) = if let Some(number) = text.strip_suffix("us") {
        (number, 0.001)
    } else if let Some(number) = text.strip_suffix("ms") {
        (number, 1.0)
    } else {
        (text.strip_suffix('s')?, 1000.0)
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_wrk_is_read() {
        let text = "  Latency Distribution\n     50%  812.00us\n     90%    1.20ms\n\
                    \x20    99%    2.34ms\n  10 requests in 1s\nRequests/sec:  71234.56\n";
        let rate = parse(text).unwrap();
        assert_eq!(
            (rate.per_second, rate.p50_ms, rate.p99_ms),
            (71_234.56, 0.812, 2.34)
        );
        assert_eq!(millis("1.50s"), Some(1_500.0));
        assert!(parse("Requests/sec: 5").is_none());
    }
}
