//! Pages on which keys that were made elsewhere are certified.

use askama::Template;

use super::Desk;
use crate::web::pages::Moment;

/// A request is pasted, for a new device or for one on record.
///
/// Forms: POST `action` {csrf, which (a device's id, or nothing), device, request}.
#[derive(Template)]
#[template(path = "desk/request.html")]
pub struct Request {
    /// Around it.
    pub desk: Desk,
    /// "Anna Muster".
    pub person: String,
    /// Devices that may have another certificate: id and name.
    pub devices: Vec<(String, String)>,
    /// The id that was chosen before.
    pub which: String,
    /// The new device's name, as it was typed before.
    pub device: String,
    /// The request, as it was pasted before.
    pub request: String,
    /// What was not right; empty at first.
    pub refused: String,
    /// Where it goes.
    pub action: String,
    /// Where to go back.
    pub back: String,
}

/// The certificate, to be sent back.
#[derive(Template)]
#[template(path = "desk/certified.html")]
pub struct Certified {
    /// Around it.
    pub desk: Desk,
    /// "Anna Muster".
    pub person: String,
    /// "robot".
    pub device: String,
    /// As the certificate names it.
    pub subject: String,
    /// Until when.
    pub until: Moment,
    /// "anna-robot.pem".
    pub file_name: String,
    /// The chain in PEM.
    pub pem: String,
    /// The same in base64, for the download.
    pub pem_base64: String,
    /// The person's page.
    pub back: String,
}
