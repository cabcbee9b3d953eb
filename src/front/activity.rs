//! What a connection is busy with, and until when it may go on so.
//!
//! Knows no HTTP: a connection is before its first request, in one, or between two.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::time::Instant;

use super::limits::Settings;

/// What one connection is busy with.
#[derive(Debug)]
pub(super) struct Activity {
    started: Instant,
    in_flight: AtomicU32,
    /// Whether there was a request at all.
    requests: AtomicU64,
    /// Since when no request is under way, in milliseconds after `started`.
    quiet_since: AtomicU64,
    /// When the first byte after a request arrived; 0 before it does.
    head_since: AtomicU64,
    /// Whether what was written may not have left yet.
    unflushed: AtomicBool,
    /// Whether our side is being closed.
    closing: AtomicBool,
    /// Whether the last request had a body that was not read to its end.
    unread: AtomicBool,
    /// Whether a client of HTTP/2 sent or took anything since this was asked last.
    stirred: AtomicBool,
    /// Pieces of bodies of HTTP/2 that came since they were put together.
    pieces: AtomicU32,
    /// For each answer that waits for the client to take it: since when.
    waiting: Mutex<HashMap<u64, Arc<AtomicU64>, RandomState>>,
    http2: bool,
    limits: Limits,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    header: Duration,
    idle: Duration,
    write_stall: Duration,
}

/// What to do about a connection when its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Look again then.
    Wait(Instant),
    /// Nothing is under way and nothing has been for a while: it needs no room.
    Rest,
    /// Nothing is under way: let it end in good order.
    Finish,
    /// It is too slow: cut.
    Cut,
}

impl Activity {
    pub(super) fn new(http2: bool, settings: &Settings) -> Arc<Self> {
        let limits =
            Limits { header: settings.header(), idle: settings.idle(), write_stall: settings.write_stall() };
        Arc::new(Self {
            started: Instant::now(),
            in_flight: AtomicU32::new(0),
            requests: AtomicU64::new(0),
            quiet_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            unflushed: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            stirred: AtomicBool::new(false),
            pieces: AtomicU32::new(0),
            waiting: Mutex::default(),
            http2,
            limits,
        })
    }

    /// Whether it carries HTTP/2.
    pub(super) const fn http2(&self) -> bool {
        self.http2
    }

    /// Bytes arrived.
    pub(super) fn heard(&self) {
        if !self.http2
            && self.in_flight.load(Ordering::Relaxed) == 0
            && self.head_since.load(Ordering::Relaxed) == 0
        {
            self.head_since.store(self.millis().max(1), Ordering::Relaxed);
        }
    }

    /// A client of HTTP/2 sent something, be it an answer to a PING, or took something.
    pub(super) fn stirs(&self) {
        self.stirred.store(true, Ordering::Relaxed);
    }

    /// Whether it did since this was asked last.
    pub(super) fn has_stirred(&self) -> bool {
        self.stirred.swap(false, Ordering::Relaxed)
    }

    /// A client of HTTP/2 sent a piece of a body.
    pub(super) fn brings_a_piece(&self) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether there were so many that those that wait are to be put together.
    pub(super) fn has_many_pieces(&self) -> bool {
        let many = self.pieces.load(Ordering::Relaxed) >= PIECES_MAX;
        if many {
            self.pieces.store(0, Ordering::Relaxed);
        }
        many
    }

    /// Bytes are on their way out, or all have left.
    pub(super) fn flushed(&self, all: bool) {
        self.unflushed.store(!all, Ordering::Relaxed);
    }

