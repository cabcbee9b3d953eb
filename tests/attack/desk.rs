//! Staff who help themselves: let in what is their own or what they issued, act on themselves, use two roles of one
//! head. The oracle is the devices in the store, and the line in the trail of each try.

use http::StatusCode;
use portcullis::domain::device::Device;
use portcullis::domain::person::{Person, Role, Standing};

use crate::codes::{types, types_code_in_time};
use crate::support::browser::Browser;
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::page::Page;
use crate::support::program::Program;

/// M-01. Nobody lets in a device of their own, whatever their roles and whoever issued it, at the desk.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_lets_in_a_device_of_their_own() {
    let gate = Gate::open().await;
    let mut people = Vec::new();
    for (id, roles) in [
        ("sam", &[Role::Support][..]),
        ("ida", &[Role::Owner]),
        ("max", &[Role::Support, Role::Operator, Role::Owner, Role::Auditor]),
    ] {
        let browser = staff(&gate, id, &format!("{id} of the staff"), roles).await;
        let second = gate.device_by("person:staff/another", "staff", id, "tablet").await;
        people.push((id, browser, second));
    }
    let mut program = Program::instead_of(gate).await;
    for (n, (id, browser, second)) in people.iter().enumerate() {
        let code = program.browser("console", second).open("/").await.digits();
        let page = types(browser, &format!("staff/{id}"), &code).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{id}: {}", page.words());
        page.must_say("so a colleague must release it");
        let lines = program.lines_of("request.refused");
        assert_eq!(lines.len(), n + 1, "{id}: the try is in the trail");
        let last = lines.last().unwrap();
        assert_eq!(last["who"], format!("person:staff/{id}"));
        assert!(last["why"].as_str().unwrap().contains("four eyes"), "{last}");
    }
    assert_eq!((program.told_of("code.right"), program.told_of("device.released")), (0, 0));
    // A colleague can, so it was the four eyes that said no. The count of wrong tries takes both.
    let (_, ida, _) = &people[1];
    let (_, _, tablet) = &people[0];
    assert!(program.cli(&["person", "unlock", "staff/sam"]).status.success());
    let code = program.browser("console", tablet).open("/").await.digits();
    types(ida, "staff/sam", &code).await;
    assert_eq!(program.told_of("code.right"), 1);
    assert_eq!(program.stop(), Some(0));
    let tablets = program.kept::<Device>().await.into_iter().filter(|one| one.name == "tablet");
    assert!(tablets.into_iter().all(|one| !one.state.is_released()));
}

/// M-01. Whoever issued a device at the desk releases it nowhere there; a colleague does.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_issued_a_device_does_not_let_it_in() {
    let gate = Gate::open().await;
    let max = staff(&gate, "max", "Max Both", &[Role::Support, Role::Operator]).await;
    let sam = sam(&gate).await;
    anna(&gate).await;
    let program = Program::instead_of(gate).await;
    let page = max.open("/devices/bank/anna/new").await;
    let page =
        max.submit(&page, "/new", &[("device", "evil"), ("way", "hand"), ("encoding", "modern")]).await;
    let client = Browser::new(program.wire.showing(&in_hand(&page)), program.host("bank"));
    let code_page = client.open("/").await;
    let code = code_page.digits();
    for tries in 1..=2 {
        types(&max, "bank/anna", &code).await.must_say("so a colleague must release it");
        assert_eq!(program.lines_of("request.refused").len(), tries);
    }
    // By a colleague's case, whose address the issuer knows.
    let case = types_code_in_time(&sam, &code).await;
    let word = word_of(&case);
    let page = client.open("/.portcullis/sign-in/").await;
    client.submit(&page, "/word", &[("word", &word)]).await.must_say("That is the right word");
    let token = max.open("/").await.form("/codes/check").hidden;
    let ticks = ["0", "1", "2"].map(|line| ("check".to_owned(), line.to_owned()));
    let pairs = [token, ticks.to_vec()].concat();
    let answer = max.send(max.posting(&format!("{}/release", case.path_of_case()), &pairs)).await;
    assert_ne!(answer.status, 200, "{}", answer.text());
    assert_eq!(program.told_of("device.released"), 0);
    let case = sam.open(&case.path_of_case()).await;
    releases(&sam, &case).await.must_say("the device is released");
    assert_eq!(program.lines_of("device.released")[0]["who"], "person:staff/sam");
}

