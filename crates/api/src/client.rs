//! The typed client.

mod transfer;

pub use transfer::causes;

use std::time::Duration;

use credlog_ledger::body::Achievement;
use credlog_ledger::certificate::{CERTIFICATE_BYTES_MAX, CommitCertificate};
use credlog_ledger::ids::{Digest, Height, IssuerId, ListNumber, RecordId};
use credlog_ledger::member::{MEMBER_SET_BYTES_MAX, MemberSet};
use credlog_tlog::{
    HASH_BYTES, NOTE_BYTES_MAX, POLICY_BYTES_MAX, Policy, PolicyError, TILE_WIDTH, TileLevel,
    TilePath, decode_bundle_of,
};
use credlog_verify::prefix::Crowd;
use credlog_verify::published::Purpose;
use credlog_verify::receipt::{RECEIPT_BYTES_MAX, Receipt};
use credlog_verify::{Answer, Facts};
use reqwest::Url;

use crate::block::{BlockBrief, BlockView};
use crate::governance::{EvidenceView, ProposalsView};
use crate::issuer::{IssuerBrief, IssuerView, StatusListQuery, StatusListView};
use crate::ledger::{LedgerView, MembersView};
use crate::page::{Page, PageQuery};
use crate::path;
use crate::problem::Problem;
use crate::receipt::{
    ConsistencyQuery, ConsistencyView, MemberHistory, ReceiptQuery, ReceiptsAnswer, ReceiptsRequest,
};
use crate::submission::{
    FramingError, MEDIA_TYPE_RECORD, MEDIA_TYPE_RECORDS, RecordView, SubmitOutcomes, Wait,
    encode_records,
};
use crate::verification::{CredentialQuery, CrowdQuery, Positions, VerifyRequest};
use transfer::Request;

/// Most bytes of an answer in JSON.
pub const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Most bytes of an entry bundle: 256 leaves of at most 65,535 bytes, each behind two bytes.
pub const BUNDLE_BYTES_MAX: usize = 256 * (65_535 + 2);

/// Most bytes of a bundle of certificates.
pub const CERTIFICATE_BUNDLE_BYTES_MAX: usize = 256 * (CERTIFICATE_BYTES_MAX + 2);

/// Most bytes of a signed status list: 131,072 random bits are less than 24 KiB.
pub const STATUS_LIST_BYTES_MAX: usize = 64 << 10;

/// How the client behaves; the default is for a person who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// Longest time to reach the node. Default 5 s.
    pub connect_timeout: Duration,
    /// Longest time for one answer, a commit included. Default 60 s.
    pub timeout: Duration,
    /// How often a request is sent again that a node put off because it is busy (503) or
    /// asked too often (429), with Retry-After. Default 5.
    pub retries_max: u32,
    /// Longest pause before sending again; a node that asks for more is an error. Default 10 s.
    pub pause_max: Duration,
    /// Certificates, in PEM, of authorities that are believed beside the public ones: that of
    /// an institution, for instance. Default none.
    pub authorities_pem: Vec<u8>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(60),
            retries_max: 5,
            pause_max: Duration::from_secs(10),
            authorities_pem: Vec::new(),
        }
    }
}

