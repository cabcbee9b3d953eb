//! One route, as it is typed: what is named is so from now on, all else stays as it was.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::written::{Seconds, Written, WrittenBackend};
use super::{closing, flagged, told, urls, usage};
use crate::console::command::output::Output;
use crate::console::command::{Acts, CommandError, Kind};
use crate::domain::TenantId;
use crate::domain::route::Route;
use crate::store::table;

/// A route, new or changed.
#[derive(Clone, Serialize, Deserialize, clap::Args)]
pub struct Set {
    /// Whose
    pub tenant: TenantId,
    /// Where they go: http://127.0.0.1:9000; may be repeated. A new route needs one
    #[arg(long = "backend", value_name = "BACKEND")]
    #[serde(default)]
    pub backends: Vec<String>,
    /// Name, for logs
    #[arg(long, default_value = "portal")]
    pub name: String,
    /// Only for this host of the tenant; may be repeated
    #[arg(long = "host", value_name = "HOST", overrides_with = "no_host")]
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Paths below this go there, by whole segments; of several the longest wins [of a new one: /]
    #[arg(long)]
    #[serde(default)]
    pub path: Option<String>,
    /// What the backend sees in place of --path
    #[arg(long, value_name = "PATH", overrides_with = "no_rewrite")]
    #[serde(default)]
    pub rewrite: Option<String>,
    /// What is so or is not.
    #[command(flatten)]
    #[serde(default, flatten)]
    pub switches: Switches,
    /// Longest wait for the first byte of an answer [of a new one: 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    #[serde(default)]
    pub first_byte_seconds: Option<u64>,
}

/// What is so or is not. Of a pair the one that is typed last counts.
#[derive(Clone, Default, Serialize, Deserialize, clap::Args)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag, as it is typed")]
pub struct Switches {
    /// For all hosts of the tenant, as a new route is
    #[arg(long, overrides_with = "hosts")]
    pub no_host: bool,
    /// The backend sees the path as it came, as with a new route
    #[arg(long, overrides_with = "rewrite")]
    pub no_rewrite: bool,
    /// All requests of a session go to the same backend
    #[arg(long, overrides_with = "no_sticky")]
    pub sticky: bool,
    /// They go to whichever has the least to do, as with a new route
    #[arg(long, overrides_with = "sticky")]
    pub no_sticky: bool,
    /// Hand the certificate on in the Client-Cert header (RFC 9440)
    #[arg(long, overrides_with = "no_client_cert")]
    pub client_cert: bool,
    /// Do not, as with a new route
    #[arg(long, overrides_with = "client_cert")]
    pub no_client_cert: bool,
    /// Let the backend register a service worker
    #[arg(long, overrides_with = "no_service_worker")]
    pub service_worker: bool,
    /// Do not, as with a new route
    #[arg(long, overrides_with = "service_worker")]
    pub no_service_worker: bool,
    /// Keep requests (256 KiB at most), so that the backend may have them confirmed on the phone by a 428
    #[arg(long, overrides_with = "no_confirm")]
    pub confirm: bool,
    /// Do not, as with a new route: a 428 passes through
    #[arg(long, overrides_with = "confirm")]
    pub no_confirm: bool,
}

impl Set {
    /// Of this name, with nothing said of it yet.
    #[must_use]
    pub fn of(tenant: TenantId, name: String) -> Self {
        Self {
            tenant,
            backends: vec![],
            name,
            hosts: vec![],
            path: None,
            rewrite: None,
            switches: Switches::default(),
            first_byte_seconds: None,
        }
    }

    /// What stands here laid over what was.
    fn over(self, was: Written) -> Written {
        let turned = |on: bool, off: bool, was: bool| on || (was && !off);
        let Self { backends, hosts, path, rewrite, switches: flags, first_byte_seconds, .. } = self;
        let named: Vec<WrittenBackend> =
            backends.into_iter().map(|url| WrittenBackend { url, weight: 1 }).collect();
        let (backend, backends) = if named.is_empty() { (was.backend, was.backends) } else { (None, named) };
        Written {
            hosts: if hosts.is_empty() && !flags.no_host { was.hosts } else { hosts },
            path: path.unwrap_or(was.path),
            rewrite: rewrite.or(was.rewrite.filter(|_| !flags.no_rewrite)),
            backend,
            backends,
            sticky: turned(flags.sticky, flags.no_sticky, was.sticky),
            client_cert: turned(flags.client_cert, flags.no_client_cert, was.client_cert),
            service_worker: turned(flags.service_worker, flags.no_service_worker, was.service_worker),
            confirm: turned(flags.confirm, flags.no_confirm, was.confirm),
            first_byte_seconds: first_byte_seconds
                .map_or(was.first_byte_seconds, |secs| Seconds(secs * 1000)),
            ..was
        }
    }
}

impl Acts {
    pub(super) async fn set_route(&self, actor: &str, set: Set) -> Result<Output, CommandError> {
        let tenant = self.find_tenant(&set.tenant).await?.record;
        let before = self.read::<Route>(&table::route(&tenant.id, &set.name)).await?;
        let before = before.map(|read| read.record);
        if before.is_none() && set.backends.is_empty() {
            return Err(self.not_yet(&set).await?);
        }
        let usual = || Written { backend: None, ..Written::from(&Route::to(&tenant.id, &set.name, "/", "")) };
        let was = before.as_ref().map_or_else(usual, Written::from);
        let mut route = self.read_route(&tenant, set.over(was)).map_err(|why| usage(flagged(&why)))?;
        for backend in &mut route.backends {
            let known =
                before.iter().flat_map(|before| &before.backends).find(|known| known.url == backend.url);
            backend.weight = known.map_or(1, |known| known.weight);
        }
        if let Some(fault) = self.twins(std::slice::from_ref(&route), &[]).await?.pop() {
            return Err(usage(fault));
        }
        self.record(told(actor, &route), vec![table::put(&route)]).await?;
        let line = format!(
            "{}{} of `{}` goes to {} from now on{}.",
            if route.hosts.is_empty() { tenant.hosts.join(" ") } else { route.hosts.join(" ") },
            route.path_prefix,
            tenant.id,
            urls(&route),
            closing(before.as_ref(), &route)
        );
        Ok(Output::line(json!(Written::from(&route)), line))
    }

    /// Rather a slip in the name of one that is there than a new one.
    async fn not_yet(&self, set: &Set) -> Result<CommandError, CommandError> {
        let there = self.all_routes(Some(set.tenant.clone())).await?;
        let what = format!("`{}` has no route {:?} yet; a new one needs --backend", set.tenant, set.name);
        let next = match there.iter().map(|route| route.name.as_str()).collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "add --backend http://127.0.0.1:9000".to_owned(),
            names => format!("there are {names}"),
        };
        Ok(CommandError::new(Kind::Usage, what, next))
    }
}
