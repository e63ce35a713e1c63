//! The node that a command talks to.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use credlog_api::governance::ProposalsView;
use credlog_api::issuer::{IssuerBrief, IssuerView, StatusListView};
use credlog_api::ledger::{LedgerView, MembersView};
use credlog_api::problem::{Problem, ProblemType, TYPE_PREFIX};
use credlog_api::receipt::{ConsistencyQuery, ConsistencyView, ReceiptsAnswer, ReceiptsRequest};
use credlog_api::verification::CredentialQuery;
use credlog_api::{
    Answer, Client, ClientConfig, ClientError, Facts, Page, PageQuery, RecordOutcome, RecordView,
    VerifyRequest, Wait,
};
use credlog_ledger::body::Achievement;
use credlog_ledger::ids::{
    Digest, Height, IssuerId, LeafIndex, ListNumber, RecordId, TreeSize, UnixMillis,
};
use credlog_ledger::record::{AuthorId, EncodedRecord};
use indicatif::ProgressBar;
use tokio::runtime::Runtime;

use crate::folder;
use crate::home::{IssuerHome, MemberHome, Pin};
use crate::keyfile::Passphrase;
use crate::outcome::{Exit, Failure, Result};
use crate::screen::{Screen, note};
use crate::statement::Signatory;

/// Which node to ask.
#[derive(Debug, Clone, Args)]
pub(crate) struct NodeArgs {
    /// Address of the node's HTTP interface
    #[arg(
        long,
        env = "CREDLOG_NODE",
        default_value = "http://127.0.0.1:7700",
        value_name = "URL",
        help_heading = "Node"
    )]
    pub(crate) node: String,
    /// Certificates (PEM) of authorities to believe for https:// beside the public ones
    #[arg(long, env = "CREDLOG_CA", value_name = "FILE", help_heading = "Node")]
    pub(crate) ca: Option<PathBuf>,
}

// A doc comment here would take the place of each command's own.
#[derive(Debug, Args)]
pub(crate) struct MemberArgs {
    /// The member's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) home: PathBuf,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
}

/// A record that stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) leaf: LeafIndex,
    pub(crate) height: Height,
    pub(crate) time: UnixMillis,
}

/// What became of a record that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is on the ledger.
    Committed(Committed),
    /// The ledger refused it.
    Refused(Refusal),
}

/// Why the ledger refused a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Stable code, such as `index-taken`.
    pub(crate) code: String,
    /// Why, for people.
    pub(crate) reason: String,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(
            Exit::Refused,
            format!(
                "the ledger refused it: {} ({})",
                refusal.reason, refusal.code
            ),
        )
        .of_problem(format!("{TYPE_PREFIX}{}", refusal.code))
    }
}

/// What issuing asks of a ledger.
pub(crate) trait Ledger {
    /// Sends records and waits until each is committed or refused; answers in order.
    fn submit(&self, records: &[&EncodedRecord]) -> Result<Vec<Sent>>;
    /// Where a record stands, if it is in the log.
    fn find_record(&self, id: &RecordId) -> Result<Option<Committed>>;
    /// What the ledger says about a credential of an issuer.
    fn facts(&self, digest: &Digest, issuer: Option<&IssuerId>) -> Result<Facts>;
    /// An issuer, if the ledger knows it.
    fn issuer(&self, id: &IssuerId) -> Result<Option<IssuerView>>;
    /// A status list with the positions in use.
    fn status_list(&self, list: ListNumber) -> Result<StatusListView>;
}

/// A node, asked one thing at a time.
pub(crate) struct Node {
    client: Client,
    runtime: Runtime,
    screen: Screen,
    /// What is drawn while records are sent; hidden unless the command draws one.
    bar: ProgressBar,
    /// Whether Ctrl-C is answered in words.
    heeds_interrupt: AtomicBool,
    /// Whether it was said that a record takes long.
    told_to_wait: AtomicBool,
}

/// Pages that are read at most when a whole list is wanted.
const PAGES_MAX: usize = 1_000;
/// How long until it is looked again whether a record stands in the log.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How often one of many questions is put again to a node that asks to wait.
const PATIENT_RETRIES_MAX: u32 = 100;
/// A record that takes longer is worth a word.
const SOON: Duration = Duration::from_secs(5);
const STILL_WAITING: &str = "still waiting: what was sent is with the node, and takes effect when \
    a quorum of the members has attested it";
/// What Ctrl-C leaves behind, unless a command says otherwise.
const RUN_AGAIN: &str = "what was sent may still take effect: run the same command again";
/// The same where a second record would not be refused: a proposal can be made twice.
pub(crate) const LIST_FIRST: &str = "what was sent may still take effect: look at `credlog member \
    list` before you run the same command again";

