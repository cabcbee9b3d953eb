//! Decisions about requests: the shipped rules, what is missing, what ended, rules that change.

use std::collections::BTreeSet;

use http::Method;
use tokio_util::sync::CancellationToken;

use super::super::shipped;
use super::*;
use crate::auth::evidence::{EndedCertificate, ProvedCertificate, ProvedSession};
use crate::domain::certificate::{Certificate, CertificateState};
use crate::domain::device::{Device, DeviceState};
use crate::domain::person::{Person, Standing};
use crate::domain::session::Session;
use crate::domain::{DeviceId, IssuerId, PersonId};

const NOW: Time = Time(1_795_424_400_000);

fn bank() -> TenantId {
    TenantId::parse("bank").unwrap()
}

fn rules(text: &str, revision: u64) -> Rules {
    Rules {
        tenant: bank(),
        file: "portal.toml".to_owned(),
        text: text.to_owned(),
        revision,
        applied_by: "local:0".to_owned(),
        applied: NOW,
    }
}

fn certificate(state: DeviceState) -> ProvedCertificate {
    let (tenant, person) = (bank(), PersonId::parse("anna").unwrap());
    let device = DeviceId::parse("laptop").unwrap();
    ProvedCertificate::for_tests(
        Arc::new(Certificate {
            serial: "1".to_owned(),
            tenant: tenant.clone(),
            person: person.clone(),
            device: device.clone(),
            issuer: IssuerId::parse("devices-1").unwrap(),
            profile: "device".to_owned(),
            der: Vec::new(),
            fingerprint: [7; 32],
            not_before: NOW,
            not_after: NOW,
            state: CertificateState::Active,
            issued_by: "gate".to_owned(),
        }),
        Arc::new(Device {
            tenant: tenant.clone(),
            person: person.clone(),
            id: device,
            name: "laptop".to_owned(),
            state,
            issued_by: "gate".to_owned(),
            delivered_by: None,
            released_by: None,
            created: NOW,
        }),
        Arc::new(Person {
            tenant,
            id: person,
            name: "Anna Muster".to_owned(),
            emails: Vec::new(),
            telephone: None,
            standing: Standing::Active,
            groups: BTreeSet::from(["clients".to_owned()]),
            roles: BTreeSet::new(),
            created: NOW,
        }),
    )
}

fn session(password: Option<Time>, phone: Option<Time>) -> ProvedSession {
    ProvedSession::for_tests(Arc::new(Session {
        token: [1; 32],
        tenant: bank(),
        person: PersonId::parse("anna").unwrap(),
        device: DeviceId::parse("laptop").unwrap(),
        serial: "1".to_owned(),
        fingerprint: [7; 32],
        password,
        phone,
        created: NOW,
        last_seen: NOW,
        idle_secs: 300,
        absolute_end: NOW,
        return_to: None,
    }))
}

fn evidence(certificate: CertificateEvidence, session: Option<ProvedSession>) -> Evidence {
    Evidence::gather(certificate, session, "192.0.2.1".parse().unwrap())
}

fn decide(policy: &Policy, area: Area, path: &str, evidence: &Evidence) -> Decision {
    let (tenant, cancel) = (bank(), CancellationToken::new());
    let ask =
        Ask { tenant: &tenant, area, host: "bank.localhost", path, method: &Method::GET, cancel: &cancel };
    policy.decide(&ask, evidence, NOW)
}

