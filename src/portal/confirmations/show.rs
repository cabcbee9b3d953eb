//! What is seen of a confirmation: the page that waits, the page that sends, the page that says how it ended, and
//! the same for scripts.

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use super::{Answer, BASE, Confirmations, Found, Here, entry, matter, page_of};
use crate::audit::Event;
use crate::auth::phone::approvals::Standing;
use crate::domain::approval::Purpose;
use crate::domain::confirmation::{Confirmation, ConfirmationState, Manner, NotSent};
use crate::domain::{ApprovalId, Reason};
use crate::sign_in::questions::Turn;
use crate::store::{Revision, table};
use crate::web::page::{Head, see_other};
use crate::web::pages::Page as _;
use crate::web::pages::confirm::{Confirmed, End, Ended, Sending};
use crate::web::pages::sign_in::{Matter, Unanswered, UnansweredWhy};
use crate::web::{Visit, sse};

impl Confirmations {
    /// The page that comes next.
    pub(super) async fn page(&self, here: &Here<'_>) -> Answer {
        let found = self.look(here).await?;
        match &found.record.state {
            ConfirmationState::Kept => self.ask(here, &found).await,
            ConfirmationState::Asked { approval } => self.asked(here, &found.record, approval).await,
            ConfirmationState::Approved { .. } => Ok(confirmed(here, &found.record)),
            ConfirmationState::Sending { .. } => Ok(sending(here)),
            _ => Ok(ended(here, &found.record)),
        }
    }

    /// Asks the phone; the page that waits comes next.
    async fn ask(&self, here: &Here<'_>, found: &Found) -> Answer {
        if !self.parts.questions.has_phone(here.certificate) {
            self.refuse(found, NotSent::NoPhone).await?;
            return Ok(see_other(&page_of(&here.id)));
        }
        let question = self.parts.questions.ask(&here.waiting(), matter(&found.record)).await?;
        let entry = entry(Event::ConfirmationAsked, &found.record)
            .whence(here.visit.address)
            .detail("approval", question.id.as_str());
        let state = ConfirmationState::Asked { approval: question.id };
        let asked = Confirmation { state, ..found.record.clone() };
        self.change(entry, found, &asked).await?;
        Ok(see_other(&page_of(&here.id)))
    }

    async fn asked(&self, here: &Here<'_>, its: &Confirmation, approval: &ApprovalId) -> Answer {
        let on_screen = self.parts.questions.on_screen(here.session.token(), here.visit.now);
        if on_screen.as_ref() == Some(approval) {
            match self.parts.questions.turn(&here.waiting(), Purpose::Confirm).await? {
                Turn::Show(page) => return Ok(page),
                Turn::Approved(_) => return Ok(confirmed(here, its)),
                Turn::Unasked => {}
            }
        }
        // Its digits are on no screen any more: another question took their place, or the gate was started anew.
        let standing = self.parts.approvals.state(&its.tenant, &its.person, approval).await;
        let why = match standing.map_err(|_| Reason::Internal)? {
            Standing::Approved => return Ok(confirmed(here, its)),
            Standing::Expired => UnansweredWhy::Expired,
            Standing::WrongDigits => UnansweredWhy::WrongDigits,
            Standing::Withdrawn => UnansweredWhy::Withdrawn,
            Standing::Waiting | Standing::Denied | Standing::Superseded => UnansweredWhy::Superseded,
        };
        let (page, csrf, again_action) = (Head::of(here.visit), here.csrf.clone(), here.way[0].clone());
        Ok(Unanswered { page, csrf, why, about: Matter::Confirm, again_action }.response(StatusCode::OK))
    }

