//! Where requests go, and how the backends are there: what the running gate found, by its checks and by the requests
//! themselves. Asks no backend anything.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Written, urls};
use crate::console::command::output::{Output, columns};
use crate::console::command::{Acts, CommandError};
use crate::domain::TenantId;
use crate::domain::route::Route;
use crate::proxy::Seen;

impl Acts {
    pub(super) async fn list_routes(&self, tenant: Option<TenantId>) -> Result<Output, CommandError> {
        let routes = self.all_routes(tenant).await?;
        // Where no gate runs nobody knows.
        let seen = self.proxy.get().map(|proxy| proxy.backends());
        let of = |route: &Route| -> Vec<&Seen> {
            let all = seen.iter().flatten();
            all.filter(|one| one.tenant == route.tenant && one.route == route.name).collect()
        };
        let rows: Vec<[String; 6]> = routes
            .iter()
            .map(|route| {
                [
                    route.tenant.to_string(),
                    route.name.clone(),
                    format!("{}{}", route.hosts.join(" "), route.path_prefix),
                    urls(route),
                    if route.confirm { "yes" } else { "" }.to_owned(),
                    state(route, &of(route)),
                ]
            })
            .collect();
        let none = "There is no route yet: `portcullis route set TENANT --backend URL` makes one.";
        let mut lines = columns(["tenant", "route", "path", "backend", "confirm", "state"], &rows, none);
        let listed: Vec<&Seen> = routes.iter().flat_map(of).collect();
        let dead = routes.iter().flat_map(|route| self.dead_ends_of(route)).map(|dead| dead.to_string());
        let wrong: Vec<String> = listed.iter().filter_map(|one| told(one)).chain(dead).collect();
        if !wrong.is_empty() {
            lines.push(String::new());
            lines.extend(wrong);
        }
        let mut shown = json!({ "routes": routes.iter().map(Written::from).collect::<Vec<_>>() });
        if seen.is_some() {
            shown["backends"] = listed.into_iter().map(json_of).collect();
        }
        Ok(Output::new(shown, lines))
    }
}

/// In a word: what the gate makes of its backends, and not only of their last request.
fn state(route: &Route, backends: &[&Seen]) -> String {
    let closed = route.maintenance.is_some().then(|| "closed".to_owned());
    let words = match backends {
        [Seen { well: false, .. }] => vec!["down".to_owned()],
        [Seen { ejected: true, .. }] => vec!["left alone".to_owned()],
        [Seen { failing: 1, .. }] => vec!["last request failed".to_owned()],
        [Seen { failing: failing @ 2.., .. }] => vec![format!("last {failing} requests failed")],
        several => {
            let all = several.len();
            let of = |word: &str, is: &dyn Fn(&Seen) -> bool| {
                let count = several.iter().filter(|one| is(one)).count();
                (count > 0).then(|| format!("{count} of {all} {word}"))
            };
            let down = of("down", &|one| !one.well);
            let alone = of("left alone", &|one| one.well && one.ejected);
            let failed = of("failed last", &|one| one.is_asked() && one.failing > 0);
            [down, alone, failed].into_iter().flatten().collect()
        }
    };
    closed.into_iter().chain(words).collect::<Vec<_>>().join(", ")
}

/// What is wrong with a backend; `None` where nothing is known to be.
pub(in crate::console::command) fn how(one: &Seen) -> Option<String> {
    let ago = ago(one.failed_ago);
    match one {
        Seen { well: false, .. } => Some("its checks fail, so it gets no requests".to_owned()),
        Seen { ejected: true, .. } => Some("it failed so often that it is left alone for a while".to_owned()),
        Seen { failing: 0, .. } => None,
        Seen { failing: 1, .. } => Some(format!("the last request failed ({ago} ago)")),
        Seen { failing, .. } => Some(format!("the last {failing} requests failed (the last one {ago} ago)")),
    }
}

fn ago(passed: Duration) -> String {
    match passed.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

fn told(one: &Seen) -> Option<String> {
    let (how, Seen { tenant, route, backend, .. }) = (how(one)?, one);
    let why = one.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    Some(format!("{backend} of `{route}` of `{tenant}`: {how}{why}"))
}

fn json_of(one: &Seen) -> Value {
    json!({
        "tenant": one.tenant,
        "route": one.route,
        "backend": one.backend,
        "up": one.is_asked(),
        "how": how(one),
        "why": one.why,
    })
}
