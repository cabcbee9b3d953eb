//! The root bundle: written and the keys removed, or, where it was taken to, used to sign. There it needs nothing
//! but the file and the passphrase.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Keys, alone, read};
use crate::ca::{CaError, Request, RootBundle};
use crate::cli::failure::Failure;
use crate::cli::print::{Printer, write_file};
use crate::cli::reach::{Reach, actor};
use crate::config::{Environment, secrets};
use crate::console::command::output::grouped;
use crate::console::command::{Acts, Command, CommandError, Kind, Output, ca};
use crate::domain::Secret;
use crate::world::World;

#[derive(clap::Args)]
pub(in crate::cli) struct Sign {
    /// The root bundle
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// What `portcullis ca rotate CA --request` wrote
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// Where to write the certificate; a new file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Yes, this is the key whose SHA-256 the gate has shown
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    keys: Keys,
}

/// Has commands done.
pub(in crate::cli) trait Does {
    async fn have(&self, command: ca::Command) -> Result<Output, Failure>;
}

impl Does for Reach<'_> {
    async fn have(&self, command: ca::Command) -> Result<Output, Failure> {
        self.run(Command::Ca(command)).await
    }
}

/// By the operations themselves.
pub(in crate::cli) struct Acting<'a>(pub(in crate::cli) &'a Arc<Acts>);

impl Does for Acting<'_> {
    async fn have(&self, command: ca::Command) -> Result<Output, Failure> {
        Ok(self.0.run(&actor(), Command::Ca(command)).await?)
    }
}

/// Whether a file can be written there, asked before anything is done.
pub(in crate::cli) fn free(file: &Path) -> Result<(), Failure> {
    if file.exists() {
        return Err(Failure::Usage(format!("{} exists already: name a new file", file.display())));
    }
    Ok(())
}

/// Writes the bundle, reads it back, and has the keys removed.
pub(in crate::cli) async fn take_away(
    by: &impl Does,
    to: &Path,
    passphrase: &Secret,
) -> Result<Vec<String>, Failure> {
    let bundle = by.have(ca::Command::Bundle { passphrase: passphrase.clone() }).await?;
    for file in &bundle.files {
        write_file(file, Some(to))?;
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(Failure::written(folder))?;
    let done = by.have(ca::Command::RootAway { bundle: read(to)? }).await?;
    let mut lines = vec![format!("The root bundle is {}.", to.display())];
    lines.extend(done.lines);
    lines.push(
        "Next: copy the bundle to two places off this machine, look that the copies can be read, then remove it here."
            .to_owned(),
    );
    Ok(lines)
}

/// Signs a request.
pub(super) fn sign(sign: &Sign, environment: &Environment, printer: Printer) -> Result<bool, Failure> {
    free(&sign.out)?;
    let bundle = RootBundle::parse(&read(&sign.bundle)?).map_err(CaError::from)?;
    let request = Request::parse(&read(&sign.request)?).map_err(CaError::from)?;
    let print = grouped(&request.fingerprint);
    if !sign.yes {
        return Err(CommandError::new(
            Kind::Unconfirmed,
            format!("the CA {} that this signs has a key whose SHA-256 is {print}", request.id),
            "compare it with what the gate has shown, and repeat the command with `--yes` if it is the same",
        )
        .into());
    }
    let passphrase = alone(&sign.keys, environment)?;
    let certificate = bundle.sign(&passphrase, &request, &sign.bundle, &World::real())?;
    secrets::write_new(&sign.out, certificate.as_bytes()).map_err(Failure::written(&sign.out))?;
    let lines = vec![
        format!("The certificate of {} is {}.", request.id, sign.out.display()),
        format!(
            "Next, at the gate: `portcullis ca rotate {} --certificate FILE`.",
            request.id.as_str().rsplit_once('-').map_or("CA", |(kind, _)| kind)
        ),
    ];
    let json = serde_json::json!({ "ca": request.id.as_str(), "key_sha256": print, "file": sign.out.display().to_string() });
    printer.output(&Output::new(json, lines))
}

/// Another passphrase for a bundle: the new file takes the old one's place whole or not at all.
pub(super) fn reseal(file: &Path, old: &Secret, new: &Secret, printer: Printer) -> Result<bool, Failure> {
    let bundle = RootBundle::parse(&read(file)?).map_err(CaError::from)?;
    let text = bundle.resealed(old, new, file, &World::real())?.text()?;
    let beside = file.with_extension("resealed");
    free(&beside)?;
    secrets::write_new(&beside, text.as_bytes()).map_err(Failure::written(&beside))?;
    std::fs::rename(&beside, file).map_err(Failure::written(file))?;
    let line =
        format!("{} opens with the new passphrase alone. Copies of it are as they were.", file.display());
    printer.output(&Output::line(serde_json::json!({ "file": file.display().to_string() }), line))
}
