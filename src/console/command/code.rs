//! Six-digit codes on the machine itself: lets the first owner in, and later, past the usual
//! rule, any of the staff, which every owner is told. Clients are never released here.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::output::Output;
use super::which::WhichPerson;
use super::{Acts, CommandError, Kind};
use crate::audit::{Entry, Event};
use crate::domain::TenantId;
use crate::domain::device::Device;
use crate::domain::enrolment::{Enrolment, EnrolmentKind, EnrolmentState};
use crate::domain::person::{Person, Role, Standing};
use crate::domain::tenant::Tenant;
use crate::enrolment::first_visit::{Agent, DeskRefusal, Found, let_in};
use crate::notify::{self, About};
use crate::store::Write;
use crate::store::table::{self, Stored};

/// What to do with codes. Without `Debug`: a code stands in it.
#[derive(Clone, Serialize, Deserialize, clap::Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Check the six digits on a staff member's page and let the device in
    Verify {
        /// Who sees the code: PERSON of the staff, or staff/PERSON
        person: String,
        /// The six digits
        code: String,
        /// Once an owner is in: why this goes past the desk; every owner is told
        #[arg(long, value_name = "REASON")]
        break_glass: Option<String>,
    },
    /// Confirm, as the second of two, what the desk released for a lost phone
    SecondRelease {
        /// Whose phone is lost: TENANT/PERSON
        person: String,
        /// Number of the visit, as the desk shows it
        number: String,
        /// Why no second agent does it at the desk; every owner is told
        #[arg(long, value_name = "REASON")]
        break_glass: String,
    },
}

