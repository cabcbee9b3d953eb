//! No sequence of issuing, renewing, taking a place, revoking and rotating lets a dead certificate through. A
//! model of a few lines says which certificates live; hundreds of random lives are led on the real ledger,
//! view, judge, revocation lists and OCSP, and after each step every certificate ever made is asked.

#![allow(clippy::print_stdout, reason = "how many lives were led is for whoever runs it")]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::audit::{Entry, Event};
use crate::auth::certificate::Judge;
use crate::auth::evidence::{CertificateEvidence, ProvedCertificate, ProvedSession};
use crate::auth::password::{self, Passwords};
use crate::auth::phone::rig::Rig;
use crate::auth::session::{Proof, Sessions};
use crate::auth::throttle::Throttles;
use crate::ca::{self, Authority, CaNames, CrlShelf, KeyFolder, NewKey, Ocsp};
use crate::crypto;
use crate::domain::certificate::{Certificate, CertificateState, Issuer, IssuerKind, RevocationReason};
use crate::domain::device::{Device, DeviceState};
use crate::domain::person::{Person, Standing};
use crate::domain::tenant::Tenant;
use crate::domain::{DeviceId, PersonId, Reason, Secret, Time};
use crate::enrolment::issuance::{Issuance, Order};
use crate::enrolment::revocation::{self, Revocation, Scope};
use crate::sign_in::steps::{Steps, Walker};
use crate::store::table::{self, Record as _, Stored};

/// One step of a life. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Step {
    NewDevice(usize),
    /// Issue or renew; `stale`: as one who looked at the device before the last step.
    Issue {
        device: usize,
        stale: bool,
    },
    /// A whole sign-in, after which older ones lose their place.
    SignIn(usize),
    Revoke(usize),
    RevokeDevice(usize),
    RevokePerson(usize),
    RevokeTenant,
    /// A sign-in and a revocation at the same moment.
    Race {
        signs_in: usize,
        revoked: usize,
    },
    /// A renewal and the end of its device at the same moment.
    RaceIssue(usize),
    Lock(usize),
    Unlock(usize),
    Wait(u64),
    Expire,
    Rotate,
}

/// What the model knows of a certificate.
#[derive(Debug)]
struct Known {
    record: Certificate,
    device: usize,
    superseded: Option<Time>,
    revoked: bool,
}

struct World {
    rig: Rig,
    tenant: Tenant,
    keys: KeyFolder,
    authority: Arc<Authority>,
    issuance: Issuance,
    revocation: Revocation,
    judge: Judge,
    shelf: CrlShelf,
    ocsp: Ocsp,
    steps: Steps,
    rotations: AtomicUsize,
    expiries: AtomicUsize,
    asked: AtomicUsize,
    came: AtomicUsize,
}

/// One life: persons, devices, certificates, in a world that goes on.
#[derive(Default)]
struct Life {
    persons: Vec<Person>,
    locked: Vec<bool>,
    devices: Vec<(Stored<Device>, usize, bool)>,
    certificates: Vec<Known>,
}

#[test]
fn no_dead_certificate_comes_through() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let config =
        Config { cases: LIVES, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let steps = proptest::collection::vec(step(), 1..24);
    let led = TestRunner::new(config).run(&steps, |steps| runtime.block_on(world.lead(&steps)));
    if let Err(error) = led {
        panic!("{error}");
    }
    let [asked, came, rotated] =
        [&world.asked, &world.came, &world.rotations].map(|count| count.load(Ordering::SeqCst));
    println!("{LIVES} lives, {asked} questions of which {came} were answered with yes, {rotated} rotations");
    assert!(came > 1000 && asked - came > 1000 && rotated == ROTATIONS_MAX, "it asked too little");
}

fn step() -> impl Strategy<Value = Step> {
    let any = || 0..12_usize;
    prop_oneof![
        2 => any().prop_map(Step::NewDevice),
        5 => (any(), proptest::bool::ANY).prop_map(|(device, stale)| Step::Issue { device, stale }),
        6 => any().prop_map(Step::SignIn),
        3 => any().prop_map(Step::Revoke),
        1 => any().prop_map(Step::RevokeDevice),
        1 => any().prop_map(Step::RevokePerson),
        1 => Just(Step::RevokeTenant),
        2 => (any(), any()).prop_map(|(signs_in, revoked)| Step::Race { signs_in, revoked }),
        1 => any().prop_map(Step::RaceIssue),
        1 => any().prop_map(Step::Lock),
        1 => any().prop_map(Step::Unlock),
        4 => prop_oneof![Just(1), Just(GRACE - 1), Just(GRACE), 1..GRACE].prop_map(Step::Wait),
        1 => Just(Step::Expire),
        1 => Just(Step::Rotate),
    ]
}

