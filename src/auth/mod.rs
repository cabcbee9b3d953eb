//! The factors, one file each: what was proved, and nothing about what it is good for.

pub mod evidence;
