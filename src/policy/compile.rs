//! One `[[rule]]` from its table: each key read, each mistake noted where it stands.
//! Knows one rule at a time; what rules do to each other is `soundness`.

use std::ops::Range;
use std::time::Duration;

use ipnet::IpNet;
use toml::Spanned;
use toml::de::DeTable;

use super::hours::{BadHours, Hours};
use super::methods::Methods;
use super::mistakes::Reader;
use super::path::Pattern;
use super::rules::{Effect, Freshness, Host, Need, Rule, Who};
use crate::domain::PersonId;
use crate::domain::person::Role;

/// A rule, and its paths for the automaton.
pub(in crate::policy) struct Compiled {
    pub(in crate::policy) rule: Rule,
    pub(in crate::policy) patterns: Vec<Pattern>,
}

/// Reads one rule; where something is wrong it is noted, and reading goes on.
pub(in crate::policy) fn rule(
    reader: &mut Reader<'_>,
    text: &str,
    span: Range<usize>,
    table: &DeTable<'_>,
) -> Compiled {
    reader.keys(table, &KEYS);
    let name = reader.text(table, "name");
    if !table.contains_key("name") {
        reader.mistake(
            span.clone(),
            "this rule has no name",
            "write name = \"...\", as messages and logs shall call it",
        );
    }
    let name_span = name.as_ref().map_or_else(|| span.clone(), Spanned::span);
    let name = name.map_or_else(|| "?".to_owned(), Spanned::into_inner);
    for (key, next) in REQUIRED {
        if !table.contains_key(key) {
            reader.mistake(name_span.clone(), format!("the rule {name:?} does not say {key}"), next);
        }
    }

    let written = reader.texts(table, "paths", false).unwrap_or_default();
    let patterns = each(reader, &written, |text| {
        Pattern::parse(text).map_err(|bad| (format!("{text:?} is no path: {bad}"), PATH_NEXT.to_owned()))
    });
    let hosts = list(reader, table, "hosts", host);
    let who = list(reader, table, "who", who);
    let whence = list(reader, table, "whence", network);
    let hours = list(reader, table, "hours", |text| {
        Hours::parse(text).map_err(|bad| {
            let next = if bad == BadHours::PastMidnight { "as two entries of the list" } else { HOURS_NEXT };
            (format!("{text:?}: {bad}"), next.to_owned())
        })
    });
    let methods = match table.contains_key("methods") {
        true => list(reader, table, "methods", |text| {
            let next = || format!("write one of {}, or leave methods out for all", Methods::names());
            Methods::parse(text).ok_or_else(|| (format!("{text:?} is no method that rules know"), next()))
        })
        .into_iter()
        .fold(Methods::NONE, Methods::or),
        false => Methods::ALL,
    };
    let effect = effect(reader, table, &name, &name_span, &who);
    let line = text.get(..span.start).unwrap_or_default().matches('\n').count() + 1;
    let paths = written.into_iter().map(Spanned::into_inner).collect();
    let rule =
        Rule { name: name.into(), line, span: name_span, paths, hosts, methods, who, whence, hours, effect };
    Compiled { rule, patterns }
}

/// Reads `certificate`, `password`, `phone < 5m`; public so that tests of policies read it alike.
///
/// # Errors
/// What is wrong, and what to write.
pub(in crate::policy) fn need(text: &str, into: &mut Need) -> Result<(), (String, String)> {
    let (factor, longest) = match text.split_once('<') {
        None => (text.trim(), None),
        Some((factor, longest)) => (factor.trim(), Some(longest.trim())),
    };
    let unknown = || (format!("{text:?} is nothing that can be proved"), NEED_NEXT.to_owned());
    let fresh = match longest {
        None => Freshness::Session,
        Some(longest) => {
            let length = length(longest).ok_or_else(unknown)?;
            if length.is_zero() {
                return Err((format!("{text:?} can never be proved"), "give people some minutes".to_owned()));
            }
            if length > SESSION_MAX {
                let what = format!("{text:?} asks nothing: no session lives longer than a day");
                return Err((what, format!("write {factor:?} alone, or a shorter time")));
            }
            Freshness::Within(length)
        }
    };
    let slot = match factor {
        "certificate" if longest.is_some() => {
            return Err((
                "a certificate is proved with each connection".to_owned(),
                "write \"certificate\" alone".to_owned(),
            ));
        }
        "certificate" => {
            into.certificate = true;
            return Ok(());
        }
        "password" => &mut into.password,
        "phone" => &mut into.phone,
        _ => return Err(unknown()),
    };
    if *slot != Freshness::Unasked {
        return Err((format!("{factor} is needed twice"), "keep the stricter one".to_owned()));
    }
    *slot = fresh;
    Ok(())
}

/// `90s`, `5m`, `12h`.
pub(in crate::policy) fn length(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let number: u64 =
        text.strip_suffix(unit).filter(|n| n.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
    let secs = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return None,
    };
    Some(Duration::from_secs(number.checked_mul(secs)?))
}

