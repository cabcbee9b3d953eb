//! `portcullis device issue --from SHEET --out DIR`: thousands of .p12 written where the command was typed, their
//! passwords in a file that only whoever is named can open. Broken off at any point, the same command goes on.

mod journal;
mod outcome;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use futures_util::{StreamExt as _, TryStreamExt as _};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::failure::Failure;
use super::print::Printer;
use super::reach::{Reach, Seat};
use crate::config::secrets;
use crate::console::command::bulk::sheet::{self, Bad, Row};
use crate::console::command::bulk::{self, ROWS_AT_ONCE_MAX};
use crate::console::command::{Command, CommandError, Kind, Output};
use crate::crypto::{Pepper, sha256};
use crate::domain::Secret;
use crate::world::World;
use journal::{Done, Journal};
use outcome::Lock;

#[derive(clap::Args)]
pub(super) struct Bulk {
    /// Issue the devices of a sheet (CSV with a heading: tenant, device, and person, or name and email of somebody new;
    /// also telephone, groups, encoding) into the folder --out
    #[arg(long, value_name = "FILE", requires = "out")]
    pub(super) from: Option<PathBuf>,
    /// Who can open the file of passwords: an age recipient (age1...); may be repeated
    #[arg(long = "recipient", value_name = "AGE", requires = "from", conflicts_with = "passphrase_file")]
    recipients: Vec<String>,
    /// Or: a file with the passphrase that opens it; it is asked for where you give neither
    #[arg(long, value_name = "FILE", requires = "from")]
    passphrase_file: Option<PathBuf>,
    /// Issue the rows that can be, and only tell of the others
    #[arg(long, requires = "from")]
    skip_bad: bool,
}

/// What is under way.
struct Run<'r> {
    seat: Seat<'r>,
    folder: PathBuf,
    journal: Mutex<Journal>,
    progress: ProgressBar,
}

pub(super) async fn run(
    bulk: &Bulk,
    from: &Path,
    folder: &Path,
    reach: &Reach<'_>,
    printer: Printer,
) -> Result<bool, Failure> {
    let lock = lock(bulk)?;
    let sheet = sheet::read(&std::fs::read(from).map_err(Failure::read(from))?);
    let pepper = Pepper::new(*reach.config()?.secrets.pepper()?);
    let seat = reach.seat().await?;
    let journal = Journal::open(folder, pepper, World::real())?;

    let fresh: Vec<Row> = sheet.rows.iter().filter(|row| !journal.knows(row)).cloned().collect();
    if sheet.rows.is_empty() && sheet.bad.is_empty() {
        return Err(Failure::Usage(format!(
            "{} has a heading and no row: add one for each device",
            from.display()
        )));
    }
    let mut bad = sheet.bad;
    for some in fresh.chunks(ROWS_LOOKED_AT) {
        let answer = seat.run(Command::Bulk(bulk::Command::Check { rows: some.to_vec() })).await?;
        let told: Vec<Bad> = serde_json::from_value(answer.json["bad"].clone()).map_err(|_| broken())?;
        bad.extend(told);
    }
    bad.sort();
    if !bad.is_empty() && !bulk.skip_bad {
        return Err(Failure::Command(refused(&bad, from)));
    }
    let fresh: Vec<Row> =
        fresh.into_iter().filter(|row| !bad.iter().any(|bad| bad.line == row.line)).collect();
    if journal.is_finished() && !fresh.is_empty() {
        return Err(Failure::Usage(format!(
            "{} holds an issue that is finished, and the sheet has other rows now: put those into a sheet of their own \
             and name another folder with --out",
            folder.display()
        )));
    }
    let skipped = bad.len();
    let before = journal.done();
    let todo: Vec<Row> = journal.begun_and_not_done().into_iter().chain(fresh).collect();

    if todo.is_empty() && journal.is_finished() {
        let line = format!(
            "All {before} devices were issued into {} before: nothing is to be done.",
            folder.display()
        );
        return printer.output(&Output::line(json!({ "issued": 0, "before": before, "skipped": bad }), line));
    }
    let progress = bar(todo.len(), printer);
    let run = Run { seat, folder: folder.to_owned(), journal: Mutex::new(journal), progress };
    run.seat.run(Command::Bulk(bulk::Command::Note { begins: true, rows: todo.len() })).await?;
    let mut failed = Vec::new();
    let answers: Vec<Vec<Bad>> = futures_util::stream::iter(todo.chunks(ROWS_AT_ONCE_MAX))
        .map(|rows| run.issue(rows))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    failed.extend(answers.into_iter().flatten());
    failed.sort();
    run.progress.finish_and_clear();
    let issued = todo.len() - failed.len();
    run.seat.run(Command::Bulk(bulk::Command::Note { begins: false, rows: issued })).await?;
    let mut journal = run.journal.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcome::write(folder, &journal, &lock)?;
    if failed.is_empty() {
        journal.finish()?;
    }
    let mut lines = vec![format!("{issued} devices issued into {}.", folder.display())];
    if before > 0 {
        lines.push(format!("{before} were issued there before: all of them stand in the manifest."));
    }
    lines.push(format!("  {}   what was issued, without passwords", outcome::MANIFEST));
    lines.push(format!("  {}   import passwords: {}", outcome::PASSWORDS, lock.opens()));
    lines.push("Hand a file and its password over by different ways, never in the same mail.".to_owned());
    for (rows, what) in [(&bad, "left out"), (&failed, "not issued")] {
        lines.extend(rows.iter().map(|bad| format!("line {} was {what}: {}", bad.line, bad.what)));
    }
    if !failed.is_empty() {
        lines.push("Repeat the command for those that were not issued: it goes on where it is.".to_owned());
    }
    let json = json!({
        "issued": issued, "before": before, "skipped": bad, "skipped_rows": skipped, "failed": failed,
        "folder": folder.display().to_string(), "manifest": outcome::MANIFEST, "passwords": outcome::PASSWORDS,
    });
    let output = Output { well: failed.is_empty(), ..Output::new(json, lines) };
    printer.output(&output)
}

