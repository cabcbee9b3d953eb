//! People: found by a search, and everything about one that the desk may see. No hash, no key, no code.

use http::StatusCode;

use super::codes::ids;
use super::doings::may;
use super::{Answer, Console, Here};
use crate::domain::certificate::{Certificate, CertificateState};
use crate::domain::device::{Device, DeviceState};
use crate::domain::enrolment::EnrolmentState;
use crate::domain::person::{Person, Role, Standing};
use crate::domain::session::Session;
use crate::domain::{PersonId, Reason, TenantId};
use crate::store::table;
use crate::web::form;
use crate::web::page::telephone_link;
use crate::web::pages::desk::{
    CertificateRow, DeviceRow, Doing, Mark, People, Person as PersonPage, PersonRow, PhoneRow, SessionRow,
    Tone,
};
use crate::web::pages::{Moment, Page as _};

impl Console {
    pub(super) fn people(&self, here: &Here<'_>, query: &str) -> Answer {
        let wanted: String = form::query(query, "q").chars().take(100).collect();
        let needle = wanted.to_lowercase();
        let view = &self.acts.view;
        let mut people: Vec<PersonRow> = view
            .tenants()
            .iter()
            .flat_map(|tenant| view.persons(&tenant.id))
            .filter(|person| matches(person, &needle))
            .map(|person| self.row(here, &person))
            .collect();
        people.sort_by(|a, b| (&a.name, &a.tenant).cmp(&(&b.name, &b.tenant)));
        people.truncate(ROWS_MAX);
        Ok(People {
            desk: self.desk(here, "/people/"),
            query: wanted,
            search_action: "/people/".to_owned(),
            people,
            issues: issues(here),
        }
        .response(StatusCode::OK))
    }

