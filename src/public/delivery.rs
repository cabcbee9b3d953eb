//! The page behind a one-time link. Looking at it uses nothing up: what counts stands behind the `#`, which no
//! browser sends and no log sees, until the owner presses the button. Knows no mail and no operator.

use axum::body::{Body, Bytes};
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderValue, Request, Response, StatusCode};
use zeroize::Zeroizing;

use super::Answer;
use crate::ca::P12;
use crate::domain::certificate::Certificate;
use crate::domain::{Reason, Secret, TenantId};
use crate::enrolment::delivery::{Brought, Deliveries, NotHanded};
use crate::store::view::View;
use crate::web::Visit;
use crate::web::form::{self, Form};
use crate::web::page::{self, Head};
use crate::web::pages::Page as _;
use crate::web::pages::guide::guides;
use crate::web::pages::public::{Deliver, NoSuchLink};
use crate::web::platform::Platform;

/// Where links lead, behind the door's address: this and the tenant.
pub(super) const PATH: &str = "/deliver/";

/// Answers `/deliver/TENANT`.
pub(super) async fn answer(
    deliveries: &Deliveries,
    view: &View,
    method: &str,
    visit: &Visit,
    request: Request<Body>,
) -> Answer {
    let name = request.uri().path().strip_prefix(PATH).ok_or(Reason::NotFound)?;
    let id = TenantId::parse(name).map_err(|_| Reason::NotFound)?;
    let tenant = view.tenant(&id).ok_or(Reason::NotFound)?;
    // The page is the tenant's, at the door that is nobody's.
    let visit = Visit { tenant, ..visit.clone() };
    if method == "GET" {
        page::only_navigations(request.headers())?;
        let platform = Platform::recognised(&visit.browser);
        return Ok(asked(deliveries, &visit, platform, None, "").response(StatusCode::OK));
    }
    let csrf = deliveries.csrf(&id);
    let form = form::read(request, &visit, &csrf).await?;
    heard(deliveries, &visit, &form).await
}

async fn heard(deliveries: &Deliveries, visit: &Visit, form: &Form) -> Answer {
    let recognised = Platform::recognised(&visit.browser);
    let platform = Platform::parse(form.text("platform")).unwrap_or(recognised);
    // Without the page's script the owner copies the end of the link, or all of it.
    let secret = Secret::new(form.text("link").rsplit('#').next().unwrap_or_default().trim());
    let Some(typed) = form.secret("password").filter(|typed| !typed.expose().trim().is_empty()) else {
        let page =
            asked(deliveries, visit, platform, Some(&secret), "Please type the import password first.");
        return Ok(page.response(StatusCode::UNPROCESSABLE_ENTITY));
    };
    let brought = Brought {
        tenant: &visit.tenant.id,
        secret: &secret,
        typed: &typed,
        encoding: platform.form().encoding(),
        from: visit.address,
    };
    match deliveries.hear(&brought).await {
        Ok((certificate, file)) => Ok(attachment(&certificate, file)),
        Err(NotHanded::Wrong { left }) => {
            let tries = if left == 1 { "one more try".to_owned() } else { format!("{left} more tries") };
            let why = format!(
                "That is not the password we told you. Look at each letter and try again: you have {tries}, then this \
                 link ends."
            );
            let page = asked(deliveries, visit, platform, Some(&secret), &why);
            Ok(page.response(StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(NotHanded::Dead) => Ok(NoSuchLink { page: Head::of(visit) }.response(StatusCode::GONE)),
        Err(NotHanded::Failed(error)) => {
            let request = visit.request_id.as_str();
            tracing::error!(%error, request, "a certificate could not be handed over by a link");
            Err(Reason::Internal)
        }
    }
}

fn asked(
    deliveries: &Deliveries,
    visit: &Visit,
    platform: Platform,
    secret: Option<&Secret>,
    refused: &str,
) -> Deliver {
    let port = visit.host.split_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default();
    Deliver {
        page: Head::of(visit),
        csrf: deliveries.csrf(&visit.tenant.id),
        action: format!("{PATH}{}", visit.tenant.id),
        link: secret.map(|secret| secret.expose().to_owned()).unwrap_or_default(),
        refused: refused.to_owned(),
        browser: visit.browser.clone(),
        platforms: Platform::ALL.map(|one| (one.as_str(), one.name(), one == platform)).to_vec(),
        recognised: Platform::recognised(&visit.browser).as_str(),
        door: format!("https://{}{port}/", visit.tenant.hosts.first().unwrap_or(&visit.host)),
        guides: guides(platform),
    }
}

/// The file in pieces; the whole is wiped behind the last one. The cookie tells the page, which stays where it is, that the
/// file is on its way; it says nothing else.
fn attachment(certificate: &Certificate, file: P12) -> Response<Body> {
    let name = format!("attachment; filename=\"{}-certificate.p12\"", certificate.person);
    let length = file.bytes.len();
    let pieces = stream::unfold((file.bytes, 0), |(bytes, at): (Zeroizing<Vec<u8>>, usize)| async move {
        let end = bytes.len().min(at + PIECE_BYTES);
        let piece = bytes.get(at..end).filter(|piece| !piece.is_empty()).map(Bytes::copy_from_slice)?;
        Some((Ok::<_, std::convert::Infallible>(piece), (bytes, end)))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    page::secure(headers, "");
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-pkcs12"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(SET_COOKIE, HeaderValue::from_static(HANDED_COOKIE));
    let plain = HeaderValue::from_static("attachment; filename=\"certificate.p12\"");
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_str(&name).unwrap_or(plain));
    response
}

/// Read and taken away by the page's script (`deliver.js`).
const HANDED_COOKIE: &str = "__Host-portcullis-handed=1; Path=/; Secure; SameSite=Strict; Max-Age=60";

const PIECE_BYTES: usize = 1024;
