//! Records calls in a thread of its own, so that no answer waits for the disk: the call log, what a profile used, alerts.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use chrono::Local;
use serde_json::json;
use tokio::sync::oneshot;

use super::Setup;
use super::budget::{Alert, Amount, Spend};
use super::log::{self, Call};
use crate::key::command::{Change, change_env, shell, stop};

/// How long the command of `--on-alert` may run.
const ALERT_TIME: Duration = Duration::from_secs(10);

/// An hour that costs so many times the usual one raises an alert.
const UNUSUAL: f64 = 5.0;

/// For so long calls are collected, to be written at once.
const COLLECT: Duration = Duration::from_millis(100);

/// So many entries are written at once.
const BATCH: usize = 1000;

/// A call to be recorded. With `--require-log`, also before it is made; the sender then takes whether it could be written.
pub(crate) type Entry = (Call, Option<oneshot::Sender<Result<(), String>>>);

#[derive(Default)]
pub(crate) struct Summary {
    pub(crate) calls: u64,
    pub(crate) refused: u64,
    pub(crate) used: Amount,
    pub(crate) alerts: Vec<String>,
    /// What is left of each budget.
    pub(crate) left: Vec<String>,
}

struct Recorder {
    setup: Arc<Setup>,
    summary: Summary,
    /// What raises an alert once in a run, and has.
    raised: BTreeSet<String>,
    /// Of the calls that are being recorded.
    alerts: Vec<Alert>,
    /// Of `--on-alert`, each in a thread.
    commands: Vec<JoinHandle<()>>,
}

/// Starts the recorder; its thread ends when the last sender is dropped.
pub(crate) fn start(setup: Arc<Setup>) -> io::Result<(Sender<Entry>, JoinHandle<Summary>)> {
    let (sender, entries) = channel();
    let (summary, raised, alerts, commands) = Default::default();
    let recorder = Recorder { setup, summary, raised, alerts, commands };
    let thread =
        thread::Builder::new().name("record".into()).spawn(move || recorder.run(&entries))?;
    Ok((sender, thread))
}

impl Recorder {
    fn run(mut self, entries: &Receiver<Entry>) -> Summary {
        let mut is_behind = false;
        while let Ok(first) = entries.recv() {
            if !self.setup.require_log && !is_behind {
                // Nobody waits for it. To be woken by each call would cost the calls more than their own way.
                thread::park_timeout(COLLECT);
            }
            let (mut calls, mut waiting) = (Vec::new(), Vec::new());
            for (call, answer) in [first].into_iter().chain(entries.try_iter()).take(BATCH) {
                calls.push(call);
                waiting.extend(answer);
            }
            is_behind = calls.len() == BATCH;
            let result = self.record(&mut calls);
            for answer in waiting {
                _ = answer.send(result.clone());
            }
        }
        for command in self.commands {
            _ = command.join();
        }
        let mut budgets = self.setup.budgets();
        self.summary.used = budgets.run;
        let left = budgets.left(Local::now().naive_local());
        self.summary.left = left.into_iter().map(|(_, sentence)| sentence).collect();
        self.summary
    }

    fn record(&mut self, calls: &mut [Call]) -> Result<(), String> {
        self.count(calls);
        if let Some(last) = calls.last_mut() {
            last.alerts = self.alerts.iter().map(|(kind, _)| kind.clone()).collect();
        }
        let result = match &self.setup.state {
            Some(state) => log::append(state, &self.setup.run, calls, self.setup.require_log),
            None => Ok(()),
        };
        let result = result.map_err(|error| format!("{error:#}"));
        if let Err(problem) = &result {
            self.alert_once("log", "", format!("the call log cannot be written: {problem}"));
        }
        for alert in std::mem::take(&mut self.alerts) {
            self.raise(alert);
        }
        result
    }

