//! The accept loop: every connection is bounded in number, header, silence and life.
//!
//! `axum::serve` has no header timeout: a half-sent header stays open for ever. Here hyper
//! serves HTTP/1.1 alone, so it does not sniff the version and its header timer runs from
//! the first moment: a silent socket, a half-sent header and an idle kept-alive connection
//! all end when it fires. A peer that does not read its answer ends by [`Patient`]. With TLS,
//! the handshake has the time of a header.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use super::patient::{Patience, Patient};
use super::shares::Shares;
use crate::config::HttpSection;
use crate::machine;
use crate::metrics::Metrics;
use crate::tls::Tls;

/// Longest header of a request, in bytes.
const HEADER_BYTES_MAX: usize = 16 * 1_024;
/// Most header fields of a request.
const HEADER_FIELDS_MAX: usize = 64;
/// After a failed accept (mostly: no free file descriptor), wait this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// At shutdown, records that no block took in time are answered then; the answers have
/// this long to leave.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// What every connection shares.
#[derive(Clone)]
struct Shared {
    router: Router,
    builder: Arc<Builder<TokioExecutor>>,
    patience: Patience,
    tls: Option<Arc<Tls>>,
    handshake_max: Duration,
    metrics: Arc<Metrics>,
    stop: watch::Receiver<bool>,
}

/// Accepts and serves connections until `stop` says true; then waits until those under
/// way have ended, at most for the configured time, and cuts the rest.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    router: Router,
    config: &HttpSection,
    metrics: Arc<Metrics>,
    mut stop: watch::Receiver<bool>,
) {
    let connections = machine::connections(config.connections_max);
    let slots = Arc::new(Semaphore::new(connections as usize));
    let per_network = match config.connections_per_ip_max {
        0 => u64::MAX,
        max => max.into(),
    };
    let places = Shares::new(u64::MAX, per_network);
    let shared = Shared {
        router,
        builder: Arc::new(builder(config)),
        patience: Patience {
            stalled_max: Duration::from_millis(config.write_timeout_ms),
            bytes_per_second_min: config.write_bytes_per_second_min,
        },
        tls,
        handshake_max: Duration::from_millis(config.header_timeout_ms),
        metrics,
        stop: stop.clone(),
    };
    let mut connections = tokio::task::JoinSet::new();
    loop {
        // A connection is accepted only when there is a slot for it.
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        while connections.try_join_next().is_some() {}
        let Some((stream, peer, slot)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Some(place) = places.take(peer.ip(), 1) else {
            shared.metrics.connections_refused.inc();
            continue;
        };
        let shared = shared.clone();
        connections.spawn(async move {
            connection(stream, peer, shared).await;
            drop((slot, place));
        });
    }
    drop(listener);
    let patience = Duration::from_millis(config.shutdown_timeout_ms) + LAST_ANSWERS;
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(patience, all).await.is_err() {
        tracing::warn!(
            left = connections.len(),
            "cutting connections that did not end in time"
        );
        connections.shutdown().await;
    }
}

fn builder(config: &HttpSection) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(config.header_timeout_ms))
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADER_FIELDS_MAX)
        .keep_alive(true);
    builder
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, slot)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            None
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, shared: Shared) {
    let _ = stream.set_nodelay(true);
    let metrics = Arc::clone(&shared.metrics);
    metrics.connections.inc();
    let stream = Patient::new(stream, shared.patience);
    match shared.tls.clone() {
        None => talk(stream, peer, shared).await,
        Some(tls) => {
            if let Some(stream) = secure(&tls, stream, &shared).await {
                talk(stream, peer, shared).await;
            }
        }
    }
    metrics.connections.dec();
}

/// The handshake of TLS, in the time that a header has.
async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
    tls: &Tls,
    stream: S,
    shared: &Shared,
) -> Option<TlsStream<S>> {
    let mut stop = shared.stop.clone();
    let handshake = tokio::time::timeout(shared.handshake_max, tls.acceptor().accept(stream));
    let error = tokio::select! {
        () = stopped(&mut stop) => return None,
        done = handshake => match done {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => error.to_string(),
            Err(elapsed) => elapsed.to_string(),
        },
    };
    shared.metrics.handshakes_failed.inc();
    tracing::debug!(error, "a connection was not secured");
    None
}

/// Serves the requests of a connection.
async fn talk<S>(stream: S, peer: SocketAddr, shared: Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Shared {
        router,
        builder,
        mut stop,
        ..
    } = shared;
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            let mut request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            let response = router.oneshot(request).await;
            Ok::<_, Infallible>(response.unwrap_or_else(|never| match never {}))
        }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stopped(&mut stop) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection ended early");
    }
}

/// Waits until the server is to stop.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could say so: then it stops as well.
    let _ = stop.wait_for(|stop| *stop).await;
}
