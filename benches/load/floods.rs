//! Frames without end that are no request, kind by kind: what a client can make the gate spend before its connection
//! ends, beside what its handshake costs anyway, and an honest client meanwhile.

use std::time::Duration;

use rustls::NamedGroup;

use super::{Scale, Shown};
use crate::flooding::{Kind, always, flood, kinds};
use crate::frames::*;
use crate::shared::driver::Protocol;
use crate::shared::house::{House, Setting};
use crate::shared::probe::Probe;
use crate::shared::{Failure, process};
use crate::support::browser::COOKIE;
use crate::support::raw::Raw;
use crate::talk::Talk;

pub(crate) async fn run(scale: &Scale) -> Result<Shown, Failure> {
    let setting = Setting { gate: scale.gate.clone(), core: Some(0), limits: "" };
    let house = House::open(&setting, async |_| {}).await?;
    let pid = house.program.pid();
    let raw = Raw::new(&house.client.wire, "bank.localhost", &["h2"]);
    let cookie = format!("{COOKIE}={}", house.client.cookie().ok_or("no session")?);
    let host = house.program.host("bank");
    let fields = |method: &str| request(&host, &cookie, method, "/v");
    let mut all = kinds(&headers(1, &fields("POST"), false));
    all.extend(requests(&fields("GET")));
    let connections = scale.of(800).min(20);

    let mut shown = Shown::default();
    let hello = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let before = process::cpu_ns(pid);
    for _ in 0..connections {
        let mut talk = Talk::open(&raw).await;
        talk.say(&hello).await;
        talk.is_alive().await;
    }
    let handshake = (process::cpu_ns(pid) - before) / connections as u64;
    shown.row("a connection that says hello and goes", format!("{} µs of CPU", handshake / 1000));
    let rss_before = process::rss_kib(pid);
    let way = house.way(NamedGroup::X25519MLKEM768);
    for kind in &all {
        let (before, mut written, mut told) = (process::cpu_ns(pid), 0, 0);
        for _ in 0..connections {
            let flooded = flood(Talk::open(&raw).await, &kind.first, &kind.each, FRAMES_MAX).await;
            written += flooded.written;
            told += usize::from(flooded.said.goaway.is_some());
        }
        let spent = process::cpu_ns(pid) - before;
        let each = spent / connections as u64;
        let length = (kind.each)(0).len();
        let (frames, bytes) = (written as f64 / 100_000.0, (written * length) as f64 / 1e6);
        let (ms_per_frames, ms_per_mb) = (spent as f64 / 1e6 / frames, spent as f64 / 1e6 / bytes);
        let figure = format!(
            "{} µs of CPU a connection, {ms_per_frames:.0} ms for 100 000 frames sent, {ms_per_mb:.1} ms a megabyte; \
             {told} of {connections} told why",
            each / 1000
        );
        // A core's second (H-15), or no more than other bytes cost that are decrypted and looked at.
        shown.must(kind.what, figure, ms_per_frames <= 1000.0 || ms_per_mb <= 10.0);
    }
    for kind in &all {
        let probe = Probe::start(&way, Protocol::H2, Duration::from_millis(5)).await;
        for _ in 0..connections {
            flood(Talk::open(&raw).await, &kind.first, &kind.each, FRAMES_MAX).await;
        }
        let seen = probe.stop().await;
        let met = seen.failed == 0 && seen.reopened == 0;
        shown.must(&format!("an honest client beside {}", kind.what), seen.words(), met);
    }
    let grown = process::rss_kib(pid).saturating_sub(rss_before);
    shown.must("memory after all of it", format!("{grown} KiB more"), grown < 16 * 1024);
    let counted = house.counter("connections_cut_flood_total").await.unwrap_or_default();
    shown.row("connections that the gate counts as floods", counted);
    Ok(shown)
}

/// Those that begin with a head of a request.
fn requests(fields: &[Field]) -> Vec<Kind> {
    let kind = |what, each| Kind { what, first: Vec::new(), each };
    let (of_resets, of_lists) = (fields.to_vec(), fields.to_vec());
    let post = [&[field(":method", "POST")], &fields[1..]].concat();
    let begun = frame(HEADERS, END_STREAM, 1, &block(fields));
    let many = block(&[fields, &vec![field("x-a", "y".repeat(760)); 20]].concat());
    let sizes = [&[0x20, 0x3f, 0xe1, 0x1f].repeat(3_900)[..], &block(&of_lists)].concat();
    vec![
        kind(
            "HEADERS and RST_STREAM",
            Box::new(move |n| {
                let stream = 2 * n as u32 + 1;
                [headers(stream, &of_resets, true), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
            }),
        ),
        Kind { first: begun, ..kind("CONTINUATION of nothing", always(frame(CONTINUATION, 0, 1, &[]))) },
        // It is a body, and goes on as long as its backend takes it.
        Kind { first: headers(1, &post, false), ..kind("DATA of one byte", always(data(1, b"x", false))) },
        kind(
            "heads beyond 16 KiB",
            Box::new(move |n| frame(HEADERS, END_HEADERS | END_STREAM, 2 * n as u32 + 1, &many)),
        ),
        kind(
            "heads as long as may be, of 7 800 sizes of the table",
            Box::new(move |n| frame(HEADERS, END_HEADERS | END_STREAM, 2 * n as u32 + 1, &sizes)),
        ),
    ]
}

/// More than lies ready on the way; where nothing ends the connection, enough to see what they cost.
const FRAMES_MAX: usize = 300_000;
