//! Handshakes take turns: of their steps, of which each costs more than a whole request, a few run, then
//! everything else that is ready. A flood of strangers slows strangers, not those who are in; and those who are
//! in, among them strangers at a door without certificates, slow handshakes without stopping them.
//!
//! Knows no TLS: a handshake is any future that computes when it is polled.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use tokio::sync::{Notify, Semaphore};

/// The turns of one thread.
#[derive(Clone)]
pub(super) struct Turns(Arc<Inner>);

struct Inner {
    turn: Semaphore,
    waiting: AtomicUsize,
    calmer: Notify,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            turn: Semaphore::new(STEPS_AT_ONCE),
            waiting: AtomicUsize::new(0),
            calmer: Notify::new(),
        }))
    }

    /// Runs a handshake; for each of its steps it waits for its turn. Where it waits for its client, it
    /// keeps nobody else from theirs.
    pub(super) async fn taken_by<F: Future>(&self, handshake: F) -> F::Output {
        let mut handshake = pin!(handshake);
        loop {
            let place = Waiting::enter(&self.0);
            // Nobody closes it.
            let turn = self.0.turn.acquire().await.ok();
            drop(place);
            // Whatever else is ready runs first, and what the system has for us is looked at.
            tokio::task::yield_now().await;
            let step = poll_fn(|cx| Poll::Ready(handshake.as_mut().poll(cx))).await;
            drop(turn);
            match step {
                Poll::Ready(done) => return done,
                Poll::Pending => woken().await,
            }
        }
    }

    /// Waits until few enough wait for a turn. Who comes meanwhile waits in the system's queue, which costs
    /// us nothing, and is taken in later instead of being taken in and left alone until its time is over.
    pub(super) async fn calm(&self) {
        while self.0.waiting.load(Ordering::Relaxed) >= WAITING_MAX {
            self.0.calmer.notified().await;
        }
    }
}

/// One that waits; counted out also where it gives up.
struct Waiting<'a>(&'a Inner);

impl<'a> Waiting<'a> {
    fn enter(inner: &'a Inner) -> Self {
        inner.waiting.fetch_add(1, Ordering::Relaxed);
        Self(inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.0.waiting.fetch_sub(1, Ordering::Relaxed) == WAITING_MAX {
            self.0.calmer.notify_one();
        }
    }
}

/// Until whoever was polled last wakes this task.
async fn woken() {
    let mut slept = false;
    poll_fn(|_| if std::mem::replace(&mut slept, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Some three milliseconds that a request waits at most for handshakes; with one, five hundred busy connections
/// would let through two handshakes a second.
const STEPS_AT_ONCE: usize = 8;

/// At half a millisecond each, half a second of waiting for the two steps of a handshake where nothing else runs.
const WAITING_MAX: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::sync::Mutex;

    /// What ran, in order: handshakes' steps and steps of others.
    type Ran = Arc<Mutex<String>>;

    fn handshake(ran: &Ran) -> impl Future<Output = ()> + Send + 'static {
        let ran = Arc::clone(ran);
        async move {
            for _ in 0..2 {
                ran.lock().unwrap().push('h');
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn a_session_that_is_in_runs_between_any_two_handshakes() {
        let (turns, ran) = (Turns::new(), Ran::default());
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let (turns, handshake) = (turns.clone(), handshake(&ran));
            tasks.spawn(async move { turns.taken_by(handshake).await });
        }
        // It comes last, when a hundred are ready.
        let session = Arc::clone(&ran);
        tasks.spawn(async move {
            for _ in 0..20 {
                session.lock().unwrap().push('s');
                tokio::task::yield_now().await;
            }
        });
        while tasks.join_next().await.is_some() {}
        let ran = ran.lock().unwrap().clone();
        assert_eq!(ran.matches('h').count(), 200, "each handshake takes all its steps: {ran}");
        let longest = ran.rsplit_once('s').unwrap().0.split('s').map(str::len).max().unwrap();
        assert!(
            longest <= 2 * STEPS_AT_ONCE,
            "{longest} steps of handshakes while a session was ready: {ran}"
        );
    }

    #[tokio::test]
    async fn handshakes_go_on_however_busy_those_are_who_are_in() {
        let (turns, ran, busy) = (Turns::new(), Ran::default(), Arc::new(AtomicUsize::new(0)));
        let mut sessions = tokio::task::JoinSet::new();
        for _ in 0..500 {
            let busy = Arc::clone(&busy);
            sessions.spawn(async move {
                loop {
                    busy.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            });
        }
        let mut handshakes = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let (turns, handshake) = (turns.clone(), handshake(&ran));
            handshakes.spawn(async move { turns.taken_by(handshake).await });
        }
        while handshakes.join_next().await.is_some() {}
        // Three steps each, eight at once: fifteen rounds, each of two passes or so.
        let passes = busy.load(Ordering::Relaxed) / 500;
        assert!(passes <= 60, "{passes} passes for 40 handshakes");
    }

    #[tokio::test]
    async fn who_waits_for_its_client_keeps_no_turn() {
        let turns = Turns::new();
        let stuck = turns.clone();
        let silent = tokio::spawn(async move { stuck.taken_by(std::future::pending::<()>()).await });
        tokio::task::yield_now().await;
        turns.taken_by(async {}).await;
        silent.abort();
    }

    #[tokio::test]
    async fn nobody_is_taken_in_while_enough_wait() {
        let turns = Turns::new();
        let turn = turns.0.turn.acquire_many(u32::try_from(STEPS_AT_ONCE).unwrap()).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..WAITING_MAX {
            let turns = turns.clone();
            tasks.spawn(async move { turns.taken_by(async {}).await });
        }
        while turns.0.waiting.load(Ordering::Relaxed) < WAITING_MAX {
            tokio::task::yield_now().await;
        }
        let mut calm = pin!(turns.calm());
        assert!(calm.as_mut().now_or_never().is_none(), "{WAITING_MAX} wait");
        tasks.abort_all();
        while tasks.join_next().await.is_some() {}
        calm.await;
        drop(turn);
    }
}
