//! Approvals: a question put to a phone, and the canonical text that both sides build.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};

use super::certificate::{Fingerprint, serde_bytes_vec};
use super::session::TokenHash;
use super::{ApprovalId, DeviceId, PersonId, PhoneId, TenantId, Time};

/// A question put to every phone of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Identifier.
    pub id: ApprovalId,
    /// Whose door.
    pub tenant: TenantId,
    /// Whom we ask.
    pub person: PersonId,
    /// The device that asks to come in.
    pub device: DeviceId,
    /// Its certificate.
    pub fingerprint: Fingerprint,
    /// The browser session that waits.
    pub session: TokenHash,
    /// What it is for.
    pub purpose: Purpose,
    /// What the phone shows, word for word.
    pub shown: Shown,
    /// What else the answer stands for: SHA-256 of it, as whoever asks defines.
    #[serde(default)]
    pub bound: Option<[u8; 32]>,
    /// 256 random bits, new for each question; sent to the phone.
    pub nonce: [u8; 32],
    /// HMAC of the six digits; the digits are on the desktop alone.
    pub digits_mac: [u8; 32],
    /// When it was asked.
    pub created: Time,
    /// After this nobody may answer.
    pub expires: Time,
    /// Wrong digits so far; the third ends it.
    pub wrong_digits: u8,
    /// What a phone without a network would answer, where that was asked for.
    #[serde(default)]
    pub offline: Option<OfflineAnswer>,
    /// How it stands.
    pub state: ApprovalState,
}

/// The answer of a phone without a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfflineAnswer {
    /// Which phone.
    pub phone: PhoneId,
    /// HMAC of its eight characters.
    pub mac: [u8; 32],
}

/// What an approval lets happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Sign in on a device that has been in before.
    SignIn,
    /// Sign in on a device that has never been in.
    NewDevice,
    /// Go on with a first visit that broke off after the phone was paired.
    ResumeFirstVisit,
    /// Make another certificate for a device, in the settings.
    RenewCertificate,
    /// Make a new certificate for a device whose certificate has ended.
    RenewExpired,
    /// Go on to something for which the last approval is too old, or change something in the settings.
    StepUp,
    /// Pair another phone.
    PairPhone,
    /// Remove a phone.
    RemovePhone,
    /// Make recovery codes anew.
    RecoveryCodes,
    /// Have a request carried out that the backend wants confirmed.
    Confirm,
}

impl Purpose {
    /// In the canonical text and the phone's API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::NewDevice => "new-device",
            Self::ResumeFirstVisit => "resume-first-visit",
            Self::RenewCertificate => "renew-certificate",
            Self::RenewExpired => "renew-expired",
            Self::StepUp => "step-up",
            Self::PairPhone => "pair-phone",
            Self::RemovePhone => "remove-phone",
            Self::RecoveryCodes => "recovery-codes",
            Self::Confirm => "confirm",
        }
    }

    /// In a line, where whoever asks has none of its own.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::SignIn => "Sign in",
            Self::NewDevice => "Sign in on a new device",
            Self::ResumeFirstVisit => "Go on with the first visit",
            Self::RenewCertificate => "Make a new certificate",
            Self::RenewExpired => "Replace a certificate that ended",
            Self::StepUp => "Go on",
            Self::PairPhone => "Pair another phone",
            Self::RemovePhone => "Remove a phone",
            Self::RecoveryCodes => "Make new recovery codes",
            Self::Confirm => "Confirm",
        }
    }
}

/// What a question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matter {
    /// What the answer opens, and nothing else.
    pub purpose: Purpose,
    /// The same in a line, for the person.
    pub reason: String,
    /// What the person is to look at, one by one.
    pub rows: Vec<Row>,
    /// What else the answer stands for: SHA-256 of it.
    pub bound: Option<[u8; 32]>,
}

impl From<Purpose> for Matter {
    fn from(purpose: Purpose) -> Self {
        Self { purpose, reason: purpose.reason().to_owned(), rows: Vec::new(), bound: None }
    }
}

/// One thing to look at: "Amount", "CHF 1'200.00".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What the phone shows; one line each, no line breaks inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// "Bank Muster & Cie".
    pub site: String,
    /// "bank.localhost".
    pub host: String,
    /// "Anna Muster".
    pub person: String,
    /// "laptop".
    pub device: String,
    /// "Chrome on Linux".
    pub browser: String,
    /// Network address the request came from.
    pub address: String,
    /// Where about that is: "near Zürich, Switzerland"; empty where nobody knows.
    #[serde(default)]
    pub place: String,
    /// What for, in a line.
    #[serde(default)]
    pub reason: String,
    /// What to look at besides.
    #[serde(default)]
    pub rows: Vec<Row>,
}

/// The last question put to a person, and how often there were any: one record a person, so that
/// two questions asked at once cannot both stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Whose door.
    pub tenant: TenantId,
    /// Whom.
    pub person: PersonId,
    /// The question that stands, or stood last.
    pub last: ApprovalId,
    /// When questions were asked since the last approval, as far back as is counted.
    pub times: Vec<Time>,
}

