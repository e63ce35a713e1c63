//! The `credlog.toml` of a new folder.

use std::net::SocketAddr;
use std::path::Path;

use credlog_gossip::Address;
use credlog_ledger::member::Member;
use serde_json::json;

use crate::folder::{self, Access};
use crate::outcome::Result;

/// What is written into the file; the rest has its defaults.
pub(super) struct Configuration<'a> {
    /// Whose node it is; nobody's for an observer.
    pub(super) member: Option<&'a Member>,
    pub(super) http_listen: SocketAddr,
    pub(super) network_listen: String,
    /// Nodes to reach beside the members on the ledger.
    pub(super) peers: &'a [Address],
}

impl Configuration<'_> {
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join("credlog.toml");
        folder::write_new(&path, self.text().as_bytes(), Access::Public)
    }

    fn text(&self) -> String {
        let of = match self.member {
            Some(member) => format!("{} ({})", member.name, member.id),
            None => "an observer".to_owned(),
        };
        let http_listen = self.http_listen;
        // A JSON string is a TOML string, and a JSON list of strings is one of TOML.
        let network_listen = json!(self.network_listen);
        let peers: Vec<_> = self.peers.iter().map(ToString::to_string).collect();
        let peers = match peers.is_empty() {
            true => "# peers = []".to_owned(),
            false => format!("peers = {}", json!(peers)),
        };
        let (role, member) = match self.member {
            Some(member) => (
                "",
                format!(
                    "id = \"{}\"\n# The node reads node.pem, consensus.pem and cosigner.pem here.",
                    member.id
                ),
            ),
            None => (
                "# A full copy without a vote.\nrole = \"observer\"\n",
                "# The node reads node.pem here.".to_owned(),
            ),
        };
        format!(
            r#"# Configuration of the node of {of}.
# Paths are relative to this file. Settings that are left out have their defaults;
# node-config/ documents every one of them.

[node]
{role}# The store; made on the first start.
data_dir = "data"
# Who founded the ledger, from `credlog genesis create`.
genesis = "genesis.json"

[member]
{member} An encrypted key is opened with
# the passphrase in the first line of passphrase_file, or in the environment variable
# CREDLOG_PASSPHRASE.
keys_dir = "keys"
# passphrase_file = "passphrase.txt"

[http]
# Only this machine by default. Behind a reverse proxy, leave it so.
listen = "{http_listen}"

[network]
# Where other nodes reach this one: consensus on this port, gossip on the next one. A firewall
# has to let both through.
listen = {network_listen}
# Peer ids of observers that are let in, beside the members.
# observers = []
# Nodes to reach beside the members on the ledger: multiaddrs with /p2p/<peer id>.
{peers}
"#
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use credlog_node::Config;

    #[test]
    fn an_observers_file_is_read_as_it_was_meant() {
        let id = credlog_gossip::NodeKey::of_secret(&[1; 32]).unwrap();
        let peer: Address = format!("/dns/a.example/tcp/7701/p2p/{id}").parse().unwrap();
        let configuration = Configuration {
            member: None,
            http_listen: "127.0.0.1:7800".parse().unwrap(),
            network_listen: "/ip4/0.0.0.0/tcp/7801".to_owned(),
            peers: std::slice::from_ref(&peer),
        };
        let config = Config::parse(&configuration.text(), Path::new("")).unwrap();
        let mut expected = Config::of_observer();
        expected.node.genesis = Some("genesis.json".into());
        expected.http.listen = configuration.http_listen;
        expected
            .network
            .listen
            .clone_from(&configuration.network_listen);
        expected.network.peers = vec![peer.to_string()];
        assert_eq!(config, expected);
    }
}
