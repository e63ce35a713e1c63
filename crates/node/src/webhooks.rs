//! Webhooks: events of the log, posted to where the operator wants them.
//!
//! Each webhook has a task of its own that reads the log from where it stopped: the log is the
//! queue, so nothing is held in memory and nothing is lost, however long a receiver is away. An
//! event is posted until the receiver takes it (2xx), in the order of the log; the place behind it
//! is then written to a file. Signed by the Standard Webhooks scheme
//! (<https://www.standardwebhooks.com>).

mod cursor;
mod message;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use credlog_api::client::causes;
use credlog_api::event::{Event, EventFilter};
use credlog_ledger::ids::LedgerId;
use credlog_ledger::state::ViewError;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use tokio::sync::watch;
use tokio::task::{self, JoinSet};
use tokio::time::{Instant, sleep};

use crate::config::WebhookSection;
use crate::events::{Feed, Place, Step};
use crate::http::listener::stopped;
use crate::metrics::Metrics;
use cursor::Cursor;
use message::{Message, Secret};

pub use cursor::WEBHOOKS_FOLDER;

/// A receiver has answered after this time, or has not taken the event.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Pauses before an event is posted again: the first, each later one twice as long, at most this.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// How often the place is noted while no event is to be posted.
const NOTE_INTERVAL: Duration = Duration::from_secs(30);
/// Until a store that could not be read is read again.
const STORE_PAUSE: Duration = Duration::from_secs(10);

/// Why a webhook cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The secret cannot be used.
    #[error("webhook {name}: the secret in {path} cannot be used: {reason}", path = .path.display())]
    Secret {
        /// The webhook.
        name: String,
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Where it stopped is not known.
    #[error(
        "webhook {name}: {path} does not say where it stopped ({reason}); write the place from \
         which to read on, like 0.0 for the beginning of the log, or remove the file to begin at \
         its end",
        path = .path.display()
    )]
    Cursor {
        /// The webhook.
        name: String,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The HTTP client cannot be set up on this machine.
    #[error("webhook {name}: the HTTP client cannot be set up: {reason}")]
    Setup {
        /// The webhook.
        name: String,
        /// What failed.
        reason: String,
    },
}

/// A webhook, ready to run.
pub(crate) struct Webhook {
    name: String,
    url: Url,
    secret: Secret,
    filter: EventFilter,
    client: reqwest::Client,
    cursor: Cursor,
}

impl Webhook {
    /// Sets up a webhook. One that never ran begins at the end of the log, at `size` leaves.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub(crate) fn open(
        section: &WebhookSection,
        data_dir: &Path,
        size: u64,
    ) -> Result<Self, WebhookError> {
        let name = section.name.clone();
        let setup = |reason: String| WebhookError::Setup {
            name: name.clone(),
            reason,
        };
        let url = Url::parse(&section.url).map_err(|error| setup(error.to_string()))?;
        let mut client = reqwest::Client::builder()
            .timeout(ANSWER_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("credlog/", env!("CARGO_PKG_VERSION")));
        if url.scheme() == "http" {
            // This machine's own ports are not behind a proxy of the environment.
            client = client.no_proxy();
        }
        Ok(Self {
            client: client.build().map_err(|error| setup(error.to_string()))?,
            secret: Secret::load(&section.secret_file).map_err(|reason| WebhookError::Secret {
                name: name.clone(),
                path: section.secret_file.clone(),
                reason,
            })?,
            cursor: Cursor::open(data_dir, &name, size)?,
            filter: EventFilter {
                kinds: section.events.clone(),
                issuers: section.issuers.clone(),
                prefixes: section.prefixes.clone(),
            },
            url,
            name,
        })
    }
}

