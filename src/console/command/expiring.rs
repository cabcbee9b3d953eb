//! What ends: certificates that end soon or ended lately, and that nothing has replaced. Changes nothing.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::device::certificate;
use super::output::{Output, columns};
use super::{Acts, CommandError};
use crate::domain::TenantId;
use crate::enrolment::reminders::{self, TOLD_BEFORE_DAYS};

/// Of whom, and how far ahead.
#[derive(Clone, Serialize, Deserialize, clap::Args)]
pub struct Expiring {
    /// Of one tenant alone
    pub tenant: Option<TenantId>,
    /// Within so many days
    #[arg(long, default_value_t = TOLD_BEFORE_DAYS, value_parser = clap::value_parser!(u32).range(..=3660))]
    pub days: u32,
}

impl Acts {
    pub(super) async fn expiring(&self, asked: &Expiring) -> Result<Output, CommandError> {
        if let Some(tenant) = &asked.tenant {
            self.find_tenant(tenant).await?;
        }
        let mut ending = reminders::ending(&self.view, asked.days, self.now());
        ending.retain(|one| asked.tenant.as_ref().is_none_or(|tenant| *tenant == one.certificate.tenant));
        let rows: Vec<[String; 5]> = ending
            .iter()
            .map(|one| {
                let of = &one.certificate;
                [
                    of.not_after.format("%Y-%m-%d"),
                    one.left.said(),
                    format!("{}/{}", of.tenant, of.person),
                    one.device.name.clone(),
                    of.serial.clone(),
                ]
            })
            .collect();
        let none = format!("Nothing ends within {} days.", asked.days);
        let lines = columns(["on (UTC)", "", "person", "device", "serial"], &rows, &none);
        let shown = ending.iter().map(|one| {
            json!({
                "tenant": one.certificate.tenant.as_str(),
                "person": one.certificate.person.as_str(),
                "name": one.person.name,
                "device": one.certificate.device.as_str(),
                "device_name": one.device.name,
                "days": one.left.days(),
                "ended": one.left == reminders::Left::Ended,
                "certificate": certificate(&one.certificate),
            })
        });
        Ok(Output::new(json!({ "expiring": shown.collect::<Vec<_>>() }), lines))
    }
}
