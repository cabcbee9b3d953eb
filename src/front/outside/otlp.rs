//! Spans, exported over OTLP/HTTP in JSON to a collector near by. Bounded in memory: what the collector does
//! not take in time is left out and counted.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::sync::CancellationToken;

use super::record::{BACKEND, Record};
use super::text::{Kind, Text};

/// Where spans go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Host and port of the collector.
    pub authority: String,
    /// Where it takes spans: `/v1/traces`.
    pub path: String,
    /// What this gate is called there.
    pub service: String,
    /// Of a hundred requests about which nobody else decides so many are sampled.
    pub percent: u32,
}

/// Takes requests, and never waits.
pub(super) struct Spans {
    queue: Sender<Arc<Record>>,
    counts: Arc<Counts>,
}

/// What became of spans. Those of one collector go on with the next one's.
#[derive(Default)]
pub(super) struct Counts {
    exported: AtomicU64,
    left_out: AtomicU64,
    failed: AtomicU64,
}

impl Counts {
    pub(super) fn write_metrics(&self, text: &mut Text) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        text.one(
            "spans_exported_total",
            Kind::Counter,
            "Spans that a collector took.",
            count(&self.exported),
        );
        text.family("spans_lost_total", Kind::Counter, "Spans that no collector took.");
        text.sample("spans_lost_total", &[("why", "slow")], count(&self.left_out));
        text.sample("spans_lost_total", &[("why", "failed")], count(&self.failed));
    }
}

