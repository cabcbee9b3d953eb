//! Forwards one permitted request and brings its answer back. Does not decide who may: it
//! takes a [`Permit`]; does not render pages: what goes wrong is a [`Reason`].

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use http::header::{CONTENT_LENGTH, HeaderValue, TRAILER, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version, response};
use hyper::body::Body as _;
use tokio::time::Instant;

use super::body::Download;
use super::destination::Destination;
use super::errand::Rest;
use super::fleet::Fleet;
use super::health::Checks;
use super::hints::Hints;
use super::identity::Identity;
use super::member::Held;
use super::memory::Memory;
use super::receipt::CONFIRMATION;
use super::sending::Sending;
use super::total::{InTime, UnderWay};
use super::upstream::{Reach, Reaching, TrustError, Upstream};
use super::whereto::Whereto;
use super::{headers, upgrade};
use crate::crypto::Signer;
use crate::domain::Reason;
use crate::policy::Permit;
use crate::world::World;

/// Sends permitted requests to backends.
pub struct Proxy {
    pub(super) world: World,
    pub(super) identity: Identity,
    pub(super) upstream: Arc<Upstream>,
    pub(super) settings: Settings,
    pub(super) fleet: Fleet,
    pub(super) checks: Checks,
}

/// Where a request came from, as the front saw it.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Host of the door, with the port where the browser wrote one: `bank.localhost:8443`.
    pub host: &'a str,
    /// Network address of the client.
    pub address: IpAddr,
    /// Short number of the request, as pages show it.
    pub request_id: &'a str,
    /// Of the connection that it came over; a new one where there is none.
    pub memory: &'a Memory,
}

/// How long each step may take.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Opening a connection to a backend. A backend answers a SYN at once or is down.
    pub connect_ms_max: u64,
    /// First byte of an answer, where the route names none, counted from the last byte sent.
    pub first_byte_ms_max: u64,
    /// Silence inside a body, of the client or of the backend. An event stream must ping more often.
    pub body_idle_ms_max: u64,
    /// Silence inside a tunnel, in both directions together.
    pub tunnel_idle_ms_max: u64,
    /// An unused connection to a backend is closed after this; backends close theirs after 5 s and more.
    pub keep_alive_ms_max: u64,
    /// Unused connections kept by each core for each backend.
    pub keep_alive_connections_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_ms_max: 3_000,
            first_byte_ms_max: 30_000,
            body_idle_ms_max: 120_000,
            tunnel_idle_ms_max: 600_000,
            keep_alive_ms_max: 30_000,
            keep_alive_connections_max: 64,
        }
    }
}

impl Proxy {
    /// A proxy that signs who is calling with `signer`.
    #[must_use]
    pub fn new(world: World, signer: Signer, settings: Settings) -> Self {
        let upstream = Upstream::new(&patient(settings));
        Self::over(world, signer, settings, upstream)
    }

    /// One that also reaches the backends that the configuration lets it: by TLS, by sockets.
    ///
    /// # Errors
    /// A file that it names and that cannot be used.
    pub fn reaching(
        world: World,
        signer: Signer,
        settings: Settings,
        reach: Reach,
    ) -> Result<Self, TrustError> {
        let upstream = Upstream::reaching(&patient(settings), reach)?;
        Ok(Self::over(world, signer, settings, upstream))
    }

    fn over(world: World, signer: Signer, settings: Settings, upstream: Arc<Upstream>) -> Self {
        let identity = Identity::new(world.clone(), signer);
        Self { identity, upstream, settings, fleet: Fleet::default(), checks: Checks::default(), world }
    }

    /// Reads the files by which backends are believed again, where they changed.
    pub fn refresh(&self) {
        self.upstream.refresh();
    }

    /// Reads the files of what is to be reached instead, from [`Reaching::done`] on.
    ///
    /// # Errors
    /// A file that it names and that cannot be used.
    pub fn change(&self, reach: Reach) -> Result<Reaching, TrustError> {
        self.upstream.instead(reach)
    }

