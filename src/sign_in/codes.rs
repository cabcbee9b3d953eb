//! The page that shows recovery codes once, and the same as a file. The first visit and the settings share it.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::room::{Answer, HOME, Here, SignIn, action};
use crate::auth::recovery::{Claimant, Sheet};
use crate::domain::person::Person;
use crate::web::Visit;
use crate::web::page::{Head, Step, secure, see_other};
use crate::web::pages::Page as _;
use crate::web::pages::recovery::Codes;

/// Where the page is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// At the end of a first visit.
    FirstVisit,
    /// In the settings.
    Settings,
}

/// One look at the codes.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// The request.
    pub visit: &'a Visit,
    /// Whose codes.
    pub person: &'a Person,
    /// The ten.
    pub sheet: &'a Sheet,
    /// Where.
    pub shown: Shown,
    /// Token of the page's forms.
    pub csrf: &'a str,
    /// Whether somebody wanted to go on without the tick.
    pub untold: bool,
}

impl Look<'_> {
    /// The page. Its forms go to `base` and `file` or `kept`.
    #[must_use]
    pub fn page(&self, base: &str) -> Response<Body> {
        let page = Head::of(self.visit);
        let settings = self.shown == Shown::Settings;
        let status = if self.untold { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        Codes {
            page: if settings { page } else { page.at(Step::Done) },
            csrf: self.csrf.to_owned(),
            person: self.person.name.clone(),
            made: self.visit.now.day(),
            codes: self.sheet.iter().map(|code| code.expose().to_owned()).collect(),
            settings,
            anew: settings,
            untold: self.untold,
            file_action: format!("{base}file"),
            done_action: format!("{base}kept"),
        }
        .response(status)
    }

    /// The same for a printer or a safe, as plain text.
    #[must_use]
    pub fn file(&self) -> Response<Body> {
        let tenant = &self.visit.tenant;
        let mut text = format!(
            "Recovery codes of {} for {} ({})\r\nMade on {}. Each is good once, with your password.\r\n\r\n",
            self.person.name,
            tenant.name,
            self.visit.host,
            self.visit.now.day(),
        );
        for (at, code) in self.sheet.iter().enumerate() {
            text.push_str(&format!("{:>2}. {}\r\n", at + 1, code.expose()));
        }
        text.push_str(&format!(
            "\r\nIf you lose your phone: sign in with your password, choose \"I do not have my phone\" and type one of \
             them.\r\nWe never ask for one on the telephone or by e-mail. Our support: {}\r\n",
            tenant.telephone
        ));
        let mut response = Response::new(Body::from(Bytes::from(text)));
        let headers = response.headers_mut();
        secure(headers, &self.visit.host);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        let disposition = HeaderValue::from_static("attachment; filename=\"recovery-codes.txt\"");
        headers.insert(header::CONTENT_DISPOSITION, disposition);
        response
    }
}

impl SignIn {
    /// The codes that a first visit ends with, while they stand on this browser's screen.
    pub(super) fn codes_page(&self, here: &Here<'_>, untold: bool) -> Option<Response<Body>> {
        let (sheet, csrf) = (self.parts.recovery.shown(here.session.token())?, self.csrf(here));
        let person = here.certificate.person();
        let shown = Shown::FirstVisit;
        let look = Look { visit: here.visit, person, sheet: &sheet, shown, csrf: &csrf, untold };
        Some(look.page(&action("codes/")))
    }

    pub(super) fn codes_file(&self, here: &Here<'_>) -> Response<Body> {
        let Some(sheet) = self.parts.recovery.shown(here.session.token()) else { return see_other(HOME) };
        let person = here.certificate.person();
        let shown = Shown::FirstVisit;
        Look { visit: here.visit, person, sheet: &sheet, shown, csrf: "", untold: false }.file()
    }

    /// They are put away: never shown again.
    pub(super) async fn codes_kept(&self, here: &Here<'_>, ticked: bool) -> Answer {
        if !ticked && let Some(page) = self.codes_page(here, true) {
            return Ok(page);
        }
        self.parts.recovery.put_away(&self.claimant(here)).await?;
        Ok(see_other(HOME))
    }

    pub(super) fn claimant<'a>(&self, here: &'a Here<'_>) -> Claimant<'a> {
        let one = here.certificate;
        Claimant {
            tenant: one.tenant(),
            person: one.person_id(),
            device: one.device_id(),
            session: here.session.token(),
            address: here.visit.address,
        }
    }
}
