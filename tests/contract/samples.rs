//! One sample of each record, with every field filled.

use std::collections::BTreeMap;

use portcullis::audit::{Event, Head, Numbered, Outcome};
use portcullis::domain::approval::{Approval, ApprovalState, OfflineAnswer, Purpose, Row, Shown, Signed};
use portcullis::domain::certificate::{
    Certificate, CertificateState, Forgotten, Issuer, IssuerKind, LastUse, RevocationReason,
};
use portcullis::domain::confirmation::{
    Confirmation, ConfirmationState, KeptLately, Manner, NotSent, Wanted,
};
use portcullis::domain::device::{Device, DeviceState};
use portcullis::domain::enrolment::{Enrolment, EnrolmentKind, EnrolmentState};
use portcullis::domain::grant::{Allows, Grant, GrantSecret, GrantWay};
use portcullis::domain::person::{Person, Role, Standing};
use portcullis::domain::phone::{OfflineKey, Pairing, PairingState, Phone, RemovedBy, RemovedPhone};
use portcullis::domain::push::Subscription;
use portcullis::domain::recovery::{CodeState, RecoveryCode, RecoveryCodes};
use portcullis::domain::reminder::Reminder;
use portcullis::domain::renewal::{PhoneSaidYes, Renewal, RenewalWay};
use portcullis::domain::route::{Backend, Health, HealthKind, Maintenance, Route, Rules};
use portcullis::domain::session::Session;
use portcullis::domain::tenant::{Brand, CertificateTerms, SessionProfile, SyncedPasskeys, Tenant};
use portcullis::domain::throttle::{Guarded, Throttle};
use portcullis::domain::{
    ApprovalId, ConfirmationId, DeviceId, GrantId, IssuerId, PairingId, PersonId, PhoneId, TenantId, Time,
};

use super::NOW;

pub(crate) fn tenant() -> Tenant {
    Tenant {
        id: bank(),
        name: "Bank Muster & Cie".into(),
        hosts: vec!["bank.localhost".into(), "bank.example".into()],
        telephone: "+41 44 123 45 67".into(),
        language: "en".into(),
        brand: Brand { accent: Some("#123456".into()), monogram: "BM".into() },
        profile: SessionProfile::Strict,
        identified_on_incoming_call: false,
        certificates: CertificateTerms::default(),
        synced_passkeys: SyncedPasskeys::Accept,
        created: NOW,
    }
}

pub(crate) fn person() -> Person {
    Person {
        tenant: bank(),
        id: anna(),
        name: "Anna Muster".into(),
        emails: vec!["anna@example.org".into()],
        telephone: Some("+41791234567".into()),
        standing: Standing::Locked { until: Some(NOW), why: "asked for it".into() },
        groups: ["clients".to_owned()].into(),
        roles: [Role::Support, Role::Auditor].into(),
        created: NOW,
    }
}

pub(crate) fn device() -> Device {
    Device {
        tenant: bank(),
        person: anna(),
        id: laptop(),
        name: "laptop".into(),
        state: DeviceState::Released,
        issued_by: "local:1000".into(),
        delivered_by: Some("person:staff/otto".into()),
        released_by: Some("person:staff/sara".into()),
        created: NOW,
    }
}

pub(crate) fn certificate() -> Certificate {
    Certificate {
        serial: "7f3a".into(),
        tenant: bank(),
        person: anna(),
        device: laptop(),
        issuer: issuer().id,
        profile: "device".into(),
        der: vec![0x30, 1, 2],
        fingerprint: [7; 32],
        not_before: NOW,
        not_after: later(),
        state: CertificateState::Revoked { reason: RevocationReason::KeyCompromise, at: NOW },
        issued_by: "local:1000".into(),
    }
}

pub(crate) fn issuer() -> Issuer {
    Issuer {
        id: IssuerId::parse("devices-1").unwrap(),
        kind: IssuerKind::Devices,
        der: vec![0x30, 3],
        root_der: vec![0x30, 4],
        not_after: later(),
        issues: true,
    }
}

pub(crate) fn subscription() -> Subscription {
    Subscription {
        tenant: bank(),
        person: anna(),
        phone: phone().id,
        endpoint: "https://push.example.net/wpush/v1/gAAA".into(),
        p256dh: vec![4, 8],
        auth: vec![9, 10],
        key: vec![4, 11],
        since: NOW,
    }
}

pub(crate) fn phone() -> Phone {
    Phone {
        tenant: bank(),
        person: anna(),
        id: PhoneId::parse("phone-1").unwrap(),
        name: "Android phone".into(),
        credential_id: vec![1, 2],
        credential_key: vec![4, 5],
        api_key: vec![4, 6],
        offline_key: Some(OfflineKey(vec![4, 7])),
        backup_eligible: true,
        sign_count: 3,
        paired: NOW,
        released_by: Some("person:staff/sara".into()),
        used: Some(NOW),
    }
}

