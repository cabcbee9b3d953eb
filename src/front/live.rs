//! The register of what is open: connections by certificate, requests by session. When a
//! certificate, a person, a device or a session stops counting, what hangs on it is cut.
//!
//! Decides nothing: what counts is asked of [`Standing`], which reads the view.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::domain::Time;
use crate::domain::certificate::{Certificate, Fingerprint, Issuer, Serial};
use crate::domain::device::Device;
use crate::domain::person::Person;
use crate::domain::session::{Session, TokenHash};
use crate::domain::tenant::Tenant;
use crate::store::{Key, Record, Revision};

/// What still counts. The view answers, under the clock.
pub trait Standing: Send + Sync + 'static {
    /// Whether a connection that showed this certificate may stay open: it is active and in
    /// time, its person is not shut out, its device not retired. A certificate that never
    /// counted may be answered either way: its connection shows a page and nothing else. One that
    /// had ended when the connection was `opened` may renew itself on it.
    fn certificate_counts(&self, serial: &str, fingerprint: &Fingerprint, opened: Time) -> bool;

    /// Whether this session lives.
    fn session_lives(&self, token: &TokenHash) -> bool;
}

/// What is open.
pub struct Live {
    connections: Register<Fingerprint, Serial>,
    requests: Register<TokenHash, ()>,
    /// How far the view is: what enters now has been judged by all that came before.
    revision: Box<dyn Fn() -> Revision + Send + Sync>,
    /// The clock.
    now: Box<dyn Fn() -> Time + Send + Sync>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("connections", &self.count()).finish_non_exhaustive()
    }
}

/// Something open; it leaves the register when this is dropped.
#[derive(Debug)]
pub struct Guard {
    live: Arc<Live>,
    place: Place,
    number: u64,
    token: CancellationToken,
    _beneath: Option<Arc<Guard>>,
}

#[derive(Debug)]
enum Place {
    Connection(Fingerprint),
    Request(TokenHash),
}

