//! Outside witnesses: those who are no members, and cosign what the members have attested.
//!
//! Each has a task of its own. It submits the newest attested checkpoint (C2SP tlog-witness), with
//! the node's signature, the members' cosignatures and a consistency proof from the size that the
//! witness cosigned last; the same checkpoint again once in an interval of the cosigners. What the
//! witness returns is verified and stands in `GET /checkpoint` while that checkpoint is the newest.
//!
//! Nothing rests on it here, and nothing of it is kept on disk: which size a witness knows, it says
//! itself (409). A witness that lies gets nothing but a line in the log.

mod answer;

use std::sync::Arc;
use std::time::Duration;

use credlog_api::client::causes;
use credlog_tlog::{
    AddCheckpoint, Checkpoint, Note, NoteSigner, TreeSize, VerifierKey, consistency_proof,
};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, StatusCode, Url};
use tokio::sync::watch;
use tokio::task::{self, JoinSet};
use tokio::time::{Instant, sleep};

use crate::attesting::Attested;
use crate::config::{ConfigError, WitnessSection};
use crate::http::listener::stopped;
use crate::shared::Shared;
use crate::webhooks::jittered;
use answer::{Fault, cosignature, known_size};

/// A witness has answered after this time, or has failed.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer: a line for each of a witness's keys.
const ANSWER_BYTES_MAX: usize = 16 << 10;
/// Pause between two checkpoints: a busy ledger has several a second.
const PAUSE: Duration = Duration::from_secs(1);
/// Pauses after a failure: the first, each later one twice as long, at most this.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(300);
/// So many failures one after the other are told of, also if each may pass.
const BRIEF_FAILURES: u32 = 5;

/// A witness, ready to be asked.
pub(crate) struct Witness {
    name: String,
    /// Where checkpoints are submitted.
    url: Url,
    key: VerifierKey,
    client: reqwest::Client,
}

impl Witness {
    /// Sets up a witness.
    ///
    /// # Errors
    /// [`ConfigError::Witness`] if the machine cannot set up the client, or the section is wrong.
    pub(crate) fn open(section: &WitnessSection) -> Result<Self, ConfigError> {
        let name = section.name.clone();
        let wrong = |reason: String| ConfigError::Witness {
            name: name.clone(),
            reason,
        };
        let prefix = section.url.trim_end_matches('/');
        let url = Url::parse(&format!("{prefix}/add-checkpoint"));
        let url = url.map_err(|error| wrong(error.to_string()))?;
        let mut client = reqwest::Client::builder()
            .timeout(ANSWER_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("credlog/", env!("CARGO_PKG_VERSION")));
        if url.scheme() == "http" {
            // This machine's own ports are not behind a proxy of the environment.
            client = client.no_proxy();
        }
        let client = client.build();
        Ok(Self {
            client: client.map_err(|error| wrong(causes(&error)))?,
            key: section.key().map_err(wrong)?,
            url,
            name,
        })
    }
}

/// Submits attested checkpoints to all witnesses, until `stop` says true. The same checkpoint is
/// submitted again after `interval`.
pub(crate) async fn run(
    witnesses: Vec<Witness>,
    signer: NoteSigner,
    interval: Duration,
    shared: Shared,
    stop: watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    for witness in witnesses {
        let courier = Courier {
            news: shared.cosigning.news(),
            witness: Arc::new(witness),
            signer: signer.clone(),
            interval,
            shared: shared.clone(),
            known: 0,
            cosigned: None,
            fault: None,
            failures: 0,
        };
        let mut stop = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = stopped(&mut stop) => {}
                () = courier.run() => {}
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "the task of a witness failed");
        }
    }
}

/// Asks one witness.
struct Courier {
    news: watch::Receiver<Option<Attested>>,
    witness: Arc<Witness>,
    signer: NoteSigner,
    interval: Duration,
    shared: Shared,
    /// The size that the witness is thought to have cosigned last.
    known: u64,
    /// What it cosigned last for this node, and when.
    cosigned: Option<(u64, Instant)>,
    /// What the log says of it at present.
    fault: Option<Fault>,
    /// Failures since it cosigned.
    failures: u32,
}

impl Courier {
    async fn run(mut self) {
        let mut pause = RETRY_FIRST;
        while self.due().await {
            match self.submit().await {
                Ok(()) => {
                    pause = RETRY_FIRST;
                    sleep(PAUSE).await;
                }
                Err(fault) => {
                    self.failed(fault, pause);
                    sleep(jittered(pause)).await;
                    pause = (2 * pause).min(RETRY_MAX);
                }
            }
        }
    }

    /// Waits until there is something to submit. False if nothing will come any more.
    async fn due(&mut self) -> bool {
        loop {
            let size = self.news.borrow_and_update().as_ref().map(|news| news.size);
            let again = match (size, self.cosigned) {
                (Some(size), Some((cosigned, at))) if size == cosigned => at + self.interval,
                (Some(_), _) => return true,
                (None, _) => Instant::now() + self.interval,
            };
            tokio::select! {
                changed = self.news.changed() => {
                    if changed.is_err() {
                        return false;
                    }
                }
                () = tokio::time::sleep_until(again) => {
                    if size.is_some() {
                        return true;
                    }
                }
            }
        }
    }