fn refused(decision: Decision) -> Reason {
    match decision {
        Decision::Refuse(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_lock_is_asked_for_in_turn() {
    let policy = Policy::empty();
    policy.load(&rules(shipped::PORTAL.rules, 1)).unwrap();
    let with = |state, session| evidence(CertificateEvidence::Proved(certificate(state)), session);
    let missing = |evidence: &Evidence| match decide(&policy, Area::Guarded, "/accounts", evidence) {
        Decision::Ask(missing) => Some(missing),
        Decision::Permit(permit) => {
            assert_eq!(permit.rule(), "Portal");
            assert!(permit.certificate().is_some());
            None
        }
        Decision::Refuse(reason) => panic!("{reason:?}"),
    };
    assert_eq!(missing(&with(DeviceState::AwaitingCode, None)), Some(Missing::Release));
    assert_eq!(missing(&with(DeviceState::Released, None)), Some(Missing::Password(None)));
    assert_eq!(
        missing(&with(DeviceState::Active, Some(session(Some(NOW), None)))),
        Some(Missing::Phone(None))
    );
    assert_eq!(
        missing(&with(DeviceState::Active, Some(session(None, Some(NOW))))),
        Some(Missing::Password(None))
    );
    assert_eq!(missing(&with(DeviceState::Active, Some(session(Some(NOW), Some(NOW))))), None);
    // All factors on a device that was taken back count for nothing.
    let retired = with(DeviceState::Retired, Some(session(Some(NOW), Some(NOW))));
    assert_eq!(missing(&retired), Some(Missing::Release));
}

#[test]
fn without_a_certificate_the_evidence_says_why() {
    let policy = Policy::empty();
    policy.load(&rules(shipped::PORTAL.rules, 1)).unwrap();
    for area in [Area::Guarded, Area::SignIn] {
        let none = evidence(CertificateEvidence::Absent, Some(session(Some(NOW), Some(NOW))));
        assert_eq!(refused(decide(&policy, area, "/x", &none)), Reason::NoCertificate);
        let reason = Reason::CertificateRevoked { on: NOW };
        let revoked = CertificateEvidence::Rejected { reason, fingerprint: [5; 32] };
        let revoked = evidence(revoked, Some(session(Some(NOW), Some(NOW))));
        assert_eq!(refused(decide(&policy, area, "/x", &revoked)), Reason::CertificateRevoked { on: NOW });
        assert!(matches!(decide(&policy, Area::Open, "/x", &revoked), Decision::Permit(_)));
    }
}

/// T-04: whatever the rules, the path and the session, an ended certificate opens its own renewal alone.
#[test]
fn an_ended_certificate_opens_renewal_and_nothing_else() {
    let proved = certificate(DeviceState::Active);
    let ended = || {
        let record = Arc::new(proved.certificate().clone());
        let (device, person) = (Arc::new(proved.device().clone()), Arc::new(proved.person().clone()));
        CertificateEvidence::Ended(EndedCertificate::for_tests(record, device, person, NOW))
    };
    let expired = Reason::CertificateExpired { on: NOW, renews: true };
    let full = session(Some(NOW), Some(NOW));
    for text in [shipped::PORTAL.rules, shipped::CONSOLE.rules, shipped::DEMO_CONSOLE.rules] {
        let policy = Policy::empty();
        policy.load(&rules(text, 1)).unwrap();
        for session in [None, Some(full.clone())] {
            let evidence = evidence(ended(), session);
            // Neither the session made with it nor anything else a rule could ask for is left.
            assert!(evidence.session().is_none() && evidence.proved().is_none());
            assert!(evidence.password().is_none() && evidence.phone().is_none());
            for path in ["/", "/accounts", "/.portcullis/settings", "/.portcullis/sign-in/", "/people/"] {
                for area in [Area::Guarded, Area::SignIn] {
                    let reason = refused(decide(&policy, area, path, &evidence));
                    let unnamed = reason == Reason::PolicyDenied { rule: None };
                    assert!(reason == expired || unnamed, "{path}: {reason:?}");
                }
                match decide(&policy, Area::Renewal, path, &evidence) {
                    Decision::Permit(permit) => {
                        assert_eq!(permit.rule(), "renewal");
                        assert!(permit.certificate().is_none() && permit.session().is_none());
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        // And nobody else comes there.
        let proved = evidence(CertificateEvidence::Proved(proved.clone()), Some(full.clone()));
        assert_eq!(refused(decide(&policy, Area::Renewal, "/", &proved)), Reason::NotFound);
        let none = evidence(CertificateEvidence::Absent, None);
        assert_eq!(refused(decide(&policy, Area::Renewal, "/", &none)), Reason::NoCertificate);
    }
}

#[test]
fn three_factors_need_the_release_whatever_is_set() {
    let policy = Policy::empty();
    assert!(policy.release_needed(&bank(), false), "no rules: nothing is known to be safe");
    policy.load(&rules(shipped::PORTAL.rules, 1)).unwrap();
    assert!(policy.release_needed(&bank(), false));
    let two = "[[rule]]\nname = \"all\"\npaths = [\"/**\"]\nwho = [\"everyone\"]\nneed = [\"certificate\", \"password\"]\n";
    policy.load(&rules(two, 2)).unwrap();
    assert!(!policy.release_needed(&bank(), false));
    assert!(policy.release_needed(&bank(), true));
    policy.load(&rules(shipped::PORTAL.rules, 3)).unwrap();
    assert!(policy.release_needed(&bank(), false));
}

#[test]
fn signing_in_needs_a_certificate_and_nothing_else() {
    let new = evidence(CertificateEvidence::Proved(certificate(DeviceState::Issued)), None);
    assert!(matches!(
        decide(&Policy::empty(), Area::SignIn, "/.portcullis/sign-in/code", &new),
        Decision::Permit(_)
    ));
}

#[test]
fn a_machine_renews_with_a_released_device_and_nothing_less() {
    let policy = Policy::empty();
    let path = "/.well-known/est/simplereenroll";
    let with = |state| evidence(CertificateEvidence::Proved(certificate(state)), None);
    for state in [DeviceState::Released, DeviceState::Active] {
        let decision = decide(&policy, Area::Reenrol, path, &with(state));
        assert!(matches!(&decision, Decision::Permit(permit) if permit.rule() == "re-enrol"), "{decision:?}");
    }
    for state in [DeviceState::Issued, DeviceState::AwaitingCode, DeviceState::Retired] {
        let denied = Reason::PolicyDenied { rule: None };
        assert_eq!(refused(decide(&policy, Area::Reenrol, path, &with(state))), denied, "{state:?}");
    }
    let none = evidence(CertificateEvidence::Absent, Some(session(Some(NOW), Some(NOW))));
    assert_eq!(refused(decide(&policy, Area::Reenrol, path, &none)), Reason::NoCertificate);
    let reason = Reason::CertificateRevoked { on: NOW };
    let revoked = CertificateEvidence::Rejected { reason: reason.clone(), fingerprint: [7; 32] };
    let revoked = evidence(revoked, Some(session(Some(NOW), Some(NOW))));
    assert_eq!(refused(decide(&policy, Area::Reenrol, path, &revoked)), reason);
}

#[test]
fn without_rules_everything_guarded_is_refused() {
    let policy = Policy::empty();
    let full = CertificateEvidence::Proved(certificate(DeviceState::Active));
    let full = evidence(full, Some(session(Some(NOW), Some(NOW))));
    let denied = Reason::PolicyDenied { rule: None };
    assert_eq!(refused(decide(&policy, Area::Guarded, "/", &full)), denied);
    let stranger = evidence(CertificateEvidence::Absent, None);
    assert_eq!(refused(decide(&policy, Area::Guarded, "/", &stranger)), Reason::NoCertificate);
    policy.load(&rules(shipped::PORTAL.rules, 1)).unwrap();
    assert!(matches!(decide(&policy, Area::Guarded, "/", &full), Decision::Permit(_)));
    policy.unload(&bank());
    assert_eq!(refused(decide(&policy, Area::Guarded, "/", &full)), denied);
}

#[test]
fn a_path_with_two_meanings_is_refused_everywhere() {
    let full = CertificateEvidence::Proved(certificate(DeviceState::Active));
    let full = evidence(full, Some(session(Some(NOW), Some(NOW))));
    let policy = Policy::empty();
    policy.load(&rules(shipped::PORTAL.rules, 1)).unwrap();
    for area in [Area::Guarded, Area::SignIn, Area::Open] {
        for path in ["//", "/a/../b", "/%2e%2e/", "/a%2fb", "/a;b", "/a%00", "*", ""] {
            assert!(matches!(refused(decide(&policy, area, path, &full)), Reason::BadRequest(_)), "{path}");
        }
    }
}

#[test]
fn a_bad_reload_keeps_the_old_rules_and_says_so() {
    let policy = Policy::empty();
    policy.load(&rules(shipped::PORTAL.rules, 2)).unwrap();
    assert!(policy.load(&rules("[[rule]]\nname = \"x\"", 3)).is_err());
    assert_eq!(policy.rules(&bank()).unwrap().rules()[0].name(), "Portal");
    // An older revision that comes late changes nothing.
    let late = shipped::PORTAL.rules.replace("\"Portal\"", "\"Old\"");
    policy.load(&rules(&late, 1)).unwrap();
    assert_eq!(policy.rules(&bank()).unwrap().rules()[0].name(), "Portal");
}