    pub(super) async fn person(&self, here: &Here<'_>, tenant: &str, person: &str, refused: &str) -> Answer {
        let (tenant, person) = ids(tenant, person)?;
        let view = &self.acts.view;
        let whose = view.tenant(&tenant).ok_or(Reason::NotFound)?;
        let one = view.person(&tenant, &person).ok_or(Reason::NotFound)?;
        let store = &**self.acts.ledger.store();
        let devices = table::list::<Device>(store, &table::devices(&tenant, &person)).await;
        let devices: Vec<Device> =
            devices.map_err(|_| Reason::Internal)?.into_iter().map(|read| read.record).collect();
        let certificates = self.certificates_of(|one| one.tenant == tenant && one.person == person).await?;
        let visits =
            self.acts.first_visits.of_person(&tenant, &person).await.map_err(|_| Reason::Internal)?;
        let now = here.visit.now;
        let waits = visits.iter().map(|read| &read.record).find(|visit| {
            let waits = matches!(visit.state, EnrolmentState::Waiting) && visit.in_time(now);
            let decides =
                matches!(visit.state, EnrolmentState::CodeRight { .. } | EnrolmentState::WordRight { .. });
            waits || decides
        });
        let status = if refused.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        let telephone = one.telephone.clone().unwrap_or_default();
        Ok(PersonPage {
            desk: self.desk(here, "/people/"),
            name: one.name.clone(),
            id: one.id.to_string(),
            tenant: whose.name.clone(),
            standing: standing(&one.standing),
            emails: one.emails.clone(),
            telephone_link: telephone_link(&telephone),
            telephone,
            groups: one.groups.iter().cloned().collect::<Vec<_>>().join(", "),
            roles: one.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", "),
            waiting: waits.and_then(|visit| self.waiting(here, visit)),
            refused: refused.to_owned(),
            code_action: "/codes/check".to_owned(),
            devices: devices.iter().map(|device| device_row(here, device)).collect(),
            phones: self.phones(here, &tenant, &person),
            certificates: certificates.iter().map(|one| self.certificate_row(here, one)).collect(),
            sessions: self.sessions_of(here, &tenant, &person).await?,
            doings: doings(here, &one),
        }
        .response(status))
    }

    fn row(&self, here: &Here<'_>, person: &Person) -> PersonRow {
        let phones = self.phones(here, &person.tenant, &person.id).len();
        PersonRow {
            name: person.name.clone(),
            tenant: person.tenant.to_string(),
            email: person.emails.first().cloned().unwrap_or_default(),
            telephone: person.telephone.clone().unwrap_or_default(),
            standing: standing(&person.standing),
            holds: match phones {
                0 => "no phone".to_owned(),
                1 => "1 phone".to_owned(),
                many => format!("{many} phones"),
            },
            href: format!("/people/{}/{}", person.tenant, person.id),
        }
    }

    fn phones(&self, here: &Here<'_>, tenant: &TenantId, person: &PersonId) -> Vec<PhoneRow> {
        let phones = self.acts.view.phones(tenant, person);
        let row = |phone: &crate::domain::phone::Phone| PhoneRow {
            name: phone.name.clone(),
            paired: Moment::new(phone.paired, here.visit.now),
            key: if phone.backup_eligible { "copied by its maker's cloud" } else { "in this phone only" }
                .to_owned(),
            used: phone.used.map(|at| Moment::new(at, here.visit.now)),
            doings: if phones.len() > 1 && may(here.person, tenant, person).is_ok() {
                let href = format!("/people/{tenant}/{person}/phones/{}/remove", phone.id);
                vec![Doing { label: "Remove".to_owned(), href, danger: true }]
            } else {
                vec![]
            },
        };
        phones.iter().map(|phone| row(phone)).collect()
    }

    async fn sessions_of(
        &self,
        here: &Here<'_>,
        tenant: &TenantId,
        person: &PersonId,
    ) -> Result<Vec<SessionRow>, Reason> {
        let store = &**self.acts.ledger.store();
        let all =
            table::list::<Session>(store, &table::all::<Session>()).await.map_err(|_| Reason::Internal)?;
        let now = here.visit.now;
        let of_person = |one: &Session| one.tenant == *tenant && one.person == *person;
        let live = all.into_iter().map(|read| read.record).filter(|one| of_person(one) && one.is_live(now));
        Ok(live
            .filter(|one| !one.is_pre_session())
            .map(|one| SessionRow {
                device: self
                    .acts
                    .view
                    .device(tenant, person, &one.device)
                    .map(|device| device.name.clone())
                    .unwrap_or_default(),
                proved: ["certificate"]
                    .into_iter()
                    .chain(one.password.map(|_| "password"))
                    .chain(one.phone.map(|_| "phone"))
                    .collect::<Vec<_>>()
                    .join(", "),
                began: Moment::new(one.created, now),
                seen: Moment::new(one.last_seen, now),
                ends: Moment::new(one.absolute_end, now),
            })
            .collect())
    }

    /// Certificates that fit, newest first.
    pub(super) async fn certificates_of(
        &self,
        fits: impl Fn(&Certificate) -> bool,
    ) -> Result<Vec<Certificate>, Reason> {
        let store = &**self.acts.ledger.store();
        let all = table::list::<Certificate>(store, &table::all::<Certificate>()).await;
        let all = all.map_err(|_| Reason::Internal)?.into_iter().map(|read| read.record);
        let mut fitting: Vec<Certificate> = all.filter(fits).collect();
        fitting.sort_by_key(|one| std::cmp::Reverse(one.not_before));
        Ok(fitting)
    }

    pub(super) fn certificate_row(&self, here: &Here<'_>, one: &Certificate) -> CertificateRow {
        let view = &self.acts.view;
        let now = here.visit.now;
        let tone = match one.state {
            CertificateState::Active if now <= one.not_after => Tone::Good,
            CertificateState::Revoked { .. } => Tone::Bad,
            CertificateState::Active | CertificateState::Superseded { .. } => Tone::Plain,
        };
        let expired = one.state == CertificateState::Active && now > one.not_after;
        CertificateRow {
            serial: one.serial.clone(),
            person: view.person(&one.tenant, &one.person).map(|who| who.name.clone()).unwrap_or_default(),
            device: view
                .device(&one.tenant, &one.person, &one.device)
                .map(|device| device.name.clone())
                .unwrap_or_default(),
            tenant: one.tenant.to_string(),
            state: Mark { text: if expired { "expired" } else { one.state.as_str() }.to_owned(), tone },
            from: Moment::new(one.not_before, now),
            until: Moment::new(one.not_after, now),
            href: format!("/people/{}/{}", one.tenant, one.person),
            detail: format!("/certificates/{}", one.serial),
            doings: certificate_doings(here, one),
        }
    }
}

