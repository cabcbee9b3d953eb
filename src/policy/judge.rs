//! One request against the rules: a pure function over facts, and the same told at length.
//! Knows no connection, no session and no clock: all of it is handed in.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use http::Method;

use super::methods::Methods;
use super::path::{Canonical, Spelling, canonical};
use super::rules::{Effect, Freshness, Need, Rule, RuleSet, Who};
use crate::domain::person::Role;
use crate::domain::{PersonId, Time};

/// All that rules may ask about a request. Borrowed: judging allocates nothing.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Host name of the door, without a port.
    pub host: &'a str,
    /// Raw path, without the query.
    pub path: &'a str,
    /// Method.
    pub method: &'a Method,
    /// Where it comes from.
    pub address: IpAddr,
    /// Whose certificate was proved, if one was.
    pub holder: Option<Holder<'a>>,
    /// When the password was proved in this session.
    pub password: Option<Time>,
    /// When the phone approved in this session.
    pub phone: Option<Time>,
    /// Now.
    pub now: Time,
}

/// The person behind a proved certificate.
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    /// Who.
    pub person: &'a PersonId,
    /// In which groups.
    pub groups: &'a BTreeSet<String>,
    /// With which roles.
    pub roles: &'a BTreeSet<Role>,
    /// Whether support released the device.
    pub released: bool,
}

/// What the rules say.
#[derive(Clone, Copy, Debug)]
pub enum Verdict<'r> {
    /// Yes, by this rule.
    Permit(&'r Rule),
    /// Yes once this is proved, by this rule.
    Lacking(&'r Rule, Lacking),
    /// No, by this rule.
    Deny(&'r Rule),
    /// No rule fits.
    NoRule,
    /// No rule fits; this one would, at another hour.
    OutsideHours(&'r Rule),
    /// The path can be read in more than one way.
    Ambiguous(Spelling),
}

/// What is still to be proved, in the order in which it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lacking {
    /// A certificate of ours.
    Certificate,
    /// The device's release by support.
    Release,
    /// The password.
    Password,
    /// An approval on the phone.
    Phone,
}

/// What one rule has to say to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It fits.
    Fits,
    /// It may fit: nobody knows who asks, so a certificate decides.
    Perhaps,
    /// It names other paths.
    OtherPath,
    /// It names other hosts.
    OtherHost,
    /// It names other methods.
    OtherMethod,
    /// It is for others.
    OtherPeople,
    /// It is for other networks.
    OtherNetwork,
    /// It is for other hours.
    OtherHours,
}

/// Judges a request. The first rule that fits decides, or may fit once it is known who asks:
/// then a certificate is asked for, because a rule is never passed over for want of a name.
#[must_use]
pub fn judge<'r>(set: &'r RuleSet, facts: &Facts<'_>) -> Verdict<'r> {
    match canonical(facts.path) {
        Ok(path) => judge_canonical(set, path, facts),
        Err(spelling) => Verdict::Ambiguous(spelling),
    }
}

/// The same for a path already known to have one meaning, which is that of `facts`.
pub(in crate::policy) fn judge_canonical<'r>(
    set: &'r RuleSet,
    path: Canonical<'_>,
    facts: &Facts<'_>,
) -> Verdict<'r> {
    let method = Methods::of(facts.method);
    let mut outside_hours = None;
    for rule in set.naming(path).iter().filter_map(|place| set.rules().get(place)) {
        match fit(rule, facts, method) {
            Fit::Fits => return decided(rule, facts),
            Fit::Perhaps => return Verdict::Lacking(rule, Lacking::Certificate),
            Fit::OtherHours if rule.effect != Effect::Deny => outside_hours = outside_hours.or(Some(rule)),
            _ => {}
        }
    }
    match outside_hours {
        None => Verdict::NoRule,
        // The hours are told to those who show who they are.
        Some(rule) if lacks_certificate(rule, facts) => Verdict::Lacking(rule, Lacking::Certificate),
        Some(rule) => Verdict::OutsideHours(rule),
    }
}

/// Why a request is judged as it is, rule by rule.
#[must_use]
pub fn explain<'r>(set: &'r RuleSet, facts: &Facts<'_>) -> Explanation<'r> {
    let named = canonical(facts.path).map(|path| set.naming(path)).unwrap_or_default();
    let method = Methods::of(facts.method);
    let steps = set.rules().iter().enumerate().map(|(place, rule)| {
        let fit = if named.has(place) { fit(rule, facts, method) } else { Fit::OtherPath };
        let lacking = match rule.effect {
            Effect::Allow(need) => LACKING.into_iter().filter(|what| lacks(need, facts, *what)).collect(),
            Effect::Deny => Vec::new(),
        };
        Step { rule, fit, lacking }
    });
    Explanation { file: set.file().to_owned(), verdict: judge(set, facts), steps: steps.collect() }
}

/// Why a request is judged as it is.
#[derive(Clone, Debug)]
pub struct Explanation<'r> {
    file: String,
    /// The answer.
    pub verdict: Verdict<'r>,
    /// Each rule, in order.
    pub steps: Vec<Step<'r>>,
}

/// What one rule has to say.
#[derive(Clone, Debug)]
pub struct Step<'r> {
    /// Which.
    pub rule: &'r Rule,
    /// Whether it fits.
    pub fit: Fit,
    /// What it would still ask for; empty for a rule that denies.
    pub lacking: Vec<Lacking>,
}

