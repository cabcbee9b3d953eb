//! How a device comes in: the first visit with code, word, release and pairing; certificates on a grant; who is
//! reminded that one ends. And how it goes: certificates switched off. Knows no pages.

pub mod delivery;
pub mod est;
pub mod first_visit;
pub mod issuance;
pub mod pairing;
pub mod phones;
pub mod reminders;
pub mod revocation;
