//! Two phones in a real browser: a second one is paired with the first one's yes, answers, and removes the first,
//! which is told.

use crate::demo::Demo;
use crate::looks::judge;
use crate::walk::{self, approve_on, client, first_visit, sign_in_agent};

#[tokio::test]
async fn a_second_phone_takes_over_and_the_first_is_told() {
    let demo = Demo::start();
    let client_ = client(&demo, "client.p12").await;
    let agent = sign_in_agent(&demo).await;
    let first = first_visit(&demo, &client_, &agent, false).await;

    client_.open(&demo.url("bank", "/.portcullis/settings/phones/")).await;
    client_.sees("Your phones").await;
    client_.press("Pair another phone").await;
    client_.sees("Does it take the place of one you have?").await;
    judge(&client_, "settings-phone-new").await;
    client_.press("Ask my phone").await;
    client_.sees("Type this number on your phone").await;
    judge(&client_, "settings-phone-wait").await;
    first.sees("Are you pairing another phone").await;
    judge(&first, "phone-question-pair").await;
    approve_on(&first, &client_).await;
    client_.sees("Point your new phone’s camera at this square").await;
    let second = walk::pair(&demo, &client_, false).await;
    client_.sees("Your phones").await;
    judge(&client_, "settings-phones").await;

    // The second answers, and the first is removed and says so.
    client_.press("Remove it").await;
    client_.sees("It can then answer nothing any more").await;
    judge(&client_, "settings-phone-remove").await;
    client_.press("Ask my phone").await;
    client_.sees("Type this number on your phone").await;
    second.sees("Are you removing a phone").await;
    judge(&second, "phone-question-remove").await;
    approve_on(&second, &client_).await;
    client_.sees("Your phones").await;
    first.sees("by you, in the settings on your computer").await;
    judge(&first, "phone-removed").await;
    demo.command(&["audit", "verify"]);
    for device in [client_, agent, first, second] {
        device.close().await;
    }
}
