//! A sheet of devices to issue, as a spreadsheet writes it: CSV (RFC 4180) with a heading. All its mistakes are
//! found together, each with its line. Knows no store.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::ca::Encoding;
use crate::console::command::person::{self, Add, id_from};
use crate::domain::{PersonId, TenantId};

/// A row that can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Line of the file on which it begins.
    pub line: u64,
    /// Whose client.
    pub tenant: TenantId,
    /// Who.
    pub person: PersonId,
    /// Where the person is yet to be recorded.
    pub new: Option<NewPerson>,
    /// As its owner calls the device.
    pub device: String,
    /// How the .p12 is encoded.
    #[serde(with = "crate::console::command::device::encoding")]
    pub encoding: Encoding,
}

/// A person whom a row records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPerson {
    /// As people write it.
    pub name: String,
    /// Addresses.
    pub emails: Vec<String>,
    /// The number that support rings back.
    pub telephone: Option<String>,
    /// Groups that rules name.
    pub groups: Vec<String>,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bad {
    /// Line of the file.
    pub line: u64,
    /// What, and what to write instead.
    pub what: String,
}

/// What a sheet holds.
#[derive(Debug, Default)]
pub struct Sheet {
    /// Rows that can be read.
    pub rows: Vec<Row>,
    /// Those that cannot.
    pub bad: Vec<Bad>,
}

impl Row {
    /// What it is known by, from one run to the next: no two rows of a sheet have the same.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.tenant, self.person, self.device)
    }

    /// The record that it asks for.
    #[must_use]
    pub fn add(&self) -> Option<Add> {
        let new = self.new.clone()?;
        Some(Add {
            tenant: self.tenant.clone(),
            name: new.name,
            id: Some(self.person.clone()),
            emails: new.emails,
            telephone: new.telephone,
            groups: new.groups,
            roles: vec![],
        })
    }
}

/// Reads a sheet: `tenant`, `device`, and `person` (an id) or `name` with `email`, `telephone`, `groups` for somebody
/// new; `encoding` where it is not modern.
#[must_use]
pub fn read(bytes: &[u8]) -> Sheet {
    let mut sheet = Sheet::default();
    if bytes.len() > SHEET_BYTES_MAX {
        let what = format!("the file is larger than {} MiB: cut it in two", SHEET_BYTES_MAX >> 20);
        sheet.bad.push(Bad { line: 1, what });
        return sheet;
    }
    // Spreadsheets put a byte order mark before UTF-8.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(bytes))
        .from_reader(bytes);
    let mut records = reader.byte_records();
    let heading = match records.next() {
        Some(Ok(heading)) => heading,
        _ => {
            let what = format!("the file is empty: begin it with the heading {}", COLUMNS.join(","));
            sheet.bad.push(Bad { line: 1, what });
            return sheet;
        }
    };
    let columns = match columns(&heading) {
        Ok(columns) => columns,
        Err(mistakes) => {
            sheet.bad = mistakes.into_iter().map(|what| Bad { line: 1, what }).collect();
            return sheet;
        }
    };
    let mut lines = Lines { bytes, at: 0, line: 1 };
    for record in records {
        // Reading from memory, with rows of any length, cannot fail.
        let Ok(record) = record else { continue };
        let line = record.position().map_or(0, |position| lines.at(position.byte()));
        if record.iter().all(<[u8]>::is_empty) {
            continue;
        }
        match row(line, &record, heading.len(), &columns) {
            Ok(row) => sheet.rows.push(row),
            Err(mistakes) => sheet.bad.extend(mistakes.into_iter().map(|what| Bad { line, what })),
        }
    }
    if sheet.rows.len() > ROWS_MAX {
        let what = format!("the file has more than {ROWS_MAX} rows: cut it in two");
        sheet.bad.push(Bad { line: 1, what });
    }
    doubles(&mut sheet);
    sheet.bad.sort();
    sheet
}

/// Spreadsheets of many countries write semicolons, since their numbers have commas; some write tabs.
fn delimiter(bytes: &[u8]) -> u8 {
    let heading = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let others = [b';', b'\t'].into_iter().find(|other| heading.contains(other));
    others.filter(|_| !heading.contains(&b',')).unwrap_or(b',')
}

/// Counts lines as an editor shows them; the reader's own count is one behind after CR LF.
struct Lines<'s> {
    bytes: &'s [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of what begins at `byte`, the ends of lines before it left aside; asked in rising order.
    fn at(&mut self, byte: u64) -> u64 {
        let begins = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(next) = self.bytes.get(self.at)
            && (self.at < begins || matches!(next, b'\r' | b'\n'))
        {
            let ends = *next == b'\n' || (*next == b'\r' && self.bytes.get(self.at + 1) != Some(&b'\n'));
            self.line += u64::from(ends);
            self.at += 1;
        }
        self.line
    }
}

