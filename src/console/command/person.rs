//! People: add, list, lock, unlock. Their devices are elsewhere.

mod typed;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::output::{Output, columns};
use super::which::WhichPerson;
use super::{Acts, CommandError, Kind, confirmed};
use crate::audit::{Entry, Event};
use crate::domain::device::Device;
use crate::domain::person::{Person, Role, Standing};
use crate::domain::renewal::Renewal;
use crate::domain::session::{Session, TokenHash};
use crate::domain::{DeviceId, PersonId, PhoneId, TenantId, Time};
use crate::notify::{self, About};
use crate::store::table::{self, Stored};

pub(super) use typed::new_person;
pub use typed::{check, id_from};

/// What to do with people.
#[derive(Clone, Serialize, Deserialize, clap::Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Record a client, or with --role someone who runs the gate
    Add(Box<Add>),
    /// Show people; `staff` are those who run the gate
    List {
        /// Whose; everybody's where you give none
        #[serde(default)]
        tenant: Option<TenantId>,
    },
    /// Keep a person out: every session ends at once
    Lock {
        /// Who: TENANT/PERSON
        person: WhichPerson,
        /// Why, for the desk
        #[arg(long)]
        why: String,
        /// For so many hours; until unlocked where you give none
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=8760))]
        hours: Option<u32>,
        /// Yes, every session of theirs ends now
        #[arg(long)]
        #[serde(default)]
        yes: bool,
    },
    /// Let a person in again, and forget wrong tries
    Unlock {
        /// Who: TENANT/PERSON
        person: WhichPerson,
        /// Why, for the trail; needed where the person said "not me" on the phone
        #[arg(long)]
        #[serde(default)]
        why: Option<String>,
    },
    /// Show a person's phones
    Phones {
        /// Whose: TENANT/PERSON
        person: WhichPerson,
    },
    /// Remove one of several phones: its key ends at once
    RemovePhone {
        /// Whose: TENANT/PERSON
        person: WhichPerson,
        /// Which, as `person phones` shows it
        phone: PhoneId,
        /// Why, for the trail
        #[arg(long)]
        why: String,
    },
}

/// A new person.
#[derive(Clone, Serialize, Deserialize, clap::Args)]
pub struct Add {
    /// Whose client; `staff` for those who run the gate
    pub tenant: TenantId,
    /// As people write it: "Anna Muster"
    #[arg(long)]
    pub name: String,
    /// Short name; made of the name where you give none
    #[arg(long)]
    pub id: Option<PersonId>,
    /// E-mail address; may be repeated, notices go to all
    #[arg(long = "email")]
    #[serde(default)]
    pub emails: Vec<String>,
    /// The number that support rings back: "+41 79 555 01 23"
    #[arg(long)]
    pub telephone: Option<String>,
    /// Group that rules name; may be repeated; `clients` for clients where you give none
    #[arg(long = "group")]
    #[serde(default)]
    pub groups: Vec<String>,
    /// For staff: owner, operator, support or auditor; may be repeated
    #[arg(long = "role", value_parser = role)]
    #[serde(default)]
    pub roles: Vec<Role>,
}

impl Acts {
    pub(super) async fn person(&self, actor: &str, command: Command) -> Result<Output, CommandError> {
        match command {
            Command::Add(add) => self.add_person(actor, *add).await,
            Command::List { tenant } => self.list_people(tenant.as_ref()).await,
            Command::Lock { person, why, hours, yes } => self.lock(actor, &person, why, hours, yes).await,
            Command::Phones { person } => self.list_phones(&person).await,
            Command::RemovePhone { person, phone, why } => {
                self.remove_phone(actor, &person, &phone, &why).await
            }
            Command::Unlock { person, why } => {
                self.unlock(actor, &person, why.as_deref().unwrap_or_default()).await
            }
        }
    }

    async fn add_person(&self, actor: &str, add: Add) -> Result<Output, CommandError> {
        let tenant = self.find_tenant(&add.tenant).await?.record;
        let person = new_person(add, self.now())?;
        let key = table::person(&person.tenant, &person.id);
        if self.read::<Person>(&key).await?.is_some() {
            return Err(CommandError::new(
                Kind::Exists,
                format!("there is a person `{}/{}` already", person.tenant, person.id),
                "give this one another --id",
            ));
        }
        let entry = Entry::new(actor, Event::PersonCreated)
            .tenant(&tenant.id)
            .whom(format!("person:{}/{}", person.tenant, person.id))
            .detail("roles", roles(&person));
        self.record(entry, vec![table::create(&person)]).await?;
        let which = format!("{}/{}", person.tenant, person.id);
        let lines = vec![
            format!("{} is recorded as `{which}`.", person.name),
            format!("Next: `portcullis device issue {which} --name laptop`"),
        ];
        Ok(Output::new(shown(&person, self.now()), lines))
    }

