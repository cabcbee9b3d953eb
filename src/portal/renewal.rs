//! A new certificate for the device at which its owner sits: the phone agrees, a grant is made, the password
//! stands on the screen, and the file is made while it is downloaded. Neither is stored: the password is in
//! this node's memory for some minutes, the key as long as the file is written.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::{Answer, Here, LIST, Portal, refused};
use crate::audit::{Event, RecordError};
use crate::ca::{P12, ProfileWords, Subject, import_password};
use crate::domain::approval::Purpose;
use crate::domain::certificate::Certificate;
use crate::domain::device::{Device, DeviceState};
use crate::domain::grant::Grant;
use crate::domain::{GrantId, Reason, Secret, Time};
use crate::enrolment::issuance::{NotIssued, Order};
use crate::sign_in::questions::{Question, Turn, Waiting, Way};
use crate::sign_in::with_cookie;
use crate::store::Revision;
use crate::store::table::{self, Stored};
use crate::web::form;
use crate::web::page::{Head, secure, see_other};
use crate::web::pages::Page as _;
use crate::web::pages::guide::guide;
use crate::web::pages::settings::{Choose, Ready, Told};
use crate::web::platform::{Form, Platform};

/// What a session is making.
#[derive(Clone)]
pub(super) struct Renewal {
    platform: Platform,
    form: Form,
    stage: Stage,
}

#[derive(Clone)]
enum Stage {
    /// The phone is asked.
    Asked,
    /// The phone agreed.
    Granted(Granted),
}

/// What the page shows, and what it may take once.
#[derive(Clone)]
struct Granted {
    grant: GrantId,
    password: Secret,
    until: Time,
    made: bool,
}

impl Portal {
    /// The page that comes next.
    pub(super) async fn renewal(&self, here: &Here<'_>) -> Answer {
        let Some(renewal) = self.renewals.get(here.session.token(), here.visit.now) else {
            return Ok(self.choose(here));
        };
        if let Stage::Granted(granted) = &renewal.stage {
            return Ok(ready(here, &renewal, granted));
        }
        match self.parts.questions.turn(&waiting(here), Purpose::RenewCertificate).await? {
            // The phone has been asked something else since, or it was long ago.
            Turn::Unasked => {
                self.renewals.forget(here.session.token());
                Ok(self.choose(here))
            }
            Turn::Show(page) => Ok(page),
            Turn::Approved(question) => self.take_up(here, &renewal, &question).await,
        }
    }

    /// Takes a form of these pages.
    pub(super) async fn renewal_taken(&self, here: &Here<'_>, doing: &str, form: &form::Form) -> Answer {
        let token = here.session.token();
        match doing {
            "ask" => {
                if !self.parts.questions.has_phone(here.certificate) {
                    return Ok(self.choose(here));
                }
                let platform = Platform::parse(form.text("platform"));
                let platform = platform.unwrap_or_else(|| Platform::recognised(&here.visit.browser));
                let form = Form::asked(form.text("form"), platform);
                self.ask(here, Renewal { platform, form, stage: Stage::Asked }).await
            }
            "again" => match self.renewals.get(token, here.visit.now) {
                Some(Renewal { stage: Stage::Granted(_), .. }) | None => Ok(see_other(NEW)),
                Some(renewal) => self.ask(here, renewal).await,
            },
            "cancel" => {
                self.renewals.forget(token);
                self.parts.questions.withdraw(here.session.session(), here.visit.now).await?;
                Ok(see_other(LIST))
            }
            "download" => self.download(here).await,
            "done" => {
                self.renewals.forget(token);
                Ok(see_other(LIST))
            }
            _ => Err(Reason::NotFound),
        }
    }

    /// Tells the waiting page when the phone has answered.
    pub(super) fn renewal_events(&self, here: &Here<'_>, seen: Option<Revision>) -> Response<Body> {
        let approvals = table::approvals(here.certificate.tenant(), here.certificate.person_id());
        let watched = vec![approvals, table::session(here.session.token())];
        self.parts.questions.events(watched, seen, here.cancel)
    }

    fn choose(&self, here: &Here<'_>) -> Response<Body> {
        let mine = Platform::recognised(&here.visit.browser);
        let platforms = Platform::ALL.map(|one| (one.as_str(), one.name(), one == mine)).to_vec();
        Choose {
            page: Head::of(here.visit),
            csrf: here.csrf.clone(),
            device: here.certificate.device().name.clone(),
            platforms,
            browser: here.visit.browser.clone(),
            has_phone: self.parts.questions.has_phone(here.certificate),
            action: action("ask"),
            back: LIST.to_owned(),
        }
        .response(StatusCode::OK)
    }

