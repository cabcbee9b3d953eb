//! Which page comes next, from what is missing and what the person already has.

use crate::domain::approval::Purpose;
use crate::domain::device::DeviceState;
use crate::policy::{Again, Missing};

/// The page that comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Code, word, waiting for the agent.
    Call,
    /// QR code, two words.
    PairPhone,
    /// The first password.
    ChoosePassword,
    /// The password, once more where a rule wants it fresher.
    Password(Option<Again>),
    /// Six digits on the phone.
    Phone(Purpose, Option<Again>),
    /// No phone any more: a recovery code, or two agents.
    LostPhone,
    /// QR code and two words for the phone that takes the old one's place.
    ReplacePhone,
}

/// What the person has, and how far this browser has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// State of the device.
    pub device: DeviceState,
    /// The person has a phone.
    pub has_phone: bool,
    /// The person has a password.
    pub has_password: bool,
    /// This very browser session was released by support.
    pub released_here: bool,
    /// The phone was proved in this session.
    pub phone_proved: bool,
    /// The person had a phone once.
    pub had_phone: bool,
    /// This very session may put a new phone in the old one's place.
    pub replaces_phone: bool,
}

/// The page that takes care of `missing`.
pub(crate) fn next(missing: Missing, standing: Standing) -> Stage {
    match (missing, standing.has_phone, standing.has_password) {
        (Missing::Release, _, _) => Stage::Call,
        (Missing::Password(again), _, true) => Stage::Password(again),
        (Missing::Phone(_), _, true) if standing.replaces_phone => Stage::ReplacePhone,
        // Another phone is recovery, whoever took the first one off.
        (Missing::Phone(_), false, true) if standing.had_phone => Stage::LostPhone,
        // Paired in this session, or broken off after pairing: an approval takes it up again.
        (Missing::Password(_), true, false) if standing.phone_proved => Stage::ChoosePassword,
        (Missing::Password(_), true, false) => Stage::Phone(Purpose::ResumeFirstVisit, None),
        (Missing::Password(_) | Missing::Phone(_), false, _) => pair_or_call(standing),
        (Missing::Phone(None), true, _) if standing.device == DeviceState::Active => {
            Stage::Phone(Purpose::SignIn, None)
        }
        (Missing::Phone(again @ Some(_)), true, _) if standing.device == DeviceState::Active => {
            Stage::Phone(Purpose::StepUp, again)
        }
        (Missing::Phone(_), true, _) => Stage::Phone(Purpose::NewDevice, None),
    }
}

/// A phone is paired only in the browser session that support released: another browser with the
/// same certificate calls again.
fn pair_or_call(standing: Standing) -> Stage {
    if standing.released_here { Stage::PairPhone } else { Stage::Call }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Standing = Standing {
        device: DeviceState::Released,
        has_phone: false,
        has_password: false,
        released_here: true,
        phone_proved: false,
        had_phone: false,
        replaces_phone: false,
    };

    #[test]
    fn a_first_visit_goes_call_phone_password() {
        assert_eq!(next(Missing::Release, NEW), Stage::Call);
        assert_eq!(next(Missing::Password(None), NEW), Stage::PairPhone);
        let paired = Standing { has_phone: true, phone_proved: true, ..NEW };
        assert_eq!(next(Missing::Password(None), paired), Stage::ChoosePassword);
    }

    #[test]
    fn another_browser_with_the_same_certificate_pairs_no_phone() {
        let elsewhere = Standing { released_here: false, ..NEW };
        assert_eq!(next(Missing::Password(None), elsewhere), Stage::Call);
        assert_eq!(next(Missing::Phone(None), elsewhere), Stage::Call);
    }

    #[test]
    fn broken_off_after_pairing_it_resumes_on_the_phone() {
        let resumed = Standing { has_phone: true, released_here: false, ..NEW };
        assert_eq!(next(Missing::Password(None), resumed), Stage::Phone(Purpose::ResumeFirstVisit, None));
    }

    #[test]
    fn a_second_device_sees_neither_square_nor_new_password() {
        let second = Standing { has_phone: true, has_password: true, ..NEW };
        assert_eq!(next(Missing::Password(None), second), Stage::Password(None));
        assert_eq!(next(Missing::Phone(None), second), Stage::Phone(Purpose::NewDevice, None));
        let known = Standing { device: DeviceState::Active, ..second };
        assert_eq!(next(Missing::Phone(None), known), Stage::Phone(Purpose::SignIn, None));
        let again = Again {
            rule: "Payments".into(),
            within: std::time::Duration::from_secs(300),
            proved: crate::domain::Time(0),
        };
        let stepped = next(Missing::Phone(Some(again.clone())), known);
        assert_eq!(stepped, Stage::Phone(Purpose::StepUp, Some(again)));
    }

    /// With the password alone nobody comes by a square, be the phone there, taken off, or never asked.
    #[test]
    fn a_lost_phone_is_replaced_on_a_proof_and_never_as_a_first_one() {
        let known = Standing { device: DeviceState::Active, has_phone: true, has_password: true, ..NEW };
        for released_here in [false, true] {
            for device in [DeviceState::Active, DeviceState::Released] {
                let lost = Standing { device, has_phone: false, had_phone: true, released_here, ..known };
                assert_eq!(next(Missing::Phone(None), lost), Stage::LostPhone);
                let replaces = Standing { replaces_phone: true, ..lost };
                assert_eq!(next(Missing::Phone(None), replaces), Stage::ReplacePhone);
                assert_eq!(
                    next(Missing::Password(None), replaces),
                    Stage::Password(None),
                    "the password comes first"
                );
                assert_eq!(next(Missing::Release, replaces), Stage::Call);
            }
        }
        let replaces = Standing { replaces_phone: true, ..known };
        assert_eq!(next(Missing::Phone(None), replaces), Stage::ReplacePhone);
    }
}
