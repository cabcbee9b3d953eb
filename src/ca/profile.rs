//! Certificate profiles: what each kind of certificate contains, as the files in `certs/` say.
//! Knows neither keys nor who gets a certificate; the files are the only place of these values.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::Deserialize;

use crate::domain::Time;
use crate::domain::certificate::IssuerKind;

/// What a kind of certificate contains.
#[derive(Clone, Debug)]
pub struct Profile {
    name: &'static str,
    written: Written,
}

/// The profiles that ship.
#[derive(Clone, Debug)]
pub struct Profiles {
    /// Of both roots.
    pub root: Profile,
    /// Of issuing CAs.
    pub issuing: Profile,
    /// Of clients' devices.
    pub device: Profile,
    /// Of staff's devices.
    pub staff: Profile,
    /// Of the gate's own doors.
    pub server: Profile,
    /// Of those who answer OCSP for an issuing CA.
    pub ocsp: Profile,
}

impl Profiles {
    /// Reads the files in `certs/`, which are compiled in.
    ///
    /// # Errors
    /// A file that cannot be read, or asks for what no certificate of its kind may have.
    pub fn shipped() -> Result<Self, ProfileError> {
        Ok(Self {
            root: Profile::read("root", include_str!("../../certs/root.toml"))?,
            issuing: Profile::read("issuing", include_str!("../../certs/issuing.toml"))?,
            device: Profile::read("device", include_str!("../../certs/device.toml"))?,
            staff: Profile::read("staff", include_str!("../../certs/staff.toml"))?,
            server: Profile::read("server", include_str!("../../certs/server.toml"))?,
            ocsp: Profile::read("ocsp", include_str!("../../certs/ocsp.toml"))?,
        })
    }

    /// The profile of a client certificate by its name: `device` or `staff`.
    #[must_use]
    pub fn client(&self, name: &str) -> Option<&Profile> {
        [&self.device, &self.staff].into_iter().find(|profile| profile.name == name)
    }
}

impl Profile {
    /// The file's name without its ending.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Which CA signs it; `None` for roots and what they sign, and for what each CA signs for itself.
    #[must_use]
    pub const fn signed_by(&self) -> Option<IssuerKind> {
        match self.written.signed_by {
            SignedBy::Devices => Some(IssuerKind::Devices),
            SignedBy::Staff => Some(IssuerKind::Staff),
            SignedBy::Server => Some(IssuerKind::Server),
            SignedBy::Itself | SignedBy::Root | SignedBy::Issuing => None,
        }
    }

    /// How many CAs may stand below; `None` where this is no CA.
    #[must_use]
    pub const fn path_length(&self) -> Option<u8> {
        self.written.path_length
    }

    /// Key usages.
    #[must_use]
    pub fn key_usage(&self) -> &[KeyUsage] {
        &self.written.key_usage
    }

    /// Extended key usages.
    #[must_use]
    pub fn extended_key_usage(&self) -> &[ExtendedKeyUsage] {
        &self.written.extended_key_usage
    }

    /// Which keys may be certified.
    #[must_use]
    pub fn keys(&self) -> &[Curve] {
        &self.written.keys
    }

    /// What stands in the subject alternative name.
    #[must_use]
    pub const fn names(&self) -> Names {
        self.written.names
    }

    /// Kinds of names that a CA for clients, and what it signs, must not hold.
    #[must_use]
    pub fn clients_exclude(&self) -> &[NameKind] {
        &self.written.clients_exclude
    }

    /// Whether the certificate says where its revocation list is.
    #[must_use]
    pub const fn has_crl_url(&self) -> bool {
        self.written.crl_url
    }

    /// Whether the certificate says where OCSP is asked about it.
    #[must_use]
    pub const fn has_ocsp_url(&self) -> bool {
        self.written.ocsp_url
    }

