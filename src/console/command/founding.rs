//! The first records of a new house: its CAs, the tenant of its staff, the desk's rules. Done once
//! by `init` and `demo`; makes no key.

use super::{Acts, CommandError, Kind};
use crate::audit::{Entry, Event};
use crate::domain::certificate::Issuer;
use crate::domain::route::Rules;
use crate::domain::tenant::{Brand, CertificateTerms, SessionProfile, SyncedPasskeys, Tenant};
use crate::domain::{TenantId, Time};
use crate::policy::shipped::Shipped;
use crate::store::table::{self, Stored};

/// What a house begins with.
#[derive(Clone, Debug)]
pub struct Founding {
    /// The CAs, as `ca::init` made them.
    pub issuers: Vec<Issuer>,
    /// Whose house it is: "Bank Muster & Cie".
    pub organization: String,
    /// Whom staff call.
    pub telephone: String,
    /// Host of the console's door.
    pub console_host: String,
    /// The desk's rules.
    pub desk: Shipped,
}

impl Acts {
    /// Writes the first records, all or none.
    ///
    /// # Errors
    /// Where a house is there already.
    pub async fn found(&self, actor: &str, founding: Founding) -> Result<(), CommandError> {
        let there: Vec<Stored<Issuer>> = self.read_all(&table::all::<Issuer>()).await?;
        if !there.is_empty() {
            return Err(CommandError::new(
                Kind::Exists,
                "this store holds a house already",
                "choose another folder, or use the one that is there",
            ));
        }
        let now = self.now();
        let staff = Tenant {
            id: TenantId::staff(),
            name: founding.organization.clone(),
            hosts: vec![founding.console_host],
            telephone: founding.telephone,
            language: "en".to_owned(),
            brand: Brand { accent: None, monogram: founding.organization.chars().take(1).collect() },
            profile: SessionProfile::Aal3,
            identified_on_incoming_call: false,
            certificates: CertificateTerms::default(),
            synced_passkeys: SyncedPasskeys::Accept,
            created: now,
        };
        let mut writes =
            vec![table::create(&staff), table::create(&shipped(&staff.id, founding.desk, actor, now))];
        writes.extend(founding.issuers.iter().map(table::create));
        let issuers: Vec<&str> = founding.issuers.iter().map(|issuer| issuer.id.as_str()).collect();
        let entry = Entry::new(actor, Event::CaCreated)
            .tenant(&staff.id)
            .detail("issuers", issuers.join(" "))
            .detail("rules", founding.desk.file);
        let revision = self.record(entry, writes).await?;
        Ok(self.view.reached(revision).await?)
    }
}

/// Rules that come with the gate, as a tenant's first.
pub(super) fn shipped(tenant: &TenantId, shipped: Shipped, actor: &str, now: Time) -> Rules {
    Rules {
        tenant: tenant.clone(),
        file: shipped.file.to_owned(),
        text: shipped.rules.to_owned(),
        revision: 1,
        applied_by: actor.to_owned(),
        applied: now,
    }
}
