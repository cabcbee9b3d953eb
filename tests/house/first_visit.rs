//! A1 to A7 of the portal, sentence by sentence.

use portcullis::audit::Event;

use crate::support::PASSWORD;
use crate::support::desk::*;
use crate::support::gate::Gate;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_comes_in_by_three_locks_and_leaves() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let handed = anna(&gate).await;
    let client = gate.browser("bank", &handed);

    let page = client.open("/accounts?year=2026").await;
    page.must_say("Call us and read out this number").must_say("+41 44 555 01 77");
    let code = page.digits();
    assert_eq!(
        client.open("/.portcullis/sign-in/").await.digits(),
        code,
        "a page loaded again shows the same"
    );
    assert_eq!(gate.backend.bytes(), 0);

    let found = agent.open("/people/?q=muster").await;
    found.must_say("Anna Muster").must_say("no phone");
    let page = calls_support(&agent, &client, &page).await;
    page.must_say("Point your phone’s camera at this square");
    let phone = gate.phone();
    let page = pairs(&client, &phone, &page).await;
    page.must_say("Choose a password only you know");
    let page = client.submit(&page, "/new-password", &[("password", "anna muster")]).await;
    assert_eq!(page.status, 422);
    page.must_say("Please choose another one");
    assert_eq!(gate.backend.bytes(), 0, "nothing reaches the backend before the third lock");
    let page = client.submit(&page, "/new-password", &[("password", PASSWORD)]).await;
    page.must_say("Keep these ten codes");
    assert_eq!(gate.backend.bytes(), 0);
    let page = puts_away(&client, &page).await;
    assert_eq!((page.path.as_str(), page.status.as_u16()), ("/accounts?year=2026", 200), "{}", page.words());

    let text = gate.backend.text();
    assert!(text.starts_with("GET /accounts?year=2026 HTTP/1.1\r\n"), "{text}");
    assert!(!text.contains(&client.cookie().unwrap()), "{text}");
    crate::identity::check_assertion(&gate, &handed, &gate.backend.header("portcullis-assertion").unwrap());

    let page = client.open("/").await;
    page.must_say("the bank's own page");
    let cookie = client.cookie().unwrap();
    let out = client.send(client.posting("/.portcullis/sign-out", &[])).await;
    assert_eq!(out.status, 200);
    assert!(out.text().contains("You are signed out"));
    assert!(client.cookie().is_none());
    client.set_cookie(crate::support::browser::COOKIE, &cookie);
    gate.backend.forget();
    client.open("/").await.must_say("Your password");
    assert_eq!(gate.backend.bytes(), 0, "the old cookie opens nothing");

    later_visit(&client, &phone, "/accounts").await.must_say("the bank's own page at /accounts");
    for (event, times) in [
        (Event::DeviceReleased, 1),
        (Event::PairingConfirmed, 1),
        (Event::PasswordSet, 1),
        (Event::ApprovalApproved, 1),
    ] {
        assert_eq!(gate.told(event).await, times, "{event:?}");
    }
    gate.must_verify().await;
}
