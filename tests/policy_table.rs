//! The golden table of who may what: `policies/TABLE.md` says what the shipped rules answer.
//! `UPDATE_GOLDEN=1` writes it anew; a review then sees what changed.

use std::path::Path;

use portcullis::policy::{golden, rules, shipped, table};

#[test]
#[allow(clippy::disallowed_methods, reason = "UPDATE_GOLDEN is asked by the tests alone")]
fn the_golden_table_says_what_the_rules_answer() {
    let mut now = String::from(HEAD);
    for shipped in shipped::ALL {
        let rules = rules::parse(shipped.file, shipped.rules).expect("shipped rules are sound");
        now.push('\n');
        now.push_str(&golden::table(&rules));
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/TABLE.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &now).expect("the table is written");
    }
    let then = std::fs::read_to_string(&file).unwrap_or_default();
    for (n, (then, now)) in then.lines().zip(now.lines()).enumerate() {
        assert_eq!(then, now, "policies/TABLE.md:{} is out of date: UPDATE_GOLDEN=1 writes it anew", n + 1);
    }
    assert_eq!(
        then.lines().count(),
        now.lines().count(),
        "rows came or went: UPDATE_GOLDEN=1 writes it anew"
    );
}

#[test]
fn the_shipped_cases_pass() {
    for shipped in shipped::ALL {
        let rules = rules::parse(shipped.file, shipped.rules).expect("shipped rules are sound");
        let report = table::run(&rules, shipped.file, shipped.cases).expect("the cases can be read");
        assert!(report.passed(), "{report}");
    }
}

/// What no rule change may bring about unseen: the claims of the product, said once more apart
/// from the table.
#[test]
fn nobody_enters_with_less_than_three_locks() {
    let golden = |shipped: shipped::Shipped| {
        golden::table(&rules::parse(shipped.file, shipped.rules).expect("shipped rules are sound"))
    };
    for shipped in [shipped::PORTAL, shipped::CONSOLE] {
        let table = golden(shipped);
        let rows: Vec<Vec<&str>> =
            table.lines().skip(4).map(|row| row.split('|').map(str::trim).collect()).collect();
        assert!(rows.iter().any(|row| row.get(8) == Some(&"**yes**")), "somebody gets in at all");
        for row in rows {
            let early = row.get(4..8).expect("four columns with less");
            assert!(!early.contains(&"**yes**"), "{}: {row:?}", shipped.file);
        }
    }
}

const HEAD: &str = "# Who may what

Written by `tests/policy_table.rs` from the shipped rules; never by hand. A column says what has been proved: **yes**
lets through, a word with a question mark is what the gate asks for next, no is no.
";
