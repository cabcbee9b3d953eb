//! One request over one connection, up to the head of its answer, and what may be sent once more where none comes.
//! Knows neither where connections come from nor what may be in a head.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, StatusCode, response};
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

use super::body::{Progress, Upload};
use super::h1::{self, Exchange, Outgoing};
use super::ours::Ours;
use super::sending::{Sending, WITHDRAWN};
use super::socket::Io;
use super::total::Late;
use super::upstream::{Backend, Line, Own, Reply, Seat, Unanswered};
use crate::domain::Reason;

/// A request to be sent.
pub(super) enum Errand {
    /// To whoever takes it, with what is ours to say.
    Whole(Request<Upload>, Ours),
    /// In the manner of HTTP/1.1, once tried already.
    Written(Outgoing),
}

/// The head of an answer, and where the rest of it comes from.
pub(super) struct Answered {
    pub(super) head: response::Parts,
    pub(super) source: Source,
}

/// Where the rest of an answer comes from.
pub(super) enum Source {
    Own(Exchange, Backend),
    Shared(Reply),
}

/// The body of an answer, with the connection that it comes over.
pub(super) enum Rest {
    Own(h1::Reply, Backend),
    Shared(Reply),
}

/// Why no answer came over a connection.
pub(super) struct Broken {
    pub(super) reason: Reason,
    pub(super) why: Option<Why>,
    /// The request, where it may be sent once more.
    again: Option<Box<Errand>>,
    /// Whether anything of it was written.
    sent: bool,
    /// Whether it says anything of the backend, where its reason does.
    pub(super) blamed: bool,
}

/// A connection that is no more HTTP's, and what came over it behind the head.
pub(super) type Tunnel = (Box<dyn Io>, Bytes);

/// What went wrong, for the log.
pub(super) type Why = Box<dyn std::error::Error + Send + Sync>;

impl Broken {
    pub(super) const fn by(reason: Reason) -> Self {
        Self { reason, why: None, again: None, sent: true, blamed: true }
    }

    pub(super) fn late(late: Late) -> Self {
        Self::because(Reason::BackendSlow(Box::default()), Box::new(late))
    }

    pub(super) fn because(reason: Reason, why: Why) -> Self {
        Self { why: Some(why), ..Self::by(reason) }
    }

    /// No connection could be made to send it over.
    pub(super) fn not_begun(self, errand: Option<Errand>) -> Self {
        Self { again: errand.map(Box::new), sent: false, ..self }
    }

    /// What may be sent over another connection to the same backend: a request of which nothing was written, or one
    /// that may be repeated and whose connection was found closed.
    pub(super) fn again(mut self) -> Result<Errand, Self> {
        self.again.take().map(|errand| *errand).ok_or(self)
    }

    /// What may be sent to another backend: a request of which nothing was written.
    pub(super) fn unsent(&mut self) -> Option<Box<Errand>> {
        self.again.take_if(|_| !self.sent)
    }
}

