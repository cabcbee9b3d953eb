//! Streams of events to pages that move on by themselves. Knows no record: the room says under which keys
//! lies what its page shows.
//!
//! A page names, in the address of its stream, the last commit that it has seen: [`waits_at`]. What changed
//! between that and the opening of the stream is told as soon as the stream is open, so that nothing falls
//! between the two, nor into a gap where the stream was broken. A page that writes something that it waits for
//! is led to itself anew before it shows anything, or it would hear of its own doing.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, Uri};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::store::view::{Touched, View};
use crate::store::{Key, Revision};

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

/// The address of a page's stream. `seen` is the view's revision, taken before anything that the page shows was
/// read: what came later is told, what came before never. Of one length, so that pages stay of one length.
#[must_use]
pub fn waits_at(stream: &str, seen: Revision) -> String {
    format!("{stream}?{SINCE}{seen:020}")
}

/// What the page that opens this stream has seen; `None` where it does not say, and hears of what comes.
#[must_use]
pub fn seen(stream: &Uri) -> Option<Revision> {
    stream.query()?.split('&').find_map(|pair| pair.strip_prefix(SINCE))?.parse().ok()
}

/// Tells a page `happening` when anything under `watched` has changed since what it has `seen`: a record that
/// went is a change like any other.
pub fn watch(
    view: &View,
    watched: Vec<Key>,
    seen: Option<Revision>,
    happening: Happening,
    cancel: CancellationToken,
) -> Response<Body> {
    let hit = move |touched: &Touched| watched.iter().any(|prefix| touched.key.is_under(prefix));
    // Heard from before the look back, so that nothing falls between.
    let heard = touched(view.subscribe());
    let missed = seen.is_some_and(|seen| view.touched_after(seen).is_none_or(|all| all.iter().any(&hit)));
    let coming = heard.filter_map(move |touched| {
        // Told too late to know what it missed: look again.
        let news = touched.is_none_or(|it| seen.is_none_or(|seen| it.revision > seen) && hit(&it));
        std::future::ready(news.then_some(happening))
    });
    stream(futures_util::stream::iter(missed.then_some(happening)).chain(coming), cancel)
}

/// Streams what happens, with a comment every 15 s so that nothing between takes the line for
/// dead. Ends with `events`, or when the connection's permit is cancelled.
fn stream<S>(events: S, cancel: CancellationToken) -> Response<Body>
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

/// The changes, as they come; `None` where some were missed: look at everything.
fn touched(heard: broadcast::Receiver<Touched>) -> impl Stream<Item = Option<Touched>> + Send {
    futures_util::stream::unfold(heard, |mut heard| async move {
        match heard.recv().await {
            Ok(touched) => Some((Some(touched), heard)),
            Err(RecvError::Lagged(_)) => Some((None, heard)),
            Err(RecvError::Closed) => None,
        }
    })
}

const SINCE: &str = "since=";

/// Shorter than the idle time of common proxies and of our own connections.
const PING_EVERY: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[test]
    fn the_address_of_a_stream_says_what_the_page_has_seen() {
        let seen_by = |address: &str| seen(&address.parse().unwrap());
        assert_eq!(seen_by(&waits_at("/codes/events", 42)), Some(42));
        assert_eq!(seen_by("/codes/events"), None);
        assert_eq!(seen_by("/codes/events?since=&since=9"), None);
        assert_eq!(seen_by("/codes/events?since=-1"), None);
    }

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