    /// Asks once more, where nobody has approved.
    pub(super) async fn again(&self, here: &Here<'_>) -> Answer {
        let found = self.look(here).await?;
        let open = match &found.record.state {
            ConfirmationState::Kept => true,
            ConfirmationState::Asked { approval } => {
                let standing =
                    self.parts.approvals.state(&found.record.tenant, &found.record.person, approval);
                !matches!(standing.await.map_err(|_| Reason::Internal)?, Standing::Approved)
            }
            _ => false,
        };
        if open {
            self.ask(here, &found).await?;
        }
        Ok(see_other(&page_of(&here.id)))
    }

    /// The person gave up.
    pub(super) async fn cancel(&self, here: &Here<'_>) -> Answer {
        let found = self.look(here).await?;
        if let ConfirmationState::Kept
        | ConfirmationState::Asked { .. }
        | ConfirmationState::Approved { .. } = &found.record.state
        {
            if let ConfirmationState::Asked { approval } = &found.record.state {
                let withdrawn = self.parts.approvals.withdraw(here.session.session(), approval).await;
                withdrawn.map_err(|_| Reason::Internal)?;
            }
            self.refuse(&found, NotSent::Cancelled).await?;
        }
        Ok(see_other(&page_of(&here.id)))
    }

    /// Tells the page when the phone has answered, or something else has happened.
    pub(super) fn events(&self, here: &Here<'_>, seen: Option<Revision>) -> Response<Body> {
        let (tenant, person) = (here.certificate.tenant(), here.certificate.person_id());
        let watched = vec![
            table::approvals(tenant, person),
            table::confirmation(tenant, person, &here.id),
            table::session(here.session.token()),
        ];
        self.parts.questions.events(watched, seen, here.cancel)
    }

    /// How it stands, for a script.
    pub(super) async fn outcome(&self, here: &Here<'_>) -> Answer {
        let found = self.look(here).await?;
        Ok(outcome(StatusCode::OK, &found.record, self.word(&found.record).await?))
    }

    /// What is said to a form, or a script, that can have nothing sent.
    pub(super) fn told(&self, here: &Here<'_>, its: &Confirmation) -> Answer {
        if here.window {
            return Ok(see_other(&page_of(&here.id)));
        }
        Ok(outcome(StatusCode::CONFLICT, its, its.state.as_str()))
    }

    /// The state in a word; an approval that waits to be taken up is one already.
    async fn word(&self, its: &Confirmation) -> Result<&'static str, Reason> {
        if let ConfirmationState::Asked { approval } = &its.state {
            let standing = self.parts.approvals.state(&its.tenant, &its.person, approval).await;
            if standing.map_err(|_| Reason::Internal)? == Standing::Approved {
                return Ok("approved");
            }
        }
        Ok(its.state.as_str())
    }
}

/// Who brings the backend's answer home, by how the browser asked.
pub(super) fn manner(headers: &HeaderMap, visit: &Visit) -> Manner {
    if is_window(headers, visit) { Manner::Navigation } else { Manner::Fetch }
}

/// Whether a window asks, and not a script. A browser that does not say is believed by what it accepts.
pub(super) fn is_window(headers: &HeaderMap, visit: &Visit) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-mode") {
        Some(mode) => mode == "navigate" && !visit.json,
        None => !visit.json && text("accept").is_some_and(|accept| accept.contains("text/html")),
    }
}

/// A script of this very origin, as far as the browser says; another's could not read the answer anyway.
pub(super) fn own_script(headers: &HeaderMap) -> Result<(), Reason> {
    let own = |value: &HeaderValue| value == "same-origin" || value == "none";
    if headers.get_all("sec-fetch-site").iter().all(own) { Ok(()) } else { Err(Reason::CrossSite) }
}

