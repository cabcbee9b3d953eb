//! The desk for programs: JSON in, JSON out, the same operations as the command line, under the same rules as
//! the pages. Who shows a session's cookie must be no other site's page: JSON alone is taken, which a form of
//! another site cannot send, and whoever says where they come from comes from here. Keeps nothing.

mod routing;

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::command::given::Given;
use super::command::revoke::{Revoke, Which};
use super::command::search::{Search, State};
use super::command::which::{WhichDevice, WhichPerson};
use super::command::{Command, CommandError, Kind, Output, certificate, device, request};
use super::doings::may;
use super::revoking::{just_signed_in, may_all};
use super::{Console, ROUTES};
use crate::ca::Encoding;
use crate::domain::certificate::RevocationReason;
use crate::domain::{PersonId, Reason, TenantId};
use crate::enrolment::first_visit::actor;
use crate::enrolment::revocation::Scope;
use crate::policy::Permit;
use crate::web::{Visit, form, refusal, routes};

/// Where it begins.
pub(super) const AT: &str = "/api/v1/";

/// Which certificates, why, and whether in earnest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokeBody {
    serial: Option<String>,
    device: Option<WhichDevice>,
    person: Option<WhichPerson>,
    tenant: Option<TenantId>,
    reason: Option<RevocationReason>,
    #[serde(default)]
    dry_run: bool,
}

/// A new device. With `csr` its key stays where it was made; without, a .p12 is answered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssueBody {
    person: WhichPerson,
    name: String,
    encoding: Option<String>,
    csr: Option<String>,
}

/// Another certificate for a device.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RenewBody {
    encoding: Option<String>,
    csr: Option<String>,
}

/// No more than `{}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// What is wrong with a call: the house's own refusal, or the command's.
enum Wrong {
    Reason(Reason),
    Command(CommandError),
}

impl From<Reason> for Wrong {
    fn from(reason: Reason) -> Self {
        Self::Reason(reason)
    }
}

impl From<CommandError> for Wrong {
    fn from(error: CommandError) -> Self {
        Self::Command(error)
    }
}

impl Console {
    /// Answers a program. A rule let it in; what it may do to whom is asked here as on the pages.
    pub(super) async fn api(
        &self,
        permit: &Permit,
        visit: &Visit,
        request: Request<Body>,
    ) -> Result<Response<Body>, Reason> {
        match self.call(permit, visit, request).await {
            Ok((status, output)) => Ok(answer(status, &output)),
            Err(Wrong::Command(error)) => Ok(problem(status_of(error.kind), &error, &visit.request_id)),
            Err(Wrong::Reason(reason)) => Err(reason),
        }
    }

