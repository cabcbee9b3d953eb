//! What the front counts, in the text that Prometheus reads.
//!
//! Knows no label that a client chooses: nobody outside can make the list grow.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of the front. They only go up.
#[derive(Debug, Default)]
pub struct Meters {
    /// Connections taken in.
    pub accepted: Counter,
    /// Connections closed at once because the house or the address was full.
    pub refused_full: Counter,
    /// Errors of `accept`, such as no open files left.
    pub accept_failed: Counter,
    /// Handshakes that ended without a connection. A browser that asks its user for a
    /// certificate ends one or two: these are not attacks.
    pub handshakes_failed: Counter,
    /// Handshakes for a name that is no door.
    pub unknown_names: Counter,
    /// Handshakes done.
    pub handshakes: Counter,
    /// Handshakes in which the client showed a certificate.
    pub certificates: Counter,
    /// Requests.
    pub requests: Counter,
    /// Connections cut for being slow.
    pub cut_slow: Counter,
    /// Connections cut because their certificate, or the house, closed.
    pub cut: Counter,
    /// Requests in which the house itself failed.
    pub panics: Counter,
}

/// A number that only goes up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Meters {
    /// In Prometheus' text format; `open` is the number of open connections, `known` how many
    /// of them showed a certificate.
    #[must_use]
    pub fn text(&self, open: usize, known: usize) -> String {
        let mut text = String::new();
        let counters = [
            ("connections_accepted_total", &self.accepted),
            ("connections_refused_full_total", &self.refused_full),
            ("accept_errors_total", &self.accept_failed),
            ("handshakes_total", &self.handshakes),
            ("handshakes_failed_total", &self.handshakes_failed),
            ("handshakes_unknown_name_total", &self.unknown_names),
            ("handshakes_with_certificate_total", &self.certificates),
            ("requests_total", &self.requests),
            ("connections_cut_slow_total", &self.cut_slow),
            ("connections_cut_total", &self.cut),
            ("panics_total", &self.panics),
        ];
        for (name, counter) in counters {
            // Writing to memory cannot fail.
            let _ = writeln!(
                text,
                "# TYPE portcullis_{name} counter\nportcullis_{name} {value}",
                value = counter.get()
            );
        }
        for (name, value) in [("connections_open", open), ("connections_with_certificate_open", known)] {
            let _ = writeln!(text, "# TYPE portcullis_{name} gauge\nportcullis_{name} {value}");
        }
        text
    }
}
