//! The judgement of any state, and its report.
//!
//! An input is a line a fact: `client 2`, `env NAME=VALUE`, `managed {…}`, `local {…}`, `project {…}`, `user {…}`, `flag {…}`
//! for --settings, `server {…}` and `policy {…}`, `config {…}`, `login {…}`, `keychain KEY`, `wellknown KEY`, `profile {…}` and
//! `tokens {…}` for the files of an Anthropic profile, `identity`, `open 3` for a descriptor, `printed TEXT`, `late TEXT` or
//! `failed` for the helper. What is checked, in both modes: what is sent is what is marked as used, and nothing else; no
//! header without a sent request; the report is JSON; no piece of a credential is in the report or in a problem.
#![no_main]

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use cck::client::Client;
use cck::client::advice::{self, Case};
use cck::client::config;
use cck::client::decision::{Mode, Standing};
use cck::client::destination;
use cck::client::gather::Facts;
use cck::client::git::Git;
use cck::client::installed::Report;
use cck::client::keychain::Item;
use cck::client::launch::Launch;
use cck::client::paths::Roots;
use cck::client::resolve::resolve;
use cck::client::settings;
use cck::client::state::{Attributes, FileState, HelperRun, Reading, Secret, State};
use cck::client::surroundings::Surroundings;
use cck::context::Context;
use cck::key::command::Ended;
use cck::output::sanitize;
use cck::report::{Answer, json, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(state) = lay(data) {
        check(&state);
    }
});

/// A file that was read, with the usual mode.
fn file_of(path: &Path, bytes: &[u8]) -> FileState {
    let attributes = Attributes { mode: 0o600, owner: 0, size: bytes.len() as u64 };
    let reading = if bytes.is_empty() { Reading::Empty } else { Reading::Read };
    FileState { path: path.to_path_buf(), reading, attributes: Some(attributes) }
}

fn lay(data: &[u8]) -> Option<State> {
    let facts: Vec<(&[u8], &[u8])> = data
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            let at = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
            (&line[..at], line.get(at + 1..).unwrap_or_default())
        })
        .collect();
    let named =
        |word: &[u8]| facts.iter().rfind(|(known, _)| *known == word).map(|(_, rest)| *rest);
    let client = match named(b"client") {
        Some(version) => std::str::from_utf8(version).ok()?.parse().ok()?,
        None => Client::V2,
    };
    let context =
        Context::for_test(&[], &[("HOME", "/home/u")], Path::new("/work"), Path::new("/etc"));
    let roots = Roots::locate(&context, None, None).ok()?;
    let paths = roots.paths(client);
    let mut laid = Facts { roots, ..Facts::default() };
    laid.now = 1_764_000_000.0;
    let profiles = PathBuf::from("/home/u/.config/anthropic");
    laid.profiles_dir = Some(profiles.clone());
    let mut launch = Launch::default();
    let mut helper = None;
    let run = |printed, took| Some(HelperRun { printed, took: Duration::from_millis(took) });
    let config = named(b"config").unwrap_or(b"{}");
    let mut file = file_of(&paths.global_config, config);
    let picked = config::pick(config, 64, None).map_err(|reading| file.reading = reading);
    laid.configs.get_mut().insert(file.path.clone(), (file, picked.unwrap_or_default()));
    let lay = |laid: &mut Facts, path: &Path, bytes: &[u8]| {
        let file = (file_of(path, bytes), Rc::new(bytes.to_vec().into()));
        laid.files.get_mut().insert(path.to_path_buf(), file);
    };
    for (word, rest) in &facts {
        let text = String::from_utf8_lossy(rest);
        let secret = || Secret::new(text.clone().into_owned());
        match *word {
            b"env" => {
                let (name, value) = text.split_once('=')?;
                laid.process.insert(name.to_owned(), Secret::new(value.to_owned()));
            }
            b"managed" => lay(&mut laid, &paths.managed_settings, rest),
            b"local" => lay(&mut laid, &paths.local_settings, rest),
            b"project" => lay(&mut laid, &paths.project_settings, rest),
            b"user" => lay(&mut laid, &paths.user_settings, rest),
            b"flag" => {
                let line = ["claude".into(), "--settings".into(), text.into_owned().into()];
                launch = Launch::parse(&line, client);
            }
            b"server" => laid.server_settings = Some(rest.to_vec().into()),
            b"policy" => laid.policy = Some(Ok(Some(secret()))),
            b"keychain" => laid.keychain.key = Item::Text(text.into_owned().into()),
            b"login" => lay(&mut laid, &paths.credentials, rest),
            b"wellknown" => lay(&mut laid, &paths.well_known.join(".api_key"), rest),
            b"identity" => lay(&mut laid, Path::new("/srv/identity"), b"token"),
            b"profile" => lay(&mut laid, &profiles.join("configs/default.json"), rest),
            b"tokens" => lay(&mut laid, &profiles.join("credentials/default.json"), rest),
            b"printed" => helper = run(Ok(secret()), 1),
            b"late" => helper = run(Ok(secret()), 1000),
            b"failed" => helper = run(Err(Ended::Code(1)), 1),
            b"open" => _ = laid.open_descriptors.insert(text.into_owned(), None),
            b"client" | b"config" => {}
            _ => return None,
        }
    }
    let mut state = State::new(laid, client, launch);
    state.helper = helper;
    Some(state)
}

