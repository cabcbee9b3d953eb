//! Attacks on revocation: what is issued meanwhile, what steps meanwhile, what was left half done.

#![allow(clippy::print_stdout, reason = "a measurement is for whoever runs it")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::audit;
use crate::auth::phone::rig::Rig;
use crate::domain::certificate::{Certificate, CertificateState};
use crate::domain::device::{Device, DeviceState};
use crate::domain::grant::{Allows, Grant};
use crate::domain::person::Person;
use crate::domain::session::Session;
use crate::domain::{GrantId, IssuerId};
use crate::notify::Notice;
use crate::store::table::{self, Record, Stored};

#[tokio::test]
async fn one_certificate_falls_alone() {
    let house = House::new().await;
    let laptop = house.device("anna", "laptop").await;
    let (old, new) = (house.certificate(&laptop).await, house.certificate(&laptop).await);
    let (of_old, of_new) = (house.session(&old).await, house.session(&new).await);
    let scope = Scope::Certificate(old.serial.clone());

    let falls = house.it.falls(&scope).await.unwrap();
    assert_eq!((falls.certificates(), falls.sessions(), falls.retired(), falls.people()), (1, 1, 0, 1));
    assert_eq!((falls.devices[0].owner.as_str(), falls.devices[0].name.as_str()), ("Anna Muster", "laptop"));
    assert_eq!(house.state(&old).await, CertificateState::Active, "a dry run changes nothing");

    let done = house.revoke(&scope, RevocationReason::KeyCompromise).await;
    assert_eq!((done.revoked.as_slice(), done.devices, done.sessions), (&[old.serial.clone()][..], 0, 1));
    let at = house.rig.world.now();
    assert_eq!(
        house.state(&old).await,
        CertificateState::Revoked { reason: RevocationReason::KeyCompromise, at }
    );
    assert_eq!(house.state(&new).await, CertificateState::Active);
    assert!(house.rig.read::<Session>(&of_old.key()).await.is_none());
    assert!(house.rig.read::<Session>(&of_new.key()).await.is_some());
    assert_eq!(house.rig.read::<Device>(&laptop.key()).await.unwrap().state, DeviceState::Active);

    // For good, and once: neither its date nor its reason changes.
    house.rig.wait(60);
    assert_eq!(house.revoke(&scope, RevocationReason::Superseded).await, Done::default());
    let all = house.revoke(&house.device_scope(&laptop), RevocationReason::Superseded).await;
    assert_eq!(all.revoked, std::slice::from_ref(&new.serial));
    assert_eq!(
        house.state(&old).await,
        CertificateState::Revoked { reason: RevocationReason::KeyCompromise, at }
    );
}

/// Who has the key of a machine's certificate may have renewed it before anybody noticed.
#[tokio::test]
async fn with_a_machines_key_falls_what_it_renewed_itself_to() {
    let house = House::new().await;
    let robot = house.device("anna", "robot").await;
    let machine = async |device: &Device| {
        house.rig.wait(60);
        let one = Certificate { issued_by: "est:1".to_owned(), ..house.new_certificate(device) };
        house.rig.put(&one).await;
        one
    };
    let (first, stolen) = (machine(&robot).await, machine(&robot).await);
    let (next, last) = (machine(&robot).await, machine(&robot).await);
    let by_hand = house.certificate(&robot).await;
    let others = machine(&house.device("anna", "other robot").await).await;
    let (session, untouched) = (house.session(&last).await, house.session(&by_hand).await);

    let alone = Scope::of_certificate(stolen.serial.clone(), RevocationReason::Superseded);
    assert_eq!(house.it.falls(&alone).await.unwrap().certificates(), 1);
    let scope = Scope::of_certificate(stolen.serial.clone(), RevocationReason::KeyCompromise);
    let falls = house.it.falls(&scope).await.unwrap();
    assert_eq!((falls.certificates(), falls.sessions(), falls.retired()), (3, 1, 0));
    assert_eq!(house.revoke(&scope, RevocationReason::KeyCompromise).await.revoked.len(), 3);
    for fallen in [&stolen, &next, &last] {
        assert!(matches!(house.state(fallen).await, CertificateState::Revoked { .. }));
    }
    for stands in [&first, &by_hand, &others] {
        assert_eq!(house.state(stands).await, CertificateState::Active);
    }
    assert!(house.rig.read::<Session>(&session.key()).await.is_none());
    assert!(house.rig.read::<Session>(&untouched.key()).await.is_some());
}

