//! Many writers, some of whom do not know the lock.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::support::scale;
use super::{Home, key, text};

/// Each run adds a key of its own to one list, so that an update that is lost is missed. A reader that looks all the
/// time must only ever see whole files.
#[test]
fn no_update_of_many_is_lost_and_no_half_is_seen() {
    const PROCESSES: usize = 32;
    let rounds = scale::part(100);
    let home = Home::in_memory();
    home.lay("{\n  \"numStartups\": 3\n}\n");
    let done = AtomicBool::new(false);
    let seen = AtomicUsize::new(0);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let content = fs::read(home.config()).unwrap();
                let value: Value = serde_json::from_slice(&content).expect("a torn file");
                assert_eq!(value["numStartups"], 3);
                seen.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_micros(200));
            }
        });
        let writers: Vec<_> = (0..PROCESSES)
            .map(|process| {
                let home = &home;
                scope.spawn(move || {
                    for round in 0..rounds {
                        let key = key(process * rounds + round);
                        let run =
                            home.cck(&["approve", "--lock-timeout", "60"], &key).output().unwrap();
                        assert!(run.status.success(), "{}", text(&run.stderr));
                    }
                })
            })
            .collect();
        let failed = writers.into_iter().filter_map(|writer| writer.join().err()).count();
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
        assert_eq!(failed, 0);
    });
    let config: Value = serde_json::from_slice(&fs::read(home.config()).unwrap()).unwrap();
    let mut approved: Vec<&str> = config["customApiKeyResponses"]["approved"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    approved.sort_unstable();
    approved.dedup();
    println!(
        "{} updates by {PROCESSES} processes at a time, {} reads",
        PROCESSES * rounds,
        seen.into_inner()
    );
    assert_eq!(approved.len(), PROCESSES * rounds);
    assert_eq!(home.names(), [".claude.json"]);
}

/// A writer as old clients are: reads, changes its own members, truncates, writes, and knows no lock.
#[test]
fn a_writer_without_the_lock_loses_nothing_and_wins_nothing() {
    const RUNS: usize = 60;
    let home = Home::new();
    home.lay("{\n  \"count\": 0,\n  \"history\": []\n}\n");
    let done = AtomicBool::new(false);
    let mut missing = 0;
    let written = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut count = 0u64;
            let mut lost = 0u64;
            while !done.load(Ordering::Relaxed) {
                let content = fs::read(home.config()).unwrap();
                let mut config: Value =
                    serde_json::from_slice(&content).expect("cck leaves whole files");
                lost += count - config["count"].as_u64().unwrap();
                count += 1;
                config["count"] = count.into();
                fs::write(home.config(), serde_json::to_string_pretty(&config).unwrap()).unwrap();
                thread::sleep(Duration::from_millis(count % 23));
            }
            (count, lost)
        });
        for run in 0..RUNS {
            let ran = home.cck(&["approve"], &key(run)).output().unwrap();
            assert!(ran.status.success(), "{}", text(&ran.stderr));
        }
        done.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    let config: Value = serde_json::from_slice(&fs::read(home.config()).unwrap()).unwrap();
    let approved = config["customApiKeyResponses"]["approved"].as_array().unwrap();
    for run in 0..RUNS {
        missing +=
            usize::from(!approved.iter().any(|tail| *tail == key(run)[key(run).len() - 20..]));
    }
    println!(
        "{RUNS} updates, {missing} missing; {} writes by the other, {} lost",
        written.0, written.1
    );
    assert_eq!((missing, written.1), (0, 0));
}
