//! `cck verify --json`, schema 1. Additions are allowed, renames are not.

use serde_json::{Value, json};

use super::Answer;
use crate::client::{Candidate, Case, Header, Mode, Source, settings};
use crate::key;
use crate::output::{escape, without_user};

pub fn render(answer: &Answer<'_>) -> serde_json::Result<String> {
    let case = answer.case;
    let (config, destination) = (&case.state.config_file, case.destination);
    let mut modes = json!({});
    for mode in case.modes {
        modes[mode.name()] = outcome(case, *mode);
    }
    let mut report = json!({
        "schema": 1,
        "client": answer.installed,
        "config_file": {
            "path": config.path.to_string_lossy(),
            "chosen_by": case.state.chosen_by,
            "exists": config.reading.exists(),
            // Windows has none.
            "mode": config.attributes.filter(|_| cfg!(unix)).map(|file| format!("{:04o}", file.mode)),
        },
        "modes": modes,
        "candidates": case.decision.candidates.iter().map(candidate).collect::<Vec<_>>(),
        "problems": answer.problems,
        "destination": {
            "url": destination.shown,
            "host": destination.address.as_ref().ok().map(|address| address.host()),
            // The id of what the project has set to lead requests there.
            "set_by_project": destination.redirect.as_ref().map(|by| by.source.to_string()),
            "trusted_folder": destination.is_trusted,
        },
        "expected": case.expected.map_or("any".into(), Source::to_string),
        "verdict": if answer.verdict { "yes" } else { "no" },
    });
    if let Some(online) = &answer.online {
        report["online"] = json!(online);
    }
    // Inside of `cck run`: where the key comes from that cck adds.
    if let Some(source) = case.session {
        report["session"] = json!({"key_source": source});
    }
    let mut text = serde_json::to_string_pretty(&report)?;
    text.push('\n');
    Ok(escape(&key::mask(&answer.with_session(&text))).into_owned())
}

fn candidate(found: &Candidate) -> Value {
    let secret = found.secret.as_ref().map(|secret| secret.reveal().trim());
    json!({
        "id": found.source.to_string(),
        "hint": secret.map(key::hint),
        "fingerprint": secret.map(key::fingerprint),
        "print": found.print.standing.name(),
        "interactive": found.interactive.standing.name(),
        "because": found.because(),
        // The source that goes before it.
        "shadowed_by": found.print.by.as_ref().or(found.interactive.by.as_ref()).map(Source::to_string),
    })
}

fn outcome(case: &Case<'_>, mode: Mode) -> Value {
    let outcome = case.decision.outcome(mode);
    let headers = [("x_api_key", &outcome.x_api_key), ("authorization", &outcome.authorization)];
    let invalid = headers.iter().filter(|(_, header)| matches!(header, Header::Invalid(_)));
    let id = |header: &Header| header.source().map(Source::to_string);
    json!({
        "provider": outcome.provider.map_or("anthropic", |provider| provider.id),
        "x_api_key": id(&outcome.x_api_key),
        "authorization": id(&outcome.authorization),
        // Headers that are sent without a credential in them: a failed helper's.
        "invalid": invalid.map(|(name, _)| *name).collect::<Vec<_>>(),
        "sends": outcome.sends,
        // What keeps the client from sending anything, whatever credentials there are.
        "stopped_by": outcome.stop.as_ref().map(|stop| stop.code),
        "dialogs": outcome.dialogs,
        "base_url": without_user(settings::base_url(case.state).1),
    })
}
