//! Room for what streams bring and nobody asks for yet: whoever waits for a slow backend leaves the others theirs.
//!
//! Each stream has a window of its own, and all of a connection share one more. Where a few streams that nobody reads
//! could fill that one, it grows by as much as they may hold, out of what all connections together may have.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;

/// How many streams of one connection may hold what nobody asks for.
#[derive(Default)]
pub(super) struct Room {
    unread: AtomicUsize,
    /// For how many of them the connection's window has grown. What a client was told it may send cannot be taken
    /// back (RFC 9113 6.9), so this ends with the connection.
    granted: AtomicUsize,
}

impl Room {
    /// The connection's window, where it is to grow.
    pub(super) fn grown(&self) -> Option<u32> {
        self.grown_by(&ALL)
    }

    fn grown_by(&self, budget: &Budget) -> Option<u32> {
        let granted = self.granted.load(Ordering::Relaxed);
        let wanted = self.unread.load(Ordering::Relaxed).saturating_sub(UNREAD_FREE);
        let more = budget.take(wanted.checked_sub(granted).filter(|more| *more > 0)?)?;
        self.granted.store(granted + more, Ordering::Relaxed);
        Some(CONNECTION_WINDOW_BYTES + u32::try_from(granted + more).ok()? * STREAM_WINDOW_BYTES)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        ALL.give_back(self.granted.load(Ordering::Relaxed));
    }
}

/// What one stream brings.
pub(super) struct Inflow {
    stream: RecvStream,
    room: Arc<Room>,
    /// Whether it counts as one that nobody asks.
    unread: bool,
}

impl Inflow {
    pub(super) fn new(stream: RecvStream, room: &Arc<Room>) -> Self {
        // What is refused unread, as a stranger's is, takes no room of others: only who takes a piece may leave the next.
        Self { stream, room: Arc::clone(room), unread: false }
    }

    /// The next piece. What was asked for and did not come is waited for, and takes no room.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        let piece = self.stream.poll_data(cx);
        let more = matches!(piece, Poll::Ready(Some(Ok(_)))) && !self.stream.is_end_stream();
        self.is_unread(more);
        piece
    }

    /// Makes room for as much as was read. No more is given back than was taken.
    pub(super) fn release(&mut self, count: usize) {
        let _ = self.stream.flow_control().release_capacity(count);
    }

    /// What follows all pieces.
    pub(super) fn poll_trailers(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<HeaderMap>, h2::Error>> {
        self.stream.poll_trailers(cx)
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn is_unread(&mut self, unread: bool) {
        match (self.unread, unread) {
            (false, true) => self.room.unread.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.room.unread.fetch_sub(1, Ordering::Relaxed),
            _ => return,
        };
        self.unread = unread;
    }
}

impl Drop for Inflow {
    fn drop(&mut self) {
        self.is_unread(false);
    }
}

/// For how many streams the windows of all connections together may grow.
struct Budget(AtomicUsize);

impl Budget {
    /// As many of so many as are left.
    fn take(&self, wanted: usize) -> Option<usize> {
        let less = |left: usize| (left > 0).then(|| left - left.min(wanted));
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        left.ok().map(|left| left.min(wanted))
    }

    fn give_back(&self, count: usize) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}

/// 256 MiB, of which one connection takes a tenth at most. Where nothing is left, streams that nobody reads keep the others
/// of their connection waiting.
static ALL: Budget = Budget(AtomicUsize::new(1024));

/// An upload of one stream at 50 ms of way: 5 MB/s.
pub(super) const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// All streams of a connection together, to begin with.
pub(super) const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// As many leave the others half of that.
const UNREAD_FREE: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_grows_by_what_is_left_and_never_shrinks() {
        let (room, budget) = (Room::default(), Budget(AtomicUsize::new(5)));
        let mib = |quarters: u32| Some(quarters * 256 * 1024);
        let with = |unread| {
            room.unread.store(unread, Ordering::Relaxed);
            room.grown_by(&budget)
        };
        assert_eq!([with(0), with(2)], [None, None]);
        assert_eq!([with(3), with(3), with(6)], [mib(5), None, mib(8)]);
        assert_eq!([with(0), with(6)], [None, None], "the client was told");
        assert_eq!([with(9), with(9)], [mib(9), None], "no more was left");
        assert_eq!(budget.0.load(Ordering::Relaxed), 0);
        // Its own end gives back to all.
        room.granted.store(0, Ordering::Relaxed);
    }
}
