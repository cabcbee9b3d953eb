//! How much of a connection of HTTP/2 may be no request and no body. hyper bounds what a client can make us hold; nothing
//! there bounds how often we answer PING, obey SETTINGS, or begin what is reset at once. Here each frame has a price,
//! requests and answers pay it back, and who has used up the credit is told ENHANCE_YOUR_CALM.
//!
//! Knows of a frame no more than its first nine bytes.

use tokio::time::Instant;

use super::activity::Activity;
use super::http2::PIECE_BYTES;

/// What one connection has used up.
#[derive(Debug)]
pub(super) struct Calm {
    /// The head of the next frame, as much as is there.
    head: [u8; HEAD],
    got: usize,
    /// Bytes of the frame, or of the preface, that are still to come.
    rest: usize,
    spent: u64,
    /// Bytes sent since the last account.
    sent: usize,
    /// Requests that had begun by then.
    begun: u64,
    since: Instant,
    /// Bytes that were read since there were last none.
    at_once: usize,
    /// How much of the farewell was said, once it is over.
    farewell: Option<usize>,
}

impl Calm {
    pub(super) fn new() -> Self {
        Self {
            head: [0; HEAD],
            got: 0,
            rest: PREFACE,
            spent: 0,
            sent: 0,
            begun: 0,
            since: Instant::now(),
            at_once: 0,
            farewell: None,
        }
    }

    /// Whether others are to be served before more is read. Whoever sends what is dear to read would otherwise have the
    /// thread for as long as more of it lies ready.
    pub(super) const fn gives_way(&mut self) -> bool {
        let long = self.at_once >= BYTES_AT_ONCE;
        if long {
            self.at_once = 0;
        }
        long
    }

    /// Nothing lies ready.
    pub(super) const fn waits(&mut self) {
        self.at_once = 0;
    }

    /// Counts what arrived. Returns how much of it may be passed on, where the client has used up its credit: whole
    /// frames.
    pub(super) fn heard(&mut self, mut bytes: &[u8], activity: &Activity) -> Option<usize> {
        let all = bytes.len();
        self.at_once += all;
        loop {
            let here = self.rest.min(bytes.len());
            (self.rest, bytes) = (self.rest - here, &bytes[here..]);
            if self.rest > 0 {
                return None;
            }
            if self.got == 0 && self.spent > CREDIT && !self.settle(activity) {
                self.farewell = Some(0);
                return Some(all - bytes.len());
            }
            if bytes.is_empty() {
                return None;
            }
            let here = (HEAD - self.got).min(bytes.len());
            self.head[self.got..self.got + here].copy_from_slice(&bytes[..here]);
            (self.got, bytes) = (self.got + here, &bytes[here..]);
            if self.got == HEAD {
                let [a, b, c, kind, flags, ..] = self.head;
                self.rest = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.spent += price(kind, flags, self.rest);
                if kind == DATA {
                    activity.brings_a_piece();
                    // As dear as so many bytes, and h2 keeps room for ever for as many as ever waited.
                    self.at_once += PIECE_BYTES;
                }
                self.got = 0;
            }
        }
    }

    /// So much was sent.
    pub(super) const fn sent(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(bytes);
    }

    /// Whether it is over, and nothing more is heard.
    pub(super) const fn is_over(&self) -> bool {
        self.farewell.is_some()
    }

