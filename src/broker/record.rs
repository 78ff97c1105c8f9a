//! Records calls in a thread of its own, so that no answer waits for the disk: the call log, what a profile used, alerts.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use chrono::Local;
use serde::Serialize;
use tokio::sync::oneshot;

use super::budget::{Amount, Ledger, Store};
use super::log::{self, Call};

/// How long the command of `--on-alert` may run.
const ALERT_TIME: Duration = Duration::from_secs(10);

/// An hour that costs so many times the usual one raises an alert.
const UNUSUAL: f64 = 5.0;

/// For so long calls are collected, to be written at once: a write for each would take longer than to forward it.
const COLLECT: Duration = Duration::from_millis(20);

/// So many entries are written at once.
const BATCH: usize = 1000;

/// What is to be recorded.
pub(crate) enum Entry {
    Call(Box<Call>),
    /// With `--require-log`, before the call: the answer is why it could not be written.
    Started(Box<Call>, oneshot::Sender<Result<(), String>>),
    End,
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Summary {
    pub(crate) calls: u64,
    pub(crate) refused: u64,
    pub(crate) used: Amount,
    pub(crate) alerts: Vec<String>,
}

/// What the recorder works with.
pub(crate) struct Setup {
    /// cck's state directory; without one nothing is stored.
    pub(crate) state: Option<PathBuf>,
    pub(crate) store: Option<Store>,
    pub(crate) durable: bool,
    pub(crate) on_alert: Option<String>,
    pub(crate) run: String,
    pub(crate) profile: Option<String>,
    pub(crate) project: String,
}

/// What `--on-alert` reads on standard input.
#[derive(Serialize)]
struct Alert<'a> {
    schema: u32,
    time: &'a str,
    alert: &'a str,
    message: &'a str,
    run: &'a str,
    profile: Option<&'a str>,
    project: &'a str,
}

struct Recorder {
    setup: Setup,
    ledger: Arc<Mutex<Ledger>>,
    summary: Summary,
    /// Alerts that are raised once in a run.
    raised: BTreeSet<String>,
    commands: Vec<(Child, Instant)>,
}

/// Starts the recorder; its thread ends with [`Entry::End`].
pub(crate) fn start(
    setup: Setup,
    ledger: Arc<Mutex<Ledger>>,
) -> std::io::Result<(Sender<Entry>, JoinHandle<Summary>)> {
    let (sender, entries) = channel();
    let recorder = Recorder {
        setup,
        ledger,
        summary: Summary::default(),
        raised: BTreeSet::new(),
        commands: Vec::new(),
    };
    let thread = thread::Builder::new().name("record".into()).spawn(|| recorder.run(entries))?;
    Ok((sender, thread))
}

impl Recorder {
    fn run(mut self, entries: Receiver<Entry>) -> Summary {
        let mut is_open = true;
        while is_open {
            let Ok(first) = entries.recv() else { break };
            let (mut calls, mut waiting) = (Vec::new(), Vec::new());
            let (deadline, mut next) = (Instant::now() + COLLECT, Some(first));
            while let Some(entry) = next {
                match entry {
                    Entry::Call(call) => calls.push(*call),
                    Entry::Started(call, answer) => {
                        calls.push(*call);
                        waiting.push(answer);
                    }
                    Entry::End => is_open = false,
                }
                // Nobody waits for the record of a call that is over.
                let is_urgent = !is_open || !waiting.is_empty() || calls.len() >= BATCH;
                let left = deadline.saturating_duration_since(Instant::now());
                next = if is_urgent { None } else { entries.recv_timeout(left).ok() };
            }
            let result = self.record(&mut calls);
            for answer in waiting {
                _ = answer.send(result.clone());
            }
            self.reap(false);
        }
        self.reap(true);
        self.summary
    }

    fn record(&mut self, calls: &mut [Call]) -> Result<(), String> {
        let alerts = self.count(calls);
        let Some(last) = calls.last_mut() else { return Ok(()) };
        last.alerts = alerts.iter().map(|(kind, _)| kind.clone()).collect();
        for (kind, message) in alerts {
            self.raise(&kind, message);
        }
        let Some(state) = &self.setup.state else { return Ok(()) };
        let result =
            log::append(state, calls, self.setup.durable).map_err(|error| format!("{error:#}"));
        if let Err(problem) = &result
            && self.raised.insert("log".to_owned())
        {
            self.raise("log", format!("the call log cannot be written: {problem}"));
        }
        result
    }

