//! The people of the tests, and what they do again and again: the agent's side of a call, the
//! client's side, a whole first visit, a later one.

use std::sync::Arc;

use portcullis::domain::person::Role;

use super::PASSWORD;
use super::browser::Browser;
use super::gate::{Gate, Handed};
use super::page::Page;
use super::phone::Phone;

/// The agent who releases.
pub(crate) async fn sam(gate: &Gate) -> Browser {
    staff(gate, "sam", "Sam Support", &[Role::Support]).await
}

/// A member of staff, signed in at the desk.
pub(crate) async fn staff(gate: &Gate, id: &str, name: &str, roles: &[Role]) -> Browser {
    gate.person("staff", id, name, roles).await;
    let handed = gate.device("staff", id, "desk").await;
    gate.settle(&handed).await;
    let browser = gate.browser("console", &handed);
    let page = browser.open("/").await;
    page.must_say("Your password");
    let desk = browser.submit(&page, "/password", &[("password", PASSWORD)]).await;
    assert_eq!(desk.status, 200, "{}", desk.words());
    browser
}

/// Opens the desk, and signs in where it has shut.
pub(crate) async fn signs_in(staff: &Browser) {
    let page = staff.open("/").await;
    if page.says("Your password") {
        let desk = staff.submit(&page, "/password", &[("password", PASSWORD)]).await;
        assert_eq!(desk.status, 200, "{}", desk.words());
    }
}

/// Anna, whose laptop has been handed over and never seen.
pub(crate) async fn anna(gate: &Gate) -> Handed {
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    gate.device("bank", "anna", "laptop").await
}

/// The agent searches the person and types the code. Returns the case.
pub(crate) async fn types_code(agent: &Browser, person: &str, code: &str) -> Page {
    let page = agent.open(&format!("/people/bank/{person}")).await;
    assert_eq!(page.status, 200, "{}", page.words());
    let hidden = agent.open("/").await.form("/codes/check").hidden;
    let mut pairs = hidden;
    pairs.push(("caller".to_owned(), format!("bank/{person}")));
    pairs.push(("code".to_owned(), code.to_owned()));
    let answer = agent.send(agent.posting("/codes/check", &pairs)).await;
    match answer.status.as_u16() {
        303 => agent.open(answer.header("location")).await,
        _ => Page::of("/codes/check", answer),
    }
}

/// The word that the agent says.
pub(crate) fn word_of(case: &Page) -> String {
    let rest = case.html.split_once("<p class=\"word\">").expect("a word").1;
    rest.split('<').next().unwrap().to_owned()
}

/// The agent ticks everything and releases.
pub(crate) async fn releases(agent: &Browser, case: &Page) -> Page {
    agent.submit(case, "/release", &[("check", "0"), ("check", "1"), ("check", "2")]).await
}

/// From the code page to the release.
pub(crate) async fn calls_support(agent: &Browser, client: &Browser, page: &Page) -> Page {
    calls_support_as("anna", agent, client, page).await
}

/// The same for somebody else.
pub(crate) async fn calls_support_as(who: &str, agent: &Browser, client: &Browser, page: &Page) -> Page {
    let case = types_code(agent, who, &page.digits()).await;
    case.must_say("The code was right");
    let word = word_of(&case);
    let page = client.open("/.portcullis/sign-in/").await;
    page.must_say("Which word did our colleague say to you?");
    client.submit(&page, "/word", &[("word", &word)]).await.must_say("That is the right word");
    let case = agent.open(&case.path_of_case()).await;
    releases(agent, &case).await.must_say("the device is released");
    client.open("/.portcullis/sign-in/").await
}

/// From the square to the confirmed phone. Returns the page after it.
pub(crate) async fn pairs(client: &Browser, phone: &Arc<Phone>, page: &Page) -> Page {
    let words = phone.scan(&page.pairing_link()).await;
    let page = client.open("/.portcullis/sign-in/").await;
    assert_eq!(page.pair_words(), words, "{}", page.words());
    assert_eq!(phone.pairing_state().await, "claimed");
    let page = client.submit(&page, "/words", &[("same", "yes")]).await;
    assert_eq!(phone.pairing_state().await, "confirmed");
    page
}

/// What somebody chooses: Anna the tests' usual one, everybody else their own.
pub(crate) fn password_of(handed: &Handed) -> String {
    match handed.person.as_str() {
        "anna" => PASSWORD.to_owned(),
        other => format!("{other} keeps lanterns beside otters"),
    }
}

/// A whole first visit. Returns the browser, signed in, and the phone.
pub(crate) async fn first_visit(gate: &Gate, agent: &Browser, handed: &Handed) -> (Browser, Arc<Phone>) {
    let client = gate.browser("bank", handed);
    let page = client.open("/").await;
    let page = calls_support_as(handed.person.as_str(), agent, &client, &page).await;
    let phone = gate.phone();
    let page = pairs(&client, &phone, &page).await;
    page.must_say("Choose a password only you know");
    chooses_password(&client, &page, &password_of(handed)).await.must_say("the bank's own page");
    (client, phone)
}

/// The first password, and the recovery codes put away. Returns the page after them.
pub(crate) async fn chooses_password(client: &Browser, page: &Page, password: &str) -> Page {
    let page = client.submit(page, "/new-password", &[("password", password)]).await;
    assert_eq!(page.recovery_codes().len(), 10, "{}", page.words());
    puts_away(client, &page).await
}

/// Ticks that the codes on the page are put away.
pub(crate) async fn puts_away(client: &Browser, page: &Page) -> Page {
    page.must_say("Keep these ten codes");
    client.submit(page, "/kept", &[("away", "yes")]).await
}

/// Password and phone, on a device that has been in before.
pub(crate) async fn later_visit(client: &Browser, phone: &Phone, path: &str) -> Page {
    let page = client.open(path).await;
    let page = client.submit(&page, "/password", &[("password", PASSWORD)]).await;
    let (status, answer) = phone.approve(&phone.question().await, &page.digits()).await;
    assert_eq!(status, 200, "{answer}");
    client.open("/.portcullis/sign-in/").await
}

/// Anna in her portal, by way of a first visit.
pub(crate) async fn anna_inside(gate: &Gate) -> (Browser, Arc<Phone>, Handed) {
    let agent = sam(gate).await;
    let handed = anna(gate).await;
    let (client, phone) = first_visit(gate, &agent, &handed).await;
    (client, phone, handed)
}

impl Page {
    /// Where the desk finds this case again.
    pub(crate) fn path_of_case(&self) -> String {
        self.form("/release").action.trim_end_matches("/release").to_owned()
    }
}
