//! The desk: codes, people, devices, certificates, tenants, audit. Who may do what here is policy's:
//! whoever stands in this room was let in by a rule that names the path.

pub mod command;

mod api;
mod bulk;
mod certificates;
mod codes;
mod doings;
mod expiring;
mod frozen;
mod issue;
mod lists;
mod people;
mod phones;
mod requests;
mod revoking;
mod second;

use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response, StatusCode};

use crate::audit::{Entry, Event, Outcome};
use crate::auth::session::Sessions;
use crate::domain::enrolment::Enrolment;
use crate::domain::person::{Person, Role};
use crate::domain::{Reason, TenantId};
use crate::enrolment::first_visit::{Agent, actor};
use crate::policy::{Permit, Policy, shipped};
use crate::store::{Revision, table};
use crate::web::page::{self, Head};
use crate::web::pages::Page as _;
use crate::web::pages::desk::{self, Desk, Place};
use crate::web::routes::{self, Routes};
use crate::web::sse::{self, Happening};
use crate::web::{Visit, form, refusal};
use command::Acts;

/// The room.
pub struct Console {
    acts: Arc<Acts>,
    sessions: Arc<Sessions>,
    policy: Arc<Policy>,
}

/// Every route of the room.
pub const ROUTES: Routes = &[
    ("GET", "/"),
    ("GET", "/codes/events"),
    ("POST", "/codes/check"),
    ("GET", "/codes/*/*/*"),
    ("POST", "/codes/*/*/*/release"),
    ("POST", "/codes/*/*/*/second"),
    ("POST", "/codes/*/*/*/reject"),
    ("GET", "/people/"),
    ("GET", "/people/*/*"),
    ("GET", "/people/*/*/lock"),
    ("POST", "/people/*/*/lock"),
    ("GET", "/people/*/*/unlock"),
    ("POST", "/people/*/*/unlock"),
    ("GET", "/people/*/*/phones/*/remove"),
    ("POST", "/people/*/*/phones/*/remove"),
    ("GET", "/devices/*/*/csr"),
    ("POST", "/devices/*/*/csr"),
    ("GET", "/devices/many"),
    ("POST", "/devices/many"),
    ("GET", "/devices/*/*/new"),
    ("POST", "/devices/*/*/new"),
    ("GET", "/devices/*/*/revoke"),
    ("POST", "/devices/*/*/revoke"),
    ("GET", "/devices/*/*/*/renew"),
    ("POST", "/devices/*/*/*/renew"),
    ("GET", "/devices/*/*/*/revoke"),
    ("POST", "/devices/*/*/*/revoke"),
    ("GET", "/certificates/"),
    ("GET", "/certificates/*"),
    ("GET", "/certificates/*/revoke"),
    ("POST", "/certificates/*/revoke"),
    ("GET", "/certificates/expiring/"),
    ("GET", "/tenants/"),
    ("GET", "/tenants/*/revoke"),
    ("POST", "/tenants/*/revoke"),
    ("GET", "/audit/"),
    ("GET", "/audit/verify"),
    ("GET", "/api/v1/certificates"),
    ("POST", "/api/v1/certificates/revoke"),
    ("POST", "/api/v1/devices"),
    ("POST", "/api/v1/devices/*/*/*/renew"),
    ("POST", "/api/v1/reload"),
    ("GET", "/api/v1/routes"),
    ("POST", "/api/v1/routes"),
    ("POST", "/api/v1/routes/*/*/close"),
    ("POST", "/api/v1/routes/*/*/open"),
    ("POST", "/api/v1/routes/*/*/remove"),
];

/// One request at the desk.
struct Here<'a> {
    visit: &'a Visit,
    permit: &'a Permit,
    person: &'a Person,
    csrf: String,
    /// The view's revision before anything was read for the page.
    seen: Revision,
}

type Answer = Result<Response<Body>, Reason>;

impl Console {
    /// Over the operations.
    #[must_use]
    pub const fn new(acts: Arc<Acts>, sessions: Arc<Sessions>, policy: Arc<Policy>) -> Self {
        Self { acts, sessions, policy }
    }

