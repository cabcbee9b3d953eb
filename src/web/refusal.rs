//! Every [`Reason`] as a person, a program and a log see it: one exhaustive match gives its
//! status, words, next step, level and audit event. Decides nothing.

mod noted;

use axum::body::Body;
use fluent::FluentValue;
use http::header::{CONTENT_TYPE, RETRY_AFTER, VARY};
use http::{HeaderValue, Response, StatusCode};
use tracing::Level;

pub use self::noted::has_line;
use self::noted::{Whom, note};
use crate::domain::{Reason, Time};
use crate::web::language::Words;
use crate::web::page::{self, Head};
use crate::web::pages::Page;
use crate::web::pages::refused::{Expired, Press, Refused};
use crate::web::visit::Visit;

/// How a refusal is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// HTTP status.
    pub status: StatusCode,
    /// Begin of its keys in the words, and its name for programs.
    pub key: &'static str,
    /// How loud the log says it.
    pub level: Level,
    /// Event of the audit trail, where it leaves one.
    pub audit: Option<&'static str>,
    /// What the person can do.
    pub step: NextStep,
}

/// What the person can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Call support.
    Call,
    /// Open the same address again.
    Again,
    /// The same, by itself after so many seconds.
    AgainAfter(u64),
    /// Begin to sign in.
    SignIn,
    /// Go to the door's first page.
    First,
}

/// How `reason` is told.
#[must_use]
pub const fn manner(reason: &Reason) -> Manner {
    use NextStep::{Again, AgainAfter, Call, First, SignIn};
    let (status, key, level, audit, step) = match reason {
        Reason::NoCertificate => (StatusCode::FORBIDDEN, "no-certificate", Level::INFO, None, Call),
        Reason::CertificateExpired { .. } => {
            (StatusCode::FORBIDDEN, "certificate-expired", Level::INFO, REFUSED, Call)
        }
        Reason::CertificateNotYetValid { .. } => {
            (StatusCode::FORBIDDEN, "certificate-not-yet", Level::INFO, REFUSED, Call)
        }
        // Anybody can make one: a trace of each would let strangers fill the audit trail.
        Reason::ForeignIssuer => (StatusCode::FORBIDDEN, "foreign-issuer", Level::WARN, None, Call),
        Reason::WrongPurpose => (StatusCode::FORBIDDEN, "wrong-purpose", Level::WARN, REFUSED, Call),
        Reason::WrongTenant => (StatusCode::FORBIDDEN, "wrong-tenant", Level::WARN, REFUSED, Call),
        Reason::CertificateRevoked { .. } => {
            (StatusCode::FORBIDDEN, "certificate-revoked", Level::WARN, REFUSED, Call)
        }
        Reason::CertificateSuperseded => {
            (StatusCode::FORBIDDEN, "certificate-superseded", Level::INFO, REFUSED, Call)
        }
        Reason::UnknownDevice => (StatusCode::FORBIDDEN, "unknown-device", Level::WARN, REFUSED, Call),
        Reason::PersonLocked => (StatusCode::FORBIDDEN, "person-locked", Level::WARN, REFUSED, Call),
        Reason::PersonFrozen => (StatusCode::FORBIDDEN, "person-frozen", Level::WARN, REFUSED, Call),
        Reason::SignInFirst => (StatusCode::UNAUTHORIZED, "sign-in-first", Level::DEBUG, None, SignIn),
        Reason::SessionElsewhere => {
            (StatusCode::UNAUTHORIZED, "session-elsewhere", Level::WARN, Some("session.elsewhere"), SignIn)
        }
        Reason::PolicyDenied { .. } => {
            (StatusCode::FORBIDDEN, "policy-denied", Level::WARN, Some("policy.denied"), First)
        }
        Reason::OutsideHours => {
            (StatusCode::FORBIDDEN, "outside-hours", Level::INFO, Some("policy.denied"), First)
        }
        Reason::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-many", Level::WARN, None, Again),
        Reason::KeptTooMany { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "kept-too-many", Level::WARN, None, First)
        }
        Reason::Blocked => (StatusCode::FORBIDDEN, "blocked", Level::WARN, Some("sign-in.blocked"), Call),
        Reason::PhoneBlocked => {
            (StatusCode::FORBIDDEN, "phone-blocked", Level::WARN, Some("sign-in.blocked"), Call)
        }
        Reason::Misdirected(_) => (StatusCode::MISDIRECTED_REQUEST, "misdirected", Level::INFO, None, Again),
        Reason::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad-request", Level::INFO, None, First),
        Reason::CrossSite => (StatusCode::FORBIDDEN, "cross-site", Level::WARN, None, First),
        Reason::NotFound => (StatusCode::NOT_FOUND, "not-found", Level::DEBUG, None, First),
        Reason::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method", Level::DEBUG, None, First),
        Reason::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", Level::INFO, None, First),
        Reason::NoRoute => (StatusCode::NOT_FOUND, "no-route", Level::INFO, None, First),
        Reason::BackendDown(_) => {
            (StatusCode::BAD_GATEWAY, "backend-down", Level::ERROR, None, AgainAfter(20))
        }
        Reason::BackendSlow(_) => (StatusCode::GATEWAY_TIMEOUT, "backend-slow", Level::ERROR, None, Again),
        Reason::BackendBroken(_) => (StatusCode::BAD_GATEWAY, "backend-broken", Level::ERROR, None, Again),
        Reason::BackendBusy(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "backend-busy", Level::WARN, None, AgainAfter(10))
        }
        Reason::Maintenance { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "maintenance", Level::INFO, None, AgainAfter(60))
        }
        Reason::StoreStale => {
            (StatusCode::SERVICE_UNAVAILABLE, "store-stale", Level::ERROR, None, AgainAfter(10))
        }
        Reason::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", Level::WARN, None, AgainAfter(10)),
        Reason::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", Level::ERROR, None, Again),
    };
    Manner { status, key, level, audit, step }
}

