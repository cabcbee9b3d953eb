//! How the backends are, as the running gate found: where it runs elsewhere, nobody knows.

use super::Check;
use crate::console::command::route::how;
use crate::console::command::{Acts, CommandError};
use crate::domain::route::{Eject, Route};
use crate::proxy::Seen;

impl Acts {
    pub(super) async fn check_backends(&self) -> Result<Vec<Check>, CommandError> {
        let Some(proxy) = self.proxy.get() else { return Ok(Vec::new()) };
        let seen = proxy.backends();
        let of = |route: &Route| -> Vec<&Seen> {
            seen.iter().filter(|one| one.tenant == route.tenant && one.route == route.name).collect()
        };
        Ok(self.all_routes(None).await?.iter().filter_map(|route| check(route, &of(route))).collect())
    }
}

/// `None` where nothing is known to be wrong.
fn check(route: &Route, seen: &[&Seen]) -> Option<Check> {
    let wrong: Vec<String> = seen
        .iter()
        .filter_map(|one| {
            let why = one.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            Some(format!("{}: {}{why}", one.backend, how(one)?))
        })
        .collect();
    if wrong.is_empty() {
        return None;
    }
    let name = format!("route {}/{}", route.tenant, route.name);
    let next = "mend that; requests reach it again by themselves, and `portcullis route list` shows when";
    let found = wrong.join("\n");
    // What nobody asks, and what fails so often that it would not be asked if there were another.
    let often = match route.eject.failures_in_a_row {
        0 => Eject::default().failures_in_a_row,
        often => often,
    };
    let gone = seen.iter().filter(|one| !one.is_asked() || one.failing >= often).count();
    Some(match gone < route.backends.len() {
        true => Check::heed(&name, found, next),
        false => Check::bad(&name, found, next),
    })
}
