//! Mistakes in a file, all of them together, each with its line. Knows nothing of what the
//! file means.

use std::fmt;
use std::ops::Range;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Line, from 1; `None` where it belongs to no line.
    pub line: Option<usize>,
    /// What is wrong, and what to write instead.
    pub what: String,
}

/// Every mistake of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        let before = self.text.get(..span.start.min(self.text.len())).unwrap_or("");
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        self.list.push(Mistake { line: Some(line), what: what.into() });
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
                    let source = self.text.lines().nth(number - 1).unwrap_or("");
                    write!(f, "  {number:>4} | {}", source.trim_end())?;
                }
            }
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}
