//! `cck verify --json`, schema 1. Additions are allowed, renames are not.

use std::ffi::OsStr;

use serde::Serialize;

use crate::client::advice::Problem;
use crate::client::decision::{Decision, Header, Mode, Outcome};
use crate::client::destination::{Destination, Trust};
use crate::client::installed;
use crate::client::paths::ChosenBy;
use crate::client::source::Source;
use crate::client::state::State;
use crate::key;
use crate::output::escape;
use crate::output::without_user;

/// What the API said.
#[derive(Debug, Serialize)]
pub struct Online {
    /// Who was asked.
    pub url: String,
    /// What came of it.
    pub result: &'static str,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
    /// The problem that it is, if it is one.
    #[serde(skip)]
    pub problem: Option<Problem>,
}

impl Online {
    /// Why the answer is not a yes; none where the API takes the credential.
    pub(crate) fn doubt(&self) -> Option<String> {
        let url = &self.url;
        Some(match self.result {
            "rejected" => format!("{url} rejects the credential"),
            "unreachable" => format!("{url} could not be reached"),
            "not-asked" => format!("{url} was not asked"),
            _ => return None,
        })
    }
}

/// The report.
#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    client: &'a installed::Report,
    config_file: ConfigFile,
    modes: Modes,
    candidates: Vec<Candidate<'a>>,
    problems: &'a [Problem],
    #[serde(skip_serializing_if = "Option::is_none")]
    online: Option<&'a Online>,
    /// Inside of `cck run`: where the key comes from that cck adds.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<Session<'a>>,
    destination: Host<'a>,
    expected: String,
    verdict: &'static str,
}

#[derive(Serialize)]
struct Session<'a> {
    key_source: &'a str,
}

#[derive(Serialize)]
struct Host<'a> {
    url: &'a str,
    host: Option<&'a str>,
    /// The id of what the project has set to lead requests there.
    set_by_project: Option<String>,
    trusted_folder: bool,
}

#[derive(Serialize)]
struct ConfigFile {
    path: String,
    chosen_by: ChosenBy,
    exists: bool,
    mode: Option<String>,
}

#[derive(Serialize)]
struct Modes {
    #[serde(skip_serializing_if = "Option::is_none")]
    print: Option<ModeReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interactive: Option<ModeReport>,
}

#[derive(Serialize)]
struct ModeReport {
    provider: &'static str,
    x_api_key: Option<String>,
    authorization: Option<String>,
    /// Headers that are sent without a credential in them: a failed helper's.
    invalid: Vec<&'static str>,
    sends: bool,
    /// What keeps the client from sending anything, whatever credentials there are.
    stopped_by: Option<&'static str>,
    dialogs: Vec<&'static str>,
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

/// What the report says in addition to the decision.
pub struct Summary<'a> {
    /// The modes asked for.
    pub modes: &'a [Mode],
    /// The source that was expected; none for any.
    pub expected: Option<&'a Source>,
    /// Whether every mode asked for sends it.
    pub verdict: bool,
    /// What to fix.
    pub problems: &'a [Problem],
    /// What the server said, if it was asked.
    pub online: Option<&'a Online>,
    /// Inside of `cck run`: where the key comes from that cck adds.
    pub session: Option<&'a str>,
    /// Why the answer is "no" though every mode sends what is expected.
    pub refused: Option<String>,
    /// The client that is asked about.
    pub installed: &'a installed::Report,
    /// Where the requests go.
    pub destination: &'a Destination,
    /// How wide text may be.
    pub width: usize,
    /// Whether to show every source, wanted or not.
    pub verbose: bool,
    /// The home directory, for paths as the user writes them.
    pub home: Option<&'a OsStr>,
}

/// The report as one line-broken JSON object.
pub fn render(
    state: &State,
    decision: &Decision,
    summary: &Summary<'_>,
) -> serde_json::Result<String> {
    let mode =
        |mode| summary.modes.contains(&mode).then(|| mode_report(decision.outcome(mode), state));
    let config = &state.config_file;
    let report = Report {
        schema: 1,
        client: summary.installed,
        config_file: ConfigFile {
            path: config.path.to_string_lossy().into_owned(),
            chosen_by: state.config_choice.chosen_by,
            exists: config.reading.exists(),
            // Windows has none.
            mode: config
                .attributes
                .filter(|_| cfg!(unix))
                .map(|attributes| format!("{:04o}", attributes.mode)),
        },
        modes: Modes { print: mode(Mode::Print), interactive: mode(Mode::Interactive) },
        candidates: decision
            .candidates
            .iter()
            .map(|candidate| {
                let secret = candidate.secret.as_ref().map(|secret| secret.reveal().trim());
                Candidate {
                    id: candidate.source.to_string(),
                    hint: secret.map(key::hint),
                    fingerprint: secret.map(key::fingerprint),
                    print: candidate.print.name(),
                    interactive: candidate.interactive.name(),
                    because: &candidate.because,
                    shadowed_by: candidate.shadowed_by.as_ref().map(Source::to_string),
                }
            })
            .collect(),
        problems: summary.problems,
        online: summary.online,
        session: summary.session.map(|key_source| Session { key_source }),
        destination: Host {
            url: &summary.destination.shown,
            host: summary.destination.address.as_ref().ok().map(|address| address.host()),
            set_by_project: summary.destination.redirect.as_ref().map(|by| by.source.to_string()),
            trusted_folder: summary.destination.trust == Trust::Trusted,
        },
        expected: summary.expected.map_or("any".into(), Source::to_string),
        verdict: if summary.verdict { "yes" } else { "no" },
    };
    let mut text = serde_json::to_string_pretty(&report)?;
    text.push('\n');
    Ok(escape(&key::mask(&text)).into_owned())
}

fn mode_report(outcome: &Outcome, state: &State) -> ModeReport {
    let headers = [("x_api_key", &outcome.x_api_key), ("authorization", &outcome.authorization)];
    let id = |header: &Header| header.source().map(Source::to_string);
    ModeReport {
        provider: outcome.provider.name(),
        x_api_key: id(&outcome.x_api_key),
        authorization: id(&outcome.authorization),
        invalid: headers
            .iter()
            .filter(|(_, header)| matches!(header, Header::Invalid(_)))
            .map(|(name, _)| *name)
            .collect(),
        sends: outcome.sends,
        stopped_by: outcome.stop.as_ref().map(|stop| stop.code),
        dialogs: outcome.dialogs.iter().map(|dialog| dialog.name()).collect(),
        base_url: without_user(crate::client::settings::base_url(state).1),
    }
}
