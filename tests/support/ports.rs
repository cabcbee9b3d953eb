//! Ports that nobody has: below those that the system gives to outgoing connections, from another place for
//! each process, so that tests beside each other do not meet.

use std::sync::atomic::{AtomicU16, Ordering};

/// A port that is free, and so are the two after it.
pub(crate) fn free_ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + u16::try_from(std::process::id() % 220).unwrap_or(0) * 100;
    loop {
        let port = first + NEXT.fetch_add(3, Ordering::SeqCst);
        let free = |port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port + 1) && free(port + 2) {
            return port;
        }
    }
}
