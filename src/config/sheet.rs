//! Reads a TOML table key by key, noting each mistake and going on, so that all are told at
//! once. Knows types and spans, not what a key means.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::mistake::Mistakes;
use crate::domain::spelling::alike;

/// A table of which keys are taken one by one; what is left at the end is unknown.
pub(super) struct Sheet<'i> {
    name: String,
    span: Range<usize>,
    table: DeTable<'i>,
    known: Vec<&'static str>,
}

/// A value and where it stands.
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

impl<'i> Sheet<'i> {
    /// The whole file. Errors of TOML itself are noted too.
    pub(super) fn whole(text: &'i str, mistakes: &mut Mistakes) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            mistakes.at(&error.span().unwrap_or(0..0), format!("this is no TOML: {}", error.message()));
        }
        let span = table.span();
        Self { name: String::new(), span, table: table.into_inner(), known: Vec::new() }
    }

    /// Where the table stands.
    pub(super) fn span(&self) -> &Range<usize> {
        &self.span
    }

    /// A table below, `None` where it is not written.
    pub(super) fn table(&mut self, key: &'static str, mistakes: &mut Mistakes) -> Option<Self> {
        let (span, value) = self.take(key)?;
        self.as_table(key, span, value, mistakes)
    }

    /// A list of tables, `[[key]]`.
    pub(super) fn tables(&mut self, key: &'static str, mistakes: &mut Mistakes) -> Vec<Self> {
        let Some((span, value)) = self.take(key) else { return Vec::new() };
        let DeValue::Array(items) = value else {
            mistakes.at(&span, format!("write `[[{key}]]`, once for each"));
            return Vec::new();
        };
        items
            .into_iter()
            .filter_map(|item| {
                let span = item.span();
                self.as_table(key, span, item.into_inner(), mistakes)
            })
            .collect()
    }

    /// A text, `None` where it is not written.
    pub(super) fn text(&mut self, key: &'static str, mistakes: &mut Mistakes) -> Option<At<String>> {
        let (span, value) = self.take(key)?;
        match value {
            DeValue::String(text) if !text.trim().is_empty() => Some(At { value: text.into_owned(), span }),
            DeValue::String(_) => {
                mistakes.at(&span, format!("`{key}` is empty"));
                None
            }
            other => {
                mistakes.at(&span, format!("`{key}` must be a text in quotes, not {}", other.type_str()));
                None
            }
        }
    }

    /// A list of texts, empty where it is not written.
    pub(super) fn texts(&mut self, key: &'static str, mistakes: &mut Mistakes) -> Vec<At<String>> {
        let Some((span, value)) = self.take(key) else { return Vec::new() };
        let DeValue::Array(items) = value else {
            mistakes.at(&span, format!("`{key}` is a list: write {key} = [\"...\"]"));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items {
            let span = item.span();
            match item.into_inner() {
                DeValue::String(text) if !text.trim().is_empty() => {
                    texts.push(At { value: text.into_owned(), span });
                }
                _ => mistakes.at(&span, format!("`{key}` holds texts in quotes, none of them empty")),
            }
        }
        texts
    }

    /// A text that must be there; without it the mistake stands at the table.
    pub(super) fn demand(
        &mut self,
        key: &'static str,
        example: &str,
        mistakes: &mut Mistakes,
    ) -> Option<At<String>> {
        let missing = !self.table.contains_key(key);
        if missing {
            self.known.push(key);
            let place = if self.name.is_empty() { "the file".to_owned() } else { format!("[{}]", self.name) };
            mistakes.at(&self.span, format!("{place} lacks `{key}`: write {key} = \"{example}\""));
            return None;
        }
        self.text(key, mistakes)
    }

    /// Whether a key is written, and not yet taken.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where a key's value stands; the section, where it is not written, or taken already.
    pub(super) fn place(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or_else(|| self.span.clone(), toml::Spanned::span)
    }

    /// A number of at least one, `default` where it is not written.
    pub(super) fn number(&mut self, key: &'static str, default: u32, mistakes: &mut Mistakes) -> u32 {
        let Some((span, value)) = self.take(key) else { return default };
        let number = value
            .as_integer()
            .and_then(|digits| u32::from_str_radix(digits.as_str(), digits.radix()).ok())
            .filter(|number| *number > 0);
        number.unwrap_or_else(|| {
            mistakes.at(&span, format!("`{key}` must be a whole number above 0, such as {default}"));
            default
        })
    }

    /// True or false, `default` where it is not written.
    pub(super) fn yes_or_no(&mut self, key: &'static str, default: bool, mistakes: &mut Mistakes) -> bool {
        match self.take(key) {
            None => default,
            Some((_, DeValue::Boolean(value))) => value,
            Some((span, _)) => {
                mistakes.at(&span, format!("`{key}` is true or false, without quotes"));
                default
            }
        }
    }

    /// Notes every key that nobody took.
    pub(super) fn done(self, mistakes: &mut Mistakes) {
        for (key, _) in self.table {
            let name = key.get_ref().to_string();
            let near = self.known.iter().find(|known| alike(known, &name));
            let known = match near {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here are {}", self.known.join(", ")),
            };
            let place = if self.name.is_empty() { String::new() } else { format!(" in [{}]", self.name) };
            mistakes.at(&key.span(), format!("`{name}` is no key{place}: {known}"));
        }
    }

    fn take(&mut self, key: &'static str) -> Option<(Range<usize>, DeValue<'i>)> {
        self.known.push(key);
        let value = self.table.remove(key)?;
        Some((value.span(), value.into_inner()))
    }

    fn as_table(
        &self,
        key: &'static str,
        span: Range<usize>,
        value: DeValue<'i>,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        match value {
            DeValue::Table(table) => Some(Self { name: key.to_owned(), span, table, known: Vec::new() }),
            other => {
                mistakes.at(&span, format!("`{key}` must be a section, not {}", other.type_str()));
                None
            }
        }
    }
}
