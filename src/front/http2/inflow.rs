//! What one stream brings, for whoever reads it; and what came and nobody asked for, in little room.
//!
//! h2 keeps each piece by itself, at a quarter of a kilobyte beside its bytes and as a part of all that was read at once, eight
//! kilobytes or more, while windows count bytes alone: a window full of pieces of one byte would be gigabytes. So what waits
//! here is put together.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http::HeaderMap;

use super::room::Room;

/// What one stream brings.
pub(super) struct Inflow {
    /// `None` where its head said that nothing follows.
    shelf: Option<Arc<Mutex<Shelf>>>,
    room: Arc<Room>,
    /// Whether it counts as one that nobody asks.
    unread: bool,
}

/// A stream, and what of it was put together.
pub(super) struct Shelf {
    stream: RecvStream,
    kept: VecDeque<Bytes>,
    /// Behind those.
    last: BytesMut,
    /// Whether somebody waits for the next piece.
    waited_for: bool,
}

impl Inflow {
    pub(super) fn new(stream: RecvStream, room: &Arc<Room>) -> Self {
        let shelf = (!stream.is_end_stream()).then(|| {
            let (kept, last) = (VecDeque::new(), BytesMut::new());
            let shelf = Arc::new(Mutex::new(Shelf { stream, kept, last, waited_for: false }));
            room.has_one_more(&shelf);
            shelf
        });
        // What is refused unread, as a stranger's is, takes no room of others: only who takes a piece may leave the next.
        Self { shelf, room: Arc::clone(room), unread: false }
    }

    /// The next piece. What was asked for and did not come is waited for, and takes no room.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        let Some(shelf) = &self.shelf else { return Poll::Ready(None) };
        let mut shelf = lock(shelf);
        let piece = shelf.poll_next(cx);
        let more = matches!(piece, Poll::Ready(Some(Ok(_)))) && !shelf.is_at_end();
        drop(shelf);
        self.is_unread(more);
        piece
    }

    /// Makes room for as much as was read. No more is given back than was taken.
    pub(super) fn release(&self, count: usize) {
        let Some(shelf) = &self.shelf else { return };
        if lock(shelf).stream.flow_control().release_capacity(count).is_ok() {
            self.room.released(count);
        }
    }

    /// What follows all pieces.
    pub(super) fn poll_trailers(&self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, h2::Error>> {
        self.shelf.as_ref().map_or(Poll::Ready(Ok(None)), |shelf| lock(shelf).stream.poll_trailers(cx))
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.shelf.as_ref().is_none_or(|shelf| lock(shelf).is_at_end())
    }

    fn is_unread(&mut self, unread: bool) {
        if unread != self.unread {
            self.unread = unread;
            self.room.is_unread(unread);
        }
    }
}

impl Drop for Inflow {
    fn drop(&mut self) {
        self.is_unread(false);
        // h2 makes room for what is left of it.
        if let Some(shelf) = self.shelf.take() {
            let used = lock(&shelf).stream.flow_control().used_capacity();
            self.room.released(used);
        }
    }
}

impl Shelf {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        if let Some(piece) = self.kept.pop_front() {
            return Poll::Ready(Some(Ok(piece)));
        }
        if !self.last.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.last).freeze())));
        }
        let piece = self.stream.poll_data(cx);
        self.waited_for = piece.is_pending();
        piece
    }

    fn is_at_end(&self) -> bool {
        self.kept.is_empty() && self.last.is_empty() && self.stream.is_end_stream()
    }

    /// Puts together what came, unless somebody is about to take it. The window has no room for more by this.
    pub(super) fn tidy(&mut self) {
        if self.waited_for {
            return;
        }
        let mut nobody = Context::from_waker(Waker::noop());
        // How it ended is said again to who asks.
        while let Poll::Ready(Some(Ok(piece))) = self.stream.poll_data(&mut nobody) {
            self.last.extend_from_slice(&piece);
            // Whoever takes one makes room in the window for as much: no more than by a piece of another.
            if self.last.len() >= BLOCK_BYTES {
                self.kept.push_back(std::mem::take(&mut self.last).freeze());
            }
        }
    }
}

pub(super) fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What h2 takes for a piece beside its bytes.
pub(in crate::front) const PIECE_BYTES: usize = 256;

/// As long as a frame may be.
const BLOCK_BYTES: usize = 16 * 1024;
