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
mod tests {
    use super::*;

    const GOOD: &str = r#"
[[rule]]
name    = "Payments"
paths   = ["/payments/**"]
methods = ["POST"]
who     = ["group:clients"]
need    = ["certificate", "password", "phone < 5m"]
hosts   = ["bank.example", "*.bank.example"]
whence  = ["192.0.2.0/24", "2001:db8::1"]
hours   = "Mon-Fri 07:00-19:00 Europe/Zurich"
"#;

    /// Line, column and words of the only mistake.
    fn mistake(text: &str) -> (usize, usize, String) {
        let mistakes = parse("rules.toml", text).expect_err(text);
        assert_eq!(mistakes.list().len(), 1, "{mistakes}");
        let mistake = &mistakes.list()[0];
        assert!(!mistake.next.is_empty());
        (mistake.line, mistake.column, mistake.what.clone())
    }

    #[test]
    fn a_rule_is_read() {
        let set = parse("rules.toml", GOOD).unwrap();
        let rule = &set.rules()[0];
        assert_eq!((rule.name(), rule.line()), ("Payments", 2));
        let Effect::Allow(need) = rule.effect() else { panic!("it allows") };
        assert_eq!(need.to_string(), "certificate, password, phone < 5m");
        assert!(rule.names_host("BANK.example") && rule.names_host("a.bank.example"));
        assert!(!rule.names_host("a.b.bank.example") && !rule.names_host("bank.example.org"));
        assert!(rule.names_address("192.0.2.9".parse().unwrap()));
        assert!(!rule.names_address("192.0.3.9".parse().unwrap()));
    }

    #[test]
    fn each_mistake_is_told_where_it_stands() {
        for (from, to, line, column, what) in [
            ("paths ", "pahts ", 4, 1, "unknown key \"pahts\""),
            (
                "\"/payments/**\"",
                "\"payments\"",
                4,
                12,
                "\"payments\" is no path: no request can match it: the path \
              does not begin with a slash",
            ),
            ("\"POST\"", "\"post\"", 5, 12, "\"post\" is no method that rules know"),
            ("\"POST\"", "1", 5, 12, "methods holds a integer, not a text"),
            ("[\"POST\"]", "[]", 5, 11, "methods is an empty list, so nothing ever fits"),
            ("group:clients", "clients", 6, 12, "\"clients\" names nobody"),
            ("group:clients", "role:boss", 6, 12, "\"role:boss\" names nobody"),
            ("phone < 5m", "phone < 5", 7, 39, "\"phone < 5\" is nothing that can be proved"),
            ("phone < 5m", "phone < 0m", 7, 39, "\"phone < 0m\" can never be proved"),
            (
                "phone < 5m",
                "phone < 25h",
                7,
                39,
                "\"phone < 25h\" asks nothing: no session lives longer than a day",
            ),
            ("phone < 5m", "password", 7, 39, "\"password\" is written twice"),
            (
                "\"certificate\", ",
                "",
                7,
                11,
                "no one can satisfy \"Payments\": password and phone count only beside a \
              certificate",
            ),
            (
                "\"certificate\", \"password\", \"phone < 5m\"",
                "",
                7,
                11,
                "no one can satisfy \"Payments\": without a \
              certificate nobody is known to be in who",
            ),
            ("\"bank.example\"", "\"bank.example:443\"", 8, 12, "\"bank.example:443\" is no host"),
            ("192.0.2.0/24", "192.0.2.1/24", 9, 12, "\"192.0.2.1/24\" has bits set beyond its length"),
            ("192.0.2.0/24", "192.0.2.0/33", 9, 12, "\"192.0.2.0/33\" is no network"),
            (
                "07:00-19:00",
                "19:00-19:00",
                10,
                11,
                "\"Mon-Fri 19:00-19:00 Europe/Zurich\": the hours are empty: they end \
              when they begin",
            ),
            (
                "Zurich",
                "Zuerich",
                10,
                11,
                "\"Mon-Fri 07:00-19:00 Europe/Zuerich\": there is no time zone \
              \"Europe/Zuerich\"",
            ),
            (
                "hosts ",
                "effect = \"deny\"\nhosts",
                7,
                11,
                "the rule \"Payments\" denies, so what it needs is never asked",
            ),
            ("hosts ", "effect = \"maybe\"\nhosts", 8, 10, "\"maybe\" is no effect"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            if what.starts_with("unknown key") {
                // The rule is then also without its paths.
                let mistakes = parse("rules.toml", &text).unwrap_err();
                assert_eq!(mistakes.list().len(), 2, "{mistakes}");
                assert!(
                    mistakes.to_string().contains(&format!("rules.toml:{line}:{column}: {what}; ")),
                    "{mistakes}"
                );
            } else if what.ends_with("written twice") {
                let mistakes = parse("rules.toml", &text).unwrap_err();
                assert!(
                    mistakes.to_string().contains(&format!("rules.toml:{line}:{column}: {what}; ")),
                    "{mistakes}"
                );
            } else {
                assert_eq!(mistake(&text), (line, column, what.to_owned()));
            }
        }
    }

    #[test]
    fn all_mistakes_are_told_together_with_the_next_step() {
        let text = "[[rule]]\nname = \"A\"\npaths = [\"x\"]\nwho = [\"y\"]\nneed = [\"z\"]\n\
                    [[rule]]\nname = \"A\"\n[[other]]\n";
        let mistakes = parse("rules.toml", text).unwrap_err();
        let told = mistakes.to_string();
        for line in [
            "rules.toml:3:10: \"x\" is no path",
            "rules.toml:4:8: \"y\" names nobody; write group:NAME, role:NAME, person:ID or everyone",
            "rules.toml:5:9: \"z\" is nothing that can be proved; write",
            "rules.toml:7:8: the rule \"A\" does not say paths; write paths",
            "rules.toml:7:8: the rule \"A\" does not say who; write who",
            "rules.toml:7:8: the rule \"A\" does not say need; write need",
            "rules.toml:7:8: there is a rule \"A\" already, in line 1; give each rule a name of its own",
            "rules.toml:8:3: unknown key \"other\"; write [[rule]]",
        ] {
            assert!(told.contains(line), "{line}\n{told}");
        }
        let labels = miette::Diagnostic::labels(&mistakes).unwrap().count();
        assert_eq!(labels, mistakes.list().len());
    }

    #[test]
    fn what_is_no_toml_is_a_mistake_too() {
        assert!(parse("rules.toml", "[[rule]\nname = ").unwrap_err().to_string().contains("this is no TOML"));
        assert!(parse("rules.toml", "").unwrap_err().to_string().contains("there is no rule"));
        assert!(parse("rules.toml", "rule = 1").unwrap_err().to_string().contains("double brackets"));
        let many = "[[rule]]\nname = \"x\"\n".repeat(300);
        assert!(parse("rules.toml", &many).unwrap_err().to_string().contains("there are 300 rules"));
    }
}