    async fn call(
        &self,
        permit: &Permit,
        visit: &Visit,
        request: Request<Body>,
    ) -> Result<(StatusCode, Output), Wrong> {
        let path = request.uri().path().to_owned();
        let method = routes::listed(ROUTES, request.method().as_str(), &path)?;
        no_other_site(request.headers(), visit)?;
        let by = permit.certificate().ok_or(Reason::NoCertificate)?;
        let who = actor(by.tenant(), by.person_id());
        let may = |tenant: &TenantId, person: &PersonId| may(by.person(), tenant, person);
        let parts: Vec<&str> = path.strip_prefix(AT).unwrap_or_default().split('/').collect();
        if method == "GET" {
            let query = request.uri().query().unwrap_or_default();
            let command = match parts.as_slice() {
                ["routes"] => Command::Route(routing::listing(query)?),
                _ => Command::Certificate(listing(query)?),
            };
            return Ok((StatusCode::OK, self.acts.run(&who, command).await?));
        }
        let (parts_of_request, body) = request.into_parts();
        let body = collect(&parts_of_request.headers, body).await?;
        let (status, command) = match parts.as_slice() {
            ["certificates", "revoke"] => {
                let RevokeBody { serial, device, person, tenant, reason, dry_run } = read(&body)?;
                let which = one_scope(serial, device, person, tenant)?;
                if !dry_run {
                    self.may_revoke(permit, visit, &which, may)?;
                }
                let reason = reason.unwrap_or(RevocationReason::Unspecified);
                let revoke = Revoke { which, reason, dry_run, yes: true };
                (StatusCode::OK, Command::Certificate(certificate::Command::Revoke(revoke)))
            }
            ["devices"] => {
                let IssueBody { person, name, encoding, csr } = read(&body)?;
                may(&person.tenant, &person.person)?;
                let command = match (csr, encoding) {
                    (Some(_), Some(_)) => return Err(one_of("`csr` and `encoding`")),
                    (Some(csr), None) => device::Command::Request(request::Command::Issue {
                        person,
                        name,
                        request: Given::new(csr.into_bytes()),
                    }),
                    (None, encoding) => {
                        device::Command::Issue { person, name, encoding: encoding_of(encoding)? }
                    }
                };
                (StatusCode::CREATED, Command::Device(command))
            }
            ["devices", tenant, person, which, "renew"] => {
                let whose = super::codes::ids(tenant, person)?;
                may(&whose.0, &whose.1)?;
                let person = WhichPerson { tenant: whose.0, person: whose.1 };
                let which = percent_encoding::percent_decode_str(which).decode_utf8_lossy().into_owned();
                let device = WhichDevice { person, device: which };
                let RenewBody { encoding, csr } =
                    if body.is_empty() { RenewBody::default() } else { read(&body)? };
                let command = match (csr, encoding) {
                    (Some(_), Some(_)) => return Err(one_of("`csr` and `encoding`")),
                    (Some(csr), None) => device::Command::Request(request::Command::Renew {
                        device,
                        request: Given::new(csr.into_bytes()),
                    }),
                    (None, encoding) => device::Command::Renew { device, encoding: encoding_of(encoding)? },
                };
                (StatusCode::CREATED, Command::Device(command))
            }
            ["reload"] => {
                let Nothing {} = read(&body)?;
                (StatusCode::OK, Command::Reload)
            }
            ["routes", ..] => (StatusCode::OK, Command::Route(routing::command(&parts[1..], &body)?)),
            _ => return Err(Reason::NotFound.into()),
        };
        Ok((status, self.acts.run(&who, command).await?))
    }

    /// As at the desk: nobody acts on themselves, only owners on the staff, and all of a site falls only by
    /// who has just signed in.
    fn may_revoke(
        &self,
        permit: &Permit,
        visit: &Visit,
        which: &Which,
        may: impl Fn(&TenantId, &PersonId) -> Result<(), Reason>,
    ) -> Result<(), Wrong> {
        match which {
            // One that is not there is told so by the command.
            Which::Serial(typed) => {
                let serial = super::command::revoke::serial(typed).unwrap_or_default();
                if let Some(one) = self.acts.view.certificate(&serial) {
                    may(&one.tenant, &one.person)?;
                }
            }
            Which::Device(which) => may(&which.person.tenant, &which.person.person)?,
            Which::Person(which) => may(&which.tenant, &which.person)?,
            Which::Tenant(tenant) => {
                may_all(&Scope::Tenant(tenant.clone()))?;
                if !just_signed_in(permit, visit.now) {
                    return Err(CommandError::new(
                        Kind::Refused,
                        "all of a tenant is revoked only within five minutes of signing in",
                        "sign in again, or run `portcullis certificate revoke --tenant` on the machine",
                    )
                    .into());
                }
            }
        }
        Ok(())
    }
}

/// A refusal of the house, as a program reads it.
pub(super) fn refused(reason: &Reason, visit: &Visit) -> Response<Body> {
    refusal::respond(reason, &Visit { json: true, ..visit.clone() })
}

fn answer(status: StatusCode, output: &Output) -> Response<Body> {
    let mut told = output.json.clone();
    if let (Value::Object(told), false) = (&mut told, output.files.is_empty()) {
        let files = output.files.iter().map(|file| json!({ "name": file.name, "base64": file.base64 }));
        told.insert("files".to_owned(), files.collect());
    }
    respond(status, "application/json", &told)
}

/// `request` is the number by which the access log knows it.
fn problem(status: StatusCode, error: &CommandError, request: &str) -> Response<Body> {
    if error.kind == Kind::Failed {
        tracing::error!(request, %error, "a program's command failed");
    }
    let told = json!({
        "type": format!("urn:portcullis:command:{}", json!(error.kind).as_str().unwrap_or_default()),
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": format!("{}: {}", error.what, error.next),
        "instance": request,
        "kind": error.kind,
        "what": error.what,
        "next": error.next,
    });
    respond(status, "application/problem+json", &told)
}