impl NodeArgs {
    pub(crate) fn connect(&self, screen: Screen) -> Result<Node> {
        self.connect_with(screen, ClientConfig::default())
    }

    /// For a great many questions: a node that asks to wait, because it is asked too often, is
    /// waited for.
    pub(crate) fn connect_patiently(&self, screen: Screen) -> Result<Node> {
        let config = ClientConfig {
            retries_max: PATIENT_RETRIES_MAX,
            ..ClientConfig::default()
        };
        self.connect_with(screen, config)
    }

    /// How the client of a command that talks to the node by itself behaves.
    pub(crate) fn client_config(&self) -> Result<ClientConfig> {
        let authorities_pem = self.ca.as_deref().map(folder::read).transpose()?;
        Ok(ClientConfig {
            authorities_pem: authorities_pem.unwrap_or_default(),
            ..ClientConfig::default()
        })
    }

    fn connect_with(&self, screen: Screen, mut config: ClientConfig) -> Result<Node> {
        config.authorities_pem = self.client_config()?.authorities_pem;
        let client = Client::with_config(&self.node, config).map_err(|error| match error {
            ClientError::Address { .. } | ClientError::Authorities { .. } => {
                Failure::usage(error.to_string())
            }
            _ => unanswered(&error),
        })?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        Ok(Node {
            client,
            runtime,
            screen,
            bar: ProgressBar::hidden(),
            heeds_interrupt: AtomicBool::new(false),
            told_to_wait: AtomicBool::new(false),
        })
    }
}

impl Node {
    /// The node's address.
    pub(crate) fn url(&self) -> &str {
        self.client.base_url()
    }

    fn ask<T>(
        &self,
        question: impl Future<Output = std::result::Result<T, ClientError>>,
    ) -> Result<T> {
        self.runtime
            .block_on(question)
            .map_err(|error| unanswered(&error))
    }

    fn find<T>(
        &self,
        question: impl Future<Output = std::result::Result<T, ClientError>>,
    ) -> Result<Option<T>> {
        match self.runtime.block_on(question) {
            Ok(found) => Ok(Some(found)),
            Err(error)
                if error
                    .problem()
                    .is_some_and(|p| p.is(ProblemType::NOT_FOUND)) =>
            {
                Ok(None)
            }
            Err(error) => Err(unanswered(&error)),
        }
    }

    /// What the ledger is and where its log ends.
    pub(crate) fn ledger(&self) -> Result<LedgerView> {
        self.ask(self.client.ledger())
    }

    /// A record of the log.
    pub(crate) fn record(&self, id: &RecordId) -> Result<Option<RecordView>> {
        self.find(self.client.record(id))
    }

    /// What the ledger says about a credential, now or on a date.
    pub(crate) fn facts_at(&self, digest: &Digest, query: &CredentialQuery) -> Result<Facts> {
        self.ask(self.client.facts(digest, query))
    }

    /// The receipt about credentials, and which of them the ledger does not have.
    pub(crate) fn receipts(&self, request: &ReceiptsRequest) -> Result<ReceiptsAnswer> {
        self.ask(self.client.receipts(request))
    }

    /// That one log continues another.
    pub(crate) fn consistency(&self, from: TreeSize, to: TreeSize) -> Result<ConsistencyView> {
        self.ask(self.client.consistency(ConsistencyQuery { from, to }))
    }

    /// Lets the node judge.
    pub(crate) fn verify(&self, request: &VerifyRequest) -> Result<Answer> {
        self.ask(self.client.verify(request))
    }

    /// Every issuer.
    pub(crate) fn issuers(&self) -> Result<Vec<IssuerBrief>> {
        self.whole_list(|page| self.client.issuers(page))
    }

    /// Every achievement that an issuer defined.
    pub(crate) fn achievements(&self, issuer: &IssuerId) -> Result<Vec<Achievement>> {
        self.whole_list(|page| self.client.achievements(issuer, page))
    }

    fn whole_list<T, F>(&self, read: impl Fn(PageQuery) -> F) -> Result<Vec<T>>
    where
        F: Future<Output = std::result::Result<Page<T>, ClientError>>,
    {
        let mut items = Vec::new();
        let mut after = None;
        for _ in 0..PAGES_MAX {
            let query = PageQuery {
                after,
                limit: Some(credlog_api::page::LIMIT_MAX),
            };
            let page = self.ask(read(query))?;
            items.extend(page.items);
            after = page.next;
            if after.is_none() {
                return Ok(items);
            }
        }
        Err(Failure::new(
            Exit::Node,
            format!("{} has no end of its list", self.url()),
        ))
    }

