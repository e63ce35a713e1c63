//! Peers that do not follow the protocol: malformed, oversized, too many, silent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic
#![allow(clippy::cast_possible_truncation)] // small numbers

mod net;
mod raw;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use credlog_gossip::{Address, Peers, Request, Response, wire};
use libp2p::futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::identity::Keypair;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{StreamProtocol, Swarm, gossipsub, request_response};
use net::{LEDGER, Node, TCP, addresses, config, key, secret, start, until};
use raw::{multiaddr, swarm_of};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// A node that allows key 9, which the raw peers below have.
async fn victim() -> Node {
    start(config(1, TCP), Peers::from([(key(9), Vec::new())]))
        .await
        .unwrap()
}

fn raw_key() -> Keypair {
    Keypair::ed25519_from_bytes(secret(9)).unwrap()
}

/// A raw gossipsub peer that is subscribed as a node is.
async fn raw_gossip(node: &Node) -> (Swarm<gossipsub::Behaviour>, gossipsub::IdentTopic) {
    let config = gossipsub::ConfigBuilder::default()
        .max_transmit_size(1 << 20)
        .heartbeat_initial_delay(Duration::from_millis(100))
        .build()
        .unwrap();
    let authenticity = gossipsub::MessageAuthenticity::Signed(raw_key());
    let mut behaviour = gossipsub::Behaviour::new(authenticity, config).unwrap();
    let topic = gossipsub::IdentTopic::new(format!("credlog/1/{}/records", hex::encode(LEDGER)));
    behaviour.subscribe(&topic).unwrap();
    let mut swarm = swarm_of(raw_key(), behaviour);
    swarm.dial(multiaddr(node)).unwrap();
    loop {
        let event = swarm.select_next_some().await;
        if let SwarmEvent::Behaviour(gossipsub::Event::Subscribed {
            topic: subscribed, ..
        }) = event
            && subscribed == topic.hash()
        {
            return (swarm, topic);
        }
    }
}

