//! Tenants: add, list; their terms of certificates are in `terms`. A tenant's rules and door are elsewhere.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::output::{Output, columns};
use super::{Acts, CommandError, Kind};
use crate::audit::{Entry, Event};
use crate::domain::TenantId;
use crate::domain::route::Route;
use crate::domain::tenant::{Brand, CertificateTerms, SessionProfile, SyncedPasskeys, Tenant};
use crate::policy::shipped::PORTAL;
use crate::store::table;

/// What to do with tenants.
#[derive(Clone, Serialize, Deserialize, clap::Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Record a tenant: whose gate it is, what it looks like, whom to call
    Add(Box<Add>),
    /// Show all tenants
    List,
    /// Change how a tenant's certificates are delivered, renewed and retired; show it
    Certificates {
        /// Which tenant
        id: TenantId,
        /// What to change.
        #[command(flatten)]
        terms: super::terms::Terms,
    },
    /// Say whether phones may answer whose key Apple or Google copies to other devices; show it
    Phones {
        /// Which tenant
        id: TenantId,
        /// accept or refuse
        #[arg(long, value_parser = synced)]
        synced: Option<SyncedPasskeys>,
    },
}

/// A new tenant.
#[derive(Clone, Serialize, Deserialize, clap::Args)]
pub struct Add {
    /// Short name, in the identity of every certificate: a-z, 0-9 and '-'
    pub id: TenantId,
    /// As clients know it: "Bank Muster & Cie"
    #[arg(long)]
    pub name: String,
    /// Support's telephone number, shown on the pages: "+41 44 555 01 00"
    #[arg(long)]
    pub telephone: String,
    /// Host name of its door, as in a `[[portal]]` of the configuration; may be repeated
    #[arg(long = "host", required = true)]
    pub hosts: Vec<String>,
    /// Where permitted requests go: http://127.0.0.1:9000 (also later, with `route set`)
    #[arg(long)]
    pub backend: Option<String>,
    /// Language of its pages
    #[arg(long, default_value = "en")]
    pub language: String,
    /// Accent colour of its pages: #1b4d6b
    #[arg(long)]
    pub accent: Option<String>,
    /// One or two letters as its logo; the name's first where you give none
    #[arg(long)]
    pub monogram: Option<String>,
    /// How long sessions live: strict (12 h, 5 min idle), aal3 (12 h, 15 min), aal2 (24 h, 1 h)
    #[arg(long, default_value = "strict", value_parser = session_profile)]
    pub session: SessionProfile,
    /// Let agents identify a caller on the incoming call, without ringing the recorded number back
    #[arg(long)]
    #[serde(default)]
    pub identified_on_incoming_call: bool,
}

impl Acts {
    pub(super) async fn tenant(&self, actor: &str, command: Command) -> Result<Output, CommandError> {
        match command {
            Command::Add(add) => self.add_tenant(actor, *add).await,
            Command::List => self.list_tenants().await,
            Command::Certificates { id, terms } => self.set_terms(actor, &id, &terms).await,
            Command::Phones { id, synced } => self.set_synced(actor, &id, synced).await,
        }
    }

    async fn set_synced(
        &self,
        actor: &str,
        id: &TenantId,
        synced: Option<SyncedPasskeys>,
    ) -> Result<Output, CommandError> {
        let read = self.find_tenant(id).await?;
        let synced_passkeys = synced.unwrap_or(read.record.synced_passkeys);
        if synced_passkeys != read.record.synced_passkeys {
            let entry = Entry::new(actor, Event::TenantChanged)
                .tenant(id)
                .detail("synced passkeys", synced_passkeys.as_str());
            let tenant = Tenant { synced_passkeys, ..read.record.clone() };
            self.record(entry, vec![table::replace(&read, &tenant)]).await?;
        }
        let said = match synced_passkeys {
            SyncedPasskeys::Accept => "may be paired, and answer",
            SyncedPasskeys::Refuse => "are not paired, and answer nothing but \"not me\"",
        };
        let line = format!("Phones of `{id}` whose key may be copied to other devices {said}.");
        Ok(Output::line(json!({ "synced": synced_passkeys.as_str() }), line))
    }

