//! Routes for the same requests: of two, one would never be asked, and nothing said which.

use crate::console::command::{Acts, CommandError};
use crate::domain::TenantId;
use crate::domain::route::Route;

impl Acts {
    /// What of `routes`, once they are in force, would be for the same requests as another; `places` are where each was
    /// written.
    pub(super) async fn twins(
        &self,
        routes: &[Route],
        places: &[String],
    ) -> Result<Vec<String>, CommandError> {
        let mut tenants: Vec<&TenantId> = routes.iter().map(|route| &route.tenant).collect();
        tenants.sort_unstable();
        tenants.dedup();
        let mut others = Vec::new();
        for tenant in tenants {
            others.extend(self.all_routes(Some(tenant.clone())).await?);
        }
        others.retain(|other| routes.iter().all(|route| !is(route, other)));
        let mut faults = Vec::new();
        for (at, route) in routes.iter().enumerate() {
            let place = places.get(at).map_or("", String::as_str);
            let mut before = routes[..at].iter().chain(&others);
            faults.extend(before.find_map(|other| Some(format!("{place}{}", alike(other, route)?))));
        }
        Ok(faults)
    }
}

fn is(one: &Route, other: &Route) -> bool {
    (&one.tenant, &one.name) == (&other.tenant, &other.name)
}

/// How they are, where they are for the same requests. One that names the host is asked before one that names none.
fn alike(one: &Route, other: &Route) -> Option<String> {
    if one.tenant != other.tenant || one.path_prefix != other.path_prefix {
        return None;
    }
    let host = match (one.hosts.is_empty(), other.hosts.is_empty()) {
        (true, true) => "any host",
        (false, false) => one.hosts.iter().find(|host| other.hosts.contains(host))?,
        _ => return None,
    };
    Some(format!(
        "routes `{}` and `{}` of `{}` are for the same requests, path {} of {host}: give one another `path` or `hosts`, \
         or all backends to one of them",
        one.name, other.name, one.tenant, one.path_prefix
    ))
}
