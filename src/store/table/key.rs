//! A key: a table's letter and its parts, each ended by a zero byte. Knows no table.

/// A key of the store.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// Table letter and parts.
    #[must_use]
    pub fn of(table: u8, parts: &[&[u8]]) -> Self {
        let mut key = vec![table];
        for part in parts {
            key.extend_from_slice(part);
            key.push(0);
        }
        Self(key)
    }

    /// From the bytes an engine kept.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes an engine keeps.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The prefix of everything.
    #[must_use]
    pub fn everything() -> Self {
        Self(Vec::new())
    }

    /// The prefixes of every table but one.
    #[must_use]
    pub fn all_but(table: u8) -> Vec<Self> {
        (0..=u8::MAX).filter(|other| *other != table).map(|other| Self::of(other, &[])).collect()
    }

    /// Whether `prefix` begins this key.
    #[must_use]
    pub fn is_under(&self, prefix: &Self) -> bool {
        self.0.starts_with(&prefix.0)
    }

    /// The parts after the table's letter; `None` where [`Key::of`] did not make it from texts.
    #[must_use]
    pub fn parts(&self) -> Option<Vec<&str>> {
        let (last, parts) = self.0.get(1..)?.split_last()?;
        if *last != 0 {
            return None;
        }
        parts.split(|byte| *byte == 0).map(|part| std::str::from_utf8(part).ok()).collect()
    }

    /// Which table.
    #[must_use]
    pub fn table(&self) -> u8 {
        self.0.first().copied().unwrap_or(0)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}
