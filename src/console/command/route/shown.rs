//! A route that is kept, as people and programs write it. What is shown is applied as it was.

use std::fmt::Write as _;

use super::written::{Seconds, Written, WrittenBackend, WrittenEject, WrittenHealth, WrittenMaintenance};
use crate::domain::route::{Backend, HealthKind, Route};

impl Written {
    /// As a table of a file, without what is usual.
    #[must_use]
    pub fn toml(&self) -> String {
        let mut text = "[[route]]\n".to_owned();
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let list = |all: &[String]| all.iter().map(|one| quoted(one)).collect::<Vec<_>>().join(", ");
        let mut line = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                // A String takes it.
                let _ = writeln!(text, "{key} = {value}");
            }
        };
        let yes = |is: bool| is.then(|| "true".to_owned());
        let seconds = |seconds: Seconds| (!seconds.is_none()).then(|| serde_json::json!(seconds).to_string());
        let number = |number: u32| (number > 0).then(|| number.to_string());
        line("tenant", Some(quoted(self.tenant.as_str())));
        line("name", Some(quoted(&self.name)));
        line("hosts", (!self.hosts.is_empty()).then(|| format!("[{}]", list(&self.hosts))));
        line("path", Some(quoted(&self.path)));
        line("rewrite", self.rewrite.as_deref().map(quoted));
        line("backend", self.backend.as_deref().map(quoted));
        let each = |one: &WrittenBackend| {
            format!("\n    {{ url = {}, weight = {} }},", quoted(&one.url), one.weight)
        };
        let backends = self.backends.iter().map(each).collect::<String>();
        line("backends", (!backends.is_empty()).then(|| format!("[{backends}\n]")));
        line("client_cert", yes(self.client_cert));
        line("service_worker", yes(self.service_worker));
        line("confirm", yes(self.confirm));
        line("sticky", yes(self.sticky));
        line("slow_start_seconds", number(self.slow_start_seconds));
        line("connect_seconds", seconds(self.connect_seconds));
        line("first_byte_seconds", seconds(self.first_byte_seconds));
        line("idle_seconds", seconds(self.idle_seconds));
        line("total_seconds", seconds(self.total_seconds));
        line("requests_max", number(self.requests_max));
        line("eject.failures_in_a_row", Some(self.eject.failures_in_a_row.to_string()));
        line("eject.for_seconds", Some(self.eject.for_seconds.to_string()));
        if let Some(health) = &self.health {
            let kind = if health.kind == HealthKind::Http { "http" } else { "tcp" };
            line("health.kind", Some(quoted(kind)));
            line("health.path", health.path.as_deref().map(quoted));
            line("health.interval_seconds", seconds(health.interval_seconds));
            line("health.timeout_seconds", seconds(health.timeout_seconds));
            line("health.healthy_after", number(health.healthy_after));
            line("health.unhealthy_after", number(health.unhealthy_after));
        }
        if let Some(closed) = &self.maintenance {
            line("maintenance.text", Some(quoted(&closed.text)));
            line("maintenance.until", closed.until.as_deref().map(quoted));
        }
        text
    }
}

impl From<&Route> for Written {
    fn from(route: &Route) -> Self {
        let (backend, backends) = match route.backends.as_slice() {
            [only] if only.weight == 1 => (Some(only.url.clone()), vec![]),
            several => {
                let each = |one: &Backend| WrittenBackend { url: one.url.clone(), weight: one.weight };
                (None, several.iter().map(each).collect())
            }
        };
        Self {
            tenant: route.tenant.clone(),
            name: route.name.clone(),
            hosts: route.hosts.clone(),
            path: route.path_prefix.clone(),
            rewrite: route.rewrite.clone(),
            backend,
            backends,
            client_cert: route.client_cert,
            service_worker: route.service_worker,
            confirm: route.confirm,
            sticky: route.sticky,
            health: route.health.as_ref().map(|health| WrittenHealth {
                kind: health.kind,
                path: (health.kind == HealthKind::Http).then(|| health.path.clone()),
                interval_seconds: Seconds(health.interval_ms),
                timeout_seconds: Seconds(health.timeout_ms),
                healthy_after: health.healthy_after,
                unhealthy_after: health.unhealthy_after,
            }),
            eject: WrittenEject {
                failures_in_a_row: route.eject.failures_in_a_row,
                for_seconds: route.eject.for_seconds,
            },
            slow_start_seconds: route.slow_start_seconds,
            connect_seconds: Seconds(route.connect_ms_max),
            first_byte_seconds: Seconds(route.first_byte_ms_max),
            idle_seconds: Seconds(route.idle_ms_max),
            total_seconds: Seconds(route.total_ms_max),
            requests_max: route.requests_max,
            maintenance: route.maintenance.as_ref().map(|closed| WrittenMaintenance {
                text: closed.text.clone(),
                until: closed.until.map(|until| until.to_string()),
            }),
        }
    }
}
