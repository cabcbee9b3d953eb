//! Devices: list. Issuing and renewing are in `issue`, switching off in `revoke`.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::issue::Target;
use super::output::{Output, columns};
use super::revoke::{Revoke, Which};
use super::which::{WhichDevice, WhichPerson};
use super::{Acts, CommandError, Kind};
use crate::ca::Encoding;
use crate::domain::TenantId;
use crate::domain::certificate::{Certificate, RevocationReason};
use crate::domain::device::Device;
use crate::store::table::{self, Key, Record as _, Stored};

/// What to do with devices.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Record a device and issue its certificate.
    Issue {
        /// Whose.
        person: WhichPerson,
        /// As its owner calls it.
        name: String,
        /// Modern or compatible.
        #[serde(with = "encoding")]
        encoding: Encoding,
    },
    /// Issue another certificate for a device.
    Renew {
        /// Which.
        device: WhichDevice,
        /// Modern or compatible.
        #[serde(with = "encoding")]
        encoding: Encoding,
    },
    /// Certify keys that were made elsewhere.
    Request(super::request::Command),
    /// Record a device that enrols itself.
    EnrolSecret(super::enrol_secret::EnrolSecret),
    /// Record a device, or take one that there is, issue its certificate and send the file by mail.
    Mail {
        /// For which.
        target: Target,
        /// Modern or compatible.
        #[serde(with = "encoding")]
        encoding: Encoding,
    },
    /// Make a one-time link, behind which the owner has the certificate made.
    Link {
        /// For which.
        target: Target,
        /// How long it may be used; the tenant's own time where nothing is said.
        minutes: Option<u64>,
        /// Whether to send it.
        mail: bool,
    },
    /// Show devices.
    List {
        /// Of a tenant, or of one person of it; all where nothing is said.
        #[serde(default)]
        of: Option<String>,
    },
    /// Switch a device off for good.
    Revoke {
        /// Which.
        device: WhichDevice,
        /// Why.
        reason: RevocationReason,
        /// Confirmed.
        yes: bool,
    },
}

impl Command {
    pub(super) const fn signs(&self) -> bool {
        matches!(self, Self::Issue { .. } | Self::Renew { .. } | Self::Mail { .. } | Self::Request(_))
    }
}

impl Acts {
    pub(super) async fn device(&self, actor: &str, command: Command) -> Result<Output, CommandError> {
        match command {
            Command::EnrolSecret(command) => self.enrol_secret(actor, command).await,
            Command::Request(command) => self.request(actor, command).await,
            Command::Issue { person, name, encoding } => {
                self.issue(actor, &Target::New { person, name }, encoding).await
            }
            Command::Renew { device, encoding } => self.issue(actor, &Target::Again(device), encoding).await,
            Command::Mail { target, encoding } => self.mail_file(actor, &target, encoding).await,
            Command::Link { target, minutes, mail } => self.link(actor, &target, minutes, mail).await,
            Command::List { of } => self.list_devices(of.as_deref()).await,
            Command::Revoke { device, reason, yes } => {
                let revoke = Revoke { which: Which::Device(device), reason, dry_run: false, yes };
                self.revoke_once(actor, &revoke).await
            }
        }
    }

    async fn list_devices(&self, of: Option<&str>) -> Result<Output, CommandError> {
        let key = match of {
            None => table::all::<Device>(),
            Some(of) if of.contains('/') => {
                let which: WhichPerson =
                    of.parse().map_err(|error: super::which::Unclear| usage(&error.to_string()))?;
                self.find_person(&which).await?;
                table::devices(&which.tenant, &which.person)
            }
            Some(of) => {
                let id = TenantId::parse(of).map_err(|error| usage(&error.to_string()))?;
                Key::of(Device::TABLE, &[self.find_tenant(&id).await?.record.id.as_str().as_bytes()])
            }
        };
        let devices: Vec<Stored<Device>> = self.read_all(&key).await?;
        let certificates = self.read_all::<Certificate>(&table::all::<Certificate>()).await?;
        let mut rows = Vec::new();
        let mut shown = Vec::new();
        for Stored { record: device, .. } in &devices {
            let mut own: Vec<&Certificate> = certificates
                .iter()
                .map(|read| &read.record)
                .filter(|one| one.tenant == device.tenant && one.device == device.id)
                .collect();
            own.sort_by_key(|one| one.not_before);
            let until = own.last().map_or_else(
                || "-".to_owned(),
                |one| {
                    let state = one.state.as_str();
                    format!("until {}, {state}", one.not_after.format("%Y-%m-%d"))
                },
            );
            rows.push([
                format!("{}/{}", device.tenant, device.person),
                device.name.clone(),
                device.state.as_str().to_owned(),
                until,
                device.id.to_string(),
            ]);
            shown.push(json!({
                "tenant": device.tenant.as_str(),
                "person": device.person.as_str(),
                "id": device.id.as_str(),
                "name": device.name,
                "state": device.state.as_str(),
                "issued_by": device.issued_by,
                "released_by": device.released_by,
                "certificates": own.iter().map(|one| certificate(one)).collect::<Vec<_>>(),
            }));
        }
        let none = match of {
            Some(of) => {
                format!("`{of}` has no device yet: `portcullis device issue TENANT/PERSON --name laptop`")
            }
            None => {
                "There is no device yet: `portcullis device issue TENANT/PERSON --name laptop`".to_owned()
            }
        };
        let lines = columns(["person", "device", "state", "certificate", "id"], &rows, &none);
        Ok(Output::new(json!({ "devices": shown }), lines))
    }
}

pub(super) fn certificate(one: &Certificate) -> serde_json::Value {
    json!({
        "serial": one.serial,
        "state": one.state.as_str(),
        "not_before": one.not_before.to_string(),
        "not_after": one.not_after.to_string(),
        "issuer": one.issuer.as_str(),
        "sha256": data_encoding::HEXLOWER.encode(&one.fingerprint),
        "issued_by": one.issued_by,
    })
}

fn usage(what: &str) -> CommandError {
    CommandError::new(Kind::Usage, what, "name a tenant, or a person as TENANT/PERSON")
}

/// The encoding by its name.
pub(super) mod encoding {
    use super::Encoding;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(in crate::console::command) fn serialize<S: Serializer>(
        encoding: &Encoding,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(encoding.as_str())
    }

    pub(in crate::console::command) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Encoding, D::Error> {
        let text = String::deserialize(from)?;
        Encoding::parse(&text).ok_or_else(|| de::Error::custom("an encoding is modern or compatible"))
    }
}