    /// Submits the newest attested checkpoint; once more if the witness knows another size.
    async fn submit(&mut self) -> Result<(), Fault> {
        let Some((checkpoint, lines, _)) = self.shared.cosigning.newest_attested() else {
            return Ok(());
        };
        let own = self.signer.sign(&checkpoint.body());
        let own = own.map_err(|error| Fault::Here(error.to_string()))?;
        let lines = [own].into_iter().chain(lines).collect();
        let note = Note::new(&checkpoint.body(), lines);
        let note = note.map_err(|error| Fault::Here(error.to_string()))?;
        for _ in 0..2 {
            let size = checkpoint.size().0;
            if self.known > size {
                let ahead = Fault::Ahead { size: self.known };
                // It may have lost its memory since: the next attempt asks.
                self.known = 0;
                return Err(ahead);
            }
            let body = self.request(&note).await?;
            match self.post(body, &checkpoint).await? {
                None => return Ok(()),
                Some(known) if known == self.known => return Err(Fault::OtherHistory),
                Some(known) => self.known = known,
            }
        }
        Err(Fault::Unsteady)
    }

    /// The request, with the proof from the size that the witness knows.
    async fn request(&self, note: &Note) -> Result<String, Fault> {
        let here = |error: String| Fault::Here(error);
        let (store, note, old) = (
            Arc::clone(&self.shared.store),
            note.clone(),
            TreeSize(self.known),
        );
        let made = task::spawn_blocking(move || {
            let checkpoint = Checkpoint::parse(note.text());
            let new = checkpoint.map_err(|error| error.to_string())?.size();
            let proof = consistency_proof(&store.snapshot(), old, new);
            let proof = proof.map_err(|error| error.to_string())?;
            let request = AddCheckpoint::new(old, proof, note);
            request
                .map(|request| request.to_string())
                .map_err(|error| error.to_string())
        });
        made.await
            .map_err(|error| here(error.to_string()))?
            .map_err(here)
    }

    /// Posts a request. None if the witness cosigned; else the size that it knows.
    async fn post(&mut self, body: String, checkpoint: &Checkpoint) -> Result<Option<u64>, Fault> {
        let request = self.witness.client.post(self.witness.url.clone());
        let request = request
            .header(CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(body);
        let unreachable = |error: reqwest::Error| {
            tracing::debug!(
                witness = self.witness.name,
                reason = causes(&error.without_url()),
                "a witness cannot be reached"
            );
            Fault::Unreachable
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        if !matches!(status, StatusCode::OK | StatusCode::CONFLICT) {
            return Err(Fault::Status(status.as_u16()));
        }
        let answer = read(response).await?;
        if status == StatusCode::CONFLICT {
            return known_size(&answer).map(Some);
        }
        let (second, signature) = cosignature(&answer, &self.witness.key, checkpoint)?;
        let size = checkpoint.size().0;
        let cosigning = &self.shared.cosigning;
        cosigning.keep_witnessed(&self.witness.name, size, signature);
        self.cosigned(size, second);
        Ok(None)
    }

    /// The witness has cosigned.
    fn cosigned(&mut self, size: u64, second: u64) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let metrics = &self.shared.metrics.consortium;
        let labels = [self.witness.name.as_str()];
        metrics
            .witness_size
            .with_label_values(&labels)
            .set(gauge(size));
        let time = metrics.witness_time_seconds.with_label_values(&labels);
        time.set(gauge(second));
        if self.fault.take().is_some() || self.cosigned.is_none() {
            tracing::info!(
                witness = self.witness.name,
                size,
                "an outside witness cosigns"
            );
        }
        self.failures = 0;
        self.known = size;
        self.cosigned = Some((size, Instant::now()));
    }

    /// Counts a failure, and says so in the log when it is not the same as before. Where several
    /// nodes ask one witness, some are too late now and then: that is nothing to tell.
    fn failed(&mut self, fault: Fault, pause: Duration) {
        let (name, metrics) = (self.witness.name.as_str(), &self.shared.metrics.consortium);
        metrics.witness_failures.with_label_values(&[name]).inc();
        self.failures = self.failures.saturating_add(1);
        let is_known = self.fault.as_ref() == Some(&fault);
        if is_known || (fault.is_brief() && self.failures < BRIEF_FAILURES) {
            tracing::debug!(witness = name, %fault, "an outside witness does not cosign");
            return;
        }
        if fault.is_alarm() {
            tracing::error!(witness = name, %fault, "an outside witness does not cosign");
        } else {
            tracing::warn!(
                witness = name,
                %fault,
                again_in_ms = pause.as_millis(),
                "an outside witness does not cosign"
            );
        }
        self.fault = Some(fault);
    }
}

/// The body of an answer, as far as one is read.
async fn read(mut response: Response) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let next = |error: reqwest::Error| {
        let reason = causes(&error.without_url());
        tracing::debug!(reason, "the answer of a witness broke off");
        Fault::Unreachable
    };
    while let Some(chunk) = response.chunk().await.map_err(next)? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Fault::Malformed("it is too long".to_owned()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