impl Acts {
    pub(super) async fn code(&self, actor: &str, command: Command) -> Result<Output, CommandError> {
        let (person, code, break_glass) = match command {
            Command::Verify { person, code, break_glass } => (person, code, break_glass),
            Command::SecondRelease { person, number, break_glass } => {
                return self.second_release(actor, &person, &number, &break_glass).await;
            }
        };
        let person = if person.contains('/') { person } else { format!("staff/{person}") };
        let which: WhichPerson = person.parse().map_err(|error: super::which::Unclear| {
            CommandError::new(Kind::Usage, error.to_string(), "repeat the command")
        })?;
        let person = self.find_person(&which).await?.record;
        let reason = self.may_release(&person, break_glass).await?;
        if reason.is_none() && self.lost_phone_waits(&which).await? {
            return Err(CommandError::new(
                Kind::Refused,
                format!("{} has lost their phone, which takes two at the desk", person.name),
                "`--break-glass REASON` goes past the desk, and every owner is told",
            ));
        }
        let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(CommandError::new(
                Kind::Usage,
                "a code has six digits",
                "read it again from the page",
            ));
        }
        let agent = Agent { actor: actor.to_owned(), address: "this machine".to_owned(), four_eyes: false };
        let found = self
            .first_visits
            .check_code(&agent, &which.tenant, &which.person, &digits)
            .await
            .map_err(|refusal| why(&refusal, &which))?;
        self.let_in(actor, &person, &found, reason.as_deref()).await?;
        let Found { enrolment, device, .. } = found;
        let lines = vec![
            format!(
                "{} of {} is let in ({}, {}).",
                device.name, person.name, enrolment.browser, enrolment.address
            ),
            match enrolment.kind {
                EnrolmentKind::LostPhone => {
                    "Their page moves on by itself: pair the new phone; the old one ends then."
                }
                _ => "Their page moves on by itself: pair the phone, then set the password.",
            }
            .to_owned(),
        ];
        let json = json!({
            "released": device.id.as_str(),
            "person": which.to_string(),
            "browser": enrolment.browser,
            "address": enrolment.address,
            "break_glass": reason,
        });
        Ok(Output::new(json, lines))
    }

    /// Whether the machine may let this person in, and for what reason past the rule.
    async fn may_release(
        &self,
        person: &Person,
        break_glass: Option<String>,
    ) -> Result<Option<String>, CommandError> {
        if !person.tenant.is_staff() {
            return Err(CommandError::new(
                Kind::Refused,
                "clients are released at the desk, never here",
                "let support type the code in the console",
            ));
        }
        if person.shut_out(self.now()) {
            return Err(CommandError::new(
                Kind::Refused,
                format!("{} is kept out", person.name),
                format!("let them in first: `portcullis person unlock staff/{}`", person.id),
            ));
        }
        if let Some(reason) = break_glass {
            return said(&reason).map(Some);
        }
        let past = "`--break-glass REASON` goes past the desk, and every owner is told";
        if self.owners().await?.iter().any(|owner| owner.record.standing == Standing::Active) {
            return Err(CommandError::new(
                Kind::Refused,
                "an owner is in already, so codes are verified at the desk",
                format!("let an owner or support type it in the console; {past}"),
            ));
        }
        if person.roles.contains(&Role::Owner) {
            return Ok(None);
        }
        Err(CommandError::new(
            Kind::Refused,
            format!("{} is no owner, and the first who comes in must be one", person.name),
            format!("let the first owner come in; {past}"),
        ))
    }

    async fn let_in(
        &self,
        actor: &str,
        person: &Person,
        found: &Found,
        reason: Option<&str>,
    ) -> Result<(), CommandError> {
        let enrolment = self.enrolment(&found.enrolment).await?;
        let key = table::device(&person.tenant, &person.id, &found.device.id);
        let device: Stored<Device> = self.read(&key).await?.ok_or_else(moved_on)?;
        let mine =
            matches!(&enrolment.record.state, EnrolmentState::CodeRight { agent, .. } if agent == actor);
        let kind = enrolment.record.kind;
        let lost_phone = kind == EnrolmentKind::LostPhone && reason.is_some();
        let state = let_in(device.record.state)
            .filter(|_| mine && (lost_phone || kind == EnrolmentKind::FirstVisit))
            .ok_or_else(moved_on)?;
        let by = actor.to_owned();
        let released = Device { state, released_by: Some(by.clone()), ..device.record.clone() };
        // A device that is in already stays as it is: its owner alone gets another phone.
        let released = if lost_phone { device.record.clone() } else { released };
        let next = Enrolment { state: EnrolmentState::Released { by }, ..enrolment.record.clone() };
        let mut writes = vec![table::replace(&enrolment, &next), table::replace(&device, &released)];
        let tenant = self.find_tenant(&TenantId::staff()).await?.record;
        let told =
            About::DeviceReleased { device: released.name.clone(), address: found.enrolment.address.clone() };
        writes.extend(notify::queue(&self.world, &tenant, person, told));
        let event = if reason.is_some() { Event::BreakglassUsed } else { Event::DeviceReleased };
        let mut entry = Entry::new(actor, event)
            .tenant(&person.tenant)
            .whom(format!("device:{}", released.id))
            .whence(&found.enrolment.address)
            .detail("person", person.id.as_str())
            .detail("enrolment", &enrolment.record.number);
        if let Some(reason) = reason {
            entry = entry.detail("reason", reason);
            writes.extend(self.alarm(&tenant, reason).await?);
        }
        self.record(entry, writes).await.map(drop)
    }

    /// Whether somebody of this name reads out a number because of a lost phone.
    async fn lost_phone_waits(&self, which: &WhichPerson) -> Result<bool, CommandError> {
        let visits = self.first_visits.of_person(&which.tenant, &which.person).await;
        let visits = visits.map_err(|refusal| why(&refusal, which))?;
        Ok(visits.iter().any(|read| {
            let one = &read.record;
            one.kind == EnrolmentKind::LostPhone
                && one.state == EnrolmentState::Waiting
                && one.in_time(self.now())
        }))
    }

    /// The machine's owner as the second of two, where the house has nobody else.
    async fn second_release(
        &self,
        actor: &str,
        person: &str,
        number: &str,
        reason: &str,
    ) -> Result<Output, CommandError> {
        let which: WhichPerson = person.parse().map_err(|error: super::which::Unclear| {
            CommandError::new(Kind::Usage, error.to_string(), "repeat the command")
        })?;
        let person = self.find_person(&which).await?.record;
        let reason = said(reason)?;
        let staff = self.find_tenant(&TenantId::staff()).await?.record;
        let alarm = self.alarm(&staff, &reason).await?;
        let agent = Agent { actor: actor.to_owned(), address: "this machine".to_owned(), four_eyes: false };
        let past = Some((reason.as_str(), alarm));
        let (tenant, id) = (&which.tenant, &which.person);
        let released = self.first_visits.confirm_release(&agent, tenant, id, number, true, past).await;
        released.map_err(|refusal| match refusal {
            DeskRefusal::NobodyWaits | DeskRefusal::MovedOn => CommandError::new(
                Kind::Conflict,
                "nothing of that number waits for a second release",
                "let an agent release it at the desk first, and look there for the number",
            ),
            other => why(&other, &which),
        })?;
        let lines = vec![format!("{} may pair a new phone; the old one ends then.", person.name)];
        let json = json!({ "confirmed": number, "person": which.to_string(), "break_glass": reason });
        Ok(Output::new(json, lines))
    }

    async fn enrolment(&self, of: &Enrolment) -> Result<Stored<Enrolment>, CommandError> {
        let key = table::Record::key(of);
        self.read(&key).await?.ok_or_else(moved_on)
    }

    async fn owners(&self) -> Result<Vec<Stored<Person>>, CommandError> {
        let staff: Vec<Stored<Person>> = self.read_all(&table::persons(&TenantId::staff())).await?;
        Ok(staff.into_iter().filter(|read| read.record.roles.contains(&Role::Owner)).collect())
    }

    /// A message to every owner.
    async fn alarm(&self, tenant: &Tenant, reason: &str) -> Result<Vec<Write>, CommandError> {
        let about = About::BreakGlass { reason: reason.to_owned() };
        let owners = self.owners().await?;
        Ok(owners
            .iter()
            .filter_map(|owner| notify::queue(&self.world, tenant, &owner.record, about.clone()))
            .collect())
    }
}

