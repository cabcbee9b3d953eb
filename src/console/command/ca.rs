//! The certificate authorities: what they sign, until when, their certificates to hand out. What changes them
//! is in the files beside.

mod heed;
mod keep;
mod rotate;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::given::Given;
use super::output::{Output, columns};
use super::{Acts, CommandError, Kind};
use crate::ca::{CaError, chain, pem_of};
use crate::crypto::sha256;
use crate::domain::Secret;
use crate::domain::certificate::{Issuer, IssuerKind};

/// What to do with the CAs. Without `Debug`: the passphrase of their keys stands in it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Show them.
    Show {
        /// The root certificate of one as PEM.
        pem: Option<IssuerKind>,
    },
    /// Make a new issuing CA in the place of the one there is.
    Rotate {
        /// Which.
        kind: IssuerKind,
        /// Opens the keys.
        #[serde(serialize_with = "exposed")]
        passphrase: Secret,
        /// What a root that is elsewhere has signed for a request of ours, PEM.
        certificate: Option<String>,
    },
    /// Write a request for a root that is elsewhere.
    Request {
        /// For which.
        kind: IssuerKind,
        /// Opens the keys.
        #[serde(serialize_with = "exposed")]
        passphrase: Secret,
    },
    /// The keys of the roots, for taking away.
    Bundle {
        /// Opens the keys.
        #[serde(serialize_with = "exposed")]
        passphrase: Secret,
    },
    /// Remove the keys of the roots.
    RootAway {
        /// The bundle that holds them now.
        bundle: String,
    },
    /// Another passphrase for all keys.
    Reseal {
        /// Opens the keys.
        #[serde(serialize_with = "exposed")]
        passphrase: Secret,
        /// Will open them.
        #[serde(serialize_with = "exposed")]
        new: Secret,
    },
    /// What a revocation list of ours tells, for a store that is older than the list.
    ImportCrl {
        /// PEM or DER.
        list: Given,
    },
    /// All of the CA, for a file.
    Backup {
        /// Opens the keys.
        #[serde(serialize_with = "exposed")]
        passphrase: Secret,
    },
}

impl Acts {
    pub(super) async fn ca(&self, actor: &str, command: Command) -> Result<Output, CommandError> {
        match command {
            Command::Show { pem: None } => {
                Ok(self.show_issuers(self.view.issuers().iter().map(AsRef::as_ref)))
            }
            Command::Show { pem: Some(kind) } => root(self.view.issuers().iter().map(AsRef::as_ref), kind),
            Command::Rotate { kind, passphrase, certificate } => {
                self.rotate(actor, kind, passphrase, certificate).await
            }
            Command::Request { kind, passphrase } => self.request_ca(actor, kind, passphrase).await,
            Command::Bundle { passphrase } => self.root_bundle(passphrase).await,
            Command::RootAway { bundle } => self.take_root_away(actor, &bundle).await,
            Command::Reseal { passphrase, new } => self.reseal(actor, passphrase, new).await,
            Command::ImportCrl { list } => self.import_crl(actor, list.bytes()).await,
            Command::Backup { passphrase } => self.back_up(actor, passphrase).await,
        }
    }

    fn show_issuers<'a>(&self, issuers: impl Iterator<Item = &'a Issuer>) -> Output {
        let now = self.now();
        let mut rows = Vec::new();
        let mut shown = Vec::new();
        for issuer in issuers {
            let fault = chain::check(issuer, now).err().map(|fault| fault.to_string());
            let key = self.issuance.authority().is_ok_and(|ca| ca.issuers().any(|own| own.id == issuer.id));
            let state = match &fault {
                Some(fault) => fault.clone(),
                None if issuer.issues => "issues".to_owned(),
                None => "verifies".to_owned(),
            };
            rows.push([
                issuer.id.to_string(),
                issuer.kind.as_str().to_owned(),
                state,
                issuer.not_after.format("%Y-%m-%d"),
                fingerprint(&issuer.root_der),
            ]);
            shown.push(json!({
                "id": issuer.id.as_str(),
                "kind": issuer.kind,
                "issues": issuer.issues,
                "key_is_open": key,
                "not_after": issuer.not_after.to_string(),
                "fault": fault,
                "sha256": fingerprint(&issuer.der),
                "root_sha256": fingerprint(&issuer.root_der),
                "crl_url": self.issuance.authority().ok().map(|ca| ca.crl_url(&issuer.id)),
            }));
        }
        let none = "There is no CA yet: `portcullis init` makes them.";
        let mut lines = columns(["ca", "for", "state", "until", "sha-256 of its root"], &rows, none);
        lines.push(String::new());
        lines.push("Browsers must trust the root of `server` where doors use the built-in CA:".to_owned());
        lines.push("  portcullis ca show --pem server > root.crt".to_owned());
        Output::new(json!({ "issuers": shown }), lines)
    }
}

fn root<'a>(mut issuers: impl Iterator<Item = &'a Issuer>, kind: IssuerKind) -> Result<Output, CommandError> {
    let issuer = issuers.find(|issuer| issuer.kind == kind).ok_or_else(|| {
        CommandError::new(
            Kind::NotFound,
            format!("there is no CA for `{}`", kind.as_str()),
            "`portcullis ca show` shows those there are",
        )
    })?;
    let pem = pem_of(&issuer.root_der);
    let lines = pem.lines().map(ToOwned::to_owned).collect();
    Ok(Output::new(json!({ "pem": pem, "sha256": fingerprint(&issuer.root_der) }), lines))
}

/// As browsers show it: pairs of hexadecimal digits with colons.
fn fingerprint(der: &[u8]) -> String {
    let pairs: Vec<String> = sha256(der).iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// Sent over the control socket to our own server, and nowhere else.
fn exposed<S: serde::Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose())
}

impl From<CaError> for CommandError {
    fn from(error: CaError) -> Self {
        Self::new(Kind::Failed, error.to_string(), "then repeat the command")
    }
}
