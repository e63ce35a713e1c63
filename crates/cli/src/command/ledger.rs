//! `credlog ledger`: what a node says of the ledger.

use clap::{Args, Subcommand};
use credlog_api::ledger::AttestedView;

use crate::connection::NodeArgs;
use crate::moment;
use crate::outcome::Result;
use crate::screen::{Ink, Screen, count, grouped, shown};

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Show origin, ledger id, height, size, root, time and members
    Status(Status),
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    node: NodeArgs,
}

impl LedgerCommand {
    pub(crate) fn run(self, screen: Screen) -> Result<()> {
        let Self::Status(status) = self;
        let view = status.node.connect(screen)?.ledger()?;
        let members: Vec<_> = view
            .members
            .iter()
            .map(|member| format!("{} ({})", shown(member.name.as_str()), member.id))
            .collect();
        let lines = format!(
            "{}\nledger id  {}\nheight     {}\nsize       {} leaves\nroot       {}\n\
             newest     {}\nas of      {}\nattested   {}\nissuers    {}\nlists      {}\nmembers    {}\n\
             node       {} ({}, version {})\npeers      {}{}",
            screen.ink(Ink::Bold, view.origin.as_str()),
            view.ledger_id,
            grouped(view.height.0),
            grouped(view.size),
            view.root,
            moment::shown(view.time.unix_millis()),
            moment::shown(view.as_of.unix_millis()),
            attested(view.attested.as_ref()),
            grouped(view.issuers),
            grouped(view.status_lists),
            members.join(", "),
            status.node.node,
            view.role,
            shown(&view.version),
            view.peers,
            match view.syncing {
                true => "; behind the others, and catching up",
                false => "",
            },
        );
        screen.answer(&view, lines)
    }
}

/// The newest checkpoint that a quorum has cosigned, in words.
fn attested(newest: Option<&AttestedView>) -> String {
    let Some(newest) = newest else {
        return "nothing yet".to_owned();
    };
    format!(
        "height {}, {} s ago, by {} (a quorum is {})",
        grouped(newest.height.0),
        grouped(newest.age_seconds),
        count(newest.cosigners.len(), "member"),
        newest.quorum
    )
}