impl World {
    async fn new() -> Self {
        let rig = Rig::new().await;
        let dir = rig.folder.path().join("ca");
        std::fs::create_dir(&dir).unwrap();
        let names =
            CaNames { organization: "Bank Muster".to_owned(), server_names: vec!["localhost".to_owned()] };
        let issuers = ca::init(&dir, &passphrase(), &names, &rig.world).unwrap();
        rig.write(issuers.iter().map(table::create).collect()).await;
        let settings = ca::Settings { crl_url_base: "http://start.localhost".to_owned() };
        let authority = Authority::open(&dir, &passphrase(), &issuers, rig.world.clone(), settings).unwrap();
        let authority = Arc::new(authority);
        let mut tenant: Tenant = rig.read(&table::tenant(&rig.tenant)).await.unwrap();
        tenant.certificates.supersede_grace_secs = GRACE;
        rig.put(&tenant).await;
        let hashing = password::Settings { memory_kib: 64, passes: 1, workers: 1, waiting_max: 1 };
        let (ledger, world) = (rig.ledger.clone(), rig.world.clone());
        Self {
            keys: KeyFolder::at(&dir),
            issuance: Issuance::new(ledger.clone(), Some(authority.clone()), world.clone()),
            revocation: Revocation::new(ledger.clone(), world.clone()),
            judge: Judge::new(rig.view.clone()),
            shelf: CrlShelf::new(),
            ocsp: Ocsp::new(),
            steps: Steps {
                sessions: Arc::new(Sessions::new(
                    ledger.clone(),
                    rig.view.clone(),
                    world.clone(),
                    rig.pepper.clone(),
                )),
                passwords: Arc::new(Passwords::new(rig.pepper.clone(), world.clone(), hashing)),
                throttles: Arc::new(Throttles::new(ledger.clone(), world.clone())),
                ledger,
                world,
            },
            authority,
            tenant,
            rig,
            rotations: AtomicUsize::new(0),
            expiries: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            came: AtomicUsize::new(0),
        }
    }

    async fn lead(&self, steps: &[Step]) -> Result<(), TestCaseError> {
        let mut life = Life::default();
        for _ in 0..2 {
            let mut person: Person =
                self.rig.read(&table::person(&self.rig.tenant, &self.rig.anna)).await.unwrap();
            person.id = PersonId::from_bits(self.rig.world.bytes());
            self.rig.put(&person).await;
            life.persons.push(person);
            life.locked.push(false);
        }
        self.take(&mut life, &Step::NewDevice(0)).await;
        for (number, step) in steps.iter().enumerate() {
            self.take(&mut life, step).await;
            self.ask(&life)
                .map_err(|why| TestCaseError::fail(format!("after step {number}, {step:?}: {why}")))?;
        }
        // What is left must not weigh on the next life.
        self.revoke(&mut life, Scope::Tenant(self.rig.tenant.clone())).await;
        self.ask(&life).map_err(TestCaseError::fail)
    }

