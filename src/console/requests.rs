//! Certificate requests at the desk: pasted or chosen, certified by the same operation as the command line's.

use http::StatusCode;
use serde_json::Value;

use super::codes::ids;
use super::command::given::Given;
use super::command::request;
use super::command::which::{WhichDevice, WhichPerson};
use super::command::{Command, device};
use super::doings::{may, status, told};
use super::{Answer, Console, Here};
use crate::domain::device::{Device, DeviceState};
use crate::domain::{DeviceId, Reason, Time};
use crate::store::table;
use crate::web::form::Form;
use crate::web::pages::desk::{Certified, Request as RequestPage};
use crate::web::pages::{Moment, Page as _};

/// What was typed before.
#[derive(Default)]
pub(super) struct Typed<'a> {
    which: &'a str,
    device: &'a str,
    request: &'a str,
    refused: String,
}

impl Console {
    /// The page on which a request is pasted.
    pub(super) async fn ask_request(
        &self,
        here: &Here<'_>,
        (tenant, who): (&str, &str),
        typed: Typed<'_>,
    ) -> Answer {
        let (whose, id) = ids(tenant, who)?;
        let one = self.acts.view.person(&whose, &id).ok_or(Reason::NotFound)?;
        let store = &**self.acts.ledger.store();
        let all = table::list::<Device>(store, &table::devices(&whose, &id)).await;
        let devices = all.map_err(|_| Reason::Internal)?.into_iter().map(|read| read.record);
        Ok(RequestPage {
            desk: self.desk(here, "/people/"),
            person: one.name.clone(),
            devices: devices
                .filter(|device| device.state != DeviceState::Retired)
                .map(|device| (device.id.to_string(), device.name))
                .collect(),
            which: typed.which.to_owned(),
            device: typed.device.to_owned(),
            request: typed.request.to_owned(),
            action: format!("/devices/{whose}/{id}/csr"),
            back: format!("/people/{whose}/{id}"),
            refused: typed.refused.clone(),
        }
        .response(status(&typed.refused)))
    }

    pub(super) async fn certify(&self, here: &Here<'_>, (tenant, who): (&str, &str), form: &Form) -> Answer {
        let (whose, id) = ids(tenant, who)?;
        may(here.person, &whose, &id)?;
        let person = WhichPerson { tenant: whose.clone(), person: id.clone() };
        let text = form.text("request");
        let request = Given::new(text.as_bytes().to_vec());
        let command = match form.text("which") {
            "" => request::Command::Issue { person, name: form.text("device").to_owned(), request },
            which => {
                let which = DeviceId::parse(which).map_err(|_| Reason::NotFound)?;
                let device = WhichDevice { person, device: which.to_string() };
                request::Command::Renew { device, request }
            }
        };
        let command = Command::Device(device::Command::Request(command));
        let output = match self.acts.run(&self.agent(here).actor, command).await {
            Ok(output) => output,
            Err(error) => {
                let typed = Typed {
                    which: form.text("which"),
                    device: form.text("device"),
                    request: text,
                    refused: told(error)?,
                };
                return self.ask_request(here, (tenant, who), typed).await;
            }
        };
        let one = self.acts.view.person(&whose, &id).ok_or(Reason::NotFound)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let serial = text(&output.json["certificate"]["serial"]);
        let until = self.acts.view.certificate(&serial).map_or(Time(0), |issued| issued.not_after);
        let file = output.files.first().ok_or(Reason::Internal)?;
        let pem = file.bytes().ok_or(Reason::Internal)?;
        Ok(Certified {
            desk: self.desk(here, "/people/"),
            person: one.name.clone(),
            device: text(&output.json["name"]),
            subject: text(&output.json["subject"]),
            until: Moment::new(until, here.visit.now),
            file_name: file.name.clone(),
            pem: String::from_utf8_lossy(&pem).into_owned(),
            pem_base64: file.base64.clone(),
            back: format!("/people/{whose}/{id}"),
        }
        .response(StatusCode::OK))
    }
}
