//! One phone for two sites of the same gate, in real browsers: paired with both, asked by both at once, and removed by
//! one of them without harm to the other.

use axum::Router;

use crate::demo::Demo;
use crate::device::{Device, camera_sees};
use crate::looks::judge;
use crate::walk::{self, PASSWORD, approve_on};

/// Where a client of a tenant sits, who is Anna Muster at each.
struct Site {
    tenant: &'static str,
    name: &'static str,
}

const BANK: Site = Site { tenant: "bank", name: "Bank Muster & Cie" };
const FUND: Site = Site { tenant: "fund", name: "Pension Fund Riva" };

#[tokio::test(flavor = "multi_thread")]
async fn one_phone_answers_for_two_sites_and_one_that_leaves_harms_no_other() {
    let demo = Demo::serve_with_portal(FUND.tenant);
    route(&demo, &BANK, &backend("Your accounts").await);
    let (file, password) = found_fund(&demo);
    route(&demo, &FUND, &backend("Your pension").await);

    // A first visit to the bank, as everybody's; then one to the fund, with the same phone.
    let agent = walk::sign_in_agent(&demo).await;
    let bank = walk::client(&demo, "client.p12").await;
    walk::call_support(&bank, &agent, &demo, false).await;
    let phone = walk::pair(&demo, &bank, false).await;
    chooses_password(&bank, &BANK).await;
    bank.sees("Your accounts").await;
    let fund = walk::holder(&demo, &file, &password).await;
    fund.open(&demo.url("fund", "/")).await;
    fund.sees("Call us and read out this number").await;
    let digits = fund.find(".digits").await.text().await.unwrap();
    agent.open(&demo.url("console", "/people/fund/anna-muster")).await;
    agent.sees("anna@fund.example").await;
    walk::release(&fund, &agent, &demo, &digits, false).await;
    agent.close().await;
    square_before(&bank, &fund).await;
    phone.press_summary("Pair with another site").await;
    phone.press("Pair with another site").await;
    walk::scan(&phone, &fund, false).await;
    chooses_password(&fund, &FUND).await;
    fund.sees("Your pension").await;
    connected(&phone, &[&BANK, &FUND]).await;
    judge(&phone, "phone-home-two-sites").await;

    // Both ask at once: the first is answered first, then the other comes by itself; each names its site.
    asks(&demo, &bank, &BANK).await;
    phone.sees("Are you signing in to Bank Muster & Cie").await;
    asks(&demo, &fund, &FUND).await;
    approve_on(&phone, &bank).await;
    bank.sees("Your accounts").await;
    phone.sees("Are you signing in to Pension Fund Riva").await;
    judge(&phone, "phone-question-second-site").await;
    approve_on(&phone, &fund).await;
    fund.sees("Your pension").await;
    phone.press("Done").await;
    connected(&phone, &[&BANK, &FUND]).await;

    // Both are in the history, the newest first, each with its site.
    phone.click("#history").await;
    phone.sees("What you were asked lately").await;
    judge(&phone, "phone-history-two-sites").await;
    let past = phone.text().await;
    let of = |site: &Site| past.find(site.name).unwrap_or_else(|| panic!("{} is not in {past}", site.name));
    assert!(of(&FUND) < of(&BANK), "{past}");
    phone.press("Back").await;

    // At the fund another phone takes its place: it is told so, forgets it, and answers for the bank as before.
    fund.open(&demo.url("fund", "/.portcullis/settings/phones/")).await;
    fund.press("Pair another phone").await;
    fund.click("#replaces-1").await;
    fund.press("Ask my phone").await;
    fund.sees("Type this number on your phone").await;
    phone.sees("Are you pairing another phone with Pension Fund Riva").await;
    approve_on(&phone, &fund).await;
    let other = walk::pair(&demo, &fund, false).await;
    fund.sees("Your phones").await;
    phone.open(&demo.url("phone", "/")).await;
    phone.sees("another phone took its place").await;
    judge(&phone, "phone-home-one-site-gone").await;
    phone.press("Remove it from this phone").await;
    connected(&phone, &[&BANK]).await;
    phone.driver.refresh().await.unwrap();
    connected(&phone, &[&BANK]).await;
    asks(&demo, &bank, &BANK).await;
    phone.sees("Are you signing in to Bank Muster & Cie").await;
    approve_on(&phone, &bank).await;
    bank.sees("Your accounts").await;
    asks(&demo, &fund, &FUND).await;
    other.sees("Are you signing in to Pension Fund Riva").await;
    approve_on(&other, &fund).await;
    fund.sees("Your pension").await;
    demo.command(&["audit", "verify"]);
    for device in [bank, fund, phone, other] {
        device.close().await;
    }
}

