//! A code's ten minutes, against clocks: to the second, over jumps of the wall clock, over a restart. The real
//! program under a clock in the test's hand.

use std::time::{Duration, Instant};

use crate::codes::{desk_form, types};
use crate::support::browser::Browser;
use crate::support::desk::*;
use crate::support::faketime::Faketime;
use crate::support::gate::{Gate, Handed, Plan};
use crate::support::page::Page;
use crate::support::program::Program;

/// A code on a screen, and the real moments between which it was made.
struct Shown {
    code: String,
    caller: Browser,
    since: [Instant; 2],
    /// How far the clock has been moved since, in milliseconds.
    moved_ms: i64,
}

impl Shown {
    async fn on(program: &Program, device: &Handed) -> Self {
        let caller = program.browser("bank", device);
        let begun = Instant::now();
        let code = caller.open("/").await.digits();
        Self { code, caller, since: [begun, Instant::now()], moved_ms: 0 }
    }

    /// Moves the clock so that the code is this old: no older where `at_most`, no younger where not.
    fn ages(&mut self, time: &Faketime, seconds: i64, at_most: bool) {
        let lived = self.since[usize::from(!at_most)].elapsed();
        let by =
            seconds * 1000 - i64::try_from(lived.as_millis()).unwrap() - self.moved_ms + i64::from(!at_most);
        self.jump(time, by);
    }

    fn jump(&mut self, time: &Faketime, by_ms: i64) {
        time.jump(by_ms);
        self.moved_ms += by_ms;
    }
}

/// Most of ten minutes, the desk's session kept alive.
async fn nine_minutes(time: &Faketime, shown: &mut Shown, agent: &Browser) {
    for _ in 0..3 {
        shown.jump(time, 180_000);
        signs_in(agent).await;
    }
}

/// Types the code, the form read before. Whether it was right.
async fn typed(agent: &Browser, form: Vec<(String, String)>, code: &str) -> bool {
    let pairs = [form, vec![("code".to_owned(), code.to_owned())]].concat();
    let page = Page::of("/codes/check", agent.send(agent.posting("/codes/check", &pairs)).await);
    if page.status != 303 {
        page.must_say("No code of this person is waiting");
    }
    page.status == 303
}

async fn gate_of(devices: usize) -> (Gate, Browser, Vec<Handed>) {
    // Two hours old when the program starts, so that its certificates are in force before now, too.
    let gate = Gate::with(|plan: &mut Plan| plan.ago = Duration::from_secs(7200)).await;
    let agent = sam(&gate).await;
    anna(&gate).await;
    let mut handed = Vec::new();
    for n in 0..devices {
        handed.push(gate.device("bank", "anna", &format!("tablet {n}")).await);
    }
    (gate, agent, handed)
}

/// A code is right at 9:59 and void at 10:00 and 10:01, and the screen shows another one then.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_lives_ten_minutes_to_the_second() {
    let (gate, agent, devices) = gate_of(12).await;
    let Some(time) = Faketime::within(gate.folder.path(), "A-06, expiry") else { return };
    let program = Program::started_so(gate, time.start()).await;
    signs_in(&agent).await;
    let mut devices = devices.iter();
    for (seconds, right) in AGES {
        let told = loop {
            let device = devices.next().expect("a machine that is not that busy");
            let mut shown = Shown::on(&program, device).await;
            nine_minutes(&time, &mut shown, &agent).await;
            if let Some(told) = told_at(&time, &mut shown, &agent, seconds, right).await {
                let page = shown.caller.open("/.portcullis/sign-in/").await;
                assert!(right || page.digits() != shown.code, "a void code is still shown");
                break told;
            }
        };
        assert_eq!(told, right, "at {seconds} s");
    }
    assert_eq!(program.told_of("code.wrong"), 0);
}

/// The same where the program was stopped and started meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn no_restart_gives_a_code_more_time() {
    for (seconds, right) in AGES {
        let mut told = None;
        for _ in 0..4 {
            let (gate, agent, devices) = gate_of(1).await;
            let Some(time) = Faketime::within(gate.folder.path(), "A-06, restart") else { return };
            let mut program = Program::started_so(gate, time.start()).await;
            signs_in(&agent).await;
            let mut shown = Shown::on(&program, &devices[0]).await;
            shown.jump(&time, 200_000);
            assert_eq!(program.stop(), Some(0));
            program.start();
            signs_in(&agent).await;
            shown.jump(&time, 200_000);
            signs_in(&agent).await;
            told = told_at(&time, &mut shown, &agent, seconds, right).await;
            if told.is_some() {
                break;
            }
        }
        assert_eq!(told.expect("a machine that is not that busy"), right, "at {seconds} s");
    }
}

