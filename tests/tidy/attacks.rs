//! The table of attacks, `tests/ATTACKS.md`: each row that is owed names its tests, each test that is named
//! exists, and each test that says it shows a row stands in that row. Knows no attack.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;

/// The rows that must be there, as ranges of numbers by their letter.
const OWED: [(&str, &[(u32, u32)]); 6] = [
    ("T", &[(1, 27)]),
    ("H", &[(1, 14), (21, 23)]),
    ("A", &[(1, 9), (11, 12), (14, 14), (17, 17), (19, 22)]),
    ("M", &[(1, 2), (6, 7)]),
    ("S", &[(1, 5), (15, 15)]),
    ("O", &[(1, 3), (6, 11)]),
];

/// What is wrong with the table.
pub(crate) fn faults(table: &str, sources: &[Source]) -> Vec<String> {
    let rows = rows(table);
    let tests = tests(sources);
    let mut faults = Vec::new();
    for (letter, ranges) in OWED {
        for number in ranges.iter().flat_map(|(from, to)| *from..=*to) {
            let row = format!("{letter}-{number:02}");
            if rows.get(&row).is_none_or(BTreeSet::is_empty) {
                faults.push(format!("tests/ATTACKS.md: {row} is owed and names no test"));
            }
        }
    }
    for (row, named) in &rows {
        for test in named.iter().filter(|test| !tests.contains_key(*test)) {
            faults.push(format!("tests/ATTACKS.md: {row} names {test}, which does not exist"));
        }
    }
    for (test, claimed) in &tests {
        for row in claimed {
            if !rows.get(row).is_some_and(|named| named.contains(test)) {
                faults.push(format!("{test} says it shows {row}; tests/ATTACKS.md does not name it there"));
            }
        }
    }
    faults
}

/// The tests of each row: whatever stands in backquotes and has `::` in it.
fn rows(table: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut rows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in table.lines().filter(|line| line.starts_with('|')) {
        let id = line.split('|').nth(1).unwrap_or_default().trim();
        if is_row(id) {
            let named = line.split('`').skip(1).step_by(2).filter(|name| name.contains("::"));
            rows.entry(id.to_owned()).or_default().extend(named.map(str::to_owned));
        }
    }
    rows
}

/// Every test with the rows that its doc comment begins with: `attack::routes::name`,
/// `portcullis::auth::session::tests::name`.
fn tests(sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let mut tests = BTreeMap::new();
    for source in sources {
        let (mut marked, mut claimed) = (false, BTreeSet::new());
        for line in source.text.lines().map(str::trim) {
            if let Some(comment) = line.strip_prefix("/// ") {
                if claimed.is_empty() {
                    claimed = claims(comment);
                }
            } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                marked = true;
            } else if let Some(name) = name_of_function(line) {
                if marked {
                    tests.insert(format!("{}::{name}", module(source)), std::mem::take(&mut claimed));
                }
                (marked, claimed) = (false, BTreeSet::new());
            } else if !line.starts_with("#[") {
                claimed.clear();
            }
        }
    }
    tests
}

/// `T-05, T-06. The rest of the comment.`
fn claims(comment: &str) -> BTreeSet<String> {
    let head = comment.split_once(['.', ':']).map_or("", |(head, _)| head);
    let ids: Vec<&str> = head.split([',', ' ']).filter(|id| !id.is_empty() && *id != "and").collect();
    if ids.iter().all(|id| is_row(id)) {
        ids.into_iter().map(str::to_owned).collect()
    } else {
        BTreeSet::new()
    }
}

fn name_of_function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    line.strip_prefix("fn ")?.split(['(', '<']).next()
}

fn module(source: &Source) -> String {
    let inline = source.text.contains("\nmod tests {") && !source.file.starts_with("tests/");
    let path = source.file.trim_end_matches(".rs").trim_end_matches("/mod").trim_end_matches("/main");
    let path = path.strip_prefix("tests/").map_or_else(
        || path.replacen("src", "portcullis", 1).trim_end_matches("/lib").to_owned(),
        str::to_owned,
    );
    path.replace('/', "::") + if inline { "::tests" } else { "" }
}

fn is_row(id: &str) -> bool {
    let Some((letter, number)) = id.split_once('-') else { return false };
    matches!(letter, "T" | "H" | "A" | "M" | "S" | "O") && number.len() == 2 && number.parse::<u8>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "/// T-05, T-06. Says it.\n#[tokio::test]\nasync fn one() {}\n\n#[test]\nfn two() {}\n\nfn no_test() {}\n";

    fn told(rows: &str) -> Vec<String> {
        let mut told = faults(rows, &[Source::of("tests/attack/a.rs", CODE)]);
        told.retain(|fault| !fault.contains("is owed") || fault.contains("T-05"));
        told
    }

    #[test]
    fn a_test_that_is_missing_or_not_listed_is_told() {
        let whole = "| T-05 | x | `attack::a::one`, `attack::a::two` |\n| T-06 | y | `attack::a::one` |\n";
        assert_eq!(told(whole), Vec::<String>::new());
        for (less, says) in [
            (whole.replace("::two`", "::no_test`"), "names attack::a::no_test"),
            (whole.replace("| T-06 |", "| T-07 |"), "says it shows T-06"),
            (whole.replace("| T-05 |", "| T-04 |"), "T-05 is owed"),
        ] {
            assert!(told(&less).iter().any(|fault| fault.contains(says)), "{says}: {:?}", told(&less));
        }
    }
}