    /// Sends one record; a refusal is a failure.
    pub(crate) fn commit(&self, record: &EncodedRecord) -> Result<Committed> {
        match self.submit(&[record])?.pop() {
            Some(Sent::Committed(committed)) => Ok(committed),
            Some(Sent::Refused(refusal)) => Err(refusal.into()),
            None => Err(untold()),
        }
    }

    /// Sends one record, as [`commit`](Self::commit) does, and is content when it stands in the
    /// log. Success is told when a quorum has cosigned, and after a change of members that may
    /// need a new one whose node still fetches the ledger.
    pub(crate) fn commit_unattested(&self, record: &EncodedRecord) -> Result<Committed> {
        let stands = async {
            loop {
                tokio::time::sleep(LOOK_AGAIN).await;
                // An error says only that this question was not answered.
                if let Ok(view) = self.client.record(&record.id()).await {
                    return view;
                }
            }
        };
        let bytes = [record.bytes()];
        let answered = self.wait(async {
            tokio::select! {
                outcomes = self.client.submit_many(&bytes, Wait::Committed) => Err(outcomes),
                view = stands => Ok(view),
            }
        });
        let sent = match answered {
            Ok(view) => return Ok(committed(&view)),
            Err(outcomes) => outcomes.map_err(|error| unanswered(&error))?,
        };
        let only = sent.results.into_iter().next();
        match only.map(|outcome| self.sent(outcome)).transpose()? {
            Some(Sent::Committed(committed)) => Ok(committed),
            Some(Sent::Refused(refusal)) => Err(refusal.into()),
            None => Err(untold()),
        }
    }

    /// The ledger that the node serves, if it is the one that is pinned.
    fn expect(&self, pin: Option<&Pin>, what: &str) -> Result<Pin> {
        let view = self.ledger()?;
        let served = Pin {
            origin: view.origin,
            ledger: view.ledger_id,
        };
        match pin {
            Some(pin) if *pin != served => Err(Failure::input(format!(
                "{what} belongs to ledger {} ({}), but the node at {} serves ledger {} ({}); \
                 name another node with --node",
                pin.ledger,
                pin.origin,
                self.url(),
                served.ledger,
                served.origin
            ))),
            _ => Ok(served),
        }
    }

    /// The members in force.
    pub(crate) fn members(&self) -> Result<MembersView> {
        self.ask(self.client.members())
    }

    /// What members can approve now.
    pub(crate) fn proposals(&self) -> Result<ProposalsView> {
        self.ask(self.client.proposals())
    }

    /// The ledger of a member's genesis file, which has to be the one that this node serves.
    pub(crate) fn expect_ledger_of(&self, home: &MemberHome) -> Result<Pin> {
        let pin = home.ledger()?;
        self.expect(Some(&pin), &home.folder.display().to_string())
    }

    /// Who signs for a member on the ledger of this node.
    pub(crate) fn member(&self, home: &MemberHome, passphrase: &Passphrase) -> Result<Signatory> {
        let served = self.expect_ledger_of(home)?;
        let id = &home.member.id;
        let in_force = match home.next()? {
            None => None,
            Some(_) => {
                let mut members = self.members()?.members.into_iter();
                members.find(|one| one.id == *id).map(|one| one.keys)
            }
        };
        let in_force = in_force.as_ref().map(|keys| &keys.governance);
        Ok(Signatory {
            ledger: served.ledger,
            author: AuthorId::Member(id.clone()),
            key: home.governance_key(passphrase, in_force)?,
        })
    }

    /// The ledger of an issuer. An issuer's folder that names none is bound to the ledger of
    /// this node, if the log has the name that the folder was made for.
    pub(crate) fn bind(&self, home: &IssuerHome) -> Result<Pin> {
        let pin = home.pin()?;
        let served = self.expect(pin.as_ref(), &home.folder.display().to_string())?;
        if served.origin != home.file.origin {
            return Err(Failure::input(format!(
                "{} was made for the log {}, but the node at {} serves {}",
                home.folder.display(),
                home.file.origin,
                self.url(),
                served.origin
            )));
        }
        if pin.is_none() {
            home.keep_pin(&served)?;
        }
        Ok(served)
    }

    /// Who signs for an issuer on the ledger of this node.
    pub(crate) fn issuer_signatory(
        &self,
        home: &IssuerHome,
        passphrase: &Passphrase,
    ) -> Result<Signatory> {
        Ok(Signatory {
            ledger: self.bind(home)?.ledger,
            author: AuthorId::Issuer(home.id().clone()),
            key: home.record_key(passphrase)?,
        })
    }

