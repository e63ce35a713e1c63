//! Many credentials in every form, verified into every form.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::world::World;

const ISSUE: [&str; 6] = ["issue", "inbox", "--out", "out", "--issuer-home", "issuer"];

/// An issuer with a good credential, a revoked one, an altered one, one that nobody issued, an image
/// with a good one, and a file that is none, all in `mixed`; and what each is.
fn mixed() -> (World, BTreeMap<String, &'static str>) {
    let world = World::running();
    world.unsigned("inbox", "issuer", 0..4);
    world.ok(&ISSUE);
    let revoke = ["revoke", "out/1.json", "--issuer-home", "issuer"];
    world.ok(&[revoke.as_slice(), &["--reason", "issued-in-error"]].concat());
    fs::create_dir(world.path("mixed")).unwrap();
    let text =
        |number: usize| fs::read_to_string(world.path(&format!("out/{number}.json"))).unwrap();
    let write = |name: &str, content: &[u8]| {
        fs::write(world.path("mixed").join(name), content).unwrap();
    };
    write("a-good.json", text(0).as_bytes());
    write("b-revoked.json", text(1).as_bytes());
    let altered = text(2).replace("students.example/2", "students.example/7");
    write("c-altered.json", altered.as_bytes());
    write("d-none.json", b"{\"a\": 1}");
    fs::write(world.path("plain.svg"), SVG).unwrap();
    let bake = [
        "bake",
        "plain.svg",
        "out/3.json",
        "--out",
        "mixed/e-baked.svg",
    ];
    world.ok(&bake);
    write("notes.txt", b"not looked at");
    let expected = [
        ("a-good.json", "valid"),
        ("b-revoked.json", "revoked"),
        ("c-altered.json", "invalid"),
        ("d-none.json", "invalid"),
        ("e-baked.svg", "valid"),
    ];
    let expected = expected.map(|(name, summary)| (format!("mixed/{name}"), summary));
    (world, expected.into())
}

const SVG: &str = r#"<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"></svg>"#;

fn summary(line: &Value) -> &str {
    match line["error"]["code"].as_str() {
        Some("no-credential") => "invalid",
        Some(_) => "unknown",
        None => line["verdict"]["summary"].as_str().unwrap(),
    }
}

/// Target and summary of each line, in order.
fn lines(text: &str) -> Vec<(String, String)> {
    let read = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let target = line["target"].as_str().unwrap().to_owned();
        (target, summary(&line).to_owned())
    };
    text.lines().map(read).collect()
}

fn rows(text: &str) -> Vec<(String, String)> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let cell = |row: &csv::StringRecord, at: usize| row[at].to_owned();
    reader
        .records()
        .map(|row| row.map(|row| (cell(&row, 0), cell(&row, 1))).unwrap())
        .collect()
}

#[test]
fn a_mixed_folder_is_told_the_same_in_every_form() {
    let (world, expected) = mixed();
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, summary)| (name.clone(), (*summary).to_owned()))
        .collect();
    let run = |words: &[&str]| {
        let output = world.run(&[&["verify", "mixed"], words].concat());
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        (String::from_utf8(output.stdout).unwrap(), errors)
    };
    for words in [["--format", "ndjson"].as_slice(), &["--json"]] {
        assert_eq!(lines(&run(words).0), expected);
    }
    let (table, notes) = run(&["--format", "csv"]);
    assert_eq!(rows(&table), expected);
    assert!(notes.contains("2 valid, 1 revoked, 2 invalid"), "{notes}");
    let (shown, _) = run(&[]);
    for (line, (name, summary)) in shown.lines().skip(1).zip(&expected) {
        assert!(
            line.contains(name) && line.starts_with(&format!(" {summary}")),
            "{shown}"
        );
    }
    assert!(
        shown.ends_with("\n2 valid, 1 revoked, 2 invalid\n"),
        "{shown}"
    );
    for (file, read) in [("v.csv", rows as fn(&str) -> _), ("v.ndjson", lines)] {
        let (said, _) = run(&["--out", file]);
        assert!(said.contains("The verdicts are in"), "{said}");
        assert_eq!(
            read(&fs::read_to_string(world.path(file)).unwrap()),
            expected
        );
        let refused = world.fails(5, &["verify", "mixed", "--out", file]);
        assert!(refused.contains("is there already"), "{refused}");
    }
    let left = fs::read_dir(world.path(".")).unwrap();
    assert!(
        left.flatten()
            .all(|file| !file.file_name().to_string_lossy().ends_with(".tmp"))
    );
}

