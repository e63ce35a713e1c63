//! What a node missed while it was away, and how it finds its peers again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic
#![allow(clippy::cast_possible_truncation)] // small numbers

mod net;

use std::time::Duration;

use bytes::Bytes;
use credlog_gossip::{Gossip, Peers, wire};
use net::{TCP, addresses, config, connect, network, start, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_is_fetched_on_connect() {
    let nodes = network(2, TCP).await;
    // More than one request's ids, and more bytes than one response has.
    let mut records: Vec<Bytes> = (0..1_200)
        .map(|n| Bytes::from(format!("small {n}")))
        .collect();
    records.extend((0..40).map(|n| Bytes::from(vec![n; wire::RECORD_BYTES_MAX])));
    nodes[0].hold(&records);
    let cosignature = Bytes::from_static(b"a cosignature");
    nodes[1]
        .state
        .lock()
        .unwrap()
        .cosignatures
        .insert(cosignature.clone());

    let late = start(config(3, TCP), Peers::new()).await.unwrap();
    let nodes = [nodes, vec![late]].concat();
    connect(&nodes).await;
    until("the late one has all", || {
        records.iter().all(|one| nodes[2].has(one))
    })
    .await;
    until("and the cosignature", || {
        nodes[2]
            .state
            .lock()
            .unwrap()
            .cosignatures
            .contains(&cosignature)
    })
    .await;
    assert!(nodes[2].gossip.metrics().fetched >= 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_was_told_of_is_fetched_in_turn() {
    let mut nodes = Vec::new();
    for number in 1..=2 {
        let mut config = config(number, TCP);
        config.limits.fetch_interval = Duration::from_millis(200);
        nodes.push(start(config, Peers::new()).await.unwrap());
    }
    connect(&nodes).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    nodes[0].hold(&[Bytes::from_static(b"never published")]);
    until("it is fetched", || nodes[1].has(b"never published")).await;
    assert_eq!(nodes[1].gossip.metrics().messages_in, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_comes_back_is_found_and_catches_up() {
    let mut nodes = network(3, TCP).await;
    let away = nodes.pop().unwrap();
    let place = addresses(&away);
    away.gossip.shutdown().await;
    until("it is gone", || {
        nodes.iter().all(|node| node.gossip.connected().len() == 1)
    })
    .await;
    nodes[0].publish(&[b"while it was away"]);
    until("the others have it", || nodes[1].has(b"while it was away")).await;

    // It knows nobody's address; the others dial it at its own.
    let mut back = config(3, TCP);
    back.listen = place;
    let peers: Peers = nodes.iter().map(|node| (node.key, Vec::new())).collect();
    let back = start(back, peers).await.unwrap();
    until("it is found", || back.gossip.connected().len() == 2).await;
    until("it catches up", || back.has(b"while it was away")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_moved_is_found_by_any_of_its_addresses() {
    let here = start(config(1, TCP), Peers::new()).await.unwrap();
    let there = start(config(2, TCP), Peers::from([(here.key, Vec::new())]))
        .await
        .unwrap();
    let gone = [
        "/ip4/127.0.0.1/tcp/1",
        "/dns4/no-such-host.invalid/tcp/7",
        "/ip4/127.0.0.1/udp/9/quic-v1",
    ];
    let mut places: Vec<_> = gone.iter().map(|text| text.parse().unwrap()).collect();
    places.extend(addresses(&there));
    here.gossip
        .set_peers(Peers::from([(there.key, places)]))
        .await
        .unwrap();
    until("it is found", || here.gossip.connected() == [there.key]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_answers_nothing_holds_nobody_up() {
    let nodes = network(2, TCP).await;
    nodes[0].state.lock().unwrap().deaf = true;
    let late = start(config(3, TCP), Peers::new()).await.unwrap();
    let nodes = [nodes, vec![late]].concat();
    connect(&nodes).await;
    until("it was asked", || {
        nodes[0].gossip.metrics().requests_refused >= 2
    })
    .await;
    nodes[1].publish(&[b"goes on"]);
    until("it spreads", || nodes[2].has(b"goes on")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_in_use_is_said() {
    let node = start(config(1, TCP), Peers::new()).await.unwrap();
    let mut second = config(2, TCP);
    second.listen = addresses(&node);
    let error = Gossip::start(second, Peers::new()).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("in use") && text.contains(&addresses(&node)[0].to_string()),
        "{text}"
    );
    let mut named = config(2, TCP);
    named.listen = vec!["/dns4/localhost/tcp/0".parse().unwrap()];
    let error = Gossip::start(named, Peers::new()).await.unwrap_err();
    assert!(error.to_string().contains("IP addresses"), "{error}");
}