    async fn ask(&self, here: &Here<'_>, renewal: Renewal) -> Answer {
        // Nobody is asked for what cannot be made here.
        self.parts.issuance.authority().map_err(told)?;
        self.parts.questions.ask(&waiting(here), Purpose::RenewCertificate).await?;
        let until = here.visit.now.plus(ASKED_KEPT);
        self.renewals.put(here.session.token(), here.visit.now, until, renewal);
        Ok(see_other(NEW))
    }

    /// The phone agreed: one commit makes the grant and gives the session another token, so that the approval,
    /// which was this token's, is used up. It proves nothing else: the session has signed in as it had before.
    async fn take_up(&self, here: &Here<'_>, renewal: &Renewal, question: &Question) -> Answer {
        let token = here.session.token();
        let Some(approved) = self.parts.questions.taken(here.session.session(), question).await? else {
            self.renewals.forget(token);
            return Ok(see_other(NEW));
        };
        let device = self.device(here).await?;
        let (by, whence) = (here.actor(), here.visit.address.to_string());
        let order = order(here, &device.record, &by, &whence);
        let step = self.parts.sessions.step(token, &[], &here.visit.tenant).await;
        let (begun, mut writes) = step.map_err(refused)?;
        let evidence = format!("approval {} on the phone", question.id);
        let grant = self.parts.issuance.grant(&order, evidence, None, GRANT_LIVES);
        writes.extend([approved.unchanged, table::unchanged(&device), table::create(&grant)]);
        let entry = order
            .entry(Event::GrantMade)
            .detail("approval", question.id.as_str())
            .detail("platform", renewal.platform.as_str())
            .detail("form", renewal.form.as_str())
            .detail("encoding", renewal.form.encoding().as_str());
        self.parts.ledger.record(entry, writes).await.map_err(refused)?;
        let password = import_password::draw(&self.parts.world);
        let granted = Granted { grant: grant.id, password, until: grant.expires, made: false };
        let renewal = Renewal { stage: Stage::Granted(granted), ..renewal.clone() };
        self.renewals.forget(token);
        self.renewals.put(&begun.session.token, here.visit.now, grant.expires, renewal);
        Ok(with_cookie(see_other(NEW), &begun))
    }

    /// Makes key, certificate and file, and sends them; once.
    async fn download(&self, here: &Here<'_>) -> Answer {
        let (token, now) = (here.session.token(), here.visit.now);
        let Some(renewal) = self.renewals.get(token, now) else { return Ok(over(here)) };
        let Stage::Granted(granted) = &renewal.stage else { return Ok(see_other(NEW)) };
        let store = &**self.parts.ledger.store();
        let grant = table::get::<Grant>(store, &table::grant(&granted.grant)).await;
        let Some(grant) = grant.map_err(|_| Reason::Internal)?.filter(|_| !granted.made) else {
            return Ok(over(here));
        };
        let device = self.device(here).await?;
        let (by, whence) = (here.actor(), here.visit.address.to_string());
        let order = order(here, &device.record, &by, &whence);
        let mut also = vec![table::unchanged(&device)];
        also.extend(self.parts.issuance.notice(&order, &grant).map_err(told)?);
        let (encoding, password) = (renewal.form.encoding(), granted.password.clone());
        let made = self.parts.issuance.p12(&order, &grant, encoding, Some(password), also).await;
        let (certificate, file) = match made {
            Ok(made) => made,
            // Of two who download at once, one gets it.
            Err(NotIssued::Record(RecordError::Conflict)) => return Ok(over(here)),
            Err(error) => return Err(told(error)),
        };
        let stage = Stage::Granted(Granted { made: true, ..granted.clone() });
        self.renewals.put(token, now, granted.until, Renewal { stage, ..renewal.clone() });
        self.sent(here, renewal.form, &order, &certificate, file)
    }

    fn sent(
        &self,
        here: &Here<'_>,
        form: Form,
        order: &Order<'_>,
        certificate: &Certificate,
        file: P12,
    ) -> Answer {
        let name = file_name(&order.device.name, form);
        let bytes = match form {
            // Wiped when it is sent.
            Form::P12(_) => Bytes::from_owner(file.bytes),
            Form::Profile => {
                let subject = Subject::of(order.tenant, order.person, order.device);
                let common_name = subject.map_err(|_| Reason::Internal)?.common_name(certificate.not_after);
                let words = ProfileWords {
                    organization: &order.tenant.name,
                    common_name: &common_name,
                    device: &order.device.name,
                    host: &here.visit.host,
                    file_name: &file_name(&order.device.name, Form::P12(file.encoding)),
                };
                let authority = self.parts.issuance.authority().map_err(told)?;
                let signed = authority.mobileconfig(&file, certificate, words, here.visit.now);
                Bytes::from(signed.map_err(|error| told(error.into()))?)
            }
        };
        let mut response = Response::new(Body::from(bytes));
        let headers = response.headers_mut();
        secure(headers, &here.visit.host);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
        let disposition = format!("attachment; filename=\"{name}\"");
        let disposition = HeaderValue::from_str(&disposition).map_err(|_| Reason::Internal)?;
        headers.insert(header::CONTENT_DISPOSITION, disposition);
        Ok(response)
    }

