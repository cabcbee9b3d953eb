//! Single use is single: each thing that may be used once, used by fifty at the same moment, a thousand
//! times over. One wins, always. Stands here because the rooms it races lie on different floors.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::audit::{Entry, Event, RecordError};
use crate::auth::evidence::ProvedCertificate;
use crate::auth::phone::approvals::AnswerError;
use crate::auth::phone::rig::{FROM, Hand, Rig};
use crate::auth::session::{Proof, Sessions};
use crate::auth::throttle::Throttles;
use crate::ca::{self, Authority, CaNames, Encoding, NewKey, Subject};
use crate::domain::approval::Approval;
use crate::domain::certificate::{Certificate, CertificateState};
use crate::domain::device::{Device, DeviceState};
use crate::domain::grant::{Allows, Grant};
use crate::domain::person::Person;
use crate::domain::phone::Phone;
use crate::domain::session::{Session, TokenHash};
use crate::domain::tenant::Tenant;
use crate::domain::{DeviceId, GrantId, IssuerId, PersonId, Secret};
use crate::enrolment::delivery::{Brought, Deliveries, NotHanded};
use crate::enrolment::first_visit::{Agent, DeskRefusal, FirstVisits, Screen};
use crate::enrolment::issuance::{Issuance, Order};
use crate::enrolment::pairing::{Ground, Opening, PairingError, Pairings, Verdict};
use crate::store::{Stored, Write, table};

/// Fifty agents type the same right code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_right_once() {
    let rig = Rig::new().await;
    let throttles = Arc::new(Throttles::new(rig.ledger.clone(), rig.world.clone()));
    let visits = FirstVisits::new(
        rig.ledger.clone(),
        rig.view.clone(),
        rig.world.clone(),
        rig.pepper.clone(),
        throttles,
    );
    let (visits, laptop) = (Arc::new(visits), laptop(&rig).await);
    for round in 0..ROUNDS {
        let screen = visits.screen(&laptop, &[1; 32], "Chrome", "192.0.2.7", true).await.unwrap();
        let Screen::Code { digits, .. } = screen else { panic!("round {round}: no code is shown") };
        let results = race(|task| {
            let (visits, digits, person) = (visits.clone(), digits.clone(), rig.anna.clone());
            let (tenant, actor) = (rig.tenant.clone(), format!("person:staff/agent-{task}"));
            let agent = Agent { actor, address: "192.0.2.9".to_owned(), four_eyes: true };
            async move { visits.check_code(&agent, &tenant, &person, digits.expose()).await.map(drop) }
        })
        .await;
        one_wins(round, &results);
        for lost in results.iter().filter_map(|result| result.as_ref().err()) {
            let told =
                matches!(lost, DeskRefusal::MovedOn | DeskRefusal::NobodyWaits | DeskRefusal::Refused(_));
            assert!(told, "round {round}: {lost:?}");
        }
        // The tries of the forty-nine count for the device; the next round begins without them.
        let counted = table::throttle(&rig.tenant, "code", &format!("device:{}", laptop.device_id()));
        rig.write(vec![table::delete(counted)]).await;
        rig.wait(3600);
    }
}

/// Fifty phones scan the same square: one is first, and as another came, none is paired.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pairing_secret_is_spent_once() {
    let rig = Rig::new().await;
    let session = rig.session(1).await;
    let pairings =
        Arc::new(Pairings::new(rig.ledger.clone(), rig.pepper.clone(), rig.party.clone(), rig.world.clone()));
    let hands: Arc<Vec<Hand>> = Arc::new((0..TASKS).map(|_| Hand::new(rig.party.clone())).collect());
    for round in 0..ROUNDS {
        let opening = Opening {
            tenant: session.tenant.clone(),
            person: session.person.clone(),
            device: session.device.clone(),
            session: session.token,
            from: FROM,
            ground: Ground::First,
        };
        let (pairing, secret) = pairings.open(opening).await.unwrap();
        let now = rig.world.now();
        let results = race(|task| {
            let (pairings, hands, secret) = (pairings.clone(), hands.clone(), secret.clone());
            let id = pairing.id.clone();
            async move { pairings.begin(&id, &secret, &hands[task].new_call(now), FROM).await.map(drop) }
        })
        .await;
        one_wins(round, &results);
        let contested = pairings.confirm(&pairing.id, &session.token, yes(), FROM).await;
        assert!(matches!(contested, Err(PairingError::Gone | PairingError::Contested)), "{contested:?}");
        rig.wait(3600);
    }
}

