//! The plain HTTP listener: CRLs, CA certificates and OCSP, which are signed and may be read by
//! all, and the way to the same page over TLS.
//!
//! Makes no CRL and knows no tenant: it is given functions that find what is asked for.

mod ocsp;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tokio::net::TcpListener;

use super::accept::{Front, pause_after};
use super::connection;
use super::door::{Door, Doors, authority};
use super::limits::{Caps, plain_connections_by_open_files};
use super::outside::{Outside, Trip};
use crate::domain::{Reason, Time};
use crate::world::Clock;

pub use ocsp::Answers;

/// Finds a file by its name without the ending; `None` where there is none.
pub type Find = Arc<dyn Fn(&str) -> Option<Bytes> + Send + Sync>;

/// Finds what counts for a while only.
pub type FindFresh = Arc<dyn Fn(&str) -> File + Send + Sync>;

/// A file that counts for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// There is none of this name.
    Unknown,
    /// There is one, and it must not be served any more.
    Ended,
    /// It counts.
    Fresh {
        /// The file.
        bytes: Bytes,
        /// Another for each file of this name: what stands in its `ETag`.
        tag: String,
        /// Since when it counts.
        from: Time,
        /// Until when.
        until: Time,
    },
}

/// What the plain listener serves.
#[derive(Clone)]
pub struct Plain {
    /// A CRL (DER) by its issuer's id.
    pub crl: FindFresh,
    /// A CA certificate (DER) by its name.
    pub ca: Find,
    /// The port that browsers find TLS at.
    pub https_port: u16,
    /// Answers OCSP.
    pub ocsp: Answers,
    /// Is told of each request.
    pub outside: Arc<Outside>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain").field("https_port", &self.https_port).finish_non_exhaustive()
    }
}

/// Serves until the front closes. Connections have places of their own, so that nobody out
/// here can take one from those who come over TLS.
///
/// # Errors
/// Where the listener cannot be used by this runtime.
pub async fn serve(listener: std::net::TcpListener, plain: Plain, front: Front) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let most = plain_connections_by_open_files(CONNECTIONS_MAX);
    let caps = Caps::new(most, CONNECTIONS_PER_ADDRESS_MAX);
    front.waits_for(&caps);
    let next = || front.descriptors.accept(&listener);
    while let Some(accepted) = front.draining().run_until_cancelled(next()).await {
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let Ok(place) = caps.admit(address.ip()) else { continue };
        let (plain, shared, cut, front) = (plain.clone(), front.shared(), front.cut(), front.clone());
        let address = address.ip();
        tokio::spawn(async move {
            let handle = move |request: Request<Body>| {
                let (plain, doors) = (plain.clone(), front.doors().load_full());
                async move {
                    let trip = Trip::plain(&plain.outside, door(&request, &doors).ok(), address, &request);
                    let response = if ocsp::is_here(request.uri().path()) {
                        ocsp::serve(&plain.ocsp, request, plain.clock.now()).await
                    } else {
                        plain.answer(&request, &doors)
                    };
                    trip.answered(response)
                }
            };
            connection::serve(stream, false, place, &cut, &shared, handle).await;
        });
    }
    Ok(())
}

impl Plain {
    /// Answers one request that is none of OCSP.
    #[must_use]
    pub fn answer<B>(&self, request: &Request<B>, doors: &Doors) -> Response<Body> {
        let path = request.uri().path();
        if let Some(id) = named(path, "/crl/", ".crl") {
            if let Some(refused) = not_a_reading(request.method()) {
                return refused;
            }
            return fresh((self.crl)(id), "application/pkix-crl", request.headers(), self.clock.now());
        }
        if let Some(name) = named(path, "/ca/", ".crt") {
            if let Some(refused) = not_a_reading(request.method()) {
                return refused;
            }
            return (self.ca)(name).map_or_else(nothing, certificate);
        }
        self.lead_to_tls(request, doors)
            .unwrap_or_else(|_| words(StatusCode::BAD_REQUEST, "No site of this name lives here.\n"))
    }

    /// The same page of the same host over TLS, where that host is a door of ours: a redirect to
    /// whatever the client names would lead anywhere.
    fn lead_to_tls<B>(&self, request: &Request<B>, doors: &Doors) -> Result<Response<Body>, Reason> {
        let (name, _) = door(request, doors)?;
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let to = match self.https_port {
            443 => format!("https://{name}{path}"),
            port => format!("https://{name}:{port}{path}"),
        };
        let to = HeaderValue::try_from(to).map_err(|_| Reason::BadRequest("the path cannot be led on"))?;
        let mut response = words(StatusCode::PERMANENT_REDIRECT, "This site lives at https.\n");
        response.headers_mut().insert(header::LOCATION, to);
        Ok(response)
    }
}

