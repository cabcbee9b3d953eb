//! Certificates per second of an issue in bulk, against what its parts cost alone.

use std::num::NonZeroU32;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs::pbkdf2;
#[cfg(not(feature = "aws-lc-rs"))]
use ring::pbkdf2;

use portcullis::ca::{self, Authority, Encoding, NewKey, Subject, import_password, p12};
use portcullis::domain::device::{Device, DeviceState};
use portcullis::domain::grant::{Allows, Grant};
use portcullis::domain::person::Person;
use portcullis::domain::tenant::Tenant;
use portcullis::domain::{DeviceId, GrantId, PersonId, Secret};
use portcullis::store::{Stored, table};

use crate::shared::{Failure, process, report};
use crate::support::gate::{Gate, id};
use crate::support::laid_out::PASSPHRASE;
use crate::{Scale, Shown};

pub(crate) async fn run(scale: &Scale) -> Result<Shown, Failure> {
    let mut shown = Shown::default();
    let rows = scale.of(2000);
    let mut gate = Gate::open().await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    let parts = parts(&gate, scale.of(400)).await?;
    gate.close().await;
    let micros = |one: &[f64]| format!("{} µs", report::words(one, 0));
    shown.row("key alone", micros(&parts.key));
    shown.row("certificate alone: built, signed, recorded", micros(&parts.signature));
    shown.row("PBKDF2-HMAC-SHA-256 alone, 10 000 rounds, by the cryptography library", micros(&parts.pbkdf2));
    shown.row("file alone, modern", micros(&parts.modern));
    shown.row("file alone, compatible", micros(&parts.compatible));

    let mut sheet = "tenant,name,email,device\n".to_owned();
    for row in 0..rows {
        sheet.push_str(&format!("bank,Client {row},client{row}@bank.example,laptop\n"));
    }
    std::fs::write(gate.folder.path().join("clients.csv"), sheet)?;
    let recipient = age::x25519::Identity::generate().to_public().to_string();
    let begun = Instant::now();
    let mut child = Command::new(&scale.gate)
        .args(["device", "issue", "--from", "clients.csv", "--out", "out", "--recipient", &recipient])
        .current_dir(gate.folder.path())
        .env("PORTCULLIS_PASSPHRASE", PASSPHRASE)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let mut cpu_ns = 0;
    let status = loop {
        cpu_ns = process::cpu_ns(child.id()).max(cpu_ns);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let took = begun.elapsed().as_secs_f64();
    let files = std::fs::read_dir(gate.folder.path().join("out"))?.count();
    // Manifest, passwords and journal beside the .p12.
    shown.must("rows, all of them issued", rows, status.success() && files == rows + 3);
    #[allow(clippy::cast_precision_loss, reason = "thousands of rows, seconds of time")]
    let (rate, cpu_us) = (rows as f64 / took, cpu_ns as f64 / 1000.0 / rows as f64);
    shown.row(
        "certificates per second, opening the keys and writing all files included",
        format!("{rate:.0}"),
    );
    let median = |one: &[f64]| report::spread(one).0;
    let sum = median(&parts.key) + median(&parts.signature) + median(&parts.modern);
    shown.row("CPU per certificate, and the parts alone", format!("{cpu_us:.0} µs and {sum:.0} µs"));
    shown.row("ratio", format!("**{:.2}**", cpu_us / sum));
    Ok(shown)
}

/// Microseconds each.
#[derive(Default)]
struct Parts {
    key: Vec<f64>,
    signature: Vec<f64>,
    pbkdf2: Vec<f64>,
    modern: Vec<f64>,
    compatible: Vec<f64>,
}

async fn parts(gate: &Gate, samples: usize) -> Result<Parts, Failure> {
    let (tenant, person) = (id("bank"), PersonId::parse("anna")?);
    let whose: Tenant = table::get(gate.store(), &table::tenant(&tenant)).await?.ok_or("a tenant")?.record;
    let who: Person =
        table::get(gate.store(), &table::person(&tenant, &person)).await?.ok_or("a person")?.record;
    let device = Device {
        tenant: tenant.clone(),
        person: person.clone(),
        id: DeviceId::from_bits([1; 16]),
        name: "laptop".to_owned(),
        state: DeviceState::Issued,
        issued_by: "local:0".to_owned(),
        delivered_by: None,
        released_by: None,
        created: gate.world.now(),
    };
    let subject = Subject::of(&whose, &who, &device)?;
    let allows = Allows::Issue { tenant, person, device: device.id.clone(), profile: "device".to_owned() };
    let grant = Grant {
        id: GrantId::from_bits([1; 16]),
        allows,
        evidence: "bench".to_owned(),
        by: "local:0".to_owned(),
        secret: None,
        expires: gate.world.now().plus(Duration::from_secs(3600)),
    };
    let grant = Stored { record: grant, revision: 1 };
    let settings = ca::Settings { crl_url_base: gate.config.plain_origin() };
    let keys = gate.config.data.join("ca");
    let authority =
        Authority::open(&keys, &Secret::new(PASSPHRASE), &gate.issuers, gate.world.clone(), settings)?;
    let mut parts = Parts::default();
    let rounds = NonZeroU32::new(10_000).ok_or("rounds")?;
    for sample in 0..samples {
        let key = timed(&mut parts.key, NewKey::make)?;
        let issued = timed(&mut parts.signature, || {
            authority.issue(key.prove()?, &grant, &subject, "local:0", gate.world.now())
        })?;
        let password = import_password::draw(&gate.world);
        let (encoding, times) = if sample % 2 == 0 {
            (Encoding::Modern, &mut parts.modern)
        } else {
            (Encoding::Compatible, &mut parts.compatible)
        };
        timed(times, || p12::wrap_under(key, &issued, encoding, password.clone()))?;
        timed(&mut parts.pbkdf2, || {
            let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
            let mut out = [0; 32];
            pbkdf2::derive(algorithm, rounds, &[7; 16], password.expose().as_bytes(), &mut out);
            Ok::<_, Failure>(std::hint::black_box(out))
        })?;
    }
    Ok(parts)
}

fn timed<T, E>(times: &mut Vec<f64>, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let begun = Instant::now();
    let done = work();
    times.push(begun.elapsed().as_secs_f64() * 1e6);
    done
}
