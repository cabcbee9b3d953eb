//! One request from its head to the end of its answer, as the operator's tools see it. Costs next to nothing
//! where neither lines nor spans are wanted; decides nothing.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::Outside;
use super::record::{BACKEND, GATE, PLAIN, Record, name};
use super::traffic::{Counted, Ending};
use crate::auth::evidence::{CertificateEvidence, Evidence};
use crate::domain::certificate::Serial;
use crate::domain::{PersonId, Reason};
use crate::front::door::{Door, Room};
use crate::front::peer::Peer;
use crate::proxy::{Destination, Lasting};

/// A request under way. Dropped before it is answered, it tells of a client that went
/// away, or of a connection that was cut.
pub(in crate::front) struct Trip<'a> {
    outside: &'a Arc<Outside>,
    /// None on the plain listener.
    peer: Option<&'a Peer>,
    door: Option<&'a Door>,
    http2: bool,
    began: Instant,
    method: Method,
    room: &'static str,
    route: Option<Arc<Destination>>,
    asked: Option<Instant>,
    backend: Option<(Ending, Option<Duration>)>,
    /// When the backend had answered, or failed to.
    heard: Option<Instant>,
    record: Option<Box<Record>>,
    answered: bool,
}

impl<'a> Trip<'a> {
    /// Sees to the request's trace, too. The page of a refusal whose status was told is part of the request that it was
    /// told of: this has its line and was counted.
    pub(in crate::front) fn begin<B>(
        outside: &'a Arc<Outside>,
        peer: &'a Peer,
        request: &mut Request<B>,
    ) -> Self {
        let (trace, wanted) = outside.begins(request.headers_mut(), peer.address.ip());
        let record = (wanted && peer.told.is_none()).then(|| {
            let mut record = Box::new(Record::begin(peer, request, outside.world.now()));
            record.trace = trace;
            request.extensions_mut().insert(record.whereto.clone());
            record
        });
        let mut trip = Self::of(outside, Some(&peer.door), peer.http2, GATE, request, record);
        trip.peer = Some(peer);
        trip
    }

