//! Streams of events to pages that move on by themselves. Knows no store: the room says what
//! happened.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::store::Key;
use crate::store::view::Touched;

/// What a page is told. None carries content: the page asks again by a navigation, which is
/// judged anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The page's step is over: load it again.
    Moved,
    /// A list on the page changed: the desk shows it when the hands are off the keyboard.
    Changed,
}

impl Happening {
    /// The event's name, as `wait.js` listens for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Changed => "changed",
        }
    }
}

/// Streams what happens, with a comment every 15 s so that nothing between takes the line for
/// dead. Ends with `events`, or when the connection's permit is cancelled.
pub fn stream<S>(events: S, cancel: CancellationToken) -> Response<Body>
where
    S: Stream<Item = Happening> + Send + 'static,
{
    let events = events
        .map(|happening| Ok::<_, Infallible>(Event::default().event(happening.as_str()).data("1")))
        .take_until(cancel.cancelled_owned());
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(PING_EVERY)).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

/// The keys that changes touch, as they come; `None` where some were missed: look at everything.
pub fn touched(heard: broadcast::Receiver<Touched>) -> impl Stream<Item = Option<Key>> + Send {
    futures_util::stream::unfold(heard, |mut heard| async move {
        match heard.recv().await {
            Ok(touched) => Some((Some(touched.key), heard)),
            Err(RecvError::Lagged(_)) => Some((None, heard)),
            Err(RecvError::Closed) => None,
        }
    })
}

/// Shorter than the idle time of common proxies and of our own connections.
const PING_EVERY: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn events_reach_the_page_and_a_cut_ends_them() {
        let cancel = CancellationToken::new();
        let events = futures_util::stream::iter([Happening::Moved]).chain(futures_util::stream::pending());
        let mut body = stream(events, cancel.clone()).into_body();
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&frame[..], b"event: moved\ndata: 1\n\n");
        cancel.cancel();
        assert!(body.frame().await.is_none());
    }
}
