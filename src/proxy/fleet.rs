//! All backends of all routes: what the gate knows of them is kept when a route is edited, for those that stay.
//! Also what is told of them to whoever measures.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::balance::BACKENDS_MAX;
use super::destination::Destination;
use super::forward::Proxy;
use super::member::{Member, Standing};
use super::upstream::Backend;
use crate::domain::route::{Route, RouteSet};
use crate::domain::{Reason, TenantId};

/// Backends by route and URL.
#[derive(Default)]
pub(super) struct Fleet(Mutex<HashMap<Whose, HashMap<String, Arc<Member>>>>);

type Whose = (TenantId, String);

/// A tenant's routes as they are used, the one to be asked first first.
struct Destinations(Vec<Arc<Destination>>);

/// A backend, as it is told to whoever measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whose.
    pub tenant: TenantId,
    /// Name of its route.
    pub route: String,
    /// Its URL.
    pub backend: String,
    /// Whether its checks are well; without checks it is taken to be.
    pub well: bool,
    /// Whether it is left alone because it failed.
    pub ejected: bool,
    /// So many requests in a row got no answer by now.
    pub failing: u32,
    /// So long ago the last of them ended.
    pub failed_ago: Duration,
    /// What the last check or request that failed said, where not all is well.
    pub why: Option<String>,
    /// Requests under way.
    pub requests: u32,
    /// Answers so far.
    pub answered: u64,
    /// Requests so far that got none.
    pub failed: u64,
    /// How often it was left alone so far.
    pub ejections: u64,
    /// Checks so far that found it not well.
    pub checks_failed: u64,
}

impl Seen {
    /// Whether it gets requests: its checks are well, and it is not left alone.
    #[must_use]
    pub const fn is_asked(&self) -> bool {
        self.well && !self.ejected
    }
}

impl Proxy {
    /// The route of a request for this path of this host: routes that name the host before those that name none,
    /// the longest prefix first.
    ///
    /// # Errors
    /// [`Reason::NoRoute`] where there is none.
    pub fn destination(
        &self,
        tenant: &TenantId,
        routes: &RouteSet,
        host: &str,
        path: &str,
    ) -> Result<Arc<Destination>, Reason> {
        let host = host.split(':').next().unwrap_or_default();
        let made = routes.made(|routes| self.made(tenant, routes)).ok_or(Reason::Internal)?;
        made.0.iter().find(|one| one.fits(host, path)).cloned().ok_or(Reason::NoRoute)
    }

    /// A tenant's routes as they are used.
    pub(super) fn destinations<'a>(&self, tenant: &TenantId, routes: &'a RouteSet) -> &'a [Arc<Destination>] {
        routes.made(|routes| self.made(tenant, routes)).map_or(&[], |made| &made.0)
    }

    fn made(&self, tenant: &TenantId, routes: &[Arc<Route>]) -> Destinations {
        let mut all: Vec<_> = routes.iter().map(|route| Arc::new(self.prepare(route))).collect();
        all.sort_by_key(|one| (one.hosts.is_empty(), std::cmp::Reverse(one.path_prefix.len())));
        // What no route of the tenant has any more is forgotten, once it has nothing to do.
        self.fleet.members().retain(|(whose, name), members| {
            let route = routes.iter().find(|route| route.name == *name);
            let listed = |url: &String| route.is_some_and(|one| one.backends.iter().any(|at| at.url == *url));
            members.retain(|url, one| {
                whose != tenant || listed(url) || one.in_flight.load(Ordering::Relaxed) > 0
            });
            !members.is_empty()
        });
        Destinations(all)
    }

    /// A route as it is used.
    #[must_use]
    pub fn prepare(&self, route: &Arc<Route>) -> Destination {
        let mut fleet = self.fleet.members();
        let known = fleet.entry((route.tenant.clone(), route.name.clone())).or_default();
        // The first ones of all are there from the start; one that comes later warms up.
        let at = (!known.is_empty()).then(|| self.world.now());
        let mut members: Vec<Arc<Member>> = Vec::with_capacity(route.backends.len());
        for written in route.backends.iter().take(BACKENDS_MAX) {
            let url = written.url.as_str();
            if members.iter().any(|one| one.url == url) {
                continue;
            }
            if let Some(member) = known.get(url) {
                members.push(Arc::clone(member));
                continue;
            }
            match Backend::parse(url) {
                Ok(backend) => {
                    let member = Arc::new(Member::new(backend, url, at));
                    known.insert(url.to_owned(), Arc::clone(&member));
                    members.push(member);
                }
                Err(error) => {
                    let (tenant, route) = (&route.tenant, &route.name);
                    tracing::error!(%tenant, route, backend = url, %error, "correct the route");
                }
            }
        }
        drop(fleet);
        Destination::new(Arc::clone(route), members, &self.settings, self.world.clone())
    }

    /// All backends as they stand.
    #[must_use]
    pub fn backends(&self) -> Vec<Seen> {
        let now = self.world.now();
        let fleet = self.fleet.members();
        let all = fleet.iter().flat_map(|(whose, members)| {
            let lone = members.len() == 1;
            members.values().map(move |one| (whose, one, lone))
        });
        let each = |((tenant, route), one, lone): (&Whose, &Arc<Member>, bool)| {
            let Standing { down, out, failing, failed_at, why } = one.standing(|| now);
            Seen {
                tenant: tenant.clone(),
                route: route.clone(),
                backend: one.url.clone(),
                well: !down,
                // The only one is asked whatever it did before.
                ejected: out && !lone,
                failing,
                failed_ago: now.since(failed_at),
                why,
                requests: one.in_flight.load(Ordering::Relaxed),
                answered: one.counted.answered.load(Ordering::Relaxed),
                failed: one.counted.failed.load(Ordering::Relaxed),
                ejections: one.counted.ejected.load(Ordering::Relaxed),
                checks_failed: one.counted.checks_failed.load(Ordering::Relaxed),
            }
        };
        let mut seen: Vec<Seen> = all.map(each).collect();
        drop(fleet);
        seen.sort_unstable_by(|a, b| {
            (&a.tenant, &a.route, &a.backend).cmp(&(&b.tenant, &b.route, &b.backend))
        });
        seen
    }
}

impl Fleet {
    fn members(&self) -> MutexGuard<'_, HashMap<Whose, HashMap<String, Arc<Member>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
