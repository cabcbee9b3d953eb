//! Guessing: the code of a first visit and the password, serially, at once, and by every other path to the same
//! lock. The oracle is how many tries the trail says were heard.

use futures_util::future::join_all;
use portcullis::domain::person::Role;

use crate::codes::{desk_form, types};
use crate::support::PASSWORD;
use crate::support::browser::Browser;
use crate::support::desk::*;
use crate::support::faketime::Faketime;
use crate::support::gate::Gate;
use crate::support::program::Program;

fn nth_wrong(right: &str, n: u32) -> String {
    format!("{:06}", (right.parse::<u32>().unwrap() + 1 + n) % 1_000_000)
}

/// Ten thousand guesses by three agents' sessions over fifty connections at a time, while the caller keeps
/// asking for new codes from new browsers: five are heard in all, and then not even the right one.
#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_guesses_five_are_heard() {
    let gate = Gate::open().await;
    let agents = [
        sam(&gate).await,
        staff(&gate, "sue", "Sue Support", &[Role::Support]).await,
        staff(&gate, "kim", "Kim Owner", &[Role::Owner]).await,
    ];
    let laptop = anna(&gate).await;
    let Some(time) = Faketime::within(gate.folder.path(), "A-04") else { return };
    let program = Program::started_so(gate, time.start()).await;
    let (mut sent, mut last): (_, Option<(Browser, String)>) = (0, None);
    for wave in 0..5 {
        // Each wave a fresh browser of the same certificate, and so a fresh code.
        let caller = program.browser("bank", &laptop);
        let page = caller.open("/").await;
        // Once it is dead no other is shown: on with the last.
        if page.html.contains("class=\"digits\"") {
            last = Some((caller, page.digits()));
        }
        let right = &last.as_ref().unwrap().1;
        let mut forms = Vec::new();
        for agent in &agents {
            forms.push(desk_form(agent, "bank/anna").await);
        }
        let flood = (0..50_u32).map(|connection| {
            let which = connection as usize % agents.len();
            guesses(&agents[which], forms[which].clone(), right, wave * 2_000 + connection * 40)
        });
        let answers: Vec<u16> = join_all(flood).await.concat();
        assert!(answers.iter().all(|status| *status == 422), "{answers:?}");
        sent += answers.len();
        for agent in &agents {
            time.pass(&program, Some(agent), 20).await;
        }
    }
    assert_eq!(sent, 10_000);
    assert_eq!(program.told_of("code.wrong"), 5, "of {sent} guesses");
    assert_eq!(program.told_of("throttle.blocked"), 1, "the alarm, once");
    let (caller, right) = last.unwrap();
    types_code(&agents[0], "anna", &right).await.must_say("Five wrong codes in a row");
    for browser in [&caller, &program.browser("bank", &laptop)] {
        let page = browser.open("/.portcullis/sign-in/").await;
        assert!(!page.html.contains("class=\"digits\""), "a dead code is shown: {}", page.words());
    }
    assert_eq!((program.told_of("code.right"), program.told_of("device.released")), (0, 0));
}

/// Forty guesses, one after the other on one connection.
async fn guesses(agent: &Browser, form: Vec<(String, String)>, right: &str, from: u32) -> Vec<u16> {
    let mut sender = agent.wire.h1("console.localhost").await;
    let mut answers = Vec::new();
    for n in 0..40 {
        let pairs = [form.clone(), vec![("code".to_owned(), nth_wrong(right, from + n))]].concat();
        let mut request = agent.posting("/codes/check", &pairs);
        agent.dress(&mut request);
        sender.ready().await.unwrap();
        let answer = crate::support::wire::whole(sender.send_request(request).await.unwrap()).await;
        answers.push(answer.status.as_u16());
    }
    answers
}

