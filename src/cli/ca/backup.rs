//! The CA in one encrypted file, and a gate made from it in an empty folder.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Keys, alone};
use crate::ca::{Backup, CaError, CaNames};
use crate::cli::failure::Failure;
use crate::cli::found::{self, Founded, Plan};
use crate::cli::print::Printer;
use crate::cli::reach::Reach;
use crate::config::annotated::Answers;
use crate::config::{Config, Engine, Environment, Push, secrets};
use crate::console::command::{Command, Output, ca};
use crate::domain::Secret;
use crate::policy::shipped::CONSOLE;

#[derive(clap::Args)]
pub(in crate::cli) struct Restore {
    /// The backup
    file: PathBuf,
    /// Folder of the new gate's configuration and data; a new or empty one
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    keys: Keys,
}

/// What a configuration is written from again.
#[derive(Serialize, Deserialize)]
struct House {
    organization: String,
    telephone: String,
    tls: String,
    plain: String,
    ops: Option<String>,
    engine: String,
    console_host: String,
    phone_host: String,
    public_host: Option<String>,
    portals: Vec<(String, String)>,
}

/// Asks for the CA, encrypts it, writes it.
pub(super) async fn back_up(
    reach: &Reach<'_>,
    out: &Path,
    passphrase: &Secret,
    printer: Printer,
) -> Result<bool, Failure> {
    super::offline::free(out)?;
    let config = reach.config()?;
    let command = ca::Command::Backup { passphrase: passphrase.clone() };
    let mut output = reach.run(Command::Ca(command)).await?;
    let broken = || Failure::Other("the answer is broken: start the server again and repeat it".to_owned());
    let bytes = output.files.pop().and_then(|file| file.bytes()).ok_or_else(broken)?;
    let mut backup: Backup = serde_json::from_slice(&bytes).map_err(|_| broken())?;
    let house = house(config, &backup);
    backup.house = serde_json::to_value(house).map_err(|_| broken())?;
    let encrypted = backup.lock(passphrase)?;
    secrets::write_new(out, &encrypted).map_err(Failure::written(out))?;
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(Failure::written(folder))?;
    output.json["file"] = out.display().to_string().into();
    output.lines.push(format!("It is {}, encrypted under the passphrase of the CA.", out.display()));
    output.lines.push("Keep it off this machine, and the passphrase apart from it.".to_owned());
    printer.output(&output)
}

fn house(config: &Config, backup: &Backup) -> House {
    let text = |name: &str| backup.house[name].as_str().unwrap_or_default().to_owned();
    House {
        organization: text("organization"),
        telephone: text("telephone"),
        tls: config.listen.tls.to_string(),
        plain: config.listen.plain.map_or_else(|| "0.0.0.0:80".to_owned(), |address| address.to_string()),
        ops: config.listen.ops.map(|address| address.to_string()),
        engine: config.engine.name().to_owned(),
        console_host: config.console.host.clone(),
        phone_host: config.phone.host.clone(),
        public_host: config.public.as_ref().map(|door| door.host.clone()),
        portals: config
            .portals
            .iter()
            .map(|portal| (portal.tenant.to_string(), portal.door.host.clone()))
            .collect(),
    }
}

/// Makes a gate with the CA of a backup.
pub(super) async fn restore(
    restore: Restore,
    environment: &Environment,
    printer: Printer,
) -> Result<bool, Failure> {
    let file = std::fs::read(&restore.file).map_err(Failure::read(&restore.file))?;
    let passphrase = alone(&restore.keys, environment)?;
    let backup = Backup::unlock(&file, &passphrase, &restore.file)?;
    backup.opens(&passphrase, &restore.file)?;
    let house: House =
        serde_json::from_value(backup.house.clone()).map_err(|_| CaError::NoBackup(restore.file.clone()))?;
    let engine = Engine::named(&house.engine).map_err(Failure::Usage)?;
    let passphrase_file = match &restore.keys.passphrase_file {
        Some(file) => Some(std::path::absolute(file).map_err(Failure::read(file))?.display().to_string()),
        None => None,
    };
    let made = backup.made.clone();
    let plan = Plan {
        dir: restore.dir.clone(),
        answers: Answers {
            data: "data".to_owned(),
            tls: house.tls,
            plain: house.plain,
            ops: house.ops,
            engine,
            passphrase_file,
            console_host: house.console_host,
            phone_host: house.phone_host,
            public_host: house.public_host,
            portals: house.portals,
            push: Push::default(),
        },
        passphrase,
        names: CaNames { organization: house.organization, server_names: vec![] },
        telephone: house.telephone,
        desk: CONSOLE,
        restored: Some(backup),
    };
    let Founded { config, core, .. } = found::found(plan, environment).await?;
    let certificates = core.view.certificates().len();
    let json = json!({
        "config": config.file.display().to_string(),
        "data": config.data.display().to_string(),
        "made": made,
        "certificates": certificates,
    });
    let lines = vec![
        format!("The CA as of {made}, with the records of {certificates} certificates, is in {}.", config.data.display()),
        format!("What was issued or revoked after {made} is not in it: revoke again what was revoked since."),
        "People, tenants and rules are in no backup of the CA: add them again, or restore the store instead where you \
         have it."
            .to_owned(),
        format!(
            "Next: read {}, then `portcullis person add staff --name NAME --role owner --config {}`.",
            config.file.display(),
            config.file.display()
        ),
    ];
    printer.output(&Output::new(json, lines))
}
