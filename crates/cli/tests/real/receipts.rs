//! Receipts from the employer's side: saved, shown, checked without a node, stapled, remembered.

use std::fs;

use serde_json::Value;

use crate::world::World;

/// A world with three badges in `out`, and receipts about them in `all.receipt.json` and
/// `0.receipt.json`.
fn furnished() -> World {
    let world = World::running();
    world.unsigned("inbox", "issuer", 0..3);
    world.ok(&["issue", "inbox", "--out", "out", "--issuer-home", "issuer"]);
    world.ok(&["verify", "out", "--save-receipt", "all.receipt.json"]);
    world.ok(&["verify", "out/0.json", "--save-receipt", "0.receipt.json"]);
    world
}

const GENESIS: [&str; 2] = ["--genesis", "member/genesis.json"];

/// The lines of `receipt verify --json` with the exit code.
fn checked(world: &World, words: &[&str]) -> (Option<i32>, Vec<Value>) {
    let output = world.run(&[&["receipt", "verify", "--json"], words, &GENESIS].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |line| serde_json::from_str(line).unwrap();
    (output.status.code(), text.lines().map(line).collect())
}

#[test]
fn a_saved_receipt_is_checked_without_a_node() {
    let mut world = furnished();
    let said = world.fails(
        5,
        &["verify", "out/0.json", "--save-receipt", "0.receipt.json"],
    );
    assert!(said.contains("0.receipt.json"), "{said}");
    world.kill_node();
    let (code, found) = checked(&world, &["0.receipt.json", "--credential", "out/0.json"]);
    assert_eq!(code, Some(0), "{found:?}");
    let verdict = &found[0]["verdict"];
    assert_eq!(verdict["summary"], "valid");
    let check = |name: &str| {
        let checks = verdict["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap()["outcome"].clone()
    };
    assert_eq!(
        (check("proof"), check("receipt")),
        ("yes".into(), "yes".into())
    );
    assert_eq!(check("member_set_currency"), "unknown");
    assert_eq!(verdict["links"].as_array().unwrap().len(), 8);
    // Without the credential it tells what the ledger says, and that nobody saw the signature.
    let bare = world.run(&[&["receipt", "verify", "0.receipt.json"][..], &GENESIS].concat());
    let shown = String::from_utf8(bare.stdout).unwrap();
    assert_eq!(bare.status.code(), Some(2), "{shown}");
    assert!(shown.contains("Only the digest was given"), "{shown}");
    assert!(shown.contains("link by link"), "{shown}");
    // One about three: each is told, and one credential of another is not taken for it.
    let (code, found) = checked(&world, &["all.receipt.json"]);
    assert_eq!((code, found.len()), (Some(2), 3));
    let (code, found) = checked(&world, &["all.receipt.json", "--credential", "out"]);
    assert_eq!((code, found.len()), (Some(0), 3), "{found:?}");
    let other = ["0.receipt.json", "--credential", "out/1.json"];
    let (code, found) = checked(&world, &other);
    assert_eq!((code, found.len()), (Some(2), 2), "{found:?}");
    let shown = world.ok(&["receipt", "show", "all.receipt.json"]);
    assert!(shown.contains("about 3 credentials"), "{shown}");
    assert!(shown.contains("neither revoked nor suspended"), "{shown}");
    let shown = world.json(&["receipt", "show", "0.receipt.json"]);
    assert_eq!(shown["credentials"][0]["status"], "valid");
}

#[test]
fn what_is_wrong_with_a_receipt_is_said_and_ends_with_1_or_2() {
    let world = furnished();
    let good = fs::read_to_string(world.path("0.receipt.json")).unwrap();
    fs::write(world.path("empty.receipt.json"), "").unwrap();
    fs::write(world.path("cut.receipt.json"), &good[..good.len() / 2]).unwrap();
    let bits = good.find("\"bits\":\"").unwrap() + 9;
    let changed = format!("{}E{}", &good[..bits], &good[bits + 1..]);
    fs::write(world.path("changed.receipt.json"), changed).unwrap();
    for (file, refusal) in [
        ("empty.receipt.json", "malformed"),
        ("cut.receipt.json", "malformed"),
        ("changed.receipt.json", "status"),
        ("out/0.json", "malformed"),
    ] {
        let (code, found) = checked(&world, &[file]);
        assert_eq!(code, Some(1), "{file}: {found:?}");
        assert_eq!(found[0]["error"]["refusal"], refusal, "{file}");
    }
    let (code, found) = checked(&world, &["missing.receipt.json", "0.receipt.json"]);
    assert_eq!((code, found.len()), (Some(2), 2), "{found:?}");
    let (code, found) = checked(&world, &["0.receipt.json", "--max-age", "0s"]);
    assert_eq!(code, Some(2), "{found:?}");
    let (code, found) = checked(&world, &["0.receipt.json", "--at", "2026-01-01"]);
    assert_eq!(
        (code, &found[0]["error"]["refusal"]),
        (Some(1), &"wrong_seal".into())
    );
    let said = world.fails(64, &["receipt", "verify", "0.receipt.json"]);
    assert!(said.contains("--genesis"), "{said}");
    let other = World::founded();
    let genesis = other.path("member/genesis.json");
    let words = [
        "receipt",
        "verify",
        "0.receipt.json",
        "--genesis",
        genesis.to_str().unwrap(),
    ];
    let output = world.run(&words);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("other_ledger"), "{told}");
    // A trailing newline is an editor's, not a forger's.
    fs::write(world.path("newline.receipt.json"), good.clone() + "\n").unwrap();
    let newline = ["newline.receipt.json", "--credential", "out/0.json"];
    assert_eq!(checked(&world, &newline).0, Some(0));
    // A credential is judged, or named as not judged: a forged one is not passed over.
    let (code, found) = checked(&world, &["0.receipt.json", "--credential", "out"]);
    assert_eq!((code, found.len()), (Some(2), 3), "{found:?}");
    let receipt: Value = serde_json::from_str(&good).unwrap();
    let stapled = serde_json::json!({"a": 1, "credlogReceipt": receipt});
    fs::write(world.path("none.json"), stapled.to_string()).unwrap();
    let (code, found) = checked(&world, &["none.json"]);
    assert_eq!(code, Some(1), "{found:?}");
    assert_eq!(found[0]["error"]["code"], "no-credential");
}

#[test]
fn a_revocation_is_in_the_next_receipt_and_the_past_can_be_proven() {
    let world = furnished();
    let issued = world.json(&["receipt", "show", "0.receipt.json"]);
    let sealed = issued["sealed"].as_str().unwrap().to_owned();
    world.ok(&[
        "revoke",
        "out/0.json",
        "--reason",
        "issued-in-error",
        "--issuer-home",
        "issuer",
    ]);
    let saving = ["verify", "out/0.json", "--save-receipt", "now.receipt.json"];
    assert_eq!(world.run(&saving).status.code(), Some(1));
    let (code, found) = checked(&world, &["now.receipt.json"]);
    assert_eq!(
        (code, &found[0]["verdict"]["summary"]),
        (Some(1), &"revoked".into())
    );
    let shown = world.ok(&["receipt", "show", "now.receipt.json"]);
    assert!(
        shown.contains("revoked since") && shown.contains("issued-in-error"),
        "{shown}"
    );
    // The old one tells what was so, and how long ago.
    let old = ["0.receipt.json", "--credential", "out/0.json"];
    assert_eq!(checked(&world, &old).0, Some(0));
    world.ok(&[
        "verify",
        "out/0.json",
        "--at",
        &sealed,
        "--save-receipt",
        "then.receipt.json",
    ]);
    // The past is no answer about now.
    let now = ["then.receipt.json", "--credential", "out/0.json"];
    let refusal = checked(&world, &now).1[0]["error"]["refusal"].clone();
    assert_eq!(refusal, "wrong_seal");
    let then = [
        "then.receipt.json",
        "--at",
        &sealed,
        "--credential",
        "out/0.json",
    ];
    let (code, found) = checked(&world, &then);
    assert_eq!(
        (code, &found[0]["verdict"]["summary"]),
        (Some(0), &"valid".into())
    );
}

#[test]
fn a_stapled_receipt_answers_when_no_node_does() {
    let mut world = furnished();
    let staple = [
        "receipt",
        "staple",
        "out/0.json",
        "all.receipt.json",
        "--out",
        "stapled.json",
    ];
    world.ok(&staple);
    assert!(world.fails(5, &staple).contains("stapled.json"));
    let wrong = [
        "receipt",
        "staple",
        "out/1.json",
        "0.receipt.json",
        "--out",
        "wrong.json",
    ];
    assert!(world.fails(5, &wrong).contains("does not speak of"));
    // With a node it is a credential like any other.
    assert_eq!(world.verdict(&["stapled.json"]), (0, "valid".to_owned()));
    world.kill_node();
    let said = world.fails(3, &["verify", "stapled.json"]);
    assert!(said.contains("a receipt is stapled"), "{said}");
    let offline = [&["stapled.json"][..], &GENESIS].concat();
    assert_eq!(world.verdict(&offline), (0, "valid".to_owned()));
    let (code, found) = checked(&world, &["stapled.json"]);
    assert_eq!(
        (code, &found[0]["verdict"]["summary"]),
        (Some(0), &"valid".into())
    );
    // What was stapled comes off as it went on.
    let unstaple = [
        "receipt",
        "unstaple",
        "stapled.json",
        "--out",
        "plain.json",
        "--receipt",
        "own.receipt.json",
    ];
    world.ok(&unstaple);
    let own = fs::read(world.path("own.receipt.json")).unwrap();
    assert_eq!(own, fs::read(world.path("0.receipt.json")).unwrap());
    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(world.path(name)).unwrap()).unwrap()
    };
    assert_eq!(read("plain.json"), read("out/0.json"));
    let none = ["receipt", "unstaple", "plain.json", "--out", "more.json"];
    assert!(world.fails(5, &none).contains("no receipt"));
    // A stapled receipt that was changed is refused, not passed over.
    let text = fs::read_to_string(world.path("stapled.json")).unwrap();
    let changed = text.replacen("\"bits\": \"A", "\"bits\": \"E", 1);
    assert_ne!(changed, text);
    fs::write(world.path("stapled.json"), changed).unwrap();
    assert_eq!(checked(&world, &["stapled.json"]).0, Some(1));
    assert_eq!(
        world
            .run(&[&["verify", "stapled.json"][..], &GENESIS].concat())
            .status
            .code(),
        Some(1)
    );
}

