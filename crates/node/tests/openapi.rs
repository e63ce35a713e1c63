//! The description of the interface is of the routes that the node serves, all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic

mod town;

use std::collections::BTreeSet;

use serde_json::Value;
use town::{Running, Town};

async fn document(running: &Running) -> Value {
    let reply = running.get("/openapi.json").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    reply.json()
}

/// The templates of `credlog_api::path`, as its source lists them.
fn templates() -> BTreeSet<String> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../api/src/path.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let constants = source.lines().filter(|line| line.starts_with("pub const"));
    let text = |line: &str| line.split('"').nth(1).map(|text| text.replace("{*", "{"));
    constants.filter_map(text).collect()
}

/// A path of a template that is well formed, whether it names something or not.
fn instance(template: &str) -> String {
    if template == credlog_api::path::EVENTS {
        // Its answer would not end.
        return format!("{template}?since=99999999.0");
    }
    let mut path = String::new();
    for (at, part) in template.split(['{', '}']).enumerate() {
        path.push_str(match (at % 2, part) {
            (0, _) => part,
            (_, "path") => "0/000.p/1",
            _ => "0",
        });
    }
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_is_described_and_no_other() {
    let town = Town::new();
    let running = town.start().await;
    let document = document(&running).await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    let described: BTreeSet<_> = paths.keys().cloned().collect();
    assert_eq!(described, templates());
    for (template, item) in paths {
        let reply = running
            .request("OPTIONS", &instance(template), &[], b"")
            .await;
        assert_eq!(reply.status, 204, "{template} is not served");
        let allowed: BTreeSet<_> = reply.header("allow").unwrap().split(", ").collect();
        let mut methods: BTreeSet<_> = item.as_object().unwrap().keys().cloned().collect();
        methods.insert("options".to_owned());
        if methods.contains("get") {
            methods.insert("head".to_owned());
        }
        let allowed: BTreeSet<_> = allowed.iter().map(|name| name.to_lowercase()).collect();
        assert_eq!(methods, allowed, "{template}");
        for method in methods.iter().filter(|method| *method != "options") {
            let method = method.to_uppercase();
            let reply = running
                .request(&method, &instance(template), &[], b"")
                .await;
            assert_ne!(reply.status, 405, "{method} {template}");
        }
    }
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_description_refers_to_is_there_and_every_name_is_its_own() {
    let town = Town::new();
    let running = town.start().await;
    let document = document(&running).await;
    let mut references = BTreeSet::new();
    collect(&document, "$ref", &mut references);
    assert!(references.len() > 20, "{references:?}");
    for reference in &references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let text = document.to_string();
    for name in schemas.keys() {
        let reference = format!("#/components/schemas/{name}");
        // What is one of many in an answer is named in words.
        let is_used = references.contains(&reference) || text.contains(&format!("`{name}`"));
        assert!(is_used, "{name}");
    }
    let operations = document["paths"].as_object().unwrap().values();
    let operations: Vec<_> = operations
        .flat_map(|item| item.as_object().unwrap().values())
        .collect();
    let ids: BTreeSet<_> = operations
        .iter()
        .map(|one| one["operationId"].as_str())
        .collect();
    assert_eq!(ids.len(), operations.len());
    let tags: Vec<_> = document["tags"].as_array().unwrap().iter().collect();
    for operation in operations {
        let tag = &operation["tags"][0];
        assert!(tags.iter().any(|known| known["name"] == *tag), "{tag}");
        assert!(!operation["summary"].as_str().unwrap().is_empty());
    }
    running.node.shutdown().await;
}

/// Every text under a name, anywhere.
fn collect(value: &Value, name: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                if key == name
                    && let Some(text) = value.as_str()
                {
                    found.insert(text.to_owned());
                }
                collect(value, name, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, found)),
        _ => {}
    }
}
