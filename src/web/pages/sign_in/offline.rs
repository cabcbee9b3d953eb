//! The page of a question for a phone that has no network.

use askama::Template;

use super::Square;
use super::time_left;
use crate::web::page::Head;

/// "Let your phone read this square."
///
/// Forms: POST `action` {csrf, answer}; POST `other_action` {csrf, phone}. Events: `moved`.
#[derive(Template)]
#[template(path = "sign_in/offline.html")]
pub struct Offline {
    /// Around it.
    pub page: Head,
    /// Token of the forms.
    pub csrf: String,
    /// The challenge.
    pub square: Square,
    /// Name of the phone it is for.
    pub phone: String,
    /// Other phones that could answer: id and name.
    pub others: Vec<(String, String)>,
    /// Seconds left.
    pub left_secs: u64,
    /// Seconds in all.
    pub total_secs: u64,
    /// Why what was typed was not taken; empty at first.
    pub refused: String,
    /// Where the answer goes.
    pub action: String,
    /// Where the square for another phone is asked for.
    pub other_action: String,
    /// The page of the question.
    pub back: String,
    /// Address of the event stream.
    pub events: String,
}

impl Offline {
    fn left(&self) -> String {
        time_left(self.left_secs)
    }
}
