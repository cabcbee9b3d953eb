//! The other rules of the house that a machine can hold: which crate is named where, how long a
//! file is, what may not stand in it. Knows text; not what it does.

use super::source::Source;

/// Names that stand in some files only, and why. Unit tests are not looked at.
const CONFINED: [(&[&str], &[&str], &str); 8] = [
    (&["rcgen"], &["src/ca/"], "certificates are made in ca alone"),
    (&["redb"], &["src/store/redb.rs", "src/store/redb/"], "an engine is named in its own file alone"),
    (&["sled"], &["src/store/sled.rs", "src/store/sled/"], "an engine is named in its own file alone"),
    (&["store::redb", "store::sled"], &["src/app.rs", "src/store/"], "which engine it is, app alone knows"),
    (
        &["rustls"],
        &["src/front/tls.rs", "src/proxy/upstream/tls.rs", "src/notify/webpush/line.rs", "src/crypto.rs"],
        "TLS is configured at the front, towards backends and push services alone",
    ),
    (&["aws_lc_rs", "ring"], &["src/crypto.rs"], "which cryptography is chosen, crypto alone knows"),
    (
        &["SystemTime::now", "Timestamp::now", "Zoned::now"],
        &["src/world.rs"],
        "time comes from world, so that a test can hold it",
    ),
    (
        &["print!", "println!", "eprint!", "eprintln!"],
        &["src/cli/", "src/main.rs"],
        "only the command line speaks to the terminal; others log",
    ),
];

/// Files that may be longer than [`LINES_MAX`], each with its reason.
const LONGER: [(&str, &str); 1] =
    [("src/store/table.rs", "every key of the product on one page is what the file is for")];

/// Lines of code in a file, its unit tests not counted.
const LINES_MAX: usize = 400;

/// Crates and macros outside their places.
pub(crate) fn confined(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    for (names, places, why) in CONFINED {
        if places
            .iter()
            .any(|place| source.file == *place || (place.ends_with('/') && source.file.starts_with(place)))
        {
            continue;
        }
        for (n, line) in source.lines() {
            for name in names.iter().filter(|name| names_it(line, name)) {
                faults.push(format!("{}:{n}: {name} does not belong here: {why}", source.file));
            }
        }
    }
    faults
}

/// What may not stand in a file at all.
pub(crate) fn forbidden(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    if !source.text.starts_with("//!") {
        faults.push(format!("{}:1: say first, after //!, what the file is for", source.file));
    }
    for (n, line) in source.code.lines().enumerate() {
        for name in [concat!("to", "do!"), concat!("unimpl", "emented!"), concat!("#[ign", "ore")] {
            if line.contains(name) {
                faults.push(format!("{}:{}: {name} is not finished work", source.file, n + 1));
            }
        }
    }
    for (n, line) in source.text.lines().enumerate() {
        for name in [concat!("FIX", "ME"), concat!("TO", "DO"), concat!("XX", "X:")] {
            if line.contains(name) {
                faults.push(format!("{}:{}: {name} is not finished work", source.file, n + 1));
            }
        }
    }
    for (at, _) in source.code.match_indices("[allow(").chain(source.code.match_indices("[expect(")) {
        let attribute = source.code[at..].split(")]").next().unwrap_or_default();
        if !attribute.contains("reason") {
            let n = source.code[..at].matches('\n').count() + 1;
            faults.push(format!("{}:{n}: a relaxed lint needs its reason = \"...\"", source.file));
        }
    }
    faults
}

/// Files that nobody reads to the end.
pub(crate) fn long(source: &Source) -> Vec<String> {
    let allowed = LONGER.iter().any(|(file, reason)| *file == source.file && !reason.is_empty());
    match source.tests_from {
        lines if lines > LINES_MAX && !allowed => {
            vec![format!("{}: {lines} lines of code; split it at {LINES_MAX}", source.file)]
        }
        _ => Vec::new(),
    }
}

/// Dependencies without their reason.
pub(crate) fn unexplained(manifest: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut among_dependencies = false;
    for (n, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            among_dependencies = line.trim_end_matches(']').ends_with("dependencies");
        } else if among_dependencies && line.contains('=') && !line.starts_with('#') {
            let reason = line.rsplit_once(" # ").map_or("", |(_, reason)| reason.trim());
            if reason.len() < 8 {
                faults.push(format!(
                    "Cargo.toml:{}: say in a comment why this dependency is here: {line}",
                    n + 1
                ));
            }
        }
    }
    faults
}

