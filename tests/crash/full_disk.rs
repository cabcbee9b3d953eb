//! The data folder on a disk that fills up (S-03): the gate goes on reading, lets in whom it knows, refuses in words
//! of ours what must be written, and goes on by itself once there is room.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::errors::must_be_told;
use crate::ground::{Ground, copy};
use crate::kill::is_whole;
use crate::tally::{self, How};
use crate::{ENGINES, facts, life};

/// S-03.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_read_and_not_written() {
    for engine in ENGINES {
        let mut ground = Ground::new(*engine).await;
        ground.put_back().await;
        let Some(disk) = SmallDisk::under(&ground.data()) else {
            tally::say("SKIPPED: no tmpfs can be mounted here: the full disk was not tried");
            return;
        };
        assert!(ground.starts_under(vec![]).await.is_some(), "{}", ground.program.log());

        disk.fill();
        ground.agent.open("/").await.must_say("Codes");
        let verified = ground.program.json(&["audit", "verify"]);
        assert_eq!(verified["whole"], true, "{verified}");
        let refused = ground.program.cli(&["person", "lock", "bank/anna", "--why", "asked to", "--yes"]);
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && words.contains("is full"), "{refused:?}");
        let life = life::live(&ground).await;
        must_be_told(&life, "full disk");
        assert!(life.facts.all().is_empty(), "{:?}", life.facts.all());
        ground.agent.open("/").await.must_say("Codes");
        assert!(ground.program.ended().is_none(), "{}", ground.program.log());
        tally::counted(How::Error);

        // Killed and started while the disk is full, it reads all the same, or says what to do.
        ground.end();
        let reads = ground.starts_under(vec![]).await.is_some();
        if reads {
            ground.agent.open("/").await.must_say("Codes");
        } else {
            let log = ground.program.log();
            assert!(log.contains("has room and works, then start again"), "{log}");
        }
        let name = engine.name;
        tally::say(&format!(
            "{name}: on a full disk it {}",
            if reads { "starts and reads" } else { "does not start" }
        ));
        tally::counted(How::Error);

        // Room is made: nobody starts anew what runs.
        disk.free();
        if !reads {
            ground.end();
            assert!(ground.starts_under(vec![]).await.is_some(), "{}", ground.program.log());
        }
        let life = life::live(&ground).await;
        assert_eq!(life.cut_short, None, "{}", ground.program.log());
        ground.end();
        facts::must_hold(&life.facts.all(), &ground.state().await, &ground.before);
        is_whole(&mut ground, Some(life)).await;
        tally::counted(How::Error);
    }
    tally::say_sum();
}

/// A tmpfs in place of a folder, with what the folder held.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where mounting is not permitted.
    fn under(folder: &Path) -> Option<Self> {
        let aside = tempfile::tempdir().unwrap();
        copy(folder, aside.path());
        let size = format!("size={BYTES},mode=0700");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).output();
        if !mount.is_ok_and(|output| output.status.success()) {
            return None;
        }
        copy(aside.path(), folder);
        Some(Self(folder.to_owned()))
    }

    /// Somebody else's file takes all the room there is.
    fn fill(&self) {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.filler()).unwrap();
        let error = loop {
            if let Err(error) = file.write_all(&[7; 4096]) {
                break error;
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }

    fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// Room for the store and for what a life needs.
const BYTES: u64 = 64 << 20;
