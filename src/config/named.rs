//! Where a configuration names a file, so that whoever cannot use it is told which key to look at. Opens no file but
//! the configuration.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::mistake::line_of;

/// The first place of `config` that names `file`, as in ``portcullis.toml:57: `file` in [access_log]``. `None` where none
/// does, or it cannot be read any more.
#[must_use]
pub fn place(config: &Path, file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(config).ok()?;
    let (span, key) = place_in(&text, config, file)?;
    Some(format!("{}:{}: {key}", config.display(), line_of(&text, span.start)))
}

/// The same in its text: where, and which key.
pub(super) fn place_in(text: &str, config: &Path, file: &Path) -> Option<(Range<usize>, String)> {
    let base = config.parent().unwrap_or(Path::new(""));
    let (table, _) = DeTable::parse_recoverable(text);
    in_table(table.get_ref(), "", &|written| base.join(written) == file)
}

fn in_table(
    table: &DeTable<'_>,
    place: &str,
    is_it: &dyn Fn(&str) -> bool,
) -> Option<(Range<usize>, String)> {
    table.iter().find_map(|(key, value)| {
        let key = key.get_ref();
        match value.get_ref() {
            DeValue::String(text) if is_it(text) => Some((value.span(), format!("`{key}`{place}"))),
            DeValue::Table(below) => in_table(below, &format!(" in [{key}]"), is_it),
            DeValue::Array(items) => items.iter().find_map(|item| match item.get_ref() {
                DeValue::Table(below) => in_table(below, &format!(" in [[{key}]]"), is_it),
                _ => None,
            }),
            _ => None,
        }
    })
}
