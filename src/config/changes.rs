//! What differs between the configuration that a gate runs by and another one, by key: what a running gate takes up,
//! and what counts from the next start alone. Reads no file.

use super::{Config, Door, Listen, Portal};
use crate::console::command::reload::Changed;

/// What differs. Each is named as it is written: `[limits] idle_seconds`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// A running gate takes it up.
    pub now: Vec<Changed>,
    /// Counts from the next start.
    pub next_start: Vec<Changed>,
}

/// Two configurations, side by side.
struct Compared {
    found: Changes,
}

impl Config {
    /// What a gate that runs by this one runs by once it took up `other`, and what that changes.
    #[must_use]
    pub fn taking_up(&self, other: Self) -> (Self, Changes) {
        let mut compared = Compared { found: Changes::default() };
        compared.next_start(self, &other);
        compared.now(self, &other);
        let other_proxies = compared.other_proxies(self, &other);
        let config = Self {
            file: self.file.clone(),
            data: self.data.clone(),
            listen: Listen {
                proxy_protocol_from: other.listen.proxy_protocol_from.clone(),
                ..self.listen.clone()
            },
            engine: self.engine,
            store: self.store.clone(),
            secrets: self.secrets.clone(),
            console: same_host(&self.console, &other.console),
            phone: same_host(&self.phone, &other.phone),
            public: match (&self.public, &other.public) {
                (Some(was), Some(is)) => Some(same_host(was, is)),
                (was, _) => was.clone(),
            },
            other_proxies,
            ..other
        };
        (config, compared.found)
    }
}

impl Compared {
    fn next_start(&mut self, was: &Config, is: &Config) {
        let (listens, listen) = (&was.listen, &is.listen);
        let (secrets, secret) = (&was.secrets, &is.secrets);
        // What nobody wrote follows what somebody did.
        let follows_tls = [listens, listen].iter().all(|one| one.public_port == one.tls.port());
        let plain = |one: &Listen| one.public_plain_port == one.plain.map_or(80, |plain| plain.port());
        let follows_plain = plain(listens) && plain(listen);
        let host = |door: &Option<Door>| door.as_ref().map(|door| door.host.clone());
        for (key, changed) in [
            ("data", was.data != is.data),
            ("[listen] tls", listens.tls != listen.tls),
            ("[listen] plain", listens.plain != listen.plain),
            ("[listen] ops", listens.ops != listen.ops),
            ("[listen] public_port", listens.public_port != listen.public_port && !follows_tls),
            (
                "[listen] public_plain_port",
                listens.public_plain_port != listen.public_plain_port && !follows_plain,
            ),
            ("[store] engine", was.engine != is.engine),
            ("[store] path", was.store != is.store),
            ("[secrets] passphrase_file", secrets.passphrase_file != secret.passphrase_file),
            ("[secrets] pepper_file", secrets.pepper_file != secret.pepper_file),
            ("[secrets] jwt_key_file", secrets.jwt_key_file != secret.jwt_key_file),
            ("[secrets] push_key_file", secrets.push_key_file != secret.push_key_file),
            ("[console] host", was.console.host != is.console.host),
            ("[phone] host", was.phone.host != is.phone.host),
            ("[public] host", host(&was.public) != host(&is.public)),
        ] {
            self.found.next_start.extend(changed.then(|| Changed::Said(key.to_owned())));
        }
    }

