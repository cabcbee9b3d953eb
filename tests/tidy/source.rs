//! Source files as the house rules look at them: their code without comments and texts, and
//! where their tests begin. Knows no rule.

use std::path::{Path, PathBuf};

/// One source file.
pub(crate) struct Source {
    /// Path below the package, with slashes.
    pub(crate) file: String,
    /// As written.
    pub(crate) text: String,
    /// Without comments and without what stands in quotes; lines stay where they are.
    pub(crate) code: String,
    /// Line, from 0, in which the tests begin; the number of lines where there are none.
    pub(crate) tests_from: usize,
}

impl Source {
    /// From a text; `file` says where it would stand.
    pub(crate) fn of(file: &str, text: &str) -> Self {
        let code = code_of(text);
        let lines: Vec<&str> = code.lines().collect();
        let is_test = ["/tests/", "/tests.rs", "/rig.rs"].iter().any(|part| file.contains(part));
        let begins = |pair: &[&str]| pair[0].trim() == "#[cfg(test)]" && pair[1].contains("mod ");
        let tests_from = if is_test { 0 } else { lines.windows(2).position(begins).unwrap_or(lines.len()) };
        Self { file: file.to_owned(), text: text.to_owned(), code, tests_from }
    }

    /// The code without its tests, as numbered lines (from 1).
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().take(self.tests_from).enumerate().map(|(n, line)| (n + 1, line))
    }

    /// The room the file belongs to: `policy` for `src/policy/judge.rs`, `world` for `src/world.rs`.
    pub(crate) fn room(&self) -> Option<&str> {
        let below = self.file.strip_prefix("src/")?;
        Some(below.split_once('/').map_or_else(|| below.trim_end_matches(".rs"), |(room, _)| room))
    }
}

/// The folder of the package.
pub(crate) fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below some folders of the package.
pub(crate) fn read(folders: &[&str]) -> Vec<Source> {
    let mut sources = Vec::new();
    for folder in folders {
        walk(&package().join(folder), &mut |path| {
            if path.extension().is_some_and(|kind| kind == "rs") {
                let text = std::fs::read_to_string(path).expect("a source file is text");
                let file = path.strip_prefix(package()).expect("it lies in the package").to_string_lossy();
                sources.push(Source::of(&file.replace('\\', "/"), &text));
            }
        });
    }
    sources
}

fn walk(folder: &Path, take: &mut impl FnMut(&Path)) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() { walk(&path, take) } else { take(&path) }
    }
}

/// Blanks comments and the insides of quotes; newlines stay.
fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => find(&chars, at, &['\n']),
            '/' if chars.get(at + 1) == Some(&'*') => end_of_block(&chars, at),
            'r' | 'b' | 'c' if !follows_word(&chars, at) => match raw_quote(&chars, at) {
                Some(end) => end,
                None => keep(&chars, &mut code, &mut at),
            },
            '"' => end_of_quote(&chars, at + 1, '"'),
            // 'x' and '\n' are characters, 'a is a lifetime.
            '\'' if chars.get(at + 1) == Some(&'\\') => end_of_quote(&chars, at + 1, '\''),
            '\'' if chars.get(at + 2) == Some(&'\'') => at + 3,
            _ => keep(&chars, &mut code, &mut at),
        };
        code.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
        at = end;
    }
    code
}

fn keep(chars: &[char], code: &mut String, at: &mut usize) -> usize {
    code.push(chars[*at]);
    *at += 1;
    *at
}

fn follows_word(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_')
}

fn find(chars: &[char], from: usize, what: &[char]) -> usize {
    (from..chars.len()).find(|at| chars[*at..].starts_with(what)).unwrap_or(chars.len())
}

fn end_of_block(chars: &[char], from: usize) -> usize {
    let mut depth = 0;
    let mut at = from;
    while at < chars.len() {
        if chars[at..].starts_with(&['/', '*']) {
            depth += 1;
            at += 2;
        } else if chars[at..].starts_with(&['*', '/']) {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn end_of_quote(chars: &[char], from: usize, quote: char) -> usize {
    let mut at = from;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// The end of r"", r#""#, br"", b"" or c"" that begins here.
fn raw_quote(chars: &[char], from: usize) -> Option<usize> {
    let prefix = (from..chars.len()).find(|at| !matches!(chars[*at], 'r' | 'b' | 'c')).unwrap_or(chars.len());
    if prefix - from > 2 {
        return None;
    }
    let quote = (prefix..chars.len()).find(|at| chars[*at] != '#')?;
    if chars[quote] != '"' {
        return None;
    }
    if !chars[from..prefix].contains(&'r') {
        return (quote == prefix).then(|| end_of_quote(chars, quote + 1, '"'));
    }
    let mut close = vec!['"'];
    close.extend(vec!['#'; quote - prefix]);
    Some((find(chars, quote + 1, &close) + close.len()).min(chars.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_is_looked_at() {
        let text = "//! use crate::a\nlet x = \"crate::b // \\\" y\"; /* crate::c /* d */ */ crate::e(r#\"crate::f\"#, '\"', b\"g\", '\\'');\n\
                    fn f<'a>(x: &'a str) { crate::g }\n";
        let code = code_of(text);
        for gone in ["crate::a", "crate::b", "crate::c", "crate::f", " y"] {
            assert!(!code.contains(gone), "{gone}: {code}");
        }
        assert!(code.contains("crate::e(") && code.contains("&'a str) { crate::g }"), "{code}");
        assert_eq!(code.lines().count(), text.lines().count());
    }

    #[test]
    fn tests_are_told_from_code() {
        let source = Source::of("src/a/b.rs", "fn x() {}\n\n#[cfg(test)]\nmod tests {\n}\n");
        assert_eq!(source.tests_from, 2);
        assert_eq!(source.room(), Some("a"));
        assert_eq!(Source::of("src/a/tests/b.rs", "fn x() {}\n").tests_from, 0);
        assert_eq!(Source::of("src/world.rs", "").room(), Some("world"));
    }
}