/// Seconds after the code was made, and whether it is right then.
const AGES: [(i64, bool); 3] = [(599, true), (600, false), (601, false)];

/// Types the code at this age. `None` where the machine was so busy that the last second had passed before the
/// form arrived.
async fn told_at(
    time: &Faketime,
    shown: &mut Shown,
    agent: &Browser,
    seconds: i64,
    right: bool,
) -> Option<bool> {
    let form = desk_form(agent, "bank/anna").await;
    shown.ages(time, seconds, right);
    let begun = Instant::now();
    let told = typed(agent, form, &shown.code).await;
    (!right || told || begun.elapsed() < Duration::from_millis(900)).then_some(told)
}

/// The wall clock set back an hour gives a code no more time; set ahead it ends it, and being put right
/// brings nothing back.
#[tokio::test(flavor = "multi_thread")]
async fn no_jump_of_the_clock_brings_a_code_back() {
    let (gate, agent, devices) = gate_of(4).await;
    let Some(time) = Faketime::within(gate.folder.path(), "A-06, jumps") else { return };
    let program = Program::started_so(gate, time.start()).await;
    signs_in(&agent).await;

    // Back: the code goes on for what is left of its ten minutes. By the program's own clock, which the
    // sessions at the desk follow too, no time has passed.
    let mut shown = Shown::on(&program, &devices[0]).await;
    shown.jump(&time, -3_600_000);
    let page = shown.caller.open("/.portcullis/sign-in/").await;
    assert_eq!(page.digits(), shown.code);
    let left: u64 =
        page.html.split("data-countdown=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    assert!((1..=600).contains(&left), "{left} s are left after the jump");
    shown.jump(&time, 3_600_000);
    nine_minutes(&time, &mut shown, &agent).await;
    let form = desk_form(&agent, "bank/anna").await;
    shown.ages(&time, 601, false);
    assert!(!typed(&agent, form, &shown.code).await, "an hour back and forth gave it more time");

    // Ahead: void at once; put right again it stays void, and the screen shows a new one, which is right.
    let mut shown = Shown::on(&program, &devices[1]).await;
    shown.jump(&time, 3_600_000);
    let page = types_again(&agent, &shown.code).await;
    page.must_say("No code of this person is waiting");
    shown.jump(&time, -3_600_000);
    types_again(&agent, &shown.code).await.must_say("No code of this person is waiting");
    let new = shown.caller.open("/.portcullis/sign-in/").await.digits();
    assert_ne!(new, shown.code);
    types_again(&agent, &shown.code).await.must_say("That code is not right for this person");
    types_code(&agent, "anna", &new).await.must_say("The code was right");
}

async fn types_again(agent: &Browser, code: &str) -> Page {
    signs_in(agent).await;
    types(agent, "bank/anna", code).await
}

/// A machine that comes up with its clock an hour slow does not take an old code for a young one.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_a_slow_clock_revives_no_code() {
    let (gate, agent, devices) = gate_of(1).await;
    let Some(time) = Faketime::within(gate.folder.path(), "A-06, slow clock") else { return };
    let mut program = Program::started_so(gate, time.start()).await;
    signs_in(&agent).await;
    let mut shown = Shown::on(&program, &devices[0]).await;
    assert_eq!(program.stop(), Some(0));
    shown.jump(&time, -3_600_000);
    program.start();
    types_again(&agent, &shown.code).await.must_say("No code of this person is waiting");
    // Ten minutes of its life later, by any clock but the wall's.
    shown.jump(&time, 601_000);
    types_again(&agent, &shown.code).await.must_say("No code of this person is waiting");
    let new = shown.caller.open("/.portcullis/sign-in/").await.digits();
    types_again(&agent, &new).await;
    assert_eq!((program.told_of("code.right"), program.told_of("code.wrong")), (1, 0));
}
