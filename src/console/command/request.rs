//! Certificates for keys that were made elsewhere: issue and renew by a certificate request (CSR). The key
//! never comes here, and what the request says of names and usages is not read: both come from the records.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::device::certificate;
use super::given::Given;
use super::issue::next_steps;
use super::output::Output;
use super::person::id_from;
use super::which::{WhichDevice, WhichPerson};
use super::{Acts, CommandError, Kind};
use crate::audit::Event;
use crate::ca::{BadRequest, Issued, ProvenKey, pem_of};
use crate::domain::device::Device;
use crate::domain::person::Person;
use crate::enrolment::issuance::Order;
use crate::store::Write;
use crate::store::table::{self, Stored};

/// What to do with a request.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Record a device and certify its own key.
    Issue {
        /// Whose.
        person: WhichPerson,
        /// As its owner calls it.
        name: String,
        /// PKCS #10.
        request: Given,
    },
    /// Certify a key for a device that is on record.
    Renew {
        /// Which.
        device: WhichDevice,
        /// PKCS #10.
        request: Given,
    },
}

impl Acts {
    pub(super) async fn request(&self, actor: &str, command: Command) -> Result<Output, CommandError> {
        match command {
            Command::Issue { person, name, request } => {
                let key = ProvenKey::from_request(request.bytes())?;
                self.authority()?;
                let (tenant, one, device) = self.new_device(actor, &person, &name).await?;
                let order = Order {
                    tenant: &tenant,
                    person: &one,
                    device: &device,
                    by: actor,
                    whence: "",
                    event: Event::CertificateIssued,
                };
                let issued = self.certified(order, key, Err(table::create(&device))).await?;
                let mut output = handed_over(&one, &device, &issued);
                output.lines.extend(next_steps(&one, &tenant, &self.site.load().port_suffix));
                Ok(output)
            }
            Command::Renew { device, request } => {
                let key = ProvenKey::from_request(request.bytes())?;
                let (tenant, one, device) = self.renewable(actor, &device).await?;
                let order = Order {
                    tenant: &tenant,
                    person: &one,
                    device: &device.record,
                    by: actor,
                    whence: "",
                    event: Event::CertificateRenewed,
                };
                let issued = self.certified(order, key, Ok(&device)).await?;
                let mut output = handed_over(&one, &device.record, &issued);
                output
                    .lines
                    .push("The certificate before it goes on until this one has signed in once.".to_owned());
                Ok(output)
            }
        }
    }

    /// Grant and certificate, each while the device is as it was seen.
    async fn certified(
        &self,
        order: Order<'_>,
        key: ProvenKey,
        device: Result<&Stored<Device>, Write>,
    ) -> Result<Issued, CommandError> {
        // Asked before a device is recorded that would get no certificate.
        self.issuance.unknown_elsewhere(&key, order.device)?;
        let (event, write) = match &device {
            Ok(read) => (Event::RequestTaken, table::unchanged(*read)),
            Err(create) => (Event::DeviceCreated, create.clone()),
        };
        let evidence = format!("request (CSR) by {}", order.by);
        let entry = order.entry(event).detail("way", "csr");
        let grant = self.issuance.open(&order, evidence, entry, vec![write]).await?;
        let unchanged = match device {
            Ok(read) => table::unchanged(read),
            Err(_) => table::unchanged(&Stored { record: order.device.clone(), revision: grant.revision }),
        };
        let mut also = vec![unchanged];
        also.extend(self.issuance.notice(&order, &grant)?);
        Ok(self.issuance.certify(&order, &grant, key, "csr", also).await?)
    }
}

impl From<BadRequest> for CommandError {
    fn from(error: BadRequest) -> Self {
        let text = error.to_string();
        let (what, next) = text.split_once(": ").unwrap_or((&text, "send another request"));
        Self::new(Kind::Usage, what, next)
    }
}

fn handed_over(person: &Person, device: &Device, issued: &Issued) -> Output {
    let name = id_from(&device.name).map_or_else(|| device.id.to_string(), |id| id.to_string());
    let certificate_of = &issued.certificate;
    let json = json!({
        "tenant": device.tenant.as_str(),
        "person": device.person.as_str(),
        "device": device.id.as_str(),
        "name": device.name,
        "subject": issued.common_name,
        "certificate": certificate(certificate_of),
    });
    let lines = vec![
        format!("Issued for {}, {}, good until {}.", person.name, device.name, certificate_of.not_after.day()),
        String::new(),
        "It holds the certificate and its issuing CA. The private key is where the request was made, and only there."
            .to_owned(),
    ];
    Output::new(json, lines).with_file(format!("{}-{name}.pem", person.id), chain_pem(issued).as_bytes())
}

/// Leaf and issuing CA, as a TLS client sends them; the root it leaves out (RFC 8446 4.4.2).
fn chain_pem(issued: &Issued) -> String {
    issued.chain.iter().take(2).map(|der| pem_of(der)).collect()
}
