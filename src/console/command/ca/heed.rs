//! A revocation list of ours, taken from wherever it was fetched: what it tells is revoked here too.

use std::sync::Arc;

use serde_json::json;

use crate::ca::crl::kept;
use crate::console::command::person::count;
use crate::console::command::{Acts, CommandError, Kind, Output};
use crate::domain::certificate::Issuer;
use crate::enrolment::revocation::Revocation;

impl Acts {
    /// Safe to repeat: what is revoked already keeps its date and reason.
    pub(super) async fn import_crl(&self, actor: &str, list: &[u8]) -> Result<Output, CommandError> {
        let issuers = self.records_of::<Issuer>().await?;
        let der = kept::der(list);
        let list = kept::read(&der, &issuers).map_err(|why| {
            CommandError::new(
                Kind::Usage,
                format!("this list is not taken: {why}"),
                "name a file as it was fetched from this gate, at /crl/CA.crl of its plain address",
            )
        })?;
        let unknown = list.told.iter().filter(|told| self.view.certificate(&told.serial).is_none()).count();
        let revocation = Revocation::new(Arc::clone(&self.ledger), self.world.clone());
        let revoked = revocation.heed(&list, actor).await?;
        if let Some(issuer) = issuers.iter().find(|issuer| issuer.id == list.issuer) {
            self.kept.bring(&list, &der, issuer)?;
        }
        let mut lines = vec![format!(
            "The list of {} tells of {}: {} had not stayed revoked, and {} again.",
            list.issuer,
            count(list.told.len(), "certificate"),
            revoked.len(),
            if revoked.len() == 1 { "is" } else { "are" },
        )];
        if unknown > 0 {
            lines.push(format!(
                "{} of them no record here tells of: the gate lets nobody in with one it does not know. Start it anew, \
                 and its own lists tell of them too.",
                count(unknown, "certificate")
            ));
        }
        let (issuer, told) = (list.issuer.as_str(), list.told.len());
        let json = json!({ "issuer": issuer, "told": told, "revoked": revoked, "unknown": unknown });
        Ok(Output::new(json, lines))
    }
}