    async fn take(&self, life: &mut Life, step: &Step) {
        match *step {
            Step::NewDevice(person) => self.new_device(life, person % life.persons.len()).await,
            Step::Issue { device, stale } => {
                let at = device % life.devices.len();
                if !stale && !life.devices[at].2 {
                    life.devices[at].0 = self.device(&life.devices[at].0.record).await;
                }
                self.issue(life, at).await;
            }
            Step::SignIn(which) => {
                if let Some(at) = life.nth(which) {
                    let signed_in = self.sign_in(life, at).await;
                    assert_eq!(signed_in, life.lives(at, self.rig.world.now()), "who lives signs in");
                    if signed_in {
                        life.supersede(at, self.rig.world.now());
                    }
                }
            }
            Step::Revoke(which) => {
                if let Some(at) = life.nth(which) {
                    self.revoke(life, Scope::Certificate(life.certificates[at].record.serial.clone())).await;
                }
            }
            Step::RevokeDevice(which) => {
                let device = &life.devices[which % life.devices.len()].0.record;
                let scope = Scope::Device(device.tenant.clone(), device.person.clone(), device.id.clone());
                self.revoke(life, scope).await;
            }
            Step::RevokePerson(which) => {
                let person = &life.persons[which % life.persons.len()];
                self.revoke(life, Scope::Person(person.tenant.clone(), person.id.clone())).await;
            }
            Step::RevokeTenant => self.revoke(life, Scope::Tenant(self.rig.tenant.clone())).await,
            Step::Race { signs_in, revoked } => {
                if let (Some(at), Some(dies)) = (life.nth(signs_in), life.nth(revoked)) {
                    let scope = Scope::Certificate(life.certificates[dies].record.serial.clone());
                    let (signed_in, ()) = tokio::join!(self.sign_in(life, at), self.fell(&scope));
                    // Whichever came first: the revocation is for good. Whether the sign-in still took older
                    // ones' place is the race's to say, and nothing else of it.
                    let now = self.rig.world.now();
                    if signed_in && self.took_a_place(life, at) {
                        life.supersede(at, now);
                    }
                    life.fell(&scope);
                }
            }
            Step::RaceIssue(which) => {
                let at = which % life.devices.len();
                let device = life.devices[at].0.record.clone();
                if !life.devices[at].2 {
                    life.devices[at].0 = self.device(&device).await;
                }
                let stored = life.devices[at].0.clone();
                let scope = Scope::Device(device.tenant.clone(), device.person.clone(), device.id.clone());
                let (issued, ()) = tokio::join!(self.issued(life, at, &stored), self.fell(&scope));
                life.certificates.extend(issued.map(|record| Known::of(record, at)));
                life.fell(&scope);
            }
            Step::Lock(which) | Step::Unlock(which) => {
                let at = which % life.persons.len();
                let locks = matches!(step, Step::Lock(_));
                let standing = if locks {
                    Standing::Locked { until: None, why: "a test".to_owned() }
                } else {
                    Standing::Active
                };
                life.persons[at].standing = standing;
                life.locked[at] = locks;
                self.rig.put(&life.persons[at]).await;
            }
            Step::Wait(seconds) => self.rig.wait(seconds),
            // The CA itself must outlive the test.
            Step::Expire if self.expiries.load(Ordering::SeqCst) < EXPIRIES_MAX => {
                let ends: Vec<Time> = life.certificates.iter().map(|one| one.record.not_after).collect();
                if let Some(last) = ends.into_iter().max().filter(|end| *end > self.rig.world.now()) {
                    self.expiries.fetch_add(1, Ordering::SeqCst);
                    self.rig.clock.set(last);
                    self.ask(life).unwrap();
                    self.rig.clock.set(last.plus(Duration::from_secs(1)));
                }
            }
            Step::Rotate if self.rotations.load(Ordering::SeqCst) < ROTATIONS_MAX => self.rotate().await,
            Step::Expire | Step::Rotate => {}
        }
    }

    /// Whether a certificate before it on its device lost its place at this moment.
    fn took_a_place(&self, life: &Life, at: usize) -> bool {
        let lost = self.rig.world.now().plus(Duration::from_secs(GRACE));
        let device = life.certificates[at].device;
        life.certificates[..at].iter().filter(|one| one.device == device && one.superseded.is_none()).any(
            |one| {
                let record = self.rig.view.certificate(&one.record.serial).expect("its record");
                record.state == CertificateState::Superseded { at: lost }
            },
        )
    }

    /// Asks for every certificate ever made: by the judge, and on its issuer's list.
    fn ask(&self, life: &Life) -> Result<(), String> {
        let now = self.rig.world.now();
        let records: Vec<Certificate> = life
            .certificates
            .iter()
            .map(|one| (*self.rig.view.certificate(&one.record.serial).expect("its record")).clone())
            .collect();
        self.shelf.refresh(&self.authority, &records, now).map_err(|error| error.to_string())?;
        for (at, known) in life.certificates.iter().enumerate() {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let presented = self.judge.read(&[&known.record.der]);
            let stands = self.judge.stand(&presented, &self.rig.tenant, now);
            let proved = matches!(stands, CertificateEvidence::Proved(_));
            self.came.fetch_add(usize::from(proved), Ordering::SeqCst);
            if proved != life.lives(at, now) {
                return Err(format!(
                    "certificate {at} should {} live: {stands:?}; {known:?}",
                    life.lives(at, now)
                ));
            }
            if let (true, CertificateEvidence::Rejected { reason, .. }) = (known.revoked, &stands)
                && !matches!(reason, Reason::CertificateRevoked { .. })
            {
                return Err(format!("certificate {at} was revoked, and is told {reason:?}"));
            }
            let listed = self.listed(&known.record);
            // Whose place was taken stands there too, once its grace is over. Long after its end it may leave the
            // list (RFC 5280 3.3).
            let dead = known.revoked || known.superseded.is_some_and(|at| at <= now);
            if listed != dead && (listed || now <= known.record.not_after) {
                return Err(format!("certificate {at}: on the list {listed}, dead {dead}: {known:?}"));
            }
            let answered = self.answered(&known.record);
            if answered != dead {
                return Err(format!("certificate {at}: OCSP says dead {answered}, it is {dead}: {known:?}"));
            }
        }
        Ok(())
    }

