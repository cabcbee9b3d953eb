//! What is wrong with a file that somebody wrote: every mistake at once, each with its line,
//! its column and the next step. Knows texts and spans; not what rules mean.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// All mistakes of one file.
#[derive(Clone, Debug)]
pub struct Mistakes {
    source: miette::NamedSource<String>,
    list: Vec<Mistake>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    span: Range<usize>,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub next: String,
}

impl Mistakes {
    /// The mistakes, in the order of the file.
    #[must_use]
    pub fn list(&self) -> &[Mistake] {
        &self.list
    }

    /// The file they are in.
    #[must_use]
    pub fn file(&self) -> &str {
        self.source.name()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mistake) in self.list.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            let Mistake { line, column, what, next, .. } = mistake;
            write!(f, "{}:{line}:{column}: {what}; {next}", self.file())?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

impl miette::Diagnostic for Mistakes {
    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        Some(Box::new(self.list.iter().map(|mistake| {
            let text = format!("{}; {}", mistake.what, mistake.next);
            miette::LabeledSpan::new(Some(text), mistake.span.start, mistake.span.len())
        })))
    }
}

/// Gathers mistakes while a file is read.
pub(in crate::policy) struct Reader<'t> {
    file: String,
    text: &'t str,
    list: Vec<Mistake>,
}

impl<'t> Reader<'t> {
    /// Begins with a file; what is no TOML is a mistake, and reading goes on with the rest.
    pub(in crate::policy) fn open(file: &str, text: &'t str) -> (Self, DeTable<'t>) {
        let mut reader = Self { file: file.to_owned(), text, list: Vec::new() };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let span = error.span().unwrap_or_default();
            reader.mistake(span, format!("this is no TOML: {}", error.message()), "correct it there");
        }
        (reader, table.into_inner())
    }

    /// Notes a mistake.
    pub(in crate::policy) fn mistake(
        &mut self,
        span: Range<usize>,
        what: impl Into<String>,
        next: impl Into<String>,
    ) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        self.list.push(Mistake { span, line, column, what: what.into(), next: next.into() });
    }

    /// The list of tables under `name`, as in `[[rule]]`; anything else in the file is a mistake.
    pub(in crate::policy) fn tables<'a>(
        &mut self,
        root: &'a DeTable<'t>,
        name: &str,
    ) -> Vec<(Range<usize>, &'a DeTable<'t>)> {
        for (key, _) in root.iter().filter(|(key, _)| key.get_ref() != name) {
            self.mistake(key.span(), format!("unknown key {:?}", key.get_ref()), format!("write [[{name}]]"));
        }
        let Some(value) = root.get(name) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.mistake(
                value.span(),
                format!("{name:?} is not a list"),
                format!("write [[{name}]], in double brackets"),
            );
            return Vec::new();
        };
        let mut tables = Vec::new();
        for entry in array.iter() {
            match entry.get_ref().as_table() {
                Some(table) => tables.push((entry.span(), table)),
                None => self.mistake(
                    entry.span(),
                    format!("this {name} is no table"),
                    format!("write [[{name}]]"),
                ),
            }
        }
        tables
    }

    /// Holds the keys of a table against those that are known.
    pub(in crate::policy) fn keys(&mut self, table: &DeTable<'_>, known: &[&str]) {
        for (key, _) in table.iter() {
            if !known.contains(&key.get_ref().as_ref()) {
                let next = format!("the keys are {}", known.join(", "));
                self.mistake(key.span(), format!("unknown key {:?}", key.get_ref()), next);
            }
        }
    }

    /// A text.
    pub(in crate::policy) fn text(&mut self, table: &DeTable<'_>, key: &str) -> Option<Spanned<String>> {
        let value = table.get(key)?;
        let text = self.as_text(value, key)?;
        if text.get_ref().trim().is_empty() {
            self.mistake(
                value.span(),
                format!("{key} is empty"),
                "write something there, or leave the key out",
            );
            return None;
        }
        Some(text)
    }

    /// A list of texts, or one text alone; an empty list is taken only where `may_be_empty`.
    pub(in crate::policy) fn texts(
        &mut self,
        table: &DeTable<'_>,
        key: &str,
        may_be_empty: bool,
    ) -> Option<Vec<Spanned<String>>> {
        let value = table.get(key)?;
        let Some(array) = value.get_ref().as_array() else {
            return self.as_text(value, key).map(|text| vec![text]);
        };
        if array.is_empty() && !may_be_empty {
            self.mistake(
                value.span(),
                format!("{key} is an empty list, so nothing ever fits"),
                "name at least one, or leave the key out",
            );
        }
        let texts: Vec<_> = array.iter().filter_map(|entry| self.as_text(entry, key)).collect();
        for (n, text) in texts.iter().enumerate() {
            if texts.iter().take(n).any(|before| before.get_ref() == text.get_ref()) {
                self.mistake(text.span(), format!("{:?} is written twice", text.get_ref()), "leave one out");
            }
        }
        Some(texts)
    }

    /// The mistakes, or `value` where there are none.
    pub(in crate::policy) fn close<T>(mut self, value: T) -> Result<T, Mistakes> {
        if self.list.is_empty() {
            return Ok(value);
        }
        self.list.sort_by_key(|mistake| mistake.span.start);
        let source = miette::NamedSource::new(self.file, self.text.to_owned()).with_language("toml");
        Err(Mistakes { source, list: self.list })
    }

    /// Whether nothing was wrong so far.
    pub(in crate::policy) const fn is_clean(&self) -> bool {
        self.list.is_empty()
    }

    fn as_text(&mut self, value: &Spanned<DeValue<'_>>, key: &str) -> Option<Spanned<String>> {
        match value.get_ref().as_str() {
            Some(text) => Some(Spanned::new(value.span(), text.to_owned())),
            None => {
                let what = format!("{key} holds a {}, not a text", value.get_ref().type_str());
                self.mistake(value.span(), what, "write it in quotes");
                None
            }
        }
    }
}
