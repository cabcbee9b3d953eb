//! Web Push (RFC 8030): wakes a phone through the push service of its browser. The message is sealed for the phone
//! (`message`), signed for as us (`vapid`), and goes only to addresses of the open internet (`endpoint`, `line`).
//!
//! A push may be late, lost, or come twice: it only says that there may be something to see. Knows no question; whoever
//! pushes says until when it is of use, and whether it still is.

mod backoff;
mod endpoint;
mod line;
mod message;
mod vapid;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use data_encoding::BASE64URL_NOPAD;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::sync::Semaphore;

use crate::audit::{Entry, Event, Ledger, RecordError};
use crate::crypto::{self, OneAgreement};
use crate::domain::push::Subscription;
use crate::domain::{PhoneId, Time};
use crate::store::table::{self, Stored};
use crate::world::World;

pub use endpoint::{BadEndpoint, Reach};
pub use vapid::{Before, Key, Keys, KeysError};

use endpoint::Endpoint;
use line::Line;

/// How push services are reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whom a push service writes to about our messages: `mailto:` or `https:` (RFC 8292 2.1).
    pub contact: String,
    /// `proxy.example.com:3128`, an HTTP proxy for all that goes out.
    pub proxy: Option<String>,
    /// PEM certificates of a CA that is believed beside those that browsers trust.
    pub ca_file: Option<PathBuf>,
    /// Which addresses are gone to.
    pub reach: Reach,
}

/// Why the pusher could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// The CA.
    #[error("[push] ca_file {0} holds no certificate in PEM that can be read")]
    Ca(PathBuf),
    /// TLS.
    #[error("the chosen cryptography has neither TLS 1.3 nor 1.2")]
    Tls,
}

/// Why a subscription is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSubscription {
    /// Where it leads.
    #[error(transparent)]
    Endpoint(#[from] BadEndpoint),
    /// The browser's keys.
    #[error("the browser's keys are no keys for push")]
    BrowserKeys,
    /// It was made with a key that is not ours, or not any more.
    #[error("it was made with another key than ours")]
    OurKey,
}

/// Pushes.
pub struct Pusher {
    keys: Arc<Keys>,
    way: ArcSwap<Way>,
    ledger: Arc<Ledger>,
    world: World,
    waiting: Arc<Semaphore>,
    lines: Semaphore,
    tallies: Tallies,
}

/// The way out, as the operator wrote it.
pub struct Way {
    contact: String,
    reach: Reach,
    line: Line,
}

impl Way {
    /// Reads what the settings name.
    ///
    /// # Errors
    /// [`BadSettings`].
    pub fn open(settings: &Settings) -> Result<Self, BadSettings> {
        Ok(Self { contact: settings.contact.clone(), reach: settings.reach, line: Line::new(settings)? })
    }
}

/// What is pushed.
#[derive(Clone, Debug)]
pub struct Word {
    /// "Bank Muster & Cie".
    pub site: String,
    /// After this it is of no use.
    pub until: Time,
}

/// Whether it is still of use, asked before each further try.
pub type StillWanted = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

#[derive(Default)]
struct Tallies {
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// What became of one try.
enum Outcome {
    Taken,
    Gone(&'static str),
    Refused(String),
    Later { why: String, asked: Option<std::time::Duration> },
}

impl Pusher {
    /// Over the keys, which may be none.
    #[must_use]
    pub fn new(way: Way, keys: Arc<Keys>, ledger: Arc<Ledger>, world: World) -> Self {
        Self {
            keys,
            way: ArcSwap::from_pointee(way),
            ledger,
            world,
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            lines: Semaphore::new(LINES_MAX),
            tallies: Tallies::default(),
        }
    }

    /// Another way out from now on.
    pub fn change(&self, way: Way) {
        self.way.store(Arc::new(way));
    }

    /// Our keys.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Through which subscriptions are written.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether a subscription may be kept.
    ///
    /// # Errors
    /// [`BadSubscription`].
    pub fn check(&self, subscription: &Subscription) -> Result<(), BadSubscription> {
        Endpoint::parse(&subscription.endpoint, self.way.load().reach)?;
        let agrees = OneAgreement::begin().and_then(|ours| ours.with(&subscription.p256dh)).is_ok();
        if !agrees || subscription.auth.len() != AUTH_BYTES {
            return Err(BadSubscription::BrowserKeys);
        }
        self.keys.of(&subscription.key).map(drop).ok_or(BadSubscription::OurKey)
    }

    /// Pushes to one phone, without anybody waiting for it. What is not taken is tried again as long as it is of use.
    pub fn push(self: &Arc<Self>, to: Stored<Subscription>, word: Word, still_wanted: StillWanted) {
        let Ok(place) = Arc::clone(&self.waiting).try_acquire_owned() else {
            self.tallies.failed.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(phone = %to.record.phone, "too many pushes wait: this one is left out");
            return;
        };
        let pusher = Arc::clone(self);
        tokio::spawn(async move {
            pusher.deliver(&to, &word, &still_wanted).await;
            drop(place);
        });
    }