    /// What is read in place of anything more: frames at which hyper ends the connection with ENHANCE_YOUR_CALM, as it
    /// does where a client sends them. It has no other way to be told.
    pub(super) fn farewell(&mut self, room: usize) -> &'static [u8] {
        let from = self.farewell.unwrap_or(TOO_MANY_CONTINUATIONS.len());
        let rest = &TOO_MANY_CONTINUATIONS[from..];
        let words = &rest[..rest.len().min(room)];
        self.farewell = Some(from + words.len());
        words
    }

    /// Pays back what was earned since the last time; whether that is enough.
    fn settle(&mut self, activity: &Activity) -> bool {
        let (begun, now) = (activity.begun(), Instant::now());
        let millis = u64::try_from((now - self.since).as_millis()).unwrap_or(u64::MAX);
        let requests = (begun - self.begun).saturating_mul(PRICE_OF_HEADERS);
        let earned = requests
            .saturating_add(self.sent as u64 / BYTES_SENT_PER_FRAME)
            .saturating_add(millis.saturating_mul(FRAMES_PER_SECOND) / 1000);
        self.spent = self.spent.saturating_sub(earned);
        (self.sent, self.begun, self.since) = (0, begun, now);
        self.spent <= CREDIT
    }
}

/// Whether a connection ended because its client was told to calm down, here or by h2.
pub(super) fn is_flood(error: &(dyn std::error::Error + 'static)) -> bool {
    error
        .downcast_ref::<h2::Error>()
        .is_some_and(|error| error.is_library() && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM))
}

/// What a frame costs. Bytes of bodies cost nothing: they are what a connection is for.
const fn price(kind: u8, flags: u8, length: usize) -> u64 {
    match kind {
        DATA if length > 0 || flags & END_STREAM != 0 => 0,
        DATA => 1,
        CONTINUATION => 1 + (length / BYTES_OF_HEADERS) as u64,
        HEADERS => PRICE_OF_HEADERS + (length / BYTES_OF_HEADERS) as u64,
        RST_STREAM => PRICE_OF_RESET,
        _ => 1 + (length / BYTES_PER_FRAME) as u64,
    }
}

/// HEADERS on stream 1 that go on, and go on with nothing: one more than hyper bears (RUSTSEC-2024-0332).
const TOO_MANY_CONTINUATIONS: [u8; HEAD * 7] = {
    let mut bytes = [0; HEAD * 7];
    let mut frame = 0;
    while frame < 7 {
        bytes[HEAD * frame + 3] = if frame == 0 { HEADERS } else { CONTINUATION };
        bytes[HEAD * frame + 8] = 1;
        frame += 1;
    }
    bytes
};

/// About a millisecond of work, which is what the client's handshake costs us: to come again is no cheaper for it.
const CREDIT: u64 = 2_000;

/// A head costs about as much as four PINGs. A request that begins pays it back: it is no flood, and bounded elsewhere.
const PRICE_OF_HEADERS: u64 = 4;

/// More for a long one, which its request does not pay back: its answer does, were it as short as a 304.
const BYTES_OF_HEADERS: usize = 1024;

/// Work that was begun in vain, here and at the backend: five hundred at once, as Envoy has it (CVE-2023-44487).
const PRICE_OF_RESET: u64 = 4;

/// More for what is long and means nothing.
const BYTES_PER_FRAME: usize = 64;

/// Answers are followed by WINDOW_UPDATEs; some clients send two for each piece, however short. What answers PING is
/// shorter.
const BYTES_SENT_PER_FRAME: u64 = 32;

/// Enough for whoever keeps a connection alive, and no load: a hundred of them are 50 µs.
const FRAMES_PER_SECOND: u64 = 100;

/// Two or three milliseconds of the dearest, a head of sizes of tables; much more of what is cheap is not read at once.
const BYTES_AT_ONCE: usize = 64 * 1024;

