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
use std::sync::Arc;

use http::HeaderMap;
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
    log: Option<AccessLog>,
    spans: Option<(Spans, Ids)>,
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
        let log = settings.access_log.map(AccessLog::open).transpose()?;
        let (spans, exporter) = settings
            .spans
            .map(|settings| {
                let ids = Ids::new(&world, settings.percent);
                let (spans, exporter) = Spans::new(settings);
                ((spans, ids), exporter)
            })
            .unzip();
        let (ours, others) = (Counter::default(), Counter::default());
        let (traffic, refusals) = (Traffic::default(), HashMap::new());
        Ok((Arc::new(Self { world, traffic, ours, others, refusals, log, spans }), exporter))
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
        if let Some(log) = &self.log {
            log.write_metrics(&mut text);
        }
        if let Some((spans, _)) = &self.spans {
            spans.write_metrics(&mut text);
        }
        text.into_string()
    }

    /// Opens the file of the access log again: after it was moved away.
    pub fn reopen(&self) {
        if let Some(log) = &self.log {
            log.reopen();
        }
    }

    /// Waits until what was told is written, a second at most. Blocks.
    pub fn close(&self) {
        if let Some(log) = &self.log {
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

    fn trace(&self, headers: &mut HeaderMap) -> Option<Trace> {
        match &self.spans {
            Some((_, ids)) => ids.follow(headers),
            None => {
                trace::clean(headers);
                None
            }
        }
    }

    const fn wants(&self, traced: bool) -> bool {
        traced || self.log.is_some()
    }

    fn write_down(&self, record: Arc<Record>) {
        if let Some((spans, _)) = self.spans.as_ref().filter(|_| record.trace.is_some()) {
            spans.take(Arc::clone(&record));
        }
        if let Some(log) = &self.log {
            log.take(record);
        }
    }
}
