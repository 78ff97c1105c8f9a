//! The judgement of any state, and its report.
//!
//! An input is a line a fact: `client 2`, `env NAME=VALUE`, `managed {…}`, `local {…}`, `project {…}`, `user {…}`,
//! `config {…}`, `login {…}`, `profile {…}` and `tokens {…}` for the files of an Anthropic
//! profile, `identity`, `open 3` for a descriptor, `printed TEXT` or `failed` for the helper. What is checked, in both modes: what is sent is
//! what is marked as used, and nothing else; no header without a sent request; the report is JSON; no piece of a
//! credential is in the report or in a problem.
#![no_main]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cck::client::Client;
use cck::client::advice::{self, Case};
use cck::client::config;
use cck::client::decision::{Mode, Standing};
use cck::client::federation::AnthropicProfile;
use cck::client::gather::read_login;
use cck::client::git::Git;
use cck::client::paths::Paths;
use cck::client::resolve::resolve;
use cck::client::settings::{self, Settings};
use cck::client::source::Layer;
use cck::client::state::{Attributes, FileState, HelperRun, Reading, Secret, State};
use cck::client::surroundings::Surroundings;
use cck::client::version::since;
use cck::context::Context;
use cck::key::command::Ended;
use cck::output::sanitize;
use cck::report::json::{self, Summary};
use cck::report::text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(state) = lay(data) {
        check(&state);
    }
});

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
    let mut process = BTreeMap::new();
    let mut layers = Layer::ALL.map(|layer| Settings::empty(layer, PathBuf::from("/s.json")));
    let mut open_descriptors = Vec::new();
    let mut helper = HelperRun::NotRun;
    for (word, rest) in &facts {
        let text = String::from_utf8_lossy(rest);
        match *word {
            b"env" => {
                let (name, value) = text.split_once('=')?;
                process.insert(name.to_owned(), Secret::new(value.to_owned()));
            }
            // As with a real file: one that the client does not take sets nothing.
            b"managed" => drop(layers[0].merge(client, rest)),
            b"local" => drop(layers[1].merge(client, rest)),
            b"project" => drop(layers[2].merge(client, rest)),
            b"user" => drop(layers[3].merge(client, rest)),
            b"printed" => helper = HelperRun::Printed(Secret::new(text.into_owned())),
            b"failed" => helper = HelperRun::Failed(Ended::Code(1)),
            b"open" => open_descriptors.push(text.into_owned()),
            b"client" | b"config" | b"login" | b"profile" | b"tokens" | b"identity" => {}
            _ => return None,
        }
    }
    let context =
        Context::for_test(&[], &[("HOME", "/home/u")], Path::new("/work"), Path::new("/etc"));
    let paths = Paths::locate(&context, client, None, None).ok()?;
    let (config, config_reading) =
        reading(config::parse(named(b"config").unwrap_or(b"{}"), 64, client, None));
    let (login, login_reading) = reading(read_login(named(b"login").unwrap_or(b"{}")));
    let file = |path: &Path, reading| FileState {
        path: path.to_path_buf(),
        reading,
        attributes: Some(Attributes { mode: 0o644, owner: 0, size: 2 }),
    };
    let profile = named(b"profile").filter(|_| client >= since::PROFILES).map(|config| {
        AnthropicProfile::parse("default", Some(config), named(b"tokens"), Some(0o600))
    });
    Some(State {
        client,
        process,
        layers: layers.to_vec(),
        settings_files: Vec::new(),
        config_choice: paths.config_file(|_| false),
        config_file: file(&paths.global_config, config_reading),
        config,
        credentials_file: file(&paths.credentials, login_reading),
        login,
        open_descriptors,
        profile,
        has_identity_file: named(b"identity").is_some(),
        now: 1_764_000_000.0,
        helper,
        paths,
    })
}

fn reading<T: Default>(read: Result<T, Reading>) -> (T, Reading) {
    match read {
        Ok(value) => (value, Reading::Read),
        Err(reading) => (T::default(), reading),
    }
}

fn check(state: &State) {
    let decision = resolve(state);
    let around = Surroundings {
        user: 1000,
        in_git: vec![(state.config_file.path.clone(), Git::Tracked)],
        config_dir_is_missing: true,
        ..Surroundings::default()
    };
    for mode in [Mode::Print, Mode::Interactive] {
        let outcome = decision.outcome(mode);
        let used: Vec<_> = decision
            .candidates
            .iter()
            .filter(|candidate| {
                Standing::Used
                    == if mode == Mode::Print { candidate.print } else { candidate.interactive }
            })
            .map(|candidate| &candidate.source)
            .collect();
        let sent = outcome.sources();
        assert_eq!(used.len(), sent.len(), "{mode:?}: {used:?} are used, {sent:?} are sent");
        assert!(used.iter().all(|source| sent.contains(source)));
        assert!(outcome.sends || sent.is_empty(), "a header of a request that is not sent");
        assert!(mode == Mode::Interactive || outcome.dialogs.is_empty(), "a dialog in print mode");
        assert_eq!(
            outcome.meets(None),
            outcome.sends && sent.len() == 1 && outcome.meets(sent.first().copied())
        );
        let problems = advice::problems(&Case {
            state,
            around: &around,
            decision: &decision,
            modes: &[mode],
            expected: None,
            home: None,
        });
        for problem in &problems {
            let is_code = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(
                problem.code.chars().all(is_code)
                    && !problem.message.is_empty()
                    && !problem.fix.is_empty()
            );
        }
        let summary = Summary {
            modes: &[mode],
            expected: None,
            verdict: outcome.meets(None),
            problems: &problems,
            online: None,
            width: 80,
            verbose: true,
            client: None,
            home: None,
        };
        let text = plain(&text::render(state, &decision, &summary));
        assert_eq!(sanitize(&text), text, "text that drives a terminal");
        keeps_secrets(state, &serde_json::Value::from(text));
        let report = json::render(state, &decision, &summary).expect("a report");
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
    let all = [&state.process, &state.config.env]
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
            // The fuzzer learns cck's own words and puts them into credentials; those are no leak.
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
