//! Rules: apply, export, explain. Whether a text is a rule is the policy room's to say; files are
//! read and written by the command line.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::output::Output;
use super::which::{Unclear, WhichPerson};
use super::{Acts, CommandError, Kind};
use crate::audit::{Entry, Event};
use crate::crypto::sha256;
use crate::domain::device::Device;
use crate::domain::person::Role;
use crate::domain::route::Rules;
use crate::domain::tenant::Tenant;
use crate::domain::{PersonId, TenantId, Time};
use crate::policy::judge::{Facts, Holder, explain};
use crate::policy::{rules, table as cases};
use crate::store::table::{self, Stored};

/// What to do with rules.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Put these rules in force, all or none.
    Apply {
        /// The rules.
        files: Vec<File>,
    },
    /// Hand the rules in force out.
    Export,
    /// Tell for one request what each rule says.
    Explain(Box<Explain>),
}

/// A tenant's rules, as they stood in a file.
#[derive(Clone, Serialize, Deserialize)]
pub struct File {
    /// Whose.
    pub tenant: TenantId,
    /// File name, for messages.
    pub file: String,
    /// TOML.
    pub text: String,
    /// The cases that test them, where there are any: file name and TOML.
    pub cases: Option<(String, String)>,
}

/// A request that nobody made.
#[derive(Clone, Serialize, Deserialize, clap::Args)]
pub struct Explain {
    /// At whose door
    pub tenant: TenantId,
    /// Path, as the browser would send it
    #[arg(default_value = "/")]
    pub path: String,
    /// Method
    #[arg(long, default_value = "GET")]
    pub method: String,
    /// Who asks: PERSON of the tenant, or TENANT/PERSON; groups, roles and released devices are theirs
    #[arg(long)]
    pub person: Option<String>,
    /// Instead of a person: a group; may be repeated
    #[arg(long = "group")]
    #[serde(default)]
    pub groups: Vec<String>,
    /// Instead of a person: a role; may be repeated
    #[arg(long = "role", value_parser = role)]
    #[serde(default)]
    pub roles: Vec<Role>,
    /// What was proved: certificate, password, phone; with commas
    #[arg(long, value_delimiter = ',', value_parser = ["certificate", "password", "phone"])]
    #[serde(default)]
    pub proved: Vec<String>,
    /// Where it comes from
    #[arg(long, default_value = "127.0.0.1")]
    pub address: IpAddr,
    /// Host name of the door; the tenant's first where you give none
    #[arg(long)]
    pub host: Option<String>,
    /// When: 2026-11-23T10:00:00Z; now where you give none
    #[arg(long, value_parser = moment)]
    pub at: Option<Time>,
}

impl Acts {
    pub(super) async fn policy(&self, actor: &str, command: Command) -> Result<Output, CommandError> {
        match command {
            Command::Apply { files } => self.apply(actor, files).await,
            Command::Export => self.export().await,
            Command::Explain(ask) => self.explain(&ask).await,
        }
    }

    async fn apply(&self, actor: &str, files: Vec<File>) -> Result<Output, CommandError> {
        let mut faults = Vec::new();
        for file in &files {
            self.find_tenant(&file.tenant).await?;
            if let Err(fault) = sound(file) {
                faults.push(fault);
            }
        }
        if !faults.is_empty() {
            return Err(CommandError::new(
                Kind::Usage,
                faults.join("\n"),
                "nothing was applied; correct it and repeat the command",
            ));
        }
        let (mut writes, mut lines, mut applied) = (Vec::new(), Vec::new(), Vec::new());
        let mut entry = Entry::new(actor, Event::PolicyApplied);
        for file in files {
            let before: Option<Stored<Rules>> = self.read(&table::rules(&file.tenant)).await?;
            if before.as_ref().is_some_and(|read| read.record.text == file.text) {
                lines.push(format!("`{}` has these rules already.", file.tenant));
                continue;
            }
            let rules = Rules {
                tenant: file.tenant,
                file: file.file,
                text: file.text,
                revision: before.as_ref().map_or(1, |read| read.record.revision + 1),
                applied_by: actor.to_owned(),
                applied: self.now(),
            };
            lines.push(format!(
                "`{}` has the rules of {} from now on (revision {}).",
                rules.tenant, rules.file, rules.revision
            ));
            applied.push(
                json!({ "tenant": rules.tenant.as_str(), "revision": rules.revision, "file": rules.file }),
            );
            let sha256 = data_encoding::HEXLOWER.encode(&sha256(rules.text.as_bytes()));
            entry = entry.tenant(&rules.tenant).detail(
                rules.tenant.as_str(),
                format!("revision {} of {}, sha256 {sha256}", rules.revision, rules.file),
            );
            writes.push(match &before {
                Some(read) => table::replace(read, &rules),
                None => table::create(&rules),
            });
        }
        if !writes.is_empty() {
            self.record(entry, writes).await?;
        }
        Ok(Output::new(json!({ "applied": applied }), lines))
    }

