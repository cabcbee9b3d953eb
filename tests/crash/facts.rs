//! What somebody was told is so. After a crash each of it must still be: in what the store holds, and at the
//! doors. Knows no crash.

use std::sync::{Arc, Mutex};

use portcullis::auth::session::read_cookie;
use portcullis::crypto::sha256;
use portcullis::domain::approval::ApprovalState;
use portcullis::domain::certificate::CertificateState;
use portcullis::domain::enrolment::EnrolmentState;
use portcullis::domain::phone::PairingState;
use portcullis::domain::throttle::Guarded;
use portcullis::domain::{DeviceId, Time};
use portcullis::store::table;
use portcullis::world::World;
use serde_json::Value;

use crate::ground::Ground;
use crate::state::State;
use crate::support::browser::COOKIE;
use crate::support::desk::types_code;

/// Something that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    /// The code of a person's first visit was right: it is used.
    CodeUsed { person: &'static str, code: String },
    /// The desk let a device in.
    Released(DeviceId),
    /// A phone has brought the secret of a square: it is used.
    SecretUsed { link: String },
    /// A person's phone is theirs.
    Paired { person: &'static str },
    /// A person has a password.
    PasswordSet { person: &'static str },
    /// A browser holds this cookie and was served the bank's page.
    SignedIn { cookie: String },
    /// Somebody is about to end the session of this cookie: from here on it may be gone.
    AsksOut { cookie: String },
    /// The session of this cookie was ended, or went on under another.
    Ended { cookie: String },
    /// A phone has answered: the approval is used.
    Answered { question: Value, digits: String },
    /// A certificate was handed out.
    Issued { serial: String },
    /// A certificate was switched off.
    Revoked { serial: String },
    /// A person was shut out.
    Locked { person: &'static str },
    /// A wrong password was counted.
    Counted { person: &'static str },
    /// An auditor was told of the trail's end.
    Told { node: String, sequence: u64, hash: String },
}

/// All that was acknowledged in a life, with the time by which it was.
#[derive(Clone, Default)]
pub(crate) struct Facts(Arc<Mutex<Vec<(Time, Fact)>>>);

impl Facts {
    pub(crate) fn add(&self, fact: Fact) {
        // The clock counts milliseconds: it was acknowledged by the next, and asked for after the one before.
        let off = if matches!(fact, Fact::AsksOut { .. }) { -1 } else { 1 };
        let by = Time(World::real().now().millis() + off);
        self.0.lock().unwrap().push((by, fact));
    }

    pub(crate) fn all(&self) -> Vec<Fact> {
        self.0.lock().unwrap().iter().map(|(_, fact)| fact.clone()).collect()
    }

    /// What had been acknowledged before a moment.
    pub(crate) fn until(&self, moment: Time) -> Vec<Fact> {
        let kept = self.0.lock().unwrap();
        kept.iter().filter(|(by, _)| *by <= moment).map(|(_, fact)| fact.clone()).collect()
    }
}

/// The store holds every fact, and nothing by half.
pub(crate) fn must_hold(facts: &[Fact], state: &State, before: &State) {
    let missing = missing(facts, state);
    assert!(missing.is_empty(), "{missing:#?}");
    state.must_balance(before);
}

/// What was acknowledged and is not so.
pub(crate) fn missing(facts: &[Fact], state: &State) -> Vec<String> {
    let not_so = |fact: &Fact| {
        let why = holds(fact, facts, state).err()?;
        Some(format!("{fact:?} was acknowledged, and {why}"))
    };
    facts.iter().filter_map(not_so).collect()
}

fn holds(fact: &Fact, all: &[Fact], state: &State) -> Result<(), String> {
    let or = |holds: bool, why: &str| if holds { Ok(()) } else { Err(why.to_owned()) };
    match fact {
        Fact::CodeUsed { person, .. } => {
            let mut theirs = state.enrolments.iter().filter(|one| one.person.as_str() == *person);
            or(
                theirs.all(|one| one.state != EnrolmentState::Waiting && one.code_mac.is_none()),
                "the code waits to be typed",
            )
        }
        Fact::Released(device) => {
            let found = state.devices.iter().find(|one| one.id == *device);
            or(found.is_some_and(|one| one.state.is_released()), "the device is outside")
        }
        Fact::SecretUsed { link } => {
            let id = pairing_of(link);
            let found = state.pairings.iter().find(|one| one.id.as_str() == id);
            let found = found.ok_or("the pairing is not there")?;
            or(found.state != PairingState::Open, "the secret can be brought again")
        }
        Fact::Paired { person } => {
            or(state.phones.iter().any(|one| one.person.as_str() == *person), "there is no phone")
        }
        Fact::PasswordSet { person } => {
            or(state.passwords.iter().any(|one| one.person.as_str() == *person), "there is no password")
        }
        Fact::SignedIn { cookie } => {
            or(may_be_out(all, cookie) || state.has_session(cookie), "the session is gone")
        }
        Fact::AsksOut { .. } => Ok(()),
        Fact::Ended { cookie } => or(!state.has_session(cookie), "the session is back"),
        Fact::Answered { question, .. } => {
            let id = question["id"].as_str().unwrap();
            let found = state.approvals.iter().find(|one| one.id.as_str() == id);
            let found = found.ok_or("the approval is not there")?;
            or(matches!(found.state, ApprovalState::Approved { .. }), "it waits for an answer")
        }
        Fact::Issued { serial } => or(state.certificate(serial).is_some(), "nobody knows it"),
        Fact::Revoked { serial } => {
            let found = state.certificate(serial).ok_or("nobody knows it")?;
            or(matches!(found.state, CertificateState::Revoked { .. }), "it is good again")
        }
        Fact::Locked { person } => {
            let found = state.persons.iter().find(|one| one.id.as_str() == *person);
            or(found.is_some_and(|one| one.shut_out(World::real().now())), "they may come in")
        }
        Fact::Counted { person } => {
            let mut theirs = state.throttles.iter().filter(|one| one.purpose == Guarded::SignIn);
            or(theirs.any(|one| one.failures > 0 && one.subject.contains(person)), "it is forgotten")
        }
        Fact::Told { node, sequence, hash } => {
            let line = state.lines.iter().find(|line| line.node == *node && line.sequence == *sequence);
            let line = line.ok_or("the line is gone")?;
            let is = data_encoding::HEXLOWER.encode(&sha256(&table::encode(line)));
            or(is == *hash, "the line is another")
        }
    }
}

/// The doors show every fact, and take nothing twice. The program runs again.
pub(crate) async fn must_show(facts: &[Fact], ground: &Ground) {
    let program = &ground.program;
    for fact in facts {
        match fact {
            Fact::CodeUsed { person, code } => {
                let answer = types_code(&ground.agent, person, code).await;
                assert!(!answer.says("The code was right"), "{fact:?}: {}", answer.words());
            }
            Fact::SecretUsed { link } => {
                let (status, answer) = program.phone().begin(link).await;
                assert!(status.is_client_error(), "{fact:?}: {status} {answer}");
            }
            Fact::SignedIn { cookie } => {
                if !may_be_out(facts, cookie) {
                    let device = if new_device(facts, cookie) { &ground.new } else { &ground.laptop };
                    let browser = program.browser("bank", device);
                    browser.set_cookie(COOKIE, cookie);
                    browser.open("/").await.must_say("the bank's own page");
                }
            }
            Fact::Ended { cookie } => {
                let browser = program.browser("bank", &ground.new);
                browser.set_cookie(COOKIE, cookie);
                assert!(!browser.open("/").await.says("the bank's own page"), "{fact:?}");
            }
            Fact::Answered { question, digits } => {
                let (status, answer) = ground.phone.approve(question, digits).await;
                assert!(status.is_client_error(), "{fact:?}: {status} {answer}");
            }
            Fact::Revoked { .. } => {
                let page = program.browser("bank", &ground.lost).open("/").await;
                assert_eq!(page.status, 403);
                page.must_say("This certificate was switched off on");
            }
            Fact::Issued { serial } => {
                let listed = program.json(&["device", "list", "bank/anna"]);
                assert!(listed.to_string().contains(serial.as_str()), "{fact:?}: {listed}");
            }
            Fact::AsksOut { .. }
            | Fact::Counted { .. }
            | Fact::Locked { .. }
            | Fact::Released(_)
            | Fact::Paired { .. }
            | Fact::PasswordSet { .. }
            | Fact::Told { .. } => {}
        }
    }
    let verified = program.json(&["audit", "verify"]);
    assert_eq!(verified["whole"], true, "{verified}");
}

/// Whether somebody asked for the end of this cookie's session.
fn may_be_out(facts: &[Fact], cookie: &str) -> bool {
    facts.iter().any(|one| matches!(one, Fact::AsksOut { cookie: out } if out == cookie))
}

/// Whether the first session of the life has this cookie: Bert's.
fn new_device(facts: &[Fact], cookie: &str) -> bool {
    let first = facts.iter().find_map(|one| match one {
        Fact::SignedIn { cookie } => Some(cookie),
        _ => None,
    });
    first.is_some_and(|first| first == cookie)
}

/// The identifier in a square's link.
fn pairing_of(link: &str) -> &str {
    let fragment = link.split_once('#').unwrap().1;
    fragment.split_once('.').unwrap().0
}

/// The key of a session, from its cookie.
pub(crate) fn token(cookie: &str) -> [u8; 32] {
    read_cookie([format!("{COOKIE}={cookie}").as_str()].into_iter()).expect("a cookie of ours")
}
