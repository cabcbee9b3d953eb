//! Rooms on floors: who may use whom. A file uses `crate::x` only from a lower floor, or of its
//! own room. Knows the table and imports; not what is in the rooms.

use super::source::Source;

/// Where each room lies. Rooms of one floor do not see each other; one that needs another gets it
/// as an argument, put there by `app`.
const FLOORS: [(u8, &[&str]); 14] = [
    (0, &["domain"]),
    // Below `world`, whose entropy comes from it.
    (1, &["crypto"]),
    (2, &["world"]),
    (3, &["store"]),
    (4, &["audit"]),
    (5, &["auth", "ca", "notify"]),
    (6, &["policy"]),
    (7, &["enrolment", "proxy", "web"]),
    (8, &["renewal", "sign_in"]),
    (9, &["console", "phone", "portal", "public"]),
    (10, &["control", "front"]),
    (11, &["config"]),
    (12, &["app"]),
    (13, &["cli"]),
];

/// Rooms that see less than their floor would let them, tests aside: only paths that begin so.
const NARROWER: [(&str, &[&str]); 2] = [
    ("policy", &["domain", "auth::evidence"]),
    ("proxy", &["domain", "world", "crypto", "policy::Permit", "policy::permit::Permit"]),
];

/// What is wrong with the imports of a file.
pub(crate) fn faults(source: &Source) -> Vec<String> {
    let Some(room) = source.room().filter(|room| !matches!(*room, "lib" | "main")) else { return Vec::new() };
    let Some(own) = floor(room) else {
        return vec![format!(
            "{}: the room {room:?} has no floor; give it one in tests/tidy/floors.rs",
            source.file
        )];
    };
    let mut faults = Vec::new();
    for Import { line, path } in imports(&source.code, depth(&source.file), source.tests_from) {
        let other = path.split("::").next().unwrap_or_default();
        if other == room || other.is_empty() {
            continue;
        }
        match floor(other) {
            Some(floor) if floor < own => {}
            Some(floor) => faults.push(format!(
                "{}:{line}: {room} (floor {own}) uses crate::{path} (floor {floor}); take it as an argument, or move it",
                source.file,
            )),
            None => faults.push(format!("{}:{line}: crate::{path} is in no room with a floor", source.file)),
        }
        let narrower = NARROWER.iter().find(|(narrow, _)| *narrow == room).map(|(_, seen)| *seen);
        if let Some(seen) = narrower
            && line <= source.tests_from
            && !seen.iter().any(|begin| path == *begin || path.starts_with(&format!("{begin}::")))
        {
            faults.push(format!(
                "{}:{line}: {room} sees only {}, not crate::{path}",
                source.file,
                seen.join(", ")
            ));
        }
    }
    faults
}

struct Import {
    line: usize,
    /// Without `crate::`.
    path: String,
}

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(_, rooms)| rooms.contains(&room)).map(|(floor, _)| *floor)
}

/// How many `super` lead from a file to the root.
fn depth(file: &str) -> usize {
    let below = file.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    below.split('/').count()
}

/// Every path below `crate::` and every chain of `super` that leaves the room, groups taken apart.
fn imports(code: &str, depth: usize, tests_from: usize) -> Vec<Import> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$')) {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        for path in paths(&code[at + "crate::".len()..]) {
            found.push(Import { line, path });
        }
    }
    let mut at = 0;
    while let Some(next) = code[at..].find("super::") {
        at += next;
        let line = code[..at].matches('\n').count() + 1;
        let mut ups = 0;
        while code[at..].starts_with("super::") {
            ups += 1;
            at += "super::".len();
        }
        // The module of the tests lies one deeper.
        let depth = if line > tests_from { depth + 1 } else { depth };
        if ups >= depth {
            found.extend(paths(&code[at..]).into_iter().map(|path| Import { line, path }));
        }
    }
    found
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`.
fn paths(text: &str) -> Vec<String> {
    let text = text.trim_start();
    let name_end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    let (name, rest) = text.split_at(name_end);
    let Some(group) = rest.strip_prefix('{').filter(|_| name.is_empty() || name.ends_with("::")) else {
        return vec![name.trim_end_matches(':').to_owned()];
    };
    let mut depth = 0_usize;
    let mut parts = vec![String::new()];
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        parts.last_mut().expect("there is a first").push(c);
    }
    let whole = |part: String| paths(&part).into_iter().map(|below| format!("{name}{below}"));
    parts.into_iter().filter(|part| !part.trim().is_empty()).flat_map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(file: &str, text: &str) -> usize {
        faults(&Source::of(file, text)).len()
    }

    #[test]
    fn a_file_sees_lower_floors_only() {
        assert_eq!(
            wrong("src/auth/session.rs", "use crate::domain::Time;\nuse crate::store::{table, View};\n"),
            0
        );
        assert_eq!(wrong("src/auth/session.rs", "use crate::web::page;\n"), 1, "up");
        assert_eq!(wrong("src/auth/session.rs", "use crate::ca::Authority;\n"), 1, "sideways");
        assert_eq!(
            wrong("src/auth/session.rs", "use crate::{domain::Time, web::{page, form}};\n"),
            2,
            "in groups"
        );
        assert_eq!(wrong("src/auth/session.rs", "fn f() { crate::web::page::show(); }\n"), 1, "without use");
        assert_eq!(wrong("src/auth/session.rs", "pub(in crate::auth) fn f() {}\npub(crate) fn g() {}\n"), 0);
        assert_eq!(wrong("src/auth/session.rs", "use super::super::web::page;\n"), 1, "by way of super");
        assert_eq!(wrong("src/auth/session.rs", "use super::evidence::Evidence;\n"), 0);
        assert_eq!(
            wrong(
                "src/auth/session.rs",
                "#[cfg(test)]\nmod tests {\n    use super::super::evidence::E;\n}\n"
            ),
            0
        );
        assert_eq!(wrong("src/auth/session.rs", "// use crate::web::page;\n"), 0, "a comment");
        assert_eq!(wrong("src/nowhere/x.rs", ""), 1, "no floor");
        assert_eq!(wrong("src/cli/x.rs", "use crate::nowhere::X;\n"), 1, "an unknown room");
        assert_eq!(wrong("src/world.rs", "use super::domain::Time;\n"), 0);
        assert_eq!(wrong("src/world.rs", "use super::store::Store;\n"), 1);
    }

    #[test]
    fn some_rooms_see_less() {
        assert_eq!(wrong("src/policy/judge.rs", "use crate::auth::evidence::Evidence;\n"), 0);
        assert_eq!(wrong("src/policy/judge.rs", "use crate::auth::session::Sessions;\n"), 1);
        assert_eq!(wrong("src/policy/judge.rs", "use crate::store::Store;\n"), 1);
        assert_eq!(wrong("src/proxy/forward.rs", "use crate::policy::Permit;\n"), 0);
        assert_eq!(wrong("src/proxy/forward.rs", "use crate::policy::{Permit, Policy};\n"), 1);
        assert_eq!(wrong("src/proxy/forward.rs", "use crate::auth::evidence::Evidence;\n"), 1);
        assert_eq!(wrong("src/proxy/forward.rs", "use crate::policy::permit::Area;\n"), 1);
    }
}
