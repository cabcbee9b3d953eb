//! Devices: issue, renew. Makes the .p12 and hands it back; keeps no key.

use std::sync::Arc;

use serde_json::json;

use super::device::certificate;
use super::output::Output;
use super::person::id_from;
use super::which::{WhichDevice, WhichPerson};
use super::{Acts, CommandError, Kind};
use crate::audit::Event;
use crate::ca::{Authority, Encoding, P12, import_password};
use crate::domain::DeviceId;
use crate::domain::certificate::Certificate;
use crate::domain::device::{Device, DeviceState};
use crate::domain::person::{Person, Role};
use crate::domain::tenant::Tenant;
use crate::enrolment::issuance::{NotIssued, Order};
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
        let (tenant, person, device) = self.new_device(actor, which, name).await?;
        let order = Order {
            tenant: &tenant,
            person: &person,
            device: &device,
            by: actor,
            whence: "",
            event: Event::CertificateIssued,
        };
        let (issued, file) = self.certify(order, encoding, Err(table::create(&device))).await?;
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
        let (tenant, person, device) = self.renewable(which).await?;
        let order = Order {
            tenant: &tenant,
            person: &person,
            device: &device.record,
            by: actor,
            whence: "",
            event: Event::CertificateRenewed,
        };
        let (issued, file) = self.certify(order, encoding, Ok(&device)).await?;
        let mut output = handed_over(&person, &device.record, &issued, &file);
        output.lines.push("The certificate before it goes on until this one has signed in once.".to_owned());
        Ok(output)
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

    /// A device that may have another certificate, and whose it is.
    pub(super) async fn renewable(
        &self,
        which: &WhichDevice,
    ) -> Result<(Tenant, Person, Stored<Device>), CommandError> {
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
        Ok((tenant, person.record, device))
    }

    /// Grant, certificate and file. The file leaves only after the certificate is on record, and that only
    /// while the device is as it was seen: one that is switched off meanwhile gets none.
    async fn certify(
        &self,
        order: Order<'_>,
        encoding: Encoding,
        device: Result<&Stored<Device>, Write>,
    ) -> Result<(Certificate, P12), CommandError> {
        let (event, write) = match &device {
            Ok(read) => (Event::GrantMade, table::unchanged(*read)),
            Err(create) => (Event::DeviceCreated, create.clone()),
        };
        let evidence = format!("command by {}", order.by);
        let grant = self.issuance.open(&order, evidence, order.entry(event), vec![write]).await?;
        let unchanged = match device {
            Ok(read) => table::unchanged(read),
            Err(_) => table::unchanged(&Stored { record: order.device.clone(), revision: grant.revision }),
        };
        Ok(self.issuance.p12(&order, &grant, encoding, None, vec![unchanged]).await?)
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

pub(super) fn next_steps(person: &Person, tenant: &Tenant, port: &str) -> Vec<String> {
    let door =
        tenant.hosts.first().map_or_else(|| "its door".to_owned(), |host| format!("https://{host}{port}/"));
    let who = if tenant.id.is_staff() && person.roles.contains(&Role::Owner) {
        "and give the code on the page to `portcullis code verify`".to_owned()
    } else {
        "and read the code on the page out to support".to_owned()
    };
    vec![format!("Next: import the file in the browser, open {door} {who}.")]
}
