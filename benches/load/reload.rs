//! A hundred thousand requests while everything is read again twenty times: none is lost.

use std::sync::Arc;
use std::time::Instant;

use super::{Scale, Shown};
use crate::shared::Failure;
use crate::shared::house::{House, Setting};
use crate::support::load::Load;
use crate::support::reloads::Reloads;

pub(crate) async fn run(scale: &Scale) -> Result<Shown, Failure> {
    let mut devices = Vec::new();
    let setting = Setting { gate: scale.gate.clone(), core: None, limits: "" };
    let house = House::open(&setting, async |gate| {
        for n in 0..DEVICES {
            let handed = gate.device("bank", "anna", &format!("device {n}")).await;
            devices.push(format!("bank/anna/{}", handed.device));
        }
    })
    .await?;
    let reloads = Reloads::of(&house.program, devices);
    let client = Arc::new(house.client.stolen_by(Some(&house.laptop.identity)));
    let requests = u64::try_from(scale.of(100_000))?;
    let (begun, load) = (Instant::now(), Load::begin(&client, "/accounts"));
    for round in 0..ROUNDS {
        tokio::task::block_in_place(|| reloads.round(&house.program, round));
        load.reach(requests / ROUNDS as u64 * (round as u64 + 1)).await;
    }
    let (answered, opened, again, failed) = load.end().await;
    let mut shown = Shown::default();
    shown.row("reloads of certificates, rules, revocation lists and settings", ROUNDS);
    shown.row("within", format!("{:.0} s", begun.elapsed().as_secs_f64()));
    shown.row("requests answered, half over HTTP/2", answered);
    shown.row("connections that were opened for them", opened);
    shown.must("kept connections that were closed", again, again == 0);
    shown.must("requests that failed", failed.len(), failed.is_empty() && answered >= requests);
    let panics = house.counter("panics_total").await?;
    shown.must("panics", panics, panics == 0);
    Ok(shown)
}

const ROUNDS: usize = 20;

/// Switched off one after the other.
const DEVICES: usize = 10;
