//! The same steps for programs that show an ended certificate: JSON in and out, and a request (CSR) in PKCS #10.
//!
//! `POST password {"password": ...}` asks the phone and answers with the digits to type there; `GET` tells how it
//! stands; `POST certificate` with `application/pkcs10` or `{"encoding": "modern"}` ends it. The cookie of the
//! first answer goes with every later call, and each answer may bring a newer one.

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::steps::{Begun, Phone};
use super::{Answer, Here, RenewalRoom, Stage, steps};
use crate::auth::phone::approvals::Standing;
use crate::ca::{Encoding, ProvenKey, import_password};
use crate::domain::{Reason, Secret};
use crate::web::{form, page};

/// Whether a program asks: it says so by the kind of what it sends or wants, which no page of another site can
/// say for it without asking first (Fetch 4.8), and no browser stands behind it.
pub(super) fn is_one(headers: &HeaderMap) -> bool {
    let from_browser = headers.keys().any(|name| name.as_str().starts_with("sec-fetch-"));
    !from_browser && (wants_json(headers) || matches!(kind(headers), "application/json" | PKCS10))
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(http::header::ACCEPT).and_then(|value| value.to_str().ok());
    crate::web::visit::prefers_json(accept.unwrap_or_default())
}

fn kind(headers: &HeaderMap) -> &str {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim()
}

impl RenewalRoom {
    pub(super) async fn program(
        &self,
        here: &Here<'_>,
        method: &str,
        doing: &str,
        request: Request<Body>,
    ) -> Answer {
        let stage = self.stage(here).await?;
        let (parts, body) = request.into_parts();
        let kind = kind(&parts.headers).to_owned();
        match (method, doing, stage) {
            ("GET", "", stage) => self.told(here, stage).await,
            ("POST", "password", Stage::Password) => {
                let sent = json_of(&kind, &form::body(&parts.headers, body).await?)?;
                let typed = Secret::new(sent["password"].as_str().unwrap_or_default());
                let Some(next) = self.password(here, &typed).await? else { return Ok(wrong_password(here)) };
                // The next answer is about the next token.
                let found = self.after(here, &next).await?;
                let next_here = Here { renewal: &found, ..*here };
                let answer = self.told(&next_here, Stage::Phone).await?;
                Ok(self.with_cookie(answer, &next))
            }
            ("POST", "phone", Stage::Phone) => {
                self.ask_phone(here).await?;
                self.told(here, Stage::Phone).await
            }
            ("POST", "cancel", _) => {
                self.give_up(here).await?;
                Ok(super::clear_cookie(answer(here, StatusCode::OK, &json!({ "stage": "given up" }))))
            }
            ("POST", "certificate", Stage::Certificate) => {
                let body = form::body(&parts.headers, body).await?;
                if kind == PKCS10 {
                    return self.by_request(here, &body).await;
                }
                let sent = json_of(&kind, &body)?;
                let encoding = Encoding::parse(sent["encoding"].as_str().unwrap_or("modern"));
                let encoding =
                    encoding.ok_or(Reason::BadRequest("`encoding` is neither modern nor compatible"))?;
                self.by_file(here, encoding).await
            }
            _ => {
                let mut told = self.told(here, stage).await?;
                *told.status_mut() = StatusCode::CONFLICT;
                Ok(told)
            }
        }
    }

    /// The renewal under the token that a step has just set.
    async fn after(
        &self,
        here: &Here<'_>,
        next: &Begun,
    ) -> Result<super::Stored<crate::domain::renewal::Renewal>, Reason> {
        let mut headers = HeaderMap::new();
        let cookie = next.set_cookie.expose().split(';').next().unwrap_or_default();
        let value = HeaderValue::from_str(cookie).map_err(|_| Reason::Internal)?;
        headers.insert(http::header::COOKIE, value);
        let way = here.renewal.record.way;
        self.found(&headers, &here.visit.tenant.id, way).await?.ok_or(Reason::Internal)
    }