/// Runs all webhooks until `stop` says true.
pub(crate) async fn run(
    webhooks: Vec<Webhook>,
    ledger: LedgerId,
    feed: Feed,
    metrics: Arc<Metrics>,
    stop: watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    for webhook in webhooks {
        let courier = Courier {
            webhook,
            ledger,
            feed: feed.clone(),
            metrics: Arc::clone(&metrics),
        };
        let mut stop = stop.clone();
        tasks.spawn(async move {
            let name = courier.webhook.name.clone();
            tokio::select! {
                () = stopped(&mut stop) => {}
                () = courier.run() => tracing::debug!(webhook = name, "a webhook ended"),
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "the task of a webhook failed");
        }
    }
}

/// How posting an event ended.
enum Answer {
    Taken,
    /// The receiver wants no more.
    Gone,
    /// Not taken: why, and for how long the receiver asks not to be asked.
    Refused(String, Option<Duration>),
}

/// Posts the events of one webhook.
struct Courier {
    webhook: Webhook,
    ledger: LedgerId,
    feed: Feed,
    metrics: Arc<Metrics>,
}

impl Courier {
    async fn run(mut self) {
        let mut place = self.webhook.cursor.place();
        let mut noted = Instant::now();
        tracing::info!(
            webhook = self.webhook.name,
            leaf = place.leaf,
            item = place.item,
            "a webhook posts what stands in the log from here on"
        );
        loop {
            self.observe(place);
            if self.feed.grown(place).await.is_none() {
                return;
            }
            let step = match self.step(place).await {
                Ok(step) => step,
                Err(error) => {
                    let name = &self.webhook.name;
                    tracing::error!(webhook = name, %error, "the store cannot be read");
                    sleep(STORE_PAUSE).await;
                    continue;
                }
            };
            for event in &step.events {
                if !self.post(event).await {
                    return;
                }
                self.note(Place::behind(event.id)).await;
                noted = Instant::now();
            }
            place = step.next;
            if noted.elapsed() >= NOTE_INTERVAL {
                self.note(place).await;
                noted = Instant::now();
            }
        }
    }

    fn observe(&self, place: Place) {
        let behind = self.feed.size().saturating_sub(place.leaf);
        let behind = i64::try_from(behind).unwrap_or(i64::MAX);
        let lag = &self.metrics.webhook_lag_leaves;
        lag.with_label_values(&[&self.webhook.name]).set(behind);
    }

    async fn step(&self, place: Place) -> Result<Step, ViewError> {
        let (feed, filter) = (self.feed.clone(), self.webhook.filter.clone());
        let read = task::spawn_blocking(move || feed.step(place, &filter)).await;
        read.unwrap_or_else(|error| Err(ViewError::System(error.to_string())))
    }

    /// Notes how far the receiver has taken the events. What cannot be noted is posted again
    /// after the next start.
    async fn note(&self, place: Place) {
        let cursor = self.webhook.cursor.clone();
        let written = task::spawn_blocking(move || cursor.write(place)).await;
        let written = written.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        if let Err(error) = written {
            tracing::warn!(
                webhook = self.webhook.name,
                path = %self.webhook.cursor.path().display(),
                %error,
                "how far a webhook is cannot be noted: after a restart, events come again"
            );
        }
    }

    /// Posts an event until it is taken. False if the receiver wants no more.
    async fn post(&self, event: &Event) -> bool {
        let name = self.webhook.name.as_str();
        let count = |outcome| {
            let labels = [name, outcome];
            self.metrics.webhook_posts.with_label_values(&labels).inc();
        };
        let mut pause = PAUSE_FIRST;
        loop {
            self.observe(Place::at(event.leaf_index.0));
            match self.attempt(event).await {
                Answer::Taken => {
                    count("taken");
                    tracing::debug!(webhook = name, event = %event.id, "event posted");
                    return true;
                }
                Answer::Gone => {
                    count("gone");
                    tracing::warn!(
                        webhook = name,
                        "the receiver answers 410 Gone: the webhook rests until the next start"
                    );
                    return false;
                }
                Answer::Refused(reason, wanted) => {
                    count("refused");
                    let wait = wanted.unwrap_or_default().clamp(jittered(pause), PAUSE_MAX);
                    tracing::warn!(
                        webhook = name,
                        event = %event.id,
                        reason,
                        again_in_ms = wait.as_millis(),
                        "an event was not taken"
                    );
                    sleep(wait).await;
                    pause = (2 * pause).min(PAUSE_MAX);
                }
            }
        }
    }

    async fn attempt(&self, event: &Event) -> Answer {
        let message = match Message::new(&self.ledger, event) {
            Ok(message) => message,
            Err(error) => return Answer::Refused(error.to_string(), None),
        };
        let mut request = self.webhook.client.post(self.webhook.url.clone());
        for (name, value) in message.headers(&self.webhook.secret, crate::production::now()) {
            request = request.header(name, value);
        }
        let request = request.header(CONTENT_TYPE, "application/json");
        let response = match request.body(message.into_body()).send().await {
            Ok(response) => response,
            Err(error) => return Answer::Refused(causes(&error.without_url()), None),
        };
        let status = response.status();
        let wanted = response.headers().get(RETRY_AFTER);
        let wanted = wanted.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        match status {
            StatusCode::GONE => Answer::Gone,
            status if status.is_success() => Answer::Taken,
            status => Answer::Refused(
                format!("status {}", status.as_u16()),
                wanted.map(Duration::from_secs),
            ),
        }
    }
}

/// Between half of a pause and all of it, so that nodes that failed together do not come again
/// together.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let random = crate::http::random();
    pause / 2 + (pause / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_half_random() {
        for pause in [PAUSE_FIRST, PAUSE_MAX] {
            for _ in 0..100 {
                let wait = jittered(pause);
                assert!(wait >= pause / 2 && wait <= pause, "{wait:?}");
            }
        }
    }
}
