//! Where requests go, and how the backends are there: what the running gate found, by its checks and by the requests
//! themselves. Asks no backend anything.

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
        let wrong: Vec<String> = listed.iter().filter_map(|one| told(one)).collect();
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

/// In a word.
fn state(route: &Route, backends: &[&Seen]) -> String {
    let wrong = backends.iter().filter(|one| how(one).is_some()).count();
    let backends = match (wrong, backends.len()) {
        (0, _) => None,
        (1, 1) => Some("down".to_owned()),
        (wrong, all) => Some(format!("{wrong} of {all} down")),
    };
    let closed = route.maintenance.is_some().then(|| "closed".to_owned());
    closed.into_iter().chain(backends).collect::<Vec<_>>().join(", ")
}

/// What is wrong with a backend; `None` where nothing is known to be.
pub(in crate::console::command) fn how(one: &Seen) -> Option<String> {
    match one {
        Seen { well: false, .. } => Some("its checks fail, so it gets no requests".to_owned()),
        Seen { ejected: true, .. } => Some("it failed so often that it is left alone for a while".to_owned()),
        Seen { failing: 1, .. } => Some("the last request got no answer".to_owned()),
        Seen { failing: 0, .. } => None,
        Seen { failing, .. } => Some(format!("the last {failing} requests got no answer")),
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
        "up": how(one).is_none(),
        "how": how(one),
        "why": one.why,
    })
}
