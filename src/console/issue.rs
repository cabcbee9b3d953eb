//! A certificate issued or renewed at the desk, handed over in one of three ways: a one-time link, the file by mail,
//! the file taken along. The way is chosen first; the password stands on the page after it, and in no mail.

use http::StatusCode;
use serde_json::Value;

use super::codes::ids;
use super::command::issue::Target;
use super::command::which::{WhichDevice, WhichPerson};
use super::command::{Command, Output, device};
use super::doings::{may, status, told};
use super::{Answer, Console, Here};
use crate::ca::{Encoding, import_password};
use crate::domain::device::{Device, DeviceState};
use crate::domain::person::Person;
use crate::domain::{DeviceId, PersonId, Reason, Secret, TenantId, Time};
use crate::web::form::Form;
use crate::web::pages::desk::{Delivered, IssueDevice, Issued, Ways};
use crate::web::pages::{Moment, Page as _};

/// Whose device, and which: none where it is new.
struct Whose {
    tenant: TenantId,
    person: std::sync::Arc<Person>,
    device: Option<std::sync::Arc<Device>>,
}

/// What was chosen on the page, and what was not right with it.
pub(super) struct Tried<'a> {
    name: &'a str,
    way: &'a str,
    refused: &'a str,
}

impl Console {
    /// The page before a certificate is issued or renewed.
    pub(super) fn ask_issue(
        &self,
        here: &Here<'_>,
        at: (&str, &str, &str),
        tried: Option<Tried<'_>>,
    ) -> Answer {
        let whose = self.whose(at)?;
        let acts = &self.acts;
        let tenant = acts.view.tenant(&whose.tenant).ok_or(Reason::NotFound)?;
        let tried = tried.unwrap_or(Tried { name: "", way: "", refused: "" });
        let mail_to =
            whose.person.emails.first().filter(|_| acts.post.load().is_some()).cloned().unwrap_or_default();
        let no_mail = match (&*acts.post.load(), whose.person.emails.is_empty()) {
            (None, _) => "This gate has no mail server.",
            (_, true) => "No e-mail address is recorded.",
            _ => "",
        };
        let links = acts.site.load().start.is_some();
        let usual = if links { "link" } else { "hand" };
        let known = ["link", "mail", "hand"].contains(&tried.way);
        Ok(IssueDevice {
            desk: self.desk(here, "/people/"),
            person: whose.person.name.clone(),
            renews: whose.device.as_ref().map(|device| device.name.clone()).unwrap_or_default(),
            device: tried.name.to_owned(),
            refused: tried.refused.to_owned(),
            ways: Ways {
                chosen: if known { tried.way } else { usual }.to_owned(),
                links,
                minutes: tenant.certificates.delivery_secs / 60,
                mail_to,
                no_mail: no_mail.to_owned(),
            },
            action: whose.action(),
            back: whose.back(),
        }
        .response(status(tried.refused)))
    }

    /// Issues or renews, and hands over by the way that was chosen.
    pub(super) async fn issue(&self, here: &Here<'_>, at: (&str, &str, &str), form: &Form) -> Answer {
        let whose = self.whose(at)?;
        may(here.person, &whose.tenant, &whose.person.id)?;
        let (way, name) = (form.text("way"), form.text("device"));
        let encoding = Encoding::parse(form.text("encoding")).unwrap_or(Encoding::Modern);
        let person = WhichPerson { tenant: whose.tenant.clone(), person: whose.person.id.clone() };
        let target = match &whose.device {
            None => Target::New { person, name: name.to_owned() },
            Some(device) => Target::Again(WhichDevice { person, device: device.id.to_string() }),
        };
        let command = match (way, target) {
            ("link", target) => device::Command::Link { target, minutes: None, mail: form.has("mail_link") },
            ("mail", target) => device::Command::Mail { target, encoding },
            ("hand", Target::New { person, name }) => device::Command::Issue { person, name, encoding },
            ("hand", Target::Again(device)) => device::Command::Renew { device, encoding },
            _ => {
                let refused = "Please choose first how the file reaches its owner.";
                return self.ask_issue(here, at, Some(Tried { name, way, refused }));
            }
        };
        match self.acts.run(&self.agent(here).actor, Command::Device(command)).await {
            Ok(output) => self.handed(here, &whose, encoding, &output),
            Err(error) => {
                let refused = told(error)?;
                self.ask_issue(here, at, Some(Tried { name, way, refused: &refused }))
            }
        }
    }

    /// The page after it: the password, and the file or the link only where the operator is to take it along.
    fn handed(&self, here: &Here<'_>, whose: &Whose, encoding: Encoding, output: &Output) -> Answer {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let json = &output.json;
        let password = Secret::new(text(&json["import_password"]));
        let groups: Vec<String> = password.expose().split('-').map(str::to_owned).collect();
        let spoken =
            |group: &String| import_password::spoken(&Secret::new(group.clone())).expose().to_owned();
        let spoken: Vec<String> = groups.iter().map(spoken).collect();
        let (desk, person, name) =
            (self.desk(here, "/people/"), whose.person.name.clone(), text(&json["name"]));
        let not_mailed = text(&json["not_mailed"]);
        let Some(file) = output.files.first() else {
            let expires = json["expires"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
            let left = expires.map(|until| Moment::new(Time::from_secs(until.as_second()), here.visit.now));
            return Ok(Delivered {
                desk,
                person,
                device: name,
                link: text(&json["link"]),
                ends: left,
                mailed_to: text(&json["mailed_to"]),
                not_mailed,
                password_spoken: spoken,
                password_groups: groups,
                back: whose.back(),
            }
            .response(StatusCode::OK));
        };
        let serial = text(&json["certificate"]["serial"]);
        let until = self.acts.view.certificate(&serial).map_or(Time(0), |issued| issued.not_after);
        Ok(Issued {
            desk,
            subject: format!("{person}, {name}, until {}", until.format("%Y-%m")),
            person,
            device: name,
            not_mailed,
            until: Moment::new(until, here.visit.now),
            file_name: file.name.clone(),
            encoding: match encoding {
                Encoding::Modern => "modern: for Windows 11, Linux, Firefox and Chrome",
                Encoding::Compatible => "compatible: for Mac, iPhone, iPad and older Windows",
            }
            .to_owned(),
            p12_base64: file.base64.clone(),
            password_spoken: spoken,
            password_groups: groups,
            back: whose.back(),
        }
        .response(StatusCode::OK))
    }

    fn whose(&self, (tenant, person, device): (&str, &str, &str)) -> Result<Whose, Reason> {
        let (tenant, id): (TenantId, PersonId) = ids(tenant, person)?;
        let person = self.acts.view.person(&tenant, &id).ok_or(Reason::NotFound)?;
        let device = match device {
            "" => None,
            device => {
                let which = DeviceId::parse(device).map_err(|_| Reason::NotFound)?;
                let found = self.acts.view.device(&tenant, &id, &which);
                Some(found.filter(|one| one.state != DeviceState::Retired).ok_or(Reason::NotFound)?)
            }
        };
        Ok(Whose { tenant, person, device })
    }
}

impl Whose {
    fn action(&self) -> String {
        let of = format!("/devices/{}/{}", self.tenant, self.person.id);
        match &self.device {
            None => format!("{of}/new"),
            Some(device) => format!("{of}/{}/renew", device.id),
        }
    }

    fn back(&self) -> String {
        format!("/people/{}/{}", self.tenant, self.person.id)
    }
}
