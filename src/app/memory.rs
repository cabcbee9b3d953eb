//! Memory that was freed goes back to the system also where nothing happens afterwards.

use std::hint::black_box;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// mimalloc returns what was freed a second before when it next takes or frees a page. After a crowd has left or come to rest
/// that may be hours later: a large piece that is asked for and left alone is such an occasion.
pub(super) fn give_back(stop: &CancellationToken) {
    tokio::spawn(stop.clone().run_until_cancelled_owned(async {
        let mut clock = tokio::time::interval(EVERY);
        loop {
            clock.tick().await;
            drop(black_box(Vec::<u8>::with_capacity(LARGE_BYTES)));
        }
    }));
}

/// As long as mimalloc itself waits.
const EVERY: Duration = Duration::from_secs(1);

/// A page of its own. Nothing is written into it, so it takes no memory.
const LARGE_BYTES: usize = 1024 * 1024;
