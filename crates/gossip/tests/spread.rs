//! What spreads in a network of members and observers, and what does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic
#![allow(clippy::cast_possible_truncation)] // small numbers

mod net;

use std::time::{Duration, Instant};

use bytes::Bytes;
use credlog_gossip::{Peers, PublishError, wire};
use net::{QUIC, TCP, addresses, config, network, settle, start, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_and_cosignatures_reach_all() {
    for listen in [TCP, QUIC] {
        let nodes = network(4, listen).await;
        nodes[0].publish(&[b"one", b"two"]);
        let cosignature = Bytes::from_static(b"a cosignature");
        nodes[3]
            .gossip
            .publish_cosignatures(vec![cosignature.clone()])
            .unwrap();
        until("all have the records", || {
            nodes.iter().all(|n| n.has(b"one") && n.has(b"two"))
        })
        .await;
        until("three have the cosignature", || {
            let has = |n: &&net::Node| n.state.lock().unwrap().cosignatures.contains(&cosignature);
            nodes.iter().filter(has).count() == 3
        })
        .await;
        // Both records came in one message, which each node was told of once.
        assert_eq!(nodes[0].gossip.metrics().messages_out, 1);
        assert!(nodes[1..].iter().all(|n| n.arrived(b"one") == 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_small_records_share_messages() {
    let nodes = network(2, TCP).await;
    let records: Vec<Bytes> = (0..5_000)
        .map(|n| Bytes::from(format!("record {n}")))
        .collect();
    for record in &records {
        nodes[0]
            .gossip
            .publish_records(vec![record.clone()])
            .unwrap();
    }
    until("all records are there", || {
        records.iter().all(|record| nodes[1].has(record))
    })
    .await;
    let messages = nodes[0].gossip.metrics().messages_out;
    assert!(messages < 500, "{messages} messages");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_records_are_split_over_messages() {
    let nodes = network(2, TCP).await;
    let records: Vec<Bytes> = (0..20)
        .map(|n| Bytes::from(vec![n; wire::RECORD_BYTES_MAX]))
        .collect();
    nodes[0].gossip.publish_records(records.clone()).unwrap();
    until("all records are there", || {
        records.iter().all(|record| nodes[1].has(record))
    })
    .await;
    assert_eq!(nodes[0].gossip.metrics().messages_out, 20);
}

/// Nodes 1 and 3 know only node 2, which sits between them.
async fn line() -> [net::Node; 3] {
    let middle = start(config(2, TCP), Peers::new()).await.unwrap();
    let ends = [(middle.key, addresses(&middle))];
    let left = start(config(1, TCP), Peers::from(ends.clone()))
        .await
        .unwrap();
    let right = start(config(3, TCP), Peers::from(ends)).await.unwrap();
    let peers = Peers::from([(left.key, Vec::new()), (right.key, Vec::new())]);
    middle.gossip.set_peers(peers).await.unwrap();
    until("both ends connect", || middle.gossip.connected().len() == 2).await;
    settle().await;
    [left, middle, right]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_was_accepted_is_relayed() {
    let [left, middle, right] = line().await;
    for payload in [b"old news".as_slice(), b"bad record", b"good"] {
        left.gossip
            .publish_records(vec![Bytes::copy_from_slice(payload)])
            .unwrap();
        // Each in a message of its own.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    until("the good one came through", || right.has(b"good")).await;
    settle().await;
    assert_eq!(middle.arrived(b"old news"), 1);
    assert_eq!(middle.arrived(b"bad record"), 1);
    assert_eq!(right.arrived(b"old news") + right.arrived(b"bad record"), 0);
    let metrics = middle.gossip.metrics();
    assert_eq!(
        (metrics.accepted, metrics.ignored, metrics.rejected),
        (1, 1, 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_of_bad_records_is_no_longer_heard() {
    let [left, middle, right] = line().await;
    for number in 0..5 {
        let payload = Bytes::from(format!("bad record {number}"));
        left.gossip.publish_records(vec![payload]).unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    left.gossip
        .publish_records(vec![Bytes::from_static(b"now a good one")])
        .unwrap();
    settle().await;
    let rejected = middle.gossip.metrics().rejected;
    assert!((3..5).contains(&rejected), "{rejected} were looked at");
    assert_eq!(middle.arrived(b"now a good one"), 0);
    // The other side is heard as before.
    right.publish(&[b"of another"]);
    until("the other is heard", || middle.has(b"of another")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unjudged_batch_is_not_relayed() {
    let [left, middle, right] = line().await;
    middle.state.lock().unwrap().deaf = true;
    left.publish(&[b"unheard"]);
    until("it was dropped", || middle.gossip.metrics().ignored == 1).await;
    settle().await;
    assert_eq!(right.arrived(b"unheard"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_has_bounds() {
    let mut config = config(1, TCP);
    config.limits.publish_bytes_max = 200_000;
    let node = start(config, Peers::new()).await.unwrap();
    let publish = |bytes: usize| {
        node.gossip
            .publish_records(vec![Bytes::from(vec![1; bytes])])
    };
    let max = wire::RECORD_BYTES_MAX;
    assert_eq!(publish(0), Err(PublishError::Payload { bytes: 0, max }));
    assert_eq!(
        publish(max + 1),
        Err(PublishError::Payload {
            bytes: max + 1,
            max
        })
    );
    let many = vec![Bytes::from(vec![1; max]); 4];
    assert!(matches!(
        node.gossip.publish_records(many),
        Err(PublishError::Full { .. })
    ));
    // A refused one takes nothing of the bound.
    assert_eq!(publish(max), Ok(()));
    until("nobody hears it", || node.gossip.metrics().unheard == 1).await;
    node.gossip.shutdown().await;
    assert_eq!(publish(1), Err(PublishError::Stopped));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_application_does_not_stop_the_swarm() {
    let mut small = config(2, TCP);
    small.limits.events_max = 4;
    let (gossip, events) = credlog_gossip::Gossip::start(small, Peers::new())
        .await
        .unwrap();
    let peers = Peers::from([(gossip.node(), gossip.listening())]);
    let node = start(config(1, TCP), peers).await.unwrap();
    gossip
        .set_peers(Peers::from([(node.key, Vec::new())]))
        .await
        .unwrap();
    until("they connect", || gossip.connected().len() == 1).await;
    settle().await;
    for number in 0..50 {
        let record = Bytes::from(format!("record {number}"));
        node.gossip.publish_records(vec![record]).unwrap();
        tokio::time::sleep(Duration::from_millis(12)).await;
    }
    let start = Instant::now();
    until("most were dropped", || gossip.metrics().dropped_unread > 30).await;
    gossip.set_peers(Peers::new()).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    drop(events);
}
