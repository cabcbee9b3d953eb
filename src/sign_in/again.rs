//! Why a factor is asked for that was proved before: a rule wants it fresher. Said on the page, and on the phone.

use std::time::Duration;

use crate::domain::Time;
use crate::domain::approval::{Matter, Purpose, Row};
use crate::policy::Again;

/// What the phone is asked, with the reason where it is asked again.
pub(super) fn matter(purpose: Purpose, again: Option<&Again>, now: Time) -> Matter {
    let Some(again) = again else { return purpose.into() };
    let row = Row { name: "Why again".to_owned(), value: why(again, "approval", now) };
    Matter { reason: again.rule.to_string(), rows: vec![row], ..purpose.into() }
}

/// "Payments asks for an approval of the last 5 minutes. Yours is 12 minutes old."
pub(super) fn why(again: &Again, factor: &str, now: Time) -> String {
    let article = if factor.starts_with('a') { "an" } else { "a" };
    format!(
        "{} asks for {article} {factor} of the last {}. Yours is {} old.",
        again.rule,
        said(again.within),
        said(now.since(again.proved))
    )
}

/// In the largest unit that fits, rounded down.
fn said(span: Duration) -> String {
    let seconds = span.as_secs();
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        _ => (seconds / 3600, "hour"),
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_rule_the_limit_and_the_age() {
        let again = Again { rule: "Payments".into(), within: Duration::from_secs(300), proved: Time(0) };
        let now = Time(12 * 60 * 1000);
        let asked = matter(Purpose::StepUp, Some(&again), now);
        assert_eq!(asked.reason, "Payments");
        assert_eq!(
            asked.rows[0].value,
            "Payments asks for an approval of the last 5 minutes. Yours is 12 minutes old."
        );
        assert!(
            why(&again, "password", Time(3_600_000))
                .contains("a password of the last 5 minutes. Yours is 1 hour old")
        );
        assert_eq!(matter(Purpose::SignIn, None, now), Purpose::SignIn.into());
    }
}
