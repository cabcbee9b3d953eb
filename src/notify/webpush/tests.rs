//! What answers mean, and what is told of a push.

use super::message::tests::subscription;
use super::*;

const NOW: Time = Time(1_800_000_000_000);

fn meaning(status: u16, retry_after: Option<&str>) -> String {
    match judged(StatusCode::from_u16(status).unwrap(), retry_after, NOW) {
        Outcome::Taken => "taken".to_owned(),
        Outcome::Gone(_) => "gone".to_owned(),
        Outcome::Refused(_) => "refused".to_owned(),
        Outcome::Later { asked, .. } => format!("later {:?}", asked.map(|asked| asked.as_secs())),
    }
}

#[test]
fn each_answer_of_a_push_service_means_one_thing() {
    for status in [200, 201, 202, 204] {
        assert_eq!(meaning(status, None), "taken");
    }
    assert_eq!(meaning(404, None), "gone");
    assert_eq!(meaning(410, None), "gone");
    assert_eq!(meaning(429, Some("7")), "later Some(7)");
    assert_eq!(meaning(429, None), "later None");
    assert_eq!(meaning(500, None), "later None");
    assert_eq!(meaning(503, Some("Fri, 15 Jan 2027 08:00:30 GMT")), "later Some(30)");
    for status in [301, 302, 307, 308, 400, 401, 403, 413] {
        assert_eq!(meaning(status, Some("1")), "refused", "{status}");
    }
}

#[test]
fn a_topic_is_one_for_a_pairing_and_fits_the_header() {
    let id = |text| PhoneId::parse(text).unwrap();
    assert_eq!(topic(&id("phone-1")), topic(&id("phone-1")));
    assert_ne!(topic(&id("phone-1")), topic(&id("phone-2")));
    let made = topic(&id("phone-1"));
    // RFC 8030 5.4: at most 32 characters of base64url.
    assert!(made.len() <= 32 && made.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    assert!(!made.contains("phone"));
}

#[test]
fn the_trail_names_the_service_and_not_the_address() {
    let told = format!("{:?}", entry("gate", Event::PushDropped, &subscription()));
    assert!(told.contains("push.example.net") && !told.contains("secret"), "{told}");
}
