//! An honest client beside a load: asks at a steady pace over a connection of its own and notes how long
//! each answer took, counted from the moment at which it was due.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::driver::{Held, Protocol, Way};

/// A probe at work.
pub(crate) struct Probe {
    stop: CancellationToken,
    task: JoinHandle<Seen>,
}

/// What a probe saw.
#[derive(Default)]
pub(crate) struct Seen {
    taken: Vec<Duration>,
    /// Requests that failed or were not answered within [`GIVEN_UP_AFTER`].
    pub(crate) failed: usize,
    /// How often a new connection was needed.
    pub(crate) reopened: usize,
    /// The first failure, in words.
    pub(crate) first_failure: Option<String>,
}

impl Probe {
    /// Asks once in `every`, over one connection that exists before this returns.
    pub(crate) async fn start(way: &Way, protocol: Protocol, every: Duration) -> Self {
        let stop = CancellationToken::new();
        let first = way.open(protocol, Ipv4Addr::LOCALHOST).await.ok();
        let (way, told) = (way.clone(), stop.clone());
        let task = tokio::spawn(async move { ask(&way, protocol, every, &told, first).await });
        Self { stop, task }
    }

    pub(crate) async fn stop(self) -> Seen {
        self.stop.cancel();
        self.task.await.expect("the probe ends by itself")
    }

    /// For so long.
    pub(crate) async fn during(way: &Way, protocol: Protocol, every: Duration, time: Duration) -> Seen {
        let probe = Self::start(way, protocol, every).await;
        tokio::time::sleep(time).await;
        probe.stop().await
    }
}

async fn ask(
    way: &Way,
    protocol: Protocol,
    every: Duration,
    stop: &CancellationToken,
    mut held: Option<Held>,
) -> Seen {
    let mut seen = Seen::default();
    let mut clock = tokio::time::interval(every);
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while let Some(due) = stop.run_until_cancelled(clock.tick()).await {
        let answer = tokio::time::timeout(GIVEN_UP_AFTER, async {
            let mut line = match held.take() {
                Some(line) if !line.is_closed() => line,
                _ => {
                    seen.reopened += 1;
                    way.open(protocol, Ipv4Addr::LOCALHOST).await?
                }
            };
            line.line.get(way).await.map(|_| line)
        });
        match answer.await {
            Ok(Ok(line)) => {
                held = Some(line);
                seen.taken.push(Instant::now() - due);
            }
            Ok(Err(error)) => seen.fail(error.to_string()),
            Err(_) => seen.fail("no answer in time".to_owned()),
        }
    }
    seen.taken.sort();
    seen
}

impl Seen {
    fn fail(&mut self, why: String) {
        self.failed += 1;
        self.first_failure.get_or_insert(why);
    }

    /// What others saw beside it, put together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.taken.extend(other.taken);
        self.taken.sort();
        self.failed += other.failed;
        self.reopened += other.reopened;
        self.first_failure = self.first_failure.or(other.first_failure);
        self
    }

    pub(crate) fn count(&self) -> usize {
        self.taken.len()
    }

    /// The time within which this share of the answers came, in milliseconds.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        super::report::quantile(&self.taken.iter().map(|t| t.as_secs_f64() * 1e3).collect::<Vec<_>>(), share)
    }

    /// `1 234 answers, p50 0.4 ms, p99 1.2 ms, longest 4.0 ms, 0 failed`.
    pub(crate) fn words(&self) -> String {
        let failed = match &self.first_failure {
            Some(why) => format!("{} failed (the first: {why})", self.failed),
            None => "0 failed".to_owned(),
        };
        format!(
            "{} answers, p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms, {failed}",
            self.count(),
            self.quantile_ms(0.5),
            self.quantile_ms(0.99),
            self.quantile_ms(1.0)
        )
    }
}

/// Longer than anything that may be called slow.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(20);
