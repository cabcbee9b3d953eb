//! What SIGHUP, `portcullis reload` and the API ask for: the configuration and every file that it names are read
//! again, and what can change while requests are under way does. Either all of it or nothing: what may fail is made
//! first and put in place together.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::mail::Mailing;
use super::outside::Telling;
use super::{AppError, Core, acts, doors, limits, push, rooms, service};
use crate::audit::{Entry, Event, Outcome};
use crate::auth::phone::Approvals;
use crate::ca::Authority;
use crate::config::{Config, Mistakes};
use crate::console::command::Acts;
use crate::console::command::reload::{Asked, Changed, Reloaded};
use crate::front::accept::Front;
use crate::front::beside::Plan;
use crate::front::door::Doors;
use crate::front::house::House;
use crate::notify::webpush::Pusher;

/// All that a reload may change.
pub(super) struct Changing {
    /// What the gate runs by.
    pub(super) config: Arc<ArcSwap<Config>>,
    pub(super) core: Core,
    pub(super) authority: Arc<Authority>,
    pub(super) front: Front,
    pub(super) house: Arc<House>,
    pub(super) acts: Arc<Acts>,
    pub(super) approvals: Arc<Approvals>,
    pub(super) pusher: Arc<Pusher>,
    pub(super) mailing: Arc<Mailing>,
    pub(super) telling: Arc<Telling>,
    pub(super) plans: Vec<(SocketAddr, Arc<ArcSwap<Plan>>)>,
}

/// Why nothing changed.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
    #[error(transparent)]
    App(#[from] AppError),
    #[error("reading it broke off: {0}")]
    Panic(#[from] tokio::task::JoinError),
}

impl Refused {
    /// As it is answered, but for the lines of the file, which an answer shows: a secret may stand where it should not.
    fn for_the_trail(&self) -> String {
        let Self::Mistakes(mistakes) = self else { return self.to_string() };
        let told = mistakes.list().iter().map(|mistake| match mistake.line {
            Some(line) => format!("line {line}: {}", mistake.what),
            None => mistake.what.clone(),
        });
        told.collect::<Vec<_>>().join("; ")
    }
}

/// Heeds the signal, and whoever asks, until `stop`.
pub(super) fn heed(
    changing: Changing,
    mut asked: mpsc::Receiver<Asked>,
    stop: &CancellationToken,
) -> Result<(), AppError> {
    let mut hangup = signal(SignalKind::hangup()).map_err(AppError::System)?;
    let (changing, stop) = (Arc::new(changing), stop.clone());
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        loop {
            let (actor, answer): (String, Option<oneshot::Sender<_>>) = tokio::select! {
                Some(()) = hangup.recv() => ("signal".to_owned(), None),
                Some(Asked { actor, answer }) = asked.recv() => (actor, Some(answer)),
                else => return,
            };
            let reloaded = changing.reload(&actor).await.map_err(|why| why.to_string());
            if let Some(answer) = answer {
                let _ = answer.send(reloaded);
            }
        }
    }));
    Ok(())
}

impl Changing {
    async fn reload(self: &Arc<Self>, actor: &str) -> Result<Reloaded, Refused> {
        service::reloading();
        let here = Arc::clone(self);
        // Files are read, keys made: nothing for a thread that others wait for.
        let read = tokio::task::spawn_blocking(move || here.take_up()).await;
        service::ready();
        let mut reloaded = read.map_err(Refused::from).flatten().map_err(|refused| match refused {
            Refused::App(error) => Refused::App(error.named(&self.config.load().file)),
            other => other,
        });
        if let Ok(reloaded) = &mut reloaded {
            reloaded.heed.extend(acts::astray(&self.acts).await);
        }
        let entry = match &reloaded {
            Ok(reloaded) => {
                let all = |changed| Changed::words(changed).join(", ");
                let (changed, next_start) = (all(&reloaded.changed), all(&reloaded.next_start));
                tracing::info!(changed, next_start, "read the configuration and all files again");
                Entry::new(actor, Event::SettingsReloaded)
                    .detail("changed", changed)
                    .detail("from the next start", next_start)
            }
            Err(why) => {
                tracing::error!(%why, "the configuration cannot be taken up; going on with the old one");
                Entry::new(actor, Event::SettingsRefused).outcome(Outcome::Refused(why.for_the_trail()))
            }
        };
        if let Err(error) = self.core.ledger.record(entry, vec![]).await {
            tracing::error!(%error, "the reload was not written down");
        }
        reloaded
    }

    fn take_up(&self) -> Result<Reloaded, Refused> {
        let was = self.config.load_full();
        let (config, changes) = was.taking_up(Config::load(&was.file)?);
        // All that may fail, and nothing that anybody sees.
        let doors = self.doors(&was, &config)?;
        let reaching = match config.reach == was.reach {
            true => None,
            false => Some(self.house.proxy.change(config.reach.clone()).map_err(AppError::from)?),
        };
        let way = push::way(&config)?;
        let terms = rooms::terms(&config)?;
        let mail = self.mailing.ready(&config)?;
        let telling = self.telling.ready(&config)?;
        // From here on nothing fails.
        self.front.limit(limits::limits(&config.limits, &config.listen.proxy_protocol_from));
        self.front.doors().store(Arc::new(doors));
        if let Some(reaching) = reaching {
            reaching.done();
        }
        self.pusher.change(way);
        self.approvals.change(terms);
        let waits = Changed::words(&changes.next_start);
        self.acts.site.store(Arc::new(acts::site(&config, self.core.world.now(), waits)));
        self.acts.post.store(mail.post.clone());
        self.mailing.change(mail);
        self.telling.change(telling);
        for (listen, plan) in &self.plans {
            if let Some(other) = config.other_proxies.iter().find(|plan| plan.listen == *listen) {
                plan.store(Arc::new(other.clone()));
            }
        }
        self.config.store(Arc::new(config));
        self.read_again();
        let open = self.front.doors().load();
        let mut heed: Vec<String> = doors::kept(&open).iter().map(ToString::to_string).collect();
        heed.extend(doors::out_of_term(&open, self.core.world.now()));
        Ok(Reloaded { changed: changes.now, next_start: changes.next_start, heed })
    }

    /// Doors that stay as they were keep what they are; the others are opened.
    fn doors(&self, was: &Config, config: &Config) -> Result<Doors, AppError> {
        let open = self.front.doors().load();
        let (plans, before) = (doors::plans(config), doors::plans(was));
        let doors = plans.into_iter().map(|plan| match open.named(&plan.door.host) {
            Some(door) if before.contains(&plan) => Ok(Arc::clone(door)),
            _ => doors::open(&plan, config, &self.core, &self.authority),
        });
        Ok(Doors::new(doors.collect::<Result<Vec<_>, _>>()?)?)
    }

    /// Files under the names that they had.
    fn read_again(&self) {
        self.front.doors().load().refresh(self.core.world.now());
        self.house.proxy.refresh();
        self.house.outside.reopen();
    }
}

/// Reloads that wait for the one under way; whoever asks more waits to ask.
pub(super) const WAITING_MAX: usize = 8;
