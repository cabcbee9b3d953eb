//! How confirmations end: answered, unknown, refused, too late. Whoever looks writes down what is over; what
//! nobody looks at is written down by a watch, and what a gate left behind that was killed, when it starts.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Response;
use tokio_util::sync::CancellationToken;

use super::{Confirmations, Found, Here, approval, entry};
use crate::audit::{Event, Outcome};
use crate::domain::approval::ApprovalState;
use crate::domain::confirmation::{Confirmation, ConfirmationState, NotSent};
use crate::domain::route::Route;
use crate::domain::session::Session;
use crate::domain::{ConfirmationId, PersonId, Reason, TenantId};
use crate::store::table;

/// What became of a request that was sent.
pub(super) enum Fate {
    /// It was answered.
    Answered(u16),
    /// Not a byte of it was sent.
    Unsent,
    /// Nobody knows.
    Unknown,
}

impl Fate {
    /// By what came back.
    pub(super) fn of(answer: &Result<Response<Body>, Reason>) -> Self {
        match answer {
            Ok(answer) => Self::Answered(answer.status().as_u16()),
            // No connection, or nothing that may be sent at all.
            Err(
                Reason::BackendDown(_)
                | Reason::BackendBusy(_)
                | Reason::Maintenance { .. }
                | Reason::BadRequest(_)
                | Reason::MethodNotAllowed,
            ) => Self::Unsent,
            Err(_) => Self::Unknown,
        }
    }
}

impl Confirmations {
    /// The confirmation as it stands now, its time being judged.
    pub(super) async fn look(&self, here: &Here<'_>) -> Result<Found, Reason> {
        for _ in 0..super::TRIES_MAX {
            let found = self.find(here).await?;
            if self.settled(&found).await? {
                continue;
            }
            if !self.taken_over(here, &found).await? {
                return Ok(found);
            }
        }
        Err(Reason::Busy)
    }

    /// A session that is over, as by a step-up in another tab, leaves what it had under way to the next one of the
    /// same certificate: that one asks the phone anew. What is sent or ended is only looked at. Whether to look again.
    async fn taken_over(&self, here: &Here<'_>, found: &Found) -> Result<bool, Reason> {
        let (its, token) = (&found.record, here.session.token());
        if its.session == *token || its.state.is_final() {
            return Ok(false);
        }
        if matches!(its.state, ConfirmationState::Sending { .. }) {
            return Ok(false);
        }
        let store = &**self.parts.ledger.store();
        let old = table::get::<Session>(store, &table::session(&its.session)).await;
        if old.map_err(|_| Reason::Internal)?.is_some() {
            return Err(Reason::NotFound);
        }
        let Some(kept) = self.unseal(its) else {
            tracing::error!(confirmation = %its.id, "what is kept is not what was sent: not asked about");
            self.refuse(found, NotSent::Changed).await?;
            return Ok(true);
        };
        let state = ConfirmationState::Kept;
        let mut next = Confirmation { session: *token, state, evidence: None, ..its.clone() };
        next.sealed = self.seal(&next, &kept)?;
        let entry = entry(Event::ConfirmationTakenOver, its).whence(here.visit.address);
        self.change(entry, found, &next).await?;
        Ok(true)
    }