    /// Serves one request.
    pub async fn serve(&self, permit: Permit, visit: Visit, request: Request<Body>) -> Response<Body> {
        let asked = format!("{} {}", request.method(), request.uri().path());
        let program = request.uri().path().starts_with(api::AT);
        let answer = if program {
            self.api(&permit, &visit, request).await
        } else {
            self.answer(&permit, &visit, request).await
        };
        match answer {
            Ok(response) => response,
            Err(reason) => {
                self.note(&reason, &asked, &permit, &visit).await;
                if program { api::refused(&reason, &visit) } else { refusal::respond(&reason, &visit) }
            }
        }
    }

    /// Writes down what a member of staff tried and may not: a rule that names the path let them in, and the
    /// room said no.
    async fn note(&self, reason: &Reason, asked: &str, permit: &Permit, visit: &Visit) {
        let (manner, certificate) = (refusal::manner(reason), permit.certificate());
        let (Some(_), Some(certificate)) = (manner.audit, certificate) else { return };
        let entry = Entry::new(actor(certificate.tenant(), certificate.person_id()), Event::RequestRefused)
            .tenant(&visit.tenant.id)
            .whence(visit.address)
            .outcome(Outcome::Refused(manner.key.to_owned()))
            .detail("asked", asked)
            .detail("request", visit.request_id.as_str());
        if let Err(error) = self.acts.ledger.record(entry, vec![]).await {
            tracing::error!(%error, "a refusal was not written down");
        }
    }

    async fn answer(&self, permit: &Permit, visit: &Visit, request: Request<Body>) -> Answer {
        let person = permit.certificate().ok_or(Reason::NoCertificate)?.person();
        let session = permit.session().ok_or(Reason::SignInFirst)?;
        let (csrf, seen) = (self.sessions.csrf(session.token()), self.acts.view.revision());
        let here = Here { visit, permit, person, csrf, seen };
        let path = request.uri().path().to_owned();
        let method = routes::listed(ROUTES, request.method().as_str(), &path)?;
        let query = request.uri().query().unwrap_or_default().to_owned();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        if method == "GET" {
            if path != "/codes/events" {
                page::only_navigations(request.headers())?;
            }
            return match parts.as_slice() {
                [""] => self.home(&here, "").await,
                ["codes", "events"] => Ok(self.events(&here, sse::seen(request.uri()))),
                ["codes", tenant, person, number] => self.code(&here, (tenant, person, number), "").await,
                ["people"] => self.people(&here, &query),
                ["people", tenant, person] => self.person(&here, tenant, person, "").await,
                ["people", tenant, person, "phones", phone, "remove"] => {
                    self.ask_remove_phone(&here, (tenant, person, phone), "")
                }
                ["people", tenant, person, doing] => self.ask_person(&here, tenant, person, doing, ""),
                ["devices", tenant, person, "csr"] => {
                    self.ask_request(&here, (tenant, person), requests::Typed::default()).await
                }
                ["devices", "many"] => self.ask_many(&here),
                ["devices", tenant, person, "new"] => self.ask_issue(&here, (tenant, person, ""), None),
                ["devices", tenant, person, device, "renew"] => {
                    self.ask_issue(&here, (tenant, person, device), None)
                }
                [.., "revoke"] => self.ask_revoke(&here, &self.falling(&parts)?, "").await,
                ["certificates", "expiring"] if path.ends_with('/') => Ok(self.expiring(&here, &query)),
                ["certificates"] => self.certificates(&here, &query),
                ["certificates", name] if name.starts_with("export.") => {
                    self.export(&here, name, &query).await
                }
                ["certificates", serial] => self.certificate(&here, serial).await,
                ["tenants"] => Ok(self.tenants(&here)),
                ["audit"] => self.audit(&here, false).await,
                ["audit", "verify"] => self.audit(&here, true).await,
                _ => Err(Reason::NotFound),
            };
        }
        let form = form::read(request, visit, &here.csrf).await?;
        match parts.as_slice() {
            ["codes", "check"] => self.check_code(&here, &form).await,
            ["codes", tenant, person, number, "release"] => {
                self.release(&here, (tenant, person, number), &form).await
            }
            ["codes", tenant, person, number, "second"] => {
                self.confirm_second(&here, (tenant, person, number), &form).await
            }
            ["codes", tenant, person, number, "reject"] => {
                self.reject(&here, (tenant, person, number), &form).await
            }
            ["people", tenant, person, "phones", phone, "remove"] => {
                self.remove_phone(&here, (tenant, person, phone), &form).await
            }
            ["people", tenant, person, doing] => self.do_person(&here, tenant, person, doing, &form).await,
            ["devices", tenant, person, "csr"] => self.certify(&here, (tenant, person), &form).await,
            ["devices", "many"] => self.issue_many(&here, &form).await,
            ["devices", tenant, person, "new"] => self.issue(&here, (tenant, person, ""), &form).await,
            ["devices", tenant, person, device, "renew"] => {
                self.issue(&here, (tenant, person, device), &form).await
            }
            [.., "revoke"] => self.revoke(&here, &self.falling(&parts)?, &form).await,
            _ => Err(Reason::NotFound),
        }
    }

