//! The client's room on the portal's door, and the staff's on the console's: signing out, and the keys
//! that verify whom the backend is told of.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};

use crate::auth::session::Sessions;
use crate::domain::Reason;
use crate::policy::Permit;
use crate::web::page::Head;
use crate::web::pages::{Page as _, sign_in::SignedOut};
use crate::web::routes::{self, Routes};
use crate::web::{Visit, form, refusal};

/// The room.
pub struct Portal {
    sessions: Arc<Sessions>,
    jwks: String,
}

/// Every route of the room.
pub const ROUTES: Routes = &[("POST", "/.portcullis/sign-out"), ("GET", "/.portcullis/jwks.json")];

impl Portal {
    /// With the key set that the proxy signs by.
    #[must_use]
    pub fn new(sessions: Arc<Sessions>, jwks: &serde_json::Value) -> Self {
        Self { sessions, jwks: jwks.to_string() }
    }

    /// Serves the room's own paths.
    pub async fn serve(&self, permit: Permit, visit: Visit, request: Request<Body>) -> Response<Body> {
        let (parts, _) = request.into_parts();
        let answer = match routes::listed(ROUTES, parts.method.as_str(), parts.uri.path()) {
            Ok("POST") => self.sign_out(&permit, &visit, &parts.headers).await,
            Ok(_) => Ok(self.keys()),
            Err(reason) => Err(reason),
        };
        answer.unwrap_or_else(|reason| refusal::respond(&reason, &visit))
    }

    /// Ends the session, and with it everything that is open in it. The button may stand on the
    /// backend's pages, which know no token of ours: their origin is what speaks for them.
    async fn sign_out(
        &self,
        permit: &Permit,
        visit: &Visit,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, Reason> {
        form::own_origin(headers, visit)?;
        let mut device = String::new();
        if let Some(session) = permit.session() {
            let ended = self.sessions.end(session.session(), "signed out", &visit.address.to_string()).await;
            ended.map_err(|_| Reason::Internal)?;
        }
        if let Some(certificate) = permit.certificate() {
            device.clone_from(&certificate.device().name);
        }
        let page = SignedOut { page: Head::of(visit), device, again: "/".to_owned() };
        let mut response = page.response(StatusCode::OK);
        if let Ok(cookie) = HeaderValue::from_str(&Sessions::clearing_cookie()) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }

    fn keys(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.jwks.clone()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}
