//! The issue history: every certificate there ever was, found, shown one by one, exported. Changes nothing; an
//! export, which carries names and addresses out of the house, is written down.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::output::{Output, columns};
use super::search::{Found, Search, fingerprint, revoked};
use super::{Acts, CommandError, Kind};
use crate::audit::{self, Entry, Event, Numbered};
use crate::domain::Time;
use crate::domain::certificate::{Certificate, CertificateState, LastUse};
use crate::store::table;

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A line a certificate, with a heading (RFC 4180).
    Csv,
    /// A list of objects.
    Json,
}

/// One certificate and what is known of it.
pub struct History {
    /// It.
    pub found: Found,
    /// When it last signed in.
    pub last_used: Option<Time>,
    /// What happened to it, oldest first.
    pub steps: Vec<(Time, String)>,
    /// The other certificates of its device, newest first.
    pub others: Vec<Found>,
    /// Lines of the audit trail that name it, oldest first, from the last [`TRAIL_LINES`].
    pub trail: Vec<Numbered>,
}

impl Format {
    /// Ending of the file's name.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

impl Acts {
    pub(super) fn list_certificates(&self, search: &Search, most: usize) -> Output {
        let found = search.find(&self.view, self.now());
        let shown = &found[..found.len().min(most)];
        let rows: Vec<[String; 5]> = shown
            .iter()
            .map(|one| {
                let of = &one.certificate;
                [
                    format!("{}/{}", of.tenant, of.person),
                    one.device_name().to_owned(),
                    one.state.as_str().to_owned(),
                    of.not_after.format("%Y-%m-%d"),
                    of.serial.clone(),
                ]
            })
            .collect();
        let none = "No certificate fits: look with fewer words, or without --state.";
        let mut lines = columns(["person", "device", "state", "until", "serial"], &rows, none);
        if shown.len() < found.len() {
            lines.push(format!(
                "The first {} of {}: narrow it down, or take all with `certificate export`.",
                shown.len(),
                found.len()
            ));
        }
        let certificates: Vec<Value> = shown.iter().map(|one| told(one, None)).collect();
        Output::new(json!({ "certificates": certificates, "total": found.len() }), lines)
    }

    pub(super) async fn show_certificate(&self, number: &str) -> Result<Output, CommandError> {
        let search = Search { words: number.to_owned(), ..Search::default() };
        let found = search.find(&self.view, self.now());
        let [one] = found.as_slice() else {
            let what = match found.len() {
                0 => format!("no certificate has the number {number:?}"),
                many => format!("{number:?} fits {many} certificates"),
            };
            return Err(CommandError::new(
                Kind::NotFound,
                what,
                "`portcullis certificate list` shows serial numbers; give enough of one",
            ));
        };
        let history = self.history(&one.certificate.serial).await?.ok_or_else(|| {
            CommandError::new(Kind::NotFound, "the certificate is gone", "`portcullis certificate list`")
        })?;
        let of = &history.found.certificate;
        let mut lines = vec![
            format!(
                "{}, {} of {}/{}",
                history.found.owner(),
                history.found.device_name(),
                of.tenant,
                of.person
            ),
            format!("  state         {}", history.found.state.as_str()),
            format!("  until         {}", of.not_after.day()),
            format!("  serial        {}", of.serial),
            format!("  sha-256       {}", fingerprint(of)),
            format!("  issuing CA    {}", of.issuer),
            String::new(),
        ];
        lines.extend(history.steps.iter().map(|(when, what)| format!("  {}  {what}", when.minute())));
        lines.push(String::new());
        lines.extend(
            history
                .trail
                .iter()
                .map(|line| format!("  {}/{}  {}  {}", line.node, line.sequence, line.what, line.who)),
        );
        let mut json = told(&history.found, history.last_used);
        json["history"] = history
            .steps
            .iter()
            .map(|(when, what)| json!({ "when": when.to_string(), "what": what }))
            .collect();
        json["others"] = history.others.iter().map(|one| told(one, None)).collect();
        json["trail"] = history
            .trail
            .iter()
            .map(|line| json!({ "number": format!("{}/{}", line.node, line.sequence), "what": line.what, "who": line.who }))
            .collect();
        Ok(Output::new(json, lines))
    }

    /// What is known of one certificate; `None` where there is no such one.
    ///
    /// # Errors
    /// The store's.
    pub async fn history(&self, serial: &str) -> Result<Option<History>, CommandError> {
        let now = self.now();
        let Some(certificate) = self.view.certificate(serial) else { return Ok(None) };
        let last_used = self.read::<LastUse>(&table::last_use(serial)).await?.map(|read| read.record.at);
        let mut others: Vec<Found> = self
            .view
            .certificates_of(&certificate.tenant, &certificate.device)
            .into_iter()
            .filter(|other| other.serial != certificate.serial)
            .map(|other| Found::with_owner(other, &self.view, now))
            .collect();
        others.sort_by_key(|other| std::cmp::Reverse(other.certificate.not_before));
        let mut trail = audit::latest(&**self.ledger.store(), TRAIL_LINES).await?;
        trail.retain(|line| names(line, serial));
        trail.reverse();
        let issued = trail
            .iter()
            .find(|line| matches!(line.what, Event::CertificateIssued | Event::CertificateRenewed))
            .map_or(certificate.not_before, |line| line.when);
        let steps = steps(&certificate, issued, last_used, now);
        let found = Found::with_owner(certificate, &self.view, now);
        Ok(Some(History { found, last_used, steps, others, trail }))
    }

