//! What `verify` shows, and how it ends when not everything can be checked.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::world::{World, sample};

/// The lines of `verify --json` with the exit code.
fn lines(world: &World, words: &[&str]) -> (Option<i32>, Vec<Value>) {
    let output = world.run(&[&["verify", "--json"], words].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |line| serde_json::from_str(line).unwrap();
    (output.status.code(), text.lines().map(line).collect())
}

/// A school that may award an introduction wrote that it is a university and awards a doctorate,
/// and nothing else was shown: "VALID  Doctor of Medicine, by University A".
#[test]
fn the_names_shown_are_those_of_the_ledger() {
    let world = World::with_issuer("Bob School");
    world.grant("issuer", "urn:x:intro");
    let definition = r#"{"id": "urn:x:intro", "name": "Introduction"}"#;
    fs::write(world.path("intro.json"), definition).unwrap();
    world.ok(&[
        "achievement",
        "define",
        "intro.json",
        "--issuer-home",
        "issuer",
    ]);
    let badge = json!({
        "@context": [
            "https://www.w3.org/ns/credentials/v2",
            "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
        ],
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "issuer": {
            "id": world.issuer_id("issuer"), "type": ["Profile"], "name": "University A",
        },
        "credentialSubject": {
            "type": ["AchievementSubject"],
            "achievement": {
                "id": "urn:x:intro",
                "type": ["Achievement"],
                "name": "Doctor of Medicine",
                "description": "\u{202e}backwards",
                "criteria": {"narrative": "an hour"},
            },
        },
    });
    fs::write(world.path("badge.json"), badge.to_string()).unwrap();
    world.ok(&[
        "issue",
        "badge.json",
        "--out",
        "out",
        "--issuer-home",
        "issuer",
    ]);

    let shown = world.ok(&["verify", "out/badge.json"]);
    assert!(shown.contains("Introduction, by Bob School\n"), "{shown}");
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("to award urn:x:intro (“Introduction”)"),
        "{shown}"
    );
    assert!(
        words.contains("itself calls it “Doctor of Medicine”"),
        "{shown}"
    );
    assert!(words.contains("calls its issuer “University A”"), "{shown}");
    let table = world.ok(&[&["verify"], ["out/badge.json"; 5].as_slice()].concat());
    assert!(table.contains("Introduction"), "{table}");
    assert!(table.contains("Bob School"), "{table}");
    assert!(!table.contains("University A"), "{table}");
    assert!(!table.contains("Doctor"), "{table}");
    let (_, answer) = lines(&world, &["out/badge.json"]);
    assert_eq!(
        answer[0]["verdict"]["registered"]["issuerName"],
        "Bob School"
    );
}

/// One file that nobody can read took all verdicts with it; one that is too long was "invalid".
#[test]
fn what_cannot_be_checked_is_unknown_and_the_rest_is_told() {
    let world = World::running();
    world.unsigned("inbox", "issuer", 0..5);
    world.ok(&["issue", "inbox", "--out", "out", "--issuer-home", "issuer"]);
    let long = json!({ "a": "x".repeat(5 << 20) }).to_string();
    fs::write(world.path("out/long.json"), long).unwrap();
    let deep = format!("{}1{}", "[".repeat(65), "]".repeat(65));
    fs::write(world.path("out/deep.json"), deep).unwrap();
    let endless = fs::File::create(world.path("out/endless.json")).unwrap();
    endless.set_len(65 << 20).unwrap();

    let (code, answers) = lines(&world, &["out"]);
    assert_eq!((code, answers.len()), (Some(2), 8));
    let valid = answers
        .iter()
        .filter(|one| one["verdict"]["summary"] == "valid");
    assert_eq!(valid.count(), 5);
    let errors: Vec<_> = answers
        .iter()
        .filter(|one| one["error"].is_object())
        .collect();
    assert_eq!(errors.len(), 3, "{errors:?}");
    for one in errors {
        assert_eq!(
            (&one["error"]["exit"], &one["error"]["code"]),
            (&2.into(), &"input".into())
        );
        assert!(one["verdict"].is_null(), "{one}");
    }
    let table = world.run(&["verify", "out"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("5 valid, 3 unknown"), "{table}");

    // What is no credential at all is invalid, and more than unknown.
    fs::write(world.path("out/empty.json"), "").unwrap();
    assert_eq!(lines(&world, &["out"]).0, Some(1));
}

#[test]
fn a_node_that_does_not_answer_takes_no_verdict_back() {
    let world = World::founded();
    fs::write(world.path("empty.json"), "").unwrap();
    let file = sample("01-valid-ob3-eddsa-rdfc-2022.json");
    let (code, answers) = lines(&world, &["empty.json", &file]);
    assert_eq!((code, answers.len()), (Some(3), 2));
    assert_eq!(answers[0]["error"]["code"], "no-credential");
    let error = &answers[1]["error"];
    assert_eq!(
        (&error["exit"], &error["code"]),
        (&3.into(), &"node".into())
    );
    let output = world.run(&["verify", "empty.json", &file]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("1 unknown, 1 invalid"), "{told}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("1 of 2 credentials could not be checked"),
        "{said}"
    );
    // Texts end up in logs: whom it is about stays out of them.
    assert!(!said.contains("issuer="), "{said}");
}

/// A reader that went away made everything a success, and cleaned up nothing.
#[test]
fn a_closed_pipe_is_no_success_and_leaves_nothing_behind() {
    let world = World::running();
    let digest = "0".repeat(64);
    let temporary = world.path("tmp");
    fs::create_dir(&temporary).unwrap();
    for words in [
        ["verify", "--json", &digest].as_slice(),
        &["demo", "--once"],
    ] {
        let mut child = world
            .command(words)
            .env("TMPDIR", &temporary)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), said.as_str()),
            (Some(141), ""),
            "{words:?}"
        );
    }
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}
