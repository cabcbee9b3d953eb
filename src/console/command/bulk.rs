//! Devices issued by the sheet: rows looked at together, then issued many at a time. What is issued goes back to
//! whoever asked, under the passwords they brought; nothing of it stays here.

pub mod sheet;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::device::certificate;
use super::output::Output;
use super::person::new_person;
use super::which::WhichPerson;
use super::{Acts, CommandError, Kind, TRIES_MAX};
use crate::audit::{Entry, Event};
use crate::ca::{P12, Subject};
use crate::domain::certificate::{Certificate, CertificateState, RevocationReason};
use crate::domain::device::{Device, DeviceState};
use crate::domain::person::Person;
use crate::domain::tenant::Tenant;
use crate::domain::{DeviceId, Secret};
use crate::enrolment::issuance::Order;
use crate::store::table::{self, Stored};
use sheet::{Bad, Row};

/// What to do with rows of a sheet. Without `Debug`: passwords stand in it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Write down that an issue in bulk begins, or how it ended.
    Note {
        /// Whether it begins.
        begins: bool,
        /// How many rows it is about, or has issued.
        rows: usize,
    },
    /// Look which rows cannot be issued.
    Check {
        /// Which.
        rows: Vec<Row>,
    },
    /// Issue them.
    Issue {
        /// Which.
        rows: Vec<Wanted>,
    },
}

/// A row with what whoever asks has written down for it before: so it can be asked for again.
#[derive(Clone, Serialize, Deserialize)]
pub struct Wanted {
    /// Which.
    pub row: Row,
    /// The device's id; where it is on record already, an earlier run was broken off.
    pub device: DeviceId,
    /// What the .p12 is wrapped under.
    #[serde(serialize_with = "exposed")]
    pub password: Secret,
}

impl Acts {
    pub(super) async fn bulk(&self, actor: &str, command: Command) -> Result<Output, CommandError> {
        match command {
            Command::Note { begins, rows } => {
                let event = if begins { Event::BulkBegun } else { Event::BulkEnded };
                self.record(Entry::new(actor, event).detail("rows", rows.to_string()), vec![]).await?;
                Ok(Output::new(json!({}), vec![]))
            }
            Command::Check { rows } => {
                let bad = self.bad_rows(&rows).await?;
                Ok(Output::new(json!({ "bad": bad }), vec![]))
            }
            Command::Issue { rows } => self.issue_rows(actor, &rows).await,
        }
    }

    /// Rows that the gate as it is now would not issue.
    ///
    /// # Errors
    /// The store's.
    pub async fn bad_rows(&self, rows: &[Row]) -> Result<Vec<Bad>, CommandError> {
        let mut bad = Vec::new();
        for row in rows {
            if let Err(error) = self.look_at(row).await {
                if error.kind == Kind::Failed {
                    return Err(error);
                }
                bad.push(Bad { line: row.line, what: error.to_string() });
            }
        }
        Ok(bad)
    }

    async fn look_at(&self, row: &Row) -> Result<(), CommandError> {
        let tenant = self.find_tenant(&row.tenant).await?.record;
        let found = self.read::<Person>(&table::person(&row.tenant, &row.person)).await?;
        if let (Some(_), Some(new)) = (&found, &row.new) {
            return Err(CommandError::new(
                Kind::Exists,
                format!("there is a person `{}/{}` already", row.tenant, row.person),
                format!(
                    "write the id into person and leave name empty, or give this {} another id",
                    new.name
                ),
            ));
        }
        let person = self.person_of(row, found).await?.0;
        self.must_be_free(row).await?;
        Subject::of(&tenant, &person, &self.device_of(row, &DeviceId::from_bits([0; 16]), ""))
            .map_err(|error| CommandError::new(Kind::Usage, error.to_string(), "mend it in the sheet"))?;
        Ok(())
    }