    fn falling(&self, parts: &[&str]) -> Result<revoking::Falling, Reason> {
        match *parts {
            ["certificates", serial, "revoke"] => self.falling_certificate(serial),
            ["devices", tenant, person, device, "revoke"] => self.falling_device((tenant, person, device)),
            ["devices", tenant, person, "revoke"] => self.falling_person((tenant, person)),
            ["tenants", tenant, "revoke"] => self.falling_tenant(tenant),
            _ => Err(Reason::NotFound),
        }
    }

    /// What stands around a page of the desk.
    fn desk(&self, here: &Here<'_>, place: &str) -> Desk {
        let roles: Vec<&str> = here.person.roles.iter().map(|role| role.as_str()).collect();
        let places = [
            ("Codes", "/", &[Role::Owner, Role::Operator, Role::Support, Role::Auditor][..]),
            ("People", "/people/", &[Role::Owner, Role::Operator, Role::Support]),
            ("Certificates", "/certificates/", &[Role::Owner, Role::Operator]),
            ("Tenants", "/tenants/", &[Role::Owner, Role::Operator]),
            ("Audit", "/audit/", &[Role::Owner, Role::Auditor]),
        ];
        // What is shown, not what is allowed: that is the rules'.
        let places = places
            .into_iter()
            .filter(|(_, _, roles)| roles.iter().any(|role| here.person.roles.contains(role)))
            .map(|(label, href, _)| Place {
                label: label.to_owned(),
                href: href.to_owned(),
                here: href == place,
            });
        Desk {
            page: Head::of(here.visit),
            agent: here.person.name.clone(),
            roles: roles.join(", "),
            places: places.collect(),
            rule: self.rule(),
            csrf: here.csrf.clone(),
            sign_out_action: "/.portcullis/sign-out".to_owned(),
        }
    }

    /// What everybody at this desk must know of its rule; empty where it is the shipped one.
    fn rule(&self) -> String {
        let rules = self.policy.rules(&TenantId::staff());
        if rules.is_some_and(|rules| rules.file() == shipped::DEMO_CONSOLE.file) {
            DEMO_RULE.to_owned()
        } else {
            String::new()
        }
    }

    fn agent(&self, here: &Here<'_>) -> Agent {
        let actor = actor(&here.person.tenant, &here.person.id);
        Agent { actor, address: here.visit.address.to_string(), four_eyes: true }
    }

    /// One large sentence, and where to go on.
    fn outcome(
        &self,
        here: &Here<'_>,
        tone: desk::Tone,
        title: &str,
        text: &str,
        onward: (&str, &str),
    ) -> Response<Body> {
        let onward = Place { label: onward.0.to_owned(), href: onward.1.to_owned(), here: false };
        desk::Outcome {
            desk: self.desk(here, ""),
            tone,
            title: title.to_owned(),
            text: text.to_owned(),
            onward,
        }
        .response(StatusCode::OK)
    }

    /// Tells the desk's pages that a first visit moved on, or how somebody stands.
    fn events(&self, here: &Here<'_>, seen: Option<Revision>) -> Response<Body> {
        let watched = vec![table::all::<Enrolment>(), table::all::<Person>()];
        sse::watch(&self.acts.view, watched, seen, Happening::Changed, here.permit.cancel().clone())
    }
}

/// So that one person can try the demo alone.
const DEMO_RULE: &str = "This is the demo: its desk opens with certificate and password alone. The shipped rule asks for \
                         the phone as well.";
