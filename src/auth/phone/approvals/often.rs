//! How long a question waits and how often one may be asked, so that nobody is worn down.

use std::time::Duration;

use crate::domain::Time;
use crate::store::StoreError;

/// How long and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A question may be answered for this long.
    pub lives: Duration,
    /// At most so many questions within so long, until one is approved.
    pub asked_max: [(usize, Duration); 2],
}

impl Default for Settings {
    fn default() -> Self {
        // At most 3 in 10 minutes and 10 in an hour, so that nobody is worn down by questions.
        Self {
            lives: Duration::from_secs(2 * 60),
            asked_max: [(3, Duration::from_secs(10 * 60)), (10, Duration::from_secs(60 * 60))],
        }
    }
}

impl Settings {
    /// The longest that a question may be answered (SP 800-63B-4 3.1.3.2).
    pub const LIVES_MAX: Duration = Duration::from_secs(10 * 60);

    /// The times asked so far that still count, and now; or until when no more may be asked.
    pub(super) fn room_for_one(&self, times: &[Time], now: Time) -> Result<Vec<Time>, AskError> {
        for (count_max, within) in self.asked_max {
            let recent: Vec<Time> = times.iter().copied().filter(|at| now.since(*at) < within).collect();
            if let Some(oldest) = recent.len().checked_sub(count_max).and_then(|skip| recent.get(skip)) {
                return Err(AskError::TooMany { until: oldest.plus(within) });
            }
        }
        let longest = self.asked_max.iter().map(|(_, within)| *within).max().unwrap_or_default();
        let kept = times.iter().copied().filter(|at| now.since(*at) < longest);
        Ok(kept.chain([now]).collect())
    }
}

/// Why no question is asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AskError {
    /// Too many unapproved questions.
    #[error("the phone has been asked too often: the next question may be asked at {until}")]
    TooMany {
        /// The next may be asked then.
        until: Time,
    },
    /// Every phone of the person is blocked by wrong digits.
    #[error("the phone is blocked after five wrong numbers in a row: support opens it again")]
    Blocked,
    /// Others kept changing the same records.
    #[error("the phone could not be asked just now: try again")]
    Busy,
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}
