//! The pages of the door that asks for nothing.

use askama::Template;
use zeroize::Zeroize;

use super::guide::{Guide, Picture};
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

/// The page behind a one-time link: "Get the certificate for your device."
///
/// Forms: POST `action` {csrf, link, password, platform}. The script fills `link` from behind the `#`.
#[derive(Template)]
#[template(path = "deliver.html")]
pub struct Deliver {
    /// Around it.
    pub page: Head,
    /// Token of the form.
    pub csrf: String,
    /// Where it goes.
    pub action: String,
    /// The link's secret, once it was sent; empty at first, since no browser sends it by itself.
    pub link: String,
    /// What was not right with the last try; empty at first.
    pub refused: String,
    /// "Chrome on Windows", as the client says.
    pub browser: String,
    /// Value, name, and whether it is chosen.
    pub platforms: Vec<(&'static str, &'static str, bool)>,
    /// Which of them the browser seems to be on.
    pub recognised: &'static str,
    /// `https://bank.example.com/`, where to go afterwards.
    pub door: String,
    /// The steps that install the file: platform, guide, and whether it is the one chosen.
    pub guides: Vec<(&'static str, Guide, bool)>,
}

impl Drop for Deliver {
    fn drop(&mut self) {
        self.link.zeroize();
    }
}

/// Whatever is not right with a link: used, ended, dead, replaced or never made, in the same words.
#[derive(Template)]
#[template(path = "no_such_link.html")]
pub struct NoSuchLink {
    /// Around it.
    pub page: Head,
}
