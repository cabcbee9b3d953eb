//! How soon a phone that sleeps is woken: from the moment its owner's browser sends the request that asks it, until the
//! whole push is at the push service, which here is of the driver's own process. In between: the request, the question
//! written down, the message sealed and signed, a connection with TLS of its own.

use std::io::Write as _;

use portcullis::crypto::Signer;
use portcullis::domain::Time;
use portcullis::domain::push::Subscription;
use portcullis::notify::webpush::Keys;
use portcullis::world::World;
use tokio::time::Instant;

use super::Shown;
use super::approvals::{self, Couple, Party};
use crate::shared::house::House;
use crate::shared::{Failure, report};
use crate::support::gate::{Gate, Handed};
use crate::support::push_service::PushService;

/// The program, which is started later, pushes to this service.
pub(super) fn by(service: &PushService, gate: &Gate) {
    let file = gate.folder.path().join("portcullis.toml");
    let mut file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
    write!(file, "\n[push]\nca_file = {:?}\nprivate_services = true\n", service.ca_file()).unwrap();
}

/// The person's phone has subscribed at the service, under a path that names the person.
pub(super) async fn subscribed(service: &PushService, gate: &Gate, handed: &Handed) {
    let world = World::real();
    let keys = Keys::open(&gate.config.secrets.push_key_file).unwrap();
    let browser = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
    let (auth, now): ([u8; 16], Time) = (world.bytes(), world.now());
    gate.put(&Subscription {
        tenant: handed.tenant.clone(),
        person: handed.person.clone(),
        phone: approvals::phone_of(handed),
        endpoint: service.endpoint(handed.person.as_str()),
        p256dh: browser.public().to_vec(),
        auth: auth.to_vec(),
        key: keys.newest().unwrap().public().to_vec(),
        since: now,
    })
    .await;
}

/// Milliseconds, of one person after another; nothing else is asked of the gate meanwhile.
pub(super) async fn one_after_another(
    house: &House,
    service: &PushService,
    parties: Vec<Party>,
) -> Result<Vec<f64>, Failure> {
    let mut taken = Vec::new();
    for party in parties {
        let path = party.handed.person.to_string();
        let couple = Couple::come(house, party).await?.seated().await?;
        let begun = Instant::now();
        // Its lines stay open until the push is there: what the gate does when they close is none of this.
        let _asked = couple.ask(begun).await?;
        let pushed = service.hears(&path, 1).await;
        taken.push(pushed[0].at.duration_since(begun.into_std()).as_secs_f64() * 1000.0);
    }
    Ok(taken)
}

/// The row of it.
pub(super) fn told(shown: &mut Shown, mut taken: Vec<f64>) {
    taken.sort_unstable_by(f64::total_cmp);
    let (p50, p99) = (report::quantile(&taken, 0.5), report::quantile(&taken, 0.99));
    let most = report::quantile(&taken, 1.0);
    shown.must(
        "from the page's request to the push at the push service, one question after another (target p99 100 ms)",
        format!("{} questions; p50 {p50:.1} ms, p99 {p99:.1} ms, longest {most:.1} ms", taken.len()),
        p99 <= 100.0,
    );
}
