//! Mistakes in a file, all of them together, each with its line. They are printed, logged and answered: a value that
//! may be a secret stands in none of them. Knows nothing else of what the file means.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use super::named::place_in;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Line, from 1; `None` where it belongs to no line.
    pub line: Option<usize>,
    /// What is wrong, and what to write instead.
    pub what: String,
}

/// Every mistake of one file.
#[derive(Clone, PartialEq, Eq)]
pub struct Mistakes {
    file: String,
    text: String,
    list: Vec<Mistake>,
}

impl Mistakes {
    /// None so far.
    #[must_use]
    pub fn of(file: &str, text: &str) -> Self {
        Self { file: file.to_owned(), text: text.to_owned(), list: Vec::new() }
    }

    /// One that has no line, with the next step.
    #[must_use]
    pub fn one(file: &str, what: &str, next: &str) -> Self {
        let mut mistakes = Self::of(file, "");
        mistakes.general(&format!("{what}: {next}"));
        mistakes
    }

    /// One at a place of the text.
    pub fn at(&mut self, span: &Range<usize>, what: impl Into<String>) {
        let line = line_of(&self.text, span.start);
        self.list.push(Mistake { line: Some(line), what: without_userinfo(&what.into()) });
    }

    /// One with a file that the text names, at the place where it does.
    pub fn with_file(&mut self, file: &Path, what: &str) {
        match place_in(&self.text, Path::new(&self.file), file) {
            Some((span, key)) => self.at(&span, format!("{key}: {what}")),
            None => self.general(what),
        }
    }

    /// One that belongs to no line.
    pub fn general(&mut self, what: &str) {
        self.list.push(Mistake { line: None, what: what.to_owned() });
    }

    /// Each of them.
    #[must_use]
    pub fn list(&self) -> &[Mistake] {
        &self.list
    }

    /// `value` where there are none.
    ///
    /// # Errors
    /// The mistakes, in order of lines.
    pub fn none_or<T>(mut self, value: T) -> Result<T, Self> {
        if self.list.is_empty() {
            return Ok(value);
        }
        self.list.sort_by_key(|mistake| mistake.line.unwrap_or(usize::MAX));
        Err(self)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.list.len() {
            1 => {}
            count => writeln!(f, "{}: {count} mistakes", self.file)?,
        }
        for (index, mistake) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            match mistake.line {
                None => write!(f, "{}: {}", self.file, mistake.what)?,
                Some(number) => {
                    writeln!(f, "{}:{number}: {}", self.file, mistake.what)?;
                    write!(f, "  {number:>4} | {}", shown(&self.text, number))?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Mistakes {
    /// Without the text, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mistakes").field("file", &self.file).field("list", &self.list).finish_non_exhaustive()
    }
}

impl std::error::Error for Mistakes {}

/// The line of a place in a text, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    let before = text.get(..at.min(text.len())).unwrap_or("");
    before.bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// A line of the file, from 1; of one that may hold a secret the key alone.
fn shown(text: &str, number: usize) -> String {
    let lines: Vec<&str> = text.lines().take(number).collect();
    let Some(line) = lines.get(number - 1).map(|line| line.trim_end()) else { return String::new() };
    // What goes on over several lines belongs to the key above it.
    let key = lines.iter().rev().find_map(|line| key(line));
    if !may_be_secret(line) && !key.is_some_and(may_be_secret) {
        return line.to_owned();
    }
    key.map_or_else(|| "…".to_owned(), |key| format!("{key} = …"))
}

/// The key of a line that has one.
fn key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    let key = key.trim_matches([' ', '\t', '#', '"', '\'']);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!key.is_empty() && key.chars().all(plain)).then_some(key)
}

/// Whether it names, or reads like, what nobody else may read: rather one line too many than one too few.
fn may_be_secret(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let header = text.starts_with('[') && !text.contains(['"', '\'', '=']);
    !header && (SECRET.iter().any(|word| text.contains(word)) || text.contains("://") && text.contains('@'))
}

/// Words with every URL's user and password taken out.
fn without_userinfo(words: &str) -> String {
    let mut parts = words.split("://");
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        told.push_str("://");
        // A password may hold anything but the end of the word.
        let end = part.find([' ', '"', '`']).unwrap_or(part.len());
        match part[..end].rfind('@') {
            Some(at) => {
                told.push('…');
                told.push_str(&part[at..]);
            }
            None => told.push_str(part),
        }
    }
    told
}

/// Part of the names of settings that are secrets, hold some, or where people write some by mistake.
const SECRET: [&str; 9] =
    ["smtp", "proxy =", "proxy=", "passw", "passphrase", "secret", "token", "pepper", "key"];
