//! `GET /metrics` for Prometheus, and `/healthz` and `/readyz` for whoever supervises the process.

use std::{
    sync::{Arc, PoisonError},
    time::Instant,
};

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::{Endpoint, problem::Problem};

/// The labels of an HTTP answer. Paths are not among them: they hold receipts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Status {
    status: u16,
}

/// What is counted. Names of companies and tokens are not among it: whoever reaches the port may read it.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Status, Counter>,
    rows: Counter,
    encrypted: Counter,
    encrypted_waiting: Gauge,
    evaluation_keys: Gauge,
    seconds: Histogram,
    queries: Gauge,
    queries_entered: Gauge,
    entries: Gauge,
    round: Gauge,
    served_round: Gauge,
    participants: Gauge,
    connected: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Arc<Self> {
        let mut registry = Registry::with_prefix("unsilo");
        // From 1/4 ms to 4 s.
        let seconds = Histogram::new(exponential_buckets(0.000_25, 2.0, 15));
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            rows: Counter::default(),
            encrypted: Counter::default(),
            encrypted_waiting: Gauge::default(),
            evaluation_keys: Gauge::default(),
            seconds,
            queries: Gauge::default(),
            queries_entered: Gauge::default(),
            entries: Gauge::default(),
            round: Gauge::default(),
            served_round: Gauge::default(),
            participants: Gauge::default(),
            connected: Gauge::default(),
        };
        registry.register(
            "http_requests",
            "HTTP requests answered, by status",
            metrics.requests.clone(),
        );
        registry.register("rows", "Rows predicted", metrics.rows.clone());
        registry.register(
            "encrypted_rows",
            "Rows of encrypted queries answered",
            metrics.encrypted.clone(),
        );
        registry.register_with_unit(
            "predict",
            "Time to answer a prediction, its receipt on disk included",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        for (name, help, gauge) in [
            ("queries", "Queries answered, ever", &metrics.queries),
            (
                "queries_entered",
                "Queries entered on the ledger, ever",
                &metrics.queries_entered,
            ),
            (
                "encrypted_waiting",
                "Encrypted queries that wait for their turn",
                &metrics.encrypted_waiting,
            ),
            (
                "evaluation_keys",
                "Keys of encrypted queries in memory",
                &metrics.evaluation_keys,
            ),
            ("ledger_entries", "Entries in the ledger", &metrics.entries),
            (
                "round",
                "The round under way, or the next one",
                &metrics.round,
            ),
            (
                "served_round",
                "The round whose model is served; 0 before the first",
                &metrics.served_round,
            ),
            (
                "participants",
                "Participants on the ledger",
                &metrics.participants,
            ),
            (
                "participants_connected",
                "Participants connected",
                &metrics.connected,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        metrics.registry = registry;
        Arc::new(metrics)
    }

    /// An encrypted query was answered.
    pub(super) fn answered_encrypted(&self) {
        self.encrypted.inc();
    }

    /// The time of an answer, from now on.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        Answering {
            metrics: self.clone(),
            since: Instant::now(),
        }
    }
}

/// A prediction under way.
pub(super) struct Answering {
    metrics: Arc<Metrics>,
    since: Instant,
}

impl Answering {
    pub(super) fn answered(self, rows: u32) {
        self.metrics.rows.inc_by(u64::from(rows));
        self.metrics
            .seconds
            .observe(self.since.elapsed().as_secs_f64());
    }
}

/// Counts every answer of the endpoint by its status.
pub(super) async fn count(
    State(endpoint): State<Endpoint>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    let status = response.status().as_u16();
    endpoint
        .metrics
        .requests
        .get_or_create(&Status { status })
        .inc();
    response
}

/// Figures for Prometheus, in its OpenMetrics text form.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    responses((status = 200, description = "OpenMetrics text.", body = String, content_type = "application/openmetrics-text")),
)]
pub(super) async fn metrics(State(endpoint): State<Endpoint>) -> Result<Response, Problem> {
    let metrics = &endpoint.metrics;
    let snapshot = endpoint.owner.now();
    let state = &snapshot.state;
    let gauge = |gauge: &Gauge, value: u64| {
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    };
    gauge(&metrics.queries, endpoint.queries.len());
    gauge(
        &metrics.queries_entered,
        state.pool().map_or(0, |pool| pool.queries),
    );
    let encrypted = endpoint.encrypted.as_ref();
    let count = |of: Option<usize>| of.unwrap_or_default() as u64;
    gauge(
        &metrics.encrypted_waiting,
        count(encrypted.map(|encrypted| encrypted.queue.len())),
    );
    gauge(
        &metrics.evaluation_keys,
        count(encrypted.map(|encrypted| encrypted.keys.len())),
    );
    gauge(&metrics.entries, snapshot.entries);
    let under_way = state.round().map(|round| round.opening.round);
    gauge(
        &metrics.round,
        under_way.unwrap_or_else(|| state.next_round()),
    );
    let served = endpoint
        .served
        .borrow()
        .as_ref()
        .and_then(|served| served.round);
    gauge(&metrics.served_round, served.unwrap_or(0));
    gauge(&metrics.participants, state.participants().count() as u64);
    let connected = endpoint
        .connected
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let connected = connected.values().filter(|streams| **streams > 0).count();
    gauge(&metrics.connected, connected as u64);
    let mut text = String::new();
    encode(&mut text, &metrics.registry).map_err(|error| {
        tracing::error!(%error, "figures cannot be written");
        Problem::failed()
    })?;
    let kind =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// The process answers.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operation",
    responses((status = 200, description = "The process answers.", body = String, content_type = "text/plain")),
)]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The shared model can be asked: a round was published, and its model is loaded.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operation",
    responses(
        (status = 200, description = "A model is served.", body = String, content_type = "text/plain"),
        (status = 503, description = "Not yet; rounds run all the same.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn readyz(State(endpoint): State<Endpoint>) -> Result<&'static str, Problem> {
    let served = endpoint.served.borrow().clone();
    match served.and_then(|served| served.round) {
        Some(_) => Ok("ready\n"),
        None => Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "No model yet",
            "no round has been published yet",
        )
        .next("look at /v1/status and try again after the first one")),
    }
}
