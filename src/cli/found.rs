//! Founds a house in an empty folder: data folder, pepper, signing key, CA, configuration, first
//! records. What fails takes back what it made. Asks nobody anything.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::failure::Failure;
use super::reach::actor;
use crate::app::{self, AppError, Core};
use crate::audit::{Entry, Event};
use crate::auth::password;
use crate::ca::{self, Backup, CaNames, KeyFolder};
use crate::config::annotated::{self, Answers};
use crate::config::{Config, Environment, secrets};
use crate::console::command::founding::Founding;
use crate::console::command::{Acts, CommandError};
use crate::crypto::Signer;
use crate::domain::Secret;
use crate::notify::webpush::{Before, Keys};
use crate::policy::shipped::Shipped;
use crate::store::table;
use crate::world::World;

/// What a house is made of.
pub(super) struct Plan {
    /// Folder of the configuration.
    pub(super) dir: PathBuf,
    /// What stands in the configuration.
    pub(super) answers: Answers,
    /// Opens the keys of the CA.
    pub(super) passphrase: Secret,
    /// How the CAs are called.
    pub(super) names: CaNames,
    /// Whom staff call.
    pub(super) telephone: String,
    /// The desk's rules.
    pub(super) desk: Shipped,
    /// The CA to begin with, where it is not a new one.
    pub(super) restored: Option<Backup>,
}

/// A house that stands, and is not served yet.
pub(super) struct Founded {
    pub(super) config: Config,
    pub(super) core: Core,
    pub(super) acts: Arc<Acts>,
}

/// The configuration of a folder.
pub(super) fn config_in(dir: &Path) -> PathBuf {
    dir.join("portcullis.toml")
}

/// Makes it.
pub(super) async fn found(plan: Plan, environment: &Environment) -> Result<Founded, Failure> {
    let file = config_in(&plan.dir);
    let data = plan.dir.join(&plan.answers.data);
    for there in [&file, &data] {
        if there.exists() {
            return Err(Failure::Usage(format!(
                "{} is there already: choose another folder, or move it away",
                there.display()
            )));
        }
    }
    std::fs::create_dir_all(&plan.dir).map_err(Failure::written(&plan.dir))?;
    let made = Made { file: &file, data: &data };
    match build(&plan, &file, &data, environment).await {
        Ok(founded) => Ok(founded),
        Err(failure) => {
            made.take_back();
            Err(failure)
        }
    }
}

async fn build(plan: &Plan, file: &Path, data: &Path, environment: &Environment) -> Result<Founded, Failure> {
    let world = World::real();
    DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(Failure::written(data))?;
    std::fs::write(file, annotated::text(&plan.answers)).map_err(Failure::written(file))?;
    // What `init` has said is made outlives a power cut.
    let here = if plan.dir.as_os_str().is_empty() { Path::new(".") } else { &plan.dir };
    for made in [file, here] {
        File::open(made).and_then(|made| made.sync_all()).map_err(Failure::written(made))?;
    }
    // Read back, so that whatever is wrong with the answers is told as it would be later.
    let config = Config::load(file)?;
    let pepper = data_encoding::HEXLOWER.encode(&world.bytes::<32>());
    write(&config.secrets.pepper_file, format!("{pepper}\n").as_bytes())?;
    let key = Signer::generate()
        .map_err(|_| Failure::Other("the system gives no random bits: try again".to_owned()))?;
    write(&config.secrets.jwt_key_file, pem::encode(&pem::Pem::new("PRIVATE KEY", key.to_vec())).as_bytes())?;
    Keys::open(&config.secrets.push_key_file)
        .and_then(|keys| keys.rotate(Before::Ends))
        .map_err(|error| Failure::Other(error.to_string()))?;
    let issuers = match &plan.restored {
        None => ca::init(&data.join("ca"), &plan.passphrase, &plan.names, &world)?,
        Some(backup) => {
            KeyFolder::at(data.join("ca")).restore(backup)?;
            backup.issuers().map_err(AppError::from)?
        }
    };
    let core = app::found(&config, world, password::Settings::default()).await?;
    if let Some(backup) = &plan.restored {
        restore_certificates(&core, backup).await?;
    }
    let founding = Founding {
        issuers,
        organization: plan.names.organization.clone(),
        telephone: plan.telephone.clone(),
        console_host: config.console.host.clone(),
        desk: plan.desk,
    };
    app::acts(&config, &core, None)?.found(&actor(), founding).await?;
    // The passphrase is asked for as `serve` will ask: from its file or the environment.
    let with_passphrase = Environment { passphrase: Some(plan.passphrase.clone()), ..environment.clone() };
    let authority = Arc::new(app::open_authority(&config, &with_passphrase, &core)?);
    let acts = app::acts(&config, &core, Some(authority))?;
    Ok(Founded { config, core, acts })
}

/// Before the issuers: what is signed for a CA that is there must know what was revoked.
async fn restore_certificates(core: &Core, backup: &Backup) -> Result<(), Failure> {
    let certificates = backup.certificates().map_err(AppError::from)?;
    let all = certificates.len();
    for some in certificates.chunks(RECORDS_AT_ONCE) {
        let entry = Entry::new(actor(), Event::CaRestored)
            .detail("made", &backup.made)
            .detail("certificates", format!("{} of {all}", some.len()));
        let recorded = core.ledger.record(entry, some.iter().map(table::create).collect()).await;
        recorded.map_err(CommandError::from)?;
    }
    Ok(())
}

/// A commit is held in memory.
const RECORDS_AT_ONCE: usize = 1000;

struct Made<'p> {
    file: &'p Path,
    data: &'p Path,
}

impl Made<'_> {
    fn take_back(&self) {
        for result in [std::fs::remove_dir_all(self.data), std::fs::remove_file(self.file)] {
            if let Err(error) = result
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(%error, "what a failed founding had made could not be taken away");
            }
        }
    }
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    secrets::write_new(file, bytes).map_err(Failure::written(file))
}