/// The same signed approval, fifty times at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_counts_once() {
    let rig = Arc::new(Rig::new().await);
    let hand = rig.paired("anna").await;
    // An authenticator without a counter, so that the record alone decides.
    let phone = Phone { sign_count: 0, ..hand.phone.as_ref().unwrap().as_ref().clone() };
    rig.put(&phone).await;
    let hand = Arc::new(hand);
    for round in 0..ROUNDS {
        rig.put(&phone).await;
        let session = rig.session(1).await;
        let (shown, digits) = rig.ask(&session).await;
        let signed = Arc::new(hand.sign(&shown, &digits).await);
        let now = rig.world.now();
        let results = race(|_| {
            let (rig, hand, signed) = (rig.clone(), hand.clone(), signed.clone());
            let (shown, digits): (Approval, String) = (shown.clone(), digits.clone());
            async move { rig.approvals.approve(&hand.call(now), &shown.id, &digits, &signed, FROM).await }
        })
        .await;
        one_wins(round, &results);
        for lost in results.iter().filter_map(|result| result.as_ref().err()) {
            assert!(
                matches!(lost, AnswerError::Answered | AnswerError::Busy | AnswerError::Signature(_)),
                "{lost:?}"
            );
        }
        rig.wait(3600);
    }
}

/// Fifty certificates made under one Grant: one is on record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_is_used_once() {
    let rig = Rig::new().await;
    let dir = tempfile::tempdir().unwrap();
    let authority = authority(&rig, dir.path());
    let laptop = laptop(&rig).await;
    let tenant = table::get::<Tenant>(rig.ledger.store().as_ref(), &table::tenant(&rig.tenant)).await;
    let tenant = tenant.unwrap().unwrap().record;
    let subject = Arc::new(Subject::of(&tenant, laptop.person(), laptop.device()).unwrap());
    for round in 0..ROUNDS {
        let grant = Grant {
            id: GrantId::from_bits(rig.world.bytes()),
            allows: Allows::Issue {
                tenant: rig.tenant.clone(),
                person: rig.anna.clone(),
                device: laptop.device_id().clone(),
                profile: "device".to_owned(),
            },
            evidence: "local:0".to_owned(),
            by: "local:1000".to_owned(),
            secret: None,
            expires: rig.world.now().plus(Duration::from_secs(900)),
        };
        let entry = Entry::new("local:0", Event::HouseStarted);
        let revision = rig.ledger.record(entry, vec![table::create(&grant)]).await.unwrap();
        let granted = Arc::new(Stored { record: grant, revision });
        let results = race(|_| {
            let (authority, granted, subject) = (authority.clone(), granted.clone(), subject.clone());
            let (ledger, now) = (rig.ledger.clone(), rig.world.now());
            async move {
                let key = NewKey::make().unwrap().prove().unwrap();
                let issued = authority.issue(key, &granted, &subject, "local:0", now).unwrap();
                let entry = Entry::new("local:0", Event::CertificateIssued);
                ledger.record(entry, issued.writes).await.map(drop)
            }
        })
        .await;
        one_wins(round, &results);
        only_conflicts(round, &results);
    }
    let made = table::list::<Certificate>(rig.ledger.store().as_ref(), &table::all::<Certificate>()).await;
    assert_eq!(made.unwrap().len(), 1 + ROUNDS, "the first, and one certificate for each grant");
}

/// A-19, M-07. Fifty owners press the button of one link, all with the right password: one has a file, whoever
/// loses is told what everybody is told, and the store holds one certificate more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_link_is_used_once() {
    let rig = Rig::new().await;
    let dir = tempfile::tempdir().unwrap();
    let authority = authority(&rig, dir.path());
    let issuance = Arc::new(Issuance::new(rig.ledger.clone(), Some(authority), rig.world.clone()));
    let (view, pepper) = (rig.view.clone(), rig.pepper.clone());
    let deliveries = Deliveries::new(rig.ledger.clone(), view, issuance, pepper, rig.world.clone());
    let (deliveries, laptop) = (Arc::new(deliveries), laptop(&rig).await);
    let tenant = rig.view.tenant(&rig.tenant).unwrap();
    for round in 0..LINK_ROUNDS {
        let order = Order {
            tenant: &tenant,
            person: laptop.person(),
            device: laptop.device(),
            by: "local:1000",
            whence: "",
            event: Event::CertificateIssued,
        };
        let write = table::put(laptop.device());
        let link = Arc::new(deliveries.open(&order, write, Duration::from_secs(900)).await.unwrap());
        let results = race(|_| {
            let (deliveries, link, tenant) = (deliveries.clone(), link.clone(), rig.tenant.clone());
            async move {
                let brought = Brought {
                    tenant: &tenant,
                    secret: &link.secret,
                    typed: &link.password,
                    encoding: Encoding::Modern,
                    from: [192, 0, 2, 7].into(),
                };
                deliveries.hear(&brought).await.map(drop)
            }
        })
        .await;
        one_wins(round, &results);
        let dead = results.iter().filter(|result| matches!(result, Err(NotHanded::Dead))).count();
        assert_eq!(dead, TASKS - 1, "round {round}: whoever loses is told what everybody is told");
    }
    let made = table::list::<Certificate>(rig.ledger.store().as_ref(), &table::all::<Certificate>()).await;
    assert_eq!(made.unwrap().len(), 1 + LINK_ROUNDS, "the first, and one certificate for each link");
    let waiting = table::list::<Grant>(rig.ledger.store().as_ref(), &table::all::<Grant>()).await;
    assert!(waiting.unwrap().is_empty());
}