impl Live {
    /// Nothing is open. Every change that is heard concerns everything that is open then.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::beside(|| 0, Time::default)
    }

    /// Nothing is open; `revision` says how far the view is, `now` the time. A change concerns what was open before the
    /// view held it: who comes later is judged by it, and may read on a page why it is refused.
    #[must_use]
    pub fn beside(
        revision: impl Fn() -> Revision + Send + Sync + 'static,
        now: impl Fn() -> Time + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (connections, requests) = (Register::default(), Register::default());
        Arc::new(Self { connections, requests, revision: Box::new(revision), now: Box::new(now) })
    }

    /// Enters a connection that showed this leaf (DER). Its token is cancelled with `parent`, or
    /// when the certificate stops counting.
    #[must_use]
    pub fn enter(self: &Arc<Self>, leaf: &[u8], parent: &CancellationToken) -> Guard {
        let fingerprint = crate::crypto::sha256(leaf);
        let token = parent.child_token();
        let number = self.connections.add(fingerprint, serial(leaf), self.since(), token.clone());
        Guard { live: Arc::clone(self), place: Place::Connection(fingerprint), number, token, _beneath: None }
    }

    /// Enters a request of this session. Its token is cancelled with the connection's, or when
    /// the session ends: it belongs into the [`Ask`](crate::policy::permit::Ask). Keep the guard as
    /// long as the answer, or the tunnel, lasts.
    #[must_use]
    pub fn attend(self: &Arc<Self>, session: TokenHash, connection: &CancellationToken) -> Guard {
        let token = connection.child_token();
        let number = self.requests.add(session, (), (0, (self.now)()), token.clone());
        Guard { live: Arc::clone(self), place: Place::Request(session), number, token, _beneath: None }
    }

    fn since(&self) -> Since {
        ((self.revision)(), (self.now)())
    }

    /// Cuts every connection of a certificate; returns how many.
    pub fn cut(&self, fingerprint: &Fingerprint) -> usize {
        self.connections.cut_one(fingerprint)
    }

    /// Cuts every request under way of a session; returns how many.
    pub fn cut_session(&self, session: &TokenHash) -> usize {
        self.requests.cut_one(session)
    }

    /// How many connections with a certificate are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.connections.count()
    }

    /// Cuts all that no longer counts; returns how many.
    pub fn sweep(&self, standing: &dyn Standing) -> usize {
        self.connections.cut(Revision::MAX, |fingerprint, serial, opened| {
            !standing.certificate_counts(serial, fingerprint, opened)
        }) + self.requests.cut(Revision::MAX, |token, (), _| !standing.session_lives(token))
    }

    /// Looks again at what hung on this key of the store before `revision` changed it; returns how many
    /// were cut.
    pub fn heard(&self, key: &Key, revision: Revision, standing: &dyn Standing) -> usize {
        match key.table() {
            Session::TABLE => match session_of(key) {
                Some(token) if !standing.session_lives(&token) => self.cut_session(&token),
                _ => 0,
            },
            Certificate::TABLE => {
                let parts = key.parts();
                let changed = parts.as_deref().and_then(<[&str]>::first).copied();
                self.connections.cut(revision, |fingerprint, serial, opened| {
                    changed == Some(serial.as_str())
                        && !standing.certificate_counts(serial, fingerprint, opened)
                })
            }
            Person::TABLE | Device::TABLE | Issuer::TABLE | Tenant::TABLE => {
                self.connections.cut(revision, |fingerprint, serial, opened| {
                    !standing.certificate_counts(serial, fingerprint, opened)
                })
            }
            _ => 0,
        }
    }

    /// As [`Live::heard`] for several changes: what concerns all that is open is looked at once.
    fn heard_together<'k>(
        &self,
        changes: impl Iterator<Item = (&'k Key, Revision)>,
        standing: &dyn Standing,
    ) -> usize {
        let (mut cut, mut of_all) = (0, None::<(&Key, Revision)>);
        for (key, revision) in changes {
            match key.table() {
                Person::TABLE | Device::TABLE | Issuer::TABLE | Tenant::TABLE => {
                    of_all = Some((key, revision))
                }
                _ => cut += self.heard(key, revision, standing),
            }
        }
        // The last is the latest: who came before it was open is looked at.
        cut + of_all.map_or(0, |(key, revision)| self.heard(key, revision, standing))
    }

    /// Follows the view's changes until `stop` is cancelled. What ends by the clock alone is
    /// found within [`SWEEP_EVERY`]; changes that were missed make it look at all. Where the view
    /// is gone, it goes on by the clock: what is open must not outlive what it was judged by.
    pub async fn follow<T: Clone + Send>(
        self: Arc<Self>,
        mut touched: broadcast::Receiver<T>,
        what: impl Fn(&T) -> (&Key, Revision) + Send,
        standing: Arc<dyn Standing>,
        stop: CancellationToken,
    ) {
        let mut clock = tokio::time::interval(SWEEP_EVERY);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut hears = true;
        loop {
            let cut = tokio::select! {
                () = stop.cancelled() => return,
                _ = clock.tick() => self.sweep(&*standing),
                heard = touched.recv(), if hears => match heard {
                    Ok(first) => {
                        // What has come meanwhile is heard together, so that ten thousand devices that are
                        // retired at once do not each have all that is open looked at.
                        let more = std::iter::from_fn(|| touched.try_recv().ok()).take(HEARD_AT_ONCE);
                        let all: Vec<T> = std::iter::once(first).chain(more).collect();
                        self.heard_together(all.iter().map(&what), &*standing)
                    }
                    Err(RecvError::Lagged(_)) => self.sweep(&*standing),
                    Err(RecvError::Closed) => {
                        hears = false;
                        self.sweep(&*standing)
                    }
                },
            };
            if cut > 0 {
                tracing::info!(cut, "cut what no longer counts");
            }
        }
    }
}

impl Guard {
    /// Cancelled when what this guards must be cut.
    #[must_use]
    pub const fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Keeps another place as long as this one is kept.
    #[must_use]
    pub fn beneath(mut self, other: Option<Arc<Self>>) -> Self {
        self._beneath = other;
        self
    }

