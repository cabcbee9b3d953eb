//! Confirmations: a request that its backend wants confirmed on the phone, what was shown for it, and what
//! became of it. The canonical text is what the phone's signature stands for.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::approval::{Approval, Row};
use super::certificate::{Fingerprint, serde_bytes_vec};
use super::session::TokenHash;
use super::{ApprovalId, ConfirmationId, DeviceId, PersonId, TenantId, Time};

/// A request kept until its owner has confirmed it, then its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Identifier; the receipt's, and so the backend's idempotency key.
    pub id: ConfirmationId,
    /// Whose door.
    pub tenant: TenantId,
    /// Who asked for it and confirms it.
    pub person: PersonId,
    /// On which device.
    pub device: DeviceId,
    /// With which certificate.
    pub fingerprint: Fingerprint,
    /// In which browser session: it belongs to no other while that one lives.
    pub session: TokenHash,
    /// Host of the door, with the port where the browser wrote one.
    pub host: String,
    /// Name of the route.
    pub route: String,
    /// Who brings the backend's answer home.
    pub manner: Manner,
    /// What is confirmed, as the backend said it.
    pub wanted: Wanted,
    /// Of the request.
    pub method: String,
    /// Of the request, raw.
    pub path: String,
    /// Of the request, raw, without its question mark.
    pub query: Option<String>,
    /// SHA-256 of the request's body.
    pub body_sha256: [u8; 32],
    /// Headers and body, sealed under a key that is not in the store; empty once it was sent or given up.
    #[serde(with = "serde_bytes_vec")]
    pub sealed: Vec<u8>,
    /// When the request came.
    pub created: Time,
    /// After this it is not sent any more.
    pub expires: Time,
    /// How it stands.
    pub state: ConfirmationState,
    /// The approval with the phone's signatures, as it was taken up.
    pub evidence: Option<Box<Approval>>,
    /// What the backend was sent: a JWS in compact form.
    pub receipt: Option<String>,
}

/// What a person had kept lately: one record a person, so that of many kept at once each is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLately {
    /// Whose door.
    pub tenant: TenantId,
    /// Whose requests.
    pub person: PersonId,
    /// When requests were kept, as far back as is counted.
    pub times: Vec<Time>,
    /// Those of them that may be open still.
    pub open: Vec<ConfirmationId>,
}

impl KeptLately {
    /// How far back is counted.
    pub const WITHIN: std::time::Duration = std::time::Duration::from_secs(3600);

    /// A person may have this many kept within [`KeptLately::WITHIN`]: one a minute, which is more than anybody
    /// reads and confirms, and few enough that a page in a loop fills no store.
    pub const TIMES_MAX: usize = 60;

    /// A person may have a few open at once, in several windows. Each may be 256 KiB.
    pub const OPEN_MAX: usize = 5;

    /// One more is kept now; or from when on it may be.
    ///
    /// # Errors
    /// The moment from which on one more may be kept.
    pub fn count(&mut self, now: Time) -> Result<(), Time> {
        self.times.retain(|at| now.since(*at) < Self::WITHIN);
        if let Some(oldest) =
            self.times.len().checked_sub(Self::TIMES_MAX).and_then(|skip| self.times.get(skip))
        {
            return Err(oldest.plus(Self::WITHIN));
        }
        self.times.push(now);
        Ok(())
    }
}

/// What is to be confirmed. Each is one line of plain text, shown as it stands here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// "Pay an invoice".
    pub title: String,
    /// Amount, payee and whatever else is to be looked at.
    pub rows: Vec<Row>,
    /// What is at stake: "CHF 1'200.00 leave your account today."
    pub stake: String,
}

/// Who brings the backend's answer home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manner {
    /// The browser's window: the gate's page takes its place and then makes way for the answer.
    Navigation,
    /// A script of the backend's page.
    Fetch,
}