const REFUSED: Option<&str> = Some("certificate.refused");

/// The answer to a refused request, as a page or as `application/problem+json`; writes the one
/// log line.
#[must_use]
pub fn respond(reason: &Reason, visit: &Visit) -> Response<Body> {
    let (request, tenant) = (visit.request_id.as_str(), visit.tenant.id.as_str());
    let whom = Whom { request, tenant, host: &visit.host, address: visit.address, known: visit.known };
    note(reason, &whom, visit.now);
    explain(reason, visit)
}

/// The same for a refusal that has its line already.
#[must_use]
pub fn explain(reason: &Reason, visit: &Visit) -> Response<Body> {
    let mut told = Told::new(reason, Head::of(visit), visit.now, visit.signed_in);
    told.lane = lane(reason, visit);
    told.respond(reason, &visit.again, visit.json, &visit.browser)
}

/// The same for a request that reached nobody's door: no host of ours, or none at all.
#[must_use]
pub fn respond_to_nobody(
    reason: &Reason,
    request_id: &str,
    address: std::net::IpAddr,
    now: Time,
    json: bool,
) -> Response<Body> {
    note(reason, &Whom { request: request_id, tenant: "", host: "", address, known: false }, now);
    explain_to_nobody(reason, request_id, now, json)
}

/// The same for a refusal that has its line already.
#[must_use]
pub fn explain_to_nobody(reason: &Reason, request_id: &str, now: Time, json: bool) -> Response<Body> {
    Told::new(reason, Head::nobody(request_id), now, false).respond(reason, "/", json, "")
}

/// Where a new certificate is to be had instead of one that ended.
fn lane(reason: &Reason, visit: &Visit) -> Option<String> {
    match reason {
        Reason::CertificateExpired { renews: true, .. } => Some(format!("{}{RENEWAL}", visit.origin())),
        Reason::NoCertificate => visit.expired(),
        _ => None,
    }
}

