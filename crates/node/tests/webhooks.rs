//! Webhooks: every event reaches a receiver that fails, goes away and comes back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic

mod town;

use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use credlog_api::event::{EventKind, WebhookMessage};
use credlog_ledger::ids::Digest;
use credlog_node::config::WebhookSection;
use credlog_node::{Node, StartError};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use town::{Running, Town, digest, issuer_id};

const SECRET: [u8; 24] = *b"twenty-four random bytes";
const WAIT: Duration = Duration::from_secs(30);

/// What a receiver got, and how it answers.
#[derive(Default)]
struct Seen {
    messages: Vec<Received>,
    /// The first so many are answered with the status.
    failing: usize,
    status: u16,
}

#[derive(Clone)]
struct Received {
    id: String,
    body: Vec<u8>,
    status: u16,
}

impl Received {
    fn message(&self) -> WebhookMessage {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A receiver on a port of this machine.
struct Receiver {
    seen: Arc<Mutex<Seen>>,
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Receiver {
    async fn start(port: u16, failing: usize, status: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen {
            failing,
            status,
            ..Seen::default()
        }));
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    receive(stream, &seen).await;
                }
            }
        });
        Self { seen, port, task }
    }

    /// Waits until so many messages were taken, and answers all that came.
    async fn taken(&self, count: usize) -> Vec<Received> {
        let begun = Instant::now();
        loop {
            let messages = self.seen.lock().unwrap().messages.clone();
            if messages.iter().filter(|one| one.status == 204).count() >= count {
                return messages;
            }
            assert!(begun.elapsed() < WAIT, "{} came", messages.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn count(&self) -> usize {
        self.seen.lock().unwrap().messages.len()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads one request, checks its signature and answers.
async fn receive(mut stream: TcpStream, seen: &Mutex<Seen>) {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        if stream.read_buf(&mut bytes).await.unwrap() == 0 {
            return;
        }
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8(bytes[..end].to_vec())
            .unwrap()
            .to_ascii_lowercase();
        let length: usize = field(&head, "content-length").parse().unwrap();
        if bytes.len() >= end + 4 + length {
            let original = String::from_utf8(bytes[..end].to_vec()).unwrap();
            break (original, bytes[end + 4..].to_vec());
        }
    };
    assert!(head.starts_with("POST /hook?tenant=7 HTTP/1.1"), "{head}");
    assert_eq!(field(&head, "content-type"), "application/json");
    let (id, timestamp) = (
        field(&head, "webhook-id"),
        field(&head, "webhook-timestamp"),
    );
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", &body].concat();
    let expected = format!("v1,{}", STANDARD.encode(hmac_sha256(&SECRET, &signed)));
    assert_eq!(field(&head, "webhook-signature"), expected);
    let seconds: u64 = timestamp.parse().unwrap();
    assert!(town::now().0 / 1_000 - seconds < 60);
    let status = {
        let mut seen = seen.lock().unwrap();
        let failing = seen.failing > 0;
        seen.failing = seen.failing.saturating_sub(1);
        let status = if failing { seen.status } else { 204 };
        seen.messages.push(Received {
            id: id.to_owned(),
            body,
            status,
        });
        status
    };
    let location = "location: http://127.0.0.1:1/\r\n";
    let answer = format!("HTTP/1.1 {status} x\r\n{location}connection: close\r\n\r\n");
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn field<'h>(head: &'h str, name: &str) -> &'h str {
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
    let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.unwrap_or_else(|| panic!("no {name}: {head}")).1
}

/// RFC 2104 with SHA-256, for keys of at most a block.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(key).for_each(|(to, from)| *to ^= from);
        block
    };
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

fn town(port: u16) -> Town {
    let mut town = Town::new();
    let path = town.dir.path().join("hook.secret");
    std::fs::write(&path, format!("whsec_{}\n", STANDARD.encode(SECRET))).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    town.config.webhook = vec![WebhookSection {
        name: "hr".to_owned(),
        url: format!("http://127.0.0.1:{port}/hook?tenant=7"),
        secret_file: path,
        issuers: vec![issuer_id()],
        prefixes: Vec::new(),
        events: Vec::new(),
    }];
    town
}

async fn issue_and_revoke(running: &Running, indices: std::ops::Range<u32>) -> Vec<Digest> {
    let digests: Vec<_> = indices.clone().map(|index| digest(index.into())).collect();
    let items: Vec<_> = indices.zip(digests.clone()).collect();
    running.commit(&running.issue(&items)).await;
    for digest in &digests {
        running.commit(&running.revoke(&[*digest])).await;
    }
    digests
}

fn digests(received: &[Received]) -> Vec<Digest> {
    let taken = received.iter().filter(|one| one.status == 204);
    taken.map(|one| one.message().data.digest).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_fails_and_goes_away_gets_every_event_in_order() {
    let receiver = Receiver::start(0, 2, 302).await;
    let port = receiver.port;
    let town = town(port);
    let running = town.start().await;
    running.accredit().await;
    let first = issue_and_revoke(&running, 0..3).await;
    let received = receiver.taken(3).await;
    assert_eq!(digests(&received), first);
    // Not taken twice: the same message again, and no redirect was followed.
    assert_eq!(received.len(), 5);
    assert_eq!((received[0].status, received[1].status), (302, 302));
    assert_eq!(received[0].id, received[2].id);
    assert_eq!(received[0].body, received[2].body);
    let message = received[0].message();
    assert_eq!(message.kind, "credential.revoked");
    assert_eq!(
        (message.timestamp, message.data.event),
        (message.data.time, EventKind::Revoked)
    );
    let counted = [
        "credlog_webhook_posts_total{outcome=\"taken\",webhook=\"hr\"} 3",
        "credlog_webhook_posts_total{outcome=\"refused\",webhook=\"hr\"} 2",
    ];
    let begun = Instant::now();
    loop {
        let metrics = running.get("/metrics").await;
        if counted.iter().all(|line| metrics.text().contains(line)) {
            break;
        }
        assert!(begun.elapsed() < WAIT, "{}", metrics.text());
    }

    // The receiver is away; the node stops and starts meanwhile.
    drop(receiver);
    let second = issue_and_revoke(&running, 3..6).await;
    let begun = Instant::now();
    running.node.shutdown().await;
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    let running = town.start().await;
    let third = issue_and_revoke(&running, 6..8).await;
    let receiver = Receiver::start(port, 0, 0).await;
    let all = receiver.taken(5).await;
    let mut found = digests(&all);
    found.dedup();
    assert_eq!(found, [second, third].concat());
    assert!(
        all.len() <= 6,
        "at most the last before the stop comes again: {}",
        all.len()
    );
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_gone_is_asked_again_after_a_start_alone() {
    let receiver = Receiver::start(0, 1, 410).await;
    let town = town(receiver.port);
    let running = town.start().await;
    running.accredit().await;
    let digests_of_all = issue_and_revoke(&running, 0..2).await;
    let begun = Instant::now();
    while receiver.count() == 0 {
        assert!(begun.elapsed() < WAIT);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(receiver.count(), 1);
    running.node.shutdown().await;
    let running = town.start().await;
    assert_eq!(digests(&receiver.taken(2).await), digests_of_all);
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_cannot_work_keeps_the_node_from_starting() {
    let mut town = town(1);
    let secret = town.config.webhook[0].secret_file.clone();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = Node::start(town.config.clone()).await.err().unwrap();
    assert!(matches!(error, StartError::Webhook(_)), "{error}");
    assert!(error.to_string().contains("chmod 600"), "{error}");
    std::fs::write(&secret, "secret").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let error = Node::start(town.config.clone()).await.err().unwrap();
    assert!(error.to_string().contains("openssl rand"), "{error}");
    for url in [
        "http://192.0.2.1/",
        "ftp://127.0.0.1/",
        "127.0.0.1",
        "http://u:p@127.0.0.1/",
    ] {
        town.config.webhook[0].url = url.to_owned();
        let error = Node::start(town.config.clone()).await.err().unwrap();
        assert!(matches!(error, StartError::Config(_)), "{url}: {error}");
    }
}
