//! A person as it was typed: what is refused, and what is made of it. Knows no store.

use std::collections::BTreeSet;

use super::Add;
use crate::console::command::tenant::is_telephone;
use crate::console::command::{CommandError, Kind};
use crate::domain::person::{Person, Standing};
use crate::domain::{PersonId, TenantId, Time};

/// Whether a person could be recorded so.
///
/// # Errors
/// What is wrong, with the next step.
pub fn check(add: &Add) -> Result<(), CommandError> {
    new_person(add.clone(), Time(0)).map(drop)
}

/// Checks what was given and makes the record.
pub(in crate::console::command) fn new_person(add: Add, now: Time) -> Result<Person, CommandError> {
    let usage = |what: String, next: &str| CommandError::new(Kind::Usage, what, next);
    let name = add.name.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(usage(format!("{:?} is no name", add.name), "give one: --name \"Anna Muster\""));
    }
    let id = match add.id {
        Some(id) => id,
        None => id_from(&name)
            .ok_or_else(|| usage(format!("no short name can be made of {name:?}"), "give one: --id anna"))?,
    };
    for email in &add.emails {
        if !is_email(email) {
            return Err(usage(
                format!("{email:?} is no e-mail address"),
                "write one such as anna@example.com",
            ));
        }
    }
    if let Some(telephone) = &add.telephone
        && !is_telephone(telephone)
    {
        return Err(usage(
            format!("{telephone:?} cannot be dialled"),
            "write it with the country's code: --telephone \"+41 79 555 01 23\"",
        ));
    }
    let is_staff = add.tenant.is_staff();
    if is_staff && add.roles.is_empty() {
        return Err(usage(
            "staff need a role".to_owned(),
            "give one: --role owner, operator, support or auditor",
        ));
    }
    if !is_staff && !add.roles.is_empty() {
        return Err(usage(
            "roles are for staff".to_owned(),
            "record the person in the tenant `staff`, or leave --role out",
        ));
    }
    let mut groups: BTreeSet<String> = add.groups.into_iter().collect();
    if !groups.iter().all(|group| TenantId::parse(group).is_ok()) {
        return Err(usage("a group is a-z, 0-9 and '-'".to_owned(), "write --group clients"));
    }
    if groups.is_empty() && !is_staff {
        groups.insert("clients".to_owned());
    }
    Ok(Person {
        tenant: add.tenant,
        id,
        name,
        emails: add.emails,
        telephone: add.telephone.map(|telephone| telephone.trim().to_owned()),
        standing: Standing::Invited,
        groups,
        roles: add.roles.into_iter().collect(),
        created: now,
    })
}

/// "Anna Müller-Muster" is `anna-muller-muster`; a name without Latin letters gives none.
#[must_use]
pub fn id_from(name: &str) -> Option<PersonId> {
    use unicode_normalization::UnicodeNormalization;
    let mut id = String::new();
    for c in name.nfkd().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => id.push(c),
            c if (c.is_whitespace() || "-.'".contains(c)) && !id.is_empty() && !id.ends_with('-') => {
                id.push('-')
            }
            _ => {}
        }
    }
    id.truncate(ID_CHARS_MAX);
    PersonId::parse(id.trim_end_matches('-')).ok()
}

fn is_email(text: &str) -> bool {
    text.len() <= 254
        && !text.chars().any(|c| c.is_whitespace() || c.is_control() || "<>,;\"".contains(c))
        && text.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty()
                && host.contains('.')
                && !host.contains('@')
                && !host.starts_with('.')
                && !host.ends_with('.')
        })
}

/// Fits a certificate's common name with the device beside it.
const NAME_CHARS_MAX: usize = 60;

/// Leaves room for a number behind it.
const ID_CHARS_MAX: usize = 60;
