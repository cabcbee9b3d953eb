//! What a file of rules may say, and how a mistake in it is told.

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
