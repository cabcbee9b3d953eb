//! Routes: where a tenant's permitted requests go. Judges nobody.

mod apply;
mod list;
mod set;
mod shown;
mod twins;
mod words;
mod written;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::output::Output;
use super::{Acts, CommandError, Kind};
use crate::audit::{Entry, Event};
use crate::domain::TenantId;
use crate::domain::route::{self, Maintenance, Route};
use crate::domain::tenant::Tenant;
use crate::proxy::Reach;
use crate::store::table::{self, Record as _, Stored};

pub(super) use list::how;
pub use set::{Set, Switches};
pub use words::unread;
pub use written::{Seconds, Written, WrittenMaintenance};

/// What to do with routes.
#[derive(Clone, Serialize, Deserialize, clap::Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Say where a tenant's requests go; a route of the same name keeps what no option here names
    Set(Box<Set>),
    /// Show where requests go and, beside a running gate, which backends do not answer and why
    List {
        /// Only this tenant's
        tenant: Option<TenantId>,
    },
    /// Show all of one route, as `apply` takes it
    Show(Which),
    /// Show all routes, as `apply` takes them
    Export {
        /// Only this tenant's
        tenant: Option<TenantId>,
    },
    /// Take a route away
    Remove(Which),
    /// Close a route for maintenance: people are told so, nothing reaches the backend
    Close(Close),
    /// Open a route that was closed
    Open(Which),
    /// Put these routes in force, all or none.
    #[command(skip)]
    Apply {
        /// Name of the file, for messages.
        file: String,
        /// TOML.
        text: String,
    },
    /// The same, from a program.
    #[command(skip)]
    Put(Vec<Written>),
}

/// One route.
#[derive(Clone, Serialize, Deserialize, clap::Args)]
pub struct Which {
    /// Whose
    pub tenant: TenantId,
    /// Its name
    #[arg(default_value = "portal")]
    pub name: String,
}

/// A route, to be closed.
#[derive(Clone, Serialize, Deserialize, clap::Args)]
pub struct Close {
    /// Which.
    #[command(flatten)]
    #[serde(flatten)]
    pub which: Which,
    /// What people are told, in place of the usual words
    #[arg(long, default_value = "")]
    #[serde(default)]
    pub text: String,
    /// When it is likely over: 2036-11-29T02:30:00Z. It stays closed until `route open`
    #[arg(long)]
    pub until: Option<String>,
}

impl Acts {
    pub(super) async fn route(&self, actor: &str, command: Command) -> Result<Output, CommandError> {
        let _alone = self.routes.lock().await;
        match command {
            Command::Set(set) => self.set_route(actor, *set).await,
            Command::List { tenant } => self.list_routes(tenant).await,
            Command::Show(which) => {
                let route = self.find_route(&which).await?.record;
                let written = Written::from(&route);
                let lines = written.toml().lines().map(str::to_owned).collect();
                Ok(Output::new(json!(written), lines))
            }
            Command::Export { tenant } => self.export_routes(tenant).await,
            Command::Remove(which) => self.remove_route(actor, &which).await,
            Command::Close(close) => self.close_route(actor, close).await,
            Command::Open(which) => {
                let found = self.find_route(&which).await?;
                let route = Route { maintenance: None, ..found.record.clone() };
                self.record(told(actor, &route), vec![table::replace(&found, &route)]).await?;
                let line = format!("`{}` of `{}` is open again.", route.name, route.tenant);
                Ok(Output::line(json!(Written::from(&route)), line))
            }
            Command::Apply { file, text } => self.apply_routes(actor, &file, &text).await,
            Command::Put(written) => {
                let each = written.into_iter().map(|one| (String::new(), one)).collect();
                self.put_routes(actor, each).await
            }
        }
    }

    async fn export_routes(&self, tenant: Option<TenantId>) -> Result<Output, CommandError> {
        let routes: Vec<Written> = self.all_routes(tenant).await?.iter().map(Written::from).collect();
        let text = routes.iter().map(Written::toml).collect::<Vec<_>>().join("\n");
        Ok(Output::new(json!({ "routes": routes }), text.lines().map(str::to_owned).collect()))
    }

    async fn remove_route(&self, actor: &str, which: &Which) -> Result<Output, CommandError> {
        let found = self.find_route(which).await?;
        let entry = Entry::new(actor, Event::RouteRemoved)
            .tenant(&found.record.tenant)
            .whom(&found.record.name)
            .detail("path", &found.record.path_prefix);
        self.record(entry, vec![table::delete(found.record.key())]).await?;
        let line = format!("`{}` of `{}` is gone.", which.name, which.tenant);
        Ok(Output::line(json!({ "removed": which }), line))
    }

