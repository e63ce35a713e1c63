//! What the documents give as examples works, and what they list is all there is.

use std::fs;

use credlog_credential::context::BUILT_IN;

use crate::world::World;

fn page(name: &str) -> String {
    let path = format!("{}/../../{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(path).unwrap()
}

/// The quick tour issued what lay in a folder, and nobody said what that could be.
#[test]
fn the_example_badge_is_issued_once_it_names_its_issuer() {
    let world = World::running();
    let example = page("docs/example-badge.json");
    fs::create_dir(world.path("badges")).unwrap();
    let write = |text: &str| fs::write(world.path("badges/example.json"), text).unwrap();
    let issue = [
        "issue",
        "badges",
        "--out",
        "issued",
        "--issuer-home",
        "issuer",
    ];
    write(&example);
    let refused = world.fails(5, &issue);
    assert!(
        refused.contains("names the issuer did:example:issuer"),
        "{refused}"
    );
    write(&example.replace("did:example:issuer", &world.issuer_id("issuer")));
    assert_eq!(world.json(&issue)["issued"], 1);
    let valid = (0, "valid".to_owned());
    assert_eq!(world.verdict(&["issued/example.json"]), valid);
    for named_in in ["README.md", "docs/cli.md"] {
        assert!(page(named_in).contains("example-badge.json"), "{named_in}");
    }
}

#[test]
fn every_built_in_context_is_documented_and_no_other() {
    let page = page("docs/api.md");
    let (_, rest) = page.split_once("The built-in contexts are").unwrap();
    let lines = rest.lines().skip_while(|line| !line.starts_with("    "));
    let lines = lines.take_while(|line| line.starts_with("    "));
    let mut documented: Vec<_> = lines.map(str::trim).collect();
    let mut built_in: Vec<_> = BUILT_IN.iter().map(|context| context.url).collect();
    documented.sort_unstable();
    built_in.sort_unstable();
    assert_eq!(documented, built_in);
}

#[test]
fn the_example_table_is_issued() {
    let world = World::running();
    for name in ["example-people.csv", "example-template.json"] {
        fs::write(world.path(name), page(&format!("docs/{name}"))).unwrap();
    }
    let answer = world.json(&[
        "issue",
        "--csv",
        "example-people.csv",
        "--template",
        "example-template.json",
        "--out",
        "issued",
        "--issuer-home",
        "issuer",
    ]);
    assert_eq!(answer["issued"], 3);
    assert_eq!(answer["unusedColumns"], serde_json::json!([]));
    world.ok(&["verify", "issued"]);
    let second = fs::read_to_string(world.path("issued/2.json")).unwrap();
    assert!(
        second.contains("Grace Hopper took part with success. \""),
        "{second}"
    );
}