/// Drives a raw peer until something holds of the node.
async fn drive<B: NetworkBehaviour>(swarm: &mut Swarm<B>, what: &str, holds: impl Fn() -> bool) {
    tokio::select! {
        () = until(what, holds) => {}
        () = async { loop { swarm.next().await; } } => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_batches_are_rejected_and_their_sender_silenced() {
    let node = victim().await;
    let (mut swarm, topic) = raw_gossip(&node).await;
    let good = b"\x00\x00\x00\x01g".to_vec();
    swarm
        .behaviour_mut()
        .publish(topic.clone(), good.clone())
        .unwrap();
    drive(&mut swarm, "a good batch came", || node.has(b"g")).await;
    for (number, bad) in [&b"\x00\x00\x00\x02x"[..], b"", b"\x00\x00\x00\x00"]
        .iter()
        .enumerate()
    {
        swarm
            .behaviour_mut()
            .publish(topic.clone(), bad.to_vec())
            .unwrap();
        let rejected = number as u64 + 1;
        drive(&mut swarm, "it was rejected", || {
            node.gossip.metrics().rejected == rejected
        })
        .await;
    }
    swarm
        .behaviour_mut()
        .publish(topic, b"\x00\x00\x00\x01h".to_vec())
        .unwrap();
    let later = Instant::now() + Duration::from_millis(500);
    drive(&mut swarm, "time passed", || Instant::now() > later).await;
    assert!(
        !node.has(b"h"),
        "a peer of three malformed batches is still heard"
    );
    assert_eq!(node.state.lock().unwrap().batches, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversized_message_is_not_taken() {
    let node = victim().await;
    let (mut swarm, topic) = raw_gossip(&node).await;
    let payload = vec![7; wire::RECORD_BYTES_MAX];
    let mut batch = Vec::new();
    for _ in 0..3 {
        batch.extend((payload.len() as u32).to_be_bytes());
        batch.extend(&payload);
    }
    assert!(batch.len() > wire::MESSAGE_BYTES_MAX);
    swarm.behaviour_mut().publish(topic, batch).unwrap();
    let later = Instant::now() + Duration::from_millis(500);
    drive(&mut swarm, "time passed", || Instant::now() > later).await;
    assert_eq!(node.gossip.metrics().messages_in, 0);
    assert_eq!(node.arrived(&payload), 0);
}

#[derive(NetworkBehaviour)]
struct RawBehaviour {
    gossip: gossipsub::Behaviour,
    missed: request_response::Behaviour<RawCodec>,
}

#[derive(Clone, Default)]
struct RawCodec;

#[async_trait::async_trait]
impl request_response::Codec for RawCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, _: &mut T) -> std::io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> std::io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        io.take(2 << 20).read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> std::io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
        _: Vec<u8>,
    ) -> std::io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

/// The next answer; an empty one for a failure.
async fn answer(swarm: &mut Swarm<RawBehaviour>) -> Vec<u8> {
    loop {
        let event = swarm.select_next_some().await;
        let SwarmEvent::Behaviour(RawBehaviourEvent::Missed(event)) = event else {
            continue;
        };
        match event {
            request_response::Event::Message {
                message: request_response::Message::Response { response, .. },
                ..
            } => return response,
            request_response::Event::OutboundFailure { .. } => return Vec::new(),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_bounded_and_malformed_ones_are_dropped() {
    let node = victim().await;
    let record = Bytes::from_static(b"pending");
    node.hold(std::slice::from_ref(&record));
    let name = format!("/credlog/{}/missed/1", hex::encode(LEDGER));
    let protocol = StreamProtocol::try_from_owned(name).unwrap();
    let missed = request_response::Behaviour::with_codec(
        RawCodec,
        [(protocol, request_response::ProtocolSupport::Outbound)],
        request_response::Config::default().with_max_concurrent_streams(512),
    );
    // Without gossipsub the node would part from it.
    let authenticity = gossipsub::MessageAuthenticity::Signed(raw_key());
    let gossip = gossipsub::Behaviour::new(authenticity, gossipsub::Config::default()).unwrap();
    let mut swarm = swarm_of(raw_key(), RawBehaviour { gossip, missed });
    swarm.dial(multiaddr(&node)).unwrap();
    let peer = loop {
        if let SwarmEvent::ConnectionEstablished { peer_id, .. } = swarm.select_next_some().await {
            break peer_id;
        }
    };
    let ids = vec![[0; 32], net::id(&record)];
    let proper = Request::PendingRecords(ids).to_bytes().unwrap();
    let expected = Response::PendingRecords {
        served: 2,
        batch: Bytes::from_static(b"\x00\x00\x00\x07pending"),
    };
    // The malformed one asks for 65,535 records.
    for request in [vec![2, 0xff, 0xff], proper] {
        swarm.behaviour_mut().missed.send_request(&peer, request);
    }
    let mut answers = vec![answer(&mut swarm).await, answer(&mut swarm).await];
    answers.sort();
    assert_eq!(answers, [Vec::new(), expected.to_bytes().unwrap()]);

    // One after the other, as fast as the answers come; a refused one is an empty answer.
    let (start, mut answered) = (Instant::now(), 0);
    for _ in 0..300 {
        swarm.behaviour_mut().missed.send_request(&peer, vec![1]);
        if !answer(&mut swarm).await.is_empty() {
            answered += 1;
        }
    }
    let allowed = 60 + 20 * (start.elapsed().as_secs() + 1);
    assert!(
        answered >= 50 && answered <= allowed,
        "{answered} answers, {allowed} allowed"
    );
    assert!(node.gossip.metrics().requests_refused > 100);
    assert!(node.gossip.connected().contains(&key(9)));
}

/// Forwards connections until it is told to be silent; then it holds them and says nothing.
async fn proxy(target: SocketAddr, silent: Arc<AtomicBool>) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut inner, _)) = listener.accept().await {
            let mut outer = TcpStream::connect(target).await.unwrap();
            let silent = Arc::clone(&silent);
            tokio::spawn(async move {
                let quiet = async {
                    while !silent.load(Ordering::SeqCst) {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                };
                tokio::select! {
                    _ = copy_bidirectional(&mut inner, &mut outer) => return,
                    () = quiet => {}
                }
                // Both ends still look connected.
                tokio::time::sleep(Duration::from_secs(60)).await;
                drop((inner, outer));
            });
        }
    });
    format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_went_silent_is_replaced() {
    let there = start(config(2, TCP), Peers::from([(key(1), Vec::new())]))
        .await
        .unwrap();
    let target = SocketAddr::from(([127, 0, 0, 1], addresses(&there)[0].port()));
    let silent = Arc::new(AtomicBool::new(false));
    let place = proxy(target, Arc::clone(&silent)).await;
    let here = start(config(1, TCP), Peers::from([(there.key, vec![place])]))
        .await
        .unwrap();
    until("they connect", || here.gossip.connected().len() == 1).await;
    silent.store(true, Ordering::SeqCst);
    until("it is noticed", || here.gossip.metrics().cut_off > 0).await;
    silent.store(false, Ordering::SeqCst);
    until("they connect again", || {
        here.gossip.connected().len() == 1 && there.gossip.connected().len() == 1
    })
    .await;
    here.publish(&[b"after the silence"]);
    until("they talk again", || there.has(b"after the silence")).await;
}
