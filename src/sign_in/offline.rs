//! "My phone is offline": the question as a square, and the eight characters that the phone then shows.

use axum::body::Body;
use http::{Response, StatusCode};

use super::room::{Answer, HOME, Here, SignIn, action};
use crate::auth::phone::approvals::{AnswerError, Standing};
use crate::domain::phone::Phone;
use crate::domain::{ApprovalId, PhoneId, Reason};
use crate::web::form::Form;
use crate::web::page::{Head, see_other};
use crate::web::pages::Page as _;
use crate::web::pages::sign_in::{Offline, qr_of_much};
use crate::web::sse;

/// The square of a session's question.
#[derive(Clone)]
pub(super) struct Square {
    question: ApprovalId,
    phone: PhoneId,
    text: String,
    /// Why what was typed was not taken.
    refused: &'static str,
}

impl SignIn {
    /// Makes the square, for the phone that was chosen, or the first.
    pub(super) async fn make_square(&self, here: &Here<'_>, form: &Form) -> Answer {
        let (token, now) = (here.session.token(), here.visit.now);
        let Some(question) = self.parts.questions.question_of(token, now) else { return Ok(see_other(HOME)) };
        let phones = self.offline_phones(here);
        let chosen = phones.iter().find(|phone| phone.id.as_str() == form.text("phone")).or(phones.first());
        let Some(chosen) = chosen else { return Ok(see_other(HOME)) };
        let approvals = &self.parts.approvals;
        let (session, from) = (here.session.session(), here.visit.address);
        match approvals.offline(session, &question.id, &chosen.id, from).await {
            Ok(made) => {
                let square = Square {
                    question: question.id,
                    phone: chosen.id.clone(),
                    text: made.square,
                    refused: "",
                };
                self.squares.put(token, now, question.until, square);
                Ok(see_other(PAGE))
            }
            Err(error) => elsewhere(error),
        }
    }

    /// Shows it, as long as it may be answered.
    pub(super) async fn square_page(&self, here: &Here<'_>) -> Answer {
        let (token, now) = (here.session.token(), here.visit.now);
        let shown = self.parts.questions.question_of(token, now);
        let square = self.squares.get(token, now);
        let (Some(question), Some(square)) = (shown, square) else { return Ok(see_other(HOME)) };
        let (tenant, person) = (here.certificate.tenant(), here.certificate.person_id());
        let standing = self.parts.approvals.state(tenant, person, &square.question).await;
        let waits = standing.map_err(|_| Reason::Internal)? == Standing::Waiting;
        if question.id != square.question || !waits {
            return Ok(see_other(HOME));
        }
        let phones = self.offline_phones(here);
        let name = |phone: &Phone| (phone.id.to_string(), phone.name.clone());
        Ok(Offline {
            page: Head::of(here.visit),
            csrf: self.csrf(here),
            square: qr_of_much(&square.text).ok_or(Reason::Internal)?,
            phone: phones
                .iter()
                .find(|it| it.id == square.phone)
                .map(|it| it.name.clone())
                .unwrap_or_default(),
            others: phones.iter().filter(|it| it.id != square.phone).map(name).collect(),
            left_secs: question.until.since(now).as_secs(),
            total_secs: question.until.since(question.asked).as_secs(),
            refused: square.refused.to_owned(),
            action: action("offline/answer"),
            other_action: ASK.to_owned(),
            back: HOME.to_owned(),
            events: sse::waits_at(&action("events"), here.seen),
        }
        .response(StatusCode::OK))
    }

    /// Takes what was typed.
    pub(super) async fn square_answered(&self, here: &Here<'_>, form: &Form) -> Answer {
        let (token, now) = (here.session.token(), here.visit.now);
        let Some(square) = self.squares.get(token, now) else { return Ok(see_other(HOME)) };
        let typed = form.secret("answer").unwrap_or_else(|| crate::domain::Secret::new(""));
        let (session, from) = (here.session.session(), here.visit.address);
        let approvals = &self.parts.approvals;
        match approvals.approve_offline(session, &square.question, typed.expose(), from).await {
            Ok(()) => {
                self.squares.forget(token);
                Ok(see_other(HOME))
            }
            Err(AnswerError::NotEight) => Ok(self.square_again(here, square, NOT_EIGHT)),
            Err(AnswerError::WrongDigits { left: 1.., blocks: false }) => {
                Ok(self.square_again(here, square, OTHER))
            }
            Err(AnswerError::TooSoon { .. }) => Ok(self.square_again(here, square, TOO_SOON)),
            Err(error) => elsewhere(error),
        }
    }

    fn square_again(&self, here: &Here<'_>, square: Square, refused: &'static str) -> Response<Body> {
        let (token, now) = (here.session.token(), here.visit.now);
        if let Some(question) = self.parts.questions.question_of(token, now) {
            self.squares.put(token, now, question.until, Square { refused, ..square });
        }
        see_other(PAGE)
    }

    fn offline_phones(&self, here: &Here<'_>) -> Vec<Phone> {
        self.parts.approvals.offline_phones(here.certificate.tenant(), here.certificate.person_id())
    }
}

/// The waiting page tells how it ended.
fn elsewhere(error: AnswerError) -> Answer {
    match error {
        AnswerError::Store(_) => Err(Reason::Internal),
        AnswerError::Busy => Err(Reason::Busy),
        AnswerError::Blocked => Err(Reason::PhoneBlocked),
        _ => Ok(see_other(HOME)),
    }
}

/// Where the square is asked for.
pub(super) const ASK: &str = "/.portcullis/sign-in/offline";
/// Where it stands.
const PAGE: &str = "/.portcullis/sign-in/offline/";

const NOT_EIGHT: &str = "Please type all eight characters that your phone shows.";
const OTHER: &str = "Your phone shows other characters for this square. Please look again, or let it read the square once more.";
const TOO_SOON: &str = "That was very quick. Please wait some seconds and type the characters again.";
