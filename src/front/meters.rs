//! What the front counts of connections, in the text that Prometheus reads.
//!
//! Knows no label that a client chooses: nobody outside can make the list grow.

use std::sync::atomic::{AtomicU64, Ordering};

use super::outside::text::{Kind, Text};

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
    /// Handshakes that did not end in time.
    pub handshakes_slow: Counter,
    /// Handshakes done.
    pub handshakes: Counter,
    /// Handshakes in which the client showed a certificate.
    pub certificates: Counter,
    /// Requests whose heads were too large.
    pub heads_refused: Counter,
    /// Connections cut for being slow.
    pub cut_slow: Counter,
    /// Connections of HTTP/2 ended for frames that were no requests.
    pub cut_flood: Counter,
    /// Connections cut because their certificate, or the house, closed.
    pub cut: Counter,
    /// Times that a connection of HTTP/1.1 gave its buffers back because nobody asked anything.
    pub rested: Counter,
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
        let mut text = Text::default();
        let counters = [
            ("connections_accepted_total", "Connections taken in.", &self.accepted),
            ("connections_refused_full_total", "Connections closed at once: full.", &self.refused_full),
            ("accept_errors_total", "Connections that the system could not hand over.", &self.accept_failed),
            ("connections_cut_slow_total", "Connections cut for being slow.", &self.cut_slow),
            (
                "connections_cut_flood_total",
                "Connections of HTTP/2 ended for what they sent beside requests.",
                &self.cut_flood,
            ),
            ("connections_cut_total", "Connections cut with their certificate or the house.", &self.cut),
            (
                "connections_rested_total",
                "Quiet HTTP/1.1 connections that gave their room back.",
                &self.rested,
            ),
            ("http_heads_refused_total", "Requests whose heads were too large.", &self.heads_refused),
            ("panics_total", "Requests in which the gate itself failed.", &self.panics),
        ];
        for (name, help, counter) in counters {
            text.one(name, Kind::Counter, help, counter.get());
        }
        let name = "tls_handshakes_total";
        text.family(name, Kind::Counter, "TLS handshakes, by how they ended.");
        let (done, shown) = (self.handshakes.get(), self.certificates.get());
        let mut outcome = |outcome, certificate, count: u64| {
            text.sample(name, &[("outcome", outcome), ("certificate", certificate)], count);
        };
        outcome("complete", "shown", shown);
        outcome("complete", "none", done.saturating_sub(shown));
        outcome("unknown_name", "none", self.unknown_names.get());
        outcome("broken", "none", self.handshakes_failed.get());
        outcome("slow", "none", self.handshakes_slow.get());
        text.one("connections_open", Kind::Gauge, "Open connections.", open);
        let help = "Open connections that showed a certificate.";
        text.one("connections_with_certificate_open", Kind::Gauge, help, known);
        text.into_string()
    }
}