    /// The person of a row, recorded now where the row says so.
    ///
    /// # Errors
    /// As for the row itself.
    pub async fn record_person(&self, actor: &str, row: &Row) -> Result<Person, CommandError> {
        let mut tries = 1;
        loop {
            let found = self.read::<Person>(&table::person(&row.tenant, &row.person)).await?;
            let (person, is_new) = self.person_of(row, found).await?;
            if !is_new {
                return Ok(person);
            }
            let entry = Entry::new(actor, Event::PersonCreated)
                .tenant(&row.tenant)
                .whom(format!("person:{}/{}", row.tenant, row.person))
                .detail("bulk", format!("line {}", row.line));
            match self.record(entry, vec![table::create(&person)]).await {
                Ok(_) => return Ok(person),
                // Another row of the same person was faster.
                Err(error) if error.kind == Kind::Conflict && tries < TRIES_MAX => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Whose row it is, and whether the person is yet to be recorded.
    async fn person_of(
        &self,
        row: &Row,
        found: Option<Stored<Person>>,
    ) -> Result<(Person, bool), CommandError> {
        let (person, is_new) = match (found, row.add()) {
            (Some(found), None) => (found.record, false),
            (Some(found), Some(add)) => {
                // Recorded by a row before this one, or by an earlier run.
                let wanted = new_person(add, found.record.created)?;
                if (&wanted.name, &wanted.emails) != (&found.record.name, &found.record.emails) {
                    return Err(CommandError::new(
                        Kind::Exists,
                        format!("there is another person `{}/{}` already", row.tenant, row.person),
                        "write another id into person",
                    ));
                }
                (found.record, false)
            }
            (None, Some(add)) => (new_person(add, self.now())?, true),
            (None, None) => {
                let which = WhichPerson { tenant: row.tenant.clone(), person: row.person.clone() };
                (self.find_person(&which).await?.record, false)
            }
        };
        if person.shut_out(self.now()) {
            return Err(CommandError::new(
                Kind::Refused,
                format!("{} is kept out", person.name),
                format!("let them in first: `portcullis person unlock {}/{}`", person.tenant, person.id),
            ));
        }
        Ok((person, is_new))
    }

    async fn must_be_free(&self, row: &Row) -> Result<(), CommandError> {
        let all: Vec<Stored<Device>> = self.read_all(&table::devices(&row.tenant, &row.person)).await?;
        let taken = |one: &Device| one.name == row.device && one.state != DeviceState::Retired;
        if all.iter().any(|read| taken(&read.record)) {
            return Err(CommandError::new(
                Kind::Exists,
                format!("`{}/{}` has a device {:?} already", row.tenant, row.person, row.device),
                "call this one otherwise, or take the row out",
            ));
        }
        Ok(())
    }

    fn device_of(&self, row: &Row, id: &DeviceId, actor: &str) -> Device {
        Device {
            tenant: row.tenant.clone(),
            person: row.person.clone(),
            id: id.clone(),
            name: row.device.clone(),
            state: DeviceState::Issued,
            issued_by: actor.to_owned(),
            delivered_by: None,
            released_by: None,
            created: self.now(),
        }
    }

    /// All at once: their commits share an fsync, and their keys are made on every core.
    async fn issue_rows(&self, actor: &str, rows: &[Wanted]) -> Result<Output, CommandError> {
        self.authority()?;
        if rows.len() > ROWS_AT_ONCE_MAX {
            let what = format!("more than {ROWS_AT_ONCE_MAX} rows at once");
            return Err(CommandError::new(Kind::Usage, what, "ask for fewer"));
        }
        let work = rows.iter().map(|wanted| self.issue_row(actor, wanted));
        let (mut issued, mut failed) = (Vec::new(), Vec::new());
        let mut output = Output::new(json!({}), vec![]);
        for (wanted, done) in rows.iter().zip(futures_util::future::join_all(work).await) {
            match done {
                Ok((one, file)) => {
                    issued
                        .push(json!({ "device": wanted.device.as_str(), "certificate": certificate(&one) }));
                    output = output.with_file(wanted.device.as_str(), &file.bytes);
                }
                Err(error) => failed.push(json!({
                    "device": wanted.device.as_str(), "line": wanted.row.line, "what": error.to_string(),
                })),
            }
        }
        output.json = json!({ "issued": issued, "failed": failed });
        Ok(output)
    }

    /// One row, again where somebody else was faster: two rows may record the same person. A device that is on record by
    /// then was taken over by a later run.
    async fn issue_row(&self, actor: &str, wanted: &Wanted) -> Result<(Certificate, P12), CommandError> {
        let key = table::device(&wanted.row.tenant, &wanted.row.person, &wanted.device);
        let mut tries = 1;
        loop {
            match self.issue_row_once(actor, wanted).await {
                Err(error) if error.kind == Kind::Conflict && tries < TRIES_MAX => {
                    if self.read::<Device>(&key).await?.is_some() {
                        return Err(error);
                    }
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    async fn issue_row_once(&self, actor: &str, wanted: &Wanted) -> Result<(Certificate, P12), CommandError> {
        let row = &wanted.row;
        let tenant: Tenant = self.find_tenant(&row.tenant).await?.record;
        let found = self.read::<Person>(&table::person(&row.tenant, &row.person)).await?;
        let (person, is_new) = self.person_of(row, found).await?;
        let begun = self.read::<Device>(&table::device(&row.tenant, &row.person, &wanted.device)).await?;
        let (device, known) = match begun {
            Some(begun) => {
                must_be_begun(row, &begun.record)?;
                (begun.record.clone(), Some(begun))
            }
            None => {
                self.must_be_free(row).await?;
                (self.device_of(row, &wanted.device, actor), None)
            }
        };
        let order = Order {
            tenant: &tenant,
            person: &person,
            device: &device,
            by: actor,
            whence: "",
            event: Event::CertificateIssued,
        };
        let (event, mut writes) = match &known {
            // Put as it is: whoever read it before, and may still be at work for a run that was broken off, issues no more.
            Some(read) => (Event::GrantMade, vec![table::replace(read, &device)]),
            None => (Event::DeviceCreated, vec![table::create(&device)]),
        };
        if is_new {
            writes.push(table::create(&person));
        }
        let entry = order.entry(event).detail("bulk", format!("line {}", row.line));
        let evidence = format!("sheet of {actor}, line {}", row.line);
        let grant = self.issuance.open(&order, evidence, entry, writes).await?;
        let ours = Stored { record: device.clone(), revision: grant.revision };
        if known.is_some() {
            self.void(actor, &ours).await?;
        }
        let as_seen = table::unchanged(&ours);
        let password = Some(wanted.password.clone());
        Ok(self.issuance.p12(&order, &grant, row.encoding, password, vec![as_seen]).await?)
    }

    /// A run that was broken off may have left a certificate whose file nobody has: it is revoked before another
    /// takes its place.
    async fn void(&self, actor: &str, begun: &Stored<Device>) -> Result<(), CommandError> {
        let device = &begun.record;
        // All that was issued before the device was put.
        self.view.reached(begun.revision).await?;
        let orphans = self.view.certificates_of(&device.tenant, &device.id);
        let at = self.now();
        for orphan in orphans.iter().filter(|one| one.state == CertificateState::Active) {
            let Some(read) = self.read::<Certificate>(&table::certificate(&orphan.serial)).await? else {
                continue;
            };
            let state = CertificateState::Revoked { reason: RevocationReason::Superseded, at };
            let revoked = Certificate { state, ..read.record.clone() };
            let entry = Entry::new(actor, Event::CertificateRevoked)
                .tenant(&device.tenant)
                .whom(format!("device:{}", device.id))
                .detail("reason", RevocationReason::Superseded.as_str())
                .detail("serials", &orphan.serial)
                .detail("why", "an issue in bulk was broken off before its file was kept");
            self.record(entry, vec![table::replace(&read, &revoked), table::unchanged(begun)]).await?;
        }
        Ok(())
    }
}

/// A device that somebody came with was handed over, and is left alone.
fn must_be_begun(row: &Row, device: &Device) -> Result<(), CommandError> {
    if device.name == row.device && device.state == DeviceState::Issued {
        return Ok(());
    }
    Err(CommandError::new(
        Kind::Refused,
        format!("{:?} of `{}/{}` is in use already", device.name, device.tenant, device.person),
        "take the row out; `portcullis device renew` makes another certificate for it",
    ))
}

fn exposed<S: serde::Serializer>(password: &Secret, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(password.expose())
}

/// What shares an fsync, and what one answer carries.
pub const ROWS_AT_ONCE_MAX: usize = 64;
