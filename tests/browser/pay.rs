//! Payments in a real browser: confirmed on the phone by a form and by a script, and one that somebody changes on
//! its way to the bank.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::demo::Demo;
use crate::device::Device;
use crate::looks::judge;
use crate::walk::{approve_on, client, first_visit, sign_in_agent};

/// PSD2 RTS art. 5: amount and payee stand on the phone; what was approved is good for them alone.
#[tokio::test]
async fn a_payment_is_confirmed_on_the_phone_and_a_changed_one_is_refused() {
    let demo = Demo::start();
    let payer = client(&demo, "client.p12").await;
    let agent = sign_in_agent(&demo).await;
    let phone = first_visit(&demo, &payer, &agent, false).await;

    // By a form: the gate's page takes the window and makes way for the bank's.
    payer.press("Make a payment").await;
    payer.sees("You confirm it on your phone").await;
    judge(&payer, "bank-pay").await;
    fill(&payer, "1200.00").await;
    payer.press("Pay").await;
    payer.sees("Type this number on your phone").await;
    payer.sees("CHF 1’200.00").await;
    payer.sees("Müller & Söhne <AG>").await;
    payer.sees("At stake").await;
    judge(&payer, "confirm-wait").await;
    phone.sees("CHF 1’200.00").await;
    phone.sees("Müller & Söhne <AG>").await;
    phone.sees("CH93 0076 2011 6238 5295 7").await;
    judge(&phone, "phone-question-confirm").await;
    // The digits come right after amount and payee, and then the rest of what is signed, unfolded.
    let order = "const at = ['dl.rows', '#digits', 'dl:not(.rows)'].map((css) => \
                 document.querySelector(css).getBoundingClientRect()); \
                 return at.every((box, i) => box.height > 0 && (i === 0 || at[i - 1].bottom <= box.top));";
    assert_eq!(phone.script(order).await, Value::Bool(true));
    let shown = rows(&payer, "dl.confirm").await;
    assert_eq!(rows(&phone, "dl.rows").await, shown, "both screens show the same");
    assert_eq!(shown.as_array().unwrap().len(), 5);
    let waiting = payer.driver.current_url().await.unwrap();
    approve_on(&phone, &payer).await;
    payer.sees("We checked the gate").await;
    payer.sees("CHF 1’200.00").await;
    judge(&payer, "bank-paid").await;
    let receipt = payer.find("#paid-receipt").await.text().await.unwrap();
    assert!(waiting.path().contains(&receipt), "the receipt is the confirmation's");
    payer.open(waiting.as_str()).await;
    payer.sees("It was sent, and taken").await;
    judge(&payer, "confirm-taken").await;

    // By a script: the window opens beside the page, and the page stays.
    payer.open(&demo.url("bank", "/payments/new")).await;
    fill(&payer, "85.50").await;
    payer.press("Pay, and stay on this page").await;
    payer.sees("Please confirm this on your phone").await;
    judge(&payer, "bank-pay-here").await;
    let home = payer.driver.window().await.unwrap();
    let beside =
        payer.driver.windows().await.unwrap().into_iter().find(|one| *one != home).expect("a window");
    payer.driver.switch_to_window(beside).await.unwrap();
    payer.sees("CHF 85.50").await;
    phone.sees("CHF 85.50").await;
    approve_on(&phone, &payer).await;
    payer.driver.switch_to_window(home).await.unwrap();
    payer.sees("Paid. Receipt").await;

    // Somebody between the gate and the bank changes the amount after it was confirmed.
    let changer = Changer::before(bank(&demo));
    let to = format!("http://{}", changer.address);
    demo.command(&[
        "route",
        "set",
        "bank",
        "--name",
        "payments",
        "--path",
        "/payments",
        "--confirm",
        "--backend",
        &to,
    ]);
    payer.open(&demo.url("bank", "/payments/new")).await;
    fill(&payer, "1200.00").await;
    payer.press("Pay").await;
    payer.sees("Type this number on your phone").await;
    phone.sees("CHF 1’200.00").await;
    let waiting = payer.driver.current_url().await.unwrap();
    changer.changes.store(true, Ordering::SeqCst);
    approve_on(&phone, &payer).await;
    payer.sees("This page is reached through the gate alone").await;
    assert!(changer.changed.load(Ordering::SeqCst), "the amount was changed in flight");
    payer.open(waiting.as_str()).await;
    payer.sees("It was sent, but not taken").await;
    judge(&payer, "confirm-not-taken").await;
    demo.command(&["audit", "verify"]);
    for device in [payer, agent, phone] {
        device.close().await;
    }
}

async fn fill(payer: &Device, amount: &str) {
    payer.type_into("#amount", amount).await;
    payer.type_into("#payee", "Müller & Söhne <AG>").await;
    payer.type_into("#iban", "CH93 0076 2011 6238 5295 7").await;
    payer.type_into("#memo", "Invoice 4711").await;
}

/// What a list of rows shows, letter by letter.
async fn rows(device: &Device, list: &str) -> Value {
    let code = format!(
        "return [...document.querySelectorAll('{list} dt')].map((name) => [name.textContent, \
         name.nextElementSibling.textContent])"
    );
    device.script(&code).await
}

/// Where the demo's bank listens.
fn bank(demo: &Demo) -> SocketAddr {
    let routes: Value = serde_json::from_str(&demo.command(&["--json", "route", "list"])).unwrap();
    let backend = routes["routes"][0]["backend"].as_str().unwrap();
    backend.trim_start_matches("http://").parse().unwrap()
}

/// A way to the bank on which somebody sits.
struct Changer {
    address: SocketAddr,
    changes: Arc<AtomicBool>,
    changed: Arc<AtomicBool>,
}

impl Changer {
    fn before(bank: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            changes: Arc::default(),
            changed: Arc::default(),
        };
        let (changes, changed) = (Arc::clone(&this.changes), Arc::clone(&this.changed));
        std::thread::spawn(move || {
            for gate in listener.incoming().flatten() {
                let there = TcpStream::connect(bank).unwrap();
                let (back, home) = (there.try_clone().unwrap(), gate.try_clone().unwrap());
                let (changes, changed) = (Arc::clone(&changes), Arc::clone(&changed));
                std::thread::spawn(move || {
                    pass(gate, there, |piece| {
                        if changes.load(Ordering::SeqCst) && swap(piece, b"amount=1200", b"amount=9200") {
                            changed.store(true, Ordering::SeqCst);
                        }
                    });
                });
                std::thread::spawn(move || pass(back, home, |_| {}));
            }
        });
        this
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut change: impl FnMut(&mut [u8])) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read) = from.read(&mut buffer) {
        change(&mut buffer[..read]);
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

fn swap(piece: &mut [u8], old: &[u8], new: &[u8]) -> bool {
    let Some(at) = piece.windows(old.len()).position(|part| part == old) else { return false };
    piece[at..at + new.len()].copy_from_slice(new);
    true
}