/// How an approval stands. Every state but `Pending` is final, save that "not me" overrules each of
/// them, however late it is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApprovalState {
    /// Waits for the phone.
    Pending,
    /// Approved, with the evidence.
    Approved {
        /// Which phone.
        phone: PhoneId,
        /// When.
        at: Time,
        /// What was signed, and the signatures.
        evidence: Box<Signed>,
    },
    /// "Not me".
    Denied {
        /// Which phone.
        phone: PhoneId,
        /// When.
        at: Time,
        /// What had been approved before, where it had.
        #[serde(default)]
        evidence: Option<Box<Signed>>,
    },
    /// Three wrong digits.
    WrongDigits,
    /// A newer question took its place.
    Superseded,
    /// The desktop gave up.
    Withdrawn,
}

impl ApprovalState {
    /// As the phone's API tells how a question ended; one that waits, or waited in vain, is told by its time.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved { .. } => "approved",
            Self::Denied { .. } => "denied",
            Self::WrongDigits => "wrong-digits",
            Self::Superseded => "superseded",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Signatures over an approval, kept as evidence. Of an answer that was typed without a network there is none:
/// it convinced the gate alone, and only the text is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The canonical text, its line of digits empty: whoever verifies it later and holds the pepper finds
    /// them by trying the million against `digits_mac`.
    pub text: String,
    /// WebAuthn client data, as signed.
    #[serde(with = "serde_bytes_vec")]
    pub client_data: Vec<u8>,
    /// WebAuthn authenticator data, as signed.
    #[serde(with = "serde_bytes_vec")]
    pub authenticator_data: Vec<u8>,
    /// ES256 signature, DER.
    #[serde(with = "serde_bytes_vec")]
    pub signature: Vec<u8>,
    /// The API key's signature over the call that brought it.
    #[serde(with = "serde_bytes_vec")]
    pub api_signature: Vec<u8>,
}

/// What the phone answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// With the six digits typed on the phone.
    Approve(&'a str),
    /// "Not me".
    NotMe,
}

impl Approval {
    /// The canonical text that phone and server build alike, each from what it knows; its
    /// SHA-256 is the WebAuthn challenge. One `name: value` a line, in this order, LF, no
    /// line break inside a value (control characters are replaced when [`Shown`] is made), and
    /// after `rows` as many pairs of `name` and `value` as it says.
    #[must_use]
    pub fn canonical_text(&self, answer: Answer<'_>) -> String {
        let (verdict, digits) = match answer {
            Answer::Approve(digits) => ("approve", digits),
            Answer::NotMe => ("not-me", ""),
        };
        let (certificate, nonce) = (HEXLOWER.encode(&self.fingerprint), BASE64URL_NOPAD.encode(&self.nonce));
        let bound = self.bound.map(|hash| BASE64URL_NOPAD.encode(&hash)).unwrap_or_default();
        let (asked, until, rows) =
            (self.created.to_string(), self.expires.to_string(), self.shown.rows.len().to_string());
        let before = [
            ("id", self.id.as_str()),
            ("purpose", self.purpose.as_str()),
            ("reason", &self.shown.reason),
            ("site", &self.shown.site),
            ("host", &self.shown.host),
            ("tenant", self.tenant.as_str()),
            ("person", &self.shown.person),
            ("device", &self.shown.device),
            ("certificate", &certificate),
            ("browser", &self.shown.browser),
            ("address", &self.shown.address),
            ("place", &self.shown.place),
            ("asked", &asked),
            ("until", &until),
            ("nonce", &nonce),
            ("bound", &bound),
            ("rows", &rows),
        ];
        let rows = self.shown.rows.iter();
        let rows = rows.flat_map(|row| [("name", row.name.as_str()), ("value", row.value.as_str())]);
        let mut text = String::from("portcullis approval 2\n");
        for (name, value) in before.into_iter().chain(rows).chain([("verdict", verdict), ("digits", digits)])
        {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push('\n');
        }
        text
    }
}

impl Shown {
    /// Replaces control characters, so that each value stays on its line, and cuts what is
    /// longer than a phone can show.
    #[must_use]
    pub fn cleaned(self) -> Self {
        let clean = |text: String| -> String {
            text.chars().take(LINE_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
        };
        let rows = self.rows.into_iter();
        Self {
            site: clean(self.site),
            host: clean(self.host),
            person: clean(self.person),
            device: clean(self.device),
            browser: clean(self.browser),
            address: clean(self.address),
            place: clean(self.place),
            reason: clean(self.reason),
            rows: rows.map(|row| Row { name: clean(row.name), value: clean(row.value) }).collect(),
        }
    }
}

/// The longest value that a phone shows.
pub const LINE_CHARS_MAX: usize = 120;