impl Sending<'_> {
    /// Sends over one connection and waits for the head of the answer. The wait starts anew
    /// with each piece of the request's body: a long upload is no slow backend. `errand` is taken.
    pub(super) async fn over(
        &self,
        line: Line,
        errand: &mut Option<Errand>,
        repeatable: bool,
        progress: Option<&Progress>,
    ) -> Result<Answered, Broken> {
        match line {
            Line::Own(own) => self.alone(own, errand, repeatable, progress).await,
            Line::Seat(seat) => match errand.take() {
                Some(Errand::Whole(request, ours)) => {
                    Box::pin(self.shared(seat, request, ours, repeatable, progress)).await
                }
                _ => Err(Broken::by(Reason::Internal)),
            },
        }
    }

    async fn alone(
        &self,
        own: Own,
        errand: &mut Option<Errand>,
        repeatable: bool,
        progress: Option<&Progress>,
    ) -> Result<Answered, Broken> {
        let backend = own.backend;
        let mut exchange = match errand.take() {
            Some(Errand::Written(outgoing)) => own.wire.send(outgoing),
            Some(Errand::Whole(request, ours)) => {
                let (head, upload) = request.into_parts();
                own.wire.begin(&head, &ours, upload)
            }
            None => return Err(Broken::by(Reason::Internal)),
        };
        match self.wait_for(&mut exchange, progress).await? {
            Ok(head) => Ok(Answered { head, source: Source::Own(exchange, backend) }),
            Err(why) => {
                let (sent, closed) = (exchange.has_begun(), matches!(why, h1::Broken::Closed));
                let again = exchange.again(repeatable && closed).map(Errand::Written);
                Err(self.broken(Box::new(why), again, sent, progress))
            }
        }
    }

    async fn shared(
        &self,
        seat: Seat,
        request: Request<Upload>,
        ours: Ours,
        repeatable: bool,
        progress: Option<&Progress>,
    ) -> Result<Answered, Broken> {
        let (mut head, upload) = request.into_parts();
        ours.put_in(&mut head.headers);
        let copy = repeatable.then(|| copy_of(&head));
        let answered = async {
            let mut stream = seat.begin(Request::from_parts(head, upload), repeatable).await?;
            let answer = poll_fn(|cx| stream.poll_answer(cx, self.hints.as_ref())).await;
            let (head, body) = answer.map_err(|error| Unanswered { error, unsent: None })?.into_parts();
            let reply = stream.reply(&head, body);
            Ok(Answered { head, source: Source::Shared(reply) })
        };
        match self.wait(answered, progress).await? {
            Ok(answered) => Ok(answered),
            Err(Unanswered { error, unsent }) => {
                let sent = unsent.is_none();
                let copy =
                    copy.filter(|_| error.is_closed()).map(|head| Request::from_parts(head, Upload::none()));
                Err(self.broken(
                    Box::new(error),
                    unsent.or(copy).map(|request| Errand::Whole(request, Ours::default())),
                    sent,
                    progress,
                ))
            }
        }
    }

    /// [`Self::wait`] for an answer over HTTP/1.1, with the connection's own timer.
    async fn wait_for(
        &self,
        exchange: &mut Exchange,
        progress: Option<&Progress>,
    ) -> Result<Result<response::Parts, h1::Broken>, Broken> {
        let began = Instant::now();
        let mut deadline = began + self.route.waits.first_byte;
        let mut cancelled = pin!(self.cancel.cancelled());
        poll_fn(|cx| {
            if let Poll::Ready(answer) = exchange.poll_answer(cx, self.hints.as_ref()) {
                return Poll::Ready(Ok(answer));
            }
            if cancelled.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Broken::by(WITHDRAWN)));
            }
            while exchange.poll_late(cx, self.within(deadline)).is_ready() {
                deadline = self.longer(began, progress)?;
            }
            Poll::Pending
        })
        .await
    }

    /// Waits for an answer, no longer than it may take nor than the permit holds.
    async fn wait<T>(
        &self,
        answer: impl Future<Output = T>,
        progress: Option<&Progress>,
    ) -> Result<T, Broken> {
        tokio::pin!(answer);
        let began = Instant::now();
        let mut deadline = began + self.route.waits.first_byte;
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return Ok(answer),
                () = self.cancel.cancelled() => return Err(Broken::by(WITHDRAWN)),
                () = tokio::time::sleep_until(self.within(deadline)) => deadline = self.longer(began, progress)?,
            }
        }
    }

    /// Until when an answer is waited for that has not come by now. The backend has had the request since `began` or,
    /// where it has a body, since the last piece of it.
    fn longer(&self, began: Instant, progress: Option<&Progress>) -> Result<Instant, Broken> {
        let since = progress.map_or(began, Progress::last);
        if let Some(broken) = self.too_long(since) {
            return Err(broken);
        }
        let first_byte = self.route.waits.first_byte;
        let next = since + first_byte;
        if next <= Instant::now() { Err(Broken::late(Late::FirstByte(first_byte))) } else { Ok(next) }
    }

    fn broken(&self, why: Why, again: Option<Errand>, sent: bool, progress: Option<&Progress>) -> Broken {
        if self.cancel.is_cancelled() {
            return Broken::by(WITHDRAWN);
        }
        if progress.is_some_and(Progress::client_failed) {
            return Broken::by(Reason::BadRequest("the body of the request did not arrive"));
        }
        let again = again.map(Box::new);
        Broken { again, sent, ..Broken::because(Reason::BackendBroken(Box::default()), why) }
    }
}

impl Line {
    /// Sends a request without a body, for the status of its answer alone. Nobody else's permit or time is asked.
    pub(super) async fn status(self, request: Request<Upload>) -> Result<StatusCode, Why> {
        match self {
            Self::Own(own) => {
                let (head, upload) = request.into_parts();
                let mut exchange = own.wire.begin(&head, &Ours::default(), upload);
                Ok(poll_fn(|cx| exchange.poll_answer(cx, None)).await?.status)
            }
            Self::Seat(seat) => {
                let begun = seat.begin(request, true).await;
                let mut stream = begun.map_err(|unanswered| unanswered.error)?;
                Ok(poll_fn(|cx| stream.poll_answer(cx, None)).await?.status())
            }
        }
    }
}

impl Answered {
    /// The body. Where the end of it cannot be told, the answer is none.
    pub(super) fn rest(self) -> Result<(response::Parts, Rest), h1::Broken> {
        let rest = match self.source {
            Source::Own(exchange, backend) => Rest::Own(exchange.reply(&self.head)?, backend),
            Source::Shared(reply) => Rest::Shared(reply),
        };
        Ok((self.head, rest))
    }

    /// The connection itself, after 101, with what came over it behind the head.
    pub(super) fn into_tunnel(self) -> Option<(response::Parts, Tunnel)> {
        match self.source {
            Source::Own(exchange, _) => Some((self.head, exchange.into_tunnel())),
            Source::Shared(_) => None,
        }
    }
}

impl Rest {
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Why>>> {
        match self {
            Self::Own(reply, _) => reply.poll_frame(cx).map_err(Into::into),
            Self::Shared(reply) => reply.poll_frame(cx).map_err(Into::into),
        }
    }

    /// All of it, where all of it came with the head.
    pub(super) fn whole(&mut self) -> Option<Bytes> {
        match self {
            Self::Own(reply, _) => reply.whole(),
            Self::Shared(_) => None,
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(reply, _) => reply.is_end_stream(),
            Self::Shared(reply) => reply.is_end_stream(),
        }
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(reply, _) => reply.size_hint(),
            Self::Shared(reply) => reply.size_hint(),
        }
    }

    /// The connection, where it is this request's alone and free for the next.
    pub(super) fn finish(&mut self) -> Option<Own> {
        match self {
            Self::Own(reply, backend) => reply.finish().map(|wire| Own { wire, backend: backend.clone() }),
            Self::Shared(_) => None,
        }
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
