//! What the app is told when something does not go on: a sentence, why, and the next step
//! (RFC 9457), with a short code that the app goes by. Knows no secret.

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::auth::phone::approvals::AnswerError;
use crate::auth::phone::proof;
use crate::domain::Time;
use crate::domain::phone::RemovedBy;
use crate::enrolment::pairing::PairingError;
use crate::notify::webpush::BadSubscription;
use crate::store::StoreError;

/// A refusal of the API.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    next: &'static str,
    more: Option<(&'static str, i64)>,
}

impl Problem {
    fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
        next: &'static str,
    ) -> Self {
        Self { status, code, title, detail: detail.into(), next, more: None }
    }

    fn with(self, name: &'static str, value: impl Into<i64>) -> Self {
        Self { more: Some((name, value.into())), ..self }
    }

    pub(super) fn malformed(what: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            "We did not understand the app",
            what,
            "Close the app, open it again, and try once more.",
        )
    }

    pub(super) fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "That was more than we take",
            "The app sends a few hundred bytes.",
            "Close the app, open it again, and try once more.",
        )
    }

    pub(super) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is nothing at this address",
            "The app may be older than the gate.",
            "Close the app and open it again.",
        )
    }

    pub(super) fn method(method: &str) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method",
            "Not in this way",
            format!("This address does not take {method}."),
            "Close the app and open it again.",
        )
    }

    pub(super) fn unpaired() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unpaired",
            "This phone is not paired",
            "The gate does not know this phone, or not any more.",
            "Pair it again from your computer, or call support.",
        )
    }

    pub(super) fn shut_out() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "shut-out",
            "Access is switched off for now",
            "Support has locked this access.",
            "Call support.",
        )
    }

    /// This tenant takes no key that may be copied.
    fn synced() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "synced",
            "This site takes only a key that stays in this phone",
            "Your phone would copy its key to your other devices, by Apple or Google.",
            "Call support: they know which phones can be used.",
        )
    }

    /// The phone was removed: when, and by whom.
    pub(super) fn removed(by: RemovedBy, at: Time) -> Self {
        let (code, title) = removed(by);
        Self::new(
            StatusCode::UNAUTHORIZED,
            code,
            title,
            format!("That was on {}. It can answer nothing any more.", at.day()),
            "If you know nothing of it, call support. To use this phone again, pair it anew from your computer.",
        )
        .with("at", at.millis())
    }

    pub(super) fn frozen() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "frozen",
            "We have stopped it. Nobody is signed in.",
            "Your access is frozen until our support has spoken with you.",
            "We ring you at the number we have, or call support.",
        )
    }

    pub(super) fn unproved(why: proof::Refused, now: Time) -> Self {
        let (status, code) = match why {
            proof::Refused::Malformed => (StatusCode::UNAUTHORIZED, "unsigned"),
            proof::Refused::WrongSignature => (StatusCode::UNAUTHORIZED, "signature"),
            proof::Refused::Clock => (StatusCode::UNAUTHORIZED, "clock"),
            proof::Refused::Replayed => (StatusCode::UNAUTHORIZED, "replayed"),
            proof::Refused::TooMany => (StatusCode::TOO_MANY_REQUESTS, "too-many"),
        };
        let (title, next) = match why {
            proof::Refused::Clock => (
                "Your phone's clock differs from ours",
                "Set date and time of the phone to automatic, then try again.",
            ),
            proof::Refused::TooMany => ("That was too often", "Wait two minutes, then try again."),
            _ => ("We could not be sure that this is your phone", "Try again; then pair the phone again."),
        };
        // The app sets its own clock by ours and tries again.
        Self::new(status, code, title, sentence(&why.to_string()), next).with("now", now.millis())
    }

    pub(super) fn unknown_question() -> Self {
        AnswerError::Unknown.into()
    }

    /// This gate has no key for push.
    pub(super) fn no_push() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "push-off",
            "This gate wakes no phones",
            "Its operator has not switched push on.",
            "Open the app yourself when you sign in: the question is there.",
        )
    }

    pub(super) fn busy(what: &'static str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", "One moment", what, "Try again in a few seconds.")
    }

    fn internal(error: &StoreError) -> Self {
        tracing::error!(%error, "the phone's call could not be served");
        let (detail, sure) = match error {
            StoreError::Engine { .. } | StoreError::Closed => {
                ("It is not known whether this was done.", 0_u8)
            }
            _ => ("Nothing was changed.", 1),
        };
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "internal",
            "Something of ours went wrong",
            detail,
            "Try again in a minute; if it happens again, call support with the number below.",
        )
        .with("sure", sure)
    }

    /// `number` is the request's, to be read out to support.
    pub(super) fn response(self, number: &str) -> Response<Body> {
        let mut body = json!({
            "type": format!("urn:portcullis:problem:{}", self.code),
            "code": self.code,
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "next": self.next,
            "instance": number,
            // As the app calls it, which may be older than the gate.
            "number": number,
        });
        if let Some((name, value)) = self.more {
            body[name] = value.into();
        }
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("10"));
        }
        response
    }
}

