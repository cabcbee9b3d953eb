//! The real house, opened in-process as the command opens it: its own CA, store, doors and clock. Two
//! tenants, people and devices are made by the operations behind the command line.

use std::sync::Arc;
use std::time::Duration;

use portcullis::app::{self, Started};
use portcullis::audit::{self, Entry, Event, Numbered};
use portcullis::auth::password::{self, Passwords};
use portcullis::auth::throttle::Throttles;
use portcullis::ca::{self, Authority, Encoding};
use portcullis::config::{Config, Engine, Environment, Push};
use portcullis::console::command::{Acts, Command, Output, Site, device, person};
use portcullis::crypto::Pepper;
use portcullis::domain::certificate::{Issuer, IssuerKind};
use portcullis::domain::device::{Device, DeviceState};
use portcullis::domain::person::Role;
use portcullis::domain::route::Route;
use portcullis::domain::{DeviceId, PersonId, Secret, TenantId};
use portcullis::enrolment::delivery::Deliveries;
use portcullis::enrolment::est::Est;
use portcullis::enrolment::first_visit::FirstVisits;
use portcullis::enrolment::issuance::Issuance;
use portcullis::front::outside;
use portcullis::notify::webpush::Keys;
use portcullis::policy::shipped::{self, Shipped};
use portcullis::proxy::Reach;
use portcullis::store::{Record, Store, StoreError, Write, table};
use portcullis::world::{Clock, Entropy, SystemEntropy, World};
use tokio_util::sync::CancellationToken;

use super::PASSWORD;
use super::backend::Backend;
use super::browser::Browser;
use super::ca::{OldCa, opened};
use super::clock::Shifted;
use super::laid_out::{PASSPHRASE, configuration, first_records, free_port, lay_out};
use super::phone::Phone;
use super::wire::{Identity, Wire};

/// What differs from one test's gate to the next's.
pub(crate) struct Plan {
    /// Rules of the desk.
    pub(crate) console: Shipped,
    /// Rules of the bank's portal.
    pub(crate) portal: String,
    /// Where the bank's requests go instead of the recording backend.
    pub(crate) backend: Option<String>,
    /// Longest wait for the first byte of an answer.
    pub(crate) first_byte_ms_max: u64,
    /// How long a stop waits for what is in flight.
    pub(crate) drain_seconds: u32,
    /// How long ago all this is done: a program that is started afterwards finds it so old.
    pub(crate) ago: Duration,
    /// Where chance comes from.
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Argon2.
    pub(crate) hashing: password::Settings,
    /// What keeps the store.
    pub(crate) engine: Engine,
    /// How phones are woken.
    pub(crate) push: Push,
    /// What routes may reach.
    pub(crate) reach: Reach,
    /// Networks of balancers that say who their client is.
    pub(crate) balancers: Vec<&'static str>,
    /// What is told of requests.
    pub(crate) outside: outside::Settings,
    /// Where the operator asks.
    pub(crate) ops: Option<std::net::SocketAddr>,
    /// Other proxies.
    pub(crate) other_proxies: Vec<portcullis::front::beside::Plan>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            console: shipped::DEMO_CONSOLE,
            portal: shipped::PORTAL.rules.to_owned(),
            backend: None,
            first_byte_ms_max: 60_000,
            drain_seconds: 5,
            ago: Duration::ZERO,
            entropy: Arc::new(SystemEntropy),
            hashing: password::Settings { memory_kib: 64, passes: 1, workers: 2, waiting_max: 100 },
            engine: Engine::default(),
            push: Push::default(),
            reach: Reach::default(),
            balancers: Vec::new(),
            outside: outside::Settings::default(),
            ops: None,
            other_proxies: Vec::new(),
        }
    }
}

/// A device that was handed to its owner.
#[derive(Clone)]
pub(crate) struct Handed {
    pub(crate) tenant: TenantId,
    pub(crate) person: PersonId,
    pub(crate) device: DeviceId,
    pub(crate) identity: Identity,
    pub(crate) serial: String,
    pub(crate) p12: Vec<u8>,
    pub(crate) import_password: String,
}

