//! The third lock: a phone that signs what it was shown. Here a signature becomes a proof;
//! what it is good for is policy's to say, and what the phone shows is the room `phone`'s.

pub mod approvals;
pub mod cose;
pub mod offline;
pub mod place;
pub mod proof;
pub mod webauthn;

pub use approvals::{Approvals, AskError, Asking, Settings as ApprovalSettings};
pub use proof::{Proofs, ProvedCall};
pub use webauthn::RelyingParty;

#[cfg(test)]
pub(crate) mod rig;
