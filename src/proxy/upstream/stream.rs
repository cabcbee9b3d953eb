//! One request over a shared connection: a stream of HTTP/2 (RFC 9113 8). Whoever waits for the answer sends the body too;
//! where the answer begins before the body's end, a task goes on with it, so that neither waits for the other.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, Scheme};
use http::{Request, Response, StatusCode, Uri, Version, response};
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::link::Seat;
use super::uploads::Outflow;
use crate::proxy::body::{Cut, Upload};
use crate::proxy::hints::Hints;
use crate::proxy::windows::poll_room;

/// One request under way, up to the head of its answer.
pub(in crate::proxy) struct Stream {
    answer: ResponseFuture,
    upload: Option<Uploading>,
    /// Whether the backend has room for it among its streams.
    open: bool,
    interim: usize,
    /// Behind what is of the stream: the seat is free once that is gone.
    seat: Seat,
}

/// The body of an answer.
pub(in crate::proxy) struct Reply {
    body: RecvStream,
    /// How much is still to come, where the head says so. h2 holds the backend to it (RFC 9113 8.1.1).
    left: Option<u64>,
    only_trailers: bool,
    _upload: Option<AbortOnDropHandle<()>>,
    seat: Seat,
}

/// The body of a request, on its way.
struct Uploading {
    to: SendStream<Bytes>,
    body: Upload,
    piece: Bytes,
    /// Whether nothing follows the piece.
    last: bool,
    outflow: Outflow,
}

/// Why a shared connection brought no answer.
pub(in crate::proxy) struct Unanswered {
    pub(in crate::proxy) error: Broken,
    /// The request, where nothing of it was sent: whoever takes it next may speak HTTP/1.1.
    pub(in crate::proxy) unsent: Option<Request<Upload>>,
}

