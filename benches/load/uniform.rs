//! whether answers tell by their time who is known. Two thousand samples of each kind, by turns; the
//! medians, and the chance that a sample of one kind is longer than one of the other (Mann-Whitney).

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use data_encoding::BASE64URL_NOPAD;
use http::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use portcullis::auth::password::{Passwords, Settings};
use portcullis::crypto::Pepper;
use portcullis::domain::{DeviceId, PersonId, Secret, TenantId};
use portcullis::world::World;
use rustls::NamedGroup;
use tokio::time::Instant;

use super::{Scale, Shown};
use crate::shared::driver::{Protocol, Way};
use crate::shared::house::{House, Setting};
use crate::shared::{Failure, report};
use crate::support::PASSWORD;
use crate::support::ca::OldCa;
use crate::support::gate::Handed;
use crate::support::wire::{Answer, Identity, whole};

pub(crate) async fn run(scale: &Scale) -> Result<Shown, Failure> {
    let mut shown = Shown::default();
    let count = scale.of(2_000);
    passwords(&mut shown, count).await?;
    let setting = Setting { gate: scale.gate.clone(), core: None, limits: "" };
    let house = House::open(&setting, async |_| {}).await?;
    phones(&mut shown, &house, count).await?;
    certificates(&mut shown, &house, count).await?;
    Ok(shown)
}

/// A wrong password for somebody who has one, and for somebody who has none.
async fn passwords(shown: &mut Shown, count: usize) -> Result<(), Failure> {
    let pepper = Arc::new(Pepper::new([1; 32]));
    let passwords = Passwords::new(pepper, World::real(), Settings::default());
    let (tenant, person) = (TenantId::parse("bank")?, PersonId::parse("anna")?);
    let made = passwords.make(&tenant, &person, None, &Secret::new(PASSWORD), &[]).await;
    let made = made.map_err(|_| "no password was made")?;
    let wrong = Secret::new("another orchard seventeen kites");
    let mut samples = [Vec::new(), Vec::new()];
    for number in 0..count * 2 + 2 {
        let which = turn(number);
        let begun = Instant::now();
        let right = passwords.verify((which == 0).then_some(&made), &wrong).await;
        if right.map_err(|_| "not heard")? {
            return Err("a wrong password was right".into());
        }
        if number >= 2 {
            samples[which].push(begun.elapsed());
        }
    }
    judge(shown, "wrong password of a person with and without one, Argon2 at its real cost", &samples);
    Ok(())
}

/// A call of the phone's API by an unknown phone of a known person, and of nobody.
async fn phones(shown: &mut Shown, house: &House, count: usize) -> Result<(), Failure> {
    let wire = house.program.wire.bare();
    let host = house.program.host("phone");
    let way = Way::new(wire.address, &host, &wire.root, None, NamedGroup::X25519);
    let io = TokioIo::new(way.connect(Protocol::H1, Ipv4Addr::LOCALHOST).await?);
    let (mut line, connection) = http1::handshake(io).await?;
    tokio::spawn(connection);
    let (nonce, signature) = (BASE64URL_NOPAD.encode(&[5; 16]), BASE64URL_NOPAD.encode(&[5; 64]));
    let mut samples = [Vec::new(), Vec::new()];
    for number in 0..count * 2 {
        let which = turn(number);
        let whose = if which == 0 { "anna" } else { "nora" };
        let time = house.program.world.now().millis();
        let proof = format!("phone=bank.{whose}.unknown;time={time};nonce={nonce};sig={signature}");
        let request = Request::get("/api/me").header("host", &host).header("portcullis-proof", proof);
        line.ready().await?;
        let begun = Instant::now();
        let answer = whole(line.send_request(request.body(Body::empty())?).await?).await;
        samples[which].push(begun.elapsed());
        expect(&answer, "unpaired")?;
    }
    judge(shown, "phone API: unknown phone of a known person and of nobody", &samples);
    Ok(())
}

/// A forged certificate that names a known device, and one that names none.
async fn certificates(shown: &mut Shown, house: &House, count: usize) -> Result<(), Failure> {
    let forger = OldCa::like(&house.program.issuers[0]);
    let nobody = Handed {
        person: PersonId::parse("nora")?,
        device: DeviceId::parse("nowhere")?,
        ..house.laptop.clone()
    };
    let forged: Vec<Identity> =
        [&house.laptop, &nobody].map(|handed| forger.leaf(handed, |_| {}).0).into_iter().collect();
    let wire = &house.program.wire;
    let host = house.program.host("bank");
    let ways = [0, 1]
        .map(|which| Way::new(wire.address, &host, &wire.root, Some(&forged[which]), NamedGroup::X25519));
    let mut samples = [Vec::new(), Vec::new()];
    for number in 0..count * 2 {
        let which = turn(number);
        // The certificate is judged once for each connection, at its first request.
        let io = TokioIo::new(ways[which].connect(Protocol::H1, Ipv4Addr::LOCALHOST).await?);
        let (mut line, connection) = http1::handshake(io).await?;
        let driving = tokio::spawn(connection);
        let request = Request::get("/accounts").header("host", &host).header("accept", "application/json");
        let begun = Instant::now();
        let answer = whole(line.send_request(request.body(Body::empty())?).await?).await;
        samples[which].push(begun.elapsed());
        drop(line);
        drop(driving.await);
        if answer.status == 200 {
            return Err("a forged certificate was let in".into());
        }
    }
    judge(shown, "portal: forged certificate that names a known device and an unknown one", &samples);
    Ok(())
}

fn expect(answer: &Answer, code: &str) -> Result<(), Failure> {
    if answer.text().contains(&format!("\"code\":\"{code}\"")) { Ok(()) } else { Err(answer.text().into()) }
}

/// Known, unknown, unknown, known: no kind always comes second.
const fn turn(number: usize) -> usize {
    [0, 1, 1, 0][number % 4]
}

fn judge(shown: &mut Shown, what: &str, samples: &[Vec<Duration>; 2]) {
    let millis =
        |which: usize| samples[which].iter().map(|time| time.as_secs_f64() * 1e3).collect::<Vec<_>>();
    let (known, unknown) = (millis(0), millis(1));
    let (a, b) = (report::spread(&known).0, report::spread(&unknown).0);
    let area = area(&known, &unknown);
    let figure = format!(
        "{} samples each; medians {a:.3} ms and {b:.3} ms; AUC {area:.3}",
        known.len().min(unknown.len())
    );
    shown.must(what, figure, (a - b).abs() <= 5.0 && area <= 0.55);
}

/// The chance to tell them apart by one sample; a half is none.
fn area(one: &[f64], other: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> =
        one.iter().map(|time| (*time, true)).chain(other.iter().map(|time| (*time, false))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ranks: f64 =
        all.iter().zip(1_u32..).filter(|((_, first), _)| *first).map(|(_, rank)| f64::from(rank)).sum();
    let of = |list: &[f64]| f64::from(u32::try_from(list.len()).unwrap_or(u32::MAX));
    let (n, m) = (of(one), of(other));
    let area = (ranks - n * (n + 1.0) / 2.0) / (n * m);
    area.max(1.0 - area)
}
