//! A body that keeps something as long as it lasts: the request's place in the register of what is open.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::live::Guard;

/// A body with what it keeps.
pub(super) struct Kept {
    body: Body,
    _guard: Arc<Guard>,
}

impl Kept {
    /// The body, keeping `guard` where there is one and anything is still to come.
    pub(super) fn with(body: Body, guard: Option<Arc<Guard>>) -> Body {
        match guard {
            Some(guard) if !body.is_end_stream() => Body::new(Self { body, _guard: guard }),
            _ => body,
        }
    }
}

impl HttpBody for Kept {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