/// Where each column stands.
fn columns(heading: &csv::ByteRecord) -> Result<BTreeMap<&'static str, usize>, Vec<String>> {
    let mut columns = BTreeMap::new();
    let mut mistakes = Vec::new();
    for (at, cell) in heading.iter().enumerate() {
        let name = String::from_utf8_lossy(cell).trim().to_lowercase();
        match COLUMNS.into_iter().find(|known| *known == name) {
            Some(known) if columns.insert(known, at).is_some() => {
                mistakes.push(format!("the column {known:?} stands there twice: take one out"));
            }
            Some(_) => {}
            None => {
                mistakes.push(format!("there is no column {name:?}: the columns are {}", COLUMNS.join(",")))
            }
        }
    }
    for wanted in ["tenant", "device"] {
        if !columns.contains_key(wanted) {
            mistakes.push(format!("the column {wanted:?} is missing: put it into the heading"));
        }
    }
    if !columns.contains_key("person") && !columns.contains_key("name") {
        mistakes.push("the column \"person\" or \"name\" is missing: put one into the heading".to_owned());
    }
    if mistakes.is_empty() { Ok(columns) } else { Err(mistakes) }
}

fn row(
    line: u64,
    record: &csv::ByteRecord,
    width: usize,
    columns: &BTreeMap<&'static str, usize>,
) -> Result<Row, Vec<String>> {
    if record.len() != width {
        let what = format!(
            "it has {} cells where the heading has {width}: put a cell that holds a comma into quotes",
            record.len()
        );
        return Err(vec![what]);
    }
    let mut mistakes = Vec::new();
    let mut cell = |name: &str| {
        let bytes = columns.get(name).and_then(|at| record.get(*at)).unwrap_or_default();
        match std::str::from_utf8(bytes) {
            Ok(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
            Err(_) => {
                mistakes.push(format!("{name} is not written in UTF-8: save the file as \"CSV UTF-8\""));
                String::new()
            }
        }
    };
    let [tenant, person, name, email, telephone, groups, device, encoding] = COLUMNS.map(&mut cell);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let many = |text: &str| -> Vec<String> {
        text.split([';', ' ']).filter(|one| !one.is_empty()).map(str::to_owned).collect()
    };
    let tenant = TenantId::parse(&tenant);
    if tenant.is_err() {
        mistakes.push("tenant is none: write its id, as `portcullis tenant list` shows it".to_owned());
    }
    let id = match (person.as_str(), name.as_str()) {
        ("", "") => {
            mistakes.push("it says not whose: write person, or name and email of somebody new".to_owned());
            None
        }
        ("", name) => {
            let made = id_from(name);
            if made.is_none() {
                mistakes.push(format!("no short name can be made of {name:?}: write one into person"));
            }
            made
        }
        (person, _) => match PersonId::parse(person) {
            Ok(id) => Some(id),
            Err(_) => {
                mistakes.push(format!("person {person:?} is no id: write one such as anna-muster"));
                None
            }
        },
    };
    let new = (!name.is_empty()).then(|| NewPerson {
        name,
        emails: many(&email),
        telephone: (!telephone.is_empty()).then_some(telephone),
        groups: many(&groups),
    });
    if new.is_none() && !(email.is_empty() && groups.is_empty()) {
        mistakes.push(
            "email and groups are for somebody new: write their name too, or leave them empty".to_owned(),
        );
    }
    if new.as_ref().is_some_and(|new| new.emails.is_empty()) {
        mistakes.push("email is missing: somebody new needs an address that notices can go to".to_owned());
    }
    if device.is_empty() {
        mistakes.push("device is missing: write how its owner calls it, such as laptop".to_owned());
    }
    let encoding = match encoding.as_str() {
        "" => Some(Encoding::Modern),
        other => Encoding::parse(other),
    };
    if encoding.is_none() {
        mistakes.push("encoding is none: write modern or compatible, or leave it empty".to_owned());
    }
    if let (Ok(tenant), Some(person), Some(encoding)) = (tenant, id, encoding) {
        let row = Row { line, tenant, person, new, device, encoding };
        if let Some(Err(error)) = row.add().map(|add| person::check(&add)) {
            mistakes.push(error.to_string());
        }
        if mistakes.is_empty() {
            return Ok(row);
        }
    }
    Err(mistakes)
}

/// Rows that ask for the same device, and rows that make two people one.
fn doubles(sheet: &mut Sheet) {
    let mut devices: HashMap<String, u64> = HashMap::new();
    let mut people: HashMap<(&TenantId, &PersonId), &Row> = HashMap::new();
    let mut bad = Vec::new();
    for row in &sheet.rows {
        let first = *devices.entry(row.key()).or_insert(row.line);
        if first != row.line {
            let what =
                format!("line {first} asks for the same device {:?} already: take one out", row.device);
            bad.push(Bad { line: row.line, what });
            continue;
        }
        let first = people.entry((&row.tenant, &row.person)).or_insert(row);
        if row.new.is_some() && first.new != row.new {
            let what = format!(
                "it and line {} are of `{}/{}` and say not the same of them: write another id into person, or the same name and email",
                first.line, row.tenant, row.person
            );
            bad.push(Bad { line: row.line, what });
        }
    }
    sheet.rows.retain(|row| !bad.iter().any(|bad: &Bad| bad.line == row.line));
    sheet.bad.extend(bad);
}

/// In this order they are told of; a sheet may have them in any.
const COLUMNS: [&str; 8] = ["tenant", "person", "name", "email", "telephone", "groups", "device", "encoding"];

/// A hundred thousand rows fit.
const SHEET_BYTES_MAX: usize = 16 << 20;

/// At 90 a second this is half an hour.
const ROWS_MAX: usize = 100_000;

#[cfg(test)]
mod tests;