#[test]
fn a_trust_file_is_made_kept_and_advanced() {
    const FIRST: &[&str] = &["0.receipt.json", "--credential", "out/0.json"];
    const LATER: &[&str] = &["3.receipt.json", "--credential", "later-out/3.json"];
    let world = furnished();
    let trusting = |words: &[&str]| {
        world.run(
            &[
                &["receipt", "verify", "--trust", "trust.json", "--json"],
                words,
            ]
            .concat(),
        )
    };
    let said = world.fails(
        5,
        &[
            "receipt",
            "verify",
            "0.receipt.json",
            "--trust",
            "trust.json",
        ],
    );
    assert!(said.contains("--genesis"), "{said}");
    let first = trusting(&[FIRST, &GENESIS].concat());
    assert_eq!(first.status.code(), Some(0));
    let size = || -> u64 {
        let file: Value =
            serde_json::from_slice(&fs::read(world.path("trust.json")).unwrap()).unwrap();
        file["newest"]["size"].as_u64().unwrap()
    };
    let before = size();
    world.unsigned("later", "issuer", 3..4);
    world.ok(&[
        "issue",
        "later",
        "--out",
        "later-out",
        "--issuer-home",
        "issuer",
    ]);
    world.ok(&[
        "verify",
        "later-out/3.json",
        "--save-receipt",
        "3.receipt.json",
    ]);
    // Good by itself; it advances the trust file when a node shows that both are of one history.
    assert_eq!(trusting(LATER).status.code(), Some(0));
    assert_eq!(size(), before);
    let url = world.node_url();
    let compared = trusting(&[LATER, &["--compare", "--node", &url]].concat());
    assert_eq!(
        compared.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&compared.stdout)
    );
    assert!(size() > before);
    // The older one is unknown now, until a node shows the same of it.
    assert_eq!(trusting(FIRST).status.code(), Some(2));
    let compared = trusting(&[FIRST, &["--compare", "--node", &url]].concat());
    assert_eq!(compared.status.code(), Some(0));
    // Another ledger's genesis does not go with it.
    let other = World::founded();
    let genesis = other.path("member/genesis.json");
    let mixed = trusting(&["0.receipt.json", "--genesis", genesis.to_str().unwrap()]);
    assert_eq!(mixed.status.code(), Some(5));
}
