//! Attacks on the replacement of a lost phone: without its proof, past its counter, with its square stolen. The oracle is
//! which pairings the trail knows, and which phone is on record.

use futures_util::future::join_all;
use portcullis::domain::phone::Phone as PairedPhone;
use portcullis::domain::recovery::RecoveryCodes;
use portcullis::sign_in;

use crate::support::PASSWORD;
use crate::support::browser::{Browser, COOKIE};
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::lost::*;
use crate::support::program::Program;

const HOME: &str = "/.portcullis/sign-in/";

/// Every form of the room, filled in with all that somebody may know who has the password and no proof.
async fn forces(browser: &Browser, csrf: &str, backwards: bool) {
    let mut routes: Vec<&str> =
        sign_in::ROUTES.iter().filter(|(method, _)| *method == "POST").map(|(_, path)| *path).collect();
    // Those of other locks count their own tries, and are other tests' affair.
    routes.retain(|path| {
        !["cancel", "sign-in/password", "sign-in/phone"].iter().any(|end| path.ends_with(end))
    });
    if backwards {
        routes.reverse();
    }
    let filled = [
        ("csrf", csrf),
        ("same", "yes"),
        ("word", "river"),
        ("away", "yes"),
        ("code", "aaaa-bbbb-cccc-dddd-eeee"),
        ("stage", "replace-phone"),
        ("replaces", "true"),
        ("ground", "recovery"),
        ("released", "1"),
        ("kind", "lost-phone"),
    ];
    let filled: Vec<(String, String)> =
        filled.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for path in routes {
        for path in [path.to_owned(), format!("{path}?replaces=1&ground=recovery")] {
            let answer = browser.send(browser.posting(&path, &filled)).await;
            assert!(!answer.text().contains("id=\"square\""), "{path}");
        }
    }
    for path in [HOME, LOST_PHONE] {
        let page = browser.open(path).await;
        assert!(!page.html.contains("id=\"square\""), "a square on {path}: {}", page.words());
    }
}

/// With certificate and password alone no phone is paired or replaced, by any form in any order; nor with a code
/// that comes before the password, in another session, of another person, or in the query.
#[tokio::test(flavor = "multi_thread")]
async fn no_phone_is_replaced_with_the_password_alone() {
    let gate = Gate::open().await;
    let (_, _, laptop, codes) = anna_with_codes(&gate).await;
    gate.person("bank", "berta", "Berta Beispiel", &[]).await;
    let hers = gate.device("bank", "berta", "laptop").await;
    let agent = staff(&gate, "sue", "Sue Support", &[portcullis::domain::person::Role::Support]).await;
    first_visit(&gate, &agent, &hers).await;
    let mut program = Program::instead_of(gate).await;
    let opened = program.told_of("pairing.opened");
    let mut called = 0;

    // The certificate alone, a right code with it: not heard.
    let browser = program.browser("bank", &laptop);
    let page = browser.open("/").await;
    let hidden = page.form("/password").hidden;
    let pairs = [hidden.clone(), vec![("code".to_owned(), codes[0].clone())]].concat();
    browser.send(browser.posting(&format!("{LOST_PHONE}code"), &pairs)).await;
    browser.open(LOST_PHONE).await.must_say("Your password");
    assert_eq!((program.told_of("recovery.code-right"), program.told_of("recovery.code-wrong")), (0, 0));
    forces(&browser, &hidden[0].1, false).await;

    // Certificate and password, every form forwards and backwards, from two browsers.
    for backwards in [false, true] {
        let browser = program.browser("bank", &laptop);
        let csrf = gives_password(&browser).await;
        forces(&browser, &csrf, backwards).await;
        called += 1;
    }
    assert_eq!(program.told_of("pairing.opened"), opened, "a square was made");

    // A code reserved by one session is no other's, whoever holds its password; a stolen cookie ends it.
    let owner = program.browser("bank", &laptop);
    gives_password(&owner).await;
    types_recovery_code(&owner, &codes[1]).await.must_say("Point your new phone’s camera");
    let opened = program.told_of("pairing.opened");
    let thief = program.browser("bank", &laptop);
    let csrf = gives_password(&thief).await;
    forces(&thief, &csrf, false).await;
    types_recovery_code_where_asked(&thief, &codes[1]).await;
    let stolen = owner.stolen_by(Some(&hers.identity));
    stolen.open(HOME).await.must_say("Please sign in again on this device");
    assert_eq!(program.told_of("session.elsewhere"), 1);

    // Another person's code, with her certificate and her password.
    let berta = program.browser("bank", &hers);
    let page = berta.open("/accounts").await;
    berta.submit(&page, "/password", &[("password", &password_of(&hers))]).await;
    types_recovery_code(&berta, &codes[2]).await.must_say("That is none of your codes");

    assert_eq!(program.told_of("pairing.opened"), opened);
    assert_eq!((program.told_of("phone.replaced"), called), (0, 2));
    assert_eq!(program.stop(), Some(0));
    assert_eq!(program.kept::<PairedPhone>().await.len(), 2);
    assert!(program.kept::<RecoveryCodes>().await.iter().all(|codes| codes.left() == 10));
}

