//! Counts requests by door and route: how many, how they ended, how long they took. Labels are what
//! operators named and closed lists of ours; nothing that a client says makes a new one. Each thread
//! counts on cache lines of its own.

use std::array;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use foldhash::fast::RandomState;
use http::{Method, StatusCode};
use papaya::{Equivalent, HashMap};

use super::text::{Kind, Text};

/// All counts, by tenant, room and route.
#[derive(Default)]
pub(super) struct Traffic {
    places: HashMap<Key, Arc<Place>, RandomState>,
}

/// Counts of one place.
pub(super) struct Place {
    shards: [Shard; SHARDS],
}

/// Tenant, room and route.
type Labels<'a> = [(&'a str, &'a str); 3];

/// How a request to a backend ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The backend answered.
    Answered,
    /// It took no connection.
    Down,
    /// It did not answer in time.
    Slow,
    /// It broke off, or answered what cannot be passed on.
    Broken,
    /// The client went away while it was asked.
    Gone,
    /// It was not asked: the route is closed, the request is not fit to be sent, all backends have enough to do.
    NotSent,
}

/// What is counted of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted<'a> {
    pub(super) method: &'a Method,
    pub(super) http2: bool,
    pub(super) status: StatusCode,
    /// Until the head of the answer.
    pub(super) took: Duration,
    /// How it ended where it was for a backend, and the backend's part of the time where one got it.
    pub(super) backend: Option<(Ending, Option<Duration>)>,
}

#[derive(Hash, PartialEq, Eq)]
struct Key {
    tenant: String,
    room: &'static str,
    route: String,
}

#[derive(Hash)]
struct Sought<'a> {
    tenant: &'a str,
    room: &'static str,
    route: &'a str,
}

impl Equivalent<Key> for Sought<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.tenant == key.tenant && self.room == key.room && self.route == key.route
    }
}

/// What the threads of one number count; apart from what others write.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    requests: [[[AtomicU64; CLASSES.len()]; METHODS.len()]; PROTOCOLS.len()],
    duration: Histogram,
    endings: [AtomicU64; ENDINGS.len()],
    backend: Histogram,
}

#[derive(Default)]
struct Histogram {
    /// One for each bound, and one for all above.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Traffic {
    /// The counts of a place, new where there are none. `route` is what an operator named; empty in our own rooms.
    pub(super) fn place(&self, tenant: &str, room: &'static str, route: &str) -> Arc<Place> {
        let places = self.places.pin();
        if let Some(place) = places.get(&Sought { tenant, room, route }) {
            return Arc::clone(place);
        }
        // Routes come and go, and an installation lives for years: the list has an end.
        let (tenant, route) = if places.len() < PLACES_MAX { (tenant, route) } else { (OTHERS, OTHERS) };
        let key = Key { tenant: tenant.to_owned(), room, route: route.to_owned() };
        Arc::clone(places.get_or_insert_with(key, Arc::default))
    }

    /// Writes them all.
    pub(super) fn write(&self, text: &mut Text) {
        let places = self.places.pin();
        let mut places: Vec<(&Key, &Arc<Place>)> = places.iter().collect();
        places.sort_by_key(|(key, _)| (&key.tenant, key.room, &key.route));
        let each = |text: &mut Text, write: &dyn Fn(&mut Text, &Labels<'_>, &Place)| {
            for (key, place) in &places {
                let labels = [("tenant", key.tenant.as_str()), ("room", key.room), ("route", &key.route)];
                write(text, &labels, place);
            }
        };
        text.family("http_requests_total", Kind::Counter, "Requests that were answered.");
        each(text, &|text, labels, place| place.requests(text, labels));
        text.family(
            "http_request_duration_seconds",
            Kind::Histogram,
            "Time from the head of a request to the head of its answer.",
        );
        each(text, &|text, labels, place| {
            place.histogram(text, "http_request_duration_seconds", labels, |shard| &shard.duration);
        });
        text.family("upstream_requests_total", Kind::Counter, "Requests to backends, by how they ended.");
        each(text, &|text, labels, place| place.endings(text, labels));
        text.family(
            "upstream_duration_seconds",
            Kind::Histogram,
            "Time from a request to a backend to the head of its answer.",
        );
        each(text, &|text, labels, place| {
            place.histogram(text, "upstream_duration_seconds", labels, |shard| &shard.backend);
        });
    }
}

impl Default for Place {
    fn default() -> Self {
        Self { shards: array::from_fn(|_| Shard::default()) }
    }
}

