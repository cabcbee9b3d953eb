//! How a device comes in for the first time: code, word, release, pairing. Knows no pages.

pub mod first_visit;
pub mod pairing;