fn effect(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    name: &str,
    span: &Range<usize>,
    who: &[Who],
) -> Effect {
    let written = reader.text(table, "effect");
    let denies = match written.as_ref().map(|text| text.get_ref().as_str()) {
        None | Some("allow") => false,
        Some("deny") => true,
        Some(other) => {
            let at = written.as_ref().map_or_else(|| span.clone(), Spanned::span);
            reader.mistake(at, format!("{other:?} is no effect"), "write \"allow\" or \"deny\"");
            false
        }
    };
    let needs_span = table.get("need").map_or_else(|| span.clone(), Spanned::span);
    if denies {
        if table.contains_key("need") {
            let what = format!("the rule {name:?} denies, so what it needs is never asked");
            reader.mistake(needs_span, what, "leave need out, or the effect");
        }
        return Effect::Deny;
    }
    if !table.contains_key("need") {
        let what = format!("the rule {name:?} does not say need");
        reader.mistake(span.clone(), what, "write need = [...]; an open rule says need = []");
    }
    let mut needed = Need::default();
    for text in reader.texts(table, "need", true).unwrap_or_default() {
        if let Err((what, next)) = need(text.get_ref(), &mut needed) {
            reader.mistake(text.span(), what, next);
        }
    }
    let beyond = needed.password != Freshness::Unasked || needed.phone != Freshness::Unasked;
    if beyond && !needed.certificate {
        let what = format!("no one can satisfy {name:?}: password and phone count only beside a certificate");
        reader.mistake(needs_span, what, "add \"certificate\" to need");
    } else if !needed.certificate && who.iter().any(|who| *who != Who::Everyone) && table.contains_key("need")
    {
        let what = format!("no one can satisfy {name:?}: without a certificate nobody is known to be in who");
        reader.mistake(needs_span, what, "add \"certificate\" to need, or write who = [\"everyone\"]");
    }
    Effect::Allow(needed)
}

fn who(text: &str) -> Result<Who, (String, String)> {
    let nobody = |next: String| Err((format!("{text:?} names nobody"), next));
    match text.split_once(':') {
        None if text == "everyone" => Ok(Who::Everyone),
        Some(("group", name)) if !name.is_empty() && name.trim() == name => Ok(Who::Group(name.to_owned())),
        Some(("role", name)) => match Role::parse(name) {
            Some(role) => Ok(Who::Role(role)),
            None => nobody(format!("the roles are {}", Role::ALL.map(Role::as_str).join(", "))),
        },
        Some(("person", id)) => match PersonId::parse(id) {
            Ok(id) => Ok(Who::Person(id)),
            Err(bad) => nobody(bad.to_string()),
        },
        _ => nobody("write group:NAME, role:NAME, person:ID or everyone".to_owned()),
    }
}

fn network(text: &str) -> Result<IpNet, (String, String)> {
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let no_network =
        || (format!("{text:?} is no network"), "write it as 192.0.2.0/24 or 2001:db8::/32".to_owned());
    let net: IpNet = text.parse().map_err(|_| no_network())?;
    if net.trunc() != net {
        return Err((
            format!("{text:?} has bits set beyond its length"),
            format!("write {:?}", net.trunc().to_string()),
        ));
    }
    Ok(net)
}

fn host(text: &str) -> Result<Host, (String, String)> {
    let (star, name) = match text.strip_prefix("*.") {
        Some(name) => (true, name),
        None => (false, text),
    };
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
    };
    if !name.split('.').all(label) {
        let next = "write a name in lower case without a port, or *. and a name".to_owned();
        return Err((format!("{text:?} is no host"), next));
    }
    Ok(if star { Host::Under(name.to_owned()) } else { Host::Exactly(name.to_owned()) })
}

fn list<T>(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    key: &str,
    read: impl Fn(&str) -> Result<T, (String, String)>,
) -> Vec<T> {
    let written = reader.texts(table, key, false).unwrap_or_default();
    each(reader, &written, read)
}

fn each<T>(
    reader: &mut Reader<'_>,
    written: &[Spanned<String>],
    read: impl Fn(&str) -> Result<T, (String, String)>,
) -> Vec<T> {
    let mut values = Vec::new();
    for text in written {
        match read(text.get_ref()) {
            Ok(value) => values.push(value),
            Err((what, next)) => reader.mistake(text.span(), what, next),
        }
    }
    values
}

const KEYS: [&str; 9] = ["name", "hosts", "paths", "methods", "who", "whence", "hours", "need", "effect"];
const REQUIRED: [(&str, &str); 2] = [
    ("paths", "write paths = [\"/**\"] for all of them"),
    ("who", "write who = [\"everyone\"] if that is meant"),
];
const PATH_NEXT: &str = "write it as /files/*.pdf or /files/**";
const HOURS_NEXT: &str = "write it as \"Mon-Fri 07:00-19:00 Europe/Zurich\"";
const NEED_NEXT: &str = "write \"certificate\", \"password\", \"phone\" or \"phone < 5m\"";
/// The longest session of any profile (`domain::tenant::SessionProfile`).
const SESSION_MAX: Duration = Duration::from_secs(24 * 3600);
