//! Members propose, approve and take back; one joins; keys are replaced.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::world::{ORIGIN, World};

const ADDRESS: &str = "/dns/node.b.example/tcp/7701";
const HOME: [&str; 2] = ["--home", "member"];

/// A running ledger of one member, whose folder is `member`.
fn running() -> World {
    let mut world = World::founded();
    world.start_node();
    world
}

/// The folder of a member that is not on the ledger.
fn newcomer(world: &World, id: &str, addresses: &[&str]) -> Value {
    let mut words = vec!["init", id, "--member", id, "--name", "University B"];
    words.extend(["--origin", ORIGIN, "--no-passphrase"]);
    for address in addresses {
        words.extend(["--address", address]);
    }
    world.json(&words)
}

fn read(world: &World, path: &str) -> Value {
    serde_json::from_slice(&fs::read(world.path(path)).unwrap()).unwrap()
}

#[test]
fn a_proposal_is_listed_approved_by_its_beginning_and_in_effect() {
    let world = running();
    let propose = ["member", "propose", "set-parameter", "recordsPerBlock"];
    let proposed = world.json(&[&propose[..], &["5000"], &HOME].concat());
    let id = proposed["proposal"].as_str().unwrap();
    assert_eq!(proposed["quorum"], 1);
    assert_eq!(proposed["warnings"], json!([]));
    assert_eq!(proposed["text"], "set recordsPerBlock to 5000");

    let list = world.json(&["member", "list"]);
    assert_eq!(
        (&list["quorum"], &list["tolerates"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(list["members"][0]["id"], "board");
    let peer_id = list["members"][0]["peerId"].as_str().unwrap();
    assert!(peer_id.starts_with("12D3KooW"), "{peer_id}");
    let open = &list["proposals"][0];
    assert_eq!((&open["id"], &open["missing"]), (&json!(id), &json!(1)));
    assert_eq!(open["text"], "set recordsPerBlock to 5000");
    let text = world.ok(&["member", "list"]);
    for told in [
        "1 member; a quorum is 1, and none may fail.",
        &format!("{}  set recordsPerBlock to 5000", &id[..12]),
        "approved     by nobody; 1 more needed",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }

    let approved = world.json(&[&["member", "approve", &id[..6]][..], &HOME].concat());
    assert_eq!(approved["inEffect"], true);
    assert_eq!(approved["missing"], 0);
    let status = world.json(&["ledger", "status"]);
    assert_eq!(status["parameters"]["recordsPerBlock"], 5000);
    assert_eq!(world.json(&["member", "list"])["proposals"], json!([]));

    let again = world.fails(5, &[&["member", "approve", id][..], &HOME].concat());
    let told = "there is no open proposal whose id begins with";
    assert!(again.contains(told), "{again}");
}

#[test]
fn a_proposal_is_taken_back_by_its_author() {
    let world = running();
    let propose = ["member", "propose", "set-parameter", "recordsPerBlock", "9"];
    let proposed = world.json(&[&propose[..], &HOME].concat());
    let id = proposed["proposal"].as_str().unwrap();
    let retracted = world.json(&[&["member", "retract", &id[..8]][..], &HOME].concat());
    assert_eq!(retracted["retracted"], json!(id));
    assert_eq!(world.json(&["member", "list"])["proposals"], json!([]));
    world.fails(5, &[&["member", "retract", id][..], &HOME].concat());
}

#[test]
fn what_cannot_be_proposed_is_said_before_anything_is_signed() {
    let world = running();
    let file = "member/member.json";
    for (code, words, told) in [
        (
            64,
            &["set-parameter", "blockSize", "1"][..],
            "recordsPerBlock",
        ),
        (
            5,
            &["set-parameter", "recordsPerBlock", "0"],
            "1 to 10000 are allowed",
        ),
        (
            5,
            &["remove", "nobody"],
            "nobody is no member; there are board",
        ),
        (
            5,
            &["replace-keys", "board", file],
            "says what the ledger has already",
        ),
        (
            5,
            &["replace-keys", "other", file],
            "describes member board, not other",
        ),
        (
            5,
            &["add", "member/genesis.json"],
            "is not a member's description",
        ),
    ] {
        let words = [&["member", "propose"][..], words, &HOME].concat();
        let refused = world.fails(code, &words);
        assert!(refused.contains(told), "{words:?}: {refused}");
    }
    for prefix in ["xyzw", "abc"] {
        world.fails(64, &["member", "approve", prefix, "--home", "member"]);
    }
    assert_eq!(world.json(&["member", "list"])["proposals"], json!([]));
}

/// What the newcomer reads out is what the member sees.
#[test]
fn a_newcomer_hands_over_what_the_member_compares() {
    let world = running();
    let made = newcomer(&world, "b", &[ADDRESS, "/ip4/192.0.2.7/udp/7701/quic-v1"]);
    let peer_id = made["peerId"].as_str().unwrap();
    let complete = format!("{ADDRESS}/p2p/{peer_id}");
    assert_eq!(made["addresses"][0], json!(complete));
    assert_eq!(
        read(&world, "b/member.json")["addresses"][0],
        json!(complete)
    );
    let config = fs::read_to_string(world.path("b/credlog.toml")).unwrap();
    assert!(
        config.contains("listen = \"/ip4/0.0.0.0/tcp/7701\""),
        "{config}"
    );

    let join = world.json(&["member", "join", "--home", "b"]);
    assert_eq!(join["peerId"], json!(peer_id));
    assert_eq!(join["ledger"], Value::Null);
    let fingerprint = join["fingerprint"].as_str().unwrap();
    assert_eq!(fingerprint.len(), 39);
    fs::copy(
        world.path("member/genesis.json"),
        world.path("b/genesis.json"),
    )
    .unwrap();
    let text = world.ok(&["member", "join", "--home", "b"]);
    let ledger = world.json(&["ledger", "status"])["ledgerId"].clone();
    for told in [fingerprint, peer_id, &complete, ledger.as_str().unwrap()] {
        assert!(text.contains(told), "{told}: {text}");
    }

    let propose = [
        "member",
        "propose",
        "add",
        "b/member.json",
        "--home",
        "member",
    ];
    for words in [&propose[..], &[&propose[..], &["--json"]].concat()] {
        let warned = world.fails(5, words);
        assert!(
            warned.contains("2 members and tolerate no fault"),
            "{warned}"
        );
        assert!(warned.contains("give --yes; nothing was sent"), "{warned}");
    }
    assert_eq!(world.json(&["member", "list"])["proposals"], json!([]));

    newcomer(&world, "c", &[]);
    let unreachable = world.fails(5, &["member", "join", "--home", "c"]);
    assert!(unreachable.contains("has no address"), "{unreachable}");
    let mut create = vec!["genesis", "create", "--origin", ORIGIN, "--out", "two.json"];
    create.extend(["b/member.json", "c/member.json"]);
    let both = world.fails(5, &create);
    assert!(both.contains("member c has no address"), "{both}");

    // Two founders are told what they do not bear.
    newcomer(&world, "d", &[ADDRESS]);
    let mut create = vec!["genesis", "create", "--origin", ORIGIN, "--out", "two.json"];
    create.extend(["b/member.json", "d/member.json"]);
    let founded = world.run(&create);
    assert!(founded.status.success(), "{founded:?}");
    let warned = String::from_utf8(founded.stderr).unwrap();
    assert!(
        warned.contains("have 2 members and tolerate no fault"),
        "{warned}"
    );
}

/// The second member's node does not run: the ledger cannot attest what made it a member, and
/// who approved is told all the same.
#[test]
fn a_member_is_added_with_a_yes() {
    let world = running();
    newcomer(&world, "b", &[ADDRESS]);
    let propose = ["member", "propose", "add", "b/member.json", "--yes"];
    let proposed = world.json(&[&propose[..], &HOME].concat());
    let join = world.json(&["member", "join", "--home", "b"]);
    assert_eq!(proposed["fingerprint"], join["fingerprint"]);
    let open = &world.json(&["member", "list"])["proposals"][0];
    assert_eq!(open["fingerprint"], join["fingerprint"]);

    let id = proposed["proposal"].as_str().unwrap();
    let approve = [&["member", "approve", id][..], &HOME].concat();
    let warned = world.fails(5, &approve);
    assert!(warned.contains("tolerate no fault"), "{warned}");
    let approved = world.json(&[&approve[..], &["--yes"]].concat());
    assert_eq!(approved["inEffect"], true);
    let list = world.json(&["member", "list"]);
    let ids: Vec<_> = list["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(ids, ["b", "board"]);
    assert_eq!(list["quorum"], 2);
}

#[test]
fn addresses_that_nobody_can_reach_are_refused() {
    let world = World::founded();
    for (address, told) in [
        ("node.b.example:7701", "no node address"),
        ("/dns/node.b.example/tcp/65535", "port 65535 has none"),
        (
            "/dns/node.b.example/udp/7701",
            "must be followed by /quic-v1",
        ),
        ("/ip4/0.0.0.0/tcp/7701", "nobody can dial"),
    ] {
        let mut words = vec![
            "init", "b", "--member", "b", "--name", "B", "--origin", ORIGIN,
        ];
        words.extend(["--no-passphrase", "--address", address]);
        let refused = world.fails(64, &words);
        assert!(refused.contains(told), "{address}: {refused}");
        assert!(!world.path("b").exists());
    }
}

#[test]
fn an_observer_has_a_node_key_a_copy_of_genesis_and_no_member() {
    let world = World::founded();
    let init = [
        "init",
        "eye",
        "--observer",
        "--genesis",
        "member/genesis.json",
    ];
    for wrong in [
        ["--member", "eye"],
        ["--address", ADDRESS],
        ["--peer", ADDRESS],
    ] {
        world.fails(64, &[&init[..], &wrong].concat());
    }
    world.fails(64, &["init", "eye", "--observer"]);
    let made = world.json(&[&init[..], &["--no-passphrase"]].concat());
    assert!(made["peerId"].as_str().unwrap().starts_with("12D3KooW"));
    let genesis = |folder: &str| fs::read(world.path(folder).join("genesis.json")).unwrap();
    assert_eq!(genesis("eye"), genesis("member"));
    let config = fs::read_to_string(world.path("eye/credlog.toml")).unwrap();
    assert!(config.contains("role = \"observer\""), "{config}");
    let keys: Vec<_> = fs::read_dir(world.path("eye/keys")).unwrap().collect();
    assert_eq!(keys.len(), 1);
    assert!(!world.path("eye/member.json").exists());
}

#[test]
fn new_keys_are_prepared_beside_the_present_ones() {
    let world = running();
    let mut new = vec![
        "member",
        "keys",
        "new",
        "--home",
        "member",
        "--no-passphrase",
    ];
    let only = ["--only", "consensus", "--only", "cosigner"];
    let made = world.json(&[&new[..], &only].concat());
    assert_eq!(made["replaced"], json!(["consensus", "cosigner"]));
    let (now, next) = (
        read(&world, "member/member.json"),
        read(&world, "member/keys/next/member.json"),
    );
    for (role, same) in [
        ("governance", true),
        ("consensus", false),
        ("cosigner", false),
        ("node", true),
    ] {
        assert_eq!(now["keys"][role] == next["keys"][role], same, "{role}");
        let file = |folder: &str| fs::read(world.path(folder).join(format!("{role}.pem"))).unwrap();
        assert_eq!(
            file("member/keys") == file("member/keys/next"),
            same,
            "{role}"
        );
    }
    let folder = world.path("member/keys/next");
    assert_eq!(
        fs::metadata(folder).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let mut keys = fs::read_dir(world.path("member/keys")).unwrap();
    let unfinished = |name: &str| name.starts_with(".next");
    assert!(!keys.any(|one| unfinished(&one.unwrap().file_name().to_string_lossy())));
    new.extend(only);
    let twice = world.fails(5, &new);
    assert!(twice.contains("is there already"), "{twice}");
    let early = world.fails(5, &["member", "keys", "install", "--home", "member"]);
    assert!(early.contains("does not have the keys"), "{early}");
    assert_eq!(read(&world, "member/member.json"), now);
}

/// The member signs with the key that the ledger has, before and after it puts it in place.
#[test]
fn replaced_keys_are_used_and_put_in_place() {
    let world = running();
    let new = ["member", "keys", "new", "--no-passphrase"];
    let made = world.json(&[&new[..], &HOME].concat());
    let next = read(&world, "member/keys/next/member.json");
    let file = "member/keys/next/member.json";
    let propose = ["member", "propose", "replace-keys", "board", file];
    let proposed = world.json(&[&propose[..], &HOME].concat());
    assert_eq!(proposed["fingerprint"], made["fingerprint"]);
    let id = proposed["proposal"].as_str().unwrap();
    let approved = world.json(&[&["member", "approve", id][..], &HOME].concat());
    assert_eq!(approved["inEffect"], true);

    let propose = ["member", "propose", "set-parameter", "recordsPerBlock", "9"];
    world.json(&[&propose[..], &HOME].concat());
    let installed = world.json(&[&["member", "keys", "install"][..], &HOME].concat());
    assert_eq!(read(&world, "member/member.json"), next);
    assert!(!world.path("member/keys/next").exists());
    let retired = world.path(installed["retired"].as_str().unwrap());
    assert_eq!(fs::read_dir(retired).unwrap().count(), 5);
    world.json(&[&propose[..], &HOME].concat());
    let list = world.json(&["member", "list"]);
    assert_eq!(list["proposals"].as_array().unwrap().len(), 2);
    let key = &next["keys"]["consensus"]["key"];
    assert_eq!(list["members"][0]["keys"]["consensus"], *key);
}
