//! The manners that all of the gate's own pages share: layout, form, assets, words, refusal.
//! Knows no step of signing in and no store: rooms hand it strings and get a response.
//!
//! How a room uses it:
//! - [`Visit`] is made once per request by the front ([`Visit::new`]).
//! - A page is a struct of [`pages`]; its first field is [`page::Head`], made from the visit:
//!   `pages::sign_in::Password { page: Head::of(&visit), .. }.response(StatusCode::OK)`.
//! - [`page::only_navigations`] before serving a page by GET.
//! - [`form::read`] before acting on a POST; afterwards [`page::see_other`].
//! - [`refusal::respond`] for every [`crate::domain::Reason`], on every door.
//! - [`sse::watch`] for pages that move on by themselves.
//! - [`assets::serve`] for `/.portcullis/assets/NAME`.

pub mod assets;
pub mod brand;
pub mod form;
pub mod language;
pub mod page;
pub mod pages;
pub mod platform;
pub mod refusal;
pub mod routes;
pub mod sse;
pub mod visit;

pub use form::Form;
pub use page::Head;
pub use pages::Page;
pub use visit::Visit;