    async fn add_tenant(&self, actor: &str, add: Add) -> Result<Output, CommandError> {
        let hosts: Vec<String> = add.hosts.iter().map(|host| host.trim().to_ascii_lowercase()).collect();
        self.check_tenant(&add, &hosts).await?;
        let monogram = add.monogram.unwrap_or_else(|| add.name.chars().take(1).collect());
        let tenant = Tenant {
            id: add.id,
            name: add.name.trim().to_owned(),
            hosts,
            telephone: add.telephone.trim().to_owned(),
            language: add.language,
            brand: Brand { accent: add.accent, monogram },
            profile: add.session,
            identified_on_incoming_call: add.identified_on_incoming_call,
            certificates: CertificateTerms::default(),
            synced_passkeys: SyncedPasskeys::Accept,
            created: self.now(),
        };
        let rules = super::founding::shipped(&tenant.id, PORTAL, actor, tenant.created);
        let mut writes = vec![table::create(&tenant), table::create(&rules)];
        if let Some(backend) = &add.backend {
            writes.push(table::create(&Route::to(
                &tenant.id,
                "portal",
                "/",
                super::route::backend(backend, &self.site.load().reach)?,
            )));
        }
        let entry = Entry::new(actor, Event::TenantCreated)
            .tenant(&tenant.id)
            .detail("hosts", tenant.hosts.join(" "));
        self.record(entry, writes).await?;

        let mut lines = vec![
            format!("Tenant `{}` is recorded: {}.", tenant.id, tenant.name),
            "Its rules: three locks for `group:clients` (see `portcullis policy export DIR`).".to_owned(),
        ];
        for host in &tenant.hosts {
            if !self.site.load().doors.contains(&(host.clone(), tenant.id.to_string())) {
                lines.push(format!(
                    "Next: give {host} a door. Write in portcullis.toml, then type `portcullis reload`:\n\
                     \n  [[portal]]\n  tenant = \"{}\"\n  host = \"{host}\"\n",
                    tenant.id
                ));
            }
        }
        if add.backend.is_none() {
            lines.push(format!("Next: `portcullis route set {} --backend http://127.0.0.1:9000`", tenant.id));
        }
        lines.push(format!("Next: `portcullis person add {} --name \"Anna Muster\"`", tenant.id));
        Ok(Output::new(shown(&tenant), lines))
    }

    async fn check_tenant(&self, add: &Add, hosts: &[String]) -> Result<(), CommandError> {
        let usage = |what: String, next: &str| Err(CommandError::new(Kind::Usage, what, next));
        if add.id.is_staff() {
            return usage("`staff` is the tenant of those who run the gate".to_owned(), "choose another id");
        }
        if add.name.trim().is_empty() {
            return usage("the name is empty".to_owned(), "give one: --name \"Bank Muster & Cie\"");
        }
        check_telephone(&add.telephone)?;
        if let Some(accent) = &add.accent
            && !is_colour(accent)
        {
            return usage(format!("{accent:?} is no colour"), "write it as --accent '#1b4d6b'");
        }
        if add.monogram.as_ref().is_some_and(|letters| !(1..=2).contains(&letters.chars().count())) {
            return usage("the monogram has one or two letters".to_owned(), "write --monogram M");
        }
        let language = &add.language;
        if !(2..=8).contains(&language.len())
            || !language.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
        {
            return usage(format!("{language:?} is no language"), "write --language en");
        }
        if self.read::<Tenant>(&table::tenant(&add.id)).await?.is_some() {
            return Err(CommandError::new(
                Kind::Exists,
                format!("there is a tenant `{}` already", add.id),
                "`portcullis tenant list` shows it",
            ));
        }
        for host in hosts {
            if !is_host(host) {
                return usage(
                    format!("{host:?} is no host name"),
                    "write it without a scheme, a port or a path",
                );
            }
            for other in self.read_all::<Tenant>(&table::all::<Tenant>()).await? {
                if other.record.hosts.contains(host) {
                    return Err(CommandError::new(
                        Kind::Exists,
                        format!("{host} is the door of tenant `{}` already", other.record.id),
                        "choose another host name",
                    ));
                }
            }
        }
        Ok(())
    }

