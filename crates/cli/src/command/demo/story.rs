//! The story: each step says what happens, runs real commands, and checks their outcome.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::network::Network;
use super::samples::{self, BAD, GOOD, LISTS, REVOKED};
use crate::folder;
use crate::keyfile;
use crate::moment;
use crate::outcome::{Exit, Failure, Result};
use crate::screen::{Ink, Screen, wrap};

/// Columns of the story's text.
const WIDTH: usize = 92;
const ACCREDITED: &[&str] = &[
    "accreditation",
    "grant",
    "--home",
    "member",
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
    network: &'a Network,
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
        self.verify()?;
        self.refuse()?;
        let before = self.revoke()?;
        self.survive(&before)
    }

    fn found(&mut self) -> Result<()> {
        self.step(
            "Found a ledger",
            "An accreditation board makes its keys and founds a ledger. A consortium would put \
             the member.json of every institution into one genesis file; here there is one \
             member. Then it starts its node.",
        )?;
        let listen = self.network.listen();
        self.show(
            &[
                "init",
                "member",
                "--member",
                "board",
                "--name",
                "Accreditation Board",
                "--origin",
                "demo.example/credlog",
                "--listen",
                &listen,
                "--network-listen",
                "/ip4/127.0.0.1/tcp/0",
                "--no-passphrase",
            ],
            Exit::Done,
            1,
        )?;
        self.show(
            &[
                "genesis",
                "create",
                "--origin",
                "demo.example/credlog",
                "--out",
                "member/genesis.json",
                "member/member.json",
            ],
            Exit::Done,
            4,
        )?;
        self.say("$ credlog node run --config member/credlog.toml &")?;
        self.network.start_node()?;
        let id = self.network.node_id().unwrap_or_default();
        self.say(&format!(
            "  The node runs (process {id}) and answers at {}.",
            self.network.url()
        ))
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
            &[
                "issuer",
                "new",
                "university-a",
                "--name",
                "University A",
                "--genesis",
                "member/genesis.json",
                "--key",
                "university-a-key.pem",
                "--no-passphrase",
            ],
            Exit::Done,
            2,
        )?;
        self.show(ACCREDITED, Exit::Done, 2)
    }

    fn issue(&mut self) -> Result<()> {
        self.step(
            "Issue credentials",
            "University A anchors four credentials that another program signed for it, and \
             issues three new badges, which credlog signs. The ledger gets digests, positions \
             and dates; no names and no contents.",
        )?;
        let folder = self.network.folder();
        write_samples(&folder.join("signed-elsewhere"), GOOD.iter())?;
        write_samples(&folder.join("status-lists"), LISTS.iter())?;
        write_samples(
            &folder.join("suspicious"),
            BAD.iter().map(|bad| &bad.sample),
        )?;
        folder::make(&folder.join("inbox"))?;
        for (name, badge) in samples::unsigned_badges()? {
            fs::write(folder.join("inbox").join(name), folder::to_json(&badge)?)?;
        }
        let issue = [
            "issue",
            "signed-elsewhere",
            "inbox",
            "--out",
            "issued",
            "--issuer-home",
            "university-a",
        ];
        self.show(&issue, Exit::Done, 3)?;
        let issued = self.ask(&issue)?;
        self.expect(
            issued["issuedBefore"] == 7 && issued["issued"] == 0,
            "the same command again finds all of them issued, and issues nothing twice",
        )
    }

    fn verify(&mut self) -> Result<()> {
        self.step(
            "Verify, as an employer",
            "An employer got a badge by mail. The signature is checked on the employer's \
             machine; a node is asked about its digest and its issuer.",
        )?;
        self.show(&["verify", "issued/student-1.json"], Exit::Done, 20)?;
        self.tell_more(
            "All of them at once; those signed elsewhere keep their status in another \
            system's lists, which are handed over with them:",
        )?;
        self.show(
            &[
                "verify",
                "issued",
                "--status-list",
                "status-lists/status-list-revocation.json",
                "--status-list",
                "status-lists/status-list-suspension.json",
            ],
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
            let output = self.network.run(&["verify", &file, "--json"])?;
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
             when the ledger has it. Verified now it is revoked; as of a moment before, it was \
             valid, and both answers stay true.",
        )?;
        let file = format!("issued/{REVOKED}");
        std::thread::sleep(Duration::from_millis(1_100));
        let before = moment::rfc3339(moment::now());
        std::thread::sleep(Duration::from_millis(1_100));
        self.show(
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
        let lists = [
            "--status-list",
            "status-lists/status-list-revocation.json",
            "--status-list",
            "status-lists/status-list-suspension.json",
        ];
        self.show(
            &[&["verify", &file], lists.as_slice()].concat(),
            Exit::Negative,
            3,
        )?;
        self.show(
            &[&["verify", &file, "--at", &before], lists.as_slice()].concat(),
            Exit::Done,
            3,
        )?;
        Ok(before)
    }

    fn survive(&mut self, before: &str) -> Result<()> {
        self.step(
            "Kill the node, and lose nothing",
            "The node's process is killed with SIGKILL, as a power cut would end it, and started \
             again. In between, everything it has stored is computed again from the founding on.",
        )?;
        let head = self.head()?;
        let verdicts = self.verdicts(before)?;
        let id = self.network.node_id().unwrap_or_default();
        self.say(&format!("$ kill -9 {id}"))?;
        self.network.kill_node()?;
        self.show(&["ledger", "status"], Exit::Node, 2)?;
        let check = ["store", "check", "--config", "member/credlog.toml"];
        self.show(&check, Exit::Done, 2)?;
        self.say("$ credlog node run --config member/credlog.toml &")?;
        self.network.start_node()?;
        let same_head = self.head()? == head;
        self.expect(
            same_head,
            &format!(
                "the log ends where it ended: height {}, {} leaves, root {}…",
                head["height"],
                head["size"],
                head["root"]
                    .as_str()
                    .unwrap_or_default()
                    .get(..16)
                    .unwrap_or_default()
            ),
        )?;
        let same_verdicts = self.verdicts(before)? == verdicts;
        let number = verdicts.len();
        self.expect(
            same_verdicts,
            &format!("all {number} verdicts are the same as before, now and as of that moment"),
        )
    }

    fn head(&self) -> Result<Value> {
        let view = self.ask(&["ledger", "status"])?;
        let pick = |name: &str| (name.to_owned(), view[name].clone());
        Ok(["ledgerId", "height", "size", "root", "time"]
            .map(pick)
            .into_iter()
            .collect())
    }

    /// Summaries of all credentials, now and as of a time.
    fn verdicts(&self, before: &str) -> Result<Vec<String>> {
        let lists = [
            "--status-list",
            "status-lists/status-list-revocation.json",
            "--status-list",
            "status-lists/status-list-suspension.json",
        ];
        let number = GOOD.len() + samples::BADGES + BAD.len();
        let mut summaries = Vec::new();
        for at in [[].as_slice(), &["--at", before]] {
            let words = [
                &["verify", "issued", "suspicious", "--json"],
                lists.as_slice(),
                at,
            ]
            .concat();
            let output = self.network.run(&words)?;
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

    fn step(&mut self, title: &str, text: &str) -> Result<()> {
        let number = self.steps.len() + 1;
        self.steps.push(Value::String(title.to_owned()));
        let title = format!("\n{number}. {title}");
        self.screen.line(self.screen.ink(Ink::Bold, &title))?;
        self.screen.line(wrap(text, WIDTH, 0))?;
        self.screen.line("")
    }

    fn tell_more(&self, text: &str) -> Result<()> {
        self.screen.line("")?;
        self.screen.line(wrap(text, WIDTH, 0))
    }

    fn say(&self, text: &str) -> Result<()> {
        self.screen.line(text)
    }

    /// Runs a command and shows it with the first lines of what it prints.
    fn show(&mut self, words: &[&str], expected: Exit, lines_max: usize) -> Result<()> {
        let line = format!("$ credlog {}", quoted(words));
        self.say(&self.screen.ink(Ink::Dim, &line))?;
        let output = self.network.run(words)?;
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
    fn ask(&self, words: &[&str]) -> Result<Value> {
        let output = self.network.run(&[words, &["--json"]].concat())?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Failure::input(format!(
                "credlog {}: {text}",
                words.join(" ")
            )));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn expect(&mut self, holds: bool, what: &str) -> Result<()> {
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
