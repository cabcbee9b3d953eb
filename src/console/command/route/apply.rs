//! Several routes at once, from a file or from a program: all or none.

use serde::Deserialize;
use serde_json::json;

use super::words::plainly;
use super::{Written, closing, told, urls, whole};
use crate::audit::Entry;
use crate::console::command::output::Output;
use crate::console::command::{Acts, CommandError, Kind};
use crate::domain::route::Route;
use crate::store::Write;
use crate::store::table::{self, Stored};

/// A file of routes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    route: Vec<toml::Spanned<Written>>,
}

impl Acts {
    pub(super) async fn apply_routes(
        &self,
        actor: &str,
        file: &str,
        text: &str,
    ) -> Result<Output, CommandError> {
        let parsed: File = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let what = format!("{file}:{}: {}", line_of(text, at), plainly(error.message(), text, at));
            CommandError::new(Kind::Usage, what, "nothing was applied; correct it and repeat the command")
        })?;
        if parsed.route.is_empty() {
            return Err(CommandError::new(
                Kind::Usage,
                format!("no routes in {file}: nothing was applied"),
                "write a [[route]] for each: docs/routes.md shows one, and `portcullis route export` those in force",
            ));
        }
        let each = parsed
            .route
            .into_iter()
            .map(|one| (format!("{file}:{}: ", line_of(text, one.span().start)), one.into_inner()));
        self.put_routes(actor, each.collect()).await
    }

    /// Each with where it stands, for messages.
    pub(super) async fn put_routes(
        &self,
        actor: &str,
        all: Vec<(String, Written)>,
    ) -> Result<Output, CommandError> {
        let (mut faults, mut routes, mut places) = (Vec::new(), Vec::<Route>::new(), Vec::new());
        for (at, written) in all {
            let name = written.name.clone();
            let tenant = self.find_tenant(&written.tenant).await.map_err(|error| {
                let next = format!("nothing was applied; {}", error.next);
                CommandError::new(error.kind, format!("{at}route {name:?}: {}", error.what), next)
            })?;
            let tenant = tenant.record;
            match self.read_route(&tenant, written) {
                Ok(route)
                    if routes.iter().any(|one| (&one.tenant, &one.name) == (&route.tenant, &route.name)) =>
                {
                    faults.push(format!("{at}route {name:?} stands there twice"));
                }
                Ok(route) => {
                    routes.push(route);
                    places.push(at);
                }
                Err(why) => faults.push(format!("{at}route {name:?}: {why}")),
            }
        }
        if faults.is_empty() {
            faults = self.twins(&routes, &places).await?;
        }
        if !faults.is_empty() {
            return Err(CommandError::new(
                Kind::Usage,
                faults.join("\n"),
                "nothing was applied; correct it and repeat the command",
            ));
        }
        let (mut lines, mut writes) = (Vec::new(), Vec::<Write>::new());
        let mut entry: Option<Entry> = None;
        for route in &routes {
            let before: Option<Stored<Route>> = self.read(&table::route(&route.tenant, &route.name)).await?;
            if before.as_ref().is_some_and(|read| read.record == *route) {
                lines.push(format!("`{}` of `{}` is so already.", route.name, route.tenant));
                continue;
            }
            lines.push(format!(
                "`{}` of `{}` goes to {} from now on{}.",
                route.name,
                route.tenant,
                urls(route),
                closing(before.as_ref().map(|read| &read.record), route)
            ));
            let label = format!("{}/{}", route.tenant, route.name);
            entry = Some(match entry {
                None => told(actor, route),
                Some(entry) => entry.detail(&label, whole(route)),
            });
            writes.push(match &before {
                Some(read) => table::replace(read, route),
                None => table::create(route),
            });
        }
        if let Some(entry) = entry {
            self.record(entry, writes).await?;
        }
        Ok(Output::new(json!({ "routes": routes.iter().map(Written::from).collect::<Vec<_>>() }), lines))
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}
