//! Doors: host names with a TLS configuration of their own, and what lives behind each.
//!
//! Knows which room a path belongs to, and nothing of what the room does with it.

mod authority;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use http::{Method, Request};
use tokio_util::sync::CancellationToken;

pub(super) use authority::authority;
use authority::is_host_name;

use super::tls::{CertificateFiles, Tls, TlsError};
use crate::domain::{Reason, TenantId, Time};
use crate::policy::permit::{Area, Ask};

/// A host name of ours, or several that are one site, with one TLS configuration.
#[derive(Debug)]
pub struct Door {
    tenant: Option<TenantId>,
    kind: DoorKind,
    hosts: Vec<Arc<str>>,
    /// Each name with each port, and without.
    written: Vec<Host>,
    tls: Tls,
}

/// What a door is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DoorKind {
    /// A tenant's backend, and the gate's own pages of it.
    Portal,
    /// The desk.
    Console,
    /// The phone app.
    Phone,
    /// What needs no certificate: registration, recovery, delivery.
    Public,
}

/// What a door is made from.
#[derive(Clone, Debug)]
pub struct DoorPlan {
    /// What it is for.
    pub kind: DoorKind,
    /// Whose it is; `staff` for the console, none for phone and public.
    pub tenant: Option<TenantId>,
    /// Its host names, lower case, without a port.
    pub hosts: Vec<String>,
    /// Ports that a browser may name: those we listen on, and the one the world sees.
    pub ports: Vec<u16>,
    /// Its certificate and key.
    pub files: CertificateFiles,
    /// CA certificates (DER) that the hints name; used where the door asks for certificates.
    pub client_cas: Vec<Vec<u8>>,
}

/// All doors, by host name.
#[derive(Debug, Default)]
pub struct Doors {
    by_host: HashMap<Arc<str>, Arc<Door>>,
}

/// Why a door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// It has no name.
    #[error("a door has no host name: give it at least one")]
    NoHost,
    /// The name is none.
    #[error(
        "{0:?} cannot be a door's host name: write it in lower case, without a port, a trailing dot or an address"
    )]
    BadHost(String),
    /// Two doors have it.
    #[error("two doors are named {0}: give each its own name")]
    Twice(String),
    /// Its TLS configuration cannot be made.
    #[error("the door {host} cannot be opened: {source}")]
    Tls {
        /// Its first name.
        host: String,
        /// Why.
        source: TlsError,
    },
}

/// The host of a request, as the browser wrote it: one of the door's names, perhaps a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    name: Arc<str>,
    port: Option<u16>,
    /// Both, as the browser wrote them.
    text: Arc<str>,
}

/// Where a request goes once it is permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The tenant's backend.
    Backend,
    /// A room of ours.
    Own(Room),
}

/// Our own rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// First visit and signing in.
    SignIn,
    /// Renewal with a certificate that ended.
    Renewal,
    /// Requests to be confirmed on the phone.
    Confirm,
    /// Settings, signing out, the keys that sign identities.
    Portal,
    /// The phone app and its API.
    Phone,
    /// The desk.
    Console,
    /// Registration, recovery, delivery.
    Public,
    /// Machines that enrol and renew by themselves.
    Est,
    /// Style sheets, scripts, images.
    Assets,
}

impl DoorKind {
    /// Whether the handshake asks for a client certificate here.
    #[must_use]
    pub const fn asks_client_certificate(self) -> bool {
        matches!(self, Self::Portal | Self::Console)
    }
}

