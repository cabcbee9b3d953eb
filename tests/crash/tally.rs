//! Counts crash points and says how many there were. The counts are of this process: all tests of a run.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How a point crashed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    Kill,
    Error,
    Power,
}

static POINTS: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

/// One point was crashed and found whole.
pub(crate) fn counted(how: How) {
    POINTS[how as usize].fetch_add(1, Ordering::SeqCst);
}

/// How many points of a kind there were.
pub(crate) fn points(how: How) -> usize {
    POINTS[how as usize].load(Ordering::SeqCst)
}

/// Says a line that the test harness does not keep to itself.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
}

/// Says the sum so far: the last test to end says all.
pub(crate) fn say_sum() {
    let [kill, error, power] = [How::Kill, How::Error, How::Power].map(points);
    say(&format!("crash points: {} (kill {kill}, error {error}, power {power})", kill + error + power));
}
