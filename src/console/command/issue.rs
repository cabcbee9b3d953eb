//! Devices: issue, renew. Makes the .p12 and hands it back; keeps no key.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::device::certificate;
use super::output::Output;
use super::person::id_from;
use super::which::{WhichDevice, WhichPerson};
use super::{Acts, CommandError, Kind};
use crate::audit::Event;
use crate::ca::{Authority, Encoding, P12, import_password};
use crate::domain::certificate::Certificate;
use crate::domain::device::{Device, DeviceState};
use crate::domain::person::{Person, Role};
use crate::domain::tenant::Tenant;
use crate::domain::{DeviceId, Secret};
use crate::enrolment::issuance::{NotIssued, Order};
use crate::store::Write;
use crate::store::table::{self, Stored};

/// For which device.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// A device that is recorded now.
    New {
        /// Whose.
        person: WhichPerson,
        /// As its owner calls it.
        name: String,
    },
    /// One that there is: it gets another certificate.
    Again(WhichDevice),
}

/// A device whose certificate may be issued, with the write that says who hands it over.
pub(super) struct Prepared {
    pub(super) tenant: Tenant,
    pub(super) person: Person,
    pub(super) device: Device,
    /// Makes the device, or changes it under the revision at which it was read.
    pub(super) write: Write,
    /// [`Event::CertificateIssued`] or [`Event::CertificateRenewed`].
    pub(super) event: Event,
}

impl Prepared {
    pub(super) fn order<'a>(&'a self, actor: &'a str) -> Order<'a> {
        Order {
            tenant: &self.tenant,
            person: &self.person,
            device: &self.device,
            by: actor,
            whence: "",
            event: self.event,
        }
    }

    pub(super) fn is_new(&self) -> bool {
        self.event == Event::CertificateIssued
    }
}

impl Acts {
    pub(super) async fn issue(
        &self,
        actor: &str,
        target: &Target,
        encoding: Encoding,
    ) -> Result<Output, CommandError> {
        self.authority()?;
        let prepared = self.prepare(actor, target).await?;
        let (issued, file) = self.certify(actor, &prepared, encoding, "by hand").await?;
        let mut output = handed_over(&prepared, &issued, &file);
        output.lines.push(NEVER_BOTH.to_owned());
        output.lines.extend(self.onward(&prepared));
        Ok(output)
    }

    /// What comes after the certificate was made.
    pub(super) fn onward(&self, prepared: &Prepared) -> Vec<String> {
        if prepared.is_new() {
            next_steps(&prepared.person, &prepared.tenant, &self.site.load().port_suffix)
        } else {
            vec![GOES_ON.to_owned()]
        }
    }

    /// The device as it will be, before anything is written.
    pub(super) async fn prepare(&self, actor: &str, target: &Target) -> Result<Prepared, CommandError> {
        let delivered_by = Some(actor.to_owned());
        match target {
            Target::New { person, name } => {
                let (tenant, person, device) = self.new_device(actor, person, name).await?;
                let device = Device { delivered_by, ..device };
                let write = table::create(&device);
                Ok(Prepared { tenant, person, device, write, event: Event::CertificateIssued })
            }
            Target::Again(which) => {
                let (tenant, person, read) = self.renewable(actor, which).await?;
                let device = Device { delivered_by, ..read.record.clone() };
                let write = table::replace(&read, &device);
                Ok(Prepared { tenant, person, device, write, event: Event::CertificateRenewed })
            }
        }
    }

    /// A device as it will be recorded, where this person may have another of this name.
    pub(super) async fn new_device(
        &self,
        actor: &str,
        which: &WhichPerson,
        name: &str,
    ) -> Result<(Tenant, Person, Device), CommandError> {
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
        Ok((tenant, person, device))
    }

    /// A device that may have another certificate, and whose it is. Never by who has released it: a certificate
    /// and its release are in two people's hands, later ones as the first.
    pub(super) async fn renewable(
        &self,
        actor: &str,
        which: &WhichDevice,
    ) -> Result<(Tenant, Person, Stored<Device>), CommandError> {
        let (person, read) = self.find_device(which).await?;
        let tenant = self.find_tenant(&which.person.tenant).await?.record;
        if read.record.state == DeviceState::Retired {
            return Err(CommandError::new(
                Kind::Refused,
                format!("`{which}` was switched off for good"),
                format!("issue a new one: `portcullis device issue {} --name NAME`", which.person),
            ));
        }
        if read.record.released_by.as_deref() == Some(actor) {
            return Err(CommandError::new(
                Kind::Refused,
                format!(
                    "you released {} of {}, so it gets no certificate from you",
                    read.record.name, person.record.name
                ),
                "ask a colleague to issue it, or the owner to renew it in their settings",
            ));
        }
        if person.record.shut_out(self.now()) {
            return Err(CommandError::new(
                Kind::Refused,
                format!("{} is kept out", person.record.name),
                format!("let them in first: `portcullis person unlock {}`", which.person),
            ));
        }
        Ok((tenant, person.record, read))
    }

