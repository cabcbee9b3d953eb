//! What a backend wants confirmed, read from its 428. It is signed as it is shown, so nothing of it is mended
//! or cut: an answer that a screen could show otherwise than it was written is refused whole.

use axum::body::Body;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use unicode_normalization::is_nfc;

use crate::domain::approval::{LINE_CHARS_MAX, Row};
use crate::domain::confirmation::Wanted;

/// What a backend wants, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What is shown.
    pub wanted: Wanted,
    /// How long it may be confirmed.
    pub expires_in_secs: u64,
}

/// Why it is not shown to anybody.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadAsking {
    #[error("the backend's confirmation came with a content coding: send it as it is")]
    Coded,
    #[error("the backend's confirmation is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    #[error("the backend's confirmation broke off")]
    BrokenOff,
    #[error("the backend's confirmation is not as documented: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("the backend's confirmation has {0} rows: 1 to {ROWS_MAX} can be shown")]
    Rows(usize),
    #[error("the backend's confirmation may be confirmed for {0} s: 30 to 600 can be asked for")]
    ExpiresIn(u64),
    #[error("{0} of the backend's confirmation is empty or longer than {1} characters")]
    Length(String, usize),
    #[error("{0} of the backend's confirmation holds {1}, which a screen may show otherwise than it is")]
    Character(String, String),
    #[error(
        "the texts of the backend's confirmation have {0} bytes in all: at most {TEXT_BYTES_MAX} are signed"
    )]
    Texts(usize),
}

/// The body of a 428.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    title: String,
    rows: Vec<WrittenRow>,
    stake: String,
    expires_in: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRow {
    label: String,
    value: String,
}

/// Whether an answer says that the request must be confirmed.
#[must_use]
pub fn asks(answer: &Response<Body>) -> bool {
    let kind = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    answer.status() == StatusCode::PRECONDITION_REQUIRED && kind.eq_ignore_ascii_case(CONFIRM)
}

/// Reads what is to be confirmed.
///
/// # Errors
/// What is wrong with it, for the log.
pub(super) async fn read(answer: Response<Body>) -> Result<Asked, BadAsking> {
    if answer.headers().contains_key(CONTENT_ENCODING) {
        return Err(BadAsking::Coded);
    }
    let (mut bytes, mut body) = (Vec::new(), answer.into_body());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BadAsking::BrokenOff)?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > ANSWER_BYTES_MAX {
            return Err(BadAsking::TooLong);
        }
        bytes.extend_from_slice(&data);
    }
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<Asked, BadAsking> {
    let written: Written = serde_json::from_slice(bytes)?;
    if !(1..=ROWS_MAX).contains(&written.rows.len()) {
        return Err(BadAsking::Rows(written.rows.len()));
    }
    if !EXPIRES_IN_SECS.contains(&written.expires_in) {
        return Err(BadAsking::ExpiresIn(written.expires_in));
    }
    check("the title", &written.title, TITLE_CHARS_MAX)?;
    check("the stake", &written.stake, LINE_CHARS_MAX)?;
    let mut texts = written.title.len() + written.stake.len();
    for (number, row) in written.rows.iter().enumerate() {
        check(&format!("the label of row {}", number + 1), &row.label, LABEL_CHARS_MAX)?;
        check(&format!("the value of row {}", number + 1), &row.value, LINE_CHARS_MAX)?;
        texts += row.label.len() + row.value.len();
    }
    if texts > TEXT_BYTES_MAX {
        return Err(BadAsking::Texts(texts));
    }
    let rows = written.rows.into_iter().map(|row| Row { name: row.label, value: row.value });
    let wanted = Wanted { title: written.title, rows: rows.collect(), stake: written.stake };
    Ok(Asked { wanted, expires_in_secs: written.expires_in })
}

/// One line of plain text that every screen shows alike.
fn check(what: &str, text: &str, chars_max: usize) -> Result<(), BadAsking> {
    if text.is_empty() || text.chars().count() > chars_max {
        return Err(BadAsking::Length(what.to_owned(), chars_max));
    }
    let bad = |why: &str| Err(BadAsking::Character(what.to_owned(), why.to_owned()));
    if let Some(hidden) = text.chars().find(|c| is_hidden(*c)) {
        return bad(&format!("the character U+{:04X}", u32::from(hidden)));
    }
    // HTML folds blanks together and leaves out those at the ends.
    if text.trim() != text || text.contains("  ") {
        return bad("a blank at an end, or two together");
    }
    if !is_nfc(text) {
        return bad("a letter in two pieces (write Unicode in NFC)");
    }
    Ok(())
}

/// Control characters, and those that are not seen or change the order of others.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffd}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}')
}

/// Content type of a 428 that wants something confirmed.
const CONFIRM: &str = "application/vnd.portcullis.confirm+json";

/// Far more than the texts that are signed, with JSON's escapes.
const ANSWER_BYTES_MAX: usize = 32 * 1024;

/// What somebody can look at, one by one, on a phone.
const ROWS_MAX: usize = 12;

