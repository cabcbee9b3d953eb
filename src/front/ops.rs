//! The operator's listener, on loopback: `/healthz`, `/readyz`, `/metrics`.
//!
//! Says nothing that must not be known on this machine, and has connections of its own, and a file, so
//! that strangers at the doors cannot keep the operator out.

mod spare;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, header};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::accept::{Front, pause_after};
use super::connection;
use super::limits::Caps;
use crate::domain::Reason;
use crate::web::routes::{self, Routes};
use spare::Spare;

/// What the operator's listener tells.
#[derive(Clone)]
pub struct Ops {
    /// Whether requests can be served: `Err` says, in words, what is missing.
    pub ready: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// More metrics, in Prometheus' text format, after the front's own.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

impl fmt::Debug for Ops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ops(..)")
    }
}

/// All that is answered here.
pub const ROUTES: Routes = &[("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")];

/// Opens the listener.
///
/// # Errors
/// `InvalidInput` for an address other than loopback; the system's.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    if !address.ip().is_loopback() {
        let why = "the operator's listener must be on loopback: use 127.0.0.1 or ::1";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves until `stop`: later than the front, so that the operator sees it close.
///
/// # Errors
/// Where the listener cannot be used by this runtime.
pub async fn serve(
    listener: std::net::TcpListener,
    ops: Ops,
    front: Front,
    stop: CancellationToken,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let caps = Caps::new(CONNECTIONS_MAX, CONNECTIONS_MAX);
    let mut spare = Spare::default();
    let next = async |spare: &mut Spare| {
        spare.keep();
        front.descriptors.accept(&listener).await
    };
    while let Some(accepted) = stop.run_until_cancelled(next(&mut spare)).await {
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                let answer = |request| ops.answer(&request, &front, stop.is_cancelled());
                if !spare.serve(&error, &listener, &front.descriptors, answer).await {
                    pause_after(&error).await;
                }
                continue;
            }
        };
        let Ok(place) = caps.admit(address.ip()) else { continue };
        let (ops, front) = (ops.clone(), front.clone());
        let mut shared = front.shared();
        let closing = std::mem::replace(&mut shared.draining, stop.clone());
        tokio::spawn(async move {
            let handle = move |request: Request<Body>| {
                let response = ops.answer(&request, &front, closing.is_cancelled());
                async move { response }
            };
            connection::serve(stream, false, place, &CancellationToken::new(), &shared, handle).await;
        });
    }
    Ok(())
}

impl Ops {
    fn answer(&self, request: &Request<Body>, front: &Front, closing: bool) -> Response<Body> {
        let path = request.uri().path();
        match routes::listed(ROUTES, request.method().as_str(), path) {
            Ok(_) => {}
            Err(Reason::MethodNotAllowed) => {
                return words(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n".to_owned());
            }
            Err(_) => {
                return words(StatusCode::NOT_FOUND, "there are /healthz, /readyz and /metrics\n".to_owned());
            }
        }
        match path {
            "/healthz" => words(StatusCode::OK, "alive\n".to_owned()),
            "/readyz" if closing => words(StatusCode::SERVICE_UNAVAILABLE, "closing\n".to_owned()),
            "/readyz" => match (self.ready)() {
                Ok(()) => words(StatusCode::OK, "ready\n".to_owned()),
                Err(why) => words(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            },
            _ => words(StatusCode::OK, front.metrics() + (self.metrics)().as_str()),
        }
    }
}

fn words(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A scraper, a probe or two, and an operator.
const CONNECTIONS_MAX: usize = 64;
