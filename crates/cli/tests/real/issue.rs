//! What is issued will be valid, and nothing is issued in two versions.

use std::fs;

use serde_json::{Value, json};

use crate::world::World;

const ISSUE: [&str; 6] = ["issue", "inbox", "--out", "out", "--issuer-home", "issuer"];

/// Writes an unsigned credential with further members, and members of its subject.
fn write(world: &World, file: &str, more: &Value, subject: &Value) {
    let mut credential = json!({
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "issuer": world.issuer_id("issuer"),
        "credentialSubject": {"id": "https://students.example/1"},
    });
    let add = |to: &mut Value, from: &Value| {
        for (name, value) in from.as_object().unwrap() {
            to[name] = value.clone();
        }
    };
    add(&mut credential, more);
    add(&mut credential["credentialSubject"], subject);
    fs::create_dir_all(world.path("inbox")).unwrap();
    fs::write(world.path("inbox").join(file), credential.to_string()).unwrap();
}

fn achievement(ids: &[&str]) -> Value {
    let all: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
    json!({ "achievement": all })
}

/// All of these were anchored, "2 credentials issued", and never valid.
#[test]
fn what_would_never_be_valid_is_left_out() {
    let world = World::running_for("urn:x:intro");
    let context = "https://www.w3.org/ns/credentials/v2";
    let wrong = json!({"relatedResource": {
        "id": context, "digestMultibase": "uEiAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    }});
    write(
        &world,
        "two.json",
        &json!({}),
        &achievement(&["urn:x:intro", "urn:x:phd"]),
    );
    write(&world, "none.json", &json!({}), &json!({"degree": "PhD"}));
    write(
        &world,
        "related.json",
        &wrong,
        &achievement(&["urn:x:intro"]),
    );
    write(
        &world,
        "good.json",
        &json!({}),
        &achievement(&["urn:x:intro"]),
    );
    let words = [
        ISSUE.as_slice(),
        &["--suite", "eddsa-jcs-2022", "--achievement", "urn:x:intro"],
    ]
    .concat();
    let said = world.fails(6, &words);
    for text in [
        "two.json: verifiers would call it invalid",
        "urn:x:phd is none of them",
        "none.json: verifiers could never call it valid",
        "related.json: verifiers would call it invalid",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
    assert_eq!(world.column("out/issued.csv", "file"), ["good.json"]);
    assert_eq!(world.verdict(&["out/good.json"]), (0, "valid".to_owned()));
    assert!(world.pending("out").is_empty());
    for file in ["two.json", "related.json"] {
        fs::remove_file(world.path("inbox").join(file)).unwrap();
    }
    // Who may award everything may award what a credential does not name.
    let id = world.issuer_id("issuer");
    let amend = [
        "accreditation",
        "amend",
        "--home",
        "member",
        "--issuer",
        &id,
    ];
    world.ok(&[amend.as_slice(), &["--scope", "all"]].concat());
    assert_eq!(world.json(&words)["issued"], 1);
    assert_eq!(world.verdict(&["out/none.json"]), (0, "valid".to_owned()));
}

#[test]
fn a_validity_that_begins_later_is_no_hindrance() {
    let world = World::running();
    write(
        &world,
        "later.json",
        &json!({"validFrom": "2100-01-01T00:00:00Z"}),
        &json!({}),
    );
    assert_eq!(world.json(&ISSUE)["issued"], 1);
    assert_eq!(
        world.verdict(&["out/later.json"]),
        (1, "not_yet_valid".to_owned())
    );
}

/// What was refused was kept and sent again, beside the corrected file of the same name: two
/// credentials were issued, and one of the files was lost.
#[test]
fn a_file_that_is_corrected_after_a_refusal_is_issued_once() {
    let world = World::running_for("urn:x:intro");
    for file in ["a.json", "b.json", "c.json"] {
        let name = json!({ "name": file });
        write(&world, file, &name, &achievement(&["urn:x:phd"]));
    }
    let issue = [ISSUE.as_slice(), &["--suite", "eddsa-jcs-2022"]].concat();
    let refused = world.fails(4, &issue);
    assert!(refused.contains("not-accredited"), "{refused}");
    let corrected = json!({"name": "A, corrected"});
    write(&world, "a.json", &corrected, &achievement(&["urn:x:phd"]));
    let id = world.issuer_id("issuer");
    let amend = [
        "accreditation",
        "amend",
        "--home",
        "member",
        "--issuer",
        &id,
    ];
    world.ok(&[amend.as_slice(), &["--scope", "all"]].concat());
    assert_eq!(world.json(&issue)["issued"], 3);
    let mut files = world.column("out/issued.csv", "file");
    files.sort();
    assert_eq!(files, ["a.json", "b.json", "c.json"]);
    let text = fs::read_to_string(world.path("out/a.json")).unwrap();
    assert!(text.contains("A, corrected"), "{text}");
}

#[test]
fn a_file_that_is_corrected_while_its_record_may_still_be_committed_stops_the_run() {
    let world = World::running();
    write(&world, "first.json", &json!({}), &json!({}));
    assert_eq!(world.json(&ISSUE)["issued"], 1);
    write(&world, "a.json", &json!({"name": "A"}), &json!({}));
    let former = fs::read(world.path("inbox/a.json")).unwrap();
    let way = world.way_without_records();
    world.fails(3, &[ISSUE.as_slice(), &["--node", &way]].concat());
    let pending = world.pending("out");
    assert_eq!(pending.len(), 1);
    write(
        &world,
        "a.json",
        &json!({"name": "A, corrected"}),
        &json!({}),
    );
    let refused = world.fails(5, &ISSUE);
    assert!(refused.contains("a.json was changed after"), "{refused}");
    assert!(refused.contains("put the former file back"), "{refused}");
    assert_eq!(world.pending("out"), pending);
    fs::write(world.path("inbox/a.json"), former).unwrap();
    assert_eq!(world.json(&ISSUE)["issued"], 1);
    assert_eq!(world.verdict(&["out/a.json"]), (0, "valid".to_owned()));
}
