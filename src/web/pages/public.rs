//! The page of the door that asks for nothing.

use askama::Template;

use crate::web::page::Head;

/// "You have come to the front of the house."
#[derive(Template)]
#[template(path = "start.html")]
pub struct Start {
    /// Around it.
    pub page: Head,
    /// Where the doors are: name and address.
    pub doors: Vec<(String, String)>,
}
