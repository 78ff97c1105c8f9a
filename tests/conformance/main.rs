//! The real client against `cck verify`: random states are laid on disk, the client is run in each, and `cck verify
//! --json --run-helper` is asked about the very same files. No answer is recorded. `docs/conformance.md` says how to run
//! more states, other seeds and other versions.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test lays files, reads its own settings and reports to the terminal"
)]

#[path = "../support/mod.rs"]
mod support;

mod compare;
mod generate;
mod rng;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use compare::{Mode, Report};
use support::client::Client;
use support::world::{State, World};
use support::{sandbox, scale, skip};

/// What the variables CCK_CONFORMANCE_… ask for.
struct Wanted {
    seed: u64,
    index: Option<u64>,
    count: Option<u64>,
    versions: Vec<String>,
    modes: Vec<Mode>,
}

impl Wanted {
    fn from_env() -> Wanted {
        let variable = |name: &str| std::env::var(format!("CCK_CONFORMANCE_{name}")).ok();
        let number = |name: &str| {
            variable(name).map(|text| {
                text.parse()
                    .unwrap_or_else(|_| panic!("CCK_CONFORMANCE_{name}={text} is no number"))
            })
        };
        let list = |name: &str, default: &str| -> Vec<String> {
            let text = variable(name).unwrap_or_else(|| default.to_owned());
            text.split(',').map(|word| word.trim().to_owned()).collect()
        };
        Wanted {
            seed: number("SEED").unwrap_or(20_261_124),
            index: number("INDEX"),
            count: number("COUNT"),
            versions: list("VERSIONS", "2.0.77,2.1.332"),
            modes: list("MODES", "print,interactive")
                .iter()
                .map(|name| Mode::named(name))
                .collect(),
        }
    }

    /// The indices of the states to run: fewer where a run takes longer, and those of `COUNT`, or a share.
    fn indices(&self, mode: Mode) -> Vec<u64> {
        let all = match mode {
            Mode::Print => 60,
            Mode::Interactive => 20,
        };
        let usual = scale::part(all) as u64;
        match self.index {
            Some(index) => vec![index],
            None => (0..self.count.unwrap_or(usual)).collect(),
        }
    }
}

#[test]
fn the_client_sends_what_verify_says() {
    let wanted = Wanted::from_env();
    let mut jobs = Vec::new();
    for version in &wanted.versions {
        match Client::new(version) {
            Ok(client) => {
                for mode in &wanted.modes {
                    jobs.extend(
                        wanted.indices(*mode).into_iter().map(|index| (version, *mode, index)),
                    );
                }
                drop(client);
            }
            Err(why) => skip::without(&format!("client {version} ({why})")),
        }
    }
    if jobs.is_empty() || sandbox::entered("the_client_sends_what_verify_says") {
        return;
    }
    let start = Instant::now();
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        // One more than the cores of a small machine: the client waits much of the time.
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some((version, mode, index)) =
                    jobs.get(next.fetch_add(1, Ordering::SeqCst))
                {
                    let report = compare::run(wanted.seed, *index, version, *mode);
                    if let Some(text) = &report.disagreement {
                        eprintln!("{text}");
                    }
                    reports.lock().expect("no worker panics with it").push(report);
                }
            });
        }
    });
    let reports = reports.into_inner().expect("no worker panics with it");
    summarise(&wanted, &reports, start);
}

/// Not a test of cck: shows what the client does in the states of a file, for whoever looks for a rule.
#[test]
#[ignore = "a tool: docs/conformance.md says how to use it"]
fn what_the_client_does() {
    let file =
        std::env::var("CCK_CONFORMANCE_STATES").expect("CCK_CONFORMANCE_STATES names a file");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let states: std::collections::BTreeMap<String, State> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    let wanted = Wanted::from_env();
    // Installed before the network is gone.
    let clients: Vec<_> = wanted
        .versions
        .iter()
        .map(|version| {
            (version, Client::new(version).unwrap_or_else(|why| panic!("{version}: {why}")))
        })
        .collect();
    if sandbox::entered("what_the_client_does") {
        return;
    }
    for (name, state) in &states {
        for (version, client) in &clients {
            for mode in &wanted.modes {
                let sent = mode.run(client, &World::lay(state));
                eprintln!(
                    "{name}, {version}, {}: {} to {:?} x-api-key {:?} authorization {:?} dialogs {:?} {}",
                    mode.name(),
                    if sent.sent { "sent" } else { "NOT SENT" },
                    sent.to,
                    sent.x_api_key,
                    sent.authorization,
                    sent.dialogs,
                    if sent.sent { String::new() } else { compare::tail(&sent.output) },
                );
            }
        }
    }
}

fn summarise(wanted: &Wanted, reports: &[Report], start: Instant) {
    let mut wrong = 0;
    for version in &wanted.versions {
        for mode in &wanted.modes {
            let of = |report: &&Report| report.version == *version && report.mode == *mode;
            let all = reports.iter().filter(of).count();
            let bad =
                reports.iter().filter(of).filter(|report| report.disagreement.is_some()).count();
            let skipped = reports.iter().filter(of).filter(|report| report.skipped).count();
            let again = reports.iter().filter(of).filter(|report| report.ran_twice).count();
            eprintln!(
                "{version} {}: {} of {} states agree (seed {}, {skipped} skipped, {again} run twice)",
                mode.name(),
                all - bad - skipped,
                all - skipped,
                wanted.seed,
            );
            wrong += bad;
        }
    }
    eprintln!("{} states in {:.0} s", reports.len(), start.elapsed().as_secs_f64());
    assert_eq!(wrong, 0, "{wrong} states where cck verify and the client disagree: see above");
}
