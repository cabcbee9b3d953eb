//! The forms of our own pages.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

use axum::body::Body;
use http::Request;
use portcullis::domain::tenant::{Brand, SessionProfile, SyncedPasskeys, Tenant};
use portcullis::domain::{TenantId, Time};
use portcullis::web::Visit;
use portcullis::web::form::{self, Form, TOKEN_FIELD};
use portcullis::web::visit::Seen;
use tokio::runtime::Runtime;

use super::Heard;

/// What we read is what a browser's own parser reads; a wrong token or origin is never heard.
pub(crate) fn holds(data: &[u8]) -> Heard {
    let body = [format!("{TOKEN_FIELD}={TOKEN}&").as_bytes(), data].concat();
    for (origin, token) in [("https://evil.example", TOKEN), (ORIGIN, "another"), (ORIGIN, "")] {
        assert!(read(&body, origin, token).is_none(), "heard from {origin} with the token {token:?}");
    }
    // Without our token before it, only its own first token counts.
    let own = url::form_urlencoded::parse(data).find(|(name, _)| name == TOKEN_FIELD);
    let own = own.is_some_and(|(_, value)| value == TOKEN);
    assert!(own || read(data, ORIGIN, TOKEN).is_none(), "heard without its token");

    let Some(form) = read(&body, ORIGIN, TOKEN) else { return Heard::Refused };
    assert!(body.len() <= 16 * 1024, "{} bytes", body.len());
    let expected: Vec<(String, String)> = url::form_urlencoded::parse(&body)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    assert!(expected.len() <= 64, "{} fields", expected.len());
    for name in expected.iter().map(|(name, _)| name).collect::<BTreeSet<_>>() {
        let values: Vec<&str> =
            expected.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect();
        assert_eq!(form.all(name).collect::<Vec<_>>(), values, "{name:?}");
        assert!(form.has(name));
        assert_eq!(form.text(name), values[0].trim());
        assert_eq!(form.secret(name).is_some(), !values[0].is_empty());
        if let Some(digits) = form.digits(name, 6) {
            assert!(digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{digits:?}");
        }
    }
    Heard::Accepted
}

fn read(body: &[u8], origin: &str, token: &str) -> Option<Form> {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().expect("a runtime"));
    let request = Request::post("/.portcullis/sign-in/password")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", origin)
        .body(Body::from(body.to_vec()))
        .expect("a request");
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let seen = Seen::of(&request);
    let visit = Visit::new(tenant(), "bank.localhost", &seen, address, "QF-308-122", Time(0));
    RUNTIME.block_on(form::read(request, &visit, token)).ok()
}

fn tenant() -> Arc<Tenant> {
    Arc::new(Tenant {
        id: TenantId::parse("bank").expect("an id"),
        name: "Bank".to_owned(),
        hosts: vec!["bank.localhost".to_owned()],
        telephone: String::new(),
        language: "en".to_owned(),
        brand: Brand::default(),
        profile: SessionProfile::Strict,
        identified_on_incoming_call: false,
        certificates: Default::default(),
        synced_passkeys: SyncedPasskeys::Accept,
        created: Time(0),
    })
}

const ORIGIN: &str = "https://bank.localhost";
const TOKEN: &str = "token-of-the-page";
