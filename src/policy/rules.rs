//! The rules of a tenant: what stands in a file of `policies/`, read and compiled.
//! Knows no request and no evidence; `judge` holds one against the other.
//!
//! A rule fits when all it names fits: `hosts`, `paths`, `methods`, `who`, `whence`, `hours`.
//! The first rule that fits decides; none: no. An allowing rule says in `need` what must have
//! been proved.

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use ipnet::IpNet;

use super::automaton::{Automaton, RULES_MAX, RuleBits};
use super::hours::Hours;
use super::methods::Methods;
use super::mistakes::{Mistakes, Reader};
use super::path::Canonical;
use super::{compile, soundness};
use crate::domain::PersonId;
use crate::domain::person::Role;

/// The rules of one file, in their order, ready to decide.
#[derive(Clone, Debug)]
pub struct RuleSet {
    file: String,
    rules: Vec<Rule>,
    paths: Automaton,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(in crate::policy) name: std::sync::Arc<str>,
    pub(in crate::policy) line: usize,
    pub(in crate::policy) span: Range<usize>,
    /// As written, for messages.
    pub(in crate::policy) paths: Vec<String>,
    /// Empty: every host.
    pub(in crate::policy) hosts: Vec<Host>,
    pub(in crate::policy) methods: Methods,
    pub(in crate::policy) who: Vec<Who>,
    /// Empty: from anywhere.
    pub(in crate::policy) whence: Vec<IpNet>,
    /// Empty: at any time.
    pub(in crate::policy) hours: Vec<Hours>,
    pub(in crate::policy) effect: Effect,
}

/// What a rule does when it is the first that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Lets through once this is proved.
    Allow(Need),
    /// Refuses.
    Deny,
}

/// What must have been proved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// A certificate of ours, on a device that support released.
    pub certificate: bool,
    /// The password.
    pub password: Freshness,
    /// An approval on the phone.
    pub phone: Freshness,
}

/// How lately a factor must have been proved. Ordered by how much it asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// Not at all.
    #[default]
    Unasked,
    /// In this session.
    Session,
    /// In this session and less than so long ago.
    Within(Duration),
}

/// A host name, or `*.` and the name above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Host {
    /// This one.
    Exactly(String),
    /// One more label before this one.
    Under(String),
}

/// Whom a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Who {
    Everyone,
    Group(String),
    Role(Role),
    Person(PersonId),
}

/// Reads and compiles a file of rules; `file` is its name in messages.
///
/// # Errors
/// All mistakes of the file together: unknown keys, values that say nothing, two rules of one
/// name, and what the set as a whole gets wrong (see `soundness`).
pub fn parse(file: &str, text: &str) -> Result<RuleSet, Mistakes> {
    let (mut reader, root) = Reader::open(file, text);
    let tables = reader.tables(&root, "rule");
    if let Some((span, _)) = tables.get(RULES_MAX) {
        let what = format!("there are {} rules", tables.len());
        reader.mistake(span.clone(), what, format!("write at most {RULES_MAX} in one file"));
    }
    if tables.is_empty() && reader.is_clean() {
        reader.mistake(0..0, "there is no rule, so nothing would be permitted", "write a [[rule]]");
    }
    let mut rules: Vec<Rule> = Vec::new();
    let mut patterns = Vec::new();
    for (span, table) in tables.into_iter().take(RULES_MAX) {
        let compiled = compile::rule(&mut reader, text, span, table);
        if let Some(twin) = rules.iter().find(|rule| rule.name == compiled.rule.name) {
            let what = format!("there is a rule {:?} already, in line {}", twin.name, twin.line);
            reader.mistake(compiled.rule.span.clone(), what, "give each rule a name of its own");
        }
        patterns.extend(compiled.patterns.into_iter().map(|pattern| (rules.len(), pattern)));
        rules.push(compiled.rule);
    }
    let paths = Automaton::build(&patterns).unwrap_or_else(|_| {
        reader.mistake(
            0..0,
            "the paths of these rules are too intricate together",
            "use fewer * and ** in the middle of paths",
        );
        Automaton::empty()
    });
    let set = RuleSet { file: file.to_owned(), rules, paths };
    // Where single rules are wrong, what the set makes of them would only mislead.
    if reader.is_clean() {
        soundness::check(&set, &mut reader);
    }
    reader.close(set)
}

impl RuleSet {
    /// The file they came from.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Whether any rule asks for certificate, password and phone together.
    #[must_use]
    pub fn asks_three_factors(&self) -> bool {
        self.rules.iter().any(|rule| match rule.effect {
            Effect::Allow(need) => {
                need.certificate && need.password != Freshness::Unasked && need.phone != Freshness::Unasked
            }
            Effect::Deny => false,
        })
    }

    /// The rules, in order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(in crate::policy) const fn paths(&self) -> &Automaton {
        &self.paths
    }

    /// Which rules name a path.
    pub(in crate::policy) fn naming(&self, path: Canonical<'_>) -> RuleBits {
        self.paths.named(path)
    }
}

impl Rule {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The line it begins in.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// Its paths, as written.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// What it does.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.effect
    }

    pub(in crate::policy) fn names_host(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|pattern| pattern.names(host))
    }

    pub(in crate::policy) fn names_address(&self, address: IpAddr) -> bool {
        self.whence.is_empty() || self.whence.iter().any(|net| net.contains(&address))
    }
}

impl Need {
    /// Whether it asks less than `other` for any of the three.
    #[must_use]
    pub fn asks_less_than(self, other: Self) -> bool {
        (other.certificate && !self.certificate)
            || self.password.strength() < other.password.strength()
            || self.phone.strength() < other.phone.strength()
    }
}

impl Freshness {
    const fn strength(self) -> u64 {
        match self {
            Self::Unasked => 0,
            Self::Session => 1,
            Self::Within(longest) => u64::MAX - longest.as_secs(),
        }
    }

    fn describe(self, factor: &str, into: &mut Vec<String>) {
        match self {
            Self::Unasked => {}
            Self::Session => into.push(factor.to_owned()),
            Self::Within(longest) => into.push(format!("{factor} < {}", span(longest))),
        }
    }
}

impl Host {
    pub(in crate::policy) fn names(&self, host: &str) -> bool {
        match self {
            Self::Exactly(name) => name.eq_ignore_ascii_case(host),
            Self::Under(above) => host
                .split_once('.')
                .is_some_and(|(label, rest)| !label.is_empty() && above.eq_ignore_ascii_case(rest)),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.certificate {
            parts.push("certificate".to_owned());
        }
        self.password.describe("password", &mut parts);
        self.phone.describe("phone", &mut parts);
        f.write_str(if parts.is_empty() { "nothing" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("everyone"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Role(role) => write!(f, "role:{}", role.as_str()),
            Self::Person(id) => write!(f, "person:{id}"),
        }
    }
}

/// `5m`, `12h`, `90s`.
pub(in crate::policy) fn span(length: Duration) -> String {
    match length.as_secs() {
        secs if secs >= 3600 && secs % 3600 == 0 => format!("{}h", secs / 3600),
        secs if secs >= 60 && secs % 60 == 0 => format!("{}m", secs / 60),
        secs => format!("{secs}s"),
    }
}

#[cfg(test)]
mod tests;
