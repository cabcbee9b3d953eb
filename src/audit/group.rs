//! The ledger's writer: gathers calls that may share a commit, numbers and links their entries,
//! commits, and tells each caller what became of its own. Knows nothing of who asks.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::trail::{self, Head};
use super::{Call, RecordError};
use crate::crypto::sha256;
use crate::store::view::View;
use crate::store::{Action, Key, Outcome, Revision, Store, StoreError, Stored, Write, table};
use crate::world::World;

/// Lives on the ledger's thread.
pub(super) struct Writer {
    store: Arc<dyn Store>,
    view: Arc<View>,
    world: World,
    node: String,
    /// Where the trail ends; `None` when a commit's end is unknown and it must be read again.
    head: Option<End>,
}

/// The head, and its revision once it was written.
#[derive(Clone)]
struct End {
    head: Head,
    revision: Option<Revision>,
}

impl Writer {
    pub(super) async fn open(
        store: Arc<dyn Store>,
        view: Arc<View>,
        world: World,
        node: &str,
    ) -> Result<Self, StoreError> {
        let mut writer = Self { store, view, world, node: node.to_owned(), head: None };
        writer.head = Some(writer.read_end().await?);
        Ok(writer)
    }

    pub(super) async fn run(mut self, mut calls: mpsc::UnboundedReceiver<Call>) {
        let mut waiting = VecDeque::new();
        loop {
            if waiting.is_empty() {
                match calls.recv().await {
                    Some(call) => waiting.push_back(call),
                    None => return,
                }
            }
            while waiting.len() < GROUP_MAX
                && let Ok(call) = calls.try_recv()
            {
                waiting.push_back(call);
            }
            let group = gather(&mut waiting);
            self.settle(group).await;
        }
    }

    /// Commits the group. A call in conflict is answered and left out, and the rest tried again;
    /// each round answers at least one call, so it ends.
    async fn settle(&mut self, mut group: Vec<Call>) {
        while !group.is_empty() {
            match self.commit(&group).await {
                Ok(Tried::Committed(revision)) => {
                    let applied = self.view.reached(revision).await;
                    for call in group {
                        answer(call, applied.clone().map(|()| revision).map_err(RecordError::Store));
                    }
                    return;
                }
                Ok(Tried::Conflict(key)) => {
                    let (lost, rest): (Vec<_>, Vec<_>) =
                        group.into_iter().partition(|call| call.writes.iter().any(|write| write.key == key));
                    for call in lost {
                        answer(call, Err(RecordError::Conflict));
                    }
                    group = rest;
                }
                Err(error) => {
                    // Whether the store took it is unknown: read the trail's end before going on.
                    self.head = None;
                    for call in group {
                        answer(call, Err(error.clone().into()));
                    }
                    return;
                }
            }
        }
    }

    async fn commit(&mut self, group: &[Call]) -> Result<Tried, StoreError> {
        let end = match &self.head {
            Some(end) => end.clone(),
            None => self.read_end().await?,
        };
        let mut writes = merged(group);
        let mut head = end.head.clone();
        let now = self.world.now();
        for entry in group.iter().filter_map(|call| call.entry.clone()) {
            let line = entry.numbered(&self.node, head.sequence + 1, head.last, now);
            let write = table::create(&line);
            if let Action::Put { value, .. } = &write.action {
                head.last = sha256(value);
            }
            head.sequence = line.sequence;
            writes.push(write);
        }
        let traced = head != end.head;
        if traced {
            writes.push(match end.revision {
                Some(revision) => table::replace(&Stored { record: end.head.clone(), revision }, &head),
                None => table::create(&head),
            });
        }
        let keys: Vec<Key> = writes.iter().map(|write| write.key.clone()).collect();
        match self.store.commit(writes).await? {
            Outcome::Committed(revision) => {
                self.head = Some(if traced { End { head, revision: Some(revision) } } else { end });
                Ok(Tried::Committed(revision))
            }
            Outcome::Conflict(index) => match keys.into_iter().nth(index) {
                Some(key) if !matches!(key.table(), table::TRAIL | table::TRAIL_HEADS) => {
                    self.head = Some(end);
                    Ok(Tried::Conflict(key))
                }
                // Somebody else writes this node's trail: nothing goes on before that is settled.
                _ => Err(StoreError::Misuse("another ledger writes this node's trail")),
            },
        }
    }

    async fn read_end(&self) -> Result<End, StoreError> {
        let key = trail::head(&self.node);
        if let Some(read) = table::get::<Head>(self.store.as_ref(), &key).await? {
            return Ok(End { head: read.record, revision: Some(read.revision) });
        }
        if self.store.get(&trail::line(&self.node, 1)).await?.is_some() {
            let why = "the end of the audit trail is missing".to_owned();
            return Err(StoreError::Unreadable { key: format!("{key:?}"), why });
        }
        Ok(End { head: Head::new(&self.node), revision: None })
    }
}

enum Tried {
    Committed(Revision),
    /// The first key whose condition did not hold.
    Conflict(Key),
}

/// Takes from the front those calls that may share a commit, in their order. A call that meets
/// a key which an earlier one changes waits for the next: so each caller's condition is judged
/// against what is really there, and a revision names one caller's value only.
fn gather(waiting: &mut VecDeque<Call>) -> Vec<Call> {
    let mut group: Vec<Call> = Vec::new();
    let mut left = VecDeque::new();
    // Keys of those that wait count too, so that no later change overtakes theirs.
    let mut met: HashMap<Key, Write> = HashMap::new();
    for call in waiting.drain(..) {
        let fits = call.writes.iter().all(|write| {
            met.get(&write.key).is_none_or(|earlier| earlier == write && write.action == Action::Keep)
        });
        for write in &call.writes {
            met.entry(write.key.clone()).or_insert_with(|| write.clone());
        }
        if fits { group.push(call) } else { left.push_back(call) }
    }
    *waiting = left;
    group
}

/// The writes of all; one that several only look at stands once.
fn merged(group: &[Call]) -> Vec<Write> {
    let mut seen = std::collections::HashSet::new();
    let writes = group.iter().flat_map(|call| &call.writes);
    writes.filter(|write| seen.insert(&write.key)).cloned().collect()
}

fn answer(call: Call, result: Result<Revision, RecordError>) {
    // The caller may have gone; what is done is done.
    drop(call.reply.send(result));
}

/// Calls that share one commit; more would make the first of them wait for the rest.
const GROUP_MAX: usize = 512;
