//! The pages of those whose certificate ended. Each form posts to the `action` it is given, with `csrf` as its
//! hidden field. Until the password was right, none says whether anybody is known.

use askama::Template;

use super::guide::{Guide, Picture};
use super::sign_in::apart;
use super::time_left;
use crate::web::page::{Head, grouped};

/// "Has your certificate expired?"
///
/// Forms: POST `action` {csrf, email}.
#[derive(Template)]
#[template(path = "renewal/ask.html")]
pub struct Ask {
    /// Around it.
    pub page: Head,
    /// Token of the form.
    pub csrf: String,
    /// For how many days after its end a certificate is renewed here.
    pub grace_days: u32,
    /// The tenant's own address.
    pub site: String,
    /// Where the address goes.
    pub action: String,
}

/// "Call us and read out this number": the same for everybody.
///
/// Forms: POST `renew_action` {csrf}, POST `cancel_action` {csrf}. Events: `moved`.
#[derive(Template)]
#[template(path = "renewal/code.html")]
pub struct Code {
    /// Around it.
    pub page: Head,
    /// Token of the form.
    pub csrf: String,
    /// The six digits.
    pub digits: String,
    /// Seconds the digits are still good for.
    pub left_secs: u64,
    /// Seconds they were good for in all.
    pub total_secs: u64,
    /// Where a new number is asked for.
    pub renew_action: String,
    /// Where it is given up, to name another address.
    pub cancel_action: String,
    /// Address of the event stream.
    pub events: String,
}

/// "Your password", without a name: it is asked of strangers too.
///
/// Forms: POST `action` {csrf, password}, POST `cancel_action` {csrf}.
#[derive(Template)]
#[template(path = "renewal/password.html")]
pub struct Password {
    /// Around it.
    pub page: Head,
    /// Token of the form.
    pub csrf: String,
    /// What was wrong; empty where nothing was.
    pub refused: String,
    /// Where the password goes.
    pub action: String,
    /// Where it is given up.
    pub cancel_action: String,
}

/// "Your new certificate": the password to be noted, the file, and what to do then.
///
/// Forms: POST `action` {csrf, encoding}.
#[derive(Template)]
#[template(path = "renewal/ready.html")]
pub struct Ready {
    /// Around it.
    pub page: Head,
    /// Token of the form.
    pub csrf: String,
    /// "laptop".
    pub device: String,
    /// The import password, in its groups.
    pub password_groups: Vec<String>,
    /// The same, as it is said.
    pub password_spoken: Vec<String>,
    /// Whether the compatible encoding suits this browser's system.
    pub compatible: bool,
    /// The steps that install the file: platform, guide, and whether it is the one recognised.
    pub guides: Vec<(&'static str, Guide, bool)>,
    /// Minutes left to fetch the file.
    pub left_mins: u64,
    /// The tenant's own address, to come back to.
    pub site: String,
    /// Where the file is made.
    pub action: String,
}

impl Code {
    fn grouped(&self) -> String {
        grouped(&self.digits)
    }

    fn apart(&self) -> String {
        apart(&self.digits)
    }

    fn left(&self) -> String {
        time_left(self.left_secs)
    }
}
