//! The issue history at the desk: found by what an operator knows, one certificate with all that happened to it,
//! a file to take away, and none of it for those who issue nothing.

use portcullis::audit::Event;
use portcullis::domain::person::Role;

use crate::support::desk::{anna, sam, staff};
use crate::support::gate::Gate;

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_finds_a_certificate_by_what_they_know_of_it() {
    let gate = Gate::open().await;
    let first = anna(&gate).await;
    gate.person("other", "nils", "Nils Nachbar", &[]).await;
    let foreign = gate.device("other", "nils", "tablet").await;
    gate.wait(2);
    let began = gate.world.clock.now();
    let second = gate.renewed(&first).await;
    let operator = staff(&gate, "olaf", "Olaf Operator", &[Role::Operator]).await;

    let all = operator.open("/certificates/").await;
    all.must_say("Anna Muster");
    all.must_say("Nils Nachbar");
    let sha256 = data_encoding::HEXUPPER.encode(&portcullis::crypto::sha256(&first.identity.chain[0]));
    for (words, fits) in [
        ("anna", [&first, &second].as_slice()),
        ("ANNA@bank.example", &[&first, &second]),
        ("laptop+muster", &[&first, &second]),
        (&first.serial[..8], &[&first]),
        (&sha256[..40], &[&first]),
        ("tablet", &[&foreign]),
        ("nobody-of-that-name", &[]),
    ] {
        let page = operator.open(&format!("/certificates/?q={words}")).await;
        assert_eq!(page.status, 200, "{words}");
        for one in [&first, &second, &foreign] {
            let expected = fits.iter().any(|fit| fit.serial == one.serial);
            assert_eq!(page.html.contains(&one.serial), expected, "{words}: {}", one.serial);
        }
    }
    operator.open("/certificates/?q=nobody-of-that-name").await.must_say("No certificate is found");
    let none = operator.open("/certificates/?q=anna&state=revoked").await;
    assert!(!none.html.contains(&first.serial));

    let page = operator.open(&format!("/certificates/{}", first.serial)).await;
    for words in ["Anna Muster, laptop", "issued by local:1000", "certificate.issued", &second.serial] {
        page.must_say(words);
    }
    assert_eq!(operator.open("/certificates/ffff").await.status, 404);
    let history = gate.acts().history(&second.serial).await.unwrap().unwrap();
    let (issued, said) = &history.steps[0];
    assert!(
        said.starts_with("issued by") && began <= *issued,
        "{issued}: a certificate counts from earlier on"
    );

    let csv = operator.open("/certificates/export.csv?q=&state=").await;
    assert_eq!(csv.answer.header("content-type"), "text/csv; charset=utf-8");
    let mut reader = csv::Reader::from_reader(csv.html.as_bytes());
    let names: Vec<String> = reader.records().map(|row| row.unwrap()[4].to_owned()).collect();
    assert_eq!(names.iter().filter(|name| *name == "Anna Muster").count(), 2);
    let json = operator.open("/certificates/export.json?q=tablet").await;
    let json: serde_json::Value = serde_json::from_str(&json.html).unwrap();
    assert_eq!(json[0]["serial"], foreign.serial.as_str());
    assert_eq!(gate.told(Event::HistoryExported).await, 2);
    assert_eq!(operator.open("/certificates/export.exe").await.status, 404);

    let sam = sam(&gate).await;
    for path in ["/certificates/", "/certificates/export.csv", &format!("/certificates/{}", first.serial)] {
        assert_eq!(sam.open(path).await.status, 403, "{path}");
    }
    assert_eq!(gate.told(Event::HistoryExported).await, 2);
}
