//! GET /healthz, /readyz and /metrics: for those who watch over the node.

use axum::extract::State as Extract;
use http::{StatusCode, Uri};

use crate::http::Shared;
use crate::http::answer::{Answer, bytes_with, internal, json};
use crate::http::query::no_parameters;

/// The process lives and answers.
pub(crate) async fn healthz(uri: Uri) -> Answer {
    no_parameters(&uri)?;
    json(&serde_json::json!({ "status": "alive" }))
}

/// The store passed its checks and the node takes records.
pub(crate) async fn readyz(Extract(context): Shared, uri: Uri) -> Answer {
    no_parameters(&uri)?;
    context.ready()?;
    json(
        &serde_json::json!({ "status": "ready", "height": context.store.snapshot().head().height }),
    )
}

pub(crate) async fn metrics(Extract(context): Shared, uri: Uri) -> Answer {
    no_parameters(&uri)?;
    let ready = i64::from(context.ready().is_ok());
    context.metrics.ready.set(ready);
    match context.metrics.text() {
        Ok(own) => Ok(bytes_with(
            StatusCode::OK,
            "text/plain; version=0.0.4",
            own + &context.engine.text(),
        )),
        Err(error) => {
            tracing::error!(%error, "the metrics have no text form");
            Err(internal())
        }
    }
}
