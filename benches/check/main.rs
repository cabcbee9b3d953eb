//! What the gate's own check of one request costs (certificate's standing, cookie, session, rules), with a thousand
//! sessions and with a million. In this process: the real store, view and rules, without socket or TLS.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench that cannot go on must stop, and says what it measured"
)]

#[path = "../shared/mod.rs"]
#[allow(dead_code, reason = "the other benches share it and use the rest")]
mod shared;
#[path = "../../tests/support/mod.rs"]
#[allow(dead_code, reason = "tests share it and use the rest")]
mod support;

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use portcullis::auth::certificate::{Judge, Presented};
use portcullis::auth::evidence::Evidence;
use portcullis::auth::session::COOKIE;
use portcullis::domain::TenantId;
use portcullis::domain::certificate::Certificate;
use portcullis::policy::Decision;
use portcullis::policy::permit::{Area, Ask};
use portcullis::store::table;
use shared::{Failure, report};
use support::gate::{Gate, Handed};
use tokio_util::sync::CancellationToken;

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A session's cookie, and which of the devices it is bound to.
struct Signed {
    bits: [u8; 32],
    device: usize,
}

/// Those who ask, and what each of them showed in its handshake.
struct Callers {
    tenant: TenantId,
    cancel: CancellationToken,
    devices: Vec<(Presented, Certificate)>,
    sessions: Vec<Signed>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let small = std::env::args().any(|one| one == "--small");
    let (few, many) = (1_000, if small { 20_000 } else { 1_000_000 });
    let gate = Gate::open().await;
    let (tenant, cancel) = (TenantId::parse("bank")?, CancellationToken::new());
    let mut callers = Callers { tenant, cancel, devices: devices(&gate).await, sessions: Vec::new() };
    let busy = report::busy();
    let mut rows = Vec::new();
    for (count, active) in [(few, few), (many, few), (many, many)] {
        callers.sign_in(&gate, count).await;
        let samples = callers.samples(&gate, active).await;
        println!("{active} of {count} sessions: {} ns", report::words(&samples, 0));
        rows.push((count, active, samples));
    }
    let mut text = "| sessions | of them ask | nanoseconds for one check |\n|--:|--:|--:|\n".to_owned();
    for (count, active, samples) in &rows {
        writeln!(text, "| {count} | {active} | {} |", report::words(samples, 0))?;
    }
    let [first, same, all] = [0, 1, 2].map(|row| report::spread(&rows[row].2).0);
    let verdict = |met: bool| if met { "met" } else { "MISSED" };
    let (short, flat) = (all <= CHECK_NS_MAX, same / first <= GROWTH_MAX);
    writeln!(
        text,
        "\nAt most 2 µs, whoever asks: **{}**. At most 1.1 times as much for the same thousand, among a million: {:.2}, **{}**. For anybody of the million it is {:.2} times as much: what a record costs that no cache of the processor holds.",
        verdict(short),
        same / first,
        verdict(flat),
        all / first
    )?;
    writeln!(
        text,
        "{SAMPLES} samples of {AT_ONCE} checks, medians with the least and the most. Load average before {busy}, after {}.",
        report::busy()
    )?;
    println!("{text}");
    if small {
        return Ok(());
    }
    report::publish("check", &text)?;
    if short && flat { Ok(()) } else { Err("the check missed a target".into()) }
}

async fn devices(gate: &Gate) -> Vec<(Presented, Certificate)> {
    let judge = Judge::new(gate.started().house.view.clone());
    let mut handed: Vec<Handed> = Vec::new();
    for number in 0..DEVICES {
        let person = format!("client-{number}");
        gate.person("bank", &person, "A. Client", &[]).await;
        let device = gate.device("bank", &person, "Laptop").await;
        gate.settle(&device).await;
        handed.push(device);
    }
    let all = gate.all::<Certificate>().await;
    let certificate =
        |handed: &Handed| all.iter().find(|one| one.serial == handed.serial).expect("its record").clone();
    handed.iter().map(|one| (judge.read(&one.identity.chain), certificate(one))).collect()
}

impl Callers {
    /// Writes sessions until there are so many.
    async fn sign_in(&mut self, gate: &Gate, count: usize) {
        while self.sessions.len() < count {
            let mut writes = Vec::new();
            for _ in 0..WRITTEN_AT_ONCE.min(count - self.sessions.len()) {
                let (bits, device) = (gate.world.bytes::<32>(), self.sessions.len() % self.devices.len());
                writes.push(table::put(&gate.session_of(&bits, &self.devices[device].1)));
                self.sessions.push(Signed { bits, device });
            }
            gate.write(writes).await;
        }
    }

    /// Nanoseconds for each check, by samples; whoever asks is drawn among the first of all sessions.
    async fn samples(&self, gate: &Gate, active: usize) -> Vec<f64> {
        let mut samples = Vec::new();
        for _ in 0..SAMPLES {
            // Whoever asks brings their cookie in the request, which has just been read.
            let asked: Vec<(String, &Presented)> = (0..AT_ONCE).map(|_| self.anybody(gate, active)).collect();
            let begun = Instant::now();
            for (cookie, presented) in &asked {
                self.check(gate, cookie, presented).await;
            }
            #[allow(clippy::cast_precision_loss, reason = "a millisecond in nanoseconds")]
            samples.push(begun.elapsed().as_nanos() as f64 / AT_ONCE as f64);
        }
        samples
    }

    fn anybody(&self, gate: &Gate, active: usize) -> (String, &Presented) {
        let drawn = u64::from_be_bytes(gate.world.bytes());
        let signed = &self.sessions[usize::try_from(drawn).unwrap_or_default() % active];
        let value = data_encoding::BASE64URL_NOPAD.encode(&signed.bits);
        (format!("theme=dark; {COOKIE}={value}"), &self.devices[signed.device].0)
    }

    /// As `front::way` does it for a request that goes to the backend.
    async fn check(&self, gate: &Gate, cookie: &str, presented: &Presented) {
        let house = &gate.started().house;
        let now = gate.world.now();
        assert!(house.view.age(now).is_zero());
        let certificate = house.judge.stand(presented, &self.tenant, now);
        let session =
            house.sessions.resume(std::iter::once(cookie), &certificate, now).await.expect("a session");
        let evidence = Evidence::gather(certificate, session, IpAddr::V4(Ipv4Addr::LOCALHOST));
        let ask = Ask {
            tenant: &self.tenant,
            area: Area::Guarded,
            host: "bank.localhost",
            path: "/accounts",
            method: &http::Method::GET,
            cancel: &self.cancel,
        };
        let decision = house.policy.decide(&ask, &evidence, now);
        assert!(matches!(decision, Decision::Permit(_)), "{decision:?}");
    }
}

const CHECK_NS_MAX: f64 = 2_000.0;
const GROWTH_MAX: f64 = 1.1;

const DEVICES: usize = 100;
const WRITTEN_AT_ONCE: usize = 5_000;
const AT_ONCE: usize = 1_000;
const SAMPLES: usize = 201;
