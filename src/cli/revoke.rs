//! What `portcullis certificate revoke` may be told: whose certificates, why, and whether in earnest.

use crate::console::command::revoke::{self, Which};
use crate::console::command::which::{WhichDevice, WhichPerson};
use crate::domain::TenantId;
use crate::domain::certificate::RevocationReason;

#[derive(clap::Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    scope: Scope,
    /// Why: unspecified, key-compromise, affiliation-changed, superseded,
    /// cessation-of-operation, privilege-withdrawn
    #[arg(long, default_value = "unspecified", value_parser = reason)]
    reason: RevocationReason,
    /// Say what would fall, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Yes, all of it stops working now
    #[arg(long)]
    yes: bool,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Scope {
    /// One certificate, by its serial number; its device goes on with its others
    #[arg(long)]
    serial: Option<String>,
    /// A device with all its certificates: TENANT/PERSON/DEVICE, by name or id
    #[arg(long)]
    device: Option<WhichDevice>,
    /// Every device of a person: TENANT/PERSON
    #[arg(long)]
    person: Option<WhichPerson>,
    /// Every device of a tenant
    #[arg(long)]
    tenant: Option<TenantId>,
}

impl Revoke {
    pub(super) fn command(self) -> revoke::Revoke {
        let Self { scope, reason, dry_run, yes } = self;
        let which = scope
            .serial
            .map(Which::Serial)
            .or(scope.device.map(Which::Device))
            .or(scope.person.map(Which::Person))
            .or(scope.tenant.map(Which::Tenant));
        // The group above lets nothing through without one.
        let which = which.unwrap_or_else(|| Which::Serial(String::new()));
        revoke::Revoke { which, reason, dry_run, yes }
    }
}

pub(super) fn reason(text: &str) -> Result<RevocationReason, String> {
    RevocationReason::parse(text).ok_or_else(|| {
        let all: Vec<_> = RevocationReason::ALL.iter().map(|reason| reason.as_str()).collect();
        format!("write one of {}", all.join(", "))
    })
}