    async fn deliver(&self, to: &Stored<Subscription>, word: &Word, still_wanted: &StillWanted) {
        let (phone, service) = (&to.record.phone, to.record.service().to_owned());
        let mut tries = 0;
        loop {
            let outcome = self.once(&to.record, word).await;
            tries += 1;
            let (why, asked) = match outcome {
                Outcome::Taken => {
                    self.tallies.sent.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(%phone, service, tries, "pushed");
                    return;
                }
                Outcome::Gone(why) => return self.forget(to, why).await,
                Outcome::Refused(why) => return self.failed(phone, &service, &why),
                Outcome::Later { why, asked } => (why, asked),
            };
            let (now, chance) = (self.world.now(), self.world.below(1000));
            let Some(wait) = backoff::wait(tries, asked, chance, now, word.until) else {
                return self.failed(phone, &service, &why);
            };
            tracing::debug!(%phone, service, why, ?wait, "not pushed; it is tried again");
            tokio::time::sleep(wait).await;
            if self.world.now() >= word.until || !still_wanted().await {
                return;
            }
        }
    }

    async fn once(&self, to: &Subscription, word: &Word) -> Outcome {
        let Ok(_line) = self.lines.acquire().await else { return Outcome::Refused("closed".to_owned()) };
        let Some(key) = self.keys.of(&to.key) else {
            return Outcome::Gone("its key counts no more");
        };
        let way = self.way.load_full();
        let endpoint = match Endpoint::parse(&to.endpoint, way.reach) {
            Ok(endpoint) => endpoint,
            Err(why) => return Outcome::Refused(why.to_string()),
        };
        let sealed = message::seal(&self.world, to, &message::words(&word.site));
        let headers = self.headers(&way.contact, &key, &endpoint, &to.phone);
        let (Ok(body), Some(headers)) = (sealed, headers) else {
            return Outcome::Refused("it could not be sealed".to_owned());
        };
        match way.line.post(&endpoint, headers, body).await {
            Ok(heard) => judged(heard.status, heard.retry_after.as_deref(), self.world.now()),
            Err(error) => Outcome::Later { why: error.to_string(), asked: None },
        }
    }

    fn headers(&self, contact: &str, key: &Key, to: &Endpoint, phone: &PhoneId) -> Option<HeaderMap> {
        let signed = key.authorization(&to.origin(), contact, self.world.now()).ok()?;
        let mut authorization = HeaderValue::try_from(signed).ok()?;
        authorization.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization);
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(message::ENCODING));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert("ttl", HeaderValue::from_static(TTL_SECONDS));
        headers.insert("urgency", HeaderValue::from_static("high"));
        headers.insert("topic", HeaderValue::try_from(topic(phone)).ok()?);
        Some(headers)
    }

    fn failed(&self, phone: &PhoneId, service: &str, why: &str) {
        self.tallies.failed.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(%phone, service, why, "a phone was not woken; it shows the question once it is opened");
    }

    /// Ends a subscription that is good for nothing any more.
    pub async fn forget(&self, which: &Stored<Subscription>, why: &str) {
        self.tallies.dropped.fetch_add(1, Ordering::Relaxed);
        let entry = entry("gate", Event::PushDropped, &which.record).detail("why", why);
        match self.ledger.record(entry, vec![table::consume(which)]).await {
            // The phone subscribed anew meanwhile, or somebody else ended it.
            Ok(_) | Err(RecordError::Conflict) => {}
            Err(RecordError::Store(error)) => {
                tracing::warn!(%error, "a push that ended was not written down")
            }
        }
    }

    /// For the operator's listener.
    #[must_use]
    pub fn metrics(&self) -> String {
        let counts = [
            ("sent", &self.tallies.sent),
            ("failed", &self.tallies.failed),
            ("dropped", &self.tallies.dropped),
        ];
        let lines = counts.map(|(which, count)| {
            let name = format!("portcullis_pushes_{which}_total");
            format!(
                "# HELP {name} Messages that wake a phone: {which}.\n# TYPE {name} counter\n{name} {}\n",
                count.load(Ordering::Relaxed)
            )
        });
        lines.concat()
    }
}

/// A line of the trail about a subscription: its service, never its address.
#[must_use]
pub fn entry(actor: &str, what: Event, of: &Subscription) -> Entry {
    Entry::new(actor, what)
        .tenant(&of.tenant)
        .whom(format!("person:{}/{}", of.tenant, of.person))
        .detail("phone", of.phone.as_str())
        .detail("service", of.service())
}

/// What an answer means.
fn judged(status: StatusCode, retry_after: Option<&str>, now: Time) -> Outcome {
    let why = || format!("it answered {}", status.as_u16());
    match status {
        status if status.is_success() => Outcome::Taken,
        StatusCode::NOT_FOUND | StatusCode::GONE => Outcome::Gone("its push service knows it no more"),
        status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
            Outcome::Later { why: why(), asked: retry_after.and_then(|text| backoff::retry_after(text, now)) }
        }
        // Redirects too: where they lead was chosen by nobody we know.
        _ => Outcome::Refused(why()),
    }
}

/// Under one topic a newer message takes the place of an older one that still waits (RFC 8030 5.4). One for each
/// pairing: there is one question at most, and nobody else learns which phones belong together.
fn topic(phone: &PhoneId) -> String {
    let hash = crypto::sha256(format!("portcullis push topic\n{phone}").as_bytes());
    BASE64URL_NOPAD.encode(&hash[..18])
}

/// A message that waited longer would come to a question that is over.
const TTL_SECONDS: &str = "60";

/// Bytes of the secret that browser and gate share (RFC 8291 3.2).
const AUTH_BYTES: usize = 16;

/// Connections to push services at once; a slow one holds its place ten seconds at most.
const LINES_MAX: usize = 64;

/// Pushes that wait for a line or for their next try: more than questions can be open.
const WAITING_MAX: usize = 10_000;

#[cfg(test)]
mod tests;