    /// SHA-256 over the leaf, of a connection.
    #[must_use]
    pub const fn fingerprint(&self) -> Option<Fingerprint> {
        match &self.place {
            Place::Connection(fingerprint) => Some(*fingerprint),
            Place::Request(_) => None,
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        match &self.place {
            Place::Connection(fingerprint) => self.live.connections.remove(fingerprint, self.number),
            Place::Request(token) => self.live.requests.remove(token, self.number),
        }
    }
}

/// When something entered: by the view, and by the clock.
type Since = (Revision, Time);

/// Tokens by number, each with when it entered.
type Tokens = HashMap<u64, (Since, CancellationToken)>;

/// Tokens by key, each key with what is known of it.
#[derive(Debug)]
struct Register<K, W> {
    entries: Mutex<Entries<K, W>>,
}

#[derive(Debug)]
struct Entries<K, W> {
    next: u64,
    by_key: HashMap<K, (W, Tokens)>,
}

impl<K, W> Default for Register<K, W> {
    fn default() -> Self {
        Self { entries: Mutex::new(Entries { next: 0, by_key: HashMap::new() }) }
    }
}

impl<K: Eq + Hash, W> Register<K, W> {
    fn add(&self, key: K, what: W, since: Since, token: CancellationToken) -> u64 {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.next += 1;
        let number = entries.next;
        entries.by_key.entry(key).or_insert_with(|| (what, HashMap::new())).1.insert(number, (since, token));
        number
    }

    fn remove(&self, key: &K, number: u64) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, tokens)) = entries.by_key.get_mut(key) {
            tokens.remove(&number);
            if tokens.is_empty() {
                entries.by_key.remove(key);
            }
        }
    }

    fn count(&self) -> usize {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.by_key.values().map(|(_, tokens)| tokens.len()).sum()
    }

    fn cut_one(&self, key: &K) -> usize {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let cut = entries.by_key.get(key).map(|(_, tokens)| open(tokens, Revision::MAX, |_| true));
        let cut = cut.unwrap_or_default();
        drop(entries);
        cancel(&cut)
    }

    /// Cancels outside the lock: who is woken may leave the register at once.
    fn cut(&self, before: Revision, which: impl Fn(&K, &W, Time) -> bool) -> usize {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let of_key = entries.by_key.iter();
        let cut: Vec<_> = of_key
            .flat_map(|(key, (what, tokens))| open(tokens, before, |opened| which(key, what, opened)))
            .collect();
        drop(entries);
        cancel(&cut)
    }
}

fn open(tokens: &Tokens, before: Revision, which: impl Fn(Time) -> bool) -> Vec<CancellationToken> {
    let entered = tokens
        .values()
        .filter(|((since, opened), token)| *since < before && !token.is_cancelled() && which(*opened));
    entered.map(|(_, token)| token.clone()).collect()
}

fn cancel(tokens: &[CancellationToken]) -> usize {
    tokens.iter().for_each(CancellationToken::cancel);
    tokens.len()
}

/// The session that a key of the store is of; the inverse of `table::session`.
fn session_of(key: &Key) -> Option<TokenHash> {
    let hex = key.as_bytes().get(1..65)?;
    data_encoding::HEXLOWER.decode(hex).ok()?.try_into().ok()
}

/// As the store writes it: lower-case hex without leading zeros; empty where the leaf has none.
fn serial(leaf: &[u8]) -> Serial {
    match x509_parser::parse_x509_certificate(leaf) {
        Ok((_, certificate)) => {
            let hex = data_encoding::HEXLOWER.encode(certificate.tbs_certificate.raw_serial());
            hex.trim_start_matches('0').to_owned()
        }
        Err(_) => Serial::new(),
    }
}

/// How late a certificate or session that ends by the clock may be noticed on an open stream;
/// each request looks at the clock itself.
pub const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// A part of what the view keeps for a listener, so that none is lost while these are heard.
const HEARD_AT_ONCE: usize = 512;

#[cfg(test)]
mod tests;