fn device_row(here: &Here<'_>, device: &Device) -> DeviceRow {
    let tone = match device.state {
        DeviceState::Active | DeviceState::Released => Tone::Good,
        DeviceState::AwaitingCode | DeviceState::Issued => Tone::Waiting,
        DeviceState::Retired => Tone::Bad,
    };
    let mut doings = vec![];
    if device.state != DeviceState::Retired && issues(here) {
        doings.push(Doing {
            label: "Renew".to_owned(),
            href: format!("/devices/{}/{}/{}/renew", device.tenant, device.person, device.id),
            danger: false,
        });
        doings.push(Doing {
            label: "Switch off".to_owned(),
            href: format!("/devices/{}/{}/{}/revoke", device.tenant, device.person, device.id),
            danger: true,
        });
    }
    DeviceRow {
        name: device.name.clone(),
        state: Mark { text: device.state.as_str().to_owned(), tone },
        issued_by: device.issued_by.clone(),
        released_by: device.released_by.clone().unwrap_or_default(),
        created: Moment::new(device.created, here.visit.now),
        doings,
    }
}

fn certificate_doings(here: &Here<'_>, one: &Certificate) -> Vec<Doing> {
    if matches!(one.state, CertificateState::Revoked { .. }) || !issues(here) {
        return vec![];
    }
    let href = format!("/certificates/{}/revoke", one.serial);
    vec![Doing { label: "Revoke".to_owned(), href, danger: true }]
}

fn doings(here: &Here<'_>, person: &Person) -> Vec<Doing> {
    let at = format!("/people/{}/{}", person.tenant, person.id);
    let mut doings = vec![Doing { label: "Unlock".to_owned(), href: format!("{at}/unlock"), danger: false }];
    if !matches!(person.standing, Standing::Locked { .. } | Standing::Frozen(_)) {
        doings.push(Doing { label: "Lock".to_owned(), href: format!("{at}/lock"), danger: true });
    }
    if issues(here) {
        let href = format!("/devices/{}/{}/new", person.tenant, person.id);
        doings.push(Doing { label: "Issue a device".to_owned(), href, danger: false });
        let href = format!("/devices/{}/{}/csr", person.tenant, person.id);
        doings.push(Doing { label: "Certify a key (CSR)".to_owned(), href, danger: false });
        let href = format!("/devices/{}/{}/revoke", person.tenant, person.id);
        doings.push(Doing { label: "Switch off every device".to_owned(), href, danger: true });
    }
    doings
}

fn issues(here: &Here<'_>) -> bool {
    [Role::Owner, Role::Operator].iter().any(|role| here.person.roles.contains(role))
}

fn standing(standing: &Standing) -> Mark {
    let (text, tone) = match standing {
        Standing::Invited => ("invited".to_owned(), Tone::Waiting),
        Standing::Active => ("active".to_owned(), Tone::Good),
        Standing::Locked { why, .. } => (format!("locked: {why}"), Tone::Bad),
        Standing::Frozen(_) => ("frozen: said “not me”".to_owned(), Tone::Bad),
        Standing::Closed => ("closed".to_owned(), Tone::Plain),
    };
    Mark { text, tone }
}

fn matches(person: &Person, needle: &str) -> bool {
    let digits: String = needle.chars().filter(char::is_ascii_digit).collect();
    let telephone: String =
        person.telephone.iter().flat_map(|number| number.chars()).filter(char::is_ascii_digit).collect();
    person.name.to_lowercase().contains(needle)
        || person.id.as_str().contains(needle)
        || person.emails.iter().any(|email| email.to_lowercase().contains(needle))
        || (digits.len() >= 4 && telephone.contains(&digits))
}

const ROWS_MAX: usize = 500;