    /// Writes down what is over by now; whether there was anything.
    async fn settled(&self, found: &Found) -> Result<bool, Reason> {
        let (its, now) = (&found.record, self.parts.world.now());
        match &its.state {
            ConfirmationState::Kept | ConfirmationState::Approved { .. } if now >= its.expires => {
                self.end(found, ConfirmationState::Expired { at: now }, Event::ConfirmationExpired).await?;
            }
            ConfirmationState::Asked { approval: id } => {
                let asked = approval(&self.parts.ledger, its, id).await?;
                match asked.map(|asked| asked.record.state) {
                    Some(ApprovalState::Denied { .. }) => self.refuse(found, NotSent::NotMe).await?,
                    _ if now >= its.expires => {
                        self.end(found, ConfirmationState::Expired { at: now }, Event::ConfirmationExpired)
                            .await?;
                    }
                    _ => return Ok(false),
                }
            }
            ConfirmationState::Sending { .. } if !self.open().sending.contains_key(&its.id) => {
                self.end(found, ConfirmationState::Unknown { at: now }, Event::ConfirmationUnknown).await?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// It is not sent, and never will be. Whoever came first has ended it already.
    pub(super) async fn refuse(&self, found: &Found, why: NotSent) -> Result<(), Reason> {
        let state = ConfirmationState::Refused { why, at: self.parts.world.now() };
        self.end(found, state, Event::ConfirmationRefused).await
    }

    async fn end(&self, found: &Found, state: ConfirmationState, event: Event) -> Result<(), Reason> {
        let mut entry = entry(event, &found.record);
        if let ConfirmationState::Refused { why, .. } = &state {
            entry = entry.outcome(Outcome::Refused(why.as_str().to_owned()));
        }
        if let ConfirmationState::Done { status, .. } = &state {
            entry = entry.detail("status", status.to_string());
        }
        let ended = Confirmation { state, sealed: Vec::new(), ..found.record.clone() };
        if self.change(entry, found, &ended).await? {
            self.open().waiting.remove(&ended.id);
        }
        Ok(())
    }

    /// Writes down what became of a request that this node has sent.
    pub(super) async fn ended(&self, sent: &Confirmation, route: &Route, fate: &Fate) {
        let id = &sent.id;
        if let Err(reason) = self.write_fate(&sent.tenant, &sent.person, id, fate).await {
            // It stays "sending", which is shown as unknown.
            tracing::error!(?reason, confirmation = %id, route = route.name, "an outcome was not written down");
        }
        self.open().ends(id);
    }

    async fn write_fate(
        &self,
        tenant: &TenantId,
        person: &PersonId,
        id: &ConfirmationId,
        fate: &Fate,
    ) -> Result<(), Reason> {
        let Some(found) = self.read(tenant, person, id).await? else { return Ok(()) };
        let at = self.parts.world.now();
        match fate {
            Fate::Answered(status) => {
                let state = ConfirmationState::Done { status: *status, at };
                self.end(&found, state, Event::ConfirmationDone).await
            }
            Fate::Unsent => self.refuse(&found, NotSent::Unreachable).await,
            Fate::Unknown => {
                self.end(&found, ConfirmationState::Unknown { at }, Event::ConfirmationUnknown).await
            }
        }
    }

    pub(super) async fn read(
        &self,
        tenant: &TenantId,
        person: &PersonId,
        id: &ConfirmationId,
    ) -> Result<Option<Found>, Reason> {
        let key = table::confirmation(tenant, person, id);
        table::get(&**self.parts.ledger.store(), &key).await.map_err(|_| Reason::Internal)
    }

    /// Takes up what an earlier gate over this store left open: what it was sending is unknown. Only one gate
    /// may do so for a store.
    ///
    /// # Errors
    /// The store's.
    pub async fn settle(&self) -> Result<(), Reason> {
        let store = &**self.parts.ledger.store();
        let all = table::list::<Confirmation>(store, &table::all::<Confirmation>()).await;
        for found in all.map_err(|_| Reason::Internal)? {
            let its = &found.record;
            if !its.state.is_final() && !self.settled(&found).await? {
                let whose = (its.tenant.clone(), its.person.clone());
                self.open().waiting.insert(its.id.clone(), whose);
            }
        }
        Ok(())
    }

    /// Until `stop`, writes down the ends that nobody waits for, so that no request is kept past its time.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        if let Err(reason) = self.settle().await {
            tracing::error!(?reason, "confirmations that were left open could not be read");
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOKED_AT_EVERY) => {}
            }
            if let Err(reason) = self.sweep().await {
                tracing::error!(?reason, "the end of a confirmation was not written down");
            }
        }
    }

    /// Writes down what is over.
    ///
    /// # Errors
    /// The store's.
    pub async fn sweep(&self) -> Result<(), Reason> {
        let waiting: Vec<_> =
            self.open().waiting.iter().map(|(id, whose)| (id.clone(), whose.clone())).collect();
        for (id, (tenant, person)) in waiting {
            match self.read(&tenant, &person, &id).await? {
                Some(found) if !found.record.state.is_final() => {
                    self.settled(&found).await?;
                }
                _ => {
                    self.open().waiting.remove(&id);
                }
            }
        }
        Ok(())
    }
}

/// A request is kept no longer past its end than this.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(10);
