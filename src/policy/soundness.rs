//! What a set of rules as a whole gets wrong. Knows compiled rules; judges no request.
//!
//! **Unreachable**: whatever the rule names is decided by rules before it. For each path, host,
//! method and entry of `who` some one earlier rule fits whenever this one would.
//!
//! **Leak**: two allowing rules name the same request; the later asks less than the earlier; and
//! the earlier does not fit whenever the later does, because it is for other people, networks or
//! hours. Who falls through the stricter rule is let in by the laxer one: payments that ask for
//! the phone until seven in the evening, and for nothing more at night. A denying rule between the
//! two, or the laxer rule written first, says what is meant.

use super::methods::Methods;
use super::mistakes::Reader;
use super::rules::{Effect, Host, Rule, RuleSet, Who};

/// Notes what is wrong with the set.
pub(in crate::policy) fn check(set: &RuleSet, reader: &mut Reader<'_>) {
    let hosts = sample_hosts(set);
    for (place, rule) in set.rules().iter().enumerate() {
        let cells = cells(set, place, &hosts);
        let Some(by) = shadow(set, place, &cells) else {
            for earlier in set.rules().iter().take(place) {
                if let Some(leak) = leak(earlier, rule, set, &cells) {
                    reader.mistake(rule.span.clone(), leak.what, leak.next);
                }
            }
            continue;
        };
        reader.mistake(
            rule.span.clone(),
            format!(
                "the rule {:?} is never reached: {} before it decides all it names",
                rule.name,
                by.join(" and ")
            ),
            "put it before them, name less there, or leave it out",
        );
    }
}

/// Requests that the same rules name: one host of each kind, one set of rules by path.
struct Cell<'a> {
    host: &'a str,
    path: &'a str,
    /// Places of the rules before this one that name host and path.
    earlier: Vec<usize>,
}

fn cells<'a>(set: &'a RuleSet, place: usize, hosts: &'a [String]) -> Vec<Cell<'a>> {
    let mut cells = Vec::new();
    let Some(rule) = set.rules().get(place) else { return cells };
    for (named, path) in set.paths().together().filter(|(named, _)| named.has(place)) {
        for host in hosts.iter().filter(|host| rule.names_host(host)) {
            let names_it =
                |earlier: &usize| set.rules().get(*earlier).is_some_and(|rule| rule.names_host(host));
            let earlier = named.iter().take_while(|earlier| *earlier < place).filter(names_it).collect();
            cells.push(Cell { host, path, earlier });
        }
    }
    cells
}