/// A refusal in words.
struct Told {
    head: Head,
    words: &'static Words,
    manner: Manner,
    title: String,
    text: String,
    next: String,
    /// The same for a program.
    program_next: String,
    wait: Option<u64>,
    lane: Option<String>,
}

impl Told {
    fn new(reason: &Reason, head: Head, now: Time, signed_in: bool) -> Self {
        let manner = manner(reason);
        let words = Words::of(head.language);
        let tenant = if head.tenant.is_empty() { "The site" } else { &head.tenant };
        let mut gaps = vec![
            ("host", FluentValue::from(head.host.clone())),
            ("tenant", FluentValue::from(tenant.to_owned())),
            ("signed", FluentValue::from(if signed_in { "yes" } else { "no" })),
        ];
        let mut wait = match manner.step {
            NextStep::AgainAfter(secs) => Some(secs),
            _ => None,
        };
        match reason {
            Reason::CertificateExpired { on: day, .. }
            | Reason::CertificateNotYetValid { from: day }
            | Reason::CertificateRevoked { on: day } => gaps.push(("day", day_words(*day, now).into())),
            Reason::TooMany { until } | Reason::KeptTooMany { until } => {
                let secs = until.since(now).as_secs().max(1);
                wait = Some(secs);
                let unit = if secs < 60 {
                    "seconds"
                } else if secs < 7200 {
                    "minutes"
                } else {
                    "hours"
                };
                gaps.push(("wait", unit.into()));
                gaps.push(("seconds", whole(secs)));
                gaps.push(("minutes", whole(secs.div_ceil(60))));
                gaps.push(("hours", whole(secs.div_ceil(3600))));
            }
            Reason::BadRequest(what) => gaps.push(("what", (*what).into())),
            Reason::Maintenance { until: Some(until), .. } if now < *until => {
                gaps.push(("when", when_words(*until, now).into()));
            }
            _ => {}
        }
        let say = |part: &str| words.get(&format!("{}-{part}", manner.key), &gaps);
        let (title, mut text, mut next) = (say("title"), say("text"), say("next"));
        if let Reason::Maintenance { text: told, until } = reason {
            if !told.is_empty() {
                text.clone_from(told);
            }
            if until.is_some_and(|until| now < until) {
                next = say("next-until");
            }
        }
        let next = match reason {
            Reason::CertificateExpired { renews: true, .. } => words.get("certificate-expired-renew", &gaps),
            _ => next,
        };
        let program_next = match (manner.step, reason) {
            (_, Reason::Maintenance { until: Some(until), .. }) if now < *until => {
                words.get("program-again-until", &gaps)
            }
            (NextStep::AgainAfter(secs), _) => words.get("program-again", &[("seconds", whole(secs))]),
            _ => next.clone(),
        };
        Self { head, words, manner, title, text, next, program_next, wait, lane: None }
    }

