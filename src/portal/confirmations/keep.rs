//! A request becomes a confirmation: what the backend wants shown, and the request sealed beside it.

use std::time::Duration;

use super::{Confirmations, entry};
use crate::audit::Event;
use crate::crypto::{self, sha256};
use crate::domain::confirmation::{Confirmation, ConfirmationState, Manner, NotSent};
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
        self.make_room(&kept_as).await?;
        let entry = entry(Event::ConfirmationKept, &kept_as)
            .whence(visit.address)
            .detail("title", &kept_as.wanted.title)
            .detail("request", &visit.request_id);
        let whose = (kept_as.tenant.clone(), kept_as.person.clone());
        self.open().waiting.insert(kept_as.id.clone(), whose);
        self.parts.ledger.record(entry, vec![table::create(&kept_as)]).await.map_err(|_| Reason::Internal)?;
        Ok(kept_as)
    }

    /// A person may have a few open at once, in several windows; nobody may fill the store.
    async fn make_room(&self, newest: &Confirmation) -> Result<(), Reason> {
        let open: Vec<ConfirmationId> = {
            let open = self.open();
            let own = open
                .waiting
                .iter()
                .filter(|(_, (tenant, person))| *tenant == newest.tenant && *person == newest.person);
            own.map(|(id, _)| id.clone()).collect()
        };
        if open.len() < OPEN_MAX {
            return Ok(());
        }
        let mut found = Vec::new();
        for id in open {
            found.extend(self.read(&newest.tenant, &newest.person, &id).await?);
        }
        // What is on its way cannot be taken back, and whoever said that it was not sent would have it paid twice.
        let too_many = (found.len() + 1).saturating_sub(OPEN_MAX);
        found.retain(|one| !matches!(one.record.state, ConfirmationState::Sending { .. }));
        found.sort_by_key(|one| one.record.created);
        if found.len() < too_many {
            return Err(Reason::Busy);
        }
        for oldest in found.iter().take(too_many) {
            self.refuse(oldest, NotSent::TooMany).await?;
        }
        Ok(())
    }

    fn seal(&self, kept_as: &Confirmation, kept: &Kept) -> Result<Vec<u8>, Reason> {
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

/// Each may be 256 KiB; nobody confirms more than one at a time.
const OPEN_MAX: usize = 5;
