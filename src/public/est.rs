//! EST (RFC 7030, RFC 8951): at the public door CA certificates and a machine's first certificate, at a
//! tenant's own door the renewal of the certificate that the connection shows. Answers are plain text.
//!
//! No browser has business here: a page that could have one send a request in its owner's name, with the
//! certificate that the connection shows, would have a certificate made for a key of its own.

use std::sync::Arc;

use axum::body::Body;
use data_encoding::BASE64;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use zeroize::Zeroizing;

use crate::ca::{self, Issued, ProvenKey, est};
use crate::domain::certificate::IssuerKind;
use crate::domain::{Secret, TenantId};
use crate::enrolment::est::{Est, NotEnrolled, Shown};
use crate::policy::Permit;
use crate::store::view::View;
use crate::web::routes::{self, Routes};
use crate::web::{Visit, refusal};

/// The room.
pub struct EstRoom {
    est: Arc<Est>,
    view: Arc<View>,
}

/// Every route of the room; `*` is a tenant, which a program may name as the label of RFC 7030 3.2.2. At a
/// tenant's own door only `simplereenroll` is ours.
pub const ROUTES: Routes = &[
    ("GET", "/.well-known/est/cacerts"),
    ("GET", "/.well-known/est/csrattrs"),
    ("POST", "/.well-known/est/simpleenroll"),
    ("POST", "/.well-known/est/simplereenroll"),
    ("GET", "/.well-known/est/*/cacerts"),
    ("GET", "/.well-known/est/*/csrattrs"),
    ("POST", "/.well-known/est/*/simpleenroll"),
    ("POST", "/.well-known/est/*/simplereenroll"),
];

/// An answer that is not the one hoped for.
struct Told {
    status: StatusCode,
    text: String,
    wait_secs: Option<u64>,
}

impl EstRoom {
    /// Over the enrolment.
    #[must_use]
    pub const fn new(est: Arc<Est>, view: Arc<View>) -> Self {
        Self { est, view }
    }

    /// Serves one request.
    pub async fn serve(&self, permit: Permit, visit: Visit, request: Request<Body>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        if let Err(reason) = routes::listed(ROUTES, request.method().as_str(), &path) {
            return refusal::respond(&reason, &visit);
        }
        let parts: Vec<&str> = path.split('/').skip(3).collect();
        let (label, operation) = match parts.as_slice() {
            [label, operation] => (Some(*label), *operation),
            [operation] => (None, *operation),
            _ => (None, ""),
        };
        let answer = match operation {
            "cacerts" => self.ca_certificates(label),
            "csrattrs" => Ok(answer("application/csrattrs", est::wished_attributes())),
            _ => self.certificate(&permit, &visit, (label, operation), request).await,
        };
        answer.unwrap_or_else(|told| {
            let (status, request) = (told.status.as_u16(), visit.request_id.as_str());
            if refusal::has_line(&visit) {
                tracing::info!(status, request, why = told.text, operation, "no certificate by EST");
            } else {
                tracing::debug!(status, request, why = told.text, operation, "no certificate by EST");
            }
            told.respond()
        })
    }

    /// The issuing CAs and their roots (RFC 7030 4.1): for clients' devices, or staff's where the label says so.
    fn ca_certificates(&self, label: Option<&str>) -> Result<Response<Body>, Told> {
        let staff = label.is_some_and(|label| label == TenantId::staff().as_str());
        let kind = if staff { IssuerKind::Staff } else { IssuerKind::Devices };
        let mut all: Vec<Vec<u8>> = Vec::new();
        for issuer in self.view.issuers().iter().filter(|issuer| issuer.kind == kind) {
            for der in [&issuer.der, &issuer.root_der] {
                if !all.contains(der) {
                    all.push(der.clone());
                }
            }
        }
        Ok(answer("application/pkcs7-mime", est::certs_only(&all).map_err(|error| internal(&error))?))
    }

    async fn certificate(
        &self,
        permit: &Permit,
        visit: &Visit,
        (label, operation): (Option<&str>, &str),
        request: Request<Body>,
    ) -> Result<Response<Body>, Told> {
        let (parts, body) = request.into_parts();
        // Taken in whole before anything is answered: some clients hear no answer while they still send.
        let body = collected(body).await?;
        no_browser(&parts.headers)?;
        if operation == "simpleenroll" {
            self.enrol(visit, label, &parts.headers, &body).await
        } else {
            self.renew(permit, visit, &parts.headers, &body).await
        }
    }