/// Carries spans to the collector.
pub struct Exporter {
    settings: Settings,
    queue: Receiver<Arc<Record>>,
    counts: Arc<Counts>,
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    #[error("no connection: {0}")]
    Io(#[from] io::Error),
    #[error("the connection broke: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request could not be built: {0}")]
    Request(#[from] http::Error),
    #[error("it answered {0}")]
    Answer(StatusCode),
    #[error("it did not answer within {} s", ANSWER_MAX.as_secs())]
    Slow,
}

impl Spans {
    pub(super) fn new(settings: Settings, counts: Arc<Counts>) -> (Self, Exporter) {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        (Self { queue: sender, counts: Arc::clone(&counts) }, Exporter { settings, queue, counts })
    }

    pub(super) fn take(&self, record: Arc<Record>) {
        if self.queue.try_send(record).is_err() {
            self.counts.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Exporter {
    /// Exports until `stop`, then what is left.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::new();
        loop {
            let taken = stop.run_until_cancelled(self.queue.recv_many(&mut batch, BATCH_MAX)).await;
            match taken {
                Some(0) => return,
                // More come in a moment, and then leave together.
                Some(n) if n < BATCH_MAX => {
                    let _ = stop.run_until_cancelled(tokio::time::sleep(BATCH_WAIT)).await;
                }
                Some(_) => {}
                None => break,
            }
            while batch.len() < BATCH_MAX
                && let Ok(record) = self.queue.try_recv()
            {
                batch.push(record);
            }
            self.export(&batch, &stop).await;
            batch.clear();
        }
        while let Ok(record) = self.queue.try_recv() {
            batch.push(record);
        }
        for batch in batch.chunks(BATCH_MAX) {
            self.export(batch, &stop).await;
        }
    }

    async fn export(&self, batch: &[Arc<Record>], stop: &CancellationToken) {
        let body = Bytes::from(self.body(batch).to_string());
        let mut waits = AGAIN_AFTER.iter();
        loop {
            let error = match self.post(body.clone()).await {
                Ok(()) => {
                    self.counts.exported.fetch_add(batch.len() as u64, Ordering::Relaxed);
                    return;
                }
                Err(error) => error,
            };
            match waits.next().filter(|_| error.passes() && !stop.is_cancelled()) {
                Some(wait) => {
                    let _ = stop.run_until_cancelled(tokio::time::sleep(*wait)).await;
                }
                None => {
                    self.counts.failed.fetch_add(batch.len() as u64, Ordering::Relaxed);
                    let to = format!("http://{}{}", self.settings.authority, self.settings.path);
                    tracing::warn!(%error, to, "the collector took no spans");
                    return;
                }
            }
        }
    }

    async fn post(&self, body: Bytes) -> Result<(), NotTaken> {
        tokio::time::timeout(ANSWER_MAX, self.posted(body)).await.unwrap_or(Err(NotTaken::Slow))
    }

    async fn posted(&self, body: Bytes) -> Result<(), NotTaken> {
        let stream = TcpStream::connect(&self.settings.authority).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let running = tokio::spawn(connection);
        let request = Request::post(self.settings.path.as_str())
            .header(header::HOST, &self.settings.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let answer = sender.send_request(request).await;
        running.abort();
        match answer?.status() {
            status if status.is_success() => Ok(()),
            status => Err(NotTaken::Answer(status)),
        }
    }

    fn body(&self, batch: &[Arc<Record>]) -> Value {
        let spans: Vec<Value> = batch.iter().filter_map(|record| span(record)).collect();
        json!({ "resourceSpans": [{
            "resource": { "attributes": [
                text("service.name", &self.settings.service),
                text("service.version", env!("CARGO_PKG_VERSION")),
            ] },
            "scopeSpans": [{
                "scope": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
                "spans": spans,
            }],
        }] })
    }
}

impl NotTaken {
    /// Whether the same may be taken a little later (OTLP 1.5, "Retryable response codes").
    fn passes(&self) -> bool {
        match self {
            Self::Io(_) | Self::Http(_) | Self::Slow => true,
            Self::Answer(status) => matches!(status.as_u16(), 429 | 502..=504),
            Self::Request(_) => false,
        }
    }
}

/// A request in OTLP's JSON: identifiers in hex, 64-bit numbers as text. Names no person: collectors are read
/// by other people than audit trails are.
fn span(record: &Record) -> Option<Value> {
    let trace = record.trace?;
    let begin = u128::try_from(record.time.millis()).unwrap_or_default() * 1_000_000;
    let end = begin + record.took.as_nanos();
    let mut attributes = vec![
        text("http.request.method", record.method.as_str()),
        text("url.scheme", "https"),
        text("url.path", &record.path),
        text("server.address", &record.host),
        text("client.address", &record.address.to_string()),
        text("network.protocol.version", if record.http2 { "2" } else { "1.1" }),
        text("portcullis.request", &record.number),
        text("portcullis.room", record.room),
        number("http.response.status_code", record.status.into()),
        number("http.response.body.size", record.bytes),
    ];
    if let Some(tenant) = record.door.as_ref().and_then(|door| door.tenant()) {
        attributes.push(text("portcullis.tenant", tenant.as_str()));
    }
    if let Some(route) = &record.route {
        attributes.push(text("portcullis.route", &route.name));
    }
    if let Some(refused) = record.refused {
        attributes.push(text("error.type", refused));
    }
    if let Some(took) = record.upstream {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        attributes.push(number("portcullis.upstream_us", micros));
    }
    // A path of a backend may hold an account's number, and names must be few.
    let name = match &record.route {
        Some(route) if record.room == BACKEND => format!("{} {}", record.method, route.name),
        _ => format!("{} {}", record.method, record.room),
    };
    let mut span = json!({
        "traceId": format!("{:032x}", trace.id),
        "spanId": format!("{:016x}", trace.span),
        "flags": 1,
        "name": name,
        "kind": KIND_SERVER,
        "startTimeUnixNano": begin.to_string(),
        "endTimeUnixNano": end.to_string(),
        "attributes": attributes,
        "status": if record.status >= 500 { json!({ "code": CODE_ERROR }) } else { json!({}) },
    });
    if let Some(parent) = trace.parent {
        span["parentSpanId"] = format!("{parent:016x}").into();
    }
    Some(span)
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn number(key: &str, value: u64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

const KIND_SERVER: u8 = 2;
const CODE_ERROR: u8 = 2;

/// What the exporters of OpenTelemetry keep.
const QUEUE_MAX: usize = 2048;

/// And send at once.
const BATCH_MAX: usize = 512;

/// Long enough to gather, short enough to watch.
const BATCH_WAIT: Duration = Duration::from_millis(500);

/// A collector on this machine answers at once.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A collector that is being restarted.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