    /// Grant, certificate and file. The file leaves only after the certificate is on record, and that only
    /// while the device is as it was seen: one that is switched off meanwhile gets none. Links that wait for
    /// this device die: it is handed over one way.
    pub(super) async fn certify(
        &self,
        actor: &str,
        prepared: &Prepared,
        encoding: Encoding,
        way: &str,
    ) -> Result<(Certificate, P12), CommandError> {
        let order = prepared.order(actor);
        let event = if prepared.is_new() { Event::DeviceCreated } else { Event::GrantMade };
        let entry = order.entry(event).detail("delivery", way);
        let mut writes = vec![prepared.write.clone()];
        writes.extend(self.deliveries.void(&prepared.device.id).await?);
        let grant = self.issuance.open(&order, format!("command by {actor}"), entry, writes).await?;
        let written = Stored { record: prepared.device.clone(), revision: grant.revision };
        let mut also = vec![table::unchanged(&written)];
        also.extend(self.issuance.notice(&order, &grant)?);
        Ok(self.issuance.p12(&order, &grant, encoding, None, also).await?)
    }

    pub(super) fn authority(&self) -> Result<&Arc<Authority>, CommandError> {
        Ok(self.issuance.authority()?)
    }
}

impl From<NotIssued> for CommandError {
    fn from(error: NotIssued) -> Self {
        match error {
            NotIssued::NoAuthority => Self::new(
                Kind::Failed,
                error.to_string(),
                "give the passphrase (`[secrets] passphrase_file`, or PORTCULLIS_PASSPHRASE) and repeat the command",
            ),
            NotIssued::Subject(error) => Self::new(Kind::Usage, error.to_string(), "then repeat the command"),
            NotIssued::KeyKnown => Self::new(
                Kind::Refused,
                error.to_string(),
                "have a new key made on the device, and a request with it",
            ),
            NotIssued::Record(error) => error.into(),
            NotIssued::Ca(_) | NotIssued::BrokenOff => {
                Self::new(Kind::Failed, error.to_string(), "run `portcullis doctor`")
            }
        }
    }
}

/// What was made, with the file: for whoever takes it along.
pub(super) fn handed_over(prepared: &Prepared, issued: &Certificate, file: &P12) -> Output {
    told_once(prepared, issued, file).with_file(file_name(prepared), &file.bytes)
}

/// What was made, without the file: for whoever tells the password.
pub(super) fn told_once(prepared: &Prepared, issued: &Certificate, file: &P12) -> Output {
    let (person, device) = (&prepared.person, &prepared.device);
    let json = json!({
        "tenant": device.tenant.as_str(),
        "person": device.person.as_str(),
        "device": device.id.as_str(),
        "name": device.name,
        "encoding": file.encoding.as_str(),
        "import_password": file.password.expose(),
        "certificate": certificate(issued),
    });
    let mut lines =
        vec![format!("Issued for {}, {}, good until {}.", person.name, device.name, issued.not_after.day())];
    lines.extend(password_lines(&file.password));
    Output::new(json, lines)
}

/// The import password, to read and to read out.
pub(super) fn password_lines(password: &Secret) -> [String; 4] {
    [
        String::new(),
        format!("  Import password   {}", password.expose()),
        format!("  to read out       {}", import_password::spoken(password).expose()),
        String::new(),
    ]
}

/// `anna-laptop.p12`.
pub(super) fn file_name(prepared: &Prepared) -> String {
    let device = &prepared.device;
    let name = id_from(&device.name).map_or_else(|| device.id.to_string(), |id| id.to_string());
    format!("{}-{name}.p12", prepared.person.id)
}

/// What the owner of a new device does with it.
pub(super) fn next_steps(person: &Person, tenant: &Tenant, port: &str) -> Vec<String> {
    let door =
        tenant.hosts.first().map_or_else(|| "its door".to_owned(), |host| format!("https://{host}{port}/"));
    let who = if tenant.id.is_staff() && person.roles.contains(&Role::Owner) {
        "and give the code on the page to `portcullis code verify`"
    } else if tenant.id.is_staff() {
        // Who is support has none to call.
        "and read the code on the page out to an owner, or to a colleague at the desk"
    } else {
        "and read the code on the page out to support"
    };
    vec![format!("Next: import the file in the browser, open {door} {who}.")]
}

const NEVER_BOTH: &str =
    "It is shown this once and kept nowhere. Tell it by another way than the file: never in the same mail.";

/// Of the certificate that is renewed.
pub(super) const GOES_ON: &str = "The certificate before it goes on until this one has signed in once.";
