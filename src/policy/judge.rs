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
mod tests {
    use proptest::prelude::*;

    use super::super::rules::parse;
    use super::super::shipped;
    use super::*;

    struct Asker {
        person: PersonId,
        groups: BTreeSet<String>,
        roles: BTreeSet<Role>,
    }

    fn asker(group: &str) -> Asker {
        let person = PersonId::parse("anna").unwrap();
        Asker { person, groups: BTreeSet::from([group.to_owned()]), roles: BTreeSet::new() }
    }

    impl Asker {
        fn asks<'a>(&'a self, path: &'a str, password: Option<Time>, phone: Option<Time>) -> Facts<'a> {
            let Self { person, groups, roles } = self;
            Facts {
                host: "bank.localhost",
                path,
                method: &Method::GET,
                address: "192.0.2.1".parse().unwrap(),
                holder: Some(Holder { person, groups, roles, released: true }),
                password,
                phone,
                now: NOW,
            }
        }
    }

    /// Monday 2026-11-23, 10:00 in Zurich.
    const NOW: Time = Time(1_795_424_400_000);
    const HOUR: i64 = 3_600_000;

    #[test]
    fn what_is_missing_is_asked_for_in_the_order_of_the_locks() {
        let set = parse("r", shipped::PORTAL.rules).unwrap();
        let anna = asker("clients");
        let full = anna.asks("/", Some(NOW), Some(NOW));
        assert_eq!(judge(&set, &full).answer(), "permit");
        assert_eq!(judge(&set, &Facts { phone: None, ..full }).answer(), "ask phone");
        assert_eq!(judge(&set, &Facts { password: None, phone: None, ..full }).answer(), "ask password");
        let unreleased = full.holder.map(|holder| Holder { released: false, ..holder });
        assert_eq!(judge(&set, &Facts { holder: unreleased, ..full }).answer(), "ask release");
        assert_eq!(judge(&set, &Facts { holder: None, ..full }).answer(), "ask certificate");
        assert_eq!(judge(&set, &asker("others").asks("/", Some(NOW), Some(NOW))).answer(), "refuse");
        assert_eq!(judge(&set, &Facts { path: "/x/..%2f", ..full }).answer(), "refuse");
    }

    #[test]
    fn a_factor_grows_old() {
        let text = "[[rule]]\nname = \"a\"\npaths = [\"/**\"]\nwho = [\"everyone\"]\n\
                    need = [\"certificate\", \"password < 12h\", \"phone < 5m\"]";
        let set = parse("r", text).unwrap();
        let anna = asker("x");
        let ago = |ms: i64| Some(Time(NOW.millis() - ms));
        let answer = |password, phone| judge(&set, &anna.asks("/", password, phone)).answer();
        assert_eq!(answer(ago(12 * HOUR - 1), ago(299_999)), "permit");
        assert_eq!(answer(ago(12 * HOUR), ago(0)), "ask password");
        assert_eq!(answer(ago(0), ago(300_000)), "ask phone");
        assert_eq!(answer(None, None), "ask password");
    }

    #[test]
    fn hours_and_networks_pick_the_rule() {
        let text = "[[rule]]\nname = \"a\"\npaths = [\"/**\"]\nwho = [\"group:g\"]\nneed = [\"certificate\"]\n\
                    hours = [\"Mon 09:00-11:00 Europe/Zurich\"]\nwhence = [\"192.0.2.0/24\"]";
        let set = parse("r", text).unwrap();
        let anna = asker("g");
        let now = anna.asks("/", None, None);
        let late = Facts { now: Time(NOW.millis() + HOUR), ..now };
        assert_eq!(judge(&set, &now).answer(), "permit");
        assert!(matches!(judge(&set, &late), Verdict::OutsideHours(_)));
        // A stranger learns of no hours.
        assert_eq!(judge(&set, &Facts { holder: None, ..late }).answer(), "ask certificate");
        let mapped = Facts { address: "::ffff:192.0.2.7".parse().unwrap(), ..now };
        assert_eq!(judge(&set, &mapped).answer(), "permit");
        assert!(matches!(judge(&set, &Facts { address: "::1".parse().unwrap(), ..now }), Verdict::NoRule));
    }

    #[test]
    fn a_rule_is_never_passed_over_for_want_of_a_name() {
        let text = "[[rule]]\nname = \"banned\"\npaths = [\"/**\"]\nwho = [\"group:banned\"]\neffect = \"deny\"\n\
                    [[rule]]\nname = \"open\"\npaths = [\"/news\"]\nwho = [\"everyone\"]\nneed = []";
        let set = parse("r", text).unwrap();
        let stranger = Asker { roles: BTreeSet::new(), ..asker("banned") };
        let banned = stranger.asks("/news", None, None);
        assert_eq!(judge(&set, &Facts { holder: None, ..banned }).answer(), "ask certificate");
        assert!(matches!(judge(&set, &banned), Verdict::Deny(_)));
        assert_eq!(judge(&set, &asker("g").asks("/news", None, None)).answer(), "permit");
    }

    #[test]
    fn an_explanation_tells_why_rule_by_rule() {
        let set = parse("console.toml", shipped::CONSOLE.rules).unwrap();
        let mut anna = asker("x");
        anna.roles.insert(Role::Support);
        let told = explain(&set, &anna.asks("/codes", Some(NOW), None)).to_string();
        for line in [
            "\"The desk itself\" names other paths\n",
            "\"Verify codes and release devices\" fits; it needs certificate, password, phone; missing: phone\n",
            "Answer: ask for the phone, by \"Verify codes and release devices\" (line 13)",
        ] {
            assert!(told.contains(line), "{line}\n{told}");
        }
        let told = explain(&set, &anna.asks("/audit", Some(NOW), Some(NOW))).to_string();
        assert!(told.contains("\"Read the audit trail\" is for other people"), "{told}");
        assert!(told.ends_with("Answer: refuse: no rule fits"), "{told}");
    }

    proptest! {
        /// Whatever the spelling, a path that some backend may read as below /admin is not let
        /// through by the rule for the rest.
        #[test]
        fn no_spelling_gets_around_a_denial(
            head in "(/|//|/\\.|/x/\\.\\.|/%2e|/%2E%2e|\\\\|%2f|%5c|/x;|/;|%00|/\u{200b}){0,4}",
            name in "(/|//|%2f|\\\\)(admin|%61dmin|a%64min|%2561dmin|admin;x|admin%00|admin\\.|admin%20)",
            tail in "(/|/x|/\\.\\./admin|%2fx|;y|)",
        ) {
            let text = "[[rule]]\nname = \"no\"\npaths = [\"/admin/**\", \"/**/admin/**\"]\nwho = [\"everyone\"]\n\
                        effect = \"deny\"\n\
                        [[rule]]\nname = \"rest\"\npaths = [\"/**\"]\nwho = [\"everyone\"]\nneed = []";
            let set = parse("r", text).unwrap();
            let path = format!("{head}{name}{tail}");
            prop_assert_eq!(judge(&set, &asker("g").asks(&path, None, None)).answer(), "refuse", "{}", path);
        }
    }
}