/// Other spellings of the caller, of the code and of the path, other agents and the command line share one
/// counter, or are nobody.
#[tokio::test(flavor = "multi_thread")]
async fn every_path_to_a_code_shares_one_counter() {
    let gate = Gate::open().await;
    let owner = staff(&gate, "ida", "Ida Owner", &[Role::Owner]).await;
    let agent = sam(&gate).await;
    gate.person("staff", "kim", "Kim Support", &[Role::Support]).await;
    let tablet = gate.device("staff", "kim", "tablet").await;
    let Some(time) = Faketime::within(gate.folder.path(), "A-05, codes") else { return };
    let program = Program::started_so(gate, time.start()).await;
    let caller = program.browser("console", &tablet);
    let right = caller.open("/").await.digits();
    let wrong = nth_wrong(&right, 7);
    let spaced = |code: &str| format!(" {} {} ", &code[..3], &code[3..]);
    let break_glass = ["--break-glass", "both owners lost their phones today"];
    let by_machine = |code: &str| program.cli(&[&["code", "verify", "kim", code], &break_glass[..]].concat());

    // Two by the desk, two by the machine, one by another agent: that is five.
    for tried in 0..5 {
        match tried {
            0 | 2 => assert_eq!(types(&agent, "staff/kim", &wrong).await.status, 422),
            1 | 3 => assert!(!by_machine(&wrong).status.success()),
            _ => assert_eq!(types(&owner, "staff/kim", &spaced(&wrong)).await.status, 422),
        }
        assert_eq!(program.told_of("code.wrong"), tried + 1);
        time.pass(&program, Some(&agent), 20).await;
        signs_in(&owner).await;
    }
    let spellings = [
        "staff/kim",
        "STAFF/kim",
        "staff/KIM",
        "Staff/Kim",
        " staff/kim",
        "staff/kim ",
        "staff//kim",
        "staff/kim/",
        "staff/./kim",
        "staff%2fkim",
        "staff/k\u{131}m",
        "staff/\u{212a}im",
        "staff/kim\0",
        "staff/kim\u{200b}",
        "staff/kim+x",
        "staff/kim@staff.example",
        "kim@staff.example",
        "kim",
        "staff/%6bim",
    ];
    let codes = [right.clone(), spaced(&right), format!("{right}\n"), fullwidth(&right), format!("+{right}")];
    for spelling in spellings {
        for code in &codes {
            for agent in [&agent, &owner] {
                let page = types(agent, spelling, code).await;
                assert!(
                    [400, 404, 422].contains(&page.status.as_u16()),
                    "{spelling:?} {code:?}: {}",
                    page.status
                );
                assert!(!page.says("The code was right"), "{spelling:?} {code:?}");
            }
        }
    }
    for path in [
        "/codes/check/",
        "/codes//check",
        "/CODES/check",
        "/codes/%63heck",
        "/codes/check;x",
        "//codes/check",
    ] {
        let pairs = [desk_form(&agent, "staff/kim").await, vec![("code".to_owned(), right.clone())]].concat();
        let answer = agent.send(agent.posting(path, &pairs)).await;
        assert!([400, 403, 404].contains(&answer.status.as_u16()), "{path}: {}", answer.status);
    }
    for who in ["kim", "staff/kim", "Kim", "staff/KIM"] {
        assert!(
            !program.cli(&[&["code", "verify", who, &right], &break_glass[..]].concat()).status.success()
        );
    }
    assert_eq!((program.told_of("code.wrong"), program.told_of("code.right")), (5, 0));
    assert_eq!(program.told_of("throttle.blocked"), 1);
}

fn fullwidth(code: &str) -> String {
    code.chars().map(|c| char::from_u32(0xff10 + c.to_digit(10).unwrap()).unwrap()).collect()
}

/// The password's five tries are the person's: shared by devices, certificates, browsers, both versions of
/// HTTP and whatever name the form brings; and a stranger uses up none of them.
#[tokio::test(flavor = "multi_thread")]
async fn every_path_to_a_password_shares_one_counter() {
    let gate = Gate::open().await;
    let laptop = anna(&gate).await;
    let tablet = gate.device("bank", "anna", "tablet").await;
    gate.settle(&laptop).await;
    gate.settle(&tablet).await;
    let renewed = gate.renewed(&laptop).await;
    let Some(time) = Faketime::within(gate.folder.path(), "A-05, passwords") else { return };
    let program = Program::started_so(gate, time.start()).await;

    let stranger = program.stranger("bank");
    for n in 0..60 {
        let pairs = [("username", "anna@bank.example"), ("password", &format!("wrong {n}"))];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let answer = stranger.send(stranger.posting("/.portcullis/sign-in/password", &pairs)).await;
        assert_eq!(answer.status, 403);
    }
    assert_eq!(program.told_of("throttle.counted"), 0, "a stranger counts against nobody");

    let ways = [
        (&laptop, "anna"),
        (&tablet, "ANNA"),
        (&renewed, "berta"),
        (&laptop, "anna+x@bank.example"),
        (&tablet, ""),
    ];
    for (n, (device, username)) in ways.into_iter().enumerate() {
        let client = program.browser("bank", device);
        let page = client.open(if n % 2 == 0 { "/" } else { "/accounts" }).await;
        let form = page.form("/password");
        let more =
            [("username", username), ("password", "not this one"), ("tenant", "other"), ("person", "berta")];
        let more = more.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut request = client.posting(&form.action, &[form.hidden, more.to_vec()].concat());
        client.dress(&mut request);
        let answer = if n % 2 == 0 {
            client.wire.send(&client.host, request).await
        } else {
            by_h2(&client, request).await
        };
        assert_eq!(answer.status, 422, "{username}: {}", answer.text());
        assert_eq!(program.told_of("password.wrong"), n + 1);
        time.pass(&program, None, 20).await;
    }
    for device in [&laptop, &tablet, &renewed] {
        let client = program.browser("bank", device);
        let page = client.open("/").await;
        let page = client.submit(&page, "/password", &[("password", PASSWORD)]).await;
        assert_eq!(page.status, 403, "{}", page.words());
        for path in [
            "/.portcullis/sign-in/PASSWORD",
            "/.portcullis/sign-in/password/",
            "/.portcullis//sign-in/password",
            "/.portcullis/sign-in/%70assword",
            "/.Portcullis/sign-in/password",
        ] {
            let answer =
                client.send(client.posting(path, &[("password".to_owned(), PASSWORD.to_owned())])).await;
            assert_ne!(answer.status, 200, "{path}");
        }
        assert_ne!(client.open("/").await.status, 500);
    }
    assert_eq!((program.told_of("password.wrong"), program.told_of("password.right")), (5, 0));
    assert_eq!(program.backend.bytes(), 0);
}

async fn by_h2(
    client: &Browser,
    mut request: http::Request<axum::body::Body>,
) -> crate::support::wire::Answer {
    request.headers_mut().remove("host");
    let uri = format!("https://{}{}", client.host, request.uri());
    *request.uri_mut() = uri.parse().unwrap();
    let mut sender = client.wire.h2("bank.localhost").await;
    crate::support::wire::whole(sender.send_request(request).await.unwrap()).await
}