    /// All that fit, as a file.
    ///
    /// # Errors
    /// The store's.
    pub async fn export_certificates(
        &self,
        actor: &str,
        search: &Search,
        format: Format,
    ) -> Result<Output, CommandError> {
        let found = search.find(&self.view, self.now());
        let used = self.read_all::<LastUse>(&table::all::<LastUse>()).await?;
        let used: std::collections::HashMap<String, Time> =
            used.into_iter().map(|read| (read.record.serial, read.record.at)).collect();
        let rows = found.iter().map(|one| (one, used.get(&one.certificate.serial).copied()));
        let bytes = match format {
            Format::Json => {
                let all: Vec<Value> = rows.map(|(one, used)| told(one, used)).collect();
                format!("{:#}\n", Value::Array(all)).into_bytes()
            }
            Format::Csv => as_csv(rows)?,
        };
        let mut entry = Entry::new(actor, Event::HistoryExported)
            .detail("format", format.ending())
            .detail("certificates", found.len().to_string())
            .detail("words", &search.words);
        if let Some(state) = search.state {
            entry = entry.detail("state", state.as_str());
        }
        if let Some(tenant) = &search.tenant {
            entry = entry.tenant(tenant);
        }
        self.record(entry, vec![]).await?;
        let line = format!("{} certificates are exported.", found.len());
        let json = json!({ "certificates": found.len(), "format": format });
        Ok(Output::line(json, line).with_file(format!("certificates.{}", format.ending()), &bytes))
    }
}

fn names(line: &Numbered, serial: &str) -> bool {
    line.details.iter().any(|(name, value)| {
        name.split(' ').any(|word| word == serial) || value.split(' ').any(|word| word == serial)
    })
}

/// `issued`: as the trail says, for the first moment of validity lies before that.
fn steps(of: &Certificate, issued: Time, last_used: Option<Time>, now: Time) -> Vec<(Time, String)> {
    let mut steps = vec![(issued, format!("issued by {}, from {}", of.issued_by, of.issuer))];
    steps.extend(last_used.map(|at| (at, "signed in last".to_owned())));
    match of.state {
        CertificateState::Superseded { at } if at > now => {
            steps.push((at, "a newer one takes its place".to_owned()));
        }
        CertificateState::Superseded { at } => steps.push((at, "a newer one took its place".to_owned())),
        CertificateState::Revoked { reason, at } => steps.push((at, format!("revoked: {}", reason.as_str()))),
        CertificateState::Active => {}
    }
    let ends = if of.not_after < now { "ended" } else { "ends" };
    steps.push((of.not_after, ends.to_owned()));
    steps.sort_by_key(|(when, _)| *when);
    steps
}

fn told(one: &Found, last_used: Option<Time>) -> Value {
    let of = &one.certificate;
    let superseded = match of.state {
        CertificateState::Superseded { at } => Some(at.to_string()),
        CertificateState::Active | CertificateState::Revoked { .. } => None,
    };
    json!({
        "serial": of.serial,
        "sha256": fingerprint(of),
        "tenant": of.tenant.as_str(),
        "person": of.person.as_str(),
        "name": one.owner(),
        "emails": one.person.as_ref().map(|person| person.emails.clone()).unwrap_or_default(),
        "device": of.device.as_str(),
        "device_name": one.device_name(),
        "profile": of.profile,
        "issuer": of.issuer.as_str(),
        "state": one.state,
        "not_before": of.not_before.to_string(),
        "not_after": of.not_after.to_string(),
        "issued_by": of.issued_by,
        "last_used": last_used.map(|at| at.to_string()),
        "superseded_at": superseded,
        "revoked_at": revoked(of).map(|(_, at)| at.to_string()),
        "reason": revoked(of).map(|(reason, _)| reason.as_str()),
    })
}

/// The same fields in the same order, a heading first.
fn as_csv<'a>(rows: impl Iterator<Item = (&'a Found, Option<Time>)>) -> Result<Vec<u8>, CommandError> {
    let failed = |error: csv::Error| {
        CommandError::new(Kind::Failed, format!("the export could not be written: {error}"), "try again")
    };
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(FIELDS).map_err(failed)?;
    for (one, used) in rows {
        let told = told(one, used);
        let cells = FIELDS.map(|field| match &told[field] {
            Value::String(text) => tame(text),
            Value::Array(list) => tame(&list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")),
            _ => String::new(),
        });
        writer.write_record(cells).map_err(failed)?;
    }
    writer.into_inner().map_err(|error| failed(error.into_error().into()))
}

/// A cell that a spreadsheet would run as a formula is put behind an apostrophe.
#[must_use]
pub fn tame(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

const FIELDS: [&str; 18] = [
    "serial",
    "sha256",
    "tenant",
    "person",
    "name",
    "emails",
    "device",
    "device_name",
    "profile",
    "issuer",
    "state",
    "not_before",
    "not_after",
    "issued_by",
    "last_used",
    "superseded_at",
    "revoked_at",
    "reason",
];

/// So far back is the trail read for one certificate.
pub const TRAIL_LINES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        assert_eq!(tame("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(tame("@SUM(1)"), "'@SUM(1)");
        assert_eq!(tame("anna@muster.example"), "anna@muster.example");
    }
}
