//! Two verifiers in other languages, written from docs/formats.md alone (tests/foreign), say of
//! every receipt and of every mutant what this one says, with the same code.
//!
//! The Python with its packages is named by `CREDLOG_PYTHON`, as tests/run does; the TypeScript
//! package is built by it. Without them this says so and passes.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use credlog_verify::receipt::{CheckOptions, Receipt, Trust};
use serde_json::{Value, json};

use crate::mutations::{bytes_of, changed_bytes, changed_fields, named_lies, verifier};
use crate::world::World;
use crate::{ANY_AGE, golden};

/// A receipt, or what was made of one, with what this verifier says.
struct Case {
    name: String,
    line: String,
    outcome: &'static str,
    code: Option<String>,
}

impl Case {
    fn new(name: String, bytes: &[u8], trust: &Trust, options: &CheckOptions) -> Self {
        let mut request = json!({
            "id": name,
            "receipt": STANDARD.encode(bytes),
            "now": options.now,
            "trust": serde_json::from_slice::<Value>(&trust.to_bytes().unwrap()).unwrap(),
        });
        if let Some(at) = options.at {
            request["at"] = json!(at);
        }
        if let Some(age) = options.age_ms_max {
            request["maxAgeSeconds"] = json!(age / 1_000);
        }
        let checked = Receipt::parse(bytes).and_then(|receipt| receipt.check(trust, options));
        let (outcome, code) = match checked {
            Err(refusal) => ("refused", Some(refusal.code.to_string())),
            Ok(proven) => match proven.doubt {
                None => ("accepted", None),
                Some(doubt) => ("unknown", Some(doubt.as_str().to_owned())),
            },
        };
        Self {
            name,
            line: request.to_string(),
            outcome,
            code,
        }
    }
}

/// Mutants of bytes that other languages look at: every so many of those that are refused here.
const BYTES_STEP: usize = 8;

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, receipt) in golden::all() {
        let bytes = receipt.to_bytes().unwrap();
        let (trust, options) = verifier(name, &receipt);
        cases.push(Case::new(name.to_owned(), &bytes, &trust, &options));
        let aged = CheckOptions {
            age_ms_max: Some(1_000),
            ..options
        };
        cases.push(Case::new(format!("{name} too old"), &bytes, &trust, &aged));
        let document = serde_json::from_slice(&bytes).unwrap();
        for (what, changed) in changed_fields(&document) {
            let name = format!("{name}: {what}");
            cases.push(Case::new(name, &bytes_of(&changed), &trust, &options));
        }
        for (at, changed) in changed_bytes(&bytes).enumerate().step_by(BYTES_STEP) {
            let name = format!("{name}: byte mutant {at}");
            cases.push(Case::new(name, &changed, &trust, &options));
        }
    }
    let trust = World::small().trust();
    for lie in named_lies() {
        let bytes = lie.receipt.to_bytes().unwrap();
        cases.push(Case::new(lie.name.to_owned(), &bytes, &trust, &ANY_AGE));
    }
    let (older, newer) = (golden::all().swap_remove(0).1, golden::trust_between());
    let bytes = older.to_bytes().unwrap();
    cases.push(Case::new("older".to_owned(), &bytes, &newer, &ANY_AGE));
    cases
}

fn foreign() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/foreign"))
}

/// What a verifier answers to each line.
fn answers(mut command: Command, cases: &[Case]) -> Vec<Value> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut input = child.stdin.take().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let answers = std::thread::scope(|scope| {
        scope.spawn(move || {
            for case in cases {
                if writeln!(input, "{}", case.line).is_err() {
                    // It has ended; its answers are too few.
                    break;
                }
            }
        });
        let lines = output.lines();
        lines
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
            .collect()
    });
    child.wait().unwrap();
    answers
}

fn compare(command: Command, cases: &[Case]) {
    let answers = answers(command, cases);
    assert_eq!(answers.len(), cases.len());
    let mut differ = Vec::new();
    for (case, answer) in cases.iter().zip(&answers) {
        assert_eq!(answer["id"], case.name.as_str());
        let same =
            answer["outcome"] == case.outcome && answer["code"].as_str() == case.code.as_deref();
        if !same {
            differ.push(format!(
                "{}: {} {:?} here, {} {} ({}) there",
                case.name,
                case.outcome,
                case.code,
                answer["outcome"],
                answer["code"],
                answer["reason"]
            ));
        }
    }
    let some: Vec<_> = differ.iter().take(20).collect();
    assert!(
        differ.is_empty(),
        "{} of {}: {some:#?}",
        differ.len(),
        cases.len()
    );
}

fn count(cases: &[Case], outcome: &str) -> usize {
    cases.iter().filter(|case| case.outcome == outcome).count()
}

#[test]
fn python_and_typescript_say_the_same_of_every_receipt() {
    let cases = cases();
    assert!(count(&cases, "accepted") >= 11 && count(&cases, "unknown") >= 11);
    assert!(count(&cases, "refused") > 3_000);
    match std::env::var_os("CREDLOG_PYTHON") {
        None => println!("NOT RUN: the receipt checker in Python needs CREDLOG_PYTHON"),
        Some(python) => {
            let mut command = Command::new(python);
            command
                .arg(foreign().join("check_receipt.py"))
                .arg("--lines");
            compare(command, &cases);
        }
    }
    let package = foreign().join("receipt-ts");
    if !Path::new(&package.join("dist")).is_dir() {
        println!("NOT RUN: the receipt checker in TypeScript is not built");
        return;
    }
    let mut command = Command::new("node");
    command
        .arg(package.join("bin/check-receipt.mjs"))
        .arg("--lines");
    compare(command, &cases);
}
