//! How a confirmed payment can end: answered, refused by its backend, unknown. Once sent it is sent.

use http::StatusCode;
use portcullis::audit::Event;
use portcullis::domain::confirmation::{Confirmation, ConfirmationState, NotSent};

use super::on_record;
use crate::support::cashier::{Doing, invoice};
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::payment::*;

/// Fifty at once, of windows and scripts: the cashier hears of it once.
#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_that_send_at_once_one_is_sent() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    for round in 0..5 {
        let waiting = pays(&client).await;
        approves(&phone, &waiting).await;
        let confirmed = client.open(&waiting.path).await;
        let form = confirmed.form("/send");
        let token = form.hidden[0].1.clone();
        let sends = (0..50).map(|n| {
            let request = if n % 2 == 0 {
                client.posting(&form.action, &form.hidden)
            } else {
                posted(&client, &form.action, &token)
            };
            client.send(request)
        });
        let answers = futures_util::future::join_all(sends).await;
        let paid = answers.iter().filter(|answer| answer.header("location") == "/payments/paid").count();
        assert_eq!((paid, cashier.confirmed().len()), (1, round + 1));
        for answer in &answers {
            assert!([303, 409].contains(&answer.status.as_u16()), "{} {}", answer.status, answer.text());
        }
    }
    assert_eq!(gate.told(Event::ConfirmationSent).await, 5);
    assert_eq!(gate.told(Event::ConfirmationDone).await, 5);
    gate.must_verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come_is_shown_as_unknown_and_never_sent_again() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    for (round, doing) in [Doing::HangsUp, Doing::Hangs].into_iter().enumerate() {
        cashier.does(doing);
        let (answer, page) = pays_and_confirms(&client, &phone).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (StatusCode::SEE_OTHER, page.as_str()),
            "{doing:?}"
        );
        let ended = client.open(&page).await;
        ended.must_say("We do not know whether it was carried out").must_say("+41 44 555 01 77");
        let id = page.trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
        ended.must_say(&id).must_say("CHF 1’200.00");
        assert_eq!(cashier.confirmed().len(), round + 1, "{doing:?}");
        assert_eq!(gate.told(Event::ConfirmationUnknown).await, round + 1);
        let outcome = said(&client.send(looked_at(&format!("{page}outcome"))).await);
        assert_eq!((&outcome["state"], &outcome["id"]), (&"unknown".into(), &id.into()));
    }
    // What answered with a fault is as unknown to the person.
    cashier.does(Doing::Says(500));
    let (answer, page) = pays_and_confirms(&client, &phone).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (500, "the cashier has spoken".to_owned()));
    client.open(&page).await.must_say("We do not know whether it was carried out");
    cashier.does(Doing::Says(422));
    let (answer, page) = pays_and_confirms(&client, &phone).await;
    assert_eq!(answer.status, 422);
    client.open(&page).await.must_say("It was sent, but not taken");
    gate.must_verify().await;
}

/// The browser leaves while the cashier thinks: its answer is written down all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_leaves_does_not_leave_the_outcome_unknown() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    cashier.does(Doing::Late);
    let waiting = pays(&client).await;
    approves(&phone, &waiting).await;
    let form = client.open(&waiting.path).await.form("/send");
    let mut request = client.posting(&form.action, &form.hidden);
    client.dress(&mut request);
    let mut connection = client.wire.h1("bank.localhost").await;
    let sent = tokio::spawn(async move { connection.send_request(request).await });
    eventually(async || !cashier.confirmed().is_empty()).await;
    client.open(&waiting.path).await.must_say("It is on its way");
    sent.abort();
    eventually(async || matches!(on_record(&gate).await.state, ConfirmationState::Done { status: 201, .. }))
        .await;
    client.open(&waiting.path).await.must_say("It was sent, and taken");
    assert_eq!(cashier.confirmed().len(), 1);
}

