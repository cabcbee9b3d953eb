//! The pages of a renewal, each from how things stand now.

use axum::body::Body;
use http::{Response, StatusCode};

use super::steps::Phone;
use super::{Answer, Here, Question, RenewalRoom, Stage, begin};
use crate::auth::phone::approvals::Standing;
use crate::ca::{Encoding, import_password};
use crate::domain::Reason;
use crate::domain::enrolment::EndedWhy;
use crate::enrolment::first_visit::Screen;
use crate::store::{Revision, table};
use crate::web::page::{Head, see_other};
use crate::web::pages::guide::guides;
use crate::web::pages::{Page as _, renewal as pages, sign_in, spoken};
use crate::web::platform::Platform;
use crate::web::sse::{self, Happening};

impl RenewalRoom {
    pub(super) async fn page(&self, here: &Here<'_>, refused: &str) -> Answer {
        match self.stage(here).await? {
            Stage::Call => self.call_page(here).await,
            Stage::Password => Ok(self.password_page(here, refused)),
            Stage::Phone => self.phone_page(here).await,
            Stage::Certificate => self.ready_page(here),
        }
    }

    async fn call_page(&self, here: &Here<'_>) -> Answer {
        let (page, csrf) = (Head::of(here.visit), self.csrf(&here.renewal.record.token));
        let action = |name: &str| format!("{}{name}", here.base);
        let events = sse::waits_at(&action("events"), here.seen);
        let ended = |why, number, again_action| {
            sign_in::Ended {
                page: page.clone(),
                csrf: csrf.clone(),
                why,
                number,
                again_action,
                stop_action: String::new(),
            }
            .response(StatusCode::OK)
        };
        let word = |words, number, chosen| {
            let (page, csrf, events) = (page.clone(), csrf.clone(), events.clone());
            sign_in::Word { page, csrf, words, number, action: action("word"), chosen, events }
                .response(StatusCode::OK)
        };
        Ok(match self.code(here, false).await {
            Err(Reason::Blocked) => ended(sign_in::EndedWhy::WrongTries, String::new(), String::new()),
            Err(reason) => return Err(reason),
            Ok(Screen::Code { fresh: true, .. }) => see_other(here.base),
            Ok(Screen::Code { digits, expires, .. }) => pages::Code {
                page: page.clone(),
                csrf: csrf.clone(),
                digits: digits.expose().to_owned(),
                left_secs: expires.since(here.visit.now).as_secs(),
                total_secs: CODE_SECS,
                renew_action: action("code"),
                cancel_action: action("cancel"),
                events: events.clone(),
            }
            .response(StatusCode::OK),
            Ok(Screen::Word { words, number }) => word(words, number, false),
            // One agent is enough here: nobody waits for a second.
            Ok(Screen::Deciding(number) | Screen::Second(number)) => {
                word([String::new(), String::new(), String::new()], number, true)
            }
            Ok(Screen::Released) => see_other(here.base),
            Ok(Screen::Ended(why, number)) => match why {
                EndedWhy::Rejected => ended(sign_in::EndedWhy::Rejected, number, action("code")),
                EndedWhy::WrongWord => ended(sign_in::EndedWhy::WrongWord, number, action("code")),
                EndedWhy::Replaced => ended(sign_in::EndedWhy::Replaced, number, action("code")),
            },
        })
    }

    fn password_page(&self, here: &Here<'_>, refused: &str) -> Response<Body> {
        let status = if refused.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        pages::Password {
            page: Head::of(here.visit),
            csrf: self.csrf(&here.renewal.record.token),
            refused: refused.to_owned(),
            action: format!("{}password", here.base),
            cancel_action: format!("{}cancel", here.base),
        }
        .response(status)
    }

