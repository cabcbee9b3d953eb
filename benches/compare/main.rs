//! Compares the gate with nginx and HAProxy: CPU for each proxied request and each full mutual handshake,
//! memory for each idle connection. Everybody has one core, the driver and the backend the other.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench that cannot go on must stop, and says what it measured"
)]

mod peers;
#[path = "../shared/mod.rs"]
#[allow(dead_code, reason = "the other bench shares it and uses the rest")]
mod shared;
#[path = "../../tests/support/mod.rs"]
#[allow(dead_code, reason = "tests share it and use the rest")]
mod support;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use peers::{Files, Peer};
use portcullis::domain::certificate::IssuerKind;
use rustls::NamedGroup;
use shared::driver::{Protocol, Way};
use shared::house::{House, LARGE, Setting};
use shared::probe::{Probe, Seen};
use shared::{Failure, process, report};

/// What one sample does.
#[derive(Clone, Copy)]
enum Work {
    Requests(Protocol),
    /// A mebibyte each.
    Downloads(Protocol),
    Visits {
        with_request: bool,
    },
    /// So many requests a second, however long their answers take.
    Paced {
        a_second: f64,
    },
}

struct Measure {
    name: &'static str,
    work: Work,
    samples: [Vec<f64>; 3],
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1).filter(|one| one != "--bench");
    let gate = arguments.next().ok_or("say which program: compare PROGRAM [ROUNDS]")?;
    let gate = PathBuf::from(gate).canonicalize()?;
    let rounds = arguments.next().map_or(Ok(7), |text| text.parse::<usize>())?;
    // While something is being made faster: only what has this in its name, and nothing is written down.
    let only = arguments.next();
    let setting = Setting { gate, core: Some(SERVER_CORE), limits: "idle_seconds = 3600" };
    let mut house = House::open(&setting, async |_| {}).await?;
    let (mut nginx, mut haproxy) = peers(&house)?;
    nginx.start(SERVER_CORE)?;
    haproxy.start(SERVER_CORE)?;
    let busy_before = report::busy();

    let way = house.way(NamedGroup::X25519);
    let ways = [way.to(nginx.address), way.to(haproxy.address), way.clone()];
    let pids = [nginx.pid(), haproxy.pid(), house.program.pid()];
    let mut measures = vec![
        Measure::of("CPU per proxied request, HTTP/1.1 (µs)", Work::Requests(Protocol::H1)),
        Measure::of("CPU per proxied request, HTTP/2 (µs)", Work::Requests(Protocol::H2)),
        Measure::of("CPU per MiB downloaded, HTTP/1.1 (µs)", Work::Downloads(Protocol::H1)),
        Measure::of("CPU per MiB downloaded, HTTP/2 (µs)", Work::Downloads(Protocol::H2)),
        Measure::of("CPU per full mTLS handshake (µs)", Work::Visits { with_request: false }),
        Measure::of("CPU per mTLS handshake and one request (µs)", Work::Visits { with_request: true }),
    ];
    let a_second = Work::Requests(Protocol::H1).rate(&ways[0]).await? / 2.0;
    measures.push(Measure::of("p99 at half of nginx's most, HTTP/1.1 (µs)", Work::Paced { a_second }));
    if let Some(only) = &only {
        measures.retain(|measure| measure.name.contains(only));
    }
    for way in &ways {
        for measure in &measures {
            measure.work.run(way, if rounds == 0 { 1 } else { measure.work.count() / 10 }).await?;
        }
    }
    let hybrid = house.way(NamedGroup::X25519MLKEM768);
    let mut hybrids = Vec::new();
    for round in 0..rounds {
        for measure in &mut measures {
            for turn in 0..3 {
                let who = (turn + round) % 3;
                let sample = measure.work.sample(&ways[who], pids[who]).await?;
                measure.samples[who].push(sample);
            }
            println!("round {round}: {}: {}", measure.name, measure.last());
        }
        if only.is_none() {
            hybrids.push(Work::Visits { with_request: false }.sample(&hybrid, pids[2]).await?);
        }
    }

    let mut memory = vec![
        Measure::of("memory per idle connection, HTTP/1.1 (KiB)", Work::Requests(Protocol::H1)),
        Measure::of("memory per idle connection, HTTP/2 (KiB)", Work::Requests(Protocol::H2)),
    ];
    if let Some(only) = &only {
        memory.retain(|measure| measure.name.contains(only));
    }
    for _ in 0..MEMORY_ROUNDS.min(rounds.max(1)) {
        for measure in &mut memory {
            let Work::Requests(protocol) = measure.work else { continue };
            nginx.stop();
            nginx.start(SERVER_CORE)?;
            measure.samples[0].push(per_connection(&ways[0], protocol, nginx.pid()).await?);
            haproxy.stop();
            haproxy.start(SERVER_CORE)?;
            measure.samples[1].push(per_connection(&ways[1], protocol, haproxy.pid()).await?);
            house.program.stop();
            house.program.start();
            measure.samples[2].push(per_connection(&ways[2], protocol, house.program.pid()).await?);
            println!("{}: {}", measure.name, measure.last());
        }
    }
    let panics = house.counter("panics_total").await?;
    // In good order: one that counts what it does writes it down at its end.
    if house.program.stop() != Some(0) {
        return Err("the gate did not stop in good order".into());
    }

    let mut text = format!(
        "| | {} | {} | Portcullis | Portcullis : nginx | Portcullis : HAProxy |\n|---|--:|--:|--:|--:|--:|\n",
        nginx.version(),
        haproxy.version()
    );
    for measure in measures.iter().chain(&memory) {
        writeln!(text, "{}", measure.row())?;
    }
    writeln!(
        text,
        "\nHandshake with X25519MLKEM768, which the gate prefers and the other two do not speak: {} µs.",
        report::words(&hybrids, 0)
    )?;
    writeln!(
        text,
        "\n{rounds} rounds (memory: {}), each a median with the least and the most; ratios are medians of the \
         rounds' ratios. Load average before {busy_before}, after {}. Panics: {panics}.",
        MEMORY_ROUNDS.min(rounds),
        report::busy()
    )?;
    println!("{text}");
    // Without rounds it is memory alone that is looked at, and nothing is written down.
    if rounds == 0 || only.is_some() { Ok(()) } else { report::publish("compare", &text) }
}