fn why(refusal: &DeskRefusal, which: &WhichPerson) -> CommandError {
    let refused = |what: &str, next: String| CommandError::new(Kind::Refused, what, next);
    match refusal {
        DeskRefusal::WrongCode => {
            refused("the code is wrong", "read it again from the page; five wrong tries end it".to_owned())
        }
        DeskRefusal::NobodyWaits => refused(
            "no page of theirs shows a code now",
            format!(
                "open the console with the certificate of `{which}`, and use the code within ten minutes"
            ),
        ),
        DeskRefusal::Refused(reason) => refused(
            &format!("too many wrong tries, or the gate cannot just now ({reason:?})"),
            format!("wait, or set the tries back: `portcullis person unlock {which}`"),
        ),
        DeskRefusal::MovedOn | DeskRefusal::WordFirst | DeskRefusal::FourEyes | DeskRefusal::Checklist => {
            moved_on()
        }
    }
}

/// A reason that an auditor can follow.
fn said(reason: &str) -> Result<String, CommandError> {
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    if reason.chars().count() < REASON_CHARS_MIN {
        return Err(CommandError::new(
            Kind::Usage,
            "the reason says too little",
            "write what happened: --break-glass \"both owners lost their phones\"",
        ));
    }
    Ok(reason)
}

fn moved_on() -> CommandError {
    CommandError::new(
        Kind::Conflict,
        "it moved on meanwhile",
        "look at the page again and repeat the command",
    )
}

/// "lost" is no reason that an auditor can follow.
const REASON_CHARS_MIN: usize = 12;
