//! Trace context (W3C): reads `traceparent`, goes on with it or begins one. Exports nothing.
//!
//! Which trace a request belongs to, anybody may say. Whether it is sampled is said by this gate, and by those it follows:
//! a stranger's word would let anybody fill the collector, or hide from it. Vendors write their own such words into
//! `tracestate`, so a stranger's ends here. Where this gate takes no part, no decision of its own stands in the place of a
//! stranger's: then the whole ends here, and whoever comes next begins a trace (3.4, "restart").

use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::world::World;

/// Where a request stands in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    /// Of all that belongs together.
    pub id: u128,
    /// Of this gate's part.
    pub span: u64,
    /// Of the part that asked us, where one did.
    pub parent: Option<u64>,
    /// Whether this gate's part is wanted.
    pub sampled: bool,
}

/// What a `traceparent` said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parent {
    id: u128,
    span: u64,
    sampled: bool,
}

/// Makes identifiers: no secrets, and never zero; drawn once, then counted and stirred.
#[derive(Debug)]
pub(super) struct Ids {
    drawn: [u64; 2],
    next: AtomicU64,
    /// Of a hundred requests about which nobody else decides so many are sampled.
    percent: u64,
}

impl Ids {
    pub(super) fn new(world: &World, percent: u32) -> Self {
        let drawn = [world.bytes(), world.bytes()].map(u64::from_be_bytes);
        Self { drawn, next: AtomicU64::new(0), percent: u64::from(percent) }
    }

    /// Goes on with the request's trace, or begins one, and tells whoever comes next. Whether it is sampled, a caller
    /// that is `followed` decides. None where there is no trace, and this gate begins none.
    pub(super) fn follow(&self, headers: &mut HeaderMap, followed: bool) -> Option<Trace> {
        let parent = read(headers);
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let [high, low] = self.drawn;
        let span = stirred(low.wrapping_add(n.wrapping_mul(STRIDE)));
        if parent.is_some() && !followed {
            headers.remove(TRACESTATE);
        }
        let sampled = match &parent {
            Some(parent) if followed => parent.sampled,
            _ => span % 100 < self.percent,
        };
        let (id, parent) = match parent {
            Some(parent) => (parent.id, Some(parent.span)),
            None if !sampled => return None,
            None => {
                let high = stirred(high.wrapping_add(n.wrapping_mul(STRIDE)));
                ((u128::from(high) << 64) | u128::from(stirred(span ^ high)), None)
            }
        };
        let trace = Trace { id: id.max(1), span: span.max(1), parent, sampled };
        if !sampled && headers.get(TRACEPARENT).is_some_and(|said| said.as_bytes().ends_with(b"-00")) {
            // It says so already, and no span of ours stands between.
            return Some(trace);
        }
        let value = format!("00-{:032x}-{:016x}-{:02x}", trace.id, trace.span, u8::from(sampled));
        headers.insert(TRACEPARENT, HeaderValue::try_from(value).ok()?);
        Some(trace)
    }
}

/// Where this gate takes no part: a caller that is `followed` is passed on as it came, where it can be read as one trace.
pub(super) fn pass(headers: &mut HeaderMap, followed: bool) {
    if followed {
        read(headers);
    } else {
        forget(headers);
    }
}

fn read(headers: &mut HeaderMap) -> Option<Parent> {
    let parent = {
        let mut all = headers.get_all(TRACEPARENT).iter();
        match (all.next(), all.next()) {
            (Some(one), None) => parse(one.as_bytes()),
            _ => None,
        }
    };
    if parent.is_none() {
        forget(headers);
    }
    parent
}

/// Whoever comes next begins a trace of its own.
fn forget(headers: &mut HeaderMap) {
    headers.remove(TRACEPARENT);
    headers.remove(TRACESTATE);
}

/// `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`; later versions may say more behind it.
fn parse(text: &[u8]) -> Option<Parent> {
    let (head, rest) = text.split_at_checked(55)?;
    let (version, id, span, flags) =
        (hex(&head[..2])?, hex(&head[3..35])?, hex(&head[36..52])?, hex(&head[53..])?);
    let dashes = [2, 35, 52].iter().all(|at| head[*at] == b'-');
    let ends = rest.is_empty() || (version > 0 && rest[0] == b'-');
    let good = dashes && ends && version != 0xff && id != 0 && span != 0;
    good.then_some(Parent { id, span: u64::try_from(span).ok()?, sampled: flags & 1 == 1 })
}

