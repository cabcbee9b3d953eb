//! WebSocket over HTTP/2 (RFC 8441): an extended CONNECT is walked as the GET that it stands for, so that
//! everything that holds for a WebSocket of HTTP/1.1 holds for it; its answer is put back in the manner of
//! HTTP/2. Any other CONNECT stays one, and is refused on its way.

use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::ext::Protocol;

use super::activity::Activity;
use crate::proxy::Joined;

/// Makes a GET of an extended CONNECT for a WebSocket; whether it was one.
pub(super) fn as_get(request: &mut Request<Incoming>) -> bool {
    let websocket = request.method() == Method::CONNECT
        && request.extensions().get::<Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket");
    if websocket {
        *request.method_mut() = Method::GET;
    }
    websocket
}

/// What a WebSocket's request is answered. A tunnel that was joined is under way until it ends. Where none
/// was, an answer of success would open one: to nobody.
pub(super) fn answered(mut answer: Response<Body>, activity: &Arc<Activity>) -> Response<Body> {
    if let Some(joined) = answer.extensions_mut().remove::<Joined>() {
        joined.hold(activity.begin());
    } else if answer.status().is_success() {
        answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::BAD_REQUEST;
    }
    answer
}
