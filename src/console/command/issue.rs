//! Devices: issue, renew. Makes the .p12 and hands it back; keeps no key.

use serde_json::json;

use super::device::certificate;
use super::output::Output;
use super::person::id_from;
use super::which::{WhichDevice, WhichPerson};
use super::{Acts, CommandError, Kind};
use crate::audit::{Entry, Event};
use crate::ca::{Authority, Encoding, IssueError, NewKey, P12, Subject, import_password, p12};
use crate::domain::certificate::Certificate;
use crate::domain::device::{Device, DeviceState};
use crate::domain::grant::{Allows, Grant};
use crate::domain::person::{Person, Role};
use crate::domain::tenant::Tenant;
use crate::domain::{DeviceId, GrantId};
use crate::store::Write;
use crate::store::table::{self, Stored};

impl Acts {
    pub(super) async fn issue(
        &self,
        actor: &str,
        which: &WhichPerson,
        name: &str,
        encoding: Encoding,
    ) -> Result<Output, CommandError> {
        self.authority()?;
        let tenant = self.find_tenant(&which.tenant).await?.record;
        let person = self.find_person(which).await?.record;
        if person.shut_out(self.now()) {
            return Err(CommandError::new(
                Kind::Refused,
                format!("{} is kept out", person.name),
                format!("let them in first: `portcullis person unlock {which}`"),
            ));
        }
        let all: Vec<Stored<Device>> = self.read_all(&table::devices(&which.tenant, &which.person)).await?;
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        if all.iter().any(|read| read.record.name == name && read.record.state != DeviceState::Retired) {
            return Err(CommandError::new(
                Kind::Exists,
                format!("{} has a device {name:?} already", person.name),
                format!(
                    "for a new certificate on it: `portcullis device renew '{which}/{name}'`; else choose another --name"
                ),
            ));
        }
        let device = Device {
            tenant: which.tenant.clone(),
            person: which.person.clone(),
            id: DeviceId::from_bits(self.world.bytes()),
            name,
            state: DeviceState::Issued,
            issued_by: actor.to_owned(),
            delivered_by: None,
            released_by: None,
            created: self.now(),
        };
        let (issued, file) =
            self.certify(actor, (&tenant, &person, &device), encoding, vec![table::create(&device)]).await?;
        let mut output = handed_over(&person, &device, &issued, &file);
        output.lines.extend(next_steps(&person, &tenant, &self.site.port_suffix));
        Ok(output)
    }

    pub(super) async fn renew(
        &self,
        actor: &str,
        which: &WhichDevice,
        encoding: Encoding,
    ) -> Result<Output, CommandError> {
        self.authority()?;
        let (person, device) = self.find_device(which).await?;
        let tenant = self.find_tenant(&which.person.tenant).await?.record;
        if device.record.state == DeviceState::Retired {
            return Err(CommandError::new(
                Kind::Refused,
                format!("`{which}` was switched off for good"),
                format!("issue a new one: `portcullis device issue {} --name NAME`", which.person),
            ));
        }
        let (person, unchanged) = (person.record, table::unchanged(&device));
        let device = device.record;
        let (issued, file) =
            self.certify(actor, (&tenant, &person, &device), encoding, vec![unchanged]).await?;
        let mut output = handed_over(&person, &device, &issued, &file);
        output.lines.push("The certificate before it goes on until this one has signed in once.".to_owned());
        Ok(output)
    }

    /// Grant, certificate and file. The file leaves only after the certificate is on record.
    async fn certify(
        &self,
        actor: &str,
        (tenant, person, device): (&Tenant, &Person, &Device),
        encoding: Encoding,
        mut writes: Vec<Write>,
    ) -> Result<(Certificate, P12), CommandError> {
        let authority = self.authority()?;
        let subject = Subject::of(tenant, person, device)
            .map_err(|error| CommandError::new(Kind::Usage, error.to_string(), "then repeat the command"))?;
        let now = self.now();
        let profile = if tenant.id.is_staff() { "staff" } else { "device" };
        let grant = Grant {
            id: GrantId::from_bits(self.world.bytes()),
            allows: Allows::Issue {
                tenant: tenant.id.clone(),
                person: person.id.clone(),
                device: device.id.clone(),
                profile: profile.to_owned(),
            },
            evidence: format!("command by {actor}"),
            expires: now.plus(GRANT_LIVES),
        };
        writes.push(table::create(&grant));
        let entry = |event| {
            Entry::new(actor, event)
                .tenant(&tenant.id)
                .whom(format!("device:{}", device.id))
                .detail("person", person.id.as_str())
                .detail("name", &device.name)
        };
        let revision = self.record(entry(Event::DeviceCreated), writes).await?;
        let key = NewKey::make().map_err(IssueError::from)?;
        let proven = key.prove().map_err(IssueError::from)?;
        let granted = Stored { record: grant, revision };
        let mut issued = authority.issue(proven, &granted, &subject, actor, now)?;
        let writes = std::mem::take(&mut issued.writes);
        let file = p12::wrap(key, &issued, encoding, &self.world).map_err(IssueError::from)?;
        let entry = entry(Event::CertificateIssued)
            .detail("serial", &issued.certificate.serial)
            .detail("encoding", encoding.as_str());
        self.record(entry, writes).await?;
        Ok((issued.certificate, file))
    }

    fn authority(&self) -> Result<&Authority, CommandError> {
        self.authority.as_deref().ok_or_else(|| {
            CommandError::new(
                Kind::Failed,
                "the keys of the CA are not open here",
                "give the passphrase (`[secrets] passphrase_file`, or PORTCULLIS_PASSPHRASE) and repeat the command",
            )
        })
    }
}

impl From<IssueError> for CommandError {
    fn from(error: IssueError) -> Self {
        Self::new(Kind::Failed, error.to_string(), "run `portcullis doctor`")
    }
}

fn handed_over(person: &Person, device: &Device, issued: &Certificate, file: &P12) -> Output {
    let name = format!(
        "{}-{}.p12",
        person.id,
        id_from(&device.name).map_or_else(|| device.id.to_string(), |id| id.to_string())
    );
    let json = json!({
        "tenant": device.tenant.as_str(),
        "person": device.person.as_str(),
        "device": device.id.as_str(),
        "name": device.name,
        "encoding": file.encoding.as_str(),
        "import_password": file.password.expose(),
        "certificate": certificate(issued),
    });
    let lines = vec![
        format!("Issued for {}, {}, good until {}.", person.name, device.name, issued.not_after.day()),
        String::new(),
        format!("  Import password   {}", file.password.expose()),
        format!("  to read out       {}", import_password::spoken(&file.password).expose()),
        String::new(),
        "It is shown this once and kept nowhere. Tell it by another way than the file: never in the same mail.".to_owned(),
    ];
    Output::new(json, lines).with_file(name, &file.bytes)
}

fn next_steps(person: &Person, tenant: &Tenant, port: &str) -> Vec<String> {
    let door =
        tenant.hosts.first().map_or_else(|| "its door".to_owned(), |host| format!("https://{host}{port}/"));
    let who = if tenant.id.is_staff() && person.roles.contains(&Role::Owner) {
        "and give the code on the page to `portcullis code verify`".to_owned()
    } else {
        "and read the code on the page out to support".to_owned()
    };
    vec![format!("Next: import the file in the browser, open {door} {who}.")]
}

/// The grant is used in the same breath; this is for a machine that is very slow.
const GRANT_LIVES: std::time::Duration = std::time::Duration::from_secs(60);