impl From<AnswerError> for Problem {
    fn from(error: AnswerError) -> Self {
        let detail = sentence(&error.to_string());
        let again = "If you still want to sign in, start again on your computer.";
        match error {
            AnswerError::Unknown => {
                Self::new(StatusCode::CONFLICT, "unknown", "This question is gone", detail, again)
            }
            AnswerError::Answered => {
                Self::new(StatusCode::CONFLICT, "answered", "This was already answered", detail, again)
            }
            AnswerError::Expired => Self::new(
                StatusCode::CONFLICT,
                "expired",
                "The time for this question is over",
                detail,
                again,
            ),
            AnswerError::NotSixDigits | AnswerError::NotEight => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "not-six-digits",
                "Six digits, please",
                detail,
                "Type the six digits that your computer shows.",
            ),
            AnswerError::WrongDigits { blocks: true, .. } | AnswerError::Blocked => Self::new(
                StatusCode::FORBIDDEN,
                "phone-blocked",
                "Five wrong numbers in a row: this phone is blocked",
                "Nobody is signed in. So that nobody can guess, this phone answers nothing until support opens it.",
                "Call support. If you did not type these numbers yourself, say so.",
            ),
            AnswerError::TooSoon { until } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-soon",
                "One moment, please",
                "After a wrong number the next one is heard a few seconds later.",
                "Look at your computer, and type the six digits it shows now.",
            )
            .with("until", until.millis()),
            AnswerError::WrongDigits { left: 0, .. } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "wrong-digits",
                "Three times other digits: we have ended this question",
                "Nobody is signed in by it.",
                "If it was you, start again on your computer. If not, call support.",
            )
            .with("left", 0_u8),
            AnswerError::WrongDigits { left, .. } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "wrong-digits",
                "Your computer shows other digits",
                format!("You can try {left} more {}.", if left == 1 { "time" } else { "times" }),
                "Look at your computer and type the six digits it shows now.",
            )
            .with("left", left),
            AnswerError::Signature(_) => Self::new(
                StatusCode::UNAUTHORIZED,
                "signature",
                "The phone's signature does not fit",
                "Nothing was approved.",
                "Try again. If it happens twice, call support.",
            ),
            AnswerError::Synced => Self::synced(),
            AnswerError::Unpaired => Self::unpaired(),
            AnswerError::Busy => Self::busy("Another answer came at the same time."),
            AnswerError::Store(error) => Self::internal(&error),
        }
    }
}

impl From<PairingError> for Problem {
    fn from(error: PairingError) -> Self {
        let detail = sentence(&error.to_string());
        match error {
            PairingError::Gone => Self::new(
                StatusCode::CONFLICT,
                "gone",
                "This square cannot be used any more",
                "A square is good for five minutes and for one phone.",
                "Show a new one on your computer and scan that.",
            ),
            PairingError::Contested => Self::new(
                StatusCode::CONFLICT,
                "contested",
                "Two phones came with the same square",
                "So that nobody else's phone is paired, we have stopped both.",
                "If the other one was not yours, call support. Then show a new square and scan it once.",
            ),
            PairingError::HasPhone => Self::new(
                StatusCode::CONFLICT,
                "has-phone",
                "You have a paired phone already",
                detail,
                "Call support to replace it.",
            ),
            PairingError::TooMany => Self::new(
                StatusCode::CONFLICT,
                "too-many-phones",
                "You have five phones already",
                detail,
                "Remove one of them in the settings on your computer first.",
            ),
            PairingError::Synced => Self::synced(),
            PairingError::Credential(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "credential",
                "The phone's new key could not be taken",
                detail,
                "Show a new square on your computer and scan it. If it happens twice, call support.",
            ),
            PairingError::Busy => Self::busy("Another answer came at the same time."),
            PairingError::Store(error) => Self::internal(&error),
        }
    }
}

impl From<BadSubscription> for Problem {
    fn from(why: BadSubscription) -> Self {
        let (status, code) = match why {
            BadSubscription::OurKey => (StatusCode::CONFLICT, "push-key"),
            BadSubscription::Endpoint(_) | BadSubscription::BrowserKeys => {
                (StatusCode::UNPROCESSABLE_ENTITY, "push-subscription")
            }
        };
        Self::new(
            status,
            code,
            "We cannot wake this phone",
            sentence(&format!("what its browser gave cannot be used: {why}")),
            "Open the app yourself when you sign in: the question is there.",
        )
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

/// The app's code for a removal, and its sentence.
pub(super) const fn removed(by: RemovedBy) -> (&'static str, &'static str) {
    match by {
        RemovedBy::Owner => ("removed-owner", "This phone was removed in your settings"),
        RemovedBy::Support => ("removed-support", "This phone was removed by our support"),
        RemovedBy::Replaced => ("removed-replaced", "Another phone took this one's place"),
    }
}

/// An error's text as a sentence on a screen.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}
