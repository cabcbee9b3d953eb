//! A lost phone: what its owner does on the desktop, and two agents at the desk.

use std::sync::Arc;

use super::PASSWORD;
use super::browser::Browser;
use super::desk::*;
use super::gate::{Gate, Handed};
use super::page::Page;
use super::phone::Phone;

/// Where somebody goes who does not have their phone.
pub(crate) const LOST_PHONE: &str = "/.portcullis/sign-in/lost-phone/";

/// Anna in her portal, her phone, and her ten codes.
pub(crate) async fn anna_with_codes(gate: &Gate) -> (Browser, Arc<Phone>, Handed, Vec<String>) {
    let agent = sam(gate).await;
    let handed = anna(gate).await;
    let client = gate.browser("bank", &handed);
    let page = client.open("/").await;
    let page = calls_support(&agent, &client, &page).await;
    let phone = gate.phone();
    let page = pairs(&client, &phone, &page).await;
    let page = client.submit(&page, "/new-password", &[("password", PASSWORD)]).await;
    let codes = page.recovery_codes();
    puts_away(&client, &page).await.must_say("the bank's own page");
    (client, phone, handed, codes)
}

/// Another browser of the device, with the password proved and the phone asked.
pub(crate) async fn waits_for_the_phone(gate: &Gate, handed: &Handed) -> Browser {
    let browser = gate.browser("bank", handed);
    let page = browser.open("/accounts").await;
    let page = browser.submit(&page, "/password", &[("password", PASSWORD)]).await;
    page.must_say("Type this number on your phone").must_say("I do not have my phone");
    browser
}

/// Types a recovery code. Returns the page after it.
pub(crate) async fn types_recovery_code(browser: &Browser, code: &str) -> Page {
    let page = browser.open(LOST_PHONE).await;
    page.must_say("Type one of your recovery codes");
    browser.submit(&page, "/lost-phone/code", &[("code", code)]).await
}

/// From the square to the yes. Returns the new phone and the page after it.
pub(crate) async fn pairs_anew(gate: &Gate, browser: &Browser, page: &Page) -> (Arc<Phone>, Page) {
    page.must_say("Point your new phone’s camera at this square");
    let phone = gate.phone();
    let page = pairs(browser, &phone, page).await;
    (phone, page)
}

/// Reads the number out to a first agent, who releases. Returns where the case is at the desk.
pub(crate) async fn is_released_first(agent: &Browser, browser: &Browser) -> String {
    let page = browser.open(LOST_PHONE).await;
    let page = browser.submit(&page, "/lost-phone/call", &[]).await;
    page.must_say("Call us and read out this number").must_say("Say that you have lost your phone");
    let case = types_code(agent, "anna", &page.digits()).await;
    case.must_say("The code was right").must_say("This is a lost phone").must_say("+41 79 555 01 23");
    let word = word_of(&case);
    let page = browser.open(LOST_PHONE).await;
    page.must_say("Which word did our colleague say to you?");
    browser.submit(&page, "/lost-phone/word", &[("word", &word)]).await.must_say("That is the right word");
    let at = case.path_of_case();
    let case = agent.open(&at).await;
    releases(agent, &case).await.must_say("You released it, so somebody else of support must confirm it");
    at
}

/// A second agent ticks everything and confirms.
pub(crate) async fn confirms(agent: &Browser, at: &str) -> Page {
    let case = agent.open(at).await;
    agent.submit(&case, "/second", &[("check", "0"), ("check", "1")]).await
}
