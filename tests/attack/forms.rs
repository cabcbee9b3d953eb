//! Forms and sockets that another site's page sends in the client's name. The oracle is the trail, which grows
//! with every change, and what the backend received.

use axum::body::Body;
use http::{Method, Request};
use portcullis::domain::device::Device;
use portcullis::domain::enrolment::{Enrolment, EnrolmentState};
use portcullis::domain::person::Role;
use portcullis::domain::phone::Phone;
use portcullis::{console, phone, portal, sign_in};

use crate::support::PASSWORD;
use crate::support::browser::{Browser, navigation};
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::program::Program;

/// One way in which a form reaches us that our page did not send.
struct Forged {
    name: &'static str,
    /// `Origin`, `Sec-Fetch-Site`.
    says: [Option<&'static str>; 2],
    token: Token,
    kind: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Token {
    /// The page's own, as if it had leaked.
    Right,
    /// Another session's.
    Another,
    None,
}

const FORM: &str = "application/x-www-form-urlencoded";

/// `{own}` is the door's own origin, `{sibling}` another door's.
const FORGERIES: &[Forged] = &[
    forged("another site's page", [Some("https://evil.example"), Some("cross-site")], Token::Right, FORM),
    forged("a sibling door's page", [Some("{sibling}"), Some("same-site")], Token::Right, FORM),
    forged("a subdomain's page", [Some("https://evil.{own}"), Some("same-site")], Token::Right, FORM),
    forged("the door in clear", [Some("http://{own}"), None], Token::Right, FORM),
    forged("a sandboxed page", [Some("null"), Some("cross-site")], Token::Right, FORM),
    forged("a page that hides itself", [None, None], Token::Right, FORM),
    forged("an address typed", [None, Some("none")], Token::Right, FORM),
    forged("our origin, no token", [Some("https://{own}"), Some("same-origin")], Token::None, FORM),
    forged("our origin, another's token", [Some("https://{own}"), Some("same-origin")], Token::Another, FORM),
    forged("JSON", [Some("https://{own}"), Some("same-origin")], Token::Right, "application/json"),
    forged("plain text", [Some("https://{own}"), Some("same-origin")], Token::Right, "text/plain"),
    forged("multipart", [Some("https://{own}"), Some("same-origin")], Token::Right, "multipart/form-data"),
];

const fn forged(
    name: &'static str,
    says: [Option<&'static str>; 2],
    token: Token,
    kind: &'static str,
) -> Forged {
    Forged { name, says, token, kind }
}

/// Whose request, to which host, with which session.
struct Victim<'a> {
    browser: &'a Browser,
    sibling: String,
    token: String,
    another: String,
}

impl Victim<'_> {
    fn request(&self, path: &str, forged: &Forged) -> Request<Body> {
        let fill = |text: &str| text.replace("{own}", &self.browser.host).replace("{sibling}", &self.sibling);
        let mut pairs: Vec<(String, String)> =
            FIELDS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        match forged.token {
            Token::Right => pairs.push(("csrf".to_owned(), self.token.clone())),
            Token::Another => pairs.push(("csrf".to_owned(), self.another.clone())),
            Token::None => {}
        }
        let mut request = self.browser.posting(path, &pairs);
        let headers = request.headers_mut();
        headers.insert("content-type", forged.kind.parse().unwrap());
        for (name, value) in ["origin", "sec-fetch-site"].into_iter().zip(forged.says) {
            headers.remove(name);
            if let Some(value) = value {
                headers.insert(name, fill(value).parse().unwrap());
            }
        }
        request
    }
}

/// What any form of ours would take.
const FIELDS: &[(&str, &str)] = &[
    ("password", PASSWORD),
    ("word", "none"),
    ("same", "yes"),
    ("name", "Anna Muster"),
    ("caller", "bank/anna"),
    ("code", "123456"),
    ("device", "evil"),
    ("encoding", "modern"),
    ("reason", "key-compromise"),
    ("check", "0"),
    ("check", "1"),
    ("check", "2"),
    ("why", "because"),
];

/// Every route that changes something, each sent in a dozen ways that are not our page's: nothing changes.
#[tokio::test(flavor = "multi_thread")]
async fn no_other_page_changes_anything() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let owner = staff(&gate, "ida", "Ida Owner", &[Role::Owner]).await;
    let laptop = anna(&gate).await;
    let tablet = gate.device("bank", "anna", "tablet").await;
    let (client, _phone) = first_visit(&gate, &agent, &laptop).await;
    // A case of the owner's own, so that the desk's forms would do something.
    let arriving = gate.browser("bank", &tablet);
    let page = arriving.open("/").await;
    types_code(&owner, "anna", &page.digits()).await.must_say("The code was right");
    let cases = gate.all::<Enrolment>().await;
    let case = cases.iter().find(|one| matches!(one.state, EnrolmentState::CodeRight { .. })).unwrap();
    let number = case.number.clone();
    let device = gate.all::<Device>().await.into_iter().find(|one| one.name == "tablet").unwrap().id;
    let handset = gate.all::<Phone>().await.into_iter().find(|one| one.person.as_str() == "anna").unwrap().id;
    let program = Program::instead_of(gate).await;
    let filled = |path: &str| {
        let last = match path {
            path if path.starts_with("/devices") => device.as_str(),
            path if path.contains("/phones/") => handset.as_str(),
            _ => &number,
        };
        if path.starts_with("/certificates/") {
            return path.replace('*', &laptop.serial);
        }
        if path.starts_with("/.portcullis/settings") {
            return path.replace('*', if path.contains("/phones/") { last } else { &laptop.serial });
        }
        ["bank", "anna", last].iter().fold(path.to_owned(), |path, part| path.replacen('*', part, 1))
    };