/// A key that was kept over a renewal is in other hands in every certificate that has it, the earlier ones too.
#[tokio::test]
async fn with_a_key_falls_every_certificate_that_has_it() {
    let house = House::new().await;
    let robot = house.device("anna", "robot").await;
    let (kept, fresh) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    let of = async |key: &rcgen::KeyPair, by: &str| {
        house.rig.wait(60);
        let der = rcgen::CertificateParams::default().self_signed(key).unwrap().der().to_vec();
        let one = Certificate { der, issued_by: by.to_owned(), ..house.new_certificate(&robot) };
        house.rig.put(&one).await;
        one
    };
    let before = of(&fresh, "est:0").await;
    let (by_hand, first) = (of(&kept, "local:0").await, of(&kept, "est:1").await);
    let (between, stolen) = (of(&fresh, "est:1").await, of(&kept, "est:1").await);
    let scope = Scope::of_certificate(stolen.serial.clone(), RevocationReason::KeyCompromise);
    assert_eq!(house.revoke(&scope, RevocationReason::KeyCompromise).await.revoked.len(), 4);
    for fallen in [&by_hand, &first, &between, &stolen] {
        assert!(matches!(house.state(fallen).await, CertificateState::Revoked { .. }));
    }
    assert_eq!(house.state(&before).await, CertificateState::Active);
}

#[tokio::test]
async fn a_device_falls_whole() {
    let house = House::new().await;
    let laptop = house.device("anna", "laptop").await;
    let tablet = house.device("anna", "tablet").await;
    let mut superseded = house.certificate(&laptop).await;
    superseded.state = CertificateState::Superseded { at: house.rig.world.now() };
    house.rig.put(&superseded).await;
    let newer = house.certificate(&laptop).await;
    let other = house.certificate(&tablet).await;
    let (grant, others) = (house.grant(&laptop).await, house.grant(&tablet).await);
    let done = house.revoke(&house.device_scope(&laptop), RevocationReason::KeyCompromise).await;
    assert_eq!((done.revoked.len(), done.devices, done.grants, done.commits), (2, 1, 1, 1));
    for one in [&superseded, &newer] {
        assert!(matches!(house.state(one).await, CertificateState::Revoked { .. }));
    }
    assert_eq!(house.state(&other).await, CertificateState::Active);
    assert_eq!(house.rig.read::<Device>(&laptop.key()).await.unwrap().state, DeviceState::Retired);
    assert_eq!(house.rig.read::<Device>(&tablet.key()).await.unwrap().state, DeviceState::Active);
    assert!(house.rig.read::<Grant>(&grant.key()).await.is_none(), "no link gives it another");
    assert!(house.rig.read::<Grant>(&others.key()).await.is_some());
    let notices: Vec<Notice> = house.all().await;
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].about, crate::notify::About::CertificateRevoked { device: "laptop".to_owned() });
    let told = house.told().await;
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("key-compromise") && told[0].contains(&newer.serial), "{told:?}");
}

#[tokio::test]
async fn a_person_falls_and_others_do_not() {
    let house = House::new().await;
    let (laptop, tablet) = (house.device("anna", "laptop").await, house.device("anna", "tablet").await);
    let of_bert = house.device("bert", "laptop").await;
    for device in [&laptop, &tablet, &of_bert] {
        let certificate = house.certificate(device).await;
        house.session(&certificate).await;
    }
    let scope = Scope::Person(house.rig.tenant.clone(), house.rig.anna.clone());
    let done = house.revoke(&scope, RevocationReason::AffiliationChanged).await;
    assert_eq!((done.revoked.len(), done.devices, done.sessions), (2, 2, 2));
    let left: Vec<Session> = house.all().await;
    assert!(left.len() == 1 && left[0].person == of_bert.person);
    let standing =
        house.rig.read::<Person>(&table::person(&house.rig.tenant, &house.rig.anna)).await.unwrap();
    assert!(!standing.shut_out(house.rig.world.now()), "the person may be given a new device");
}

