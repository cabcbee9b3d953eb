//! A sheet at the desk: links that work, mistakes that are told together, and who may not.

use portcullis::audit::Event;
use portcullis::domain::device::Device;
use portcullis::domain::person::{Person, Role};

use crate::support::browser::Browser;
use crate::support::ca::opened;
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::page::Page;

const MANY: &str = "/devices/many";

async fn sends(who: &Browser, sheet: &str, more: &[(&str, &str)]) -> Page {
    let page = who.open(MANY).await;
    assert_eq!(page.status, 200, "{}", page.words());
    who.submit(&page, MANY, &[&[("sheet", sheet), ("minutes", "480")], more].concat()).await
}

/// Each row of the page's table: its cells' words.
fn rows(page: &Page) -> Vec<Vec<String>> {
    let table = page.html.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap();
    let words = |cell: &str| {
        let mut text = String::new();
        for part in cell.split('<') {
            text.push_str(part.split_once('>').map_or("", |(_, text)| text));
        }
        text.trim().replace("&#35;", "#").to_owned()
    };
    let cells = |row: &str| row.split("</td>").map(|cell| words(&format!("<{cell}"))).collect();
    table.split("<tr>").skip(1).map(|row| cells(&format!(">{row}"))).collect()
}

/// Issue 4, sentence 9, at the desk: a new person, the same with a second device, and one on record get a link each,
/// and each link makes a file that opens under its own password and no other's.
#[tokio::test(flavor = "multi_thread")]
async fn a_sheet_at_the_desk_makes_a_link_for_each_row() {
    let gate = Gate::open().await;
    let otto = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    otto.open("/people/").await.must_say("Issue many");
    let sheet = "tenant,person,name,email,device\r\n\
                 bank,anna,,,laptop\r\n\
                 bank,,Berta Beispiel,berta@bank.example,laptop\r\n\
                 bank,,Berta Beispiel,berta@bank.example,phone\r\n";
    let page = sends(&otto, sheet, &[]).await;
    assert_eq!(page.status, 200, "{}", page.words());
    page.must_say("3 links are made");
    let made = rows(&page);
    let whose: Vec<[&str; 3]> = made.iter().map(|row| [&*row[0], &*row[1], &*row[3]]).collect();
    assert_eq!(
        whose,
        [["2", "Anna Muster", "laptop"], ["3", "Berta Beispiel", "laptop"], ["4", "Berta Beispiel", "phone"]]
    );
    assert_eq!(gate.told(Event::DeliveryOpened).await, 3);
    assert_eq!((gate.told(Event::BulkBegun).await, gate.told(Event::BulkEnded).await), (1, 1));
    assert_eq!(gate.all::<Person>().await.iter().filter(|one| one.name == "Berta Beispiel").count(), 1);

    let anyone = gate.stranger("start");
    for (at, row) in made.iter().enumerate() {
        let (password, wrong) = (&row[4], &made[(at + 1) % made.len()][4]);
        let (address, secret) = row[5].split_once('#').expect("a link");
        assert_eq!(address, format!("https://{}/deliver/bank", gate.host("start")));
        for (typed, status) in [(wrong, 422), (password, 200), (password, 410)] {
            let page = anyone.open("/deliver/bank").await;
            let mut pairs = page.form("/deliver/bank").hidden;
            for (name, value) in [("link", secret), ("password", typed), ("platform", "linux")] {
                pairs.push((name.to_owned(), value.to_owned()));
            }
            let answer = anyone.send(anyone.posting("/deliver/bank", &pairs)).await;
            assert_eq!(answer.status, status, "{}", answer.text());
            if status == 200 {
                opened(&answer.body, password);
            }
        }
    }
    // Sent once more by a reload: nothing is made twice.
    let again = sends(&otto, sheet, &[]).await;
    assert_eq!(again.status, 422);
    assert_eq!(gate.told(Event::DeliveryOpened).await, 3);
    for line in gate.trail().await {
        assert!(made.iter().all(|row| line.details.values().all(|text| !text.contains(&row[4]))));
    }
    gate.must_verify().await;
}

/// Issue 4, sentence 9, at the desk: mistakes of reading and mistakes that only the store knows come back together,
/// and nothing is issued unless they are to be left out.
#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_come_back_together_and_nothing_is_issued() {
    let gate = Gate::open().await;
    let otto = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    let before = gate.all::<Device>().await.len();
    let sheet = "tenant,person,device\nbank,anna,laptop\nbank,anna,\nbank,nobody,phone\n";
    let page = sends(&otto, sheet, &[]).await;
    assert_eq!(page.status, 422);
    page.must_say("2 mistakes are in the sheet, and nothing was issued");
    page.must_say("Line 3: device is missing").must_say("Line 4: ");
    assert!(page.html.contains("bank,anna,laptop\nbank,anna,\nbank,nobody,phone"), "the text is gone");
    assert_eq!(gate.all::<Device>().await.len(), before);
    for event in [Event::BulkBegun, Event::DeliveryOpened, Event::DeviceCreated] {
        assert!(gate.trail().await.iter().all(|line| line.what != event || line.who != "person:staff/otto"));
    }
    let page = sends(&otto, sheet, &[("skip_bad", "yes")]).await;
    assert_eq!(page.status, 200, "{}", page.words());
    page.must_say("1 link is made").must_say("Line 3: device is missing").must_say("Line 4: ");
    assert_eq!(gate.all::<Device>().await.len(), before + 1);
    for nothing in ["", "\n\n", "tenant,person,device\n"] {
        assert_eq!(sends(&otto, nothing, &[("skip_bad", "yes")]).await.status, 422, "{nothing:?}");
    }
}

/// M-02. Support issues nothing, by whatever form; operators nothing for the staff, and nobody for themselves, not even
/// among rows that they may.
#[tokio::test(flavor = "multi_thread")]
async fn a_sheet_gives_nobody_what_a_single_device_would_not() {
    let gate = Gate::open().await;
    let sam = sam(&gate).await;
    let otto = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let ida = staff(&gate, "ida", "Ida Owner", &[Role::Owner]).await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    assert_eq!(sam.open(MANY).await.status, 403);
    assert!(!sam.open("/people/").await.says("Issue many"));
    let mut pairs = sam.open("/").await.form("/codes/check").hidden;
    pairs.push(("sheet".to_owned(), "tenant,person,device\nbank,anna,laptop\n".to_owned()));
    assert_eq!(sam.send(sam.posting(MANY, &pairs)).await.status, 403);
    let before = gate.all::<Device>().await.len();
    let of = |id: &str| format!("tenant,person,device\nbank,anna,laptop\nstaff,{id},tablet\n");
    for (who, whose) in [(&otto, "ida"), (&otto, "otto"), (&ida, "ida")] {
        let page = sends(who, &of(whose), &[("skip_bad", "yes")]).await;
        assert_eq!(page.status, 403, "{whose}: {}", page.words());
    }
    assert_eq!(gate.all::<Device>().await.len(), before);
    assert_eq!(gate.told(Event::DeliveryOpened).await, 0);
    let page = sends(&ida, &of("otto"), &[]).await;
    assert_eq!(page.status, 200, "{}", page.words());
    assert_eq!(gate.all::<Device>().await.len(), before + 2);
}
