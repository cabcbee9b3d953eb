//! The bank's payments: each is confirmed on the phone before it is booked, and booked once however often it is
//! sent. What a backend does with the gate's receipt, in full.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Json, Redirect, Response};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::caller::NotFromTheGate;
use super::{Bank, PLAIN, page};
use crate::crypto::sha256;

/// What was booked, by the id of its receipt.
#[derive(Default)]
pub(super) struct Booked {
    payments: Mutex<HashMap<String, Payment>>,
}

/// A payment as its form says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Payment {
    /// Who pays.
    person: String,
    payee: String,
    /// Without blanks.
    iban: String,
    /// In hundredths.
    amount: u64,
    memo: String,
}

/// The form.
pub(super) async fn form(
    State(bank): State<Arc<Bank>>,
    headers: HeaderMap,
) -> Result<Response, NotFromTheGate> {
    let caller = bank.caller(&headers)?;
    Ok(page(StatusCode::OK, &caller.host, FORM, &[("name", &caller.name)]))
}

/// Takes a payment: without a receipt it is to be confirmed, with the right one it is booked.
pub(super) async fn pay(
    State(bank): State<Arc<Bank>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Response, NotFromTheGate> {
    let caller = bank.caller(&headers)?;
    let script = headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"));
    let Ok(payment) = Payment::read(&caller.person, &body) else {
        return Ok(said(script, StatusCode::UNPROCESSABLE_ENTITY, MENDED));
    };
    if !headers.contains_key(RECEIPT) {
        return Ok(payment.to_be_confirmed());
    }
    let claims = bank.gate.receipt(&headers, bank.world.now())?;
    // The receipt is for this very request: else somebody confirmed something else.
    let same = claims["sub"] == caller.person
        && claims["method"] == "POST"
        && claims["path"] == PATH
        && claims["query"] == query.map_or(Value::Null, Value::from)
        && claims["body_sha256"] == BASE64URL_NOPAD.encode(&sha256(&body))
        && claims["rows"] == payment.rows();
    let Some(id) = claims["jti"].as_str().filter(|_| same) else { return Err(NotFromTheGate) };
    bank.booked.book(id, payment);
    let to = format!("{PATH}/{id}");
    Ok(match script {
        true => (StatusCode::CREATED, Json(json!({ "receipt": id, "page": to }))).into_response(),
        false => Redirect::to(&to).into_response(),
    })
}

/// A payment that was booked.
pub(super) async fn paid(
    State(bank): State<Arc<Bank>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, NotFromTheGate> {
    let caller = bank.caller(&headers)?;
    let Some(payment) = bank.booked.find(&id).filter(|payment| payment.person == caller.person) else {
        return Ok(said(false, StatusCode::NOT_FOUND, "There is no such payment here."));
    };
    let slots = [
        ("amount", payment.amount_words()),
        ("payee", payment.payee.clone()),
        ("iban", payment.iban_words()),
        ("memo", payment.memo.clone()),
        ("receipt", id),
    ];
    let slots = slots.each_ref().map(|(name, value)| (*name, value.as_str()));
    Ok(page(StatusCode::OK, &caller.host, PAID, &slots))
}

impl Booked {
    /// Books it, unless its receipt was seen before: a request that comes twice is one payment.
    fn book(&self, receipt: &str, payment: Payment) {
        let mut payments = self.payments.lock().unwrap_or_else(PoisonError::into_inner);
        payments.entry(receipt.to_owned()).or_insert(payment);
    }

    fn find(&self, receipt: &str) -> Option<Payment> {
        self.payments.lock().unwrap_or_else(PoisonError::into_inner).get(receipt).cloned()
    }
}

impl Payment {
    /// From the form, where it can be booked.
    fn read(person: &str, body: &[u8]) -> Result<Self, ()> {
        let fields: HashMap<String, String> = form_fields(body);
        let field = |name: &str| fields.get(name).map(|text| text.trim()).unwrap_or_default();
        let iban: String = field("iban").chars().filter(|c| !c.is_whitespace()).collect();
        let amount = hundredths(field("amount")).filter(|amount| (1..=AMOUNT_MAX).contains(amount));
        let payee = field("payee").to_owned();
        let memo = field("memo").to_owned();
        let plain =
            |text: &str, max: usize| text.chars().count() <= max && !text.chars().any(char::is_control);
        if payee.is_empty() || !plain(&payee, 70) || !plain(&memo, 70) || !is_iban(&iban) {
            return Err(());
        }
        Ok(Self { person: person.to_owned(), payee, iban, amount: amount.ok_or(())?, memo })
    }

    /// What the phone shows. Computed from the request each time, so that a receipt for other rows never fits.
    fn rows(&self) -> Value {
        let mut rows = vec![
            json!({ "label": "Amount", "value": self.amount_words() }),
            json!({ "label": "To", "value": self.payee }),
            json!({ "label": "Account", "value": self.iban_words() }),
        ];
        if !self.memo.is_empty() {
            rows.push(json!({ "label": "Message", "value": self.memo }));
        }
        rows.into()
    }

    /// 428: nothing is booked before the phone has confirmed it.
    fn to_be_confirmed(&self) -> Response {
        let wanted = json!({
            "title": "Make a payment",
            "rows": self.rows(),
            "stake": format!("{} leave your private account today.", self.amount_words()),
            "expires_in": 300,
        });
        let kind = [(CONTENT_TYPE, "application/vnd.portcullis.confirm+json")];
        (StatusCode::PRECONDITION_REQUIRED, kind, wanted.to_string()).into_response()
    }

    /// `CHF 1’200.00`.
    fn amount_words(&self) -> String {
        let digits = (self.amount / 100).to_string();
        let mut francs = String::new();
        for (n, digit) in digits.chars().enumerate() {
            if n > 0 && (digits.len() - n).is_multiple_of(3) {
                francs.push('’');
            }
            francs.push(digit);
        }
        format!("CHF {francs}.{:02}", self.amount % 100)
    }

    fn iban_words(&self) -> String {
        let chars: Vec<char> = self.iban.chars().collect();
        chars.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
    }
}

fn said(script: bool, status: StatusCode, sentence: &str) -> Response {
    match script {
        true => (status, Json(json!({ "sentence": sentence }))).into_response(),
        false => page(status, "", PLAIN, &[("sentence", sentence)]),
    }
}

fn form_fields(body: &[u8]) -> HashMap<String, String> {
    let text = |part: &str| {
        let part = part.replace('+', " ");
        percent_encoding::percent_decode_str(&part).decode_utf8_lossy().into_owned()
    };
    let body = String::from_utf8_lossy(body);
    body.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

/// `1200`, `1’200.5` or `1200,50` in hundredths.
fn hundredths(text: &str) -> Option<u64> {
    let plain: String = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '’' | '\'')).collect();
    let (whole, cents) = plain.split_once(['.', ',']).unwrap_or((&plain, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 9 || cents.len() > 2 || !digits(whole) || !digits(cents) {
        return None;
    }
    Some(whole.parse::<u64>().ok()? * 100 + format!("{cents:0<2}").parse::<u64>().ok()?)
}

/// ISO 13616: letters count from 10, the first four come last, and the rest by 97 is 1.
fn is_iban(text: &str) -> bool {
    let shape = (15..=34).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        && text.bytes().take(2).all(|b| b.is_ascii_uppercase());
    if !shape {
        return false;
    }
    let turned = text[4..].chars().chain(text[..4].chars());
    let rest = turned.filter_map(|c| c.to_digit(36)).fold(0_u64, |rest, digit| {
        let shift = if digit < 10 { 10 } else { 100 };
        (rest * shift + u64::from(digit)) % 97
    });
    rest == 1
}

/// Where payments are made.
pub(super) const PATH: &str = "/payments";

/// Name of the gate's receipt.
pub(super) const RECEIPT: &str = "portcullis-confirmation";

const MENDED: &str = "Please look at amount, name and account number once more. Nothing was paid.";

/// Ten million.
const AMOUNT_MAX: u64 = 1_000_000_000;

const FORM: &str = include_str!("pay.html");
const PAID: &str = include_str!("paid.html");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_accounts_are_read_as_people_write_them() {
        for (text, wanted) in [
            ("1200", Some(120_000)),
            ("1’200.5", Some(120_050)),
            ("1 200,05", Some(120_005)),
            ("0.01", Some(1)),
            ("1.234", None),
            ("-1", None),
            ("1e3", None),
            ("", None),
        ] {
            assert_eq!(hundredths(text), wanted, "{text}");
        }
        assert!(is_iban("CH9300762011623852957") && is_iban("DE89370400440532013000"));
        for bad in ["CH9300762011623852958", "CH93 0076", "", "ch9300762011623852957"] {
            assert!(!is_iban(bad), "{bad}");
        }
        let body = b"amount=1200&payee=M%C3%BCller+%26+S%C3%B6hne&iban=CH93+0076+2011+6238+5295+7&memo=";
        let payment = Payment::read("anna", body).unwrap();
        assert_eq!(payment.amount_words(), "CHF 1’200.00");
        assert_eq!(payment.iban_words(), "CH93 0076 2011 6238 5295 7");
        assert_eq!(payment.rows().as_array().unwrap().len(), 3);
        assert!(Payment::read("anna", b"amount=1200&payee=a").is_err());
    }

    #[test]
    fn a_receipt_that_comes_twice_is_one_payment() {
        let booked = Booked::default();
        let body = b"amount=1200&payee=a&iban=CH9300762011623852957";
        let first = Payment::read("anna", body).unwrap();
        booked.book("r1", first.clone());
        booked.book("r1", Payment { amount: 1, ..first.clone() });
        assert_eq!(booked.find("r1"), Some(first));
        assert_eq!(booked.find("r2"), None);
    }
}
