//! Keeps the revocation lists true: signed anew soon after a certificate ended, before they are half
//! old, and when somebody fetches one that is due because the clock jumped or the machine slept. Answers
//! OCSP beside them, from the same memory. The last ones are kept in the folder of the data: what they told is
//! revoked again where the store was put back to an older state.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{AppError, Core, heed};
use crate::audit::{Entry, Event, Ledger};
use crate::ca::ocsp::Answer;
use crate::ca::{Authority, CaError, CrlShelf, KeptLists, Ocsp};
use crate::domain::certificate::{Certificate, Serial};
use crate::domain::{IssuerId, Time};
use crate::front::outside::text::{Kind, Text};
use crate::front::plain::File;
use crate::front::way;
use crate::store::Record;
use crate::store::view::{Touched, View};
use crate::world::World;

/// The revocation lists of this house, and what they are made of.
pub(super) struct Lists {
    shelf: CrlShelf,
    kept: KeptLists,
    ocsp: Ocsp,
    authority: Arc<Authority>,
    view: Arc<View>,
    ledger: Arc<Ledger>,
    world: World,
    /// A list was signed for somebody who fetched it.
    fetched: Notify,
}

/// Which certificates may stand otherwise than the lists tell.
enum Heard {
    These(BTreeSet<Serial>),
    All,
}

impl Lists {
    /// Heeds the last ones of before, in `kept`, and signs the first.
    pub(super) async fn open(
        authority: &Arc<Authority>,
        core: &Core,
        kept: KeptLists,
    ) -> Result<Arc<Self>, AppError> {
        let this = Arc::new(Self {
            shelf: CrlShelf::new(),
            kept,
            ocsp: Ocsp::new(),
            authority: Arc::clone(authority),
            view: Arc::clone(&core.view),
            ledger: Arc::clone(&core.ledger),
            world: core.world.clone(),
            fetched: Notify::new(),
        });
        heed::last_lists(&this.kept, &this.shelf, core).await?;
        match this.sign(&Heard::All) {
            Ok(()) => {}
            // Then nothing else is decided either, until the record is repaired.
            Err(error @ CaError::Stale) => alarm(&error),
            Err(error) => return Err(error.into()),
        }
        this.record().await;
        Ok(this)
    }

