//! Asks backends whether they are well, as their routes say. Decides nothing but that: who gets a request,
//! `destination` does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Uri};
use tokio::task::AbortHandle;

use super::body::Upload;
use super::destination::Destination;
use super::forward::Proxy;
use super::member::Member;
use super::upstream::{Upstream, Want, Whole};
use crate::domain::TenantId;
use crate::domain::route::{Health, HealthKind, RouteSet};

/// What is being asked, by tenant, route and URL.
#[derive(Default)]
pub(super) struct Checks(Mutex<HashMap<(TenantId, String, String), Check>>);

struct Check {
    health: Health,
    member: Arc<Member>,
    task: AbortHandle,
}

impl Drop for Check {
    fn drop(&mut self) {
        self.task.abort();
        self.member.unchecked();
    }
}

impl Proxy {
    /// Takes the routes of all tenants up: each is made ready before its first request, and each backend is asked
    /// from now on as its route says, on this runtime.
    pub fn take_up(&self, all: &[(TenantId, Arc<RouteSet>)]) {
        let mut before = std::mem::take(&mut *self.checks.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut checks = HashMap::new();
        for (tenant, routes) in all {
            for destination in self.destinations(tenant, routes) {
                let Some(health) = &destination.health else { continue };
                for member in destination.members() {
                    let key = (tenant.clone(), destination.name.clone(), member.url.clone());
                    let same = |check: &Check| check.health == *health && Arc::ptr_eq(&check.member, member);
                    let check = match before.remove(&key) {
                        Some(check) if same(&check) => check,
                        _ => self.check(destination, member, health),
                    };
                    checks.insert(key, check);
                }
            }
        }
        drop(before);
        *self.checks.0.lock().unwrap_or_else(PoisonError::into_inner) = checks;
    }

    fn check(&self, destination: &Arc<Destination>, member: &Arc<Member>, health: &Health) -> Check {
        let asking = Asking {
            destination: Arc::clone(destination),
            member: Arc::clone(member),
            health: health.clone(),
            upstream: Arc::clone(&self.upstream),
        };
        let world = self.world.clone();
        // Many backends that are asked from the same moment on are not asked in step for ever.
        let apart = move |interval: u32| {
            Duration::from_millis(u64::from(interval - interval / 10 + world.below(interval / 5 + 1)))
        };
        let task = tokio::spawn(async move {
            loop {
                asking.once().await;
                let interval = u32::try_from(asking.health.interval_ms).unwrap_or(u32::MAX / 2);
                tokio::time::sleep(apart(interval)).await;
            }
        });
        Check { health: health.clone(), member: Arc::clone(member), task: task.abort_handle() }
    }
}

struct Asking {
    destination: Arc<Destination>,
    member: Arc<Member>,
    health: Health,
    upstream: Arc<Upstream>,
}

impl Asking {
    async fn once(&self) {
        let timeout = Duration::from_millis(self.health.timeout_ms);
        let found = tokio::time::timeout(timeout, self.ask()).await;
        let found = found.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        if let Err(why) = &found {
            self.member.because(why);
        }
        let Some(well) = self.member.checked(found.is_ok(), &self.health, self.destination.now()) else {
            return;
        };
        let (tenant, route, backend) = (&self.destination.tenant, &self.destination.name, &self.member.url);
        match (well, found) {
            (false, Err(why)) => {
                tracing::warn!(%tenant, route, backend, why, "a backend's checks failed: it gets no requests");
            }
            _ => tracing::info!(%tenant, route, backend, "a backend's checks are well again"),
        }
    }

    /// Over a connection of its own: one that is kept says little of whether the next can be had.
    async fn ask(&self) -> Result<(), String> {
        let line = self.upstream.connect(&self.member.backend, Want::Fresh).await;
        let line = line.map_err(|error| Whole(&error).to_string())?;
        if self.health.kind == HealthKind::Tcp {
            return Ok(());
        }
        let url: Option<Uri> = self.member.url.parse().ok();
        let host = url.as_ref().and_then(|url| url.authority()).map_or("localhost", |at| at.as_str());
        let mut request = Request::new(Upload::none());
        *request.uri_mut() = self.health.path.parse().map_err(|_| "its path cannot be read".to_owned())?;
        let headers = request.headers_mut();
        headers
            .insert(HOST, HeaderValue::from_str(host).map_err(|_| "its host cannot be written".to_owned())?);
        headers.insert(USER_AGENT, HeaderValue::from_static("portcullis-health"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        match line.status(request).await {
            Ok(status) if (200..400).contains(&status.as_u16()) => Ok(()),
            Ok(status) => Err(format!("it answered {status}")),
            Err(error) => Err(Whole(&*error).to_string()),
        }
    }
}
