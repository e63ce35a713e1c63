//! The story: each step says what happens, runs real commands, and checks their outcome.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::network::{INSTITUTIONS, Institution, Network};
use super::samples::{self, BAD, GOOD, LISTS, REVOKED, Series};
use crate::folder;
use crate::keyfile;
use crate::moment;
use crate::outcome::{Exit, Failure, Result};
use crate::screen::{Ink, Screen, wrap};
use Institution::{Board, Chamber, Ministry};

const ORIGIN: &str = "demo.example/credlog";
/// Status lists of the credentials that were signed elsewhere.
const WITH_LISTS: &[&str] = &[
    "--status-list",
    "status-lists/status-list-revocation.json",
    "--status-list",
    "status-lists/status-list-suspension.json",
];
/// Columns of the story's text.
const WIDTH: usize = 92;
const ACCREDITED: &[&str] = &[
    "accreditation",
    "grant",
    "--home",
    "board",
    "--issuer",
    "university-a/issuer.json",
    "--scope",
    "all",
    "--recovery-key",
    "university-a/keys/recovery.pem",
];

/// Tells the story.
pub(super) struct Story<'a> {
    screen: Screen,
    pub(super) network: &'a Network,
    /// What did not come out as expected.
    pub(super) failures: Vec<String>,
    pub(super) steps: Vec<Value>,
}

