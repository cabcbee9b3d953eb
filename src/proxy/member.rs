//! One backend as it stands: how much it has to do, whether its checks are well, whether it failed so often
//! that it is left alone. Shared by all cores, and kept when its route is edited. Connects to nothing.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::upstream::Backend;
use crate::crypto::sha256;
use crate::domain::Time;
use crate::domain::route::{Eject, Health};

/// A backend of a route.
pub(super) struct Member {
    /// Where it listens.
    pub(super) backend: Backend,
    /// The same, as the route says it.
    pub(super) url: String,
    /// A hash of it, which is the same on every node.
    pub(super) place: u64,
    /// Requests under way.
    pub(super) in_flight: AtomicU32,
    /// Its checks say that it is not well.
    down: AtomicBool,
    /// Checks in a row that said otherwise than `down` does.
    otherwise: AtomicU32,
    failures_in_a_row: AtomicU32,
    /// When the last of them was, in milliseconds.
    failed_at: AtomicI64,
    /// When the log told of a failure last.
    told_at: AtomicI64,
    /// Left alone until then, in milliseconds; 0: it is not.
    out_until: AtomicI64,
    /// For how long it was left alone the last time, in milliseconds.
    out_for: AtomicI64,
    /// Since when it takes requests again, in milliseconds; 0: for long.
    back_since: AtomicI64,
    /// What the last check or request that failed said.
    why: Mutex<Option<String>>,
    /// What happened so far.
    pub(super) counted: Counted,
}

/// What happened at a backend since the gate started.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) answered: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) ejected: AtomicU64,
    pub(super) checks_failed: AtomicU64,
}

/// How a backend is.
pub(super) struct Standing {
    /// Its checks say that it is not well.
    pub(super) down: bool,
    /// It is left alone because it failed.
    pub(super) out: bool,
    /// So many requests in a row got no answer by now.
    pub(super) failing: u32,
    /// When the last of these was.
    pub(super) failed_at: Time,
    /// What the last failure said, where not all is well.
    pub(super) why: Option<String>,
}

/// A place in a backend's count of requests under way, given back when it is dropped.
pub(super) struct Held {
    member: Arc<Member>,
    /// Whether it was asked though it is left alone: there was no other.
    pub(super) all_the_same: bool,
}

