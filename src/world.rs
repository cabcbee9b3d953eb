//! Time and chance: the only place that asks for either, so that a test can hold both.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::Time;

/// The outside world as the house sees it.
#[derive(Clone)]
pub struct World {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Random bits.
    pub entropy: Arc<dyn Entropy>,
}

impl World {
    /// The real one.
    #[must_use]
    pub fn real() -> Self {
        Self { clock: Arc::new(SystemClock::start()), entropy: Arc::new(SystemEntropy) }
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    /// Six digits, each of the million equally likely.
    #[must_use]
    pub fn six_digits(&self) -> String {
        format!("{:06}", self.below(1_000_000))
    }

    /// A number below `bound` (at least 1), each equally likely: rejection, not remainder.
    #[must_use]
    pub fn below(&self, bound: u32) -> u32 {
        let zone = u32::MAX - u32::MAX % bound;
        loop {
            let n = u32::from_be_bytes(self.bytes());
            if n < zone {
                return n % bound;
            }
        }
    }
}

/// What time it is.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Time;
}

/// Random bits, fit for keys.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// The system's clock, which here never goes back nor stands still while the process lives: where
/// the wall clock is set back, time goes on by the monotonic clock from where it had come, so that
/// nothing that had ended lives again. A wall clock that was wrongly far ahead and put right is
/// believed again after a restart.
pub struct SystemClock {
    since: Instant,
    /// How far the wall clock has been ahead of `since` at most, in milliseconds.
    ahead: AtomicI64,
}

impl SystemClock {
    /// Starts from the wall clock.
    #[must_use]
    pub fn start() -> Self {
        Self { since: Instant::now(), ahead: AtomicI64::new(wall().millis()) }
    }
}

impl SystemClock {
    fn at(&self, wall: Time, passed: Duration) -> Time {
        let passed = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        let ahead = wall.millis().saturating_sub(passed);
        let most = self.ahead.fetch_max(ahead, Ordering::SeqCst).max(ahead);
        Time(most.saturating_add(passed))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        self.at(wall(), self.since.elapsed())
    }
}

/// The system's random bits, by the chosen cryptography.
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[allow(clippy::expect_used, reason = "without random bits nothing here may go on")]
    fn fill(&self, bytes: &mut [u8]) {
        crate::crypto::random(bytes).expect("the system gives random bytes");
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the place")]
fn wall() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A clock that stands where a test puts it.
pub struct HeldClock(AtomicI64);

impl HeldClock {
    /// Stands at `time`.
    #[must_use]
    pub fn at(time: Time) -> Self {
        Self(AtomicI64::new(time.millis()))
    }

    /// Moves to `time`.
    pub fn set(&self, time: Time) {
        self.0.store(time.millis(), Ordering::SeqCst);
    }

    /// Moves on by `while_`.
    pub fn advance(&self, while_: Duration) {
        self.set(self.now().plus(while_));
    }
}

impl Clock for HeldClock {
    fn now(&self) -> Time {
        Time(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_is_set_back_takes_no_time_back() {
        let clock = SystemClock { since: Instant::now(), ahead: AtomicI64::new(1_000_000) };
        let at = |wall, passed| clock.at(Time(wall), Duration::from_millis(passed)).millis();
        assert_eq!(at(1_000_010, 10), 1_000_010);
        assert_eq!(at(400_020, 20), 1_000_020, "an hour back: time goes on");
        assert_eq!(at(4_000_030, 30), 4_000_030, "an hour ahead");
        assert_eq!(at(1_000_040, 40), 4_000_040, "put right: nothing lives again");
        assert_eq!(at(1_600_640, 600_640), 4_600_640, "and time does not stand still");
    }

    #[test]
    fn digits_are_six_and_numbers_stay_below() {
        let world = World::real();
        for _ in 0..1000 {
            assert_eq!(world.six_digits().len(), 6);
            assert!(world.below(3) < 3);
        }
    }
}
