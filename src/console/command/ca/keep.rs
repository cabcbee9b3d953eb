//! The keys of the CAs themselves: the roots' taken off the machine, all of them sealed anew, all of it backed up.

use std::sync::Arc;

use serde_json::json;

use super::rotate::with_keys;
use crate::audit::{Entry, Event};
use crate::ca::{CaError, RootBundle};
use crate::console::command::person::count;
use crate::console::command::{Acts, CommandError, Kind, Output};
use crate::crypto::sha256;
use crate::domain::certificate::{Certificate, Issuer};
use crate::domain::tenant::Tenant;
use crate::domain::{Secret, TenantId};
use crate::store::table::{self, Record};

impl Acts {
    /// The bundle, as a file of the answer; nothing is removed yet.
    pub(super) async fn root_bundle(&self, passphrase: Secret) -> Result<Output, CommandError> {
        let _turn = self.keys.turn().await;
        let (keys, issuers) = (Arc::clone(&self.keys), self.records_of::<Issuer>().await?);
        let text = with_keys(move || keys.bundle(&passphrase, &issuers)?.text()).await?;
        let line = "The root bundle; the keys are still here too.";
        Ok(Output::line(json!({}), line).with_file("portcullis-root.pem", text.as_bytes()))
    }

    /// Removes the keys that lie in the bundle, which by now lies on the disk of whoever asks.
    pub(super) async fn take_root_away(&self, actor: &str, bundle: &str) -> Result<Output, CommandError> {
        let _turn = self.keys.turn().await;
        let bundle_read = RootBundle::parse(bundle).map_err(CaError::from)?;
        // Told first: a key that is gone without a trace would be worse than a trace of one that is still here.
        let sha256 = data_encoding::HEXLOWER.encode(&sha256(bundle.as_bytes()));
        self.record(Entry::new(actor, Event::CaRootAway).detail("bundle_sha256", sha256), vec![]).await?;
        let keys = Arc::clone(&self.keys);
        let gone = with_keys(move || keys.take_root_away(&bundle_read)).await?;
        let lines = vec![
            format!("{} of the roots removed from {}.", count(gone, "key"), self.keys.path().display()),
            "What was on this disk may still be on it, and in older backups of it; there as here the keys are sealed."
                .to_owned(),
        ];
        Ok(Output::new(json!({ "removed": gone }), lines))
    }

    pub(super) async fn reseal(
        &self,
        actor: &str,
        passphrase: Secret,
        new: Secret,
    ) -> Result<Output, CommandError> {
        let _turn = self.keys.turn().await;
        let (keys, world) = (Arc::clone(&self.keys), self.world.clone());
        let sealed = with_keys(move || keys.reseal(&passphrase, &new, &world)).await?;
        let entry = Entry::new(actor, Event::CaResealed).detail("keys", sealed.to_string());
        self.record(entry, vec![]).await?;
        let lines = vec![
            format!("{} sealed under the new passphrase; the old one opens none of them any more.", count(sealed, "key")),
            "Next: put the new passphrase where the gate finds it when it starts (`portcullis doctor` says where \
             that is). A gate that runs goes on meanwhile."
                .to_owned(),
            "Backups, and a root bundle that was taken away, still open with the old passphrase: make a new backup, \
             and seal the bundle anew with `portcullis ca reseal --bundle FILE`."
                .to_owned(),
        ];
        Ok(Output::new(json!({ "keys": sealed }), lines))
    }

    /// The backup, as a file of the answer, which whoever asks encrypts.
    pub(super) async fn back_up(&self, actor: &str, passphrase: Secret) -> Result<Output, CommandError> {
        let _turn = self.keys.turn().await;
        let issuers = self.records_of::<Issuer>().await?;
        let certificates = self.records_of::<Certificate>().await?;
        let (count_of, now, keys) = (certificates.len(), self.now(), Arc::clone(&self.keys));
        let mut backup = with_keys(move || keys.backup(&passphrase, &issuers, &certificates, now)).await?;
        let staff: Option<Tenant> =
            self.read(&table::tenant(&TenantId::staff())).await?.map(|read| read.record);
        if let Some(staff) = staff {
            backup.house = json!({ "organization": staff.name, "telephone": staff.telephone });
        }
        let bytes = serde_json::to_vec(&backup).map_err(|error| {
            CommandError::new(Kind::Failed, format!("the backup could not be written: {error}"), "try again")
        })?;
        let entry = Entry::new(actor, Event::CaBackedUp).detail("certificates", count_of.to_string());
        self.record(entry, vec![]).await?;
        let json = json!({ "certificates": count_of, "made": backup.made });
        let line =
            format!("The CA with its keys and {} as of {}.", count(count_of, "certificate"), backup.made);
        Ok(Output::line(json, line).with_file("portcullis-ca.age", &bytes))
    }

    pub(super) async fn records_of<R: Record>(&self) -> Result<Vec<R>, CommandError> {
        let all = self.read_all::<R>(&table::all::<R>()).await?;
        Ok(all.into_iter().map(|read| read.record).collect())
    }
}