#[test]
fn tables_and_lines_name_what_is_verified_and_bad_ones_stop_nothing() {
    let (world, _) = mixed();
    let digests = world.column("out/issued.csv", "digest");
    // As the ledger has them: a digest alone is unknown at best.
    let by_digest = world.run(&["verify", "out/issued.csv", "--json"]);
    let found = lines(&String::from_utf8(by_digest.stdout).unwrap());
    let targets: Vec<_> = found.iter().map(|(target, _)| target.clone()).collect();
    assert_eq!(targets, digests);
    let by_file = ["verify", "out/issued.csv", "--column", "file", "--json"];
    let found = lines(&String::from_utf8(world.run(&by_file).stdout).unwrap());
    let valid = found
        .iter()
        .filter(|(_, summary)| summary == "valid")
        .count();
    assert_eq!((found.len(), valid), (4, 3));
    let table = "person,path\nA,a-good.json\nB,\nC,missing.json\nD,e-baked.svg\nE\n";
    fs::write(world.path("mixed/all.csv"), table).unwrap();
    let output = world.run(&["verify", "mixed/all.csv", "--format", "csv"]);
    assert_eq!(output.status.code(), Some(2));
    let found = rows(&String::from_utf8(output.stdout).unwrap());
    let summaries: Vec<_> = found.iter().map(|(_, summary)| summary.as_str()).collect();
    assert_eq!(
        summaries,
        ["valid", "unknown", "unknown", "valid", "unknown"]
    );
    let refused = world.fails(5, &["verify", "mixed/all.csv", "--column", "age"]);
    assert!(refused.contains("there is no column \"age\""), "{refused}");

    let good = fs::read_to_string(world.path("mixed/a-good.json")).unwrap();
    let on_a_line = serde_json::from_str::<Value>(&good).unwrap().to_string();
    let input = format!(
        "{on_a_line}\n{{\"file\": \"mixed/b-revoked.json\"}}\n!\n{}\n",
        digests[0]
    );
    let found = lines(&piped(&world, input.as_bytes()));
    let summaries: Vec<_> = found.iter().map(|(_, summary)| summary.as_str()).collect();
    assert_eq!(summaries, ["valid", "revoked", "unknown", "unknown"]);
    for whole in [
        good.into_bytes(),
        fs::read(world.path("mixed/e-baked.svg")).unwrap(),
    ] {
        let found = lines(&piped(&world, &whole));
        assert_eq!(found, [("standard input".to_owned(), "valid".to_owned())]);
    }
}

fn piped(world: &World, input: &[u8]) -> String {
    let mut run = world
        .command(&["verify", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    run.stdin.take().unwrap().write_all(input).unwrap();
    String::from_utf8(run.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn what_is_baked_comes_out_again_and_nothing_else_is_baked() {
    let world = World::running();
    world.unsigned("inbox", "issuer", 0..1);
    world.ok(&ISSUE);
    let image = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../credential/tests/fixtures/baked/plain.png"
    );
    fs::copy(image, world.path("badge.png")).unwrap();
    world.ok(&["bake", "badge.png", "out/0.json", "--out", "mine.png"]);
    assert_eq!(world.verdict(&["mine.png"]), (0, "valid".to_owned()));
    let text = fs::read_to_string(world.path("out/0.json")).unwrap();
    assert_eq!(world.ok(&["unbake", "mine.png"]).trim(), text.trim());
    world.ok(&["unbake", "mine.png", "--out", "again.json"]);
    let again = fs::read_to_string(world.path("again.json")).unwrap();
    assert_eq!(again.trim(), text.trim());
    // From one image into another.
    world.ok(&["bake", "badge.png", "mine.png", "--out", "twice.png"]);
    assert_eq!(world.verdict(&["twice.png"]), (0, "valid".to_owned()));
    let bake = |credential| world.fails(5, &["bake", "badge.png", credential, "--out", "x.png"]);
    assert!(bake("inbox/0.json").contains("is not signed"));
    fs::write(world.path("none.json"), "{}").unwrap();
    assert!(bake("none.json").contains("is no credential"));
    let there = ["bake", "badge.png", "out/0.json", "--out", "mine.png"];
    assert!(world.fails(5, &there).contains("is there already"));
    assert!(world.fails(5, &["unbake", "out/0.json"]).contains("image"));
    assert!(!world.path("x.png").exists());
}