    /// Raises an alert, unless this was raised before.
    fn alert_once(&mut self, kind: &str, what: &str, message: String) {
        if self.raised.insert(format!("{kind} {what}")) {
            self.alerts.push((kind.to_owned(), message));
        }
    }

    /// Counts the calls, with the alerts that they raise.
    fn count(&mut self, calls: &[Call]) {
        let (mut amount, mut models) = (Amount::default(), Vec::<String>::new());
        for call in calls.iter().filter(|call| call.decision != "started") {
            let model = call.model.as_deref().unwrap_or_default();
            if call.decision == "refused" {
                self.summary.refused += 1;
                let reason = call.reason.as_deref().unwrap_or_default();
                let message = format!("a call was refused: {reason}");
                self.alert_once("refused", &format!("{reason} {model}"), message);
                continue;
            }
            if let Some(status @ (401 | 403)) = call.status {
                let message = format!("the API refuses the key (HTTP {status})");
                self.alert_once(&format!("upstream-{status}"), "", message);
            }
            self.summary.calls += 1;
            amount.add(call.amount());
            if call.usage.tokens() > 0 && !models.iter().any(|known| known == model) {
                models.push(model.to_owned());
            }
        }
        if amount != Amount::default()
            && let Err(error) = self.store(amount, &models)
        {
            self.alert_once("spend", "", format!("what was used cannot be stored: {error:#}"));
        }
    }

    /// Stores what was used, with the alerts that this raises.
    fn store(&mut self, amount: Amount, models: &[String]) -> anyhow::Result<()> {
        let now = Local::now().naive_local();
        let file = self.setup.budgets().file.clone();
        let (before, after) = match file {
            // Not under the lock, for which calls would wait.
            Some(file) => Spend::add(&file, amount, models, now)?,
            None => {
                let before = self.setup.budgets().stored.clone();
                let after = before.plus(amount, models, now);
                (before, after)
            }
        };
        for model in after.models.difference(&before.models).filter(|_| !before.models.is_empty()) {
            let message = format!("{model} was never used before");
            self.alerts.push(("new-model".to_owned(), message));
        }
        let is_unusual = |spend: &Spend| {
            spend.hour_and_median(now).is_some_and(|(hour, median)| hour > UNUSUAL * median)
        };
        if is_unusual(&after) && !is_unusual(&before) {
            let message = format!("this hour costs more than {UNUSUAL} times the usual one");
            self.alerts.push(("unusual-hour".to_owned(), message));
        }
        let passed = self.setup.budgets().record(amount, (&before, after), now);
        self.alerts.extend(passed);
        Ok(())
    }

    /// Keeps an alert for the end, and hands it to the command of `--on-alert`.
    fn raise(&mut self, (kind, message): Alert) {
        let setup = &self.setup;
        if let Some(command) = &setup.on_alert {
            let alert = json!({
                "schema": 1,
                "time": crate::records::audit::now(),
                "alert": kind,
                "message": message,
                "run": setup.run.id,
                "profile": setup.run.profile,
                "project": setup.run.project,
            });
            let (command, setup) = (command.clone(), Arc::clone(setup));
            let run = move || _ = run_alert(&command, &setup.env, &alert.to_string());
            self.commands.extend(thread::Builder::new().name("alert".into()).spawn(run));
        }
        self.summary.alerts.push(message);
    }
}

/// Runs a command of the shell in a group of its own, with this on its standard input; one that runs past its time is ended.
fn run_alert(command: &str, changes: &[Change], input: &str) -> io::Result<()> {
    let mut shell = shell(command);
    change_env(&mut shell, changes);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut shell, 0);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let deadline = Instant::now() + ALERT_TIME;
    let mut child = shell.spawn()?;
    // A pipe holds more than an alert, so that a command that reads nothing stops nothing.
    if let Some(mut stdin) = child.stdin.take() {
        _ = stdin.write_all(input.as_bytes());
    }
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            stop(&mut child, true);
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
