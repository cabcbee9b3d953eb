//! Two hours of all that clients do: requests over both versions of HTTP, new connections, and every fourth client
//! gives up on the way. What the gate keeps of it, hour by hour, should be nothing (O-03).

use std::time::Duration;

use rustls::NamedGroup;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::{Scale, Shown, idle};
use crate::shared::driver::{Line, Protocol, Way, source};
use crate::shared::house::{House, Setting};
use crate::shared::{Failure, process};

pub(crate) async fn run(scale: &Scale) -> Result<Shown, Failure> {
    let setting = Setting { gate: scale.gate.clone(), core: None, limits: "" };
    let house = House::open(&setting, async |_| {}).await?;
    let (way, pid) = (house.way(NamedGroup::X25519MLKEM768), house.program.pid());
    let (begun, whole) = (Instant::now(), scale.seconds(SECONDS));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let way = way.clone();
        clients.spawn(async move { client(&way, number, begun + whole).await });
    }
    let every = whole / SAMPLES;
    let mut samples: Vec<(f64, f64)> = Vec::new();
    let mut files = Vec::new();
    for _ in 0..SAMPLES {
        tokio::time::sleep(every).await;
        samples.push((begun.elapsed().as_secs_f64() / 3600.0, process::rss_kib(pid) as f64));
        files.push(process::files(pid));
    }
    let (mut answered, mut given_up) = (0, 0);
    while let Some(done) = clients.join_next().await {
        let (heard, left) = done?;
        answered += heard;
        given_up += left;
    }
    let mut shown = Shown::default();
    shown.row("requests answered, and given up on the way", format!("{answered}, {given_up}"));
    let warm = &samples[samples.len() / 6..];
    shown.row("memory warm, and at the end", format!("{} KiB, {} KiB", warm[0].1, warm[warm.len() - 1].1));
    let slope = slope(warm);
    let figure = format!("{slope:.0} KiB an hour over {:.2} hours", whole.as_secs_f64() / 3600.0);
    // Some seconds say nothing of an hour.
    shown.must("memory grows (target 1 MiB an hour)", figure, scale.small || slope <= 1024.0);
    let (least, most) = (files.iter().min(), files.iter().max());
    shown.row("open files, least and most", format!("{}, {}", least.unwrap_or(&0), most.unwrap_or(&0)));
    let settled = idle::settle(&house, 3).await?;
    shown.must("all places are given back", settled, settled);
    let panics = house.counter("panics_total").await?;
    shown.must("panics", panics, panics == 0);
    Ok(shown)
}

/// One client after another at this place; how many requests were answered, and how many given up.
async fn client(way: &Way, number: usize, until: Instant) -> (usize, usize) {
    let protocol = if number.is_multiple_of(2) { Protocol::H1 } else { Protocol::H2 };
    let (mut answered, mut given_up) = (0, 0);
    for visit in 0_usize.. {
        if Instant::now() >= until {
            break;
        }
        let Ok(mut held) = way.open(protocol, source(number)).await else { continue };
        for request in 0..REQUESTS {
            let patience = if (visit + request) % 4 == 0 { IMPATIENT } else { PATIENT };
            let get = async {
                match &mut held.line {
                    line @ Line::H1(_) => line.get(way).await,
                    // Its stream is reset, and the connection goes on.
                    Line::H2(line) => Line::H2(line.clone()).get(way).await,
                }
            };
            match timeout(patience, get).await {
                Ok(Ok(_)) => answered += 1,
                _ => given_up += 1,
            }
            if held.is_closed() || (protocol == Protocol::H1 && given_up > 0 && patience == IMPATIENT) {
                break;
            }
        }
    }
    (answered, given_up)
}

/// KiB an hour, by least squares.
fn slope(samples: &[(f64, f64)]) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (hours, kib) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let (mut above, mut below) = (0.0, 0.0);
    for (hour, memory) in samples {
        above += (hour - hours) * (memory - kib);
        below += (hour - hours) * (hour - hours);
    }
    above / below
}

const SECONDS: u64 = 2 * 3600;
const SAMPLES: u32 = 60;
const CLIENTS: usize = 16;
const REQUESTS: usize = 50;
const PATIENT: Duration = Duration::from_secs(30);

/// About as long as an answer takes: some are given up before it, some in its midst, some not at all.
const IMPATIENT: Duration = Duration::from_millis(1);
