//! Which backend a request was sent to, for whoever writes requests down. Costs nothing where nobody does.

use std::sync::{Arc, Mutex, PoisonError};

use super::member::Member;

/// Goes along with a request, in its extensions; a copy stays with whoever wants to know.
#[derive(Clone, Default)]
pub struct Whereto(Arc<Mutex<Option<Arc<Member>>>>);

impl Whereto {
    /// It goes there now.
    pub(super) fn is(&self, member: &Arc<Member>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(member));
    }

    /// The backend that answered or, where none did, the one that was asked last: its URL, as the route says it.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|member| member.url.clone())
    }
}