fn peers(house: &House) -> Result<(Peer, Peer), Failure> {
    let folder = house.program.folder.path().join("data/doors");
    let devices = house.program.issuers.iter().find(|issuer| issuer.kind == IssuerKind::Devices);
    let devices = devices.ok_or("no CA for devices")?;
    let certificate = |der: &[u8]| pem::encode(&pem::Pem::new("CERTIFICATE", der));
    let files = Files {
        door: &std::fs::read_to_string(folder.join("bank.localhost.crt"))?,
        key: &std::fs::read_to_string(folder.join("bank.localhost.key"))?,
        client_cas: &(certificate(&devices.der) + &certificate(&devices.root_der)),
        backend: house.backend(),
    };
    Ok((Peer::nginx(&files)?, Peer::haproxy(&files)?))
}

impl Work {
    const fn count(self) -> usize {
        match self {
            Self::Requests(_) => REQUESTS,
            Self::Downloads(_) => DOWNLOADS,
            Self::Visits { .. } => VISITS,
            Self::Paced { .. } => PACED,
        }
    }

    /// How many a second, as fast as they go.
    async fn rate(self, way: &Way) -> Result<f64, Failure> {
        let begun = Instant::now();
        self.run(way, self.count()).await?;
        Ok(as_f64(self.count() as u64) / begun.elapsed().as_secs_f64())
    }

    async fn run(self, way: &Way, count: usize) -> Result<(), Failure> {
        match self {
            Self::Requests(Protocol::H1) => way.requests(Protocol::H1, (32, 1), count).await,
            Self::Requests(Protocol::H2) => way.requests(Protocol::H2, (4, 8), count).await,
            Self::Downloads(protocol) => way.asking_for(LARGE).requests(protocol, (8, 1), count).await,
            Self::Visits { with_request } => way.handshakes(8, count, with_request).await,
            Self::Paced { a_second } => paced(way, a_second, count).await.map(drop),
        }
    }

