//! Whether a shared connection takes what requests upload. All of them share one window (RFC 9113 6.9.1), and it stays full
//! for as long as the backend reads nothing of one that filled it: whatever comes after, however short, waits behind that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The uploads over one connection.
pub(super) struct Uploads {
    since: Instant,
    /// How many wait for room.
    waiting: AtomicUsize,
    /// When one last had room, in milliseconds after `since`.
    moved_ms: AtomicU64,
    /// Whether they were found stuck, and none had room since.
    stuck: AtomicBool,
}

/// One of them, as far as it waits.
pub(super) struct Outflow {
    all: Arc<Uploads>,
    waits: bool,
}

impl Default for Uploads {
    fn default() -> Self {
        let (waiting, moved_ms) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { since: Instant::now(), waiting, moved_ms, stuck: AtomicBool::new(false) }
    }
}

impl Uploads {
    /// One more.
    pub(super) fn begin(self: &Arc<Self>) -> Outflow {
        Outflow { all: Arc::clone(self), waits: false }
    }

    /// Whether some wait now.
    pub(super) fn are_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Whether some wait, and none had room for long: others are better off elsewhere, also once those gave up, until one has
    /// room again. It may be the window of their own stream that is full, which cannot be seen from here; then one more
    /// connection is the price.
    pub(super) fn are_stuck(&self, now: impl FnOnce() -> Instant) -> bool {
        if self.stuck.load(Ordering::Relaxed) {
            return true;
        }
        if !self.are_waiting() {
            return false;
        }
        let moved = self.since + Duration::from_millis(self.moved_ms.load(Ordering::Relaxed));
        let stuck = now().saturating_duration_since(moved) > STUCK_FOR;
        self.stuck.store(stuck, Ordering::Relaxed);
        stuck
    }

    fn counts_from(&self, now: Instant) {
        let ms = now.saturating_duration_since(self.since).as_millis();
        self.moved_ms.store(u64::try_from(ms).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Outflow {
    /// It has something to send, and no room.
    pub(super) fn waits(&mut self, now: Instant) {
        if !self.waits {
            self.waits = true;
            if self.all.waiting.fetch_add(1, Ordering::Relaxed) == 0 {
                self.all.counts_from(now);
            }
        }
    }

    /// It has so much room for so much. Next to none is none: others may have left a byte of the window.
    pub(super) fn has_room(&mut self, room: usize, wanted: usize, now: Instant) {
        if room >= wanted.min(ROOM_BYTES) {
            self.waits_no_more();
            self.all.counts_from(now);
            self.all.stuck.store(false, Ordering::Relaxed);
        }
    }

    fn waits_no_more(&mut self) {
        if self.waits {
            self.waits = false;
            self.all.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Outflow {
    fn drop(&mut self) {
        // Who gives up makes no room.
        if self.waits {
            self.all.stuck.store(true, Ordering::Relaxed);
        }
        self.waits_no_more();
    }
}

/// A backend that reads makes room within its way and back. What begins before this is over waits, too.
const STUCK_FOR: Duration = Duration::from_millis(300);

/// What a backend that reads makes room for at once, be its window as small as they come.
const ROOM_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_stuck_while_some_wait_and_none_moves() {
        let all = Arc::<Uploads>::default();
        let (mut one, mut other) = (all.begin(), all.begin());
        let mut now = all.since + STUCK_FOR * 2;
        assert!(!all.are_stuck(|| now), "none waits");
        one.waits(now);
        assert!(!all.are_stuck(|| now), "it has only begun");
        now += STUCK_FOR * 2;
        assert!(all.are_stuck(|| now));
        other.has_room(5, 5, now);
        assert!(!all.are_stuck(|| now), "another moved");
        now += STUCK_FOR * 2;
        other.waits(now);
        other.has_room(1, 5000, now);
        assert!(all.are_stuck(|| now), "a byte is next to nothing");
        drop(one);
        assert!(all.are_stuck(|| now), "who gave up made no room");
        other.waits(now);
        assert!(all.are_stuck(|| now));
        other.has_room(5000, 5000, now);
        assert!(!all.are_stuck(|| now), "there is room");
        let mut last = all.begin();
        last.waits(now);
        assert!(!all.are_stuck(|| now));
        drop(last);
        assert!(all.are_stuck(|| now), "nor did who gave up before anybody asked");
    }

    #[test]
    fn a_byte_now_and_then_is_no_room() {
        let all = Arc::<Uploads>::default();
        let (mut only, mut now) = (all.begin(), all.since);
        for _ in 0..10 {
            only.waits(now);
            only.has_room(1, 5000, now);
            now += STUCK_FOR / 4;
        }
        assert!(all.are_stuck(|| now));
    }
}
