//! The one line that a refusal leaves in the log. Of strangers there is no end, and a log is not to be filled by them: those of
//! one network leave so many a minute, and a line that says how many more there were.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::Level;

use super::manner;
use crate::domain::{Reason, Time, network};
use crate::web::visit::Visit;

/// Whom a refusal is told.
pub(super) struct Whom<'a> {
    pub(super) request: &'a str,
    pub(super) tenant: &'a str,
    /// The door's name that was asked for; empty where none was.
    pub(super) host: &'a str,
    pub(super) address: IpAddr,
    /// Whether it is somebody of ours.
    pub(super) known: bool,
}

/// Writes the line.
pub(super) fn note(reason: &Reason, whom: &Whom<'_>, now: Time) {
    let manner = manner(reason);
    let level = match manner.level {
        Level::INFO | Level::WARN | Level::ERROR if !is_told(reason, whom, now) => Level::DEBUG,
        level => level,
    };
    let Whom { request, tenant, host, address, .. } = whom;
    let address = address.to_string();
    let (refused, status) = (manner.key, manner.status.as_u16());
    let rule = match reason {
        Reason::PolicyDenied { rule } => rule.as_deref().unwrap_or("none"),
        _ => "",
    };
    let fault = match reason {
        Reason::BackendDown(fault) | Reason::BackendSlow(fault) | Reason::BackendBroken(fault) => Some(fault),
        _ => None,
    };
    let why = match reason {
        Reason::Misdirected(why) | Reason::BackendBusy(why) => why.as_str(),
        Reason::BadRequest(what) => what,
        Reason::NoRoute => NO_ROUTE,
        _ => fault.map_or("", |fault| &fault.why),
    };
    // Left out where there is none.
    let route = fault.map(|fault| fault.route.as_str());
    let backend = fault.and_then(|fault| fault.backend.as_deref());
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                refused,
                status,
                request,
                tenant,
                host,
                address,
                route,
                backend,
                rule,
                why,
                "request refused"
            )
        };
    }
    match level {
        Level::ERROR => line!(error),
        Level::WARN => line!(warn),
        Level::INFO => line!(info),
        _ => line!(debug),
    }
}

/// Whether it has a line where not all is told.
fn is_told(reason: &Reason, whom: &Whom<'_>, now: Time) -> bool {
    // A fault of ours is told each time, whoever met it.
    whom.known || *reason == Reason::Internal || STRANGERS.line(whom.address, now)
}

/// Whether another refusal than a [`Reason`] has a line.
#[must_use]
pub fn has_line(visit: &Visit) -> bool {
    visit.known || STRANGERS.line(visit.address, visit.now)
}

/// How many lines strangers have left in this minute.
struct Strangers(Mutex<Minute>);

struct Minute {
    began: Option<Time>,
    refused: BTreeMap<IpAddr, u64>,
}

impl Strangers {
    const fn none() -> Self {
        Self(Mutex::new(Minute { began: None, refused: BTreeMap::new() }))
    }

    /// Whether one more has a line. Says how many had none, once the minute is over.
    fn line(&self, address: IpAddr, now: Time) -> bool {
        let (network, refused, over) = self.one_more(address, now);
        for (network, left_out) in over {
            tracing::warn!(%network, left_out, "strangers were refused without a line for each");
        }
        if refused == LINES_MAX {
            tracing::warn!(
                %network,
                "many strangers are refused: the next ones have no line until the minute is over, metrics count them"
            );
        }
        refused <= LINES_MAX
    }

    /// Of which network, the how many-th of it in its minute, and how many had no line in the one before.
    fn one_more(&self, address: IpAddr, now: Time) -> (IpAddr, u64, Vec<(IpAddr, u64)>) {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut over = Vec::new();
        // A clock that is set back ends it, too.
        if minute.began.is_none_or(|began| now < began || now.since(began) >= MINUTE) {
            let refused = std::mem::take(&mut minute.refused).into_iter();
            over.extend(
                refused.filter(|(_, count)| *count > LINES_MAX).map(|(ip, all)| (ip, all - LINES_MAX)),
            );
            minute.began = Some(now);
        }
        let mut network = network(address);
        if minute.refused.len() >= NETWORKS_MAX && !minute.refused.contains_key(&network) {
            network = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        }
        let count = minute.refused.entry(network).or_default();
        *count += 1;
        (network, *count, over)
    }
}

/// The path stays in the access log.
const NO_ROUTE: &str = "no route of this tenant fits host and path: see `portcullis route list`";

static STRANGERS: Strangers = Strangers::none();

const MINUTE: Duration = Duration::from_secs(60);

/// An office on the day on which nobody has installed anything yet still reads its numbers out to support.
const LINES_MAX: u64 = 60;

/// Beyond so many at once they share the lines of one, shown as `::`.
const NETWORKS_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_have_so_many_lines_a_minute_and_are_counted_beyond() {
        let strangers = Strangers::none();
        let now = Time::default().plus(Duration::from_secs(1_000_000));
        let at = |address: &str, now| {
            let (_, count, over) = strangers.one_more(address.parse().unwrap(), now);
            (count, over)
        };
        for turn in 1..=LINES_MAX + 5 {
            assert_eq!(at("192.0.2.7", now), (turn, vec![]));
            assert_eq!(at(&format!("2001:db8::{turn:x}"), now).0, turn, "it is one network");
        }
        assert_eq!(at("192.0.2.8", now).0, 1);
        let later = now.plus(MINUTE);
        let over = vec![("192.0.2.7".parse().unwrap(), 5), ("2001:db8::".parse().unwrap(), 5)];
        assert_eq!(at("192.0.2.8", later), (1, over));
        assert_eq!(at("192.0.2.7", later), (1, vec![]));
        assert_eq!(at("192.0.2.7", now), (1, vec![]), "the clock was set back");
    }

    #[test]
    fn beyond_so_many_networks_they_share_lines() {
        let strangers = Strangers::none();
        for number in 0..10_000_u32 {
            let (network, ..) = strangers.one_more(IpAddr::V4(number.into()), Time::default());
            assert_eq!(network.is_unspecified(), number == 0 || number as usize >= NETWORKS_MAX);
        }
        assert_eq!(strangers.0.lock().unwrap().refused.len(), NETWORKS_MAX + 1);
    }
}