/// The door that a request is for, and its name.
fn door<'a, B>(request: &Request<B>, doors: &'a Doors) -> Result<(String, &'a Arc<Door>), Reason> {
    let (name, _) = authority(request.method(), request.uri(), request.headers())?;
    let name = name.to_ascii_lowercase();
    let door = doors.named(&name).ok_or_else(|| Reason::Misdirected(format!("{name} is no door of ours")))?;
    Ok((name, door))
}

/// Only reading is answered.
fn not_a_reading(method: &Method) -> Option<Response<Body>> {
    let reads = method == Method::GET || method == Method::HEAD;
    (!reads).then(|| words(StatusCode::METHOD_NOT_ALLOWED, "Only GET is answered here.\n"))
}

fn nothing() -> Response<Body> {
    words(StatusCode::NOT_FOUND, "There is no such file.\n")
}

fn certificate(file: Bytes) -> Response<Body> {
    let mut response = typed(file, "application/pkix-cert");
    let kept = format!("public, max-age={CA_SECONDS_MAX}");
    set(response.headers_mut(), header::CACHE_CONTROL, kept);
    response
}

/// A file that counts for a while, with what caches must know (RFC 9111 5.2.2, RFC 5019 6.2): nobody keeps
/// it beyond its end.
fn fresh(file: File, kind: &'static str, asked: &HeaderMap, now: Time) -> Response<Body> {
    let (bytes, tag, from, until) = match file {
        File::Unknown => return nothing(),
        File::Ended => {
            return words(StatusCode::SERVICE_UNAVAILABLE, "There is none that counts now: try later.\n");
        }
        File::Fresh { bytes, tag, from, until } => (bytes, format!("\"{tag}\""), from, until),
    };
    let mut response = if is_known(asked, &tag, from) {
        let mut unchanged = Response::new(Body::empty());
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        unchanged
    } else {
        typed(bytes, kind)
    };
    let seconds = until.since(now).as_secs().min(KEPT_SECONDS_MAX);
    let headers = response.headers_mut();
    set(headers, header::CACHE_CONTROL, format!("public, max-age={seconds}, no-transform, must-revalidate"));
    set(headers, header::EXPIRES, now.plus(Duration::from_secs(seconds)).http_date());
    set(headers, header::LAST_MODIFIED, from.http_date());
    set(headers, header::ETAG, tag);
    response
}

/// Whether who asks holds this very file (RFC 9110 13.2.2): a tag counts before a date.
fn is_known(asked: &HeaderMap, tag: &str, from: Time) -> bool {
    let text = |name| asked.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let mut tags = text(header::IF_NONE_MATCH).flat_map(|tags| tags.split(',')).map(str::trim).peekable();
    if tags.peek().is_some() {
        return tags.any(|held| held == "*" || held.trim_start_matches("W/") == tag);
    }
    let since = text(header::IF_MODIFIED_SINCE).next();
    since
        .and_then(|date| jiff::fmt::rfc2822::parse(date).ok())
        .is_some_and(|date| from.secs() <= date.timestamp().as_second())
}

fn typed(file: Bytes, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(file));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// What stands between `before` and `after`, where it is one plain name.
fn named<'a>(path: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let name = path.strip_prefix(before)?.strip_suffix(after)?;
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    plain.then_some(name)
}

fn words(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A CA's certificate changes with the CA, which has years.
const CA_SECONDS_MAX: u32 = 24 * 3600;

/// A revocation list, or an answer of OCSP, is kept no longer by those who fetch it: far less than it
/// counts, since a revocation is worth little to those who do not hear of it.
const KEPT_SECONDS_MAX: u64 = 300;

const CONNECTIONS_MAX: usize = 1_000;
const CONNECTIONS_PER_ADDRESS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        assert_eq!(named("/crl/abc-1.crl", "/crl/", ".crl"), Some("abc-1"));
        for bad in ["/crl/.crl", "/crl/../x.crl", "/crl/a/b.crl", "/crl/%61.crl", "/CRL/a.crl", "/crl/a.crl/"]
        {
            assert_eq!(named(bad, "/crl/", ".crl"), None, "{bad}");
        }
    }
}
