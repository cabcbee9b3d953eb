//! Reads the forms of our own pages, and only those: own origin, right token, small body.
//! Knows no field: the rooms ask for theirs.

use axum::body::Body;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use percent_encoding::percent_decode;
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::same;
use crate::domain::{Reason, Secret};
use crate::web::Visit;

/// Name of the hidden field that holds the token.
pub const TOKEN_FIELD: &str = "csrf";

/// A form that came from our own page. Wiped when dropped: it may hold a password.
pub struct Form {
    fields: Vec<(String, String)>,
}

impl Form {
    /// The field, without white space at its ends; empty where it is absent.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.field(name).unwrap_or_default().trim()
    }

    /// The field as it was typed, to the last space; `None` where it is absent or empty.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.field(name).filter(|text| !text.is_empty()).map(Secret::new)
    }

    /// The field's digits, where it holds exactly `count` of them, with or without spaces and
    /// hyphens between.
    #[must_use]
    pub fn digits(&self, name: &str, count: usize) -> Option<String> {
        let digits: String = self
            .field(name)?
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '.' | '\u{2011}'))
            .collect();
        (digits.len() == count && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
    }

    /// Whether a box is ticked or a button was pressed.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// Every value of a field that may come several times.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn parse(body: &[u8]) -> Result<Self, Reason> {
        let mut form = Self { fields: Vec::new() };
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if form.fields.len() == FIELDS_MAX {
                return Err(Reason::TooLarge);
            }
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let value = pair.get(at + 1..).unwrap_or_default();
            form.fields.push((decode(&pair[..at])?, decode(value)?));
        }
        Ok(form)
    }
}

impl Drop for Form {
    fn drop(&mut self) {
        for (_, value) in &mut self.fields {
            value.zeroize();
        }
    }
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Form(..)")
    }
}

/// Reads a POST of one of our own pages. `csrf` is the token that the page was given.
///
/// # Errors
/// [`Reason::CrossSite`] where it did not come from our page, [`Reason::TooLarge`] beyond
/// 16 KiB, [`Reason::BadRequest`] for what is no form.
pub async fn read(request: Request<Body>, visit: &Visit, csrf: &str) -> Result<Form, Reason> {
    let (parts, body) = request.into_parts();
    own_origin(&parts.headers, visit)?;
    if !is_form(&parts.headers) {
        return Err(Reason::BadRequest("this address takes only the form of its page"));
    }
    let body = collect(&parts.headers, body).await?;
    let form = Form::parse(&body)?;
    let token = form.field(TOKEN_FIELD).unwrap_or_default();
    if csrf.is_empty() || !same(token.as_bytes(), csrf.as_bytes()) {
        return Err(Reason::CrossSite);
    }
    Ok(form)
}

/// The value of `name` in a query, as a browser writes a form's; empty where it is absent or no UTF-8.
#[must_use]
pub fn query(query: &str, name: &str) -> String {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.find(|(key, _)| *key == name).and_then(|(_, value)| decode(value.as_bytes()).ok());
    value.unwrap_or_default().trim().to_owned()
}

