//! Decisions over facts: who is let in, and what is asked for next.

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
