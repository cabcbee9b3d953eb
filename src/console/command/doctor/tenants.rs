//! Whether each tenant has its doors and its routes, and each door its tenant.

use std::fmt;

use super::Check;
use crate::console::command::{Acts, CommandError};
use crate::domain::TenantId;
use crate::domain::route::Route;
use crate::domain::tenant::Tenant;
use crate::store::table::{self, Stored};

/// A door whose tenant is not there: nobody comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorOfNobody {
    /// Its host name.
    pub host: String,
    /// Whose it would be.
    pub tenant: String,
}

impl DoorOfNobody {
    /// What is wrong.
    #[must_use]
    pub fn what(&self) -> String {
        format!("there is no tenant `{}`, so nobody comes in at {}", self.tenant, self.host)
    }

    /// The next step.
    #[must_use]
    pub fn next(&self) -> String {
        let Self { host, tenant } = self;
        format!(
            "correct `tenant` in the [[portal]] with host = \"{host}\" and type `portcullis reload`, or record the \
             tenant: `portcullis tenant add {tenant} --host {host} --name NAME --telephone NUMBER`"
        )
    }
}

impl fmt::Display for DoorOfNobody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what(), self.next())
    }
}

impl Acts {
    pub(super) async fn check_tenants(&self) -> Result<Vec<Check>, CommandError> {
        let mut checks = Vec::new();
        for Stored { record: tenant, .. } in self.read_all::<Tenant>(&table::all::<Tenant>()).await? {
            let name = format!("tenant {}", tenant.id);
            let doors = &self.site.load().doors;
            let is_door = |host: &&String| doors.contains(&((*host).clone(), tenant.id.to_string()));
            let lacking: Vec<&str> =
                tenant.hosts.iter().filter(|host| !is_door(host)).map(String::as_str).collect();
            if tenant.id.is_staff() && !lacking.is_empty() {
                let at = doors.iter().find(|(_, whose)| *whose == tenant.id.as_str());
                let at = at.map_or("elsewhere", |(host, _)| host);
                checks.push(Check::heed(
                    &name,
                    format!("was at {} until now, and is at {at} by [console] host", lacking.join(" ")),
                    format!("start the gate, which takes that up, and open the console at {at} from then on"),
                ));
                continue;
            }
            if !lacking.is_empty() {
                let each = lacking.iter().map(|host| {
                    format!("write a [[portal]] with tenant = \"{}\" and host = \"{host}\"", tenant.id)
                });
                let next = each.collect::<Vec<_>>().join("; ");
                checks.push(Check::bad(
                    &name,
                    format!("{} has no door in the configuration", lacking.join(", ")),
                    format!("{next}; then type `portcullis reload`, or start the gate"),
                ));
                continue;
            }
            let routes: Vec<Stored<Route>> = self.read_all(&table::routes(&tenant.id)).await?;
            let dead = self.dead_ends(&name, &routes);
            checks.push(if routes.is_empty() && !tenant.id.is_staff() {
                Check::bad(
                    &name,
                    "its requests lead nowhere",
                    format!("`portcullis route set {} --backend http://127.0.0.1:9000`", tenant.id),
                )
            } else if dead.is_empty() {
                Check::well(&name, format!("{} {}", tenant.name, tenant.hosts.join(" ")))
            } else {
                checks.extend(dead);
                continue;
            });
        }
        Ok(checks)
    }

    /// Routes to what the configuration does not let them reach.
    fn dead_ends(&self, name: &str, routes: &[Stored<Route>]) -> Vec<Check> {
        let reach = &self.site.load().reach;
        let backends =
            routes.iter().flat_map(|read| read.record.backends.iter().map(|one| (&read.record, one)));
        let dead = backends.filter_map(|(route, one)| {
            let error = reach.admit(&one.url).err()?;
            let found = format!("its route `{}` leads nowhere, to {}", route.name, one.url);
            Some(Check::bad(name, found, error.to_string()))
        });
        dead.collect()
    }

    /// Doors that the configuration gives to tenants that are not recorded.
    #[must_use]
    pub fn doors_of_nobody(&self) -> Vec<DoorOfNobody> {
        let site = self.site.load();
        let all = site
            .doors
            .iter()
            .map(|(host, tenant)| DoorOfNobody { host: host.clone(), tenant: tenant.clone() });
        all.filter(|door| TenantId::parse(&door.tenant).is_ok_and(|id| self.view.tenant(&id).is_none()))
            .collect()
    }
}
