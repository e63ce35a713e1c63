//! What keeps a node from starting is said in words an operator can act on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic

mod town;

use std::os::unix::fs::PermissionsExt;

use credlog_ledger::parameters::Parameters;
use credlog_node::keys::KeyFileError;
use credlog_node::{Node, StartError};
use credlog_store::OpenError;
use town::{MEMBER, Town, key};

async fn error(town: &Town) -> StartError {
    match Node::start(town.config.clone()).await {
        Ok(_) => panic!("the node started"),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            error
        }
    }
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let (one, mut other) = (Town::new(), Town::new());
    let running = one.start().await;
    other.config.http.listen = running.address;
    match error(&other).await {
        StartError::Listen { address, .. } => assert_eq!(address, running.address),
        unexpected => panic!("{unexpected:?}"),
    }
    running.node.shutdown().await;
}

#[tokio::test]
async fn a_folder_in_use_is_refused_and_the_running_node_goes_on() {
    let town = Town::new();
    let running = town.start().await;
    let found = error(&town).await;
    assert!(
        matches!(&found, StartError::Store(error) if matches!(**error, OpenError::InUse { .. })),
        "{found:?}"
    );
    running.accredit().await;
    running.node.shutdown().await;
}

#[tokio::test]
async fn genesis_is_compared_with_the_store() {
    let mut town = Town::new();
    let without = {
        let mut config = town.config.clone();
        config.node.genesis = None;
        config
    };
    let started = Node::start(without.clone()).await;
    assert!(matches!(started.err(), Some(StartError::NoGenesis { .. })));
    town.start().await.node.shutdown().await;
    Node::start(without).await.unwrap().shutdown().await;
    let other = Town::with(&[MEMBER, "university-b"], Parameters::default());
    town.config.node.genesis = other.config.node.genesis.clone();
    assert!(matches!(error(&town).await, StartError::OtherLedger { .. }));
    town.config.node.genesis = Some(town.dir.path().join("missing.json"));
    assert!(matches!(error(&town).await, StartError::ReadGenesis { .. }));
    let broken = town.dir.path().join("broken.json");
    std::fs::write(&broken, "{}").unwrap();
    town.config.node.genesis = Some(broken);
    assert!(matches!(error(&town).await, StartError::Genesis { .. }));
}

#[tokio::test]
async fn member_and_key_must_be_the_ledgers() {
    let mut town = Town::new();
    town.config.member.id = Some("university-z".parse().unwrap());
    let running = town.start().await;
    let ledger = running.get("/v1/ledger").await.json();
    assert_eq!(
        ledger["role"], "candidate",
        "it follows until it is a member"
    );
    running.node.shutdown().await;
    town.config.member.id = Some(MEMBER.parse().unwrap());
    let path = town.dir.path().join("keys/node.pem");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let found = error(&town).await;
    assert!(
        matches!(found, StartError::Key(KeyFileError::TooOpen { .. })),
        "{found:?}"
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let pem = pkcs8::EncodePrivateKey::to_pkcs8_pem(&key("another"), pkcs8::LineEnding::LF);
    std::fs::write(&path, pem.unwrap()).unwrap();
    let found = error(&town).await;
    assert!(
        matches!(found, StartError::Key(KeyFileError::OtherKey { .. })),
        "{found:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_members_decides_nothing_alone() {
    let mut town = Town::with(&[MEMBER, "university-b"], Parameters::default());
    town.config.http.request_timeout_ms = 1_500;
    town.config.http.shutdown_timeout_ms = 500;
    let running = town.start().await;
    let record = town::accreditation(running.ledger).to_bytes().unwrap();
    let headers = [("content-type", credlog_api::submission::MEDIA_TYPE_RECORD)];
    let reply = running
        .request("POST", "/v1/records", &headers, &record)
        .await;
    assert_eq!(reply.status, 503);
    let ledger = running.get("/v1/ledger").await.json();
    assert_eq!(
        (&ledger["role"], &ledger["height"]),
        (&"member".into(), &0.into())
    );
    running.node.shutdown().await;
}

#[tokio::test]
async fn a_damaged_store_is_put_aside_and_nothing_of_it_is_served() {
    let town = Town::new();
    let running = town.start().await;
    running.accredit().await;
    running.node.shutdown().await;
    let watermark = std::fs::read_dir(town.dir.path().join("data")).unwrap();
    let file = watermark
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_file() && path.to_string_lossy().contains("watermark"))
        .unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    // All of it: one of its two slots alone is mended from the other and sled.
    bytes.iter_mut().for_each(|byte| *byte ^= 1);
    std::fs::write(&file, bytes).unwrap();
    let found = error(&town).await;
    assert!(
        matches!(&found, StartError::Store(error) if matches!(**error, OpenError::Damaged { .. })),
        "{found:?}"
    );
    assert!(found.to_string().contains("store rebuild"));
    let again = error(&town).await;
    assert!(
        matches!(&again, StartError::Store(error) if matches!(**error, OpenError::NoData { .. })),
        "{again:?}"
    );
}