/// The .p12 and its password, as they stand on the page.
fn in_hand(page: &Page) -> crate::support::wire::Identity {
    let base64 = page.html.split_once("x-pkcs12;base64,").unwrap().1.split('"').next().unwrap();
    let base64 = base64.replace("&#43;", "+").replace("&#61;", "=").replace("&#47;", "/");
    let p12 = data_encoding::BASE64.decode(base64.as_bytes()).unwrap();
    let secret = page.html.split_once("id=\"import-password\">").unwrap().1.split("</p>").next().unwrap();
    crate::support::ca::opened(&p12, &crate::support::page::words(secret).replace(' ', ""))
}

/// M-01. Nobody issues to, unlocks, locks or switches off themselves at the desk, and no operator acts on the staff:
/// refused, and written down with the name of who tried.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_acts_on_themselves() {
    let gate = Gate::open().await;
    let people = [
        ("otto", staff(&gate, "otto", "otto", &[Role::Operator]).await),
        ("ida", staff(&gate, "ida", "ida", &[Role::Owner]).await),
        ("max", staff(&gate, "max", "max", &[Role::Support, Role::Operator, Role::Owner]).await),
    ];
    gate.person("staff", "kim", "kim", &[Role::Support]).await;
    let kims = gate.device("staff", "kim", "desk").await;
    let devices = gate.all::<Device>().await;
    let mut program = Program::instead_of(gate).await;
    let mut refused = 0;
    for (id, browser) in &people {
        let own = devices.iter().find(|one| one.person.as_str() == *id).unwrap().id.clone();
        let mut whom = vec![((*id).to_owned(), own)];
        if *id == "otto" {
            whom.push(("kim".to_owned(), kims.device.clone()));
        }
        for (whom, device) in whom {
            for (path, name) in [
                (format!("/devices/staff/{whom}/new"), "tablet"),
                (format!("/devices/staff/{whom}/{device}/revoke"), "desk"),
                (format!("/people/staff/{whom}/lock"), whom.as_str()),
                (format!("/people/staff/{whom}/unlock"), whom.as_str()),
            ] {
                let token = browser.open("/").await.forms().into_iter().find(|form| !form.hidden.is_empty());
                let fields =
                    [("name", name), ("device", name), ("encoding", "modern"), ("reason", "superseded")];
                let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
                let pairs = [token.unwrap().hidden, fields.to_vec()].concat();
                let answer = browser.send(browser.posting(&path, &pairs)).await;
                assert_eq!(answer.status, 403, "{id}: {path}: {}", answer.text());
                refused += 1;
                let lines = program.lines_of("request.refused");
                assert_eq!(lines.len(), refused, "{id}: {path} is not in the trail");
                let last = lines.last().unwrap();
                assert_eq!(
                    (&last["who"], &last["outcome"]),
                    (&format!("person:staff/{id}").into(), &"refused".into())
                );
                assert_eq!(last["details"]["asked"], format!("POST {path}"));
            }
        }
    }
    assert_eq!(refused, 16);
    assert_eq!((program.told_of("person.locked"), program.told_of("certificate.revoked")), (0, 0));
    assert_eq!(program.stop(), Some(0));
    let names: Vec<_> = program.kept::<Device>().await.into_iter().map(|one| one.name).collect();
    assert!(names.iter().all(|name| name == "desk"), "{names:?}");
    assert!(
        program.kept::<Person>().await.iter().all(|one| !matches!(one.standing, Standing::Locked { .. }))
    );
}
