//! SIGKILL in place of the k-th write, fsync or rename of the store (S-01), and at any moment under load (O-08).

use std::os::unix::process::ExitStatusExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::world::World;

use crate::ground::Ground;
use crate::life::{self, Life};
use crate::tally::{self, How};
use crate::trace::{self, At, Call};
use crate::{ENGINES, facts, full};

/// S-01.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_kth_write() {
    if !trace::works() {
        tally::say("SKIPPED: strace cannot trace here: no kill at the k-th write");
        return;
    }
    for engine in ENGINES {
        let mut ground = Ground::new(*engine).await;
        let calls = counted_life(&mut ground).await;
        let points = trace::spread(&calls, if full() { usize::MAX } else { POINTS });
        let (all, some) = (calls.len(), points.len());
        tally::say(&format!("{}: {all} writes and fsyncs in a life, killed at {some}", engine.name));
        let mut missed = 0;
        for call in points {
            ground.put_back().await;
            let life = if ground.starts(&At::Kill(call.clone())).await {
                Some(life::live(&ground).await)
            } else {
                None
            };
            if life.as_ref().is_some_and(|life| life.cut_short.is_none()) {
                // Lives differ by a call or two.
                missed += 1;
                continue;
            }
            let ended = ground.ends().await;
            let why = life.as_ref().and_then(|life| life.cut_short.clone());
            assert!(
                ended.is_some_and(|status| status.signal() == Some(KILLED)),
                "{call:?}: {ended:?} {why:?} {}",
                ground.program.log()
            );
            is_whole(&mut ground, life).await;
            tally::counted(How::Kill);
        }
        assert!(missed <= may_miss(engine.name, some), "{missed} of {some} lives came to their end");
    }
    tally::say_sum();
}

/// O-08.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_under_load() {
    let world = World::real();
    let (mut slowest, mut beside) = (Duration::ZERO, 0);
    for engine in ENGINES {
        let mut ground = Ground::new(*engine).await;
        for _ in 0..if full() { 50 } else { 8 } {
            ground.put_back().await;
            ground.serves_again().await;
            let pid = rustix::process::Pid::from_raw(ground.program.pid().cast_signed()).unwrap();
            let after = Duration::from_millis(u64::from(world.below(2500)));
            let killer = tokio::spawn(async move {
                tokio::time::sleep(after).await;
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            });
            let load = Load::of(&ground);
            let life = life::live(&ground).await;
            killer.await.unwrap();
            beside += load.stopped();
            let ended = ground.ends().await;
            assert_eq!(ended.and_then(|status| status.signal()), Some(KILLED), "{}", ground.program.log());
            slowest = slowest.max(is_whole(&mut ground, Some(life)).await);
            tally::counted(How::Kill);
        }
    }
    assert!(beside > 100, "only {beside} connections were served beside it");
    tally::say(&format!("after a kill beside {beside} connections it served again within {slowest:?}"));
    tally::say_sum();
}

/// One life without a crash, to its end. The calls there are to crash at.
pub(crate) async fn counted_life(ground: &mut Ground) -> Vec<Call> {
    ground.put_back().await;
    assert!(ground.starts(&At::Nothing).await, "{}", ground.program.log());
    let life = life::live(ground).await;
    assert_eq!(life.cut_short, None, "a life without a crash goes to its end: {}", ground.program.log());
    ground.end();
    let state = ground.state().await;
    facts::must_hold(&life.facts.all(), &state, &ground.before);
    trace::calls(&ground.calls())
}

/// After a crash: it serves again, the doors and the store hold what was acknowledged. How long it took.
pub(crate) async fn is_whole(ground: &mut Ground, life: Option<Life>) -> Duration {
    let facts = life.map(|life| life.facts.all()).unwrap_or_default();
    let took = ground.serves_again().await;
    facts::must_show(&facts, ground).await;
    ground.end();
    facts::must_hold(&facts, &ground.state().await, &ground.before);
    took
}

/// Clients that ask without an end beside the life.
struct Load {
    tasks: Vec<tokio::task::JoinHandle<()>>,
    answered: Arc<AtomicUsize>,
}

impl Load {
    fn of(ground: &Ground) -> Self {
        let answered = Arc::new(AtomicUsize::new(0));
        let tasks = (0..4)
            .map(|_| {
                let (wire, answered) = (ground.program.wire.bare(), Arc::clone(&answered));
                tokio::spawn(async move {
                    loop {
                        // Each a handshake and a page of its own.
                        if wire.tls("bank.localhost", "h2").await.is_ok() {
                            answered.fetch_add(1, Ordering::SeqCst);
                        }
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                })
            })
            .collect();
        Self { tasks, answered }
    }

    fn stopped(self) -> usize {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
        self.answered.load(Ordering::SeqCst)
    }
}

const KILLED: i32 = 9;

/// How many of so many lives may come to their end: the next life makes a call or two less, and strace counts for
/// each thread, of which sled's take up the same work in another order each time.
pub(crate) fn may_miss(engine: &str, points: usize) -> usize {
    if engine == "redb" { MISSED_MAX } else { points / 2 }
}

const MISSED_MAX: usize = 8;

/// Of `./tests/run`: spread over all writes of a life.
const POINTS: usize = 26;