impl Place {
    /// Counts one request.
    pub(super) fn count(&self, one: &Counted<'_>) {
        let shard = &self.shards[own_shard()];
        let method =
            METHODS.iter().position(|name| *name == one.method.as_str()).unwrap_or(METHODS.len() - 1);
        let class = usize::from(one.status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        up(&shard.requests[usize::from(one.http2)][method][class]);
        shard.duration.count(one.took);
        if let Some((ending, took)) = one.backend {
            up(&shard.endings[ending as usize]);
            if let Some(took) = took {
                shard.backend.count(took);
            }
        }
    }

    fn sum(&self, of: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards.iter().map(|shard| of(shard).load(Ordering::Relaxed)).sum()
    }

    fn requests(&self, text: &mut Text, [a, b, c]: &Labels<'_>) {
        for (p, protocol) in PROTOCOLS.iter().enumerate() {
            for (m, method) in METHODS.iter().enumerate() {
                for (s, class) in CLASSES.iter().enumerate() {
                    let count = self.sum(|shard| &shard.requests[p][m][s]);
                    if count > 0 {
                        let own = [("protocol", *protocol), ("method", *method), ("status", *class)];
                        text.sample("http_requests_total", &[*a, *b, *c, own[0], own[1], own[2]], count);
                    }
                }
            }
        }
    }

    fn endings(&self, text: &mut Text, [a, b, c]: &Labels<'_>) {
        for (n, ending) in ENDINGS.iter().enumerate() {
            let count = self.sum(|shard| &shard.endings[n]);
            if count > 0 {
                text.sample("upstream_requests_total", &[*a, *b, *c, ("outcome", *ending)], count);
            }
        }
    }

    fn histogram(
        &self,
        text: &mut Text,
        name: &str,
        [a, b, c]: &Labels<'_>,
        of: impl Fn(&Shard) -> &Histogram,
    ) {
        let counts: Vec<u64> = (0..=BOUNDS.len()).map(|n| self.sum(|shard| &of(shard).buckets[n])).collect();
        let all: u64 = counts.iter().sum();
        if all == 0 {
            return;
        }
        let bucket = format!("{name}_bucket");
        let mut so_far = 0;
        for ((_, bound), count) in BOUNDS.iter().zip(&counts) {
            so_far += count;
            text.sample(&bucket, &[*a, *b, *c, ("le", *bound)], so_far);
        }
        text.sample(&bucket, &[*a, *b, *c, ("le", "+Inf")], all);
        let micros = self.sum(|shard| &of(shard).micros);
        text.sample(
            &format!("{name}_sum"),
            &[*a, *b, *c],
            format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000),
        );
        text.sample(&format!("{name}_count"), &[*a, *b, *c], all);
    }
}

impl Histogram {
    fn count(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|(bound, _)| micros <= *bound).unwrap_or(BOUNDS.len());
        up(&self.buckets[bucket]);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }
}

fn up(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Each thread has one, for good; where there are more threads than shards, some share.
fn own_shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<Option<usize>> = const { Cell::new(None) };
    }
    OWN.with(|own| {
        own.get().unwrap_or_else(|| {
            let next = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
            own.set(Some(next));
            next
        })
    })
}

/// A shard is two kilobytes, and a place has them all.
const SHARDS: usize = 8;

/// Far more than anybody has routes; two megabytes.
const PLACES_MAX: usize = 256;

/// What is counted together where there are more places.
const OTHERS: &str = "others";

const PROTOCOLS: [&str; 2] = ["http/1", "http/2"];

/// The last one is any other.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// As [`Ending`].
const ENDINGS: [&str; 6] = ["answered", "down", "slow", "broken", "gone", "not_sent"];

/// In microseconds, and as it is written in seconds: from a hop on one machine to a backend that is given up.
const BOUNDS: [(u64, &str); 13] = [
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn get(status: u16, micros: u64) -> Counted<'static> {
        Counted {
            method: &Method::GET,
            http2: true,
            status: StatusCode::from_u16(status).unwrap(),
            took: Duration::from_micros(micros),
            backend: Some((Ending::Slow, Some(Duration::from_micros(micros)))),
        }
    }

    fn text(traffic: &Traffic) -> String {
        let mut text = Text::default();
        traffic.write(&mut text);
        text.into_string()
    }

    #[test]
    fn what_many_threads_count_is_added_up() {
        let traffic = Traffic::default();
        std::thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| {
                    traffic.place("bank", "backend", "portal").count(&get(200, 900));
                    traffic.place("bank", "backend", "portal").count(&get(504, 20_000_000));
                });
            }
        });
        let text = text(&traffic);
        let place = "tenant=\"bank\",room=\"backend\",route=\"portal\"";
        for line in [
            format!("http_requests_total{{{place},protocol=\"http/2\",method=\"GET\",status=\"2xx\"}} 12"),
            format!("http_request_duration_seconds_bucket{{{place},le=\"0.001\"}} 12"),
            format!("http_request_duration_seconds_bucket{{{place},le=\"10\"}} 12"),
            format!("http_request_duration_seconds_bucket{{{place},le=\"+Inf\"}} 24"),
            format!("http_request_duration_seconds_sum{{{place}}} 240.010800"),
            format!("http_request_duration_seconds_count{{{place}}} 24"),
            format!("upstream_requests_total{{{place},outcome=\"slow\"}} 24"),
        ] {
            assert!(text.contains(&format!("portcullis_{line}\n")), "{line}\n{text}");
        }
    }

    #[test]
    fn a_client_makes_no_new_line_and_an_operator_not_too_many() {
        let traffic = Traffic::default();
        let odd = Method::from_bytes(b"BREW").unwrap();
        traffic.place("bank", "backend", "a").count(&Counted { method: &odd, ..get(200, 1) });
        assert!(text(&traffic).contains("method=\"other\""));
        for n in 0..2 * PLACES_MAX {
            traffic.place("bank", "backend", &n.to_string()).count(&get(200, 1));
        }
        assert_eq!(traffic.places.pin().len(), PLACES_MAX + 1);
        assert!(text(&traffic).contains("route=\"others\""));
    }
}
