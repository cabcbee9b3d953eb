//! One stream, from its request to the end of its answer.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt as _;
use h2::ext::Protocol;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, EXPECT, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Body as _;

use super::inflow::Inflow;
use super::received::Received;
use super::room::Room;
use super::tunnel::Tunnel;
use crate::front::activity::Activity;
use crate::front::answering::{Answering, bare};
use crate::front::bodies::{Coming, Leaving};
use crate::proxy::{Hints, Joined, poll_room};
use crate::world::Clock;

/// Answers the request of one stream. Its client may reset it at any time; who works on the answer is left then.
pub(super) fn attend<F, R>(
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    room: &Arc<Room>,
    answering: &Answering<F>,
) -> impl Future<Output = ()> + Send + use<F, R>
where
    F: Fn(Request<Body>) -> R,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let (mut parts, receiving) = request.into_parts();
    let receiving = Inflow::new(receiving, room);
    // An extended CONNECT is walked as the GET that it stands for, so that everything that holds for a WebSocket of
    // HTTP/1.1 holds for it (RFC 8441). Any other CONNECT stays one, and is refused on its way.
    let websocket = parts.method == Method::CONNECT
        && parts.extensions.get::<Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket");
    let waits = !websocket && !receiving.is_end_stream() && says(&parts.headers, &EXPECT, b"100-continue");
    // Browsers go by hints for pages alone, and other clients may take them for answers (RFC 8297 3).
    let hints = (waits || says(&parts.headers, &SEC_FETCH_MODE, b"navigate")).then(Hints::default);
    if let Some(hints) = &hints {
        parts.extensions.insert(hints.clone());
    }
    let (coming, tunnel) = if websocket {
        parts.method = Method::GET;
        (Coming::Nothing, Some((receiving, Arc::clone(answering.activity()))))
    } else {
        let wanted = hints.clone().filter(|_| waits);
        (Coming::Http2(Received::new(receiving, &parts.headers, wanted)), None)
    };
    let stream = Stream { respond, tunnel, hints, clock: Arc::clone(answering.clock()) };
    let answer = answering.begin(Request::from_parts(parts, coming));
    let meters = Arc::clone(answering.meters());
    async move {
        match AssertUnwindSafe(stream.answered_by(answer)).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a stream ended before its answer"),
            Err(_) => meters.panics.up(),
        }
    }
}

/// One stream that is to be answered.
struct Stream {
    respond: SendResponse<Bytes>,
    /// Where it asks for a tunnel: what comes through it.
    tunnel: Option<(Inflow, Arc<Activity>)>,
    /// What is to be said before the answer.
    hints: Option<Hints>,
    clock: Arc<dyn Clock>,
}

impl Stream {
    async fn answered_by(mut self, answer: impl Future<Output = Response<Leaving>>) -> Result<(), h2::Error> {
        let answer = {
            let mut answer = pin!(answer);
            poll_fn(|cx| self.poll_answer(answer.as_mut(), cx)).await?
        };
        let (mut head, body) = answer.into_parts();
        let joined = head.extensions.remove::<Joined>();
        if let Some((from, activity)) = self.tunnel.take() {
            if let Some(joined) = joined {
                let to = self.send(Response::from_parts(head, ()), false)?;
                // A tunnel is under way until it ends.
                joined.give(Box::new(Tunnel::new(from, to)), activity.begin());
                return Ok(());
            }
            // An answer of success would open one: to nobody.
            if head.status.is_success() {
                return self.send(bare(StatusCode::BAD_REQUEST).map(drop), true).map(drop);
            }
        }
        if body.is_end_stream() {
            return self.send(Response::from_parts(head, ()), true).map(drop);
        }
        if let Some(length) = body.size_hint().exact()
            && !head.headers.contains_key(CONTENT_LENGTH)
        {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        let to = self.send(Response::from_parts(head, ()), false)?;
        pass(body, to).await
    }

    /// The answer, and what is said before it; an error once the client wants none.
    fn poll_answer(
        &mut self,
        answer: Pin<&mut impl Future<Output = Response<Leaving>>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Leaving>, h2::Error>> {
        let answer = answer.poll(cx);
        if let Some(hints) = &self.hints {
            while let Poll::Ready(hint) = hints.poll_next(cx) {
                self.respond.send_informational(hint)?;
            }
        }
        match answer {
            Poll::Ready(answer) => Poll::Ready(Ok(answer)),
            Poll::Pending => self.respond.poll_reset(cx).map(|reset| Err(reset?.into())),
        }
    }

    /// Sends a head.
    fn send(&mut self, mut head: Response<()>, last: bool) -> Result<SendStream<Bytes>, h2::Error> {
        let headers = head.headers_mut();
        if headers.keys().any(is_of_connection) {
            for name in &OF_CONNECTION {
                headers.remove(name);
            }
        }
        if !headers.contains_key(DATE)
            && let Ok(date) = HeaderValue::try_from(self.clock.now().http_date())
        {
            headers.insert(DATE, date);
        }
        let sent = self.respond.send_response(head, last);
        if sent.is_err() {
            self.respond.send_reset(Reason::INTERNAL_ERROR);
        }
        sent
    }
}

/// Passes the body of an answer on, no faster than the client takes it.
async fn pass(mut body: Leaving, mut to: SendStream<Bytes>) -> Result<(), h2::Error> {
    loop {
        let frame = poll_fn(|cx| match to.poll_reset(cx) {
            Poll::Ready(reset) => Poll::Ready(Err(reset.map_or_else(|error| error, h2::Error::from))),
            Poll::Pending => Pin::new(&mut body).poll_frame(cx).map(Ok),
        });
        let Some(frame) = frame.await? else { return to.send_data(Bytes::new(), true) };
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                tracing::debug!(%error, "an answer broke off");
                to.send_reset(Reason::INTERNAL_ERROR);
                return Ok(());
            }
        };
        match frame.into_data() {
            Ok(mut data) => {
                let last = body.is_end_stream();
                // No more than there is room for: what h2 keeps for later is seen by no clock.
                let (mut taken, mut alone) = (0, false);
                while !data.is_empty() {
                    let room = poll_fn(|cx| {
                        let room = poll_room(&mut to, data.len(), cx);
                        if room.is_pending() && !alone && data.len() <= ALONE_BYTES_MAX {
                            (data, alone) = (Bytes::copy_from_slice(&data), true);
                        }
                        room
                    });
                    let room = room.await?;
                    let part = data.split_to(room);
                    let ends = last && data.is_empty();
                    to.send_data(part, ends)?;
                    if ends {
                        return Ok(());
                    }
                    taken += room;
                    if taken >= STEP_BYTES {
                        taken = 0;
                        body.goes_on();
                    }
                }
                // The last piece may be empty.
                if last {
                    return to.send_data(data, true);
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    return to.send_trailers(trailers);
                }
            }
        }
    }
}

/// Whether the one value of a header is this.
fn says(headers: &HeaderMap, name: &HeaderName, value: &[u8]) -> bool {
    headers.get(name).is_some_and(|said| said.as_bytes().eq_ignore_ascii_case(value))
}

fn is_of_connection(name: &HeaderName) -> bool {
    OF_CONNECTION.contains(name)
}

/// What HTTP/2 has no place for in an answer (RFC 9113 8.2.2).
static OF_CONNECTION: [HeaderName; 6] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    TE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Less is no step forward: who takes an answer byte by byte takes nothing worth waiting for.
const STEP_BYTES: usize = 1024;

/// A piece that waits lies in all that was read with it, up to 64 KiB: one that is shorter than this is kept alone.
const ALONE_BYTES_MAX: usize = 16 * 1024;

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
