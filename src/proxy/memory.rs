//! What comes out the same at each request of a connection, worked out once: headers that say from where it
//! comes and who is calling. Decides nothing; whoever remembers says by what it must be the same.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::header::{HeaderName, HeaderValue};

use super::identity::Told;
use super::ours::Said;
use crate::domain::route::Route;
use crate::policy::Permit;

/// What the proxy remembers of one connection.
#[derive(Default)]
pub struct Memory(Mutex<Remembered>);

#[derive(Default)]
pub(super) struct Remembered {
    pub(super) whence: Option<Whence>,
    pub(super) caller: Option<Caller>,
    /// Both as they are said to a backend; nothing once either changes.
    pub(super) said: Option<Arc<Said>>,
}

/// From where a request comes, as headers say it.
pub(super) struct Whence {
    pub(super) host: String,
    pub(super) address: IpAddr,
    pub(super) lines: Vec<(HeaderName, HeaderValue)>,
}

/// Who is calling, as a backend was told last.
pub(super) struct Caller {
    permit: Permit,
    route: (String, bool),
    host: String,
    pub(super) told: Arc<Told>,
}

impl Memory {
    pub(super) fn recall(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Caller {
    pub(super) fn of(permit: &Permit, route: &Route, host: &str, told: Arc<Told>) -> Self {
        let (permit, route) = (permit.letting_go(), (route.name.clone(), route.client_cert));
        Self { permit, route, host: host.to_owned(), told }
    }

    /// Whether a backend would be told the very same: of the same records, not only of the same names.
    pub(super) fn is(&self, permit: &Permit, route: &Route, host: &str) -> bool {
        permit.has_caller_of(&self.permit)
            && (route.name.as_str(), route.client_cert) == (self.route.0.as_str(), self.route.1)
            && host == self.host
    }
}