impl Door {
    /// Reads the door's certificate and makes its TLS configuration.
    ///
    /// # Errors
    /// [`DoorError`], which names the door.
    pub fn open(plan: DoorPlan) -> Result<Arc<Self>, DoorError> {
        let first = plan.hosts.first().cloned().ok_or(DoorError::NoHost)?;
        if let Some(bad) = plan.hosts.iter().find(|host| !is_host_name(host)) {
            return Err(DoorError::BadHost(bad.clone()));
        }
        let asked = plan.kind.asks_client_certificate().then_some(plan.client_cas.as_slice());
        let tls = Tls::open(plan.files, &plan.hosts, asked)
            .map_err(|source| DoorError::Tls { host: first, source })?;
        let hosts: Vec<Arc<str>> = plan.hosts.iter().map(|host| Arc::from(host.as_str())).collect();
        let ports = || std::iter::once(None).chain(plan.ports.iter().copied().map(Some));
        let written = hosts.iter().flat_map(|host| ports().map(|port| Host::new(host, port))).collect();
        Ok(Arc::new(Self { tenant: plan.tenant, kind: plan.kind, hosts, written, tls }))
    }

    /// Warns of a certificate that has ended, or does not count yet: it is shown all the same, and no browser goes on.
    pub fn heed_term(&self, now: Time) {
        if let Some(fault) = self.tls.term().fault(now) {
            tracing::warn!(door = %self.hosts[0], "its server certificate {fault}");
        }
    }

    /// Whose door; none for phone and public.
    #[must_use]
    pub const fn tenant(&self) -> Option<&TenantId> {
        self.tenant.as_ref()
    }

    /// What it is for.
    #[must_use]
    pub const fn kind(&self) -> DoorKind {
        self.kind
    }

    /// Its host names; the first is the one that links use.
    #[must_use]
    pub fn hosts(&self) -> &[Arc<str>] {
        &self.hosts
    }

    /// Whether the handshake asks for a client certificate.
    #[must_use]
    pub const fn asks_client_certificate(&self) -> bool {
        self.kind.asks_client_certificate()
    }

    /// Its TLS configuration.
    #[must_use]
    pub const fn tls(&self) -> &Tls {
        &self.tls
    }

    /// The request's host, which must be one of this door's names: SNI chose the door, so Host
    /// or `:authority` must name the same one (RFC 9110 7.4).
    ///
    /// # Errors
    /// [`Reason::Misdirected`] where it names anything else, [`Reason::BadRequest`] where it
    /// names nothing, several things, or nothing that a browser writes.
    pub fn matching<B>(&self, request: &Request<B>) -> Result<Host, Reason> {
        let named = authority::named(request.method(), request.uri(), request.headers())?;
        // As most write it.
        if let Some(host) = self.written.iter().find(|host| *host.text == *named) {
            return Ok(host.clone());
        }
        let (name, port) = authority::parsed(named)?;
        let host = self.written.iter().find(|host| host.port == port && host.name.eq_ignore_ascii_case(name));
        host.cloned().ok_or_else(|| Reason::Misdirected(self.why_not(name, port)))
    }

