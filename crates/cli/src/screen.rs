//! What a command prints: data on stdout (text or JSON), everything else on stderr.

use std::io::{IsTerminal, Write};

use credlog_credential::is_deceptive;
use serde::Serialize;
use serde_json::json;

use crate::outcome::{Exit, Failure, Result};

/// Colours and weights of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
}

/// Things that are told one by one in a text for people.
pub(crate) const NOTES_MAX: usize = 20;

/// Where a command prints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    json: bool,
    color: bool,
    quiet: bool,
}

impl Screen {
    /// Colours only on a terminal and without NO_COLOR (no-color.org).
    pub(crate) fn new(json: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            json,
            color: std::io::stdout().is_terminal() && !plain,
            quiet: json || !std::io::stderr().is_terminal(),
        }
    }

    /// The same for what goes elsewhere than to a terminal.
    pub(crate) fn without_color(self) -> Self {
        Self {
            color: false,
            ..self
        }
    }

    /// Lines of an answer that comes piece by piece, whatever their form.
    #[allow(clippy::unused_self)] // the screen is where it goes
    pub(crate) fn out(self, text: &str) -> Result<()> {
        write_stdout(text)
    }

    /// Whether the answer is JSON.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether progress bars are hidden.
    pub(crate) fn hides_progress(self) -> bool {
        self.quiet
    }

    /// A text in a colour, where colours are shown.
    pub(crate) fn ink(self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Green => "32;1",
            Ink::Yellow => "33;1",
            Ink::Red => "31;1",
        };
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// A line for people; nothing with `--json`.
    pub(crate) fn line(self, text: impl AsRef<str>) -> Result<()> {
        if self.json {
            return Ok(());
        }
        write_stdout(text.as_ref())
    }

    /// The command's answer: JSON with `--json`, else the lines.
    pub(crate) fn answer(self, value: &impl Serialize, lines: impl AsRef<str>) -> Result<()> {
        if self.json {
            let text =
                serde_json::to_string_pretty(value).map_err(|e| Failure::input(e.to_string()))?;
            write_stdout(&text)
        } else {
            write_stdout(lines.as_ref())
        }
    }

    /// Says on stderr why the command failed: a line, or with `--json` an object, so that
    /// a program need not read sentences.
    pub(crate) fn failure(self, failure: &Failure) {
        if failure.exit == Exit::BrokenPipe {
            // Who went away (`| head`) had enough.
        } else if self.json {
            note(json!({"error": failure.json()}).to_string());
        } else {
            note(format!("credlog: {}", failure.message));
        }
    }

    /// A note for people beside an answer that holds the same: nothing with `--json`.
    pub(crate) fn note(self, text: impl AsRef<str>) {
        if !self.json {
            note(text);
        }
    }

    /// Notes about each of many things, the first [`NOTES_MAX`] of them, with how many more there
    /// are; the answer with `--json` holds all.
    pub(crate) fn notes(self, notes: impl ExactSizeIterator<Item = String>) {
        let number = notes.len();
        for text in notes.take(NOTES_MAX) {
            self.note(text);
        }
        if number > NOTES_MAX {
            let more = grouped((number - NOTES_MAX) as u64);
            self.note(format!("and {more} more; --json lists all"));
        }
    }
}

/// Prints lines. A reader that went away (`| head`) ends the command like any failure, so that
/// what it holds is given back, and without a word.
fn write_stdout(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(end.as_bytes()))
        .and_then(|()| out.flush())
    {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::new(
            Exit::BrokenPipe,
            "nobody reads standard output any more",
        )),
        Err(error) => Err(Failure::input(format!(
            "standard output cannot be written: {error}"
        ))),
        Ok(()) => Ok(()),
    }
}

/// A note for people beside the answer, on stderr.
pub(crate) fn note(text: impl AsRef<str>) {
    // Nobody can be told when stderr is closed.
    let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
}

/// Names and texts that others wrote, made safe to show: control characters become spaces, and
/// invisible ones that move or hide letters are written out, such as `<U+202E>`.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => shown.push(' '),
            c if is_deceptive(c) => shown.push_str(&format!("<U+{:04X}>", u32::from(c))),
            c => shown.push(c),
        }
    }
    shown
}

/// A text in lines of at most `width` columns, each indented; a longer word stays whole.
pub(crate) fn wrap(text: &str, width: usize, indent: usize) -> String {
    let space = " ".repeat(indent);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let length = line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && indent + length > width {
            lines.push(format!("{space}{line}"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(format!("{space}{line}"));
    lines.join("\n")
}

/// `1 credential`, `2 credentials`, `12,000 credentials`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number as u64))
}

/// A number with a comma at every third digit.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_nouns_agree() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(count(1, "record"), "1 record");
        assert_eq!(count(12_000, "record"), "12,000 records");
    }

    #[test]
    fn long_texts_are_wrapped_between_words() {
        assert_eq!(wrap("one two three", 9, 2), "  one two\n  three");
        assert_eq!(wrap("abcdefghijkl m", 5, 0), "abcdefghijkl\nm");
        assert_eq!(wrap("", 5, 2), "  ");
    }

    #[test]
    fn foreign_texts_cannot_move_the_cursor() {
        assert_eq!(shown("a\x1b[2Jb\n"), "a [2Jb ");
        assert_eq!(
            shown("\u{202e}A\u{2066}\u{200b}é"),
            "<U+202E>A<U+2066><U+200B>é"
        );
    }
}