    /// Whether nobody need ask whether it is revoked itself (RFC 6960 4.2.2.2.1).
    #[must_use]
    pub const fn is_not_checked(&self) -> bool {
        self.written.ocsp_no_check
    }

    /// Until when an answer that is given at `now` counts.
    ///
    /// # Errors
    /// A profile that gives none, or a moment beyond what the calendar holds.
    pub fn answer_until(&self, now: Time) -> Result<Time, ProfileError> {
        let valid = self.written.answer_valid.ok_or_else(|| self.wrong("`answer-valid` is missing"))?;
        shifted(now, valid).ok_or_else(|| self.beyond())
    }

    /// First and last moment of validity of one issued at `now`, in whole seconds.
    ///
    /// # Errors
    /// A moment beyond what the calendar holds.
    pub fn validity(&self, now: Time) -> Result<(Time, Time), ProfileError> {
        let first = shifted(now, self.written.backdated.negate()).ok_or_else(|| self.beyond())?;
        let last = shifted(first, self.written.lifetime).ok_or_else(|| self.beyond())?;
        Ok((first, last))
    }

    /// How long a revocation list signed at `now` counts.
    ///
    /// # Errors
    /// A profile that signs none, or a moment beyond what the calendar holds.
    pub fn crl_next_update(&self, now: Time) -> Result<Time, ProfileError> {
        let valid = self.written.crl_valid.ok_or_else(|| self.wrong("`crl-valid` is missing"))?;
        shifted(now, valid).ok_or_else(|| self.beyond())
    }

    fn read(name: &'static str, text: &str) -> Result<Self, ProfileError> {
        let written = toml::from_str(text)
            .map_err(|source| ProfileError::Unreadable { name, source: Box::new(source) })?;
        let profile = Self { name, written };
        profile.check()?;
        Ok(profile)
    }

    fn check(&self) -> Result<(), ProfileError> {
        let Written {
            signed_by, path_length, key_usage, extended_key_usage, names, crl_url, ocsp_url, ..
        } = &self.written;
        let ca = matches!(signed_by, SignedBy::Itself | SignedBy::Root);
        let client = matches!(signed_by, SignedBy::Devices | SignedBy::Staff);
        let responder = *signed_by == SignedBy::Issuing;
        let rules = [
            (ca == path_length.is_some(), "`path-length` belongs to CAs, and each CA has one"),
            (
                ca == key_usage.contains(&KeyUsage::KeyCertSign),
                "`key-cert-sign` is for CAs, and each CA has it",
            ),
            (ca == key_usage.contains(&KeyUsage::CrlSign), "`crl-sign` is for CAs, and each CA has it"),
            (
                ca || key_usage[..] == [KeyUsage::DigitalSignature],
                "`key-usage` of what is no CA is \"digital-signature\" alone",
            ),
            (
                !client || extended_key_usage[..] == [ExtendedKeyUsage::ClientAuth],
                "`extended-key-usage` of a client's certificate is \"client-auth\" alone",
            ),
            (
                !extended_key_usage.contains(&ExtendedKeyUsage::ClientAuth)
                    || !extended_key_usage.contains(&ExtendedKeyUsage::ServerAuth),
                "no certificate is for clients and for servers",
            ),
            (
                client == (*names == Names::IdentityUri),
                "`names` of a client's certificate is \"identity-uri\", and of no other",
            ),
            ((ca || responder) == (*names == Names::None), "`names` is \"none\" for CAs and OCSP alone"),
            (!client || *crl_url, "a client's certificate needs `crl-url = true`"),
            (client == *ocsp_url, "`ocsp-url` is true for clients' certificates, and for no other"),
            (
                responder == (extended_key_usage[..] == [ExtendedKeyUsage::OcspSigning])
                    && responder == extended_key_usage.contains(&ExtendedKeyUsage::OcspSigning),
                "`extended-key-usage` of who answers OCSP is \"ocsp-signing\" alone, and of no other",
            ),
            (
                responder == self.written.ocsp_no_check,
                "`ocsp-no-check` belongs to who answers OCSP, and each has it",
            ),
            (
                responder == self.written.answer_valid.is_some(),
                "`answer-valid` belongs to who answers OCSP, and each has one",
            ),
            (
                (*signed_by == SignedBy::Root) == self.written.crl_valid.is_some(),
                "`crl-valid` belongs to issuing CAs, and each has one",
            ),
            (ca || self.written.clients_exclude.is_empty(), "`clients-exclude` constrains CAs, and no other"),
            (!self.written.keys.is_empty(), "`keys` names none"),
            (self.written.lifetime.is_positive(), "`lifetime` is not positive"),
            (!self.written.backdated.is_negative(), "`backdated` is negative"),
            (self.written.crl_valid.is_none_or(|valid| valid.is_positive()), "`crl-valid` is not positive"),
            (
                self.written.answer_valid.is_none_or(|valid| valid.is_positive()),
                "`answer-valid` is not positive",
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, why)) => Err(self.wrong(why)),
            None => Ok(()),
        }
    }

    const fn wrong(&self, why: &'static str) -> ProfileError {
        ProfileError::Wrong { name: self.name, why }
    }

    const fn beyond(&self) -> ProfileError {
        self.wrong("its moments lie beyond the calendar: check the machine's clock")
    }
}