impl Run<'_> {
    /// Some rows: first their passwords are on disk, sealed; then the certificates are on record; then the files are
    /// on disk; then it is written down that they are. Broken off anywhere, the next run knows what is missing.
    async fn issue(&self, rows: &[Row]) -> Result<Vec<Bad>, Failure> {
        let wanted = self.journal().begin(rows)?;
        let answer = self.seat.run(Command::Bulk(bulk::Command::Issue { rows: wanted })).await?;
        let mut done = Vec::new();
        let issued = answer.json["issued"].as_array().ok_or_else(broken)?;
        for (one, file) in issued.iter().zip(&answer.files) {
            let text = |value: &serde_json::Value| value.as_str().map(str::to_owned).ok_or_else(broken);
            let device = text(&one["device"])?;
            let bytes = file.bytes().filter(|_| file.name == device).ok_or_else(broken)?;
            let name = self.journal().file_of(&device).ok_or_else(broken)?;
            outcome::keep(&self.folder, &name, &bytes)?;
            done.push(Done {
                device,
                serial: text(&one["certificate"]["serial"])?,
                sha256: data_encoding::HEXLOWER.encode(&sha256(&bytes)),
                until: text(&one["certificate"]["not_after"])?,
            });
        }
        outcome::settle(&self.folder)?;
        self.journal().done_with(&done)?;
        self.progress.inc(rows.len() as u64);
        let failed = answer.json["failed"].as_array().ok_or_else(broken)?;
        let failed = failed.iter().map(|one| {
            let line = one["line"].as_u64().ok_or_else(broken)?;
            Ok(Bad { line, what: one["what"].as_str().unwrap_or_default().to_owned() })
        });
        failed.collect()
    }

    fn journal(&self) -> std::sync::MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who will be able to open the passwords: known before anything is issued.
fn lock(bulk: &Bulk) -> Result<Lock, Failure> {
    if !bulk.recipients.is_empty() {
        return Lock::for_recipients(&bulk.recipients);
    }
    if let Some(file) = &bulk.passphrase_file {
        return Ok(Lock::Passphrase(secrets::from_file(file)?.secret));
    }
    if !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        return Err(Failure::Usage(
            "nobody could open the passwords: name who can with --recipient age1... (`age-keygen` makes one), or give \
             --passphrase-file FILE"
                .to_owned(),
        ));
    }
    let ask =
        |what: &str| rpassword::prompt_password(what).map(Secret::new).map_err(Failure::read("the terminal"));
    let first = ask("Passphrase for the file of passwords: ")?;
    let again = ask("Once more: ")?;
    if first.expose() != again.expose() || first.expose().chars().count() < PASSPHRASE_CHARS_MIN {
        return Err(Failure::Usage(format!(
            "the two are not the same, or shorter than {PASSPHRASE_CHARS_MIN} characters: repeat the command"
        )));
    }
    Ok(Lock::Passphrase(first))
}

fn refused(bad: &[Bad], from: &Path) -> CommandError {
    let mut what = match bad.len() {
        1 => format!("1 row of {} cannot be issued, and nothing was", from.display()),
        many => format!("{many} rows of {} cannot be issued, and nothing was", from.display()),
    };
    for bad in bad {
        what.push_str(&format!(
            "\n  line {}: {}",
            bad.line,
            crate::console::command::output::plain(&bad.what)
        ));
    }
    CommandError::new(
        Kind::Usage,
        what,
        "mend the sheet and repeat the command, or issue the other rows with `--skip-bad`",
    )
}

/// Shown on a terminal alone.
fn bar(rows: usize, printer: Printer) -> ProgressBar {
    let target = if printer.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(rows as u64), target);
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len}, {per_sec}, {eta} left");
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn broken() -> Failure {
    Failure::Other(
        "the server's answer is none: start it again and repeat the command, which goes on".to_owned(),
    )
}

/// Requests to a server; while one is answered, another's files are written.
const AT_ONCE: usize = 3;

/// A check asks the store for each row, and one request is bounded.
const ROWS_LOOKED_AT: usize = 500;

/// As short as a person may choose it; `age` itself stretches it.
const PASSPHRASE_CHARS_MIN: usize = 12;
