//! The page of a refusal. Its words come from `web::refusal`.

use askama::Template;

use crate::web::page::Head;

/// Something to press.
#[derive(Clone, Debug)]
pub struct Press {
    /// What it says.
    pub label: String,
    /// Where it leads, on this origin.
    pub href: String,
}

/// The way on for somebody whose certificate ended.
#[derive(Clone, Debug)]
pub struct Expired {
    /// A question.
    pub title: String,
    /// What will be asked for.
    pub text: String,
    /// What the link says.
    pub label: String,
    /// Where it leads: the public door.
    pub href: String,
}

/// A refusal in words.
#[derive(Template)]
#[template(path = "refused.html")]
pub struct Refused {
    /// Around it.
    pub page: Head,
    /// What to try before anything else, in large type; empty where there is nothing.
    pub first_title: String,
    /// The same at more length.
    pub first_text: String,
    /// The way on for somebody whose certificate ended.
    pub expired: Option<Expired>,
    /// One large sentence.
    pub title: String,
    /// What we saw.
    pub text: String,
    /// What to do.
    pub next: String,
    /// "Call +41 44 555 01 77".
    pub call: String,
    /// "When you call, please read out ...".
    pub say_number: String,
    /// Likely reasons as questions, each with its answer.
    pub questions: Vec<(String, String)>,
    /// Above the help.
    pub help_title: String,
    /// Platform and what to do there.
    pub help: Vec<(String, String)>,
    /// Something to press, beside the telephone.
    pub press: Option<Press>,
    /// Seconds until it is worth trying again.
    pub wait: Option<u64>,
    /// Whether the page then tries by itself.
    pub by_itself: bool,
}