    fn respond(self, reason: &Reason, again: &str, json: bool, browser: &str) -> Response<Body> {
        let (status, wait) = (self.manner.status, self.wait);
        let mut response = if json { self.problem() } else { self.page(reason, again, browser) };
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("accept, accept-language"));
        let retried = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        if let Some(secs) = wait.filter(|_| retried) {
            headers.insert(RETRY_AFTER, HeaderValue::from(secs));
        }
        response
    }

    /// RFC 9457.
    fn problem(self) -> Response<Body> {
        let mut problem = serde_json::json!({
            "type": format!("urn:portcullis:refusal:{}", self.manner.key),
            "title": self.title,
            "status": self.manner.status.as_u16(),
            "detail": self.text,
            "instance": self.head.request,
            "next": self.program_next,
        });
        if let Some(lane) = self.lane {
            problem["renewal"] = lane.into();
        }
        let mut response = page::respond(self.manner.status, problem.to_string(), &self.head.host);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }

    fn page(self, reason: &Reason, again: &str, browser: &str) -> Response<Body> {
        let Self { head, words, manner, title, text, next, wait, lane, .. } = self;
        let press = |key: &str, href: &str| Some(Press { label: words.get(key, &[]), href: href.to_owned() });
        let press = match manner.step {
            NextStep::Call if matches!(reason, Reason::CertificateExpired { renews: true, .. }) => {
                press("press-renew", RENEWAL)
            }
            NextStep::Call => None,
            NextStep::Again | NextStep::AgainAfter(_) => press("press-again", again),
            NextStep::SignIn => press("press-sign-in", "/"),
            NextStep::First => press("press-first", "/"),
        };
        let telephone = FluentValue::from(head.telephone.clone());
        let request = FluentValue::from(head.request.clone());
        let helped = matches!(reason, Reason::NoCertificate);
        let first = |part: &str| {
            if helped { words.get(&format!("no-certificate-first-{part}"), &[]) } else { String::new() }
        };
        let expired = lane.filter(|_| helped).map(|href| {
            let say = |part: &str| words.get(&format!("no-certificate-expired-{part}"), &[]);
            Expired { title: say("title"), text: say("text"), label: say("press"), href }
        });
        let refused = Refused {
            first_title: first("title"),
            first_text: first("text"),
            expired,
            title,
            text,
            next,
            call: words.get("press-call", &[("telephone", telephone)]),
            say_number: words.get("say-number", &[("request", request)]),
            questions: if helped { questions(words) } else { Vec::new() },
            help_title: words.get("help-title", &[]),
            help: if helped { help(words, browser) } else { Vec::new() },
            by_itself: matches!(manner.step, NextStep::AgainAfter(_)),
            wait,
            press,
            page: head,
        };
        refused.response(manner.status)
    }
}

fn questions(words: &Words) -> Vec<(String, String)> {
    (1..=9)
        .map_while(|n| {
            let question = words.find(&format!("no-certificate-q{n}"), &[])?;
            Some((question, words.get(&format!("no-certificate-a{n}"), &[])))
        })
        .collect()
}

/// How to install, the person's own platform first.
fn help(words: &Words, browser: &str) -> Vec<(String, String)> {
    let mut keys = vec!["windows", "mac", "linux", "firefox", "ios", "android"];
    let mine = [
        ("Firefox", "firefox"),
        ("iPhone", "ios"),
        ("iPad", "ios"),
        ("Android", "android"),
        ("Mac", "mac"),
        ("Linux", "linux"),
        ("Windows", "windows"),
    ];
    if let Some((_, key)) = mine.iter().find(|(mark, _)| browser.contains(mark)) {
        keys.retain(|other| other != key);
        keys.insert(0, key);
    }
    keys.iter()
        .map(|key| (words.get(&format!("help-{key}"), &[]), words.get(&format!("help-{key}-text"), &[])))
        .collect()
}

/// Where an ended certificate renews itself, on its own door.
const RENEWAL: &str = "/.portcullis/renew/";

/// "3 November", with the year where it is another than this one.
fn day_words(day: Time, now: Time) -> String {
    let this_year = day.format("%Y") == now.format("%Y");
    if this_year { day.format("%-d %B") } else { day.day() }
}

/// "14:30", with the day where it is another one. UTC, and said so: whose clock is whose is not known here.
fn when_words(when: Time, now: Time) -> String {
    let clock = when.format("%H:%M UTC");
    if when.format("%F") == now.format("%F") {
        clock
    } else {
        format!("{} on {}", clock, day_words(when, now))
    }
}

fn whole(number: u64) -> FluentValue<'static> {
    FluentValue::from(i64::try_from(number).unwrap_or(i64::MAX))
}

#[cfg(test)]
pub(crate) mod tests;