    fn listed(&self, certificate: &Certificate) -> bool {
        use x509_parser::prelude::FromDer as _;
        let list = self.shelf.current(certificate.issuer.as_str()).expect("its issuer's list");
        let (_, list) = x509_parser::revocation_list::CertificateRevocationList::from_der(&list.der).unwrap();
        let serials: BTreeSet<String> =
            list.iter_revoked_certificates().map(|one| format!("{:x}", one.serial())).collect();
        serials.contains(&certificate.serial)
    }

    /// Whether OCSP says that it was revoked; anything but good or revoked is a failure.
    fn answered(&self, certificate: &Certificate) -> bool {
        use x509_parser::prelude::FromDer as _;
        let issuer = self.authority.issuers().find(|one| one.id == certificate.issuer).expect("its issuer");
        let (_, ca) = x509_parser::certificate::X509Certificate::from_der(&issuer.der).unwrap();
        let (_, leaf) = x509_parser::certificate::X509Certificate::from_der(&certificate.der).unwrap();
        let key = crypto::sha256(&ca.public_key().subject_public_key.data);
        // RFC 6960 4.1.1: a request with one CertID by SHA-256 and nothing else.
        let name = tagged(0x04, &crypto::sha256(ca.subject().as_raw()));
        let number = [tagged(0x04, &key), tagged(0x02, leaf.raw_serial())].concat();
        let asked = tagged(0x30, &[tagged(0x30, SHA_256), name, number.clone()].concat());
        let request = tagged(0x30, &tagged(0x30, &tagged(0x30, &tagged(0x30, &asked))));
        let find = |serial: &str| self.rig.view.certificate(serial);
        let answer = self.ocsp.answer(&self.authority, find, &request, self.rig.world.now()).der;
        // The status follows the CertID (4.2.1).
        let at = answer.windows(number.len()).position(|part| part == number).expect("an answer about it");
        match answer[at + number.len()] {
            0x80 => false,
            0xa1 => true,
            other => panic!("neither good nor revoked: {other:#x}"),
        }
    }

    async fn new_device(&self, life: &mut Life, person: usize) {
        let device = Device {
            tenant: self.rig.tenant.clone(),
            person: life.persons[person].id.clone(),
            id: DeviceId::from_bits(self.rig.world.bytes()),
            name: "laptop".to_owned(),
            state: DeviceState::Active,
            issued_by: "local:0".to_owned(),
            delivered_by: None,
            released_by: None,
            created: self.rig.world.now(),
        };
        self.rig.put(&device).await;
        life.devices.push((self.device(&device).await, person, false));
        self.issue(life, life.devices.len() - 1).await;
    }

    async fn device(&self, device: &Device) -> Stored<Device> {
        table::get(&**self.rig.ledger.store(), &device.key()).await.unwrap().unwrap()
    }

    /// A retired device gets nothing, however it is looked at.
    async fn issue(&self, life: &mut Life, at: usize) {
        let stored = life.devices[at].0.clone();
        let issued = self.issued(life, at, &stored).await;
        assert_eq!(
            issued.is_some(),
            !life.devices[at].2,
            "who is switched off gets none, everybody else does"
        );
        life.certificates.extend(issued.map(|record| Known::of(record, at)));
    }

    async fn issued(&self, life: &Life, at: usize, stored: &Stored<Device>) -> Option<Certificate> {
        let order = Order {
            tenant: &self.tenant,
            person: &life.persons[life.devices[at].1],
            device: &stored.record,
            by: "local:0",
            whence: "",
            event: Event::CertificateIssued,
        };
        let unchanged = || vec![table::unchanged(stored)];
        let entry = order.entry(Event::GrantMade);
        let grant = self.issuance.open(&order, "a test", entry, unchanged()).await.ok()?;
        tokio::task::yield_now().await;
        let key = NewKey::make().unwrap().prove().unwrap();
        let issued = self.issuance.certify(&order, &grant, key, "test", unchanged()).await.ok()?;
        Some(issued.certificate)
    }