/// Keys, by the name of a file or by what is in it.
pub(crate) fn key_material(file: &str, content: &[u8]) -> Vec<String> {
    let mut faults = Vec::new();
    if KEY_FILES.iter().any(|end| file.to_ascii_lowercase().ends_with(end)) {
        faults.push(format!("{file}: no key is ever committed"));
    }
    let text = String::from_utf8_lossy(content);
    for (at, mark) in text.match_indices(concat!("PRIVATE", " KEY-----")) {
        let after = text[at + mark.len()..].trim_start_matches(['\\', 'n', 'r', '\n', '\r', '"', ' ', '\t']);
        let base64 =
            after.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/')).count();
        if base64 >= 32 && !text[..at].ends_with("END ") {
            faults.push(format!("{file}: it holds a private key"));
        }
    }
    faults
}

fn names_it(line: &str, name: &str) -> bool {
    let is_crate = !name.contains("::") && !name.ends_with('!');
    line.match_indices(name).any(|(at, _)| {
        let before = &line[..at];
        let after = &line[at + name.len()..];
        let goes_on = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let starts = !(goes_on || is_crate && is_path_of_ours(before));
        let ends = !is_crate
            || after.starts_with("::")
            || (after.starts_with([';', ' ', '}']) && line.trim_start().starts_with("use "));
        starts && ends
    })
}

const KEY_FILES: [&str; 6] = [".key", ".p12", ".pfx", ".jks", ".p8", ".keystore"];

/// Whether `before` ends with a path: what follows is a module of ours, though it bears a crate's name.
fn is_path_of_ours(before: &str) -> bool {
    before.ends_with("::") && before.trim_end_matches("::").ends_with(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Source {
        Source::of("src/auth/x.rs", text)
    }

    #[test]
    fn a_crate_stays_in_its_place() {
        for bad in [
            "use rcgen::Certificate;",
            "use rustls;",
            "let x = redb::Database::open();",
            "use ring::digest;",
            "let now = std::time::SystemTime::now();",
            "println!();",
            "    eprintln!(\"x\");",
            "use ::ring::digest;",
            "use crate::store::redb::Engine;",
        ] {
            assert_eq!(confined(&code(bad)).len(), 1, "{bad}");
        }
        for good in [
            "String::new();",
            "// rcgen::x",
            "let ring = 1;",
            "use tokio_rustls::X;",
            "\"println!\"",
            "refuse rustls",
        ] {
            assert_eq!(confined(&code(good)), Vec::<String>::new(), "{good}");
        }
        assert!(confined(&Source::of("src/ca/issue.rs", "use rcgen::X;")).is_empty());
        assert!(confined(&Source::of("src/crypto.rs", "use ring::X;")).is_empty());
    }

    #[test]
    fn unfinished_work_is_seen() {
        assert!(forbidden(&code("//! Good.\nfn x() {}\n")).is_empty());
        assert_eq!(forbidden(&code("fn x() {}\n")).len(), 1, "no purpose");
        for bad in [
            concat!("to", "do!()"),
            concat!("unimpl", "emented!()"),
            concat!("// FIX", "ME: x"),
            concat!("#[ign", "ore]"),
            "#[allow(dead_code)]",
        ] {
            assert_eq!(forbidden(&code(&format!("//! x\n{bad}\n"))).len(), 1, "{bad}");
        }
        assert!(forbidden(&code("//! x\n#[allow(dead_code, reason = \"y\")]\n")).is_empty());
    }

    #[test]
    fn a_long_file_is_named() {
        assert_eq!(long(&code(&"fn x() {}\n".repeat(LINES_MAX + 1))).len(), 1);
        assert!(long(&code(&"fn x() {}\n".repeat(LINES_MAX))).is_empty());
        let tested = format!("fn x() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n", "// x\n".repeat(LINES_MAX));
        assert!(long(&code(&tested)).is_empty());
    }

    #[test]
    fn a_dependency_says_why() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\na = \"1\" # for what it does\nb = \"2\"\nc = \"3\" # \n";
        assert_eq!(unexplained(manifest).len(), 2);
    }

    #[test]
    fn a_key_is_found_by_name_and_content() {
        assert_eq!(key_material("certs/root.key", b"").len(), 1);
        assert_eq!(key_material("tests/anna.P12", b"").len(), 1);
        let pem = format!(
            "-----BEGIN EC {}\nMHcCAQEEIBcEvHJrPp8PHgPHtZ1wsOvTRFcZkQyU\n",
            concat!("PRIVATE", " KEY-----")
        );
        assert_eq!(key_material("src/x.rs", pem.as_bytes()).len(), 1);
        let in_a_text = pem.replace('\n', "\\n");
        assert_eq!(key_material("src/x.rs", in_a_text.as_bytes()).len(), 1);
        assert!(
            key_material("src/x.rs", concat!("if text.contains(\"PRIVATE", " KEY-----\") {}").as_bytes())
                .is_empty()
        );
    }
}
