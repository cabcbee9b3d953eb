//! Wakes a person's phones when a question is put to them: hears of it from the view, and has the rest done by
//! `notify::webpush`. Knows no message.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::{AppError, Core};
use crate::config::Config;
use crate::domain::approval::{Approval, ApprovalState};
use crate::domain::push::Subscription;
use crate::domain::{ApprovalId, Time};
use crate::notify::webpush::{Keys, Pusher, Reach, Settings, StillWanted, Way, Word};
use crate::store::table::{self, Key, Record as _};
use crate::store::view::View;
use crate::store::{Store, StoreError};
use crate::world::World;

/// As the operator wrote it.
///
/// # Errors
/// A CA that cannot be read.
pub(super) fn pusher(config: &Config, core: &Core, keys: Arc<Keys>) -> Result<Arc<Pusher>, AppError> {
    if keys.newest().is_none() {
        tracing::warn!(
            "there is no key for push: phones are not woken, people open the app themselves; make one with \
             `portcullis push rotate-key`"
        );
    }
    Ok(Arc::new(Pusher::new(way(config)?, keys, Arc::clone(&core.ledger), core.world.clone())))
}

/// The way out.
///
/// # Errors
/// A CA that cannot be read.
pub(super) fn way(config: &Config) -> Result<Way, AppError> {
    Ok(Way::open(&Settings {
        contact: config.push.contact.clone().unwrap_or_else(|| config.origin(&config.phone.host)),
        proxy: config.push.proxy.clone(),
        ca_file: config.push.ca_file.clone(),
        reach: if config.push.private_services { Reach::Private } else { Reach::Public },
    })?)
}

/// Pushes until `shutdown`.
pub(super) fn follow(core: &Core, pusher: Arc<Pusher>, shutdown: &CancellationToken) {
    let mut touched = core.view.subscribe();
    let bell = Bell {
        store: Arc::clone(core.ledger.store()),
        view: Arc::clone(&core.view),
        world: core.world.clone(),
        pusher,
    };
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(async move {
        let mut rung = Rung::default();
        loop {
            let heard = match touched.recv().await {
                Ok(touched) if touched.key.table() == Approval::TABLE => {
                    bell.look(&touched.key, &mut rung).await
                }
                Ok(_) => Ok(()),
                // What was missed is looked for: a question that was rung for already is not rung for again.
                Err(RecvError::Lagged(_)) => bell.look(&table::all::<Approval>(), &mut rung).await,
                Err(RecvError::Closed) => return,
            };
            if let Err(error) = heard {
                tracing::warn!(%error, "it could not be read whom to wake");
            }
        }
    }));
}

struct Bell {
    store: Arc<dyn Store>,
    view: Arc<View>,
    world: World,
    pusher: Arc<Pusher>,
}

/// Questions that were rung for, and until when they are remembered: each is touched by wrong digits too.
#[derive(Default)]
struct Rung(HashMap<ApprovalId, Time>);

impl Rung {
    /// Whether it is the first time.
    fn first(&mut self, question: &Approval, now: Time) -> bool {
        self.0.retain(|_, until| now < *until);
        self.0.insert(question.id.clone(), question.expires).is_none()
    }
}

impl Bell {
    /// Rings for each question under a key that waits and was not rung for.
    async fn look(&self, under: &Key, rung: &mut Rung) -> Result<(), StoreError> {
        for question in table::list::<Approval>(&*self.store, under).await? {
            let (question, now) = (question.record, self.world.now());
            if waits(&question, now) && rung.first(&question, now) {
                self.ring(&question).await?;
            }
        }
        Ok(())
    }

    async fn ring(&self, question: &Approval) -> Result<(), StoreError> {
        let (tenant, person) = (&question.tenant, &question.person);
        let subscribed =
            table::list::<Subscription>(&*self.store, &table::subscriptions(tenant, person)).await?;
        if subscribed.is_empty() {
            return Ok(());
        }
        let phones = self.view.phones(tenant, person);
        let word = Word { site: question.shown.site.clone(), until: question.expires };
        for subscription in subscribed {
            if phones.iter().any(|phone| phone.id == subscription.record.phone) {
                self.pusher.push(subscription, word.clone(), self.still_wanted(question));
            } else {
                self.pusher.forget(&subscription, "its phone is not paired any more").await;
            }
        }
        Ok(())
    }

    fn still_wanted(&self, question: &Approval) -> StillWanted {
        let (store, world) = (Arc::clone(&self.store), self.world.clone());
        let key = question.key();
        Box::new(move || {
            let (store, world, key) = (Arc::clone(&store), world.clone(), key.clone());
            Box::pin(async move {
                let read = table::get::<Approval>(&*store, &key).await;
                matches!(read, Ok(Some(read)) if waits(&read.record, world.now()))
            })
        })
    }
}

fn waits(question: &Approval, now: Time) -> bool {
    question.state == ApprovalState::Pending && now < question.expires
}
