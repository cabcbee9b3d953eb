//! The body of a request of HTTP/2.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use hyper::body::{Frame, SizeHint};

use super::inflow::Inflow;
use crate::proxy::Hints;

/// A request's body as it is received. What was read makes room in the windows for more.
pub(in crate::front) struct Received {
    stream: Inflow,
    /// How much is still to come, where the head says so. h2 holds the client to it (RFC 9113 8.1.1).
    left: Option<u64>,
    only_trailers: bool,
    /// Where its client hears that it is wanted, until it did.
    waits: Option<Hints>,
}

impl Received {
    /// `waits`: where its client is told that the body is wanted, if it waits to hear that.
    pub(super) fn new(stream: Inflow, head: &HeaderMap, waits: Option<Hints>) -> Self {
        let mut lengths = head.get_all(CONTENT_LENGTH).iter();
        let left = match (lengths.next(), lengths.next()) {
            (Some(one), None) => one.to_str().ok().and_then(|text| text.parse().ok()),
            _ => None,
        };
        Self { stream, left, only_trailers: false, waits }
    }

    pub(in crate::front) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if let Some(hints) = self.waits.take() {
            hints.go_on();
        }
        if !self.only_trailers {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    self.stream.release(data.len());
                    self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.only_trailers = true,
            }
        }
        self.stream.poll_trailers(cx).map(|trailers| trailers.transpose().map(|one| one.map(Frame::trailers)))
    }

    /// Whether its client waits to be told that it is wanted.
    pub(in crate::front) const fn is_held_back(&self) -> bool {
        self.waits.is_some()
    }

    pub(in crate::front) fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    pub(in crate::front) fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