fn removed_phone() -> RemovedPhone {
    RemovedPhone {
        tenant: bank(),
        person: anna(),
        id: PhoneId::parse("phone-1").unwrap(),
        api_key: vec![4, 6],
        at: NOW,
        by: RemovedBy::Owner,
    }
}

fn pairing() -> Pairing {
    Pairing {
        id: PairingId::parse("pairing-1").unwrap(),
        tenant: bank(),
        person: anna(),
        device: laptop(),
        session: [1; 32],
        secret_mac: [2; 32],
        challenge: [3; 32],
        expires: later(),
        state: PairingState::Claimed { phone: Box::new(phone()), words: ["apple".into(), "river".into()] },
    }
}

fn enrolment() -> Enrolment {
    Enrolment {
        tenant: bank(),
        person: anna(),
        device: laptop(),
        session: [1; 32],
        number: "4711".into(),
        code_mac: Some([2; 32]),
        code_expires: later(),
        browser: "Chrome on Linux".into(),
        address: "192.0.2.1".into(),
        alarm: true,
        started: NOW,
        state: EnrolmentState::CodeRight {
            agent: "person:staff/sara".into(),
            word: "apple".into(),
            words: ["apple".into(), "river".into(), "stone".into()],
        },
        kind: EnrolmentKind::Expired,
    }
}

fn renewal() -> Renewal {
    Renewal {
        token: [1; 32],
        tenant: bank(),
        person: anna(),
        device: laptop(),
        serial: "4f2a9c".into(),
        fingerprint: [5; 32],
        way: RenewalWay::Asked,
        released_by: Some("person:staff/sara".into()),
        password: Some(NOW),
        phone: Some(PhoneSaidYes { approval: ApprovalId::parse("q1").unwrap(), at: NOW }),
        started: NOW,
        expires: later(),
    }
}

fn recovery_codes() -> RecoveryCodes {
    let code = |id, state| RecoveryCode { id, mac: [id; 32], state };
    RecoveryCodes {
        tenant: bank(),
        person: anna(),
        set: [6; 16],
        made: NOW,
        put_away: Some(NOW),
        codes: vec![
            code(1, CodeState::Unused),
            code(2, CodeState::Reserved { session: [1; 32], until: later() }),
            code(3, CodeState::Used { at: NOW }),
        ],
    }
}

fn forgotten() -> Forgotten {
    Forgotten { serial: "4f2a9c".into(), at: NOW }
}

fn last_use() -> LastUse {
    LastUse { serial: "4f2a9c".into(), at: NOW }
}

fn reminder() -> Reminder {
    Reminder { serial: "4f2a9c".into(), stage: 14, queued: NOW, until: later() }
}

fn grant() -> Grant {
    Grant {
        id: GrantId::parse("grant-1").unwrap(),
        allows: Allows::Issue { tenant: bank(), person: anna(), device: laptop(), profile: "device".into() },
        evidence: "local:1000".into(),
        by: "local:1000".into(),
        secret: Some(GrantSecret { way: GrantWay::Link, mac: [4; 32], wrong: 1 }),
        expires: later(),
    }
}

fn approval() -> Approval {
    Approval {
        id: ApprovalId::parse("approval-1").unwrap(),
        tenant: bank(),
        person: anna(),
        device: laptop(),
        fingerprint: [7; 32],
        session: [1; 32],
        purpose: Purpose::NewDevice,
        shown: Shown {
            site: "Bank Muster & Cie".into(),
            host: "bank.localhost".into(),
            person: "Anna Muster".into(),
            device: "laptop".into(),
            browser: "Chrome on Linux".into(),
            address: "192.0.2.1".into(),
            place: "near Zürich, Switzerland".into(),
            reason: "Sign in on a new device".into(),
            rows: vec![Row { name: "Amount".into(), value: "CHF 12.00".into() }],
        },
        bound: Some([3; 32]),
        nonce: [4; 32],
        digits_mac: [5; 32],
        created: NOW,
        expires: later(),
        wrong_digits: 1,
        offline: Some(OfflineAnswer { phone: phone().id, mac: [6; 32] }),
        state: ApprovalState::Approved {
            phone: phone().id,
            at: NOW,
            evidence: Box::new(Signed {
                text: "portcullis approval 2\n".into(),
                client_data: vec![1],
                authenticator_data: vec![2],
                signature: vec![3],
                api_signature: vec![4],
            }),
        },
    }
}

pub(crate) fn session() -> Session {
    Session {
        token: [9; 32],
        tenant: bank(),
        person: anna(),
        device: laptop(),
        serial: "7f3a".into(),
        fingerprint: [7; 32],
        password: Some(NOW),
        phone: Some(NOW),
        created: NOW,
        last_seen: NOW,
        idle_secs: 300,
        absolute_end: later(),
        return_to: Some("/accounts".into()),
    }
}

fn throttle() -> Throttle {
    Throttle {
        tenant: bank(),
        purpose: Guarded::SignIn,
        subject: "person:anna".into(),
        failures: 3,
        until: later(),
        blocked: true,
    }
}