    /// What does not fit, for the log.
    fn why_not(&self, name: &str, port: Option<u16>) -> String {
        match port.filter(|_| self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))) {
            Some(port) => {
                let mut expected: Vec<u16> = self.written.iter().filter_map(|host| host.port).collect();
                expected.sort_unstable();
                expected.dedup();
                let expected: Vec<String> = expected.iter().map(u16::to_string).collect();
                let expected = expected.join(" or ");
                format!("host {name} came with port {port}, expected {expected}: see public_port in [listen]")
            }
            None => format!("host {name} came to the door of {}", self.hosts.join(", ")),
        }
    }

    /// Where a raw path goes. `est` says whether the tenant lets machines renew by themselves: else that path
    /// is the backend's as every other.
    #[must_use]
    pub fn target(&self, path: &str, est: bool) -> Target {
        match self.kind {
            DoorKind::Portal if est && path == REENROL => return Target::Own(Room::Est),
            DoorKind::Public if path.starts_with(EST) => return Target::Own(Room::Est),
            _ => {}
        }
        let own = own(path);
        if own.is_some_and(|own| own.starts_with("assets/")) {
            return Target::Own(Room::Assets);
        }
        match (self.kind, own) {
            (DoorKind::Phone, _) => Target::Own(Room::Phone),
            (DoorKind::Public, _) => Target::Own(Room::Public),
            (_, Some(own)) if own == "sign-in" || own.starts_with("sign-in/") => Target::Own(Room::SignIn),
            (DoorKind::Portal, Some(own)) if own == "renew" || own.starts_with("renew/") => {
                Target::Own(Room::Renewal)
            }
            (DoorKind::Portal, Some(own)) if own.starts_with("confirm/") => Target::Own(Room::Confirm),
            (_, Some(_)) => Target::Own(Room::Portal),
            (DoorKind::Portal, None) => Target::Backend,
            (DoorKind::Console, None) => Target::Own(Room::Console),
        }
    }

    /// Which part of the door a raw path is.
    #[must_use]
    pub fn area(&self, path: &str, est: bool) -> Area {
        match self.target(path, est) {
            Target::Own(Room::Est) if self.kind == DoorKind::Portal => Area::Reenrol,
            Target::Own(Room::Est) => Area::Open,
            Target::Own(Room::Assets | Room::Phone | Room::Public) => Area::Open,
            Target::Own(Room::SignIn) => Area::SignIn,
            Target::Own(Room::Renewal) => Area::Renewal,
            // Somebody half signed in may leave, too.
            Target::Own(Room::Portal) if own(path) == Some("sign-out") => Area::SignIn,
            Target::Own(Room::Portal) if own(path) == Some("jwks.json") => Area::Open,
            Target::Own(Room::Portal | Room::Confirm | Room::Console) | Target::Backend => Area::Guarded,
        }
    }

    /// What is asked of policy.
    #[must_use]
    pub fn ask<'a>(
        &'a self,
        host: &'a Host,
        method: &'a Method,
        path: &'a str,
        est: bool,
        cancel: &'a CancellationToken,
    ) -> Ask<'a> {
        // Doors of nobody hold only what is open to all; the house answers for them.
        let tenant = self.tenant.as_ref().unwrap_or(&HOUSE);
        Ask { tenant, area: self.area(path, est), host: host.name(), path, method, cancel }
    }
}

impl Doors {
    /// Puts them side by side.
    ///
    /// # Errors
    /// [`DoorError::Twice`].
    pub fn new(doors: impl IntoIterator<Item = Arc<Door>>) -> Result<Self, DoorError> {
        let mut by_host = HashMap::new();
        for door in doors {
            for host in &door.hosts {
                if by_host.insert(Arc::clone(host), Arc::clone(&door)).is_some() {
                    return Err(DoorError::Twice(host.to_string()));
                }
            }
        }
        Ok(Self { by_host })
    }

    /// The door of exactly this name, lower case.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Door>> {
        self.by_host.get(name)
    }

    /// Each door once.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Door>> {
        self.by_host
            .iter()
            .filter(|(host, door)| door.hosts.first().is_some_and(|first| first == *host))
            .map(|(_, door)| door)
    }

    /// Looks at every door's certificate files and takes up those that changed; a file that
    /// cannot be used leaves the old certificate in place and is logged.
    pub fn refresh(&self, now: Time) {
        for door in self.all() {
            match door.tls.refresh(now) {
                Ok(false) => {}
                Ok(true) => {
                    tracing::info!(door = %door.hosts[0], "took up a new server certificate");
                    door.heed_term(now);
                }
                Err(error) => {
                    tracing::error!(door = %door.hosts[0], %error, "kept the old server certificate");
                }
            }
        }
    }
}

impl Host {
    fn new(name: &Arc<str>, port: Option<u16>) -> Self {
        let text = port.map_or_else(|| Arc::clone(name), |port| format!("{name}:{port}").into());
        Self { name: Arc::clone(name), port, text }
    }

    /// Name and port, as the browser wrote them but for the case of letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name, lower case, without a port.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, where the browser wrote one.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }
}

/// What follows `/.portcullis/`, where the gate's own pages lie on every door.
fn own(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/.portcullis")?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// RFC 7030 3.2.2.
const EST: &str = "/.well-known/est/";
const REENROL: &str = "/.well-known/est/simplereenroll";

static HOUSE: LazyLock<TenantId> = LazyLock::new(TenantId::staff);

#[cfg(test)]
mod tests;
