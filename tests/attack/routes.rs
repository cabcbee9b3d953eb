//! Who may what, route by route: every route of every room, asked by everybody, against the golden table in
//! `policies/ROUTES.md`. `UPDATE_GOLDEN=1` writes it anew; a review then sees what changed.

use std::fmt::Write as _;
use std::path::Path;

use axum::body::Body;
use http::Request;
use portcullis::console::command::terms::Terms;
use portcullis::console::command::{Command, tenant};
use portcullis::domain::device::Device;
use portcullis::domain::enrolment::Enrolment;
use portcullis::domain::person::{Person, Role};
use portcullis::policy::shipped;
use portcullis::web::routes::Routes;
use portcullis::{console, phone, portal, public, renewal, sign_in};

use crate::support::browser::{Browser, navigation};
use crate::support::desk::*;
use crate::support::gate::{Gate, Plan, id};
use crate::support::phone::Phone;
use crate::support::program::Program;

/// M-02. A route that is in no table is not answered (`web::routes`), and a route that is in a table
/// and not in the golden file fails here.
#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::disallowed_methods, reason = "it asks whether the golden file is to be written anew")]
async fn everybody_may_what_the_golden_table_says_and_nothing_more() {
    let gate = Gate::with(|plan: &mut Plan| plan.console = shipped::DEMO_CONSOLE).await;
    let support = sam(&gate).await;
    let operator = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let auditor = staff(&gate, "aida", "Aida Auditor", &[Role::Auditor]).await;
    let owner = staff(&gate, "ida", "Ida Owner", &[Role::Owner]).await;
    let demoted = staff(&gate, "dora", "Dora Demoted", &[Role::Owner]).await;
    let person = gate.all::<Person>().await.into_iter().find(|one| one.id.as_str() == "dora").unwrap();
    gate.put(&Person { roles: [].into(), ..person }).await;

    let laptop = anna(&gate).await;
    let tablet = gate.device("bank", "anna", "tablet").await;
    gate.person("other", "bert", "Bert Other", &[]).await;
    let foreign = gate.device("other", "bert", "laptop").await;
    gate.settle(&foreign).await;
    let (client, anna_phone) = first_visit(&gate, &support, &laptop).await;
    let page = gate.browser("bank", &tablet).open("/").await;
    types_code(&support, "anna", &page.digits()).await.must_say("The code was right");
    let device = gate.all::<Device>().await.into_iter().find(|one| one.name == "tablet").unwrap().id;
    let number = gate.all::<Enrolment>().await.into_iter().find(|one| one.device == device).unwrap().number;
    let terms = Terms { est: Some(true), ..Terms::default() };
    gate.run(Command::Tenant(tenant::Command::Certificates { id: id("bank"), terms })).await;
    let program = Program::instead_of(gate).await;
    program.backend.forget();

    let mut table = String::from(HEAD);
    let filled = |path: &str| {
        let last = if path.starts_with("/devices") { device.as_str() } else { &number };
        ["bank", "anna", last].iter().fold(path.to_owned(), |path, part| path.replacen('*', part, 1))
    };
    let released = program.browser("bank", &laptop);
    let stranger = |door| program.stranger(door);
    // Of EST's paths a portal has one, and that where the tenant lets machines renew.
    let portal: Vec<_> = [
        sign_in::ROUTES,
        renewal::ROUTES,
        &[("POST", "/.well-known/est/simplereenroll")],
        portal::confirmations::ROUTES,
        portal::ROUTES,
    ]
    .concat();
    let nobody = stranger("bank");
    let other = program.browser("bank", &foreign);
    let desk = program.browser("bank", &program_identity(&operator, &foreign));
    section(
        &mut table,
        "The portal's own pages",
        &portal,
        &filled,
        &[
            ("no certificate", &nobody),
            ("certificate", &released),
            ("other tenant", &other),
            ("staff", &desk),
            // Last: it signs out.
            ("client", &client),
        ],
    )
    .await;

    let (nobody, clients) = (stranger("console"), program.browser("console", &laptop));
    let unsigned = owner.another();
    section(
        &mut table,
        "The desk",
        console::ROUTES,
        &filled,
        &[
            ("no certificate", &nobody),
            ("client's certificate", &clients),
            ("owner's certificate", &unsigned),
            ("owner, demoted", &demoted),
            ("support", &support),
            ("operator", &operator),
            ("auditor", &auditor),
            ("owner", &owner),
        ],
    )
    .await;

    let (nobody, clients) = (stranger("start"), program.browser("start", &laptop));
    section(
        &mut table,
        "The public door",
        public::ROUTES,
        &filled,
        &[("no certificate", &nobody), ("client's certificate", &clients)],
    )
    .await;
    section(
        &mut table,
        "Machines (EST)",
        public::est::ROUTES,
        &filled,
        &[("no secret", &nobody), ("client's certificate", &clients)],
    )
    .await;
    phone_section(&mut table, &program, &client, &anna_phone).await;

    let bytes = program.backend.bytes();
    assert_eq!(bytes, 0, "no page of ours is the backend's: {}", program.backend.text());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/ROUTES.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &table).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default();
    for (n, (then, now)) in golden.lines().zip(table.lines()).enumerate() {
        assert_eq!(then, now, "policies/ROUTES.md:{} says otherwise; UPDATE_GOLDEN=1 writes it anew", n + 1);
    }
    assert_eq!(golden.lines().count(), table.lines().count(), "routes came or went: {table}");
}