/// The gate goes down between sending and the answer: unknown after the start, and not sent again.
#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_went_down_while_sending_knows_that_it_does_not_know() {
    let mut gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    let (_, page) = pays_and_confirms(&client, &phone).await;
    // As the store stands when the gate is killed right after the commit that comes before the first byte.
    let done = on_record(&gate).await;
    let sending = ConfirmationState::Sending { since: done.created };
    gate.put(&Confirmation { state: sending, ..done.clone() }).await;
    // And one that was approved and not yet sent: that one may still go, once.
    let waiting = pays(&client).await;
    approves(&phone, &waiting).await;
    gate.restart().await;
    eventually(async || gate.told(Event::ConfirmationUnknown).await == 1).await;
    client.open(&page).await.must_say("We do not know whether it was carried out");
    let form = client.open(&waiting.path).await.form("/send");
    for _ in 0..3 {
        client.send(client.posting(&form.action, &form.hidden)).await;
    }
    let again = form.action.replace(waiting.path.as_str(), &page);
    client.send(client.posting(&again, &form.hidden)).await;
    let receipts: Vec<_> =
        cashier.confirmed().iter().map(|one| one.headers["portcullis-confirmation"].clone()).collect();
    assert_eq!(receipts.len(), 2, "each was sent once");
    assert_ne!(receipts[0], receipts[1]);
    gate.must_verify().await;
}

/// Asked for something else with the receipt in hand: nothing new is confirmed by the old approval.
#[tokio::test(flavor = "multi_thread")]
async fn a_cashier_that_asks_again_gets_no_second_receipt() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    let waiting = pays(&client).await;
    approves(&phone, &waiting).await;
    let mut dearer = invoice();
    dearer["rows"][0]["value"] = "CHF 9’200.00".into();
    cashier.wants(dearer);
    cashier.does(Doing::AsksAgain);
    let confirmed = client.open(&waiting.path).await;
    let answer = sends(&client, &confirmed).await;
    assert_eq!(answer.header("location"), waiting.path);
    client.open(&waiting.path).await.must_say("It was sent, but not taken").must_say("CHF 1’200.00");
    assert_eq!((cashier.confirmed().len(), gate.all::<Confirmation>().await.len()), (1, 1));
    assert_eq!(phone.questions().await.len(), 0, "nobody is asked about what nobody started");
}

/// Nothing of it was sent where nobody listens: that is known, and said.
#[tokio::test(flavor = "multi_thread")]
async fn a_cashier_that_is_gone_was_sent_nothing() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    let waiting = pays(&client).await;
    approves(&phone, &waiting).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut route = crate::support::cashier::route_to(&cashier);
    (route.backends, route.confirm) =
        (vec![portcullis::domain::route::Backend::at(format!("http://{closed}"))], true);
    gate.put(&route).await;
    let confirmed = client.open(&waiting.path).await;
    sends(&client, &confirmed).await;
    client.open(&waiting.path).await.must_say("It was not sent: nobody answers there");
    let state = on_record(&gate).await.state;
    assert!(matches!(state, ConfirmationState::Refused { why: NotSent::Unreachable, .. }), "{state:?}");
}

/// Others that are kept meanwhile push nothing out that is on its way: whoever read that it was not sent would pay
/// twice.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_is_never_told_as_not_sent() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    cashier.does(Doing::Late);
    let waiting = pays(&client).await;
    approves(&phone, &waiting).await;
    let form = client.open(&waiting.path).await.form("/send");
    let sending = client.send(client.posting(&form.action, &form.hidden));
    let others = async {
        eventually(async || !cashier.confirmed().is_empty()).await;
        for _ in 0..9 {
            fetches(&client).await;
        }
    };
    let (answer, ()) = futures_util::future::join(sending, others).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let id = waiting.path.trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
    let all = gate.all::<Confirmation>().await;
    let sent = all.iter().find(|one| one.id.as_str() == id).unwrap();
    assert!(matches!(sent.state, ConfirmationState::Done { .. }), "{:?}", sent.state);
    assert_eq!(gate.told(Event::ConfirmationDone).await, 1);
}
