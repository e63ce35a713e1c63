//! A member signs what it offered and changes what it names, nothing else.

use std::fs;

use serde_json::{Value, json};

use crate::world::World;

/// A ledger with an issuer in `issuer` that nobody has accredited, and an offer to it.
fn offered() -> World {
    let world = World::with_issuer("School");
    world.ok(&[
        "accreditation",
        "grant",
        "--home",
        "member",
        "--issuer",
        "issuer/issuer.json",
        "--scope",
        "urn:x:intro",
        "--until",
        "2100-01-01",
        "--offer-out",
        "offer.json",
    ]);
    world
}

fn countersign(world: &World, offer: &str, out: &str) {
    world.ok(&[
        "issuer",
        "countersign",
        offer,
        "--issuer-home",
        "issuer",
        "--out",
        out,
    ]);
}

/// Sets a member of that name, wherever it stands in the document.
fn set(document: &mut Value, name: &str, to: &Value) -> bool {
    match document {
        Value::Object(members) => {
            if let Some(member) = members.get_mut(name) {
                member.clone_from(to);
                return true;
            }
            members.values_mut().any(|one| set(one, name, to))
        }
        Value::Array(items) => items.iter_mut().any(|one| set(one, name, to)),
        _ => false,
    }
}

/// An issuer changed the scope of its offer, countersigned it, and the member signed that.
#[test]
fn an_offer_that_was_changed_on_its_way_is_not_signed() {
    let world = offered();
    let offer: Value =
        serde_json::from_slice(&fs::read(world.path("offer.json")).unwrap()).unwrap();
    for (name, value, told) in [
        (
            "scope",
            json!("all"),
            "the scope is all achievements, you offered urn:x:intro",
        ),
        (
            "until",
            json!(null),
            "it ends never, you offered 1 January 2100 at 00:00:00 UTC",
        ),
        (
            "scope",
            json!({"achievements": ["urn:x:intro", "urn:x:phd"]}),
            "urn:x:phd",
        ),
    ] {
        let mut changed = offer.clone();
        assert!(set(&mut changed, name, &value), "{offer}");
        fs::write(world.path("changed.json"), changed.to_string()).unwrap();
        countersign(&world, "changed.json", "signed.json");
        let submit = ["accreditation", "submit", "signed.json", "--home", "member"];
        for words in [&submit[..], &[submit.as_slice(), &["--yes"]].concat()] {
            let refused = world.fails(5, words);
            assert!(refused.contains("is not what you offered"), "{refused}");
            assert!(refused.contains(told), "{refused}");
        }
        fs::remove_file(world.path("signed.json")).unwrap();
    }
    assert_eq!(world.json(&["accreditation", "list"]), json!([]));
    countersign(&world, "offer.json", "signed.json");
    world.ok(&["accreditation", "submit", "signed.json", "--home", "member"]);
    let list = world.json(&["accreditation", "list"]);
    let scope = &list[0]["accreditation"]["scope"];
    assert_eq!(*scope, json!({"achievements": ["urn:x:intro"]}));
}

#[test]
fn an_offer_without_a_copy_is_shown_and_needs_a_yes() {
    let world = offered();
    countersign(&world, "offer.json", "signed.json");
    fs::remove_dir_all(world.path("member/offers")).unwrap();
    let submit = ["accreditation", "submit", "signed.json", "--home", "member"];
    let refused = world.fails(5, &submit);
    for text in [
        "has no copy of this offer",
        "School",
        "urn:x:intro",
        "1 January 2100",
        "--yes",
    ] {
        assert!(refused.contains(text), "{text}: {refused}");
    }
    assert_eq!(world.json(&["accreditation", "list"]), json!([]));
    world.ok(&[submit.as_slice(), &["--yes"]].concat());
}

/// Widening the scope took the end away without a word.
#[test]
fn an_amendment_keeps_the_end_unless_told_otherwise() {
    let world = offered();
    countersign(&world, "offer.json", "signed.json");
    world.ok(&["accreditation", "submit", "signed.json", "--home", "member"]);
    let id = world.issuer_id("issuer");
    let amend = |more: &[&str]| {
        let words = [
            "accreditation",
            "amend",
            "--home",
            "member",
            "--issuer",
            &id,
        ];
        let text = world.ok(&[words.as_slice(), more].concat());
        let list = world.json(&["accreditation", "list"]);
        (text, list[0]["accreditation"].clone())
    };
    let (text, now) = amend(&["--scope", "all"]);
    assert!(text.contains("urn:x:intro → all achievements"), "{text}");
    assert!(
        text.contains("1 January 2100 at 00:00:00 UTC (as before)"),
        "{text}"
    );
    assert_eq!(now["scope"], "all");
    assert!(
        now["until"].as_str().unwrap().starts_with("2100-01-01"),
        "{now}"
    );
    let (text, now) = amend(&["--scope", "all", "--until", "2090-01-01"]);
    assert!(
        text.contains("1 January 2100 at 00:00:00 UTC → 1 January 2090"),
        "{text}"
    );
    assert!(
        now["until"].as_str().unwrap().starts_with("2090-01-01"),
        "{now}"
    );
    let (text, now) = amend(&["--scope", "urn:x:intro", "--until", "never"]);
    assert!(
        text.contains("1 January 2090 at 00:00:00 UTC → never"),
        "{text}"
    );
    assert!(now["until"].is_null(), "{now}");
    let other = [
        "accreditation",
        "amend",
        "--home",
        "member",
        "--issuer",
        "https://nobody.example/",
        "--scope",
        "all",
    ];
    assert!(world.fails(5, &other).contains("does not know issuer"));
}