/// M-02, A-02. A cookie means nothing at another door.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_of_one_door_is_nobody_at_the_others() {
    let gate = Gate::open().await;
    let support = sam(&gate).await;
    let laptop = anna(&gate).await;
    let (client, _) = first_visit(&gate, &support, &laptop).await;
    let program = Program::instead_of(gate).await;
    for door in ["console", "start", "phone"] {
        let elsewhere = program.browser(door, &laptop);
        elsewhere.set_cookie("__Host-portcullis", &client.cookie().unwrap());
        let told = cell(&elsewhere, "GET", "/people/").await;
        assert!(told.starts_with("40"), "{door}: {told}");
    }
    let bank = program.browser("bank", &laptop);
    bank.set_cookie("__Host-portcullis", &support.cookie().unwrap());
    assert_eq!(cell(&bank, "GET", "/accounts").await, "401 session-elsewhere");
}

async fn section(
    table: &mut String,
    name: &str,
    routes: &[(&str, &str)],
    filled: &(dyn Fn(&str) -> String + Sync),
    people: &[(&str, &Browser)],
) {
    let names: Vec<&str> = people.iter().map(|(name, _)| *name).collect();
    let _ = write!(
        table,
        "\n## {name}\n\n| route | {} |\n|{}\n",
        names.join(" | "),
        " --- |".repeat(names.len() + 1)
    );
    for (method, path) in routes {
        let mut row = format!("| {method} `{path}` |");
        for (_, browser) in people {
            let _ = write!(row, " {} |", cell(browser, method, &filled(path)).await);
        }
        let _ = writeln!(table, "{row}");
    }
}

/// The API of the phone: what counts there is who signs.
async fn phone_section(table: &mut String, program: &Program, client: &Browser, phone: &Phone) {
    let routes: Routes = phone::ROUTES;
    let nobody = program.stranger("phone");
    let _ = write!(
        table,
        "\n## The phone's API\n\n| route | no signature | client's certificate and cookie | paired phone, no body |\n|{}\n",
        " --- |".repeat(4)
    );
    let dressed = Browser::new(client.wire.clone(), program.host("phone"));
    dressed.set_cookie("__Host-portcullis", &client.cookie().unwrap_or_default());
    for (method, path) in routes {
        let asked = path.replace('*', "0123456789abcdef");
        let (unsigned, with_cookie) =
            (cell(&nobody, method, &asked).await, cell(&dressed, method, &asked).await);
        let signed = if *path == "/api/events" {
            stream(phone, program, &asked).await
        } else {
            called(phone, method, &asked).await
        };
        let _ = writeln!(table, "| {method} `{path}` | {unsigned} | {with_cookie} | {signed} |");
    }
}

async fn called(phone: &Phone, method: &str, path: &str) -> String {
    let (status, answer) = phone.call(method, path, if method == "GET" { "" } else { "{}" }).await;
    match (status.as_u16(), answer["code"].as_str().or_else(|| answer["type"].as_str())) {
        (200, _) => "**yes**".to_owned(),
        (status, why) => format!("{status} {}", short(why.unwrap_or_default())),
    }
}

/// A stream of events has no end: its head alone.
async fn stream(phone: &Phone, program: &Program, path: &str) -> String {
    let request = phone.signed("GET", path, "");
    let mut sender = program.wire.bare().h1("phone.localhost").await;
    let status = sender.send_request(request).await.unwrap().status();
    if status == 200 { "**yes**".to_owned() } else { status.as_u16().to_string() }
}

/// What somebody gets for a bare request, in one word.
async fn cell(browser: &Browser, method: &str, path: &str) -> String {
    let mut request: Request<Body> = if path.starts_with("/.well-known/est/") {
        // Programs' paths: what a browser sends with a form is refused there.
        Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
    } else if method == "POST" {
        browser.posting(path, &[])
    } else {
        let mut request = navigation(path);
        *request.method_mut() = method.parse().unwrap();
        request
    };
    request.headers_mut().insert("accept", "application/json".parse().unwrap());
    browser.dress(&mut request);
    let mut sender = browser.wire.h1(browser.host.split(':').next().unwrap()).await;
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    if status == 200 {
        return "**yes**".to_owned();
    }
    if status == 303 {
        let to = response.headers()["location"].to_str().unwrap();
        return format!("sent to `{to}`");
    }
    let answer = crate::support::wire::whole(response).await;
    let told: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let why = told["code"].as_str().or_else(|| told["type"].as_str()).unwrap_or_default();
    match short(why) {
        "cross-site" if method == "POST" => "**form**".to_owned(),
        why => format!("{status} {why}").trim_end().to_owned(),
    }
}

fn short(why: &str) -> &str {
    why.rsplit(':').next().unwrap_or(why)
}

/// A member of staff who brings the desk's certificate to another door.
fn program_identity(staff: &Browser, like: &crate::support::gate::Handed) -> crate::support::gate::Handed {
    crate::support::gate::Handed { identity: staff.wire.identity.clone().unwrap(), ..like.clone() }
}

const HEAD: &str = "# Who may what, route by route

Written by `tests/attack/routes.rs` from what the running program answers; never by hand. **yes** lets through; **form**
lets through and takes nothing without the page's own token; *sent to* leads a browser on, here with a new session; any other
word is a refusal and its reason. The desk has the demo's rules, which ask for no phone (`policies/demo-console.toml`); who may
what by role is the same in `policies/console.toml` (`TABLE.md`).
";
