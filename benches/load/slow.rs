//! Five thousand clients that keep the gate waiting, in four ways, and an honest one beside them: each of
//! the slow is cut within its ten seconds, the honest hardly notices.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConnection, NamedGroup};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::{Scale, Shown, idle};
use crate::shared::driver::{Protocol, Way, source, tcp};
use crate::shared::house::{House, Setting};
use crate::shared::probe::Probe;
use crate::shared::{Failure, process, report};

/// How a client is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    SaysNothing,
    HalfAHello,
    StopsBeforeFinished,
    SlowHead,
}

const MANNERS: [(Manner, &str); 4] = [
    (Manner::SaysNothing, "connects and says nothing"),
    (Manner::HalfAHello, "sends half a ClientHello"),
    (Manner::StopsBeforeFinished, "stops before Finished"),
    (Manner::SlowHead, "shakes hands, then a byte of a head each second"),
];

pub(crate) async fn run(scale: &Scale) -> Result<Shown, Failure> {
    let setting = Setting { gate: scale.gate.clone(), core: None, limits: "" };
    let house = House::open(&setting, async |_| {}).await?;
    let (way, pid) = (house.way(NamedGroup::X25519MLKEM768), house.program.pid());
    let hello: Arc<[u8]> = hello(&way)?.into();
    let mut shown = Shown::default();
    let every = Duration::from_millis(10);
    let before = Probe::during(&way, Protocol::H1, every, scale.seconds(15)).await;
    let (rss_before, cut_before) =
        (process::rss_kib(pid), house.counter("connections_cut_slow_total").await?);

    let count = scale.of(5_000);
    let mut tasks = JoinSet::new();
    let begun = Instant::now();
    for number in 0..count {
        let (way, hello) = (way.clone(), Arc::clone(&hello));
        let manner = MANNERS[number % MANNERS.len()].0;
        tasks.spawn(async move { (manner, lasts(&way, &hello, manner, source(number)).await) });
        if number % 50 == 49 {
            // A thousand a second come.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let probe = Probe::start(&way, Protocol::H1, every).await;
    let all_here = begun.elapsed();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (rss_during, open) = (process::rss_kib(pid), house.counter("connections_open").await?);
    let mut lasted: Vec<(Manner, Option<Duration>)> = Vec::new();
    let mut failed = 0;
    while let Some(done) = tasks.join_next().await {
        match done? {
            (manner, Ok(time)) => lasted.push((manner, time)),
            _ => failed += 1,
        }
    }
    let during = probe.stop().await;
    let cut = house.counter("connections_cut_slow_total").await? - cut_before;

    shown.row("slow clients, and how many of them stood at once", format!("{count}, {open}"));
    shown.row("all had come after", format!("{:.1} s", all_here.as_secs_f64()));
    for (manner, words) in MANNERS {
        let of: Vec<f64> = lasted
            .iter()
            .filter(|(one, _)| *one == manner)
            .filter_map(|(_, time)| *time)
            .map(|t| t.as_secs_f64())
            .collect();
        let kept = lasted.iter().filter(|(one, time)| *one == manner && time.is_none()).count();
        let (median, _, most) = report::spread(&of);
        let figure =
            format!("{} cut after {median:.1} s, the last after {most:.1} s; {kept} not cut", of.len());
        shown.must(words, figure, kept == 0 && most <= 10.0 + MARGIN_SECONDS);
    }
    shown.must("could not even connect or shake hands", failed, failed == 0);
    shown.row("the gate's own count of those it cut", cut);
    shown.row("memory before and during", format!("{} KiB, {} KiB", rss_before, rss_during));
    shown.row("honest client before", before.words());
    shown.row("honest client beside them", during.words());
    let ratio = during.quantile_ms(0.99) / before.quantile_ms(0.99);
    let met = ratio <= 2.0 && during.failed == 0;
    shown.must("honest p99 beside them against before (target 2)", format!("{ratio:.2}"), met);
    let settled = idle::settle(&house, 3).await?;
    shown.must("all places are given back", settled, settled);
    let panics = house.counter("panics_total").await?;
    shown.must("panics", panics, panics == 0);
    Ok(shown)
}

/// How long the gate bore it, from the moment that its clock began; `None` where it went on.
async fn lasts(way: &Way, hello: &[u8], manner: Manner, from: Ipv4Addr) -> Result<Option<Duration>, Failure> {
    if manner == Manner::SlowHead {
        let mut stream = way.connect(Protocol::H1, from).await?;
        let begun = Instant::now();
        let (mut reader, mut writer) = tokio::io::split(&mut stream);
        let drip = async {
            for byte in b"GET /accounts HTTP/1.1\r\nhost: ".iter().cycle() {
                if writer.write_all(&[*byte]).await.is_err() || writer.flush().await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let mut rest = Vec::new();
        let ended = timeout(BORNE_MAX, async {
            tokio::select! { _ = reader.read_to_end(&mut rest) => {}, () = drip => {} }
        });
        return Ok(ended.await.ok().map(|()| begun.elapsed()));
    }
    let mut stream = tcp(way.address, from).await?;
    let begun = Instant::now();
    match manner {
        Manner::HalfAHello => stream.write_all(&hello[..hello.len() / 2]).await?,
        Manner::StopsBeforeFinished => stream.write_all(hello).await?,
        Manner::SaysNothing | Manner::SlowHead => {}
    }
    Ok(timeout(BORNE_MAX, until_closed(&mut stream)).await.ok().map(|()| begun.elapsed()))
}

async fn until_closed(stream: &mut TcpStream) {
    let mut buffer = vec![0; 4096];
    while matches!(stream.read(&mut buffer).await, Ok(read) if read > 0) {}
}

/// A whole `ClientHello`, as it goes over the wire.
pub(crate) fn hello(way: &Way) -> Result<Vec<u8>, Failure> {
    let mut connection = ClientConnection::new(way.tls(Protocol::H1), way.name()?)?;
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes)?;
    Ok(bytes)
}

/// Longer than every limit of the gate.
const BORNE_MAX: Duration = Duration::from_secs(25);

/// The gate's clock begins when it takes a connection in, ours before; both share two cores.
const MARGIN_SECONDS: f64 = 1.0;