/// A thief who signs in over and over does not hold up the revocation, and one who has a certificate issued
/// at that very moment gets nothing that counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_races_it_loses() {
    let house = House::new().await;
    for round in 0..60 {
        let laptop = house.device("anna", &format!("laptop {round}")).await;
        let first = house.certificate(&laptop).await;
        let stop = AtomicBool::new(false);
        let thief = async {
            let mut session = house.session(&first).await;
            while !stop.load(Ordering::SeqCst) {
                // Steps: the old one goes, a new one comes, in one commit.
                let next = Session { token: house.rig.world.bytes(), ..session.clone() };
                let writes = vec![table::delete_present(session.key()), table::create(&next)];
                let entry = Entry::new("gate", Event::SessionStepped);
                session = match house.rig.ledger.record(entry, writes).await {
                    Ok(_) => next,
                    Err(_) => house.session(&first).await,
                };
                tokio::task::yield_now().await;
            }
        };
        let issuer = async {
            for _ in 0..20 {
                let store = house.rig.ledger.store();
                let read: Stored<Device> = table::get(&**store, &laptop.key()).await.unwrap().unwrap();
                if read.record.state == DeviceState::Retired {
                    return;
                }
                let writes = vec![table::create(&house.new_certificate(&laptop)), table::unchanged(&read)];
                let _ = house.rig.ledger.record(Entry::new("gate", Event::CertificateIssued), writes).await;
            }
        };
        let revoke = async {
            tokio::task::yield_now().await;
            let scope = house.device_scope(&laptop);
            let done = house.revoke(&scope, RevocationReason::KeyCompromise).await;
            let left: Vec<Certificate> = house.all().await;
            let left = left.iter().filter(|one| one.device == laptop.id && one.state.counts(Time(i64::MAX)));
            assert_eq!(left.count(), 0, "round {round}");
            stop.store(true, Ordering::SeqCst);
            done
        };
        let ((), (), done) = tokio::join!(thief, issuer, revoke);
        assert!(!done.revoked.is_empty());
        // What the thief began afterwards opens nothing: its certificate is dead. And it can be swept.
        house.revoke(&house.device_scope(&laptop), RevocationReason::KeyCompromise).await;
        assert!(house.all::<Session>().await.iter().all(|one| one.device != laptop.id));
    }
}

/// A tenant of ten thousand, broken off on the way and taken up again: each falls once, in bounded commits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_tenant_falls_and_may_be_broken_off() {
    const DEVICES: usize = 10_000;
    let house = House::new().await;
    let mut writes = Vec::new();
    for n in 0..DEVICES {
        let device = house.new_device(if n % 2 == 0 { "anna" } else { "bert" }, &format!("device {n}"));
        writes.extend([table::create(&house.new_certificate(&device)), table::create(&device)]);
        if writes.len() >= 1000 {
            house.rig.write(std::mem::take(&mut writes)).await;
        }
    }
    house.rig.write(writes).await;
    let scope = Scope::Tenant(house.rig.tenant.clone());
    let began = Instant::now();
    let falls = house.it.falls(&scope).await.unwrap();
    assert_eq!((falls.certificates(), falls.retired(), falls.people()), (DEVICES, DEVICES, 2));
    println!("dry run of {DEVICES} devices: {} ms", began.elapsed().as_millis());

    // Broken off once something has fallen.
    let mut heard = house.rig.view.subscribe();
    let order =
        Order { scope: &scope, reason: RevocationReason::CessationOfOperation, by: "local:0", whence: "" };
    tokio::select! {
        done = house.it.revoke(order) => panic!("not broken off: {done:?}"),
        _ = heard.recv() => {}
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let fell = house.told_serials().await.len();
    assert!(0 < fell && fell < DEVICES, "{fell}");

    // Taken up again, while others are issued.
    let began = Instant::now();
    let late = async {
        let device = house.device("anna", "late").await;
        house.certificate(&device).await
    };
    let (done, late) = tokio::join!(house.revoke(&scope, RevocationReason::CessationOfOperation), late);
    println!(
        "{} revoked in {} commits: {} ms",
        done.revoked.len(),
        done.commits,
        began.elapsed().as_millis()
    );
    assert!(done.commits >= done.revoked.len() * 2 / WRITES_MAX);
    let left: Vec<Certificate> = house.all().await;
    let left: Vec<_> = left.iter().filter(|one| one.state == CertificateState::Active).collect();
    assert!(
        left.is_empty() || (left.len() == 1 && left[0].serial == late.serial),
        "issued after the last look"
    );
    let told = house.told_serials().await;
    let once: std::collections::BTreeSet<_> = told.iter().collect();
    assert_eq!((told.len(), once.len()), (DEVICES + 1 - left.len(), DEVICES + 1 - left.len()));
    assert!(audit::verify(&**house.rig.ledger.store()).await.unwrap().first_bad.is_none());
}

struct House {
    rig: Rig,
    it: Revocation,
}

