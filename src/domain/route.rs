//! Routes and rules of a tenant, as the store keeps them.

use std::any::Any;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize};

use super::{TenantId, Time};

/// Where a tenant's requests go once they are permitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Whose door.
    pub tenant: TenantId,
    /// Name, for logs: "portal".
    pub name: String,
    /// Hosts of the door that it is for; none: any.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Paths below this go here; the longest prefix wins.
    pub path_prefix: String,
    /// What the backend sees in place of the prefix. Rules see the path as it came.
    #[serde(default)]
    pub rewrite: Option<String>,
    /// Where they go. Once there was one, which was written as its URL alone.
    #[serde(alias = "backend", deserialize_with = "one_or_many")]
    pub backends: Vec<Backend>,
    /// Whether the backend gets `Client-Cert` (RFC 9440).
    pub client_cert: bool,
    /// Whether the backend may register a service worker.
    pub service_worker: bool,
    /// Whether requests are kept, so that the backend may have them confirmed on the phone.
    #[serde(default)]
    pub confirm: bool,
    /// Whether all requests of a session go to the same backend, as long as it is there.
    #[serde(default)]
    pub sticky: bool,
    /// How backends are asked whether they are well.
    #[serde(default)]
    pub health: Option<Health>,
    /// When a backend that fails is left alone for a while.
    #[serde(default)]
    pub eject: Eject,
    /// So long a backend that comes back takes less than its share, in seconds.
    #[serde(default)]
    pub slow_start_seconds: u32,
    /// Longest wait for a connection, in milliseconds; 0: as usual.
    #[serde(default)]
    pub connect_ms_max: u64,
    /// Longest wait for the first byte of an answer, in milliseconds; 0: as usual.
    pub first_byte_ms_max: u64,
    /// Longest silence inside a body or a tunnel, in milliseconds; 0: as usual.
    #[serde(default)]
    pub idle_ms_max: u64,
    /// Longest time from the request to the last byte of its answer, in milliseconds; 0: without end.
    #[serde(default)]
    pub total_ms_max: u64,
    /// Most requests under way at each backend; 0: without end.
    #[serde(default)]
    pub requests_max: u32,
    /// Closed on purpose.
    #[serde(default)]
    pub maintenance: Option<Maintenance>,
}

/// One of a route's backends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// `http://127.0.0.1:9000`.
    pub url: String,
    /// Its share, beside the others' weights; 0 takes nothing new.
    pub weight: u32,
}

/// How a backend is asked whether it is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// By what.
    pub kind: HealthKind,
    /// What is fetched, by HTTP.
    pub path: String,
    /// How often, in milliseconds.
    pub interval_ms: u64,
    /// Longest wait for an answer, in milliseconds.
    pub timeout_ms: u64,
    /// So many good answers in a row take it in again.
    pub healthy_after: u32,
    /// So many bad ones in a row take it out.
    pub unhealthy_after: u32,
}

/// By what a backend shows that it is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthKind {
    /// An answer to GET, of status 200 to 399.
    Http,
    /// A connection that opens.
    Tcp,
}

/// When a backend that fails is left alone: longer each time that it fails again, and never more than half of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eject {
    /// After so many failures in a row; 0: never.
    pub failures_in_a_row: u32,
    /// For so long, the first time.
    pub for_seconds: u32,
}

impl Default for Eject {
    fn default() -> Self {
        Self { failures_in_a_row: 5, for_seconds: 10 }
    }
}

/// Closed on purpose, until it is opened again by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// What people are told; empty: the usual words.
    pub text: String,
    /// When it is likely over, as people are told.
    pub until: Option<Time>,
}

impl Route {
    /// A route to one backend, with what is usual.
    #[must_use]
    pub fn to(tenant: &TenantId, name: &str, path_prefix: &str, backend: impl Into<String>) -> Self {
        Self {
            tenant: tenant.clone(),
            name: name.to_owned(),
            hosts: vec![],
            path_prefix: path_prefix.to_owned(),
            rewrite: None,
            backends: vec![Backend::at(backend)],
            client_cert: false,
            service_worker: false,
            confirm: false,
            sticky: false,
            health: None,
            eject: Eject::default(),
            slow_start_seconds: 0,
            connect_ms_max: 0,
            first_byte_ms_max: 60_000,
            idle_ms_max: 0,
            total_ms_max: 0,
            requests_max: 0,
            maintenance: None,
        }
    }

