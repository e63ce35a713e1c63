//! What was missed: asked of peers, and answered to them.
//!
//! ```text
//! peer connects, or its turn comes -> its pending ids -> Event::Offered -> those lacking
//!   -> records, part by part, each judged before the next -> done
//!                                 -> its newest cosignatures -> judged
//! ```

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use libp2p::PeerId;
use libp2p::request_response::{
    Event as Exchange, InboundRequestId, Message, OutboundFailure, OutboundRequestId,
    ResponseChannel,
};
use rand::seq::IteratorRandom;

use crate::budget::{Bucket, Rate};
use crate::event::{Body, Event, Question, Reply, Verdict};
use crate::missed::{Request, Response, payloads};
use crate::redial::part;
use crate::swarm::GRAYLIST_SCORE;
use crate::task::{Origin, Task};
use crate::wire::{Id, Kind, PENDING_IDS_MAX, Packer, REQUEST_IDS_MAX, RESPONSE_BYTES_MAX};

/// A peer that connects is asked within this time; its gossip has begun by then, so that
/// nothing falls in between.
const ASK_AFTER_CONNECT: Duration = Duration::from_millis(600);
/// A fetch of which nothing is heard for so long is given up.
const FETCH_LOST: Duration = Duration::from_secs(20);
/// Requests of one peer that wait for the application.
const PEER_REQUESTS_MAX: usize = 4;
/// Requests of one peer.
const PEER_REQUEST_RATE: Rate = Rate {
    per_second: 20,
    burst: 60,
};

/// What is asked of one peer, and what it asks.
#[derive(Default)]
struct Exchanges {
    /// When it is to be asked after it connected.
    due: Option<Instant>,
    fetch: Option<Fetch>,
    requests: usize,
    request_rate: Option<Bucket>,
}

/// Records that are being fetched from one peer.
struct Fetch {
    number: u64,
    /// Lacking records, those asked for now first.
    left: VecDeque<Id>,
    heard: Instant,
}

#[derive(Debug, Clone, Copy)]
enum Ask {
    Ids,
    /// So many records.
    Records(usize),
    Cosignatures,
}

/// A request of a peer that waits for the application.
struct Waiting {
    peer: PeerId,
    ids: usize,
    channel: ResponseChannel<Response>,
}

pub(crate) struct Fetches {
    peers: HashMap<PeerId, Exchanges>,
    asked: HashMap<OutboundRequestId, (PeerId, u64, Ask)>,
    waiting: HashMap<InboundRequestId, Waiting>,
    next: Instant,
    next_number: u64,
}

impl Fetches {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            peers: HashMap::new(),
            asked: HashMap::new(),
            waiting: HashMap::new(),
            next: now,
            next_number: 0,
        }
    }

    pub(crate) fn connected(&mut self, peer: PeerId, now: Instant) {
        self.peers.entry(peer).or_default().due = Some(now + part(ASK_AFTER_CONNECT));
    }

    pub(crate) fn disconnected(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
    }

    /// Asks this peer nothing more while it is connected.
    pub(crate) fn useless(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
    }

    fn fetch(&mut self, peer: &PeerId, number: u64) -> Option<&mut Fetch> {
        let fetch = self.peers.get_mut(peer)?.fetch.as_mut()?;
        (fetch.number == number).then_some(fetch)
    }

    fn end(&mut self, peer: &PeerId) {
        if let Some(exchanges) = self.peers.get_mut(peer) {
            exchanges.fetch = None;
        }
    }

    /// The peers to ask now: those that connected, and at its time a random one.
    fn due(&mut self, now: Instant, interval: Duration) -> Vec<PeerId> {
        let mut due = Vec::new();
        for (peer, exchanges) in &mut self.peers {
            if exchanges.due.is_some_and(|at| at <= now) {
                exchanges.due = None;
                due.push(*peer);
            }
            let lost = |fetch: &Fetch| now.saturating_duration_since(fetch.heard) >= FETCH_LOST;
            if exchanges.fetch.as_ref().is_some_and(lost) {
                exchanges.fetch = None;
            }
        }
        if self.next <= now {
            self.next = now + part(interval.max(Duration::from_millis(100)));
            due.extend(self.peers.keys().choose(&mut rand::thread_rng()).copied());
        }
        due
    }
}

impl Task {
    pub(crate) fn fetch_due(&mut self, now: Instant) {
        for peer in self.fetches.due(now, self.limits.fetch_interval) {
            let score = self.swarm.behaviour().gossip.peer_score(&peer);
            if score.is_some_and(|score| score < GRAYLIST_SCORE) {
                continue;
            }
            let number = self.fetches.next_number;
            let Some(exchanges) = self.fetches.peers.get_mut(&peer) else {
                continue;
            };
            if exchanges.fetch.is_some() {
                continue;
            }
            exchanges.fetch = Some(Fetch {
                number,
                left: VecDeque::new(),
                heard: now,
            });
            self.fetches.next_number += 1;
            self.ask(peer, number, Ask::Ids, Request::PendingIds);
            self.ask(peer, number, Ask::Cosignatures, Request::Cosignatures);
        }
    }

