//! Streams of events: what happens comes, what happened comes again, and nothing twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic

mod town;

use std::time::{Duration, Instant};

use credlog_api::event::{Event, EventKind};
use credlog_api::verification::CrowdQuery;
use credlog_ledger::body::{Body, Reason, StatusChange};
use credlog_ledger::ids::Digest;
use credlog_ledger::status::Status;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use town::{Running, Town, digest, issuer_id};

/// A client of a stream.
struct Listener {
    stream: TcpStream,
    raw: Vec<u8>,
    text: String,
}

impl Listener {
    /// Opens a stream that has to begin with 200.
    async fn open(running: &Running, query: &str, last: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let last = last.map_or(String::new(), |id| format!("last-event-id: {id}\r\n"));
        let request = format!("GET /v1/events{query} HTTP/1.1\r\nhost: x\r\n{last}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut listener = Self {
            stream,
            raw: Vec::new(),
            text: String::new(),
        };
        while !listener.raw.windows(4).any(|four| four == b"\r\n\r\n") {
            assert!(listener.read().await > 0, "the connection ended");
        }
        let end = listener
            .raw
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap()
            + 4;
        let head: Vec<u8> = listener.raw.drain(..end).collect();
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(
            head.contains("content-type: text/event-stream\r\n"),
            "{head}"
        );
        assert!(head.contains("cache-control: no-store\r\n"), "{head}");
        listener
    }

    async fn read(&mut self) -> usize {
        let mut bytes = [0; 16_384];
        let read = self.stream.read(&mut bytes);
        let read = tokio::time::timeout(Duration::from_secs(20), read).await;
        let count = read.expect("nothing comes").unwrap();
        self.raw.extend_from_slice(&bytes[..count]);
        count
    }

    /// Takes the chunks that are there whole out of their framing.
    fn unframe(&mut self) {
        while let Some(line) = self.raw.windows(2).position(|two| two == b"\r\n") {
            let size = std::str::from_utf8(&self.raw[..line]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            if self.raw.len() < line + 4 + size {
                return;
            }
            let chunk = &self.raw[line + 2..line + 2 + size];
            self.text.push_str(std::str::from_utf8(chunk).unwrap());
            self.raw.drain(..line + 4 + size);
        }
    }

    /// The next event.
    async fn event(&mut self) -> Event {
        loop {
            self.unframe();
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                if let Some(event) = parse(&block) {
                    return event;
                }
            }
            assert!(self.read().await > 0, "the stream ended");
        }
    }

    async fn events(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        for _ in 0..count {
            events.push(self.event().await);
        }
        events
    }
}

/// An event in its lines, if there is data in them.
fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
    let event: Event = serde_json::from_str(field("data: ")?).unwrap();
    assert_eq!(field("id: "), Some(event.id.to_string().as_str()));
    assert_eq!(field("event: "), Some(event.event.as_str()));
    Some(event)
}

fn told(events: &[Event]) -> Vec<(EventKind, Digest)> {
    events
        .iter()
        .map(|event| (event.event, event.digest))
        .collect()
}

