//! A request becomes a confirmation: what the backend wants shown, and the request sealed beside it.

use std::time::Duration;

use super::{Confirmations, TRIES_MAX, entry};
use crate::audit::{Entry, Event};
use crate::crypto::{self, sha256};
use crate::domain::confirmation::{Confirmation, ConfirmationState, KeptLately, Manner, NotSent};
use crate::domain::route::Route;
use crate::domain::{ConfirmationId, Reason};
use crate::policy::Permit;
use crate::proxy::{Asked, Kept};
use crate::store::table;
use crate::web::Visit;

impl Confirmations {
    /// Keeps a request until somebody has confirmed it.
    pub(super) async fn keep(
        &self,
        permit: &Permit,
        route: &Route,
        visit: &Visit,
        manner: Manner,
        kept: &Kept,
        asked: Asked,
    ) -> Result<Confirmation, Reason> {
        let session = permit.session().filter(|session| !session.session().is_pre_session());
        let (Some(certificate), Some(session)) = (permit.certificate(), session) else {
            tracing::warn!(
                rule = permit.rule(),
                route = route.name,
                "the backend wants a request confirmed that the rule let in without signing in: nobody can be \
                 asked; have the rule need a password and a phone"
            );
            return Err(Reason::SignInFirst);
        };
        if kept.target.as_str().len() > TARGET_BYTES_MAX {
            return Err(Reason::TooLarge);
        }
        let now = self.parts.world.now();
        let mut kept_as = Confirmation {
            id: ConfirmationId::from_bits(self.parts.world.bytes()),
            tenant: certificate.tenant().clone(),
            person: certificate.person_id().clone(),
            device: certificate.device_id().clone(),
            fingerprint: *certificate.fingerprint(),
            session: *session.token(),
            host: visit.host.clone(),
            route: route.name.clone(),
            manner,
            wanted: asked.wanted,
            method: kept.method.to_string(),
            path: kept.target.path().to_owned(),
            query: kept.target.query().map(str::to_owned),
            body_sha256: sha256(kept.body()),
            sealed: Vec::new(),
            created: now,
            expires: now.plus(Duration::from_secs(asked.expires_in_secs)),
            state: ConfirmationState::Kept,
            evidence: None,
            receipt: None,
        };
        kept_as.sealed = self.seal(&kept_as, kept)?;
        let entry = entry(Event::ConfirmationKept, &kept_as)
            .whence(visit.address)
            .detail("title", &kept_as.wanted.title)
            .detail("request", &visit.request_id);
        self.put(entry, &kept_as).await?;
        Ok(kept_as)
    }

    /// Writes it down and counts it, in one commit: nobody may fill the store.
    async fn put(&self, entry: Entry, kept_as: &Confirmation) -> Result<(), Reason> {
        let (tenant, person) = (&kept_as.tenant, &kept_as.person);
        let key = table::kept_lately(tenant, person);
        // Each conflict means that another one was kept, and after few enough of them no more may be.
        for _ in 0..TRIES_MAX {
            let store = &**self.parts.ledger.store();
            let read = table::get::<KeptLately>(store, &key).await.map_err(|_| Reason::Internal)?;
            let nothing = || KeptLately {
                tenant: tenant.clone(),
                person: person.clone(),
                times: Vec::new(),
                open: Vec::new(),
            };
            let mut lately = read.as_ref().map_or_else(nothing, |read| read.record.clone());
            lately.count(self.parts.world.now()).map_err(|until| Reason::KeptTooMany { until })?;
            self.make_room(&mut lately).await?;
            lately.open.push(kept_as.id.clone());
            let count =
                read.as_ref().map_or_else(|| table::create(&lately), |read| table::replace(read, &lately));
            // Known before anybody can read it, so that its end is written down.
            self.open().waiting.insert(kept_as.id.clone(), (tenant.clone(), person.clone()));
            if self.write(entry.clone(), vec![table::create(kept_as), count]).await? {
                return Ok(());
            }
        }
        Err(Reason::Busy)
    }

    /// Where as many are open as may be, the oldest give way.
    async fn make_room(&self, lately: &mut KeptLately) -> Result<(), Reason> {
        if lately.open.len() < KeptLately::OPEN_MAX {
            return Ok(());
        }
        let mut found = Vec::new();
        for id in &lately.open {
            found.extend(self.read(&lately.tenant, &lately.person, id).await?);
        }
        found.retain(|one| !one.record.state.is_final());
        lately.open = found.iter().map(|one| one.record.id.clone()).collect();
        let too_many = (found.len() + 1).saturating_sub(KeptLately::OPEN_MAX);
        // What is on its way cannot be taken back, and whoever said that it was not sent would have it paid twice.
        found.retain(|one| !matches!(one.record.state, ConfirmationState::Sending { .. }));
        found.sort_by_key(|one| one.record.created);
        if found.len() < too_many {
            return Err(Reason::Busy);
        }
        for oldest in found.iter().take(too_many) {
            self.refuse(oldest, NotSent::TooMany).await?;
            lately.open.retain(|id| *id != oldest.record.id);
        }
        Ok(())
    }

    pub(super) fn seal(&self, kept_as: &Confirmation, kept: &Kept) -> Result<Vec<u8>, Reason> {
        let nonce = self.parts.world.bytes::<12>();
        let sealed = crypto::seal(&self.key(&kept_as.id), nonce, &kept_as.seal_label(), &kept.to_bytes());
        sealed.map_err(|_| Reason::Internal)
    }

    /// The request, where it and all that it was kept with are as they were.
    pub(super) fn unseal(&self, of: &Confirmation) -> Option<Kept> {
        let bytes = crypto::open(&self.key(&of.id), &of.seal_label(), &of.sealed).ok()?;
        let kept = Kept::from_bytes(&bytes, &of.method, &of.target())?;
        crypto::same(&sha256(kept.body()), &of.body_sha256).then_some(kept)
    }

    /// Another key for each: the pepper does not lie in the store.
    fn key(&self, id: &ConfirmationId) -> [u8; 32] {
        self.parts.pepper.mac("confirmation request", &[id.as_str().as_bytes()])
    }
}

/// It stands in the receipt, which goes in a header.
const TARGET_BYTES_MAX: usize = 2048;
