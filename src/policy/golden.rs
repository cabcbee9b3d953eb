//! The golden table: for rules, who may what with what proved, in Markdown that a review reads.
//! Knows no case and no wish; it writes down what the rules answer.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use http::Method;

use super::judge::{Facts, Holder, Lacking, Verdict, judge};
use super::rules::RuleSet;
use crate::domain::person::Role;
use crate::domain::{PersonId, Time};

/// The table of some rules: each path that they name and one that they do not, read and written,
/// by each kind of person, with more and more proved.
#[must_use]
pub fn table(rules: &RuleSet) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "## {}\n", rules.file());
    let _ = writeln!(text, "| path | method | who | {} |", LEVELS.map(|level| level.name).join(" | "));
    let _ = writeln!(text, "| --- | --- | --- | {} |", LEVELS.map(|_| "---").join(" | "));
    for path in paths(rules) {
        for person in people() {
            let [read, written] = [Method::GET, Method::POST]
                .map(|method| LEVELS.map(|level| person.answer(rules, &path, &method, level)).join(" | "));
            let rows = if read == written {
                vec![("GET, POST", read)]
            } else {
                vec![("GET", read), ("POST", written)]
            };
            for (methods, answers) in rows {
                let _ = writeln!(text, "| `{path}` | {methods} | {} | {answers} |", person.name);
            }
        }
    }
    text
}

#[derive(Clone, Copy)]
struct Level {
    name: &'static str,
    certificate: bool,
    released: bool,
    password: bool,
    phone: bool,
}

struct Kind {
    name: &'static str,
    groups: BTreeSet<String>,
    roles: BTreeSet<Role>,
}

impl Kind {
    fn answer(&self, rules: &RuleSet, path: &str, method: &Method, level: Level) -> &'static str {
        let now = Time::from_secs(0);
        let person = PersonId::from_bits([0; 16]);
        let (groups, roles, released) = (&self.groups, &self.roles, level.released);
        let facts = Facts {
            host: "door.localhost",
            path,
            method,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            holder: level.certificate.then_some(Holder { person: &person, groups, roles, released }),
            password: level.password.then_some(now),
            phone: level.phone.then_some(now),
            now,
        };
        match judge(rules, &facts) {
            Verdict::Permit(_) => "**yes**",
            Verdict::Lacking(_, Lacking::Certificate) => "certificate?",
            Verdict::Lacking(_, Lacking::Release) => "release?",
            Verdict::Lacking(_, Lacking::Password) => "password?",
            Verdict::Lacking(_, Lacking::Phone) => "phone?",
            Verdict::Deny(_) | Verdict::NoRule | Verdict::OutsideHours(_) | Verdict::Ambiguous(_) => "no",
        }
    }
}

fn people() -> Vec<Kind> {
    let nobody = Kind { name: "no group, no role", groups: BTreeSet::new(), roles: BTreeSet::new() };
    let client =
        Kind { name: "client", groups: BTreeSet::from(["clients".to_owned()]), roles: BTreeSet::new() };
    let staff =
        |role: Role| Kind { name: role.as_str(), groups: BTreeSet::new(), roles: BTreeSet::from([role]) };
    [nobody, client].into_iter().chain(Role::ALL.map(staff)).collect()
}

fn paths(rules: &RuleSet) -> BTreeSet<String> {
    let written = rules.rules().iter().flat_map(|rule| rule.paths());
    let example = |pattern: &String| pattern.replace("**", "x").replace('*', "x");
    written.map(example).chain(["/elsewhere".to_owned()]).collect()
}

const LEVELS: [Level; 5] = [
    Level { name: "nothing", certificate: false, released: false, password: false, phone: false },
    Level {
        name: "certificate, not released",
        certificate: true,
        released: false,
        password: false,
        phone: false,
    },
    Level { name: "certificate", certificate: true, released: true, password: false, phone: false },
    Level { name: "and password", certificate: true, released: true, password: true, phone: false },
    Level { name: "and phone", certificate: true, released: true, password: true, phone: true },
];