fn suspend(digests: &[Digest]) -> Body {
    let mut digests = digests.to_vec();
    digests.sort_unstable();
    Body::Suspend(StatusChange {
        issuer: issuer_id(),
        digests,
        reason: Reason::Misconduct,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_comes_and_what_was_missed_comes_again() {
    let mut town = Town::new();
    town.config.http.request_timeout_ms = 300;
    let running = town.start().await;
    running.accredit().await;
    let mut changes = Listener::open(&running, "", None).await;
    let mut all = Listener::open(&running, "?types=issued,revoked,suspended", None).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let items: Vec<_> = (0..4_u32)
        .map(|index| (index, digest(index.into())))
        .collect();
    running.commit(&running.issue(&items)).await;
    let mut suspended = [digest(1), digest(2)];
    suspended.sort_unstable();
    running
        .commit(&running.by_issuer(suspend(&suspended)))
        .await;
    running.commit(&running.revoke(&[digest(3)])).await;
    let supersede = Body::Supersede {
        issuer: issuer_id(),
        old: digest(1),
        new: digest(0),
        reason: Reason::Superseded,
    };
    running.commit(&running.by_issuer(supersede)).await;

    let seen = changes.events(4).await;
    let expected = [
        (EventKind::Suspended, suspended[0]),
        (EventKind::Suspended, suspended[1]),
        (EventKind::Revoked, digest(3)),
        (EventKind::Superseded, digest(1)),
    ];
    assert_eq!(told(&seen), expected);
    assert_eq!(seen[1].id.item, 1);
    assert_eq!(seen[1].id.leaf, seen[0].id.leaf);
    assert_eq!(
        (seen[2].index.0, seen[2].reason),
        (3, Some(Reason::IssuedInError))
    );
    assert_eq!(seen[3].superseded_by, Some(digest(0)));
    let facts = running
        .client
        .facts(&digest(3), &Default::default())
        .await
        .unwrap();
    assert_eq!(facts.matches[0].history[0].record_id, seen[2].record_id);
    assert_eq!(facts.matches[0].history[0].height, seen[2].height);
    let told_all = told(&all.events(7).await);
    let issued = items.iter().map(|(_, digest)| (EventKind::Issued, *digest));
    let expected_all: Vec<_> = issued.chain(expected[..3].to_vec()).collect();
    assert_eq!(told_all, expected_all);

    // Again from each place, by the header that counts, and by the parameter.
    for first in 0..seen.len() {
        let last = seen[first].id.to_string();
        let mut again = Listener::open(&running, "?since=0.0", Some(&last)).await;
        assert_eq!(again.events(3 - first).await, seen[first + 1..]);
        let mut again = Listener::open(&running, &format!("?since={last}"), None).await;
        assert_eq!(again.events(3 - first).await, seen[first + 1..]);
    }
    let prefix = &digest(3).to_string()[..6];
    let query = format!("?since=0.0&prefix={prefix}&types=issued,revoked");
    let mut one = Listener::open(&running, &query, None).await;
    let one = told(&one.events(2).await);
    assert_eq!(
        one,
        [
            (EventKind::Issued, digest(3)),
            (EventKind::Revoked, digest(3))
        ]
    );

    let crowd = CrowdQuery {
        prefix: prefix.parse().unwrap(),
        after: None,
    };
    let crowd = running.client.crowd(&crowd).await.unwrap();
    assert_eq!((crowd.prefix.as_str(), crowd.credentials.len()), ("", 4));
    let revoked = crowd
        .credentials
        .iter()
        .find(|one| one.digest == digest(3))
        .unwrap();
    assert_eq!(
        (revoked.status, revoked.since),
        (Status::Revoked, seen[2].time)
    );

    // A node that stops does not wait for its streams.
    let begun = Instant::now();
    running.node.shutdown().await;
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    while all.read().await > 0 {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_record_and_many_blocks_are_read_whole() {
    let town = Town::new();
    let running = town.start().await;
    running.accredit().await;
    let items: Vec<_> = (0..700_u32)
        .map(|index| (index, digest(index.into())))
        .collect();
    running.commit(&running.issue(&items)).await;
    for index in 700..750_u32 {
        running
            .commit(&running.issue(&[(index, digest(index.into()))]))
            .await;
    }
    let mut all = Listener::open(&running, "?since=0.0&types=issued", None).await;
    let events = all.events(750).await;
    let indices: Vec<u32> = events.iter().map(|event| event.index.0).collect();
    assert_eq!(indices, (0..750).collect::<Vec<_>>());
    assert!(events.windows(2).all(|two| two[0].id < two[1].id));
    // From the middle of the record.
    let last = events[300].id.to_string();
    let mut rest = Listener::open(&running, "?types=issued", Some(&last)).await;
    assert_eq!(rest.events(449).await, events[301..]);
    running.node.shutdown().await;
}

/// Whoever asks for much and reads nothing keeps no stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_disconnected() {
    let mut town = Town::new();
    town.config.http.write_timeout_ms = 300;
    let running = town.start().await;
    running.accredit().await;
    for first in (0..30_000_u32).step_by(1_000) {
        let items: Vec<_> = (first..first + 1_000)
            .map(|index| (index, digest(index.into())))
            .collect();
        running.commit(&running.issue(&items)).await;
    }
    let streams = async || {
        let metrics = running.get("/metrics").await;
        metrics.text().contains("\ncredlog_event_streams 1\n")
    };
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(running.address).await.unwrap();
    let request = b"GET /v1/events?since=0.0&types=issued HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let begun = Instant::now();
    while !streams().await {
        assert!(begun.elapsed() < Duration::from_secs(10), "it never began");
    }
    while streams().await {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "it is still open"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_stream_is_a_problem() {
    let mut town = Town::new();
    town.config.http.event_streams_max = 1;
    let running = town.start().await;
    running.accredit().await;
    for bad in [
        "?since=99999.0",
        "?since=1",
        "?types=gone",
        "?prefix=abc",
        "?prefix=ABCDE",
        "?at=1",
    ] {
        let reply = running.get(&format!("/v1/events{bad}")).await;
        assert_eq!(reply.problem(400), "invalid-parameter", "{bad}");
    }
    let last = [("last-event-id", "x")];
    let reply = running.request("GET", "/v1/events", &last, b"").await;
    assert_eq!(reply.problem(400), "invalid-parameter");
    let json = [("accept", "application/json")];
    let reply = running.request("GET", "/v1/events", &json, b"").await;
    assert_eq!(reply.problem(406), "not-acceptable");

    let only = Listener::open(&running, "", None).await;
    assert_eq!(running.get("/v1/events").await.problem(503), "overloaded");
    drop(only);
    let begun = Instant::now();
    let mut open = TcpStream::connect(running.address).await.unwrap();
    loop {
        let request = b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n";
        open.write_all(request).await.unwrap();
        let mut bytes = [0; 4_096];
        let count = open.read(&mut bytes).await.unwrap();
        if bytes[..count].starts_with(b"HTTP/1.1 200") {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "its place is not free again"
        );
        open = TcpStream::connect(running.address).await.unwrap();
    }
    for bad in ["", "?prefix=abcd", "?prefix=ABCDE", "?prefix=abcde&limit=1"] {
        let reply = running.get(&format!("/v1/credentials{bad}")).await;
        assert_eq!(reply.problem(400), "invalid-parameter", "{bad}");
    }
    running.node.shutdown().await;
}