    /// Microseconds of the server's CPU for each; where they are paced, those within which 99 of 100 were answered.
    async fn sample(self, way: &Way, pid: u32) -> Result<f64, Failure> {
        if let Self::Paced { a_second } = self {
            return Ok(paced(way, a_second, PACED).await?.quantile_ms(0.99) * 1e3);
        }
        let before = process::cpu_ns(pid);
        self.run(way, self.count()).await?;
        // Connections that were closed are taken down.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let after = process::cpu_ns(pid);
        Ok(as_f64(after - before) / as_f64(self.count() as u64) / 1e3)
    }
}

/// Asks so often over [`PACED_CONNECTIONS`], none of them waiting for another.
async fn paced(way: &Way, a_second: f64, count: usize) -> Result<Seen, Failure> {
    let every = Duration::from_secs_f64(as_f64(PACED_CONNECTIONS as u64) / a_second);
    let mut probes = Vec::new();
    for _ in 0..PACED_CONNECTIONS {
        probes.push(Probe::start(way, Protocol::H1, every).await);
        // Side by side, not all at once.
        tokio::time::sleep(every / u32::try_from(PACED_CONNECTIONS)? + every).await;
    }
    tokio::time::sleep(Duration::from_secs_f64(as_f64(count as u64) / a_second)).await;
    let mut all = Seen::default();
    for probe in probes {
        all = all.and(probe.stop().await);
    }
    match all.first_failure {
        None => Ok(all),
        Some(why) => Err(why.into()),
    }
}

/// Growth of a fresh process's memory by connections that did one request and then nothing, in KiB each. As many came
/// before them: what the process had freed since its start, and kept, is theirs.
async fn per_connection(way: &Way, protocol: Protocol, pid: u32) -> Result<f64, Failure> {
    let first = way.hold(protocol, IDLE_CONNECTIONS).await?;
    tokio::time::sleep(QUIET).await;
    let before = process::rss_kib(pid);
    let held = way.hold(protocol, IDLE_CONNECTIONS).await?;
    tokio::time::sleep(QUIET).await;
    let after = process::rss_kib(pid);
    if let Some(closed) = held.iter().chain(&first).position(shared::driver::Held::is_closed) {
        return Err(format!("connection {closed} was closed").into());
    }
    Ok((as_f64(after) - as_f64(before)) / as_f64(IDLE_CONNECTIONS as u64))
}

impl Measure {
    fn of(name: &'static str, work: Work) -> Self {
        Self { name, work, samples: [vec![], vec![], vec![]] }
    }

    fn last(&self) -> String {
        let last = |samples: &Vec<f64>| format!("{:.1}", samples.last().copied().unwrap_or(f64::NAN));
        self.samples.iter().map(last).collect::<Vec<_>>().join(", ")
    }

    fn row(&self) -> String {
        let cells = self.samples.iter().map(|samples| report::words(samples, 1));
        let ratio = |other: usize| -> Vec<f64> {
            self.samples[2].iter().zip(&self.samples[other]).map(|(ours, theirs)| ours / theirs).collect()
        };
        let ratios = [0, 1].map(|other| format!("**{}**", report::words(&ratio(other), 2)));
        let cells: Vec<String> = cells.chain(ratios).collect();
        format!("| {} | {} |", self.name, cells.join(" | "))
    }
}

#[allow(clippy::cast_precision_loss, reason = "nanoseconds and KiB of one run")]
const fn as_f64(number: u64) -> f64 {
    number as f64
}

/// The driver and the backend have the other one.
const SERVER_CORE: usize = 0;

/// About a second each.
const REQUESTS: usize = 20_000;
const VISITS: usize = 800;
const DOWNLOADS: usize = 600;

const PACED: usize = 20_000;
const PACED_CONNECTIONS: usize = 32;

/// Nothing is asked for so long.
const QUIET: Duration = Duration::from_secs(3);

const IDLE_CONNECTIONS: usize = 2_000;
const MEMORY_ROUNDS: usize = 3;