impl<'a> Story<'a> {
    pub(super) fn new(screen: Screen, network: &'a Network) -> Self {
        Self {
            screen,
            network,
            failures: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// All steps in order.
    pub(super) fn tell(&mut self) -> Result<()> {
        self.found()?;
        self.accredit()?;
        self.issue()?;
        self.reach_all()?;
        let missed = self.lose_one()?;
        self.verify()?;
        self.refuse()?;
        let before = self.revoke()?;
        self.bring_back(&missed)?;
        self.lose_all(&before)
    }

    fn found(&mut self) -> Result<()> {
        self.step(
            "Found a ledger of four members",
            "Four institutions that need not trust each other make their keys, and hand over the \
             public ones. One genesis file names all four; it is the same for everybody. Each \
             then starts a node of its own. The word before the $ says whose node is asked.",
        )?;
        for (number, institution) in INSTITUTIONS.into_iter().enumerate() {
            let lines_max = if number == 0 { 1 } else { 0 };
            self.init(institution, lines_max)?;
        }
        let members = INSTITUTIONS.map(|member| format!("{}/member.json", member.id()));
        let mut create = vec![
            "genesis",
            "create",
            "--origin",
            ORIGIN,
            "--out",
            "genesis.json",
        ];
        create.extend(members.iter().map(String::as_str));
        self.show(Board, &create, Exit::Done, 4)?;
        for institution in INSTITUTIONS {
            let copy = self.network.folder().join(institution.id());
            fs::copy(
                self.network.folder().join("genesis.json"),
                copy.join("genesis.json"),
            )?;
            let id = institution.id();
            self.say(&format!(
                "{id} $ credlog node run --config {id}/credlog.toml &"
            ))?;
        }
        let took = self.network.start(&INSTITUTIONS)?;
        for institution in INSTITUTIONS {
            self.say(&format!(
                "  {:8} process {:7}  {}",
                institution.id(),
                self.network.process_id(institution).unwrap_or_default(),
                self.network.url(institution)
            ))?;
        }
        self.say(&format!(
            "  They found each other in {}. Three of the four together decide what is true.",
            shown(took)
        ))
    }

    fn init(&mut self, institution: Institution, lines_max: usize) -> Result<()> {
        let (listen, address) = (
            self.network.listen(institution),
            self.network.multiaddr(institution),
        );
        let url = self.network.url(institution);
        let words = [
            "init",
            institution.id(),
            "--member",
            institution.id(),
            "--name",
            institution.name(),
            "--origin",
            ORIGIN,
            "--listen",
            &listen,
            "--url",
            &url,
            "--network-listen",
            &address,
            "--address",
            &address,
            "--no-passphrase",
        ];
        self.show(institution, &words, Exit::Done, lines_max)
    }

    fn accredit(&mut self) -> Result<()> {
        self.step(
            "Accredit University A",
            "University A has a signing key already. It makes a recovery key and hands over its \
             registration; the board accredits it for all achievements. The recovery key agrees.",
        )?;
        let key = self.network.folder().join("university-a-key.pem");
        keyfile::write(&key, &samples::university_a_key(), None)?;
        self.show(
            Board,
            &[
                "issuer",
                "new",
                "university-a",
                "--name",
                "University A",
                "--genesis",
                "genesis.json",
                "--key",
                "university-a-key.pem",
                "--no-passphrase",
            ],
            Exit::Done,
            2,
        )?;
        self.show(Board, ACCREDITED, Exit::Done, 2)?;
        self.agree(&INSTITUTIONS)?;
        Ok(())
    }

    fn issue(&mut self) -> Result<()> {
        self.step(
            "Issue credentials",
            "University A anchors four credentials that another program signed for it, and \
             issues three new badges, which credlog signs. The ledger gets digests, positions \
             and dates; no names and no contents. Any member's node takes the records; success \
             is reported when three members have cosigned them.",
        )?;
        let folder = self.network.folder();
        write_samples(&folder.join("signed-elsewhere"), GOOD.iter())?;
        write_samples(&folder.join("status-lists"), LISTS.iter())?;
        write_samples(
            &folder.join("suspicious"),
            BAD.iter().map(|bad| &bad.sample),
        )?;
        samples::write_badges(&folder.join("inbox"), Series::First)?;
        let issue = [
            "issue",
            "signed-elsewhere",
            "inbox",
            "--out",
            "issued",
            "--issuer-home",
            "university-a",
        ];
        self.show(Ministry, &issue, Exit::Done, 3)?;
        let issued = self.ask(Ministry, &issue)?;
        self.expect(
            issued["issuedBefore"] == 7 && issued["issued"] == 0,
            "the same command again finds all of them issued, and issues nothing twice",
        )
    }

    fn reach_all(&mut self) -> Result<()> {
        self.step(
            "Every member has it",
            "The records were posted to the ministry's node alone. Each member executed the same \
             blocks and signed the same root, so any of the four answers for the ledger.",
        )?;
        let took = self.agree(&INSTITUTIONS)?;
        self.heads(&INSTITUTIONS)?;
        self.say(&format!(
            "  All four had it {} after success was reported.",
            shown(took)
        ))?;
        for institution in INSTITUTIONS {
            let verify = ["verify", "issued/student-1.json"];
            self.show(institution, &verify, Exit::Done, 1)?;
        }
        Ok(())
    }

    fn verify(&mut self) -> Result<()> {
        self.step(
            "Verify, as an employer",
            "An employer got a badge by mail. The signature is checked on the employer's \
             machine; a node is asked about its digest and its issuer.",
        )?;
        self.show(
            Chamber,
            &["verify", "issued/student-1.json"],
            Exit::Done,
            20,
        )?;
        self.tell_more(
            "All of them at once; those signed elsewhere keep their status in another \
            system's lists, which are handed over with them:",
        )?;
        self.show(
            Chamber,
            &[&["verify", "issued"], WITH_LISTS].concat(),
            Exit::Done,
            20,
        )
    }

    fn refuse(&mut self) -> Result<()> {
        self.step(
            "Refuse what is forged, changed or out of date",
            "Seven more credentials arrive. Each is refused, with its reason.",
        )?;
        for bad in &BAD {
            let file = format!("suspicious/{}", bad.sample.name);
            let output = self.network.run(Chamber, &["verify", &file, "--json"])?;
            let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let verdict = &answer["verdict"];
            let summary = verdict["summary"].as_str().unwrap_or("no answer");
            let headline = verdict["headline"].as_str().unwrap_or_default();
            let name = bad.sample.name.trim_end_matches(".json");
            self.say(&format!(
                "  {} {name}: {}",
                self.screen.ink(Ink::Red, "✗"),
                bad.story
            ))?;
            self.say(&wrap(
                &format!("→ {}: {headline}", summary.replace('_', " ")),
                WIDTH,
                6,
            ))?;
            let reasons = verdict.to_string().to_lowercase();
            let fits = summary == bad.summary && reasons.contains(bad.reason);
            if output.status.code() != Some(1) || !fits {
                self.fail(format!(
                    "{file} is {summary}, not {}: {headline}",
                    bad.summary
                ))?;
            }
        }
        Ok(())
    }

    /// Revokes one; answers with a time at which it was still valid.
    fn revoke(&mut self) -> Result<String> {
        self.step(
            "Revoke one",
            "University A finds an error and revokes one credential. Success is reported only \
             when the ledger has it, also without the rectors' node. Verified now it is revoked; as of a moment before, it was \
             valid, and both answers stay true.",
        )?;
        let file = format!("issued/{REVOKED}");
        std::thread::sleep(Duration::from_millis(1_100));
        let before = moment::rfc3339(moment::now());
        std::thread::sleep(Duration::from_millis(1_100));
        self.show(
            Ministry,
            &[
                "revoke",
                &file,
                "--issuer-home",
                "university-a",
                "--reason",
                "issued-in-error",
            ],
            Exit::Done,
            3,
        )?;
        self.show(
            Ministry,
            &[&["verify", &file], WITH_LISTS].concat(),
            Exit::Negative,
            3,
        )?;
        self.show(
            Ministry,
            &[&["verify", &file, "--at", &before], WITH_LISTS].concat(),
            Exit::Done,
            3,
        )?;
        Ok(before)
    }

    /// Summaries of all credentials at a member, now and as of a time.
    pub(super) fn verdicts(&self, at: Institution, before: &str) -> Result<Vec<String>> {
        let number = GOOD.len() + 2 * samples::BADGES + BAD.len();
        let mut summaries = Vec::new();
        for time in [[].as_slice(), &["--at", before]] {
            let words = [
                &["verify", "issued", "suspicious", "--json"],
                WITH_LISTS,
                time,
            ]
            .concat();
            let output = self.network.run(at, &words)?;
            // The suspicious ones are among them.
            let expected = (Some(i32::from(Exit::Negative as u8)), number);
            let found = summaries_of(&output.stdout)?;
            if (output.status.code(), found.len()) != expected {
                return Err(Failure::input(format!(
                    "`credlog {}` ended with {} and {} of {number} verdicts: {}",
                    words.join(" "),
                    output.status,
                    found.len(),
                    String::from_utf8_lossy(&output.stderr)
                )));
            }
            summaries.extend(found);
        }
        Ok(summaries)
    }

    pub(super) fn step(&mut self, title: &str, text: &str) -> Result<()> {
        let number = self.steps.len() + 1;
        self.steps.push(Value::String(title.to_owned()));
        let title = format!("\n{number}. {title}");
        self.screen.line(self.screen.ink(Ink::Bold, &title))?;
        self.screen.line(wrap(text, WIDTH, 0))?;
        self.screen.line("")
    }

    pub(super) fn tell_more(&self, text: &str) -> Result<()> {
        self.screen.line("")?;
        self.screen.line(wrap(text, WIDTH, 0))
    }

    pub(super) fn say(&self, text: &str) -> Result<()> {
        self.screen.line(text)
    }

    /// Runs a command and shows it with the first lines of what it prints.
    pub(super) fn show(
        &mut self,
        at: Institution,
        words: &[&str],
        expected: Exit,
        lines_max: usize,
    ) -> Result<()> {
        let line = format!("{} $ credlog {}", at.id(), quoted(words));
        self.say(&self.screen.ink(Ink::Dim, &line))?;
        let output = self.network.run(at, words)?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        for line in text.lines().take(lines_max) {
            self.say(&format!("  {line}"))?;
        }
        if output.status.code() != Some(i32::from(expected as u8)) {
            let text = format!(
                "`{line}` ended with {}, not {}:\n{text}",
                output.status, expected as u8
            );
            self.fail(text)?;
        }
        Ok(())
    }

    /// Runs a command for its answer.
    pub(super) fn ask(&self, at: Institution, words: &[&str]) -> Result<Value> {
        let output = self.network.run(at, &[words, &["--json"]].concat())?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Failure::input(format!(
                "credlog {}: {text}",
                words.join(" ")
            )));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    pub(super) fn expect(&mut self, holds: bool, what: &str) -> Result<()> {
        if holds {
            let mark = self.screen.ink(Ink::Green, "✓");
            return self.say(&wrap(&format!("{mark} {what}."), WIDTH, 2));
        }
        self.fail(format!("it does not hold that {what}"))
    }

    fn fail(&mut self, text: String) -> Result<()> {
        self.say(&format!(
            "  {} NOT AS EXPECTED: {text}",
            self.screen.ink(Ink::Red, "✗")
        ))?;
        self.failures.push(text);
        Ok(())
    }
}

/// A duration in words.
pub(super) fn shown(duration: Duration) -> String {
    match duration.as_millis() {
        millis @ ..1_000 => format!("{millis} ms"),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

/// Target and summary of each line that `verify --json` printed; a line without a verdict is an
/// error.
fn summaries_of(stdout: &[u8]) -> Result<Vec<String>> {
    let line = |line: &str| {
        let answer: Value = serde_json::from_str(line)?;
        match answer["verdict"]["summary"].as_str() {
            Some(summary) => Ok(format!("{} {summary}", answer["target"])),
            None => Err(Failure::input(format!("there is no verdict in {line}"))),
        }
    };
    String::from_utf8_lossy(stdout).lines().map(line).collect()
}

fn write_samples<'s>(
    folder: &Path,
    samples: impl Iterator<Item = &'s samples::Sample>,
) -> Result<()> {
    folder::make(folder)?;
    for sample in samples {
        fs::write(folder.join(sample.name), sample.bytes)?;
    }
    Ok(())
}

/// Words as a shell would read them.
fn quoted(words: &[&str]) -> String {
    let quote = |word: &&str| {
        if word.contains(' ') {
            format!("\"{word}\"")
        } else {
            (*word).to_owned()
        }
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_verdicts_are_compared() {
        let good = br#"{"target": "a.json", "verdict": {"summary": "valid"}}"#;
        assert_eq!(summaries_of(good).unwrap(), [r#""a.json" valid"#]);
        assert!(summaries_of(b"").unwrap().is_empty());
        for bad in [r#"{"target": "a.json", "error": {"exit": 3}}"#, "no answer"] {
            assert!(summaries_of(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
