//! The main job through the real binary: found, accredit, issue, verify, change status.

use std::fs;

use crate::world::{World, sample};

#[test]
fn the_demo_comes_out_as_expected_and_leaves_nothing_behind() {
    let world = World::founded();
    let temporary = world.path("tmp");
    fs::create_dir(&temporary).unwrap();
    let output = world
        .command(&["demo", "--once"])
        .env("TMPDIR", &temporary)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("Every step came out as expected"), "{text}");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}

#[test]
fn a_status_is_changed_by_issuer_and_member_and_seen_by_everybody() {
    let world = World::running();
    world.unsigned("inbox", "issuer", 0..4);
    let issued = world.json(&["issue", "inbox", "--out", "out", "--issuer-home", "issuer"]);
    assert_eq!(
        (&issued["issued"], &issued["listsOpened"]),
        (&4.into(), &1.into())
    );
    for number in 0..4 {
        let file = format!("out/{number}.json");
        assert_eq!(world.verdict(&[&file]), (0, "valid".to_owned()));
        assert_eq!(
            world.verdict(&[&file, "--send-credential"]),
            (0, "valid".to_owned())
        );
    }
    let of = |summary: &str| (1, summary.to_owned());

    // As the issuer, by file; a second time changes nothing.
    let words = [
        "suspend",
        "out/0.json",
        "--issuer-home",
        "issuer",
        "--reason",
        "misconduct",
    ];
    assert_eq!(world.json(&words)["changed"], 1);
    assert_eq!(world.verdict(&["out/0.json"]), of("suspended"));
    let again = world.json(&words);
    assert_eq!(
        (&again["changed"], &again["already"][0]),
        (&0.into(), &"out/0.json is suspended already".into())
    );
    // As the accrediting member, by digest.
    let digest = &world.column("out/issued.csv", "digest")[0];
    assert_eq!(
        world.json(&["reinstate", digest, "--home", "member"])["changed"],
        1
    );
    assert_eq!(world.verdict(&["out/0.json"]), (0, "valid".to_owned()));
    // By a row of the table.
    let words = [
        "revoke",
        "--csv",
        "out/issued.csv",
        "--where",
        "file=1.json",
        "--issuer-home",
        "issuer",
        "--reason",
        "issued-in-error",
    ];
    assert_eq!(world.json(&words)["changed"], 1);
    assert_eq!(world.verdict(&["out/1.json"]), of("revoked"));
    let refused = world.fails(4, &["suspend", "out/1.json", "--issuer-home", "issuer"]);
    assert!(refused.contains("is revoked, which is final"), "{refused}");
    // By another credential.
    world.ok(&[
        "supersede",
        "out/2.json",
        "--by",
        "out/3.json",
        "--issuer-home",
        "issuer",
    ]);
    assert_eq!(world.verdict(&["out/2.json"]), of("superseded"));
    // One of them is bad: nothing is sent.
    let stranger = sample("03-valid-ob3-eddsa-jcs-2022.json");
    let refused = world.fails(
        4,
        &["revoke", "out/3.json", &stranger, "--issuer-home", "issuer"],
    );
    assert!(
        refused.contains("was not issued on this ledger"),
        "{refused}"
    );
    assert_eq!(world.verdict(&["out/3.json"]), (0, "valid".to_owned()));
}

