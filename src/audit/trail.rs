//! Where the trail lies in the store, and how it is read a page at a time. Judges nothing: that
//! is `verify`'s.

use serde::{Deserialize, Serialize};

use super::entry::Numbered;
use crate::store::{Key, Record, Store, StoreError, table};

/// Where a node's part of the trail ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Which node.
    pub node: String,
    /// The number of its last line.
    pub sequence: u64,
    /// SHA-256 of that line's bytes.
    pub last: [u8; 32],
}

impl Head {
    /// Of a node that has written nothing.
    pub(super) fn new(node: &str) -> Self {
        Self { node: node.to_owned(), sequence: 0, last: [0; 32] }
    }
}

impl Record for Head {
    const TABLE: u8 = table::TRAIL_HEADS;
    fn key(&self) -> Key {
        head(&self.node)
    }
}

impl Record for Numbered {
    const TABLE: u8 = table::TRAIL;
    fn key(&self) -> Key {
        line(&self.node, self.sequence)
    }
}

/// Where a node's head lives.
#[must_use]
pub fn head(node: &str) -> Key {
    Key::of(table::TRAIL_HEADS, &[node.as_bytes()])
}

/// Where a line lives.
#[must_use]
pub fn line(node: &str, sequence: u64) -> Key {
    Key::of(table::TRAIL, &[node.as_bytes(), format!("{sequence:016}").as_bytes()])
}

/// The last lines of all nodes, newest first, at most `count`.
///
/// # Errors
/// The store's, and [`StoreError::Unreadable`].
pub async fn latest(store: &dyn Store, count: usize) -> Result<Vec<Numbered>, StoreError> {
    let mut lines: Vec<Numbered> = Vec::new();
    for head in table::list::<Head>(store, &table::all::<Head>()).await? {
        let mut page = page_of(head.record.sequence);
        let mut of_node = Vec::new();
        loop {
            let read = table::list::<Numbered>(store, &page_key(&head.record.node, page)).await?;
            of_node.extend(read.into_iter().rev().map(|stored| stored.record));
            if page == 0 || of_node.len() >= count {
                break;
            }
            page -= 1;
        }
        lines.append(&mut of_node);
    }
    lines.sort_by(|a, b| (b.when, &b.node, b.sequence).cmp(&(a.when, &a.node, a.sequence)));
    lines.truncate(count);
    Ok(lines)
}

/// The page on which a line stands.
pub(super) const fn page_of(sequence: u64) -> u64 {
    sequence / PAGE_LINES
}

/// The prefix of a page's lines.
pub(super) fn page_key(node: &str, page: u64) -> Key {
    let mut key = Key::of(table::TRAIL, &[node.as_bytes()]).as_bytes().to_vec();
    key.extend_from_slice(format!("{page:013}").as_bytes());
    Key::from_bytes(key)
}

/// The last three of the sixteen digits: a page's lines share the thirteen before them.
const PAGE_LINES: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_lies_on_its_page() {
        for sequence in [0, 1, 999, 1000, 12_345_678, 9_999_999_999_999_999] {
            assert!(line("n", sequence).is_under(&page_key("n", page_of(sequence))), "{sequence}");
        }
        assert!(!line("n", 1000).is_under(&page_key("n", 0)));
    }
}
