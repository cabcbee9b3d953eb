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

/// A route to what the configuration does not let it reach: its requests are answered 502.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadEnd {
    tenant: String,
    route: String,
    url: String,
    /// What the configuration lacks.
    why: String,
}

impl DeadEnd {
    fn what(&self) -> String {
        let Self { tenant, route, url, .. } = self;
        format!("the route `{route}` of `{tenant}` leads nowhere, to {url}")
    }
}

impl fmt::Display for DeadEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what(), self.why)
    }
}

impl Acts {
    pub(super) async fn check_tenants(&self) -> Result<Vec<Check>, CommandError> {
        let mut checks = Vec::new();
        for Stored { record: tenant, .. } in self.read_all::<Tenant>(&table::all::<Tenant>()).await? {
            let name = format!("tenant {}", tenant.id);
            let doors = &self.site.load().doors;
            let is_door = |host: &&String| doors.contains(&((*host).clone(), tenant.id.to_string()));
            let routes: Vec<Stored<Route>> = self.read_all(&table::routes(&tenant.id)).await?;
            let dead: Vec<DeadEnd> = routes.iter().flat_map(|read| self.dead_ends_of(&read.record)).collect();
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
            } else if routes.is_empty() && !tenant.id.is_staff() {
                checks.push(Check::bad(
                    &name,
                    "its requests lead nowhere",
                    format!("`portcullis route set {} --backend http://127.0.0.1:9000`", tenant.id),
                ));
            } else if dead.is_empty() {
                checks.push(Check::well(&name, format!("{} {}", tenant.name, tenant.hosts.join(" "))));
            }
            checks.extend(dead.into_iter().map(|dead| Check::bad(&name, dead.what(), dead.why)));
        }
        Ok(checks)
    }

    /// Routes to what the configuration does not let them reach.
    ///
    /// # Errors
    /// The store's.
    pub async fn dead_ends(&self) -> Result<Vec<DeadEnd>, CommandError> {
        Ok(self.all_routes(None).await?.iter().flat_map(|route| self.dead_ends_of(route)).collect())
    }

    pub(in crate::console::command) fn dead_ends_of(&self, route: &Route) -> Vec<DeadEnd> {
        let site = self.site.load();
        let dead = route.backends.iter().filter_map(|one| {
            let why = site.reach.admit(&one.url).err()?.to_string();
            let (tenant, route, url) = (route.tenant.to_string(), route.name.clone(), one.url.clone());
            Some(DeadEnd { tenant, route, url, why })
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
