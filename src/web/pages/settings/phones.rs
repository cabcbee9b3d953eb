//! The pages of a person's phones.

use askama::Template;

use crate::web::page::Head;
use crate::web::pages::Moment;

/// "Your phones".
#[derive(Template)]
#[template(path = "settings/phones.html")]
pub struct Phones {
    /// Around it.
    pub page: Head,
    /// Token of its forms.
    pub csrf: String,
    /// Those of the person.
    pub rows: Vec<PhoneRow>,
    /// Where another one is paired.
    pub new: String,
    /// Whether there are as many as anybody may have.
    pub full: bool,
    /// What was not done, and why; empty at first.
    pub said: String,
}

/// A phone in the list.
#[derive(Clone, Debug)]
pub struct PhoneRow {
    /// "Android phone".
    pub name: String,
    /// When it was paired.
    pub paired: Moment,
    /// Its last yes, where there was one.
    pub used: Option<Moment>,
    /// Whether its key may be copied to other devices of its owner.
    pub synced: bool,
    /// Where it is given another name.
    pub rename: String,
    /// Where it is removed; empty for the last.
    pub remove: String,
}

/// "Give this phone another name".
///
/// Forms: POST `action` {csrf, name}.
#[derive(Template)]
#[template(path = "settings/phone_rename.html")]
pub struct PhoneRename {
    /// Around it.
    pub page: Head,
    /// Token of its form.
    pub csrf: String,
    /// Its name now.
    pub name: String,
    /// Where it goes.
    pub action: String,
    /// Back to the list.
    pub back: String,
}

/// "Remove this phone".
///
/// Forms: POST `action` {csrf}.
#[derive(Template)]
#[template(path = "settings/phone_remove.html")]
pub struct PhoneRemove {
    /// Around it.
    pub page: Head,
    /// Token of its form.
    pub csrf: String,
    /// Its name.
    pub name: String,
    /// Where it goes.
    pub action: String,
    /// Back to the list.
    pub back: String,
}

/// "Pair another phone".
///
/// Forms: POST `action` {csrf, replaces (a phone's id, or nothing)}.
#[derive(Template)]
#[template(path = "settings/phone_new.html")]
pub struct PhoneNew {
    /// Around it.
    pub page: Head,
    /// Token of its form.
    pub csrf: String,
    /// Those there are: id and name.
    pub phones: Vec<(String, String)>,
    /// Whether one of them must make room.
    pub full: bool,
    /// Where it goes.
    pub action: String,
    /// Back to the list.
    pub back: String,
}
