//! Handing over, at the desk: who may, who may not let in afterwards, and what the trail says of the way.

use portcullis::audit::Event;
use portcullis::ca::Encoding;
use portcullis::console::command::issue::Target;
use portcullis::console::command::{Command, device};
use portcullis::domain::device::Device;
use portcullis::domain::person::Role;
use portcullis::notify::{About, Notice};

use crate::support::desk::*;
use crate::support::gate::{Gate, Handed};

async fn renews(gate: &Gate, actor: &str, of: &Handed) {
    let which = format!("{}/{}/{}", of.tenant, of.person, of.device).parse().unwrap();
    let command = device::Command::Renew { device: which, encoding: Encoding::Modern };
    gate.acts().run(actor, Command::Device(command)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_handed_a_device_over_does_not_release_it() {
    let gate = Gate::open().await;
    let sam = sam(&gate).await;
    let sue = staff(&gate, "sue", "Sue Support", &[Role::Support]).await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    let laptop = gate.device_by("person:staff/max", "bank", "anna", "laptop").await;
    // Sam had a file of it in hand, and so had Tim after him.
    renews(&gate, "person:staff/sam", &laptop).await;
    renews(&gate, "person:staff/tim", &laptop).await;
    let found = gate.all::<Device>().await.into_iter().find(|one| one.id == laptop.device).unwrap();
    assert_eq!(found.issued_by, "person:staff/max");
    assert_eq!(found.delivered_by.as_deref(), Some("person:staff/tim"));
    let client = gate.browser("bank", &laptop);
    let page = client.open("/").await;
    types_code(&sam, "anna", &page.digits()).await.must_say("so a colleague must release it");
    assert_eq!(gate.told(Event::DeviceReleased).await, 0);
    calls_support(&sue, &client, &page).await.must_say("Point your phone’s camera");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_makes_its_maker_the_one_who_handed_over() {
    let gate = Gate::open().await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    let target = Target::New { person: "bank/anna".parse().unwrap(), name: "laptop".to_owned() };
    let command = device::Command::Link { target, minutes: None, mail: false };
    let output = gate.acts().run("person:staff/sam", Command::Device(command)).await.unwrap();
    let found = gate.all::<Device>().await.into_iter().find(|one| one.name == "laptop").unwrap();
    assert_eq!(found.issued_by, "person:staff/sam");
    assert_eq!(found.delivered_by.as_deref(), Some("person:staff/sam"));
    assert!(output.files.is_empty(), "there is no file yet");
    let trail = gate.trail().await;
    let line = trail.iter().find(|line| line.what == Event::DeliveryOpened).unwrap();
    assert_eq!(line.who, "person:staff/sam");
    let password = output.json["import_password"].as_str().unwrap();
    assert!(line.details.values().all(|text| !text.contains(password)));
    gate.must_verify().await;
}

/// Issue 4, sentence 4: operators renew for a client, by a button, whatever the way; a switched-off device is not renewed.
#[tokio::test(flavor = "multi_thread")]
async fn operators_renew_by_a_button() {
    let gate = Gate::open().await;
    let otto = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let ida = staff(&gate, "ida", "Ida Owner", &[Role::Owner]).await;
    let laptop = anna(&gate).await;
    otto.open("/people/bank/anna").await.must_say("Renew");
    let path = format!("/devices/bank/anna/{}/renew", laptop.device);
    let page = otto.open(&path).await;
    page.must_say("Renew laptop of Anna Muster").must_say("goes on until the new one has signed in once");
    let page = otto.submit(&page, "/renew", &[("way", "hand"), ("encoding", "compatible")]).await;
    page.must_say("The file for laptop");
    // Whoever has another certificate made for a device, its owner hears of it.
    let notices = gate.all::<Notice>().await;
    let renewed =
        |one: &&Notice| matches!(&one.about, About::CertificateRenewed { device, .. } if device == "laptop");
    assert_eq!(notices.iter().filter(renewed).count(), 1);
    let page = otto.open(&path).await;
    let page = otto.submit(&page, "/renew", &[("way", "link")]).await;
    page.must_say("Pass on this link to Anna Muster");
    assert_eq!((gate.told(Event::CertificateRenewed).await, gate.told(Event::DeliveryOpened).await), (1, 1));

    // Staff is the owners' affair, and nobody renews for themselves.
    let of = |id: &str, all: &[Device]| {
        let one = all.iter().find(|one| one.tenant.is_staff() && one.person.as_str() == id).unwrap();
        format!("/devices/staff/{id}/{}/renew", one.id)
    };
    let devices = gate.all::<Device>().await;
    for (who, whose, allowed) in
        [(&otto, "ida", false), (&otto, "otto", false), (&ida, "ida", false), (&ida, "otto", true)]
    {
        let page = who.open(&of(whose, &devices)).await;
        let answer = who.submit(&page, "/renew", &[("way", "hand"), ("encoding", "modern")]).await;
        assert_eq!(answer.status, if allowed { 200 } else { 403 }, "{whose}: {}", answer.words());
    }
    assert_eq!(gate.told(Event::CertificateRenewed).await, 2);

    let command = device::Command::Revoke {
        device: format!("bank/anna/{}", laptop.device).parse().unwrap(),
        reason: portcullis::domain::certificate::RevocationReason::Unspecified,
        yes: true,
    };
    gate.run(Command::Device(command)).await;
    assert_eq!(otto.open(&path).await.status, 404);
}