    /// It is being closed: whatever comes, it is heard no more.
    pub(super) fn closes(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// A request's body is there to be read, or was read to its end.
    pub(super) fn read(&self, whole: bool) {
        self.unread.store(!whole, Ordering::Relaxed);
    }

    /// Whether our side was closed in the midst of a head or a body: the client may still be sending.
    pub(super) fn closed_before_all_was_read(&self) -> bool {
        let midway = self.unread.load(Ordering::Relaxed) || self.head_since.load(Ordering::Relaxed) > 0;
        midway && self.closing.load(Ordering::Relaxed)
    }

    /// Whether nothing has been under way for so long, and all that was said has left.
    pub(super) fn is_quiet_for(&self, long: Duration) -> bool {
        self.in_flight.load(Ordering::Relaxed) == 0
            && !self.unflushed.load(Ordering::Relaxed)
            && self.quiet().elapsed() >= long
    }

    /// When it ends, if no request comes.
    pub(super) fn quiet_until(&self) -> Instant {
        self.quiet() + self.limits.idle
    }

    /// A request's head is complete.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.head_since.store(0, Ordering::Relaxed);
        self.unread.store(false, Ordering::Relaxed);
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        UnderWay { activity: Arc::clone(self), number, handed: None }
    }

    /// How many requests have begun.
    pub(super) fn begun(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// What to do now.
    pub(super) fn judge(&self, now: Instant) -> Verdict {
        let until = |moment: Instant, otherwise: Verdict| {
            if now < moment { Verdict::Wait(moment) } else { otherwise }
        };
        if self.in_flight.load(Ordering::Relaxed) > 0 {
            return match self.oldest_waiting() {
                Some(since) => match until(self.at(since) + self.limits.write_stall, Verdict::Cut) {
                    Verdict::Wait(moment) => Verdict::Wait(moment.min(now + TICK)),
                    other => other,
                },
                None if self.http2 => Verdict::Wait(now + TICK),
                None => Verdict::Wait(now + self.limits.idle),
            };
        }
        if self.is_new() {
            return until(self.started + self.limits.header, Verdict::Cut);
        }
        match self.head_since.load(Ordering::Relaxed) {
            0 => match until(self.quiet_until(), Verdict::Finish) {
                Verdict::Wait(end) if self.may_rest() => {
                    match until(self.quiet() + REST_AFTER, Verdict::Rest) {
                        Verdict::Wait(rest) => Verdict::Wait(rest.min(end)),
                        other => other,
                    }
                }
                other => other,
            },
            since => until(self.at(since) + self.limits.header, Verdict::Cut),
        }
    }

    /// Whether no request has come yet.
    pub(super) fn is_new(&self) -> bool {
        self.begun() == 0
    }

    /// Whether the head of a request has begun and is to be complete before `armed`, or nothing is under way and the
    /// connection may rest before then.
    pub(super) fn is_due_before(&self, armed: Instant) -> bool {
        match self.head_since.load(Ordering::Relaxed) {
            0 if self.in_flight.load(Ordering::Relaxed) > 0 => false,
            0 => self.may_rest() && self.quiet() + REST_AFTER < armed,
            since => self.at(since) + self.limits.header < armed,
        }
    }

    /// Whether there was a request, and nothing of one or its answer can lie anywhere between the client and us.
    fn may_rest(&self) -> bool {
        !self.http2
            && !self.is_new()
            && !self.closing.load(Ordering::Relaxed)
            && !self.unflushed.load(Ordering::Relaxed)
            && !self.unread.load(Ordering::Relaxed)
    }

    fn oldest_waiting(&self) -> Option<u64> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.values().map(|since| since.load(Ordering::Relaxed)).filter(|since| *since > 0).min()
    }

    fn quiet(&self) -> Instant {
        self.at(self.quiet_since.load(Ordering::Relaxed))
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn at(&self, millis: u64) -> Instant {
        self.started + Duration::from_millis(millis)
    }
}

/// A request under way, from its head to the end of its answer's body.
#[derive(Debug)]
pub(super) struct UnderWay {
    activity: Arc<Activity>,
    number: u64,
    handed: Option<Arc<AtomicU64>>,
}

impl UnderWay {
    /// A piece of the answer was handed over: the client is to take it. On HTTP/1.1 the socket
    /// itself shows a client that does not; on HTTP/2 only this does.
    pub(super) fn handed_over(&mut self) {
        if !self.activity.http2 {
            return;
        }
        let now = self.activity.millis().max(1);
        match &self.handed {
            Some(handed) => handed.store(now, Ordering::Relaxed),
            None => {
                let handed = Arc::new(AtomicU64::new(now));
                let mut waiting = self.activity.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.insert(self.number, Arc::clone(&handed));
                self.handed = Some(handed);
            }
        }
    }

