//! Forwards one permitted request and brings its answer back. Does not decide who may: it
//! takes a [`Permit`]; does not render pages: what goes wrong is a [`Reason`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::body::{Download, Progress, Upload};
use super::identity::Identity;
use super::receipt::CONFIRMATION;
use super::upstream::{Backend, Line, Reach, TrustError, Upstream, Want, refused};
use super::{headers, upgrade};
use crate::crypto::Signer;
use crate::domain::Reason;
use crate::domain::route::Route;
use crate::policy::Permit;
use crate::world::World;

/// Sends permitted requests to backends.
pub struct Proxy {
    pub(super) world: World,
    pub(super) identity: Identity,
    pub(super) upstream: Arc<Upstream>,
    pub(super) settings: Settings,
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
        let upstream = Upstream::new(&settings);
        Self { identity: Identity::new(world.clone(), signer), upstream, settings, world }
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
        let upstream = Upstream::reaching(&settings, reach)?;
        Ok(Self { identity: Identity::new(world.clone(), signer), upstream, settings, world })
    }

    /// Reads the files by which backends are believed again, where they changed.
    pub fn refresh(&self) {
        self.upstream.refresh();
    }

    /// The key that verifies `Portcullis-Assertion`, as a JWK set (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        self.identity.jwks()
    }

    /// Sends the request to the route's backend. Nothing is buffered, either way. The answer's
    /// body and a tunnel end with an error as soon as the permit is cancelled. A request whose
    /// first byte may have reached a backend is sent again only where it has no body, its method
    /// is idempotent (RFC 9110 9.2.2) and the connection was an old one that turned out closed.
    ///
    /// # Errors
    /// What the caller must show: a broken request, or a backend that is down, slow or broken.
    pub async fn forward(
        &self,
        permit: Permit,
        route: &Route,
        origin: Origin<'_>,
        request: Request<Body>,
    ) -> Result<Response<Body>, Reason> {
        self.pass(permit, route, origin, request, None).await
    }

    /// With the receipt of a confirmed request, or none.
    pub(super) async fn pass(
        &self,
        permit: Permit,
        route: &Route,
        origin: Origin<'_>,
        mut request: Request<Body>,
        receipt: Option<&str>,
    ) -> Result<Response<Body>, Reason> {
        headers::check_request(&request, route)?;
        let backend = Backend::parse(&route.backend).map_err(|error| {
            tracing::error!(route = route.name, backend = route.backend, %error, "correct the route");
            Reason::BackendDown
        })?;
        let tunnel = upgrade::asked(&request, origin.host, &self.world)?
            .map(|asked| (asked, hyper::upgrade::on(&mut request)));
        let (parts, body) = request.into_parts();
        let asked = tunnel.as_ref().map(|(asked, _)| asked);
        let mut head = self.head(&permit, route, origin, parts, &body, asked)?;
        if let Some(receipt) = receipt {
            put(&mut head.headers, CONFIRMATION, receipt.to_owned())?;
        }
        let sending = Sending {
            once: receipt.is_some(),
            route,
            origin,
            permit: &permit,
            cancel: permit.cancel(),
            first_byte: Duration::from_millis(match route.first_byte_ms_max {
                0 => self.settings.first_byte_ms_max,
                ms => ms,
            }),
        };
        let (line, answer) = self.send(&sending, &backend, head, body, tunnel.is_some()).await?;
        headers::check_answer(&answer, tunnel.is_some())
            .map_err(|why| sending.failed(Reason::BackendBroken, &why))?;
        if let Some((asked, client)) = tunnel
            && answer.status() == StatusCode::SWITCHING_PROTOCOLS
        {
            if !upgrade::taken(&asked, &answer) {
                return Err(sending.failed(Reason::BackendBroken, &"the WebSocket was not accepted rightly"));
            }
            let idle = Duration::from_millis(self.settings.tunnel_idle_ms_max);
            return Ok(upgrade::join(&asked, client, answer, line, permit.clone(), idle));
        }
        Ok(self.answer(permit, answer, line))
    }

    /// The head as the backend gets it: theirs cleaned, then ours put in.
    fn head(
        &self,
        permit: &Permit,
        route: &Route,
        origin: Origin<'_>,
        mut parts: Parts,
        body: &Body,
        tunnel: Option<&upgrade::Asked>,
    ) -> Result<Parts, Reason> {
        headers::clean_request(&mut parts.headers);
        headers::set_forwarded(&mut parts.headers, origin)?;
        self.identity.set(&mut parts.headers, permit, route, origin.host)?;
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
        parts.uri = Uri::from(path.clone());
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        Ok(parts)
    }

    /// Sends head and body over a kept connection, or a new one.
    async fn send(
        &self,
        sending: &Sending<'_>,
        backend: &Backend,
        head: Parts,
        body: Body,
        tunnel: bool,
    ) -> Result<(Line, Response<Incoming>), Reason> {
        let again = body.is_end_stream() && head.method.is_idempotent() && !sending.once;
        // A backend may close a connection just as we write to it. What cannot be sent twice
        // goes only over connections that were in use a moment ago.
        let fresh = if again { Duration::MAX } else { UNREPEATABLE_AGE_MAX };
        let kept = if tunnel || sending.once { None } else { self.upstream.take(backend, fresh) };
        let progress = (!body.is_end_stream()).then(|| Arc::new(Progress::start()));
        let idle = Duration::from_millis(self.settings.body_idle_ms_max);
        let permit = progress.is_some().then(|| sending.permit.clone());
        let upload = Upload::new(body, progress.clone(), permit, idle);
        let request = match kept {
            None => Request::from_parts(head, upload),
            Some(line) => {
                let copy = again.then(|| copy_of(&head));
                match sending.over(line, Request::from_parts(head, upload), progress.as_deref()).await {
                    Ok(done) => return Ok(done),
                    Err(broken) => broken.again(copy).map_err(|broken| sending.give_up(broken))?,
                }
            }
        };
        let want = match (tunnel, sending.once) {
            (true, _) => Want::Tunnel,
            (false, true) => Want::Fresh,
            (false, false) => Want::Any,
        };
        let line = self.connect(sending, backend, want).await?;
        sending.over(line, request, progress.as_deref()).await.map_err(|broken| sending.give_up(broken))
    }

    async fn connect(&self, sending: &Sending<'_>, backend: &Backend, want: Want) -> Result<Line, Reason> {
        tokio::select! {
            biased;
            () = sending.cancel.cancelled() => Err(WITHDRAWN),
            line = self.upstream.connect(backend, want) => line.map_err(|e| sending.failed(e.reason(), &e)),
        }
    }

    /// The answer as the client gets it; its connection returns to the pool at its end.
    fn answer(&self, permit: Permit, answer: Response<Incoming>, line: Line) -> Response<Body> {
        let (mut parts, body) = answer.into_parts();
        headers::clean_answer(&mut parts.headers);
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        if body.is_end_stream() {
            self.upstream.give_back(line);
            // The length of what a HEAD request did not ask for stays in the head.
            return Response::from_parts(parts, Body::empty());
        }
        let idle = Duration::from_millis(self.settings.body_idle_ms_max);
        let body = Download::new(body, line, Arc::clone(&self.upstream), permit, idle);
        Response::from_parts(parts, Body::new(body))
    }
}

