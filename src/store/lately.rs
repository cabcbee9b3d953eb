//! Which keys were touched by the last commits, so that who saw an older state learns whether it still
//! holds. Knows no record: one that went counts as touched like any other.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Revision;
use super::view::Touched;

/// The last changes.
#[derive(Default)]
pub(super) struct Lately(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// All changes after this commit are here.
    all_after: Revision,
    changes: VecDeque<Touched>,
}

impl Lately {
    /// Forgets everything: from `revision` on it is complete.
    pub(super) fn starts_at(&self, revision: Revision) {
        *self.kept() = Kept { all_after: revision, changes: VecDeque::new() };
    }

    /// Takes one more, the newest, in place of the oldest where there are too many.
    pub(super) fn push(&self, touched: Touched) {
        let mut kept = self.kept();
        if kept.changes.len() >= KEPT
            && let Some(oldest) = kept.changes.pop_front()
        {
            kept.all_after = kept.all_after.max(oldest.revision);
        }
        kept.changes.push_back(touched);
    }

    /// What came after a commit; `None` where it is too long ago to know.
    pub(super) fn after(&self, seen: Revision) -> Option<Vec<Touched>> {
        let kept = self.kept();
        (seen >= kept.all_after).then(|| {
            let newest_first = kept.changes.iter().rev();
            newest_first.take_while(|touched| touched.revision > seen).cloned().collect()
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Many times what a busy gate writes between a page and its stream.
const KEPT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Key;

    fn touched(revision: Revision) -> Touched {
        Touched { key: Key::of(b'p', &[revision.to_string().as_bytes()]), revision }
    }

    #[test]
    fn what_came_after_is_known_and_what_is_too_old_is_not() {
        let lately = Lately::default();
        lately.starts_at(7);
        assert_eq!(lately.after(6), None, "before it began to listen");
        assert_eq!(lately.after(7), Some(vec![]));
        lately.push(touched(8));
        lately.push(touched(9));
        assert_eq!(lately.after(7), Some(vec![touched(9), touched(8)]));
        assert_eq!(lately.after(8), Some(vec![touched(9)]));
        assert_eq!(lately.after(9), Some(vec![]));
        assert_eq!(lately.after(100), Some(vec![]), "another node was faster");
        for revision in 10..10 + KEPT as u64 {
            lately.push(touched(revision));
        }
        assert_eq!(lately.after(8), None);
        assert_eq!(lately.after(9).map(|all| all.len()), Some(KEPT));
    }
}