/// The rules that decide all that this one names, where there is nothing left.
fn shadow(set: &RuleSet, place: usize, cells: &[Cell<'_>]) -> Option<Vec<String>> {
    let rule = set.rules().get(place)?;
    let mut by = std::collections::BTreeSet::new();
    for cell in cells {
        for who in &rule.who {
            let (left, covering) = uncovered(set, rule, who, cell);
            if !left.is_empty() {
                return None;
            }
            by.extend(covering);
        }
    }
    let name = |place: usize| set.rules().get(place).map(|rule| format!("{:?}", rule.name));
    Some(by.into_iter().filter_map(name).collect())
}

/// The methods of `rule` in a cell that no earlier rule decides for `who`, and the rules that
/// decide the others.
fn uncovered(set: &RuleSet, rule: &Rule, who: &Who, cell: &Cell<'_>) -> (Methods, Vec<usize>) {
    let mut left = rule.methods;
    let mut covering = Vec::new();
    for place in &cell.earlier {
        if let Some(earlier) = set.rules().get(*place)
            && !left.and(earlier.methods).is_empty()
            && always_fits(earlier, rule, who)
        {
            left = left.without(earlier.methods);
            covering.push(*place);
        }
    }
    (left, covering)
}

struct Leak {
    what: String,
    next: String,
}

fn leak(earlier: &Rule, later: &Rule, set: &RuleSet, cells: &[Cell<'_>]) -> Option<Leak> {
    let (Effect::Allow(strict), Effect::Allow(lax)) = (earlier.effect, later.effect) else { return None };
    if !lax.asks_less_than(strict) {
        return None;
    }
    let both = earlier.methods.and(later.methods);
    for cell in cells {
        let names_it = |place: &usize| set.rules().get(*place).is_some_and(|rule| rule.name == earlier.name);
        if !cell.earlier.iter().any(names_it) {
            continue;
        }
        for who in &later.who {
            let (left, _) = uncovered(set, later, who, cell);
            let left = left.and(both);
            if !left.is_empty() {
                let at_host =
                    if later.hosts.is_empty() { String::new() } else { format!(" at {}", cell.host) };
                return Some(Leak {
                    what: format!(
                        "whoever falls through {:?} (line {}), which needs {strict}, is let in by {:?}, which needs \
                         {lax}: {} {}{at_host}, {who}",
                        earlier.name,
                        earlier.line,
                        later.name,
                        left.sample(),
                        cell.path,
                    ),
                    next: format!(
                        "let it need as much, put it before {:?}, or put a denying rule between them",
                        earlier.name
                    ),
                });
            }
        }
    }
    None
}

/// Whether `earlier` fits whenever `later` does for this entry of its `who`, the request aside.
fn always_fits(earlier: &Rule, later: &Rule, who: &Who) -> bool {
    let people = earlier.who.iter().any(|wider| *wider == Who::Everyone || wider == who);
    let places = earlier.whence.is_empty()
        || (!later.whence.is_empty()
            && later.whence.iter().all(|net| earlier.whence.iter().any(|wider| wider.contains(net))));
    let times = earlier.hours.is_empty()
        || (!later.hours.is_empty()
            && later.hours.iter().all(|hours| earlier.hours.iter().any(|wider| wider.cover(hours))));
    people && places && times
}

/// A host of each kind that the rules tell apart.
fn sample_hosts(set: &RuleSet) -> Vec<String> {
    let mut hosts = vec!["(any other host)".to_owned()];
    for host in set.rules().iter().flat_map(|rule| &rule.hosts) {
        let sample = match host {
            Host::Exactly(name) => name.clone(),
            Host::Under(above) => format!("any.{above}"),
        };
        if !hosts.contains(&sample) {
            hosts.push(sample);
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::super::rules::parse;

    /// Rules from lines of `NAME | PATHS | WHO | NEED | more keys`.
    fn told(lines: &[&str]) -> String {
        let list = |words: &str| {
            words.split_whitespace().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
        };
        let mut text = String::new();
        for line in lines {
            let parts: Vec<&str> = line.split('|').map(str::trim).collect();
            let need = match parts[3] {
                "deny" => "effect = \"deny\"".to_owned(),
                "phone<5m" => "need = [\"certificate\", \"phone < 5m\"]".to_owned(),
                need => format!("need = [{}]", list(need)),
            };
            let more = parts.get(4).copied().unwrap_or_default();
            text += &format!(
                "[[rule]]\nname = \"{}\"\npaths = [{}]\nwho = [{}]\n{need}\n{more}\n",
                parts[0],
                list(parts[1]),
                list(parts[2]),
            );
        }
        parse("r", &text).err().map(|mistakes| mistakes.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_rule_that_is_never_reached_is_refused() {
        for lines in [
            &["A | /** | everyone | certificate", "B | /x | group:g | certificate"][..],
            &["A | /** | group:g | certificate", "B | /x/*/y | group:g | certificate password"],
            &["A | /** | everyone | deny", "B | /x | group:g | certificate"],
            &[
                "A | /a/** | everyone | certificate",
                "B | /b | everyone | certificate",
                "C | /a/x /b | role:owner | certificate",
            ],
            &[
                "A | /** | everyone | certificate | methods = [\"GET\"]",
                "B | /** | group:g | certificate | methods = [\"HEAD\"]",
            ],
            &[
                "A | /** | group:g group:h | certificate",
                "B | / | group:g | certificate | hours = \"Mon 01:00-02:00 UTC\"",
            ],
            &[
                "A | / | group:g | certificate | hours = \"daily 01:00-05:00 UTC\"",
                "B | / | group:g | certificate | hours = \"Mon 01:00-02:00 UTC\"",
            ],
            &[
                "A | / | group:g | certificate | whence = [\"10.0.0.0/8\"]",
                "B | / | group:g | certificate | whence = [\"10.1.0.0/16\"]",
            ],
            &[
                "A | / | group:g | certificate | hosts = [\"*.x.y\"]",
                "B | / | group:g | certificate | hosts = [\"a.x.y\"]",
            ],
        ] {
            let told = told(lines);
            assert!(told.contains("is never reached"), "{lines:?}: {told}");
        }
    }

    #[test]
    fn a_rule_that_is_reached_by_somebody_is_taken() {
        for lines in [
            &["A | /x/** | everyone | certificate", "B | /** | everyone | certificate"][..],
            &["A | /** | group:g | certificate", "B | /x | group:h | certificate"],
            &["A | /** | group:g | certificate", "B | /x | everyone | certificate"],
            &[
                "A | /** | everyone | certificate | methods = [\"GET\"]",
                "B | /** | everyone | certificate | methods = [\"POST\"]",
            ],
            &[
                "A | / | everyone | certificate | hosts = [\"a.x.y\"]",
                "B | / | everyone | certificate | hosts = [\"*.x.y\"]",
            ],
            &[
                "A | / | everyone | certificate | hours = \"Mon 01:00-02:00 UTC\"",
                "B | / | everyone | certificate | hours = \"Mon 01:00-02:00 Europe/Zurich\"",
            ],
            &["A | /a/*/c | everyone | certificate", "B | /a/**/c | everyone | certificate"],
        ] {
            assert_eq!(told(lines), "", "{lines:?}");
        }
    }

    #[test]
    fn who_falls_through_a_strict_rule_is_not_let_in_by_a_lax_one() {
        for lines in [
            // By the hour.
            &[
                "A | /pay/** | group:g | phone<5m | hours = \"Mon-Fri 07:00-19:00 Europe/Zurich\"",
                "B | /** | group:g | certificate phone",
            ][..],
            // By the network.
            &["A | /pay | group:g | phone<5m | whence = [\"10.0.0.0/8\"]", "B | /** | group:g | certificate"],
            // By the group.
            &["A | /pay | group:traders | phone<5m", "B | /** | group:clients | certificate password"],
            // Strangers beside clients.
            &["A | /pay | group:clients | certificate", "B | /** | everyone | "],
            // One of two methods, at one of two hosts.
            &[
                "A | /pay | group:t | certificate password | methods = [\"POST\"]\nhosts = [\"a.b\"]",
                "B | /pay | group:g | certificate | hosts = [\"*.b\"]",
            ],
        ] {
            let told = told(lines);
            assert!(told.contains("whoever falls through \"A\" (line 1)"), "{lines:?}: {told}");
        }
        let told = told(&["A | /pay | group:traders | phone<5m", "B | /** | group:clients | certificate"]);
        assert_eq!(
            told,
            "r:8:8: whoever falls through \"A\" (line 1), which needs certificate, phone < 5m, is let in by \"B\", which \
             needs certificate: GET /pay, group:clients; let it need as much, put it before \"A\", or put a denying rule \
             between them",
        );
    }

    #[test]
    fn what_is_meant_is_taken() {
        for lines in [
            // The strict rule decides for all whom the lax one takes.
            &["A | /pay | everyone | phone<5m", "B | /** | group:g | certificate"][..],
            &["A | /pay | group:g | phone<5m", "B | /** | group:g | certificate"],
            // Said first.
            &["B | /pay/help | group:g | certificate", "A | /pay/** | group:t | phone<5m"],
            // A denying rule between the two.
            &[
                "A | /pay | group:t | phone<5m",
                "D | /pay | everyone | deny",
                "B | /** | group:g | certificate",
            ],
            // Other paths, other methods, other hosts.
            &["A | /pay | group:t | phone<5m", "B | /see | group:g | certificate"],
            &[
                "A | /pay | group:t | phone<5m | methods = [\"POST\"]",
                "B | /pay | group:g | certificate | methods = [\"GET\"]",
            ],
            &[
                "A | /pay | group:t | phone<5m | hosts = [\"a.b\"]",
                "B | /pay | group:g | certificate | hosts = [\"c.b\"]",
            ],
        ] {
            assert_eq!(told(lines), "", "{lines:?}");
        }
    }
}
