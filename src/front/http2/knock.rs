//! Who woke a connection's task: its streams, or its frames. While the task runs, a knock is heard without waking it once
//! more; most knocks are of that kind, for streams and frames wake each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

/// Both doors of one task.
pub(super) struct Door {
    pub(super) streams: Arc<Knock>,
    pub(super) frames: Arc<Knock>,
    pub(super) to_streams: Waker,
    pub(super) to_frames: Waker,
    task: Arc<Task>,
}

struct Task {
    waker: Waker,
    /// Whether it runs.
    inside: AtomicBool,
}

/// Whether somebody knocked since the last look.
pub(super) struct Knock {
    task: Arc<Task>,
    knocked: AtomicBool,
}

impl Door {
    /// For the task of this waker. Both count as knocked at, so that everything is looked at once.
    pub(super) fn of(waker: &Waker) -> Self {
        let task = Arc::new(Task { waker: waker.clone(), inside: AtomicBool::new(false) });
        let knock = || Arc::new(Knock { task: Arc::clone(&task), knocked: AtomicBool::new(true) });
        let (streams, frames) = (knock(), knock());
        let (to_streams, to_frames) = (Waker::from(Arc::clone(&streams)), Waker::from(Arc::clone(&frames)));
        Self { streams, frames, to_streams, to_frames, task }
    }

    /// Whether it still wakes the task that asks.
    pub(super) fn is_of(&self, waker: &Waker) -> bool {
        self.task.waker.will_wake(waker)
    }

    /// The task runs.
    pub(super) fn enter(&self) {
        self.task.inside.store(true, Ordering::SeqCst);
    }

    /// It is about to wait. Whoever knocked and was not heard wakes it again.
    pub(super) fn leave(&self) {
        self.task.inside.store(false, Ordering::SeqCst);
        if self.streams.is_knocked_at() || self.frames.is_knocked_at() {
            self.task.waker.wake_by_ref();
        }
    }
}

impl Knock {
    /// Whether somebody knocked; it is heard now.
    pub(super) fn was_knocked_at(&self) -> bool {
        self.is_knocked_at() && self.knocked.swap(false, Ordering::SeqCst)
    }

    /// Whether somebody knocked and was not heard.
    pub(super) fn is_knocked_at(&self) -> bool {
        self.knocked.load(Ordering::SeqCst)
    }

    /// Knocks.
    pub(super) fn knock(&self) {
        self.knocked.store(true, Ordering::SeqCst);
        if !self.task.inside.load(Ordering::SeqCst) {
            self.task.waker.wake_by_ref();
        }
    }
}

impl Wake for Knock {
    fn wake(self: Arc<Self>) {
        self.knock();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.knock();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn who_knocks_is_heard_once_and_wakes_only_who_sleeps() {
        struct Sleeper(AtomicUsize);
        impl Wake for Sleeper {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let sleeper = Arc::new(Sleeper(AtomicUsize::new(0)));
        let woken = || sleeper.0.load(Ordering::SeqCst);
        let door = Door::of(&Waker::from(Arc::clone(&sleeper)));
        door.enter();
        assert!(door.streams.was_knocked_at() && door.frames.was_knocked_at(), "at first all is looked at");
        assert!(!door.streams.was_knocked_at() && !door.frames.was_knocked_at());

        door.to_frames.wake_by_ref();
        assert_eq!(woken(), 0, "it is awake");
        assert!(door.frames.was_knocked_at() && !door.streams.is_knocked_at());
        door.leave();
        assert_eq!(woken(), 0, "all were heard");

        door.to_streams.wake_by_ref();
        assert_eq!(woken(), 1);
        door.enter();
        door.to_frames.wake_by_ref();
        assert!(door.streams.was_knocked_at());
        door.leave();
        assert_eq!(woken(), 2, "the frames were not looked at");
    }
}
