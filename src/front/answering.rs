//! How a connection's requests are answered, whichever protocol brings them.

use std::future::Future;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use futures_util::FutureExt as _;
use http::{HeaderMap, Request, Response, StatusCode};

use super::activity::Activity;
use super::bodies::{Answered, Arriving, Coming, Leaving};
use super::connection::Shared;
use super::meters::Meters;
use super::way::Failed;
use crate::world::Clock;

/// Answers the requests of one connection.
pub(super) struct Answering<F> {
    handle: F,
    activity: Arc<Activity>,
    shared: Shared,
}

impl<F> Answering<F> {
    pub(super) const fn new(handle: F, activity: Arc<Activity>, shared: Shared) -> Self {
        Self { handle, activity, shared }
    }

    /// What the connection is busy with.
    pub(super) const fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Of which network the client is.
    pub(super) const fn network(&self) -> Option<IpAddr> {
        self.shared.network
    }

    /// Says what time it is.
    pub(super) const fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// Counts.
    pub(super) const fn meters(&self) -> &Arc<Meters> {
        &self.shared.meters
    }

    /// Begins to answer a request. A request that no answer was worked out for has an answer too.
    pub(super) fn begin<R>(
        &self,
        request: Request<Coming>,
    ) -> impl Future<Output = Response<Leaving>> + Send + 'static + use<F, R>
    where
        F: Fn(Request<Body>) -> R,
        R: Future<Output = Response<Body>> + Send + 'static,
    {
        let Self { handle, activity, shared } = self;
        let under_way = activity.begin();
        let answered = Answered::watch(request.body());
        let answer = match refused(&request, activity.http2()) {
            Some(status) => {
                shared.meters.heads_refused.up();
                Err(status)
            }
            None => {
                // In a box: for what is not, hyper keeps room as long as the connection lives.
                let arriving = |body| Arriving::body(body, activity, &answered, &shared.settings);
                Ok(Box::pin(handle(request.map(arriving))))
            }
        };
        let meters = Arc::clone(&shared.meters);
        async move {
            let answer = match answer {
                Ok(answer) => AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(|_| {
                    meters.panics.up();
                    bare(StatusCode::INTERNAL_SERVER_ERROR)
                }),
                Err(status) => bare(status),
            };
            if answer.extensions().get::<Failed>().is_some() {
                meters.panics.up();
            }
            answered.begins();
            answer.map(|body| Leaving::new(body, under_way))
        }
    }
}

/// Why a head is answered without being handed on.
fn refused(request: &Request<Coming>, http2: bool) -> Option<StatusCode> {
    if request.headers().len() > HEADERS_MAX {
        return Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    if !http2 {
        return None;
    }
    if has_blank_edges(request.headers()) {
        return Some(StatusCode::BAD_REQUEST);
    }
    // It is spoken within TLS alone, and what is meant by another scheme is not here (RFC 9110 7.4).
    let scheme = request.uri().scheme_str();
    scheme
        .is_some_and(|scheme| !scheme.eq_ignore_ascii_case("https"))
        .then_some(StatusCode::MISDIRECTED_REQUEST)
}

/// An answer without a page, for what goes wrong below all pages.
pub(super) fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Whether a value begins or ends with a blank, as none of HTTP/2 may (RFC 9113 8.2.1) and none of HTTP/1.1 does once
/// it is read.
fn has_blank_edges(headers: &HeaderMap) -> bool {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    headers.values().any(|value| blank(value.as_bytes().first()) || blank(value.as_bytes().last()))
}

/// As hyper's own limit for HTTP/1.1.
const HEADERS_MAX: usize = 100;