    /// One without TLS; `door`, by its name, is whose page it asks for.
    pub(in crate::front) fn plain<B>(
        outside: &'a Arc<Outside>,
        door: Option<(String, &'a Arc<Door>)>,
        from: IpAddr,
        request: &Request<B>,
    ) -> Self {
        let at = door.as_ref().map(|(_, door)| &***door);
        let record =
            outside.logs().then(|| Box::new(Record::plain(door, from, request, outside.world.now())));
        Self::of(outside, at, false, PLAIN, request, record)
    }

    fn of<B>(
        outside: &'a Arc<Outside>,
        door: Option<&'a Door>,
        http2: bool,
        room: &'static str,
        request: &Request<B>,
        record: Option<Box<Record>>,
    ) -> Self {
        Self {
            outside,
            peer: None,
            door,
            http2,
            began: Instant::now(),
            method: request.method().clone(),
            room,
            route: None,
            asked: None,
            backend: None,
            heard: None,
            record,
            answered: false,
        }
    }

    /// The number that its pages show.
    pub(in crate::front) fn numbered(&mut self, number: &str) {
        if let Some(record) = &mut self.record {
            number.clone_into(&mut record.number);
        }
    }

    /// It was not meant for the door that it came to.
    pub(in crate::front) fn misdirected(&mut self, reason: &Reason) {
        self.refused(reason);
        if let Some(record) = &mut self.record {
            record.hide();
        }
    }

    /// Who it is.
    pub(in crate::front) fn proved(&mut self, evidence: &Evidence) {
        let Some(record) = &mut self.record else { return };
        let (serial, person) = match evidence.certificate() {
            CertificateEvidence::Proved(proved) => (&proved.certificate().serial, proved.person_id()),
            CertificateEvidence::Ended(ended) => (&ended.certificate().serial, &ended.person().id),
            CertificateEvidence::Absent | CertificateEvidence::Rejected { .. } => return,
        };
        record.serial = Some(serial.to_string());
        record.person = Some(person.to_string());
    }

    /// Whose certificate was refused, where it is one of ours.
    pub(in crate::front) fn belongs(&mut self, (serial, person): &(Serial, Option<PersonId>)) {
        let Some(record) = &mut self.record else { return };
        record.serial.get_or_insert_with(|| serial.clone());
        record.person = record.person.take().or_else(|| person.as_ref().map(ToString::to_string));
    }

    /// It goes to a room of ours.
    pub(in crate::front) fn enters(&mut self, room: Room) {
        self.room = name(room);
    }

    /// It goes to a backend.
    pub(in crate::front) fn asks(&mut self, route: &Arc<Destination>) {
        self.room = BACKEND;
        self.route = Some(Arc::clone(route));
        self.asked = Some(Instant::now());
    }

    /// Another proxy asks about it, which sends it to a backend itself.
    pub(in crate::front) fn fits(&mut self, route: &Arc<Destination>) {
        self.route = Some(Arc::clone(route));
    }

    /// What the backend answered.
    pub(in crate::front) fn heard<R>(&mut self, answer: &Result<R, Reason>) {
        let ending = match answer {
            Ok(_) => Ending::Answered,
            Err(Reason::BackendDown(_)) => Ending::Down,
            Err(Reason::BackendSlow(_)) => Ending::Slow,
            Err(Reason::BackendBroken(_)) => Ending::Broken,
            Err(Reason::BackendBusy(_)) => Ending::NotSent,
            // What was refused before a backend was asked, a closed route's requests among it, is no fault of one.
            Err(_) => {
                self.room = GATE;
                Ending::NotSent
            }
        };
        let now = Instant::now();
        // What no backend got took none of its time.
        let was_sent = matches!(ending, Ending::Answered | Ending::Slow | Ending::Broken);
        self.backend = self.asked.map(|asked| (ending, was_sent.then(|| now - asked)));
        self.heard = Some(now);
    }

    /// Why it is refused.
    pub(in crate::front) fn refused(&mut self, reason: &Reason) {
        let why = self.outside.refused(reason);
        if let Some(record) = &mut self.record {
            record.refused = Some(why);
        }
    }

    /// Its answer, whose end is written down.
    pub(in crate::front) fn answered(mut self, mut response: Response<Body>) -> Response<Body> {
        let record = self.head(response.status());
        let Some(record) = record else { return response };
        let follow = Follow { record, began: self.began, outside: Arc::clone(self.outside) };
        if let Some(lasting) = response.extensions_mut().remove::<Lasting>() {
            tokio::spawn(async move {
                let (bytes, complete) = lasting.over().await;
                follow.end(bytes, complete);
            });
            return response;
        }
        if response.body().is_end_stream() {
            follow.end(0, true);
            return response;
        }
        response.map(|body| Body::new(Followed { body, bytes: 0, ended: false, follow: Some(follow) }))
    }

    /// Counts it as it stands at the head of its answer.
    fn head(&mut self, status: StatusCode) -> Option<Box<Record>> {
        self.answered = true;
        if self.peer.is_some_and(|peer| peer.told.is_some()) {
            return None;
        }
        if self.backend.is_none()
            && let Some(asked) = self.asked
        {
            self.backend = Some((Ending::Gone, Some(asked.elapsed())));
        }
        let tenant = self.door.and_then(Door::tenant).map_or("", |tenant| tenant.as_str());
        let route = self.route.as_ref().map_or("", |route| route.name.as_str());
        self.outside.traffic.place(tenant, self.room, route).count(&Counted {
            method: &self.method,
            http2: self.http2,
            status,
            took: self.heard.unwrap_or_else(Instant::now) - self.began,
            backend: self.backend,
        });
        let mut record = self.record.take()?;
        record.room = self.room;
        record.route = self.route.take();
        record.status = status.as_u16();
        // Of a request that ended before, nobody knows how long the backend would have taken.
        record.upstream =
            self.backend.filter(|(ending, _)| *ending != Ending::Gone).and_then(|(_, took)| took);
        Some(record)
    }
}

impl Drop for Trip<'_> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let status = if std::thread::panicking() { StatusCode::INTERNAL_SERVER_ERROR } else { gone() };
        if let Some(mut record) = self.head(status) {
            record.refused = record.refused.or_else(|| self.peer.and_then(cut));
            Follow { record, began: self.began, outside: Arc::clone(self.outside) }.end(0, false);
        }
    }
}

/// Why the gate itself ended the request before its answer, where it did.
fn cut(peer: &Peer) -> Option<&'static str> {
    peer.cancel.is_cancelled().then(|| if peer.draining.is_cancelled() { "closing" } else { "withdrawn" })
}

/// As others write it where the client closed before an answer.
fn gone() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

/// What is written down once the answer has ended.
struct Follow {
    record: Box<Record>,
    began: Instant,
    outside: Arc<Outside>,
}

impl Follow {
    fn end(mut self, bytes: u64, complete: bool) {
        self.record.bytes = bytes;
        self.record.complete = complete;
        self.record.took = self.began.elapsed();
        self.outside.write_down(Arc::from(self.record));
    }
}

/// A body that is followed to its end.
struct Followed {
    body: Body,
    bytes: u64,
    ended: bool,
    follow: Option<Follow>,
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64),
            Some(Err(_)) => {}
            None => self.ended = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        // A server that knows the length does not ask for the end.
        let complete = self.ended || self.body.is_end_stream() || self.body.size_hint().exact() == Some(0);
        if let Some(follow) = self.follow.take() {
            follow.end(self.bytes, complete);
        }
    }
}
