//! What a check needs from other sites: status lists and did:web documents.
//!
//! Nothing is fetched unless the operator allows the place, and then within a time and a size,
//! without redirects, and not again before its time. What fails is `unknown` to the check.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::ACCEPT;
use tokio::sync::Semaphore;
use url::Url;

use crate::config::FetchSection;

/// Fetches at a time.
const FETCHES_MAX: usize = 16;
/// Documents kept, those that failed included.
const KEPT_MAX: usize = 1_024;
/// Bytes of the documents kept.
const KEPT_BYTES_MAX: usize = 64 << 20;
/// What is asked for: lists and DID documents, in any form that is read.
const ACCEPTED: &str = "application/vc, application/vc+jwt, application/did, application/did+json, \
    application/ld+json, application/json, text/plain;q=0.5";

/// Fetches what the operator allows.
pub(crate) struct Fetching {
    client: reqwest::Client,
    section: FetchSection,
    turns: Semaphore,
    kept: Mutex<HashMap<Url, Kept>>,
}

struct Kept {
    until: Instant,
    document: Fetched,
}

/// A document, or why there is none, as a sentence.
pub(crate) type Fetched = Result<Bytes, Arc<str>>;

impl Fetching {
    /// # Errors
    /// [`reqwest::Error`] when the system gives no TLS.
    pub(crate) fn new(section: &FetchSection) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_millis(section.timeout_ms))
            .user_agent(concat!("credlog/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .build()?;
        Ok(Self {
            client,
            section: section.clone(),
            turns: Semaphore::new(FETCHES_MAX),
            kept: Mutex::default(),
        })
    }

    /// Whether the operator allows anything.
    pub(crate) fn is_on(&self) -> bool {
        !self.section.allow.is_empty()
    }

    /// Whether the operator allows a URL.
    pub(crate) fn allows(&self, url: &str) -> bool {
        Url::parse(url).is_ok_and(|url| self.covered(&url))
    }

    fn covered(&self, url: &Url) -> bool {
        self.section.allow.iter().any(|allowed| allowed.covers(url))
    }

    /// The document at a URL, if it is allowed.
    pub(crate) async fn fetch(&self, url: &str) -> Fetched {
        let url = match Url::parse(url) {
            Ok(mut url) if self.covered(&url) => {
                url.set_fragment(None);
                url
            }
            _ => return Err("this node does not fetch from there".into()),
        };
        if let Some(kept) = self.kept(&url) {
            return kept;
        }
        let Ok(_turn) = self.turns.acquire().await else {
            return Err("the node is stopping".into());
        };
        // Another request may have fetched it meanwhile.
        if let Some(kept) = self.kept(&url) {
            return kept;
        }
        let document = self.read(url.clone()).await;
        self.keep(url, document.clone());
        document
    }

    async fn read(&self, url: Url) -> Fetched {
        let failed = |error: reqwest::Error| -> Arc<str> {
            let why = match error.is_timeout() {
                true => format!("it took longer than {} ms", self.section.timeout_ms),
                false => error.without_url().to_string(),
            };
            format!("it could not be fetched: {why}").into()
        };
        let request = self.client.get(url).header(ACCEPT, ACCEPTED);
        let mut response = request.send().await.map_err(failed)?;
        if response.status() != StatusCode::OK {
            return Err(format!("its site answered {}", response.status()).into());
        }
        let mut bytes = BytesMut::new();
        while let Some(part) = response.chunk().await.map_err(failed)? {
            if (bytes.len() + part.len()) as u64 > self.section.bytes_max {
                let reason = format!("it has more than {} bytes", self.section.bytes_max);
                return Err(reason.into());
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes.freeze())
    }

    fn kept(&self, url: &Url) -> Option<Fetched> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(url).filter(|kept| kept.until > Instant::now());
        found.map(|kept| kept.document.clone())
    }

    fn keep(&self, url: Url, document: Fetched) {
        let bytes = |kept: &Kept| kept.document.as_ref().map_or(0, Bytes::len);
        let now = Instant::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, one| one.until > now);
        let sum: usize = kept.values().map(bytes).sum();
        let len = document.as_ref().map_or(0, Bytes::len);
        // A full cache is begun anew: the sites that are allowed are few.
        if kept.len() >= KEPT_MAX || sum + len > KEPT_BYTES_MAX {
            kept.clear();
        }
        let until = now + Duration::from_secs(self.section.cache_seconds);
        kept.insert(url, Kept { until, document });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AllowedUrl;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A site that counts its requests; `/slow` takes long, `/moved` leads elsewhere.
    async fn site() -> (String, Arc<AtomicUsize>) {
        use axum::routing::get;
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let list = move || async move {
            counted.fetch_add(1, Ordering::Relaxed);
            "{}"
        };
        let slow = || async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            "late"
        };
        let moved = || async { (StatusCode::FOUND, [("location", "/lists/1")]) };
        let router = axum::Router::new()
            .route("/lists/1", get(list))
            .route("/lists/slow", get(slow))
            .route("/lists/moved", get(moved))
            .route("/lists/long", get(|| async { "x".repeat(2_000) }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (base, count)
    }

    #[tokio::test]
    async fn what_is_allowed_is_fetched_once_within_its_limits() {
        let (base, count) = site().await;
        let fetching = Fetching::new(&FetchSection {
            allow: vec![AllowedUrl::parse(&format!("{base}lists/")).unwrap()],
            timeout_ms: 300,
            bytes_max: 1_000,
            cache_seconds: 60,
        })
        .unwrap();
        let fetch = |path: &str| {
            let url = format!("{base}{path}");
            let fetching = &fetching;
            async move { fetching.fetch(&url).await }
        };
        assert_eq!(fetch("lists/1").await.unwrap(), "{}");
        assert_eq!(fetch("lists/1").await.unwrap(), "{}");
        assert_eq!(count.load(Ordering::Relaxed), 1);
        for (path, why) in [
            ("lists/slow", "longer than 300 ms"),
            ("lists/moved", "302"),
            ("lists/long", "more than 1000 bytes"),
            ("lists/none", "404"),
            ("other", "does not fetch"),
        ] {
            let error = fetch(path).await.unwrap_err();
            assert!(error.contains(why), "{path}: {error}");
        }
    }
}
