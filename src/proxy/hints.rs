//! Answers before the answer (RFC 9110 15.2), on their way from a backend, or from whoever reads a body, to the client.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use http::header::{CONTENT_SECURITY_POLICY, LINK};
use http::{HeaderMap, Response, StatusCode};

/// Where the answers before one answer go. Only the front's own HTTP/2 puts it into a request; what stands there is
/// told to the client as long as there is no answer.
#[derive(Clone, Debug, Default)]
pub struct Hints(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    said: VecDeque<Response<()>>,
    listener: Option<Waker>,
}

impl Hints {
    /// A backend's 103 (RFC 8297). Of its head only what browsers go by: what is to be loaded, and from where it may be.
    pub(super) fn early(&self, head: &HeaderMap) {
        let mut hint = Response::new(());
        *hint.status_mut() = StatusCode::EARLY_HINTS;
        for name in [LINK, CONTENT_SECURITY_POLICY] {
            for value in head.get_all(&name) {
                hint.headers_mut().append(&name, value.clone());
            }
        }
        if hint.headers().contains_key(LINK) {
            self.say(hint);
        }
    }

    /// The body that the client holds back until it is asked for is wanted (RFC 9110 10.1.1).
    pub fn go_on(&self) {
        let mut hint = Response::new(());
        *hint.status_mut() = StatusCode::CONTINUE;
        self.say(hint);
    }

    /// The next one.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Response<()>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hint) = waiting.said.pop_front() {
            return Poll::Ready(hint);
        }
        waiting.listener = Some(cx.waker().clone());
        Poll::Pending
    }

    fn say(&self, hint: Response<()>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever listens does so at every turn: more than this is a storm, of which nothing need be kept.
        if waiting.said.len() < SAID_MAX {
            waiting.said.push_back(hint);
        }
        if let Some(listener) = waiting.listener.take() {
            listener.wake();
        }
    }
}

const SAID_MAX: usize = 8;
