//! Keys are replaced: what was issued stays valid, and the issuer goes on.

use std::fs;

use credlog_api::{Client, RecordOutcome, Wait};
use credlog_ledger::body::{Body, KeyChange, NewKey, Purposes};
use credlog_ledger::ids::UnixMillis;
use credlog_ledger::key::{ProvenKey, PublicKey, Role};
use credlog_ledger::record::{AuthorId, EncodedRecord, Record};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use serde_json::Value;

use crate::world::World;

fn issue(world: &World, inbox: &str, out: &str, suite: &str) -> Value {
    world.json(&[
        "issue",
        inbox,
        "--out",
        out,
        "--issuer-home",
        "issuer",
        "--suite",
        suite,
    ])
}

fn rotate(world: &World, more: &[&str]) -> Value {
    let words = [
        "issuer",
        "rotate-keys",
        "--issuer-home",
        "issuer",
        "--no-passphrase",
    ];
    world.json(&[&words, more].concat())
}

fn assert_valid(world: &World, file: &str) {
    let valid = (0, "valid".to_owned());
    assert_eq!(world.verdict(&[file]), valid, "{file}");
    let by_node = world.verdict(&[file, "--send-credential"]);
    assert_eq!(by_node, valid, "{file}, judged by the node");
}

/// An issuer whose id is the did:key of its first key could never sign again: the verification
/// method `did:key:OLD#NEW` is rightly refused.
#[test]
fn an_issuer_goes_on_with_each_new_key_and_old_credentials_stay_valid() {
    let world = World::running();
    assert!(world.issuer_id("issuer").starts_with("did:key:"));
    let rotations: [&[&str]; 2] = [&[], &["--recovery"]];
    world.unsigned("inbox-0", "issuer", 0..1);
    issue(&world, "inbox-0", "out", "eddsa-rdfc-2022");
    for (number, more) in rotations.into_iter().enumerate() {
        let before = fs::read(world.path("issuer/keys/record.pem")).unwrap();
        rotate(&world, more);
        let after = fs::read(world.path("issuer/keys/record.pem")).unwrap();
        assert_ne!(before, after);
        for (suite, at) in [("eddsa-rdfc-2022", 1), ("eddsa-jcs-2022", 2)] {
            let at = 2 * number + at;
            let inbox = format!("inbox-{at}");
            world.unsigned(&inbox, "issuer", at..at + 1);
            assert_eq!(issue(&world, &inbox, "out", suite)["issued"], 1);
        }
    }
    for number in 0..5 {
        assert_valid(&world, &format!("out/{number}.json"));
    }
    let shown = world.json(&["issuer", "show", "--issuer-home", "issuer"]);
    let retired = |key: &&Value| !key["retired"].is_null();
    let keys = shown["keys"].as_array().unwrap();
    assert_eq!((keys.len(), keys.iter().filter(retired).count()), (3, 2));
}

#[test]
fn a_credential_that_came_in_signed_with_the_new_key_is_taken_and_with_the_old_one_is_not() {
    let world = World::running();
    world.unsigned("first", "issuer", 0..1);
    issue(&world, "first", "out", "eddsa-jcs-2022");
    // Signed and not issued: as if another program had signed it.
    let signed_elsewhere = |inbox: &str, out: &str| {
        let way = world.way_without_records();
        let words = ["issue", inbox, "--out", out, "--issuer-home", "issuer"];
        world.fails(3, &[words.as_slice(), &["--node", &way]].concat());
        world.pending(out)[0]["text"].as_str().unwrap().to_owned()
    };
    world.unsigned("a", "issuer", 1..2);
    let old = signed_elsewhere("a", "out-a");
    rotate(&world, &[]);
    world.unsigned("b", "issuer", 2..3);
    let new = signed_elsewhere("b", "out-b");
    fs::create_dir(world.path("signed")).unwrap();
    fs::write(world.path("signed/old.json"), old).unwrap();
    fs::write(world.path("signed/new.json"), new).unwrap();
    let words = [
        "issue",
        "signed",
        "--out",
        "out-c",
        "--issuer-home",
        "issuer",
    ];
    let refused = world.fails(6, &words);
    assert!(
        refused.contains("old.json: verifiers would call it invalid"),
        "{refused}"
    );
    assert_eq!(world.column("out-c/issued.csv", "file"), ["new.json"]);
    assert_valid(&world, "out-c/new.json");
}

