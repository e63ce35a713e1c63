//! `credlog member list`.

use clap::Args;
use credlog_api::governance::{ProposalView, ProposalsView};
use credlog_api::ledger::MembersView;
use serde_json::{Value, json};

use super::open::short;
use super::{action, strength};
use crate::connection::NodeArgs;
use crate::moment;
use crate::network;
use crate::outcome::Result;
use crate::screen::{Ink, Screen, count, shown};

/// List the members, and what they have proposed and approved
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    node: NodeArgs,
}

impl List {
    pub(crate) fn run(self, screen: Screen) -> Result<()> {
        let node = self.node.connect(screen)?;
        let (members, open) = (node.members()?, node.proposals()?);
        let tolerated = strength::tolerated(members.members.len());
        let mut text = vec![format!(
            "{}; a quorum is {}, and {}.",
            screen.ink(Ink::Bold, &count(members.members.len(), "member")),
            members.quorum,
            match tolerated {
                0 => "none may fail".to_owned(),
                faults => format!("{faults} may fail"),
            }
        )];
        let mut seats = Vec::new();
        for member in &members.members {
            let peer_id = network::node_key(&member.keys.node)?.to_string();
            text.push(format!("{}  {}", member.id, shown(member.name.as_str())));
            text.extend(member.url.iter().map(|url| format!("  url       {url}")));
            text.push(format!("  peer id   {peer_id}"));
            let addresses = member.addresses.iter();
            text.extend(addresses.map(|address| format!("  address   {address}")));
            text.push(format!("  cosigner  {}", member.cosigner_name));
            let mut seat = serde_json::to_value(member)?;
            seat["peerId"] = json!(peer_id);
            seats.push(seat);
        }
        text.push(match open.proposals.is_empty() {
            true => "No open proposals.".to_owned(),
            false => count(open.proposals.len(), "open proposal") + ":",
        });
        for proposal in &open.proposals {
            text.extend(lines(screen, proposal)?);
        }
        let answer = json!({
            "height": members.height,
            "quorum": members.quorum,
            "tolerates": tolerated,
            "members": seats,
            "proposals": proposals(&open)?,
        });
        screen.answer(&answer, text.join("\n"))
    }
}

fn lines(screen: Screen, proposal: &ProposalView) -> Result<Vec<String>> {
    let mut lines = vec![format!(
        "{}  {}",
        screen.ink(Ink::Bold, &short(&proposal.id)),
        action::in_words(&proposal.action)?
    )];
    let details = action::details(&proposal.action)?;
    lines.extend(details.iter().map(|line| format!("  {line}")));
    lines.push(format!(
        "  proposed     by {}, open until {}",
        proposal.proposer,
        moment::shown(proposal.expires.unix_millis())
    ));
    let approvals: Vec<_> = proposal
        .approvals
        .iter()
        .map(|one| match one.counts {
            true => one.member.to_string(),
            false => format!("{} (no member any more)", one.member),
        })
        .collect();
    let approved = match approvals.is_empty() {
        true => "by nobody".to_owned(),
        false => format!("by {}", approvals.join(", ")),
    };
    lines.push(format!(
        "  approved     {approved}; {} more needed",
        proposal.missing
    ));
    Ok(lines)
}

fn proposals(open: &ProposalsView) -> Result<Vec<Value>> {
    open.proposals
        .iter()
        .map(|proposal| {
            let mut value = serde_json::to_value(proposal)?;
            let told = action::to_json(&proposal.action)?;
            for name in ["text", "fingerprint"] {
                if let Some(told) = told.get(name) {
                    value[name] = told.clone();
                }
            }
            Ok(value)
        })
        .collect()
}

/// The member of that id among those in force, for messages.
pub(super) fn ids(members: &MembersView) -> String {
    let ids: Vec<_> = members.members.iter().map(|one| one.id.as_str()).collect();
    ids.join(", ")
}