/// How a confirmation stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConfirmationState {
    /// Nobody was asked yet.
    Kept,
    /// The phone was asked.
    Asked {
        /// The question.
        approval: ApprovalId,
    },
    /// The phone approved, and that approval is used up by this.
    Approved {
        /// When.
        at: Time,
    },
    /// On its way: from here on it is never sent again, whatever happens.
    Sending {
        /// Since.
        since: Time,
    },
    /// The backend answered.
    Done {
        /// With this status.
        status: u16,
        /// When.
        at: Time,
    },
    /// It was sent and no answer came: nobody here knows what became of it.
    Unknown {
        /// Since.
        at: Time,
    },
    /// It was not sent, and will not be.
    Refused {
        /// Why.
        why: NotSent,
        /// When.
        at: Time,
    },
    /// Nobody confirmed it in time; it was not sent.
    Expired {
        /// When.
        at: Time,
    },
}

/// Why a request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotSent {
    /// The phone said "not me".
    NotMe,
    /// The person gave up.
    Cancelled,
    /// No phone is paired.
    NoPhone,
    /// Newer ones took its place.
    TooMany,
    /// By the rules the person may not, or must prove more first.
    Policy,
    /// The route is not there any more, or keeps no requests now.
    Route,
    /// What is kept is not what was shown and signed.
    Changed,
    /// The backend could not be reached: not a byte of it was sent.
    Unreachable,
}

impl NotSent {
    /// In the trail and for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotMe => "not-me",
            Self::Cancelled => "cancelled",
            Self::NoPhone => "no-phone",
            Self::TooMany => "too-many",
            Self::Policy => "policy",
            Self::Route => "route",
            Self::Changed => "changed",
            Self::Unreachable => "unreachable",
        }
    }
}

impl ConfirmationState {
    /// For programs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Kept | Self::Asked { .. } => "waiting",
            Self::Approved { .. } => "approved",
            Self::Sending { .. } => "sending",
            Self::Done { .. } => "done",
            Self::Unknown { .. } => "unknown",
            Self::Refused { .. } => "refused",
            Self::Expired { .. } => "expired",
        }
    }

    /// Whether nothing more happens.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Unknown { .. } | Self::Refused { .. } | Self::Expired { .. })
    }
}

impl Confirmation {
    /// Beyond this a request is not kept.
    pub const BODY_BYTES_MAX: usize = 256 * 1024;

    /// How long the evidence is kept: a payment may be disputed for 13 months (PSD2 art. 71).
    pub const KEPT: std::time::Duration = std::time::Duration::from_secs(400 * 24 * 3600);

    /// What the phone's signature stands for; its SHA-256 is the `bound` of the approval. One `name: value` a
    /// line, in this order, LF, and after `rows` as many pairs as it says. No value holds a line break: what
    /// is shown was refused if it did, and a request's target cannot.
    #[must_use]
    pub fn canonical_text(&self) -> String {
        let rows = self.wanted.rows.len().to_string();
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let body = BASE64URL_NOPAD.encode(&self.body_sha256);
        let before = [
            ("id", self.id.as_str()),
            ("route", &self.route),
            ("title", &self.wanted.title),
            ("stake", &self.wanted.stake),
            ("rows", &rows),
        ];
        let pairs = self.wanted.rows.iter();
        let pairs = pairs.flat_map(|row| [("name", row.name.as_str()), ("value", row.value.as_str())]);
        let after =
            [("method", self.method.as_str()), ("path", &self.path), ("query", &query), ("body", &body)];
        let mut text = String::from("portcullis confirmation 1\n");
        for (name, value) in before.into_iter().chain(pairs).chain(after) {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push('\n');
        }
        text
    }

    /// What is shown, on every screen alike: the backend's rows, and last what is at stake.
    #[must_use]
    pub fn shown(&self) -> Vec<Row> {
        let stake = Row { name: STAKE.to_owned(), value: self.wanted.stake.clone() };
        self.wanted.rows.iter().cloned().chain([stake]).collect()
    }

    /// What it is sealed under beside its text: whose it is.
    #[must_use]
    pub fn seal_label(&self) -> Vec<u8> {
        let owner = format!(
            "{}owner: {}/{}/{}\nhost: {}\n",
            self.canonical_text(),
            self.tenant,
            self.person,
            self.device,
            self.host
        );
        [owner.as_bytes(), &self.fingerprint, &self.session].concat()
    }

    /// Path and query as they were sent.
    #[must_use]
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

/// Before what is at stake, as the last row.
pub const STAKE: &str = "At stake";