    /// RFC 7030 4.2.1, with a one-time secret by HTTP Basic (3.2.3).
    async fn enrol(
        &self,
        visit: &Visit,
        label: Option<&str>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Response<Body>, Told> {
        let (user, secret) = basic(headers).ok_or_else(|| {
            let how = "give the name and the one-time secret by HTTP Basic (curl: --user NAME); \
                       `portcullis device enrol-secret` makes them";
            Told::new(StatusCode::UNAUTHORIZED, how)
        })?;
        let key = key_in(headers, body)?;
        let shown = Shown { user: &user, secret: &secret, label, address: visit.address };
        issued(&self.est.enrol(&shown, key).await?)
    }

    /// RFC 7030 4.2.2: for the device of the certificate that the connection shows, whatever the request names.
    async fn renew(
        &self,
        permit: &Permit,
        visit: &Visit,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Response<Body>, Told> {
        let proved = permit.certificate().ok_or_else(|| {
            let place = "renew at your tenant's own door, with the certificate that is to be renewed: \
                         /.well-known/est/simplereenroll";
            Told::new(StatusCode::FORBIDDEN, place)
        })?;
        let key = key_in(headers, body)?;
        issued(&self.est.renew(proved, key, visit.address).await?)
    }
}

/// Whether a path is one of EST's, where programs and no people come to.
#[must_use]
pub fn is_path(path: &str) -> bool {
    path.starts_with("/.well-known/est/")
}

/// Browsers say where a request comes from, and no script can have them leave it out.
fn no_browser(headers: &HeaderMap) -> Result<(), Told> {
    let site = HeaderName::from_static("sec-fetch-site");
    if headers.contains_key(ORIGIN) || headers.contains_key(site) {
        return Err(Told::new(StatusCode::FORBIDDEN, "this is for programs: no browser enrols here"));
    }
    Ok(())
}

/// Name and secret of RFC 7617; `None` where there is not exactly one pair.
fn basic(headers: &HeaderMap) -> Option<(String, Secret)> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (all.next()?, all.next()) else { return None };
    let (scheme, coded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || coded.len() > BASIC_CHARS_MAX {
        return None;
    }
    let pair = Zeroizing::new(BASE64.decode(coded.trim().as_bytes()).ok()?);
    let (user, secret) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    Some((user.to_owned(), Secret::new(secret)))
}

async fn collected(mut body: Body) -> Result<Vec<u8>, Told> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| bad("the body did not arrive whole: send it again"))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > est::BODY_BYTES_MAX {
            let how = "the body is longer than 64 KiB: send a plain PKCS #10 request";
            return Err(Told::new(StatusCode::PAYLOAD_TOO_LARGE, how));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn key_in(headers: &HeaderMap, body: &[u8]) -> Result<ProvenKey, Told> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/pkcs10") {
        let how = "send the request as application/pkcs10: DER in base64 (curl: --header 'content-type: \
                   application/pkcs10' --data-binary @request.b64)";
        return Err(Told::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, how));
    }
    est::request(body).map_err(|error| bad(error.to_string()))
}

/// The certificate alone (RFC 7030 4.2.3).
fn issued(issued: &Issued) -> Result<Response<Body>, Told> {
    let alone = est::certs_only(&[&issued.certificate.der]).map_err(|error| internal(&error))?;
    Ok(answer("application/pkcs7-mime; smime-type=certs-only", alone))
}

fn answer(kind: &'static str, base64: String) -> Response<Body> {
    let mut response = Response::new(Body::from(base64));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert("content-transfer-encoding", HeaderValue::from_static("base64"));
    guarded(headers);
    response
}

fn guarded(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
}

fn bad(why: impl Into<String>) -> Told {
    Told::new(StatusCode::BAD_REQUEST, why)
}

fn internal(error: &ca::CaError) -> Told {
    tracing::error!(%error, "an answer of EST could not be written");
    NotEnrolled::Internal.into()
}

impl Told {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), wait_secs: None }
    }

    fn respond(self) -> Response<Body> {
        let mut response = Response::new(Body::from(format!("{}\n", self.text)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        guarded(headers);
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = "Basic realm=\"EST\", charset=\"UTF-8\"";
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(secs) = self.wait_secs {
            headers.insert(RETRY_AFTER, HeaderValue::from(secs));
        }
        response
    }
}

impl From<NotEnrolled> for Told {
    fn from(error: NotEnrolled) -> Self {
        let status = match error {
            NotEnrolled::Secret => StatusCode::UNAUTHORIZED,
            NotEnrolled::Closed(_) => StatusCode::FORBIDDEN,
            NotEnrolled::Wait(_) => StatusCode::TOO_MANY_REQUESTS,
            NotEnrolled::Key => StatusCode::BAD_REQUEST,
            NotEnrolled::Elsewhere | NotEnrolled::Busy => StatusCode::SERVICE_UNAVAILABLE,
            NotEnrolled::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let wait_secs = matches!(error, NotEnrolled::Wait(_) | NotEnrolled::Busy).then_some(WAIT_SECS);
        Self { wait_secs, ..Self::new(status, error.to_string()) }
    }
}

/// A name has 26 characters and a secret 23.
const BASIC_CHARS_MAX: usize = 512;

/// When a program should try again that may not yet.
const WAIT_SECS: u64 = 60;