    /// The key that verifies `Portcullis-Assertion`, as a JWK set (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        self.identity.jwks()
    }

    /// Sends the request to the route's backend. Nothing is buffered, either way. The answer's
    /// body and a tunnel end with an error as soon as the permit is cancelled. A request whose
    /// first byte may have reached a backend is sent again only where it has no body, its method
    /// is idempotent (RFC 9110 9.2.2) and the connection was an old one that turned out closed. To
    /// another backend it is sent only where this holds and nothing of it was sent.
    ///
    /// # Errors
    /// What the caller must show: a broken request, or a backend that is down, slow or broken.
    pub fn forward<'a>(
        &'a self,
        permit: Permit,
        route: &'a Destination,
        origin: Origin<'a>,
        request: Box<Request<Body>>,
    ) -> impl Future<Output = Result<Response<Body>, Reason>> + Send + 'a {
        self.pass(permit, route, origin, request, None)
    }

    /// With the receipt of a confirmed request, or none.
    pub(super) async fn pass(
        &self,
        permit: Permit,
        route: &Destination,
        origin: Origin<'_>,
        request: Box<Request<Body>>,
        receipt: Option<&str>,
    ) -> Result<Response<Body>, Reason> {
        let ready = self.make_ready(route, origin, request)?;
        let Ready { mut head, body, tunnel, hints, whereto, trailers } = ready;
        if let Some(receipt) = receipt {
            let receipt = HeaderValue::try_from(receipt).map_err(|_| Reason::Internal)?;
            head.headers.insert(CONFIRMATION, receipt);
        }
        let (ours, tunnels) = (self.ours(&permit, route, origin)?, tunnel.is_some());
        let until = route.waits.total.map(|total| Instant::now() + total);
        let sending = Sending {
            once: receipt.is_some(),
            route,
            origin,
            permit: &permit,
            cancel: permit.cancel(),
            until,
            hints,
            whereto,
        };
        let (answer, held) = self.send(&sending, (head, ours), body, tunnels, trailers).await?;
        let broken = |why: &dyn std::fmt::Display| {
            sending.failed(held.member(), Reason::BackendBroken(Box::default()), why, true)
        };
        headers::check_answer(&answer.head, tunnels).map_err(|why| broken(&why))?;
        match answer.head.status {
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                route.failed(held.member(), &format_args!("it answered {}", answer.head.status));
            }
            _ => route.answered(&held),
        }
        if let Some((asked, client)) = tunnel
            && answer.head.status == StatusCode::SWITCHING_PROTOCOLS
        {
            if !upgrade::taken(&asked, &answer.head) {
                return Err(broken(&"the WebSocket was not accepted rightly"));
            }
            let (head, backend) = answer.into_tunnel().ok_or(Reason::Internal)?;
            let idle = route.waits.tunnel_idle;
            return Ok(upgrade::join(&asked, client, head, (backend, held), permit.clone(), idle));
        }
        let (head, rest) = answer.rest().map_err(|why| broken(&why))?;
        let answer = self.answer(permit, route, head, rest, held);
        Ok(match until {
            None => answer,
            Some(until) => answer.map(|body| Body::new(InTime::new(body, until))),
        })
    }

    /// The request as it is sent, but for what is ours to say. Apart, so that nothing of what came is kept beside it.
    #[inline]
    fn make_ready(
        &self,
        route: &Destination,
        origin: Origin<'_>,
        mut request: Box<Request<Body>>,
    ) -> Result<Ready, Reason> {
        route.open()?;
        headers::check_request(&request, route)?;
        let tunnel = upgrade::asked(&request, origin.host, &self.world)?.map(|asked| {
            let client = upgrade::Client::of(&asked, &mut request);
            (asked, client)
        });
        let hints = request.extensions_mut().remove::<Hints>();
        let whereto = request.extensions_mut().remove::<Whereto>();
        let (parts, body) = request.into_parts();
        let trailers = !body.is_end_stream() && parts.headers.contains_key(TRAILER);
        let head = self.head(route, parts, &body, tunnel.as_ref().map(|(asked, _)| asked))?;
        Ok(Ready { head, body, tunnel, hints, whereto, trailers })
    }

    /// The client's head as the backend gets it: cleaned, with the path that it has there.
    fn head(
        &self,
        route: &Destination,
        mut parts: Parts,
        body: &Body,
        tunnel: Option<&upgrade::Asked>,
    ) -> Result<Parts, Reason> {
        headers::clean_request(&mut parts.headers);
        if let Some(asked) = tunnel {
            upgrade::set(&mut parts.headers, asked)?;
        }
        if !body.is_end_stream() && body.size_hint().exact().is_none() {
            // hyper leaves the body of a GET or HEAD out where nothing says that there is one.
            parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        } else if body.is_end_stream() && matches!(parts.method, Method::POST | Method::PUT | Method::PATCH) {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let path = parts.uri.path_and_query().ok_or(Reason::BadRequest("the request names no path"))?;
        parts.uri = route.target(path)?;
        if route.rewrite.is_some() {
            let prefix = HeaderValue::try_from(route.path_prefix.trim_end_matches('/'));
            parts.headers.insert("x-forwarded-prefix", prefix.map_err(|_| Reason::Internal)?);
        }
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        Ok(parts)
    }

    /// The answer as the client gets it; its connection returns to the pool at its end.
    fn answer(
        &self,
        permit: Permit,
        route: &Destination,
        mut head: response::Parts,
        mut rest: Rest,
        held: Held,
    ) -> Response<Body> {
        headers::clean_answer(&mut head.headers);
        head.version = Version::HTTP_11;
        head.extensions.clear();
        if head.status == StatusCode::NO_CONTENT {
            // It has no length either (RFC 9110 8.6).
            head.headers.remove(CONTENT_LENGTH);
        }
        // Over HTTP/2 a backend can send what belongs to no answer of this kind (RFC 9110 15.3.5, 15.4.5).
        let bodiless = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if rest.is_end_stream() || bodiless {
            self.upstream.give_back(rest.finish());
            // The length of what a HEAD request did not ask for stays in the head.
            return Response::from_parts(head, Body::empty());
        }
        if let Some(whole) = rest.whole() {
            self.upstream.give_back(rest.finish());
            return Response::from_parts(head, Body::from(whole));
        }
        let body = Download::new(rest, Arc::clone(&self.upstream), permit, route.waits.body_idle);
        Response::from_parts(head, Body::new(UnderWay::new(body, held)))
    }
}

/// A request that was made ready.
struct Ready {
    head: Parts,
    body: Body,
    tunnel: Option<(upgrade::Asked, (upgrade::Client, Option<upgrade::Joined>))>,
    hints: Option<Hints>,
    whereto: Option<Whereto>,
    /// Whether some are announced.
    trailers: bool,
}

/// A route may wait longer for a connection than is usual; who connects for one says how long.
fn patient(settings: Settings) -> Settings {
    Settings { connect_ms_max: CONNECT_MS_MAX, ..settings }
}

/// No route waits longer for a connection.
const CONNECT_MS_MAX: u64 = 60_000;
