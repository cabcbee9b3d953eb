//! Tests of policies: a file of cases, run against rules.
//! Knows no person and no session: a case says what is so, and the rules answer.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::time::Duration;

use http::Method;
use toml::Spanned;
use toml::de::DeTable;

use super::compile::length;
use super::judge::{Facts, Holder, judge};
use super::mistakes::{Mistakes, Reader};
use super::rules::RuleSet;
use crate::domain::person::Role;
use crate::domain::{PersonId, Time};

/// Runs the cases of `text` against `rules`; `file` is the name of the cases in messages.
///
/// # Errors
/// The mistakes of the file of cases, all together. A case that fails is no mistake but part of
/// the report.
pub fn run(rules: &RuleSet, file: &str, text: &str) -> Result<Report, Mistakes> {
    let (mut reader, root) = Reader::open(file, text);
    let tables = reader.tables(&root, "case");
    if tables.is_empty() && reader.is_clean() {
        reader.mistake(0..0, "there is no case, so nothing would be tested", "write a [[case]]");
    }
    let mut outcomes = Vec::new();
    for (span, table) in tables {
        let line = text.get(..span.start).unwrap_or_default().matches('\n').count() + 1;
        if let Some(case) = case(&mut reader, span, table) {
            outcomes.push(case.hold_against(rules, line));
        }
    }
    reader.close(Report { file: file.to_owned(), outcomes })
}

/// How the cases went.
#[derive(Clone, Debug)]
pub struct Report {
    file: String,
    /// Each case, in order.
    pub outcomes: Vec<Outcome>,
}

/// How one case went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// The line it begins in.
    pub line: usize,
    /// What the rules answered, where it is not what the case says.
    pub failure: Option<String>,
}

impl Report {
    /// How many failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.failure.is_some()).count()
    }

    /// Whether all went well.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failed() == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Outcome { name, line, failure } in &self.outcomes {
            if let Some(failure) = failure {
                writeln!(f, "{}:{line}: {name:?} failed: {failure}", self.file)?;
            }
        }
        let failed = self.failed();
        write!(f, "{}: {} passed, {failed} failed", self.file, self.outcomes.len() - failed)
    }
}

/// What a case says is so, and what must be answered.
struct Case {
    name: String,
    host: String,
    path: String,
    method: Method,
    address: IpAddr,
    at: Time,
    person: Someone,
    proved: Proved,
    answer: String,
    rule: Option<String>,
}

/// A person as rules see one.
#[derive(Clone, Debug)]
struct Someone {
    id: PersonId,
    groups: BTreeSet<String>,
    roles: BTreeSet<Role>,
}

/// What was proved, and how long ago.
#[derive(Clone, Copy, Debug, Default)]
struct Proved {
    certificate: bool,
    released: bool,
    password: Option<Duration>,
    phone: Option<Duration>,
}

impl Case {
    fn facts(&self) -> Facts<'_> {
        let Proved { certificate, released, password, phone } = self.proved;
        let Someone { id, groups, roles } = &self.person;
        let ago = |age: Option<Duration>| age.map(|age| self.at.minus(age));
        Facts {
            host: &self.host,
            path: &self.path,
            method: &self.method,
            address: self.address,
            holder: certificate.then_some(Holder { person: id, groups, roles, released }),
            password: ago(password),
            phone: ago(phone),
            now: self.at,
        }
    }

    fn hold_against(self, rules: &RuleSet, line: usize) -> Outcome {
        let verdict = judge(rules, &self.facts());
        let by_rule = |name: &String| verdict.rule().is_some_and(|rule| rule.name() == name);
        let right = verdict.answer() == self.answer && self.rule.as_ref().is_none_or(by_rule);
        let wanted = match &self.rule {
            Some(rule) => format!("{} by {rule:?}", self.answer),
            None => self.answer,
        };
        let failure = (!right).then(|| format!("it says {wanted}, the rules say {verdict}"));
        Outcome { name: self.name, line, failure }
    }
}

