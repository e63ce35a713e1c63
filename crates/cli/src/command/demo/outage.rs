//! The part of the story in which nodes are lost and come back.

use std::fs;
use std::time::{Duration, Instant};

use credlog_api::ledger::LedgerView;
use serde_json::json;

use super::network::Institution::{self, Board, Chamber, Ministry, Rectors};
use super::network::{INSTITUTIONS, Network};
use super::samples::{self, Series};
use super::story::{Story, shown};
use crate::folder;
use crate::outcome::{Exit, Failure, Result};
use crate::screen::grouped;

/// A badge that is checked while no node runs, and its receipt.
const BADGE: &str = "issued/student-1.json";
const RECEIPT: &str = "student-1.receipt.json";
/// Those that stay while one is away.
const REMAINING: [Institution; 3] = [Board, Ministry, Chamber];
/// Records sent one after the other to see how long each takes. Every member's turn to propose
/// comes among so many.
const PACE: usize = 8;

impl Story<'_> {
    /// One member's node dies. Answers with what it had last.
    pub(super) fn lose_one(&mut self) -> Result<LedgerView> {
        self.step(
            "Kill one member's node: everything goes on",
            "The node of the Rectors' Conference is killed with SIGKILL, as a power cut would \
             end it. Any three of four are enough. Only when it is the lost node's turn to \
             propose, the others wait for it in vain before they pass it over.",
        )?;
        let with_all = self.pace("all-there")?;
        self.agree(&INSTITUTIONS)?;
        let last = self.network.view(Rectors)?;
        let id = self.network.process_id(Rectors).unwrap_or_default();
        self.say(&format!("rectors $ kill -9 {id}"))?;
        self.network.kill(Rectors)?;
        self.show(Rectors, &["ledger", "status"], Exit::Node, 1)?;
        let inbox = self.network.folder().join("late-inbox");
        samples::write_badges(&inbox, Series::Second)?;
        let words = [
            "issue",
            "late-inbox",
            "--out",
            "issued",
            "--issuer-home",
            "university-a",
        ];
        self.show(Board, &words, Exit::Done, 2)?;
        let without_one = self.pace("one-away")?;
        for (when, pace) in [("all four", with_all), ("three", without_one)] {
            self.say(&format!(
                "  With {when}, {PACE} records one after the other took {} each in the median, \
                 at most {}.",
                shown(pace.median),
                shown(pace.longest)
            ))?;
        }
        self.agree(&REMAINING)?;
        self.heads(&REMAINING)?;
        Ok(last)
    }

    /// The member's node that was lost comes back.
    pub(super) fn bring_back(&mut self, last: &LedgerView) -> Result<()> {
        self.step(
            "Bring it back: it catches up",
            "First, everything that the killed node has stored is computed again from the \
             founding on. Then it starts, fetches what it missed from the others, and checks \
             every certificate and every record of it.",
        )?;
        let check = ["store", "check", "--config", "rectors/credlog.toml"];
        self.show(Rectors, &check, Exit::Done, 2)?;
        let head = self.network.view(Board)?;
        self.say("rectors $ credlog node run --config rectors/credlog.toml &")?;
        let start = Instant::now();
        self.network.start(&[Rectors])?;
        self.agree(&INSTITUTIONS)?;
        let took = start.elapsed();
        self.heads(&INSTITUTIONS)?;
        let (blocks, leaves) = (head.height.0 - last.height.0, head.size - last.size);
        self.expect(
            blocks > 0,
            &format!(
                "it fetched the {} blocks ({} leaves) that it had missed, and was at the head {} \
                 after its start",
                grouped(blocks),
                grouped(leaves),
                shown(took)
            ),
        )?;
        self.show(
            Rectors,
            &["verify", "issued/late-student-1.json"],
            Exit::Done,
            1,
        )
    }

    /// All four die at once and come back.
    pub(super) fn lose_all(&mut self, before: &str) -> Result<()> {
        self.step(
            "Kill all four at once, and lose nothing",
            "All four processes are killed and started again. Nobody has to be asked what is \
             true: each has stored what it signed.",
        )?;
        let head = self.network.view(Board)?;
        let verdicts = self.verdicts(Board, before)?;
        let save = ["verify", BADGE, "--save-receipt", RECEIPT];
        self.show(Board, &save, Exit::Done, 1)?;
        let ids = INSTITUTIONS.map(|at| self.network.process_id(at).unwrap_or_default());
        self.say(&format!(
            "$ kill -9 {}",
            ids.map(|id| id.to_string()).join(" ")
        ))?;
        for institution in INSTITUTIONS {
            self.network.kill(institution)?;
        }
        self.say("  Nobody can be asked now. A receipt proves it all the same:")?;
        let check = [
            "receipt",
            "verify",
            RECEIPT,
            "--genesis",
            "genesis.json",
            "--credential",
            BADGE,
        ];
        self.show(Board, &check, Exit::Done, 3)?;
        let took = self.network.start(&INSTITUTIONS)?;
        self.agree(&INSTITUTIONS)?;
        self.say(&format!("  All four are up again after {}.", shown(took)))?;
        // A height that was started with nothing to decide may have ended with an empty block.
        let now = self.network.view(Board)?;
        self.expect(
            now.height.0 >= head.height.0 && now.size >= head.size,
            &format!(
                "the log was at height {} with {} leaves, and is at height {} with {}",
                grouped(head.height.0),
                grouped(head.size),
                grouped(now.height.0),
                grouped(now.size)
            ),
        )?;
        let mut same = true;
        for institution in INSTITUTIONS {
            same &= self.verdicts(institution, before)? == verdicts;
        }
        let number = verdicts.len();
        self.expect(
            same,
            &format!(
                "all {number} verdicts are the same as before, now and as of the moment before \
                 the revocation, at each of the four"
            ),
        )
    }

    /// Waits until nodes have the same log.
    pub(super) fn agree(&self, institutions: &[Institution]) -> Result<Duration> {
        let network: &Network = self.network;
        network.wait("the members to have the same log", || {
            let mut views = Vec::new();
            for &institution in institutions {
                match network.view(institution) {
                    Ok(view) => views.push(view),
                    Err(_) => return Ok(false), // its log is replayed yet
                }
            }
            let same = |pair: &[LedgerView]| is_same_head(&pair[0], &pair[1]);
            Ok(views.windows(2).all(same))
        })
    }

    /// Shows where the log of each node ends.
    pub(super) fn heads(&self, institutions: &[Institution]) -> Result<()> {
        for &institution in institutions {
            let view = self.network.view(institution)?;
            let cosigners = view
                .attested
                .as_ref()
                .map_or(0, |newest| newest.cosigners.len());
            self.say(&format!(
                "  {:8}  height {:>3}  {:>3} leaves  root {}  cosigned by {cosigners} of {}",
                institution.id(),
                grouped(view.height.0),
                grouped(view.size),
                short(&view),
                view.members.len()
            ))?;
        }
        Ok(())
    }

    /// Sends records one after the other and takes the time of each.
    fn pace(&self, series: &str) -> Result<Pace> {
        let path = self.network.folder().join(series);
        folder::make(&path)?;
        let mut times = Vec::new();
        for number in 0..PACE {
            let file = format!("{series}/{number}.json");
            let definition = json!({
                "id": format!("https://university-a.example/achievements/{series}/{number}"),
                "name": format!("Course {number}"),
            });
            fs::write(
                self.network.folder().join(&file),
                folder::to_json(&definition)?,
            )?;
            let words = [
                "achievement",
                "define",
                &file,
                "--issuer-home",
                "university-a",
            ];
            let start = Instant::now();
            self.ask(Ministry, &words)?;
            times.push(start.elapsed());
        }
        times.sort();
        match (times.get(times.len() / 2), times.last()) {
            (Some(&median), Some(&longest)) => Ok(Pace { median, longest }),
            _ => Err(Failure::input("no record was sent")),
        }
    }
}

/// How long records took.
struct Pace {
    median: Duration,
    longest: Duration,
}

fn is_same_head(one: &LedgerView, other: &LedgerView) -> bool {
    (one.ledger_id, one.height, one.size, one.root)
        == (other.ledger_id, other.height, other.size, other.root)
}

/// The beginning of a root.
fn short(view: &LedgerView) -> String {
    let mut text = view.root.to_string();
    text.truncate(12);
    format!("{text}…")
}
