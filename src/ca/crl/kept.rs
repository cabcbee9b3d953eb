//! The last list of each issuer, kept as a file beside the store: what it told stays true where the store is put
//! back to an older state. A list that somebody fetched says the same, and is read alike. Knows no store.

use std::fs;
use std::path::{Path, PathBuf};

use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use super::Crl;
use crate::ca::{CaError, chain, folder, serial};
use crate::domain::certificate::{Issuer, RevocationReason, Serial};
use crate::domain::{IssuerId, Time};

/// The folder of the last lists.
#[derive(Clone, Debug)]
pub struct KeptLists {
    dir: PathBuf,
}

/// A list of ours, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Which CA signed it.
    pub issuer: IssuerId,
    /// When, to the millisecond, which is its number.
    pub signed: Time,
    /// What it tells.
    pub told: Vec<Told>,
}

/// That a certificate was revoked, as a list of ours tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which.
    pub serial: Serial,
    /// Why; what we never write reads as unspecified.
    pub reason: RevocationReason,
    /// Since when.
    pub at: Time,
}

/// Why something is not taken for a list of ours. None of what it says is believed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoList {
    /// Not one of X.509, or cut short.
    #[error("it is no revocation list, or not a whole one")]
    Broken,
    /// Not signed by a CA of this house.
    #[error("no CA of this gate signed it")]
    Foreign,
    /// It says less than it seems to: a critical extension that no list of ours has (RFC 5280 5.2).
    #[error("it has a critical extension: only whole lists are read")]
    Critical,
}

impl KeptLists {
    /// In a folder, which need not exist yet.
    #[must_use]
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Puts a list there, whole or not at all, in the place of the one before.
    ///
    /// # Errors
    /// The file system's.
    pub fn keep(&self, issuer: &IssuerId, crl: &Crl) -> Result<(), CaError> {
        self.put(&self.file(issuer), &crl.der)
    }

    /// Keeps a list that somebody fetched, beside the gate's own, which goes on being replaced: where it is later
    /// than the one that was brought before.
    ///
    /// # Errors
    /// The file system's.
    pub fn bring(&self, list: &List, der: &[u8], issuer: &Issuer) -> Result<(), CaError> {
        let file = self.brought(&issuer.id);
        match self.read(&file, issuer) {
            Ok(Some(before)) if list.signed <= before.signed => Ok(()),
            _ => self.put(&file, der),
        }
    }

    /// The last lists of an issuer: the gate's own, and one that was brought.
    ///
    /// # Errors
    /// The file system's, and a file that is no list of this issuer.
    pub fn of(&self, issuer: &Issuer) -> Result<Vec<List>, CaError> {
        let files = [self.file(&issuer.id), self.brought(&issuer.id)];
        files.iter().filter_map(|file| self.read(file, issuer).transpose()).collect()
    }

    fn read(&self, file: &Path, issuer: &Issuer) -> Result<Option<List>, CaError> {
        let der = match fs::read(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(CaError::file("read", file))?,
        };
        read(&der, [issuer]).map(Some).map_err(|why| CaError::KeptList { path: file.to_owned(), why })
    }

    fn put(&self, file: &Path, der: &[u8]) -> Result<(), CaError> {
        fs::create_dir_all(&self.dir).map_err(CaError::file("written", &self.dir))?;
        folder::put(&self.dir, file, der)
    }

    fn file(&self, issuer: &IssuerId) -> PathBuf {
        self.dir.join(format!("{issuer}.crl"))
    }

    fn brought(&self, issuer: &IssuerId) -> PathBuf {
        self.dir.join(format!("{issuer}.brought.crl"))
    }
}

/// The DER of a list that was given as PEM or DER.
#[must_use]
pub fn der(given: &[u8]) -> Vec<u8> {
    let armoured = pem::parse(given).ok().filter(|pem| pem.tag() == "X509 CRL");
    armoured.map_or_else(|| given.to_owned(), pem::Pem::into_contents)
}

/// Reads a list, however old, that one of these issuers signed. A revocation is for good, so that a list past its
/// end tells the truth still.
///
/// # Errors
/// [`NoList`].
pub fn read<'a>(der: &[u8], issuers: impl IntoIterator<Item = &'a Issuer>) -> Result<List, NoList> {
    let (rest, list) = CertificateRevocationList::from_der(der).map_err(|_| NoList::Broken)?;
    if !rest.is_empty() {
        return Err(NoList::Broken);
    }
    let signed_by = |issuer: &&Issuer| {
        chain::read(&issuer.der).is_ok_and(|ca| {
            list.issuer().as_raw() == ca.subject().as_raw() && list.verify_signature(ca.public_key()).is_ok()
        })
    };
    let issuer = issuers.into_iter().find(signed_by).ok_or(NoList::Foreign)?;
    let critical = |extensions: &[x509_parser::extensions::X509Extension<'_>]| {
        extensions.iter().any(|extension| extension.critical)
    };
    if critical(list.extensions()) || list.iter_revoked_certificates().any(|one| critical(one.extensions())) {
        return Err(NoList::Critical);
    }
    let told = list.iter_revoked_certificates().map(|one| Told {
        serial: serial::text(one.raw_serial()),
        reason: one.reason_code().map_or(RevocationReason::Unspecified, |(_, code)| reason(code.0)),
        at: Time::from_secs(one.revocation_date.timestamp()),
    });
    let number = list.crl_number().and_then(|number| i64::try_from(number).ok()).unwrap_or_default();
    Ok(List { issuer: issuer.id.clone(), signed: Time(number), told: told.collect() })
}

/// RFC 5280 5.3.1.
const fn reason(code: u8) -> RevocationReason {
    match code {
        1 => RevocationReason::KeyCompromise,
        3 => RevocationReason::AffiliationChanged,
        4 => RevocationReason::Superseded,
        5 => RevocationReason::CessationOfOperation,
        9 => RevocationReason::PrivilegeWithdrawn,
        _ => RevocationReason::Unspecified,
    }
}

#[cfg(test)]
mod tests;
