//! Goes over the whole trail and names the first line that is not as it was written. It cannot
//! tell a trail that was written anew as a whole: keep copies of the heads elsewhere for that.

use std::fmt;

use super::entry::Numbered;
use super::trail::{self, Head};
use crate::crypto::sha256;
use crate::store::{Key, Store, StoreError, table};

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many lines are as they were written.
    pub entries: u64,
    /// The first that is not.
    pub first_bad: Option<Bad>,
}

/// A line that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// On which node.
    pub node: String,
    /// Which.
    pub sequence: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its bytes do not match the link that the next line, or the head, holds.
    Edited,
    /// It is not there, and later ones are.
    Missing,
    /// Another line lies in its place.
    Misplaced,
    /// It and all after it are not there, though the head counts them.
    Truncated,
    /// It lies outside the numbers that the head counts, or has no head.
    Beyond,
    /// Its bytes are no line.
    Unreadable(String),
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, sequence, fault } = self;
        match fault {
            Fault::Edited => write!(f, "entry {sequence} of node {node} was changed after it was written"),
            Fault::Missing => write!(f, "entry {sequence} of node {node} was taken out"),
            Fault::Misplaced => {
                write!(f, "another entry lies in the place of entry {sequence} of node {node}")
            }
            Fault::Truncated => write!(f, "the trail of node {node} was cut off before entry {sequence}"),
            Fault::Beyond => write!(
                f,
                "entry {sequence} of node {node} does not belong to its trail, or the trail's head was taken away"
            ),
            Fault::Unreadable(why) => write!(f, "entry {sequence} of node {node} cannot be read ({why})"),
        }
    }
}

/// Reads every line of every node, a page at a time. Lines may be written meanwhile: those that the head did not
/// count at the beginning are gone over the next time.
///
/// # Errors
/// The store's; a broken head is [`StoreError::Unreadable`].
pub async fn verify(store: &dyn Store) -> Result<Report, StoreError> {
    let mut report = Report { entries: 0, first_bad: None };
    let heads = table::list::<Head>(store, &table::all::<Head>()).await?;
    if heads.is_empty()
        && let Some((key, _)) = store.scan(&table::all::<Numbered>()).await?.first()
        && store.scan(&table::all::<Head>()).await?.is_empty()
    {
        // Lines without any head: somebody took it away.
        let (node, sequence) = place(key);
        report.first_bad = Some(Bad { node, sequence, fault: Fault::Beyond });
    }
    for head in heads {
        let mut walk = Walk::new(head.record);
        let ended = walk.go(store).await?;
        report.entries += walk.good;
        if let Err((sequence, fault)) = ended {
            report.first_bad.get_or_insert(Bad { node: walk.head.node, sequence, fault });
        }
    }
    Ok(report)
}

/// The way along one node's lines.
struct Walk {
    head: Head,
    /// The number that comes next.
    next: u64,
    /// The hash of the line before it.
    link: [u8; 32],
    /// How many lines the line after them, or the head, has vouched for.
    good: u64,
    /// The number of the last line that lies beyond the head, and of the first.
    beyond: Option<(u64, u64)>,
}

impl Walk {
    const fn new(head: Head) -> Self {
        Self { head, next: 1, link: [0; 32], good: 0, beyond: None }
    }

    async fn go(&mut self, store: &dyn Store) -> Result<Result<(), (u64, Fault)>, StoreError> {
        for page in 0..=trail::page_of(self.head.sequence) {
            let lines = store.scan(&trail::page_key(&self.head.node, page)).await?;
            for (key, item) in lines {
                if let Err(bad) = self.step(&key, &item.value) {
                    return Ok(Err(bad));
                }
            }
        }
        if self.next <= self.head.sequence {
            return Ok(Err((self.next, Fault::Truncated)));
        }
        if self.link != self.head.last {
            return Ok(Err((self.head.sequence, Fault::Edited)));
        }
        self.good = self.head.sequence;
        let after = store.scan(&trail::page_key(&self.head.node, trail::page_of(self.next))).await?;
        for (key, _) in after {
            self.meet_beyond(place(&key).1);
        }
        let Some((last, first)) = self.beyond else { return Ok(Ok(())) };
        // A line and the head that counts it are one commit: a head read after the line counts it, if ours wrote it.
        let now = table::get::<Head>(store, &trail::head(&self.head.node)).await?;
        let counted = now.map_or(0, |read| read.record.sequence);
        Ok(if last <= counted { Ok(()) } else { Err((first.max(counted + 1), Fault::Beyond)) })
    }

    fn meet_beyond(&mut self, sequence: u64) {
        if sequence > self.head.sequence {
            let (last, first) = self.beyond.unwrap_or((sequence, sequence));
            self.beyond = Some((last.max(sequence), first.min(sequence)));
        }
    }

    fn step(&mut self, key: &Key, bytes: &[u8]) -> Result<(), (u64, Fault)> {
        let here = self.next;
        let (_, sequence) = place(key);
        if sequence > self.head.sequence {
            self.meet_beyond(sequence);
            return Ok(());
        }
        if sequence < here {
            return Err((sequence, Fault::Beyond));
        }
        if sequence != here {
            return Err((here, Fault::Missing));
        }
        let line: Numbered =
            table::decode(key, bytes).map_err(|error| (here, Fault::Unreadable(error.to_string())))?;
        if line.node != self.head.node || line.sequence != here {
            return Err((here, Fault::Misplaced));
        }
        if line.previous != self.link {
            // The first line has none before it that could have been changed.
            return Err((here.saturating_sub(1).max(1), Fault::Edited));
        }
        self.good = here - 1;
        self.link = sha256(bytes);
        self.next += 1;
        Ok(())
    }
}

/// Node and number, as a key of the trail says them; a key that is none counts as number 0.
fn place(key: &Key) -> (String, u64) {
    match key.parts().as_deref() {
        Some([node, sequence]) => ((*node).to_owned(), sequence.parse().unwrap_or(0)),
        _ => (format!("{key:?}"), 0),
    }
}
