//! One request on its way to one of its route's backends, and perhaps on to another. What is sent twice and what
//! never is decided here. Makes no head.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::request::Parts;
use http::{Request, Response};
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::body::{Progress, Upload};
use super::destination::{Destination, Tries};
use super::forward::{Origin, Proxy};
use super::member::{Held, Member};
use super::upstream::{ConnectError, Line, Want, Whole, refused};
use crate::domain::Reason;
use crate::policy::Permit;

/// One request under way.
pub(super) struct Sending<'a> {
    /// Over a new connection, and never again.
    pub(super) once: bool,
    pub(super) route: &'a Destination,
    pub(super) origin: Origin<'a>,
    pub(super) permit: &'a Permit,
    pub(super) cancel: &'a CancellationToken,
}

/// How a request may be sent.
struct How {
    /// Whether again: it has no body and its method is idempotent.
    again: bool,
    tunnel: bool,
    progress: Option<Arc<Progress>>,
}

/// Why no answer came over a connection.
struct Broken {
    reason: Reason,
    error: Option<Box<dyn std::error::Error + Send + Sync>>,
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
            Some(head) if self.error.as_ref().and_then(|e| e.downcast_ref()).is_some_and(closed) => {
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
            let mut deadline = Instant::now() + self.route.waits.first_byte;
            loop {
                tokio::select! {
                    biased;
                    answer = &mut sent => break answer,
                    () = self.cancel.cancelled() => return Err(Broken::by(WITHDRAWN)),
                    () = tokio::time::sleep_until(deadline) => {
                        let next = progress.map_or(deadline, |progress| progress.last() + self.route.waits.first_byte);
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
                Err(Broken { reason: Reason::BackendBroken, error: Some(Box::new(error)), unsent })
            }
        }
    }

    /// What is told of it, and what may be sent to another backend.
    fn give_up(&self, member: &Arc<Member>, broken: Broken) -> (Reason, Option<Box<Request<Upload>>>) {
        let Broken { reason, error, unsent } = broken;
        let reason = match error {
            Some(error) => self.failed(member, reason, &Whole(&*error)),
            None => self.failed(member, reason, &"no answer: too late, or the request ended first"),
        };
        (reason, unsent)
    }

    pub(super) fn failed(&self, member: &Arc<Member>, reason: Reason, why: &dyn std::fmt::Display) -> Reason {
        // What the client or the rules broke off says nothing of the backend.
        if matches!(reason, Reason::BackendDown | Reason::BackendSlow | Reason::BackendBroken) {
            self.route.failed(member);
        }
        tracing::warn!(
            request = self.origin.request_id,
            tenant = %self.route.tenant,
            route = self.route.name,
            backend = member.url,
            "{why}"
        );
        reason
    }
}

impl Proxy {
    /// Sends head and body to one of the route's backends; to another, where nothing of it was sent.
    pub(super) async fn send(
        &self,
        sending: &Sending<'_>,
        head: Parts,
        body: Body,
        tunnel: bool,
    ) -> Result<(Line, Response<Incoming>, Held), Reason> {
        let again = body.is_end_stream() && head.method.is_idempotent() && !sending.once;
        let how =
            How { again, tunnel, progress: (!body.is_end_stream()).then(|| Arc::new(Progress::start())) };
        let permit = how.progress.is_some().then(|| sending.permit.clone());
        let upload = Upload::new(body, how.progress.clone(), permit, sending.route.waits.body_idle);
        let mut request = Request::from_parts(head, upload);
        let (mut tries, mut last) = (Tries::none(), None);
        loop {
            let session = sending.permit.session().map(|session| session.token());
            // Where none is left, what the last one said is what is told.
            let held = match sending.route.choose(session, &mut tries) {
                Ok(held) => held,
                Err(none) => return Err(last.unwrap_or(none)),
            };
            let broken = match self.send_to(sending, held.member(), request, &how).await {
                Ok((line, answer)) => return Ok((line, answer, held)),
                Err(broken) => broken,
            };
            let (reason, unsent) = sending.give_up(held.member(), broken);
            match unsent {
                Some(unsent) if again && sending.route.again(&mut tries) => request = *unsent,
                _ => return Err(reason),
            }
            last = Some(reason);
        }
    }

    /// Sends it over a kept connection, or a new one.
    async fn send_to(
        &self,
        sending: &Sending<'_>,
        member: &Member,
        request: Request<Upload>,
        how: &How,
    ) -> Result<(Line, Response<Incoming>), Broken> {
        // A backend may close a connection just as we write to it. What cannot be sent twice
        // goes only over connections that were in use a moment ago.
        let fresh = if how.again { Duration::MAX } else { UNREPEATABLE_AGE_MAX };
        let fits = !how.tunnel && !sending.once;
        let kept = if fits { self.upstream.take(&member.backend, fresh) } else { None };
        let request = match kept {
            None => request,
            Some(line) => {
                let copy = how.again.then(|| copy_of(&request));
                match sending.over(line, request, how.progress.as_deref()).await {
                    Ok(done) => return Ok(done),
                    Err(broken) => broken.again(copy)?,
                }
            }
        };
        let want = match (how.tunnel, sending.once) {
            (true, _) => Want::Tunnel,
            (false, true) => Want::Fresh,
            (false, false) => Want::Any,
        };
        match self.connect(sending, member, want).await {
            Ok(line) => sending.over(line, request, how.progress.as_deref()).await,
            Err(broken) => Err(Broken { unsent: Some(Box::new(request)), ..broken }),
        }
    }

    async fn connect(&self, sending: &Sending<'_>, member: &Member, want: Want) -> Result<Line, Broken> {
        let line = self.upstream.connect(&member.backend, want);
        let line = tokio::time::timeout(sending.route.waits.connect, line);
        tokio::select! {
            biased;
            () = sending.cancel.cancelled() => Err(Broken::by(WITHDRAWN)),
            line = line => line.unwrap_or(Err(ConnectError::Slow)).map_err(|error| Broken {
                reason: error.reason(),
                error: Some(Box::new(error)),
                unsent: None,
            }),
        }
    }
}

/// A head once more; of its extensions nothing is left.
fn copy_of(request: &Request<Upload>) -> Parts {
    let mut copy = Request::new(()).into_parts().0;
    copy.method = request.method().clone();
    copy.uri = request.uri().clone();
    copy.version = request.version();
    copy.headers = request.headers().clone();
    copy
}

/// The permit ended while the request was under way; its connection is being cut.
const WITHDRAWN: Reason = Reason::PolicyDenied { rule: None };

/// Servers keep idle connections for seconds (Node 5, nginx 75, gunicorn 2): within one of
/// their last use the race of write against close is next to impossible.
const UNREPEATABLE_AGE_MAX: Duration = Duration::from_secs(1);
