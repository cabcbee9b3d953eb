//! The door that asks for nothing: for now it says whose gate this is and where to go. Registration,
//! recovery and delivery come here.

use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response, StatusCode};

use crate::policy::Permit;
use crate::store::view::View;
use crate::web::page::Head;
use crate::web::pages::{Page as _, public::Start};
use crate::web::routes::{self, Routes};
use crate::web::{Visit, refusal};

/// The room.
pub struct Public {
    view: Arc<View>,
}

/// Every route of the room.
pub const ROUTES: Routes = &[("GET", "/")];

impl Public {
    /// Over the view.
    #[must_use]
    pub const fn new(view: Arc<View>) -> Self {
        Self { view }
    }

    /// Serves the room's own paths.
    pub async fn serve(&self, _permit: Permit, visit: Visit, request: Request<Body>) -> Response<Body> {
        match routes::listed(ROUTES, request.method().as_str(), request.uri().path()) {
            Ok(_) => self.start(&visit),
            Err(reason) => refusal::respond(&reason, &visit),
        }
    }

    fn start(&self, visit: &Visit) -> Response<Body> {
        let port = visit.host.split_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default();
        let tenants = self.view.tenants().into_iter().filter(|tenant| !tenant.id.is_staff());
        let doors = tenants.filter_map(|tenant| {
            Some((tenant.name.clone(), format!("https://{}{port}/", tenant.hosts.first()?)))
        });
        Start { page: Head::of(visit), doors: doors.collect() }.response(StatusCode::OK)
    }
}
