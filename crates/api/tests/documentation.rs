//! docs/api.md names every route and every problem, as the code has them.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests fail the test

use credlog_api::ProblemType;

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_route_is_documented() {
    let page = page();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/path.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let constants = source.lines().filter(|line| line.starts_with("pub const"));
    let routes: Vec<&str> = constants
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    assert!(routes.len() > 20, "{routes:?}");
    for route in routes {
        assert!(page.contains(&format!("`{route}`")), "{route}");
    }
}

#[test]
fn every_problem_is_documented_and_no_other() {
    let rows: Vec<String> = ProblemType::ALL
        .iter()
        .map(|kind| {
            let rule = kind.rule.map(|rule| rule.to_string()).unwrap_or_default();
            format!(
                "| `{}` | {} | {rule} | {} |",
                kind.code, kind.status, kind.title
            )
        })
        .collect();
    let page = page();
    let (_, table) = page
        .split_once("| code | status | rule | means |\n|---|---|---|---|\n")
        .unwrap();
    let documented: Vec<&str> = table
        .lines()
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert_eq!(documented, rows);
}

#[test]
fn every_example_that_is_named_is_there() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let mut named = 0;
    for word in page()
        .split([' ', '|', '`'])
        // A path is a route.
        .filter(|word| word.ends_with(".json") && !word.starts_with('/'))
    {
        assert!(std::path::Path::new(folder).join(word).exists(), "{word}");
        named += 1;
    }
    assert!(named >= 12, "{named}");
}
