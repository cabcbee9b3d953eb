//! Bounds of time: every spelling of a date, to the second, and by no clock but the gate's.

use std::time::Duration;

use crate::certificates::case;
use crate::inside::Inside;
use crate::openssl::Openssl;
use crate::support::program::Start;
use crate::support::raw::Raw;

/// T-04. Dates, of every spelling that DER has for them.
#[tokio::test(flavor = "multi_thread")]
async fn outside_its_dates_a_certificate_does_not_count() {
    let (inside, cases) = Inside::after(
        |_| {},
        Start::default(),
        async |gate, laptop| {
            let now = gate.world.now().secs();
            let mut cases = Vec::new();
            for (what, from, to, refused) in [
                ("long over", date(2020), date(2022), Some("certificate-expired")),
                ("over since yesterday", date(2024), now - 86_400, Some("certificate-expired")),
                ("over since two seconds", date(2024), now - 2, Some("certificate-expired")),
                ("from tomorrow", now + 86_400, date(2090), Some("certificate-not-yet")),
                ("in UTCTime until 2049", date(2000), 2_524_607_999, None),
                ("from 2049 to 2050", date(2049), date(2051), Some("certificate-not-yet")),
                ("until the end of 9999", date(2024), 253_402_300_799, None),
                ("ended before it began", date(2090), date(2024), Some("")),
                ("from 1950, in UTCTime, to 1969", date(1950), date(1969), Some("")),
                ("one day, now", now - 43_200, now + 43_200, None),
            ] {
                let made = gate.old_ca.leaf(laptop, |params| dated(params, from, to));
                cases.push(case(gate, what, made, refused).await);
            }
            cases
        },
    )
    .await;
    inside.must_all_end_so(&cases).await;
}

/// T-04. A certificate that ends, and one that begins, while they are used: each answer carries the second in
/// which it was given.
#[tokio::test(flavor = "multi_thread")]
async fn the_bounds_are_kept_to_the_second() {
    let (inside, (ends, begins, bound)) = Inside::after(
        |_| {},
        Start::default(),
        async |gate, laptop| {
            // The program must be up before it, on a slow machine too.
            let bound = gate.world.now().secs() + 15;
            let ends = gate.old_ca.leaf(laptop, |params| dated(params, date(2024), bound));
            let begins = gate.old_ca.leaf(laptop, |params| dated(params, bound, date(2090)));
            (case(gate, "ends", ends, None).await, case(gate, "begins", begins, None).await, bound)
        },
    )
    .await;
    let (old, new) = (inside.showing(&ends.identity), inside.showing(&begins.identity));
    let mut counts = [0; 4];
    loop {
        let (one, two) =
            tokio::join!(answered(&inside, &old, &ends.cookie), answered(&inside, &new, &begins.cookie));
        let two = two.expect("an answer to who begins");
        // What ends while its request is on its way may be cut without a word.
        let one = one.unwrap_or_else(|| (0, portcullis::world::World::real().now().secs()));
        // The last second counts whole; the answer may be a moment later than the judgement.
        match one {
            (200, second) => assert!(second <= bound + 1, "served in second {second} after {bound}"),
            (_, second) => assert!(second > bound, "refused in second {second} of {bound}"),
        }
        match two {
            (200, second) => assert!(second >= bound, "served in second {second} before {bound}"),
            (_, second) => assert!(second <= bound, "refused in second {second} of {bound}"),
        }
        for (place, (status, _)) in [one, two].into_iter().enumerate() {
            counts[2 * place + usize::from(status == 200)] += 1;
        }
        if one.1 > bound + 1 && two.1 > bound + 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Both were seen on both sides of the bound.
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

/// Status and second of an answer, where there is one.
async fn answered(inside: &Inside, raw: &Raw, cookie: &str) -> Option<(u16, i64)> {
    let heard = raw.exchange(inside.asking(cookie, "/v").as_bytes()).await;
    let text = heard.text();
    let status = heard.status()?;
    let date = text.lines().find_map(|line| line.strip_prefix("date: ")).expect("a date");
    Some((status, jiff::fmt::rfc2822::parse(date).unwrap().timestamp().as_second()))
}

/// T-04. The program's clock is moved, not the certificates: one in force is over in three years, one that
/// begins tomorrow is in force in a month.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_goes_by_the_gates_own_clock() {
    let (mut inside, later) = Inside::after(
        |_| {},
        Start::default(),
        async |gate, laptop| {
            let tomorrow = gate.world.now().secs() + 86_400;
            let made = gate.old_ca.leaf(laptop, |params| dated(params, tomorrow, date(2090)));
            case(gate, "from tomorrow", made, Some("certificate-not-yet")).await
        },
    )
    .await;
    let openssl = Openssl::to(inside.client.wire.address);
    let laptop = openssl.showing("laptop", &inside.laptop.identity);
    let tomorrows = openssl.showing("tomorrows", &later.identity);
    for (by, told, tomorrows_told) in [
        // The session is over by then, the certificate is not.
        ("+30d", "sign-in-first", "sign-in-first"),
        ("+3y", "certificate-expired", "sign-in-first"),
        ("+0d", "the bank's own page at /v", "certificate-not-yet"),
    ] {
        inside.program.stop();
        inside.program.start_next_so(clock_moved(by));
        inside.program.start();
        for (showing, cookie, told) in
            [(&laptop, &inside.cookie, told), (&tomorrows, &later.cookie, tomorrows_told)]
        {
            let heard = openssl.say(Some("bank.localhost"), showing, &inside.asking(cookie, "/v"));
            assert!(heard.contains(told), "{by}: {heard}; {}", inside.program.log());
        }
    }
    assert_eq!(inside.recorder.count(), 1);
}

/// A start whose wall clock is off by so much, and whose other clock is not.
pub(crate) fn clock_moved(by: &str) -> Start {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|folder| folder.unwrap().path());
    let library = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|file| file.exists());
    let library = library.expect("faketime is installed").to_str().unwrap().to_owned();
    let environment =
        [("LD_PRELOAD", library.as_str()), ("FAKETIME", by), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Start { environment, ..Start::default() }
}

/// In force between two moments, in seconds.
fn dated(params: &mut rcgen::CertificateParams, from: i64, to: i64) {
    let begin = rcgen::date_time_ymd(1900, 1, 1);
    let after = |secs: i64| Duration::from_secs((secs - begin.unix_timestamp()).unsigned_abs());
    params.not_before = begin + after(from);
    params.not_after = begin + after(to);
}

fn date(year: i32) -> i64 {
    rcgen::date_time_ymd(year, 1, 1).unix_timestamp()
}
