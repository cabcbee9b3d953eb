//! Why somebody is refused: a closed list. `web::refusal` gives each its page, status, log
//! line and audit event, exhaustively.

use super::Time;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The client showed no certificate.
    NoCertificate,
    /// Its certificate ended.
    CertificateExpired {
        /// When.
        on: Time,
        /// Whether it still opens its own renewal.
        renews: bool,
    },
    /// Its certificate is for later.
    CertificateNotYetValid {
        /// From when.
        from: Time,
    },
    /// We did not issue it.
    ForeignIssuer,
    /// It is no client certificate of ours by its purpose or shape.
    WrongPurpose,
    /// It belongs to another tenant's door.
    WrongTenant,
    /// It was switched off.
    CertificateRevoked {
        /// When.
        on: Time,
    },
    /// A newer certificate took its place.
    CertificateSuperseded,
    /// Our signature, but no device or person of ours behind it.
    UnknownDevice,
    /// The person is locked or gone.
    PersonLocked,
    /// Somebody answered "not me" on the person's phone; the desk has not opened it again.
    PersonFrozen,
    /// More must be proved first, which a program cannot do: a person signs in with a browser.
    SignInFirst,
    /// The session's cookie came with another certificate than it was made with.
    SessionElsewhere,
    /// A rule says no, or none says yes.
    PolicyDenied {
        /// The rule, where one decided.
        rule: Option<String>,
    },
    /// The rule's hours are over.
    OutsideHours,
    /// Too many tries.
    TooMany {
        /// The next one is heard after this.
        until: Time,
    },
    /// More was sent to be confirmed on the phone than is kept of one person.
    KeptTooMany {
        /// The next one is kept after this.
        until: Time,
    },
    /// Too many wrong tries in a row: the desk must unlock.
    Blocked,
    /// Too many wrong digits in a row on every phone of the person: the desk must unlock.
    PhoneBlocked,
    /// Host and SNI name different doors on one connection (RFC 9110 7.4). Which, for the log alone: whoever asks
    /// is told nothing of our doors.
    Misdirected(String),
    /// The request itself is broken.
    BadRequest(&'static str),
    /// A form did not come from our page.
    CrossSite,
    /// Nothing lives at this path.
    NotFound,
    /// Not with this method.
    MethodNotAllowed,
    /// The body is larger than the page takes.
    TooLarge,
    /// The tenant has no route for this host and path.
    NoRoute,
    /// The backend could not be reached.
    BackendDown(Box<Fault>),
    /// The backend did not answer in time.
    BackendSlow(Box<Fault>),
    /// The backend's answer was broken.
    BackendBroken(Box<Fault>),
    /// The backends that are there have as much to do as they may. Which, for the log alone.
    BackendBusy(String),
    /// The route is closed on purpose.
    Maintenance {
        /// What people are told; empty: the usual words.
        text: String,
        /// When it is likely over.
        until: Option<Time>,
    },
    /// This node has not heard from its store for too long.
    StoreStale,
    /// The gate is busy: too many connections, or the password pool is full.
    Busy,
    /// Something of ours failed; the log has it under the request's number.
    Internal,
}

/// Which backend gave no answer and why, for the log alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// Name of the route.
    pub route: String,
    /// Its URL, as the route says it; none where none could be asked.
    pub backend: Option<String>,
    /// What went wrong.
    pub why: String,
}
