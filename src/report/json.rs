//! `cck verify --json`, schema 1. Additions are allowed, renames are not.

use std::borrow::Cow;

use serde::Serialize;

use super::{Answer, Online};
use crate::client::advice::{Case, Problem};
use crate::client::decision::{self, Dialog, Header, Mode};
use crate::client::installed;
use crate::client::paths::ChosenBy;
use crate::client::settings;
use crate::client::source::Source;
use crate::key;
use crate::output::{escape, without_user};

#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    client: &'a installed::Report,
    config_file: ConfigFile<'a>,
    modes: Modes<'a>,
    candidates: Vec<Candidate<'a>>,
    problems: &'a [Problem],
    #[serde(skip_serializing_if = "Option::is_none")]
    online: Option<&'a Online>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<Session<'a>>,
    destination: Destination<'a>,
    expected: String,
    verdict: &'static str,
}

/// Inside of `cck run`: where the key comes from that cck adds.
#[derive(Serialize)]
struct Session<'a> {
    key_source: &'a str,
}

#[derive(Serialize)]
struct Destination<'a> {
    url: &'a str,
    host: Option<&'a str>,
    /// The id of what the project has set to lead requests there.
    set_by_project: Option<String>,
    trusted_folder: bool,
}

#[derive(Serialize)]
struct ConfigFile<'a> {
    path: Cow<'a, str>,
    chosen_by: ChosenBy,
    exists: bool,
    /// Windows has none.
    mode: Option<String>,
}

#[derive(Serialize)]
struct Modes<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    print: Option<Outcome<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interactive: Option<Outcome<'a>>,
}

#[derive(Serialize)]
struct Outcome<'a> {
    provider: &'static str,
    x_api_key: Option<String>,
    authorization: Option<String>,
    /// Headers that are sent without a credential in them: a failed helper's.
    invalid: Vec<&'static str>,
    sends: bool,
    /// What keeps the client from sending anything, whatever credentials there are.
    stopped_by: Option<&'static str>,
    dialogs: &'a [Dialog],
    base_url: String,
}

#[derive(Serialize)]
struct Candidate<'a> {
    id: String,
    hint: Option<String>,
    fingerprint: Option<String>,
    print: &'static str,
    interactive: &'static str,
    because: &'a str,
    /// The source that goes before it.
    shadowed_by: Option<String>,
}

/// The report as one JSON object, broken into lines.
pub fn render(answer: &Answer<'_>) -> serde_json::Result<String> {
    let case = answer.case;
    let config = &case.state.config_file;
    let mode = |mode| case.modes.contains(&mode).then(|| outcome(case, mode));
    let report = Report {
        schema: 1,
        client: answer.installed,
        config_file: ConfigFile {
            path: config.path.to_string_lossy(),
            chosen_by: case.state.config_choice.chosen_by,
            exists: config.reading.exists(),
            mode: config.attributes.filter(|_| cfg!(unix)).map(|file| format!("{:04o}", file.mode)),
        },
        modes: Modes { print: mode(Mode::Print), interactive: mode(Mode::Interactive) },
        candidates: case.decision.candidates.iter().map(candidate).collect(),
        problems: &answer.problems,
        online: answer.online.as_ref(),
        session: case.session.map(|key_source| Session { key_source }),
        destination: Destination {
            url: &case.destination.shown,
            host: case.destination.address.as_ref().ok().map(|address| address.host()),
            set_by_project: case.destination.redirect.as_ref().map(|by| by.source.to_string()),
            trusted_folder: case.destination.is_trusted,
        },
        expected: case.expected.map_or("any".into(), Source::to_string),
        verdict: if answer.verdict { "yes" } else { "no" },
    };
    let mut text = serde_json::to_string_pretty(&report)?;
    text.push('\n');
    Ok(escape(&key::mask(&answer.with_session(&text))).into_owned())
}

fn candidate(found: &decision::Candidate) -> Candidate<'_> {
    let secret = found.secret.as_ref().map(|secret| secret.reveal().trim());
    Candidate {
        id: found.source.to_string(),
        hint: secret.map(key::hint),
        fingerprint: secret.map(key::fingerprint),
        print: found.print.name(),
        interactive: found.interactive.name(),
        because: &found.because,
        shadowed_by: found.shadowed_by.as_ref().map(Source::to_string),
    }
}

fn outcome<'a>(case: &Case<'a>, mode: Mode) -> Outcome<'a> {
    let outcome = case.decision.outcome(mode);
    let headers = [("x_api_key", &outcome.x_api_key), ("authorization", &outcome.authorization)];
    let invalid = headers.iter().filter(|(_, header)| matches!(header, Header::Invalid(_)));
    let id = |header: &Header| header.source().map(Source::to_string);
    Outcome {
        provider: outcome.provider.name(),
        x_api_key: id(&outcome.x_api_key),
        authorization: id(&outcome.authorization),
        invalid: invalid.map(|(name, _)| *name).collect(),
        sends: outcome.sends,
        stopped_by: outcome.stop.as_ref().map(|stop| stop.code),
        dialogs: &outcome.dialogs,
        base_url: without_user(settings::base_url(case.state).1),
    }
}