/// What an earlier run had signed was issued with the old key's signature: invalid for ever; or
/// refused on every run.
#[test]
fn a_run_that_is_finished_after_a_rotation_issues_valid_credentials() {
    let world = World::running();
    world.unsigned("first", "issuer", 0..1);
    issue(&world, "first", "out", "eddsa-rdfc-2022");
    world.unsigned("inbox", "issuer", 1..3);
    let way = world.way_without_records();
    let words = ["issue", "inbox", "--out", "out", "--issuer-home", "issuer"];
    let failed = world.fails(3, &[words.as_slice(), &["--node", &way]].concat());
    assert!(failed.contains("run the same command again"), "{failed}");
    let before = world.pending("out");
    assert_eq!(before.len(), 2);
    rotate(&world, &[]);
    assert_eq!(world.json(&words)["issued"], 2);
    for credential in before {
        let file = format!("out/{}", credential["file"].as_str().unwrap());
        assert_valid(&world, &file);
        let text = fs::read_to_string(world.path(&file)).unwrap();
        assert_ne!(text, credential["text"], "signed again");
    }
    assert!(world.pending("out").is_empty());
}

#[test]
fn issuing_with_a_key_that_was_replaced_says_so() {
    let world = World::running();
    world.unsigned("inbox", "issuer", 0..1);
    let old = fs::read(world.path("issuer/keys/record.pem")).unwrap();
    rotate(&world, &[]);
    fs::write(world.path("issuer/keys/record.pem"), old).unwrap();
    let words = ["issue", "inbox", "--out", "out", "--issuer-home", "issuer"];
    let refused = world.fails(5, &words);
    assert!(
        refused.contains("which the ledger does not take"),
        "{refused}"
    );
}

/// Brings the key files to where they are when a run is cut off after its commit.
fn undo_renames(world: &World, answer: &Value, next: &str) {
    let keys = world.path("issuer/keys");
    fs::rename(keys.join("record.pem"), keys.join(next)).unwrap();
    let retired = world.path(answer["retired"].as_str().unwrap());
    fs::rename(retired, keys.join("record.pem")).unwrap();
}

/// With a next key from an earlier run in the folder nothing was sent: the ledger had no
/// `compromisedSince`, and the key that had been in other hands signed on.
#[test]
fn a_compromise_is_reported_whatever_next_key_lies_in_the_folder() {
    let world = World::running();
    let compromise = ["--recovery", "--compromised-since", "2020-01-01"];
    let first = rotate(&world, &[]);
    undo_renames(&world, &first, "record-next.pem");
    let second = rotate(&world, &compromise);
    assert_ne!(second["key"], first["key"], "a fresh key");
    let keys = || {
        let shown = world.json(&["issuer", "show", "--issuer-home", "issuer"]);
        shown["keys"].as_array().unwrap().clone()
    };
    let check = || {
        for key in keys() {
            let new = key["key"] == second["key"];
            assert_eq!(key["retired"].is_null(), new, "{key}");
            assert_eq!(key["compromisedSince"].is_null(), new, "{key}");
        }
        assert_eq!(keys().len(), 3);
        assert!(!world.path("issuer/keys/record-next.pem").exists());
    };
    check();
    // Cut off after its own commit, it goes on with its own key.
    undo_renames(&world, &second, "record-recovered.pem");
    assert_eq!(rotate(&world, &compromise)["key"], second["key"]);
    check();
    world.unsigned("inbox", "issuer", 0..1);
    issue(&world, "inbox", "out", "eddsa-rdfc-2022");
    assert_valid(&world, "out/0.json");
}