    /// The device of the certificate that this browser shows, as it is now.
    async fn device(&self, here: &Here<'_>) -> Result<Stored<Device>, Reason> {
        let one = here.certificate;
        let key = table::device(one.tenant(), one.person_id(), one.device_id());
        let read = table::get::<Device>(&**self.parts.ledger.store(), &key).await;
        let read = read.map_err(|_| Reason::Internal)?;
        read.filter(|read| read.record.state != DeviceState::Retired).ok_or(Reason::UnknownDevice)
    }
}

fn order<'a>(here: &'a Here<'_>, device: &'a Device, by: &'a str, whence: &'a str) -> Order<'a> {
    Order {
        tenant: &here.visit.tenant,
        person: here.certificate.person(),
        device,
        by,
        whence,
        event: Event::CertificateRenewed,
    }
}

fn waiting<'a>(here: &'a Here<'_>) -> Waiting<'a> {
    let way = Way { again: AGAIN, cancel: CANCEL, events: EVENTS };
    let (certificate, token) = (here.certificate, here.session.token());
    Waiting { visit: here.visit, certificate, token, csrf: &here.csrf, way }
}

fn ready(here: &Here<'_>, renewal: &Renewal, granted: &Granted) -> Response<Body> {
    let device = here.certificate.device().name.clone();
    let groups: Vec<String> = granted.password.expose().split('-').map(str::to_owned).collect();
    let spoken = |group: &String| import_password::spoken(&Secret::new(group.clone())).expose().to_owned();
    let form = match renewal.form {
        Form::Profile => "A profile for iPhone, iPad and Mac, signed by us (.mobileconfig).".to_owned(),
        Form::P12(encoding) => format!("A .p12 file, {} encoding.", encoding.as_str()),
    };
    Ready {
        page: Head::of(here.visit),
        csrf: here.csrf.clone(),
        spoken: groups.iter().map(spoken).collect(),
        groups,
        file_name: file_name(&device, renewal.form),
        device,
        made: granted.made,
        platform: renewal.platform.name().to_owned(),
        form,
        guide: guide(renewal.platform.as_str(), renewal.form == Form::Profile),
        left_secs: granted.until.since(here.visit.now).as_secs(),
        total_secs: GRANT_LIVES.as_secs(),
        download: action("download"),
        done: action("done"),
    }
    .response(StatusCode::OK)
}

/// Nothing is to be downloaded any more.
fn over(here: &Here<'_>) -> Response<Body> {
    Told {
        page: Head::of(here.visit),
        csrf: here.csrf.clone(),
        title: "This file cannot be downloaded any more".to_owned(),
        text:
            "Each file is made once, and we keep no copy. If it did not arrive, or its time was over, create \
               another: your phone is asked again."
                .to_owned(),
        label: "Create another".to_owned(),
        href: LIST.to_owned(),
    }
    .response(StatusCode::GONE)
}

/// `laptop.p12`: what file systems and headers take, whatever the device is called.
fn file_name(device: &str, form: Form) -> String {
    let plain: String = device
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(40)
        .collect();
    let plain = plain.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    let plain = if plain.is_empty() { "certificate" } else { &plain };
    format!("{plain}.{}", form.as_str())
}

fn told(error: NotIssued) -> Reason {
    tracing::error!(%error, "a certificate was not made in the settings");
    match error {
        NotIssued::NoAuthority => Reason::Busy,
        NotIssued::Record(error) => refused(error),
        NotIssued::Ca(_) | NotIssued::Subject(_) | NotIssued::KeyKnown | NotIssued::BrokenOff => {
            Reason::Internal
        }
    }
}

fn action(name: &str) -> String {
    format!("{NEW}{name}")
}

const NEW: &str = "/.portcullis/settings/certificates/new/";
const AGAIN: &str = "/.portcullis/settings/certificates/new/again";
const CANCEL: &str = "/.portcullis/settings/certificates/new/cancel";
const EVENTS: &str = "/.portcullis/settings/certificates/new/events";

/// What was chosen is kept while the phone may answer, and its end be told.
const ASKED_KEPT: Duration = Duration::from_secs(10 * 60);

/// For somebody who copies the password slowly; the shortest session's idle time ends it sooner.
const GRANT_LIVES: Duration = Duration::from_secs(10 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::Encoding;

    #[test]
    fn file_names_are_plain() {
        let p12 = Form::P12(Encoding::Modern);
        assert_eq!(file_name("Anna’s \"big\" laptop", p12), "anna-s-big-laptop.p12");
        assert_eq!(file_name("日本", Form::Profile), "certificate.mobileconfig");
        assert_eq!(file_name("../../x\r\ny", p12), "x-y.p12");
    }
}
