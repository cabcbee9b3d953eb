//! The demo's house: found on the first start, with a bank, a client, an agent, an operator and
//! their files. For trying alone: every password lies in a file, and says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::audit::{Entry, Event};
use crate::auth::password::Password;
use crate::ca::{CaNames, Encoding, pem_of};
use crate::cli::failure::Failure;
use crate::cli::found::{self, Founded, Plan};
use crate::cli::reach::actor;
use crate::config::annotated::{self, Answers};
use crate::config::{Config, Engine, Environment, Push, secrets};
use crate::console::command::which::WhichPerson;
use crate::console::command::{Command, Output, device, person, tenant};
use crate::domain::certificate::IssuerKind;
use crate::domain::device::{Device, DeviceState};
use crate::domain::person::{Person, Role, Standing};
use crate::domain::tenant::SessionProfile;
use crate::domain::{PersonId, Secret, TenantId, words};
use crate::policy::shipped::DEMO_CONSOLE;
use crate::store::table::{self, Stored};
use crate::world::World;

/// Where the demo listens and under which names.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) dir: PathBuf,
    pub(super) port: u16,
    /// A name under which a real phone finds this machine.
    pub(super) host: Option<String>,
}

/// The root that browsers must trust; it can sign nothing but the demo's names.
pub(super) fn root_file(dir: &Path) -> PathBuf {
    dir.join("ca").join("demo-root.crt")
}

/// All passwords of the demo.
pub(super) fn passwords_file(dir: &Path) -> PathBuf {
    dir.join("passwords.txt")
}

impl Place {
    /// Host of the phone's door.
    pub(super) fn phone_host(&self) -> String {
        self.host.clone().unwrap_or_else(|| "phone.localhost".to_owned())
    }

    fn answers(&self, push: Push) -> Answers {
        // Only a phone on the network needs more than this machine.
        let ip = if self.host.is_some() { "0.0.0.0" } else { "127.0.0.1" };
        Answers {
            data: "data".to_owned(),
            tls: format!("{ip}:{}", self.port),
            plain: format!("{ip}:{}", self.port + 1),
            // Health and metrics stay on this machine.
            ops: Some(format!("127.0.0.1:{}", self.port + 2)),
            engine: Engine::default(),
            passphrase_file: Some("passphrase".to_owned()),
            console_host: "console.localhost".to_owned(),
            phone_host: self.phone_host(),
            public_host: Some("start.localhost".to_owned()),
            portals: vec![("bank".to_owned(), "bank.localhost".to_owned())],
            push,
        }
    }
}

/// Goes on with what is there; only port and phone's name may have changed. What was written under [push] stays.
pub(super) fn again(place: &Place) -> Result<Config, Failure> {
    let file = found::config_in(&place.dir);
    let before = Config::load(&file)?;
    if before.phone.host != place.phone_host() {
        return Err(Failure::Usage(format!(
            "{} was made for the phone at {}: name that one (--host), or choose another --dir",
            place.dir.display(),
            before.phone.host
        )));
    }
    std::fs::write(&file, annotated::text(&place.answers(before.push))).map_err(Failure::written(&file))?;
    Ok(Config::load(&file)?)
}

/// Makes all of it.
pub(super) async fn first(place: &Place, environment: &Environment) -> Result<Config, Failure> {
    let dir = &place.dir;
    let world = World::real();
    std::fs::create_dir_all(dir).map_err(Failure::written(dir))?;
    let left = leftovers(dir);
    if let Some(file) = left.first() {
        return Err(Failure::Usage(format!(
            "{} is there, but it is no finished demo, and may be somebody's gate: choose another --dir",
            file.display(),
        )));
    }
    let passphrase =
        Secret::new(words::three(|below| world.below(below)).join("-") + world.six_digits().as_str());
    write(&dir.join("passphrase"), passphrase.expose())?;
    let names = CaNames {
        organization: "Portcullis demo".to_owned(),
        server_names: std::iter::once("localhost".to_owned()).chain(place.host.clone()).collect(),
    };
    let plan = Plan {
        dir: dir.clone(),
        answers: place.answers(Push::default()),
        passphrase,
        names,
        telephone: "+41 44 555 01 99".to_owned(),
        desk: DEMO_CONSOLE,
        restored: None,
    };
    let made = async {
        let founded = found::found(plan, environment).await?;
        people(&founded, dir).await?;
        Ok(founded.config)
    };
    made.await.inspect_err(|_| {
        for file in leftovers(dir) {
            // What cannot be taken away is named at the next start.
            let _ = if file.is_dir() { std::fs::remove_dir_all(file) } else { std::fs::remove_file(file) };
        }
    })
}