fn case(reader: &mut Reader<'_>, span: Range<usize>, table: &DeTable<'_>) -> Option<Case> {
    reader.keys(table, &KEYS);
    for key in ["name", "path", "answer"] {
        if !table.contains_key(key) {
            reader.mistake(span.clone(), format!("this case has no {key}"), format!("write {key} = \"...\""));
        }
    }
    let name = reader.text(table, "name").map(Spanned::into_inner);
    let path = reader.text(table, "path").map(Spanned::into_inner);
    let host = reader.text(table, "host").map_or_else(|| "portal.localhost".to_owned(), Spanned::into_inner);
    let rule = reader.text(table, "rule").map(Spanned::into_inner);
    let method =
        read(reader, table, "method", "write it as \"GET\"", |text| Method::from_bytes(text.as_bytes()).ok());
    let address = read(reader, table, "address", "write it as \"192.0.2.1\"", |text| text.parse().ok());
    let at = read(reader, table, "at", "write it as \"2026-11-23T10:00:00+01:00\"", moment);
    let answer = read(reader, table, "answer", &ANSWERS.join(", "), |text| {
        ANSWERS.contains(&text).then(|| text.to_owned())
    });
    let mut person =
        Someone { id: PersonId::from_bits([0; 16]), groups: BTreeSet::new(), roles: BTreeSet::new() };
    for who in reader.texts(table, "who", true).unwrap_or_default() {
        let taken = match who.get_ref().split_once(':') {
            Some(("group", name)) => Some(person.groups.insert(name.to_owned())),
            Some(("role", name)) => Role::parse(name).map(|role| person.roles.insert(role)),
            Some(("person", id)) => PersonId::parse(id).ok().map(|id| {
                person.id = id;
                true
            }),
            _ => None,
        };
        if taken != Some(true) {
            let what = format!("{:?} is nothing that a person is", who.get_ref());
            reader.mistake(who.span(), what, "write group:NAME, role:NAME or one person:ID");
        }
    }
    let mut proved = Proved::default();
    for text in reader.texts(table, "proved", true).unwrap_or_default() {
        if prove(text.get_ref(), &mut proved).is_none() {
            let what = format!("{:?} is nothing that can be proved", text.get_ref());
            reader.mistake(text.span(), what, PROVED_NEXT);
        }
    }
    Some(Case {
        name: name?,
        host,
        path: path?,
        method: method.unwrap_or(Method::GET),
        address: address.unwrap_or(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        at: at.unwrap_or(MONDAY_MORNING),
        person,
        proved,
        answer: answer?,
        rule,
    })
}

fn prove(text: &str, proved: &mut Proved) -> Option<()> {
    let age = |text: &str| text.strip_suffix(" ago").and_then(length);
    match text.split_once(' ') {
        None if text == "certificate" => (proved.certificate, proved.released) = (true, true),
        None if text == "password" => proved.password = Some(Duration::ZERO),
        None if text == "phone" => proved.phone = Some(Duration::ZERO),
        Some(("unreleased", "certificate")) => proved.certificate = true,
        Some(("password", ago)) => proved.password = Some(age(ago)?),
        Some(("phone", ago)) => proved.phone = Some(age(ago)?),
        _ => return None,
    }
    Some(())
}

fn read<T>(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    key: &str,
    next: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let text = reader.text(table, key)?;
    let value = parse(text.get_ref());
    if value.is_none() {
        reader.mistake(text.span(), format!("{:?} is no {key}", text.get_ref()), next);
    }
    value
}

fn moment(text: &str) -> Option<Time> {
    text.parse::<jiff::Timestamp>().ok().map(|moment| Time(moment.as_millisecond()))
}

const KEYS: [&str; 10] =
    ["name", "host", "path", "method", "address", "at", "who", "proved", "answer", "rule"];
const ANSWERS: [&str; 6] =
    ["permit", "ask certificate", "ask release", "ask password", "ask phone", "refuse"];
const PROVED_NEXT: &str =
    "write certificate, unreleased certificate, password, phone, or how long ago, as in \"phone 6m ago\"";
/// 2026-11-23T10:00:00+01:00, a Monday.
const MONDAY_MORNING: Time = Time(1_795_424_400_000);

#[cfg(test)]
mod tests {
    use super::super::{rules, shipped};
    use super::*;

    #[test]
    fn the_shipped_cases_pass() {
        for shipped in shipped::ALL {
            let rules = rules::parse(shipped.file, shipped.rules).unwrap();
            let report = run(&rules, "cases", shipped.cases).unwrap();
            assert!(report.passed(), "{report}");
        }
    }

    #[test]
    fn a_case_that_is_wrong_fails_and_says_what_the_rules_say() {
        let rules = rules::parse("portal.toml", shipped::PORTAL.rules).unwrap();
        let text = "[[case]]\nname = \"open\"\npath = \"/\"\nwho = [\"group:clients\"]\n\
                    proved = [\"certificate\"]\nanswer = \"permit\"\n";
        let report = run(&rules, "cases.toml", text).unwrap();
        assert_eq!(report.failed(), 1);
        assert_eq!(
            report.to_string(),
            "cases.toml:1: \"open\" failed: it says permit, the rules say ask for the password, by \"Portal\" \
             (line 7)\ncases.toml: 0 passed, 1 failed",
        );
        let by_another = text.replace("\"permit\"", "\"ask password\"\nrule = \"Other\"");
        assert!(!run(&rules, "cases.toml", &by_another).unwrap().passed());
    }

    #[test]
    fn mistakes_in_cases_are_told_all_at_once() {
        let rules = rules::parse("portal.toml", shipped::PORTAL.rules).unwrap();
        let text = "[[case]]\nname = \"x\"\nwho = [\"clients\"]\nproved = [\"finger\", \"phone 6\"]\n\
                    answer = \"perhaps\"\nat = \"noon\"\ncolour = 1\n";
        let mistakes = run(&rules, "cases.toml", text).unwrap_err();
        assert_eq!(mistakes.list().len(), 7, "{mistakes}");
        assert!(run(&rules, "cases.toml", "").is_err(), "no case at all is not a pass");
    }
}
