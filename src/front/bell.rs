//! A bell that a few slow things ring, so that a task which is woken a thousand times a second by its socket need
//! not look at each of them every time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

/// Wakes a task, and remembers that it was the bell.
pub(super) struct Bell {
    rung: AtomicBool,
    task: Waker,
}

impl Bell {
    /// For the task of this waker. It counts as rung, so that whoever asks first looks at everything once.
    pub(super) fn of(task: &Waker) -> Arc<Self> {
        Arc::new(Self { rung: AtomicBool::new(true), task: task.clone() })
    }

    /// Whether it still wakes the task that asks.
    pub(super) fn is_of(&self, task: &Waker) -> bool {
        self.task.will_wake(task)
    }

    /// Whether it rang since the last time.
    pub(super) fn has_rung(&self) -> bool {
        self.rung.load(Ordering::Relaxed) && self.rung.swap(false, Ordering::Acquire)
    }

    /// Rings.
    pub(super) fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_once_that_it_rang() {
        struct Task;
        impl Wake for Task {
            fn wake(self: Arc<Self>) {}
        }
        let task = Waker::from(Arc::new(Task));
        let bell = Bell::of(&task);
        assert!(bell.has_rung(), "at first everything is looked at");
        assert!(!bell.has_rung());
        Waker::from(Arc::clone(&bell)).wake();
        assert!(bell.has_rung());
        assert!(!bell.has_rung());
        assert!(bell.is_of(&task.clone()));
    }
}
