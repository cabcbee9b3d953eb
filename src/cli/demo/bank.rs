//! The demo's backend: a small private bank's portal that shows who the gate says you are.
//! It knows nothing of the gate but its public key, as any backend behind it would.

mod caller;
mod payments;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::caller::{Caller, Gate, NotFromTheGate};
use crate::crypto::Sha256;
use crate::domain::Time;
use crate::world::World;

/// Serves the bank until `shutdown`. `jwks` is what the gate publishes: the only thing by
/// which the bank knows it.
pub async fn serve(listener: tokio::net::TcpListener, jwks: Value, shutdown: CancellationToken) {
    let app = router(World::real(), &jwks, shutdown.clone());
    if let Err(error) = axum::serve(listener, app).with_graceful_shutdown(shutdown.cancelled_owned()).await {
        tracing::error!(%error, "the demo's bank stopped; start the demo again");
    }
}

struct Bank {
    world: World,
    gate: Gate,
    booked: payments::Booked,
    shutdown: CancellationToken,
}

fn router(world: World, jwks: &Value, shutdown: CancellationToken) -> Router {
    let bank = Bank { gate: Gate::from_jwks(jwks), booked: payments::Booked::default(), world, shutdown };
    Router::new()
        .route("/", get(accounts))
        .route("/bank.css", get(async || asset("text/css; charset=utf-8", STYLE)))
        .route("/bank.js", get(async || asset("text/javascript; charset=utf-8", SCRIPT)))
        .route("/pay.js", get(async || asset("text/javascript; charset=utf-8", PAYING)))
        .route("/payments", post(payments::pay))
        .route("/payments/new", get(payments::form))
        .route("/payments/{id}", get(payments::paid))
        .route("/ws/ticker", get(ticker))
        .route("/statement.bin", get(statement))
        .route("/upload", post(upload))
        .route("/headers", get(echo))
        .fallback(async || {
            page(StatusCode::NOT_FOUND, "", PLAIN, &[("sentence", "There is no such page here.")])
        })
        .with_state(Arc::new(bank))
}

impl Bank {
    fn caller(&self, headers: &HeaderMap) -> Result<Caller, NotFromTheGate> {
        self.gate.caller(headers, self.world.now())
    }
}

impl IntoResponse for NotFromTheGate {
    fn into_response(self) -> Response {
        page(
            StatusCode::FORBIDDEN,
            "",
            PLAIN,
            &[("sentence", "This page is reached through the gate alone.")],
        )
    }
}

/// The accounts, and who is looking at them.
async fn accounts(State(bank): State<Arc<Bank>>, headers: HeaderMap) -> Result<Response, NotFromTheGate> {
    let caller = bank.caller(&headers)?;
    let now = bank.world.now();
    let since =
        caller.signed_in.map_or_else(|| "not recorded".to_owned(), |at| format!("{} UTC", at.minute()));
    let days: Vec<String> = [1, 2, 4, 9].iter().map(|days| days_ago(now, *days)).collect();
    Ok(page(
        StatusCode::OK,
        &caller.host,
        ACCOUNTS,
        &[
            ("name", &caller.name),
            ("person", &caller.person),
            ("device", &caller.device),
            ("factors", &caller.factors.join(", ")),
            ("since", &since),
            ("subject", caller.subject.as_deref().unwrap_or("not forwarded")),
            ("thumbprint", &caller.thumbprint),
            ("day1", &days[0]),
            ("day2", &days[1]),
            ("day3", &days[2]),
            ("day4", &days[3]),
        ],
    ))
}

/// Exchange rates that move a little each second.
async fn ticker(
    State(bank): State<Arc<Bank>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, NotFromTheGate> {
    bank.caller(&headers)?;
    Ok(upgrade.on_upgrade(async move |mut socket: WebSocket| {
        let mut rates = RATES;
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                () = bank.shutdown.cancelled() => return,
                _ = second.tick() => {
                    for (_, points) in &mut rates {
                        *points = *points - 4 + bank.world.below(9);
                    }
                    let text = json!(rates.map(|(pair, points)| json!({
                        "pair": pair, "rate": format!("{}.{:04}", points / 10_000, points % 10_000),
                    })));
                    if socket.send(Message::text(text.to_string())).await.is_err() {
                        return;
                    }
                }
                said = socket.recv() => if !matches!(said, Some(Ok(_))) {
                    return;
                },
            }
        }
    }))
}

