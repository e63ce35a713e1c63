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
    // The folder is made, for its owner alone.
    let deep = world.json(&["keys", "new", "keys/node.pem", "--no-passphrase"]);
    let peer_id = deep["peerId"].as_str().unwrap();
    assert!(peer_id.starts_with("12D3KooW"), "{peer_id}");
    let shown = world.ok(&["keys", "show", "keys/node.pem"]);
    assert!(shown.contains(&format!("peer id   {peer_id}")), "{shown}");
    let made = fs::metadata(world.path("keys")).unwrap();
    assert_eq!(made.permissions().mode() & 0o777, 0o700);
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

/// It said what was missing, and not what to do.
#[test]
fn a_missing_genesis_file_is_to_be_copied() {
    let world = World::founded();
    fs::rename(
        world.path("member/genesis.json"),
        world.path("genesis.json"),
    )
    .unwrap();
    let new = ["member", "keys", "new", "--home", "member"];
    let refused = world.fails(5, &new);
    let told = "copy the ledger's genesis file to member/genesis.json";
    assert!(refused.contains(told), "{refused}");
    assert!(!world.path("member/keys/next").exists());
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

/// A store that another node has open was called damaged, exit code 7.
#[test]
fn a_second_node_on_a_store_in_use_is_no_damage() {
    let world = World::running();
    let said = world.fails(5, &["node", "run", "--config", "member/credlog.toml"]);
    assert!(said.contains("is in use by another process"), "{said}");
    let said = world.fails(5, &["store", "check", "issuer"]);
    assert!(said.contains("node.data_dir"), "{said}");
}

/// Of more than 20 failures the others vanished without a word.
#[test]
fn failures_are_counted_and_the_answer_lists_all() {
    let world = World::running();
    let id = world.issuer_id("issuer");
    fs::create_dir(world.path("inbox")).unwrap();
    for number in 0..25 {
        let undefined = serde_json::json!({
            "@context": ["https://www.w3.org/ns/credentials/v2"],
            "type": ["VerifiableCredential"],
            "issuer": id,
            "credentialSubject": {"id": format!("urn:student:{number}"), "grade": "A"},
        });
        let path = world.path(&format!("inbox/{number}.json"));
        fs::write(path, undefined.to_string()).unwrap();
    }
    let issue = ["issue", "inbox", "--out", "out", "--issuer-home", "issuer"];
    let output = world.run(&issue);
    assert_eq!(output.status.code(), Some(5));
    let (told, noted) = (text(&output.stdout), text(&output.stderr));
    assert!(told.contains("25 credentials were not issued."), "{told}");
    assert!(!told.contains("issued.csv"), "{told}");
    assert!(noted.ends_with("and 5 more; --json lists all\n"), "{noted}");
    let output = world.run(&[issue.as_slice(), &["--json"]].concat());
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["notIssued"].as_array().unwrap().len(), 25);
    assert_eq!(text(&output.stderr), "");

    let digests: Vec<_> = (0..25).map(|number| format!("{number:064x}")).collect();
    let mut revoke = vec!["revoke", "--issuer-home", "issuer"];
    revoke.extend(digests.iter().map(String::as_str));
    let noted = world.fails(4, &revoke);
    assert!(noted.contains("and 5 more; --json lists all"), "{noted}");
    revoke.push("--json");
    let output = world.run(&revoke);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["notChanged"].as_array().unwrap().len(), 25);
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "refused");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_failure_is_json_with_a_stable_code() {
    let world = World::running();
    let json = |code: i32, words: &[&str]| -> serde_json::Value {
        let said = world.fails(code, &[words, &["--json"]].concat());
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        said["error"].clone()
    };
    let definition = r#"{"id": "urn:example:stat", "name": "Statistics"}"#;
    fs::write(world.path("stat.json"), definition).unwrap();
    let define = [
        "achievement",
        "define",
        "stat.json",
        "--issuer-home",
        "issuer",
    ];
    world.ok(&define);
    let error = json(4, &define);
    assert_eq!(error["code"], "achievement-taken", "{error}");
    assert_eq!(error["type"], "urn:credlog:problem:achievement-taken");
    let error = json(5, &["keys", "show", "nothing.pem"]);
    assert_eq!(
        (&error["code"], &error["exit"]),
        (&"input".into(), &5.into())
    );
    let wrong = format!("{}/xyz", world.node_url());
    let error = json(3, &["ledger", "status", "--node", &wrong]);
    assert_eq!(error["code"], "not-found", "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("check --node"), "{message}");
}

#[test]
fn a_failure_is_json_for_those_who_asked_for_json() {
    let world = World::founded();
    let said = world.fails(3, &["ledger", "status", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["error"]["exit"], 3);
    assert_eq!(said["error"]["code"], "node");
    let message = said["error"]["message"].as_str().unwrap();
    assert!(message.contains("no node answers"), "{message}");
}
