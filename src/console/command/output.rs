//! What a command answers: JSON for programs, lines for people, files to be written where the
//! person is. Knows no terminal.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An answer.
#[derive(Clone, Serialize, Deserialize)]
pub struct Output {
    /// For programs.
    pub json: Value,
    /// For people.
    pub lines: Vec<String>,
    /// To be written where the command was given, mode 0600.
    pub files: Vec<File>,
    /// `false` where it was done but found something wrong: the exit code says so.
    pub well: bool,
}

/// A file that goes with an answer. Without `Debug`: it may hold a key.
#[derive(Clone, Serialize, Deserialize)]
pub struct File {
    /// Suggested name.
    pub name: String,
    /// Base64.
    pub base64: String,
}

impl Output {
    /// JSON and lines.
    #[must_use]
    pub fn new(json: Value, lines: Vec<String>) -> Self {
        Self { json, lines, files: Vec::new(), well: true }
    }

    /// One line.
    #[must_use]
    pub fn line(json: Value, line: impl Into<String>) -> Self {
        Self::new(json, vec![line.into()])
    }

    /// With a file.
    #[must_use]
    pub fn with_file(mut self, name: impl Into<String>, bytes: &[u8]) -> Self {
        self.files.push(File { name: name.into(), base64: data_encoding::BASE64.encode(bytes) });
        self
    }
}

impl File {
    /// Its bytes; `None` where the answer is broken.
    #[must_use]
    pub fn bytes(&self) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        data_encoding::BASE64.decode(self.base64.as_bytes()).ok().map(zeroize::Zeroizing::new)
    }
}

/// Rows in columns as wide as they need, under a heading; without rows, what to say instead.
#[must_use]
pub fn columns<const N: usize>(heading: [&str; N], rows: &[[String; N]], none: &str) -> Vec<String> {
    if rows.is_empty() {
        return vec![none.to_owned()];
    }
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .chain([heading[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: &[String; N]| {
        let mut out = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let gap = width.saturating_sub(cell.chars().count()) + 2;
            out.push_str(&plain(cell));
            out.push_str(&" ".repeat(gap));
        }
        out.trim_end().to_owned()
    };
    let heading = heading.map(str::to_uppercase);
    std::iter::once(line(&heading)).chain(rows.iter().map(line)).collect()
}

/// A text from the store as a terminal may show it: no control character, so that nothing in a
/// name can move the cursor.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A digest in groups of four hexadecimal digits, for comparing by eye.
#[must_use]
pub fn grouped(digest: &[u8]) -> String {
    let digits: Vec<String> =
        digest.chunks(2).map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
    digits.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_end_without_blanks() {
        let rows = [["anna".to_owned(), "é".to_owned()], ["b".to_owned(), "xyz".to_owned()]];
        assert_eq!(columns(["id", "name"], &rows, "none"), ["ID    NAME", "anna  é", "b     xyz"]);
        assert_eq!(columns::<1>(["id"], &[], "nobody yet"), ["nobody yet"]);
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        let rows = [["\u{1b}[2Jgone\u{9b}31m".to_owned()]];
        assert!(columns(["name"], &rows, "").iter().all(|line| !line.chars().any(char::is_control)));
    }
}
