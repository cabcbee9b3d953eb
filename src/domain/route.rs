//! Routes and rules of a tenant, as the store keeps them.

use serde::{Deserialize, Serialize};

use super::{TenantId, Time};

/// Where a tenant's requests go once they are permitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Whose door.
    pub tenant: TenantId,
    /// Name, for logs: "portal".
    pub name: String,
    /// Paths below this go here; the longest prefix wins.
    pub path_prefix: String,
    /// `http://127.0.0.1:9000`.
    pub backend: String,
    /// Whether the backend gets `Client-Cert` (RFC 9440).
    pub client_cert: bool,
    /// Whether the backend may register a service worker.
    pub service_worker: bool,
    /// Longest wait for the first byte of an answer, in milliseconds.
    pub first_byte_ms_max: u64,
    /// Whether requests are kept, so that the backend may have them confirmed on the phone.
    #[serde(default)]
    pub confirm: bool,
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
