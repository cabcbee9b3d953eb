//! Twice as many bad handshakes as one core can do, for a minute: half-done ones by the thousand, whole ones
//! with a certificate of a foreign CA. Those who are in go on; afterwards the gate is itself again at once.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::NamedGroup;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::{Scale, Shown, idle, slow};
use crate::shared::driver::{Protocol, Way, source, tcp};
use crate::shared::house::{House, Setting};
use crate::shared::probe::Probe;
use crate::shared::{Failure, process};
use crate::support::wire::Identity;

/// What became of the bad handshakes.
#[derive(Default)]
struct Flood {
    begun: AtomicUsize,
    answered: AtomicUsize,
    at_once: AtomicUsize,
    at_once_most: AtomicUsize,
    foreign: AtomicUsize,
    foreign_let_in: AtomicUsize,
}

pub(crate) async fn run(scale: &Scale) -> Result<Shown, Failure> {
    let setting = Setting { gate: scale.gate.clone(), core: Some(0), limits: "" };
    let mut house = House::open(&setting, async |_| {}).await?;
    let (way, pid) = (house.way(NamedGroup::X25519MLKEM768), house.program.pid());
    let hello: Arc<[u8]> = slow::hello(&way)?.into();
    let foreign = foreign_way(&house)?;
    let every = Duration::from_millis(20);
    let before = Probe::during(&way, Protocol::H1, every, scale.seconds(10)).await;
    let capacity = capacity(&way, &hello, scale.seconds(5)).await?;

    let (flood, stop) = (Arc::new(Flood::default()), CancellationToken::new());
    let probes =
        [Probe::start(&way, Protocol::H1, every).await, Probe::start(&way, Protocol::H2, every).await];
    let rss_before = process::rss_kib(pid);
    let mut attackers = JoinSet::new();
    {
        let (way, hello, flood, stop) = (way.clone(), Arc::clone(&hello), Arc::clone(&flood), stop.clone());
        attackers.spawn(async move { open_loop(&way, &hello, &flood, capacity * 2, &stop).await });
    }
    for _ in 0..4 {
        let (foreign, flood, stop) = (foreign.clone(), Arc::clone(&flood), stop.clone());
        attackers.spawn(async move { whole_handshakes(&foreign, &flood, &stop).await });
    }
    let begun = Instant::now();
    let newcomers = newcomers(&way, scale.seconds(60)).await;
    let time = begun.elapsed();
    let rss_during = process::rss_kib(pid);
    stop.cancel();
    let over = Instant::now();
    while attackers.join_next().await.is_some() {}
    let [h1, h2] = probes;
    let (h1, h2) = (h1.stop().await, h2.stop().await);
    let recovered = loop {
        let began = Instant::now();
        let done = timeout(Duration::from_secs(20), way.visit(Ipv4Addr::LOCALHOST, true)).await;
        if matches!(done, Ok(Ok(()))) && began.elapsed() < Duration::from_secs(1) {
            break over.elapsed();
        }
        if over.elapsed() > Duration::from_secs(60) {
            break over.elapsed();
        }
    };
    let after = Probe::during(&way, Protocol::H1, every, scale.seconds(10)).await;

    let mut shown = Shown::default();
    let load = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let a_second = |count: usize| count as u64 / time.as_secs();
    shown.row("half-done handshakes that one core answers", format!("{capacity} a second"));
    let offered = a_second(load(&flood.begun));
    let twice = offered as usize >= capacity * 9 / 5;
    shown.must(
        "offered, of which answered",
        format!("{offered} a second, {}", a_second(load(&flood.answered))),
        twice,
    );
    shown.row("most at once", load(&flood.at_once_most));
    shown.row("whole handshakes with a foreign certificate", load(&flood.foreign));
    shown.must("of them let in", load(&flood.foreign_let_in), load(&flood.foreign_let_in) == 0);
    shown.row("honest client before", before.words());
    let fast = |seen: &crate::shared::probe::Seen| seen.failed == 0 && seen.quantile_ms(0.99) <= 1000.0;
    shown.must("existing session, HTTP/1.1 (target p99 1 s)", h1.words(), fast(&h1) && h1.reopened == 0);
    shown.must("existing session, HTTP/2 (target p99 1 s)", h2.words(), fast(&h2) && h2.reopened == 0);
    shown.row("newcomers in the flood, one a second", newcomers);
    let soon = recovered <= Duration::from_secs(5);
    shown.must(
        "a newcomer is served within a second again after",
        format!("{:.1} s", recovered.as_secs_f64()),
        soon,
    );
    shown.row("honest client after", after.words());
    shown.row("memory before and at the end of it", format!("{rss_before} KiB, {rss_during} KiB"));
    let settled = idle::settle(&house, 3).await?;
    shown.must("all places are given back", settled, settled);
    let panics = house.counter("panics_total").await?;
    shown.must("panics", panics, panics == 0 && house.program.ended().is_none());
    Ok(shown)
}