    /// Follows the store and the clock until `stop`.
    pub(super) fn follow(self: &Arc<Self>, stop: &CancellationToken) {
        let (this, mut touched) = (Arc::clone(self), self.view.subscribe());
        let mut changes = self.authority.changes();
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            // What changed between the first lists and this moment was heard by nobody.
            let mut unheard = Some(Heard::All);
            loop {
                let heard = match unheard.take() {
                    Some(heard) => heard,
                    None => match this.next(&mut touched, &mut changes).await {
                        Some(heard) => heard,
                        None => return,
                    },
                };
                let signing = Arc::clone(&this);
                // A long list takes longer than others may wait for this thread.
                let signed = tokio::task::spawn_blocking(move || signing.sign(&heard)).await;
                if let Ok(Err(error)) = signed {
                    alarm(&error);
                    tokio::time::sleep(AFTER_A_FAILURE).await;
                    unheard = Some(Heard::All);
                }
                this.record().await;
            }
        }));
    }

    /// Waits until there is something to do; `None` where the view has gone.
    async fn next(
        &self,
        touched: &mut Receiver<Touched>,
        changes: &mut watch::Receiver<u64>,
    ) -> Option<Heard> {
        let due = self.shelf.due().map_or(LOOKED_AT_EVERY, |due| due.since(self.world.now()));
        let mut look = pin!(tokio::time::sleep(due.min(LOOKED_AT_EVERY)));
        let mut serials = BTreeSet::new();
        loop {
            tokio::select! {
                () = &mut look => return Some(Heard::These(serials)),
                // Another CA has its list from the beginning.
                Ok(()) = changes.changed() => return Some(Heard::These(serials)),
                () = self.fetched.notified() => return Some(Heard::These(serials)),
                heard = touched.recv() => match heard {
                    Ok(touched) if touched.key.table() != Certificate::TABLE => {}
                    Ok(touched) => {
                        serials.extend(serial(&touched));
                        break;
                    }
                    Err(RecvError::Lagged(_)) => return Some(Heard::All),
                    Err(RecvError::Closed) => return None,
                },
            }
        }
        // One revocation seldom comes alone: one list tells of all that follow within this while.
        tokio::time::sleep(GATHERED_FOR).await;
        loop {
            match touched.try_recv() {
                Ok(touched) => serials.extend(serial(&touched)),
                Err(TryRecvError::Lagged(_)) => return Some(Heard::All),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return Some(Heard::These(serials)),
            }
        }
    }

    /// Signs what is due, from what is in memory. A view that is stale knows no revocations: nothing is
    /// signed over it, and the lists that are there grow old.
    fn sign(&self, heard: &Heard) -> Result<(), CaError> {
        let now = self.world.now();
        let age = self.view.age(now);
        if age > way::STALE_AFTER {
            return Err(CaError::Stale);
        }
        let certificates: Vec<Arc<Certificate>> = match heard {
            Heard::All => self.view.certificates(),
            Heard::These(serials) => serials.iter().filter_map(|one| self.view.certificate(one)).collect(),
        };
        self.shelf.refresh(&self.authority, certificates.iter().map(|one| &**one), now).map(drop)
    }

    async fn record(&self) {
        let signed = self.shelf.take_signed();
        if signed == 0 {
            return;
        }
        let (kept, all) = (self.kept.clone(), self.shelf.all());
        let entry = Entry::new("gate", Event::CrlSigned).detail("lists", signed.to_string());
        if let Err(error) = self.ledger.record(entry, vec![]).await {
            tracing::error!(%error, "that the lists were signed was not written down");
            return;
        }
        // After that was written down, so that no list is later than a store that is not an older one.
        let keep = move || all.iter().try_for_each(|(issuer, crl)| kept.keep(issuer, crl));
        if let Ok(Err(error)) = tokio::task::spawn_blocking(keep).await {
            tracing::error!(%error, "alarm: the last revocation lists could not be kept");
        }
    }

    /// The list of an issuer for those who fetch it: never one that has ended, whatever the clock did.
    pub(super) fn served(&self, issuer: &str) -> File {
        let now = self.world.now();
        if self.shelf.is_due(now) {
            match self.sign(&Heard::These(BTreeSet::new())) {
                Ok(()) => self.fetched.notify_one(),
                Err(error) => alarm(&error),
            }
        }
        match self.shelf.served(issuer, now) {
            None if self.authority.issuers().any(|known| known.id.as_str() == issuer) => File::Ended,
            None => File::Unknown,
            Some(Err(_)) => File::Ended,
            Some(Ok(crl)) => File::Fresh {
                bytes: Bytes::from(crl.der.clone()),
                tag: format!("{:x}", crl.number),
                from: crl.this_update,
                until: crl.next_update,
            },
        }
    }

    /// Answers a question of OCSP.
    pub(super) fn answer(&self, question: &[u8]) -> Answer {
        let now = self.world.now();
        if self.view.age(now) > way::STALE_AFTER {
            return Answer::try_later();
        }
        self.ocsp.answer(&self.authority, |serial| self.view.certificate(serial), question, now)
    }

    /// How the lists stand, in the text that Prometheus reads.
    pub(super) fn metrics(&self) -> String {
        let now = self.world.now();
        let mut text = Text::default();
        let all = self.shelf.all();
        let mut gauge = |name: &str, help: &str, value: &dyn Fn(&crate::ca::Crl) -> u64| {
            text.family(name, Kind::Gauge, help);
            for (issuer, crl) in &all {
                let issuer: &IssuerId = issuer;
                text.sample(name, &[("issuer", issuer.as_str())], value(crl));
            }
        };
        let seconds = |later: Time, earlier: Time| later.since(earlier).as_secs();
        gauge("crl_age_seconds", "Since the revocation list was signed.", &|crl| {
            seconds(now, crl.this_update)
        });
        let left = "Until the revocation list counts no more.";
        gauge("crl_seconds_left", left, &|crl| seconds(crl.next_update, now));
        gauge("crl_entries", "Certificates on the revocation list.", &|crl| crl.entries as u64);
        text.into_string()
    }
}

/// Somebody must look: from now on lists grow old.
fn alarm(error: &CaError) {
    tracing::error!(%error, "alarm: the revocation lists cannot be signed and stay as they were; none is served past its end");
}

fn serial(touched: &Touched) -> Option<Serial> {
    let of_certificates = touched.key.table() == Certificate::TABLE;
    let parts = touched.key.parts().filter(|_| of_certificates)?;
    parts.first().map(|serial| (*serial).to_owned())
}

/// Long enough to gather a burst, short enough that a list follows a revocation well within a second.
const GATHERED_FOR: Duration = Duration::from_millis(50);

/// Sleeping goes by the monotonic clock; the wall clock may have jumped meanwhile.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(60);

const AFTER_A_FAILURE: Duration = Duration::from_secs(5);
