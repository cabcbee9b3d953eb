//! Secrets that stand on a screen just now: kept in this node's memory alone, so that a page that is
//! loaded again shows the same one. A restart forgets them, and the page shows a new one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::Time;
use crate::domain::session::TokenHash;

/// What each browser session shows, until when.
#[derive(Debug)]
pub struct OnScreen<V> {
    shown: Mutex<HashMap<TokenHash, (Time, V)>>,
}

impl<V> Default for OnScreen<V> {
    fn default() -> Self {
        Self { shown: Mutex::default() }
    }
}

impl<V: Clone> OnScreen<V> {
    /// Remembers what a session shows, in place of what it showed before.
    pub fn put(&self, session: &TokenHash, now: Time, until: Time, value: V) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.retain(|_, (until, _)| *until > now);
        shown.insert(*session, (until, value));
    }

    /// What a session shows, where it has not run out.
    #[must_use]
    pub fn get(&self, session: &TokenHash, now: Time) -> Option<V> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.get(session).filter(|(until, _)| *until > now).map(|(_, value)| value.clone())
    }

    /// A session shows nothing any more.
    pub fn forget(&self, session: &TokenHash) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).remove(session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ran_out_is_not_shown() {
        let screens = OnScreen::default();
        screens.put(&[1; 32], Time(0), Time(10), "482913");
        assert_eq!(screens.get(&[1; 32], Time(9)), Some("482913"));
        assert_eq!(screens.get(&[1; 32], Time(10)), None);
        assert_eq!(screens.get(&[2; 32], Time(9)), None);
        screens.forget(&[1; 32]);
        assert_eq!(screens.get(&[1; 32], Time(9)), None);
    }
}