fn fit(rule: &Rule, facts: &Facts<'_>, method: Methods) -> Fit {
    if !rule.names_host(facts.host) {
        return Fit::OtherHost;
    }
    if rule.methods.and(method).is_empty() {
        return Fit::OtherMethod;
    }
    // An IPv4 address may come as ::ffff:192.0.2.1 from a socket that takes both.
    if !rule.names_address(facts.address.to_canonical()) {
        return Fit::OtherNetwork;
    }
    let people = match &facts.holder {
        Some(holder) if rule.who.iter().any(|who| who.takes(holder)) => Fit::Fits,
        Some(_) => return Fit::OtherPeople,
        None if rule.who.contains(&Who::Everyone) => Fit::Fits,
        None => Fit::Perhaps,
    };
    if !rule.hours.is_empty() && !rule.hours.iter().any(|hours| hours.contain(facts.now)) {
        return Fit::OtherHours;
    }
    people
}

fn decided<'r>(rule: &'r Rule, facts: &Facts<'_>) -> Verdict<'r> {
    match rule.effect {
        Effect::Deny => Verdict::Deny(rule),
        Effect::Allow(need) => match LACKING.into_iter().find(|what| lacks(need, facts, *what)) {
            Some(what) => Verdict::Lacking(rule, what),
            None => Verdict::Permit(rule),
        },
    }
}

fn lacks_certificate(rule: &Rule, facts: &Facts<'_>) -> bool {
    matches!(rule.effect, Effect::Allow(need) if lacks(need, facts, Lacking::Certificate))
}

fn lacks(need: Need, facts: &Facts<'_>, what: Lacking) -> bool {
    match what {
        Lacking::Certificate => need.certificate && facts.holder.is_none(),
        Lacking::Release => need.certificate && facts.holder.is_some_and(|holder| !holder.released),
        Lacking::Password => !need.password.is_met(facts.password, facts.now),
        Lacking::Phone => !need.phone.is_met(facts.phone, facts.now),
    }
}

impl Freshness {
    fn is_met(self, proved: Option<Time>, now: Time) -> bool {
        match (self, proved) {
            (Self::Unasked, _) | (Self::Session, Some(_)) => true,
            (Self::Within(longest), Some(at)) => now.since(at) < longest,
            (Self::Session | Self::Within(_), None) => false,
        }
    }
}

impl Who {
    fn takes(&self, holder: &Holder<'_>) -> bool {
        match self {
            Self::Everyone => true,
            Self::Group(name) => holder.groups.contains(name),
            Self::Role(role) => holder.roles.contains(role),
            Self::Person(id) => id == holder.person,
        }
    }
}

impl Lacking {
    /// In sentences.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Release => "release",
            Self::Password => "password",
            Self::Phone => "phone",
        }
    }
}

impl Verdict<'_> {
    /// In one or two words, as tests of policies write it.
    #[must_use]
    pub const fn answer(&self) -> &'static str {
        match self {
            Self::Permit(_) => "permit",
            Self::Lacking(_, Lacking::Certificate) => "ask certificate",
            Self::Lacking(_, Lacking::Release) => "ask release",
            Self::Lacking(_, Lacking::Password) => "ask password",
            Self::Lacking(_, Lacking::Phone) => "ask phone",
            Self::Deny(_) | Self::NoRule | Self::OutsideHours(_) | Self::Ambiguous(_) => "refuse",
        }
    }

    /// The rule that decided.
    #[must_use]
    pub const fn rule(&self) -> Option<&Rule> {
        match self {
            Self::Permit(rule) | Self::Lacking(rule, _) | Self::Deny(rule) | Self::OutsideHours(rule) => {
                Some(rule)
            }
            Self::NoRule | Self::Ambiguous(_) => None,
        }
    }
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permit(rule) => write!(f, "permit, by {:?} (line {})", rule.name(), rule.line()),
            Self::Lacking(rule, what) => {
                write!(f, "ask for the {}, by {:?} (line {})", what.as_str(), rule.name(), rule.line())
            }
            Self::Deny(rule) => write!(f, "refuse, by {:?} (line {})", rule.name(), rule.line()),
            Self::NoRule => f.write_str("refuse: no rule fits"),
            Self::OutsideHours(rule) => {
                write!(f, "refuse: outside the hours of {:?} (line {})", rule.name(), rule.line())
            }
            Self::Ambiguous(spelling) => write!(f, "refuse as a bad request: {spelling}"),
        }
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fits => "fits",
            Self::Perhaps => "fits some people; a certificate tells whether this one",
            Self::OtherPath => "names other paths",
            Self::OtherHost => "names other hosts",
            Self::OtherMethod => "names other methods",
            Self::OtherPeople => "is for other people",
            Self::OtherNetwork => "is for other networks",
            Self::OtherHours => "is for other hours",
        })
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            write!(f, "{}:{}: {:?} {}", self.file, step.rule.line(), step.rule.name(), step.fit)?;
            if matches!(step.fit, Fit::Fits | Fit::Perhaps) {
                let missing: Vec<_> = step.lacking.iter().map(|what| what.as_str()).collect();
                match step.rule.effect() {
                    Effect::Deny => f.write_str(" and denies")?,
                    Effect::Allow(_) if missing.is_empty() => f.write_str("; nothing is missing")?,
                    Effect::Allow(need) => write!(f, "; it needs {need}; missing: {}", missing.join(", "))?,
                }
            }
            writeln!(f)?;
        }
        write!(f, "Answer: {}", self.verdict)
    }
}

/// The order of the locks.
const LACKING: [Lacking; 4] = [Lacking::Certificate, Lacking::Release, Lacking::Password, Lacking::Phone];

#[cfg(test)]
mod tests;
