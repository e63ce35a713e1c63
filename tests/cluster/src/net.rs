//! Network namespaces of the nodes, joined by a bridge in one more, in which the test runs.
//!
//! Needs root and iproute2; the machine's own network is not touched.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use credlog_e2e::Place;

/// Says to a test that it runs inside of the hub, and how the namespaces are named.
const INSIDE: &str = "CREDLOG_TEST_NET";
/// The nodes' network: only inside of the namespaces.
const NETWORK: [u8; 3] = [10, 83, 47];
/// The hub's link-layer address, locally administered.
const HUB_LINK: &str = "02:00:00:83:47:fe";
/// Most groups of a split.
const BRIDGES: usize = 2;
const CONSENSUS_PORT: u16 = 7701;

/// The namespaces of a test.
#[derive(Debug, Clone)]
pub struct Net {
    prefix: String,
    nodes: usize,
}

/// Runs a test inside of a hub with namespaces for `nodes`, and removes them all. `name` is
/// the full name of the test that calls this: it is started again, inside.
///
/// # Errors
/// If the test fails. Where namespaces are not permitted, it says so and passes.
pub fn in_net(name: &str, nodes: usize, test: impl FnOnce(Net) -> Result<()>) -> Result<()> {
    if let Ok(prefix) = std::env::var(INSIDE) {
        return test(Net { prefix, nodes });
    }
    let net = Net {
        prefix: format!("credlog{}", std::process::id()),
        nodes,
    };
    if let Err(error) = net.ip(&format!("netns add {}", net.hub())) {
        println!("-- {name}: SKIPPED, network namespaces are not permitted here: {error:#}");
        return Ok(());
    }
    let made = Made(&net);
    net.make()?;
    let status = Command::new("ip")
        .args(["netns", "exec", &net.hub()])
        .arg(std::env::current_exe()?)
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(INSIDE, &net.prefix)
        .stdin(Stdio::null())
        .status()?;
    drop(made);
    ensure!(status.success(), "{name} failed inside of its namespaces");
    Ok(())
}

/// Removes the namespaces when dropped.
struct Made<'n>(&'n Net);

impl Drop for Made<'_> {
    fn drop(&mut self) {
        let nodes = (0..self.0.nodes).map(|node| self.0.namespace(node));
        for namespace in nodes.chain([self.0.hub()]) {
            // One that was not made need not be removed.
            let _ = self.0.ip(&format!("netns del {namespace}"));
        }
    }
}

impl Net {
    fn hub(&self) -> String {
        format!("{}hub", self.prefix)
    }

    fn namespace(&self, node: usize) -> String {
        format!("{}n{node}", self.prefix)
    }

    fn host(node: usize) -> Ipv4Addr {
        let [a, b, c] = NETWORK;
        Ipv4Addr::new(a, b, c, u8::try_from(node + 1).unwrap_or(u8::MAX))
    }

    fn hub_host() -> Ipv4Addr {
        let [a, b, c] = NETWORK;
        Ipv4Addr::new(a, b, c, 254)
    }

    /// Where a node listens.
    pub fn place(&self, node: usize) -> Place {
        Place {
            host: IpAddr::V4(Self::host(node)),
            port: CONSENSUS_PORT,
        }
    }

    /// A command inside of the namespace of a node.
    pub(crate) fn inside(&self, node: usize, words: Vec<OsString>) -> Vec<OsString> {
        let namespace = self.namespace(node);
        ["ip", "netns", "exec", &namespace]
            .into_iter()
            .map(OsString::from)
            .chain(words)
            .collect()
    }

    /// Cuts the network: nodes of different groups do not hear each other any more. Their
    /// cables are plugged into bridges that nothing joins; the test, in the hub, reaches all.
    ///
    /// # Errors
    /// If there are too many groups, or the bridges cannot be told.
    pub fn split(&self, groups: &[&[usize]]) -> Result<()> {
        ensure!(groups.len() <= BRIDGES, "at most {BRIDGES} groups");
        for (bridge, group) in groups.iter().enumerate() {
            for node in *group {
                self.plug(*node, bridge)?;
            }
        }
        Ok(())
    }

    /// Cuts one cable for good: neither of two nodes can call the other.
    ///
    /// # Errors
    /// If their namespaces cannot be told.
    pub fn cut(&self, one: usize, other: usize) -> Result<()> {
        for (node, far) in [(one, other), (other, one)] {
            let (namespace, host) = (self.namespace(node), Self::host(far));
            self.ip(&format!("-n {namespace} route replace blackhole {host}/32"))?;
        }
        Ok(())
    }

    /// Everyone hears everyone again.
    ///
    /// # Errors
    /// If the bridge cannot be told.
    pub fn heal(&self) -> Result<()> {
        (0..self.nodes).try_for_each(|node| self.plug(node, 0))
    }

    fn plug(&self, node: usize, bridge: usize) -> Result<()> {
        let (hub, host, own) = (self.hub(), Self::host(node), Self::hub_host());
        self.ip(&format!("-n {hub} link set port{node} master br{bridge}"))?;
        self.ip(&format!(
            "-n {hub} route replace {host}/32 dev br{bridge} src {own}"
        ))
    }

    fn make(&self) -> Result<()> {
        let hub = self.hub();
        self.ip(&format!("-n {hub} link set lo up"))?;
        // All bridges have one link-layer address: for a node the hub stays where it is.
        for bridge in 0..BRIDGES {
            self.ip(&format!(
                "-n {hub} link add br{bridge} address {HUB_LINK} type bridge"
            ))?;
            self.ip(&format!("-n {hub} link set br{bridge} up"))?;
        }
        let own = Self::hub_host();
        self.ip(&format!("-n {hub} addr add {own}/24 dev br0"))?;
        for node in 0..self.nodes {
            let (namespace, port) = (self.namespace(node), format!("port{node}"));
            let host = Self::host(node);
            self.ip(&format!("netns add {namespace}"))?;
            self.ip(&format!(
                "-n {hub} link add {port} type veth peer name eth0 netns {namespace}"
            ))?;
            self.ip(&format!("-n {hub} link set {port} up"))?;
            self.plug(node, 0)?;
            self.ip(&format!("-n {namespace} addr add {host}/24 dev eth0"))?;
            self.ip(&format!("-n {namespace} link set eth0 up"))?;
            self.ip(&format!("-n {namespace} link set lo up"))?;
        }
        Ok(())
    }

    fn ip(&self, arguments: &str) -> Result<()> {
        let output = Command::new("ip")
            .args(arguments.split_whitespace())
            .stdin(Stdio::null())
            .output()
            .context("ip is missing (package iproute2)")?;
        if output.status.success() {
            return Ok(());
        }
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("ip {arguments}: {}", error.trim())
    }
}
