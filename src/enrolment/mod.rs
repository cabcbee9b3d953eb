//! How a device comes in: the first visit with code, word, release and pairing; certificates on a grant.
//! Knows no pages.

pub mod first_visit;
pub mod issuance;
pub mod pairing;
