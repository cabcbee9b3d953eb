//! `portcullis init`: asks what it must know, or takes it from flags, and founds a house with its
//! first owner.

mod asked;

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::json;

use asked::{Check, a_host, answer, ask, typed_line};
pub(super) use asked::{long_enough, typed};

use super::ca::offline::{self, Acting};
use super::device::encoding;
use super::failure::Failure;
use super::found::{self, Founded, Plan};
use super::print::{Printer, write_file};
use super::reach::actor;
use crate::ca::{CaNames, Encoding};
use crate::config::annotated::Answers;
use crate::config::{Engine, Environment, Push, secrets};
use crate::console::command::tenant::check_telephone;
use crate::console::command::which::WhichPerson;
use crate::console::command::{Command, Output, device, person};
use crate::domain::person::Role;
use crate::domain::{PersonId, Secret, TenantId};
use crate::policy::shipped::CONSOLE;

#[derive(clap::Args)]
pub(super) struct Init {
    /// Folder of the configuration
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Data folder, relative to --dir
    #[arg(long, default_value = "data")]
    data: String,
    /// Whose gate it is: "Bank Muster & Cie"
    #[arg(long)]
    organization: Option<String>,
    /// Whom staff call when they cannot come in: "+41 44 555 01 00"
    #[arg(long)]
    telephone: Option<String>,
    /// Host name of the console: console.example.com
    #[arg(long)]
    console_host: Option<String>,
    /// Host name of the phone app: phone.example.com
    #[arg(long)]
    phone_host: Option<String>,
    /// Host name of the public door, where you want one: start.example.com
    #[arg(long)]
    public_host: Option<String>,
    /// A tenant's door: bank=portal.example.com; may be repeated
    #[arg(long = "portal", value_name = "TENANT=HOST")]
    portals: Vec<String>,
    /// Name of the first owner: "Olga Owner"
    #[arg(long)]
    owner_name: Option<String>,
    /// E-mail address of the first owner
    #[arg(long)]
    owner_email: Option<String>,
    /// The owner's device, as they call it
    #[arg(long, default_value = "laptop")]
    owner_device: String,
    /// modern (AES-256) or compatible (3DES, for iPhone, iPad, Mac and older Windows)
    #[arg(long, default_value = "modern", value_parser = encoding)]
    encoding: Encoding,
    /// File with the passphrase of the CA's keys, mode 0600; it is named in the configuration
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Take the keys of the roots off this machine at once: write them to this bundle, which the gate never needs
    #[arg(long, value_name = "FILE")]
    offline_root: Option<PathBuf>,
    /// What keeps the store: redb or, where it was built in, sled
    #[arg(long, default_value = "redb", value_parser = Engine::named)]
    engine: Engine,
    /// Where TLS listens
    #[arg(long, default_value = "0.0.0.0:443", value_parser = an_address)]
    tls: String,
    /// Where plain HTTP listens
    #[arg(long, default_value = "0.0.0.0:80", value_parser = an_address)]
    plain: String,
    /// Where health and metrics are, on this machine alone
    #[arg(long, default_value = "127.0.0.1:9100", value_parser = an_address)]
    ops: String,
}

pub(super) async fn run(
    init: Box<Init>,
    environment: &Environment,
    printer: Printer,
) -> Result<bool, Failure> {
    let asks = std::io::stdin().is_terminal() && !printer.json;
    let mut init = complete(*init, asks)?;
    if init.dir == Path::new(".") {
        // So that `portcullis.toml` is told, not `./portcullis.toml`.
        init.dir = PathBuf::new();
    }
    let owner = owner(&init)?;
    let p12 = p12_path(&init)?;
    if let Some(file) = &init.offline_root {
        offline::free(file)?;
    }
    let passphrase = passphrase(&init, environment, asks)?;
    let passphrase_kept = passphrase.clone();
    let plan = plan(&init, passphrase)?;
    let config_file = found::config_in(&plan.dir);
    let Founded { config, core: _core, acts } = found::found(plan, environment).await?;

    acts.run(&actor(), Command::Person(person::Command::Add(Box::new(owner.add.clone())))).await?;
    let command = device::Command::Issue {
        person: owner.which.clone(),
        name: init.owner_device.clone(),
        encoding: init.encoding,
    };
    let issued = acts.run(&actor(), Command::Device(command)).await?;
    if let Some(file) = issued.files.first() {
        write_file(file, Some(&p12))?;
    }
    let root = match &init.offline_root {
        Some(file) => offline::take_away(&Acting(&acts), file, &passphrase_kept).await?,
        None => vec![
            "The keys of the roots lie on this machine. Take them away when you are ready: `portcullis ca init \
             --offline-root FILE`."
                .to_owned(),
        ],
    };
    let console = format!("{}/", config.origin(&config.console.host));
    let json = json!({
        "config": config_file.display().to_string(),
        "data": config.data.display().to_string(),
        "owner": owner.which.to_string(),
        "file": p12.display().to_string(),
        "device": issued.json,
        "console": console,
    });
    let mut lines = steps(&init, &config_file, &p12, &console, &owner, &issued);
    lines.push(String::new());
    lines.extend(root);
    printer.output(&Output::new(json, lines))
}

