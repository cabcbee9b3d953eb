//! Ten thousand connections with client certificates that do one request and then nothing for ten minutes:
//! memory, open files and threads, and whether all of it comes back.

use std::time::{Duration, Instant};

use rustls::NamedGroup;

use super::{Scale, Shown};
use crate::shared::driver::Protocol;
use crate::shared::house::{House, Setting};
use crate::shared::probe::Probe;
use crate::shared::{Failure, process};

pub(crate) async fn run(scale: &Scale) -> Result<Shown, Failure> {
    // Two more than the bench holds, and what the program's own listeners need, is the least.
    let limits = "connections = 12000\nidle_seconds = 3600";
    let house = House::open(&Setting { gate: scale.gate.clone(), core: None, limits }, async |_| {}).await?;
    let (way, pid) = (house.way(NamedGroup::X25519MLKEM768), house.program.pid());
    let count = scale.of(10_000);
    let mut shown = Shown::default();
    let probe = Probe::start(&way, Protocol::H1, Duration::from_millis(500)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let look = || (process::rss_kib(pid), process::files(pid), process::threads(pid));
    let (rss_before, files_before, threads_before) = look();

    let begun = Instant::now();
    let half = count / 2;
    let mut held = way.hold(Protocol::H1, half).await?;
    held.extend(way.hold(Protocol::H2, count - half).await?);
    let opened = begun.elapsed();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (rss_open, files_open, threads_open) = look();
    shown.row("connections, half HTTP/1.1, half HTTP/2", held.len());
    shown.row("opened within", format!("{:.0} s", opened.as_secs_f64()));
    let each = kib(rss_open.saturating_sub(rss_before)) / kib(count as u64);
    shown.must("memory for each (target 40 KiB)", format!("{each:.1} KiB"), each <= 40.0);

    let time = scale.seconds(600);
    tokio::time::sleep(time).await;
    let (rss_end, files_end, threads_end) = look();
    let closed = held.iter().filter(|one| one.is_closed()).count();
    let minutes = time.as_secs() / 60;
    shown.must(&format!("closed by the gate within {minutes} minutes"), closed, closed == 0);
    shown.row("memory before, with all open, at the end", mib(&[rss_before, rss_open, rss_end]));
    shown.must("memory at the end (target 400 MB)", mib(&[rss_end]), rss_end <= 400 * 1000 * 1000 / 1024);

    drop(held);
    let settled = settle(&house, 3).await?;
    // Kept connections to the backend are given up after half a minute.
    tokio::time::sleep(scale.seconds(50)).await;
    let seen = probe.stop().await;
    let (rss_after, files_after, threads_after) = look();
    shown.row("after all were closed: memory", mib(&[rss_after]));
    shown.row(
        "open files before, open, at the end, after",
        format!("{files_before}, {files_open}, {files_end}, {files_after}"),
    );
    shown.row(
        "threads before, open, at the end, after",
        format!("{threads_before}, {threads_open}, {threads_end}, {threads_after}"),
    );
    let back = settled && files_after.abs_diff(files_before) <= files_before.div_ceil(100).max(4);
    shown.must("files and threads are back", back, back && threads_after <= threads_before + 2);
    shown.must("an honest client beside it", seen.words(), seen.failed == 0);
    let panics = house.counter("panics_total").await?;
    shown.must("panics", panics, panics == 0);
    Ok(shown)
}

/// Waits until no more than this many connections are open.
pub(crate) async fn settle(house: &House, most: u64) -> Result<bool, Failure> {
    for _ in 0..100 {
        if house.counter("connections_open").await? <= most {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(false)
}

fn mib(kibs: &[u64]) -> String {
    kibs.iter().map(|one| format!("{:.1} MiB", kib(*one) / 1024.0)).collect::<Vec<_>>().join(", ")
}

#[allow(clippy::cast_precision_loss, reason = "KiB of one machine")]
const fn kib(number: u64) -> f64 {
    number as f64
}
