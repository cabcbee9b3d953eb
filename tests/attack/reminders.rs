//! Reminders that a certificate ends, over two years of the program's own clock and a real mail server.

use std::time::{Duration, Instant};

use portcullis::domain::Time;
use portcullis::domain::certificate::Certificate;

use crate::links::{MailServer, configure_mail};
use crate::support::desk::anna;
use crate::support::faketime::Faketime;
use crate::support::gate::Gate;
use crate::support::program::Program;

/// Sixty, thirty, fourteen, seven days and one day before, and at the end: one message each over STARTTLS, whether
/// the gate runs through the day or is started on it, and none again after a restart. What is switched off gets none.
#[tokio::test(flavor = "multi_thread")]
async fn each_stage_is_one_message_whatever_happens_meanwhile() {
    let gate = Gate::open().await;
    let laptop = anna(&gate).await;
    let lost = gate.device("bank", "anna", "lost phone").await;
    let all = gate.all::<Certificate>().await;
    let ends = all.into_iter().find(|one| one.serial == laptop.serial).unwrap().not_after;
    let folder = gate.folder.path().to_owned();
    let port = gate.port + 1;
    let Some(server) = MailServer::start(&folder, port) else { return };
    let Some(time) = Faketime::within(&folder, "reminders") else { return };
    configure_mail(&folder, port, "mail.pem");
    let began = (gate.world.now(), Instant::now());
    let mut moved = 0_i64;
    // Puts the program's clock to a moment.
    let mut at = |then: Time| {
        let passed = i64::try_from(began.1.elapsed().as_millis()).unwrap();
        let ahead = then.millis() - began.0.millis() - passed;
        time.jump(ahead - moved);
        moved = ahead;
    };
    let before = |days: u64| ends.minus(Duration::from_secs(days * 86_400));

    at(before(62));
    let mut program = Program::started_so(gate, time.start()).await;
    let revoke = format!("bank/anna/{}", lost.device);
    let revoked = program.cli(&["device", "revoke", &revoke, "--yes"]);
    assert!(revoked.status.success(), "{revoked:?}");
    let listed = program.json(&["certificate", "expiring", "bank", "--days", "70"]);
    let listed = listed["expiring"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!((&listed[0]["days"], &listed[0]["device_name"]), (&62.into(), &"laptop".into()));
    // Longer than it looks at the clock.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let told = |count: usize| -> Vec<String> {
        let all = server.messages(count);
        assert_eq!(all.len(), count, "{all:#?}");
        for message in &all {
            assert_eq!(message["tls"], true, "in clear: {message}");
            assert_eq!(message["to"], serde_json::json!(["anna@bank.example"]));
        }
        all.iter().map(|message| message["text"].as_str().unwrap().replace("=\r\n", "")).collect()
    };
    // One certificate was revoked, which its owner hears of; nothing is said of what is two months off.
    let mut count = server.messages(0).len();
    assert!(!told(count).iter().any(|text| text.contains("ends on")));
    let others = count;

    for (days, says) in
        [(60, "in 60 days"), (30, "in 30 days"), (14, "in 14 days"), (7, "in 7 days"), (1, "tomorrow")]
    {
        // Every second stage is met by a gate that starts on that day.
        let restarts = days == 30 || days == 7;
        if restarts {
            assert_eq!(program.stop(), Some(0));
        }
        at(before(days));
        if restarts {
            program.start();
        }
        count += 1;
        let text = told(count).pop().unwrap();
        assert!(text.contains("The certificate of your device \"laptop\" ends on"), "{days}: {text}");
        assert!(text.contains(&ends.day()) && text.contains(says), "{days}: {text}");
        assert!(text.contains("+41 44 555 01 77") && !text.contains("http"), "{text}");
    }
    at(ends.plus(Duration::from_secs(60)));
    let text = told(others + 6).pop().unwrap();
    assert!(text.contains("ended on") && text.contains(&ends.day()), "{text}");

    // Days go on, and the gate starts again, on the day itself and later: nobody is told twice.
    for later in [120, 86_400, 20 * 86_400] {
        assert_eq!(program.stop(), Some(0));
        at(ends.plus(Duration::from_secs(later)));
        program.start();
        tokio::time::sleep(Duration::from_secs(4)).await;
        told(others + 6);
    }
    assert_eq!((program.told_of("reminder.queued"), program.told_of("notice.sent")), (6, others + 6));
    assert_eq!(program.stop(), Some(0));
}