    /// Counts the calls, and returns the alerts that they raise: kinds and sentences.
    fn count(&mut self, calls: &[Call]) -> Vec<(String, String)> {
        let mut alerts = Vec::new();
        let (mut amount, mut models) = (Amount::default(), Vec::new());
        for call in calls {
            let model = call.model.clone().unwrap_or_default();
            match (call.decision, call.status) {
                ("started", _) => continue,
                ("refused", _) => {
                    self.summary.refused += 1;
                    let reason = call.reason.clone().unwrap_or_default();
                    if self.raised.insert(format!("refused {reason} {model}")) {
                        alerts
                            .push(("refused".to_owned(), format!("a call was refused: {reason}")));
                    }
                    continue;
                }
                (_, Some(status @ (401 | 403))) if self.raised.insert(status.to_string()) => {
                    alerts.push((
                        format!("upstream-{status}"),
                        format!("the API refuses the key (HTTP {status})"),
                    ));
                }
                _ => {}
            }
            self.summary.calls += 1;
            amount.add(Amount { usd: call.cost_usd, tokens: call.tokens() });
            if call.tokens() > 0 && !models.contains(&model) {
                models.push(model);
            }
        }
        let run = self.summary.used;
        self.summary.used.add(amount);
        let now = Local::now().naive_local();
        let Some(store) = self.setup.store.as_ref().filter(|_| amount != Amount::default()) else {
            return alerts;
        };
        let (before, after) = match store.add(amount, &models, now) {
            Ok(stored) => stored,
            Err(error) => {
                if self.raised.insert("spend".to_owned()) {
                    alerts.push((
                        "spend".to_owned(),
                        format!("what was used cannot be stored: {error:#}"),
                    ));
                }
                return alerts;
            }
        };
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        alerts.extend(ledger.passed((run, &before), (self.summary.used, &after), now));
        for model in after.models.difference(&before.models).filter(|_| !before.models.is_empty()) {
            alerts.push(("new-model".to_owned(), format!("{model} was never used before")));
        }
        let is_unusual = |spend: &super::budget::Spend| {
            spend.hour_and_median(now).is_some_and(|(hour, median)| hour > UNUSUAL * median)
        };
        if is_unusual(&after) && !is_unusual(&before) {
            alerts.push((
                "unusual-hour".to_owned(),
                format!("this hour costs more than {UNUSUAL} times the usual one"),
            ));
        }
        ledger.stored(amount, after);
        alerts
    }

    /// Keeps an alert for the end, and hands it to the command of `--on-alert`.
    fn raise(&mut self, kind: &str, message: String) {
        if let Some(command) = &self.setup.on_alert {
            let alert = Alert {
                schema: 1,
                time: &crate::records::audit::now(),
                alert: kind,
                message: &message,
                run: &self.setup.run,
                profile: self.setup.profile.as_deref(),
                project: &self.setup.project,
            };
            if let Ok(json) = serde_json::to_vec(&alert)
                && let Ok(child) = spawn(command, &json)
            {
                self.commands.push((child, Instant::now() + ALERT_TIME));
            }
        }
        self.summary.alerts.push(message);
    }

    /// Ends commands that ran past their time; at the end of the run all are waited for.
    fn reap(&mut self, wait: bool) {
        loop {
            self.commands.retain_mut(|(child, deadline)| {
                let is_over = Instant::now() > *deadline;
                if is_over {
                    kill(child);
                }
                !is_over && matches!(child.try_wait(), Ok(None))
            });
            if !wait || self.commands.is_empty() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Starts a command of the shell with this on its standard input.
fn spawn(command: &str, input: &[u8]) -> std::io::Result<Child> {
    let mut shell = if cfg!(windows) { Command::new("cmd") } else { Command::new("sh") };
    shell.args(if cfg!(windows) { ["/d", "/c", command] } else { ["-c", command, "sh"] });
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut shell, 0);
    let mut child =
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    // A pipe holds more than an alert, so that a command that reads nothing stops nothing.
    if let Some(mut stdin) = child.stdin.take() {
        _ = stdin.write_all(input);
    }
    Ok(child)
}

/// Ends a command with all that it started.
fn kill(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    _ = child.kill();
    _ = child.wait();
}
