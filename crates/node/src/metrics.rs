//! What the node counts, for Prometheus.

mod consortium;

use std::time::{SystemTime, UNIX_EPOCH};

use credlog_ledger::ids::{Height, TreeSize, UnixMillis};
use prometheus::{
    Counter, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::mempool::Load;
pub use consortium::Consortium;

/// Every metric of a node, in a registry of its own.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// What it counts of the others.
    pub consortium: Consortium,
    /// Height of the newest block.
    pub height: IntGauge,
    /// Leaves of the log.
    pub size: IntGauge,
    /// Time of the newest seal, in seconds since the Unix epoch.
    pub seal_time_seconds: Gauge,
    /// Whether the node is ready.
    pub ready: IntGauge,
    /// Records that ended, by kind and outcome: `committed`, `duplicate`, `full`,
    /// `malformed` or the code of the rejection.
    pub records: IntCounterVec,
    /// Records in the mempool.
    pub mempool_records: IntGauge,
    /// Bytes of the records in the mempool.
    pub mempool_bytes: IntGauge,
    /// Time from the decision on a block until it is durable.
    pub commit_seconds: Histogram,
    /// By how much the clock is behind the newest seal, if it is too far behind for blocks.
    pub clock_behind_seconds: Gauge,
    /// Time to execute a block's records.
    pub execute_seconds: Histogram,
    /// Records of a block.
    pub block_records: Histogram,
    /// Bytes of a block.
    pub block_bytes: Histogram,
    /// Requests by method, route template and status.
    pub requests: IntCounterVec,
    /// Time to answer, by route template.
    pub request_seconds: HistogramVec,
    /// Panics in request handlers.
    pub panics: IntCounter,
    /// Open connections.
    pub connections: IntGauge,
    /// Events posted, by webhook and outcome.
    pub webhook_posts: IntCounterVec,
    /// How far webhooks are behind the log.
    pub webhook_lag_leaves: IntGaugeVec,
    /// Open streams of events.
    pub event_streams: IntGauge,
    /// Connections closed because their address had too many.
    pub connections_refused: IntCounter,
    /// Connections that ended before TLS secured them.
    pub handshakes_failed: IntCounter,
    /// Bytes of the store on disk.
    pub store_bytes: IntGauge,
    /// Bytes of its disk that are free.
    pub disk_free_bytes: IntGauge,
    /// Bytes of its disk that have to stay free.
    pub disk_reserve_bytes: IntGauge,
    /// Requests, and batches of records to check, for which the store could not be read;
    /// anything but 0 is an alarm.
    pub store_faults: IntCounter,
    /// Findings of the scrub; anything but 0 is an alarm.
    pub scrub_findings: IntCounter,
    /// Scrubs that walked the whole store.
    pub scrubs: IntCounter,
    /// Checks of whole credentials, by summary.
    pub verdicts: IntCounterVec,
    /// Checks of whole credentials at work.
    pub verify_running: IntGauge,
    /// CPU seconds that signature checks of records took.
    pub admission_seconds: Counter,
}