    fn now(&mut self, was: &Config, is: &Config) {
        self.certificate("[console]", &was.console, &is.console);
        self.certificate("[phone]", &was.phone, &is.phone);
        if let (Some(was), Some(is)) = (&was.public, &is.public) {
            self.certificate("[public]", was, is);
        }
        self.portals(&was.portals, &is.portals);
        let (asked, ask) = (&was.approvals, &is.approvals);
        let (pushed, push) = (&was.push, &is.push);
        let (most, limit) = (&was.limits, &is.limits);
        let (told, tell) = (&was.outside, &is.outside);
        for (key, changed) in [
            ("[listen] proxy_protocol_from", was.listen.proxy_protocol_from != is.listen.proxy_protocol_from),
            ("[approvals] seconds", asked.seconds != ask.seconds),
            ("[approvals] places_file", asked.places_file != ask.places_file),
            ("[push] contact", pushed.contact != push.contact),
            ("[push] proxy", pushed.proxy != push.proxy),
            ("[push] ca_file", pushed.ca_file != push.ca_file),
            ("[push] private_services", pushed.private_services != push.private_services),
            ("[limits] connections", most.connections != limit.connections),
            (
                "[limits] connections_per_address",
                most.connections_per_address != limit.connections_per_address,
            ),
            ("[limits] handshake_seconds", most.handshake_seconds != limit.handshake_seconds),
            ("[limits] headers_seconds", most.headers_seconds != limit.headers_seconds),
            ("[limits] idle_seconds", most.idle_seconds != limit.idle_seconds),
            ("[limits] body_stall_seconds", most.body_stall_seconds != limit.body_stall_seconds),
            ("[limits] drain_seconds", most.drain_seconds != limit.drain_seconds),
            ("[backends] socket_folders", was.reach.socket_folders != is.reach.socket_folders),
        ] {
            self.found.now.extend(changed.then(|| Changed::Said(key.to_owned())));
        }
        let traced = (&told.spans, &told.follow_from) != (&tell.spans, &tell.follow_from);
        let traces = tell.spans.is_some() || !tell.follow_from.is_empty();
        for (section, there, changed) in [
            ("[mail]", is.mail.is_some(), was.mail != is.mail),
            ("[[backend_tls]]", !is.reach.tls.is_empty(), was.reach.tls != is.reach.tls),
            ("[access_log]", tell.access_log.is_some(), told.access_log != tell.access_log),
            ("[tracing]", traces, traced),
        ] {
            let key = section.to_owned();
            let what = if there { Changed::Said(key) } else { Changed::Gone(key) };
            self.found.now.extend(changed.then_some(what));
        }
    }

    /// Of a door that stays.
    fn certificate(&mut self, section: &str, was: &Door, is: &Door) {
        if was.host == is.host && was.certificate != is.certificate {
            self.found.now.push(Changed::Said(format!("{section} certificate")));
        }
    }

    fn portals(&mut self, was: &[Portal], is: &[Portal]) {
        let find = |all: &[Portal], host: &str| all.iter().find(|one| one.door.host == host).cloned();
        for portal in is {
            if find(was, &portal.door.host).as_ref() != Some(portal) {
                self.found.now.push(Changed::Said(format!("[[portal]] {}", portal.door.host)));
            }
        }
        for portal in was.iter().filter(|one| find(is, &one.door.host).is_none()) {
            self.found.now.push(Changed::Gone(format!("[[portal]] {}", portal.door.host)));
        }
    }

    /// A listener that is there hears by other words; one that is new is opened at the next start.
    fn other_proxies(&mut self, was: &Config, is: &Config) -> Vec<crate::front::beside::Plan> {
        let name = |plan: &crate::front::beside::Plan| format!("[[other_proxy]] {}", plan.listen);
        for new in &is.other_proxies {
            if was.other_proxies.iter().all(|plan| plan.listen != new.listen) {
                self.found.next_start.push(Changed::Said(name(new)));
            }
        }
        let kept = was.other_proxies.iter().map(|plan| {
            match is.other_proxies.iter().find(|other| other.listen == plan.listen) {
                None => {
                    self.found.next_start.push(Changed::Gone(name(plan)));
                    plan.clone()
                }
                Some(other) => {
                    self.found.now.extend((other != plan).then(|| Changed::Said(name(plan))));
                    other.clone()
                }
            }
        });
        kept.collect()
    }
}

/// A door under another name is opened at the next start.
fn same_host(was: &Door, is: &Door) -> Door {
    if was.host == is.host { is.clone() } else { was.clone() }
}
