//! The power goes at any moment of a recorded life (S-05): of what was not synced the disk keeps all, nothing, some
//! pages, torn ones. The store opens whole, and holds what had been acknowledged by then.

use std::path::Path;

use portcullis::audit;
use portcullis::domain::Time;
use portcullis::world::World;

use crate::disk::{Disk, Keeps};
use crate::facts::{self, Facts};
use crate::ground::Ground;
use crate::recording::{self, Event};
use crate::state::State;
use crate::tally::{self, How};
use crate::{ENGINES, Engine, full, life, trace};

/// S-05.
#[tokio::test(flavor = "multi_thread")]
async fn the_power_goes_at_any_moment_of_a_life() {
    if !trace::works() {
        tally::say("SKIPPED: strace cannot trace here: no power cut");
        return;
    }
    for engine in ENGINES {
        let mut ground = Ground::new(*engine).await;
        ground.put_back().await;
        let disk = Disk::of(&ground.data(), engine.owns);
        let record = tempfile::tempdir().unwrap();
        let prefix = record.path().join("calls");
        assert!(ground.starts_under(recording::line(&prefix)).await.is_some(), "{}", ground.program.log());
        let life = life::live(&ground).await;
        assert_eq!(life.cut_short, None, "{}", ground.program.log());
        ground.end();
        let events = recording::read(&prefix, &ground.data(), engine.owns);
        assert!(events.len() > 100, "{} calls", events.len());
        let cut =
            Cut { engine, disk, events, facts: life.facts, before: &ground.before, stood_at: &ground.data() };
        cut.can_fail().await;
        let points = if full() { 1000 } else { 60 };
        tally::say(&format!("{}: {points} power cuts among {} calls", engine.name, cut.events.len()));
        for point in 0..points {
            let keeps = [Keeps::Nothing, Keeps::Torn, Keeps::Some, Keeps::All][point % 4];
            cut.at(point * cut.events.len() / (points - 1), keeps).await;
            tally::counted(How::Power);
        }
    }
    tally::say_sum();
}

/// What was recorded of a life.
struct Cut<'a> {
    engine: &'a Engine,
    /// As it was before the life.
    disk: Disk,
    events: Vec<Event>,
    facts: Facts,
    before: &'a State,
    stood_at: &'a Path,
}

impl Cut<'_> {
    /// The power goes before the call with this number.
    async fn at(&self, call: usize, keeps: Keeps) {
        let _says = Says(format!(
            "the power went before call {call} of {}; the disk kept {keeps:?}",
            self.events.len()
        ));
        let mut disk = self.disk.clone();
        for event in &self.events[..call] {
            disk.does(&event.what);
        }
        let facts = match self.events.get(call) {
            Some(event) => self.facts.until(Time(event.micros.div_euclid(1000))),
            None => self.facts.all(),
        };
        facts::must_hold(&facts, &self.found(&disk, keeps).await, self.before);
    }

    async fn found(&self, disk: &Disk, keeps: Keeps) -> State {
        let folder = tempfile::tempdir().unwrap();
        disk.found(keeps, &World::real(), self.stood_at, folder.path());
        let store = (self.engine.open)(folder.path()).unwrap_or_else(|error| panic!("{error}"));
        State::read(&*store).await
    }

    /// This test can fail: a disk that never heard of a sync has lost it all, and that is seen.
    async fn can_fail(&self) {
        let mut disk = self.disk.clone();
        for event in self.events.iter().filter(|event| !event.is_sync()) {
            disk.does(&event.what);
        }
        let lost = facts::missing(&self.facts.all(), &self.found(&disk, Keeps::Nothing).await);
        assert!(lost.len() > 5, "a disk without syncs has lost {lost:?}");
    }
}

/// Says where a test stood when it failed.
struct Says(String);

impl Drop for Says {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tally::say(&self.0);
        }
    }
}

/// S-05. The store is there whole or not at all while `init` makes it, and whole once `init` has said so.
#[tokio::test(flavor = "multi_thread")]
async fn the_power_goes_while_the_store_is_made() {
    if !trace::works() {
        tally::say("SKIPPED: strace cannot trace here: no power cut while the store is made");
        return;
    }
    for engine in ENGINES {
        let made = tempfile::tempdir().unwrap();
        let (record, data) = (tempfile::tempdir().unwrap(), made.path().join("gate/data"));
        let prefix = record.path().join("calls");
        crate::command::init(engine, &recording::line(&prefix), &made.path().join("gate"));
        let events = recording::read(&prefix, &data, engine.owns);
        let (mut whole, mut none) = (0, 0);
        for call in 0..=events.len() {
            for keeps in [Keeps::Nothing, Keeps::Some, Keeps::Torn, Keeps::All] {
                let _says =
                    Says(format!("the power went before call {call} of init; the disk kept {keeps:?}"));
                let mut disk = Disk::default();
                events[..call].iter().for_each(|event| disk.does(&event.what));
                let folder = tempfile::tempdir().unwrap();
                disk.found(keeps, &World::real(), &data, folder.path());
                if (engine.files)(folder.path()).iter().all(|file| file.exists()) {
                    let store = (engine.open)(folder.path()).unwrap_or_else(|error| panic!("{error}"));
                    let report = audit::verify(&*store).await.unwrap();
                    assert!(report.first_bad.is_none(), "{report:?}");
                    assert!(report.entries > 0 || call < events.len(), "what init did is lost");
                    whole += 1;
                } else {
                    assert!(call < events.len(), "init has said that all is made");
                    none += 1;
                }
                tally::counted(How::Power);
            }
        }
        assert!(whole > 4 && none > 4, "{whole} whole, {none} not there");
    }
    tally::say_sum();
}