    fn ask(&mut self, peer: PeerId, number: u64, ask: Ask, request: Request) {
        // It must not dial: who is dialled, and where, is decided elsewhere.
        if self.swarm.is_connected(&peer) {
            let id = self
                .swarm
                .behaviour_mut()
                .missed
                .send_request(&peer, request);
            self.fetches.asked.insert(id, (peer, number, ask));
        }
    }

    /// Asks for the next lacking records, or ends the fetch.
    fn ask_more(&mut self, peer: PeerId, number: u64) {
        let Some(fetch) = self.fetches.fetch(&peer, number) else {
            return;
        };
        let ids: Vec<Id> = fetch.left.iter().take(REQUEST_IDS_MAX).copied().collect();
        if ids.is_empty() {
            self.fetches.end(&peer);
        } else {
            self.ask(
                peer,
                number,
                Ask::Records(ids.len()),
                Request::PendingRecords(ids),
            );
        }
    }

    pub(crate) fn on_missed(&mut self, event: Exchange<Request, Response>, now: Instant) {
        match event {
            Exchange::Message { peer, message, .. } => match message {
                Message::Request {
                    request_id,
                    request,
                    channel,
                } => {
                    self.on_request(peer, request_id, request, channel, now);
                }
                Message::Response {
                    request_id,
                    response,
                } => {
                    self.on_response(request_id, response, now);
                }
            },
            Exchange::OutboundFailure {
                peer,
                request_id,
                error,
                ..
            } => {
                tracing::debug!(%peer, %error, "a request for what was missed failed");
                self.wires.counters.requests_failed.up();
                if let Some((peer, number, _)) = self.fetches.asked.remove(&request_id)
                    && self.fetches.fetch(&peer, number).is_some()
                {
                    self.fetches.end(&peer);
                }
                if matches!(error, OutboundFailure::UnsupportedProtocols) {
                    self.cut_off(peer, now);
                }
            }
            Exchange::InboundFailure { request_id, .. } => {
                self.forget_request(request_id);
            }
            Exchange::ResponseSent { .. } => {}
        }
    }

    fn on_response(&mut self, id: OutboundRequestId, response: Response, now: Instant) {
        let Some((peer, number, ask)) = self.fetches.asked.remove(&id) else {
            return;
        };
        if let Some(fetch) = self.fetches.fetch(&peer, number) {
            fetch.heard = now;
        }
        let proper = match (ask, response) {
            (Ask::Ids, Response::PendingIds(ids)) => {
                self.on_offer(peer, number, ids);
                true
            }
            (Ask::Records(asked), Response::PendingRecords { served, batch }) => {
                self.on_records(peer, number, asked, usize::from(served), batch)
            }
            (Ask::Cosignatures, Response::Cosignatures(batch)) => self.on_cosignatures(peer, batch),
            _ => false,
        };
        if !proper {
            tracing::warn!(%peer, "a peer answered what was not asked");
            self.fetches.end(&peer);
            self.blame(peer);
        }
    }

    fn on_offer(&mut self, peer: PeerId, number: u64, ids: Vec<Id>) {
        let from = self.allowed.get(&peer).copied();
        let (Some(from), false) = (from, ids.is_empty()) else {
            self.fetches.end(&peer);
            return;
        };
        let Some(answers) = self.reply_slot() else {
            self.fetches.end(&peer);
            return;
        };
        let lacking = Reply::new(answers, Question::Fetch(peer, number), Body::Ids);
        self.emit(Event::Offered { from, ids, lacking });
    }

    /// Whether the answer is a proper one.
    fn on_records(
        &mut self,
        peer: PeerId,
        number: u64,
        asked: usize,
        served: usize,
        batch: Bytes,
    ) -> bool {
        let bytes = batch.len();
        let Ok(records) = payloads(batch, Kind::Records) else {
            return false;
        };
        if served == 0 || served > asked || records.len() > served {
            return false;
        }
        let Some(fetch) = self.fetches.fetch(&peer, number) else {
            return true;
        };
        fetch.left.drain(..served.min(fetch.left.len()));
        if records.is_empty() {
            self.ask_more(peer, number);
            return true;
        }
        self.wires.counters.fetched.up();
        if !self.deliver(Kind::Records, peer, records, bytes, Origin::FetchedRecords) {
            self.fetches.end(&peer);
        }
        true
    }

    fn on_cosignatures(&mut self, peer: PeerId, batch: Bytes) -> bool {
        let bytes = batch.len();
        let Ok(cosignatures) = payloads(batch, Kind::Cosignatures) else {
            return false;
        };
        if !cosignatures.is_empty() {
            self.wires.counters.fetched.up();
            let origin = Origin::FetchedCosignatures;
            self.deliver(Kind::Cosignatures, peer, cosignatures, bytes, origin);
        }
        true
    }

