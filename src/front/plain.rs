//! The plain HTTP listener: CRLs and CA certificates, which are signed and may be read by
//! all, and the way to the same page over TLS.
//!
//! Makes no CRL and knows no tenant: it is given functions that find what is asked for.

use std::fmt;
use std::io;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::accept::{Front, pause_after};
use super::connection;
use super::door::{Doors, authority};
use super::limits::Caps;
use crate::domain::Reason;

/// Finds a file by its name without the ending; `None` where there is none.
pub type Find = Arc<dyn Fn(&str) -> Option<Bytes> + Send + Sync>;

/// What the plain listener serves.
#[derive(Clone)]
pub struct Plain {
    /// A CRL (DER) by its issuer's id.
    pub crl: Find,
    /// A CA certificate (DER) by its name.
    pub ca: Find,
    /// The port that browsers find TLS at.
    pub https_port: u16,
    /// How long a CRL may be kept by those who read it.
    pub crl_seconds_max: u32,
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
    let shared = front.shared().clone();
    let caps = Caps::new(CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX);
    while let Some(accepted) = shared.draining.run_until_cancelled(listener.accept()).await {
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let Ok(place) = caps.admit(address.ip()) else { continue };
        let (plain, shared, front) = (plain.clone(), shared.clone(), front.clone());
        tokio::spawn(async move {
            let handle = move |request: Request<Body>| {
                let response = plain.answer(&request, &front.doors().load());
                async move { response }
            };
            connection::serve(stream, false, place, &CancellationToken::new(), &shared, handle).await;
        });
    }
    Ok(())
}

impl Plain {
    /// Answers one request.
    #[must_use]
    pub fn answer<B>(&self, request: &Request<B>, doors: &Doors) -> Response<Body> {
        let path = request.uri().path();
        if let Some(crl) = named(path, "/crl/", ".crl").map(|id| (self.crl)(id)) {
            return self.file(request.method(), crl, "application/pkix-crl", self.crl_seconds_max);
        }
        if let Some(ca) = named(path, "/ca/", ".crt").map(|name| (self.ca)(name)) {
            return self.file(request.method(), ca, "application/pkix-cert", CA_SECONDS_MAX);
        }
        self.lead_to_tls(request, doors)
            .unwrap_or_else(|_| words(StatusCode::BAD_REQUEST, "No site of this name lives here.\n"))
    }

    fn file(&self, method: &Method, file: Option<Bytes>, kind: &'static str, seconds: u32) -> Response<Body> {
        if method != Method::GET && method != Method::HEAD {
            return words(StatusCode::METHOD_NOT_ALLOWED, "Only GET is answered here.\n");
        }
        let Some(file) = file else {
            return words(StatusCode::NOT_FOUND, "There is no such file.\n");
        };
        let mut response = Response::new(Body::from(file));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Ok(kept) = HeaderValue::try_from(format!("public, max-age={seconds}")) {
            headers.insert(header::CACHE_CONTROL, kept);
        }
        response
    }

    /// The same page of the same host over TLS, where that host is a door of ours: a redirect to
    /// whatever the client names would lead anywhere.
    fn lead_to_tls<B>(&self, request: &Request<B>, doors: &Doors) -> Result<Response<Body>, Reason> {
        let (name, _) = authority(request.method(), request.uri(), request.headers())?;
        let name = name.to_ascii_lowercase();
        doors.named(&name).ok_or(Reason::Misdirected)?;
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
