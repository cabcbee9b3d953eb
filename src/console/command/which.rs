//! Which person or device is meant: `bank/anna`, `bank/anna/laptop`. Reads the store, changes
//! nothing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Acts, CommandError, Kind};
use crate::domain::device::{Device, DeviceState};
use crate::domain::person::Person;
use crate::domain::tenant::Tenant;
use crate::domain::{PersonId, TenantId};
use crate::store::table::{self, Stored};

/// `TENANT/PERSON`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WhichPerson {
    /// Whose client, or `staff`.
    pub tenant: TenantId,
    /// Who.
    pub person: PersonId,
}

/// `TENANT/PERSON/DEVICE`, the device by its id or its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WhichDevice {
    /// Whose.
    pub person: WhichPerson,
    /// Id or name.
    pub device: String,
}

/// Why a text names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{written:?} does not say which: write {form}, such as {example}")]
pub struct Unclear {
    written: String,
    form: &'static str,
    example: &'static str,
}

impl FromStr for WhichPerson {
    type Err = Unclear;
    fn from_str(text: &str) -> Result<Self, Unclear> {
        let unclear =
            || Unclear { written: text.to_owned(), form: "TENANT/PERSON", example: "bank/anna-muster" };
        let (tenant, person) = text.split_once('/').ok_or_else(unclear)?;
        Ok(Self {
            tenant: TenantId::parse(tenant).map_err(|_| unclear())?,
            person: PersonId::parse(person).map_err(|_| unclear())?,
        })
    }
}

impl FromStr for WhichDevice {
    type Err = Unclear;
    fn from_str(text: &str) -> Result<Self, Unclear> {
        let unclear = || Unclear {
            written: text.to_owned(),
            form: "TENANT/PERSON/DEVICE",
            example: "bank/anna-muster/laptop",
        };
        let (person, device) = text
            .match_indices('/')
            .nth(1)
            .map(|(at, _)| (&text[..at], &text[at + 1..]))
            .ok_or_else(unclear)?;
        if device.is_empty() {
            return Err(unclear());
        }
        Ok(Self { person: person.parse().map_err(|_| unclear())?, device: device.to_owned() })
    }
}

impl TryFrom<String> for WhichPerson {
    type Error = Unclear;
    fn try_from(text: String) -> Result<Self, Unclear> {
        text.parse()
    }
}

impl TryFrom<String> for WhichDevice {
    type Error = Unclear;
    fn try_from(text: String) -> Result<Self, Unclear> {
        text.parse()
    }
}

impl From<WhichPerson> for String {
    fn from(which: WhichPerson) -> Self {
        which.to_string()
    }
}

impl From<WhichDevice> for String {
    fn from(which: WhichDevice) -> Self {
        which.to_string()
    }
}

impl fmt::Display for WhichPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.person)
    }
}

impl fmt::Display for WhichDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.person, self.device)
    }
}

impl Acts {
    pub(super) async fn find_tenant(&self, id: &TenantId) -> Result<Stored<Tenant>, CommandError> {
        self.read(&table::tenant(id)).await?.ok_or_else(|| {
            CommandError::new(
                Kind::NotFound,
                format!("there is no tenant `{id}`"),
                "`portcullis tenant list` shows those there are",
            )
        })
    }

    pub(super) async fn find_person(&self, which: &WhichPerson) -> Result<Stored<Person>, CommandError> {
        match self.read(&table::person(&which.tenant, &which.person)).await? {
            Some(found) => Ok(found),
            None => {
                self.find_tenant(&which.tenant).await?;
                Err(CommandError::new(
                    Kind::NotFound,
                    format!("there is no person `{which}`"),
                    format!("`portcullis person list {}` shows those there are", which.tenant),
                ))
            }
        }
    }

    pub(super) async fn find_device(
        &self,
        which: &WhichDevice,
    ) -> Result<(Stored<Person>, Stored<Device>), CommandError> {
        let person = self.find_person(&which.person).await?;
        let all: Vec<Stored<Device>> =
            self.read_all(&table::devices(&which.person.tenant, &which.person.person)).await?;
        let list = format!("`portcullis device list {}` shows them with their ids", which.person);
        let mut found: Vec<_> = all
            .into_iter()
            .filter(|read| read.record.id.as_str() == which.device || read.record.name == which.device)
            .collect();
        // A name is given again once its device is retired.
        if found.len() > 1 {
            found.retain(|read| read.record.state != DeviceState::Retired);
        }
        match (found.pop(), found.is_empty()) {
            (Some(device), true) => Ok((person, device)),
            (Some(_), false) => Err(CommandError::new(
                Kind::Usage,
                format!("several devices of {} are called {:?}", which.person, which.device),
                format!("name one by its id: {list}"),
            )),
            (None, _) => {
                Err(CommandError::new(Kind::NotFound, format!("there is no device `{which}`"), list))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["bank/anna", "staff/olga-operator"] {
            assert_eq!(text.parse::<WhichPerson>().unwrap().to_string(), text);
        }
        for text in ["bank/anna/laptop", "bank/anna/Anna's iPad / new"] {
            assert_eq!(text.parse::<WhichDevice>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_names_nobody_is_told_with_an_example() {
        for text in ["", "anna", "bank/", "bank/Anna Muster", "/anna"] {
            let told = text.parse::<WhichPerson>().unwrap_err().to_string();
            assert!(told.contains("bank/anna-muster"), "{told}");
        }
        for text in ["bank/anna", "bank/anna/", "//"] {
            assert!(text.parse::<WhichDevice>().is_err(), "{text}");
        }
    }
}