#[derive(serde::Deserialize)]
struct Size {
    mib: Option<u64>,
}

/// A download of the size asked for, made as it is read.
async fn statement(
    State(bank): State<Arc<Bank>>,
    headers: HeaderMap,
    Query(size): Query<Size>,
) -> Result<Response, NotFromTheGate> {
    bank.caller(&headers)?;
    let bytes = size.mib.unwrap_or(STATEMENT_MIB).min(STATEMENT_MIB_MAX) << 20;
    let piece = Bytes::from(STATEMENT_LINE.repeat(PIECE_BYTES / STATEMENT_LINE.len()));
    let pieces = futures_util::stream::iter(
        (0..bytes / piece.len() as u64).map(move |_| Ok::<_, Infallible>(piece.clone())),
    );
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_LENGTH, bytes.to_string()),
        (CONTENT_DISPOSITION, "attachment; filename=\"statement.bin\"".to_owned()),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// Takes a body of any size and says what arrived.
async fn upload(
    State(bank): State<Arc<Bank>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, NotFromTheGate> {
    bank.caller(&headers)?;
    let (mut bytes, mut hash) = (0_u64, Sha256::new());
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else { return Ok(StatusCode::BAD_REQUEST.into_response()) };
        bytes += piece.len() as u64;
        hash.update(&piece);
    }
    let sha256 = data_encoding::HEXLOWER.encode(&hash.finish());
    Ok(Json(json!({ "bytes": bytes, "sha256": sha256 })).into_response())
}

/// What reached the bank, for tests: every header as it came, and what was verified.
async fn echo(State(bank): State<Arc<Bank>>, headers: HeaderMap) -> Response {
    let claims = bank.caller(&headers).ok().map(|caller| caller.claims);
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| [name.as_str().into(), String::from_utf8_lossy(value.as_bytes())])
        .collect();
    Json(json!({ "headers": headers, "verified": claims })).into_response()
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "max-age=300"), (X_CONTENT_TYPE_OPTIONS, "nosniff")], text)
        .into_response()
}

/// A page whose `{{slots}}` are filled, always escaped.
fn page(status: StatusCode, host: &str, template: &str, slots: &[(&str, &str)]) -> Response {
    let mut text = String::with_capacity(template.len() + 1024);
    for (i, part) in template.split("{{").enumerate() {
        let (slot, rest) = if i == 0 { ("", part) } else { part.split_once("}}").unwrap_or(("", part)) };
        let value = slots.iter().find(|(name, _)| *name == slot).map_or("", |(_, value)| value);
        text.push_str(&escaped(value));
        text.push_str(rest);
    }
    // Safari takes 'self' for https alone.
    let socket = if host.is_empty() { String::new() } else { format!(" wss://{host}") };
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'{socket}; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CONTENT_SECURITY_POLICY, policy),
        (CACHE_CONTROL, "no-store".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        // Without an origin the gate would not believe the sign-out button.
        (REFERRER_POLICY, "same-origin".to_owned()),
    ];
    (status, headers, text).into_response()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn days_ago(now: Time, days: u64) -> String {
    now.minus(Duration::from_secs(days * 86_400)).format("%-d %b")
}

const ACCOUNTS: &str = include_str!("bank/accounts.html");
const PLAIN: &str = include_str!("bank/plain.html");
const STYLE: &str = include_str!("bank/bank.css");
const SCRIPT: &str = include_str!("bank/bank.js");
const PAYING: &str = include_str!("bank/pay.js");

/// In ten-thousandths.
const RATES: [(&str, u32); 4] =
    [("EUR / CHF", 9_412), ("USD / CHF", 8_035), ("GBP / CHF", 10_876), ("JPY 100 / CHF", 5_214)];

const STATEMENT_MIB: u64 = 64;
const STATEMENT_MIB_MAX: u64 = 2048;

/// 64 bytes, so that pieces fill a MiB exactly.
const STATEMENT_LINE: &[u8] = b"Bank Muster & Cie - a statement made for testing large files.. \n";
const PIECE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