    /// The client took it; now we wait for more to come from inside.
    pub(super) fn taken(&self) {
        if let Some(handed) = &self.handed {
            handed.store(0, Ordering::Relaxed);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.handed.is_some() {
            self.activity.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
        }
        self.activity.quiet_since.store(self.activity.millis(), Ordering::Relaxed);
        self.activity.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Pages ask again within this, or not for a while.
const REST_AFTER: Duration = Duration::from_secs(1);

/// How often a connection with answers under way is looked at.
const TICK: Duration = Duration::from_secs(5);

/// Eight kilobytes and a quarter each at most, as a rule: what may lie about for long.
const PIECES_MAX: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_phase_has_its_end() {
        let settings = Settings::default();
        let activity = Activity::new(false, &settings);
        let after = |while_: Duration| activity.judge(Instant::now() + while_);
        assert!(matches!(after(Duration::ZERO), Verdict::Wait(_)));
        assert_eq!(after(settings.header() + A_MOMENT), Verdict::Cut, "no first request");

        drop(activity.begin());
        assert_eq!(after(settings.header() * 2), Verdict::Rest, "idle may last longer");
        assert_eq!(after(settings.idle() + A_MOMENT), Verdict::Finish);
        activity.heard();
        assert!(activity.is_due_before(Instant::now() + settings.idle()));
        assert_eq!(after(settings.header() + A_MOMENT), Verdict::Cut, "a head that begins must end");

        let request = activity.begin();
        assert!(matches!(after(settings.idle() * 10), Verdict::Wait(_)), "a long answer is no idleness");
        drop(request);
        assert_eq!(after(settings.idle() + A_MOMENT), Verdict::Finish);
    }

    #[tokio::test]
    async fn it_rests_only_where_nothing_lies_between() {
        let settings = Settings::default();
        let activity = Activity::new(false, &settings);
        let later = || activity.judge(Instant::now() + REST_AFTER + A_MOMENT);
        assert!(matches!(later(), Verdict::Wait(_)), "before its first request");
        let request = activity.begin();
        assert!(matches!(later(), Verdict::Wait(_)), "in a request");
        drop(request);
        assert!(activity.is_due_before(Instant::now() + settings.idle()));
        assert_eq!(later(), Verdict::Rest);
        activity.flushed(false);
        assert!(matches!(later(), Verdict::Wait(_)), "an answer may not have left");
        activity.flushed(true);
        activity.read(false);
        assert!(matches!(later(), Verdict::Wait(_)), "there may be more of a body");
        assert!(!activity.is_due_before(Instant::now() + settings.idle()));
        drop(activity.begin());
        assert_eq!(later(), Verdict::Rest);
        activity.heard();
        assert!(matches!(later(), Verdict::Wait(_)), "a head has begun");
        drop(activity.begin());
        assert_eq!(later(), Verdict::Rest);
        activity.closes();
        assert!(matches!(later(), Verdict::Wait(_)), "what is being closed does not come back");
        assert!(!activity.is_due_before(Instant::now() + settings.idle()));

        let of_http2 = Activity::new(true, &settings);
        drop(of_http2.begin());
        assert!(matches!(of_http2.judge(Instant::now() + REST_AFTER + A_MOMENT), Verdict::Wait(_)));
    }

    #[tokio::test]
    async fn an_answer_nobody_takes_is_seen() {
        let settings = Settings::default();
        let activity = Activity::new(true, &settings);
        let mut one = activity.begin();
        let mut other = activity.begin();
        one.handed_over();
        other.handed_over();
        other.taken();
        let later = Instant::now() + settings.write_stall() + A_MOMENT;
        assert_eq!(activity.judge(later), Verdict::Cut);
        one.taken();
        assert!(matches!(activity.judge(later), Verdict::Wait(_)));
    }

    /// Moments are kept in whole milliseconds.
    const A_MOMENT: Duration = Duration::from_millis(2);
}
