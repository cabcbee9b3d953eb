//! One request on its way to one of its route's backends, and perhaps on to another. What is sent twice and what
//! never is decided here. Makes no head.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use http::request::Parts;
use hyper::body::Body as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::body::{Progress, Upload};
use super::destination::{Destination, Tries};
use super::errand::{Answered, Broken, Errand};
use super::forward::{Origin, Proxy};
use super::hints::Hints;
use super::member::{Held, Member};
use super::ours::Ours;
use super::total::Late;
use super::upstream::{ConnectError, Line, Want, Whole};
use super::whereto::Whereto;
use crate::domain::{Fault, Reason};
use crate::policy::Permit;

/// One request under way.
pub(super) struct Sending<'a> {
    /// Over a new connection, and never again.
    pub(super) once: bool,
    pub(super) route: &'a Destination,
    pub(super) origin: Origin<'a>,
    pub(super) permit: &'a Permit,
    pub(super) cancel: &'a CancellationToken,
    /// When its answer must have ended, where the route says so.
    pub(super) until: Option<Instant>,
    /// Where what a backend says before its answer goes.
    pub(super) hints: Option<Hints>,
    /// Who wants to know where it goes.
    pub(super) whereto: Option<Whereto>,
}

/// How a request may be sent.
struct How {
    /// Whether again: it has no body and its method is idempotent.
    again: bool,
    tunnel: bool,
    /// Whether trailers are announced. Some backends, nginx among them, take them for a fault of the whole
    /// connection: whoever sends some ends nobody else's requests with it. Over HTTP/1.1 none are sent.
    trailers: bool,
    progress: Option<Arc<Progress>>,
}

impl Sending<'_> {
    /// What is told of it, and what may be sent to another backend.
    fn give_up(&self, member: &Arc<Member>, mut broken: Broken) -> (Reason, Option<Box<Errand>>) {
        let (unsent, blamed) = (broken.unsent().filter(|_| !self.is_over()), broken.blamed);
        let reason = match broken.why {
            Some(why) => self.failed(member, broken.reason, &Whole(&*why), blamed),
            None => self.failed(member, broken.reason, &"the request ended before it was answered", blamed),
        };
        (reason, unsent)
    }

    /// What is told of it. `blamed` is whether it says anything of the backend, where it was its doing at all.
    pub(super) fn failed(
        &self,
        member: &Arc<Member>,
        mut reason: Reason,
        why: &dyn std::fmt::Display,
        blamed: bool,
    ) -> Reason {
        // What the client or the rules broke off says nothing of the backend; the line of the refusal tells of it.
        let mut is_news = false;
        if let Reason::BackendDown(fault) | Reason::BackendSlow(fault) | Reason::BackendBroken(fault) =
            &mut reason
        {
            is_news = blamed && self.route.failed(member, why);
            let (route, backend) = (self.route.name.clone(), Some(member.url.clone()));
            **fault = Fault { route, backend, why: why.to_string() };
        }
        let (request, route) = (self.origin.request_id, self.route);
        if is_news {
            tracing::warn!(request, tenant = %route.tenant, route = route.name, backend = member.url, "{why}");
        } else {
            tracing::debug!(request, tenant = %route.tenant, route = route.name, backend = member.url, "{why}");
        }
        reason
    }

    /// Whether its time in all is over.
    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }

    /// `deadline`, or before where its time in all is over before.
    pub(super) fn within(&self, deadline: Instant) -> Instant {
        self.until.map_or(deadline, |until| until.min(deadline))
    }

    /// Its time in all is over, where it is. Who had less than half of it is not to blame: the client, or the backend that
    /// was asked before, had the rest.
    pub(super) fn too_long(&self, since: Instant) -> Option<Broken> {
        let total = self.route.waits.total.filter(|_| self.is_over())?;
        let mut broken = Broken::late(Late::Total(total));
        broken.blamed = since.elapsed() >= total / 2;
        Some(broken)
    }
}

