//! A route as it is used: its backends as they stand, its limits, made once for all requests. Chooses the
//! backend of a request and hears what became of it. Sends nothing.

use std::fmt::Display;
use std::ops::Deref;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Uri;
use http::uri::PathAndQuery;

use super::balance::{self, BACKENDS_MAX, Budget, Dice, Weights};
use super::forward::Settings;
use super::member::{Held, Member};
use crate::domain::route::Route;
use crate::domain::session::TokenHash;
use crate::domain::{Fault, Reason, Time};
use crate::world::World;

/// A route with its backends.
pub struct Destination {
    route: Arc<Route>,
    places: Vec<Place>,
    /// How long each step may take.
    pub(super) waits: Waits,
    dice: Dice,
    budget: Budget,
    /// Held while a backend is being ejected, so that two are not at once.
    ejecting: Mutex<()>,
    world: World,
}

/// One of its backends.
struct Place {
    member: Arc<Member>,
    weight: u32,
}

/// How long each step may take, the route's own or the usual.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    pub(super) connect: Duration,
    pub(super) first_byte: Duration,
    pub(super) body_idle: Duration,
    pub(super) tunnel_idle: Duration,
    pub(super) total: Option<Duration>,
}

/// Backends that a request was sent to already, and how often it may be sent to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tries {
    tried: u64,
    left: u32,
}

impl Tries {
    pub(super) const fn none() -> Self {
        Self { tried: 0, left: AGAIN_MAX }
    }
}

impl Destination {
    pub(super) fn new(
        route: Arc<Route>,
        members: Vec<Arc<Member>>,
        settings: &Settings,
        world: World,
    ) -> Self {
        let weight = |member: &Arc<Member>| {
            let of = route.backends.iter().find(|backend| backend.url == member.url);
            of.map_or(0, |backend| backend.weight.min(WEIGHT_MAX))
        };
        let places = members.into_iter().map(|member| Place { weight: weight(&member), member }).collect();
        let or = |ms: u64, usual: u64| Duration::from_millis(if ms == 0 { usual } else { ms });
        let waits = Waits {
            connect: or(route.connect_ms_max, settings.connect_ms_max),
            first_byte: or(route.first_byte_ms_max, settings.first_byte_ms_max),
            body_idle: or(route.idle_ms_max, settings.body_idle_ms_max),
            tunnel_idle: or(route.idle_ms_max, settings.tunnel_idle_ms_max),
            total: (route.total_ms_max > 0).then(|| Duration::from_millis(route.total_ms_max)),
        };
        let seed = u64::from_be_bytes(world.bytes());
        Self {
            route,
            places,
            waits,
            dice: Dice::seeded(seed),
            budget: Budget::start(),
            ejecting: Mutex::default(),
            world,
        }
    }

    /// Whether it is open.
    ///
    /// # Errors
    /// [`Reason::Maintenance`].
    pub(super) fn open(&self) -> Result<(), Reason> {
        match &self.route.maintenance {
            None => Ok(()),
            Some(closed) => Err(Reason::Maintenance { text: closed.text.clone(), until: closed.until }),
        }
    }

    /// Where in the backend it leads: the path with its prefix replaced, where the route says so.
    ///
    /// # Errors
    /// [`Reason::BadRequest`].
    pub(super) fn target(&self, asked: &PathAndQuery) -> Result<Uri, Reason> {
        let Some(mut path) = self.route.rewritten(asked.path()) else { return Ok(Uri::from(asked.clone())) };
        if let Some(query) = asked.query() {
            path.push('?');
            path.push_str(query);
        }
        // `//host` would be another authority to some who read it.
        let plain = if path.starts_with("//") { None } else { PathAndQuery::try_from(path).ok() };
        plain.map(Uri::from).ok_or(Reason::BadRequest("the request's path cannot be forwarded"))
    }

