//! The real client against `cck verify`: random states are laid on disk, the client is run in each, and `cck verify
//! --json --run-helper=project` is asked about the very same files. No answer is recorded. `docs/conformance.md` says how to run
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

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use compare::{Mode, Report};
use generate::Kind;
use support::client::Client;
use support::standin::Request;
use support::world::{State, World};
use support::{sandbox, scale, skip};

/// What the variables CCK_CONFORMANCE_… ask for.
struct Wanted {
    seed: u64,
    /// The first index and the one after the last.
    indices: Option<(u64, u64)>,
    count: Option<u64>,
    /// Those of each kind, if none is named.
    versions: Option<Vec<String>>,
    modes: Vec<Mode>,
    /// If none is named, the kinds take turns by index.
    kinds: Option<Vec<Kind>>,
    workers: u64,
}

impl Wanted {
    fn from_env() -> Wanted {
        let variable = |name: &str| std::env::var(format!("CCK_CONFORMANCE_{name}")).ok();
        let parse = |name: &str, text: &str| {
            text.parse::<u64>()
                .unwrap_or_else(|_| panic!("CCK_CONFORMANCE_{name}={text} is not a number"))
        };
        let number = |name: &str| variable(name).map(|text| parse(name, &text));
        let words = |text: &str| -> Vec<String> {
            text.split(',').map(|word| word.trim().to_owned()).collect()
        };
        let list = |name: &str, default: &str| words(variable(name).as_deref().unwrap_or(default));
        Wanted {
            seed: number("SEED").unwrap_or(20_261_124),
            indices: variable("INDEX").map(|text| {
                let (first, last) = text.split_once('-').unwrap_or((&text, &text));
                (parse("INDEX", first), parse("INDEX", last) + 1)
            }),
            count: number("COUNT"),
            versions: variable("VERSIONS").map(|text| words(&text)),
            kinds: variable("KIND")
                .map(|text| words(&text).iter().map(|name| Kind::named(name)).collect()),
            // One more than the cores of a small machine: the client waits much of the time.
            workers: number("WORKERS").unwrap_or(3),
            modes: list("MODES", "print,interactive")
                .iter()
                .map(|name| Mode::named(name))
                .collect(),
        }
    }

    /// The runs asked for: fewer where a run takes longer.
    fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        let kinds = self.kinds.as_deref().unwrap_or(&Kind::ALL);
        for (kind, turn) in kinds.iter().zip(0..) {
            let versions = self.versions.clone();
            let usual = kind.versions().iter().map(|version| (*version).to_owned());
            for version in versions.unwrap_or_else(|| usual.collect()) {
                for mode in &self.modes {
                    let count = match mode {
                        Mode::Print => 60,
                        Mode::Interactive => 30,
                    };
                    let (first, end) = self
                        .indices
                        .unwrap_or((0, self.count.unwrap_or(scale::part(count) as u64)));
                    let is_due = |index: &u64| {
                        self.kinds.is_some() || index % Kind::ALL.len() as u64 == turn
                    };
                    let job =
                        |index| Job { kind: *kind, version: version.clone(), mode: *mode, index };
                    jobs.extend((first..end).filter(is_due).map(job));
                }
            }
        }
        jobs
    }
}

/// One state in one client.
#[derive(Clone)]
pub struct Job {
    kind: Kind,
    version: String,
    mode: Mode,
    index: u64,
}

#[test]
fn the_client_sends_what_verify_says() {
    let wanted = Wanted::from_env();
    let mut jobs = wanted.jobs();
    let versions: BTreeSet<String> = jobs.iter().map(|job| job.version.clone()).collect();
    for version in versions {
        // Installed before the network is gone.
        let Err(why) = Client::new(&version) else { continue };
        skip::without(&format!("client {version} ({why})"));
        jobs.retain(|job| job.version != version);
    }
    if jobs.is_empty() || sandbox::entered("the_client_sends_what_verify_says") {
        return;
    }
    let start = Instant::now();
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..wanted.workers {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let report = compare::run(wanted.seed, job);
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

/// Not a test of cck: shows what the client does in the states of a file, for anyone who looks for a rule.
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
    let versions = wanted.versions.clone().unwrap_or_else(|| vec!["2.1.332".into()]);
    let clients: Vec<_> = versions
        .iter()
        .map(|version| {
            (version, Client::new(version).unwrap_or_else(|why| panic!("{version}: {why}")))
        })
        .collect();
    if sandbox::entered("what_the_client_does") {
        return;
    }
    let runs: Vec<_> = states
        .iter()
        .flat_map(|state| clients.iter().map(move |client| (state, client)))
        .flat_map(|run| wanted.modes.iter().map(move |mode| (run, *mode)))
        .collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..wanted.workers {
            scope.spawn(|| {
                while let Some((((name, state), (version, client)), mode)) =
                    runs.get(next.fetch_add(1, Ordering::SeqCst))
                {
                    let answer = compare::answer(state, version, *mode);
                    let to_another = answer.as_ref().is_ok_and(|answer| answer.to_another);
                    let sent = compare::watch(client, &World::lay(state), *mode, to_another);
                    let mut text = format!(
                        "{name}, {version}, {}: {}{} to {:?} x-api-key {:?} authorization {:?} dialogs {:?} {}",
                        mode.name(),
                        if sent.sent { "sent" } else { "NOT SENT" },
                        if sent.timed_out { " (the bound was reached)" } else { "" },
                        sent.to,
                        sent.x_api_key,
                        sent.authorization,
                        sent.dialogs,
                        if sent.sent { String::new() } else { compare::tail(&sent.output) },
                    );
                    text += &format!("\n    cck: {answer:?}");
                    for Request { listener, method, path, x_api_key, authorization, .. } in
                        sent.requests
                    {
                        text += &format!(
                            "\n    {listener} {method} {path} {x_api_key:?} {authorization:?}"
                        );
                    }
                    eprintln!("{text}");
                }
            });
        }
    });
}

fn summarise(wanted: &Wanted, reports: &[Report], start: Instant) {
    let mut wrong = 0;
    let groups: BTreeSet<String> = reports.iter().map(Report::group).collect();
    for group in groups {
        let of: Vec<_> = reports.iter().filter(|report| report.group() == group).collect();
        let bad = of.iter().filter(|report| report.disagreement.is_some()).count();
        let skipped = of.iter().filter(|report| report.skipped).count();
        let again = of.iter().filter(|report| report.ran_twice).count();
        eprintln!(
            "{group}: {} of {} states agree (seed {}, {skipped} skipped, {again} run twice)",
            of.len() - bad - skipped,
            of.len() - skipped,
            wanted.seed,
        );
        wrong += bad;
    }
    eprintln!("{} states in {:.0} s", reports.len(), start.elapsed().as_secs_f64());
    assert_eq!(wrong, 0, "{wrong} states where cck verify and the client disagree: see above");
}
