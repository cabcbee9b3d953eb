//! The staff's record, which says where the desk is: as the configuration does, which alone can change it.

use super::Core;
use crate::audit::{Entry, Event};
use crate::config::Config;
use crate::domain::TenantId;
use crate::domain::tenant::Tenant;
use crate::store::table::{self, Stored};

/// Takes up `[console] host` where the record has another. What cannot be written is tried again at the next start.
pub(super) async fn at_its_host(config: &Config, core: &Core) {
    let staff = table::get::<Tenant>(&**core.ledger.store(), &table::tenant(&TenantId::staff())).await;
    let read: Stored<Tenant> = match staff {
        Ok(Some(read)) => read,
        Ok(None) => return,
        Err(error) => return tracing::error!(%error, "the staff's record cannot be read"),
    };
    let hosts = vec![config.console.host.clone()];
    if read.record.hosts == hosts {
        return;
    }
    let entry = Entry::new("gate", Event::TenantChanged)
        .tenant(&read.record.id)
        .detail("hosts", &config.console.host)
        .detail("before", read.record.hosts.join(" "));
    let staff = Tenant { hosts, ..read.record.clone() };
    if let Err(error) = core.ledger.record(entry, vec![table::replace(&read, &staff)]).await {
        tracing::error!(%error, "the console's new host was not written down");
    }
}
