//! Room for what streams bring and nobody asks for yet: whoever waits for a slow backend leaves the others theirs.
//!
//! Each stream has a window of its own, and all of a connection share one more. Where a few streams that nobody reads
//! could fill that one, it grows by as much as they may hold, out of what all connections together may have; and of that
//! nobody has more than a share.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::inflow::{self, Shelf};

/// What the streams of one connection say of what they bring.
#[derive(Default)]
pub(super) struct Room {
    /// How many hold what nobody asks for.
    unread: AtomicUsize,
    /// Bytes for which room was made again, since the client was told last.
    released: AtomicUsize,
    shelves: Mutex<Vec<Weak<Mutex<Shelf>>>>,
}

impl Room {
    /// A stream that brings something.
    pub(super) fn has_one_more(&self, shelf: &Arc<Mutex<Shelf>>) {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        if shelves.len() >= SHELVES_MAX {
            shelves.retain(|shelf| shelf.strong_count() > 0);
        }
        shelves.push(Arc::downgrade(shelf));
    }

    /// One of its streams holds what nobody asks for, or does so no more.
    pub(super) fn is_unread(&self, unread: bool) {
        if unread {
            self.unread.fetch_add(1, Ordering::Relaxed);
        } else {
            self.unread.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn released(&self, bytes: usize) {
        self.released.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Puts together what came in pieces.
    pub(super) fn tidy(&self) {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        shelves.retain(|shelf| {
            let shelf = shelf.upgrade();
            shelf.inspect(|shelf| inflow::lock(shelf).tidy()).is_some()
        });
    }
}

/// A connection's window, as far as it is larger than at first.
pub(super) struct Window {
    room: Arc<Room>,
    budget: &'static Budget,
    whose: Option<IpAddr>,
    /// By how many streams' windows it is larger.
    open: usize,
    /// How many were taken of the budget for that. What a client was told it may send cannot be taken back (RFC 9113 6.9):
    /// what is open no more is held until the client has used it up.
    held: usize,
}

impl Window {
    /// `whose`: of which network, which has one share.
    pub(super) const fn new(room: Arc<Room>, whose: Option<IpAddr>) -> Self {
        Self::out_of(&ALL, room, whose)
    }

    const fn out_of(budget: &'static Budget, room: Arc<Room>, whose: Option<IpAddr>) -> Self {
        Self { room, budget, whose, open: 0, held: 0 }
    }

    /// Its size, where that changes now.
    pub(super) fn changed(&mut self) -> Option<u32> {
        let wanted = self.room.unread.load(Ordering::Relaxed).saturating_sub(UNREAD_FREE);
        let before = self.open;
        if wanted > before {
            self.held += self.budget.take(self.whose, wanted.saturating_sub(self.held));
            self.open = wanted.min(self.held);
        } else if wanted <= before / 2 {
            self.open = wanted;
        }
        let over = self.held - self.open;
        if over > 0 {
            let window = STREAM_WINDOW_BYTES as usize;
            let used_up = (self.room.released.load(Ordering::Relaxed) / window).min(over);
            self.room.released.fetch_sub(used_up * window, Ordering::Relaxed);
            self.held -= used_up;
            self.budget.give_back(self.whose, used_up);
        }
        let more = u32::try_from(self.open).ok()? * STREAM_WINDOW_BYTES;
        (self.open != before).then_some(CONNECTION_WINDOW_BYTES + more)
    }

    /// The client may have been told of all room there is.
    pub(super) fn told(&self) {
        if self.held == self.open {
            self.room.released.store(0, Ordering::Relaxed);
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.budget.give_back(self.whose, self.held);
    }
}

/// By how many streams' windows those of all connections together may be larger.
pub(super) struct Budget(Mutex<Shares>);

struct Shares {
    left: usize,
    share: usize,
    taken: BTreeMap<Option<IpAddr>, usize>,
}

impl Budget {
    const fn of(all: usize) -> Self {
        Self(Mutex::new(Shares { left: all, share: all / 8, taken: BTreeMap::new() }))
    }

    /// As many of so many as are left, and left to this one.
    fn take(&self, whose: Option<IpAddr>, wanted: usize) -> usize {
        if wanted == 0 {
            return 0;
        }
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has = shares.taken.get(&whose).copied().unwrap_or_default();
        let taken = wanted.min(shares.left).min(shares.share.saturating_sub(has));
        if taken > 0 {
            shares.left -= taken;
            shares.taken.insert(whose, has + taken);
        }
        taken
    }

    fn give_back(&self, whose: Option<IpAddr>, count: usize) {
        if count == 0 {
            return;
        }
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shares.left += count;
        if let Some(has) = shares.taken.get_mut(&whose) {
            *has = has.saturating_sub(count);
            if *has == 0 {
                shares.taken.remove(&whose);
            }
        }
    }
}

/// 256 MiB, of which those of one network have an eighth at most. Where nothing is left, streams that nobody reads keep the
/// others of their connection waiting.
static ALL: Budget = Budget::of(1024);

/// How much of it those of a network have.
#[cfg(test)]
pub(super) fn taken_by(whose: Option<IpAddr>) -> usize {
    ALL.0.lock().unwrap().taken.get(&whose).copied().unwrap_or_default()
}

/// An upload of one stream at 50 ms of way: 5 MB/s.
pub(super) const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// All streams of a connection together, to begin with.
pub(super) const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// As many leave the others half of that.
const UNREAD_FREE: usize = 2;

/// More than there are streams at a time.
const SHELVES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u32 = 1024 * 1024;

    fn window(budget: &'static Budget, whose: [u8; 4]) -> Window {
        Window::out_of(budget, Arc::default(), Some(whose.into()))
    }

    impl Window {
        fn with(&mut self, unread: usize) -> Option<u32> {
            self.room.unread.store(unread, Ordering::Relaxed);
            self.changed()
        }
    }

    #[test]
    fn a_window_grows_by_what_is_left_and_gives_back_what_is_used_up() {
        static FEW: Budget = Budget::of(40);
        let quarters = |count: u32| Some(MIB + count * (MIB / 4));
        let mut one = window(&FEW, [192, 0, 2, 1]);
        assert_eq!([one.with(0), one.with(2)], [None, None]);
        assert_eq!([one.with(3), one.with(3), one.with(6)], [quarters(1), None, quarters(4)]);
        assert_eq!([one.with(9), one.with(9)], [quarters(5), None], "no more is its share");
        assert_eq!([one.with(5), one.with(3)], [None, quarters(1)], "not for each that comes and goes");
        assert_eq!(one.held, 5, "the client was told");
        one.room.released(MIB as usize / 2);
        one.told();
        assert_eq!((one.changed(), one.held), (None, 3));
        assert_eq!([one.with(4), one.with(9)], [quarters(2), quarters(5)], "what it holds is there for it");
        // What its streams leave behind is room that the client was not told of yet.
        one.told();
        one.room.released(5 * MIB as usize / 4);
        assert_eq!((one.with(0), one.held), (Some(MIB), 0));
        assert_eq!(FEW.0.lock().unwrap().left, 40);
    }

    #[test]
    fn nobody_takes_what_is_another_ones_share() {
        static FEW: Budget = Budget::of(40);
        let mut greedy: Vec<_> = (0..10).map(|_| window(&FEW, [192, 0, 2, 1])).collect();
        let grown = greedy.iter_mut().filter_map(|one| one.with(90)).count();
        assert_eq!((grown, greedy[0].held), (1, 5));
        let mut other = window(&FEW, [192, 0, 2, 2]);
        assert_eq!(other.with(6), Some(2 * MIB));
        drop(greedy);
        drop(other);
        let shares = FEW.0.lock().unwrap();
        assert_eq!((shares.left, shares.taken.len()), (40, 0));
    }
}
