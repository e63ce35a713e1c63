//! The HTTP server: `credlog_api`'s routes over committed snapshots of the store.
//!
//! What every request goes through: the accept loop ([`listener`]), then [`guard`] (rate
//! limit, load, deadline, panics, metrics, headers), then its route. A route answers or
//! fails with a [`Problem`](credlog_api::Problem); nothing a client sends leads to a 5xx.

mod answer;
mod attested;
mod body;
mod checking;
mod guard;
mod lane;
pub(crate) mod listener;
mod manner;
mod openapi;
mod pages;
mod patient;
mod public_url;
mod query;
mod rate;
mod routes;
pub(crate) mod shares;
mod status_lists;
mod stream;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use credlog_api::{Problem, ProblemType, path};
use credlog_ledger::ids::MemberId;
use credlog_ledger::member::MemberSet;
use credlog_ledger::state::ViewError;
use credlog_store::Store;
use credlog_tlog::NoteSigner;
use credlog_verify::{Common, Facts, Question, gather_with};
use ed25519_dalek::SigningKey;
use tokio::sync::{Semaphore, watch};
use tower_http::catch_panic::CatchPanicLayer;

use crate::admission::Admission;
use crate::config::{Config, HttpSection, WitnessSection};
use crate::cosigning::Cosigning;
use crate::doubt::Doubt;
use crate::events::Feed;
use crate::fetching::Fetching;
use crate::issuing::Issuing;
use crate::machine::cores;
use crate::metrics::Metrics;
use crate::participation::EngineMetrics;
use crate::presence::Presence;
use crate::production::Production;
use answer::Refusal;
use guard::Panics;
use lane::{Lane, Turn};
use rate::RateLimits;
use routes::{
    add_checkpoint, batch, blocks, credentials, did, events, issuers, issuing, ledger, log,
    members, policy, receipts, records, service, status_list, testimony, vcalm, verify,
};
use shares::Shares;
use status_lists::StatusLists;

/// Work on blocking threads at a time, for each core; mostly it waits for the disk.
const WORK_PER_CORE: usize = 4;
/// Work that may wait for its turn. More than one address has connections by default.
const WORK_WAITING_MAX: u32 = 512;
/// What keeps records out (clock, disk, doubt) is looked at again after this time.
const OBSTACLE_RETRY_AFTER_S: u32 = 5;
/// Of the streams of events, one network gets one part of so many.
const STREAMS_PARTS: u64 = 8;
/// Of the bodies' memory, one network gets one part of so many.
const BODIES_PARTS: u64 = 4;

/// The keys with which a node answers in its own name.
pub(crate) struct Identity {
    /// Signs the checkpoint.
    pub(crate) checkpoints: NoteSigner,
    /// The node's key, which signs status lists.
    pub(crate) node: SigningKey,
}

/// With what a node serves besides its ledger.
pub(crate) struct Offers {
    /// Answers in the node's own name.
    pub(crate) identity: Identity,
    /// Fetches what checks need from other sites.
    pub(crate) fetching: Fetching,
    /// Issues in the name of an issuer.
    pub(crate) issuing: Option<Issuing>,
}

/// What the node does meanwhile.
pub(crate) struct Watched {
    pub(crate) presence: watch::Receiver<Presence>,
    pub(crate) engine: EngineMetrics,
    /// Says true when the node is to stop.
    pub(crate) stopped: watch::Receiver<bool>,
}

/// What the routes work with.
pub(crate) struct Context {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) rate_limits: RateLimits,
    pub(crate) doubt: Arc<Doubt>,
    store: Arc<Store>,
    /// What lookups share, of the newest state that was asked.
    common: RwLock<Option<Arc<Common>>>,
    admission: Arc<Admission>,
    checkpoint: log::SignedCheckpoint,
    newest_attested: attested::NewestAttested,
    status_lists: StatusLists,
    fetching: Fetching,
    issuing: Option<Issuing>,
    /// Whose node this is.
    member: Option<MemberId>,
    members: watch::Receiver<Arc<MemberSet>>,
    cosigning: Arc<Cosigning>,
    /// Cosigns what is handed in.
    node: crate::shared::Shared,
    /// Outside witnesses, for who asks whom to trust.
    witnesses: Vec<WitnessSection>,
    production: watch::Receiver<Production>,
    presence: watch::Receiver<Presence>,
    engine: EngineMetrics,
    stopped: watch::Receiver<bool>,
    feed: Feed,
    /// One permit a stream of events.
    streams: Shares,
    event_readers: Lane,
    /// One permit a request at work.
    requests: Semaphore,
    /// Checks of credentials.
    verifiers: Lane,
    /// All other work on blocking threads.
    work: Lane,
    /// Batches of checks under way.
    batches: Shares,
    batch_idle_timeout: Duration,
    /// Bytes of bodies that are read or worked on.
    bodies: Shares,
    http: HttpSection,
    /// Makes request ids: a part that differs at each start, and a number.
    request_prefix: u32,
    request_number: AtomicU64,
}