    async fn list_people(&self, tenant: Option<&TenantId>) -> Result<Output, CommandError> {
        let key = match tenant {
            Some(tenant) => table::persons(&self.find_tenant(tenant).await?.record.id),
            None => table::all::<Person>(),
        };
        let people: Vec<Person> = self.read_all(&key).await?.into_iter().map(|read| read.record).collect();
        let now = self.now();
        let rows: Vec<[String; 5]> = people
            .iter()
            .map(|person| {
                let part = if person.tenant.is_staff() {
                    roles(person)
                } else {
                    person.groups.iter().cloned().collect::<Vec<_>>().join(" ")
                };
                [
                    format!("{}/{}", person.tenant, person.id),
                    person.name.clone(),
                    standing(person, now),
                    part,
                    person.telephone.clone().unwrap_or_else(|| "-".to_owned()),
                ]
            })
            .collect();
        let part = match tenant {
            Some(tenant) if tenant.is_staff() => "roles",
            Some(_) => "groups",
            None => "roles or groups",
        };
        let whose = tenant.map_or("TENANT", TenantId::as_str);
        let none = format!("Nobody is recorded there yet: `portcullis person add {whose} --name NAME`");
        let lines = columns(["person", "name", "standing", part, "telephone"], &rows, &none);
        let people: Vec<_> = people.iter().map(|person| shown(person, now)).collect();
        Ok(Output::new(json!({ "people": people }), lines))
    }

    async fn lock(
        &self,
        actor: &str,
        which: &WhichPerson,
        why: String,
        hours: Option<u32>,
        yes: bool,
    ) -> Result<Output, CommandError> {
        let read = self.find_person(which).await?;
        let person = &read.record;
        if person.standing == Standing::Closed {
            return Err(CommandError::new(
                Kind::Refused,
                format!("`{which}` is closed for good"),
                "nothing is to be done",
            ));
        }
        if person.frozen().is_some() {
            return Err(CommandError::new(
                Kind::Refused,
                format!("{} said \"not me\" and is kept out already", person.name),
                "nothing is to be done; to let them in again: `portcullis person unlock`",
            ));
        }
        self.keep_an_owner(person).await?;
        let sessions = self.sessions_of(which).await?;
        confirmed(
            yes,
            &format!(
                "{} would be kept out, and {} of theirs would end at once",
                person.name,
                count(sessions.len(), "session")
            ),
        )?;
        let until =
            hours.map(|hours| self.now().plus(std::time::Duration::from_secs(u64::from(hours) * 3600)));
        let locked = Person { standing: Standing::Locked { until, why: why.clone() }, ..person.clone() };
        let mut writes = vec![table::replace(&read, &locked)];
        let ended = sessions.len();
        // Present: a session that takes a step at this moment makes us look again.
        writes.extend(
            sessions.iter().map(|session| table::delete_present(table::session(&session.record.token))),
        );
        let entry = Entry::new(actor, Event::PersonLocked)
            .tenant(&which.tenant)
            .whom(format!("person:{which}"))
            .detail("why", &why);
        self.record(entry, writes).await?;
        let until = until
            .map_or_else(|| "until unlocked".to_owned(), |until| format!("until {} UTC", until.minute()));
        let lines = vec![
            format!("{} is kept out {until}; {} ended.", locked.name, count(ended, "session")),
            format!("To let them in again: `portcullis person unlock {which}`"),
        ];
        Ok(Output::new(shown(&locked, self.now()), lines))
    }

