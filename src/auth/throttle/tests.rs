//! Counting by itself: when a try is heard, and when it is not.

use super::*;

fn tenant() -> TenantId {
    TenantId::parse("bank").unwrap()
}

#[test]
fn the_fifth_failure_blocks_and_the_sixth_is_not_heard() {
    let subject = Subject::Device(DeviceId::parse("d").unwrap());
    let mut now = Time(0);
    let mut old = None;
    for failures in 1..=5 {
        let counted = count(old.as_ref(), &tenant(), Guarded::Code, &subject, now).unwrap();
        assert_eq!((counted.failures, counted.blocked), (failures, failures == 5));
        now = counted.until;
        old = Some(counted);
    }
    let year = now.plus(Duration::from_secs(365 * 86400));
    assert_eq!(count(old.as_ref(), &tenant(), Guarded::Code, &subject, year), Err(Reason::Blocked));
}

#[test]
fn a_try_before_its_time_is_not_heard() {
    let subject = Subject::Person(PersonId::parse("p").unwrap());
    let first = count(None, &tenant(), Guarded::SignIn, &subject, Time(0)).unwrap();
    let second = count(Some(&first), &tenant(), Guarded::SignIn, &subject, Time(0)).unwrap();
    let early = count(Some(&second), &tenant(), Guarded::SignIn, &subject, Time(1999));
    assert_eq!(early, Err(Reason::TooMany { until: Time(2000) }));
    assert!(count(Some(&second), &tenant(), Guarded::SignIn, &subject, Time(2000)).is_ok());
}

#[test]
fn an_office_that_signs_in_one_by_one_is_never_paused() {
    let subject = Subject::Address("192.0.2.1".parse().unwrap());
    let mut kept = None;
    for _ in 1..ADDRESS_FAILURES_MAX {
        kept = Some(count(kept.as_ref(), &tenant(), Guarded::SignIn, &subject, Time(0)).unwrap());
    }
    for _ in 0..2 * ADDRESS_FAILURES_MAX {
        let counted = count(kept.as_ref(), &tenant(), Guarded::SignIn, &subject, Time(0)).unwrap();
        kept = eased(&counted, Time(0));
    }
    assert_eq!(kept.map(|kept| kept.failures), Some(ADDRESS_FAILURES_MAX - 1), "failures stay");
    let alone = count(None, &tenant(), Guarded::SignIn, &subject, Time(0)).unwrap();
    assert_eq!(eased(&alone, Time(0)), None);
}

#[test]
fn of_ipv6_one_household_is_one_address() {
    let key = |text: &str| Subject::Address(text.parse().unwrap()).key();
    assert_eq!(key("2001:db8:1:2::3"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_ne!(key("2001:db8:1:2::3"), key("2001:db8:1:3::3"));
    assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    assert_eq!(key("64:ff9b::192.0.2.1"), key("192.0.2.1"));
    assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
}

#[test]
fn an_address_pauses_and_is_heard_again() {
    let subject = Subject::Address("192.0.2.1".parse().unwrap());
    let mut old = None;
    for _ in 0..ADDRESS_FAILURES_MAX {
        old = Some(count(old.as_ref(), &tenant(), Guarded::SignIn, &subject, Time(0)).unwrap());
    }
    assert!(count(old.as_ref(), &tenant(), Guarded::SignIn, &subject, Time(1)).is_err());
    let later = Time(0).plus(ADDRESS_PAUSE);
    assert_eq!(count(old.as_ref(), &tenant(), Guarded::SignIn, &subject, later).unwrap().failures, 1);
}
