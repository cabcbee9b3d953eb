//! `portcullis policy`: reads and writes files of rules. Which tenant a file is for, its name says:
//! `bank.toml` is for `bank`, `console.toml` and `staff.toml` for the desk.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::failure::Failure;
use super::print::Printer;
use super::reach::Reach;
use crate::console::command::policy::{self, Explain, File, sound};
use crate::console::command::{Command, CommandError, Kind, Output};
use crate::domain::TenantId;

#[derive(clap::Subcommand)]
pub(super) enum Policy {
    /// Put rules in force, all or none: DIR/TENANT.toml, or one FILE
    Apply {
        /// Folder or file
        path: PathBuf,
        /// Whose, for a file that is not called after its tenant
        #[arg(long)]
        tenant: Option<TenantId>,
    },
    /// Write the rules in force to DIR/TENANT.toml
    Export {
        /// Folder; made where there is none
        dir: PathBuf,
    },
    /// Look for mistakes in rules, without applying them
    Check {
        /// Folder or file
        path: PathBuf,
    },
    /// Run the cases that stand beside rules: TENANT.test.toml beside TENANT.toml
    Test {
        /// Folder or file of rules
        path: PathBuf,
    },
    /// Tell for one request what each rule in force says
    Explain(Box<Explain>),
}

pub(super) async fn run<'e>(
    policy: Policy,
    reach: impl FnOnce() -> Result<Reach<'e>, Failure>,
    printer: Printer,
) -> Result<bool, Failure> {
    match policy {
        Policy::Check { path } => printer.output(&check(&path, false)?),
        Policy::Test { path } => printer.output(&check(&path, true)?),
        Policy::Explain(ask) => {
            printer.output(&reach()?.run(Command::Policy(policy::Command::Explain(ask))).await?)
        }
        Policy::Apply { path, tenant } => {
            let mut files = read(&path)?;
            let named = tenant.is_some();
            if let (Some(tenant), [only]) = (&tenant, files.as_mut_slice()) {
                only.tenant = tenant.clone();
            } else if tenant.is_some() {
                return Err(Failure::Usage(
                    "--tenant goes with one file: name the file instead of the folder".to_owned(),
                ));
            }
            let whose: Vec<TenantId> = files.iter().map(|file| file.tenant.clone()).collect();
            match reach()?.run(Command::Policy(policy::Command::Apply { files })).await {
                Err(Failure::Command(error)) if error.kind == Kind::NotFound && !named => {
                    Err(Failure::Command(called_after(error, &path, &whose)))
                }
                applied => printer.output(&applied?),
            }
        }
        Policy::Export { dir } => {
            let output = reach()?.run(Command::Policy(policy::Command::Export)).await?;
            printer.output(&export(output, &dir)?)
        }
    }
}

/// Where a file's name was taken for a tenant's.
fn called_after(error: CommandError, path: &Path, whose: &[TenantId]) -> CommandError {
    let next = match whose {
        [tenant] => format!(
            "{} is taken for that of `{tenant}` by its name: say whose it is with `--tenant TENANT`, or call it \
             TENANT.toml",
            path.display()
        ),
        _ => format!(
            "each file in {} is called after its tenant, TENANT.toml; `portcullis tenant list` shows those there are",
            path.display()
        ),
    };
    CommandError { next, ..error }
}

fn check(path: &Path, with_cases: bool) -> Result<Output, Failure> {
    let (mut lines, mut shown, mut well) = (Vec::new(), Vec::new(), true);
    for mut file in read(path)? {
        if !with_cases {
            file.cases = None;
        }
        match sound(&file) {
            Ok(cases) => {
                lines.push(match (with_cases, cases) {
                    (false, _) => format!("{}: no mistakes", file.file),
                    (true, 0) => format!("{}: has no cases beside it", file.file),
                    (true, cases) => format!("{}: {cases} cases, all answered as written", file.file),
                });
                shown.push(json!({ "file": file.file, "well": true, "cases": cases }));
            }
            Err(why) => {
                well = false;
                lines.extend(why.lines().map(ToOwned::to_owned));
                shown.push(json!({ "file": file.file, "well": false, "why": why }));
            }
        }
    }
    Ok(Output { well, ..Output::new(json!({ "files": shown }), lines) })
}

fn export(mut output: Output, dir: &Path) -> Result<Output, Failure> {
    std::fs::create_dir_all(dir).map_err(Failure::written(dir))?;
    let mut written = Vec::new();
    for file in std::mem::take(&mut output.files) {
        let path = dir.join(&file.name);
        let bytes = file.bytes().unwrap_or_default();
        std::fs::write(&path, &*bytes).map_err(Failure::written(&path))?;
        output.lines.push(format!("{} is written.", path.display()));
        written.push(path.display().to_string());
    }
    if written.is_empty() {
        output.lines.push("No tenant has rules yet.".to_owned());
    } else {
        output.lines.push(format!("Change them, then: `portcullis policy apply {}`", dir.display()));
    }
    output.json["written"] = json!(written);
    Ok(output)
}

/// The rules of a folder, each with its cases, or of one file.
fn read(path: &Path) -> Result<Vec<File>, Failure> {
    let mut paths = if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(Failure::read(path))?;
        entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(Failure::read(path))?
    } else {
        vec![path.to_owned()]
    };
    paths.retain(|path| path.extension().is_some_and(|end| end == "toml") && !is_cases(path));
    paths.sort();
    if paths.is_empty() {
        return Err(Failure::Usage(format!(
            "{} holds no rules: name a folder with TENANT.toml files, or one such file",
            path.display()
        )));
    }
    paths.iter().map(|path| one(path)).collect()
}

fn one(path: &Path) -> Result<File, Failure> {
    let text = std::fs::read_to_string(path).map_err(Failure::read(path))?;
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let tenant = match stem {
        "console" | "demo-console" => TenantId::staff(),
        stem => TenantId::parse(stem).map_err(|_| {
            Failure::Usage(format!("{} is called after no tenant: name it TENANT.toml", path.display()))
        })?,
    };
    let beside = path.with_file_name(format!("{stem}.test.toml"));
    let cases = match std::fs::read_to_string(&beside) {
        Ok(text) => Some((beside.display().to_string(), text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(Failure::read(beside)(error)),
    };
    Ok(File { tenant, file: path.display().to_string(), text, cases })
}

fn is_cases(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(".test.toml"))
}
