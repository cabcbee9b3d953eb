//! How each factor turned out, counted from what the trail was told. Labels are the closed lists below.

use crate::audit::{Event, Tally};
use crate::domain::throttle::Guarded;
use crate::front::outside::Outside;
use crate::front::outside::text::{Kind, Text};

/// Writes the counts.
pub(super) fn write(text: &mut Text, tally: &Tally, outside: &Outside) {
    let name = "factor_total";
    text.family(name, Kind::Counter, "Proofs of a factor that were tried, by how they turned out.");
    let (ours, others) = outside.certificates();
    text.sample(name, &[("factor", "certificate"), ("outcome", "right")], ours);
    text.sample(name, &[("factor", "certificate"), ("outcome", "wrong")], others);
    for (factor, outcome, event) in OUTCOMES {
        text.sample(name, &[("factor", factor), ("outcome", outcome)], tally.of(*event));
    }
    for (factor, guarded) in HELD_OFF {
        text.sample(name, &[("factor", factor), ("outcome", "throttled")], tally.held_off(*guarded));
    }
    let name = "audit_events_total";
    text.family(name, Kind::Counter, "Entries of the audit trail since the start.");
    for event in Event::ALL {
        let count = tally.of(*event);
        if count > 0 {
            text.sample(name, &[("event", event.as_str())], count);
        }
    }
}

const OUTCOMES: &[(&str, &str, Event)] = &[
    ("password", "right", Event::PasswordRight),
    ("password", "wrong", Event::PasswordWrong),
    ("phone", "asked", Event::ApprovalAsked),
    ("phone", "right", Event::ApprovalApproved),
    ("phone", "wrong", Event::ApprovalWrongDigits),
    ("phone", "denied", Event::ApprovalDenied),
    ("phone", "forged", Event::ApprovalBadSignature),
    ("phone", "withdrawn", Event::ApprovalWithdrawn),
    ("code", "right", Event::CodeRight),
    ("code", "wrong", Event::CodeWrong),
    ("word", "right", Event::WordRight),
    ("word", "wrong", Event::WordWrong),
    ("recovery_code", "right", Event::RecoveryCodeRight),
    ("recovery_code", "wrong", Event::RecoveryCodeWrong),
    ("session", "elsewhere", Event::SessionElsewhere),
];

/// Password and question share one throttle: who is held off tries neither.
const HELD_OFF: &[(&str, Guarded)] = &[
    ("password", Guarded::SignIn),
    ("phone", Guarded::Digits),
    ("code", Guarded::Code),
    ("recovery_code", Guarded::Recovery),
    ("enrol", Guarded::Enrol),
    ("requests", Guarded::Requests),
];
