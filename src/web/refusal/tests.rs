//! Every reason has its words, its status and its next step; none of them blames.

use super::*;
use crate::web::visit::tests::visit;
use http_body_util::BodyExt;
use std::time::Duration;

/// One of each.
pub(crate) fn reasons() -> Vec<Reason> {
    let now = visit().now;
    vec![
        Reason::NoCertificate,
        Reason::CertificateExpired { on: now.minus(Duration::from_secs(18 * 86_400)), renews: false },
        Reason::CertificateExpired { on: now.minus(Duration::from_secs(18 * 86_400)), renews: true },
        Reason::CertificateNotYetValid { from: now.plus(Duration::from_secs(86_400)) },
        Reason::ForeignIssuer,
        Reason::WrongPurpose,
        Reason::WrongTenant,
        Reason::CertificateRevoked { on: now.minus(Duration::from_secs(18 * 86_400)) },
        Reason::CertificateSuperseded,
        Reason::UnknownDevice,
        Reason::PersonLocked,
        Reason::PersonFrozen,
        Reason::SignInFirst,
        Reason::SessionElsewhere,
        Reason::PolicyDenied { rule: Some("Payments".to_owned()) },
        Reason::OutsideHours,
        Reason::TooMany { until: now.plus(Duration::from_secs(60)) },
        Reason::KeptTooMany { until: now.plus(Duration::from_secs(600)) },
        Reason::Blocked,
        Reason::PhoneBlocked,
        Reason::Misdirected("host a came to the door of b".to_owned()),
        Reason::BadRequest("the path holds a control character"),
        Reason::CrossSite,
        Reason::NotFound,
        Reason::MethodNotAllowed,
        Reason::TooLarge,
        Reason::NoRoute,
        Reason::BackendDown(Box::default()),
        Reason::BackendSlow(Box::default()),
        Reason::BackendBroken(Box::default()),
        Reason::BackendBusy("route portal: http://10.0.0.7:8080 had 200 requests under way".to_owned()),
        Reason::Maintenance { text: String::new(), until: Some(now.plus(Duration::from_secs(5400))) },
        Reason::StoreStale,
        Reason::Busy,
        Reason::Internal,
    ]
}

async fn body(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn every_reason_has_its_words_and_the_telephone() {
    for reason in reasons() {
        let response = respond(&reason, &visit());
        assert_eq!(response.status(), manner(&reason).status, "{reason:?}");
        let html = body(response).await;
        assert!(html.contains("tel:+41445550177"), "{reason:?}");
        assert!(html.contains("QF-308-122"), "{reason:?}");
        for part in ["title", "text", "next"] {
            assert!(!html.contains(&format!("{}-{part}", manner(&reason).key)), "{reason:?} {part}");
        }
        assert!(!html.contains("{ $") && !html.contains("{$"), "{reason:?}: a gap is open");
        for blame in ["error", "Error", "invalid", "Invalid", "failed", "Failed"] {
            assert!(!html.contains(blame), "{reason:?} says {blame}");
        }
    }
}

#[tokio::test]
async fn programs_get_a_problem() {
    for reason in reasons() {
        let response = respond(&reason, &Visit { json: true, ..visit() });
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let problem: serde_json::Value = serde_json::from_str(&body(response).await).unwrap();
        assert_eq!(problem["status"], manner(&reason).status.as_u16());
        assert_eq!(problem["instance"], "QF-308-122");
        for field in ["type", "title", "detail", "next"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{reason:?} {field}");
        }
    }
}

#[tokio::test]
async fn days_and_waits_are_said_in_words() {
    let mut told = Vec::new();
    for reason in reasons() {
        told.push(body(respond(&reason, &visit())).await);
    }
    let told = told.join("\n");
    assert!(told.contains("Your certificate ended on 3 November"));
    assert!(told.contains("the next one is heard only in one minute."));
    let until = visit().now.plus(Duration::from_secs(600));
    let response = respond(&Reason::TooMany { until }, &visit());
    assert_eq!(response.headers()[RETRY_AFTER], "600");
    assert!(body(response).await.contains("heard only in 10 minutes."));
}

#[tokio::test]
async fn nobody_learns_of_a_tenant() {
    let address = std::net::IpAddr::from([127, 0, 0, 1]);
    let reason = Reason::BadRequest("it names no site of ours");
    let html = body(respond_to_nobody(&reason, "QF-308-122", address, Time::default(), false)).await;
    assert!(html.contains("it names no site of ours") && !html.contains("tel:"));
}

#[tokio::test]
async fn a_strange_request_is_escaped() {
    let mut visit = visit();
    visit.again = "/\"><script>alert(1)</script>".to_owned();
    visit.host = "\"><script>".to_owned();
    let html = body(respond(&Reason::BackendDown(Box::default()), &visit)).await;
    assert!(!html.contains("<script>"));
}

/// An open page has readers who never signed in.
#[tokio::test]
async fn only_who_is_signed_in_is_told_so() {
    let still = "You are still signed in";
    let mut told = 0;
    for reason in reasons() {
        let stranger = body(respond(&reason, &visit())).await;
        assert!(!stranger.contains(still), "{reason:?}: {stranger}");
        let inside = body(respond(&reason, &Visit { signed_in: true, ..visit() })).await;
        told += usize::from(inside.contains(still));
    }
    assert_eq!(told, 5, "the backend is down, slow, broken, busy; maintenance");
}

/// A program has no page that tries again in its place.
#[tokio::test]
async fn programs_are_told_when_to_try_again() {
    for reason in reasons() {
        let response = respond(&reason, &Visit { json: true, ..visit() });
        let problem: serde_json::Value = serde_json::from_str(&body(response).await).unwrap();
        let next = problem["next"].as_str().unwrap();
        assert!(!next.contains("by itself"), "{reason:?}: {next}");
        match reason {
            Reason::BackendDown(_) => assert_eq!(next, "Try again in 20 seconds."),
            Reason::Maintenance { .. } => {
                assert!(
                    next.starts_with("We expect to be done at") && next.ends_with("Try again then."),
                    "{next}"
                );
            }
            _ => {}
        }
    }
}