/// One request under way.
struct Sending<'a> {
    /// Over a new connection, and never again.
    once: bool,
    route: &'a Route,
    origin: Origin<'a>,
    permit: &'a Permit,
    cancel: &'a CancellationToken,
    first_byte: Duration,
}

/// Why no answer came over a connection.
struct Broken {
    reason: Reason,
    error: Option<hyper::Error>,
    /// The request, where not a byte of it was written.
    unsent: Option<Box<Request<Upload>>>,
}

impl Broken {
    fn by(reason: Reason) -> Self {
        Self { reason, error: None, unsent: None }
    }

    /// What may be sent over another connection: the request itself where nothing of it was
    /// written, its copy where the connection was found closed.
    fn again(mut self, copy: Option<Parts>) -> Result<Request<Upload>, Self> {
        if let Some(request) = self.unsent.take() {
            return Ok(*request);
        }
        let closed =
            |e: &hyper::Error| e.is_incomplete_message() || e.is_canceled() || e.is_closed() || refused(e);
        match copy {
            Some(head) if self.error.as_ref().is_some_and(closed) => {
                Ok(Request::from_parts(head, Upload::none()))
            }
            _ => Err(self),
        }
    }
}

impl Sending<'_> {
    /// Sends over one connection and waits for the head of the answer. The wait starts anew
    /// with each piece of the request's body: a long upload is no slow backend.
    async fn over(
        &self,
        mut line: Line,
        request: Request<Upload>,
        progress: Option<&Progress>,
    ) -> Result<(Line, Response<Incoming>), Broken> {
        let answer = {
            let sent = line.send(request);
            tokio::pin!(sent);
            let mut deadline = Instant::now() + self.first_byte;
            loop {
                tokio::select! {
                    biased;
                    answer = &mut sent => break answer,
                    () = self.cancel.cancelled() => return Err(Broken::by(WITHDRAWN)),
                    () = tokio::time::sleep_until(deadline) => {
                        let next = progress.map_or(deadline, |progress| progress.last() + self.first_byte);
                        if next <= Instant::now() {
                            return Err(Broken::by(Reason::BackendSlow));
                        }
                        deadline = next;
                    }
                }
            }
        };
        match answer {
            Ok(answer) => Ok((line, answer)),
            Err(mut error) => {
                let unsent = error.take_message().map(Box::new);
                let error = error.into_error();
                if self.cancel.is_cancelled() {
                    return Err(Broken::by(WITHDRAWN));
                }
                if progress.is_some_and(Progress::client_failed) {
                    return Err(Broken::by(Reason::BadRequest("the body of the request did not arrive")));
                }
                Err(Broken { reason: Reason::BackendBroken, error: Some(error), unsent })
            }
        }
    }

    fn give_up(&self, broken: Broken) -> Reason {
        match &broken.error {
            Some(error) => self.failed(broken.reason, error),
            None => self.failed(broken.reason, &"no answer: too late, or the request ended first"),
        }
    }

    fn failed(&self, reason: Reason, why: &dyn std::fmt::Display) -> Reason {
        tracing::warn!(
            request = self.origin.request_id,
            tenant = %self.route.tenant,
            route = self.route.name,
            backend = self.route.backend,
            "{why}"
        );
        reason
    }
}

/// A head once more; of its extensions nothing is left.
fn copy_of(head: &Parts) -> Parts {
    let mut copy = Request::new(()).into_parts().0;
    copy.method = head.method.clone();
    copy.uri = head.uri.clone();
    copy.version = head.version;
    copy.headers = head.headers.clone();
    copy
}

/// Puts one value under a name, in place of all others.
pub(super) fn put(headers: &mut HeaderMap, name: &'static str, value: String) -> Result<(), Reason> {
    let value =
        HeaderValue::try_from(value).map_err(|_| Reason::BadRequest("the host cannot be forwarded"))?;
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

/// The permit ended while the request was under way; its connection is being cut.
const WITHDRAWN: Reason = Reason::PolicyDenied { rule: None };

/// Servers keep idle connections for seconds (Node 5, nginx 75, gunicorn 2): within one of
/// their last use the race of write against close is next to impossible.
const UNREPEATABLE_AGE_MAX: Duration = Duration::from_secs(1);
