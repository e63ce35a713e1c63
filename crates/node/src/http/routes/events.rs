//! GET /v1/events: server-sent events (the HTML standard, section 9.2), read from the log.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State as Extract};
use bytes::Bytes;
use credlog_api::event::{EventFilter, EventId, EventsQuery, MEDIA_TYPE_EVENTS};
use credlog_api::{Problem, ProblemType};
use http::{HeaderMap, HeaderName, StatusCode};
use hyper::body::Frame;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::events::{Feed, Place, Step};
use crate::http::answer::{Answer, Refusal, bytes_with, invalid_parameter};
use crate::http::guard::client;
use crate::http::lane::Lane;
use crate::http::listener::stopped;
use crate::http::query::parameters;
use crate::http::shares::Share;
use crate::http::{Context, Shared};
use crate::machine::cores;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// A stream without events says that it lives after this time.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// After how many milliseconds a client comes again whose stream ended.
const RETRY_MS: u32 = 2_000;
/// Parts of a stream that wait until the client has read those before.
const PARTS_WAITING: usize = 1;

/// Bounds the reading of blocks for streams; it takes nothing from requests, and waits its turn.
pub(crate) fn lane() -> Lane {
    Lane::new(
        cores(),
        u32::MAX,
        "too many streams of events read at a time",
    )
}

pub(crate) async fn events(Extract(context): Shared, request: Request) -> Answer {
    let query: EventsQuery = parameters(request.uri())?;
    let client = client(&request);
    let filter = query.filter().map_err(Refusal)?;
    let size = context.feed.size();
    let since = last_event_id(request.headers())?.or(query.since);
    let from = match since {
        None => Place::at(size),
        Some(id) if id.leaf.0 < size => Place::behind(id),
        Some(id) => {
            return Err(invalid_parameter(format!(
                "event {id} is beyond the end of the log, which has {size} leaves; leave it out \
                 for what happens from now on"
            )));
        }
    };
    let Some(place) = context.streams.take(client, 1) else {
        let detail = "too many streams of events are open; try again later, or ask another node";
        return Err(Problem::new(ProblemType::OVERLOADED, detail)
            .retry_after(RETRY_MS / 1_000)
            .into());
    };
    let (parts, read) = mpsc::channel(PARTS_WAITING);
    let stream = Stream {
        feed: context.feed.clone(),
        filter,
        next: from,
        parts,
        context: Arc::clone(&context),
        _place: place,
    };
    tokio::spawn(stream.run());
    let body = Body::new(Parts(read));
    Ok(bytes_with(StatusCode::OK, MEDIA_TYPE_EVENTS, body))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<EventId>, Refusal> {
    let Some(value) = headers.get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    let id = text.parse::<EventId>();
    id.map(Some)
        .map_err(|error| invalid_parameter(format!("Last-Event-ID: {error}")))
}

/// What is written of a stream, as far as the client reads it. The stream's task ends when this is
/// dropped.
struct Parts(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Parts {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        poller: &mut Poller<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let part = self.0.poll_recv(poller);
        part.map(|part| part.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// A stream of events on its way to a client.
struct Stream {
    feed: Feed,
    filter: EventFilter,
    next: Place,
    parts: mpsc::Sender<Bytes>,
    context: Arc<Context>,
    _place: Share,
}

impl Stream {
    /// Runs until the client goes away or the node stops.
    async fn run(mut self) {
        self.context.metrics.event_streams.inc();
        let (mut stop, parts) = (self.context.stopped.clone(), self.parts.clone());
        tokio::select! {
            () = stopped(&mut stop) => {}
            () = parts.closed() => {}
            _ = self.send_all() => {}
        }
        self.context.metrics.event_streams.dec();
    }

    async fn send_all(&mut self) -> Option<()> {
        self.send(format!("retry: {RETRY_MS}\n{}", self.position()))
            .await?;
        let mut quiet_since = Instant::now();
        loop {
            let grown = timeout_at(quiet_since + KEEP_ALIVE, self.feed.grown(self.next)).await;
            let mut text = String::new();
            if let Ok(grown) = grown {
                grown?;
                let step = self.step().await?;
                self.next = step.next;
                for event in &step.events {
                    let json = serde_json::to_string(event).ok()?;
                    let (id, kind) = (event.id, event.event);
                    text.push_str(&format!("id: {id}\nevent: {kind}\ndata: {json}\n\n"));
                }
            }
            // Whoever comes again after a long time without events need not read all of it.
            if text.is_empty() && quiet_since.elapsed() >= KEEP_ALIVE {
                text = format!(":\n{}", self.position());
            }
            if !text.is_empty() {
                self.send(text).await?;
                quiet_since = Instant::now();
            }
        }
    }

    /// Waits until the client has read what was sent before.
    async fn send(&self, text: String) -> Option<()> {
        self.parts.send(text.into()).await.ok()
    }

    /// Moves the client's last event id, without an event.
    fn position(&self) -> String {
        match self.next.id_before() {
            Some(id) => format!("id: {id}\n\n"),
            None => "\n".to_owned(),
        }
    }

    async fn step(&self) -> Option<Step> {
        let (feed, filter, next) = (self.feed.clone(), self.filter.clone(), self.next);
        let turn = self.context.event_readers.turn().await.ok()?;
        let read = move |_: &Context| Ok(feed.step(next, &filter)?);
        match self.context.with_turn(turn, read).await {
            Ok(step) => Some(step),
            Err(Refusal(problem)) => {
                self.context.note(&problem);
                None
            }
        }
    }
}