/// A site that says one thing on each of its pages. Returns its address.
async fn backend(says: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let site = Router::new().fallback(async move || axum::response::Html(format!("<h1>{says}</h1>")));
    tokio::spawn(async move { axum::serve(listener, site).await });
    format!("http://{address}")
}

fn route(demo: &Demo, site: &Site, to: &str) {
    demo.command(&["route", "set", site.tenant, "--backend", to]);
}

/// A second tenant with rules and one client: by the command line, beside the running gate. Returns the client's file
/// and its import password.
fn found_fund(demo: &Demo) -> (std::path::PathBuf, String) {
    let (name, door) = (FUND.name, format!("{}.localhost", FUND.tenant));
    let telephone = ["--telephone", "+41 91 555 03 00"];
    demo.command(&[&["tenant", "add", "fund", "--name", name, "--host", &door], &telephone[..]].concat());
    let rules = demo.file("rules");
    demo.command(&["policy", "export", rules.to_str().unwrap()]);
    demo.command(&["policy", "apply", rules.join("fund.toml").to_str().unwrap()]);
    demo.command(&["person", "add", "fund", "--name", "Anna Muster", "--email", "anna@fund.example"]);
    let file = demo.file("fund.p12");
    let out = ["--name", "laptop", "--out", file.to_str().unwrap()];
    let issued = demo.command(&[&["--json", "device", "issue", "fund/anna-muster"], &out[..]].concat());
    let issued: serde_json::Value = serde_json::from_str(&issued).unwrap();
    let password = issued["import_password"].as_str().unwrap().to_owned();
    (file, password)
}

async fn chooses_password(client: &Device, site: &Site) {
    client.sees("Choose a password").await;
    client.type_into("#password", PASSWORD).await;
    client.press("Save the password").await;
    walk::put_away_at(site.name, client, false).await;
}

/// Puts the square that `client` shows before the phone's camera, whose film lies with the one that it paired with first.
async fn square_before(first: &Device, client: &Device) {
    client.sees("Point your phone’s camera at this square").await;
    let square = client.find("#square").await.screenshot_as_png().await.unwrap();
    camera_sees(&square, &first.home().join("camera.y4m"));
}

/// These sites are on the phone's home page, and no others; each has its line.
async fn connected(phone: &Device, sites: &[&Site]) {
    let begun = std::time::Instant::now();
    let wanted: Vec<String> = sites.iter().map(|site| format!("{}: Connected", site.name)).collect();
    let script = "return [...document.querySelectorAll('#main section.card:has(.state)')]
        .filter((card) => card.querySelector('h2'))
        .map((card) => `${card.querySelector('h2').textContent}: ${card.querySelector('.state').textContent}`)";
    loop {
        let shown: Vec<String> = serde_json::from_value(phone.script(script).await).unwrap();
        if shown == wanted {
            return;
        }
        assert!(begun.elapsed() < crate::PATIENCE, "{shown:?}, not {wanted:?}:\n{}", phone.text().await);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Signed out, and with the password up to the page with the digits.
async fn asks(demo: &Demo, client: &Device, site: &Site) {
    client.driver.delete_all_cookies().await.unwrap();
    client.open(&demo.url(site.tenant, "/")).await;
    client.type_into("#password", PASSWORD).await;
    client.press("Continue").await;
    client.sees("Type this number on your phone").await;
}