fn respond(status: StatusCode, kind: &'static str, told: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(told.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

const fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::Usage | Kind::Unconfirmed => StatusCode::BAD_REQUEST,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Exists | Kind::Conflict => StatusCode::CONFLICT,
        Kind::Refused => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Programs say nothing of where they come from; a browser that does must come from this origin, or from
/// nowhere: an address that was typed.
fn no_other_site(headers: &HeaderMap, visit: &Visit) -> Result<(), Reason> {
    let typed = headers.get_all("sec-fetch-site").iter().all(|site| site == "none");
    if headers.contains_key(ORIGIN) || !typed { form::own_origin(headers, visit) } else { Ok(()) }
}

async fn collect(headers: &HeaderMap, body: Body) -> Result<Zeroizing<Vec<u8>>, Wrong> {
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    let json = kinds.next().and_then(|kind| kind.to_str().ok()).is_some_and(|kind| {
        kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
    });
    if !json || kinds.next().is_some() {
        return Err(usage("this address takes JSON alone", "send `Content-Type: application/json`"));
    }
    let limited = http_body_util::Limited::new(body, BODY_BYTES_MAX);
    match limited.collect().await {
        Ok(whole) => Ok(Zeroizing::new(whole.to_bytes().to_vec())),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Reason::TooLarge.into()),
        Err(_) => Err(Reason::BadRequest("the body did not arrive whole").into()),
    }
}

/// Names the field that is wrong.
fn read<B: DeserializeOwned>(body: &[u8]) -> Result<B, Wrong> {
    serde_json::from_slice(body)
        .map_err(|error| usage(format!("the body cannot be read: {error}"), "mend it and send it again"))
}

fn one_scope(
    serial: Option<String>,
    device: Option<WhichDevice>,
    person: Option<WhichPerson>,
    tenant: Option<TenantId>,
) -> Result<Which, Wrong> {
    let given = [
        serial.map(Which::Serial),
        device.map(Which::Device),
        person.map(Which::Person),
        tenant.map(Which::Tenant),
    ];
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(which), None) => Ok(which),
        _ => Err(one_of("`serial`, `device`, `person` and `tenant`")),
    }
}

fn encoding_of(text: Option<String>) -> Result<Encoding, Wrong> {
    let text = text.unwrap_or_else(|| "modern".to_owned());
    Encoding::parse(&text)
        .ok_or_else(|| usage(format!("{text:?} is no encoding"), "write `modern` or `compatible`"))
}

fn tenant_of(text: &str) -> Result<TenantId, Wrong> {
    TenantId::parse(text).map_err(|_| usage(format!("{text:?} is no tenant"), "write its id, such as `bank`"))
}

fn listing(query: &str) -> Result<certificate::Command, Wrong> {
    let tenant = form::query(query, "tenant");
    let tenant = match tenant.as_str() {
        "" => None,
        text => Some(tenant_of(text)?),
    };
    let state = match form::query(query, "state").as_str() {
        "" => None,
        text => Some(State::parse(text).ok_or_else(|| {
            let all = State::ALL.map(State::as_str).join(", ");
            usage(format!("{text:?} in `state` is no state"), &format!("write one of {all}"))
        })?),
    };
    let most = match form::query(query, "most").as_str() {
        "" => LISTED,
        text => text
            .parse()
            .map_err(|_| usage(format!("{text:?} in `most` is no number"), "write how many at most"))?,
    };
    let words = form::query(query, "q").chars().take(WORDS_CHARS_MAX).collect();
    Ok(certificate::Command::List { search: Search { words, tenant, state }, most: most.min(LISTED_MAX) })
}

fn one_of(fields: &str) -> Wrong {
    usage(format!("exactly one of {fields} is wanted"), "leave the others out")
}

fn usage(what: impl Into<String>, next: &str) -> Wrong {
    CommandError::new(Kind::Usage, what, next).into()
}

/// A certificate request of the largest key we take, in PEM, and some lines around it.
const BODY_BYTES_MAX: usize = 32 * 1024;

const LISTED: usize = 200;
const LISTED_MAX: usize = 10_000;
const WORDS_CHARS_MAX: usize = 200;