    /// How it stands, and what to do next.
    async fn told(&self, here: &Here<'_>, stage: Stage) -> Answer {
        let renewal = &here.renewal.record;
        let next = |what: &str| format!("{what}; keep the cookie");
        Ok(match stage {
            // Only where nothing was shown, and there no program comes.
            Stage::Call => return Err(Reason::NotFound),
            Stage::Password => {
                let next = next("POST /.portcullis/renew/password {\"password\": \"...\"}");
                answer(here, StatusCode::OK, &json!({ "stage": "password", "next": next }))
            }
            Stage::Phone => match self.phone(here).await? {
                Phone::Waiting(question) => answer(
                    here,
                    StatusCode::OK,
                    &json!({
                        "stage": "phone",
                        "state": "waiting",
                        "digits": question.digits.expose(),
                        "left_secs": question.until.since(here.visit.now).as_secs(),
                        "next": next("type the digits on the phone, and GET /.portcullis/renew/ until `stage` is `certificate`"),
                    }),
                ),
                Phone::Next(begun) => {
                    let until = self.parts.world.now().plus(crate::domain::renewal::Renewal::MADE_WITHIN);
                    self.with_cookie(certificate_stage(here, until), &begun)
                }
                Phone::Denied => unanswered(here, "denied"),
                Phone::Ended(Standing::WrongDigits) => unanswered(here, "wrong-digits"),
                Phone::Ended(Standing::Superseded) => unanswered(here, "superseded"),
                Phone::Ended(_) => unanswered(here, "expired"),
            },
            Stage::Certificate => certificate_stage(here, renewal.expires),
        })
    }

    async fn by_request(&self, here: &Here<'_>, request: &[u8]) -> Answer {
        let key = match ProvenKey::from_request(request) {
            Ok(key) => key,
            Err(bad) => {
                return Ok(problem(here, "bad-request", "The request cannot be certified", &bad.to_string()));
            }
        };
        let issued = self.certify(here, key).await?;
        let pem = |der: &Vec<u8>| pem::encode(&pem::Pem::new("CERTIFICATE", der.clone()));
        let chain: String = issued.chain.iter().map(pem).collect();
        let until = issued.certificate.not_after.to_string();
        let done =
            json!({ "stage": "done", "serial": issued.certificate.serial, "until": until, "chain": chain });
        Ok(super::clear_cookie(answer(here, StatusCode::CREATED, &done)))
    }

    async fn by_file(&self, here: &Here<'_>, encoding: Encoding) -> Answer {
        let password = import_password::draw(&self.parts.world);
        let (certificate, file) = self.p12(here, encoding, password).await?;
        let done = json!({
            "stage": "done",
            "serial": certificate.serial,
            "until": certificate.not_after.to_string(),
            "p12": data_encoding::BASE64.encode(&file.bytes),
            "encoding": encoding.as_str(),
            "password": file.password.expose(),
        });
        Ok(super::clear_cookie(answer(here, StatusCode::CREATED, &done)))
    }
}

fn certificate_stage(here: &Here<'_>, until: crate::domain::Time) -> Response<Body> {
    let next = "POST /.portcullis/renew/certificate: a request as application/pkcs10, or {\"encoding\": \"modern\"} for a .p12; keep the cookie";
    let told = json!({ "stage": "certificate", "until": until.to_string(), "next": next });
    answer(here, StatusCode::OK, &told)
}

fn unanswered(here: &Here<'_>, state: &str) -> Response<Body> {
    let next = "POST /.portcullis/renew/phone asks again; keep the cookie";
    answer(here, StatusCode::OK, &json!({ "stage": "phone", "state": state, "next": next }))
}

fn wrong_password(here: &Here<'_>) -> Response<Body> {
    problem(here, "wrong-password", "That was not the password", steps::WRONG_PASSWORD)
}

/// RFC 9457.
fn problem(here: &Here<'_>, kind: &str, title: &str, detail: &str) -> Response<Body> {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let problem = json!({
        "type": format!("urn:portcullis:refusal:{kind}"),
        "title": title,
        "status": status.as_u16(),
        "detail": detail,
        "instance": here.visit.request_id,
    });
    let mut response = answer(here, status, &problem);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

fn answer(here: &Here<'_>, status: StatusCode, told: &Value) -> Response<Body> {
    let mut response = page::respond(status, told.to_string(), &here.visit.host);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn json_of(kind: &str, body: &[u8]) -> Result<Value, Reason> {
    if kind != "application/json" {
        return Err(Reason::BadRequest("this address takes JSON, as application/json"));
    }
    serde_json::from_slice(body).map_err(|_| Reason::BadRequest("what was sent is no JSON"))
}

/// RFC 5967.
const PKCS10: &str = "application/pkcs10";