    // A session in the middle of signing in, one that is in, and one at the desk.
    let token_of = |page: &crate::support::page::Page| {
        page.forms()
            .into_iter()
            .find_map(|form| form.hidden.into_iter().find(|(name, _)| name == "csrf").map(|(_, value)| value))
    };
    let signing_in = client.another();
    let token = token_of(&signing_in.open("/").await).unwrap();
    let at_desk = token_of(&owner.open("/").await).unwrap();
    let another = token_of(&agent.open("/").await).unwrap();
    let in_settings = token_of(&client.open("/.portcullis/settings/certificates/new/").await).unwrap();
    let sibling = |door: &str| format!("https://{}", program.host(door));
    let victims = [
        Victim { browser: &signing_in, sibling: sibling("console"), token, another: another.clone() },
        Victim { browser: &owner, sibling: sibling("bank"), token: at_desk, another: another.clone() },
        Victim { browser: &client, sibling: sibling("console"), token: in_settings, another },
    ];
    let own: Vec<(&str, &str)> =
        portal::ROUTES.iter().filter(|(_, path)| !path.ends_with("/sign-out")).copied().collect();

    let mut sent = 0;
    for (victim, routes) in
        [(&victims[0], sign_in::ROUTES), (&victims[1], console::ROUTES), (&victims[2], own.as_slice())]
    {
        let before = program.trail_length();
        // The API takes no form; `house::api` sends it what other sites could.
        let forms = routes.iter().filter(|(method, path)| *method == "POST" && !path.starts_with("/api/"));
        for (_, route) in forms {
            let path = filled(route);
            for forged in FORGERIES {
                let answer = victim.browser.send(victim.request(&path, forged)).await;
                let wanted = if forged.kind == FORM { 403 } else { 400 };
                assert_eq!(answer.status, wanted, "{path}, {}: {}", forged.name, answer.text());
                sent += 1;
            }
            // The form's fields in an address, and a method in a header or a field.
            for (method, path) in
                [("GET", format!("{path}?csrf={}&name=Anna+Muster", victim.token)), ("PUT", path)]
            {
                let mut request = navigation(&path);
                *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
                request.headers_mut().insert("x-http-method-override", "POST".parse().unwrap());
                request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
                let answer = victim.browser.send(request).await;
                // Where the same address has a page, it is shown and nothing more; of a certificate that still
                // counts there is none to show.
                assert!(
                    [200, 400, 403, 405, 409].contains(&answer.status.as_u16()),
                    "{method} {path}: {}",
                    answer.status
                );
                sent += 1;
            }
        }
        assert_eq!(
            program.trail_length(),
            before,
            "something was written: {:?}",
            program.lines_of("session.ended")
        );
    }
    // The button that signs out stands on the backend's pages too, which know no token of ours: the origin
    // alone speaks for them.
    for forged in FORGERIES.iter().filter(|forged| forged.says[0].is_none_or(|own| own != "https://{own}")) {
        let (method, path) = portal::ROUTES.last().unwrap();
        assert_eq!((*method, *path), ("POST", "/.portcullis/sign-out"));
        let victim = Victim {
            browser: &client,
            sibling: sibling("phone"),
            token: String::new(),
            another: String::new(),
        };
        let answer = client.send(victim.request(path, forged)).await;
        assert_eq!(answer.status, 403, "{}", forged.name);
        sent += 1;
    }
    client.open("/").await.must_say("the bank's own page");
    // The phone's calls are signed: a form with a cookie is nobody's.
    let bare = Browser::new(program.wire.clone(), program.host("phone"));
    bare.set_cookie("__Host-portcullis", &client.cookie().unwrap());
    for (_, route) in phone::ROUTES.iter().filter(|(method, _)| *method == "POST") {
        let answer = bare.send(bare.posting(&route.replace('*', "0123456789abcdef"), &[])).await;
        assert!(answer.status == 400 || answer.status == 401, "{route}: {}", answer.status);
        sent += 1;
    }
    println!("{sent} forged requests");