/// A CA of its own.
fn authority(rig: &Rig, dir: &std::path::Path) -> Arc<Authority> {
    let (names, passphrase) = (
        CaNames { organization: "Bank Muster".to_owned(), server_names: vec!["localhost".to_owned()] },
        Secret::new("a passphrase for tests"),
    );
    let issuers = ca::init(dir, &passphrase, &names, &rig.world).unwrap();
    let settings = ca::Settings { crl_url_base: "http://start.localhost".to_owned() };
    Arc::new(Authority::open(dir, &passphrase, &issuers, rig.world.clone(), settings).unwrap())
}

/// Fifty requests take the same step of one session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_steps_once() {
    let rig = Rig::new().await;
    let sessions =
        Arc::new(Sessions::new(rig.ledger.clone(), rig.view.clone(), rig.world.clone(), rig.pepper.clone()));
    let tenant = table::get::<Tenant>(rig.ledger.store().as_ref(), &table::tenant(&rig.tenant)).await;
    let tenant = Arc::new(tenant.unwrap().unwrap().record);
    for round in 0..ROUNDS {
        let old: TokenHash = rig.session(1).await.token;
        let results = race(|_| {
            let (sessions, tenant, ledger) = (sessions.clone(), tenant.clone(), rig.ledger.clone());
            async move {
                let (begun, writes) = sessions.step(&old, &[Proof::Phone], &tenant).await?;
                ledger.record(Entry::new("gate", Event::SessionBegan), writes).await?;
                Ok::<Session, RecordError>(begun.session)
            }
        })
        .await;
        one_wins(round, &results);
        only_conflicts(round, &results);
        let new = results.into_iter().find_map(Result::ok).unwrap();
        assert_eq!(rig.sessions().await, 1, "round {round}: the old one is dead, one new one lives");
        rig.write(vec![table::delete(table::session(&new.token))]).await;
    }
}

/// What `TASKS` tasks get that begin at the same moment.
async fn race<T, E, F>(make: impl Fn(usize) -> F) -> Vec<Result<T, E>>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let gate = Arc::new(Barrier::new(TASKS));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (gate, work) = (gate.clone(), make(task));
        tasks.spawn(async move {
            gate.wait().await;
            work.await
        });
    }
    tasks.join_all().await
}

#[track_caller]
fn one_wins<T, E: std::fmt::Debug>(round: usize, results: &[Result<T, E>]) {
    let winners = results.iter().filter(|result| result.is_ok()).count();
    let lost: Vec<&E> = results.iter().filter_map(|result| result.as_ref().err()).take(3).collect();
    assert_eq!((winners, results.len()), (1, TASKS), "round {round}: {lost:?}");
}

#[track_caller]
fn only_conflicts<T>(round: usize, results: &[Result<T, RecordError>]) {
    let lost = results.iter().filter(|result| matches!(result, Err(RecordError::Conflict))).count();
    assert_eq!(lost, TASKS - 1, "round {round}: whoever loses is told that it moved on");
}

/// Anna's laptop, which has shown its certificate and is not released.
async fn laptop(rig: &Rig) -> ProvedCertificate {
    let device = Device {
        tenant: rig.tenant.clone(),
        person: rig.anna.clone(),
        id: DeviceId::parse("laptop-1").unwrap(),
        name: "laptop".to_owned(),
        state: DeviceState::AwaitingCode,
        issued_by: "local:0".to_owned(),
        delivered_by: None,
        released_by: None,
        created: rig.world.now(),
    };
    let certificate = Certificate {
        serial: "ab12".parse().unwrap(),
        tenant: rig.tenant.clone(),
        person: rig.anna.clone(),
        device: device.id.clone(),
        issuer: IssuerId::parse("devices-1").unwrap(),
        profile: "device".to_owned(),
        der: vec![1],
        fingerprint: [5; 32],
        not_before: rig.world.now(),
        not_after: rig.world.now().plus(Duration::from_secs(1 << 30)),
        state: CertificateState::Active,
        issued_by: "local:0".to_owned(),
    };
    rig.write(vec![table::put(&device), table::put(&certificate)]).await;
    let anna: PersonId = rig.anna.clone();
    let person: Arc<Person> = rig.view.person(&rig.tenant, &anna).unwrap();
    ProvedCertificate::for_tests(Arc::new(certificate), Arc::new(device), person)
}

fn yes() -> Verdict {
    Verdict::Yes { released_by: None, also: Vec::<Write>::new(), ground: Ground::First }
}

const TASKS: usize = 50;

const ROUNDS: usize = 1000;

/// Each round makes keys and files: some hundred milliseconds.
const LINK_ROUNDS: usize = 40;