#[test]
fn an_accreditation_is_offered_countersigned_amended_and_withdrawn() {
    let mut world = World::founded();
    world.start_node();
    world.ok(&[
        "issuer",
        "new",
        "issuer",
        "--name",
        "U",
        "--origin",
        crate::world::ORIGIN,
        "--id",
        "https://u.example/issuer",
        "--no-passphrase",
    ]);
    world.ok(&[
        "accreditation",
        "grant",
        "--home",
        "member",
        "--issuer",
        "issuer/issuer.json",
        "--scope",
        "urn:example:a",
        "--offer-out",
        "offer.json",
    ]);
    let refused = world.fails(
        5,
        &["accreditation", "submit", "offer.json", "--home", "member"],
    );
    assert!(refused.contains("is not countersigned"), "{refused}");
    world.ok(&[
        "issuer",
        "countersign",
        "offer.json",
        "--issuer-home",
        "issuer",
        "--out",
        "b.json",
    ]);
    world.ok(&["accreditation", "submit", "b.json", "--home", "member"]);

    world.unsigned("inbox", "issuer", 0..1);
    let issue = ["issue", "inbox", "--out", "out", "--issuer-home", "issuer"];
    let refused = world.fails(4, &issue);
    assert!(refused.contains("not-accredited"), "{refused}");
    let id = "https://u.example/issuer";
    world.ok(&[
        "accreditation",
        "amend",
        "--home",
        "member",
        "--issuer",
        id,
        "--scope",
        "all",
    ]);
    // What was not issued then is issued now.
    assert_eq!(world.json(&issue)["issued"], 1);
    assert_eq!(world.verdict(&["out/0.json"]), (0, "valid".to_owned()));

    world.ok(&[
        "accreditation",
        "withdraw",
        "--home",
        "member",
        "--issuer",
        id,
    ]);
    let list = world.json(&["accreditation", "list"]);
    assert_eq!(list[0]["accreditation"]["member"], "board");
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    assert_eq!(world.json(&["accreditation", "list"])[0]["inForce"], false);
    world.unsigned("inbox", "issuer", 1..2);
    let refused = world.fails(6, &issue);
    assert!(refused.contains("not-accredited"), "{refused}");
    assert_eq!(
        world.verdict(&["out/0.json"]),
        (0, "valid".to_owned()),
        "it stays valid"
    );
}

#[test]
fn achievements_are_defined_and_listed() {
    let world = World::running();
    let definition = r#"{"id": "urn:example:stat", "name": "Statistics", "criteria": "a test"}"#;
    fs::write(world.path("stat.json"), definition).unwrap();
    world.ok(&[
        "achievement",
        "define",
        "stat.json",
        "--issuer-home",
        "issuer",
    ]);
    let list = world.json(&["achievement", "list", "--issuer-home", "issuer"]);
    assert_eq!(list[0]["name"], "Statistics");
    let refused = world.fails(
        4,
        &[
            "achievement",
            "define",
            "stat.json",
            "--issuer-home",
            "issuer",
        ],
    );
    assert!(refused.contains("defined already"), "{refused}");
}

#[test]
fn every_sample_gets_its_verdict_and_exit_code() {
    let mut world = World::founded();
    world.start_node();
    let lists = [
        "--status-list",
        &sample("status-list-revocation.json"),
        "--status-list",
        &sample("status-list-suspension.json"),
    ]
    .map(str::to_owned);
    let lists: Vec<&str> = lists.iter().map(String::as_str).collect();
    for (name, code, summary) in [
        ("01-valid-ob3-eddsa-rdfc-2022", 2, "not_anchored"),
        ("04-tampered-ob3-rdfc", 1, "invalid"),
        ("06-expired", 1, "expired"),
        ("07-future-validFrom", 1, "not_yet_valid"),
        ("08-wrong-key-other-controller", 1, "invalid"),
        ("10-malformed-proofValue", 1, "invalid"),
        ("11-malformed-proof-no-verificationMethod", 1, "invalid"),
        ("12-unknown-context", 2, "not_anchored"),
        ("13-undefined-term-added-rdfc", 1, "invalid"),
        ("14-revoked", 1, "revoked"),
        ("15-suspended", 1, "suspended"),
    ] {
        let file = sample(&format!("{name}.json"));
        let verdict = world.verdict(&[&[file.as_str()], lists.as_slice()].concat());
        assert_eq!(verdict, (code, summary.to_owned()), "{name}");
    }
    fs::write(world.path("empty.json"), "").unwrap();
    let empty = world.run(&["verify", "--json", "empty.json"]);
    assert_eq!(empty.status.code(), Some(1));
    let empty: serde_json::Value = serde_json::from_slice(&empty.stdout).unwrap();
    assert_eq!(empty["error"]["code"], "no-credential", "{empty}");
    assert_eq!(
        world.verdict(&[&"0".repeat(64)]),
        (2, "not_anchored".to_owned())
    );
}
