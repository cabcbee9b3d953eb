//! When a message that was not taken is sent again: later and later, never together with all others, and never once
//! its question is over. Pure.

use std::time::Duration;

use crate::domain::Time;

/// How long to wait before the next try; `None` where it would come too late. `tries` have been made; `asked` is what
/// the service asked for (`Retry-After`); `chance` lies between 0 and 999.
pub(super) fn wait(
    tries: u32,
    asked: Option<Duration>,
    chance: u32,
    now: Time,
    until: Time,
) -> Option<Duration> {
    let most = FIRST * 2_u32.pow(tries.saturating_sub(1).min(10));
    // Between half and all of it.
    let spread = most / 2 + most * chance.min(999) / 2000;
    // What a service asks for is the least, and the spread comes on top, or all come back at once.
    let wait = asked.map_or(spread, |asked| asked.saturating_add(spread / 2));
    (tries < TRIES_MAX && wait < until.since(now)).then_some(wait)
}

/// `Retry-After`: seconds, or a date (RFC 9110 10.2.3).
pub(super) fn retry_after(text: &str, now: Time) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(Time(date.timestamp().as_millisecond()).since(now))
}

const FIRST: Duration = Duration::from_secs(1);

/// Within two minutes, the life of a question, it comes to six.
const TRIES_MAX: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_800_000_000_000);

    #[test]
    fn each_wait_is_longer_than_the_last_and_never_exact() {
        let until = NOW.plus(Duration::from_secs(3600));
        for tries in 1..7 {
            let (least, most) =
                (wait(tries, None, 0, NOW, until).unwrap(), wait(tries, None, 999, NOW, until).unwrap());
            let whole = Duration::from_secs(1 << (tries - 1));
            assert!(
                least == whole / 2 && most > whole * 9 / 10 && most < whole,
                "{tries}: {least:?} to {most:?}"
            );
        }
        assert_eq!(wait(8, None, 0, NOW, until), None);
    }

    #[test]
    fn what_a_service_asks_for_is_the_least() {
        let until = NOW.plus(Duration::from_secs(120));
        let asked = Some(Duration::from_secs(7));
        assert!(wait(1, asked, 0, NOW, until).unwrap() > Duration::from_secs(7));
        assert_eq!(wait(1, Some(Duration::from_secs(120)), 0, NOW, until), None, "beyond the question's end");
        assert_eq!(wait(1, Some(Duration::MAX), 999, NOW, until), None);
    }

    #[test]
    fn nothing_is_sent_after_the_questions_end() {
        assert_eq!(wait(1, None, 0, NOW, NOW), None);
        assert_eq!(wait(1, None, 0, NOW, NOW.plus(Duration::from_millis(500))), None);
        assert_eq!(wait(1, None, 0, NOW.plus(Duration::from_secs(9)), NOW), None);
        assert!(wait(1, None, 0, NOW, NOW.plus(Duration::from_millis(501))).is_some());
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after("7", NOW), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Fri, 15 Jan 2027 08:00:30 GMT", NOW), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Thu, 01 Jan 1970 00:00:00 GMT", NOW), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", NOW), None);
    }
}
