//! What is to be told now and then: once a minute of each address, since each of its connections meets it. Of so many
//! addresses at once; what more there are wait. Says nothing itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// When each address was told of last.
#[derive(Debug)]
pub(super) struct Seldom {
    told: Mutex<HashMap<IpAddr, Instant>>,
    addresses_max: usize,
}

impl Seldom {
    pub(super) fn of(addresses_max: usize) -> Self {
        Self { told: Mutex::default(), addresses_max }
    }

    /// Whether this address is to be told of now; then it has been.
    pub(super) fn is_due(&self, address: IpAddr) -> bool {
        self.is_due_at(address.to_canonical(), Instant::now())
    }

    fn is_due_at(&self, address: IpAddr, now: Instant) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = |at: &Instant| now.duration_since(*at) < TOLD_EVERY;
        if told.get(&address).is_some_and(lately) {
            return false;
        }
        if told.len() >= self.addresses_max {
            told.retain(|_, at| lately(at));
        }
        let room = told.len() < self.addresses_max;
        if room {
            told.insert(address, now);
        }
        room
    }
}

const TOLD_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_told_of_once_a_minute_and_no_more_of_them_than_there_is_room_for() {
        let (seldom, begin) = (Seldom::of(3), Instant::now());
        let due = |n: u8, now| seldom.is_due_at(IpAddr::from([192, 0, 2, n]), now);
        assert_eq!([1, 2, 3, 4].map(|n| due(n, begin)), [true, true, true, false]);
        assert_eq!([1, 2, 3, 4].map(|n| due(n, begin)), [false; 4]);
        assert!(!seldom.is_due("::ffff:192.0.2.1".parse().unwrap()), "as a socket for both kinds writes it");
        let later = begin + TOLD_EVERY;
        assert_eq!([4, 1, 2, 3].map(|n| due(n, later)), [true, true, true, false]);
    }
}
