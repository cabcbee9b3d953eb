//! How a device comes in: the first visit with code, word, release and pairing; certificates on a grant; who is
//! reminded that one ends. Knows no pages.

pub mod first_visit;
pub mod issuance;
pub mod pairing;
pub mod reminders;
