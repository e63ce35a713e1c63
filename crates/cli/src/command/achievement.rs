//! `credlog achievement`: what credentials attest.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use credlog_credential::json::{Limits, jcs, parse_strict};
use credlog_ledger::body::{Achievement, Body};
use credlog_ledger::ids::{AchievementId, Digest, DisplayName, IssuerId};
use serde_json::{Value, json};

use crate::connection::{Ledger, NodeArgs};
use crate::folder;
use crate::home::IssuerHome;
use crate::keyfile::Passphrase;
use crate::moment;
use crate::outcome::{During, Failure, Result};
use crate::screen::{Screen, shown};
use crate::table::Table;

#[derive(Debug, Subcommand)]
pub(crate) enum AchievementCommand {
    Define(Define),
    List(List),
}

/// Define an achievement, as its issuer
///
/// The definition is a JSON file, such as an Open Badges Achievement; it stays with the
/// issuer, and the ledger keeps its BLAKE3 digest (over the JCS bytes).
#[derive(Debug, Args)]
pub(crate) struct Define {
    /// The full definition (JSON)
    definition: PathBuf,
    /// Id of the achievement [default: `id` of the definition]
    #[arg(long)]
    id: Option<AchievementId>,
    /// Name of the achievement [default: `name` of the definition]
    #[arg(long)]
    name: Option<DisplayName>,
    /// Skill or standard it is aligned to; may be given several times
    #[arg(long, value_name = "URI")]
    alignment: Vec<AchievementId>,
    /// Achievement that comes before it; may be given several times
    #[arg(long, value_name = "ID")]
    prerequisite: Vec<AchievementId>,
    /// The issuer's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    issuer_home: PathBuf,
    #[command(flatten)]
    node: NodeArgs,
}

/// List the achievements of an issuer
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Id of the issuer [default: that of the issuer's folder]
    #[arg(long, value_name = "ID")]
    issuer: Option<IssuerId>,
    /// The issuer's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    issuer_home: PathBuf,
    #[command(flatten)]
    node: NodeArgs,
}

impl AchievementCommand {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        match self {
            Self::Define(define) => define.run(screen, passphrase),
            Self::List(list) => list.run(screen),
        }
    }
}

impl Define {
    fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        let home = IssuerHome::open(&self.issuer_home)?;
        let achievement = self.achievement()?;
        let node = self.node.connect(screen)?;
        let signatory = node.issuer_signatory(&home, passphrase)?;
        let record = signatory.sign(Body::DefineAchievement(achievement.clone()))?;
        let committed = node.commit(&record)?;
        let lines = format!(
            "Defined {} ({}) at {}.",
            achievement.id,
            shown(achievement.name.as_str()),
            moment::shown(committed.time)
        );
        let answer = json!({
            "achievement": achievement,
            "record": record.id(),
            "time": moment::rfc3339(committed.time),
        });
        screen.answer(&answer, lines)
    }

    fn achievement(&self) -> Result<Achievement> {
        let at = || self.definition.display().to_string();
        let definition =
            parse_strict(&folder::read(&self.definition)?, Limits::DEFAULT).during(at)?;
        let text = |property: &str, option: &str| {
            definition
                .get(property)
                .and_then(Value::as_str)
                .ok_or_else(|| Failure::input(format!("{} has no {property}; give {option}", at())))
        };
        let id = match &self.id {
            Some(id) => id.clone(),
            None => text("id", "--id")?.parse().during(at)?,
        };
        let name = match &self.name {
            Some(name) => name.clone(),
            None => text("name", "--name")?.parse().during(at)?,
        };
        let sorted = |ids: &[AchievementId]| {
            let mut ids = ids.to_vec();
            ids.sort();
            ids.dedup();
            ids
        };
        Ok(Achievement {
            id,
            definition: Digest(*blake3::hash(&jcs(&definition)).as_bytes()),
            name,
            alignments: sorted(&self.alignment),
            prerequisites: sorted(&self.prerequisite),
        })
    }
}

impl List {
    fn run(self, screen: Screen) -> Result<()> {
        let id = match self.issuer {
            Some(id) => id,
            None => IssuerHome::open(&self.issuer_home)?.id().clone(),
        };
        let node = self.node.connect(screen)?;
        if node.issuer(&id)?.is_none() {
            return Err(Failure::input(format!(
                "the ledger does not know issuer {id}"
            )));
        }
        let achievements = node.achievements(&id)?;
        let mut table = Table::new(&["name", "id"]);
        for one in &achievements {
            table.row([shown(one.name.as_str()), one.id.to_string()]);
        }
        screen.answer(&achievements, table.text("No achievements are defined."))
    }
}