/// A heading of two lines on a phone.
const TITLE_CHARS_MAX: usize = 80;

/// Beside its value on a phone.
const LABEL_CHARS_MAX: usize = 40;

/// Signed with the request and sent in a header, of which common servers take 8 kB in all.
const TEXT_BYTES_MAX: usize = 2048;

/// Time to find the phone; no longer than a number may stand on a screen (SP 800-63B-4).
const EXPIRES_IN_SECS: std::ops::RangeInclusive<u64> = 30..=600;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn good() -> Value {
        json!({
            "title": "Pay an invoice",
            "rows": [
                { "label": "Amount", "value": "CHF 1’200.00" },
                { "label": "To", "value": "Müller & Söhne <AG>" },
            ],
            "stake": "The money leaves your account today.",
            "expires_in": 300,
        })
    }

    fn why(written: &Value) -> String {
        parse(written.to_string().as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_documented_is_read() {
        let asked = parse(good().to_string().as_bytes()).unwrap();
        assert_eq!(asked.expires_in_secs, 300);
        assert_eq!(asked.wanted.rows[1].value, "Müller & Söhne <AG>");
        for (kind, yes) in [
            ("application/vnd.portcullis.confirm+json", true),
            ("Application/vnd.Portcullis.confirm+JSON; charset=utf-8", true),
            ("application/json", false),
            ("", false),
        ] {
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = StatusCode::PRECONDITION_REQUIRED;
            answer.headers_mut().insert(CONTENT_TYPE, kind.parse().unwrap());
            assert_eq!(asks(&answer), yes, "{kind}");
            *answer.status_mut() = StatusCode::OK;
            assert!(!asks(&answer));
        }
    }

    #[test]
    fn nothing_is_shown_that_could_be_read_otherwise() {
        for (bad, said) in [
            ("a\nb", "U+000A"),
            ("a\u{0}", "U+0000"),
            ("CHF \u{202e}00.1", "U+202E"),
            ("a\u{2066}b", "U+2066"),
            ("pay\u{200b}ee", "U+200B"),
            ("\u{feff}a", "U+FEFF"),
            ("a\u{e0041}", "U+E0041"),
            (" a", "a blank at an end"),
            ("a\u{a0}", "a blank at an end"),
            ("a  b", "two together"),
            ("Zu\u{308}rich", "in two pieces"),
            ("", "is empty or longer"),
        ] {
            for place in ["title", "stake"] {
                let mut written = good();
                written[place] = json!(bad);
                assert!(why(&written).contains(said), "{bad:?}: {}", why(&written));
            }
            for place in ["label", "value"] {
                let mut written = good();
                written["rows"][1][place] = json!(bad);
                assert!(why(&written).contains("row 2"), "{bad:?}: {}", why(&written));
            }
        }
    }

    #[test]
    fn each_limit_holds_and_the_one_below_passes() {
        type Change = fn(&mut Value, usize);
        let limits: [(usize, Change); 6] = [
            (TITLE_CHARS_MAX, |it, n| it["title"] = json!("é".repeat(n))),
            (LABEL_CHARS_MAX, |it, n| it["rows"][0]["label"] = json!("é".repeat(n))),
            (LINE_CHARS_MAX, |it, n| it["rows"][0]["value"] = json!("é".repeat(n))),
            (LINE_CHARS_MAX, |it, n| it["stake"] = json!("é".repeat(n))),
            (ROWS_MAX, |it, n| it["rows"] = vec![json!({ "label": "a", "value": "b" }); n].into()),
            (600, |it, n| it["expires_in"] = json!(n)),
        ];
        for (n, (max, change)) in limits.into_iter().enumerate() {
            let mut written = good();
            change(&mut written, max);
            parse(written.to_string().as_bytes()).unwrap();
            change(&mut written, max + 1);
            assert!(!why(&written).is_empty(), "{n}");
        }
        let with = |name: &str, value: Value| {
            let mut written = good();
            written[name] = value;
            why(&written)
        };
        assert!(with("expires_in", json!(29)).contains("29 s"));
        assert!(with("rows", json!([])).contains("0 rows"));
        assert!(with("more", json!(1)).contains("unknown field"));
        assert!(with("stake", Value::Null).contains("not as documented"));
        let rows = vec![json!({ "label": "€".repeat(40), "value": "€".repeat(120) }); 5];
        assert!(with("rows", rows.into()).contains("at most 2048 are signed"));
        let twice = good().to_string().replacen('{', "{\"stake\":\"another\",", 1);
        assert!(parse(twice.as_bytes()).unwrap_err().to_string().contains("duplicate field"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_passes_is_shown_letter_by_letter(value in "\\PC{1,40}") {
            let mut written = good();
            written["rows"][0]["value"] = json!(value);
            if let Ok(asked) = parse(written.to_string().as_bytes()) {
                prop_assert_eq!(&asked.wanted.rows[0].value, &value);
                prop_assert!(!value.chars().any(char::is_control));
            }
        }
    }
}