    // And so that all this could have failed: the same forms, as our pages send them, are heard.
    let honest = forged("our page", [Some("https://{own}"), Some("same-origin")], Token::Right, FORM);
    let before = program.trail_length();
    for (victim, path) in [
        (&victims[0], "/.portcullis/sign-in/password".to_owned()),
        (&victims[1], "/codes/check".to_owned()),
        (&victims[1], filled("/codes/*/*/*/reject")),
        (&victims[1], filled("/people/*/*/lock")),
    ] {
        let answer = victim.browser.send(victim.request(&path, &honest)).await;
        assert!(answer.status != 403 && answer.status != 400, "{path}: {} {}", answer.status, answer.text());
    }
    assert!(program.trail_length() >= before + 3, "the honest forms did nothing");
}

/// Signing somebody in as the attacker: a form with the attacker's own cookie and token does not reach the
/// victim's browser's session, and without a session no form is heard.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_signed_in_by_another_page() {
    let gate = Gate::open().await;
    let laptop = anna(&gate).await;
    gate.settle(&laptop).await;
    let program = Program::instead_of(gate).await;
    let attacker = program.browser("bank", &laptop);
    let page = attacker.open("/").await;
    let pairs = [page.form("/password").hidden, vec![("password".to_owned(), PASSWORD.to_owned())]].concat();
    // No cookie yet: a victim who has never been here.
    let victim = program.browser("bank", &laptop);
    for _ in 0..2 {
        let mut request = victim.posting("/.portcullis/sign-in/password", &pairs);
        request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
        request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
        assert_eq!(victim.send(request).await.status, 403);
        assert_eq!(victim.send(victim.posting("/.portcullis/sign-in/password", &pairs)).await.status, 403);
        // Again with a session of the victim's own, for which the attacker's token is wrong.
        victim.open("/").await.must_say("Your password");
    }
    assert_eq!(program.told_of("password.right") + program.told_of("password.wrong"), 0);
    assert_eq!(program.backend.bytes(), 0);
}

/// A page of another origin opens no WebSocket in the client's name.
#[tokio::test(flavor = "multi_thread")]
async fn no_other_page_opens_a_socket() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let program = Program::instead_of(gate).await;
    program.backend.forget();
    let own = client.origin();
    let sibling = format!("https://{}", program.host("phone"));
    let shake = |origin: Option<&str>| {
        let mut request = Request::get("/ws")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .body(Body::empty())
            .unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        client.dress(&mut request);
        request
    };
    for origin in [
        Some("https://evil.example"),
        Some(sibling.as_str()),
        Some("https://bank.localhost"),
        Some("null"),
        Some(&own.replace("https", "http")),
        Some(&own.replace("bank", "evil.bank")),
        Some(&format!("{own}.evil.example")),
        None,
    ] {
        let answer = client.wire.send(&client.host, shake(origin)).await;
        assert_eq!(answer.status, 403, "{origin:?}: {}", answer.text());
    }
    assert_eq!(program.backend.bytes(), 0, "{}", program.backend.text());
    let mut sender = client.wire.h1("bank.localhost").await;
    assert_eq!(sender.send_request(shake(Some(&own))).await.unwrap().status(), 101);
    assert!(program.backend.text().contains("GET /ws "));
}
