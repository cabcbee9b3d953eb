//! The door that asks for nothing: it says whose gate this is and where to go, and opens what a person may
//! do without a certificate. Each of these has a file of its own and a first segment of the path.

mod delivery;
pub mod est;

use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response, StatusCode};

use crate::domain::Reason;
use crate::enrolment::delivery::Deliveries;
use crate::policy::Permit;
use crate::renewal::RenewalRoom;
use crate::store::view::View;
use crate::web::page::Head;
use crate::web::pages::{Page as _, public::Start};
use crate::web::routes::{self, Routes};
use crate::web::{Visit, refusal};

/// The room.
pub struct Public {
    parts: Parts,
}

/// What the room stands on.
pub struct Parts {
    /// What is in memory.
    pub view: Arc<View>,
    /// One-time links.
    pub deliveries: Arc<Deliveries>,
    /// Renewal of certificates that ended.
    pub renewal: Arc<RenewalRoom>,
}

/// Every route of the room.
pub const ROUTES: Routes = &[
    ("GET", "/"),
    ("GET", "/deliver/*"),
    ("POST", "/deliver/*"),
    ("GET", "/expired/*/"),
    ("GET", "/expired/*/events"),
    ("POST", "/expired/*/ask"),
    ("POST", "/expired/*/code"),
    ("POST", "/expired/*/word"),
    ("POST", "/expired/*/password"),
    ("POST", "/expired/*/phone"),
    ("POST", "/expired/*/cancel"),
    ("POST", "/expired/*/certificate"),
];

type Answer = Result<Response<Body>, Reason>;

impl Public {
    /// Over its parts.
    #[must_use]
    pub const fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// Serves the room's own paths.
    pub async fn serve(&self, permit: Permit, visit: Visit, request: Request<Body>) -> Response<Body> {
        let answer = self.answer(&permit, &visit, request).await;
        answer.unwrap_or_else(|reason| refusal::respond(&reason, &visit))
    }

    async fn answer(&self, permit: &Permit, visit: &Visit, request: Request<Body>) -> Answer {
        let path = request.uri().path();
        let method = routes::listed(ROUTES, request.method().as_str(), path)?;
        match (method, path.split('/').nth(1).unwrap_or_default()) {
            ("GET", "") => Ok(self.start(visit)),
            (_, "deliver") => {
                let Parts { view, deliveries, .. } = &self.parts;
                delivery::answer(deliveries, view, method, visit, request).await
            }
            (method, "expired") => self.parts.renewal.public(permit, visit, method, request).await,
            _ => Err(Reason::NotFound),
        }
    }

    fn start(&self, visit: &Visit) -> Response<Body> {
        let port = visit.host.split_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default();
        let tenants = self.parts.view.tenants().into_iter().filter(|tenant| !tenant.id.is_staff());
        let doors = tenants.filter_map(|tenant| {
            Some((tenant.name.clone(), format!("https://{}{port}/", tenant.hosts.first()?)))
        });
        Start { page: Head::of(visit), doors: doors.collect() }.response(StatusCode::OK)
    }
}