/// Up to the phone, which is asked as long as it may be. Returns the token of the session's forms.
async fn gives_password(browser: &Browser) -> String {
    let page = browser.open("/accounts").await;
    browser.submit(&page, "/password", &[("password", PASSWORD)]).await;
    browser.open(LOST_PHONE).await.form("/lost-phone/code").hidden[0].1.clone()
}

/// Types it where the page asks, after the calls that `forces` has begun were given up.
async fn types_recovery_code_where_asked(browser: &Browser, code: &str) {
    let page = browser.open(LOST_PHONE).await;
    if let Some(form) = page.forms().into_iter().find(|form| form.action.ends_with("/stop")) {
        browser.send(browser.posting(&form.action, &form.hidden)).await;
    }
    types_recovery_code(browser, code).await.must_say("That is none of your codes");
}

/// Recovery codes have one counter, whatever browser or device they come from: five are heard, then none, the
/// right one neither, until the desk unlocks; the phone goes on working.
#[tokio::test(flavor = "multi_thread")]
async fn every_path_to_a_recovery_code_shares_one_counter() {
    let gate = Gate::open().await;
    let (_, old, laptop, codes) = anna_with_codes(&gate).await;
    let tablet = gate.device("bank", "anna", "tablet").await;
    gate.settle(&tablet).await;
    let program = Program::instead_of(gate).await;
    let mut browsers = Vec::new();
    for handed in [&laptop, &tablet] {
        let browser = program.browser("bank", handed);
        gives_password(&browser).await;
        browsers.push(browser);
    }
    // Fifty at once, from all of them.
    let mut tries = Vec::new();
    for browser in &browsers {
        let form = browser.open(LOST_PHONE).await.form("/lost-phone/code");
        for n in 0..25 {
            let code = format!("aaaa-bbbb-cccc-dd{}{}", char::from(b'a' + n), 'd');
            let pairs = [form.hidden.clone(), vec![("code".to_owned(), code)]].concat();
            tries.push(browser.send(browser.posting(&form.action, &pairs)));
        }
    }
    let answers = join_all(tries).await;
    assert!(answers.iter().all(|answer| [403, 422, 429].contains(&answer.status.as_u16())));
    let heard = program.told_of("recovery.code-wrong");
    assert!((1..=5).contains(&heard), "{heard} were heard");
    // On, as fast as it may be, to the block.
    let mut rounds = 0;
    loop {
        let browser = &browsers[rounds % browsers.len()];
        let form = browser.open(LOST_PHONE).await.form("/lost-phone/code");
        let pairs = [form.hidden, vec![("code".to_owned(), "aaaa-bbbb-cccc-dddd".to_owned())]].concat();
        let answer = browser.send(browser.posting(&form.action, &pairs)).await;
        if answer.status == 403 {
            break;
        }
        rounds += 1;
        assert!(rounds < 200, "never blocked");
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    assert_eq!(program.told_of("recovery.code-wrong"), 5);
    let page = types_recovery_code(&browsers[0], &codes[0]).await;
    assert_eq!(page.status, 403, "{}", page.words());
    assert_eq!(program.told_of("recovery.code-right"), 0);

    // The phone is another lock: it still opens.
    let page = browsers[1].open(HOME).await;
    let (status, answer) = old.approve(&old.question().await, &page.digits()).await;
    assert_eq!(status, 200, "{answer}");
    browsers[1].open(HOME).await.must_say("the bank's own page at /accounts");
    program.json(&["person", "unlock", "bank/anna"]);
    types_recovery_code(&browsers[0], &codes[0]).await.must_say("Point your new phone’s camera");
}

/// The square of a replacement, stolen: scanned by two it pairs neither, spent it pairs nobody, and until the
/// owner's own yes the old phone is the phone.
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_square_replaces_no_phone() {
    let gate = Gate::open().await;
    let (_, old, laptop, codes) = anna_with_codes(&gate).await;
    let browser = waits_for_the_phone(&gate, &laptop).await;
    let mut program = Program::instead_of(gate).await;
    let cookie = browser.cookie().unwrap();
    let browser = program.browser("bank", &laptop);
    browser.set_cookie(COOKIE, &cookie);
    let page = types_recovery_code(&browser, &codes[0]).await;
    let link = page.pairing_link();

    let (mine, thief) = (program.phone(), program.phone());
    mine.scan(&link).await;
    assert_ne!(thief.begin(&link).await.0, 200);
    browser.open(HOME).await.must_say("no phone was paired");
    assert_eq!(old.call("GET", "/api/approvals", "").await.0, 200, "the old phone is still the phone");

    // A thief who scans first shows other words than the owner's phone, who says no.
    let page = browser.open(HOME).await;
    let page = browser.submit(&page, "/square", &[]).await;
    let link = page.pairing_link();
    thief.scan(&link).await;
    let page = browser.open(HOME).await;
    let yes = page.form("/words");
    // The thief's own browser, with certificate and password, says yes in its place: not heard.
    let other = program.browser("bank", &laptop);
    let csrf = gives_password(&other).await;
    let pairs = [("csrf".to_owned(), csrf), ("same".to_owned(), "yes".to_owned())];
    other.send(other.posting(&yes.action, &pairs)).await;
    assert_eq!(program.told_of("phone.replaced"), 0);
    let page = browser.submit(&page, "/words", &[("same", "no")]).await;
    let page = browser.submit(&page, "/square", &[]).await;
    assert_ne!(thief.begin(&link).await.0, 200, "an old square");

    // The owner's, with twenty yeses at once: one phone, one code.
    let phone = program.phone();
    phone.scan(&page.pairing_link()).await;
    let page = browser.open(HOME).await;
    let form = page.form("/words");
    let pairs = [form.hidden, vec![("same".to_owned(), "yes".to_owned())]].concat();
    let yeses = (0..20).map(|_| {
        let mut request = browser.posting(&form.action, &pairs);
        browser.dress(&mut request);
        let (wire, host) = (browser.wire.clone(), browser.host.clone());
        async move { wire.send(&host, request).await }
    });
    let answers = join_all(yeses).await;
    let new: Vec<_> = answers.iter().filter(|answer| !answer.header("set-cookie").is_empty()).collect();
    assert_eq!(new.len(), 1, "one yes, one new session");
    assert_eq!(program.told_of("phone.replaced"), 1);
    assert_eq!(old.call("GET", "/api/approvals", "").await.0, 401);
    assert_eq!(program.stop(), Some(0));
    let phones = program.kept::<PairedPhone>().await;
    assert_eq!(phones.len(), 1);
    assert!(phone.handle().ends_with(phones[0].id.as_str()));
    assert_eq!(program.kept::<RecoveryCodes>().await[0].left(), 9);
}