/// The answer to the request that was kept: on to its page, or where a script finds it.
pub(super) fn sent_on(
    visit: &Visit,
    kept: &Confirmation,
    token: &str,
    cookies: Vec<HeaderValue>,
) -> Response<Body> {
    let mut response = match kept.manner {
        Manner::Navigation => see_other(&page_of(&kept.id)),
        Manner::Fetch => problem(visit, kept, token),
    };
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// RFC 9457.
fn problem(visit: &Visit, kept: &Confirmation, token: &str) -> Response<Body> {
    let at = |doing: &str| format!("{}{BASE}{}/{doing}", visit.origin(), kept.id);
    let problem = json!({
        "type": "urn:portcullis:confirm",
        "title": kept.wanted.title,
        "status": StatusCode::PRECONDITION_REQUIRED.as_u16(),
        "detail": "This must be confirmed on the phone. Open `confirm` in a window, ask `outcome` until it says \
                   `approved`, then post `token` as the form field `csrf` to `send`: its answer is the backend's.",
        "instance": visit.request_id,
        "id": kept.id.as_str(),
        "confirm": at(""),
        "outcome": at("outcome"),
        "send": at("send"),
        "token": token,
        "expires": kept.expires.to_string(),
    });
    told_as(StatusCode::PRECONDITION_REQUIRED, "application/problem+json", &problem)
}

fn outcome(status: StatusCode, its: &Confirmation, state: &str) -> Response<Body> {
    let mut said = json!({
        "id": its.id.as_str(),
        "state": state,
        "title": its.wanted.title,
        "expires": its.expires.to_string(),
    });
    match &its.state {
        ConfirmationState::Done { status, .. } => said["status"] = json!(status),
        ConfirmationState::Refused { why, .. } => said["why"] = json!(why.as_str()),
        _ => {}
    }
    told_as(status, "application/json", &said)
}

fn told_as(status: StatusCode, kind: &'static str, said: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(said.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

/// The phone has confirmed: the page that sends it, or leaves that to the script that asked.
fn confirmed(here: &Here<'_>, its: &Confirmation) -> Response<Body> {
    Confirmed {
        page: Head::of(here.visit),
        csrf: here.csrf.clone(),
        title: its.wanted.title.clone(),
        rows: rows(its),
        by_itself: its.manner == Manner::Navigation,
        action: format!("{BASE}{}/send", its.id),
        events: sse::waits_at(&here.way[2], here.seen),
    }
    .response(StatusCode::OK)
}

fn sending(here: &Here<'_>) -> Response<Body> {
    Sending { page: Head::of(here.visit), events: sse::waits_at(&here.way[2], here.seen) }
        .response(StatusCode::OK)
}

/// How it ended.
fn ended(here: &Here<'_>, its: &Confirmation) -> Response<Body> {
    let (end, at) = match &its.state {
        ConfirmationState::Done { status: 200..=399, at } => (End::Taken, *at),
        ConfirmationState::Done { status: 400..=499, at } => (End::NotTaken, *at),
        ConfirmationState::Done { at, .. } | ConfirmationState::Unknown { at } => (End::Unknown, *at),
        ConfirmationState::Expired { at } => (End::Expired, *at),
        ConfirmationState::Refused { why, at } => {
            let end = match why {
                NotSent::NotMe => End::NotMe,
                NotSent::Cancelled | NotSent::TooMany => End::Cancelled,
                NotSent::NoPhone => End::NoPhone,
                NotSent::Policy | NotSent::Route => End::Rules,
                NotSent::Changed => End::Changed,
                NotSent::Unreachable => End::Unreachable,
            };
            (end, *at)
        }
        // Not over: nobody asks this of them.
        ConfirmationState::Kept
        | ConfirmationState::Asked { .. }
        | ConfirmationState::Approved { .. }
        | ConfirmationState::Sending { .. } => (End::Unknown, its.created),
    };
    Ended {
        page: Head::of(here.visit),
        end,
        title: its.wanted.title.clone(),
        rows: rows(its),
        receipt: its.id.to_string(),
        at: at.minute(),
        back: "/".to_owned(),
        closes: its.manner == Manner::Fetch,
    }
    .response(StatusCode::OK)
}

fn rows(its: &Confirmation) -> Vec<(String, String)> {
    its.shown().into_iter().map(|row| (row.name, row.value)).collect()
}