impl Metrics {
    /// Metrics at their beginning.
    ///
    /// # Errors
    /// [`prometheus::Error`] never: names are constant and distinct, as a test shows.
    pub fn new(member: &str, origin: &str) -> Result<Self, prometheus::Error> {
        let made = Maker(Registry::new());
        let build = opts("build_info", "Always 1; the labels say what runs")
            .const_label("version", env!("CARGO_PKG_VERSION"))
            .const_label("member", member)
            .const_label("origin", origin);
        made.add(IntGauge::with_opts(build))?.set(1);
        let start = made.gauge("start_time_seconds", "When the node started (Unix time)")?;
        start.set(now_seconds());
        Ok(Self {
            consortium: Consortium::new(&made)?,
            height: made.int_gauge("height", "Height of the newest block")?,
            size: made.int_gauge("size_leaves", "Leaves of the log")?,
            seal_time_seconds: made
                .gauge("seal_time_seconds", "Time of the newest seal (Unix time)")?,
            ready: made.int_gauge("ready", "1 when the node takes records, else 0")?,
            records: made.int_counter_vec(
                "records_total",
                "Records that ended, by kind and outcome (committed, or why not)",
                &["kind", "outcome"],
            )?,
            mempool_records: made.int_gauge("mempool_records", "Records that wait for a block")?,
            mempool_bytes: made.int_gauge("mempool_bytes", "Bytes of records that wait")?,
            commit_seconds: made.histogram(
                "commit_seconds",
                "Time until a block is durable",
                prometheus::exponential_buckets(0.000_5, 2.0, 14)?,
            )?,
            clock_behind_seconds: made.gauge(
                "clock_behind_seconds",
                "How far the clock is behind the newest seal when that keeps blocks from being \
                 made, else 0; anything but 0 is an alarm",
            )?,
            execute_seconds: made.histogram(
                "execute_seconds",
                "Time to execute and seal a block",
                prometheus::exponential_buckets(0.000_1, 2.0, 14)?,
            )?,
            block_records: made.histogram(
                "block_records",
                "Records in a block",
                prometheus::exponential_buckets(1.0, 4.0, 8)?,
            )?,
            block_bytes: made.histogram(
                "block_bytes",
                "Bytes of a block",
                prometheus::exponential_buckets(256.0, 4.0, 8)?,
            )?,
            requests: made.int_counter_vec(
                "http_requests_total",
                "Requests by method, route and status",
                &["method", "route", "status"],
            )?,
            request_seconds: made.histogram_vec(
                "http_request_seconds",
                "Time to answer a request, by route",
                &["route"],
                prometheus::exponential_buckets(0.000_1, 2.5, 12)?,
            )?,
            panics: made.int_counter("http_panics_total", "Panics in request handlers")?,
            connections: made.int_gauge("http_connections", "Open connections")?,
            webhook_posts: made.int_counter_vec(
                "webhook_posts_total",
                "Events posted by webhooks: taken, refused (and posted again), gone",
                &["webhook", "outcome"],
            )?,
            webhook_lag_leaves: made.int_gauge_vec(
                "webhook_lag_leaves",
                "Leaves of the log that a webhook has not come to yet",
                &["webhook"],
            )?,
            event_streams: made.int_gauge("event_streams", "Open streams of events")?,
            connections_refused: made.int_counter(
                "http_connections_refused_total",
                "Connections closed because their address had too many",
            )?,
            handshakes_failed: made.int_counter(
                "http_handshakes_failed_total",
                "Connections that ended before TLS secured them",
            )?,
            store_bytes: made.int_gauge("store_bytes", "Bytes of the store on disk")?,
            disk_free_bytes: made
                .int_gauge("disk_free_bytes", "Bytes of the store's disk that are free")?,
            disk_reserve_bytes: made.int_gauge(
                "disk_reserve_bytes",
                "Bytes of the store's disk that have to stay free: with less, no records are \
                 taken",
            )?,
            store_faults: made.int_counter(
                "store_faults_total",
                "Requests for which the store could not be read; anything but 0 is an alarm",
            )?,
            scrub_findings: made.int_counter(
                "scrub_findings_total",
                "Damage that the scrub found; anything but 0 is an alarm",
            )?,
            scrubs: made.int_counter("scrubs_total", "Scrubs that walked the whole store")?,
            verdicts: made.int_counter_vec(
                "verdicts_total",
                "Checks of credentials, by summary",
                &["summary"],
            )?,
            verify_running: made.int_gauge("verify_running", "Checks of credentials at work")?,
            admission_seconds: made.counter(
                "admission_seconds_total",
                "Time that threads spent on checking signatures of records",
            )?,
            registry: made.0,
        })
    }

    /// Notes a new tip of the log.
    pub fn observe_tip(&self, height: Height, size: TreeSize, time: UnixMillis) {
        self.height.set(i64::try_from(height.0).unwrap_or(i64::MAX));
        self.size.set(i64::try_from(size.0).unwrap_or(i64::MAX));
        #[allow(clippy::cast_precision_loss)] // exact until the year 287396
        self.seal_time_seconds.set(time.0 as f64 / 1_000.0);
    }

    /// Notes what waits for a block.
    pub fn observe_mempool(&self, load: Load) {
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        self.mempool_records.set(gauge(load.records));
        self.mempool_bytes.set(gauge(load.bytes));
    }

    /// Counts a record that ended.
    pub fn observe_record(&self, kind: &str, outcome: &str) {
        self.records.with_label_values(&[kind, outcome]).inc();
    }

    /// The text format of Prometheus, version 0.0.4.
    ///
    /// # Errors
    /// [`prometheus::Error`] never for metrics that were registered.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Seconds since the Unix epoch.
fn now_seconds() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0.0, |now| now.as_secs_f64())
}

/// Registers metrics under the prefix `credlog_`.
struct Maker(Registry);

impl Maker {
    fn add<T>(&self, made: Result<T, prometheus::Error>) -> Result<T, prometheus::Error>
    where
        T: prometheus::core::Collector + Clone + 'static,
    {
        let made = made?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        self.add(Gauge::with_opts(opts(name, help)))
    }

    fn int_gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.add(IntGauge::with_opts(opts(name, help)))
    }

    fn int_gauge_vec(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.add(IntGaugeVec::new(opts(name, help), labels))
    }

    fn counter(&self, name: &str, help: &str) -> Result<Counter, prometheus::Error> {
        self.add(Counter::with_opts(opts(name, help)))
    }

    fn int_counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.add(IntCounter::with_opts(opts(name, help)))
    }

    fn int_counter_vec(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(opts(name, help), labels))
    }

    fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: Vec<f64>,
    ) -> Result<Histogram, prometheus::Error> {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets);
        self.add(Histogram::with_opts(opts))
    }

    fn histogram_vec(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: Vec<f64>,
    ) -> Result<HistogramVec, prometheus::Error> {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets);
        self.add(HistogramVec::new(opts, labels))
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("credlog")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_registered_with_its_help() {
        let metrics = Metrics::new("university-a", "ledger.example/1").unwrap();
        metrics
            .records
            .with_label_values(&["issue", "committed"])
            .inc();
        let text = metrics.text().unwrap();
        assert!(text.contains("credlog_records_total{kind=\"issue\",outcome=\"committed\"} 1"));
        assert!(text.contains("member=\"university-a\",origin=\"ledger.example/1\""));
        for line in text.lines().filter(|line| line.starts_with("# TYPE ")) {
            let name = line.split(' ').nth(2).unwrap();
            assert!(text.contains(&format!("# HELP {name} ")), "{name}");
        }
    }
}