    /// Says what to do when somebody presses Ctrl-C, and ends. The first advice counts; without
    /// one, the sending of a record gives the usual one.
    pub(crate) fn on_interrupt(&self, advice: &'static str) {
        if self.heeds_interrupt.swap(true, Ordering::Relaxed) {
            return;
        }
        self.runtime.spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                note(format!("\ncredlog: interrupted; {advice}"));
                std::process::exit(i32::from(Exit::Interrupted as u8));
            }
        });
    }

    /// Notes are written above this bar from now on, not into it.
    pub(crate) fn write_above(&mut self, bar: &ProgressBar) {
        self.bar = bar.clone();
    }

    /// Waits for what becomes of records. It may take long, and go on when nobody waits any more:
    /// both are said.
    fn wait<T>(&self, sent: impl Future<Output = T>) -> T {
        self.on_interrupt(RUN_AGAIN);
        self.runtime.block_on(async {
            tokio::pin!(sent);
            tokio::select! {
                answered = &mut sent => return answered,
                () = tokio::time::sleep(SOON) => {}
            }
            if !self.told_to_wait.swap(true, Ordering::Relaxed) {
                self.bar.suspend(|| self.screen.note(STILL_WAITING));
            }
            sent.await
        })
    }
}

impl Ledger for Node {
    fn submit(&self, records: &[&EncodedRecord]) -> Result<Vec<Sent>> {
        let bytes: Vec<&[u8]> = records.iter().map(|record| record.bytes()).collect();
        let outcomes = self.wait(self.client.submit_many(&bytes, Wait::Committed));
        outcomes
            .map_err(|error| unanswered(&error))?
            .results
            .into_iter()
            .map(|outcome| self.sent(outcome))
            .collect()
    }

    fn find_record(&self, id: &RecordId) -> Result<Option<Committed>> {
        Ok(self.record(id)?.as_ref().map(committed))
    }

    fn facts(&self, digest: &Digest, issuer: Option<&IssuerId>) -> Result<Facts> {
        let query = CredentialQuery {
            issuer: issuer.cloned(),
            ..CredentialQuery::default()
        };
        self.facts_at(digest, &query)
    }

    fn issuer(&self, id: &IssuerId) -> Result<Option<IssuerView>> {
        self.find(self.client.issuer(id))
    }

    fn status_list(&self, list: ListNumber) -> Result<StatusListView> {
        self.ask(self.client.status_list(list))
    }
}

impl Node {
    fn sent(&self, outcome: RecordOutcome) -> Result<Sent> {
        match outcome {
            RecordOutcome::Committed {
                leaf_index,
                height,
                time,
                ..
            } => Ok(Sent::Committed(Committed {
                leaf: leaf_index,
                height,
                time: time.unix_millis(),
            })),
            RecordOutcome::Accepted { record_id } => Err(Failure::new(
                Exit::Node,
                format!("record {record_id} was taken but is not committed; try again later"),
            )),
            RecordOutcome::Refused { problem, .. } => self.refused(&problem),
        }
    }

    /// A rule of the ledger, or a full mempool, refuses a record; all else is the node's
    /// failure.
    fn refused(&self, problem: &Problem) -> Result<Sent> {
        let passing = problem.is(ProblemType::MEMPOOL_FULL);
        match problem.code() {
            Some(code) if problem.rule.is_some() || passing => Ok(Sent::Refused(Refusal {
                code: code.to_owned(),
                reason: problem.detail.clone(),
            })),
            _ => Err(Failure::new(
                Exit::Node,
                format!("{} did not take a record: {problem}", self.url()),
            )
            .of_problem(&problem.type_uri)),
        }
    }
}

fn committed(view: &RecordView) -> Committed {
    Committed {
        leaf: view.leaf_index,
        height: view.height,
        time: view.time.unix_millis(),
    }
}

fn untold() -> Failure {
    let text = "the node did not say what became of the record";
    Failure::new(Exit::Node, text)
}

/// A request without a usable answer.
fn unanswered(error: &ClientError) -> Failure {
    let failure = Failure::new(Exit::Node, error.to_string());
    match error.problem() {
        // Only what has to be there is asked for in this way.
        Some(problem) if problem.is(ProblemType::NOT_FOUND) => {
            let advice = "; check --node: it is the address alone, without the path of a route";
            Failure::new(Exit::Node, format!("{}{advice}", failure.message))
                .of_problem(&problem.type_uri)
        }
        Some(problem) => failure.of_problem(&problem.type_uri),
        None if failure.message.contains("UnknownIssuer") => {
            let advice = "; if the authority of its certificate is not a public one, name it: --ca";
            Failure::new(Exit::Node, format!("{}{advice} FILE", failure.message))
        }
        None => failure,
    }
}