/// The context as handlers get it.
type Shared = axum::extract::State<Arc<Context>>;

impl Context {
    pub(crate) fn new(
        config: &Config,
        shared: &crate::shared::Shared,
        admission: Arc<Admission>,
        doubt: Arc<Doubt>,
        offers: Offers,
        watched: Watched,
    ) -> Self {
        let proxies = &config.http.trusted_proxies;
        Self {
            rate_limits: RateLimits::new(&config.rate_limit, proxies),
            doubt,
            store: Arc::clone(&shared.store),
            common: RwLock::default(),
            admission,
            checkpoint: log::SignedCheckpoint::new(offers.identity.checkpoints),
            newest_attested: attested::NewestAttested::default(),
            status_lists: StatusLists::new(offers.identity.node),
            fetching: offers.fetching,
            issuing: offers.issuing,
            member: config.member.id.clone(),
            members: shared.members.subscribe(),
            cosigning: Arc::clone(&shared.cosigning),
            node: shared.clone(),
            witnesses: config.witness.clone(),
            production: shared.obstacles.subscribe(),
            presence: watched.presence,
            engine: watched.engine,
            stopped: watched.stopped,
            feed: Feed::new(Arc::clone(&shared.store), shared.heads.subscribe()),
            streams: Shares::new(
                config.http.event_streams_max.into(),
                u64::from(config.http.event_streams_max).div_ceil(STREAMS_PARTS),
            ),
            event_readers: events::lane(),
            requests: Semaphore::new(config.http.requests_max as usize),
            verifiers: verify::lane(&config.verify),
            work: Lane::new(
                WORK_PER_CORE * cores(),
                WORK_WAITING_MAX,
                "too much is read from the store at a time; try again in a second",
            ),
            batches: Shares::new(
                config.verify.batches_max.into(),
                config.verify.batches_per_ip_max.into(),
            ),
            batch_idle_timeout: Duration::from_millis(config.verify.batch_idle_timeout_ms),
            bodies: Shares::new(
                config.http.bodies_bytes_max,
                config.http.bodies_bytes_max / BODIES_PARTS,
            ),
            http: config.http.clone(),
            request_prefix: random(),
            request_number: AtomicU64::new(0),
            metrics: Arc::clone(&shared.metrics),
        }
    }

    /// The events of the ledger.
    pub(crate) fn feed(&self) -> Feed {
        self.feed.clone()
    }

    /// The store, for upkeep.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The facts about a digest, of the newest committed state.
    ///
    /// # Errors
    /// [`ViewError`] if the store cannot be read.
    fn facts(&self, question: &Question) -> Result<Facts, ViewError> {
        let snapshot = self.store.snapshot();
        let kept = self.common.read().unwrap_or_else(PoisonError::into_inner);
        let common = kept.clone();
        drop(kept);
        let common = match common {
            Some(common) if common.head() == snapshot.head() => common,
            before => {
                let common = match before {
                    Some(before) => before.next(&snapshot),
                    None => Common::read(&snapshot),
                };
                let common = Arc::new(common?);
                let mut kept = self.common.write().unwrap_or_else(PoisonError::into_inner);
                *kept = Some(Arc::clone(&common));
                common
            }
        };
        gather_with(&snapshot, &common, question)
    }

    /// Sees to it that the node looks into a store that could not be read.
    fn note(&self, problem: &Problem) {
        if problem.is(ProblemType::STORE_UNREADABLE) {
            self.metrics.store_faults.inc();
            self.doubt.raise();
        }
    }

    fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.http.request_timeout_ms)
    }

    /// Whether the node takes records.
    ///
    /// # Errors
    /// Why not.
    fn ready(&self) -> Result<(), Refusal> {
        let problem = match &*self.production.borrow() {
            Production::Running if self.doubt.stands() => Problem::new(
                ProblemType::STORE_IN_DOUBT,
                "something in the store of this node could not be read, and it takes no records \
                 until it has looked at all of it; ask another node, or its operator, who runs \
                 `credlog store check` if this does not end",
            )
            .retry_after(OBSTACLE_RETRY_AFTER_S),
            Production::Running => return Ok(()),
            Production::ClockBehind => Problem::new(
                ProblemType::CLOCK_BEHIND,
                "the clock of this node is behind the ledger, and it takes no records until it \
                 has caught up; ask another node or its operator",
            )
            .retry_after(OBSTACLE_RETRY_AFTER_S),
            Production::DiskFull => return Err(disk_full().into()),
            Production::Stopped => Problem::new(ProblemType::STOPPING, "the node is stopping"),
            Production::Failed(_) => Problem::new(
                ProblemType::STOPPING,
                "the node can store no more blocks and stops; ask another node or its operator",
            ),
        };
        Err(problem.into())
    }

    /// Reads a body of at most `bytes_max`, if there is memory for it.
    async fn body(&self, request: Request, bytes_max: u64) -> Result<body::Read, Refusal> {
        let timeout = Duration::from_millis(self.http.body_timeout_ms);
        body::read(request, bytes_max, timeout, &self.bodies).await
    }

    /// Runs what reads much from the store away from the threads that serve connections.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let turn = self.work.turn().await?;
        self.with_turn(turn, work).await
    }

    /// Runs work away from the threads that serve connections, also to its end when the
    /// client goes away; it holds its turn until then.
    async fn with_turn<T: Send + 'static>(
        self: &Arc<Self>,
        turn: Turn,
        work: impl FnOnce(&Self) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let context = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&context)
        })
        .await;
        done.unwrap_or_else(|panic| {
            self.metrics.panics.inc();
            tracing::error!(%panic, "a request panicked");
            Err(answer::internal())
        })
    }
}

