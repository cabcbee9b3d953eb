//! Routes: where a tenant's permitted requests go. Judges nobody.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::output::{Output, columns};
use super::{Acts, CommandError, Kind};
use crate::audit::{Entry, Event};
use crate::domain::TenantId;
use crate::domain::route::Route;
use crate::proxy::{Backend, Reach};
use crate::store::table;

/// What to do with routes.
#[derive(Clone, Serialize, Deserialize, clap::Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Say where a tenant's requests go; a route of the same name is replaced
    Set(Set),
    /// Show where requests go
    List {
        /// Only this tenant's
        tenant: Option<TenantId>,
    },
}

/// A route, new or changed.
#[derive(Clone, Serialize, Deserialize, clap::Args)]
pub struct Set {
    /// Whose
    pub tenant: TenantId,
    /// Where they go: http://127.0.0.1:9000
    #[arg(long)]
    pub backend: String,
    /// Name, for logs
    #[arg(long, default_value = "portal")]
    pub name: String,
    /// Paths below this go there; of several the longest wins
    #[arg(long, default_value = "/")]
    pub path: String,
    /// Hand the certificate on in the Client-Cert header (RFC 9440)
    #[arg(long)]
    #[serde(default)]
    pub client_cert: bool,
    /// Let the backend register a service worker
    #[arg(long)]
    #[serde(default)]
    pub service_worker: bool,
    /// Keep requests (256 KiB at most), so that the backend may have them confirmed on the phone by a 428
    #[arg(long)]
    #[serde(default)]
    pub confirm: bool,
    /// Longest wait for the first byte of an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub first_byte_seconds: u64,
}

impl Route {
    /// A route with what is usual.
    #[must_use]
    pub fn to(tenant: &TenantId, name: &str, path_prefix: &str, backend: String) -> Self {
        Self {
            tenant: tenant.clone(),
            name: name.to_owned(),
            path_prefix: path_prefix.to_owned(),
            backend,
            client_cert: false,
            service_worker: false,
            first_byte_ms_max: 60_000,
            confirm: false,
        }
    }
}

impl Acts {
    pub(super) async fn route(&self, actor: &str, command: Command) -> Result<Output, CommandError> {
        match command {
            Command::Set(set) => self.set_route(actor, set).await,
            Command::List { tenant } => self.list_routes(tenant).await,
        }
    }

    async fn set_route(&self, actor: &str, set: Set) -> Result<Output, CommandError> {
        let tenant = self.find_tenant(&set.tenant).await?.record;
        if !set.path.starts_with('/')
            || set.path.contains(['?', '#', ' '])
            || set.path.starts_with("/.portcullis")
        {
            return Err(CommandError::new(
                Kind::Usage,
                format!("{:?} is no path of a backend", set.path),
                "write one such as --path /api/",
            ));
        }
        let route = Route {
            client_cert: set.client_cert,
            service_worker: set.service_worker,
            first_byte_ms_max: set.first_byte_seconds * 1000,
            confirm: set.confirm,
            ..Route::to(&tenant.id, &set.name, &set.path, backend(&set.backend, &self.site.reach)?)
        };
        let entry = Entry::new(actor, Event::RouteSet)
            .tenant(&tenant.id)
            .whom(&route.name)
            .detail("path", &route.path_prefix)
            .detail("backend", &route.backend)
            .detail("confirm", if route.confirm { "yes" } else { "no" });
        self.record(entry, vec![table::put(&route)]).await?;
        let line = format!(
            "{}{} of `{}` goes to {} from now on.",
            tenant.hosts.join(" "),
            route.path_prefix,
            tenant.id,
            route.backend
        );
        Ok(Output::line(shown(&route), line))
    }

    async fn list_routes(&self, tenant: Option<TenantId>) -> Result<Output, CommandError> {
        let prefix = match &tenant {
            Some(id) => table::routes(&self.find_tenant(id).await?.record.id),
            None => table::all::<Route>(),
        };
        let routes: Vec<Route> = self.read_all(&prefix).await?.into_iter().map(|read| read.record).collect();
        let rows: Vec<[String; 5]> = routes
            .iter()
            .map(|route| {
                [
                    route.tenant.to_string(),
                    route.name.clone(),
                    route.path_prefix.clone(),
                    route.backend.clone(),
                    if route.confirm { "yes" } else { "" }.to_owned(),
                ]
            })
            .collect();
        let none = "There is no route yet: `portcullis route set TENANT --backend URL` makes one.";
        let lines = columns(["tenant", "route", "path", "backend", "confirm"], &rows, none);
        Ok(Output::new(json!({ "routes": routes.iter().map(shown).collect::<Vec<_>>() }), lines))
    }
}

fn shown(route: &Route) -> serde_json::Value {
    json!({
        "tenant": route.tenant.as_str(),
        "name": route.name,
        "path": route.path_prefix,
        "backend": route.backend,
        "client_cert": route.client_cert,
        "service_worker": route.service_worker,
        "first_byte_seconds": route.first_byte_ms_max / 1000,
        "confirm": route.confirm,
    })
}

/// A backend that can be read and, by this gate's configuration, reached.
pub(super) fn backend(text: &str, reach: &Reach) -> Result<String, CommandError> {
    let text = text.trim_end_matches('/');
    let checked = Backend::parse(text).and_then(|backend| reach.check(&backend));
    checked.map(|()| text.to_owned()).map_err(|error| {
        CommandError::new(
            Kind::Usage,
            format!("{text:?} cannot be a backend: {error}"),
            "docs/backends.md shows each kind; the simplest is --backend http://127.0.0.1:9000",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_scheme_host_and_port() {
        let backend = |text| backend(text, &Reach::default());
        assert_eq!(backend("http://127.0.0.1:9000/").unwrap(), "http://127.0.0.1:9000");
        assert_eq!(backend("http://app.internal").unwrap(), "http://app.internal");
        assert_eq!(backend("h2c://app.internal:50051").unwrap(), "h2c://app.internal:50051");
        for bad in ["127.0.0.1:9000", "ftp://x", "http://a@b", "http://x/path", "http://x?q", "", "http://"] {
            assert!(backend(bad).is_err(), "{bad}");
        }
        // Whom the gate believes, and which sockets a route may name, the configuration says.
        assert!(backend("https://app.internal").unwrap_err().what.contains("[[backend_tls]]"));
        assert!(backend("unix:/run/app/web.sock").unwrap_err().what.contains("socket_folders"));
    }
}