/// What the first start writes, as far as it is there.
fn leftovers(dir: &Path) -> Vec<PathBuf> {
    let names = [
        "portcullis.toml",
        "data",
        "ca",
        "passphrase",
        "passwords.txt",
        "client.p12",
        "tablet.p12",
        "agent.p12",
        "operator.p12",
    ];
    names.iter().map(|name| dir.join(name)).filter(|file| file.exists()).collect()
}

async fn people(house: &Founded, dir: &Path) -> Result<(), Failure> {
    write_root(house, dir)?;
    bank(house).await?;
    let mut kept = Kept::new(house);
    let anna = add(house, "bank", "Anna Muster", "anna@muster.example", &[]).await?;
    kept.file(&anna, "laptop", dir.join("client.p12"), "Anna Muster, client, her laptop: first visit")
        .await?;
    kept.file(&anna, "tablet", dir.join("tablet.p12"), "Anna Muster, client, her second device").await?;
    let sam = add(house, "staff", "Sam Support", "sam@bank.example", &[Role::Support]).await?;
    let device = kept.file(&sam, "desk", dir.join("agent.p12"), "Sam Support, the agent at the desk").await?;
    kept.inside(&sam, &device).await?;
    let olga =
        add(house, "staff", "Olga Operator", "olga@bank.example", &[Role::Owner, Role::Operator]).await?;
    let device =
        kept.file(&olga, "desk", dir.join("operator.p12"), "Olga Operator, owner and operator").await?;
    kept.inside(&olga, &device).await?;
    write(&passwords_file(dir), &kept.text)
}

fn write_root(house: &Founded, dir: &Path) -> Result<(), Failure> {
    let issuers = house.core.view.issuers();
    let server = issuers.iter().find(|issuer| issuer.kind == IssuerKind::Server).ok_or_else(|| {
        Failure::Other("the demo has no CA for its doors: take its folder away and start again".to_owned())
    })?;
    let file = root_file(dir);
    let folder = dir.join("ca");
    std::fs::create_dir_all(&folder).map_err(Failure::written(&folder))?;
    std::fs::write(&file, pem_of(&server.root_der)).map_err(Failure::written(&file))
}

async fn bank(house: &Founded) -> Result<(), Failure> {
    let add = tenant::Add {
        id: bank_id()?,
        name: "Bank Muster & Cie".to_owned(),
        telephone: "+41 44 555 01 00".to_owned(),
        hosts: vec!["bank.localhost".to_owned()],
        backend: None,
        language: "en".to_owned(),
        accent: Some("#1b4d6b".to_owned()),
        monogram: Some("M".to_owned()),
        session: SessionProfile::Aal3,
        identified_on_incoming_call: false,
    };
    run(house, Command::Tenant(tenant::Command::Add(Box::new(add)))).await.map(drop)
}

async fn add(
    house: &Founded,
    tenant: &str,
    name: &str,
    email: &str,
    roles: &[Role],
) -> Result<WhichPerson, Failure> {
    let broken = |error: crate::domain::id::BadId| Failure::Other(error.to_string());
    let tenant = TenantId::parse(tenant).map_err(broken)?;
    let id: PersonId =
        person::id_from(name).ok_or_else(|| Failure::Other("a name gives no id".to_owned()))?;
    let add = person::Add {
        tenant: tenant.clone(),
        name: name.to_owned(),
        id: Some(id.clone()),
        emails: vec![email.to_owned()],
        telephone: Some("+41 79 555 01 23".to_owned()),
        groups: vec![],
        roles: roles.to_vec(),
    };
    run(house, Command::Person(person::Command::Add(Box::new(add)))).await?;
    Ok(WhichPerson { tenant, person: id })
}