    /// Whether a request for this path of this host (no port) is its. A prefix without a slash at its end
    /// stands for whole segments: `/app` is for `/app` and `/app/x`, not for `/apple`.
    #[must_use]
    pub fn fits(&self, host: &str, path: &str) -> bool {
        let rest = path.strip_prefix(self.path_prefix.as_str());
        let below = rest
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || self.path_prefix.ends_with('/'));
        below && (self.hosts.is_empty() || self.hosts.iter().any(|one| one == host))
    }

    /// The path as the backend is to see it, where it is another one than came.
    #[must_use]
    pub fn rewritten(&self, path: &str) -> Option<String> {
        let begin = self.rewrite.as_deref()?.trim_end_matches('/');
        let rest = path.strip_prefix(self.path_prefix.trim_end_matches('/')).unwrap_or(path);
        Some(if begin.is_empty() && rest.is_empty() { "/".to_owned() } else { format!("{begin}{rest}") })
    }
}

impl Backend {
    /// One with the usual weight.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), weight: 1 }
    }
}

/// A tenant's routes, with room for what whoever uses them makes of them once for all requests.
#[derive(Default)]
pub struct RouteSet {
    routes: Vec<Arc<Route>>,
    made: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl RouteSet {
    /// Of these, by name.
    #[must_use]
    pub fn of(routes: Vec<Arc<Route>>) -> Self {
        Self { routes, made: OnceLock::new() }
    }

    /// What `make` makes of them, made once. None where somebody made something else of them before.
    pub fn made<T: Any + Send + Sync>(&self, make: impl FnOnce(&[Arc<Route>]) -> T) -> Option<&T> {
        self.made.get_or_init(|| Box::new(make(&self.routes))).downcast_ref()
    }
}

impl Deref for RouteSet {
    type Target = [Arc<Route>];

    fn deref(&self) -> &Self::Target {
        &self.routes
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Backend>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        One(String),
        Many(Vec<Backend>),
    }
    Ok(match Written::deserialize(from)? {
        Written::One(url) => vec![Backend::at(url)],
        Written::Many(backends) => backends,
    })
}

/// The rules of a tenant: the text that was applied, kept with its revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Whose.
    pub tenant: TenantId,
    /// File name it came from, for messages.
    pub file: String,
    /// TOML.
    pub text: String,
    /// Counts up with each change.
    pub revision: u64,
    /// Who applied it (an actor as in the audit trail).
    pub applied_by: String,
    /// When.
    pub applied: Time,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(prefix: &str, rewrite: Option<&str>) -> Route {
        let bank = TenantId::parse("bank").unwrap();
        Route {
            rewrite: rewrite.map(str::to_owned),
            ..Route::to(&bank, "portal", prefix, "http://127.0.0.1:1")
        }
    }

    #[test]
    fn a_prefix_stands_for_whole_segments() {
        for (prefix, fits, not) in [
            ("/", &["/", "/x", "/x/y"][..], &[][..]),
            ("/app", &["/app", "/app/", "/app/x"], &["/apple", "/ap", "/", "/App", "/x/app"]),
            ("/app/", &["/app/", "/app/x"], &["/app", "/apple/"]),
        ] {
            for path in fits {
                assert!(route(prefix, None).fits("bank.example", path), "{prefix} {path}");
            }
            for path in not {
                assert!(!route(prefix, None).fits("bank.example", path), "{prefix} {path}");
            }
        }
        let of_one = Route { hosts: vec!["bank.example".into()], ..route("/", None) };
        assert!(of_one.fits("bank.example", "/x"));
        assert!(!of_one.fits("other.example", "/x") && !of_one.fits("bank.example.", "/x"));
    }

    #[test]
    fn a_prefix_is_replaced_without_doubling_or_losing_a_slash() {
        for (prefix, rewrite, path, seen) in [
            ("/app", "/", "/app", "/"),
            ("/app", "/", "/app/", "/"),
            ("/app", "/", "/app/x", "/x"),
            ("/app/", "/", "/app/x", "/x"),
            ("/app/", "/", "/app/", "/"),
            ("/app", "/new", "/app", "/new"),
            ("/app", "/new", "/app/x/y", "/new/x/y"),
            ("/app/", "/new/", "/app/x", "/new/x"),
            ("/app", "/new/", "/app", "/new"),
            ("/", "/new", "/", "/new/"),
            ("/", "/new", "/x", "/new/x"),
        ] {
            let told = route(prefix, Some(rewrite)).rewritten(path);
            assert_eq!(told.as_deref(), Some(seen), "{prefix} -> {rewrite}: {path}");
        }
        assert_eq!(route("/app", None).rewritten("/app/x"), None);
    }

    #[test]
    fn what_is_made_of_a_set_is_made_once() {
        let set = RouteSet::of(vec![Arc::new(route("/", None))]);
        assert_eq!(set.made(<[_]>::len), Some(&1));
        assert_eq!(set.made(|_| 7_usize), Some(&1));
        assert_eq!(set.made(|_| "another kind"), None);
    }
}
