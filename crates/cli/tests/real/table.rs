//! Badges for a table of people: one credential a row, whatever interrupts the run.

use std::collections::HashSet;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use rand::Rng;
use serde_json::{Value, json};

use crate::world::World;

const ISSUE: [&str; 9] = [
    "issue",
    "--csv",
    "people.csv",
    "--template",
    "badge.json",
    "--out",
    "out",
    "--issuer-home",
    "issuer",
];

fn template(world: &World) {
    let badge = json!({
        "@context": [
            "https://www.w3.org/ns/credentials/v2",
            "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
        ],
        "id": "urn:uuid:{{uuid}}",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": "Statistics for {{name}}",
        "issuer": {"id": "{{issuer}}", "type": ["Profile"], "name": "University"},
        "validFrom": "{{now}}",
        "credentialSubject": {
            "id": "mailto:{{e-mail}}",
            "type": ["AchievementSubject"],
            "achievement": {
                "id": "urn:x:statistics",
                "type": ["Achievement"],
                "name": "Statistics",
                "description": "{{note?}}",
                "criteria": {"narrative": "A test."},
            },
        },
    });
    fs::write(world.path("badge.json"), badge.to_string()).unwrap();
}

fn people(world: &World, number: usize) {
    let mut table = "name,e-mail,note,age\n".to_owned();
    for person in 0..number {
        table.push_str(&format!("\"Doe, {person}\",p{person}@x.example,,30\n"));
    }
    fs::write(world.path("people.csv"), table).unwrap();
}

fn rounds() -> u64 {
    if std::env::var("CREDLOG_TEST_LONG").is_ok_and(|value| value == "1") {
        30
    } else {
        3
    }
}

/// Every row is issued once: table, files, ledger and status entries agree.
fn assert_issued_once(world: &World, out: &str, number: usize) {
    let table = format!("{out}/issued.csv");
    let files = world.column(&table, "file");
    for column in ["file", "digest", "source", "subject"] {
        let values: HashSet<_> = world.column(&table, column).into_iter().collect();
        assert_eq!(values.len(), number, "{column} of {out}");
    }
    assert_eq!(files.len(), number);
    assert!(world.pending(out).is_empty());
    let indexes = world.column(&table, "index");
    for (file, index) in files.iter().zip(&indexes) {
        let text = fs::read(world.path(out).join(file)).unwrap();
        let credential: Value = serde_json::from_slice(&text).unwrap();
        let entries = credential["credentialStatus"].as_array().unwrap();
        assert_eq!(entries.len(), 2);
        assert!(entries.iter().all(|one| one["statusListIndex"] == **index));
    }
    let output = world.run(&["verify", out, "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let lines = output.stdout.iter().filter(|byte| **byte == b'\n');
    assert_eq!(lines.count(), number);
}

#[test]
fn a_run_that_is_killed_anywhere_is_finished_by_the_next() {
    let number = 600;
    let world = World::running();
    template(&world);
    people(&world, number);
    let mut random = rand::thread_rng();
    for round in 0..rounds() {
        let out = format!("out-{round}");
        let words = ISSUE.map(|word| if word == "out" { out.as_str() } else { word });
        for _ in 0..4 {
            let mut run = world.command(&words).stdout(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(random.gen_range(20..1_500)));
            run.kill().unwrap();
            run.wait().unwrap();
        }
        let answer = world.json(&words);
        let count = |name: &str| answer[name].as_u64().unwrap();
        assert_eq!(count("issued") + count("issuedBefore"), number as u64);
        assert_eq!(answer["unusedColumns"], json!(["age"]));
        assert_issued_once(&world, &out, number);
        assert_eq!(world.json(&words)["issuedBefore"], number);
        // The ledger has no credential of this issuer but these.
        let expected = number * (usize::try_from(round).unwrap() + 1);
        assert_eq!(world.positions_in_use("issuer"), expected);
    }
}

#[test]
fn rows_that_cannot_be_issued_stop_the_run_before_it_begins() {
    let world = World::running();
    template(&world);
    let table = "name,e-mail,note\nAda,a@x.example,\nBob,,\nEve,e@x.example,\nAda,a@x.example,\n";
    fs::write(world.path("people.csv"), table).unwrap();
    let refused = world.fails(5, &ISSUE);
    for text in [
        "1 row cannot be issued; nothing was issued",
        "people.csv, row 2: column e-mail is empty",
        "{{e-mail?}}",
    ] {
        assert!(refused.contains(text), "{text}: {refused}");
    }
    assert!(!world.path("out/issued.csv").exists());
    fs::write(world.path("people.csv"), table.replace("Bob,,", "Bob,b@x,")).unwrap();
    let named = [ISSUE.as_slice(), &["--name-column", "name"]].concat();
    let answer = world.json(&named);
    assert_eq!(answer["issued"], 3);
    assert_eq!(answer["copies"].as_array().unwrap().len(), 1);
    assert!(world.path("out/Ada.json").exists());
    let bob: Value =
        serde_json::from_slice(&fs::read(world.path("out/Bob.json")).unwrap()).unwrap();
    let achievement = &bob["credentialSubject"]["achievement"];
    assert!(achievement.get("description").is_none());
    // A further row: only it is issued.
    let more = format!(
        "{}Zoe,z@x.example,good\n",
        table.replace("Bob,,", "Bob,b@x,")
    );
    fs::write(world.path("people.csv"), more).unwrap();
    let answer = world.json(&named);
    assert_eq!(
        (&answer["issued"], &answer["issuedBefore"]),
        (&json!(1), &json!(3))
    );
    let unknown = fs::read_to_string(world.path("badge.json")).unwrap();
    fs::write(
        world.path("badge.json"),
        unknown.replace("{{name}}", "{{nmae}}"),
    )
    .unwrap();
    let refused = world.fails(5, &ISSUE);
    assert!(
        refused.contains("name: there is no column \"nmae\""),
        "{refused}"
    );
}

#[test]
fn tables_become_jws_and_images() {
    let world = World::running();
    template(&world);
    people(&world, 3);
    fs::write(
        world.path("badge.svg"),
        r#"<svg xmlns="http://www.w3.org/2000/svg"></svg>"#,
    )
    .unwrap();
    for (out, more, file) in [
        ("jws", ["--jws"].as_slice(), "jws/1.jwt"),
        ("baked", &["--bake", "badge.svg"], "baked/1.svg"),
        ("both", &["--jws", "--bake", "badge.svg"], "both/1.svg"),
    ] {
        let words = ISSUE.map(|word| if word == "out" { out } else { word });
        let words = [words.as_slice(), more].concat();
        assert_eq!(world.json(&words)["issued"], 3, "{out}");
        assert_eq!(world.verdict(&[file]), (0, "valid".to_owned()), "{out}");
        assert_eq!(world.json(&words)["issuedBefore"], 3, "{out}");
        world.ok(&["revoke", file, "--issuer-home", "issuer"]);
        assert_eq!(world.verdict(&[file]), (1, "revoked".to_owned()), "{out}");
    }
}
