//! Devices issued at the desk by a sheet: a one-time link each, mailed where mail can go; the passwords stand on the
//! page after it and in no mail. Files for thousands are the command line's.

use std::collections::BTreeSet;

use futures_util::{FutureExt as _, StreamExt as _};
use http::StatusCode;
use serde_json::Value;

use super::command::bulk::sheet::{self, Bad, Row};
use super::command::issue::Target;
use super::command::which::WhichPerson;
use super::command::{Command, CommandError, Kind, Output, bulk, device};
use super::doings::may;
use super::{Answer, Console, Here};
use crate::domain::Reason;
use crate::domain::person::Person;
use crate::web::form::Form;
use crate::web::pages::Page as _;
use crate::web::pages::desk::{IssueMany, IssuedMany, MadeRow};

/// What was sent, and what was not right with it.
#[derive(Default)]
struct Sent<'f> {
    text: &'f str,
    minutes: &'f str,
    skip_bad: bool,
    refused: &'f str,
    bad: Vec<Bad>,
}

impl Console {
    /// The page that takes a sheet.
    pub(super) fn ask_many(&self, here: &Here<'_>) -> Answer {
        let refused = if self.acts.site.load().start.is_some() { "" } else { NO_DOOR };
        self.many_page(here, Sent { refused, ..Sent::default() }, StatusCode::OK)
    }

    fn many_page(&self, here: &Here<'_>, sent: Sent<'_>, status: StatusCode) -> Answer {
        let minutes = MINUTES.map(|(value, said)| (value.to_owned(), said.to_owned(), value == sent.minutes));
        Ok(IssueMany {
            desk: self.desk(here, "/people/"),
            sheet: sent.text.to_owned(),
            refused: sent.refused.to_owned(),
            bad: lines(sent.bad),
            minutes: minutes.to_vec(),
            skip_bad: sent.skip_bad,
            mails: self.acts.post.load().is_some(),
            action: "/devices/many".to_owned(),
            back: "/people/".to_owned(),
        }
        .response(status))
    }

    /// Looks at every row first, then makes the links; what fails in the middle is told of, and the rest goes on.
    pub(super) async fn issue_many(&self, here: &Here<'_>, form: &Form) -> Answer {
        // As it was typed: lines are counted from its beginning.
        let text = form.secret("sheet").unwrap_or_else(|| crate::domain::Secret::new(""));
        let (text, minutes) = (text.expose(), form.text("minutes"));
        let sent = Sent { text, minutes, skip_bad: form.has("skip_bad"), ..Sent::default() };
        let again = |sent| self.many_page(here, sent, StatusCode::UNPROCESSABLE_ENTITY);
        if self.acts.site.load().start.is_none() {
            return again(Sent { refused: NO_DOOR, ..sent });
        }
        let sheet = sheet::read(text.as_bytes());
        for row in &sheet.rows {
            may(here.person, &row.tenant, &row.person)?;
        }
        let mut bad = sheet.bad;
        bad.extend(self.acts.bad_rows(&sheet.rows).await.map_err(|error| {
            tracing::error!(%error, "a sheet could not be looked at");
            Reason::Internal
        })?);
        bad.sort();
        let left_out: BTreeSet<u64> = bad.iter().map(|bad| bad.line).collect();
        let rows: Vec<Row> = sheet.rows.into_iter().filter(|row| !left_out.contains(&row.line)).collect();
        if !bad.is_empty() && (!sent.skip_bad || rows.is_empty()) {
            return again(Sent { bad, ..sent });
        }
        if rows.is_empty() {
            return again(Sent {
                refused: "It has no row below its heading: add one for each device.",
                ..sent
            });
        }

        let actor = self.agent(here).actor;
        self.note_many(&actor, true, rows.len()).await?;
        let minutes = minutes.parse().ok();
        let mut work = Vec::new();
        for row in &rows {
            work.push(self.link_for(&actor, row, minutes).boxed());
        }
        let done: Vec<_> = futures_util::stream::iter(work).buffered(AT_ONCE).collect().await;
        let (mut made, mut failed) = (Vec::new(), Vec::new());
        for (row, done) in rows.iter().zip(done) {
            match done {
                Ok((person, output)) => made.push(shown(row, &person, &output)),
                Err(error) => {
                    if error.kind == Kind::Failed {
                        tracing::error!(%error, line = row.line, "a row of a sheet failed");
                    }
                    failed.push((row.line, error.to_string()));
                }
            }
        }
        // The passwords are shown, whatever becomes of this line: the trail tells of each link already.
        if self.note_many(&actor, false, made.len()).await.is_err() {
            tracing::error!("the end of an issue in bulk was not written down");
        }
        Ok(IssuedMany {
            desk: self.desk(here, "/people/"),
            made,
            failed,
            left_out: lines(bad),
            back: "/people/".to_owned(),
        }
        .response(StatusCode::OK))
    }

    async fn note_many(&self, actor: &str, begins: bool, rows: usize) -> Result<(), Reason> {
        let note = Command::Bulk(bulk::Command::Note { begins, rows });
        self.acts.run(actor, note).await.map(drop).map_err(|error| {
            tracing::error!(%error, "an issue in bulk was not written down");
            Reason::Internal
        })
    }

    /// Person, device and link of a row; mailed where there is a mailbox to mail to.
    async fn link_for(
        &self,
        actor: &str,
        row: &Row,
        minutes: Option<u64>,
    ) -> Result<(Person, Output), CommandError> {
        let person = self.acts.record_person(actor, row).await?;
        let target = Target::New {
            person: WhichPerson { tenant: row.tenant.clone(), person: row.person.clone() },
            name: row.device.clone(),
        };
        let mail = self.acts.post.load().is_some() && !person.emails.is_empty();
        let command = Command::Device(device::Command::Link { target, minutes, mail });
        let output = self.acts.run(actor, command).await.map_err(|mut error| {
            if row.new.is_some() {
                error.next = format!(
                    "{}; {} is recorded already: write {} into person and leave name and email empty",
                    error.next, person.name, person.id
                );
            }
            error
        })?;
        Ok((person, output))
    }
}

fn shown(row: &Row, person: &Person, output: &Output) -> MadeRow {
    let text = |name: &str| output.json.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let ends = text("expires").parse::<jiff::Timestamp>().ok();
    MadeRow {
        line: row.line,
        person: person.name.clone(),
        href: format!("/people/{}/{}", row.tenant, row.person),
        tenant: row.tenant.to_string(),
        device: text("name"),
        mailed_to: text("mailed_to"),
        not_mailed: text("not_mailed"),
        link: text("link"),
        ends: ends.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default(),
        password: text("import_password"),
    }
}

fn lines(bad: Vec<Bad>) -> Vec<(u64, String)> {
    bad.into_iter().map(|bad| (bad.line, bad.what)).collect()
}

/// A link for each takes a while to tell; none lives longer than a day.
const MINUTES: [(&str, &str); 4] = [
    ("", "the site’s own time, as for a single link"),
    ("60", "1 hour"),
    ("480", "8 hours"),
    ("1440", "24 hours"),
];

const NO_DOOR: &str = "This gate has no public door, so that a link leads nowhere. Add [public] to the configuration, or \
                       issue by the command line.";

/// Links made and mailed side by side.
const AT_ONCE: usize = 8;
