//! Refusals of which nginx heard the status, and whose page it fetches next: that page bears the number that log and
//! trail have, for whoever reads it out. Each is taken once, and only as it was told here a moment ago, so that a client
//! whose proxy passes the header on can name no other.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use crate::web::visit::RequestNumber;

/// A refusal that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its number.
    pub number: RequestNumber,
    /// Name of its reason.
    pub key: &'static str,
}

/// Those whose page may be fetched.
#[derive(Debug, Default)]
pub(super) struct Lately(Mutex<VecDeque<Told>>);

impl Lately {
    /// Keeps one, and says its number to the proxy.
    pub(super) fn keep(&self, told: Told, headers: &mut HeaderMap) {
        let Ok(number) = HeaderValue::try_from(told.number.as_str()) else { return };
        headers.insert(REQUEST_ID, number);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(told);
    }

    /// The one whose number is said, if it was told.
    pub(super) fn take(&self, headers: &HeaderMap) -> Option<Told> {
        let said = headers.get(SAID)?.as_bytes();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().rposition(|told| told.number.as_str().as_bytes() == said)?;
        kept.remove(place)
    }
}

/// It is between us and the proxy.
pub(super) fn forget(headers: &mut HeaderMap) {
    headers.remove(SAID);
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SAID: HeaderName = HeaderName::from_static("portcullis-request");

/// nginx fetches the page at once: more are not under way.
const KEPT_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::visit::RequestNumbers;
    use crate::world::World;

    #[test]
    fn a_number_is_taken_once_and_no_other_is() {
        let (lately, numbers) = (Lately::default(), RequestNumbers::begin(&World::real()));
        let told = Told { number: numbers.next(), key: "no-certificate" };
        let mut headers = HeaderMap::new();
        lately.keep(told, &mut headers);
        let number = headers.remove(REQUEST_ID).unwrap();
        assert_eq!(lately.take(&headers), None);
        headers.insert(SAID, HeaderValue::from_static("QF-308-122"));
        assert_eq!(lately.take(&headers), None);
        headers.insert(SAID, number);
        assert_eq!(lately.take(&headers), Some(told));
        assert_eq!(lately.take(&headers), None);
        for _ in 0..=KEPT_MAX {
            lately.keep(Told { number: numbers.next(), ..told }, &mut HeaderMap::new());
        }
        assert_eq!(lately.0.lock().unwrap().len(), KEPT_MAX);
    }
}
