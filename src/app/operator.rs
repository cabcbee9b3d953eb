//! What the operator's listener tells: whether the gate is ready, and its counts.

use std::sync::Arc;

use super::lists::Lists;
use super::{Core, factors};
use crate::front::house::House;
use crate::front::ops::Ops;
use crate::front::outside::text::{Kind, Text};
use crate::front::way;
use crate::notify::webpush::Pusher;
use crate::proxy::Seen;

/// Asked anew each time.
pub(super) fn told(core: &Core, lists: &Arc<Lists>, pusher: Arc<Pusher>, house: &House) -> Ops {
    let (view, world) = (Arc::clone(&core.view), core.world.clone());
    let ready = Arc::new(move || {
        let age = view.age(world.now());
        if age <= way::STALE_AFTER {
            Ok(())
        } else {
            Err(format!("nothing heard from the store for {age:?}"))
        }
    });
    let (view, world, ledger) = (Arc::clone(&core.view), core.world.clone(), Arc::clone(&core.ledger));
    let (passwords, lists) = (Arc::clone(&core.passwords), Arc::clone(lists));
    let (outside, proxy) = (Arc::clone(&house.outside), Arc::clone(&house.proxy));
    let metrics = Arc::new(move || {
        let mut text = Text::default();
        text.family("build_info", Kind::Gauge, "Which release this is.");
        text.sample("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        let lag = view.age(world.now()).as_secs_f64();
        text.one("store_lag_seconds", Kind::Gauge, "Time since the store was last heard.", lag);
        let help = "Records of the store that this release cannot read.";
        text.one("store_records_unreadable", Kind::Gauge, help, view.unreadable());
        let help = "Passwords that were hashed.";
        text.one("password_hashes_total", Kind::Counter, help, passwords.hashed());
        factors::write(&mut text, ledger.tally(), &outside);
        backends(&mut text, &proxy.backends());
        [text.into_string(), outside.metrics(), lists.metrics(), pusher.metrics()].concat()
    });
    Ops { ready, metrics }
}

/// How the backends of all routes are. Their addresses are what operators wrote.
fn backends(text: &mut Text, all: &[Seen]) {
    let mut each = |name: &str, kind: Kind, help: &str, value: &dyn Fn(&Seen) -> u64| {
        text.family(name, kind, help);
        for one in all {
            let labels = [("tenant", one.tenant.as_str()), ("route", &one.route), ("backend", &one.backend)];
            text.sample(name, &labels, value(one));
        }
    };
    let help = "Whether its checks are well; without checks it is taken to be.";
    each("upstream_up", Kind::Gauge, help, &|one| one.well.into());
    let help = "Whether it is left alone for a while because it failed.";
    each("upstream_ejected", Kind::Gauge, help, &|one| one.ejected.into());
    each("upstream_requests_open", Kind::Gauge, "Requests under way.", &|one| one.requests.into());
    each("upstream_answers_total", Kind::Counter, "Answers of a backend.", &|one| one.answered);
    each("upstream_failures_total", Kind::Counter, "Requests that got no answer.", &|one| one.failed);
    each("upstream_ejections_total", Kind::Counter, "How often it was left alone.", &|one| one.ejections);
    let help = "Checks that found it not well.";
    each("upstream_checks_failed_total", Kind::Counter, help, &|one| one.checks_failed);
}
