//! What a session becomes when a new phone took the old one's place. Knows no page, and not what lets it.

use super::steps::{Steps, Walker};
use crate::auth::session::{Begun, Proof};
use crate::domain::Reason;
use crate::domain::renewal::Renewal;
use crate::domain::session::Session;
use crate::notify::{self, About};
use crate::store::Write;
use crate::store::table;

/// How it came about, for those who are told.
pub(crate) struct Replacement {
    /// What the new phone calls itself.
    pub(crate) phone: String,
    /// "a recovery code", "our support".
    pub(crate) by: &'static str,
    /// How many recovery codes are left, where one was used.
    pub(crate) left: Option<usize>,
}

impl Steps {
    /// The session's last step, to commit with the new phone's record. Every other session of the person ends with
    /// the old phone, which may have let it in, and every address is told. And what the trail is told.
    pub(crate) async fn with_new_phone(
        &self,
        who: &Walker<'_>,
        replacement: &Replacement,
    ) -> Result<(Begun, Vec<Write>, Vec<(String, String)>), Reason> {
        let (begun, mut writes, mut notes) = self.stepped(who, &[Proof::Phone]).await?;
        let (own, store) = (who.session.session(), &**self.ledger.store());
        let sessions = table::list::<Session>(store, &table::all::<Session>()).await;
        let others = sessions
            .map_err(|_| Reason::Internal)?
            .into_iter()
            .map(|read| read.record)
            .filter(|it| it.tenant == own.tenant && it.person == own.person && it.token != own.token);
        let mut ended = 0_usize;
        for other in others {
            ended += 1;
            // Present: one that rotates meanwhile makes us look again.
            writes.push(table::delete_present(table::session(&other.token)));
        }
        notes.push(("sessions_ended".to_owned(), ended.to_string()));
        let renewals = table::list::<Renewal>(store, &table::all::<Renewal>()).await;
        let renewals = renewals.map_err(|_| Reason::Internal)?.into_iter().map(|read| read.record);
        writes.extend(
            renewals
                .filter(|it| it.tenant == own.tenant && it.person == own.person)
                .map(|it| table::delete_present(table::renewal(&it.token))),
        );
        let (device, address) = (who.certificate.device().name.clone(), who.address.to_string());
        let Replacement { phone, by, left } = replacement;
        if let Some(left) = *left {
            notes.push(("codes_left".to_owned(), left.to_string()));
            let about = About::RecoveryCodeUsed { left, device: device.clone(), address: address.clone() };
            writes.extend(notify::queue(&self.world, who.tenant, who.certificate.person(), about));
        }
        let (phone, by) = (phone.clone(), (*by).to_owned());
        let about = About::PhoneReplaced { phone, device, address, by };
        writes.extend(notify::queue(&self.world, who.tenant, who.certificate.person(), about));
        Ok((begun, writes, notes))
    }
}
