//! What is wrong gets a clear message and its own exit code, and nothing is half done.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::world::{ORIGIN, World, sample};

#[test]
fn passphrases_come_from_a_file_or_the_environment() {
    let world = World::founded();
    let refused = world.fails(5, &["keys", "new", "key.pem"]);
    assert!(refused.contains("no passphrase was given"), "{refused}");
    assert!(!world.path("key.pem").exists());
    fs::write(world.path("phrase"), "correct horse\n").unwrap();
    world.ok(&["keys", "new", "key.pem", "--passphrase-file", "phrase"]);
    let text = fs::read_to_string(world.path("key.pem")).unwrap();
    assert!(
        text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"),
        "{text}"
    );
    assert_eq!(
        fs::metadata(world.path("key.pem"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    let show = |phrase: &str| {
        world
            .command(&["keys", "show", "key.pem", "--json"])
            .env("CREDLOG_PASSPHRASE", phrase)
            .output()
            .unwrap()
    };
    let shown = String::from_utf8(show("correct horse").stdout).unwrap();
    assert!(shown.contains("did:key:z6Mk"), "{shown}");
    let wrong = show("wrong");
    assert_eq!(wrong.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("the passphrase is wrong"));
    assert!(
        world
            .fails(5, &["keys", "show", "key.pem"])
            .contains("is encrypted")
    );
    let twice = world.fails(5, &["keys", "new", "key.pem", "--no-passphrase"]);
    assert!(twice.contains("there already"), "{twice}");
}

#[test]
fn a_ledger_with_encrypted_keys_works() {
    let mut world = World::founded();
    fs::write(world.path("phrase"), "correct horse\n").unwrap();
    let phrase = ["--passphrase-file", "phrase"];
    world.ok(&[
        ["issuer", "new", "issuer", "--name", "U", "--origin", ORIGIN].as_slice(),
        &phrase,
    ]
    .concat());
    world.start_node();
    world.ok(&[
        [
            "accreditation",
            "grant",
            "--home",
            "member",
            "--issuer",
            "issuer/issuer.json",
            "--scope",
            "all",
            "--recovery-key",
            "issuer/keys/recovery.pem",
        ]
        .as_slice(),
        &phrase,
    ]
    .concat());
    world.unsigned("inbox", "issuer", 0..2);
    let issue = ["issue", "inbox", "--out", "out", "--issuer-home", "issuer"];
    assert!(world.fails(5, &issue).contains("is encrypted"));
    assert_eq!(
        world.json(&[issue.as_slice(), &phrase].concat())["issued"],
        2
    );
}

#[test]
fn nothing_is_overwritten() {
    let world = World::founded();
    let init = [
        "init",
        "member",
        "--member",
        "x",
        "--name",
        "X",
        "--origin",
        ORIGIN,
        "--no-passphrase",
    ];
    assert!(world.fails(5, &init).contains("is not empty"));
    let create = [
        "genesis",
        "create",
        "--origin",
        ORIGIN,
        "--out",
        "member/genesis.json",
        "member/member.json",
    ];
    assert!(world.fails(5, &create).contains("there already"));
    let other = [
        "genesis",
        "create",
        "--origin",
        "other.example",
        "--out",
        "g.json",
        "member/member.json",
    ];
    assert!(world.fails(5, &other).contains("proof of possession"));
    let twice = [
        "genesis",
        "create",
        "--origin",
        ORIGIN,
        "--out",
        "g.json",
        "member/member.json",
        "member/member.json",
    ];
    assert!(world.fails(5, &twice).contains("twice"));
    assert!(!world.path("g.json").exists());
}

#[test]
fn wrong_command_lines_and_silent_nodes_have_their_codes() {
    let world = World::founded();
    world.fails(64, &["isue"]);
    world.fails(64, &["verify"]);
    world.fails(64, &["ledger", "status", "--node", "not an address"]);
    world.fails(64, &["verify", "x.json", "--at", "yesterday"]);
    assert!(
        world
            .fails(3, &["ledger", "status"])
            .contains("no node answers")
    );
    let file = sample("01-valid-ob3-eddsa-rdfc-2022.json");
    assert!(
        world
            .fails(3, &["verify", &file])
            .contains("no node answers")
    );
    assert!(
        world
            .fails(5, &["verify", "nothing.json"])
            .contains("neither a file")
    );
    assert!(
        world
            .fails(5, &["issue", "x.json", "--out", "o"])
            .contains("no issuer's folder")
    );
    for words in [
        ["--version"].as_slice(),
        &["--help"],
        &["completions", "bash"],
    ] {
        assert!(!world.ok(words).is_empty());
    }
}

#[test]
fn bad_credentials_stop_a_run_before_anything_is_issued() {
    let world = World::running();
    world.unsigned("inbox", "issuer", 0..2);
    let issue = ["issue", "inbox", "--out", "out", "--issuer-home", "issuer"];
    fs::write(world.path("inbox/empty.json"), "").unwrap();
    fs::write(
        world.path("inbox/genesis.json"),
        fs::read(world.path("member/genesis.json")).unwrap(),
    )
    .unwrap();
    fs::copy(
        sample("03-valid-ob3-eddsa-jcs-2022.json"),
        world.path("inbox/foreign.json"),
    )
    .unwrap();
    let refused = world.fails(5, &issue);
    for text in [
        "3 files cannot be issued",
        "empty.json is empty",
        "genesis.json",
        "foreign.json",
    ] {
        assert!(refused.contains(text), "{text}: {refused}");
    }
    assert!(!world.path("out/issued.csv").exists());
    for name in ["empty.json", "genesis.json", "foreign.json"] {
        fs::remove_file(world.path("inbox").join(name)).unwrap();
    }
    // The output folder must not be the input folder: files would be overwritten.
    let same = [
        "issue",
        "inbox",
        "--out",
        "inbox",
        "--issuer-home",
        "issuer",
    ];
    assert!(world.fails(5, &same).contains("is there already"));
    // A signed credential of this issuer that was changed: the others are issued.
    world.ok(&issue);
    let signed = fs::read_to_string(world.path("out/0.json")).unwrap();
    world.unsigned("inbox-2", "issuer", 7..8);
    fs::write(
        world.path("inbox-2/forged.json"),
        signed.replace("students", "strangers"),
    )
    .unwrap();
    let words = [
        "issue",
        "inbox-2",
        "--out",
        "out-2",
        "--issuer-home",
        "issuer",
    ];
    let refused = world.fails(6, &words);
    assert!(
        refused.contains("verifiers would call it invalid"),
        "{refused}"
    );
    assert_eq!(world.column("out-2/issued.csv", "file"), ["7.json"]);
}

#[test]
fn records_for_another_ledger_are_never_signed() {
    let world = World::running();
    let mut other = World::founded();
    other.start_node();
    other.ok(&[
        "issuer",
        "new",
        "issuer",
        "--name",
        "U",
        "--genesis",
        "member/genesis.json",
        "--no-passphrase",
    ]);
    // The issuer of the other ledger asks the node of the first one.
    let home = other.path("issuer");
    let refused = world.fails(
        5,
        &[
            "achievement",
            "define",
            &sample("03-valid-ob3-eddsa-jcs-2022.json"),
            "--id",
            "urn:x:y",
            "--issuer-home",
            home.to_str().unwrap(),
        ],
    );
    assert!(refused.contains("serves ledger"), "{refused}");
}

#[test]
fn a_damaged_store_is_found_and_built_again() {
    let mut world = World::running();
    world.unsigned("inbox", "issuer", 0..5);
    world.ok(&["issue", "inbox", "--out", "out", "--issuer-home", "issuer"]);
    let check = ["store", "check", "--config", "member/credlog.toml"];
    assert!(world.fails(5, &check).contains("in use"));
    let height = world.json(&["ledger", "status"])["height"].clone();
    world.kill_node();
    assert_eq!(world.json(&check)["whole"], true);
    fs::remove_file(world.path("member/data/watermark")).ok();
    let report = world.run(&[check.as_slice(), &["--json"]].concat());
    assert_eq!(
        report.status.code(),
        Some(7),
        "{}",
        String::from_utf8_lossy(&report.stdout)
    );
    let rebuilt = world.json(&[
        "store",
        "rebuild",
        "--config",
        "member/credlog.toml",
        "--accept-loss",
    ]);
    assert_eq!(rebuilt["height"], height);
    assert_eq!(world.json(&check)["whole"], true);
    world.start_node();
    assert_eq!(world.verdict(&["out/0.json"]), (0, "valid".to_owned()));
}

#[test]
fn a_failure_is_json_for_those_who_asked_for_json() {
    let world = World::founded();
    let said = world.fails(3, &["ledger", "status", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["error"]["exit"], 3);
    let message = said["error"]["message"].as_str().unwrap();
    assert!(message.contains("no node answers"), "{message}");
}