/// What is told of passwords while the demo is made.
struct Kept<'h> {
    house: &'h Founded,
    text: String,
}

impl<'h> Kept<'h> {
    fn new(house: &'h Founded) -> Self {
        let text = "All passwords of this demo. Only a demo keeps such a file: a real gate shows an import\n\
                    password once, and knows no password at all.\n"
            .to_owned();
        Self { house, text }
    }

    /// A device with its .p12; its record.
    async fn file(
        &mut self,
        who: &WhichPerson,
        name: &str,
        to: PathBuf,
        about: &str,
    ) -> Result<Device, Failure> {
        let command =
            device::Command::Issue { person: who.clone(), name: name.to_owned(), encoding: encoding() };
        let issued = run(self.house, Command::Device(command)).await?;
        if let Some(file) = issued.files.first() {
            crate::cli::print::write_file(file, Some(&to))?;
        }
        let import = issued.json["import_password"].as_str().unwrap_or_default();
        let file = to.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.text.push_str(&format!("\n{about}\n  {file:<14}import password  {import}\n"));
        let all: Vec<Stored<Device>> =
            table::list(&**self.house.core.ledger.store(), &table::devices(&who.tenant, &who.person))
                .await
                .map_err(crate::app::AppError::from)?;
        all.into_iter()
            .map(|read| read.record)
            .find(|device| device.name == name)
            .ok_or_else(|| Failure::Other("the demo's device was not recorded: start again".to_owned()))
    }

    /// Lets somebody of the staff be in already, with a password and without a phone: the demo's
    /// desk asks for two locks.
    async fn inside(&mut self, who: &WhichPerson, device: &Device) -> Result<(), Failure> {
        let core = &self.house.core;
        let store = &**core.ledger.store();
        let key = table::person(&who.tenant, &who.person);
        let read: Option<Stored<Person>> =
            table::get(store, &key).await.map_err(crate::app::AppError::from)?;
        let Some(person) = read else { return Ok(()) };
        let (typed, password) = self.password(who).await?;
        let active = Person { standing: Standing::Active, ..person.record.clone() };
        let released =
            Device { state: DeviceState::Active, released_by: Some("demo".to_owned()), ..device.clone() };
        let writes = vec![table::replace(&person, &active), table::put(&released), table::create(&password)];
        let entry = Entry::new(actor(), Event::DeviceActivated)
            .tenant(&who.tenant)
            .whom(format!("device:{}", device.id))
            .detail("why", "the demo lets its staff in");
        core.ledger.record(entry, writes).await.map_err(crate::console::command::CommandError::from)?;
        self.text.push_str(&format!("  {:<14}password         {}\n", "at the door", typed.expose()));
        Ok(())
    }

    async fn password(&self, who: &WhichPerson) -> Result<(Secret, Password), Failure> {
        let core = &self.house.core;
        for _ in 0..TRIES {
            let three = words::three(|below| core.world.below(below)).join("-");
            let typed = Secret::new(format!("{three}-{}", core.world.below(90) + 10));
            if let Ok(made) = core.passwords.make(&who.tenant, &who.person, None, &typed, &[]).await {
                return Ok((typed, made));
            }
        }
        Err(Failure::Other("no password could be made: start the demo again".to_owned()))
    }
}

async fn run(house: &Founded, command: Command) -> Result<Output, Failure> {
    Ok(Arc::clone(&house.acts).run(&actor(), command).await?)
}

/// The demo's bank.
pub(super) fn bank_id() -> Result<TenantId, Failure> {
    TenantId::parse("bank").map_err(|error| Failure::Other(error.to_string()))
}

/// What this machine's own browsers open.
const fn encoding() -> Encoding {
    if cfg!(target_os = "macos") { Encoding::Compatible } else { Encoding::Modern }
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    secrets::write_new(file, format!("{}\n", text.trim_end()).as_bytes()).map_err(Failure::written(file))
}

/// Three words by chance are refused as guessable hardly ever.
const TRIES: u32 = 20;
