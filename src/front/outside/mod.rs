//! What the operator's tools see of requests: counts for Prometheus, lines of the access log, spans over
//! OTLP. It hears of everything and decides nothing; no request waits for it.

pub mod access_log;
mod line;
pub mod otlp;
mod record;
pub mod text;
mod trace;
mod traffic;
mod trip;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderMap;
use ipnet::IpNet;
use papaya::HashMap;

use access_log::AccessLog;
pub use line::Field;
use otlp::{Exporter, Spans};
use record::Record;
use text::{Kind, Text};
use trace::{Ids, Trace};
use traffic::Traffic;
pub(super) use trip::Trip;

use super::meters::Counter;
use crate::auth::certificate::Presented;
use crate::domain::Reason;
use crate::web::refusal;
use crate::world::World;

/// What is wanted beside the counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// A line for each request.
    pub access_log: Option<access_log::Settings>,
    /// A span for each request.
    pub spans: Option<otlp::Settings>,
    /// Callers that decide themselves about their traces.
    pub follow_from: Vec<IpNet>,
}

impl Settings {
    /// Whether a caller there decides what is sampled.
    fn follows(&self, from: IpAddr) -> bool {
        self.follow_from.iter().any(|network| network.contains(&from))
    }
}

/// Everything that is told of requests.
pub struct Outside {
    world: World,
    traffic: Traffic,
    /// Connections whose certificate one of our CAs signed.
    ours: Counter,
    /// Connections with another certificate.
    others: Counter,
    refusals: HashMap<&'static str, Counter>,
    wanted: ArcSwap<Wanted>,
}

/// Who is told of each request.
#[derive(Clone, Default)]
struct Wanted {
    settings: Settings,
    log: Option<Arc<AccessLog>>,
    spans: Option<Arc<(Spans, Ids)>>,
    /// Of all logs there were.
    lines: Option<Arc<access_log::Counts>>,
    /// Of all collectors there were.
    sent: Option<Arc<otlp::Counts>>,
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outside(..)")
    }
}

impl Outside {
    /// Opens the access log. The exporter, where there is one, must be run.
    ///
    /// # Errors
    /// The system's, where the log cannot be opened.
    pub fn open(settings: Settings, world: World) -> io::Result<(Arc<Self>, Option<Exporter>)> {
        let (wanted, exporter) = Wanted::default().instead(&settings, &world)?;
        let (ours, others) = (Counter::default(), Counter::default());
        let (traffic, refusals) = (Traffic::default(), HashMap::new());
        let wanted = ArcSwap::from_pointee(wanted);
        Ok((Arc::new(Self { world, traffic, ours, others, refusals, wanted }), exporter))
    }

    /// Opens what is wanted instead from [`Changed::done`] on; what stays as it was is left alone.
    ///
    /// # Errors
    /// The system's, where the log cannot be opened.
    pub fn change(self: &Arc<Self>, settings: &Settings) -> io::Result<Changed> {
        let (wanted, exporter) = self.wanted.load().instead(settings, &self.world)?;
        Ok(Changed { outside: Arc::clone(self), wanted, exporter })
    }

    /// The counts, in Prometheus' text format.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut text = Text::default();
        self.traffic.write(&mut text);
        text.family("refusals_total", Kind::Counter, "Requests that were refused, by why.");
        let refusals = self.refusals.pin();
        for (reason, counter) in &refusals {
            text.sample("refusals_total", &[("reason", reason)], counter.get());
        }
        let wanted = self.wanted.load();
        if let Some(lines) = &wanted.lines {
            lines.write_metrics(&mut text);
        }
        if let Some(sent) = &wanted.sent {
            sent.write_metrics(&mut text);
        }
        text.into_string()
    }

    /// Opens the file of the access log again: after it was moved away.
    pub fn reopen(&self) {
        if let Some(log) = &self.wanted.load().log {
            log.reopen();
        }
    }

    /// Waits until what was told is written, a second at most. Blocks.
    pub fn close(&self) {
        if let Some(log) = &self.wanted.load_full().log {
            log.close();
        }
    }

    /// Connections with a certificate of ours, and with another.
    #[must_use]
    pub fn certificates(&self) -> (u64, u64) {
        (self.ours.get(), self.others.get())
    }

    /// What a connection showed, read for the first time.
    pub(super) fn shown(&self, presented: Presented) -> Presented {
        match presented {
            Presented::Ours(_) => self.ours.up(),
            Presented::Worthless { .. } => self.others.up(),
            Presented::Nothing => {}
        }
        presented
    }

    fn refused(&self, reason: &Reason) -> &'static str {
        let key = refusal::manner(reason).key;
        self.refusals.pin().get_or_insert_with(key, Counter::default).up();
        key
    }

    /// The trace that a request belongs to, and whether anybody is told of it.
    fn begins(&self, headers: &mut HeaderMap, from: IpAddr) -> (Option<Trace>, bool) {
        let wanted = self.wanted.load();
        let followed = wanted.settings.follows(from);
        let trace = match &wanted.spans {
            Some(spans) => spans.1.follow(headers, followed),
            None => {
                trace::pass(headers, followed);
                None
            }
        };
        (trace, trace.is_some_and(|trace| trace.sampled) || wanted.log.is_some())
    }

    /// Whether there is a line for each request.
    fn logs(&self) -> bool {
        self.wanted.load().log.is_some()
    }

    fn write_down(&self, record: Arc<Record>) {
        let wanted = self.wanted.load();
        if let Some(spans) = wanted.spans.as_ref().filter(|_| record.trace.is_some_and(|trace| trace.sampled))
        {
            spans.0.take(Arc::clone(&record));
        }
        if let Some(log) = &wanted.log {
            log.take(record);
        }
    }
}

impl Wanted {
    fn instead(&self, settings: &Settings, world: &World) -> io::Result<(Self, Option<Exporter>)> {
        let mut other = Self { settings: settings.clone(), ..self.clone() };
        if settings.access_log != self.settings.access_log {
            other.log = None;
            if let Some(settings) = settings.access_log.clone() {
                let lines = Arc::clone(other.lines.get_or_insert_default());
                other.log = Some(Arc::new(AccessLog::open(settings, lines)?));
            }
        }
        let mut runs = None;
        if settings.spans != self.settings.spans {
            other.spans = None;
            if let Some(settings) = settings.spans.clone() {
                let ids = Ids::new(world, settings.percent);
                let (spans, exporter) = Spans::new(settings, Arc::clone(other.sent.get_or_insert_default()));
                other.spans = Some(Arc::new((spans, ids)));
                runs = Some(exporter);
            }
        }
        Ok((other, runs))
    }
}

/// Another access log, or other spans, that nobody is told of yet.
pub struct Changed {
    outside: Arc<Outside>,
    wanted: Wanted,
    exporter: Option<Exporter>,
}

impl Changed {
    /// From now on. What was told before is still written where it was wanted; the exporter, where there is one, must be run.
    pub fn done(self) -> Option<Exporter> {
        self.outside.wanted.store(Arc::new(self.wanted));
        self.exporter
    }
}

impl fmt::Debug for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Changed(..)")
    }
}
