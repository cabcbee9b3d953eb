//! A clock that runs as the real one does, and that a test can put forward.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use portcullis::domain::Time;
use portcullis::world::{Clock, SystemClock};

/// The system's clock and what was added to it.
pub(crate) struct Shifted {
    real: SystemClock,
    ahead_ms: AtomicI64,
}

impl Shifted {
    pub(crate) fn behind(by: Duration) -> Self {
        let behind = i64::try_from(by.as_millis()).unwrap();
        Self { real: SystemClock::start(), ahead_ms: AtomicI64::new(-behind) }
    }

    /// Puts the clock forward.
    pub(crate) fn advance(&self, by: Duration) {
        self.ahead_ms.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Shifted {
    fn now(&self) -> Time {
        Time(self.real.now().millis() + self.ahead_ms.load(Ordering::SeqCst))
    }
}