/// RFC 9113 3.4 and 4.1.
const PREFACE: usize = 24;
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::front::limits::Settings;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let head = [0, (length >> 8) as u8, length as u8, kind, flags, 0, 0, 0, 1];
        [&head[..], &vec![0; length]].concat()
    }

    fn begin() -> (Calm, Arc<Activity>) {
        let (mut calm, activity) = (Calm::new(), Activity::new(true, &Settings::default()));
        assert_eq!(calm.heard(&[0; PREFACE], &activity), None);
        // However long the test takes, until it first settles nothing is earned by waiting.
        calm.since += Duration::from_secs(3600);
        (calm, activity)
    }

    /// Frames of a kind that are passed on before it is over, in reads of `size`, at most `most`.
    fn passed(frame: &[u8], size: usize, most: usize) -> usize {
        let (mut calm, activity) = begin();
        let all = frame.repeat(most);
        let mut passed = 0;
        for piece in all.chunks(size) {
            if let Some(whole) = calm.heard(piece, &activity) {
                passed += whole;
                assert!(calm.is_over() && passed.is_multiple_of(frame.len()), "{passed}");
                return passed / frame.len();
            }
            passed += piece.len();
        }
        assert!(!calm.is_over());
        passed / frame.len()
    }

    /// H-19.
    #[tokio::test]
    async fn frames_that_are_no_request_are_counted_however_they_are_cut_up() {
        const PING: u8 = 6;
        for size in [1, 7, 17, 1000, 16_384] {
            assert_eq!(passed(&frame(PING, 0, 8), size, 5_000), 2_001, "{size}");
            assert_eq!(passed(&frame(DATA, 0, 0), size, 5_000), 2_001, "{size}");
            assert_eq!(passed(&frame(RST_STREAM, 0, 4), size, 5_000), 501, "{size}");
            assert_eq!(passed(&frame(HEADERS, 5, 40), size, 5_000), 501, "{size}");
        }
        // A header block, and a frame of no known kind, as long as may be.
        assert_eq!(passed(&frame(HEADERS, 5, 16_384), 16_384, 500), 101);
        assert_eq!(passed(&frame(0xbe, 0, 16_384), 16_384, 50), 8);
        // What is a body.
        assert_eq!(passed(&frame(DATA, 0, 100), 16_384, 5_000), 5_000);
        assert_eq!(passed(&frame(DATA, END_STREAM, 0), 16_384, 5_000), 5_000);
    }

    #[tokio::test]
    async fn requests_answers_and_time_pay_it_back() {
        let (mut calm, activity) = begin();
        for _ in 0..10_000 {
            assert_eq!(calm.heard(&frame(HEADERS, 5, 40), &activity), None);
            drop(activity.begin());
        }
        for _ in 0..10_000 {
            // Two WINDOW_UPDATEs for each piece of an answer.
            calm.sent(64);
            assert_eq!(calm.heard(&frame(8, 0, 4).repeat(2), &activity), None);
        }
        for _ in 0..10_000 {
            calm.since -= Duration::from_millis(10);
            assert_eq!(calm.heard(&frame(6, 0, 8), &activity), None);
        }
        // A request that is reset pays for itself alone.
        let resets = (0..).take_while(|_| {
            let frames = [frame(HEADERS, 5, 40), frame(RST_STREAM, 0, 4)].concat();
            let over = calm.heard(&frames, &activity).is_some();
            drop(activity.begin());
            !over
        });
        assert!(resets.count() <= 2_000);
    }

    #[tokio::test]
    async fn others_have_their_turn() {
        let (mut calm, activity) = begin();
        let mut at_once = Vec::new();
        for _ in 0..100 {
            let mut reads = 0;
            while !calm.gives_way() {
                calm.heard(&frame(DATA, 0, 16_375), &activity);
                reads += 1;
            }
            at_once.push(reads);
        }
        assert!(at_once.iter().all(|reads| *reads == 4), "{at_once:?}");
        // Where nothing lies ready there is nothing to give way for.
        for _ in 0..100 {
            calm.heard(&frame(DATA, 0, 16_375), &activity);
            calm.waits();
            assert!(!calm.gives_way());
        }
    }

    #[tokio::test]
    async fn the_farewell_comes_in_the_room_there_is() {
        let (mut calm, activity) = begin();
        assert!(calm.heard(&frame(6, 0, 8).repeat(3_000), &activity).is_some());
        let mut words = Vec::new();
        for room in [1, 0, 30, 100, 100] {
            words.extend_from_slice(calm.farewell(room));
        }
        assert_eq!(words, TOO_MANY_CONTINUATIONS);
    }
}
