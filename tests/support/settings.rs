//! What a client does in their settings: a renewal from the choice to the file.

use super::browser::Browser;
use super::page::{Page, words};
use super::phone::Phone;
use super::wire::Answer;

/// The list of certificates.
pub(crate) const LIST: &str = "/.portcullis/settings/certificates/";
/// The pages of making one.
pub(crate) const NEW: &str = "/.portcullis/settings/certificates/new/";

/// Chooses and asks the phone. Returns the page that waits.
pub(crate) async fn asks(client: &Browser, platform: &str, form: &str) -> Page {
    let page = client.open(NEW).await;
    page.must_say("Create a new certificate for");
    let page = client.submit(&page, "/new/ask", &[("platform", platform), ("form", form)]).await;
    page.must_say("Type this number on your phone").must_say("a new certificate is being made for");
    page
}

/// The phone agrees to what the page waits for. Returns the page with the password.
pub(crate) async fn agrees(client: &Browser, phone: &Phone, waiting: &Page) -> Page {
    let question = phone.question().await;
    assert_eq!(question["purpose"], "renew-certificate", "{question}");
    let (status, answer) = phone.approve(&question, &waiting.digits()).await;
    assert_eq!(status, 200, "{answer}");
    let page = client.open(NEW).await;
    page.must_say("Your new certificate is ready");
    page
}

/// The import password that stands on the page.
pub(crate) fn import_password(page: &Page) -> String {
    let rest = page.html.split_once("id=\"import-password\">").expect("a password").1;
    words(rest.split("</p>").next().unwrap()).replace(' ', "")
}

/// Presses the button that downloads.
pub(crate) async fn downloads(client: &Browser, page: &Page) -> Answer {
    let form = page.form("/new/download");
    client.send(client.posting(&form.action, &form.hidden)).await
}

/// A whole renewal: the file and its password.
pub(crate) async fn renews(client: &Browser, phone: &Phone, platform: &str, form: &str) -> (Answer, String) {
    let waiting = asks(client, platform, form).await;
    let ready = agrees(client, phone, &waiting).await;
    let file = downloads(client, &ready).await;
    assert_eq!(file.status, 200, "{}", file.text());
    (file, import_password(&ready))
}