fn steps(
    init: &Init,
    config: &Path,
    p12: &Path,
    console: &str,
    owner: &Owner,
    issued: &Output,
) -> Vec<String> {
    let config = config.display();
    let mut lines = vec![
        format!(
            "The gate is made. Its configuration is {config}; read it once, each line says what it is for."
        ),
        format!("The first owner's certificate is {}.", p12.display()),
    ];
    lines.extend(issued.lines.iter().take_while(|line| !line.starts_with("Next:")).skip(1).cloned());
    let here = if init.dir.as_os_str().is_empty() { String::new() } else { format!(" --config {config}") };
    lines.push(String::new());
    let mut step = 0;
    let mut next = |text: String| {
        step += 1;
        lines.push(format!("{step}. {text}"));
    };
    if init.passphrase_file.is_none() {
        next(
            "Give the gate its passphrase: `[secrets] passphrase_file`, a systemd credential \
             (deploy/portcullis.service), or PORTCULLIS_PASSPHRASE."
                .to_owned(),
        );
    }
    next(format!("Look whether all is well: `portcullis doctor{here}`"));
    next(format!("Start it: `portcullis serve{here}`"));
    next(format!(
        "Let your browser trust the doors: `portcullis ca show --pem server{here} > root.crt`, and import \
         root.crt. Or name certificates of your own in the configuration."
    ));
    next(format!("Import {} in your browser, open {console} and look at the six digits.", p12.display()));
    next(format!(
        "On this machine: `portcullis code verify {} SIX-DIGITS{here}`. The page moves on.",
        owner.which
    ));
    next(format!(
        "Record whose portal it is: `portcullis tenant add bank --name \"Bank Muster & Cie\" --telephone \
         \"+41 44 555 01 00\" --host {} --backend http://127.0.0.1:9000{here}`",
        init.portals.first().and_then(|portal| portal.split('=').nth(1)).unwrap_or("portal.example.com")
    ));
    if init.public_host.is_none() {
        next(format!(
            "Where certificates are to go out by one-time links, or be renewed after their end: write [public] with \
             a host of its own in {config}, and start the gate again."
        ));
    }
    lines
}

struct Owner {
    which: WhichPerson,
    add: person::Add,
}

fn owner(init: &Init) -> Result<Owner, Failure> {
    owner_named(init.owner_name.as_deref().unwrap_or_default(), init.owner_email.clone())
}

/// What is wrong with it is told of the flag, and not of a line that is never written.
fn an_address(text: &str) -> Result<String, String> {
    match text.parse::<SocketAddr>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("write an address with its port, such as 0.0.0.0:443 or [::]:443".to_owned()),
    }
}

fn owner_named(name: &str, email: Option<String>) -> Result<Owner, Failure> {
    let id: PersonId = person::id_from(name).ok_or_else(|| {
        Failure::Usage(format!("{name:?} gives no short name: write it with Latin letters (--owner-name)"))
    })?;
    let which = WhichPerson { tenant: TenantId::staff(), person: id.clone() };
    let add = person::Add {
        tenant: TenantId::staff(),
        name: name.to_owned(),
        id: Some(id),
        emails: email.into_iter().collect(),
        telephone: None,
        groups: vec![],
        roles: vec![Role::Owner],
    };
    // What is wrong with it is told before anything is made.
    person::check(&add)?;
    Ok(Owner { which, add })
}

fn p12_path(init: &Init) -> Result<PathBuf, Failure> {
    let path = init.dir.join("owner.p12");
    if path.exists() {
        return Err(Failure::Usage(format!(
            "{} is there already: choose another --dir, or move it away",
            path.display()
        )));
    }
    Ok(path)
}

