//! A file of rules, and what it says of a request: up to the first zero stands the request's path.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use http::Method;
use portcullis::domain::person::Role;
use portcullis::domain::{PersonId, Time};
use portcullis::policy::judge::{Facts, Holder, Verdict, explain, judge};
use portcullis::policy::path::canonical;
use portcullis::policy::rules::{self, Effect, Freshness, RuleSet};

use super::{Heard, texts};

/// Nobody is let through but by a rule, and with all that the rule asks for; a path with two meanings goes
/// nowhere; what is told at length is what was decided.
pub(crate) fn holds(data: &[u8]) -> Heard {
    let [path, text] = texts::<2>(data);
    let set = match rules::parse("portal.toml", &text) {
        Ok(set) => set,
        Err(mistakes) => {
            assert!(!mistakes.list().is_empty(), "refused for no reason");
            let lines = text.split('\n').count();
            for mistake in mistakes.list() {
                assert!((1..=lines).contains(&mistake.line) && mistake.column >= 1, "{mistake:?} of {lines}");
                assert!(!mistake.what.is_empty() && !mistake.next.is_empty(), "{mistake:?}");
            }
            return Heard::Refused;
        }
    };
    let names: BTreeSet<&str> = set.rules().iter().map(rules::Rule::name).collect();
    assert_eq!(names.len(), set.rules().len(), "two rules of one name");
    assert!(!names.is_empty() && !names.contains(""));

    let written = set.rules().iter().flat_map(|rule| rule.paths()).take(8);
    let filled = written.map(|pattern| pattern.replace("**", "a/b").replace('*', "a"));
    let paths: Vec<String> = [path].into_iter().chain(filled).collect();
    for path in &paths {
        for method in [Method::GET, Method::POST] {
            for holder in HOLDERS {
                for [password, phone] in AGES {
                    judged(&set, path, &method, holder, password, phone);
                }
            }
        }
    }
    Heard::Accepted
}

fn judged(
    set: &RuleSet,
    path: &str,
    method: &Method,
    holder: Option<bool>,
    password: Option<u64>,
    phone: Option<u64>,
) {
    let person = PersonId::parse("anna").expect("an id");
    let groups = BTreeSet::from(["clients".to_owned()]);
    let roles = BTreeSet::from([Role::Support]);
    let ago = |age: u64| NOW.minus(Duration::from_secs(age));
    let facts = Facts {
        host: "bank.localhost",
        path,
        method,
        address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
        holder: holder.map(|released| Holder { person: &person, groups: &groups, roles: &roles, released }),
        password: password.map(ago),
        phone: phone.map(ago),
        now: NOW,
    };
    let verdict = judge(set, &facts);
    assert_eq!(explain(set, &facts).verdict.to_string(), verdict.to_string());
    assert_eq!(canonical(path).is_err(), matches!(verdict, Verdict::Ambiguous(_)), "{path:?}");
    let Verdict::Permit(rule) = verdict else { return };
    let Effect::Allow(need) = rule.effect() else { panic!("{} denies", rule.name()) };
    assert!(!need.certificate || holder == Some(true), "{}: no released certificate", rule.name());
    for (needed, age) in [(need.password, password), (need.phone, phone)] {
        match needed {
            Freshness::Unasked => {}
            Freshness::Session => assert!(age.is_some(), "{}: not proved", rule.name()),
            Freshness::Within(longest) => {
                assert!(age.is_some_and(|age| age < longest.as_secs()), "{}: {age:?} ago", rule.name());
            }
        }
    }
}

/// Nobody; a device that support has not released; one that it has.
const HOLDERS: [Option<bool>; 3] = [None, Some(false), Some(true)];
/// How many seconds ago password and phone were proved.
const AGES: [[Option<u64>; 2]; 5] =
    [[None, None], [Some(1), None], [None, Some(1)], [Some(1), Some(1)], [Some(4000), Some(400)]];
/// A Monday morning in Zurich.
const NOW: Time = Time(1_795_424_400_000);