/// A request that gave no answer. Each names the URL without its query: texts end up in logs, and a
/// query tells which issuer and positions were asked about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Not the address of a node.
    #[error(
        "{url:?} is not the address of a node ({reason}); write one like http://127.0.0.1:7700"
    )]
    Address {
        /// The text given.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The client cannot be set up on this machine.
    #[error("the HTTP client cannot be set up: {reason}")]
    Setup {
        /// What failed.
        reason: String,
    },
    /// The certificates of further authorities cannot be used.
    #[error("the certificates of further authorities cannot be used: {reason}; write PEM")]
    Authorities {
        /// What is wrong.
        reason: String,
    },
    /// Nobody answers there.
    #[error("no node answers at {url} ({reason}); is it running, and is the address right?")]
    Unreachable {
        /// The URL.
        url: String,
        /// What failed.
        reason: String,
    },
    /// No complete answer in time.
    #[error("{url} gave no answer within {seconds} s; the request may still take effect")]
    Timeout {
        /// The URL.
        url: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The connection broke.
    #[error("the answer of {url} broke off ({reason}); the request may still take effect")]
    Broken {
        /// The URL.
        url: String,
        /// What failed.
        reason: String,
    },
    /// The node says why not.
    #[error("{problem} ({url})")]
    Problem {
        /// The URL.
        url: String,
        /// What the node says.
        problem: Box<Problem>,
    },
    /// A status without problem details: something else than a node answers there.
    #[error("{url} answered with status {status} and no reason; is a credlog node there?")]
    Status {
        /// The URL.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// An answer that cannot be read.
    #[error(
        "the answer of {url} cannot be read ({reason}); is a credlog node of this version there?"
    )]
    Malformed {
        /// The URL.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// An answer about something else than was asked.
    #[error("{url} answered about {found}, asked was {asked}; do not trust that node")]
    OtherAnswer {
        /// The URL.
        url: String,
        /// What the answer is about.
        found: String,
        /// What was asked.
        asked: String,
    },
    /// An answer that is too long.
    #[error("the answer of {url} is longer than {bytes_max} bytes; it was not read")]
    TooLarge {
        /// The URL.
        url: String,
        /// The limit.
        bytes_max: usize,
    },
    /// Records that do not go into one request.
    #[error(transparent)]
    Framing(#[from] FramingError),
}

impl ClientError {
    /// What the node says, if it said something.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem { problem, .. } => Some(problem),
            _ => None,
        }
    }
}

/// Talks to one node.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    config: ClientConfig,
}

impl Client {
    /// A client of the node at `base_url`, with the default [`ClientConfig`].
    ///
    /// # Errors
    /// [`ClientError::Address`] or [`ClientError::Setup`].
    pub fn new(base_url: &str) -> Result<Self, ClientError> {
        Self::with_config(base_url, ClientConfig::default())
    }

    /// A client of the node at `base_url`.
    ///
    /// # Errors
    /// [`ClientError::Address`], [`ClientError::Authorities`] or [`ClientError::Setup`].
    pub fn with_config(base_url: &str, config: ClientConfig) -> Result<Self, ClientError> {
        let base = transfer::base(base_url)?;
        let http = transfer::http(&base, &config)?;
        Ok(Self { http, base, config })
    }

    /// The address of the node, without a slash at the end.
    pub fn base_url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// What the ledger is and where its log ends.
    ///
    /// # Errors
    /// [`ClientError`], as of every method here.
    pub async fn ledger(&self) -> Result<LedgerView, ClientError> {
        self.json(Request::get(path::LEDGER)).await
    }

