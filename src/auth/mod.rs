//! The factors, one file each: what was proved, and nothing about what it is good for.

pub mod certificate;
pub mod evidence;
pub mod on_screen;
pub mod password;
pub mod phone;
pub mod recovery;
pub mod session;
pub mod throttle;