    async fn close_route(&self, actor: &str, close: Close) -> Result<Output, CommandError> {
        let found = self.find_route(&close.which).await?;
        let closed = WrittenMaintenance { text: close.text, until: close.until };
        let closed: Maintenance = closed.record().map_err(|why| usage(flagged(&why)))?;
        if closed.until.is_some_and(|until| until <= self.now()) {
            return Err(usage("--until is past already: write a moment to come".to_owned()));
        }
        let route = Route { maintenance: Some(closed), ..found.record.clone() };
        self.record(told(actor, &route), vec![table::replace(&found, &route)]).await?;
        let line = format!(
            "`{}` of `{}` is closed until `portcullis route open {} {}`.",
            route.name, route.tenant, route.tenant, route.name
        );
        Ok(Output::line(json!(Written::from(&route)), line))
    }

    fn read_route(&self, tenant: &Tenant, written: Written) -> Result<Route, String> {
        let url = |url: &str| {
            backend(url, &self.site.load().reach).map_err(|error| format!("{}: {}", error.what, error.next))
        };
        written.record(tenant, url)
    }

    pub(super) async fn all_routes(&self, tenant: Option<TenantId>) -> Result<Vec<Route>, CommandError> {
        let prefix = match &tenant {
            Some(id) => table::routes(&self.find_tenant(id).await?.record.id),
            None => table::all::<Route>(),
        };
        Ok(self.read_all(&prefix).await?.into_iter().map(|read| read.record).collect())
    }

    async fn find_route(&self, which: &Which) -> Result<Stored<Route>, CommandError> {
        self.find_tenant(&which.tenant).await?;
        self.read(&table::route(&which.tenant, &which.name)).await?.ok_or_else(|| {
            CommandError::new(
                Kind::NotFound,
                format!("`{}` has no route {:?}", which.tenant, which.name),
                "see `portcullis route list`",
            )
        })
    }
}

fn told(actor: &str, route: &Route) -> Entry {
    let yes = |is: bool| if is { "yes" } else { "no" };
    let mut entry = Entry::new(actor, Event::RouteSet)
        .tenant(&route.tenant)
        .whom(&route.name)
        .detail("path", &route.path_prefix)
        .detail("backend", urls(route))
        .detail("confirm", yes(route.confirm));
    if !route.hosts.is_empty() {
        entry = entry.detail("hosts", route.hosts.join(" "));
    }
    if let Some(rewrite) = &route.rewrite {
        entry = entry.detail("rewrite", rewrite);
    }
    if route.maintenance.is_some() {
        entry = entry.detail("maintenance", "yes");
    }
    entry.detail("whole", whole(route))
}

/// All of a route, as a file of routes says it: what the trail tells of it leaves nothing out.
fn whole(route: &Route) -> String {
    serde_json::to_string(&Written::from(route)).unwrap_or_default()
}

fn urls(route: &Route) -> String {
    let each = |one: &route::Backend| {
        if one.weight == 1 { one.url.clone() } else { format!("{} (weight {})", one.url, one.weight) }
    };
    route.backends.iter().map(each).collect::<Vec<_>>().join(", ")
}

/// What a change does to a route that is closed, behind what else it does.
fn closing(was: Option<&Route>, is: &Route) -> String {
    let was = was.is_some_and(|was| was.maintenance.is_some());
    let open = format!("`portcullis route open {} {}`", is.tenant, is.name);
    match (was, is.maintenance.is_some()) {
        (false, false) => String::new(),
        (true, false) => "; it was closed, and is open now".to_owned(),
        (false, true) => format!("; it is closed until {open}"),
        (true, true) => format!("; it is still closed until {open}"),
    }
}

/// What is wrong with a field, by the name of the flag that it was typed behind.
fn flagged(why: &str) -> String {
    match why.strip_prefix("maintenance.").unwrap_or(why).split_once(": ") {
        Some(("backends" | "backend", rest)) => format!("--backend: {rest}"),
        Some(("hosts", rest)) => format!("--host: {rest}"),
        Some((field, rest)) if field.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') => {
            format!("--{}: {rest}", field.replace('_', "-"))
        }
        _ => why.to_owned(),
    }
}

fn usage(why: String) -> CommandError {
    CommandError::new(Kind::Usage, why, "correct it and repeat the command")
}

/// A backend that can be read and, by this gate's configuration, reached.
pub(super) fn backend(text: &str, reach: &Reach) -> Result<String, CommandError> {
    let text = text.trim_end_matches('/');
    reach.admit(text).map(|()| text.to_owned()).map_err(|error| {
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