/// A key usage (RFC 5280 4.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyUsage {
    /// Signs what is no certificate.
    DigitalSignature,
    /// Signs certificates.
    KeyCertSign,
    /// Signs revocation lists.
    CrlSign,
}

/// An extended key usage (RFC 5280 4.2.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExtendedKeyUsage {
    /// A TLS client.
    ClientAuth,
    /// A TLS server.
    ServerAuth,
    /// Who answers OCSP for the CA that signed it (RFC 6960 4.2.2.2).
    OcspSigning,
}

/// What stands in the subject alternative name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Names {
    /// Nothing.
    None,
    /// Exactly one URI, the identity of a device.
    IdentityUri,
    /// Names of a door.
    Dns,
}

/// A kind of name that a CA may shut out (RFC 5280 4.2.1.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NameKind {
    /// Host names.
    Dns,
    /// Addresses.
    Ip,
    /// Mailboxes.
    Email,
}

/// A curve whose keys may be certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Curve {
    /// NIST P-256.
    #[serde(rename = "P-256")]
    P256,
    /// NIST P-384.
    #[serde(rename = "P-384")]
    P384,
}

impl Curve {
    /// As files and messages write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
        }
    }
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Not TOML, or an unknown key or value.
    #[error("certs/{name}.toml cannot be read: correct it and build again\n{source}")]
    Unreadable {
        /// Which.
        name: &'static str,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// What no certificate of its kind may have.
    #[error("certs/{name}.toml is refused: {why}; correct it and build again")]
    Wrong {
        /// Which.
        name: &'static str,
        /// What is wrong.
        why: &'static str,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    signed_by: SignedBy,
    path_length: Option<u8>,
    lifetime: Span,
    backdated: Span,
    keys: Vec<Curve>,
    key_usage: Vec<KeyUsage>,
    extended_key_usage: Vec<ExtendedKeyUsage>,
    names: Names,
    crl_url: bool,
    crl_valid: Option<Span>,
    ocsp_url: bool,
    #[serde(default)]
    ocsp_no_check: bool,
    answer_valid: Option<Span>,
    #[serde(default)]
    clients_exclude: Vec<NameKind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SignedBy {
    Itself,
    Root,
    Devices,
    Staff,
    Server,
    /// Each issuing CA, for itself.
    Issuing,
}

fn shifted(from: Time, by: Span) -> Option<Time> {
    let from = Timestamp::from_second(from.secs()).ok()?.to_zoned(TimeZone::UTC);
    Some(Time::from_secs(from.checked_add(by).ok()?.timestamp().as_second()))
}

#[cfg(test)]
mod tests;
