//! The text of an approval, from what is shown: twelve texts between zeros, two of them the digits typed
//! and another value for one field.

use std::time::Duration;

use portcullis::crypto::sha256;
use portcullis::domain::approval::{Answer, Approval, ApprovalState, Purpose, Row, Shown};
use portcullis::domain::{ApprovalId, DeviceId, PersonId, TenantId, Time};

use super::{Heard, texts};

/// The text can be read back in one way only, each value on its line; what differs in anything shown has
/// another text.
pub(crate) fn holds(data: &[u8]) -> Heard {
    let [site, host, person, device, browser, address, digits, other, place, reason, name, value] =
        texts::<12>(data);
    let rows = vec![Row { name, value }];
    let shown = Shown { site, host, person, device, browser, address, place, reason, rows }.cleaned();
    assert_eq!(shown.clone().cleaned(), shown, "cleaned once is cleaned");
    let approval = approval(shown.clone(), sha256(data));
    let six = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let answer = if six { Answer::Approve(&digits) } else { Answer::NotMe };
    let text = approval.canonical_text(answer);

    let read = read(&text);
    let fingerprint = data_encoding::HEXLOWER.encode(&approval.fingerprint);
    let nonce = data_encoding::BASE64URL_NOPAD.encode(&approval.nonce);
    let (asked, until) = (approval.created.to_string(), approval.expires.to_string());
    let expected = [
        ("id", approval.id.as_str()),
        ("purpose", "sign-in"),
        ("reason", &shown.reason),
        ("site", &shown.site),
        ("host", &shown.host),
        ("tenant", "bank"),
        ("person", &shown.person),
        ("device", &shown.device),
        ("certificate", &fingerprint),
        ("browser", &shown.browser),
        ("address", &shown.address),
        ("place", &shown.place),
        ("asked", &asked),
        ("until", &until),
        ("nonce", &nonce),
        ("bound", &nonce),
        ("rows", "1"),
        ("name", &shown.rows[0].name),
        ("value", &shown.rows[0].value),
        ("verdict", if six { "approve" } else { "not-me" }),
        ("digits", if six { &digits } else { "" }),
    ];
    assert_eq!(read, expected);
    for (name, value) in read {
        assert!(!value.chars().any(char::is_control) && value.chars().count() <= 120, "{name}: {value:?}");
    }

    let fields: [fn(&mut Shown) -> &mut String; 10] = [
        |it| &mut it.site,
        |it| &mut it.host,
        |it| &mut it.person,
        |it| &mut it.device,
        |it| &mut it.browser,
        |it| &mut it.address,
        |it| &mut it.place,
        |it| &mut it.reason,
        |it| &mut it.rows[0].name,
        |it| &mut it.rows[0].value,
    ];
    for field in fields {
        let mut changed = shown.clone();
        field(&mut changed).clone_from(&other);
        let changed = changed.cleaned();
        let same = changed == shown;
        let changed = Approval { shown: changed, ..approval.clone() };
        assert_eq!(changed.canonical_text(answer) == text, same, "two questions with one text");
    }
    assert_ne!(approval.canonical_text(Answer::NotMe) == text, six);
    Heard::accepted_if(six)
}

/// As somebody reads it who knows nothing but that each line is `name: value`.
fn read(text: &str) -> Vec<(&str, &str)> {
    let body = text.strip_prefix("portcullis approval 2\n").expect("its first line");
    let lines = body.strip_suffix('\n').expect("its last line ends").split('\n');
    lines.map(|line| line.split_once(": ").expect("a name and a value")).collect()
}

fn approval(shown: Shown, hash: [u8; 32]) -> Approval {
    let created = Time(i64::from(hash[0]) * 86_400_000);
    Approval {
        id: ApprovalId::from_bits(*hash.first_chunk().expect("half a hash")),
        tenant: TenantId::parse("bank").expect("an id"),
        person: PersonId::parse("anna").expect("an id"),
        device: DeviceId::parse("laptop").expect("an id"),
        fingerprint: hash,
        session: [7; 32],
        purpose: Purpose::SignIn,
        shown,
        bound: Some(hash),
        nonce: hash,
        digits_mac: [0; 32],
        created,
        expires: created.plus(Duration::from_secs(120)),
        wrong_digits: 0,
        offline: None,
        state: ApprovalState::Pending,
    }
}