impl Held {
    /// Whose.
    pub(super) const fn member(&self) -> &Arc<Member> {
        &self.member
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.member.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Member {
    /// One that is new; `at` is when, for a route that had others before.
    pub(super) fn new(backend: Backend, url: &str, at: Option<Time>) -> Self {
        let mut place = [0; 8];
        place.copy_from_slice(&sha256(url.as_bytes())[..8]);
        Self {
            backend,
            url: url.to_owned(),
            place: u64::from_be_bytes(place),
            in_flight: AtomicU32::new(0),
            down: AtomicBool::new(false),
            otherwise: AtomicU32::new(0),
            failures_in_a_row: AtomicU32::new(0),
            failed_at: AtomicI64::new(0),
            told_at: AtomicI64::new(0),
            out_until: AtomicI64::new(0),
            out_for: AtomicI64::new(0),
            back_since: AtomicI64::new(at.map_or(0, Time::millis)),
            why: Mutex::default(),
            counted: Counted::default(),
        }
    }

    /// Keeps what failed, for whoever asks.
    pub(super) fn because(&self, why: &dyn Display) {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_string());
    }

    /// How it is now.
    pub(super) fn standing(&self, now: impl FnOnce() -> Time) -> Standing {
        let failing = self.failures_in_a_row.load(Ordering::Relaxed);
        let (down, out) = (self.is_down(), self.is_out(now));
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let failed_at = Time(self.failed_at.load(Ordering::Relaxed));
        Standing { down, out, failing, failed_at, why: why.filter(|_| down || out || failing > 0) }
    }

    /// Takes a request on, where not too many are under way.
    pub(super) fn hold(self: &Arc<Self>, max: u32) -> Option<Held> {
        took(&self.in_flight, max).then(|| Held { member: Arc::clone(self), all_the_same: false })
    }

    /// Whether its checks say that it is not well.
    pub(super) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// Whether it is left alone.
    pub(super) fn is_out(&self, now: impl FnOnce() -> Time) -> bool {
        let until = self.out_until.load(Ordering::Relaxed);
        until != 0 && now().millis() < until
    }

    /// How long it has taken requests again; None: for long.
    pub(super) fn back_for(&self, now: impl FnOnce() -> Time) -> Option<Duration> {
        match self.back_since.load(Ordering::Relaxed) {
            0 => None,
            since => Some(now().since(Time(since))),
        }
    }

    /// It has warmed up.
    pub(super) fn is_warm(&self) {
        self.back_since.store(0, Ordering::Relaxed);
    }

    /// It answered.
    pub(super) fn answered(&self) {
        self.counted.answered.fetch_add(1, Ordering::Relaxed);
        if self.failures_in_a_row.load(Ordering::Relaxed) != 0 {
            self.failures_in_a_row.store(0, Ordering::Relaxed);
        }
    }

    /// Whether a line of the log is to tell of a failure: now and then, since strangers may make as many as they like.
    pub(super) fn is_news(&self, now: Time) -> bool {
        let last = self.told_at.load(Ordering::Relaxed);
        let due = now.millis().saturating_sub(last) >= TOLD_EVERY_MS || now.millis() < last;
        // Of two at once one tells.
        due && self.told_at.compare_exchange(last, now.millis(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// It did not; how often in a row by now.
    pub(super) fn failed(&self, now: Time) -> u32 {
        self.failed_at.store(now.millis(), Ordering::Relaxed);
        self.counted.failed.fetch_add(1, Ordering::Relaxed);
        self.failures_in_a_row.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Leaves it alone from now on; for how long. It is twice as long as the last time where it failed again
    /// before it had stayed that long, and never the same for two that fail together: up to a quarter of it is
    /// chance.
    pub(super) fn eject(&self, now: Time, eject: &Eject, below: impl FnOnce(u64) -> u64) -> Duration {
        let base = i64::from(eject.for_seconds.max(1)) * 1000;
        let (last, until) = (self.out_for.load(Ordering::Relaxed), self.out_until.load(Ordering::Relaxed));
        let again = last > 0 && now.millis() < until.saturating_add(last);
        let long = if again { (last * 2).clamp(base, base * LONGER_MAX) } else { base };
        let chance = below(u64::try_from(long / 4).unwrap_or_default().max(1));
        let out = Duration::from_millis(u64::try_from(long).unwrap_or_default() + chance);
        self.out_for.store(long, Ordering::Relaxed);
        let back = now.plus(out).millis();
        self.out_until.store(back, Ordering::Relaxed);
        self.back_since.store(back, Ordering::Relaxed);
        // One failure more, once it is back, and it is out again.
        self.failures_in_a_row.store(eject.failures_in_a_row.saturating_sub(1), Ordering::Relaxed);
        self.counted.ejected.fetch_add(1, Ordering::Relaxed);
        out
    }

    /// It answered though it was left alone: it takes requests again. That it was, and for how long, is remembered.
    pub(super) fn comes_back(&self, now: Time) {
        if self.is_out(|| now) {
            self.out_until.store(now.millis(), Ordering::Relaxed);
            self.back_since.store(now.millis(), Ordering::Relaxed);
        }
    }

    /// What a check found. Returns whether it is well from now on, where that is news.
    pub(super) fn checked(&self, well: bool, health: &Health, now: Time) -> Option<bool> {
        if !well {
            self.counted.checks_failed.fetch_add(1, Ordering::Relaxed);
        }
        if well != self.is_down() {
            self.otherwise.store(0, Ordering::Relaxed);
            return None;
        }
        let needed = if well { health.healthy_after } else { health.unhealthy_after };
        if self.otherwise.fetch_add(1, Ordering::Relaxed) + 1 < needed {
            return None;
        }
        self.otherwise.store(0, Ordering::Relaxed);
        if well {
            self.back_since.store(now.millis(), Ordering::Relaxed);
        }
        self.down.store(!well, Ordering::Relaxed);
        Some(well)
    }

    /// Nobody checks it any more.
    pub(super) fn unchecked(&self) {
        self.otherwise.store(0, Ordering::Relaxed);
        self.down.store(false, Ordering::Relaxed);
    }
}

fn took(count: &AtomicU32, max: u32) -> bool {
    if max == 0 {
        count.fetch_add(1, Ordering::Relaxed);
        return true;
    }
    let more = |taken: u32| (taken < max).then(|| taken + 1);
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
}

/// How often the log tells of a backend's failures at most.
const TOLD_EVERY_MS: i64 = 10_000;

/// So many times as long as the first time a backend is left alone at most.
const LONGER_MAX: i64 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::route::HealthKind;

    fn member() -> Member {
        Member::new(Backend::parse("http://127.0.0.1:1").unwrap(), "http://127.0.0.1:1", None)
    }

    #[test]
    fn the_log_tells_of_failures_now_and_then() {
        let (one, begin) = (member(), Time(1_000_000));
        let told = |ms| {
            let now = begin.plus(Duration::from_millis(ms));
            one.failed(now);
            one.answered();
            one.is_news(now)
        };
        assert_eq!([0, 1, 9_999, 10_000, 10_001].map(told), [true, false, false, true, false]);
        assert!(one.is_news(begin), "the clock was set back");
    }

    #[test]
    fn who_fails_again_is_left_alone_for_longer() {
        let (one, eject) = (member(), Eject { failures_in_a_row: 3, for_seconds: 10 });
        let mut now = Time(1_000_000);
        for seconds in [10, 20, 40, 80, 160, 160] {
            let out = one.eject(now, &eject, |_| 0);
            assert_eq!(out, Duration::from_secs(seconds));
            assert!(one.is_out(|| now) && !one.is_out(|| now.plus(out)));
            assert_eq!(one.failed(now), 3, "one failure is enough now");
            now = now.plus(out);
        }
        now = now.plus(Duration::from_secs(160));
        assert_eq!(
            one.eject(now, &eject, |bound| bound - 1),
            Duration::from_millis(12_499),
            "it had stayed well"
        );
    }

    #[test]
    fn checks_count_in_a_row() {
        let health = Health {
            kind: HealthKind::Tcp,
            path: String::new(),
            interval_ms: 1,
            timeout_ms: 1,
            healthy_after: 2,
            unhealthy_after: 3,
        };
        let one = member();
        let found = |well| one.checked(well, &health, Time(5));
        assert_eq!([true, false, false, true, false, false].map(found), [None; 6]);
        assert!(!one.is_down());
        assert_eq!([found(false), found(false)], [Some(false), None]);
        assert!(one.is_down());
        assert_eq!([true, false, true, true].map(found), [None, None, None, Some(true)]);
        assert_eq!((one.is_down(), one.back_for(|| Time(9))), (false, Some(Duration::from_millis(4))));
    }

    #[test]
    fn no_more_are_taken_on_than_may_be() {
        let one = Arc::new(member());
        let held: Vec<_> = std::iter::from_fn(|| one.hold(3)).take(9).collect();
        assert_eq!(held.len(), 3);
        drop(held);
        assert!(one.hold(3).is_some() && one.hold(0).is_some());
        assert_eq!(one.in_flight.load(Ordering::Relaxed), 0);
    }
}