    /// Its backends.
    pub(super) fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.places.iter().map(|place| &place.member)
    }

    /// The backend that a request goes to, which none of `tries` was.
    ///
    /// # Errors
    /// [`Reason::BackendDown`] where none is there, [`Reason::BackendBusy`] where all that are have enough to do.
    pub(super) fn choose(&self, session: Option<&TokenHash>, tries: &mut Tries) -> Result<Held, Reason> {
        if tries.tried == 0 {
            self.budget.earn();
        }
        let max = self.route.requests_max;
        if let [only] = self.places.as_slice() {
            if tries.tried != 0 || only.member.is_down() {
                return Err(self.down());
            }
            tries.tried = 1;
            let mut held = only.member.hold(max).ok_or_else(|| self.busy())?;
            held.all_the_same = only.member.is_out(|| self.world.now());
            return Ok(held);
        }
        let mut weights: Weights = [0; BACKENDS_MAX];
        let weights = &mut weights[..self.places.len().min(BACKENDS_MAX)];
        // Where all that are well are left alone, they are asked all the same.
        let all_the_same = !self.weigh(weights, tries.tried, true);
        if all_the_same && !self.weigh(weights, tries.tried, false) {
            return Err(self.down());
        }
        while let Some(at) = self.pick(session, weights) {
            if let Some(mut held) = self.places[at].member.hold(max) {
                tries.tried |= 1 << at;
                held.all_the_same = all_the_same;
                return Ok(held);
            }
            weights[at] = 0;
        }
        Err(self.busy())
    }

    /// Why none takes a request though some are well.
    fn busy(&self) -> Reason {
        let (route, max) = (&self.route.name, self.route.requests_max);
        let named = self.named(|one| !one.is_down());
        Reason::BackendBusy(format!(
            "route {route}: {named} had {max} requests under way, and requests_max allows no more for each"
        ))
    }

    /// Why none is asked.
    fn down(&self) -> Reason {
        let named = self.named(Member::is_down);
        let why = format!("no backend is well: checks of {named} fail; see `portcullis route list`");
        Reason::BackendDown(Box::new(Fault { route: self.route.name.clone(), backend: None, why }))
    }

    /// Some of those that are so, by name, and how many more there are.
    fn named(&self, which: impl Fn(&Member) -> bool) -> String {
        let these = || self.members().filter(|one| which(one));
        let named: Vec<&str> = these().take(NAMED_MAX).map(|one| one.url.as_str()).collect();
        match these().count().saturating_sub(named.len()) {
            0 => named.join(", "),
            more => format!("{} and {more} more", named.join(", ")),
        }
    }

    /// What each backend would take now; whether any takes anything.
    fn weigh(&self, weights: &mut [u64], tried: u64, heed_failures: bool) -> bool {
        let mut now = None;
        let slow = u64::from(self.route.slow_start_seconds) * 1000;
        for (at, (weight, place)) in weights.iter_mut().zip(&self.places).enumerate() {
            let mut clock = || *now.get_or_insert_with(|| self.world.now());
            let member = &place.member;
            let away =
                tried & (1 << at) != 0 || member.is_down() || (heed_failures && member.is_out(&mut clock));
            *weight = match (away, slow, member.back_for(&mut clock)) {
                (true, ..) => 0,
                (false, 1.., Some(back)) => {
                    let back = u64::try_from(back.as_millis()).unwrap_or(u64::MAX);
                    if back >= slow {
                        member.is_warm();
                    }
                    balance::warming(place.weight, back, slow)
                }
                _ => u64::from(place.weight) * 1000,
            };
        }
        weights.iter().any(|weight| *weight > 0)
    }

    fn pick(&self, session: Option<&TokenHash>, weights: &[u64]) -> Option<usize> {
        if let Some(session) = session.filter(|_| self.route.sticky) {
            let mut begin = [0; 8];
            begin.copy_from_slice(&session[..8]);
            // By the weight that the route gives: a session does not move because a backend warms up.
            let places = self.places.iter().zip(weights).map(|(place, weight)| {
                (place.member.place, if *weight > 0 { u64::from(place.weight) } else { 0 })
            });
            return balance::home_of(u64::from_be_bytes(begin), places);
        }
        let load = |at: usize| u64::from(self.places[at].member.in_flight.load(Ordering::Relaxed));
        balance::less_loaded(weights, load, |bound| self.dice.below(bound))
    }

    /// Whether a request that was not sent may be sent to another backend.
    pub(super) fn again(&self, tries: &mut Tries) -> bool {
        let others = self.places.len() > tries.tried.count_ones() as usize;
        let may = others && tries.left > 0 && self.budget.spend();
        tries.left = tries.left.saturating_sub(1);
        may
    }

    /// A backend gave an answer.
    pub(super) fn answered(&self, held: &Held) {
        held.member().answered();
        if held.all_the_same {
            held.member().comes_back(self.world.now());
        }
    }

    /// A backend gave no answer, or none that can be used; whether a line of its own is to say so.
    pub(super) fn failed(&self, member: &Arc<Member>, why: &dyn Display) -> bool {
        member.because(why);
        let now = self.world.now();
        self.failed_again(member, member.failed(now), now);
        member.is_news(now)
    }

    /// It did so often in a row.
    fn failed_again(&self, member: &Arc<Member>, row: u32, now: Time) {
        let eject = &self.route.eject;
        if eject.failures_in_a_row == 0 || row < eject.failures_in_a_row || self.places.len() < 2 {
            return;
        }
        let _one_by_one = self.ejecting.lock().unwrap_or_else(PoisonError::into_inner);
        let out = self.members().filter(|one| one.is_out(|| now)).count();
        if member.is_out(|| now) || (out + 1) * 2 > self.places.len() {
            return;
        }
        let long = member.eject(now, eject, |bound| self.dice.below(bound));
        tracing::warn!(
            tenant = %self.route.tenant,
            route = self.route.name,
            backend = member.url,
            seconds = long.as_secs(),
            "a backend failed so often that it is left alone for a while"
        );
    }

    /// When a check found what it found.
    pub(super) fn now(&self) -> Time {
        self.world.now()
    }
}

impl Deref for Destination {
    type Target = Route;

    fn deref(&self) -> &Route {
        &self.route
    }
}

/// A line of the log names no more of them.
const NAMED_MAX: usize = 4;

/// A request that was not sent is sent to so many other backends at most.
const AGAIN_MAX: u32 = 2;

/// A share is in proportion to others; a thousand times as much as another's is enough.
const WEIGHT_MAX: u32 = 1000;
