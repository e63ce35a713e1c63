//! `credlog accreditation`: a member lets an issuer award achievements.

mod change;
mod grant;
mod list;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use credlog_ledger::body::Scope;
use credlog_ledger::ids::{AchievementId, UnixMillis};

use crate::connection::NodeArgs;
use crate::keyfile::Passphrase;
use crate::moment;
use crate::outcome::Result;
use crate::screen::{Screen, count};

#[derive(Debug, Subcommand)]
pub(crate) enum Accreditation {
    Grant(grant::Grant),
    Submit(grant::Submit),
    Amend(change::Amend),
    Withdraw(change::Withdraw),
    List(list::List),
}

// A doc comment here would take the place of each command's own.
#[derive(Debug, Args)]
struct MemberArgs {
    /// The member's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    home: PathBuf,
    #[command(flatten)]
    node: NodeArgs,
}

impl Accreditation {
    pub(crate) fn run(self, screen: Screen, passphrase: &Passphrase) -> Result<()> {
        match self {
            Self::Grant(grant) => grant.run(screen, passphrase),
            Self::Submit(submit) => submit.run(screen, passphrase),
            Self::Amend(amend) => amend.run(screen, passphrase),
            Self::Withdraw(withdraw) => withdraw.run(screen, passphrase),
            Self::List(list) => list.run(screen),
        }
    }
}

/// Reads `--scope all` or a list of achievements.
pub(super) fn scope(words: &[String]) -> Result<Scope> {
    if words == ["all"] {
        return Ok(Scope::All);
    }
    let mut ids = words
        .iter()
        .map(|word| word.parse::<AchievementId>())
        .collect::<std::result::Result<Vec<_>, _>>()?;
    ids.sort();
    ids.dedup();
    Ok(Scope::Achievements(ids))
}

/// A scope in words.
pub(crate) fn scope_text(scope: &Scope) -> String {
    match scope {
        Scope::All => "all achievements".to_owned(),
        Scope::Achievements(ids) => match ids.as_slice() {
            [one] => format!("the achievement {one}"),
            many => count(many.len(), "achievement"),
        },
    }
}

/// A scope with every achievement by its id.
pub(crate) fn scope_listed(scope: &Scope) -> String {
    match scope {
        Scope::All => "all achievements".to_owned(),
        Scope::Achievements(ids) => {
            let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
            ids.join(", ")
        }
    }
}

/// The end of an accreditation in words.
pub(crate) fn end_text(until: Option<UnixMillis>) -> String {
    until.map_or("never".to_owned(), moment::shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_all_or_sorted_achievements() {
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        assert_eq!(scope(&words(&["all"])).unwrap(), Scope::All);
        let two = scope(&words(&["urn:b:1", "urn:a:1", "urn:b:1"])).unwrap();
        let expected = ["urn:a:1", "urn:b:1"]
            .map(|id| id.parse().unwrap())
            .to_vec();
        assert_eq!(two, Scope::Achievements(expected));
        assert!(scope(&words(&["all", "urn:a:1"])).is_err());
        assert!(scope(&words(&["statistics"])).is_err());
    }
}
