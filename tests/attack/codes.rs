//! Attacks on the six-digit code of a first visit: raced, drawn twice, relayed. The oracle is what the trail says
//! was right, and which device is let in.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use portcullis::domain::device::Device;
use portcullis::domain::enrolment::Enrolment;
use portcullis::domain::person::Role;
use portcullis::notify::{About, Notice};
use portcullis::world::{Entropy, SystemEntropy};

use crate::support::browser::Browser;
use crate::support::desk::*;
use crate::support::gate::{Gate, Plan};
use crate::support::page::Page;
use crate::support::program::Program;

/// What an agent's form sends, beside the code.
pub(crate) async fn desk_form(agent: &Browser, caller: &str) -> Vec<(String, String)> {
    let hidden = agent.open("/").await.form("/codes/check").hidden;
    [hidden, vec![("caller".to_owned(), caller.to_owned())]].concat()
}

/// Types a code as the form sends it, whatever stands in it. Status and page.
pub(crate) async fn types(agent: &Browser, caller: &str, code: &str) -> Page {
    let pairs = [desk_form(agent, caller).await, vec![("code".to_owned(), code.to_owned())]].concat();
    Page::of("/codes/check", agent.send(agent.posting("/codes/check", &pairs)).await)
}

/// Types the code of Anna's; tries of others that were not right make it wait a few seconds.
pub(crate) async fn types_code_in_time(agent: &Browser, code: &str) -> Page {
    loop {
        let case = types_code(agent, "anna", code).await;
        if !case.says("Too quick after a wrong code") {
            return case;
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}

/// Two agents type the right code many times over while the caller asks for a new one: it is right once.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_raced_through_the_desk_is_right_once() {
    const ROUNDS: usize = 12;
    let gate = Gate::open().await;
    // Another pair every three rounds: a try that was right and lost counts against its agent.
    let mut desks = Vec::new();
    for n in 0..ROUNDS / 3 * 2 {
        desks.push(staff(&gate, &format!("sam{n}"), &format!("Sam Support {n}"), &[Role::Support]).await);
    }
    anna(&gate).await;
    let mut devices = Vec::new();
    for n in 0..ROUNDS {
        devices.push(gate.device("bank", "anna", &format!("tablet {n}")).await);
    }
    let program = Program::instead_of(gate).await;
    let mut right_in_all = 0;
    for (round, device) in devices.iter().enumerate() {
        let agents = &desks[round / 3 * 2..][..2];
        let caller = program.browser("bank", device);
        let page = caller.open("/").await;
        let code = page.digits();
        let forms = [desk_form(&agents[0], "bank/anna").await, desk_form(&agents[1], "bank/anna").await];
        let typed = (0..10).map(|n| {
            let pairs = [forms[n % 2].clone(), vec![("code".to_owned(), code.clone())]].concat();
            let agent = &agents[n % 2];
            async move { agent.send(agent.posting("/codes/check", &pairs)).await }
        });
        // In every second round the caller presses for a new code meanwhile.
        let renews = (0..3 * (round % 2)).map(|_| {
            let form = page.form("/code");
            let caller = &caller;
            async move { caller.send(caller.posting(&form.action, &form.hidden)).await }
        });
        let (answers, _) = tokio::join!(join_all(typed), join_all(renews));
        let led_on = answers.iter().filter(|answer| answer.status == 303).count();
        let told = program.told_of("code.right") - right_in_all;
        assert_eq!(led_on, told, "who is led on, and what was written");
        assert!(told <= 1 && (told == 1 || round % 2 == 1), "round {round}: {told}");
        let losers = answers.iter().filter(|answer| answer.status != 303);
        losers.for_each(|loser| assert_eq!(loser.status, 422, "{}", loser.text()));
        right_in_all += told;
        if told == 1 {
            types_code(&agents[0], "anna", &code).await.must_say("No code of this person is waiting");
        } else {
            // The caller was faster each time: the new code is right, once.
            let new = caller.open("/.portcullis/sign-in/").await.digits();
            types_code_in_time(&agents[0], &new).await.must_say("The code was right");
            assert_eq!(program.told_of("code.right"), right_in_all + 1);
            right_in_all += 1;
        }
    }
    assert_eq!(right_in_all, ROUNDS, "one right code a round");
    assert_eq!(program.told_of("device.released"), 0);
}

/// Chance gives two screens of one person the same digits and the same number: the gate does not. In the
/// test's own process, because chance is in its hand there.
#[tokio::test(flavor = "multi_thread")]
async fn two_screens_never_show_the_same_code() {
    let loaded = Arc::new(Loaded::default());
    let gate = Gate::with(|plan: &mut Plan| plan.entropy = Arc::clone(&loaded) as _).await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let tablet = gate.device("bank", "anna", "tablet").await;
    gate.person("bank", "berta", "Berta Beispiel", &[]).await;
    let hers = gate.device("bank", "berta", "laptop").await;

    // Each new code draws six digits, then a number.
    loaded.load(&[482_913, 7]);
    let first = gate.browser("bank", &laptop).open("/").await.digits();
    loaded.load(&[482_913, 482_913, 555_555, 7, 7, 8]);
    let second = gate.browser("bank", &tablet).open("/").await.digits();
    assert_eq!((first.as_str(), second.as_str()), ("482913", "555555"));
    assert_eq!(loaded.left(), 0, "the collision was drawn");
    let mut numbers: Vec<_> = gate.all::<Enrolment>().await.into_iter().map(|one| one.number).collect();
    numbers.sort();
    assert_eq!(numbers, ["00007", "00008"]);

    // Another person's screen may show the same: the desk names the person. What is typed for the wrong one is
    // a wrong try of that one.
    loaded.load(&[482_913, 9]);
    let berta = gate.browser("bank", &hers);
    assert_eq!(berta.open("/").await.digits(), "482913");
    types_code(&agent, "berta", "555555").await.must_say("That code is not right for this person");
    assert_eq!(gate.told(portcullis::audit::Event::CodeWrong).await, 1);
    let case = types_code(&agent, "anna", "555555").await;
    case.must_say("The code was right").must_say("tablet");
    let case = types_code(&agent, "anna", "482913").await;
    case.must_say("The code was right").must_say("laptop");
    assert!(!berta.open("/.portcullis/sign-in/").await.says("Which word"), "nobody typed Berta's");
    gate.must_verify().await;
}

/// Chance that gives what a test loaded first: four bytes at a time, as numbers are drawn.
#[derive(Default)]
struct Loaded(Mutex<VecDeque<u32>>);

impl Loaded {
    fn load(&self, numbers: &[u32]) {
        self.0.lock().unwrap().extend(numbers);
    }
    fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Entropy for Loaded {
    fn fill(&self, bytes: &mut [u8]) {
        match (bytes.len(), self.0.lock().unwrap()) {
            (4, mut loaded) if !loaded.is_empty() => {
                bytes.copy_from_slice(&loaded.pop_front().unwrap().to_be_bytes());
            }
            _ => SystemEntropy.fill(bytes),
        }
    }
}

/// A thief with the stolen .p12 has the victim read out the code on the thief's screen. What the design has
/// against it: the desk sees which screen it is and the victim's own number, ticks who was identified before it
/// can release, the victim's own page warns, and every address of the victim is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_relayed_code_meets_the_desks_own_questions() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let mut program = Program::instead_of(gate).await;
    let victim = program.browser("bank", &laptop);
    victim.open("/").await.digits();
    let thief = program.browser("bank", &laptop);
    let mut request = crate::support::browser::navigation("/");
    request
        .headers_mut()
        .insert("user-agent", "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0".parse().unwrap());
    assert_eq!(thief.send(request).await.status, 303);
    let again = || {
        let mut request = crate::support::browser::navigation("/.portcullis/sign-in/");
        let firefox = "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0".parse().unwrap();
        request.headers_mut().insert("user-agent", firefox);
        thief.send(request)
    };
    assert_eq!(again().await.status, 303, "the code is made");
    let page = Page::of("/.portcullis/sign-in/", again().await);

    victim.open("/.portcullis/sign-in/").await.must_say("Call +41 44 555 01 77");
    agent.open("/").await.must_say("another browser came too");
    let case = types_code(&agent, "anna", &page.digits()).await;
    for sentence in [
        "laptop",
        "Firefox on Windows",
        "127.0.0.1",
        "+41 79 555 01 23",
        "I rang the recorded number",
        "The same certificate came from another browser before this one.",
    ] {
        case.must_say(sentence);
    }
    let word = word_of(&case);
    let page = thief.open("/.portcullis/sign-in/").await;
    thief.submit(&page, "/word", &[("word", &word)]).await.must_say("That is the right word");
    let case = agent.open(&case.path_of_case()).await;
    for ticked in [
        &[][..],
        &[("check", "0")],
        &[("check", "0"), ("check", "1")],
        &[("check", "0"), ("check", "0"), ("check", "0")],
    ] {
        let page = agent.submit(&case, "/release", ticked).await;
        assert_eq!(page.status, 422, "{ticked:?}: {}", page.words());
        assert_eq!(program.told_of("device.released"), 0, "released with {ticked:?}");
    }
    releases(&agent, &case).await.must_say("the device is released");
    // What is let in is the thief's browser alone, and the victim hears of it.
    victim.open("/.portcullis/sign-in/").await.must_say("Call +41 44 555 01 77");
    assert_eq!(program.stop(), Some(0));
    let told = program.kept::<Notice>().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].to, ["anna@bank.example"]);
    assert!(
        matches!(&told[0].about, About::DeviceReleased { device, address } if device == "laptop" && address == "127.0.0.1")
    );
    assert_eq!(program.kept::<Device>().await.iter().filter(|one| one.name == "laptop").count(), 1);
}
