//! `credlog issuer list` and `show`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use credlog_api::Time;
use credlog_api::issuer::IssuerView;
use credlog_ledger::body::Purposes;
use credlog_ledger::ids::IssuerId;

use crate::connection::{Ledger, NodeArgs};
use crate::home::IssuerHome;
use crate::moment;
use crate::outcome::{Failure, Result};
use crate::screen::{Ink, Screen, count, shown};
use crate::table::Table;
use crate::terms::scope_text;

/// List the issuers that the ledger knows
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    node: NodeArgs,
}

/// Show an issuer: profile, keys, accreditations, status lists
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["id", "issuer_home"]))]
pub(crate) struct Show {
    /// Id of the issuer
    id: Option<IssuerId>,
    /// The issuer's folder
    #[arg(long, value_name = "DIR")]
    issuer_home: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArgs,
}

impl List {
    pub(crate) fn run(self, screen: Screen) -> Result<()> {
        let issuers = self.node.connect(screen)?.issuers()?;
        let mut table = Table::new(&["number", "name", "accredited by", "id"]);
        for issuer in &issuers {
            let members: Vec<_> = issuer
                .accredited_by
                .iter()
                .map(ToString::to_string)
                .collect();
            table.row([
                issuer.number.to_string(),
                shown(issuer.name.as_str()),
                if members.is_empty() {
                    "nobody now".to_owned()
                } else {
                    members.join(", ")
                },
                issuer.id.to_string(),
            ]);
        }
        screen.answer(&issuers, table.text("The ledger knows no issuers yet."))
    }
}

impl Show {
    pub(crate) fn run(self, screen: Screen) -> Result<()> {
        let id = match (self.id, self.issuer_home) {
            (Some(id), _) => id,
            (None, Some(folder)) => IssuerHome::open(&folder)?.id().clone(),
            (None, None) => return Err(Failure::usage("name an issuer")),
        };
        let view = self
            .node
            .connect(screen)?
            .issuer(&id)?
            .ok_or_else(|| Failure::input(format!("the ledger does not know issuer {id}")))?;
        screen.answer(&view, lines(screen, &view))
    }
}

fn lines(screen: Screen, view: &IssuerView) -> String {
    let issuer = &view.issuer;
    let day = |time: Time| moment::day(time.unix_millis());
    let mut lines = vec![
        screen.ink(Ink::Bold, &shown(issuer.name.as_str())),
        format!("id            {}", issuer.id),
    ];
    lines.extend(
        issuer
            .url
            .as_ref()
            .map(|url| format!("web site      {url}")),
    );
    for key in &issuer.keys {
        let mut state = format!("since {}", day(key.since));
        if let Some(time) = key.retired {
            state.push_str(&format!(", retired {}", day(time)));
        }
        if let Some(time) = key.compromised_since {
            state.push_str(&format!(", in other hands since {}", day(time)));
        }
        lines.push(format!(
            "key           {}\n              {} {state}",
            key.key,
            uses(key.purposes)
        ));
    }
    lines.push(format!("recovery key  {}", issuer.recovery));
    for one in &issuer.accreditations {
        let end = one
            .end()
            .map_or("no end".to_owned(), |end| format!("until {}", day(end)));
        lines.push(format!(
            "accredited    by {} for {}, since {}, {end}",
            one.member,
            scope_text(&one.scope),
            day(one.since)
        ));
    }
    if let Some(pending) = &issuer.pending_replacement {
        lines.push(format!(
            "ATTENTION     {} replaces keys from {} on; the recovery key can stop it",
            pending.member,
            moment::shown(pending.effective.unix_millis())
        ));
    }
    lines.push(format!(
        "{}, {}",
        count(view.achievement_count as usize, "achievement"),
        count(view.lists.len(), "status list")
    ));
    lines.join("\n")
}

fn uses(purposes: Purposes) -> &'static str {
    match (purposes.record, purposes.assertion) {
        (true, true) => "signs records and credentials,",
        (true, false) => "signs records,",
        _ => "signs credentials,",
    }
}
