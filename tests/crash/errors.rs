//! EIO and ENOSPC at the k-th write or fsync of the store (S-02): whoever asked is told by a page of ours, nothing
//! is acknowledged, the gate stops and says why, and a start on a sound disk finds all.

use crate::ground::Ground;
use crate::kill::{counted_life, is_whole, may_miss};
use crate::life::{self, COMMAND, Life};
use crate::support::wire::Heard;
use crate::tally::{self, How};
use crate::trace::{self, At};
use crate::{ENGINES, full};

/// S-02.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_at_the_kth_write() {
    if !trace::works() {
        tally::say("SKIPPED: strace cannot trace here: no error at the k-th write");
        return;
    }
    for engine in ENGINES {
        let mut ground = Ground::new(*engine).await;
        let calls = counted_life(&mut ground).await;
        let (mut told, mut borne, mut missed, mut tried) = ([0; 2], 0, 0, 0);
        for error in ["EIO", "ENOSPC"] {
            let points = trace::spread(&calls, if full() { usize::MAX } else { POINTS });
            let others = calls.iter().filter(|call| !points.contains(call)).cloned();
            for (n, call) in points.iter().cloned().chain(others).enumerate() {
                // Of sled's few calls the chosen may all fall into the start: then on, until somebody was told.
                if n >= points.len() && told[1] > 0 {
                    break;
                }
                tried += 1;
                ground.put_back().await;
                let at = format!("{error} at {call:?}");
                let life = if ground.starts(&At::Fail(error, call)).await {
                    Some(life::live(&ground).await)
                } else {
                    None
                };
                if life.as_ref().is_some_and(|life| life.cut_short.is_none()) {
                    let failed = std::fs::read_to_string(ground.calls()).unwrap().contains("(INJECTED)");
                    ground.end();
                    if failed {
                        // A write that nothing acknowledged rests on.
                        is_whole(&mut ground, life).await;
                        borne += 1;
                        tally::counted(How::Error);
                    } else {
                        // Lives differ by a call or two.
                        missed += 1;
                    }
                    continue;
                }
                let ended = ground.ends().await;
                let log = ground.program.log();
                if let Some(life) = &life {
                    told[usize::from(must_be_told(life, &at))] += 1;
                    // Whether the disk has it after all is known once it is read again.
                    let promised = life.heard.iter().find(|heard| heard.text.contains("Nothing was changed"));
                    assert!(promised.is_none(), "{at}: {promised:?}");
                }
                assert_eq!(ended.and_then(|status| status.code()), Some(1), "{at}: it stops: {log}");
                assert!(log.contains("the store failed"), "{at}: it says why: {log}");
                assert!(log.contains("start again"), "{at}: it says what to do: {log}");
                is_whole(&mut ground, life).await;
                tally::counted(How::Error);
            }
        }
        let [cut, words] = told;
        let name = engine.name;
        tally::say(&format!(
            "{name}: told in words {words} times, cut off {cut}, gone on all the same {borne}"
        ));
        assert!(missed <= may_miss(engine.name, tried), "{missed} of {tried} lives came to their end");
        assert!(words > 0, "nobody was told in words, {cut} were cut off");
    }
    tally::say_sum();
}

/// Who asked for what was not done was told so, by a page, a problem or a command of ours; or the connection ended
/// with the gate. Whether there were words.
pub(crate) fn must_be_told(life: &Life, at: &str) -> bool {
    let Some(why) = &life.cut_short else { panic!("{at}: the whole life was acknowledged") };
    match life.heard.last() {
        Some(last) if last.status.is_server_error() => {
            assert!(is_ours(last), "{at}: {last:?}");
            true
        }
        // What was said before was well; then the doors were closed.
        last => {
            assert!(is_cut(why), "{at}: {why}: {last:?}");
            false
        }
    }
}

fn is_ours(heard: &Heard) -> bool {
    match heard.content_type.as_str() {
        COMMAND => {
            ["next", "again", "whether the command was done"].iter().any(|words| heard.text.contains(words))
        }
        "application/problem+json" => heard.text.contains("\"status\""),
        kind => kind.starts_with("text/html") && heard.text.contains("</html>"),
    }
}

/// The words of a connection that ended.
fn is_cut(why: &str) -> bool {
    ["hyper::Error", "Os {", "Custom {", "an answer in time"].iter().any(|words| why.contains(words))
}

/// Of `./tests/run`, for each error: spread over all writes of a life.
const POINTS: usize = 8;
