//! `credlog accreditation list`.

use clap::Args;
use credlog_api::Time;
use credlog_ledger::ids::{IssuerId, MemberId};
use serde_json::json;

use crate::connection::{Ledger, NodeArgs};
use crate::moment;
use crate::outcome::{Failure, Result};
use crate::screen::{Screen, shown};
use crate::table::Table;
use crate::terms::scope_text;

/// List accreditations, ended ones too
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those of this issuer
    #[arg(long, value_name = "ID")]
    issuer: Option<IssuerId>,
    /// Only those by this member
    #[arg(long, value_name = "ID")]
    member: Option<MemberId>,
    #[command(flatten)]
    node: NodeArgs,
}

impl List {
    pub(crate) fn run(self, screen: Screen) -> Result<()> {
        let node = self.node.connect(screen)?;
        let ids = match self.issuer {
            Some(id) => vec![id],
            None => node
                .issuers()?
                .into_iter()
                .map(|issuer| issuer.id)
                .collect(),
        };
        let now = Time::from(moment::now());
        let mut table = Table::new(&["issuer", "name", "by", "for", "since", "until", "in force"]);
        let mut answer = Vec::new();
        for id in ids {
            let view = node
                .issuer(&id)?
                .ok_or_else(|| Failure::input(format!("the ledger does not know issuer {id}")))?;
            for one in &view.issuer.accreditations {
                if self
                    .member
                    .as_ref()
                    .is_some_and(|member| *member != one.member)
                {
                    continue;
                }
                let in_force = one.in_force_at(now.max(view.as_of));
                let day = |time: Time| moment::day(time.unix_millis());
                table.row([
                    id.to_string(),
                    shown(view.issuer.name.as_str()),
                    one.member.to_string(),
                    scope_text(&one.scope),
                    day(one.since),
                    one.end().map_or("no end".to_owned(), day),
                    if in_force { "yes" } else { "no" }.to_owned(),
                ]);
                answer.push(json!({
                    "issuer": id, "name": view.issuer.name, "accreditation": one,
                    "inForce": in_force,
                }));
            }
        }
        screen.answer(&answer, table.text("No accreditations."))
    }
}
