//! A route as people and programs write it: a table of a TOML file, an object of JSON. Becomes a record once it is
//! sound, and a record becomes it again. Reads no store.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::route::{Backend, Eject, Health, HealthKind, Maintenance, Route};
use crate::domain::tenant::Tenant;
use crate::domain::{TenantId, Time};
use crate::policy::path::canonical;

/// A route, as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Whose.
    pub tenant: TenantId,
    /// Name, for logs. None is usual: a file that left it out would take the place of the route of that name.
    pub name: String,
    /// Hosts of the door; none: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Paths below it go there.
    #[serde(default = "usual_path")]
    pub path: String,
    /// What takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<String>,
    /// The one backend, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Or several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backends: Vec<WrittenBackend>,
    /// Whether the backend gets the certificate.
    #[serde(default)]
    pub client_cert: bool,
    /// Whether it may register a service worker.
    #[serde(default)]
    pub service_worker: bool,
    /// Whether it may have requests confirmed.
    #[serde(default)]
    pub confirm: bool,
    /// Whether a session stays with a backend.
    #[serde(default)]
    pub sticky: bool,
    /// How backends are asked how they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<WrittenHealth>,
    /// When they are left alone.
    #[serde(default)]
    pub eject: WrittenEject,
    /// How long they warm up.
    #[serde(default, skip_serializing_if = "is_nought")]
    pub slow_start_seconds: u32,
    /// For a connection.
    #[serde(default, skip_serializing_if = "Seconds::is_none")]
    pub connect_seconds: Seconds,
    /// For the first byte.
    #[serde(default = "usual_first_byte", skip_serializing_if = "Seconds::is_none")]
    pub first_byte_seconds: Seconds,
    /// For the next.
    #[serde(default, skip_serializing_if = "Seconds::is_none")]
    pub idle_seconds: Seconds,
    /// For all.
    #[serde(default, skip_serializing_if = "Seconds::is_none")]
    pub total_seconds: Seconds,
    /// Under way at each backend.
    #[serde(default, skip_serializing_if = "is_nought")]
    pub requests_max: u32,
    /// Closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<WrittenMaintenance>,
}

/// One of several backends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenBackend {
    /// Where.
    pub url: String,
    /// Its share.
    #[serde(default = "one")]
    pub weight: u32,
}

/// How backends are asked how they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenHealth {
    /// `http` or `tcp`.
    pub kind: HealthKind,
    /// What is fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How often.
    #[serde(default = "usual_interval")]
    pub interval_seconds: Seconds,
    /// How long each may take.
    #[serde(default = "usual_timeout")]
    pub timeout_seconds: Seconds,
    /// So many good ones take it in.
    #[serde(default = "two")]
    pub healthy_after: u32,
    /// So many bad ones take it out.
    #[serde(default = "three")]
    pub unhealthy_after: u32,
}

/// When backends are left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenEject {
    /// After so many failures; 0: never.
    pub failures_in_a_row: u32,
    /// For so long.
    pub for_seconds: u32,
}

/// Closed on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenMaintenance {
    /// What people are told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// When it is likely over: `2036-11-29T02:30:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// Milliseconds, written as seconds: `2`, `0.5`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seconds(pub u64);

impl Seconds {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
    pub(super) const fn is_none(&self) -> bool {
        self.0 == 0
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1000) {
            return to.serialize_u64(self.0 / 1000);
        }
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        to.serialize_f64(self.0 as f64 / 1000.0)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(from)?;
        // None is what a key that is left out stands for.
        if !(SECONDS_MIN..=SECONDS_MAX).contains(&seconds) {
            return Err(serde::de::Error::custom(
                "write seconds between 0.001 and 86400, such as 2 or 0.5; left out it is the gate's own",
            ));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
        Ok(Self((seconds * 1000.0).round() as u64))
    }
}