/// Why no answer came, or not all of it.
#[derive(Debug, thiserror::Error)]
pub(in crate::proxy) enum Broken {
    #[error("http2 error")]
    Http2(#[source] h2::Error),
    #[error("the connection to the backend broke: {0}")]
    Io(#[source] io::Error),
    #[error("the backend did not answer a PING in time")]
    Silent,
    #[error("the backend's answer broke off")]
    Incomplete,
    #[error("the backend's answer has too many interim answers before it")]
    Interim,
    #[error("the request's body broke off")]
    Upload(#[source] Cut),
}

impl Seat {
    /// Begins to send a request. One that is not `repeatable` goes over no connection that is known to be closed, also not
    /// if that has just been heard.
    pub(in crate::proxy) async fn begin(
        mut self,
        request: Request<Upload>,
        repeatable: bool,
    ) -> Result<Stream, Unanswered> {
        if !repeatable && self.is_first_for_a_while() {
            tokio::task::yield_now().await;
        }
        let ready = self.sender.poll_ready(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(Err(error)) = ready {
            return Err(Unanswered { error: self.broken(error), unsent: Some(request) });
        }
        let (head, body) = as_http2(request, &self.link.scheme).into_parts();
        let ends = body.is_end_stream();
        match self.sender.send_request(Request::from_parts(head, ()), ends) {
            Ok((answer, to)) => {
                let outflow = (!ends).then(|| self.outflow());
                let upload =
                    outflow.map(|outflow| Uploading { to, body, piece: Bytes::new(), last: false, outflow });
                Ok(Stream { answer, upload, open: false, interim: 0, seat: self })
            }
            Err(error) => Err(Unanswered { error: self.broken(error), unsent: None }),
        }
    }

    fn broken(&self, error: h2::Error) -> Broken {
        if self.link.was_silent() { Broken::Silent } else { error.into() }
    }
}

impl Stream {
    /// The head of the answer, once it has come; what is said before goes to `hints`. Not to be polled after that.
    pub(in crate::proxy) fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        hints: Option<&Hints>,
    ) -> Poll<Result<Response<RecvStream>, Broken>> {
        if self.poll_upload(cx)?.is_ready() {
            self.upload = None;
        }
        while let Poll::Ready(Some(interim)) = self.answer.poll_informational(cx) {
            let interim = interim.map_err(|error| self.seat.broken(error))?;
            if let Some(hints) = hints.filter(|_| interim.status() == StatusCode::EARLY_HINTS) {
                hints.early(interim.headers());
            }
            self.seat.link.heard();
            self.interim += 1;
            if self.interim > INTERIM_MAX {
                return Poll::Ready(Err(Broken::Interim));
            }
        }
        let answer = ready!(Pin::new(&mut self.answer).poll(cx));
        self.seat.link.heard();
        Poll::Ready(answer.map_err(|error| self.seat.broken(error)))
    }

    /// The body of the answer whose head this is.
    pub(in crate::proxy) fn reply(self, head: &response::Parts, body: RecvStream) -> Reply {
        let left = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let upload = self.upload.map(|mut upload| {
            AbortOnDropHandle::new(tokio::spawn(async move {
                if let Err(error) = poll_fn(|cx| upload.poll(cx)).await {
                    tracing::debug!(%error, "a request broke off behind the head of its answer");
                }
            }))
        });
        Reply { body, left, only_trailers: false, _upload: upload, seat: self.seat }
    }

    /// Ready where there is nothing more to send.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let Some(upload) = &mut self.upload else { return Poll::Ready(Ok(())) };
        if !self.open {
            // Where this fails, the answer tells why.
            let _ = ready!(self.seat.sender.poll_ready(cx));
            self.open = true;
        }
        upload.poll(cx)
    }
}

impl Uploading {
    /// Ready at the body's end, or where the backend wants no more of it: its answer tells why.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        loop {
            while !self.piece.is_empty() {
                let room = poll_room(&mut self.to, self.piece.len(), cx);
                if room.is_pending() {
                    self.outflow.waits(Instant::now());
                }
                let Ok(room) = ready!(room) else { return Poll::Ready(Ok(())) };
                self.outflow.has_room(room, self.piece.len(), Instant::now());
                let part = self.piece.split_to(room);
                let ends = self.last && self.piece.is_empty();
                if self.to.send_data(part, ends).is_err() || ends {
                    return Poll::Ready(Ok(()));
                }
            }
            if self.to.poll_reset(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            // What cannot be sent any more tells why by the answer.
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(cut)) => {
                    self.to.send_reset(Reason::CANCEL);
                    return Poll::Ready(Err(Broken::Upload(cut)));
                }
                None => {
                    let _ = self.to.send_data(Bytes::new(), true);
                    return Poll::Ready(Ok(()));
                }
            };
            match frame.into_data() {
                Ok(piece) => {
                    self.last = self.body.is_end_stream();
                    if self.last && piece.is_empty() {
                        let _ = self.to.send_data(piece, true);
                        return Poll::Ready(Ok(()));
                    }
                    self.piece = piece;
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        let _ = self.to.send_trailers(trailers);
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

impl Reply {
    pub(in crate::proxy) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if !self.only_trailers {
            match ready!(self.body.poll_data(cx)) {
                Some(Ok(data)) => {
                    self.seat.link.heard();
                    // No more is given back than was taken.
                    let _ = self.body.flow_control().release_capacity(data.len());
                    self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                // Said behind a whole answer: no more of the request is wanted (RFC 9113 8.1).
                Some(Err(error)) if error.reason() == Some(Reason::NO_ERROR) && error.is_reset() => {
                    let whole = self.left == Some(0);
                    return Poll::Ready((!whole).then_some(Err(Broken::Incomplete)));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(self.seat.broken(error)))),
                None => self.only_trailers = true,
            }
        }
        let trailers = ready!(self.body.poll_trailers(cx)).map_err(|error| self.seat.broken(error));
        Poll::Ready(trailers.transpose().map(|trailers| trailers.map(Frame::trailers)))
    }

    /// Whether there is nothing more to read, without waiting for it.
    pub(in crate::proxy) fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    pub(in crate::proxy) fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Broken {
    /// Whether the connection was found closed, or the backend said that it did nothing about the request: it refused the
    /// stream, or was closing the connection (RFC 9113 8.7).
    pub(in crate::proxy) fn is_closed(&self) -> bool {
        match self {
            Self::Io(_) => true,
            Self::Http2(error) => {
                error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM))
            }
            _ => false,
        }
    }
}

impl From<h2::Error> for Broken {
    fn from(error: h2::Error) -> Self {
        if !error.is_io() {
            return Self::Http2(error);
        }
        Self::Io(error.into_io().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into()))
    }
}

/// The request in the manner of HTTP/2 (RFC 9113 8.3): what stood in the first line and in `Host` stands in
/// the target, its body needs no coding, and what follows the body may follow.
fn as_http2(mut request: Request<Upload>, scheme: &Scheme) -> Request<Upload> {
    let length = request.body().size_hint().exact().filter(|length| *length > 0);
    let headers = request.headers_mut();
    for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    if let Some(length) = length {
        headers.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    // It is this gate that takes trailers, whatever its client does with them.
    headers.insert(TE, HeaderValue::from_static("trailers"));
    let authority = headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    if let Some(authority) = authority {
        let mut target = http::uri::Parts::default();
        target.scheme = Some(scheme.clone());
        target.authority = Some(authority);
        target.path_and_query = request.uri().path_and_query().cloned();
        if let Ok(target) = Uri::from_parts(target) {
            *request.uri_mut() = target;
            request.headers_mut().remove(HOST);
        }
    }
    *request.version_mut() = Version::HTTP_2;
    request.body_mut().with_trailers();
    request
}

/// As over HTTP/1.1.
const INTERIM_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use http::Method;

    use super::super::link::Link;
    use super::*;
    use crate::proxy::h1::Wire;
    use crate::proxy::ours::Ours;

    /// What a shared connection gives back unsent can go over one of HTTP/1.1, whole.
    #[tokio::test]
    async fn what_was_not_sent_is_as_it_was() {
        let sized = || Body::from("sized");
        let unsized_body = || {
            let pieces = [Ok::<_, io::Error>("uns"), Ok("ized")];
            Body::from_stream(futures_util::stream::iter(pieces))
        };
        for (method, body, coding, written) in [
            (Method::GET, Body::empty(), None, "\r\n\r\n"),
            (Method::POST, sized(), None, "content-length: 5\r\n\r\nsized"),
            (Method::POST, unsized_body(), Some("chunked"), "\r\n\r\n3\r\nuns\r\n4\r\nized\r\n0\r\n\r\n"),
        ] {
            let (here, there) = tokio::io::duplex(64 * 1024);
            let link = Link::over(here, true).await.unwrap_or_else(|error| panic!("{error}"));
            // It is closed, and nobody has noticed yet.
            drop(there);
            let mut request = Request::builder().method(method).uri("/transfer?to=bern").header("x", "y");
            request = request.header("host", "bank.example:8443");
            if let Some(coding) = coding {
                request = request.header("transfer-encoding", coding);
            }
            let request = request.body(Upload::new(body, None, None, Duration::from_secs(9))).unwrap();
            let (_first, seat) = (link.seat_anyway(), link.seat_anyway());
            drop(_first);
            let Err(unanswered) = seat.begin(request, false).await else { panic!("it is begun") };
            let request = unanswered.unsent.expect("nothing of it was sent");
            assert_eq!(
                (request.uri(), request.version()),
                (&Uri::from_static("/transfer?to=bern"), Version::HTTP_11)
            );
            let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
            let (head, upload) = request.into_parts();
            let mut exchange = Wire::new(Box::new(ours), false, 0).begin(&head, &Ours::default(), upload);
            let mut heard = Vec::new();
            while !heard.ends_with(written.as_bytes()) {
                let mut piece = [0; 1024];
                tokio::select! {
                    biased;
                    _ = poll_fn(|cx| exchange.poll_answer(cx, None)) => panic!("nobody answers"),
                    read = tokio::io::AsyncReadExt::read(&mut theirs, &mut piece) => heard.extend(&piece[..read.unwrap()]),
                }
            }
            let heard = String::from_utf8(heard).unwrap();
            assert!(heard.starts_with(&format!("{} /transfer?to=bern HTTP/1.1\r\n", head.method)), "{heard}");
            assert_eq!(heard.matches("host: bank.example:8443\r\n").count(), 1, "{heard}");
            assert!(heard.contains("x: y\r\n") && !heard.contains("te: "), "{heard}");
        }
    }
}
