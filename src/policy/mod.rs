//! Who may what, and what must have been proved: rules in files, decisions without IO.
//! Knows the words of the house and what was proved; no store, no page, no message of HTTP.

mod automaton;
mod compile;
pub mod decide;
pub mod golden;
pub mod hours;
pub mod judge;
pub mod methods;
pub mod mistakes;
pub mod path;
pub mod permit;
pub mod rules;
pub mod shipped;
mod soundness;
pub mod table;

pub use decide::Policy;
pub use mistakes::Mistakes;
pub use permit::{Again, Ask, Decision, Missing, Permit};
pub use rules::RuleSet;
