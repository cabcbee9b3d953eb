//! One-time secrets by which a machine enrols itself (EST): made for one device, told once.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::issue::{Prepared, Target};
use super::output::Output;
use super::{Acts, CommandError, Kind};
use crate::audit::Event;
use crate::domain::device::Device;
use crate::domain::grant::{Allows, Grant};
use crate::enrolment::est::SECRET_HOURS_MAX;
use crate::enrolment::issuance::Order;
use crate::store::table::{self, Stored};

/// For which machine.
#[derive(Clone, Serialize, Deserialize)]
pub struct EnrolSecret {
    /// A new one, or one that is on record and lost what it was given.
    pub target: Target,
    /// How long the secret may be used, in hours.
    pub hours: u64,
}

impl Acts {
    pub(super) async fn enrol_secret(
        &self,
        actor: &str,
        command: EnrolSecret,
    ) -> Result<Output, CommandError> {
        let EnrolSecret { target, hours } = command;
        if !(1..=SECRET_HOURS_MAX).contains(&hours) {
            return Err(CommandError::new(
                Kind::Usage,
                format!("--hours {hours} is not between 1 and {SECRET_HOURS_MAX}"),
                "give 1 to 24: a secret that nobody used is made again in a moment",
            ));
        }
        let prepared = self.prepare(actor, &target).await?;
        let Prepared { tenant, person, device, write, .. } = prepared;
        if tenant.id.is_staff() {
            return Err(CommandError::new(
                Kind::Refused,
                "staff do not enrol by EST",
                format!("issue a .p12: `portcullis device issue {}/{} --name NAME`", tenant.id, person.id),
            ));
        }
        if self.view.certificates_of(&tenant.id, &device.id).iter().any(|one| !one.by_machine()) {
            return Err(CommandError::new(
                Kind::Refused,
                format!("{} of {} is no machine: a person has a certificate on it", device.name, person.name),
                "give the machine a --name of its own",
            ));
        }
        if !tenant.certificates.est {
            return Err(CommandError::new(
                Kind::Refused,
                format!("{} does not let machines enrol by EST", tenant.name),
                format!("switch it on first: `portcullis tenant certificates {} --est yes`", tenant.id),
            ));
        }
        let order = Order {
            tenant: &tenant,
            person: &person,
            device: &device,
            by: actor,
            whence: "",
            event: Event::CertificateIssued,
        };
        crate::ca::Subject::of(&tenant, &person, &device)
            .map_err(crate::enrolment::issuance::NotIssued::from)?;
        let (grant, secret) = self.est.secret(&order, Duration::from_secs(hours * 3600));
        let entry = order.entry(Event::EnrolSecretMade).detail("grant", grant.id.as_str());
        // One way at a time: what waits for this device ends.
        let waiting: Vec<Stored<Grant>> = self.read_all(&table::all::<Grant>()).await?;
        let mut writes = vec![write, table::create(&grant)];
        writes.extend(waiting.iter().filter(|read| is_for(&read.record, &device)).map(table::consume));
        self.record(entry, writes).await?;
        let json = json!({
            "tenant": device.tenant.as_str(),
            "person": device.person.as_str(),
            "device": device.id.as_str(),
            "name": device.name,
            "user": grant.id.as_str(),
            "secret": secret.expose(),
            "expires": grant.expires.to_string(),
        });
        let lines = vec![
            format!("{} of {} may enrol once, until {}.", device.name, person.name, grant.expires.minute()),
            String::new(),
            format!("  User      {}", grant.id),
            format!("  Secret    {}", secret.expose()),
            String::new(),
            "It is shown this once and kept nowhere. Five wrong ones, and it is dead.".to_owned(),
            "On the machine:".to_owned(),
            "  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -subj /CN=x \
             -outform DER | openssl base64 > request.b64"
                .to_owned(),
            format!(
                "  curl --user {} --header 'content-type: application/pkcs10' --data-binary @request.b64 \
                 {}/.well-known/est/simpleenroll | openssl base64 -d | openssl pkcs7 -inform DER \
                 -print_certs > certificate.pem",
                grant.id,
                self.site.load().start.as_deref().unwrap_or("https://PUBLIC-DOOR"),
            ),
            if device.state.is_released() {
                "It is let in already.".to_owned()
            } else {
                "Then support lets the device in, as every other: its first request shows the code.".to_owned()
            },
        ];
        Ok(Output::new(json, lines))
    }
}

fn is_for(grant: &Grant, device: &Device) -> bool {
    let Allows::Issue { tenant, device: id, .. } = &grant.allows;
    *tenant == device.tenant && *id == device.id
}
