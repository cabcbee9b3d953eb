//! The steps that portal and console share, from the first code to the open door. Which step comes
//! next is said by what policy finds missing; here stands only how it is taken.

mod again;
pub mod codes;
mod lost_phone;
mod offline;
mod pages;
pub mod questions;
mod replacing;
mod room;
mod stage;
mod steps;

pub use room::{Parts, ROUTES, SignIn, with_cookie};

#[cfg(test)]
mod tests {
    mod life;
}