fn check(state: &State) {
    let decision = resolve(state);
    let around = Surroundings {
        user: 1000,
        in_git: vec![(state.config_file.path.clone(), Git::Tracked)],
        config_dir_is_missing: true,
        ..Surroundings::default()
    };
    let destination = destination::destination(state);
    let installed = Report::default();
    for mode in [Mode::Print, Mode::Interactive] {
        let outcome = decision.outcome(mode);
        let used: Vec<_> = decision
            .candidates
            .iter()
            .filter(|candidate| candidate.note(mode).standing == Standing::Used)
            .map(|candidate| &candidate.source)
            .collect();
        let sent = outcome.sources();
        assert_eq!(used.len(), sent.len(), "{mode:?}: {used:?} are used, {sent:?} are sent");
        assert!(used.iter().all(|source| sent.contains(source)));
        assert!(outcome.sends || sent.is_empty(), "a header of a request that is not sent");
        assert!(mode == Mode::Interactive || outcome.dialogs.is_empty(), "a dialog in print mode");
        assert_eq!(
            decision.meets(mode, None),
            outcome.sends && sent.len() == 1 && decision.meets(mode, sent.first().copied())
        );
        let case = Case {
            state,
            around: &around,
            decision: &decision,
            destination: &destination,
            refusal: None,
            unusable_clients: &[],
            modes: &[mode],
            expected: None,
            profile: None,
            session: None,
        };
        let problems = advice::problems(&case);
        for problem in &problems {
            let is_code = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(
                problem.code.chars().all(is_code)
                    && !problem.message.is_empty()
                    && !problem.fix.is_empty()
            );
        }
        let answer = Answer::new(&case, &installed, problems, None);
        let text = plain(&text::render(&answer, 80, true));
        assert_eq!(sanitize(&text), text, "text that drives a terminal");
        keeps_secrets(state, &serde_json::Value::from(text));
        let report = json::render(&answer).expect("a report");
        let value: serde_json::Value = serde_json::from_str(&report).expect("the report is JSON");
        assert_eq!(value["schema"], 1);
        keeps_secrets(state, &value);
    }
    let mut ids: Vec<String> =
        decision.candidates.iter().map(|candidate| candidate.source.to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), decision.candidates.len(), "a source is named once");
}

/// The text without the colours that cck itself gives it.
fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(part.len());
        match part[end..].strip_prefix('m') {
            Some(rest) => plain.push_str(rest),
            None => plain.push_str("\u{1b}["),
        }
    }
    plain
}

/// So many consecutive characters of a credential are a leak.
const WINDOW: usize = 24;

fn keeps_secrets(state: &State, report: &serde_json::Value) {
    let mut shown = Vec::new();
    texts(report, &mut shown);
    let all = [&state.variables.process, &state.config.env]
        .into_iter()
        .chain(state.layers.iter().map(|layer| &layer.env));
    let credentials = all
        .flat_map(|env| {
            ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"]
                .map(|name| env.get(name))
        })
        .flatten()
        .chain(&state.config.primary_key)
        .chain(state.login.as_ref().map(|login| &login.token));
    let address = settings::base_url(state).1;
    for secret in credentials {
        let text = secret.reveal();
        let starts: Vec<usize> =
            text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        for window in starts.windows(WINDOW + 1).map(|starts| &text[starts[0]..starts[WINDOW]]) {
            // The fuzzer learns cck's own words and puts them into credentials; those are not a leak.
            if !is_of_key(window) {
                continue;
            }
            // An address that is the same text is shown as an address.
            let leak =
                shown.iter().find(|shown| shown.contains(window) && !address.contains(window));
            assert!(leak.is_none(), "{window:?} is in {leak:?}");
        }
    }
}

/// Whether text can only come from a key: no words, no names of variables.
fn is_of_key(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        && text.contains(|c: char| c.is_ascii_digit())
        && text.contains(|c: char| c.is_ascii_lowercase())
}

fn texts<'a>(value: &'a serde_json::Value, all: &mut Vec<&'a str>) {
    match value {
        serde_json::Value::String(text) => all.push(text),
        serde_json::Value::Array(items) => items.iter().for_each(|item| texts(item, all)),
        serde_json::Value::Object(members) => members.values().for_each(|item| texts(item, all)),
        _ => {}
    }
}
