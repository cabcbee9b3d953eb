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
        let (issuer, told) = kept::read(list, &issuers).map_err(|why| {
            CommandError::new(
                Kind::Usage,
                format!("this list is not taken: {why}"),
                "name a file as it was fetched from this gate, at /crl/CA.crl of its plain address",
            )
        })?;
        let unknown = told.iter().filter(|told| self.view.certificate(&told.serial).is_none()).count();
        let revoked =
            Revocation::new(Arc::clone(&self.ledger), self.world.clone()).heed(&told, actor).await?;
        let mut lines = vec![format!(
            "The list of {} tells of {}: {} had not stayed revoked, and {} again.",
            issuer.id,
            count(told.len(), "certificate"),
            revoked.len(),
            if revoked.len() == 1 { "is" } else { "are" },
        )];
        if unknown > 0 {
            lines.push(format!(
                "{} of them no record here tells of: the gate lets nobody in with one it does not know.",
                count(unknown, "certificate")
            ));
        }
        let told = told.len();
        let json =
            json!({ "issuer": issuer.id.as_str(), "told": told, "revoked": revoked, "unknown": unknown });
        Ok(Output::new(json, lines))
    }
}