impl House {
    async fn new() -> Self {
        let rig = Rig::new().await;
        let mut anna: Person = rig.read(&table::person(&rig.tenant, &rig.anna)).await.unwrap();
        anna.emails = vec!["anna@example.com".to_owned()];
        rig.put(&anna).await;
        let it = Revocation::new(rig.ledger.clone(), rig.world.clone());
        Self { rig, it }
    }

    async fn revoke(&self, scope: &Scope, reason: RevocationReason) -> Done {
        self.it.revoke(Order { scope, reason, by: "local:0", whence: "" }).await.unwrap()
    }

    fn device_scope(&self, device: &Device) -> Scope {
        Scope::Device(self.rig.tenant.clone(), device.person.clone(), device.id.clone())
    }

    fn new_device(&self, person: &str, name: &str) -> Device {
        Device {
            tenant: self.rig.tenant.clone(),
            person: PersonId::parse(person).unwrap(),
            id: DeviceId::from_bits(self.rig.world.bytes()),
            name: name.to_owned(),
            state: DeviceState::Active,
            issued_by: "local:0".to_owned(),
            delivered_by: None,
            released_by: None,
            created: self.rig.world.now(),
        }
    }

    async fn device(&self, person: &str, name: &str) -> Device {
        let device = self.new_device(person, name);
        self.rig.put(&device).await;
        device
    }

    fn new_certificate(&self, device: &Device) -> Certificate {
        let now = self.rig.world.now();
        let bits: [u8; 16] = self.rig.world.bytes();
        Certificate {
            serial: data_encoding::HEXLOWER.encode(&bits).trim_start_matches('0').to_owned(),
            tenant: device.tenant.clone(),
            person: device.person.clone(),
            device: device.id.clone(),
            issuer: IssuerId::parse("devices-1").unwrap(),
            profile: "device".to_owned(),
            der: bits.to_vec(),
            fingerprint: self.rig.world.bytes(),
            not_before: now,
            not_after: now.plus(Duration::from_secs(86_400)),
            state: CertificateState::Active,
            issued_by: "local:0".to_owned(),
        }
    }

    async fn certificate(&self, device: &Device) -> Certificate {
        let certificate = self.new_certificate(device);
        self.rig.put(&certificate).await;
        certificate
    }

    async fn session(&self, certificate: &Certificate) -> Session {
        let now = self.rig.world.now();
        let session = Session {
            token: self.rig.world.bytes(),
            tenant: certificate.tenant.clone(),
            person: certificate.person.clone(),
            device: certificate.device.clone(),
            serial: certificate.serial.clone(),
            fingerprint: certificate.fingerprint,
            password: Some(now),
            phone: Some(now),
            created: now,
            last_seen: now,
            idle_secs: 3600,
            absolute_end: now.plus(Duration::from_secs(3600)),
            return_to: None,
        };
        self.rig.put(&session).await;
        session
    }

    async fn grant(&self, device: &Device) -> Grant {
        let grant = Grant {
            id: GrantId::from_bits(self.rig.world.bytes()),
            allows: Allows::Issue {
                tenant: device.tenant.clone(),
                person: device.person.clone(),
                device: device.id.clone(),
                profile: "device".to_owned(),
            },
            evidence: "a link".to_owned(),
            by: "local:0".to_owned(),
            secret: None,
            expires: self.rig.world.now().plus(Duration::from_secs(900)),
        };
        self.rig.put(&grant).await;
        grant
    }

    async fn state(&self, certificate: &Certificate) -> CertificateState {
        self.rig.read::<Certificate>(&certificate.key()).await.unwrap().state
    }

    async fn all<R: Record>(&self) -> Vec<R> {
        let all = table::list::<R>(&**self.rig.ledger.store(), &table::all::<R>()).await.unwrap();
        all.into_iter().map(|read| read.record).collect()
    }

    async fn told(&self) -> Vec<String> {
        let lines = audit::latest(&**self.rig.ledger.store(), 100_000).await.unwrap();
        let revoked = lines.into_iter().filter(|line| line.what == Event::CertificateRevoked);
        revoked.map(|line| format!("{:?}", line.details)).collect()
    }

    async fn told_serials(&self) -> Vec<String> {
        let lines = audit::latest(&**self.rig.ledger.store(), 100_000).await.unwrap();
        let revoked = lines.iter().filter(|line| line.what == Event::CertificateRevoked);
        let details = revoked.flat_map(|line| line.details.iter());
        let serials = details.filter(|(name, _)| name.starts_with("serials"));
        serials.flat_map(|(_, serials)| serials.split(' ').map(str::to_owned)).collect()
    }
}