pub(crate) fn confirmation() -> Confirmation {
    Confirmation {
        id: ConfirmationId::parse("confirmation-1").unwrap(),
        tenant: bank(),
        person: anna(),
        device: laptop(),
        fingerprint: [7; 32],
        session: [1; 32],
        host: "bank.localhost:8443".into(),
        route: "payments".into(),
        manner: Manner::Fetch,
        wanted: Wanted {
            title: "Pay an invoice".into(),
            rows: vec![Row { name: "Amount".into(), value: "CHF 12.00".into() }],
            stake: "The money leaves your account today.".into(),
        },
        method: "POST".into(),
        path: "/payments".into(),
        query: Some("a=1".into()),
        body_sha256: [2; 32],
        sealed: vec![1, 2],
        created: NOW,
        expires: later(),
        state: ConfirmationState::Refused { why: NotSent::NotMe, at: NOW },
        evidence: Some(Box::new(approval())),
        receipt: Some("a.b.c".into()),
    }
}

fn kept_lately() -> KeptLately {
    let open = vec![ConfirmationId::parse("confirmation-1").unwrap()];
    KeptLately { tenant: bank(), person: anna(), times: vec![NOW, later()], open }
}

pub(crate) fn route() -> Route {
    let second = Backend { url: "http://127.0.0.1:9001".into(), weight: 3 };
    Route {
        hosts: vec!["bank.example".into()],
        rewrite: Some("/app".into()),
        backends: vec![Backend::at("http://127.0.0.1:9000"), second],
        client_cert: true,
        confirm: true,
        sticky: true,
        health: Some(Health {
            kind: HealthKind::Http,
            path: "/healthz".into(),
            interval_ms: 5_000,
            timeout_ms: 2_000,
            healthy_after: 2,
            unhealthy_after: 3,
        }),
        slow_start_seconds: 30,
        connect_ms_max: 1_000,
        first_byte_ms_max: 30_000,
        idle_ms_max: 60_000,
        total_ms_max: 600_000,
        requests_max: 100,
        maintenance: Some(Maintenance { text: "Back soon".into(), until: Some(NOW) }),
        ..Route::to(&bank(), "portal", "/", "")
    }
}

/// As it was written before there could be several backends.
pub(crate) fn route_before() -> Route {
    Route {
        client_cert: true,
        first_byte_ms_max: 30_000,
        confirm: true,
        ..Route::to(&bank(), "portal", "/", "http://127.0.0.1:9000")
    }
}

pub(crate) fn rules() -> Rules {
    Rules {
        tenant: bank(),
        file: "bank.toml".into(),
        text: "[[rule]]".into(),
        revision: 2,
        applied_by: "local:1000".into(),
        applied: NOW,
    }
}

fn line() -> Numbered {
    Numbered {
        node: "main".into(),
        sequence: 42,
        previous: [8; 32],
        when: NOW,
        who: "person:staff/sara".into(),
        what: Event::DeviceReleased,
        tenant: Some(bank()),
        whom: Some("device:bank/anna/laptop".into()),
        whence: Some("192.0.2.1".into()),
        outcome: Outcome::Refused("own device".into()),
        details: BTreeMap::from([("number".to_owned(), "4711".to_owned())]),
    }
}

fn head() -> Head {
    Head { node: "main".into(), sequence: 42, last: [8; 32] }
}

pub(crate) fn bank() -> TenantId {
    TenantId::parse("bank").unwrap()
}

pub(crate) fn anna() -> PersonId {
    PersonId::parse("anna").unwrap()
}

pub(crate) fn laptop() -> DeviceId {
    DeviceId::parse("laptop-1").unwrap()
}

fn later() -> Time {
    NOW.plus(std::time::Duration::from_secs(3600))
}

/// Calls `$with!(sample)` for each kind of record.
macro_rules! for_each_record {
    ($with:ident) => {
        $with!(tenant, person, device, certificate, issuer, phone, pairing, enrolment, grant, approval);
        $with!(last_use, reminder, forgotten, renewal, recovery_codes, subscription, confirmation);
        $with!(removed_phone, kept_lately);
        $with!(session, throttle, route, rules, line, head);
    };
}

/// Name, key, bytes, and whether old bytes read as the sample does.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) key: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) reads_as_it: fn(&[u8]) -> bool,
}

pub(crate) fn all() -> Vec<Sample> {
    use portcullis::store::{Record, table};
    let mut samples = Vec::new();
    macro_rules! push {
        ($($name:ident),*) => {$(
            samples.push(Sample {
                name: stringify!($name),
                key: $name().key().as_bytes().to_vec(),
                bytes: table::encode(&$name()).to_vec(),
                reads_as_it: |bytes| table::decode(&$name().key(), bytes).is_ok_and(|read| $name() == read),
            });
        )*};
    }
    for_each_record!(push);
    samples
}