    async fn unlock(&self, actor: &str, which: &WhichPerson, why: &str) -> Result<Output, CommandError> {
        let read = self.find_person(which).await?;
        if read.record.standing == Standing::Closed {
            return Err(CommandError::new(
                Kind::Refused,
                format!("`{which}` is closed for good"),
                "record the person anew",
            ));
        }
        let mut writes = Vec::new();
        let mut person = read.record.clone();
        let frozen = person.frozen().is_some();
        if frozen && why.trim().is_empty() {
            return Err(CommandError::new(
                Kind::Refused,
                format!(
                    "{} said \"not me\" on the phone, and nobody has written down what came of it",
                    person.name
                ),
                "ring the recorded number, then say it: --why REASON",
            ));
        }
        if frozen || matches!(person.standing, Standing::Locked { .. }) {
            // Whether the first visit was ever finished shows by a phone, which that visit pairs.
            let paired = !self.view.phones(&which.tenant, &which.person).is_empty();
            person.standing = if paired { Standing::Active } else { Standing::Invited };
            writes.push(table::replace(&read, &person));
            // A lock leaves renewals under way, and one may begin in the very moment of "not me".
            let renewals = self.renewals_of(which).await?;
            writes.extend(renewals.iter().map(|token| table::delete(table::renewal(token))));
        }
        let devices: Vec<Stored<Device>> =
            self.read_all(&table::devices(&which.tenant, &which.person)).await?;
        let ids: Vec<DeviceId> = devices.into_iter().map(|device| device.record.id).collect();
        writes.extend(self.first_visits.void_codes(&which.tenant, &which.person).await?);
        writes.extend(self.throttles.open_again(&which.tenant, &which.person, &ids).await?);
        if frozen {
            // What began while they were kept out ends too: they come in anew, with all three.
            let sessions = self.sessions_of(which).await?;
            writes.extend(sessions.iter().map(|one| table::delete(table::session(&one.record.token))));
            let tenant = self.find_tenant(&which.tenant).await?.record;
            writes.extend(notify::queue(&self.world, &tenant, &person, About::Unfrozen));
        }
        let mut entry =
            Entry::new(actor, Event::PersonUnlocked).tenant(&which.tenant).whom(format!("person:{which}"));
        if !why.trim().is_empty() {
            entry = entry.detail("why", why.trim());
        }
        self.record(entry, writes).await?;
        let line = format!("{} may come in again; wrong tries are forgotten.", person.name);
        Ok(Output::line(shown(&person, self.now()), line))
    }

    pub(super) async fn sessions_of(
        &self,
        which: &WhichPerson,
    ) -> Result<Vec<Stored<Session>>, CommandError> {
        let all: Vec<Stored<Session>> = self.read_all(&table::all::<Session>()).await?;
        Ok(all
            .into_iter()
            .filter(|read| read.record.tenant == which.tenant && read.record.person == which.person)
            .collect())
    }

    async fn renewals_of(&self, which: &WhichPerson) -> Result<Vec<TokenHash>, CommandError> {
        let all: Vec<Stored<Renewal>> = self.read_all(&table::all::<Renewal>()).await?;
        let of_person = |it: &Renewal| it.tenant == which.tenant && it.person == which.person;
        Ok(all.into_iter().map(|it| it.record).filter(of_person).map(|it| it.token).collect())
    }

    /// Refuses to shut out the last owner who can come in.
    async fn keep_an_owner(&self, person: &Person) -> Result<(), CommandError> {
        if !person.tenant.is_staff() || !person.roles.contains(&Role::Owner) {
            return Ok(());
        }
        let staff: Vec<Stored<Person>> = self.read_all(&table::persons(&TenantId::staff())).await?;
        let now = self.now();
        let another = staff
            .iter()
            .map(|read| &read.record)
            .any(|other| other.id != person.id && other.roles.contains(&Role::Owner) && !other.shut_out(now));
        if another {
            return Ok(());
        }
        Err(CommandError::new(
            Kind::Refused,
            format!("{} is the last owner who can come in", person.name),
            "record another first: `portcullis person add staff --name NAME --role owner`",
        ))
    }
}

fn shown(person: &Person, now: Time) -> serde_json::Value {
    json!({
        "tenant": person.tenant.as_str(),
        "id": person.id.as_str(),
        "name": person.name,
        "emails": person.emails,
        "telephone": person.telephone,
        "standing": standing(person, now),
        "groups": person.groups,
        "roles": person.roles,
        "created": person.created.to_string(),
    })
}

fn roles(person: &Person) -> String {
    person.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" ")
}

fn standing(person: &Person, now: Time) -> String {
    match &person.standing {
        Standing::Invited => "invited".to_owned(),
        Standing::Active => "active".to_owned(),
        Standing::Locked { until: Some(until), .. } if *until <= now => "active".to_owned(),
        Standing::Locked { until: Some(until), .. } => format!("locked until {} UTC", until.minute()),
        Standing::Locked { until: None, .. } => "locked".to_owned(),
        Standing::Frozen(frozen) => format!("frozen since {} UTC: said \"not me\"", frozen.at.minute()),
        Standing::Closed => "closed".to_owned(),
    }
}

pub(super) fn count(number: usize, thing: &str) -> String {
    match number {
        0 => format!("no {thing}"),
        1 => format!("1 {thing}"),
        more => format!("{more} {thing}s"),
    }
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "write owner, operator, support or auditor".to_owned())
}

#[cfg(test)]
mod tests;
