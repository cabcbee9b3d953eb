//! A session that steps up in another tab has another token afterwards. What it had under way is its owner's still.

use portcullis::audit::Event;

use crate::support::browser::Browser;
use crate::support::cashier::Doing;
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::payment::*;
use crate::support::phone::Phone;

/// A gate whose statements ask for an approval of the last minute.
async fn strict() -> Gate {
    let rules = "[[rule]]\nname = \"Statements\"\npaths = [\"/statements/**\"]\nwho = [\"group:clients\"]\n\
                 need = [\"certificate\", \"password\", \"phone < 1m\"]\n\n[[rule]]\nname = \"Portal\"\n\
                 paths = [\"/**\"]\nwho = [\"group:clients\"]\nneed = [\"certificate\", \"password\", \"phone\"]\n";
    Gate::with(|plan| plan.portal = rules.to_owned()).await
}

/// The other tab.
async fn steps_up(gate: &Gate, client: &Browser, phone: &Phone) {
    gate.wait(70);
    let before = client.cookie();
    let page = client.open("/statements/").await;
    let question = phone.question().await;
    assert_eq!(question["purpose"], "step-up", "{question}");
    assert_eq!(phone.approve(&question, &page.digits()).await.0, 200);
    client.open("/.portcullis/sign-in/").await;
    assert_ne!(client.cookie(), before, "a step-up has a new token");
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_payment_ended_is_told_after_a_step_up_in_another_tab() {
    let gate = strict().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    cashier.does(Doing::HangsUp);
    let (_, unknown) = pays_and_confirms(&client, &phone).await;
    cashier.does(Doing::Says(201));
    let (_, done) = pays_and_confirms(&client, &phone).await;
    steps_up(&gate, &client, &phone).await;
    client
        .open(&unknown)
        .await
        .must_say("We do not know whether it was carried out")
        .must_say("+41 44 555 01 77");
    client.open(&done).await.must_say("It was sent, and taken");
    let outcome = said(&client.send(looked_at(&format!("{unknown}outcome"))).await);
    assert_eq!(outcome["state"], "unknown");
    assert_eq!((cashier.confirmed().len(), gate.told(Event::ConfirmationTakenOver).await), (2, 0));
    gate.must_verify().await;
}

/// What was under way is asked anew: an approval given to the session before counts for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_asked_anew_after_a_step_up_and_sent_once() {
    for approved in [false, true] {
        let gate = strict().await;
        let (client, phone, _) = anna_inside(&gate).await;
        let cashier = gate.cashier().await;
        let waiting = pays(&client).await;
        let mut form = None;
        if approved {
            approves(&phone, &waiting).await;
            form = Some(client.open(&waiting.path).await.form("/send"));
        }
        steps_up(&gate, &client, &phone).await;
        if let Some(form) = form {
            client.send(client.posting(&form.action, &form.hidden)).await;
            assert!(cashier.confirmed().is_empty());
        }
        let anew = client.open(&waiting.path).await;
        anew.must_say("Type this number on your phone").must_say("CHF 1’200.00");
        approves(&phone, &anew).await;
        let confirmed = client.open(&waiting.path).await;
        assert_eq!(sends(&client, &confirmed).await.header("location"), "/payments/paid");
        client.open(&waiting.path).await.must_say("It was sent, and taken");
        assert_eq!((cashier.confirmed().len(), gate.told(Event::ConfirmationTakenOver).await), (1, 1));
        gate.must_verify().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_brings_its_answer_home_after_a_step_up() {
    let gate = strict().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    let problem = fetches(&client).await;
    let path =
        |name: &str| problem[name].as_str().unwrap().strip_prefix(&client.origin()).unwrap().to_owned();
    steps_up(&gate, &client, &phone).await;
    assert_eq!(said(&client.send(looked_at(&path("outcome"))).await)["state"], "waiting");
    let waiting = client.open(&path("confirm")).await;
    approves(&phone, &waiting).await;
    cashier.does(Doing::Says(201));
    let answer = client.send(posted(&client, &path("send"), problem["token"].as_str().unwrap())).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (201, "the cashier has spoken".to_owned()));
    assert_eq!(cashier.confirmed().len(), 1);
}
