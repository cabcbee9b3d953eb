//! Tells an open app at once what waits for an answer. Push wakes one that
//! is closed, and it comes here then. Knows no signature: the call that opened the stream is proved.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response};
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::api::questions;
use super::problem::removed;
use crate::auth::phone::Approvals;
use crate::domain::PhoneId;
use crate::domain::phone::Phone;
use crate::store::table::{self, Key};
use crate::store::view::{Touched, View};
use crate::world::World;

/// Streams open, by phone.
#[derive(Default)]
pub(super) struct Streams(Mutex<HashMap<PhoneId, usize>>);

/// One open stream's place; given back when dropped.
pub(super) struct Place {
    streams: Arc<Streams>,
    phone: PhoneId,
}

impl Streams {
    /// A place for one more, unless the phone has too many.
    pub(super) fn enter(self: &Arc<Self>, phone: &Phone) -> Option<Place> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(phone.id.clone()).or_default();
        if *count >= STREAMS_PER_PHONE_MAX {
            return None;
        }
        *count += 1;
        Some(Place { streams: self.clone(), phone: phone.id.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.phone) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.phone);
            }
        }
    }
}

/// Streams `approvals` now and at each change, `frozen` in their place while the owner is, `unpaired` as the
/// last word, `ping` in between.
pub(super) fn stream(
    view: &Arc<View>,
    approvals: &Arc<Approvals>,
    world: &World,
    phone: &Phone,
    place: Place,
    cancel: CancellationToken,
) -> Response<Body> {
    let listening = Listening {
        // Heard from before the first reading, so that nothing falls between.
        touched: view.subscribe(),
        questions: table::approvals(&phone.tenant, &phone.person),
        itself: table::phone(&phone.tenant, &phone.person, &phone.id),
        owner: table::person(&phone.tenant, &phone.person),
        view: view.clone(),
        approvals: approvals.clone(),
        world: world.clone(),
        phone: phone.clone(),
        ends: Instant::now() + LASTS,
        cancel,
        next: Next::Questions,
        _place: place,
    };
    let events = futures_util::stream::unfold(listening, |mut listening| async move {
        let event = listening.event().await?;
        Some((Ok::<_, Infallible>(Bytes::from(event)), listening))
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

struct Listening {
    view: Arc<View>,
    approvals: Arc<Approvals>,
    world: World,
    phone: Phone,
    touched: Receiver<Touched>,
    questions: Key,
    itself: Key,
    owner: Key,
    ends: Instant,
    cancel: CancellationToken,
    next: Next,
    _place: Place,
}

enum Next {
    Questions,
    Listen,
    End,
}

impl Listening {
    async fn event(&mut self) -> Option<String> {
        loop {
            match self.next {
                Next::End => return None,
                Next::Questions => {
                    self.next = Next::Listen;
                    return self.tell().await;
                }
                Next::Listen => {}
            }
            tokio::select! {
                () = self.cancel.cancelled() => return None,
                () = tokio::time::sleep_until(self.ends) => return None,
                () = tokio::time::sleep(PING_EVERY) => return Some("event: ping\ndata: {}\n\n".to_owned()),
                touched = self.touched.recv() => match touched {
                    Ok(touched) if self.concerns(&touched.key) => self.next = Next::Questions,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => self.next = Next::Questions,
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    fn concerns(&self, key: &Key) -> bool {
        *key == self.itself || *key == self.owner || key.as_bytes().starts_with(self.questions.as_bytes())
    }

    /// What waits now; the last word where the phone is not paired any more.
    async fn tell(&mut self) -> Option<String> {
        let phones = self.view.phones(&self.phone.tenant, &self.phone.person);
        if !phones.iter().any(|it| it.id == self.phone.id && it.api_key == self.phone.api_key) {
            self.next = Next::End;
            let key = table::removed_phone(&self.phone.tenant, &self.phone.person, &self.phone.id);
            let told = self.approvals.removed(&key).await.ok().flatten();
            let told = told.map(|it| json!({ "code": removed(it.by).0, "at": it.at.millis() }));
            return Some(format!("event: unpaired\ndata: {}\n\n", told.unwrap_or_else(|| json!({}))));
        }
        let owner = self.view.person(&self.phone.tenant, &self.phone.person)?;
        if let Some(frozen) = owner.frozen() {
            let data = json!({ "now": self.world.now().millis(), "frozen": frozen.at.millis() });
            return Some(format!("event: frozen\ndata: {data}\n\n"));
        }
        if owner.shut_out(self.world.now()) {
            return None;
        }
        match self.approvals.last(&self.phone.tenant, &self.phone.person).await {
            Ok(last) => {
                let data = questions(last.as_ref(), self.world.now());
                Some(format!("event: approvals\ndata: {data}\n\n"))
            }
            Err(error) => {
                tracing::error!(%error, "an open app could not be told what waits");
                None
            }
        }
    }
}

/// Shorter than the idle time of what lies between.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Then the app comes again and signs anew.
const LASTS: Duration = Duration::from_secs(15 * 60);
/// The app open, one being opened, and what the network has not yet given up.
const STREAMS_PER_PHONE_MAX: usize = 4;