/// Lower case only, as the standard has it.
fn hex(text: &[u8]) -> Option<u128> {
    text.iter().try_fold(0, |sum, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some((sum << 4) | u128::from(digit))
    })
}

/// The finaliser of SplitMix64: one number in, one out, each bit moved by each.
const fn stirred(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// As SplitMix64 counts: odd, so that no number comes twice.
const STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    const ID: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(TRACEPARENT, HeaderValue::from_str(line).unwrap());
        }
        headers.insert(TRACESTATE, HeaderValue::from_static("vendor=1"));
        headers
    }

    #[test]
    fn what_is_no_traceparent_goes_with_its_state() {
        let upper = GOOD.to_uppercase();
        let later = format!("cc{}-what-the-future-brings", &GOOD[2..]);
        for good in [GOOD, &later, "00-00000000000000000000000000000001-0000000000000001-00"] {
            let mut headers = headers(&[good]);
            pass(&mut headers, true);
            assert_eq!(headers.get(TRACEPARENT).unwrap(), good);
            assert!(headers.contains_key(TRACESTATE));
            pass(&mut headers, false);
            assert!(headers.is_empty(), "a stranger's");
        }
        for bad in [
            &[][..],
            &[""],
            &[upper.as_str()],
            &[GOOD, GOOD],
            &["00-00000000000000000000000000000000-00f067aa0ba902b7-01"],
            &["00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"],
            &["ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
            &["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x"],
            &["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"],
            &["00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01"],
            &["cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x"],
        ] {
            let mut headers = headers(bad);
            pass(&mut headers, true);
            assert!(headers.is_empty(), "{bad:?}");
        }
    }

    #[test]
    fn a_trace_goes_on_or_begins() {
        let ids = Ids::new(&World::real(), 100);
        let mut sampled = headers(&[GOOD]);
        let trace = ids.follow(&mut sampled, true).unwrap();
        assert_eq!((trace.id, trace.parent, trace.sampled), (ID, Some(0x00f0_67aa_0ba9_02b7), true));
        let wanted = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{:016x}-01", trace.span);
        assert_eq!(sampled.get(TRACEPARENT).unwrap(), wanted.as_str());
        assert!(sampled.contains_key(TRACESTATE));
        let unsampled = format!("{}00", &GOOD[..53]);
        let mut left = headers(&[&unsampled]);
        let trace = ids.follow(&mut left, true).unwrap();
        assert_eq!((trace.id, trace.sampled), (ID, false));
        assert_eq!(left.get(TRACEPARENT).unwrap(), unsampled.as_str());
        let mut seen = std::collections::HashSet::new();
        for _ in 0..10_000 {
            let trace = ids.follow(&mut HeaderMap::new(), false).unwrap();
            assert!(trace.parent.is_none() && seen.insert(trace.span) && seen.insert(trace.id as u64));
        }
        let some = Ids::new(&World::real(), 10);
        let begun = (0..10_000).filter(|_| some.follow(&mut HeaderMap::new(), true).is_some()).count();
        assert!((500..2000).contains(&begun), "{begun}");
    }

    /// A stranger chooses which trace it is, and nothing else: neither that it is exported nor that it is not, here or
    /// at whoever comes next.
    #[test]
    fn whether_a_strangers_trace_is_sampled_is_not_the_strangers_to_say() {
        let unsampled = format!("{}00", &GOOD[..53]);
        let (none, some, all) = (0, 10, 100);
        for (percent, expected) in [(none, 0..=0), (some, 500..=2000), (all, 10_000..=10_000)] {
            let ids = Ids::new(&World::real(), percent);
            for said in [GOOD, unsampled.as_str()] {
                let mut sampled = 0;
                for _ in 0..10_000 {
                    let mut headers = headers(&[said]);
                    let trace = ids.follow(&mut headers, false).unwrap();
                    let next = read(&mut headers).unwrap();
                    assert_eq!((trace.id, next.id, next.sampled), (ID, ID, trace.sampled));
                    assert!(!headers.contains_key(TRACESTATE));
                    // Another flag is another's word: it stands under a span of ours (3.4).
                    let ours = next.span == trace.span;
                    assert_eq!(ours, trace.sampled || said == GOOD, "{said}");
                    sampled += usize::from(trace.sampled);
                }
                assert!(expected.contains(&sampled), "{percent} {said}: {sampled}");
            }
        }
    }
}
