//! Sample data for the pages of those whose certificate ended.

use super::{html, text};
use crate::web::Head;
use crate::web::pages::guide::guides;
use crate::web::pages::renewal::{Ask, Code, Password, Ready};
use crate::web::pages::spoken;
use crate::web::platform::Platform;
use crate::web::visit::tests::visit;

pub(super) fn renewal_pages(show: &mut impl FnMut(&str, String)) {
    let head = || Head::of(&visit());
    let (csrf, site) = (|| text("token"), || text("https://bank.localhost:8443/"));
    let ask =
        Ask { page: head(), csrf: csrf(), grace_days: 30, site: site(), action: text("/expired/bank/ask") };
    show("renewal-ask", html(ask));
    let code = Code {
        page: head(),
        csrf: csrf(),
        digits: text("482913"),
        left_secs: 412,
        total_secs: 600,
        renew_action: text("/expired/bank/code"),
        cancel_action: text("/expired/bank/cancel"),
        events: text("/expired/bank/events"),
    };
    show("renewal-code", html(code));
    for (name, refused) in [("renewal-password", ""), ("renewal-password-refused", "That was not right.")] {
        let (action, cancel_action) = (text("/expired/bank/password"), text("/expired/bank/cancel"));
        show(
            name,
            html(Password { page: head(), csrf: csrf(), refused: text(refused), action, cancel_action }),
        );
    }
    let groups: Vec<String> = ["86x9e", "neenb", "r2s9u", "xkcfb"].map(text).to_vec();
    for (name, platform) in [("renewal-ready", Platform::Windows), ("renewal-ready-mac", Platform::Mac)] {
        let ready = Ready {
            page: head(),
            csrf: csrf(),
            device: text("laptop"),
            password_spoken: groups.iter().map(|group| spoken(group)).collect(),
            password_groups: groups.clone(),
            compatible: platform == Platform::Mac,
            guides: guides(platform),
            left_mins: 15,
            site: site(),
            action: text("/expired/bank/certificate"),
        };
        show(name, html(ready));
    }
}