    async fn phone_page(&self, here: &Here<'_>) -> Answer {
        let unanswered = |why| {
            sign_in::Unanswered {
                page: Head::of(here.visit),
                csrf: self.csrf(&here.renewal.record.token),
                why,
                about: sign_in::Matter::Renewal,
                again_action: format!("{}phone", here.base),
            }
            .response(StatusCode::OK)
        };
        if self.questions.get(&here.renewal.record.token, here.visit.now).is_none() {
            return self.ask_phone(here).await.map(|_| see_other(here.base));
        }
        Ok(match self.phone(here).await? {
            Phone::Waiting(question) => self.waiting_page(here, &question),
            Phone::Next(begun) => self.with_cookie(see_other(here.base), &begun),
            Phone::Denied => sign_in::NotMe { page: Head::of(here.visit) }.response(StatusCode::OK),
            Phone::Ended(Standing::WrongDigits) => unanswered(sign_in::UnansweredWhy::WrongDigits),
            Phone::Ended(Standing::Superseded) => unanswered(sign_in::UnansweredWhy::Superseded),
            Phone::Ended(Standing::Withdrawn) => unanswered(sign_in::UnansweredWhy::Withdrawn),
            Phone::Ended(_) => unanswered(sign_in::UnansweredWhy::Expired),
        })
    }

    fn waiting_page(&self, here: &Here<'_>, question: &Question) -> Response<Body> {
        let (renewal, view) = (&here.renewal.record, &self.parts.view);
        let phones = view.phones(&renewal.tenant, &renewal.person);
        let device = view.device(&renewal.tenant, &renewal.person, &renewal.device);
        let since = here.visit.now.since(question.asked).as_secs();
        sign_in::Wait {
            page: Head::of(here.visit),
            csrf: self.csrf(&renewal.token),
            digits: question.digits.expose().to_owned(),
            phones: phones.iter().map(|phone| phone.name.clone()).collect(),
            about: sign_in::Matter::Renewal,
            reason: String::new(),
            rows: Vec::new(),
            device: device.map(|device| device.name.clone()).unwrap_or_default(),
            phone_host: self.parts.phone_origin.trim_start_matches("https://").to_owned(),
            left_secs: question.until.since(here.visit.now).as_secs(),
            total_secs: question.until.since(question.asked).as_secs(),
            again_after_secs: AGAIN_AFTER_SECS.saturating_sub(since),
            again_action: format!("{}phone", here.base),
            cancel_action: format!("{}cancel", here.base),
            offline_action: String::new(),
            events: sse::waits_at(&format!("{}events", here.base), here.seen),
        }
        .response(StatusCode::OK)
    }

    /// The password stands on this page alone; the file is made under it when the button is pressed.
    fn ready_page(&self, here: &Here<'_>) -> Answer {
        let renewal = &here.renewal.record;
        let password = self.import_passwords.get(&renewal.token, here.visit.now).unwrap_or_else(|| {
            let drawn = import_password::draw(&self.parts.world);
            self.import_passwords.put(&renewal.token, here.visit.now, renewal.expires, drawn.clone());
            drawn
        });
        let device = self.parts.view.device(&renewal.tenant, &renewal.person, &renewal.device);
        let groups: Vec<String> = password.expose().split('-').map(str::to_owned).collect();
        let left = renewal.expires.since(here.visit.now).as_secs();
        let platform = Platform::recognised(&here.visit.browser);
        Ok(pages::Ready {
            page: Head::of(here.visit),
            csrf: self.csrf(&renewal.token),
            device: device.ok_or(Reason::UnknownDevice)?.name.clone(),
            password_spoken: groups.iter().map(|group| spoken(group)).collect(),
            password_groups: groups,
            compatible: platform.form().encoding() == Encoding::Compatible,
            guides: guides(platform),
            left_mins: left.div_ceil(60),
            site: begin::site(&here.visit.tenant, here.visit),
            action: format!("{}certificate", here.base),
        }
        .response(StatusCode::OK))
    }

    /// Tells the page to load itself again when anything it waits for changed: of the person's own doings only
    /// once the password was right, since until then it may be a stranger who listens.
    pub(super) fn events(&self, here: &Here<'_>, seen: Option<Revision>) -> Response<Body> {
        let renewal = &here.renewal.record;
        let (tenant, person) = (&renewal.tenant, &renewal.person);
        let mut watched = vec![
            table::enrolment(tenant, person, &renewal.device, &renewal.token),
            table::renewal(&renewal.token),
        ];
        if renewal.password.is_some() {
            watched.push(table::approvals(tenant, person));
        }
        sse::watch(&self.parts.view, watched, seen, Happening::Moved, here.cancel.clone())
    }
}

/// As `enrolment::first_visit` has it.
const CODE_SECS: u64 = 600;

/// A question may be sent again after this.
const AGAIN_AFTER_SECS: u64 = 30;