    /// As a browser that proves all; whether it came in.
    async fn sign_in(&self, life: &Life, at: usize) -> bool {
        let presented = self.judge.read(&[&life.certificates[at].record.der]);
        let now = self.rig.world.now();
        let CertificateEvidence::Proved(proved) = self.judge.stand(&presented, &self.rig.tenant, now) else {
            return false;
        };
        self.advance(&proved).await
    }

    async fn advance(&self, proved: &ProvedCertificate) -> bool {
        let begun = self.steps.sessions.begin(proved, None).session;
        let writes = vec![table::create(&begun)];
        self.rig.ledger.record(Entry::new("gate", Event::SessionBegan), writes).await.unwrap();
        tokio::task::yield_now().await;
        let session = ProvedSession::for_tests(Arc::new(begun));
        let walker = Walker {
            tenant: &self.tenant,
            certificate: proved,
            session: &session,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let entry = Entry::new("gate", Event::SessionStepped);
        self.steps.advance(&walker, &[Proof::Password, Proof::Phone], entry, vec![]).await.is_ok()
    }

    async fn revoke(&self, life: &mut Life, scope: Scope) {
        self.fell(&scope).await;
        life.fell(&scope);
    }

    async fn fell(&self, scope: &Scope) {
        let reason = RevocationReason::KeyCompromise;
        let order = revocation::Order { scope, reason, by: "local:0", whence: "" };
        self.revocation.revoke(order).await.unwrap();
    }

    async fn rotate(&self) {
        self.rotations.fetch_add(1, Ordering::SeqCst);
        let store = &**self.rig.ledger.store();
        let before = table::list::<Issuer>(store, &table::all::<Issuer>()).await.unwrap();
        let issuers: Vec<Issuer> = before.iter().map(|read| read.record.clone()).collect();
        let rotated =
            self.keys.rotate(&passphrase(), &issuers, IssuerKind::Devices, &self.rig.world).unwrap();
        let mut writes = vec![table::create(rotated.issuer())];
        let old = before.iter().filter(|read| read.record.kind == IssuerKind::Devices && read.record.issues);
        writes.extend(old.map(|read| table::replace(read, &Issuer { issues: false, ..read.record.clone() })));
        self.rig.write(writes).await;
        self.authority.take_up(rotated);
    }
}

impl Life {
    fn nth(&self, which: usize) -> Option<usize> {
        (!self.certificates.is_empty()).then(|| which % self.certificates.len())
    }

    /// The model: all there is to know of whether a certificate lives.
    fn lives(&self, at: usize, now: Time) -> bool {
        let one = &self.certificates[at];
        let (_, person, retired) = &self.devices[one.device];
        !one.revoked
            && one.superseded.is_none_or(|at| now < at)
            && one.record.not_before <= now
            && now <= one.record.not_after.plus(Duration::from_millis(999))
            && !retired
            && !self.locked[*person]
    }

    /// It has signed in: those before it on the device have a while left. One that lost its own place takes none.
    fn supersede(&mut self, at: usize, now: Time) {
        let (device, superseded) = (self.certificates[at].device, self.certificates[at].superseded);
        if superseded.is_some() {
            return;
        }
        let older = self.certificates[..at].iter_mut().filter(|one| one.device == device && !one.revoked);
        for one in older {
            one.superseded.get_or_insert(now.plus(Duration::from_secs(GRACE)));
        }
    }

    fn fell(&mut self, scope: &Scope) {
        for (device, _, retired) in &mut self.devices {
            let device = &device.record;
            *retired |= match scope {
                Scope::Certificate(_) => false,
                Scope::Device(_, _, id) => *id == device.id,
                Scope::Person(_, person) => *person == device.person,
                Scope::Tenant(_) => true,
            };
        }
        for one in &mut self.certificates {
            let named = matches!(scope, Scope::Certificate(serial) if *serial == one.record.serial);
            one.revoked |= named || self.devices[one.device].2;
        }
    }
}

impl Known {
    const fn of(record: Certificate, device: usize) -> Self {
        Self { record, device, superseded: None, revoked: false }
    }
}

/// DER of less than 256 bytes.
fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u8::try_from(contents.len()).unwrap();
    let head = if length < 128 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [head.as_slice(), contents].concat()
}

fn passphrase() -> Secret {
    Secret::new("a passphrase for tests")
}

/// Its object identifier, 2.16.840.1.101.3.4.2.1.
const SHA_256: &[u8] = &[0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

const LIVES: u32 = 300;
const GRACE: u64 = 600;

/// Opening a sealed key takes a second each time.
const ROTATIONS_MAX: usize = 4;

/// Two years each, of the ten that an issuing CA has.
const EXPIRIES_MAX: usize = 3;