    /// The application has judged a part; the next is asked for.
    pub(crate) fn on_fetched_judged(&mut self, peer: PeerId, verdict: Verdict) {
        if verdict == Verdict::Reject {
            self.blame(peer);
            self.fetches.end(&peer);
            return;
        }
        let number = self
            .fetches
            .peers
            .get_mut(&peer)
            .and_then(|exchanges| exchanges.fetch.as_mut())
            .map(|fetch| {
                fetch.heard = Instant::now();
                fetch.number
            });
        if let Some(number) = number {
            self.ask_more(peer, number);
        }
    }

    fn on_request(
        &mut self,
        peer: PeerId,
        id: InboundRequestId,
        request: Request,
        channel: ResponseChannel<Response>,
        now: Instant,
    ) {
        self.wires.counters.requests_in.up();
        let from = self.allowed.get(&peer).copied();
        let exchanges = self.fetches.peers.entry(peer).or_default();
        let rate = exchanges
            .request_rate
            .get_or_insert_with(|| Bucket::full(PEER_REQUEST_RATE, now));
        let in_turn =
            exchanges.requests < PEER_REQUESTS_MAX && rate.take(PEER_REQUEST_RATE, 1, now);
        let slot = if in_turn { self.reply_slot() } else { None };
        let (Some(from), Some(answers)) = (from, slot) else {
            // Dropping the channel gives the peer an error.
            self.wires.counters.requests_refused.up();
            return;
        };
        let ids = match &request {
            Request::PendingRecords(ids) => ids.len(),
            _ => 0,
        };
        self.fetches.peers.entry(peer).or_default().requests += 1;
        self.fetches
            .waiting
            .insert(id, Waiting { peer, ids, channel });
        let question = Question::Request(id);
        self.emit(match request {
            Request::PendingIds => Event::WantsPendingIds {
                from,
                reply: Reply::new(answers, question, Body::Ids),
            },
            Request::PendingRecords(ids) => Event::WantsPendingRecords {
                from,
                ids,
                reply: Reply::new(answers, question, Body::Records),
            },
            Request::Cosignatures => Event::WantsCosignatures {
                from,
                reply: Reply::new(answers, question, Body::Cosignatures),
            },
        });
    }

    fn forget_request(&mut self, id: InboundRequestId) -> Option<Waiting> {
        let waiting = self.fetches.waiting.remove(&id)?;
        if let Some(exchanges) = self.fetches.peers.get_mut(&waiting.peer) {
            exchanges.requests = exchanges.requests.saturating_sub(1);
        }
        Some(waiting)
    }

    pub(crate) fn on_reply(&mut self, question: Question, body: Body) {
        match question {
            Question::Fetch(peer, number) => {
                let Some(fetch) = self.fetches.fetch(&peer, number) else {
                    return;
                };
                if let Body::Ids(Some(mut ids)) = body {
                    ids.truncate(PENDING_IDS_MAX);
                    fetch.left = ids.into();
                }
                self.ask_more(peer, number);
            }
            Question::Request(id) => {
                let Some(waiting) = self.forget_request(id) else {
                    return;
                };
                match response(body, waiting.ids) {
                    Some(response) => {
                        let missed = &mut self.swarm.behaviour_mut().missed;
                        // It fails when the peer has gone or waited too long.
                        let _ = missed.send_response(waiting.channel, response);
                    }
                    None => self.wires.counters.requests_refused.up(),
                }
            }
        }
    }
}

/// The response made of the application's answer.
fn response(body: Body, asked: usize) -> Option<Response> {
    let mut packer = Packer::default();
    match body {
        Body::Ids(ids) => {
            let mut ids = ids?;
            ids.truncate(PENDING_IDS_MAX);
            Some(Response::PendingIds(ids))
        }
        Body::Records(records) => {
            let mut served = 0_u16;
            let records = records?;
            for record in records.iter().take(asked) {
                if let Some(record) = record
                    .as_ref()
                    .filter(|record| sized(record, Kind::Records))
                    && !packer.add(record, RESPONSE_BYTES_MAX)
                {
                    break;
                }
                served += 1;
            }
            // What the application left out at the end is not pending.
            if records.len() < asked && usize::from(served) == records.len() {
                served = u16::try_from(asked).ok()?;
            }
            Some(Response::PendingRecords {
                served,
                batch: packer.finish().into(),
            })
        }
        Body::Cosignatures(cosignatures) => {
            for cosignature in cosignatures?
                .iter()
                .filter(|one| sized(one, Kind::Cosignatures))
            {
                if !packer.add(cosignature, RESPONSE_BYTES_MAX) {
                    break;
                }
            }
            Some(Response::Cosignatures(packer.finish().into()))
        }
    }
}

fn sized(payload: &Bytes, kind: Kind) -> bool {
    !payload.is_empty() && payload.len() <= kind.payload_bytes_max()
}
