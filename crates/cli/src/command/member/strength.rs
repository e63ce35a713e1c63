//! What the number of members means to a ledger, and whether a change of it is meant.

use std::io::{IsTerminal, Write};

use crate::outcome::{Exit, Failure, Result};
use crate::screen::{Screen, count};

/// Members of which none may fail: a quorum is all of them.
const NO_FAULT_TOLERATED: usize = 3;

/// How many members may fail, or lie, and the ledger goes on: less than a third.
pub(crate) fn tolerated(members: usize) -> usize {
    members.saturating_sub(1) / 3
}

/// What is worse after the change, in words.
pub(super) fn warning(before: usize, after: usize) -> Option<String> {
    if before == after {
        return None;
    }
    if let Some(weak) = founded(after) {
        return Some(weak);
    }
    let (now, then) = (tolerated(before), tolerated(after));
    (then < now).then(|| {
        format!(
            "the ledger will have {} and tolerate the fault of {then}, not of {now} as now",
            count(after, "member")
        )
    })
}

/// What a ledger of so few members does not bear, in words.
pub(crate) fn founded(members: usize) -> Option<String> {
    match members {
        0 => None,
        1 => Some(
            "the ledger will have one member: nobody decides with it, and while its node is down \
             nothing is committed; 4 members tolerate one fault"
                .to_owned(),
        ),
        2..=NO_FAULT_TOLERATED => Some(format!(
            "the ledger will have {} and tolerate no fault: all of them have to agree, and while \
             the node of one is down nothing is committed; 4 members tolerate one fault",
            count(members, "member")
        )),
        _ => None,
    }
}

/// Goes on if the warnings are meant: `--yes`, or somebody says so.
pub(super) fn agreed(screen: Screen, warnings: &[String], yes: bool) -> Result<()> {
    if warnings.is_empty() {
        return Ok(());
    }
    for warning in warnings {
        screen.note(format!("Attention: {warning}."));
    }
    if yes {
        return Ok(());
    }
    if screen.is_json() || !std::io::stdin().is_terminal() {
        return Err(Failure::input(format!(
            "{}; if that is meant, give --yes; nothing was sent",
            warnings.join("; and ")
        )));
    }
    std::io::stderr().write_all(b"Go on? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::new(Exit::Interrupted, "nothing was sent")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_that_bears_no_fault_is_founded_with_a_warning() {
        let told = |members| founded(members).unwrap();
        assert!(told(1).contains("have one member"));
        assert!(told(3).contains("have 3 members and tolerate no fault"));
        assert_eq!((founded(4), founded(5)), (None, None));
    }

    #[test]
    fn fewer_than_four_and_any_loss_of_tolerance_are_told() {
        assert_eq!([1, 3, 4, 6, 7, 10].map(tolerated), [0, 0, 1, 1, 2, 3]);
        for (before, after, told) in [
            (1, 2, Some("have 2 members and tolerate no fault")),
            (2, 3, Some("have 3 members and tolerate no fault")),
            (3, 4, None),
            (4, 5, None),
            (5, 4, None),
            (4, 3, Some("have 3 members and tolerate no fault")),
            (2, 1, Some("have one member")),
            (7, 6, Some("tolerate the fault of 1, not of 2")),
            (7, 7, None),
            (2, 2, None),
        ] {
            let warning = warning(before, after);
            match told {
                Some(told) => assert!(warning.unwrap().contains(told), "{before} {after}"),
                None => assert_eq!(warning, None, "{before} {after}"),
            }
        }
    }
}