/// A running house.
pub(crate) struct Gate {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) config: Config,
    pub(crate) clock: Arc<Shifted>,
    pub(crate) world: World,
    pub(crate) started: Option<Started>,
    acts: Option<Arc<Acts>>,
    pub(crate) backend: Backend,
    pub(crate) stop: CancellationToken,
    pub(crate) wire: Wire,
    pub(crate) issuers: Vec<Issuer>,
    /// An issuing CA that the house trusts and whose key the test holds.
    pub(crate) old_ca: OldCa,
    pub(crate) port: u16,
    hashing: password::Settings,
}

impl Gate {
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = Plan::default();
        change(&mut plan);
        let clock = Arc::new(Shifted::behind(plan.ago));
        let world = World { clock: Arc::clone(&clock) as Arc<dyn Clock>, entropy: Arc::clone(&plan.entropy) };
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let issuers = lay_out(folder.path());
        let mut config = configuration(folder.path(), port, plan.drain_seconds);
        config.push.clone_from(&plan.push);
        config.outside.clone_from(&plan.outside);
        config.listen.ops = plan.ops;
        config.reach.clone_from(&plan.reach);
        config.listen.proxy_protocol_from = plan.balancers.iter().map(|net| net.parse().unwrap()).collect();
        config.other_proxies.clone_from(&plan.other_proxies);
        if plan.engine != config.engine {
            config.engine = plan.engine;
            config.store.set_extension(plan.engine.name());
        }
        let backend = Backend::start().await;
        let old_ca = OldCa::like(&issuers[0]);
        let known = [issuers.as_slice(), &[old_ca.record("devices-0")]].concat();
        first_records(&config, &world, &known, &plan).await;
        let stop = CancellationToken::new();
        let started = app::start(&config, &environment(), world.clone(), plan.hashing, &stop).await.unwrap();
        let root = issuers.iter().find(|issuer| issuer.kind == IssuerKind::Server).unwrap().root_der.clone();
        let wire = Wire { address: started.tls, root, identity: None };
        let acts = acts(&config, &started, &world, &issuers);
        let gate = Self {
            folder,
            config,
            clock,
            world,
            started: Some(started),
            acts: Some(acts),
            backend,
            stop,
            wire,
            issuers,
            old_ca,
            port,
            hashing: plan.hashing,
        };
        let to = plan.backend.unwrap_or_else(|| format!("http://{}", gate.backend.address));
        for tenant in ["bank", "other"] {
            let mut route = Route::to(&id(tenant), "portal", "/", to.clone());
            route.first_byte_ms_max = plan.first_byte_ms_max;
            route.client_cert = true;
            gate.put(&route).await;
        }
        gate
    }

    pub(crate) fn started(&self) -> &Started {
        self.started.as_ref().expect("an open house")
    }

    /// The operations behind the command line.
    pub(crate) fn acts(&self) -> &Acts {
        self.acts.as_ref().expect("an open house")
    }

    /// The same, for many at once.
    pub(crate) fn acts_shared(&self) -> Arc<Acts> {
        Arc::clone(self.acts.as_ref().expect("an open house"))
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &**self.started().house.ledger.store()
    }

    /// `bank.localhost:8443`.
    pub(crate) fn host(&self, door: &str) -> String {
        format!("{door}.localhost:{}", self.port)
    }

    /// Puts the clock forward.
    pub(crate) fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Writes a record past every rule, as a test's past.
    pub(crate) async fn put<R: Record>(&self, record: &R) {
        self.write(vec![table::put(record)]).await;
    }

    pub(crate) async fn write(&self, writes: Vec<Write>) {
        let house = &self.started().house;
        let entry = Entry::new("gate", Event::TenantChanged);
        let revision = house.ledger.record(entry, writes).await.unwrap();
        house.view.reached(revision).await.unwrap();
    }

    pub(crate) async fn all<R: Record>(&self) -> Vec<R> {
        let all = table::list::<R>(self.store(), &table::all::<R>()).await.unwrap();
        all.into_iter().map(|read| read.record).collect()
    }

    /// Does what the command line would do.
    pub(crate) async fn run(&self, command: Command) -> Output {
        self.acts().run("local:1000", command).await.unwrap()
    }

    /// Records a person with a recorded number.
    pub(crate) async fn person(&self, tenant: &str, id_: &str, name: &str, roles: &[Role]) {
        let add = person::Add {
            tenant: id(tenant),
            name: name.to_owned(),
            id: Some(PersonId::parse(id_).unwrap()),
            emails: vec![format!("{id_}@{tenant}.example")],
            telephone: Some("+41 79 555 01 23".to_owned()),
            groups: vec![],
            roles: roles.to_vec(),
        };
        self.run(Command::Person(person::Command::Add(Box::new(add)))).await;
    }

    /// Issues a device by the command line, and opens its .p12.
    pub(crate) async fn device(&self, tenant: &str, person: &str, name: &str) -> Handed {
        self.device_by("local:1000", tenant, person, name).await
    }

    pub(crate) async fn device_by(&self, actor: &str, tenant: &str, person: &str, name: &str) -> Handed {
        let command = device::Command::Issue {
            person: format!("{tenant}/{person}").parse().unwrap(),
            name: name.to_owned(),
            encoding: Encoding::Modern,
        };
        self.handed(self.acts().run(actor, Command::Device(command)).await.unwrap())
    }

    /// Another certificate for the same device.
    pub(crate) async fn renewed(&self, of: &Handed) -> Handed {
        let which = format!("{}/{}/{}", of.tenant, of.person, of.device);
        let command =
            device::Command::Renew { device: which.parse().unwrap(), encoding: Encoding::Compatible };
        self.handed(self.run(Command::Device(command)).await)
    }

    /// What a command that issued has answered.
    pub(crate) fn handed(&self, output: Output) -> Handed {
        let text = |name: &str| output.json[name].as_str().unwrap().to_owned();
        let p12 = output.files[0].bytes().unwrap().to_vec();
        let import_password = text("import_password");
        Handed {
            tenant: id(&text("tenant")),
            person: PersonId::parse(&text("person")).unwrap(),
            device: DeviceId::parse(&text("device")).unwrap(),
            identity: opened(&p12, &import_password),
            serial: output.json["certificate"]["serial"].as_str().unwrap().to_owned(),
            p12,
            import_password,
        }
    }

    /// As after a first visit long ago: the device active, the password set.
    pub(crate) async fn settle(&self, handed: &Handed) {
        let key = table::device(&handed.tenant, &handed.person, &handed.device);
        let device = table::get::<Device>(self.store(), &key).await.unwrap().unwrap().record;
        let device = Device { state: DeviceState::Active, ..device };
        let pepper = Arc::new(Pepper::new(*self.config.secrets.pepper().unwrap()));
        let passwords = Passwords::new(pepper, self.world.clone(), self.hashing);
        let typed = Secret::new(PASSWORD);
        let password = passwords.make(&handed.tenant, &handed.person, None, &typed, &[]).await.unwrap();
        self.write(vec![table::put(&device), table::put(&password)]).await;
    }

    /// A browser at a door, with a device's certificate.
    pub(crate) fn browser(&self, door: &str, handed: &Handed) -> Browser {
        Browser::new(self.wire.showing(&handed.identity), self.host(door))
    }

    /// A browser without a certificate.
    pub(crate) fn stranger(&self, door: &str) -> Browser {
        Browser::new(self.wire.bare(), self.host(door))
    }

    pub(crate) fn phone(&self) -> Arc<Phone> {
        Phone::new(&self.wire, &self.host("phone"), &self.world)
    }

    /// The audit trail, oldest first.
    pub(crate) async fn trail(&self) -> Vec<Numbered> {
        let mut lines = audit::latest(self.store(), 10_000).await.unwrap();
        lines.reverse();
        lines
    }

    /// How often something stands in the trail.
    pub(crate) async fn told(&self, event: Event) -> usize {
        self.trail().await.iter().filter(|line| line.what == event).count()
    }

    /// Every link of the trail holds.
    pub(crate) async fn must_verify(&self) {
        let report = audit::verify(self.store()).await.unwrap();
        assert!(report.first_bad.is_none() && report.entries > 0, "{report:?}");
    }

    /// Stops the gate and waits until it has closed, and its store and ports are free.
    pub(crate) async fn close(&mut self) {
        self.stop.cancel();
        self.acts = None;
        if let Some(started) = self.started.take() {
            started.closed().await;
            while let Err(StoreError::InUse(_)) = app::open_store(&self.config, self.world.clone()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // The plain listener's task ends by itself, behind the doors.
            let plain = self.config.listen.plain.unwrap();
            let begun = std::time::Instant::now();
            while std::net::TcpListener::bind(plain).is_err() {
                assert!(begun.elapsed() < super::PATIENCE, "{plain} stays taken");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// Stops the gate and opens it again, over the same data and at the same addresses.
    pub(crate) async fn restart(&mut self) {
        self.close().await;
        self.stop = CancellationToken::new();
        let (world, stop) = (self.world.clone(), &self.stop);
        let started = app::start(&self.config, &environment(), world, self.hashing, stop).await.unwrap();
        self.acts = Some(acts(&self.config, &started, &self.world, &self.issuers));
        self.started = Some(started);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn environment() -> Environment {
    Environment { passphrase: Some(Secret::new(PASSPHRASE)), ..Environment::default() }
}

pub(crate) fn id(tenant: &str) -> TenantId {
    TenantId::parse(tenant).unwrap()
}

/// The operations of the command line, beside the running server as through its control socket.
fn acts(config: &Config, started: &Started, world: &World, issuers: &[Issuer]) -> Arc<Acts> {
    let (ledger, view) = (Arc::clone(&started.house.ledger), Arc::clone(&started.house.view));
    let throttles = Arc::new(Throttles::new(Arc::clone(&ledger), world.clone()));
    let pepper = Arc::new(Pepper::new(*config.secrets.pepper().unwrap()));
    let first_visits = Arc::new(FirstVisits::new(
        Arc::clone(&ledger),
        Arc::clone(&view),
        world.clone(),
        Arc::clone(&pepper),
        Arc::clone(&throttles),
    ));
    let settings = ca::Settings { crl_url_base: config.plain_origin() };
    let (dir, passphrase) = (config.data.join("ca"), Secret::new(PASSPHRASE));
    let authority = Authority::open(&dir, &passphrase, issuers, world.clone(), settings).unwrap();
    let issuance = Arc::new(Issuance::new(Arc::clone(&ledger), Some(Arc::new(authority)), world.clone()));
    let est = Est::new(
        Arc::clone(&ledger),
        Arc::clone(&issuance),
        Arc::clone(&throttles),
        Arc::clone(&pepper),
        world.clone(),
    );
    let parts = (Arc::clone(&ledger), Arc::clone(&view), Arc::clone(&issuance));
    let deliveries = Deliveries::new(parts.0, parts.1, parts.2, pepper, world.clone());
    let start = config.public.as_ref().map(|door| config.origin(&door.host));
    Arc::new(Acts {
        issuance,
        est: Arc::new(est),
        deliveries: Arc::new(deliveries),
        post: Default::default(),
        push: Arc::new(Keys::open(&config.secrets.push_key_file).unwrap()),
        ledger,
        view,
        keys: Arc::new(ca::KeyFolder::at(dir)),
        kept: ca::KeptLists::at(config.data.join("lists")),
        throttles,
        first_visits,
        world: world.clone(),
        site: arc_swap::ArcSwap::from_pointee(Site { start, ..Site::default() }),
        reloads: None,
        upgrades: None,
        routes: Default::default(),
        proxy: std::sync::OnceLock::new(),
        old_certificates: std::sync::OnceLock::new(),
    })
}