/// Whether the browser says that the request comes from this very origin. Every browser that
/// can hold our cookie sends `Origin` with a POST, and most `Sec-Fetch-Site`; where both are
/// absent it is no page of ours.
///
/// # Errors
/// [`Reason::CrossSite`].
pub fn own_origin(headers: &HeaderMap, visit: &Visit) -> Result<(), Reason> {
    let mut told = false;
    for site in headers.get_all("sec-fetch-site") {
        told = true;
        if site != "same-origin" {
            return Err(Reason::CrossSite);
        }
    }
    for origin in headers.get_all(ORIGIN) {
        told = true;
        if !origin.as_bytes().eq_ignore_ascii_case(visit.origin().as_bytes()) {
            return Err(Reason::CrossSite);
        }
    }
    if told { Ok(()) } else { Err(Reason::CrossSite) }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The body of what is no form: JSON or a certificate request of a program.
///
/// # Errors
/// [`Reason::TooLarge`] beyond 16 KiB.
pub async fn body(headers: &HeaderMap, body: Body) -> Result<Zeroizing<Vec<u8>>, Reason> {
    collect(headers, body).await
}

async fn collect(headers: &HeaderMap, mut body: Body) -> Result<Zeroizing<Vec<u8>>, Reason> {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if length.and_then(|text| text.parse::<usize>().ok()).is_some_and(|length| length > BODY_BYTES_MAX) {
        return Err(Reason::TooLarge);
    }
    // The whole capacity at once: a vector that grows would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(BODY_BYTES_MAX));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Reason::BadRequest("the form did not arrive whole"))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > BODY_BYTES_MAX {
            return Err(Reason::TooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn decode(text: &[u8]) -> Result<String, Reason> {
    let spaced: Zeroizing<Vec<u8>> =
        Zeroizing::new(text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect());
    String::from_utf8(percent_decode(&spaced).collect())
        .map_err(|_| Reason::BadRequest("the form is not written in UTF-8"))
}

/// No form of ours comes near: a password has at most some hundred characters, a CSR 4 kB.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// No form of ours has more than two dozen.
const FIELDS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::visit::tests::visit;

    const TOKEN: &str = "token-of-the-page";

    fn post(body: impl Into<Body>) -> http::request::Builder {
        let _ = body.into();
        Request::post("/.portcullis/sign-in/password")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=UTF-8")
            .header(ORIGIN, "https://bank.localhost:8443")
            .header("sec-fetch-site", "same-origin")
    }

    async fn read_body(body: String) -> Result<Form, Reason> {
        read(post("").body(Body::from(body)).unwrap(), &visit(), TOKEN).await
    }

    #[tokio::test]
    async fn a_form_of_our_page_is_read() {
        let body = format!("csrf={TOKEN}&password=+z%C3%BCri+%26+&code=482+913&tick=&a=1&a=2");
        let form = read_body(body).await.unwrap();
        assert_eq!(form.secret("password").unwrap().expose(), " züri & ");
        assert_eq!(form.text("password"), "züri &");
        assert_eq!(form.digits("code", 6).as_deref(), Some("482913"));
        assert_eq!(form.digits("a", 6), None);
        assert!(form.has("tick") && !form.has("other"));
        assert_eq!(form.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(format!("{form:?}"), "Form(..)");
    }

    #[tokio::test]
    async fn a_form_of_another_site_is_refused() {
        let body = format!("csrf={TOKEN}&password=x");
        let cases: [&[(&str, &str)]; 7] = [
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://bank.localhost"), ("sec-fetch-site", "same-origin")],
            &[("origin", "http://bank.localhost:8443")],
            &[("origin", "https://bank.localhost:8443"), ("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site")],
            &[],
        ];
        for headers in cases {
            let mut request = Request::post("/").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(Body::from(body.clone())).unwrap();
            assert_eq!(read(request, &visit(), TOKEN).await.unwrap_err(), Reason::CrossSite, "{headers:?}");
        }
    }

    #[tokio::test]
    async fn the_token_must_be_right() {
        for body in ["password=x".to_owned(), "csrf=".to_owned(), format!("csrf={TOKEN}x")] {
            assert_eq!(read_body(body).await.unwrap_err(), Reason::CrossSite);
        }
        let empty = post("").body(Body::from("csrf=")).unwrap();
        assert_eq!(read(empty, &visit(), "").await.unwrap_err(), Reason::CrossSite);
    }

    #[tokio::test]
    async fn a_large_or_foreign_body_is_refused() {
        let large = format!("csrf={TOKEN}&a={}", "x".repeat(BODY_BYTES_MAX));
        assert_eq!(read_body(large).await.unwrap_err(), Reason::TooLarge);
        let many = format!("csrf={TOKEN}{}", "&a=1".repeat(FIELDS_MAX));
        assert_eq!(read_body(many).await.unwrap_err(), Reason::TooLarge);
        assert!(matches!(read_body(format!("csrf={TOKEN}&a=%ff")).await, Err(Reason::BadRequest(_))));
        for kind in ["text/plain", "application/json", "multipart/form-data"] {
            let mut request = post("").body(Body::from(format!("csrf={TOKEN}"))).unwrap();
            request.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
            assert!(matches!(read(request, &visit(), TOKEN).await, Err(Reason::BadRequest(_))), "{kind}");
        }
    }
}
