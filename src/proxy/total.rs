//! Answers under way: counted at their backend until they end, and broken off where their route says when they must
//! have ended. What is told of those that did not even begin in time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::body::{Cut, Download};
use super::member::Held;

/// An answer's body that counts as a request under way until its end.
pub(super) struct UnderWay {
    inner: Download,
    held: Option<Held>,
}

impl UnderWay {
    pub(super) fn new(inner: Download, held: Held) -> Self {
        Self { inner, held: Some(held) }
    }
}

impl HttpBody for UnderWay {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) || self.inner.is_end_stream() {
            self.held = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body, while there is time.
pub(super) struct InTime {
    inner: Body,
    until: Pin<Box<Sleep>>,
}

impl InTime {
    pub(super) fn new(inner: Body, until: Instant) -> Self {
        Self { inner, until: Box::pin(tokio::time::sleep_until(until)) }
    }
}

impl HttpBody for InTime {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // The timer first: a backend that always has a little more would never let it be asked.
        if self.until.as_mut().poll(cx).is_ready() {
            self.inner = Body::empty();
            return Poll::Ready(Some(Err(axum::Error::new(TooLong))));
        }
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the answer took longer than its route allows; look at the backend, or raise total_seconds")]
struct TooLong;

/// Why an answer did not begin, in the words of the route's own settings.
#[derive(Debug, thiserror::Error)]
pub(super) enum Late {
    #[error("no connection within connect_seconds ({} s); see that the backend runs and listens there", .0.as_secs_f64())]
    Connect(Duration),
    #[error("no first byte within first_byte_seconds ({} s); look at the backend, or raise it", .0.as_secs_f64())]
    FirstByte(Duration),
    #[error("not answered within total_seconds ({} s); look at the backend, or raise it", .0.as_secs_f64())]
    Total(Duration),
}