/// A number that nobody guesses who is not told; no key is made of it.
#[allow(clippy::cast_possible_truncation)] // half of a hash is enough
pub(crate) fn random() -> u32 {
    RandomState::new().hash_one(0) as u32
}

/// The disk is full. The folder is named in the log, for the operator alone.
fn disk_full() -> Problem {
    let detail = "the disk of this node is full, and it takes no records until its operator has \
                  freed space (the log names the folder); nothing of this was kept: send it \
                  again later, or to another node";
    Problem::new(ProblemType::DISK_FULL, detail).retry_after(OBSTACLE_RETRY_AFTER_S)
}

/// All routes.
pub(crate) fn router(context: Arc<Context>) -> Router {
    let panics = Panics(Arc::clone(&context.metrics));
    Router::new()
        .route(path::LEDGER, get(ledger::ledger))
        .route(path::MEMBERS, get(members::members))
        .route(path::MEMBERS_AT, get(members::members_at))
        .route(path::POLICY, get(policy::policy))
        .route(path::PROPOSALS, get(members::proposals))
        .route(path::CERTIFICATE, get(testimony::certificate))
        .route(path::CERTIFICATE_BUNDLE, get(testimony::certificate_bundle))
        .route(path::EVIDENCE, get(testimony::evidence))
        .route(path::RECORDS, post(records::submit))
        .route(path::RECORD, get(records::record))
        .route(path::CREDENTIALS, get(credentials::credentials))
        .route(path::CREDENTIAL, get(credentials::credential))
        .route(path::RECEIPT, get(receipts::receipt))
        .route(path::TLOG_PROOF, get(receipts::tlog_proof))
        .route(path::RECEIPTS, post(receipts::receipts))
        .route(path::CONSISTENCY, get(receipts::consistency))
        .route(path::MEMBERS_HISTORY, get(receipts::history))
        .route(path::VERIFY, post(verify::verify))
        .route(path::VERIFY_BATCH, post(batch::batch))
        .route(path::VCALM_ISSUE, post(issuing::issue))
        .route(path::VCALM_VERIFY, post(vcalm::verify_credential))
        .route(path::VCALM_STATUS, post(issuing::change_status))
        .route(path::VCALM_PRESENTATIONS, post(vcalm::verify_presentation))
        .route(path::ISSUERS, get(issuers::issuers))
        .route(path::ISSUER, get(issuers::issuer))
        .route(path::DID_DOCUMENT, get(did::document))
        .route(path::ACHIEVEMENTS, get(issuers::achievements))
        .route(path::STATUS_LIST, get(issuers::status_list))
        .route(path::SIGNED_STATUS_LIST, get(status_list::signed))
        .route(path::EVENTS, get(events::events))
        .route(path::BLOCKS, get(blocks::blocks))
        .route(path::BLOCK, get(blocks::block))
        .route(path::CHECKPOINT, get(log::checkpoint))
        .route(path::TILE, get(log::tile))
        .route(path::ADD_CHECKPOINT, post(add_checkpoint::add_checkpoint))
        .route(path::HEALTHZ, get(service::healthz))
        .route(path::READYZ, get(service::readyz))
        .route(path::METRICS, get(service::metrics))
        .route(path::OPENAPI, get(openapi::openapi))
        .route(path::HOME, get(pages::home).post(pages::check))
        .route(path::DOCS, get(pages::docs))
        .route(path::DOCS_SCRIPT, get(pages::docs_script))
        .route(path::STYLE, get(pages::style))
        .fallback(guard::not_found)
        .method_not_allowed_fallback(guard::method_not_allowed)
        .layer(CatchPanicLayer::custom(panics))
        .layer(from_fn_with_state(Arc::clone(&context), guard::guard))
        .with_state(context)
}