/// How many hellos are answered a second, when the next comes as soon as one was.
async fn capacity(way: &Way, hello: &Arc<[u8]>, time: Duration) -> Result<usize, Failure> {
    let (answered, until) = (Arc::new(AtomicUsize::new(0)), Instant::now() + time);
    let mut tasks = JoinSet::new();
    for number in 0..64 {
        let (way, hello, answered) = (way.clone(), Arc::clone(hello), Arc::clone(&answered));
        tasks.spawn(async move {
            while Instant::now() < until {
                if half_done(&way, &hello, source(number * 250)).await.is_ok() {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    Ok(answered.load(Ordering::Relaxed) / usize::try_from(time.as_secs())?)
}

/// A hello whose answer, with its key exchange and signature, is thrown away.
async fn half_done(way: &Way, hello: &[u8], from: Ipv4Addr) -> std::io::Result<()> {
    let mut stream = tcp(way.address, from).await?;
    // Closed at once, so that no port of the driver waits for it.
    stream.set_zero_linger()?;
    stream.write_all(hello).await?;
    let mut answer = vec![0; 4096];
    if stream.read(&mut answer).await? < 100 {
        return Err(std::io::ErrorKind::ConnectionRefused.into());
    }
    Ok(())
}

/// So many a second, whatever becomes of them.
async fn open_loop(
    way: &Way,
    hello: &Arc<[u8]>,
    flood: &Arc<Flood>,
    a_second: usize,
    stop: &CancellationToken,
) {
    let mut clock = interval(TICK);
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let each = (a_second / 200).max(1);
    let mut number = 0;
    while stop.run_until_cancelled(clock.tick()).await.is_some() {
        for _ in 0..each {
            number += 1;
            if flood.at_once.load(Ordering::Relaxed) >= AT_ONCE_MAX {
                break;
            }
            let (way, hello, flood, stop) = (way.clone(), Arc::clone(hello), Arc::clone(flood), stop.clone());
            tokio::spawn(async move {
                flood.begun.fetch_add(1, Ordering::Relaxed);
                let now = flood.at_once.fetch_add(1, Ordering::Relaxed) + 1;
                flood.at_once_most.fetch_max(now, Ordering::Relaxed);
                let from = source((number % OFFICES) * 250);
                let bad = timeout(GIVEN_UP_AFTER, half_done(&way, &hello, from));
                if matches!(stop.run_until_cancelled(bad).await, Some(Ok(Ok(())))) {
                    flood.answered.fetch_add(1, Ordering::Relaxed);
                }
                flood.at_once.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }
}

async fn whole_handshakes(way: &Way, flood: &Flood, stop: &CancellationToken) {
    let visit = || timeout(Duration::from_secs(20), way.visit(source(100_000), true));
    while let Some(done) = stop.run_until_cancelled(visit()).await {
        flood.foreign.fetch_add(1, Ordering::Relaxed);
        if matches!(done, Ok(Ok(()))) {
            flood.foreign_let_in.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Who comes new while it lasts: how many were served, and how fast.
async fn newcomers(way: &Way, time: Duration) -> String {
    let until = Instant::now() + time;
    let (mut taken, mut failed) = (Vec::new(), 0);
    while Instant::now() < until {
        let began = Instant::now();
        match timeout(Duration::from_secs(15), way.visit(source(200_000), true)).await {
            Ok(Ok(())) => taken.push(began.elapsed().as_secs_f64()),
            _ => failed += 1,
        }
        tokio::time::sleep(Duration::from_secs(1).saturating_sub(began.elapsed())).await;
    }
    let (median, _, most) = crate::shared::report::spread(&taken);
    format!("{} served, median {median:.2} s, longest {most:.2} s; {failed} not", taken.len())
}

/// The signed-in client's cookie with a certificate of a CA that the gate has never heard of.
fn foreign_way(house: &House) -> Result<Way, Failure> {
    let key = rcgen::KeyPair::generate()?;
    let issuer = rcgen::Issuer::new(rcgen::CertificateParams::default(), rcgen::KeyPair::generate()?);
    let mut params = rcgen::CertificateParams::default();
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let leaf = params.signed_by(&key, &issuer)?;
    let identity = Identity { chain: vec![leaf.der().to_vec()], key: key.serialize_der() };
    let wire = &house.program.wire;
    let host = house.program.host("bank");
    let group = NamedGroup::X25519MLKEM768;
    Ok(Way::new(wire.address, &host, &wire.root, Some(&identity), group).signed_in(house.client.cookie()))
}

const TICK: Duration = Duration::from_millis(5);

/// The driver's own open files allow no more; far above what the gate answers in a moment.
const AT_ONCE_MAX: usize = 12_000;

/// Who is not answered comes again: so the flood keeps its pace.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(1);

/// Addresses that the flood comes from: each may have 500 connections.
const OFFICES: usize = 40;
