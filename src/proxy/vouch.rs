//! What another proxy is to tell its backend of a permitted request that it forwards by itself: the same as the gate
//! would. Sends nothing.

use axum::body::Body;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue, Request};

use super::destination::Destination;
use super::forward::{Origin, Proxy};
use super::{headers, upgrade};
use crate::domain::Reason;
use crate::policy::Permit;

impl Proxy {
    /// Headers by which a backend knows who is calling, after the checks that come before forwarding. Each name by
    /// which it might be told is there, empty where there is nothing to tell: what a proxy copies takes the place of what
    /// its client sent.
    ///
    /// # Errors
    /// A request that the gate would not forward.
    pub fn vouch(
        &self,
        permit: &Permit,
        route: &Destination,
        origin: Origin<'_>,
        request: &Request<Body>,
    ) -> Result<HeaderMap, Reason> {
        route.open()?;
        headers::check_request(request, route)?;
        // The headers of one connection did not come this far, so its own ones tell of a WebSocket.
        if request.headers().contains_key("sec-websocket-key") || request.headers().contains_key("upgrade") {
            upgrade::from_own_page(request.headers(), origin.host)?;
        }
        let mut told = HeaderMap::new();
        for name in ["portcullis-assertion", "portcullis-confirmation", "client-cert"] {
            told.insert(name, HeaderValue::from_static(""));
        }
        let number = HeaderValue::from_str(origin.request_id).map_err(|_| Reason::Internal)?;
        told.insert("x-request-id", number);
        told.extend(foreign_cookies(request.headers()).map(|cookies| (COOKIE, cookies)));
        let mut remembered = origin.memory.recall();
        if let Some(caller) = self.identity.of(&mut remembered, permit, route, origin.host)? {
            for (name, value) in caller.lines(route) {
                told.insert(name, value);
            }
        }
        Ok(told)
    }
}

/// What a backend may read of a client's cookies: empty where there are none but ours.
fn foreign_cookies(said: &HeaderMap) -> Option<HeaderValue> {
    let mut cookies: HeaderMap = said.get_all(COOKIE).iter().map(|line| (COOKIE, line.clone())).collect();
    if cookies.is_empty() {
        return None;
    }
    headers::keep_foreign_cookies(&mut cookies);
    Some(cookies.remove(COOKIE).unwrap_or_else(|| HeaderValue::from_static("")))
}