    async fn export(&self) -> Result<Output, CommandError> {
        let all: Vec<Stored<Rules>> = self.read_all(&table::all::<Rules>()).await?;
        let mut output = Output::new(
            json!({ "rules": all.iter().map(|read| json!({
                "tenant": read.record.tenant.as_str(),
                "revision": read.record.revision,
                "applied": read.record.applied.to_string(),
                "applied_by": read.record.applied_by,
                "text": read.record.text,
            })).collect::<Vec<_>>() }),
            Vec::new(),
        );
        for Stored { record: rules, .. } in &all {
            output = output.with_file(format!("{}.toml", rules.tenant), rules.text.as_bytes());
        }
        Ok(output)
    }

    async fn explain(&self, ask: &Explain) -> Result<Output, CommandError> {
        let tenant: Tenant = self.find_tenant(&ask.tenant).await?.record;
        let Some(rules) = self.read::<Rules>(&table::rules(&tenant.id)).await? else {
            return Err(CommandError::new(
                Kind::NotFound,
                format!("`{}` has no rules, so every request is refused", tenant.id),
                "apply some: `portcullis policy apply DIR`",
            ));
        };
        let set = rules::parse(&rules.record.file, &rules.record.text).map_err(|mistakes| {
            CommandError::new(Kind::Failed, mistakes.to_string(), "apply correct rules")
        })?;
        let method: http::Method = ask.method.to_ascii_uppercase().parse().map_err(|_| {
            CommandError::new(Kind::Usage, format!("{:?} is no method", ask.method), "write --method POST")
        })?;
        let who = self.asker(ask).await?;
        let host = ask.host.clone().or_else(|| tenant.hosts.first().cloned()).unwrap_or_default();
        let now = ask.at.unwrap_or_else(|| self.now());
        let proved = |what: &str| ask.proved.iter().any(|one| one == what);
        let facts = Facts {
            host: &host,
            path: &ask.path,
            method: &method,
            address: ask.address,
            holder: proved("certificate").then_some(Holder {
                person: &who.person,
                groups: &who.groups,
                roles: &who.roles,
                released: who.released,
            }),
            password: proved("password").then_some(now),
            phone: proved("phone").then_some(now),
            now,
        };
        let explanation = explain(&set, &facts);
        let steps: Vec<_> = explanation
            .steps
            .iter()
            .map(|step| {
                json!({
                    "rule": step.rule.name(),
                    "line": step.rule.line(),
                    "fit": step.fit.to_string(),
                    "lacking": step.lacking.iter().map(|what| what.as_str()).collect::<Vec<_>>(),
                })
            })
            .collect();
        let json = json!({
            "answer": explanation.verdict.answer(),
            "rule": explanation.verdict.rule().map(rules::Rule::name),
            "revision": rules.record.revision,
            "steps": steps,
        });
        Ok(Output::new(json, explanation.to_string().lines().map(ToOwned::to_owned).collect()))
    }

    async fn asker(&self, ask: &Explain) -> Result<Asker, CommandError> {
        let Some(id) = &ask.person else {
            return Ok(Asker {
                person: PersonId::from_bits([0; 16]),
                groups: ask.groups.iter().cloned().collect(),
                roles: ask.roles.iter().copied().collect(),
                released: true,
            });
        };
        let which: WhichPerson = match id.contains('/') {
            true => id.parse(),
            false => format!("{}/{id}", ask.tenant).parse(),
        }
        .map_err(|unclear: Unclear| {
            CommandError::new(Kind::Usage, unclear.to_string(), "correct --person and repeat the command")
        })?;
        if which.tenant != ask.tenant {
            return Err(CommandError::new(
                Kind::Usage,
                format!("`{which}` is nobody of `{}`, at whose door the request would be", ask.tenant),
                "name one of its people, or the other tenant",
            ));
        }
        let person = self.find_person(&which).await?.record;
        let devices: Vec<Stored<Device>> =
            self.read_all(&table::devices(&which.tenant, &which.person)).await?;
        Ok(Asker {
            released: devices.iter().any(|read| read.record.state.is_released()),
            person: person.id,
            groups: person.groups,
            roles: person.roles,
        })
    }
}

struct Asker {
    person: PersonId,
    groups: BTreeSet<String>,
    roles: BTreeSet<Role>,
    released: bool,
}

/// Whether the rules are rules, and answer their cases as written; else what is wrong.
///
/// # Errors
/// What is wrong, with file and line.
pub fn sound(file: &File) -> Result<usize, String> {
    let set = rules::parse(&file.file, &file.text).map_err(|mistakes| mistakes.to_string())?;
    let Some((name, text)) = &file.cases else { return Ok(0) };
    let report = cases::run(&set, name, text).map_err(|mistakes| mistakes.to_string())?;
    if report.passed() {
        return Ok(report.outcomes.len());
    }
    let failed: Vec<String> = report
        .outcomes
        .iter()
        .filter_map(|one| {
            one.failure.as_ref().map(|why| format!("{name}:{}: {:?}: {why}", one.line, one.name))
        })
        .collect();
    Err(failed.join("\n"))
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "write owner, operator, support or auditor".to_owned())
}

fn moment(text: &str) -> Result<Time, String> {
    text.parse::<jiff::Timestamp>()
        .map(|moment| Time(moment.as_millisecond()))
        .map_err(|_| "write a moment such as 2026-11-23T10:00:00Z".to_owned())
}