fn plan(init: &Init, passphrase: Secret) -> Result<Plan, Failure> {
    let taken = |text: &Option<String>| text.clone().unwrap_or_default();
    let portals = init
        .portals
        .iter()
        .map(|portal| {
            portal.split_once('=').map(|(tenant, host)| (tenant.to_owned(), host.to_owned())).ok_or_else(
                || Failure::Usage(format!("{portal:?} is no door: write --portal bank=portal.example.com")),
            )
        })
        .collect::<Result<_, _>>()?;
    // In the file it is relative to the file, here to where the command was typed.
    let passphrase_file = match &init.passphrase_file {
        Some(file) => Some(std::path::absolute(file).map_err(Failure::read(file))?.display().to_string()),
        None => None,
    };
    Ok(Plan {
        dir: init.dir.clone(),
        answers: Answers {
            data: init.data.clone(),
            tls: init.tls.clone(),
            plain: init.plain.clone(),
            ops: Some(init.ops.clone()),
            engine: init.engine,
            passphrase_file,
            console_host: taken(&init.console_host),
            phone_host: taken(&init.phone_host),
            public_host: init.public_host.clone(),
            portals,
            push: Push::default(),
        },
        passphrase,
        names: CaNames { organization: taken(&init.organization), server_names: vec![] },
        telephone: taken(&init.telephone),
        desk: CONSOLE,
        restored: None,
    })
}

/// Asks for what is missing; without a terminal, names all of it.
fn complete(mut init: Init, asks: bool) -> Result<Init, Failure> {
    let questions: [(&str, &str, Check, &mut Option<String>); 5] = [
        ("--organization", "Whose gate is it? (\"Bank Muster & Cie\")", |_| Ok(()), &mut init.organization),
        (
            "--telephone",
            "Whom do staff call when they cannot come in? (\"+41 44 555 01 00\")",
            |text| Ok(check_telephone(text)?),
            &mut init.telephone,
        ),
        ("--console-host", "Host name of the console? (console.example.com)", a_host, &mut init.console_host),
        ("--phone-host", "Host name of the phone app? (phone.example.com)", a_host, &mut init.phone_host),
        (
            "--owner-name",
            "Name of the first owner? (\"Olga Owner\")",
            |name| owner_named(name, None).map(drop),
            &mut init.owner_name,
        ),
    ];
    let mut missing = Vec::new();
    for (flag, question, check, answer) in questions {
        if answer.is_none() && asks {
            *answer = Some(ask(question, check, typed_line)?);
        }
        if answer.as_ref().is_none_or(|answer| answer.trim().is_empty()) {
            missing.push(flag);
        }
    }
    if missing.is_empty() && init.public_host.is_none() && asks {
        let question = "Host name of the public door, for one-time links and the renewal of certificates that ended? \
                        (start.example.com; nothing for none)";
        let or_none: Check = |host| if host.is_empty() { Ok(()) } else { a_host(host) };
        init.public_host = Some(answer(question, or_none, typed_line)?).filter(|host| !host.is_empty());
    }
    if missing.is_empty() {
        check_telephone(init.telephone.as_deref().unwrap_or_default())?;
        return Ok(init);
    }
    Err(Failure::Usage(format!(
        "{} must be given: add what is missing, or run `portcullis init` in a terminal and be asked",
        missing.join(", ")
    )))
}

/// From the file, systemd, the environment, or typed twice. A house without one is not made.
fn passphrase(init: &Init, environment: &Environment, asks: bool) -> Result<Secret, Failure> {
    let named = crate::config::Secrets {
        passphrase_file: init.passphrase_file.clone(),
        pepper_file: PathBuf::new(),
        jwt_key_file: PathBuf::new(),
        push_key_file: PathBuf::new(),
    };
    let secret = match named.passphrase(environment) {
        Ok(found) => found.secret,
        Err(secrets::SecretError::NoPassphrase) if asks => return typed(),
        Err(secrets::SecretError::NoPassphrase) => {
            return Err(Failure::Usage(
                "without a passphrase no CA is made: give --passphrase-file FILE (mode 0600), set \
                 PORTCULLIS_PASSPHRASE, or let systemd hand over the credential `passphrase`"
                    .to_owned(),
            ));
        }
        Err(other) => return Err(other.into()),
    };
    long_enough(secret)
}
