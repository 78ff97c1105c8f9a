//! The real client as the other writer.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::support::client::Client;
use super::support::world::{State, World};
use super::support::{sandbox, scale};
use super::{key, text};

const VERSION: &str = "2.1.330";

/// How many seconds rounds are begun, in a whole run.
const SECONDS: u32 = 20;

/// What a reader has seen, in which nothing may go back.
#[derive(Default)]
struct Seen {
    reads: usize,
    /// How often something else than the key had changed: the client's writes.
    writes: usize,
    key: usize,
    others: Map<String, Value>,
}

impl Seen {
    fn take(&mut self, content: &[u8]) {
        let mut config: Map<String, Value> = serde_json::from_slice(content).expect("a torn file");
        let set = config.remove("primaryApiKey").expect("the key is gone");
        let set = set.as_str().expect("the key is a text");
        let number: usize = set[set.len() - 20..].parse().expect("the key is one of ours");
        assert!(
            number >= self.key && set == key(number),
            "key {number} is back after {}",
            self.key
        );
        assert_eq!(config["theirs"], json!({ "of": ["another", "tool"] }));
        for (name, value) in &self.others {
            let now = config.get(name);
            assert!(now.is_some(), "{name} is gone");
            // What the client was told to add stays.
            let servers = value.as_object().filter(|_| name == "mcpServers");
            for server in servers.into_iter().flat_map(Map::keys) {
                assert!(now.is_some_and(|now| now.get(server).is_some()), "{server} is gone");
            }
        }
        self.reads += 1;
        self.writes += usize::from(self.reads > 1 && config != self.others);
        (self.key, self.others) = (number, config);
    }
}

/// `cck set-key` with one key after the other, while the client runs in print mode and writes what it writes at its first
/// start, and another one adds a server to the same config. A reader who looks all the time sees whole files, and never
/// an older key or less of the client's members than before.
#[test]
fn set_key_among_runs_of_the_real_client_loses_nothing_of_either() {
    if sandbox::entered_with(
        VERSION,
        "client::set_key_among_runs_of_the_real_client_loses_nothing_of_either",
    ) {
        return;
    }
    let client = Client::new(VERSION).expect("it was installed");
    let start = Instant::now();
    let (mut rounds, mut keys, mut reads, mut writes) = (0, 0, 0, 0);
    let time = Duration::from_secs(scale::part(SECONDS) as u64);
    while start.elapsed() < time {
        let (last, seen) = round(&client);
        (rounds, keys, reads, writes) =
            (rounds + 1, keys + last, reads + seen.reads, writes + seen.writes);
    }
    println!(
        "{rounds} rounds in {:?}: {keys} keys set among {writes} writes of the client; {reads} reads",
        start.elapsed()
    );
    // Else nothing was tried.
    assert!(keys > 5 * rounds && writes > rounds);
}

/// A fresh config, two clients at once, and `set-key` until both have ended; how many keys that was, and what was seen.
fn round(client: &Client) -> (usize, Seen) {
    let config = json!({
        "numStartups": 3, "theirs": { "of": ["another", "tool"] }, "primaryApiKey": key(0),
        "hasCompletedOnboarding": true, "lastOnboardingVersion": VERSION,
    });
    let mut state = State::default();
    state.home.insert(".claude.json".into(), config);
    let world = World::lay(&state);
    let path = world.home().join(".claude.json");
    let done = AtomicBool::new(false);
    let (last, mut seen) = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = Seen::default();
            while !done.load(Ordering::Relaxed) {
                seen.take(&fs::read(&path).expect("the file is gone"));
                thread::sleep(Duration::from_micros(200));
            }
            seen
        });
        let print = scope.spawn(|| client.print(&world));
        let add = scope
            .spawn(|| client.command(&world, &["mcp", "add", "-s", "user", "added", "--", "true"]));
        let mut number = 0;
        while !(print.is_finished() && add.is_finished()) {
            number += 1;
            let run = Command::new(env!("CARGO_BIN_EXE_cck"))
                .args(["set-key", "--key-env"])
                .env_clear()
                .env("HOME", world.home())
                .env("ANTHROPIC_API_KEY", key(number))
                .output()
                .unwrap();
            assert!(run.status.success(), "{}", text(&run.stderr));
            thread::sleep(Duration::from_millis(10));
        }
        done.store(true, Ordering::Relaxed);
        let seen = reader.join().unwrap();
        let (added, said) = add.join().unwrap();
        assert!(added, "{said}");
        let sent = print.join().unwrap();
        assert!(sent.sent && !sent.timed_out, "{}", sent.output);
        (number, seen)
    });
    seen.key = last;
    seen.take(&fs::read(&path).unwrap());
    let members: BTreeSet<&str> = seen.others.keys().map(String::as_str).collect();
    for member in ["userID", "firstStartTime", "mcpServers"] {
        assert!(members.contains(member), "{member} was not written, or lost: {members:?}");
    }
    assert!(seen.others["mcpServers"]["added"].is_object());
    assert!(!world.home().join(".claude.json.lock").exists());
    (last, seen)
}
