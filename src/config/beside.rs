//! Other proxies: `[[other_proxy]]`. Opens no socket, and the files of their secrets only when it is told to.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use ipnet::IpNet;

use super::Portal;
use super::addresses::Addresses;
use super::mistake::Mistakes;
use super::secrets;
use super::sheet::{At, Sheet};
use crate::front::beside::{Kind, Plan, Serves, SharedSecret};

pub(super) fn plans(
    sheet: &mut Sheet<'_>,
    base: &Path,
    portals: &[Portal],
    taken: &mut Addresses,
    notes: &mut Mistakes,
) -> Vec<Plan> {
    let sections = sheet.tables("other_proxy", notes);
    sections.into_iter().filter_map(|section| plan(section, base, portals, taken, notes)).collect()
}

/// Reads the secrets that the plans name.
pub(super) fn learn_secrets(plans: &mut [Plan], notes: &mut Mistakes) {
    for plan in plans {
        let file = &plan.secret_file;
        match secrets::from_file(file).map(|found| SharedSecret::parse(found.secret.expose())) {
            Ok(Ok(secret)) => plan.secret = secret,
            Ok(Err(wanted)) => {
                let shown = file.display();
                let what = format!("{shown} does not hold {wanted}: make one with `openssl rand -hex 32`");
                notes.with_file(file, &what);
            }
            Err(error) => notes.with_file(file, &error.to_string()),
        }
    }
}

fn plan(
    mut section: Sheet<'_>,
    base: &Path,
    portals: &[Portal],
    taken: &mut Addresses,
    notes: &mut Mistakes,
) -> Option<Plan> {
    let span = section.span().clone();
    let kind = section.demand("kind", "nginx", notes).and_then(|at| kind(&at, notes));
    let listen = section.demand("listen", "127.0.0.1:9180", notes).and_then(|at| address(&at, taken, notes));
    let (from, named) = (section.texts("from", notes), section.texts("hosts", notes));
    for (empty, key, example) in
        [(from.is_empty(), "from", "127.0.0.1/32"), (named.is_empty(), "hosts", "portal.example.com")]
    {
        if empty {
            notes.at(&span, format!("[other_proxy] lacks `{key}`: write {key} = [\"{example}\"]"));
        }
    }
    let from: Vec<IpNet> = from.iter().filter_map(|at| network(at, notes)).collect();
    let secret_file = section.demand("secret_file", "/etc/portcullis/other-proxy.secret", notes);
    let mut hosts = Vec::new();
    for at in named {
        let host = at.value.to_ascii_lowercase();
        if portals.iter().any(|portal| portal.door.host == host) {
            hosts.push(host);
        } else {
            notes.at(&at.span, format!("{:?} is the host of no [[portal]]", at.value));
        }
    }
    let serves = match section.text("serves", notes) {
        None => Serves::ForwardAuth,
        Some(at) => match at.value.as_str() {
            "forward-auth" => Serves::ForwardAuth,
            "door" => Serves::Door,
            _ => {
                notes.at(&at.span, "`serves` is \"forward-auth\" or \"door\"");
                Serves::ForwardAuth
            }
        },
    };
    let in_clear = section.yes_or_no("in_clear", false, notes);
    section.done(notes);
    let listen = listen?;
    if !listen.ip().is_loopback() && !in_clear {
        notes.at(
            &span,
            "`listen` is not on loopback, and cookies cross it in clear: listen on 127.0.0.1, or write in_clear = true",
        );
    }
    let (secret_file, secret) = (base.join(secret_file?.value), SharedSecret::default());
    Some(Plan { kind: kind?, listen, from, secret_file, secret, hosts, serves })
}

fn kind(at: &At<String>, notes: &mut Mistakes) -> Option<Kind> {
    Some(match at.value.as_str() {
        "nginx" => Kind::Nginx,
        "caddy" | "haproxy" => Kind::Rfc9440,
        "traefik" => Kind::Traefik,
        "envoy" => Kind::Envoy,
        _ => {
            notes.at(&at.span, "`kind` is nginx, caddy, haproxy, traefik or envoy");
            return None;
        }
    })
}

fn address(at: &At<String>, taken: &mut Addresses, notes: &mut Mistakes) -> Option<SocketAddr> {
    let address = at.value.parse().ok();
    match address {
        Some(address) => taken.give("[[other_proxy]] listen", address, &at.span, notes),
        None => {
            notes.at(&at.span, format!("{:?} is no address with a port: write \"127.0.0.1:9180\"", at.value))
        }
    }
    address
}

/// A network, or one address; never everybody.
fn network(at: &At<String>, notes: &mut Mistakes) -> Option<IpNet> {
    let network = at.value.parse().ok().or_else(|| at.value.parse::<IpAddr>().ok().map(IpNet::from));
    match network {
        Some(network) if network.prefix_len() > 0 => return Some(network),
        Some(_) => {
            notes.at(&at.span, "whoever is heard here says who everybody is: name the proxy's own addresses")
        }
        None => {
            notes.at(&at.span, format!("{:?} is no network: write one such as \"127.0.0.1/32\"", at.value))
        }
    }
    None
}