    async fn list_tenants(&self) -> Result<Output, CommandError> {
        let tenants: Vec<Tenant> =
            self.read_all(&table::all::<Tenant>()).await?.into_iter().map(|read| read.record).collect();
        let rows: Vec<[String; 4]> = tenants
            .iter()
            .map(|tenant| {
                [
                    tenant.id.to_string(),
                    tenant.name.clone(),
                    tenant.telephone.clone(),
                    tenant
                        .hosts
                        .iter()
                        .map(|host| format!("https://{host}{}", self.site.load().port_suffix))
                        .collect::<Vec<_>>()
                        .join(" "),
                ]
            })
            .collect();
        let lines = columns(["tenant", "name", "telephone", "door"], &rows, "There is no tenant yet.");
        Ok(Output::new(json!({ "tenants": tenants.iter().map(shown).collect::<Vec<_>>() }), lines))
    }
}

fn shown(tenant: &Tenant) -> serde_json::Value {
    json!({
        "id": tenant.id.as_str(),
        "name": tenant.name,
        "hosts": tenant.hosts,
        "telephone": tenant.telephone,
        "language": tenant.language,
        "session": tenant.profile,
        "certificates": tenant.certificates,
        "identified_on_incoming_call": tenant.identified_on_incoming_call,
        "created": tenant.created.to_string(),
    })
}

/// Whether support can be called there.
///
/// # Errors
/// What is wrong, with the next step.
pub fn check_telephone(text: &str) -> Result<(), CommandError> {
    if is_telephone(text) {
        return Ok(());
    }
    Err(CommandError::new(
        Kind::Usage,
        format!("{text:?} cannot be dialled"),
        "write it with the country's code: --telephone \"+41 44 555 01 00\"",
    ))
}

/// E.164 with the country's code; spaces, dots, hyphens and brackets may stand between.
pub(super) fn is_telephone(text: &str) -> bool {
    let Some(rest) = text.trim().strip_prefix('+') else { return false };
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    (7..=15).contains(&digits) && rest.chars().all(|c| c.is_ascii_digit() || " .-()".contains(c))
}

fn is_colour(text: &str) -> bool {
    text.strip_prefix('#').is_some_and(|hex| hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Labels of letters, digits and hyphens (RFC 1123 2.1).
#[must_use]
pub fn is_host(host: &str) -> bool {
    host.len() <= 253
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

fn synced(text: &str) -> Result<SyncedPasskeys, String> {
    SyncedPasskeys::parse(text).ok_or_else(|| "write accept or refuse".to_owned())
}

fn session_profile(text: &str) -> Result<SessionProfile, String> {
    match text {
        "strict" => Ok(SessionProfile::Strict),
        "aal3" => Ok(SessionProfile::Aal3),
        "aal2" => Ok(SessionProfile::Aal2),
        _ => Err("write strict, aal3 or aal2".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telephone_numbers_can_be_dialled() {
        for good in ["+41 44 555 01 00", "+1 (212) 555-0100", "+4144 5550100"] {
            assert!(is_telephone(good), "{good}");
        }
        for bad in
            ["", "044 555 01 00", "+41", "+41 44 CALL NOW", "+123456789012345678", "+41\u{1b}445550100"]
        {
            assert!(!is_telephone(bad), "{bad}");
        }
    }
}