    /// The members in force.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn members(&self) -> Result<MembersView, ClientError> {
        self.json(Request::get(path::MEMBERS)).await
    }

    /// The set that decides a height, the one after the newest block included. Its hash is to
    /// be compared with `members_hash` of the seal before, or with the genesis file.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn members_at(&self, height: Height) -> Result<MemberSet, ClientError> {
        let path = path::members_at(height);
        let bytes = self
            .bytes(Request::get(&path), MEMBER_SET_BYTES_MAX)
            .await?;
        MemberSet::from_bytes(&bytes).map_err(|error| self.malformed(&path, &error))
    }

    /// Whom this node calls the members, as a policy for tools of others. Who does not trust the
    /// node follows the members from genesis instead.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn policy(&self) -> Result<Policy, ClientError> {
        let bytes = self
            .bytes(Request::get(path::POLICY), POLICY_BYTES_MAX)
            .await?;
        let malformed = |error: &dyn std::error::Error| self.malformed(path::POLICY, error);
        let text = String::from_utf8(bytes).map_err(|error| malformed(&error))?;
        text.parse().map_err(|error: PolicyError| malformed(&error))
    }

    /// What can be approved now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn proposals(&self) -> Result<ProposalsView, ClientError> {
        self.json(Request::get(path::PROPOSALS)).await
    }

    /// The certificate that decided a height; its signatures are not checked here.
    ///
    /// # Errors
    /// [`ClientError::OtherAnswer`] for one of another height; other [`ClientError`].
    pub async fn certificate(&self, height: Height) -> Result<CommitCertificate, ClientError> {
        let path = path::certificate(height);
        let bytes = self
            .bytes(Request::get(&path), CERTIFICATE_BYTES_MAX)
            .await?;
        let certificate =
            CommitCertificate::from_bytes(&bytes).map_err(|error| self.malformed(&path, &error))?;
        if certificate.height != height {
            return Err(ClientError::OtherAnswer {
                url: self.url(&path),
                found: format!("height {}", certificate.height),
                asked: format!("height {height}"),
            });
        }
        Ok(certificate)
    }

    /// The certificates of `width` heights (1 to 256) from 256 `index` + 1 on; nothing in the
    /// place of one that this node has lost. Their signatures are not checked here.
    ///
    /// # Errors
    /// [`ClientError::OtherAnswer`] for certificates of other heights; other [`ClientError`].
    pub async fn certificates(
        &self,
        index: u64,
        width: u16,
    ) -> Result<Vec<Option<CommitCertificate>>, ClientError> {
        let asked = path::certificate_bundle(index, width);
        let path = asked.map_err(|error| self.malformed(path::CERTIFICATE_BUNDLE, &error))?;
        let request = Request::get(&path);
        let bytes = self.bytes(request, CERTIFICATE_BUNDLE_BYTES_MAX).await?;
        let entries =
            decode_bundle_of(&bytes, width).map_err(|error| self.malformed(&path, &error))?;
        let first = index
            .saturating_mul(u64::from(TILE_WIDTH))
            .saturating_add(1);
        let mut certificates = Vec::with_capacity(entries.len());
        for (height, entry) in (first..).map(Height).zip(entries) {
            if entry.is_empty() {
                certificates.push(None);
                continue;
            }
            let certificate = CommitCertificate::from_bytes(entry)
                .map_err(|error| self.malformed(&path, &error))?;
            if certificate.height != height {
                return Err(ClientError::OtherAnswer {
                    url: self.url(&path),
                    found: format!("height {}", certificate.height),
                    asked: format!("height {height}"),
                });
            }
            certificates.push(Some(certificate));
        }
        Ok(certificates)
    }

    /// The bytes that stand under a path, which begins with a slash; nothing where there is
    /// nothing (404). For what copies or checks all that a node serves: it need not be a node.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn file(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, ClientError> {
        match self.bytes(Request::get(path), bytes_max).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ClientError::Status { status: 404, .. }) => Ok(None),
            Err(ClientError::Problem { problem, .. }) if problem.status == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What this node has seen against members; its signatures are not checked here.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn evidence(&self) -> Result<EvidenceView, ClientError> {
        self.json(Request::get(path::EVIDENCE)).await
    }

    /// Submits one record by its canonical bytes. A refusal is a [`ClientError::Problem`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn submit(&self, record: &[u8], wait: Wait) -> Result<SubmitOutcomes, ClientError> {
        self.post_records(MEDIA_TYPE_RECORD, record.to_vec(), 1, wait)
            .await
    }

    /// Submits many records; each has its own outcome, in order.
    ///
    /// # Errors
    /// [`ClientError::Framing`] if they do not go into one request; other [`ClientError`].
    pub async fn submit_many<T: AsRef<[u8]>>(
        &self,
        records: &[T],
        wait: Wait,
    ) -> Result<SubmitOutcomes, ClientError> {
        let bytes = encode_records(records)?;
        self.post_records(MEDIA_TYPE_RECORDS, bytes, records.len(), wait)
            .await
    }

    async fn post_records(
        &self,
        media_type: &'static str,
        bytes: Vec<u8>,
        count: usize,
        wait: Wait,
    ) -> Result<SubmitOutcomes, ClientError> {
        let mut request = Request::post(path::RECORDS, media_type, bytes);
        if wait == Wait::None {
            request = request.query("wait", Some("none"));
        }
        let outcomes: SubmitOutcomes = self.json(request).await?;
        if outcomes.results.len() != count {
            return Err(ClientError::OtherAnswer {
                url: self.url(path::RECORDS),
                found: format!("{} records", outcomes.results.len()),
                asked: format!("{count} records"),
            });
        }
        Ok(outcomes)
    }

    /// A record of the log.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn record(&self, id: &RecordId) -> Result<RecordView, ClientError> {
        self.json(Request::get(&path::record(id))).await
    }

    /// What the ledger says about a digest: to be judged at home
    /// ([`verify`](credlog_verify::verify())), so that the credential stays there.
    ///
    /// # Errors
    /// [`ClientError::OtherAnswer`] if the node answers another question; other
    /// [`ClientError`].
    pub async fn facts(
        &self,
        digest: &Digest,
        query: &CredentialQuery,
    ) -> Result<Facts, ClientError> {
        let path = path::credential(digest);
        let at = query.at.map(|at| at.to_string());
        let positions = query.positions.clone().map(String::from);
        let request = Request::get(&path)
            .query("at", at.as_deref())
            .query("issuer", query.issuer.as_ref().map(IssuerId::as_str))
            .query("positions", positions.as_deref());
        let facts: Facts = self.json(request).await?;
        let answered = CredentialQuery {
            at: facts.at,
            issuer: facts.issuer.clone(),
            positions: query
                .positions
                .as_ref()
                .map(|_| Positions(facts.positions.iter().map(|one| one.position).collect())),
        };
        if facts.digest != *digest || answered != *query {
            return Err(ClientError::OtherAnswer {
                url: self.url(&path),
                found: format!("{} {answered:?}", facts.digest),
                asked: format!("{digest} {query:?}"),
            });
        }
        Ok(facts)
    }

    /// The credentials whose digests begin like this one, so many that the node does not learn
    /// which one is meant; with `after`, those of a [`Crowd`] that come behind its first part.
    ///
    /// # Errors
    /// [`ClientError::OtherAnswer`] if the node answers another question; other
    /// [`ClientError`].
    pub async fn crowd(&self, query: &CrowdQuery) -> Result<Crowd, ClientError> {
        let after = query.after.map(|digest| digest.to_string());
        let request = Request::get(path::CREDENTIALS)
            .query("prefix", Some(query.prefix.as_str()))
            .query("after", after.as_deref());
        let crowd: Crowd = self.json(request).await?;
        let is_wider = query.prefix.as_str().starts_with(crowd.prefix.as_str());
        let answers = match query.after {
            None => is_wider,
            Some(_) => crowd.prefix == query.prefix,
        };
        let mut digests = crowd.credentials.iter().map(|one| &one.digest);
        if answers && digests.all(|digest| crowd.prefix.covers(digest)) {
            return Ok(crowd);
        }
        Err(ClientError::OtherAnswer {
            url: self.url(path::CREDENTIALS),
            found: format!("digests that begin with {}", crowd.prefix),
            asked: format!("digests that begin with {}", query.prefix),
        })
    }

    /// Lets the node judge. A whole credential leaves the machine with this.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn verify(&self, request: &VerifyRequest) -> Result<Answer, ClientError> {
        let body = request.to_json().to_string().into_bytes();
        self.json(Request::post(path::VERIFY, "application/json", body))
            .await
    }

    /// The receipt of a credential: nothing of it is checked here, which
    /// [`Receipt::check`] does.
    ///
    /// # Errors
    /// [`ClientError::OtherAnswer`] for one about another credential; other [`ClientError`].
    pub async fn receipt(
        &self,
        digest: &Digest,
        query: &ReceiptQuery,
    ) -> Result<Receipt, ClientError> {
        let path = path::receipt(digest);
        let at = query.at.map(|at| at.to_string());
        let since = query.since.map(|since| since.to_string());
        let trusted = query.trusted.map(|trusted| trusted.to_string());
        let request = Request::get(&path)
            .query("at", at.as_deref())
            .query("issuer", query.issuer.as_ref().map(IssuerId::as_str))
            .query("since", since.as_deref())
            .query("trusted", trusted.as_deref());
        let bytes = self.bytes(request, RECEIPT_BYTES_MAX).await?;
        let receipt = Receipt::parse(&bytes).map_err(|error| self.malformed(&path, &error))?;
        if receipt.credentials.iter().any(|one| one.digest != *digest) {
            return Err(ClientError::OtherAnswer {
                url: self.url(&path),
                found: "other credentials".to_owned(),
                asked: digest.to_string(),
            });
        }
        Ok(receipt)
    }

    /// One receipt about many credentials; nothing of it is checked here.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn receipts(&self, request: &ReceiptsRequest) -> Result<ReceiptsAnswer, ClientError> {
        let body =
            serde_json::to_vec(request).map_err(|error| self.malformed(path::RECEIPTS, &error))?;
        self.json(Request::post(path::RECEIPTS, "application/json", body))
            .await
    }

    /// The inclusion part of a receipt, a C2SP tlog-proof; nothing of it is checked here.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn tlog_proof(&self, digest: &Digest) -> Result<Vec<u8>, ClientError> {
        let path = path::tlog_proof(digest);
        self.bytes(Request::get(&path), NOTE_BYTES_MAX).await
    }

    /// That one log continues another; nothing of it is checked here.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn consistency(
        &self,
        query: ConsistencyQuery,
    ) -> Result<ConsistencyView, ClientError> {
        let (from, to) = (query.from.to_string(), query.to.to_string());
        let request = Request::get(path::CONSISTENCY)
            .query("from", Some(from.as_str()))
            .query("to", Some(to.as_str()));
        self.json(request).await
    }

    /// The changes of the member set with their proofs; nothing of them is checked here.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn member_history(&self, since: Height) -> Result<MemberHistory, ClientError> {
        let since = since.to_string();
        let request = Request::get(path::MEMBERS_HISTORY).query("since", Some(since.as_str()));
        self.json(request).await
    }

    /// Issuers, in the order of first accreditation.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn issuers(&self, page: PageQuery) -> Result<Page<IssuerBrief>, ClientError> {
        self.json(Request::get(path::ISSUERS).page(page)).await
    }

    /// One issuer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn issuer(&self, id: &IssuerId) -> Result<IssuerView, ClientError> {
        self.json(Request::get(&path::issuer(id))).await
    }

    /// The achievements that an issuer defined.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn achievements(
        &self,
        issuer: &IssuerId,
        page: PageQuery,
    ) -> Result<Page<Achievement>, ClientError> {
        self.json(Request::get(&path::achievements(issuer)).page(page))
            .await
    }

    /// A status list and its free positions.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status_list(&self, list: ListNumber) -> Result<StatusListView, ClientError> {
        self.json(Request::get(&path::status_list(list))).await
    }

    /// A status list as W3C verifiers read it, now or as of a time: a credential signed by the
    /// node, which is not checked here.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn signed_status_list(
        &self,
        list: ListNumber,
        purpose: Purpose,
        query: StatusListQuery,
    ) -> Result<Vec<u8>, ClientError> {
        let timestamp = query.timestamp.map(|time| time.to_string());
        let request = Request::get(&path::signed_status_list(list, purpose))
            .query("timestamp", timestamp.as_deref());
        self.bytes(request, STATUS_LIST_BYTES_MAX).await
    }

    /// Blocks, newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn blocks(&self, page: PageQuery) -> Result<Page<BlockBrief>, ClientError> {
        self.json(Request::get(path::BLOCKS).page(page)).await
    }

    /// One block with a page of its records.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn block(&self, height: Height, page: PageQuery) -> Result<BlockView, ClientError> {
        self.json(Request::get(&path::block(height)).page(page))
            .await
    }

    /// The signed checkpoint; its signatures are not checked here.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn checkpoint(&self) -> Result<Vec<u8>, ClientError> {
        self.bytes(Request::get(path::CHECKPOINT), NOTE_BYTES_MAX)
            .await
    }

    /// A tile or an entry bundle; its hashes are not checked here.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn tile(&self, tile: &TilePath) -> Result<Vec<u8>, ClientError> {
        let bytes_max = match tile.level() {
            TileLevel::Hash(_) => usize::from(TILE_WIDTH) * HASH_BYTES,
            TileLevel::Entries => BUNDLE_BYTES_MAX,
        };
        self.bytes(Request::get(&path::tile(tile)), bytes_max).await
    }

    /// Whether the node answers from a checked store.
    ///
    /// # Errors
    /// [`ClientError`]: [`ClientError::Problem`] while it starts or stops.
    pub async fn ready(&self) -> Result<(), ClientError> {
        self.bytes(Request::get(path::READYZ), ANSWER_BYTES_MAX)
            .await
            .map(|_| ())
    }
}
