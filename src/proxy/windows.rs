//! Room in the windows of HTTP/2 (RFC 9113 5.2), on both sides of the gate.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};

/// How much of so many bytes the other side's windows have room for, once they have any; an error once it has reset the stream.
/// To be asked only by who has that much to send: room that is asked for and not used is missing to other streams.
///
/// # Errors
/// Why the stream takes no more.
pub fn poll_room(
    to: &mut SendStream<Bytes>,
    bytes: usize,
    cx: &mut Context<'_>,
) -> Poll<Result<usize, h2::Error>> {
    if let Poll::Ready(reason) = to.poll_reset(cx)? {
        return Poll::Ready(Err(reason.into()));
    }
    let bytes = bytes.min(AT_ONCE);
    to.reserve_capacity(bytes);
    while to.capacity() == 0 {
        match ready!(to.poll_capacity(cx)) {
            Some(room) => drop(room?),
            None => return Poll::Ready(Err(Reason::STREAM_CLOSED.into())),
        }
    }
    Poll::Ready(Ok(to.capacity().min(bytes)))
}

/// One frame, so that streams take turns.
const AT_ONCE: usize = 16 * 1024;
