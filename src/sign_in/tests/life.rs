//! No sequence of issuing, renewing, taking a place, revoking and rotating lets a dead certificate through. A
//! model of a few lines says which certificates live; hundreds of random lives are led on the real ledger,
//! view, judge, revocation lists and OCSP, and after each step every certificate ever made is asked.

#![allow(clippy::print_stdout, reason = "how many lives were led is for whoever runs it")]

mod acts;
mod model;
mod questions;

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
use crate::auth::recovery::Recovery;
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
use model::{Known, Life};

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
}

fn passphrase() -> Secret {
    Secret::new("a passphrase for tests")
}

const LIVES: u32 = 300;
const GRACE: u64 = 600;

/// Opening a sealed key takes a second each time.
const ROTATIONS_MAX: usize = 4;

/// Two years each, of the ten that an issuing CA has.
const EXPIRIES_MAX: usize = 3;
