//! The commands reach a node by TLS, with an authority that only they are told.

use std::fs;

use crate::world::World;

#[test]
fn a_node_with_a_certificate_of_its_own_is_reached_with_it_alone() {
    let mut world = World::founded();
    world.secure();
    world.start_node();
    let unknown = world.fails(3, &["ledger", "status"]);
    assert!(unknown.contains("UnknownIssuer"), "{unknown}");
    assert!(unknown.contains("--ca FILE"), "{unknown}");
    let by_variable = world
        .command(&["ledger", "status"])
        .env("CREDLOG_CA", "cert.pem")
        .output()
        .unwrap();
    assert!(by_variable.status.success());
    let absent = world.fails(5, &["ledger", "status", "--ca", "absent.pem"]);
    assert!(absent.contains("absent.pem"), "{absent}");
    fs::write(world.path("empty.pem"), "no certificate").unwrap();
    let empty = world.fails(64, &["ledger", "status", "--ca", "empty.pem"]);
    assert!(empty.contains("no CERTIFICATE in it"), "{empty}");
    let plain = world.node_url().replace("https", "http");
    world.fails(3, &["ledger", "status", "--node", &plain]);
}
