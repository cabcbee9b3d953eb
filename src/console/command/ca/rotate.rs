//! An issuing CA takes another's place: key, certificate, record, and all of it in use without a restart.

use std::sync::Arc;

use serde_json::json;

use super::fingerprint;
use crate::audit::{Entry, Event};
use crate::ca::{CaError, Request, Rotated};
use crate::console::command::output::grouped;
use crate::console::command::{Acts, CommandError, Kind, Output};
use crate::domain::Secret;
use crate::domain::certificate::{Issuer, IssuerKind};
use crate::store::table::{self, Stored};

impl Acts {
    pub(super) async fn rotate(
        &self,
        actor: &str,
        kind: IssuerKind,
        passphrase: Secret,
        certificate: Option<String>,
    ) -> Result<Output, CommandError> {
        let _turn = self.keys.turn().await;
        let before = self.read_all::<Issuer>(&table::all::<Issuer>()).await?;
        let issuers = before.iter().map(|read| read.record.clone()).collect::<Vec<_>>();
        let (keys, world) = (Arc::clone(&self.keys), self.world.clone());
        let rotated = with_keys(move || match certificate {
            Some(certificate) => keys.accept(&passphrase, &issuers, kind, &certificate, &world),
            None => keys.rotate(&passphrase, &issuers, kind, &world),
        })
        .await?;
        self.put_in_force(actor, &before, rotated).await
    }

    /// Writes the request for a root that is elsewhere; its key stays here.
    pub(super) async fn request_ca(
        &self,
        actor: &str,
        kind: IssuerKind,
        passphrase: Secret,
    ) -> Result<Output, CommandError> {
        let _turn = self.keys.turn().await;
        let issuers = self.records_of::<Issuer>().await?;
        let (keys, world) = (Arc::clone(&self.keys), self.world.clone());
        let text = with_keys(move || keys.request(&passphrase, &issuers, kind, &world)).await?;
        let request = Request::parse(&text).map_err(CaError::from)?;
        let print = grouped(&request.fingerprint);
        let entry =
            Entry::new(actor, Event::CaRequested).detail("ca", request.id.as_str()).detail("key", &print);
        self.record(entry, vec![]).await?;
        let json = json!({ "ca": request.id.as_str(), "key_sha256": print });
        let lines = vec![
            format!("A request for the CA {}. SHA-256 of its key, to be compared where the root is:", request.id),
            format!("  {print}"),
            "Next, where the root bundle is: `portcullis ca sign-intermediate --bundle FILE --request FILE --out FILE`,"
                .to_owned(),
            format!("then here: `portcullis ca rotate {} --certificate FILE`.", kind.as_str()),
        ];
        Ok(Output::new(json, lines).with_file(format!("{}.csr", request.id), text.as_bytes()))
    }

    /// Records it and takes it up; the caller holds the folder's turn.
    async fn put_in_force(
        &self,
        actor: &str,
        before: &[Stored<Issuer>],
        rotated: Rotated,
    ) -> Result<Output, CommandError> {
        let new = rotated.issuer().clone();
        let old: Vec<&Stored<Issuer>> =
            before.iter().filter(|read| read.record.kind == new.kind && read.record.issues).collect();
        let mut writes = vec![table::create(&new)];
        writes.extend(
            old.iter().map(|read| table::replace(read, &Issuer { issues: false, ..read.record.clone() })),
        );
        let replaced = old.iter().map(|read| read.record.id.as_str()).collect::<Vec<_>>().join(" ");
        let entry = Entry::new(actor, Event::CaRotated)
            .detail("ca", new.id.as_str())
            .detail("instead_of", &replaced)
            .detail("sha256", fingerprint(&new.der));
        let revision = self.record(entry, writes).await?;
        self.view.reached(revision).await?;
        self.keys.forget_request(&new.id);
        if let Ok(authority) = self.issuance.authority() {
            authority.take_up(rotated);
        }
        let json = json!({
            "ca": new.id.as_str(),
            "instead_of": replaced,
            "not_after": new.not_after.to_string(),
            "sha256": fingerprint(&new.der),
        });
        let mut lines = vec![
            format!("The CA {} issues from now on, until {}.", new.id, new.not_after.day()),
            format!(
                "Certificates from {replaced} go on counting until they end; its revocation list is signed on."
            ),
        ];
        lines.extend(match new.kind {
            IssuerKind::Server => {
                vec!["Doors with certificates of the built-in CA get new ones within a minute.".to_owned()]
            }
            IssuerKind::Devices | IssuerKind::Staff => vec![],
        });
        lines.push("Next: make a backup of the CA as it is now.".to_owned());
        Ok(Output::new(json, lines))
    }
}

/// What takes long (the passphrase becomes a key), away from the threads that serve.
pub(super) async fn with_keys<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CaError> + Send + 'static,
) -> Result<T, CommandError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|_| CommandError::new(Kind::Failed, "the work was broken off", "repeat the command"))??)
}
