//! The bytes of each record are a promise to every store in the field. Where this test fails, the
//! layout has changed: raise the record's VERSION, read the old bytes too, and keep the old line.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;

use portcullis::domain::route::Route;
use portcullis::store::table;

use super::samples;

#[test]
fn each_record_is_written_as_before_and_read_as_written() {
    let mut wrong = Vec::new();
    let golden: Vec<Vec<&str>> = GOLDEN.lines().map(|line| line.split(' ').collect()).collect();
    for sample in samples::all() {
        let line = [sample.name, &HEXLOWER.encode(&sample.key), &HEXLOWER.encode(&sample.bytes)].join(" ");
        let committed = golden.iter().find(|golden| golden[0] == sample.name);
        let reads = committed
            .is_some_and(|golden| (sample.reads_as_it)(&HEXLOWER.decode(golden[2].as_bytes()).unwrap()));
        if committed.map(|golden| golden.join(" ")).as_deref() != Some(&line) || !reads {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "not as committed in golden.txt:\n{}", wrong.join("\n"));
    assert_eq!(golden.len(), samples::all().len(), "a line for each record");
}

#[test]
fn a_route_of_one_backend_is_read_as_one_of_several() {
    let key = table::route(&samples::bank(), "portal");
    let bytes = HEXLOWER.decode(ROUTE_BEFORE.as_bytes()).unwrap();
    let read: Route = table::decode(&key, &bytes).unwrap();
    assert_eq!(read, samples::route_before());
}

#[test]
fn each_record_has_a_table_of_its_own() {
    let tables: BTreeSet<u8> = samples::all().iter().map(|sample| sample.key[0]).collect();
    assert_eq!(tables.len(), samples::all().len());
}

#[test]
fn another_version_is_not_read() {
    for sample in samples::all() {
        let mut bytes = sample.bytes.clone();
        bytes[0] += 1;
        assert!(!(sample.reads_as_it)(&bytes), "{}", sample.name);
        assert!(!(sample.reads_as_it)(&[]), "{}", sample.name);
    }
}

/// A route as releases up to 0.1 wrote it.
const ROUTE_BEFORE: &str = "01a86674656e616e746462616e6b646e616d6566706f7274616c6b706174685f707265666978612f676261636b656e6475687474703a2f2f3132372e302e302e313a393030306b636c69656e745f63657274f56e736572766963655f776f726b6572f47166697273745f627974655f6d735f6d617819753067636f6e6669726df5";

const GOLDEN: &str = include_str!("golden.txt");