impl Default for WrittenEject {
    fn default() -> Self {
        let Eject { failures_in_a_row, for_seconds } = Eject::default();
        Self { failures_in_a_row, for_seconds }
    }
}

impl Written {
    /// As it is kept. `backend` reads a backend's URL.
    ///
    /// # Errors
    /// What is wrong, the field first.
    pub fn record(
        self,
        tenant: &Tenant,
        backend: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Route, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || self.name.len() > NAME_CHARS_MAX || !self.name.chars().all(plain) {
            return Err("name: write at most 64 letters, digits, - and _".to_owned());
        }
        if let Some(foreign) = self.hosts.iter().find(|host| !tenant.hosts.contains(host)) {
            let own = tenant.hosts.join(", ");
            return Err(format!("hosts: {foreign:?} is no host of `{}`; write one of {own}", tenant.id));
        }
        path("path", &self.path)?;
        if self.path.starts_with("/.portcullis") {
            return Err("path: the gate's own pages lie below /.portcullis".to_owned());
        }
        if let Some(rewrite) = &self.rewrite {
            path("rewrite", rewrite)?;
        }
        let backends = match (self.backend, self.backends) {
            (Some(_), several) if !several.is_empty() => {
                return Err("backend: write `backend` or `backends`, not both".to_owned());
            }
            (Some(url), _) => vec![Backend::at(backend(&url).map_err(|why| format!("backend: {why}"))?)],
            (None, several) => {
                let read = |one: WrittenBackend| {
                    let url = backend(&one.url).map_err(|why| format!("backends: {why}"))?;
                    Ok(Backend { url, weight: one.weight })
                };
                several.into_iter().map(read).collect::<Result<Vec<_>, String>>()?
            }
        };
        sound(&backends)?;
        within("connect_seconds", self.connect_seconds, 50, 60_000)?;
        within("first_byte_seconds", self.first_byte_seconds, 50, 3_600_000)?;
        within("idle_seconds", self.idle_seconds, 1000, 86_400_000)?;
        within("total_seconds", self.total_seconds, 100, 86_400_000)?;
        if self.slow_start_seconds > 3600 {
            return Err("slow_start_seconds: an hour is the most".to_owned());
        }
        if !(1..=3600).contains(&self.eject.for_seconds) {
            return Err("eject.for_seconds: write 1 to 3600; failures_in_a_row = 0 ejects never".to_owned());
        }
        Ok(Route {
            tenant: tenant.id.clone(),
            name: self.name,
            hosts: self.hosts,
            path_prefix: self.path,
            rewrite: self.rewrite,
            backends,
            client_cert: self.client_cert,
            service_worker: self.service_worker,
            confirm: self.confirm,
            sticky: self.sticky,
            health: self.health.map(WrittenHealth::record).transpose()?,
            eject: Eject {
                failures_in_a_row: self.eject.failures_in_a_row,
                for_seconds: self.eject.for_seconds,
            },
            slow_start_seconds: self.slow_start_seconds,
            connect_ms_max: self.connect_seconds.0,
            first_byte_ms_max: self.first_byte_seconds.0,
            idle_ms_max: self.idle_seconds.0,
            total_ms_max: self.total_seconds.0,
            requests_max: self.requests_max,
            maintenance: self.maintenance.map(WrittenMaintenance::record).transpose()?,
        })
    }
}

