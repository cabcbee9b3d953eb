//! How often each thing happened since the start: what the trail says, as numbers, and what strangers could
//! fill it with. Knows no metric's name.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Event;
use crate::domain::throttle::Guarded;

/// Numbers that only go up.
#[derive(Debug)]
pub struct Tally {
    events: [AtomicU64; Event::ALL.len()],
    held_off: [AtomicU64; Guarded::ALL.len()],
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            events: array::from_fn(|_| AtomicU64::new(0)),
            held_off: array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Tally {
    /// An entry was written down.
    pub(super) fn told(&self, event: Event) {
        self.events[event as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A try was refused before it was heard.
    pub fn hold_off(&self, guarded: Guarded) {
        self.held_off[guarded as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often it was written down.
    #[must_use]
    pub fn of(&self, event: Event) -> u64 {
        self.events[event as usize].load(Ordering::Relaxed)
    }

    /// How many tries were refused before they were heard.
    #[must_use]
    pub fn held_off(&self, guarded: Guarded) -> u64 {
        self.held_off[guarded as usize].load(Ordering::Relaxed)
    }
}
