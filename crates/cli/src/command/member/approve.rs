//! `credlog member approve` and `retract`.

use clap::Args;
use credlog_api::governance::ProposalView;
use credlog_ledger::body::Body;
use serde_json::json;

use super::open::{Own, Prefix, own, proposal, short};
use super::{action, strength};
use crate::connection::{LIST_FIRST, MemberArgs};
use crate::home::MemberHome;
use crate::keyfile::Passphrase;
use crate::moment;
use crate::outcome::Result;
use crate::screen::{Screen, count};

/// Approve a proposal; it takes effect once more than two thirds of the members have
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  credlog member approve 3fa2b1c4d5e6 --home uni")]
pub(crate) struct Approve {
    /// Id of the proposal, or its beginning
    #[arg(value_name = "PROPOSAL")]
    proposal: Prefix,
    /// Go on also where the ledger will tolerate fewer faults
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    member: MemberArgs,
}

/// Take back an own proposal, or an own approval, while it is open
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  credlog member retract 3fa2b1c4d5e6 --home uni")]
pub(crate) struct Retract {
    /// Id of the own proposal, of the own approval, or of the proposal approved; or its beginning
    #[arg(value_name = "PROPOSAL|APPROVAL")]
    record: Prefix,
    #[command(flatten)]
    member: MemberArgs,
}

impl Approve {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        let home = MemberHome::open(&self.member.home)?;
        let node = self.member.node.connect(screen)?;
        let open = node.proposals()?;
        let found = proposal(&open, &self.proposal)?;
        let warnings = action::warnings(&found.action, &node.members()?);
        let signatory = node.member(&home, passphrase)?;
        strength::agreed(screen, &warnings, self.yes)?;
        let record = signatory.sign(Body::Approve { proposal: found.id })?;
        node.on_interrupt(LIST_FIRST);
        let committed = node.commit_unattested(&record)?;

        let open = node.proposals()?;
        let still = open.proposals.iter().find(|one| one.id == found.id);
        let missing = still.map_or(0, |one| one.missing);
        let answer = json!({
            "proposal": found.id,
            "text": action::in_words(&found.action)?,
            "approval": record.id(),
            "time": moment::rfc3339(committed.time),
            "inEffect": still.is_none(),
            "effectiveHeight": still.is_none().then(|| committed.height.next()),
            "missing": missing,
            "warnings": warnings,
        });
        screen.answer(&answer, lines(found, still, committed.height.next().0)?)
    }
}

fn lines(found: &ProposalView, still: Option<&ProposalView>, next: u64) -> Result<String> {
    let text = action::in_words(&found.action)?;
    let mut lines = match still {
        None => vec![format!(
            "Approved, and in effect from height {next} on: {text}."
        )],
        Some(open) => vec![format!(
            "Approved: {text}.\nStill needed, by {}: {}.",
            moment::shown(open.expires.unix_millis()),
            count(open.missing, "approval")
        )],
    };
    lines.extend(action::details(&found.action)?);
    Ok(lines.join("\n  "))
}

impl Retract {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        let home = MemberHome::open(&self.member.home)?;
        let node = self.member.node.connect(screen)?;
        let own = own(&node.proposals()?, &home.member.id, &self.record)?;
        let signatory = node.member(&home, passphrase)?;
        let (record, proposal, text) = match own {
            Own::Proposal(id) => (id, id, format!("Proposal {} is taken back.", short(&id))),
            Own::Approval { record, of } => {
                let text = format!("The approval of proposal {} is taken back.", short(&of));
                (record, of, text)
            }
        };
        let retract = signatory.sign(Body::Retract { record })?;
        node.on_interrupt(LIST_FIRST);
        let committed = node.commit(&retract)?;
        let answer = json!({
            "retracted": record,
            "proposal": proposal,
            "record": retract.id(),
            "time": moment::rfc3339(committed.time),
        });
        screen.answer(&answer, text)
    }
}
