//! The issue history at the desk: search, one certificate, export.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::command::history::Format;
use super::command::search::{Search, State, fingerprint};
use super::lists::audit_row;
use super::{Answer, Console, Here};
use crate::domain::Reason;
use crate::web::form;
use crate::web::pages::desk::{CertificateDetail, Certificates, Place};
use crate::web::pages::{Moment, Page as _};

impl Console {
    pub(super) fn certificates(&self, here: &Here<'_>, query: &str) -> Answer {
        let (search, page) = (asked(query), number(query));
        let found = search.find(&self.acts.view, here.visit.now);
        let total = found.len();
        let shown = found.iter().skip(page * ROWS).take(ROWS);
        let certificates = shown.map(|one| self.certificate_row(here, &one.certificate)).collect();
        let place = |label: &str, href| Place { label: label.to_owned(), href, here: false };
        let address = |path: &str, page: usize| format!("{path}?{}&page={page}", written(&search));
        let mut onward = vec![];
        if page > 0 {
            onward.push(place("Those before", address("/certificates/", page - 1)));
        }
        if (page + 1) * ROWS < total {
            onward.push(place("Those after", address("/certificates/", page + 1)));
        }
        let exports = [("Take these away as CSV", "csv"), ("as JSON", "json")]
            .map(|(label, ending)| place(label, address(&format!("/certificates/export.{ending}"), 0)));
        Ok(Certificates {
            desk: self.desk(here, "/certificates/"),
            states: states(search.state),
            narrowed: search.state.is_some() || !search.words.is_empty(),
            query: search.words,
            search_action: "/certificates/".to_owned(),
            certificates,
            total,
            onward,
            exports: if total == 0 { vec![] } else { exports.to_vec() },
        }
        .response(StatusCode::OK))
    }

    pub(super) async fn certificate(&self, here: &Here<'_>, serial: &str) -> Answer {
        let history = self.acts.history(serial).await.map_err(|_| Reason::Internal)?;
        let history = history.ok_or(Reason::NotFound)?;
        let now = here.visit.now;
        let of = &history.found.certificate;
        Ok(CertificateDetail {
            desk: self.desk(here, "/certificates/"),
            row: self.certificate_row(here, of),
            sha256: in_fours(&fingerprint(of)),
            issuer: of.issuer.to_string(),
            profile: of.profile.clone(),
            issued_by: of.issued_by.clone(),
            last_used: history.last_used.map(|at| Moment::new(at, now)),
            steps: history.steps.iter().map(|(at, what)| (Moment::new(*at, now), what.clone())).collect(),
            others: history.others.iter().map(|one| self.certificate_row(here, &one.certificate)).collect(),
            trail: history.trail.iter().map(|line| audit_row(line, now)).collect(),
            back: "/certificates/".to_owned(),
        }
        .response(StatusCode::OK))
    }

    /// What was found, as a file. It changes nothing, and is written down: names leave the house.
    pub(super) async fn export(&self, here: &Here<'_>, name: &str, query: &str) -> Answer {
        let (format, kind) = match name {
            "export.csv" => (Format::Csv, "text/csv; charset=utf-8"),
            "export.json" => (Format::Json, "application/json"),
            _ => return Err(Reason::NotFound),
        };
        let actor = self.agent(here).actor;
        let output = self.acts.export_certificates(&actor, &asked(query), format).await;
        let output = output.map_err(|error| {
            tracing::error!(%error, "the issue history was not exported");
            Reason::Internal
        })?;
        let bytes = output.files.first().and_then(|file| file.bytes()).ok_or(Reason::Internal)?;
        let mut response = Response::new(Body::from(bytes.to_vec()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Ok(value) =
            HeaderValue::try_from(format!("attachment; filename=\"certificates.{}\"", format.ending()))
        {
            headers.insert(header::CONTENT_DISPOSITION, value);
        }
        Ok(response)
    }
}

/// Groups that an eye can follow from one screen to another.
fn in_fours(hex: &str) -> String {
    let groups = hex.as_bytes().chunks(4).map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(" ")
}

fn asked(query: &str) -> Search {
    let words = form::query(query, "q").chars().take(WORDS_CHARS_MAX).collect();
    Search { words, tenant: None, state: State::parse(&form::query(query, "state")) }
}

fn number(query: &str) -> usize {
    form::query(query, "page").parse().unwrap_or(0).min(PAGE_MAX)
}

fn written(search: &Search) -> String {
    let words = utf8_percent_encode(&search.words, NON_ALPHANUMERIC);
    format!("q={words}&state={}", search.state.map(State::as_str).unwrap_or_default())
}

fn states(chosen: Option<State>) -> Vec<(String, String, bool)> {
    let label = |state| match state {
        State::InForce => "in force",
        State::EndsSoon => "ends within 60 days",
        State::Ended => "ended",
        State::Superseded => "superseded",
        State::Revoked => "revoked",
    };
    let mut states = vec![(String::new(), "any".to_owned(), chosen.is_none())];
    states.extend(
        State::ALL.map(|state| (state.as_str().to_owned(), label(state).to_owned(), chosen == Some(state))),
    );
    states
}

const ROWS: usize = 200;
const WORDS_CHARS_MAX: usize = 200;

/// Far beyond what anybody has, and no overflow.
const PAGE_MAX: usize = 1 << 20;
