//! The words of the house: plain values that every other room speaks in.
//!
//! Knows no IO, no clock, no cryptography and no HTTP; entities here are what the
//! store keeps, never what a page or an API shows.

pub mod approval;
pub mod certificate;
pub mod confirmation;
pub mod device;
pub mod enrolment;
pub mod grant;
pub mod id;
pub mod network;
pub mod person;
pub mod phone;
pub mod push;
pub mod reason;
pub mod recovery;
pub mod reminder;
pub mod renewal;
pub mod route;
pub mod secret;
pub mod session;
pub mod spelling;
pub mod tenant;
pub mod throttle;
pub mod time;
pub mod words;

pub use id::{
    ApprovalId, ConfirmationId, DeviceId, GrantId, IssuerId, NoticeId, PairingId, PersonId, PhoneId, TenantId,
};
pub use network::network;
pub use reason::{Fault, Reason};
pub use secret::Secret;
pub use time::Time;
