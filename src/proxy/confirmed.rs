//! Requests that a backend wants confirmed: tried once, kept, and sent with a receipt once somebody has confirmed
//! them. Decides nothing: when that is, the caller knows.

use axum::body::Body;
use http::header::{HeaderValue, SET_COOKIE};
use http::{Request, Response};

use super::destination::Destination;
use super::forward::{Origin, Proxy};
use super::keep::Kept;
use super::wanted::Asked;
use super::{headers, upgrade, wanted};
use crate::domain::approval::Approval;
use crate::domain::confirmation::Confirmation;
use crate::domain::{Fault, Reason};
use crate::policy::Permit;

/// What became of a request on a route that keeps them.
#[derive(Debug)]
pub enum Tried {
    /// The backend answered it.
    Answered(Response<Body>),
    /// The backend wants it confirmed.
    Asked {
        /// The request.
        kept: Box<Kept>,
        /// What is to be shown.
        asked: Asked,
        /// Cookies that came with it, cleaned.
        cookies: Vec<HeaderValue>,
    },
}

impl Proxy {
    /// [`Proxy::forward`] on a route that keeps requests: read whole first, and where the backend wants it confirmed,
    /// given back with what is to be shown. What is a tunnel is none of it.
    ///
    /// # Errors
    /// As [`Proxy::forward`], [`Reason::TooLarge`] for what is too large to keep, and
    /// [`Reason::BackendBroken`] where what the backend wants cannot be shown as it is.
    pub async fn forward_kept(
        &self,
        permit: Permit,
        route: &Destination,
        origin: Origin<'_>,
        request: Request<Body>,
    ) -> Result<Tried, Reason> {
        route.open()?;
        headers::check_request(&request, route)?;
        if upgrade::asked(&request, origin.host, &self.world)?.is_some() {
            return self.pass(permit, route, origin, Box::new(request), None).await.map(Tried::Answered);
        }
        let (kept, request) = Kept::read(request, &permit, route.waits.body_idle).await?;
        let answer = self.pass(permit, route, origin, Box::new(request), None).await?;
        if !wanted::asks(&answer) {
            return Ok(Tried::Answered(answer));
        }
        let cookies = answer.headers().get_all(SET_COOKIE).iter().cloned().collect();
        let asked = wanted::read(answer).await.map_err(|why| {
            tracing::error!(
                request = origin.request_id,
                tenant = %route.tenant,
                route = route.name,
                "{why}; correct the backend"
            );
            let (route, why) = (route.name.clone(), why.to_string());
            Reason::BackendBroken(Box::new(Fault { route, backend: None, why }))
        })?;
        Ok(Tried::Asked { kept: Box::new(kept), asked, cookies })
    }

    /// What goes with a confirmed request, so that the backend can verify it.
    ///
    /// # Errors
    /// [`Reason::Internal`].
    pub fn receipt(&self, confirmation: &Confirmation, approval: &Approval) -> Result<String, Reason> {
        self.identity.receipt(confirmation, approval)
    }

    /// Sends a kept request with its receipt: over a connection of its own, and never a second time.
    ///
    /// # Errors
    /// As [`Proxy::forward`].
    pub async fn send_confirmed(
        &self,
        permit: Permit,
        route: &Destination,
        origin: Origin<'_>,
        kept: &Kept,
        receipt: &str,
    ) -> Result<Response<Body>, Reason> {
        self.pass(permit, route, origin, Box::new(kept.request()), Some(receipt)).await
    }
}