impl WrittenHealth {
    fn record(self) -> Result<Health, String> {
        let path = match (self.kind, self.path) {
            (HealthKind::Http, None) => {
                return Err("health.path: write what is to be fetched, such as /healthz".into());
            }
            (HealthKind::Tcp, Some(_)) => {
                return Err("health.path: nothing is fetched by tcp; write kind = \"http\"".into());
            }
            (_, path) => path.unwrap_or_default(),
        };
        if self.kind == HealthKind::Http && (!path.starts_with('/') || path.parse::<http::Uri>().is_err()) {
            return Err(format!("health.path: {path:?} is no path; write one such as /healthz"));
        }
        within("health.interval_seconds", self.interval_seconds, 100, 3_600_000)?;
        within("health.timeout_seconds", self.timeout_seconds, 50, 60_000)?;
        if self.interval_seconds.is_none() || self.timeout_seconds.is_none() {
            return Err("health: interval_seconds and timeout_seconds are more than 0".to_owned());
        }
        if ![self.healthy_after, self.unhealthy_after].iter().all(|after| (1..=100).contains(after)) {
            return Err("health: healthy_after and unhealthy_after are 1 to 100".to_owned());
        }
        Ok(Health {
            kind: self.kind,
            path,
            interval_ms: self.interval_seconds.0,
            timeout_ms: self.timeout_seconds.0,
            healthy_after: self.healthy_after,
            unhealthy_after: self.unhealthy_after,
        })
    }
}

impl WrittenMaintenance {
    /// As it is kept; what is wrong, the field first.
    pub(super) fn record(self) -> Result<Maintenance, String> {
        if self.text.chars().count() > TEXT_CHARS_MAX || self.text.chars().any(char::is_control) {
            return Err("maintenance.text: write at most 500 characters, in one line".to_owned());
        }
        let moment = |text: String| {
            let read = text.parse::<jiff::Timestamp>().map(|moment| Time(moment.as_millisecond()));
            read.map_err(|_| {
                format!("maintenance.until: {text:?} is no moment; write one such as 2036-11-29T02:30:00Z")
            })
        };
        Ok(Maintenance { text: self.text, until: self.until.map(moment).transpose()? })
    }
}

fn path(field: &str, text: &str) -> Result<(), String> {
    if text.contains(['?', '#', ' ', '%', '\\']) || canonical(text).is_err() {
        return Err(format!(
            "{field}: {text:?} is no plain path; write one such as /app or /app/, in ASCII letters, digits and signs alone"
        ));
    }
    Ok(())
}

fn sound(backends: &[Backend]) -> Result<(), String> {
    if backends.is_empty() || backends.len() > BACKENDS_MAX {
        return Err("backends: write one at least, and 64 at most".to_owned());
    }
    if let Some(heavy) = backends.iter().find(|one| one.weight > WEIGHT_MAX) {
        return Err(format!("backends: {} has a weight above 1000", heavy.url));
    }
    if backends.iter().all(|one| one.weight == 0) {
        return Err("backends: one at least needs a weight above 0".to_owned());
    }
    let twice = backends
        .iter()
        .enumerate()
        .find(|(at, one)| backends[..*at].iter().any(|other| other.url == one.url));
    twice.map_or(Ok(()), |(_, one)| Err(format!("backends: {} stands there twice", one.url)))
}

fn within(field: &str, seconds: Seconds, least: u64, most: u64) -> Result<(), String> {
    if seconds.is_none() || (least..=most).contains(&seconds.0) {
        return Ok(());
    }
    let shown = |ms: u64| serde_json::json!(Seconds(ms)).to_string();
    Err(format!("{field}: write {} to {}", shown(least), shown(most)))
}

fn usual_path() -> String {
    "/".to_owned()
}

const fn usual_first_byte() -> Seconds {
    Seconds(60_000)
}

const fn usual_interval() -> Seconds {
    Seconds(5_000)
}

const fn usual_timeout() -> Seconds {
    Seconds(2_000)
}

const fn one() -> u32 {
    1
}

const fn two() -> u32 {
    2
}

const fn three() -> u32 {
    3
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
const fn is_nought(number: &u32) -> bool {
    *number == 0
}

const SECONDS_MIN: f64 = 0.001;
const SECONDS_MAX: f64 = 86_400.0;

const NAME_CHARS_MAX: usize = 64;

/// What a person reads on one page.
const TEXT_CHARS_MAX: usize = 500;

/// As `proxy::balance` has room for.
const BACKENDS_MAX: usize = 64;

const WEIGHT_MAX: u32 = 1000;
