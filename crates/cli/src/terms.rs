//! The terms of an accreditation: scope and end, as people write and read them.

use credlog_ledger::body::Scope;
use credlog_ledger::ids::{AchievementId, UnixMillis};

use crate::moment;
use crate::outcome::Result;
use crate::screen::count;

/// Reads `--scope all` or a list of achievements.
pub(crate) fn scope(words: &[String]) -> Result<Scope> {
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