impl Proxy {
    /// Sends head and body to one of the route's backends; to another, where nothing of it was sent.
    pub(super) async fn send(
        &self,
        sending: &Sending<'_>,
        (head, ours): (Parts, Ours),
        body: Body,
        tunnel: bool,
        trailers: bool,
    ) -> Result<(Answered, Held), Reason> {
        let again = body.is_end_stream() && head.method.is_idempotent() && !sending.once;
        let how = How {
            again,
            tunnel,
            trailers,
            progress: (!body.is_end_stream()).then(|| Arc::new(Progress::start())),
        };
        let permit = how.progress.is_some().then(|| sending.permit.clone());
        let upload = Upload::new(body, how.progress.clone(), permit, sending.route.waits.body_idle);
        let upload = upload.announcing(trailers);
        let mut errand = Some(Errand::Whole(Request::from_parts(head, upload), ours));
        let (mut tries, mut last) = (Tries::none(), None);
        loop {
            let session = sending.permit.session().map(|session| session.token());
            // Where none is left, what the last one said is what is told.
            let held = match sending.route.choose(session, &mut tries) {
                Ok(held) => held,
                Err(none) => return Err(last.unwrap_or(none)),
            };
            if let Some(whereto) = &sending.whereto {
                whereto.is(held.member());
            }
            let broken = match self.send_to(sending, held.member(), &mut errand, &how).await {
                Ok(answered) => return Ok((answered, held)),
                Err(broken) => broken,
            };
            let (reason, unsent) = sending.give_up(held.member(), broken);
            match unsent {
                Some(unsent) if again && sending.route.again(&mut tries) => errand = Some(*unsent),
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
        errand: &mut Option<Errand>,
        how: &How,
    ) -> Result<Answered, Broken> {
        // A backend may close a connection just as we write to it. What cannot be sent twice
        // goes only over connections that were in use a moment ago.
        let fresh = if how.again { Duration::MAX } else { UNREPEATABLE_AGE_MAX };
        let alone = sending.once || (how.trailers && member.backend.may_share());
        let fits = !how.tunnel && !alone && !is_written(errand.as_ref());
        let kept = if fits { self.upstream.take(&member.backend, fresh) } else { None };
        if let Some(line) = kept {
            match sending.over(line, errand, how.again, how.progress.as_deref()).await {
                Ok(answered) => return Ok(answered),
                Err(broken) => *errand = Some(broken.again()?),
            }
        }
        let want = match (how.tunnel || is_written(errand.as_ref()), alone) {
            (true, _) => Want::Own,
            (false, true) => Want::Fresh,
            (false, false) => Want::Any,
        };
        // In a box: most requests open no connection, and none needs room for it.
        match Box::pin(self.connect(sending, member, want)).await {
            Ok(line) => sending.over(line, errand, false, how.progress.as_deref()).await,
            Err(broken) => Err(broken.not_begun(errand.take())),
        }
    }

    async fn connect(&self, sending: &Sending<'_>, member: &Member, want: Want) -> Result<Line, Broken> {
        let (began, patience) = (Instant::now(), sending.route.waits.connect);
        let line = self.upstream.connect(&member.backend, want);
        let line = tokio::time::timeout_at(sending.within(began + patience), line);
        tokio::select! {
            biased;
            () = sending.cancel.cancelled() => Err(Broken::by(WITHDRAWN)),
            line = line => match line {
                Ok(line) => line.map_err(|error: ConnectError| {
                    let blamed = !error.is_ours();
                    let mut broken = Broken::because(error.reason(), Box::new(error));
                    broken.blamed = blamed;
                    broken
                }),
                Err(_) => Err(sending.too_long(began).unwrap_or_else(|| Broken::late(Late::Connect(patience)))),
            }
        }
    }
}

/// Whether only HTTP/1.1 can take it.
const fn is_written(errand: Option<&Errand>) -> bool {
    matches!(errand, Some(Errand::Written(_)))
}

/// The permit ended while the request was under way; its connection is being cut.
pub(super) const WITHDRAWN: Reason = Reason::PolicyDenied { rule: None };

/// Servers keep idle connections for seconds (Node 5, nginx 75, gunicorn 2): within one of
/// their last use the race of write against close is next to impossible.
const UNREPEATABLE_AGE_MAX: Duration = Duration::from_secs(1);