/// What a thief of the record key does: it registers 16 keys and retires itself.
fn steal(world: &World) {
    let pem = fs::read_to_string(world.path("issuer/keys/record.pem")).unwrap();
    let stolen = SigningKey::from_pkcs8_pem(&pem).unwrap();
    let pin: Value =
        serde_json::from_slice(&fs::read(world.path("issuer/ledger.json")).unwrap()).unwrap();
    let origin = pin["origin"].as_str().unwrap().parse().unwrap();
    let ledger = serde_json::from_value(pin["ledger"].clone()).unwrap();
    let issuer = world.issuer_id("issuer");
    let new = |seed: u8| NewKey {
        proven: ProvenKey::ed25519(
            &origin,
            Role::RecordAndAssertion,
            &issuer,
            &SigningKey::from_bytes(&[seed; 32]),
        ),
        purposes: Purposes {
            record: true,
            assertion: true,
        },
    };
    let change = KeyChange {
        add: (1..=16).map(new).collect(),
        retire: vec![PublicKey::ed25519(stolen.verifying_key().as_bytes()).id()],
        compromised_since: None,
    };
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let expires_at = UnixMillis(u64::try_from(now.as_millis()).unwrap()).plus(60_000);
    let author = AuthorId::Issuer(issuer.parse().unwrap());
    let body = Body::RotateKeys(change);
    let record = Record::sign(ledger, author, [3; 16], expires_at, body, &stolen).unwrap();
    let bytes = EncodedRecord::new(&record).unwrap();
    let client = Client::new(&world.node_url()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sent = runtime
        .block_on(client.submit(bytes.bytes(), Wait::Committed))
        .unwrap();
    assert!(
        matches!(sent.results[0], RecordOutcome::Committed { .. }),
        "{sent:?}"
    );
}

/// One record retires 16 keys at most: the recovery failed on every run.
#[test]
fn the_recovery_key_retires_more_keys_than_one_record_can() {
    let world = World::running();
    // Binds the issuer's folder to the ledger.
    rotate(&world, &[]);
    steal(&world);
    let rotated = rotate(&world, &["--recovery", "--compromised-since", "2020-01-01"]);
    let shown = world.json(&["issuer", "show", "--issuer-home", "issuer"]);
    let keys = shown["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 19);
    for key in keys {
        let new = key["key"] == rotated["key"];
        assert_eq!(key["retired"].is_null(), new, "{key}");
        assert_eq!(key["compromisedSince"].is_null(), new, "{key}");
    }
    world.unsigned("inbox", "issuer", 0..1);
    issue(&world, "inbox", "out", "eddsa-rdfc-2022");
    assert_valid(&world, "out/0.json");
}

#[test]
fn a_rotation_that_is_cut_off_between_its_renames_goes_on() {
    let world = World::running();
    let ways: [(&str, &[&str]); 2] = [
        ("record-next.pem", &[]),
        ("record-recovered.pem", &["--recovery"]),
    ];
    for (next, more) in ways {
        let first = rotate(&world, more);
        let keys = world.path("issuer/keys");
        fs::rename(keys.join("record.pem"), keys.join(next)).unwrap();
        assert_eq!(rotate(&world, more)["key"], first["key"]);
    }
}

#[test]
fn an_empty_next_key_of_a_crash_does_not_stop_a_rotation() {
    let world = World::running();
    fs::write(world.path("issuer/keys/record-next.pem"), "").unwrap();
    rotate(&world, &[]);
    assert!(!world.path("issuer/keys/record-next.pem").exists());
}

/// Its id stays when its key is replaced.
#[test]
fn an_issuer_with_a_did_web_issues() {
    let mut world = World::founded();
    world.start_node();
    let new = [
        "issuer",
        "new",
        "issuer",
        "--name",
        "Dept. of Law",
        "--genesis",
        "member/genesis.json",
        "--no-passphrase",
        "--did-web",
    ];
    let said = world.ok(&new);
    let host = world.node_url().replace("http://", "");
    let document = format!("https://{host}/issuers/dept-of-law/did.json");
    assert!(said.contains(&document), "{said}");
    let id = format!("did:web:{}:issuers:dept-of-law", host.replace(':', "%3A"));
    assert_eq!(world.issuer_id("issuer"), id);
    world.grant("issuer", "all");
    let issue = ["issue", "inbox", "--out", "out", "--issuer-home", "issuer"];
    world.unsigned("inbox", "issuer", 0..1);
    assert_eq!(world.json(&issue)["issued"], 1);
    world.ok(&[
        "issuer",
        "rotate-keys",
        "--issuer-home",
        "issuer",
        "--no-passphrase",
    ]);
    world.unsigned("inbox", "issuer", 1..2);
    assert_eq!(world.json(&issue)["issued"], 1);
    let text = std::fs::read_to_string(world.path("out/1.json")).unwrap();
    assert!(text.contains(&format!("{id}#z6Mk")), "{text}");
    world.ok(&["verify", "out"]);
    // The node serves the document, with both keys.
    let document = world.get("/issuers/dept-of-law/did.json");
    assert_eq!(document["id"], *id);
    assert_eq!(document["verificationMethod"].as_array().unwrap().len(), 2);
}
